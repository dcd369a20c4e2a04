//! 7. Immutable: one Parquet file and its [`BlockMeta`].
//!
//! A block belongs to one tenant, signal and (but for late L0 blocks) UTC day. Its object is
//! created once, under a name that is never reused, and never changed.
//!
//! - [`columns`]: which columns a block has; [`table`]: slices on their way into them
//! - [`writer`]: the file of metrics, with its [`survey`] and [`pages`]
//! - [`rows`]: that of logs and spans, with [`promote`] and [`trace_order`]; [`index`]: what they
//!   are found by
//! - [`extras`]: exemplars and metric families
//! - [`seal`](mod@seal): the end of a file; [`directory`]: index parts and checksums between data and footer
//! - [`summary`]: what the catalog knows of a block's label values
//! - [`figures`]: pages apart from files, to be measured
//! - [`reader`]: opens by the tail, finds rows, decodes what is needed

use serde::{Deserialize, Serialize};

pub(crate) mod columns;
pub(crate) mod directory;
pub(crate) mod extras;
pub mod figures;
pub(crate) mod index;
pub(crate) mod pages;
pub(crate) mod promote;
pub mod reader;
pub(crate) mod rows;
pub mod seal;
pub(crate) mod summary;
pub(crate) mod survey;
pub(crate) mod table;
pub(crate) mod trace_order;
pub(crate) mod writer;

/// What the catalog knows of a block, enough to prune it without opening it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockMeta {
    /// Object key.
    pub object: String,
    /// Where the file begins inside the object; 0 but for packed objects.
    pub offset: u64,
    /// Length of the file.
    pub bytes: u64,
    /// Length of the tail: directory, page indexes, footer.
    pub tail_bytes: u64,
    /// CRC32C of the tail.
    pub tail_crc: u32,
    /// CRC32C of the whole file, for backup and copy.
    pub block_crc: u32,
    /// Kind and version, as `slices/1`.
    pub format: String,
    /// `slices`, `exemplars`, `families`; later `logs`, `spans`.
    pub kind: String,
    /// Whose rows.
    pub tenant: String,
    /// `metrics`, `logs` or `traces`.
    pub signal: String,
    /// `YYYY-MM-DD`, or `late`.
    pub day: String,
    /// Days that a `late` block holds; empty otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<String>,
    /// Retention class; empty before compaction.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub class: String,
    /// 0 = flushed, 1, 2 = merged.
    pub level: u8,
    /// Shard number among the blocks of one flush or merge.
    pub shard: u32,
    /// The log positions whose rows the block holds.
    pub lsn: Vec<LsnRange>,
    /// Place in the order of commits: the number of the manifest that first named the rows; of a
    /// merged block the highest of its inputs. Of two values for one time the one in the block of
    /// the higher `(seq, lsn)` wins (ORD-1). 0 in an entry that no commit has taken in yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub seq: u64,
    /// Ids of tombstones whose rows are not in the block any more, although its log positions are
    /// below theirs: a merge left them out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<String>,
    /// Rows of the file (slices and timelines).
    pub rows: u64,
    /// Samples (rows as a client counts them).
    pub samples: u64,
    /// Series.
    pub series: u64,
    /// Earliest sample, ms since the epoch.
    pub time_min_ms: i64,
    /// Latest sample or staleness marker, ms.
    pub time_max_ms: i64,
    /// Hint: slices may overlap in time, here or with older blocks.
    pub overlaps: bool,
    /// Names of all label columns, and of the labels that live in the map only.
    pub labels: Vec<LabelColumn>,
    /// Promoted attributes: which have a column of their own. All others live in the map.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<AttributeColumn>,
    /// Value summaries of `metric` and of the first sort classes; of logs and spans, of
    /// `service_name` and `name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ValueSummary>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The rows of one writer that a block holds: log positions `lo..=hi`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LsnRange {
    /// Writer id, 32 hex digits.
    pub writer: String,
    /// Epoch of the writer when it flushed.
    pub epoch: u64,
    /// First position.
    pub lo: u64,
    /// Last position.
    pub hi: u64,
}

/// One label name of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelColumn {
    /// Label name (the column is `l_` + name).
    pub name: String,
    /// The label has no column and lives in `labels_more`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_map: bool,
}

/// One promoted attribute of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeColumn {
    /// Name of the column: the prefix of its type and the key, as `ai_http.status`.
    pub name: String,
    /// Some rows have the attribute in the map: values of another type.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_map: bool,
    /// Rows with a value in the column: by this a merge decides whether it stays one. 0 = not told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows: u64,
}

/// What values a label has in a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValueSummary {
    /// Label name; `__name__` for the metric.
    pub label: String,
    /// Smallest value present.
    pub min: String,
    /// Largest value present.
    pub max: String,
    /// All values, where they are at most 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Vec<String>>,
    /// Otherwise a bloom filter, 10 bits per value, at most 8 KiB, as hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bloom: Option<String>,
    /// Some series of the block lack the label.
    pub absent: bool,
}
