//! Writes blocks of metrics with the stock Arrow writer: one fixed encoding per column.
//!
//! Row group 0 holds the timelines, the following ones hold slices. What comes behind the last
//! column chunk is the same for all kinds of blocks: [`seal`].

use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::ColumnPath;
use tarn_model::error::Result;
use tarn_model::labels::METRIC_NAME;
use tarn_model::map::HashMap;

use crate::block::ValueSummary;
use crate::block::columns::{self, LabelColumns};
use crate::block::directory::{METRICS_PART, MetricRows, encode_metrics};
use crate::block::seal::{Content, IndexPart, NewBlock, Origin, refused, seal};
use crate::block::summary::Values;
use crate::block::table::SliceTable;
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
    let bytes = encode_metrics(&survey.metrics)?;
    let parts = vec![IndexPart { name: METRICS_PART, version: 1, bytes }];
    let content = Content {
        kind: kind::SLICES,
        sort: Some(SORT_NAME),
        rows: (table.timelines.len() + table.rows.len()) as u64,
        samples: table.rows.iter().map(|row| u64::from(row.n)).sum(),
        series: survey.series,
        time_min_ms: survey.time_min_ms,
        time_max_ms: survey.time_max_ms,
        values: survey.summaries(),
        labels,
        ..Content::default()
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
