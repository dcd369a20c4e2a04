//! Sorted rows, chunk by chunk → a block.
//!
//! Rows come in the final order, from one source or many. What catalog and index want to know is
//! collected on the way, so nothing is read twice and nothing but the file itself grows with it.

use std::ops::Range;

use arrow_array::Array;
use parquet::arrow::ArrowWriter;
use tarn_model::error::Result;

use super::gather::Gather;
use super::layout::Layout;
use super::order::Order;
use super::source::Source;
use super::split::Splitter;
use crate::block::AttributeColumn;
use crate::block::index::{PAGE_ROWS, traces};
use crate::block::promote::PromotedKey;
use crate::block::seal::{Content, IndexPart, NewBlock, Origin, refused, seal};
use crate::block::summary::Values;
use crate::schema::tables::{Table, column};

/// Rows of a row group of logs, flushed and merged; pages, not row groups, are what is read, and
/// every row group adds to the footer.
const LOG_GROUP_ROWS_MAX: [usize; 2] = [131_072, 262_144];
/// Rows of a row group of spans: one read fetches those of a trace.
const SPAN_GROUP_ROWS_MAX: [usize; 2] = [65_536, 131_072];
/// Bytes of a row group before encoding.
const GROUP_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a chunk: bounds the copy that is made of it.
const CHUNK_BYTES_MAX: u64 = 16 << 20;

/// What a block of rows is made like.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) table: Table,
    /// Attributes with columns.
    pub(crate) promoted: Vec<PromotedKey>,
    /// By number of the column of the table: whether some row has a value.
    pub(crate) present: Vec<bool>,
    pub(crate) level: u8,
    /// About how large it will be; 0 = nobody knows.
    pub(crate) bytes: usize,
}

/// A block under construction.
pub(crate) struct RowWriter {
    layout: Layout,
    promoted: Vec<PromotedKey>,
    splitter: Splitter,
    writer: ArrowWriter<Vec<u8>>,
    rows: u64,
    /// Rows of a row group.
    group_rows: usize,
    group: Size,
    traces: traces::TracePages,
    /// Earliest and latest time, µs.
    time: (i64, i64),
    values: Vec<(&'static str, Values)>,
}

/// What the row group under construction has so far.
#[derive(Debug, Default, Clone, Copy)]
struct Size {
    rows: usize,
    bytes: u64,
}

impl std::fmt::Debug for RowWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowWriter").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl RowWriter {
    /// Begins a block.
    ///
    /// # Errors
    /// `Internal` where Parquet refuses the schema: a bug.
    pub(crate) fn new(form: &Form) -> Result<Self> {
        let present = |index: usize| form.present.get(index).is_none_or(|present| *present);
        let layout = Layout::new(form.table, &form.promoted, present);
        let writer = layout.open(form.level, form.bytes)?;
        let names: &[&str] = match form.table {
            Table::Logs => &[column::SERVICE_NAME],
            Table::Spans => &[column::SERVICE_NAME, column::NAME],
        };
        Ok(Self {
            splitter: Splitter::new(&form.promoted),
            promoted: form.promoted.clone(),
            layout,
            writer,
            rows: 0,
            group_rows: group_rows_max(form),
            group: Size::default(),
            traces: traces::TracePages::default(),
            time: (i64::MAX, i64::MIN),
            values: names.iter().map(|name| (*name, Values::default())).collect(),
        })
    }

    /// Returns how many rows there are.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns about how many bytes the file has by now.
    pub(crate) fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Adds rows behind all others.
    ///
    /// # Errors
    /// `Internal` where the source has another schema, or the writer refuses the rows: a bug.
    pub(crate) fn write(&mut self, source: &Source<'_>, order: &Order) -> Result<()> {
        self.splitter.begin(source.keys.texts());
        self.survey(source, order)?;
        let layout = &self.layout;
        let mut gather = Gather::new(source, order, layout)?;
        let mut at = 0;
        while at < order.rows.len() {
            let (end, bytes) = chunk_end(source, order, at, self.rows);
            let rows = end - at;
            let Size { rows: before, bytes: bytes_before } = self.group;
            if before > 0
                && (before + rows > self.group_rows || bytes_before + bytes > GROUP_BYTES_MAX)
            {
                self.writer.flush().map_err(refused)?;
                self.group = Size::default();
            }
            let batch = gather.batch(at..end, &mut self.splitter)?;
            self.writer.write(&batch).map_err(refused)?;
            self.group.rows += rows;
            self.group.bytes += bytes;
            self.rows += rows as u64;
            at = end;
        }
        Ok(())
    }

    /// Notes what index and catalog want to know of rows that will be written next.
    fn survey(&mut self, source: &Source<'_>, order: &Order) -> Result<()> {
        let times = source.times(source.table.time_column())?;
        let ids = source.ids(column::TRACE_ID)?;
        let first = self.rows as u32;
        for (row, at) in order.rows.iter().enumerate() {
            let (batch, of_batch) = (at.batch as usize, at.row as usize);
            let time = times[batch].value(of_batch);
            self.time = (self.time.0.min(time), self.time.1.max(time));
            if ids[batch].is_valid(of_batch) {
                self.traces.add(ids[batch].value(of_batch), first + row as u32);
            }
        }
        for (name, values) in &mut self.values {
            let texts = source.texts(name)?;
            let all = texts.texts();
            let mut used = vec![false; all.len()];
            for at in &order.rows {
                match used.get_mut(texts.number(*at) as usize) {
                    Some(used) => *used = true,
                    None => values.absent = true,
                }
            }
            let used = all.iter().zip(used).filter(|(_, used)| *used).filter_map(|(text, _)| text);
            used.for_each(|text| values.add(Some(&text.into())));
        }
        Ok(())
    }

    /// Ends the block.
    ///
    /// # Errors
    /// `Internal` where the writer refuses something: a bug.
    pub(crate) fn finish(self, origin: &Origin<'_>) -> Result<NewBlock> {
        let table = self.layout.table;
        let attributes = self.promoted.iter().zip(self.splitter.counts());
        let content = Content {
            signal: table.signal(),
            kind: table.as_str(),
            sort: Some(sort_name(table)),
            rows: self.rows,
            samples: self.rows,
            time_min_ms: self.time.0.div_euclid(1000),
            // The ns below the last µs belong to the row as well.
            time_max_ms: self.time.1.div_euclid(1000).saturating_add(1),
            attributes: attributes
                .map(|(key, (rows, left))| AttributeColumn {
                    name: key.column.clone(),
                    in_map: left > 0,
                    rows,
                })
                .collect(),
            values: self.values.iter().filter_map(|(name, of)| of.summary(name)).collect(),
            ..Content::default()
        };
        let traces =
            IndexPart { name: traces::NAME, version: traces::VERSION, bytes: self.traces.encode() };
        seal(self.writer, vec![traces], content, origin)
    }
}

/// What `tarn.sort` says of the order, for outsiders.
fn sort_name(table: Table) -> &'static str {
    match table {
        Table::Logs => "service,time/1",
        Table::Spans => "trace,depth/1",
    }
}

fn group_rows_max(form: &Form) -> usize {
    let merged = usize::from(form.level > 0);
    match form.table {
        Table::Logs => LOG_GROUP_ROWS_MAX[merged],
        Table::Spans => SPAN_GROUP_ROWS_MAX[merged],
    }
}

/// Returns where the chunk that begins at a row ends, and its bytes; `written` rows of the block are
/// before these. Chunks of ordinary rows are pages, so that the pages of all columns end at the same
/// rows.
fn chunk_end(source: &Source<'_>, order: &Order, from: usize, written: u64) -> (usize, u64) {
    let page = PAGE_ROWS as usize;
    let left = page - (written % page as u64) as usize;
    let range: Range<usize> = from..(from + left).min(order.rows.len());
    let mut bytes = 0;
    for at in range.clone() {
        let row = source.row_bytes(order.rows[at]);
        if at > from && bytes + row > CHUNK_BYTES_MAX {
            return (at, bytes);
        }
        bytes += row;
    }
    (range.end, bytes)
}
