//! List columns of a block: pages of our own, which any Parquet reader reads.
//!
//! The stock writer has one encoding per column, and cuts pages of lists by bytes only. Here a page
//! is cut by samples, at whole slices, and is encoded in the way that is smallest for it; Parquet
//! allows another encoding in every page. The levels of lists are runs, and rows without a list cost
//! next to nothing.
//!
//! - [`delta`], [`split`]: values → bytes and back
//! - [`levels`]: which values belong to which row
//! - [`pack`]: the smallest of several encodings
//! - [`header`], [`page`]: bytes → values
//! - [`PageColumn`]: lists → a column chunk

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ListArray};
use arrow_schema::{DataType, TimeUnit};
use bytes::Bytes;
use parquet::basic::{self, Compression, ZstdLevel};
use parquet::column::page::{self as parquet_page, CompressedPage, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use tarn_model::error::{Error, Result};

use crate::block::pages::levels::Levels;
use crate::block::pages::pack::{Packed, Packer};
use crate::block::seal::refused;
use crate::block::writer::Encoding;

pub(crate) mod delta;
pub(crate) mod header;
pub(crate) mod levels;
pub(crate) mod pack;
pub(crate) mod page;
pub(crate) mod split;
#[cfg(test)]
mod tests;

/// Values of a page: within 2 % of the best size, and little is read that is not asked for.
pub(crate) const PAGE_ITEMS: usize = 16 << 10;
/// Rows of a page that has values: the levels of a page are walked to find a row.
const PAGE_ROWS: usize = 20_000;

/// What the 8-byte values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Double,
}

impl Kind {
    /// Returns what the lists of a column hold; `None` where they are not written here.
    pub(crate) fn of(column: &DataType) -> Option<Self> {
        let DataType::List(item) = column else { return None };
        match item.data_type() {
            DataType::Int64 | DataType::Timestamp(TimeUnit::Millisecond, _) => Some(Self::Int),
            DataType::Float64 => Some(Self::Double),
            _ => None,
        }
    }
}

/// One column chunk of lists under construction.
pub(crate) struct PageColumn {
    column: ColumnDescPtr,
    kind: Kind,
    encoding: Encoding,
    values: Vec<i64>,
    levels: Levels,
    chunk: TrackedWrite<Vec<u8>>,
    locations: OffsetIndexBuilder,
    encodings: Vec<basic::Encoding>,
    level_count: usize,
    rows: usize,
    unpacked: usize,
}

impl std::fmt::Debug for PageColumn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageColumn").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl PageColumn {
    /// Begins the chunk of a column.
    pub(crate) fn new(column: ColumnDescPtr, kind: Kind, encoding: Encoding) -> Self {
        Self {
            column,
            kind,
            encoding,
            values: Vec::with_capacity(PAGE_ITEMS),
            levels: Levels::default(),
            chunk: TrackedWrite::new(Vec::new()),
            locations: OffsetIndexBuilder::new(),
            encodings: vec![basic::Encoding::RLE],
            level_count: 0,
            rows: 0,
            unpacked: 0,
        }
    }

    /// Returns about how many bytes the chunk has so far.
    pub(crate) fn bytes(&self) -> usize {
        // What is not encoded yet takes about a byte per value.
        self.chunk.bytes_written() + self.values.len()
    }

    /// Adds rows.
    ///
    /// # Errors
    /// `Internal` where lists are of another type or empty: a bug.
    pub(crate) fn write(&mut self, lists: &ListArray, packer: &mut Packer) -> Result<()> {
        let other = || Error::internal("lists of another type in a block");
        match (self.kind, lists.value_type()) {
            (Kind::Double, _) => {
                let items = lists.values().as_primitive_opt::<Float64Type>().ok_or_else(other)?;
                self.add(lists, |at| items.value(at).to_bits() as i64, packer)
            }
            (Kind::Int, DataType::Int64) => {
                let items = lists.values().as_primitive_opt::<Int64Type>().ok_or_else(other)?;
                self.add(lists, |at| items.value(at), packer)
            }
            (Kind::Int, _) => {
                let items = lists.values().as_primitive_opt::<TimestampMillisecondType>();
                let items = items.ok_or_else(other)?;
                self.add(lists, |at| items.value(at), packer)
            }
        }
    }

    fn add(
        &mut self,
        lists: &ListArray,
        item: impl Fn(usize) -> i64,
        packer: &mut Packer,
    ) -> Result<()> {
        for (row, bounds) in lists.value_offsets().windows(2).enumerate() {
            if lists.is_null(row) {
                if self.levels.items() > 0 && self.levels.rows() >= PAGE_ROWS {
                    self.end_page(packer)?;
                }
                self.levels.nulls(1);
                continue;
            }
            let (from, to) = (bounds[0] as usize, bounds[1] as usize);
            if from == to {
                return Err(Error::internal("an empty list in a block"));
            }
            let rows = self.levels.rows();
            let full = self.levels.items() > 0 && self.levels.items() + to - from > PAGE_ITEMS;
            if full || rows >= PAGE_ROWS {
                self.end_page(packer)?;
            }
            self.levels.list(to - from);
            self.values.extend((from..to).map(&item));
        }
        Ok(())
    }

    fn end_page(&mut self, packer: &mut Packer) -> Result<()> {
        let levels = std::mem::take(&mut self.levels);
        if levels.rows() == 0 {
            return Ok(());
        }
        let packed = if levels.items() == 0 {
            // Nothing to decode: the levels say it all.
            Packed { bytes: Vec::new(), candidate: pack::STORED, unpacked: 0, compressed: false }
        } else {
            packer.pack(&self.values, self.kind, self.encoding)?
        };
        self.values.clear();
        self.put(levels, &packed)
    }

    fn put(&mut self, levels: Levels, packed: &Packed) -> Result<()> {
        let (rows, nulls, items) = (levels.rows(), levels.null_rows(), levels.items());
        let encoding = packed.candidate.0.encoding();
        let (repetition, definition) = levels.finish();
        let unpacked = repetition.len() + definition.len() + packed.unpacked;
        let page = parquet_page::Page::DataPageV2 {
            buf: Bytes::from([&repetition[..], &definition, &packed.bytes].concat()),
            num_values: (items + nulls) as u32,
            encoding,
            num_nulls: nulls as u32,
            num_rows: rows as u32,
            def_levels_byte_len: definition.len() as u32,
            rep_levels_byte_len: repetition.len() as u32,
            is_compressed: packed.compressed,
            statistics: None,
        };
        let written = SerializedPageWriter::new(&mut self.chunk)
            .write_page(CompressedPage::new(page, unpacked))
            .map_err(refused)?;
        self.locations.append_row_count(rows as i64);
        self.locations
            .append_offset_and_size(written.offset as i64, written.compressed_size as i32);
        if !self.encodings.contains(&encoding) {
            self.encodings.push(encoding);
        }
        self.level_count += items + nulls;
        self.rows += rows;
        self.unpacked += written.uncompressed_size;
        Ok(())
    }

    /// Ends the chunk: its bytes, and what the footer says of it.
    ///
    /// # Errors
    /// `Internal` where the writer refuses what it is given: a bug.
    pub(crate) fn close(mut self, packer: &mut Packer) -> Result<(Bytes, ColumnCloseResult)> {
        self.end_page(packer)?;
        let bytes = Bytes::from(self.chunk.into_inner().map_err(refused)?);
        let metadata = ColumnChunkMetaData::builder(Arc::clone(&self.column))
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_encodings(self.encodings)
            .set_num_values(self.level_count as i64)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(self.unpacked as i64)
            .set_data_page_offset(0)
            .build()
            .map_err(refused)?;
        let closed = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(self.locations.build()),
        };
        Ok((bytes, closed))
    }
}
