//! Reads blocks: opens them by their tail, finds rows, decodes what is needed.
//!
//! One read of the tail, whose length and checksum the catalog knows, proves footer, page indexes
//! and directory; every later read is rounded out to the directory's regions and verified before
//! any decoder sees it (COR-1).
//!
//! - [`fetch`]: verified byte ranges
//! - [`rows`]: matchers → rows; one evaluation per distinct label value
//! - [`slices`]: rows → samples; [`lists`]: the pages of their values
//! - [`pages`]: conditions → rows, by statistics; [`tables`]: rows of logs and spans
//! - [`stream`]: rows of slices in their order, for merges
//!
//! Open blocks, timelines and results of matchers are kept, bounded by bytes; the bytes themselves
//! where the bucket is behind a network ([`Parts`]).

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::{
    ArrowPredicate, ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector,
};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use tarn_model::error::{Error, Result};
use tarn_model::labels::{LabelSet, METRIC_NAME};
use tarn_model::sample::{Metadata, MetricType};
use tarn_model::time::TimeRange;

use crate::block::BlockMeta;
use crate::block::directory::{Directory, METRICS_PART, MetricRows, decode_metrics};
use crate::block::reader::tables::{Rows, in_memory};
use crate::block::summary;
use crate::object::Objects;
use crate::object::cache::{Bounded, Parts};
use crate::schema::column;
use crate::view::Selector;
use crate::view::rows::ScanStats;

mod fetch;
mod lists;
pub(crate) mod pages;
pub(crate) mod rows;
mod slices;
pub(crate) mod stream;
pub(crate) mod tables;

/// Open blocks kept: some 4 KiB each for small blocks, 1 MiB for large ones.
const OPEN_BYTES_MAX: usize = 64 << 20;
/// Timelines kept.
const TICK_BYTES_MAX: usize = 32 << 20;
/// What an open tail holds for each of its bytes: the parsed footer is several times larger.
const PARSED_FACTOR: usize = 6;
/// Results of matchers kept.
const MATCHED_BYTES_MAX: usize = 64 << 20;
/// A native histogram of ordinary size against a float.
const HISTOGRAM_WEIGHT: u64 = 64;
/// Rows decoded at once.
const BATCH_ROWS: usize = 16 << 10;

/// Object and row of a timeline.
type TimelineKey = (Arc<str>, u32);

/// Object and matchers.
type MatchKey = (Arc<str>, Arc<str>);

/// Series that matchers found in a block.
pub(crate) type Matched = Arc<[BlockSeries]>;

/// Opens and reads blocks.
#[derive(Debug)]
pub struct Blocks {
    parts: Parts,
    open: Mutex<Bounded<Arc<str>, Arc<OpenBlock>>>,
    ticks: Mutex<Bounded<TimelineKey, Arc<[i64]>>>,
    matched: Mutex<Bounded<MatchKey, Matched>>,
}

/// A block whose tail was read and verified.
pub(crate) struct OpenBlock {
    pub(crate) meta: Arc<BlockMeta>,
    object: Arc<str>,
    arrow: ArrowReaderMetadata,
    directory: Directory,
    metrics: Vec<MetricRows>,
    /// First row of every row group, and the number of rows.
    groups: Vec<u32>,
}

impl std::fmt::Debug for OpenBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenBlock").field("object", &self.object).finish_non_exhaustive()
    }
}

/// The rows of one series in a block.
#[derive(Debug, Clone)]
pub(crate) struct BlockSeries {
    pub(crate) labels: LabelSet,
    pub(crate) metric_type: MetricType,
    pub(crate) rows: Arc<[RowSlice]>,
}

/// One slice row, without its values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowSlice {
    /// Number of the row in the block.
    pub(crate) row: u32,
    pub(crate) n: u32,
    pub(crate) timeline: u32,
    pub(crate) ts_offset: u32,
    pub(crate) stale: bool,
    pub(crate) ts_first: i64,
    pub(crate) ts_last: i64,
    /// Scale of the mantissas, where the values are such.
    pub(crate) scale: Option<u8>,
}

impl RowSlice {
    /// Returns whether some sample may lie in the range. A marker has no time of its own in the
    /// row, so rows that end with one are kept, wherever their last sample is.
    pub(crate) fn may_overlap(&self, range: TimeRange) -> bool {
        self.ts_first <= range.end_ms && (self.stale || self.ts_last >= range.start_ms)
    }
}

/// Returns whether the block can hold what a selector looks for, by what the catalog knows.
pub(crate) fn may_match(meta: &BlockMeta, selector: &Selector) -> bool {
    let own = TimeRange { start_ms: meta.time_min_ms, end_ms: meta.time_max_ms };
    own.overlaps(selector.range)
        && selector.matchers.iter().all(|matcher| {
            let known = *matcher.name == *METRIC_NAME
                || meta.labels.iter().any(|label| *label.name == *matcher.name);
            match meta.values.iter().find(|v| *v.label == *matcher.name) {
                Some(values) => summary::may_match(values, matcher),
                None => known || matcher.matches_empty(),
            }
        })
}

impl Blocks {
    /// Makes a reader of the blocks of a store at hand.
    pub fn new(objects: Objects) -> Arc<Self> {
        Self::of(Parts::direct(objects))
    }

    /// Makes a reader of blocks whose bytes come from `parts`.
    pub fn of(parts: Parts) -> Arc<Self> {
        let open = Mutex::new(Bounded::new(OPEN_BYTES_MAX));
        let ticks = Mutex::new(Bounded::new(TICK_BYTES_MAX));
        let matched = Mutex::new(Bounded::new(MATCHED_BYTES_MAX));
        Arc::new(Self { parts, open, ticks, matched })
    }

    /// Returns why a block cannot be read at the moment, where that is known.
    pub(crate) fn out_of_reach(&self, meta: &BlockMeta) -> Option<Arc<str>> {
        self.parts.out_of_reach(&meta.object)
    }

    /// Opens a block, or takes it from the cache.
    ///
    /// # Errors
    /// `Corrupt` where the tail is not what the catalog says; `Unavailable` where it cannot be
    /// read.
    pub(crate) async fn open(&self, meta: &Arc<BlockMeta>) -> Result<Arc<OpenBlock>> {
        self.open_counted(meta, None).await
    }

    /// Opens a block, and counts what is read for it.
    ///
    /// # Errors
    /// As [`Blocks::open`].
    pub(crate) async fn open_counted(
        &self,
        meta: &Arc<BlockMeta>,
        stats: Option<&ScanStats>,
    ) -> Result<Arc<OpenBlock>> {
        let object: Arc<str> = meta.object.as_str().into();
        if let Some(block) = self.open.lock().get(&object) {
            return Ok(Arc::clone(block));
        }
        let attempt = async {
            let (tail, before) = self.tail(meta, &object, stats).await?;
            let mut block = OpenBlock::parse(meta, Arc::clone(&object), &tail)?;
            self.keep_before_tail(&block, &before);
            if let Some(part) = block.directory.parts.iter().find(|p| p.name == METRICS_PART) {
                let ranges = [part.range.clone()];
                for bytes in self.fetch(&block, &ranges, stats).await? {
                    block.metrics = decode_metrics(&bytes)?;
                }
            }
            Ok(Arc::new(block))
        };
        let block = attempt.await.map_err(|e: Error| e.context(format!("open block {object}")))?;
        let bytes = meta.tail_bytes as usize * PARSED_FACTOR;
        self.open.lock().insert(object, Arc::clone(&block), bytes);
        Ok(block)
    }

    /// Decodes columns of some rows, batch by batch.
    async fn scan(
        &self,
        block: &OpenBlock,
        scan: Scan,
        mut each: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let Scan { columns, rows, filters } = scan;
        let wanted = Rows { columns: &columns, rows: &rows, filters, batch: BATCH_ROWS };
        let Some(mut decoding) = block.decode(wanted)? else { return Ok(()) };
        while let Some(batch) = self.next_rows(block, &mut decoding, None).await? {
            each(&batch)?;
        }
        Ok(())
    }

    /// Collects the values of a label.
    ///
    /// # Errors
    /// As [`Blocks::open`].
    pub(crate) async fn label_values(
        &self,
        block: &Arc<OpenBlock>,
        name: &str,
        into: &mut BTreeSet<String>,
    ) -> Result<()> {
        if name == METRIC_NAME {
            let metrics = block.metrics.iter().filter(|m| !m.metric.is_empty());
            into.extend(metrics.map(|m| m.metric.clone()));
            return Ok(());
        }
        rows::label_values(self, block, name, into).await
    }

    /// Reads a block of metric families.
    ///
    /// # Errors
    /// As [`Blocks::open`].
    pub(crate) async fn families(&self, meta: &Arc<BlockMeta>) -> Result<Vec<(String, Metadata)>> {
        let block = self.open(meta).await?;
        rows::families(self, &block).await
    }
}

/// What to decode.
struct Scan {
    columns: Vec<String>,
    /// Ascending, apart.
    rows: Vec<Range<u32>>,
    filters: Vec<Box<dyn ArrowPredicate>>,
}

impl OpenBlock {
    fn parse(meta: &Arc<BlockMeta>, object: Arc<str>, tail: &bytes::Bytes) -> Result<Self> {
        let directory = Directory::decode(tail)?;
        if directory.offset != meta.bytes.saturating_sub(meta.tail_bytes) {
            return Err(Error::corrupt("directory is not where the catalog says"));
        }
        let damaged = |e: parquet::errors::ParquetError| {
            Error::corrupt("block footer cannot be parsed").with_source(e)
        };
        let mut reader = ParquetMetaDataReader::new()
            .with_column_index_policy(PageIndexPolicy::Optional)
            .with_offset_index_policy(PageIndexPolicy::Required);
        reader.try_parse_sized(tail, meta.bytes).map_err(damaged)?;
        let metadata = Arc::new(reader.finish().map_err(damaged)?);
        let schema = parquet_to_arrow_schema(metadata.file_metadata().schema_descr(), None)
            .map_err(damaged)?;
        let options =
            ArrowReaderOptions::new().with_schema(Arc::new(in_memory(&meta.kind, &schema)));
        let mut groups = vec![0];
        let mut rows = 0;
        for group in metadata.row_groups() {
            rows += u32::try_from(group.num_rows()).unwrap_or(u32::MAX);
            groups.push(rows);
        }
        let arrow = ArrowReaderMetadata::try_new(metadata, options).map_err(damaged)?;
        let meta = Arc::clone(meta);
        Ok(Self { meta, object, arrow, directory, metrics: Vec::new(), groups })
    }

    pub(crate) fn object(&self) -> &Arc<str> {
        &self.object
    }

    /// Returns about how many floats the samples of a row are worth in memory.
    pub(crate) fn weight(&self, row: &RowSlice) -> u64 {
        let maybe_histograms = row.scale.is_none() && self.has_column(column::H_SCHEMA);
        u64::from(row.n) * if maybe_histograms { HISTOGRAM_WEIGHT } else { 1 }
    }

    /// Returns all rows of slices: those behind the timelines.
    fn slice_rows(&self) -> Range<u32> {
        let first = self.groups.get(1).copied().unwrap_or(0);
        first..self.groups.last().copied().unwrap_or(first).max(first)
    }

    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.arrow.schema().field_with_name(name).is_ok()
    }

    /// Turns rows of the block into row groups and a selection over just these.
    fn select(&self, rows: &[Range<u32>]) -> (Vec<usize>, RowSelection) {
        let mut groups = Vec::new();
        let mut selectors = Vec::new();
        for (group, window) in self.groups.windows(2).enumerate() {
            let inside = rows.iter().filter_map(|r| {
                let (start, end) = (r.start.max(window[0]), r.end.min(window[1]));
                (start < end).then_some(start..end)
            });
            let mut at = window[0];
            for range in inside {
                selectors.push(RowSelector::skip((range.start - at) as usize));
                selectors.push(RowSelector::select((range.end - range.start) as usize));
                at = range.end;
                if groups.last() != Some(&group) {
                    groups.push(group);
                }
            }
            if groups.last() == Some(&group) {
                selectors.push(RowSelector::skip((window[1] - at) as usize));
            }
        }
        selectors.retain(|s| s.row_count > 0);
        (groups, RowSelection::from(selectors))
    }
}
