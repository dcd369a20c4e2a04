//! How long something took: a histogram that only grows, native and classic.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_model::sample::{Counts, Histogram, ResetHint};

/// Upper bounds of the classic buckets, in seconds: 2 ms, doubled. Each stands with its text, which is
/// the label `le`.
pub(super) const BOUNDS: [(f64, &str); 14] = [
    (0.002, "0.002"),
    (0.004, "0.004"),
    (0.008, "0.008"),
    (0.016, "0.016"),
    (0.032, "0.032"),
    (0.064, "0.064"),
    (0.128, "0.128"),
    (0.256, "0.256"),
    (0.512, "0.512"),
    (1.024, "1.024"),
    (2.048, "2.048"),
    (4.096, "4.096"),
    (8.192, "8.192"),
    (16.384, "16.384"),
];

/// Schema of the native histogram: eight buckets per doubling, 9 % wide, as client libraries have it.
const SCHEMA: i32 = 3;
/// Shorter than 1 µs is zero.
const ZERO: f64 = 1e-6;
/// Longer than three days counts as three days: 8 × 38 buckets at most, whatever clocks say.
const LONGEST: f64 = 262_144.0;

/// Seconds, weighted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Latency {
    pub(super) count: f64,
    pub(super) sum: f64,
    zero: f64,
    native: BTreeMap<i32, f64>,
    /// Not cumulative; what is above the last bound is in none.
    pub(super) classic: [f64; BOUNDS.len()],
}

impl Latency {
    /// Takes one observation in.
    pub(super) fn observe(&mut self, seconds: f64, weight: f64) {
        self.count += weight;
        self.sum += seconds * weight;
        if seconds <= ZERO {
            self.zero += weight;
        } else {
            let bucket = (seconds.min(LONGEST).log2() * f64::from(1 << SCHEMA)).ceil() as i32;
            *self.native.entry(bucket).or_default() += weight;
        }
        if let Some(at) = BOUNDS.iter().position(|(bound, _)| seconds <= *bound) {
            self.classic[at] += weight;
        }
    }

    /// Returns the cumulative classic buckets, without the last one, which is the count.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (&'static str, f64)> {
        BOUNDS.iter().zip(&self.classic).scan(0.0, |sum, ((_, le), count)| {
            *sum += count;
            Some((*le, *sum))
        })
    }

    /// Returns the native histogram: of whole numbers as long as all weights were.
    pub(super) fn histogram(&self) -> Arc<Histogram> {
        let whole = |count: &f64| count.fract() == 0.0;
        let counts = if self.native.values().chain([&self.zero]).all(whole) {
            Counts::Int {
                count: self.count as u64,
                zero: self.zero as u64,
                buckets: self.native.values().map(|count| *count as i64).collect(),
            }
        } else {
            let buckets = self.native.values().copied().collect();
            Counts::Float { count: self.count, zero: self.zero, buckets }
        };
        Arc::new(Histogram {
            schema: SCHEMA,
            bounds: Vec::new(),
            zero_threshold: ZERO,
            sum: self.sum,
            positive: self.native.keys().copied().collect(),
            negative: Vec::new(),
            counts,
            reset_hint: ResetHint::Unknown,
        })
    }

    /// Goes on from a histogram of an earlier life; one of another schema is none of ours.
    pub(super) fn restore(&mut self, histogram: &Histogram) {
        if histogram.schema == SCHEMA {
            (self.count, self.sum) = (histogram.count(), histogram.sum);
            self.zero = histogram.zero_count();
            let buckets = histogram.positive.iter().enumerate();
            self.native = buckets.map(|(at, bucket)| (*bucket, histogram.bucket(at))).collect();
        }
    }

    /// Goes on from the cumulative bucket of an earlier life; they come in any order.
    pub(super) fn restore_bucket(&mut self, le: &str, cumulative: f64) {
        if let Some(at) = BOUNDS.iter().position(|(_, text)| *text == le) {
            self.classic[at] = cumulative;
        }
    }

    /// Makes buckets of the cumulative ones that came.
    pub(super) fn restored(&mut self) {
        let mut below = 0.0;
        for count in &mut self.classic {
            let cumulative = count.max(below);
            (*count, below) = (cumulative - below, cumulative);
        }
    }
}

#[cfg(test)]
mod tests;
