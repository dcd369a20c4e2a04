//! Sums and differences of native histograms.
//!
//! Two histograms are first brought to one layout, then added bucket by bucket: the finer of two
//! exponential schemas is merged down (every bucket of schema `s` lies within one of `s - 1`), the
//! narrower zero bucket is widened until its edge cuts through no populated bucket of either side,
//! and custom buckets are mapped to the bounds that both sides share. Exponential and custom
//! buckets do not combine. The rules are those of the native histogram specification
//! (`prometheus/docs: docs/specs/native_histograms.md`).

use tarn_model::sample::{CUSTOM_SCHEMA, Histogram, ResetHint};

mod buckets;
mod layout;
mod reset;

pub(crate) use buckets::{Interval, interval_at, intervals, zero_interval};
pub(crate) use reset::is_reset;

use layout::Layout;

/// The result of combining two histograms.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Combined {
    /// The sum or difference, with float counts.
    pub(crate) histogram: Histogram,
    /// One side was the first after a reset, the other surely was not: the user is told.
    pub(crate) hints_collide: bool,
    /// Custom bounds differed, so that buckets were merged: the user is told.
    pub(crate) bounds_reconciled: bool,
}

/// Exponential and custom buckets cannot be combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot combine histograms with exponential and custom buckets")]
pub(crate) struct Incompatible;

/// Adds two histograms. The sum is a gauge if one of them is.
pub(crate) fn add(a: &Histogram, b: &Histogram) -> Result<Combined, Incompatible> {
    combine(a, b, 1.0)
}

/// Subtracts a histogram from another. The difference is a gauge.
pub(crate) fn sub(a: &Histogram, b: &Histogram) -> Result<Combined, Incompatible> {
    let mut combined = combine(a, b, -1.0)?;
    combined.histogram.reset_hint = ResetHint::Gauge;
    Ok(combined)
}

fn combine(a: &Histogram, b: &Histogram, sign: f64) -> Result<Combined, Incompatible> {
    if (a.schema == CUSTOM_SCHEMA) != (b.schema == CUSTOM_SCHEMA) {
        return Err(Incompatible);
    }
    let (mut left, mut right) = (Layout::of(a), Layout::of(b));
    let bounds_reconciled = if a.schema == CUSTOM_SCHEMA {
        layout::share_bounds(&mut left, &mut right)
    } else {
        layout::share_zero_bucket(&mut left, &mut right);
        let schema = left.schema.min(right.schema);
        left.reduce(schema);
        right.reduce(schema);
        false
    };
    left.zero += sign * right.zero;
    left.positive = layout::merged(&left.positive, &right.positive, sign);
    left.negative = layout::merged(&left.negative, &right.negative, sign);
    let (reset_hint, hints_collide) = combined_hint(a.reset_hint, b.reset_hint);
    let count = a.count() + sign * b.count();
    let histogram = left.into_histogram(count, a.sum + sign * b.sum, reset_hint);
    Ok(Combined { histogram, hints_collide, bounds_reconciled })
}

/// Returns what is known of the sum's resets, and whether the two sides contradict each other.
pub(crate) fn combined_hint(a: ResetHint, b: ResetHint) -> (ResetHint, bool) {
    match (a, b) {
        (a, b) if a == b => (a, false),
        (ResetHint::Gauge, _) | (_, ResetHint::Gauge) => (ResetHint::Gauge, false),
        (ResetHint::Unknown, _) | (_, ResetHint::Unknown) => (ResetHint::Unknown, false),
        _ => (ResetHint::Unknown, true),
    }
}

#[cfg(test)]
mod tests;
