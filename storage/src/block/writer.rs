//! Writes blocks of metrics.
//!
//! Row group 0 holds the timelines, the following ones hold slices. What comes behind the last
//! column chunk is the same for all kinds of blocks: [`seal`].

use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{self, Compression, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::ColumnPath;
use tarn_model::error::Result;

use crate::block::columns::{self, LabelColumns, Present};
use crate::block::directory::{METRICS_PART, encode_metrics};
use crate::block::seal::{IndexPart, NewBlock, Origin, refused, seal};
use crate::block::survey::{LabelUse, Survey};
use crate::block::table::{SliceTable, timeline_batch};
use crate::schema::{column, rank};

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

/// How values are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// One fixed encoding per column: for flushes, whose blocks are soon merged.
    Plain,
    /// The smallest of several encodings, page by page: for merges.
    Best,
}

/// Writes all rows of a block.
///
/// # Errors
/// As [`SliceWriter::write`].
pub(crate) fn write_slices(table: &SliceTable<'_>, origin: &Origin<'_>) -> Result<NewBlock> {
    let LabelUse { used, unit } = LabelUse::of(table);
    let labels = LabelColumns::choose(&used);
    let present = table.present(unit);
    let mut writer = SliceWriter::begin(table.timelines, labels, present, Encoding::Plain)?;
    writer.write(table)?;
    writer.finish(origin)
}

/// Writes a block of slices, chunk by chunk.
///
/// Rows are given in the order of the block. Numbers of series go on from chunk to chunk: a series
/// may go on in the next one, and is then counted once.
#[derive(Debug)]
pub(crate) struct SliceWriter {
    labels: LabelColumns,
    schema: SchemaRef,
    writer: ArrowWriter<Vec<u8>>,
    survey: Survey,
    group_rows: usize,
    group_samples: u64,
}

impl SliceWriter {
    /// Begins a block with all its timelines. `labels` has a place for every label that will come,
    /// `present` names every optional column that will be needed.
    ///
    /// # Errors
    /// `Internal` where the writer refuses what it is given: a bug.
    pub(crate) fn begin(
        timelines: &[Arc<[i64]>],
        labels: LabelColumns,
        present: Present,
        _encoding: Encoding,
    ) -> Result<Self> {
        let schema = columns::slices(&labels, present);
        let mut writer = open(&schema, &labels)?;
        if !timelines.is_empty() {
            writer.write(&timeline_batch(timelines, &schema)?).map_err(refused)?;
            writer.flush().map_err(refused)?;
        }
        let survey = Survey::new(timelines.len() as u32);
        Ok(Self { labels, schema, writer, survey, group_rows: 0, group_samples: 0 })
    }

    /// Writes the next rows. The timelines of the table are all those of the block.
    ///
    /// # Errors
    /// `Internal` where a row needs a column that was not announced, or the writer refuses what it
    /// is given: a bug.
    pub(crate) fn write(&mut self, table: &SliceTable<'_>) -> Result<()> {
        let mut at = 0;
        while at < table.rows.len() {
            let (mut end, mut samples) = (at, 0);
            while end < table.rows.len() && end - at < BATCH_ROWS && samples < BATCH_SAMPLES {
                samples += table.rows[end].weight();
                end += 1;
            }
            let full = self.group_rows + (end - at) > GROUP_ROWS_MAX
                || self.group_samples + samples > GROUP_SAMPLES_MAX;
            if full && self.group_rows > 0 {
                self.writer.flush().map_err(refused)?;
                (self.group_rows, self.group_samples) = (0, 0);
            }
            let rows = &table.rows[at..end];
            let batch = table.slice_batch(&self.schema, &self.labels, rows, &mut self.survey)?;
            self.writer.write(&batch).map_err(refused)?;
            self.group_rows += end - at;
            self.group_samples += samples;
            at = end;
        }
        Ok(())
    }

    /// Returns about how many bytes the block has so far.
    pub(crate) fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Ends the block.
    ///
    /// # Errors
    /// As [`SliceWriter::write`].
    pub(crate) fn finish(self, origin: &Origin<'_>) -> Result<NewBlock> {
        let Self { mut labels, writer, survey, .. } = self;
        labels.columns.retain(|name| survey.has(name));
        labels.in_map.retain(|name| survey.has(name));
        let bytes = encode_metrics(survey.metrics())?;
        let parts = vec![IndexPart { name: METRICS_PART, version: 1, bytes }];
        seal(writer, parts, survey.content(labels), origin)
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
                DataType::Float64 => basic::Encoding::BYTE_STREAM_SPLIT,
                _ => basic::Encoding::DELTA_BINARY_PACKED,
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
                .set_column_encoding(own, basic::Encoding::DELTA_BINARY_PACKED)
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
