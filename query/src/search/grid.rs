//! A time range cut into buckets whose bounds are round: people read them, and they stay where they
//! are while a range moves, so a chart that follows the clock does not dance.

use super::scan::Range;

const SECOND: i128 = 1000;
const MINUTE: i128 = 60 * SECOND;
const HOUR: i128 = 60 * MINUTE;
const DAY: i128 = 24 * HOUR;

/// Widths of a bucket in ms: what clocks and calendars are divided by. Beyond the last, doubled.
#[rustfmt::skip]
const WIDTHS_MS: [i128; 33] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500,
    SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND,
    MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
    HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
    DAY, 2 * DAY, 5 * DAY, 10 * DAY, 30 * DAY, 100 * DAY, 365 * DAY,
];

/// Buckets of one width, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Where the first begins: a multiple of the width.
    pub(crate) start_ms: i64,
    /// The width.
    pub(crate) step_ms: i64,
    /// How many there are.
    pub(crate) len: usize,
    range: Range,
}

impl Grid {
    /// Cuts a range into as many buckets as fit, at most `buckets`, which is not 0. The first and the
    /// last may reach beyond the range.
    pub(crate) fn new(range: Range, buckets: usize) -> Self {
        let start = i128::from(range.start_us).div_euclid(1000);
        let end = i128::from(range.end_us).div_euclid(1000).max(start);
        let count = |width: i128| end.div_euclid(width) - start.div_euclid(width) + 1;
        let fits = |width: &i128| count(*width) <= buckets.max(1) as i128;
        let doubled = std::iter::successors(Some(730 * DAY), |width| Some(width * 2));
        // A range may lie across a bound of any width; then there are two where one was wanted.
        let widest = 1_i128 << 62;
        let mut widths = WIDTHS_MS.into_iter().chain(doubled.take_while(|width| *width < widest));
        let step = widths.find(fits).unwrap_or(widest);
        let number = |n: i128| i64::try_from(n).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX });
        Self {
            start_ms: number(start.div_euclid(step) * step),
            step_ms: number(step),
            len: usize::try_from(count(step)).unwrap_or(usize::MAX),
            range,
        }
    }

    /// Returns the bucket of a time, `None` outside of the range.
    pub(crate) fn place(&self, time_us: i64) -> Option<usize> {
        if time_us < self.range.start_us || time_us > self.range.end_us {
            return None;
        }
        let behind = time_us.div_euclid(1000).saturating_sub(self.start_ms);
        usize::try_from(behind / self.step_ms).ok().filter(|at| *at < self.len)
    }

    /// Returns the first and the last time of a bucket, µs, within the range.
    pub(crate) fn bounds_us(&self, bucket: usize) -> (i64, i64) {
        let bucket = i64::try_from(bucket).unwrap_or(i64::MAX);
        let first_ms = self.start_ms.saturating_add(self.step_ms.saturating_mul(bucket));
        let first = first_ms.saturating_mul(1000);
        let last = first.saturating_add(self.step_ms.saturating_mul(1000)).saturating_sub(1);
        (first.max(self.range.start_us), last.min(self.range.end_us))
    }
}

#[cfg(test)]
mod tests;
