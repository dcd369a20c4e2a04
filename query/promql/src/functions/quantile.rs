//! Quantiles of plain numbers, by linear interpolation between ranks.

use std::ops::Range;

use crate::exec::context::Context;
use crate::query::Result;

/// Orders floats with NaN as the smallest.
pub(crate) fn nan_first(a: &f64, b: &f64) -> std::cmp::Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        (false, false) => a.total_cmp(b),
    }
}

/// Values that move in memory in the time of one unit of work.
const MOVED_PER_WORK: usize = 16;

/// Work of sorting one value.
const SORT_WORK: usize = 16;

/// Returns the `q` quantile and leaves `values` in another order.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let rank = q * (values.len() - 1) as f64;
    let lower = rank.floor();
    let weight = rank - lower;
    // Only the two neighbouring ranks are needed, so selecting them is enough.
    let (_, low, above) = values.select_nth_unstable_by(lower as usize, nan_first);
    let low = *low;
    let high = above.iter().copied().min_by(nan_first).unwrap_or(low);
    low * (1.0 - weight) + high * weight
}

/// The values of a window in order. Neighbouring windows share most samples, so moving on removes
/// and inserts a few instead of sorting all.
#[derive(Debug, Default)]
pub(crate) struct SortedWindow {
    range: Range<usize>,
    sorted: Vec<f64>,
}

impl SortedWindow {
    /// Moves to a window that neither starts nor ends before the current one.
    ///
    /// # Errors
    /// The query must stop.
    pub(crate) fn move_to(
        &mut self,
        values: &[f64],
        range: Range<usize>,
        cx: &Context,
    ) -> Result<()> {
        if range.start >= self.range.end {
            cx.work(range.len().saturating_mul(SORT_WORK))?;
            self.sorted.clear();
            self.sorted.extend_from_slice(&values[range.clone()]);
            self.sorted.sort_by(nan_first);
        } else {
            for value in &values[self.range.start..range.start] {
                cx.work(self.sorted.len() / MOVED_PER_WORK)?;
                let at = self.sorted.partition_point(|v| nan_first(v, value).is_lt());
                self.sorted.remove(at);
            }
            for value in &values[self.range.end..range.end] {
                cx.work(self.sorted.len() / MOVED_PER_WORK)?;
                let at = self.sorted.partition_point(|v| nan_first(v, value).is_lt());
                self.sorted.insert(at, *value);
            }
        }
        self.range = range;
        Ok(())
    }

    /// Returns the `q` quantile; nothing of an empty window.
    pub(crate) fn quantile(&self, q: f64) -> Option<f64> {
        let highest = self.sorted.len().checked_sub(1)?;
        if !(0.0..=1.0).contains(&q) {
            return Some(quantile(q, &mut [0.0]));
        }
        let rank = q * highest as f64;
        let lower = rank.floor();
        let weight = rank - lower;
        let (low, high) = (lower as usize, (lower as usize + 1).min(highest));
        Some(self.sorted[low] * (1.0 - weight) + self.sorted[high] * weight)
    }
}

#[cfg(test)]
mod tests {
    use super::{SortedWindow, quantile};
    use crate::exec::context::Context;
    use crate::query::QueryParams;

    #[test]
    fn a_moving_window_equals_a_sorted_one() {
        let values: Vec<f64> = (0..100_u32)
            .map(|i| if i % 9 == 4 { f64::NAN } else { f64::from(i * 7919 % 31) })
            .collect();
        let cx = Context::new(&QueryParams::instant(0));
        let mut window = SortedWindow::default();
        for range in [0..0, 0..5, 0..20, 3..20, 10..40, 40..40, 41..60, 80..100, 99..100] {
            window.move_to(&values, range.clone(), &cx).expect("goes on");
            for q in [-1.0, 0.0, 0.3, 0.5, 0.99, 1.0, 2.0, f64::NAN] {
                let expected = quantile(q, &mut values[range.clone()].to_vec());
                let got = window.quantile(q);
                assert_eq!(got.is_none(), range.is_empty());
                let same = |v: f64| v == expected || (v.is_nan() && expected.is_nan());
                assert!(got.is_none_or(same), "{q} of {range:?}: {got:?}, expected {expected}");
            }
        }
    }

    #[test]
    fn interpolates_between_ranks() {
        let nan = f64::NAN;
        for (q, values, expected) in [
            (0.5, vec![1.0, 0.0], 0.5),
            (0.8, vec![4.0, 0.0, 1.0], 2.8),
            (1.0, vec![4.0, 0.0, 1.0], 4.0),
            (0.0, vec![4.0, 0.0, 1.0], 0.0),
            (-0.1, vec![1.0], f64::NEG_INFINITY),
            (1.1, vec![1.0], f64::INFINITY),
            (0.2, vec![0.0, nan, 1.0], nan),
            (0.8, vec![0.0, nan, 1.0], 0.6),
            (nan, vec![0.0], nan),
            (0.5, vec![], nan),
        ] {
            let got = quantile(q, &mut values.clone());
            let same = (got.is_nan() && expected.is_nan())
                || got == expected
                || (got - expected).abs() < 1e-12;
            assert!(same, "{q} of {values:?}: {got}");
        }
    }
}
