//! A time range, cut into steps of one length.

/// Series of spans have a sample every 15 s unless configured otherwise. A rate counts what happened
/// between the samples of its window: each window begins one sample early, or what happened between
/// two windows, which may be the only error of the day, would be in neither.
const INTERVAL_MS: i64 = 15_000;
/// A rate needs some samples.
const RATE_MS_MIN: i64 = 4 * INTERVAL_MS;

/// What is looked at. Step `i` covers `start + i · step` up to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) step_ms: i64,
    pub(crate) points: usize,
}

impl Window {
    /// Cuts a range that is not empty into about `points` steps of at least 1 ms.
    pub(crate) fn new(start_ms: i64, end_ms: i64, points: usize) -> Self {
        let span = end_ms.saturating_sub(start_ms).max(1).unsigned_abs();
        let step = span.div_ceil(points.max(1) as u64);
        // At most as many as were asked for, which is a number of that size.
        let points = span.div_ceil(step) as usize;
        Self { start_ms, end_ms, step_ms: step.cast_signed(), points }
    }

    /// Returns over how long a rate is taken at each step.
    pub(crate) fn rate_ms(&self) -> i64 {
        self.step_ms.saturating_add(INTERVAL_MS).max(RATE_MS_MIN)
    }

    /// Returns first, last and step of a PromQL query that answers each step at its end.
    pub(crate) fn steps(&self) -> (i64, i64, i64) {
        let points = i64::try_from(self.points).unwrap_or(i64::MAX);
        let last = self.start_ms.saturating_add(self.step_ms.saturating_mul(points));
        (self.start_ms.saturating_add(self.step_ms), last, self.step_ms)
    }

    /// Returns which step a time of [`Window::steps`] stands for.
    pub(crate) fn index(&self, time_ms: i64) -> Option<usize> {
        let since = time_ms.checked_sub(self.start_ms)?;
        let index = usize::try_from(since / self.step_ms).ok()?.checked_sub(1)?;
        (index < self.points).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_cover_the_range_and_little_more() {
        for (span, points) in [(3_600_000, 60), (1, 60), (7, 3), (1_000, 7), (61, 60)] {
            let window = Window::new(5_000, 5_000 + span, points);
            assert!(window.points <= points, "{window:?}");
            let covered = window.step_ms * window.points as i64;
            assert!(covered >= span && covered - span < window.step_ms, "{window:?}");
            let (first, last, step) = window.steps();
            assert_eq!(window.index(first), Some(0));
            assert_eq!(window.index(last), Some(window.points - 1));
            assert_eq!(window.index(last + step), None);
            assert_eq!(window.index(5_000), None);
        }
    }
}
