//! The buckets of a histogram as intervals.

use tarn_model::sample::{CUSTOM_SCHEMA, Histogram};

use super::layout::bound;

/// One bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) lower: f64,
    pub(crate) upper: f64,
    pub(crate) count: f64,
}

/// Returns bucket `at` of `positive ++ negative`.
pub(crate) fn interval_at(histogram: &Histogram, at: usize) -> Interval {
    let count = histogram.bucket(at);
    let positive = histogram.positive.len();
    let end = |index: i32| {
        if histogram.schema != CUSTOM_SCHEMA {
            return bound(histogram.schema, index);
        }
        let at = usize::try_from(index).ok();
        at.map_or(f64::NEG_INFINITY, |at| {
            histogram.bounds.get(at).copied().unwrap_or(f64::INFINITY)
        })
    };
    if at < positive {
        let index = histogram.positive[at];
        return Interval { lower: end(index.saturating_sub(1)), upper: end(index), count };
    }
    let index = histogram.negative[at - positive];
    Interval { lower: -end(index), upper: -end(index.saturating_sub(1)), count }
}

/// Returns the zero bucket.
pub(crate) fn zero_interval(histogram: &Histogram) -> Interval {
    let width = histogram.zero_threshold;
    Interval { lower: -width, upper: width, count: histogram.zero_count() }
}

/// Returns the populated buckets in the order of their bounds, the zero bucket in its place.
pub(crate) fn intervals(histogram: &Histogram) -> Vec<Interval> {
    let positive = histogram.positive.len();
    let negative = (positive..histogram.bucket_count()).rev();
    let mut intervals: Vec<Interval> = negative.map(|at| interval_at(histogram, at)).collect();
    if histogram.schema != CUSTOM_SCHEMA {
        intervals.push(zero_interval(histogram));
    }
    intervals.extend((0..positive).map(|at| interval_at(histogram, at)));
    intervals.retain(|interval| interval.count != 0.0);
    intervals
}
