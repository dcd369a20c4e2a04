//! Counters that say since when they count.
//!
//! A sample may carry its start timestamp. One that lies behind the sample before tells of a reset
//! that the values alone would hide, and one inside the window tells where the counter was zero, so
//! that nothing is extrapolated there and a single sample is enough. Samples of delta temporality
//! count anew each time: to each of them the sample before is a reset, and the first one counts for
//! as much of the window as it covers.
//!
//! These kernels look at every sample of every window. They run only for series to which this
//! applies; all others take those of [`super::rate`].

use std::ops::Range;

use super::range::RangeView;
use super::rate::go_seconds;
use super::signature::Function;
use crate::exec::steps::Steps;
use crate::query::Result;

/// The label that says how samples count; only series of delta temporality have it.
pub(crate) const TEMPORALITY: &str = "__temporality__";
/// Its value.
pub(crate) const DELTA: &str = "delta";

/// Told where two samples claim the same time.
pub(crate) const OVERLAP: &str =
    "sample has start time that overlaps with previous sample timestamp";

/// When the samples of a series or window began to count.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Starts<'a> {
    /// One per sample, 0 where unknown; empty where none is known.
    pub(crate) ms: &'a [i64],
    /// Every sample counts anew.
    pub(crate) delta: bool,
}

impl Starts<'_> {
    /// Returns those of a part of the samples.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        Self { ms: self.ms.get(range).unwrap_or_default(), delta: self.delta }
    }

    fn of(&self, at: usize) -> i64 {
        self.ms.get(at).copied().unwrap_or(0)
    }

    /// Returns whether the counter began anew between sample `at - 1`, of time `before`, and sample
    /// `at`, of time `time`.
    pub(crate) fn is_reset(&self, at: usize, before: i64, time: i64) -> bool {
        if self.delta {
            return true;
        }
        let start = self.of(at);
        if start == 0 || start >= time || start != before {
            return start != 0 && start < time && start > before;
        }
        // The first sample of a cumulative counter whose start is not known bears its own time, and
        // the next ones bear that time too: there was no reset. Only where the sample before has a
        // start of its own is this one a delta.
        let earlier = self.of(at - 1);
        earlier != 0 && earlier < before
    }

    /// Returns what the start of a window's first sample tells, if anything. A counter must have been
    /// zero inside the window; a delta may reach into it from before.
    pub(crate) fn head(&self, first: i64, window_start: i64) -> Option<Head> {
        let start = self.of(0);
        if start == 0 || start >= first || (start <= window_start && !self.delta) {
            return None;
        }
        let from = start.max(window_start);
        let share = (first - from) as f64 / (first - start) as f64;
        Some(Head { from, share, start: self.delta.then_some(start) })
    }

    /// Returns whether a sample covers time that the one before covers too, and is not of the same
    /// run.
    fn overlaps(&self, times: &[i64]) -> bool {
        (1..times.len()).any(|at| {
            let start = self.of(at);
            start != 0 && start < times[at - 1] && start != self.of(at - 1)
        })
    }
}

/// What the first sample of a window counts for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// From when on it counts.
    from: i64,
    /// The part of it that lies in the window; below 1 only for a delta.
    pub(crate) share: f64,
    /// Since when it counted, for a delta.
    start: Option<i64>,
}

/// How far a window's samples reach and how far beyond them is extrapolated, in seconds.
pub(crate) struct Reach {
    sampled: f64,
    to_start: f64,
    to_end: f64,
}

impl Reach {
    /// Measures a window from its first and last time, its number of samples and its borders. A
    /// single sample reaches only from what its start tells.
    pub(crate) fn of(
        (first, last, samples): (i64, i64, usize),
        (start, end): (i64, i64),
        head: Option<Head>,
    ) -> Self {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let sampled = seconds(last - first);
        let average = match head.and_then(|head| head.start) {
            Some(start) => seconds(last - start) / samples as f64,
            None if samples > 1 => sampled / (samples - 1) as f64,
            None => 0.0,
        };
        // A border further away than this was probably never reached by the series. Deltas that stop
        // say that nothing happened any more.
        let beyond =
            if head.is_some_and(|head| head.start.is_some()) { 0.0 } else { average / 2.0 };
        let capped = |gap: f64| if gap >= average * 1.1 { beyond } else { gap };
        let to_end = capped(seconds(end - last));
        match head {
            Some(head) => Self { sampled: seconds(last - head.from), to_start: 0.0, to_end },
            None => Self { sampled, to_start: capped(seconds(first - start)), to_end },
        }
    }

    /// Returns by what a difference is multiplied. `before` is where a counter stood at the first
    /// sample: it is not extrapolated to below zero.
    pub(crate) fn factor(&self, before: Option<f64>, difference: f64) -> f64 {
        let mut to_start = self.to_start;
        if let Some(before) = before.filter(|before| difference > 0.0 && *before >= 0.0) {
            let to_zero = self.sampled * (before / difference);
            to_start = if to_zero < to_start { to_zero } else { to_start };
        }
        (self.sampled + to_start + self.to_end) / self.sampled
    }
}

/// Computes `rate`, `increase`, `irate` or `resets` over the floats of a series. Returns whether
/// samples overlap, of which the user is told.
///
/// # Errors
/// The query must stop.
pub(crate) fn apply(
    function: Function,
    view: &RangeView<'_>,
    starts: Starts<'_>,
    out: &mut Steps,
) -> Result<bool> {
    let mut overlap = false;
    for (step, range) in view.windows.iter().enumerate() {
        if range.is_empty() {
            continue;
        }
        view.cx.work(range.len())?;
        let window = Counted {
            times: &view.times[range.clone()],
            values: &view.values[range.clone()],
            starts: starts.part(range),
        };
        overlap = overlap || window.starts.overlaps(window.times);
        let borders = (view.spec.start(step), view.spec.end(step));
        let value = match function {
            Function::Rate => {
                window.increase(borders).map(|value| value / go_seconds(view.spec.range_ms))
            }
            Function::Increase => window.increase(borders),
            Function::Irate => window.instant_rate(),
            _ => Some((1..window.times.len()).filter(|at| window.is_reset(*at)).count() as f64),
        };
        if let Some(value) = value {
            out.set(step, value);
        }
    }
    Ok(overlap)
}

/// The samples of one window, one or more.
struct Counted<'a> {
    times: &'a [i64],
    values: &'a [f64],
    starts: Starts<'a>,
}

impl Counted<'_> {
    fn is_reset(&self, at: usize) -> bool {
        self.values[at] < self.values[at - 1]
            || self.starts.is_reset(at, self.times[at - 1], self.times[at])
    }

    fn increase(&self, borders: (i64, i64)) -> Option<f64> {
        let (first, last) = (self.times[0], self.times[self.times.len() - 1]);
        let head = self.starts.head(first, borders.0);
        if self.times.len() < 2 && head.is_none() {
            return None;
        }
        let mut difference = self.values[self.values.len() - 1] - self.values[0];
        for at in (1..self.values.len()).filter(|at| self.is_reset(*at)) {
            difference += self.values[at - 1];
        }
        if let Some(head) = head {
            difference += self.values[0] * head.share;
        }
        let reach = Reach::of((first, last, self.times.len()), borders, head);
        Some(difference * reach.factor(Some(self.values[0]), difference))
    }

    fn instant_rate(&self) -> Option<f64> {
        let at = self.times.len().checked_sub(1).filter(|at| *at > 0)?;
        let seconds = (self.times[at] - self.times[at - 1]) as f64 / 1000.0;
        let before = if self.is_reset(at) { 0.0 } else { self.values[at - 1] };
        Some((self.values[at] - before) / seconds)
    }
}

/// Returns whether the function looks at start timestamps.
pub(crate) fn counts(function: Function) -> bool {
    matches!(function, Function::Rate | Function::Increase | Function::Irate | Function::Resets)
}
