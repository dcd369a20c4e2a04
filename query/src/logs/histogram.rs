//! How many records there are when, by level.
//!
//! Where nothing is searched for, only time and severity are read, and the rows of a batch are
//! mostly of the same bucket as the one before them: no division, one addition each.

use arrow_array::RecordBatch;
use tarn_model::error::Result;
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::RowColumn;

use super::levels::{LEVELS, level};
use crate::records::{self, Ints, Times};
use crate::search::grid::Grid;
use crate::search::plan::Plan;
use crate::search::scan::{End, Range, Scanner, unordered};

/// Records of each bucket, by level.
#[derive(Debug)]
pub(crate) struct Histogram {
    pub(crate) grid: Grid,
    pub(crate) counts: Vec<[u64; LEVELS.len()]>,
}

impl Histogram {
    pub(crate) fn new(grid: Grid) -> Self {
        Self { grid, counts: vec![[0; LEVELS.len()]; grid.len] }
    }

    /// Returns the columns that are counted by.
    pub(crate) fn columns() -> Vec<RowColumn> {
        let names = [column::TIMESTAMP, column::SEVERITY_NUMBER];
        names.map(|name| RowColumn::Stored(name.into())).into()
    }

    /// Counts the rows of a batch that lie in the range.
    pub(crate) fn see(&mut self, batch: &RecordBatch) -> Result<()> {
        let times: Times<'_> = records::numbers(batch, column::TIMESTAMP)?;
        let severities: Ints<'_> = records::numbers(batch, column::SEVERITY_NUMBER)?;
        let (mut bucket, mut first_us, mut last_us) = (0, i64::MAX, i64::MIN);
        for row in 0..batch.num_rows() {
            let Some(time_us) = times.get(row) else { continue };
            if time_us < first_us || time_us > last_us {
                let Some(place) = self.grid.place(time_us) else { continue };
                (first_us, last_us) = self.grid.bounds_us(place);
                bucket = place;
            }
            if let Some(counts) = self.counts.get_mut(bucket) {
                counts[level(severities.get(row))] += 1;
            }
        }
        Ok(())
    }

    /// Returns how many records were counted.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    fn bytes(&self) -> u64 {
        size_of_val(self.counts.as_slice()) as u64
    }
}

/// Counts the records that a search finds. A range that is open begins or ends where the store does.
///
/// # Errors
/// Those of reading.
pub(crate) async fn run(
    scanner: &mut Scanner<'_>,
    plan: &Plan,
    range: Range,
    buckets: usize,
) -> Result<(Histogram, End)> {
    let extent = scanner.extent(Table::Logs, plan, range)?;
    let grid = Grid::new(range.closed(extent), buckets);
    let mut histogram = Histogram::new(grid);
    // The buckets know the range: no filter has to.
    let scan = unordered(Table::Logs, Histogram::columns(), plan, range)?;
    let end = scanner
        .run(scan, |batch| {
            histogram.see(batch)?;
            Ok(histogram.bytes())
        })
        .await?;
    Ok((histogram, end))
}
