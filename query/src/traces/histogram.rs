//! How many spans there are when, by duration.
//!
//! One scan of three narrow columns. Durations are counted in buckets whose bounds grow by a ninth
//! (eight to a doubling), from which quantiles are read to within 5 %; a heatmap is drawn from fewer
//! of them, as many as it has room for.

use arrow_array::RecordBatch;
use tarn_model::error::Result;
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::RowColumn;

use super::ERROR;
use crate::records::{self, Ints, Longs, Times};
use crate::search::grid::Grid;
use crate::search::plan::Plan;
use crate::search::scan::{End, Range, Scanner, unordered};

/// Buckets to a doubling.
const PER_OCTAVE: usize = 8;

/// Doublings: from a ns to 78 h. What takes longer is in the last bucket.
const OCTAVES: usize = 48;

const LEN: usize = PER_OCTAVE * OCTAVES + 1;

/// Rows of a heatmap at most: half a dozen pixels each.
const ROWS_MAX: usize = 40;

/// Spans of each bucket of time, by duration.
#[derive(Debug)]
pub(crate) struct Histogram {
    pub(crate) grid: Grid,
    /// Bucket of time after bucket of time.
    counts: Vec<u32>,
    errors: Vec<u64>,
}

/// Counts the spans that a search finds. A range that is open begins or ends where the store does.
///
/// # Errors
/// Those of reading.
pub(crate) async fn run(
    scanner: &mut Scanner<'_>,
    plan: &Plan,
    range: Range,
    buckets: usize,
) -> Result<(Histogram, End)> {
    let extent = scanner.extent(Table::Spans, plan, range)?;
    let mut histogram = Histogram::new(Grid::new(range.closed(extent), buckets));
    let names = [column::START, column::DURATION_NS, column::STATUS];
    let columns = names.map(|name| RowColumn::Stored(name.into())).into();
    // The buckets know the range: no filter has to.
    let scan = unordered(Table::Spans, columns, plan, range)?;
    let end = scanner
        .run(scan, |batch| {
            histogram.see(batch)?;
            Ok(histogram.bytes())
        })
        .await?;
    Ok((histogram, end))
}

impl Histogram {
    fn new(grid: Grid) -> Self {
        Self { grid, counts: vec![0; grid.len * LEN], errors: vec![0; grid.len] }
    }

    fn bytes(&self) -> u64 {
        (size_of_val(self.counts.as_slice()) + size_of_val(self.errors.as_slice())) as u64
    }

    fn see(&mut self, batch: &RecordBatch) -> Result<()> {
        let times: Times<'_> = records::numbers(batch, column::START)?;
        let durations: Longs<'_> = records::numbers(batch, column::DURATION_NS)?;
        let statuses: Ints<'_> = records::numbers(batch, column::STATUS)?;
        let (mut at, mut first_us, mut last_us) = (0, i64::MAX, i64::MIN);
        for row in 0..batch.num_rows() {
            let Some(time_us) = times.get(row) else { continue };
            if time_us < first_us || time_us > last_us {
                let Some(place) = self.grid.place(time_us) else { continue };
                (first_us, last_us) = self.grid.bounds_us(place);
                at = place;
            }
            let bucket = bucket(durations.get(row).unwrap_or(0));
            let count = &mut self.counts[at * LEN + bucket];
            *count = count.saturating_add(1);
            self.errors[at] += u64::from(statuses.get(row) == Some(ERROR));
        }
        Ok(())
    }

    fn column(&self, at: usize) -> &[u32] {
        &self.counts[at * LEN..(at + 1) * LEN]
    }

    /// Returns how many spans there are, by time.
    pub(crate) fn spans(&self) -> impl Iterator<Item = u64> {
        (0..self.grid.len).map(|at| self.column(at).iter().map(|n| u64::from(*n)).sum())
    }

    /// Returns how many of them failed, by time.
    pub(crate) fn errors(&self) -> impl Iterator<Item = u64> {
        self.errors.iter().copied()
    }

    /// Returns a quantile of the durations by time, ns; NaN where there are no spans.
    pub(crate) fn quantiles(&self, q: f64) -> impl Iterator<Item = f64> {
        (0..self.grid.len).map(move |at| quantile(self.column(at), q))
    }

    /// Returns upper bounds of durations, ns, and for each time the spans up to each bound and above
    /// the one before: from the shortest to the longest that there is, in as few rows as are drawn.
    pub(crate) fn heatmap(&self) -> (Vec<u64>, Vec<Vec<u64>>) {
        let used = |bucket: &usize| (0..self.grid.len).any(|at| self.column(at)[*bucket] > 0);
        let Some(first) = (0..LEN).find(used) else { return (Vec::new(), Vec::new()) };
        let last = (0..LEN).rev().find(used).unwrap_or(first);
        let rows = |merged: usize| last.div_ceil(merged) - first.div_ceil(merged) + 1;
        let merged = [2, 4, 8].into_iter().find(|n| rows(*n) <= ROWS_MAX).unwrap_or(16);
        let lowest = first.div_ceil(merged);
        let bounds = (0..rows(merged)).map(|row| bound((lowest + row) * merged)).collect();
        let column = |at| {
            let mut counts = vec![0; rows(merged)];
            for (bucket, count) in self.column(at).iter().enumerate().filter(|(_, n)| **n > 0) {
                counts[bucket.div_ceil(merged) - lowest] += u64::from(*count);
            }
            counts
        };
        (bounds, (0..self.grid.len).map(column).collect())
    }
}

/// Returns the bucket of a duration: up to its bound, and beyond the one before.
fn bucket(duration_ns: i64) -> usize {
    if duration_ns <= 1 {
        return 0;
    }
    let octaves = (duration_ns as f64).log2();
    ((octaves * PER_OCTAVE as f64).ceil() as usize).min(LEN - 1)
}

/// Returns the upper bound of a bucket, ns.
fn bound(bucket: usize) -> u64 {
    (bucket as f64 / PER_OCTAVE as f64).exp2().round() as u64
}

/// Returns a quantile, in the middle of its bucket.
fn quantile(counts: &[u32], q: f64) -> f64 {
    let all: u64 = counts.iter().map(|n| u64::from(*n)).sum();
    let wanted = (q * all as f64).ceil().max(1.0);
    let mut seen = 0.0;
    for (bucket, count) in counts.iter().enumerate() {
        seen += f64::from(*count);
        if seen >= wanted {
            let middle = (bucket as f64 - 0.5) / PER_OCTAVE as f64;
            return middle.max(0.0).exp2().round();
        }
    }
    f64::NAN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_lie_in_their_buckets() {
        for ns in [0, 1, 2, 3, 1000, 1024, 1025, 999_999, 123_456_789, 3_600_000_000_000] {
            let at = bucket(ns);
            let ns = ns as f64;
            assert!(ns <= (at as f64 / 8.0).exp2() * 1.000_001 || ns <= 1.0, "{ns}: {at}");
            assert!(at == 0 || ns > ((at as f64 - 1.0) / 8.0).exp2() * 0.999_999, "{ns}: {at}");
        }
        assert_eq!(bucket(i64::MIN), 0);
        assert_eq!(bucket(i64::MAX), LEN - 1);
    }

    #[test]
    fn quantiles_are_within_five_percent() {
        let mut counts = vec![0; LEN];
        for ns in 1..=10_000_i64 {
            counts[bucket(ns * 1000)] += 1;
        }
        for (q, wanted) in [(0.5, 5_000_000.0), (0.99, 9_900_000.0)] {
            let found = quantile(&counts, q);
            assert!((found / wanted - 1.0).abs() < 0.05, "{q}: {found}");
        }
        assert!(quantile(&vec![0; LEN], 0.5).is_nan());
    }

    #[test]
    fn heatmaps_have_few_rows_and_lose_nothing() {
        let hour = Range { start_us: 0, end_us: 3_599_999_999 };
        let mut histogram = Histogram::new(Grid::new(hour, 4));
        assert_eq!(histogram.heatmap().0.len(), 0);
        for (at, ns) in [(0, 1_500), (0, 1_500), (2, 90_000_000_000_i64), (3, 2_000_000)] {
            histogram.counts[at * LEN + bucket(ns)] += 1;
        }
        let (bounds, counts) = histogram.heatmap();
        assert!(bounds.len() <= ROWS_MAX + 1 && bounds.is_sorted(), "{bounds:?}");
        assert!(bounds[0] >= 1_500 && bounds[bounds.len() - 1] >= 90_000_000_000, "{bounds:?}");
        let sums: Vec<u64> = counts.iter().map(|column| column.iter().sum()).collect();
        assert_eq!(sums, histogram.spans().collect::<Vec<_>>());
        assert_eq!((counts[0][0], *counts[2].last().expect("rows")), (2, 1));
    }
}
