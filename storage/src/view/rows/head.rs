//! Rows of a head generation: batches that were appended, as they are.

use std::cmp::Reverse;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use tarn_model::error::{Error, Result};

use super::layout::Shape;
use super::work::Work;
use super::{BATCH_ROWS, RowOrder, RowPrune, RowScan, ScanStats};
use crate::head::tables::TableBatch;

/// Rows that a part gathers at least: enough work for a thread to be worth handing over.
const PART_ROWS: usize = 64 << 10;

/// Divides batches into parts, leaving out what lies outside the time of a scan.
pub(super) fn parts(
    mut batches: Vec<Arc<TableBatch>>,
    scan: &RowScan,
) -> Vec<Vec<Arc<TableBatch>>> {
    let RowPrune { start_us, end_us, .. } = scan.prune;
    batches.retain(|batch| batch.time_max_us >= start_us && batch.time_min_us <= end_us);
    match scan.order {
        RowOrder::Any => {}
        RowOrder::NewestFirst => batches.sort_by_key(|batch| Reverse(batch.time_max_us)),
        RowOrder::OldestFirst => batches.sort_by_key(|batch| batch.time_min_us),
    }
    let mut parts: Vec<Vec<Arc<TableBatch>>> = Vec::new();
    let mut rows = PART_ROWS;
    for batch in batches {
        if rows >= PART_ROWS {
            parts.push(Vec::new());
            rows = 0;
        }
        rows += batch.rows.num_rows();
        if let Some(part) = parts.last_mut() {
            part.push(batch);
        }
    }
    parts
}

/// Yields what a scan finds in batches, one after the other.
pub(super) struct HeadRows {
    scan: Arc<RowScan>,
    stats: Arc<ScanStats>,
    work: Work,
    batches: std::vec::IntoIter<Arc<TableBatch>>,
    /// Pieces of one batch, the next one last.
    pieces: Vec<RecordBatch>,
}

impl HeadRows {
    /// Begins.
    ///
    /// # Errors
    /// `Invalid` where the table has no such column.
    pub(super) fn new(
        scan: Arc<RowScan>,
        stats: Arc<ScanStats>,
        batches: Vec<Arc<TableBatch>>,
    ) -> Result<Self> {
        let work = Work::new(&scan, &Shape::head(scan.table))?;
        let batches = batches.into_iter();
        Ok(Self { scan, stats, work, batches, pieces: Vec::new() })
    }

    fn cut(&mut self, batch: &TableBatch) {
        let rows = batch.rows.num_rows();
        let starts = (0..rows).step_by(BATCH_ROWS);
        let pieces = starts.map(|at| batch.rows.slice(at, BATCH_ROWS.min(rows - at)));
        self.pieces.extend(pieces);
        if self.scan.order != RowOrder::NewestFirst {
            self.pieces.reverse();
        }
    }

    /// Returns whether rows may be among those that are still needed.
    fn is_needed(&self, rows: &RecordBatch) -> Result<bool> {
        let (floor, ceiling) = self.scan.needed_us();
        if floor == i64::MIN && ceiling == i64::MAX {
            return Ok(true);
        }
        let times = rows
            .column_by_name(self.scan.table.time_column())
            .and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>())
            .ok_or_else(|| Error::internal("rows of the head have no time"))?;
        Ok(times.values().iter().any(|time| (floor..=ceiling).contains(time)))
    }

    fn step(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            while let Some(rows) = self.pieces.pop() {
                if self.is_needed(&rows)?
                    && let Some(found) = self.work.run(&rows, &self.stats)?
                {
                    return Ok(Some(found));
                }
            }
            let Some(batch) = self.batches.next() else { return Ok(None) };
            if self.scan.needs(batch.time_min_us, batch.time_max_us) {
                self.cut(&batch);
            }
        }
    }
}

impl Iterator for HeadRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
