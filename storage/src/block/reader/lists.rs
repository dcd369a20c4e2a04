//! Lists of 8-byte values, decoded page by page without Arrow.
//!
//! The offset index tells which pages hold the wanted rows; only these are read. The levels of a
//! page tell which of its values belong to which row, and values are decoded up to the last wanted
//! row of the page.

use std::ops::Range;

use bytes::Bytes;
use tarn_model::error::{Error, Result};

use crate::block::pages::Kind;
use crate::block::pages::page::{Page, Unpacker};
use crate::block::reader::{Blocks, OpenBlock};

/// Bytes of pages that are read at once.
const READ_BYTES: u64 = 8 << 20;

/// A page that holds wanted rows.
struct Wanted {
    bytes: Range<u64>,
    /// Number of the page in its column chunk.
    number: usize,
    /// First row of the page in the block.
    first_row: u32,
    /// Places of the rows among those asked for.
    rows: Range<usize>,
}

impl Blocks {
    /// Decodes the lists of a column in rows, which come in ascending order. `each` gets the place
    /// of the row among them, and its values, doubles as their bits; `None` where the row is NULL or
    /// the block has no such column.
    ///
    /// # Errors
    /// `Corrupt` where stored bytes fail their checksum or contradict themselves; `Unavailable`
    /// where they cannot be read.
    pub(crate) async fn lists(
        &self,
        block: &OpenBlock,
        column: &str,
        rows: &[u32],
        mut each: impl FnMut(usize, Option<&[i64]>) -> Result<()> + Send,
    ) -> Result<()> {
        let Some((leaf, kind)) = block.list_leaf(column) else {
            return (0..rows.len()).try_for_each(|at| each(at, None));
        };
        let pages = block.list_pages(column, leaf, rows)?;
        let mut unpacker = Unpacker::new()?;
        let mut rest = &pages[..];
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |page: &&Wanted| {
                bytes += page.bytes.end - page.bytes.start;
                bytes <= READ_BYTES
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (now, later) = rest.split_at(count);
            let ranges: Vec<Range<u64>> = now.iter().map(|page| page.bytes.clone()).collect();
            let read: Vec<Bytes> = self.fetch(block, &ranges, None).await?;
            for (page, bytes) in now.iter().zip(read) {
                let places = page.rows.clone();
                let wanted = rows[places.clone()].iter().map(|row| (row - page.first_row) as usize);
                decode(&bytes, kind, wanted, &mut unpacker, |at, values| {
                    each(places.start + at, values)
                })
                .map_err(|e| match e {
                    Failed::Damaged(what) => block.damaged_page(column, page.number, what),
                    Failed::Taker(error) => error,
                })?;
            }
            rest = later;
        }
        Ok(())
    }
}

enum Failed {
    Damaged(&'static str),
    Taker(Error),
}

fn decode(
    bytes: &[u8],
    kind: Kind,
    wanted: impl ExactSizeIterator<Item = usize> + Clone,
    unpacker: &mut Unpacker,
    mut each: impl FnMut(usize, Option<&[i64]>) -> Result<()>,
) -> std::result::Result<(), Failed> {
    let page = Page::parse(bytes).map_err(Failed::Damaged)?;
    let rows = page.rows().map_err(Failed::Damaged)?;
    let row = |at: usize| rows.get(at).ok_or(Failed::Damaged("page lacks a row"));
    let mut count = 0;
    for at in wanted.clone() {
        let row = row(at)?;
        count = count.max(row.first as usize + row.n as usize);
    }
    let values = unpacker.words(&page, kind, count).map_err(Failed::Damaged)?;
    for (place, at) in wanted.enumerate() {
        let row = row(at)?;
        let first = row.first as usize;
        let items = (row.n > 0).then(|| &values[first..first + row.n as usize]);
        each(place, items).map_err(Failed::Taker)?;
    }
    Ok(())
}

impl OpenBlock {
    /// Returns the leaf of a list column, and what it holds.
    fn list_leaf(&self, column: &str) -> Option<(usize, Kind)> {
        let kind = Kind::of(self.schema().field_with_name(column).ok()?.data_type())?;
        let columns = self.arrow.parquet_schema().columns();
        let leaf = columns
            .iter()
            .position(|leaf| matches!(leaf.path().parts(), [root, _, _] if root == column));
        leaf.map(|leaf| (leaf, kind))
    }

    fn list_pages(&self, column: &str, leaf: usize, rows: &[u32]) -> Result<Vec<Wanted>> {
        let mut pages: Vec<Wanted> = Vec::new();
        let mut page_end = 0;
        for (place, row) in rows.iter().enumerate() {
            if let Some(page) = pages.last_mut()
                && (page.first_row..page_end).contains(row)
            {
                page.rows.end = place + 1;
                continue;
            }
            let (number, bytes, own) = self
                .list_page(leaf, *row)
                .ok_or_else(|| self.damaged_page(column, 0, "no page has the row"))?;
            page_end = own.end;
            pages.push(Wanted { bytes, number, first_row: own.start, rows: place..place + 1 });
        }
        Ok(pages)
    }

    /// Returns number, bytes and rows of the page that holds a row.
    fn list_page(&self, leaf: usize, row: u32) -> Option<(usize, Range<u64>, Range<u32>)> {
        let group = self.groups.partition_point(|first| *first <= row).checked_sub(1)?;
        let (begin, end) = (*self.groups.get(group)?, *self.groups.get(group + 1)?);
        let pages = self.arrow.metadata().offset_index()?.get(group)?.get(leaf)?.page_locations();
        let first = |at: usize| {
            let page = pages.get(at).and_then(|page| u32::try_from(page.first_row_index).ok());
            page.and_then(|first| begin.checked_add(first)).unwrap_or(end)
        };
        let own = i64::from(row - begin);
        let number = pages.partition_point(|page| page.first_row_index <= own).checked_sub(1)?;
        let page = pages.get(number)?;
        let from = u64::try_from(page.offset).ok()?;
        let length = u64::try_from(page.compressed_page_size).ok()?;
        Some((number, from..from.checked_add(length)?, first(number)..first(number + 1)))
    }

    fn damaged_page(&self, column: &str, page: usize, what: &str) -> Error {
        Error::corrupt(format!("block {} column {column} page {page}: {what}", self.object))
    }
}
