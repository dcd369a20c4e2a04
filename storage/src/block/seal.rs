//! Ends a block of any kind: index parts, directory, footer, and the entry of the catalog.
//!
//! Behind the last column chunk come the index parts and the directory with the checksums of all
//! bytes before it; foreign readers skip them. A block that was sealed is a byte vector and its
//! [`BlockMeta`].

use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::writer::SerializedFileWriter;
use tarn_model::error::{Error, Result};
use tarn_model::rng::Rng;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use crate::block::columns::LabelColumns;
use crate::block::directory::{Directory, INDEX_KEY, Part, checksums};
use crate::block::{AttributeColumn, BlockMeta, LabelColumn, LsnRange, ValueSummary};
use crate::paths::{BlockKey, flush_block_name};

/// Smaller blocks are opened as fast as their summaries are read.
const SUMMARY_BLOCK_BYTES_MIN: usize = 1 << 20;
/// A block's entry in the catalog stays below this; blooms go first.
const META_BYTES_MAX: usize = 16 << 10;

/// A block that is in no bucket yet.
#[derive(Debug, Clone)]
pub struct NewBlock {
    /// What the catalog will know.
    pub meta: BlockMeta,
    /// The object.
    pub bytes: Bytes,
}

/// What a block is called and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Origin<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) day: String,
    /// Days of a `late` block.
    pub(crate) days: Vec<String>,
    /// Retention class; empty before a merge.
    pub(crate) class: String,
    pub(crate) level: u8,
    pub(crate) shard: u32,
    pub(crate) lsn: Vec<LsnRange>,
    /// As in [`BlockMeta::seq`]: 0 of a flush.
    pub(crate) seq: u64,
    /// The unique part of the object's name, which ends with `attempt`.
    pub(crate) name: String,
    pub(crate) attempt: u64,
    pub(crate) overlaps: bool,
}

impl<'a> Origin<'a> {
    /// Names a block of a flush.
    pub(crate) fn flushed(
        tenant: &'a TenantId,
        (day, days): (String, Vec<String>),
        shard: u32,
        lsn: &LsnRange,
        rng: &dyn Rng,
    ) -> Self {
        let attempt = rng.next_u64();
        let LsnRange { writer, epoch, lo, hi } = lsn;
        Self {
            tenant,
            day,
            days,
            class: String::new(),
            level: 0,
            shard,
            lsn: vec![lsn.clone()],
            seq: 0,
            name: flush_block_name(writer, *epoch, *lo, *hi, shard, attempt),
            attempt,
            overlaps: false,
        }
    }
}

/// What a block holds, for its meta.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) signal: Signal,
    pub(crate) kind: &'static str,
    /// Name of the order of the rows, where they have one.
    pub(crate) sort: Option<&'static str>,
    pub(crate) rows: u64,
    pub(crate) samples: u64,
    pub(crate) series: u64,
    pub(crate) time_min_ms: i64,
    pub(crate) time_max_ms: i64,
    pub(crate) labels: LabelColumns,
    pub(crate) attributes: Vec<AttributeColumn>,
    pub(crate) values: Vec<ValueSummary>,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            signal: Signal::Metrics,
            kind: "",
            sort: None,
            rows: 0,
            samples: 0,
            series: 0,
            time_min_ms: 0,
            time_max_ms: 0,
            labels: LabelColumns::default(),
            attributes: Vec::new(),
            values: Vec::new(),
        }
    }
}

/// Bytes between columns and directory that answer one kind of question.
#[derive(Debug)]
pub(crate) struct IndexPart {
    pub(crate) name: &'static str,
    pub(crate) version: u16,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn refused(error: parquet::errors::ParquetError) -> Error {
    Error::internal("write block").with_source(error)
}

/// Ends a block of the stock writer: index parts, directory, footer.
pub(crate) fn seal(
    writer: ArrowWriter<Vec<u8>>,
    parts: Vec<IndexPart>,
    content: Content,
    origin: &Origin<'_>,
) -> Result<NewBlock> {
    let (writer, _) = writer.into_serialized_writer().map_err(refused)?;
    seal_file(writer, parts, content, origin)
}

/// Ends a block whose row groups are all written: index parts, directory, footer.
pub(crate) fn seal_file(
    mut writer: SerializedFileWriter<Vec<u8>>,
    parts: Vec<IndexPart>,
    content: Content,
    origin: &Origin<'_>,
) -> Result<NewBlock> {
    let io = |e: std::io::Error| Error::internal("write block").with_source(e);
    let mut directory = Directory { in_map: content.labels.in_map.clone(), ..Directory::default() };
    for IndexPart { name, version, bytes } in parts {
        let start = writer.bytes_written() as u64;
        writer.write_all(&bytes).map_err(io)?;
        let range = start..start + bytes.len() as u64;
        directory.parts.push(Part { name: name.to_owned(), version, range });
    }
    writer.flush().map_err(io)?;
    directory.offset = writer.bytes_written() as u64;
    directory.regions = checksums(writer.inner());
    let encoded = directory.encode();
    writer.write_all(&encoded).map_err(io)?;
    for (key, value) in footer(&content, origin, directory.offset, encoded.len()) {
        writer.append_key_value_metadata(KeyValue { key: key.to_owned(), value: Some(value) });
    }
    let bytes = Bytes::from(writer.into_inner().map_err(refused)?);
    let meta = meta(&bytes, directory.offset, content, origin);
    Ok(NewBlock { meta, bytes })
}

fn footer(
    content: &Content,
    origin: &Origin<'_>,
    offset: u64,
    length: usize,
) -> Vec<(&'static str, String)> {
    let lsn = |LsnRange { writer, epoch, lo, hi }: &LsnRange| format!("{writer}:{epoch}:{lo}-{hi}");
    let lsn: Vec<String> = origin.lsn.iter().map(lsn).collect();
    let mut pairs = vec![
        ("tarn.format", format!("{}/1", content.kind)),
        ("tarn.kind", content.kind.to_owned()),
        ("tarn.writer", env!("CARGO_PKG_VERSION").to_owned()),
        ("tarn.tenant", origin.tenant.to_string()),
        ("tarn.day", origin.day.clone()),
        ("tarn.class", origin.class.clone()),
        ("tarn.level", origin.level.to_string()),
        ("tarn.lsn", lsn.join(",")),
        ("tarn.attempt", format!("{:016x}", origin.attempt)),
        ("tarn.sampled", String::new()),
        (INDEX_KEY, format!("{offset},{length}")),
    ];
    pairs.extend(content.sort.map(|sort| ("tarn.sort", sort.to_owned())));
    pairs
}

fn meta(bytes: &Bytes, tail: u64, content: Content, origin: &Origin<'_>) -> BlockMeta {
    let key = BlockKey {
        tenant: origin.tenant,
        signal: content.signal,
        day: &origin.day,
        kind: content.kind,
        level: origin.level,
        name: &origin.name,
    };
    let label = |name: &Arc<str>, in_map| LabelColumn { name: name.to_string(), in_map };
    let columns = content.labels.columns.iter().map(|name| label(name, false));
    let in_map = content.labels.in_map.iter().map(|name| label(name, true));
    let values = if bytes.len() < SUMMARY_BLOCK_BYTES_MIN { Vec::new() } else { content.values };
    let mut meta = BlockMeta {
        object: key.key(),
        offset: 0,
        bytes: bytes.len() as u64,
        tail_bytes: bytes.len() as u64 - tail,
        tail_crc: crc32c::crc32c(&bytes[tail as usize..]),
        block_crc: crc32c::crc32c(bytes),
        format: format!("{}/1", content.kind),
        kind: content.kind.to_owned(),
        tenant: origin.tenant.to_string(),
        signal: content.signal.as_str().to_owned(),
        day: origin.day.clone(),
        days: origin.days.clone(),
        class: origin.class.clone(),
        level: origin.level,
        shard: origin.shard,
        lsn: origin.lsn.clone(),
        seq: origin.seq,
        erased: Vec::new(),
        rows: content.rows,
        samples: content.samples,
        series: content.series,
        time_min_ms: content.time_min_ms,
        time_max_ms: content.time_max_ms,
        overlaps: origin.overlaps,
        labels: columns.chain(in_map).collect(),
        attributes: content.attributes,
        values,
    };
    shrink(&mut meta);
    meta
}

/// Keeps the meta small: blooms go first, the largest before others, then lists.
fn shrink(meta: &mut BlockMeta) {
    let size = |meta: &BlockMeta| serde_json::to_vec(meta).map_or(0, |json| json.len());
    while size(meta) > META_BYTES_MAX {
        let bloom = |v: &ValueSummary| v.bloom.as_ref().map_or(0, String::len);
        let Some(largest) = meta.values.iter_mut().max_by_key(|v| bloom(v)) else { return };
        if largest.bloom.take().is_none() {
            meta.values.pop();
        }
    }
}
