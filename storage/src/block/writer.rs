//! Writes blocks with the stock Arrow writer: one fixed encoding per column.
//!
//! Row group 0 holds the timelines, the following ones hold slices. Behind the last column chunk
//! come the index parts and the directory with the checksums of all bytes before it; foreign
//! readers skip them. A block that was sealed is a byte vector and its [`BlockMeta`].

use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::ColumnPath;
use tarn_model::error::{Error, Result};
use tarn_model::labels::METRIC_NAME;
use tarn_model::map::HashMap;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use crate::block::columns::{self, LabelColumns};
use crate::block::directory::{
    Directory, INDEX_KEY, METRICS_PART, MetricRows, Part, checksums, encode_metrics,
};
use crate::block::summary::Values;
use crate::block::table::SliceTable;
use crate::block::{BlockMeta, LabelColumn, LsnRange, ValueSummary};
use crate::paths::{BlockKey, flush_block_name};
use crate::schema::{CLASS_1, CLASS_2, SORT_NAME, column, kind, rank};

/// Bytes of encoded values per page. The stock writer cannot cut pages by samples; 16 KiB are some
/// 16 Ki samples of ordinary series.
const VALUE_PAGE_BYTES: usize = 16 << 10;
/// Rows per label page.
const LABEL_PAGE_ROWS: usize = 20_000;
/// Samples per row group: pages, not row groups, are what is read.
const GROUP_SAMPLES_MAX: u64 = 32 << 20;
/// Slices per row group.
const GROUP_ROWS_MAX: usize = 1 << 20;
/// Samples per batch handed to the writer: bounds the copies in flight to some 20 MiB.
const BATCH_SAMPLES: u64 = 1 << 20;
/// Rows per batch handed to the writer.
const BATCH_ROWS: usize = 16 << 10;
/// Pod-like labels keep their dictionary up to this size.
const DICTIONARY_BYTES_MAX: usize = 16 << 20;
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
    pub(crate) level: u8,
    pub(crate) shard: u32,
    pub(crate) lsn: LsnRange,
    pub(crate) attempt: u64,
    pub(crate) overlaps: bool,
}

/// What a block holds, for its meta.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) kind: &'static str,
    pub(crate) rows: u64,
    pub(crate) samples: u64,
    pub(crate) series: u64,
    pub(crate) time_min_ms: i64,
    pub(crate) time_max_ms: i64,
    pub(crate) labels: LabelColumns,
    pub(crate) values: Vec<ValueSummary>,
}

/// Writes a block of slices.
///
/// # Errors
/// `Internal` where the writer refuses what it is given: a bug.
pub(crate) fn write_slices(table: &SliceTable<'_>, origin: &Origin<'_>) -> Result<NewBlock> {
    let survey = Survey::of(table);
    let labels = LabelColumns::choose(&survey.used);
    let schema = columns::slices(&labels, table.present(survey.unit));
    let mut writer = open(&schema, &labels)?;
    if !table.timelines.is_empty() {
        writer.write(&table.timeline_batch(&schema)?).map_err(refused)?;
        writer.flush().map_err(refused)?;
    }
    let (mut at, mut group_rows, mut group_samples) = (0, 0, 0);
    while at < table.rows.len() {
        let (mut end, mut samples) = (at, 0);
        while end < table.rows.len() && end - at < BATCH_ROWS && samples < BATCH_SAMPLES {
            samples += table.rows[end].weight();
            end += 1;
        }
        let full =
            group_rows + (end - at) > GROUP_ROWS_MAX || group_samples + samples > GROUP_SAMPLES_MAX;
        if full && group_rows > 0 {
            writer.flush().map_err(refused)?;
            (group_rows, group_samples) = (0, 0);
        }
        writer.write(&table.slice_batch(&schema, &labels, at..end)?).map_err(refused)?;
        group_rows += end - at;
        group_samples += samples;
        at = end;
    }
    let parts = vec![(METRICS_PART, encode_metrics(&survey.metrics)?)];
    let content = Content {
        kind: kind::SLICES,
        rows: (table.timelines.len() + table.rows.len()) as u64,
        samples: table.rows.iter().map(|row| u64::from(row.n)).sum(),
        series: survey.series,
        time_min_ms: survey.time_min_ms,
        time_max_ms: survey.time_max_ms,
        values: survey.summaries(),
        labels,
    };
    seal(writer, parts, content, origin)
}

/// One pass over the rows: which labels, metrics and times there are.
struct Survey {
    used: HashMap<Arc<str>, u64>,
    metrics: Vec<MetricRows>,
    values: Vec<(&'static str, Values)>,
    unit: bool,
    series: u64,
    time_min_ms: i64,
    time_max_ms: i64,
}

impl Survey {
    fn of(table: &SliceTable<'_>) -> Self {
        let summed = [METRIC_NAME].iter().chain(CLASS_1).chain(CLASS_2);
        let mut survey = Self {
            used: HashMap::default(),
            metrics: Vec::new(),
            values: summed.map(|name| (*name, Values::default())).collect(),
            unit: false,
            series: 0,
            time_min_ms: i64::MAX,
            time_max_ms: i64::MIN,
        };
        let mut last = None;
        for (i, row) in table.rows.iter().enumerate() {
            let at = (table.timelines.len() + i) as u32;
            let marker = row.ts_offset + row.n;
            let stale = row.stale.then(|| table.timelines[row.timeline as usize][marker as usize]);
            survey.time_min_ms = survey.time_min_ms.min(row.ts_first);
            survey.time_max_ms = survey.time_max_ms.max(stale.unwrap_or(row.ts_last));
            if last == Some(row.series) {
                if let Some(metric) = survey.metrics.last_mut() {
                    metric.rows.end = at + 1;
                }
                continue;
            }
            last = Some(row.series);
            survey.add_series(&(table.series)(row.series), at);
        }
        survey
    }

    fn add_series(&mut self, info: &crate::block::table::SeriesInfo, at: u32) {
        self.series += 1;
        self.unit |= !info.unit.is_empty();
        for label in info.labels.iter() {
            match self.used.get_mut(&label.name) {
                Some(count) => *count += 1,
                None => {
                    self.used.insert(Arc::clone(&label.name), 1);
                }
            }
        }
        for (name, values) in &mut self.values {
            let label = info.labels.iter().find(|l| *l.name == **name);
            values.add(label.map(|l| &l.value));
        }
        let metric = info.labels.metric();
        match self.metrics.last_mut() {
            Some(last) if last.metric == metric => last.rows.end = at + 1,
            _ => self.metrics.push(MetricRows { metric: metric.to_owned(), rows: at..at + 1 }),
        }
    }

    fn summaries(&self) -> Vec<ValueSummary> {
        self.values.iter().filter_map(|(name, values)| values.summary(name)).collect()
    }
}

fn refused(error: parquet::errors::ParquetError) -> Error {
    Error::internal("write block").with_source(error)
}

/// Begins a block.
pub(crate) fn open(schema: &SchemaRef, labels: &LabelColumns) -> Result<ArrowWriter<Vec<u8>>> {
    let options = ArrowWriterOptions::new()
        .with_properties(properties(schema, labels))
        .with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(schema), options).map_err(refused)
}

fn zstd(level: i32) -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(level).unwrap_or_default())
}

fn properties(schema: &SchemaRef, labels: &LabelColumns) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_created_by(format!("tarn {}", env!("CARGO_PKG_VERSION")))
        .set_compression(zstd(3))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
        .set_data_page_row_count_limit(LABEL_PAGE_ROWS)
        .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
        .set_sorting_columns(Some(sorting(schema, labels)));
    for field in schema.fields() {
        builder = column_properties(builder, field.name(), field.data_type());
    }
    builder.build()
}

fn column_properties(
    builder: WriterPropertiesBuilder,
    name: &str,
    kind: &DataType,
) -> WriterPropertiesBuilder {
    let own = ColumnPath::from(name);
    match kind {
        DataType::List(item) => {
            let item_path: Vec<String> =
                [name, "list", "element"].iter().map(|part| (*part).to_owned()).collect();
            let path = ColumnPath::from(item_path);
            let encoding = match item.data_type() {
                DataType::Float64 => Encoding::BYTE_STREAM_SPLIT,
                _ => Encoding::DELTA_BINARY_PACKED,
            };
            builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path.clone(), encoding)
                .set_column_compression(path.clone(), zstd(1))
                .set_column_data_page_size_limit(path.clone(), VALUE_PAGE_BYTES)
                .set_column_statistics_enabled(path, EnabledStatistics::None)
        }
        DataType::Utf8 | DataType::Timestamp(_, _) => {
            builder.set_column_statistics_enabled(own, EnabledStatistics::Page)
        }
        DataType::Int32
            if matches!(
                name,
                column::ROW_ID | column::TS_OFFSET | column::N | column::TIMELINE
            ) =>
        {
            builder
                .set_column_dictionary_enabled(own.clone(), false)
                .set_column_encoding(own, Encoding::DELTA_BINARY_PACKED)
        }
        DataType::FixedSizeBinary(16) => builder
            .set_column_bloom_filter_enabled(own.clone(), true)
            .set_column_bloom_filter_fpp(own, 0.01),
        _ => builder,
    }
}

/// States the part of the order that Parquet can state: the metric and the first two classes.
fn sorting(schema: &SchemaRef, labels: &LabelColumns) -> Vec<SortingColumn> {
    let first = labels.columns.iter().filter(|name| matches!(rank(name).0, 1 | 2));
    // The metric and all label columns come first and are leaves, so fields are leaf columns.
    let count = 1 + first.count();
    let count = count.min(schema.fields().len());
    (0..count as i32)
        .map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: true })
        .collect()
}

/// Ends a block: index parts, directory, footer.
pub(crate) fn seal(
    mut writer: ArrowWriter<Vec<u8>>,
    parts: Vec<(&str, Vec<u8>)>,
    content: Content,
    origin: &Origin<'_>,
) -> Result<NewBlock> {
    let io = |e: std::io::Error| Error::internal("write block").with_source(e);
    writer.flush().map_err(refused)?;
    let mut directory = Directory { in_map: content.labels.in_map.clone(), ..Directory::default() };
    for (name, bytes) in parts {
        let start = writer.bytes_written() as u64;
        writer.write_all(&bytes).map_err(io)?;
        let range = start..start + bytes.len() as u64;
        directory.parts.push(Part { name: name.to_owned(), version: 1, range });
    }
    writer.sync().map_err(io)?;
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
    let LsnRange { writer, epoch, lo, hi } = &origin.lsn;
    let mut pairs = vec![
        ("tarn.format", format!("{}/1", content.kind)),
        ("tarn.kind", content.kind.to_owned()),
        ("tarn.writer", env!("CARGO_PKG_VERSION").to_owned()),
        ("tarn.tenant", origin.tenant.to_string()),
        ("tarn.day", origin.day.clone()),
        ("tarn.class", String::new()),
        ("tarn.level", origin.level.to_string()),
        ("tarn.lsn", format!("{writer}:{epoch}:{lo}-{hi}")),
        ("tarn.attempt", format!("{:016x}", origin.attempt)),
        ("tarn.sampled", String::new()),
        (INDEX_KEY, format!("{offset},{length}")),
    ];
    if content.kind != kind::FAMILIES {
        pairs.push(("tarn.sort", SORT_NAME.to_owned()));
    }
    pairs
}

fn meta(bytes: &Bytes, tail: u64, content: Content, origin: &Origin<'_>) -> BlockMeta {
    let LsnRange { writer, epoch, lo, hi } = &origin.lsn;
    let name = flush_block_name(writer, *epoch, *lo, *hi, origin.shard, origin.attempt);
    let key = BlockKey {
        tenant: origin.tenant,
        signal: Signal::Metrics,
        day: &origin.day,
        kind: content.kind,
        level: origin.level,
        name: &name,
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
        signal: Signal::Metrics.as_str().to_owned(),
        day: origin.day.clone(),
        days: origin.days.clone(),
        class: String::new(),
        level: origin.level,
        shard: origin.shard,
        lsn: vec![origin.lsn.clone()],
        rows: content.rows,
        samples: content.samples,
        series: content.series,
        time_min_ms: content.time_min_ms,
        time_max_ms: content.time_max_ms,
        overlaps: origin.overlaps,
        labels: columns.chain(in_map).collect(),
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
