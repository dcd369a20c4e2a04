//! The log records and spans of one tenant in one head generation: batches in the order of the log.
//!
//! A batch never changes. A request brings one; neighbours that are small are laid together
//! ([`merge`]), because every scan walks all batches. Whoever has taken a [`TableSnapshot`] keeps
//! the batches that it holds, whatever is laid together meanwhile, so a query sees the same rows
//! from its beginning to its end (VIS-2). Only the commit thread, or the replay, changes the list;
//! readers never wait for more than the copying of a few pointers.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, RecordBatch, RecordBatchOptions};
use parking_lot::Mutex;
use tarn_model::error::{Error, Result};

use crate::head::follow::RowBatch;
use crate::schema::tables::Table;
use crate::wal::Lsn;

mod merge;

/// Neighbours are laid together up to this many rows: what a scan hands on at once, so larger
/// batches would be cut again.
const ROWS_FULL: usize = 8192;
/// Nor are batches of this size touched any more; below it, sums stay far from the 2 GiB of text
/// that a column can hold.
const BYTES_FULL: usize = 8 << 20;
/// So many batches of one level become one of the next. Every row is laid together at most three
/// times on its way to a full batch, and a list has at most some tens of batches that are not full.
const FAN_IN: usize = 32;

/// Rows of one request, or of several that follow each other in the log.
#[derive(Debug, Clone)]
pub(crate) struct TableBatch {
    pub(crate) table: Table,
    /// In the schema of the table.
    pub(crate) rows: RecordBatch,
    /// The record of the last row.
    pub(crate) lsn: Lsn,
    /// Bytes that the rows hold.
    pub(crate) bytes: usize,
    /// Earliest time, µs.
    pub(crate) time_min_us: i64,
    /// Latest time, µs.
    pub(crate) time_max_us: i64,
}

impl TableBatch {
    /// Makes a batch of rows that are not empty. Spare room of their builders is given back.
    ///
    /// # Errors
    /// `Internal` where the rows are not those of the table: a bug.
    pub(crate) fn new(table: Table, rows: RecordBatch) -> Result<Self> {
        let schema = rows.schema();
        if schema != table.schema() {
            return Err(Error::internal(format!("rows of {} in another schema", table.as_str())));
        }
        let (_, mut columns, count) = rows.into_parts();
        columns.iter_mut().for_each(|column| column.shrink_to_fit());
        let bytes = columns.iter().map(|column| bytes(column)).sum();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let rows = RecordBatch::try_new_with_options(schema, columns, &options)
            .map_err(|e| Error::internal("lay out rows again").with_source(e))?;
        let times = rows
            .column_by_name(table.time_column())
            .and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>())
            .ok_or_else(|| Error::internal(format!("rows of {} without time", table.as_str())))?;
        let (min, max) = (times.values().iter().min(), times.values().iter().max());
        let (time_min_us, time_max_us) =
            (min.copied().unwrap_or(i64::MAX), max.copied().unwrap_or(i64::MIN));
        Ok(Self { table, rows, lsn: Lsn::default(), bytes, time_min_us, time_max_us })
    }

    /// Copies a batch out of the message that it was read from, which it would otherwise hold as a
    /// whole for the few buffers that are not packed. Smaller ones are copied when they are laid
    /// together.
    ///
    /// # Errors
    /// As [`TableBatch::new`].
    pub(crate) fn detached(self) -> Result<Self> {
        let rows = self.rows.num_rows();
        if !self.is_full() || rows < 2 {
            return Ok(self);
        }
        // A single piece would be handed back as it is.
        let piece = |from, len| Arc::new(Self { rows: self.rows.slice(from, len), ..self.clone() });
        merge::merge(&[piece(0, 1), piece(1, rows - 1)])
    }

    fn is_full(&self) -> bool {
        self.rows.num_rows() >= ROWS_FULL / 2 || self.bytes >= BYTES_FULL / 2
    }
}

/// Bytes that an array uses, without what its buffers have to spare.
fn bytes(column: &dyn Array) -> usize {
    let exact = column.to_data().get_slice_memory_size();
    exact.unwrap_or_else(|_| column.get_buffer_memory_size())
}

/// What one query sees of a generation's rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct TableSnapshot {
    logs: Vec<Arc<TableBatch>>,
    spans: Vec<Arc<TableBatch>>,
}

impl TableSnapshot {
    /// Makes one of rows that were followed.
    pub(crate) fn of_rows(rows: &[Arc<RowBatch>]) -> Self {
        let mut snapshot = Self::default();
        for batch in rows.iter().map(|rows| rows.batch()) {
            let list = match batch.table {
                Table::Logs => &mut snapshot.logs,
                Table::Spans => &mut snapshot.spans,
            };
            list.push(Arc::new(batch.clone()));
        }
        snapshot
    }

    /// Returns the batches of a table, in the order of the log.
    pub(crate) fn of(&self, table: Table) -> &[Arc<TableBatch>] {
        match table {
            Table::Logs => &self.logs,
            Table::Spans => &self.spans,
        }
    }
}

/// The rows of one tenant in one generation.
#[derive(Debug, Default)]
pub(crate) struct TenantTables {
    logs: Mutex<Batches>,
    spans: Mutex<Batches>,
}

impl TenantTables {
    /// Adds the rows of a record; returns by how many bytes the head grew, or shrank.
    pub(crate) fn insert(&self, batch: TableBatch) -> i64 {
        let list = match batch.table {
            Table::Logs => &self.logs,
            Table::Spans => &self.spans,
        };
        let mut grown = batch.bytes as i64;
        let mut due = list.lock().push(batch);
        // At most as many rounds as there are levels.
        while let Some(run) = due {
            match merge::merge(&run.batches) {
                Ok(merged) => {
                    let before: usize = run.batches.iter().map(|batch| batch.bytes).sum();
                    grown += merged.bytes as i64 - before as i64;
                    due = list.lock().replace(&run, merged);
                }
                Err(error) => {
                    // They stay as they are, which only makes scans slower.
                    tracing::error!(%error, "batches of the head cannot be laid together, a bug");
                    list.lock().give_up();
                    due = None;
                }
            }
        }
        grown
    }

    /// Returns the rows of both tables at this moment.
    pub(crate) fn snapshot(&self) -> TableSnapshot {
        // Both locks at once: no record of one table is seen without an earlier one of the other.
        let (logs, spans) = (self.logs.lock(), self.spans.lock());
        TableSnapshot { logs: logs.all(), spans: spans.all() }
    }
}

/// The batches of one table: full ones, and behind them those that may still be laid together.
#[derive(Debug, Default)]
struct Batches {
    full: Vec<Arc<TableBatch>>,
    /// With the level of each, which never rises along the list.
    rest: Vec<(u8, Arc<TableBatch>)>,
}

/// Neighbours that are due to become one.
struct Run {
    /// Where in `rest` they begin.
    at: usize,
    level: u8,
    full: bool,
    batches: Vec<Arc<TableBatch>>,
}

impl Batches {
    fn all(&self) -> Vec<Arc<TableBatch>> {
        self.full.iter().chain(self.rest.iter().map(|(_, batch)| batch)).map(Arc::clone).collect()
    }

    fn push(&mut self, batch: TableBatch) -> Option<Run> {
        let full = batch.is_full();
        self.rest.push((0, Arc::new(batch)));
        if full {
            // What is before it has waited in vain for more of its kind.
            let small = self.rest.len() - 1;
            if small < 2 {
                self.give_up();
                return None;
            }
            return Some(self.run(0, small, true));
        }
        self.due()
    }

    /// Puts what became of a run in its place.
    fn replace(&mut self, run: &Run, merged: TableBatch) -> Option<Run> {
        let end = run.at + run.batches.len();
        self.rest.splice(run.at..end, [(run.level, Arc::new(merged))]);
        if run.full {
            self.give_up();
            return None;
        }
        self.due()
    }

    /// Takes everything for full.
    fn give_up(&mut self) {
        self.full.extend(self.rest.drain(..).map(|(_, batch)| batch));
    }

    fn due(&self) -> Option<Run> {
        let rows: usize = self.rest.iter().map(|(_, batch)| batch.rows.num_rows()).sum();
        let bytes: usize = self.rest.iter().map(|(_, batch)| batch.bytes).sum();
        if rows >= ROWS_FULL || bytes >= BYTES_FULL {
            return Some(self.run(0, self.rest.len(), true));
        }
        let level = self.rest.last()?.0;
        let alike = self.rest.iter().rev().take_while(|(other, _)| *other == level).count();
        (alike >= FAN_IN).then(|| self.run(self.rest.len() - alike, alike, false))
    }

    fn run(&self, at: usize, len: usize, full: bool) -> Run {
        let taken = &self.rest[at..at + len];
        let level = taken.iter().map(|(level, _)| *level).max().unwrap_or(0).saturating_add(1);
        let batches = taken.iter().map(|(_, batch)| Arc::clone(batch)).collect();
        Run { at, level, full, batches }
    }
}

#[cfg(test)]
mod tests;
