//! Writes blocks of metrics.
//!
//! Row group 0 holds the timelines, the following ones hold slices. What comes behind the last
//! column chunk is the same for all kinds of blocks: [`seal`].

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves,
};
use parquet::basic::{self, Compression, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use tarn_model::error::{Error, Result};

use crate::block::columns::{self, LabelColumns, Present};
use crate::block::directory::{METRICS_PART, encode_metrics};
use crate::block::pages::pack::Packer;
use crate::block::pages::{Kind, PageColumn};
use crate::block::seal::{IndexPart, NewBlock, Origin, refused, seal_file};
use crate::block::survey::{LabelUse, Survey};
use crate::block::table::{SliceTable, timeline_batch};
use crate::schema::{column, rank};

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
    encoding: Encoding,
    file: SerializedFileWriter<Vec<u8>>,
    columns: ArrowRowGroupWriterFactory,
    group: Option<Group>,
    packer: Packer,
    survey: Survey,
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
        encoding: Encoding,
    ) -> Result<Self> {
        let schema = columns::slices(&labels, present);
        let (file, columns) = open(&schema, &labels)?.into_serialized_writer().map_err(refused)?;
        let (packer, survey) = (Packer::new()?, Survey::new(timelines.len() as u32));
        let mut writer =
            Self { labels, schema, encoding, file, columns, group: None, packer, survey };
        if !timelines.is_empty() {
            let batch = timeline_batch(timelines, &writer.schema)?;
            writer.write_batch(&batch, 0)?;
            writer.end_group()?;
        }
        Ok(writer)
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
            let full = |group: &Group| {
                group.rows + (end - at) > GROUP_ROWS_MAX
                    || group.samples + samples > GROUP_SAMPLES_MAX
            };
            if self.group.as_ref().is_some_and(full) {
                self.end_group()?;
            }
            let rows = &table.rows[at..end];
            let batch = table.slice_batch(&self.schema, &self.labels, rows, &mut self.survey)?;
            self.write_batch(&batch, samples)?;
            at = end;
        }
        Ok(())
    }

    fn write_batch(&mut self, batch: &RecordBatch, samples: u64) -> Result<()> {
        let mut group = match self.group.take() {
            Some(group) => group,
            None => self.begin_group()?,
        };
        group.write(&self.schema, batch, &mut self.packer)?;
        group.rows += batch.num_rows();
        group.samples += samples;
        self.group = Some(group);
        Ok(())
    }

    fn begin_group(&self) -> Result<Group> {
        let ordinal = self.file.flushed_row_groups().len();
        let stock = self.columns.create_column_writers(ordinal).map_err(refused)?;
        let descriptor = self.file.schema_descr();
        let column = |(leaf, stock): (usize, ArrowColumnWriter)| {
            let root = descriptor.get_column_root_idx(leaf);
            match Kind::of(self.schema.field(root).data_type()) {
                Some(kind) => Column::Pages(Box::new(PageColumn::new(
                    descriptor.column(leaf),
                    kind,
                    self.encoding,
                ))),
                None => Column::Stock(Box::new(stock)),
            }
        };
        let columns = stock.into_iter().enumerate().map(column).collect();
        Ok(Group { columns, rows: 0, samples: 0 })
    }

    fn end_group(&mut self) -> Result<()> {
        let Some(group) = self.group.take() else { return Ok(()) };
        let mut into = self.file.next_row_group().map_err(refused)?;
        for column in group.columns {
            match column {
                Column::Stock(column) => {
                    let chunk = column.close().map_err(refused)?;
                    chunk.append_to_row_group(&mut into).map_err(refused)?;
                }
                Column::Pages(column) => {
                    let (bytes, closed) = column.close(&mut self.packer)?;
                    into.append_column(&bytes, closed).map_err(refused)?;
                }
            }
        }
        into.close().map_err(refused)?;
        Ok(())
    }

    /// Returns about how many bytes the block has so far.
    pub(crate) fn bytes(&self) -> u64 {
        let columns = self.group.iter().flat_map(|group| &group.columns);
        let open = columns.map(|column| match column {
            Column::Stock(column) => column.get_estimated_total_bytes(),
            Column::Pages(column) => column.bytes(),
        });
        (self.file.bytes_written() + open.sum::<usize>()) as u64
    }

    /// Ends the block.
    ///
    /// # Errors
    /// As [`SliceWriter::write`].
    pub(crate) fn finish(mut self, origin: &Origin<'_>) -> Result<NewBlock> {
        self.end_group()?;
        let Self { mut labels, file, survey, .. } = self;
        labels.columns.retain(|name| survey.has(name));
        labels.in_map.retain(|name| survey.has(name));
        let bytes = encode_metrics(survey.metrics())?;
        let parts = vec![IndexPart { name: METRICS_PART, version: 1, bytes }];
        seal_file(file, parts, survey.content(labels), origin)
    }
}

/// A row group under construction.
#[derive(Debug)]
struct Group {
    /// All leaves, in their order.
    columns: Vec<Column>,
    rows: usize,
    samples: u64,
}

#[derive(Debug)]
enum Column {
    Stock(Box<ArrowColumnWriter>),
    Pages(Box<PageColumn>),
}

impl Group {
    fn write(
        &mut self,
        schema: &SchemaRef,
        batch: &RecordBatch,
        packer: &mut Packer,
    ) -> Result<()> {
        let missing = || Error::internal("a block has another number of columns than its rows");
        let mut columns = self.columns.iter_mut();
        for (field, array) in schema.fields().iter().zip(batch.columns()) {
            if Kind::of(field.data_type()).is_some() {
                let (Some(Column::Pages(column)), Some(lists)) =
                    (columns.next(), array.as_list_opt::<i32>())
                else {
                    return Err(missing());
                };
                column.write(lists, packer)?;
                continue;
            }
            for leaf in compute_leaves(field, array).map_err(refused)? {
                let Some(Column::Stock(column)) = columns.next() else { return Err(missing()) };
                column.write(&leaf).map_err(refused)?;
            }
        }
        Ok(())
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
            let parts: Vec<String> =
                [name, "list", "element"].iter().map(|part| (*part).to_owned()).collect();
            let path = ColumnPath::from(parts);
            // Only lists of 32-bit numbers are really written with these: all others have pages of
            // our own.
            let encoding = match item.data_type() {
                DataType::Float64 => basic::Encoding::BYTE_STREAM_SPLIT,
                _ => basic::Encoding::DELTA_BINARY_PACKED,
            };
            builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path.clone(), encoding)
                .set_column_compression(path.clone(), zstd(1))
                .set_column_statistics_enabled(path, EnabledStatistics::None)
        }
        DataType::Utf8 => builder.set_column_statistics_enabled(own, EnabledStatistics::Page),
        // Times of neighbours repeat in long patterns, which packed codes of a dictionary hide.
        DataType::Timestamp(_, _) => builder
            .set_column_dictionary_enabled(own.clone(), false)
            .set_column_encoding(own.clone(), basic::Encoding::BYTE_STREAM_SPLIT)
            .set_column_statistics_enabled(own, EnabledStatistics::Page),
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
