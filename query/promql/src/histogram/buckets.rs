//! The buckets of a histogram as intervals, from the lowest to the highest.

use tarn_model::sample::{CUSTOM_SCHEMA, Histogram};

use super::layout::bound;

/// One bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) lower: f64,
    pub(crate) upper: f64,
    pub(crate) count: f64,
}

/// Returns the populated buckets in the order of their bounds, the zero bucket in its place.
pub(crate) fn intervals(histogram: &Histogram) -> Vec<Interval> {
    let positive = histogram.positive.len();
    let mut intervals = Vec::with_capacity(histogram.bucket_count() + 1);
    if histogram.schema == CUSTOM_SCHEMA {
        let end = |at: i32| {
            let at = usize::try_from(at).ok();
            at.map_or(f64::NEG_INFINITY, |at| {
                histogram.bounds.get(at).copied().unwrap_or(f64::INFINITY)
            })
        };
        for (at, index) in histogram.positive.iter().enumerate() {
            let (lower, upper) = (end(index.saturating_sub(1)), end(*index));
            intervals.push(Interval { lower, upper, count: histogram.bucket(at) });
        }
    } else {
        let end = |index: i32| bound(histogram.schema, index);
        for (at, index) in histogram.negative.iter().enumerate().rev() {
            let (lower, upper) = (-end(*index), -end(index.saturating_sub(1)));
            intervals.push(Interval { lower, upper, count: histogram.bucket(positive + at) });
        }
        let width = histogram.zero_threshold;
        intervals.push(Interval { lower: -width, upper: width, count: histogram.zero_count() });
        for (at, index) in histogram.positive.iter().enumerate() {
            let (lower, upper) = (end(index.saturating_sub(1)), end(*index));
            intervals.push(Interval { lower, upper, count: histogram.bucket(at) });
        }
    }
    intervals.retain(|interval| interval.count != 0.0);
    intervals
}
