//! `rate`, `increase`, `delta`: extrapolated differences, bit for bit as Prometheus computes them.
//!
//! All that depends on times alone (distances to the window's borders, thresholds) is computed once
//! per tick vector in a [`RateShape`] and shared by all series with these ticks. Per series remain
//! two gathered values, the counter resets and a few multiplications per step. Resets are looked
//! for once per series; almost always there is none, and then a window's increase is last - first.

use crate::exec::context::Context;
use crate::exec::steps::{Bits, Steps};
use crate::exec::window::{WindowSpec, Windows};
use crate::query::Result;

/// Which of the three functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateKind {
    /// Resets count, and the extrapolation stops at zero.
    pub(crate) counter: bool,
    /// The result is divided by the length of the window.
    pub(crate) per_second: bool,
}

impl RateKind {
    pub(crate) const RATE: Self = Self { counter: true, per_second: true };
    pub(crate) const INCREASE: Self = Self { counter: true, per_second: false };
    pub(crate) const DELTA: Self = Self { counter: false, per_second: false };
}

/// What the windows over one tick vector have in common, in seconds, per step.
#[derive(Debug, Default)]
pub(crate) struct RateShape {
    windows: Windows,
    /// Steps with at least two samples.
    valid: Bits,
    first: Vec<u32>,
    last: Vec<u32>,
    sampled: Vec<f64>,
    to_start: Vec<f64>,
    to_end: Vec<f64>,
}

impl RateShape {
    /// Computes the shape for other times.
    pub(crate) fn fill(&mut self, times: &[i64], spec: &WindowSpec) {
        let steps = spec.grid.steps;
        spec.fill(times, &mut self.windows);
        self.valid.reset(steps);
        self.first.resize(steps, 0);
        self.last.resize(steps, 0);
        self.sampled.resize(steps, 0.0);
        self.to_start.resize(steps, 0.0);
        self.to_end.resize(steps, 0.0);
        for (step, window) in self.windows.iter().enumerate() {
            if window.len() < 2 {
                continue;
            }
            let (first, last) = (window.start, window.end - 1);
            let seconds = |ms: i64| ms as f64 / 1000.0;
            let sampled = seconds(times[last] - times[first]);
            let average = sampled / (window.len() - 1) as f64;
            // A border further away than this was probably never reached by the series.
            let threshold = average * 1.1;
            let capped = |gap: f64| if gap >= threshold { average / 2.0 } else { gap };
            self.valid.set(step);
            self.first[step] = first as u32;
            self.last[step] = last as u32;
            self.sampled[step] = sampled;
            self.to_start[step] = capped(seconds(times[first] - spec.start(step)));
            self.to_end[step] = capped(seconds(spec.end(step) - times[last]));
        }
    }

    /// Computes one series.
    ///
    /// # Errors
    /// The query must stop.
    pub(crate) fn apply(
        &self,
        cx: &Context,
        kind: RateKind,
        range_ms: i64,
        values: &[f64],
        resets: &mut Vec<u32>,
        out: &mut Steps,
    ) -> Result<()> {
        cx.work(values.len() + out.values.len())?;
        resets.clear();
        if kind.counter {
            find_resets(values, resets);
        }
        let divisor = if kind.per_second { go_seconds(range_ms) } else { 1.0 };
        let mut from = 0;
        let mut goes_on = Ok(());
        self.valid.for_each_run(|run| {
            for step in run {
                let (first, last) = (self.first[step], self.last[step]);
                let start = values[first as usize];
                let mut difference = values[last as usize] - start;
                if !resets.is_empty() && goes_on.is_ok() {
                    while from < resets.len() && resets[from] <= first {
                        from += 1;
                    }
                    let count = resets[from..].partition_point(|at| *at <= last);
                    let inside = &resets[from..from + count];
                    inside.iter().for_each(|at| difference += values[*at as usize - 1]);
                    goes_on = cx.work(count);
                }
                let mut to_start = self.to_start[step];
                if kind.counter && difference > 0.0 && start >= 0.0 {
                    let to_zero = self.sampled[step] * (start / difference);
                    to_start = if to_zero < to_start { to_zero } else { to_start };
                }
                let covered = self.sampled[step] + to_start + self.to_end[step];
                let factor = covered / self.sampled[step] / divisor;
                out.values[step] = difference * factor;
            }
        });
        out.valid.clone_from(&self.valid);
        goes_on
    }
}

/// Collects the indices of samples that are smaller than the one before.
fn find_resets(values: &[f64], resets: &mut Vec<u32>) {
    // Counted first: the count vectorises, and nearly always it is zero.
    let count = values.iter().zip(values.iter().skip(1)).filter(|(a, b)| b < a).count();
    if count > 0 {
        resets.extend((1..values.len()).filter(|i| values[*i] < values[*i - 1]).map(|i| i as u32));
    }
}

/// Returns seconds as Go's `Duration.Seconds` does, which rounds twice.
pub(crate) fn go_seconds(ms: i64) -> f64 {
    (ms / 1000) as f64 + (ms % 1000 * 1_000_000) as f64 / 1e9
}

#[cfg(test)]
mod tests;
