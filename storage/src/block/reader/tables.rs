//! Decodes rows of any block as far as asked for, and knows the types that logs and spans have in
//! memory.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicate, RowFilter};
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use tarn_model::error::{Error, Result};

use crate::block::directory::{Part, REGION};
use crate::block::index::traces;
use crate::block::reader::{Blocks, OpenBlock};
use crate::schema::tables::{Table, column, text_type};
use crate::view::rows::ScanStats;

/// Columns that are decoded for a filter and wanted besides are kept up to here, not decoded again.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// What to decode.
pub(crate) struct Rows<'a> {
    /// Names of whole columns.
    pub(crate) columns: &'a [String],
    /// Ascending, apart.
    pub(crate) rows: &'a [Range<u32>],
    /// In their order.
    pub(crate) filters: Vec<Box<dyn ArrowPredicate>>,
    /// Rows of a batch at most.
    pub(crate) batch: usize,
}

/// Rows on their way out of a block.
pub(crate) struct Decoding(ParquetPushDecoder);

impl OpenBlock {
    /// Returns the types of the columns in memory.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.arrow.schema()
    }

    /// Returns the columns as the decoder names them.
    pub(crate) fn mask(&self, columns: &[String]) -> ProjectionMask {
        let descriptor = self.arrow.parquet_schema();
        let fields = descriptor.root_schema().get_fields().iter().enumerate();
        let wanted = fields.filter(|(_, f)| columns.iter().any(|c| c == f.name())).map(|(i, _)| i);
        ProjectionMask::roots(descriptor, wanted)
    }

    /// Begins to decode; `None` where there are no rows.
    ///
    /// # Errors
    /// `Corrupt` where the footer contradicts itself.
    pub(crate) fn decode(&self, wanted: Rows<'_>) -> Result<Option<Decoding>> {
        let Rows { columns, rows, filters, batch } = wanted;
        let (groups, selection) = self.select(rows);
        if groups.is_empty() {
            return Ok(None);
        }
        let mut builder = ParquetPushDecoderBuilder::new_with_metadata(self.arrow.clone())
            .with_row_groups(groups)
            .with_row_selection(selection)
            .with_projection(self.mask(columns))
            .with_max_predicate_cache_size(KEPT_BYTES_MAX)
            .with_batch_size(batch);
        if !filters.is_empty() {
            builder = builder.with_row_filter(RowFilter::new(filters));
        }
        Ok(Some(Decoding(builder.build().map_err(|e| self.damaged(e))?)))
    }

    /// Returns the bytes of a row, on average: as stored, and decompressed.
    pub(crate) fn row_bytes(&self) -> (u64, u64) {
        let mut sums = (0, 0);
        for group in self.arrow.metadata().row_groups() {
            sums.0 += group.compressed_size().max(0) as u64;
            sums.1 += group.total_byte_size().max(0) as u64;
        }
        let rows = u64::from(self.groups.last().copied().unwrap_or(0)).max(1);
        (sums.0 / rows, sums.1 / rows)
    }

    /// Returns how many rows have a value in a column; where the footer does not tell, all of a row
    /// group are taken to.
    pub(crate) fn values_in(&self, name: &str) -> u64 {
        let groups = self.arrow.metadata().row_groups().iter();
        let columns = groups.flat_map(|group| group.columns());
        let own = columns.filter(|c| matches!(c.column_path().parts(), [only] if only == name));
        let values = own.map(|column| {
            let nulls = column.statistics().and_then(|s| s.null_count_opt()).unwrap_or(0);
            (column.num_values().max(0) as u64).saturating_sub(nulls)
        });
        values.sum()
    }

    fn damaged(&self, error: parquet::errors::ParquetError) -> Error {
        Error::corrupt(format!("decode block {}", self.object())).with_source(error)
    }
}

impl Blocks {
    /// Returns the next rows, reading what they need; `None` at the end.
    ///
    /// # Errors
    /// `Corrupt` where stored bytes fail their checksum; `Unavailable` where they cannot be read.
    pub(crate) async fn next_rows(
        &self,
        block: &OpenBlock,
        decoding: &mut Decoding,
        stats: Option<&ScanStats>,
    ) -> Result<Option<RecordBatch>> {
        loop {
            match decoding.0.try_decode().map_err(|e| block.damaged(e))? {
                DecodeResult::NeedsData(ranges) => {
                    let bytes = self.fetch(block, &ranges, stats).await?;
                    decoding.0.push_ranges(ranges, bytes).map_err(|e| block.damaged(e))?;
                }
                DecodeResult::Data(rows) => return Ok(Some(rows)),
                DecodeResult::Finished => return Ok(None),
            }
        }
    }
}

impl Blocks {
    /// Returns the rows that may belong to traces, ascending and apart, by the block's index; `None`
    /// where it has none that is known here.
    ///
    /// # Errors
    /// As [`Blocks::next_rows`].
    pub(crate) async fn rows_of_traces(
        &self,
        block: &OpenBlock,
        trace_ids: &[[u8; 16]],
        stats: Option<&ScanStats>,
    ) -> Result<Option<Vec<Range<u32>>>> {
        let known = |part: &&Part| part.name == traces::NAME && part.version == traces::VERSION;
        let Some(part) = block.directory.parts.iter().find(known) else { return Ok(None) };
        let (start, length) = (part.range.start, part.range.end.saturating_sub(part.range.start));
        // Many traces: one read of everything, not one read each.
        let many = (trace_ids.len() as u64).saturating_mul(REGION) >= length;
        let whole = if many {
            let parts = self.fetch(block, std::slice::from_ref(&part.range), stats).await?;
            parts.into_iter().next()
        } else {
            None
        };
        let mut rows: Vec<Range<u32>> = Vec::new();
        for id in trace_ids {
            let read = async |range: Range<u64>| match &whole {
                Some(whole) => {
                    let end = (whole.len() as u64).min(range.end);
                    Ok(whole.slice(range.start.min(end) as usize..end as usize))
                }
                None => {
                    let range = start + range.start..start + range.end;
                    let bytes = self.fetch(block, std::slice::from_ref(&range), stats).await?;
                    Ok(bytes.into_iter().next().unwrap_or_default())
                }
            };
            rows.extend(traces::lookup(length, id, read).await?);
        }
        rows.sort_unstable_by_key(|range| range.start);
        let mut joined: Vec<Range<u32>> = Vec::new();
        for range in rows {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        Ok(Some(joined))
    }
}

/// Returns the types in memory of the columns of a block. Texts become dictionaries, so that a
/// condition is evaluated once per value; bodies, which do not repeat, stay what they are.
pub(super) fn in_memory(kind: &str, schema: &Schema) -> Schema {
    let is_table = [Table::Logs, Table::Spans].iter().any(|table| table.as_str() == kind);
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 if is_table && field.name() == column::BODY => Field::clone(field),
        DataType::Utf8 => Field::clone(field).with_data_type(text_type()),
        DataType::Map(entry, sorted) if is_table => {
            let entry = Field::clone(entry).with_data_type(numbered_keys(entry.data_type()));
            Field::clone(field).with_data_type(DataType::Map(Arc::new(entry), *sorted))
        }
        _ => Field::clone(field),
    });
    Schema::new(fields.collect::<Vec<Field>>())
}

fn numbered_keys(entry: &DataType) -> DataType {
    let DataType::Struct(fields) = entry else { return entry.clone() };
    let fields = fields.iter().enumerate().map(|(at, field)| match at {
        0 if *field.data_type() == DataType::Utf8 => {
            Arc::new(Field::clone(field).with_data_type(text_type()))
        }
        _ => Arc::clone(field),
    });
    DataType::Struct(fields.collect::<Fields>())
}
