//! Which samples of a series each step sees: one two-pointer pass, shared between series.
//!
//! A window is left-open: `(end - range, end]`. The pass depends on the times alone, and most
//! series of a selector have the same times (their slices share one tick vector), so its result is
//! kept and used again as long as the ticks stay the same.

use super::samples::{SeriesSamples, TickRun};
use super::steps::Grid;

/// Where the windows of a selector lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WindowSpec {
    /// The steps of the query.
    pub(crate) grid: Grid,
    /// The length of the window; for instant selectors the lookback.
    pub(crate) range_ms: i64,
    /// How far the window is moved into the past.
    pub(crate) offset_ms: i64,
    /// The fixed time that stands in for the step's.
    pub(crate) at_ms: Option<i64>,
}

impl WindowSpec {
    /// Returns the end of the window of a step, which belongs to the window.
    pub(crate) fn end(&self, step: usize) -> i64 {
        self.at_ms.unwrap_or_else(|| self.grid.time(step)).saturating_sub(self.offset_ms)
    }

    /// Returns the start of the window of a step, which does not belong to the window.
    pub(crate) fn start(&self, step: usize) -> i64 {
        self.end(step).saturating_sub(self.range_ms)
    }

    /// Returns the windows of all steps as indices into `times`.
    pub(crate) fn windows(&self, times: &[i64]) -> Windows {
        let mut windows = Windows::default();
        self.fill(times, &mut windows);
        windows
    }

    /// Overwrites `windows` with those of all steps.
    pub(crate) fn fill(&self, times: &[i64], windows: &mut Windows) {
        windows.lo.clear();
        windows.hi.clear();
        // Samples before the first window are skipped by bisection, the rest by walking.
        let mut lo = times.partition_point(|t| *t <= self.start(0));
        let mut hi = lo;
        for step in 0..self.grid.steps {
            let (start, end) = (self.start(step), self.end(step));
            while hi < times.len() && times[hi] <= end {
                hi += 1;
            }
            while lo < hi && times[lo] <= start {
                lo += 1;
            }
            windows.lo.push(lo as u32);
            windows.hi.push(hi as u32);
        }
    }
}

/// The windows of all steps: step `i` sees the samples `lo[i]..hi[i]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Windows {
    pub(crate) lo: Vec<u32>,
    pub(crate) hi: Vec<u32>,
}

impl Windows {
    pub(crate) fn iter(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        self.lo.iter().zip(&self.hi).map(|(lo, hi)| *lo as usize..*hi as usize)
    }
}

/// What was computed from the times of the last series.
#[derive(Debug, Default)]
pub(crate) struct Shared<T> {
    key: Option<Vec<TickRun>>,
    value: T,
}

impl<T> Shared<T> {
    /// Returns the value for the times of `samples`. Where they differ from those of the call
    /// before, `fill` computes it, into the memory of the old one.
    pub(crate) fn get(&mut self, samples: &SeriesSamples, fill: impl FnOnce(&[i64], &mut T)) -> &T {
        if !self.key.as_ref().is_some_and(|key| samples.has_ticks(key)) {
            fill(samples.times(), &mut self.value);
            self.key = Some(samples.ticks());
        }
        &self.value
    }
}

#[cfg(test)]
mod tests;
