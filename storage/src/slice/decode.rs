//! What the columns of a slice row hold → samples.
//!
//! The row's `n` decides: lists of any other length are damage, and are reported, never cut or
//! padded.

use std::sync::Arc;

use tarn_model::sample::{Counts, Histogram, ResetHint};
use tarn_model::slice::Samples;

use crate::slice::encode::{CountColumns, HistogramSlice, Start, power};

/// Turns mantissas into doubles.
pub(crate) fn floats(mantissas: &[i64], scale: usize) -> Samples {
    // The usual case is a loop without a division.
    let values = match scale {
        0 => mantissas.iter().map(|m| *m as f64).collect(),
        _ => {
            let power = power(scale);
            mantissas.iter().map(|m| *m as f64 / power).collect()
        }
    };
    Samples::Floats(values)
}

/// Turns the bits of doubles into doubles.
pub(crate) fn doubles(bits: &[i64]) -> Samples {
    Samples::Floats(bits.iter().map(|bits| f64::from_bits(*bits as u64)).collect())
}

/// Returns the start timestamp of every sample.
pub(crate) fn starts(start: &Start, times: &[i64]) -> Option<Vec<i64>> {
    match start {
        Start::Unknown => None,
        Start::Fixed(at) => Some(vec![*at; times.len()]),
        Start::Previous(first) => {
            let before = times.iter().take(times.len().saturating_sub(1));
            Some(std::iter::once(first).chain(before).take(times.len()).copied().collect())
        }
        Start::Each(lags) => {
            Some(times.iter().zip(lags).map(|(t, lag)| t - i64::from(*lag)).collect())
        }
    }
}

/// Takes a slice of histograms apart. Empty buckets, which a common layout brings in, are left out.
///
/// # Errors
/// What is wrong, where lengths contradict `n`.
pub(crate) fn histograms(slice: &HistogramSlice, n: usize) -> Result<Samples, &'static str> {
    let buckets = slice.positive.len() + slice.negative.len();
    let fits = |count: usize, zero: usize, items: usize| {
        count == n && zero == n && items == buckets * n && slice.sums.len() == n
    };
    let fine = match &slice.counts {
        CountColumns::Int { count, zero, buckets } => fits(count.len(), zero.len(), buckets.len()),
        CountColumns::Float { count, zero, buckets } => {
            fits(count.len(), zero.len(), buckets.len())
        }
    };
    if !fine {
        return Err("histogram columns contradict the number of samples");
    }
    Ok(Samples::Histograms((0..n).map(|i| Arc::new(histogram(slice, i, n))).collect()))
}

fn histogram(slice: &HistogramSlice, at: usize, n: usize) -> Histogram {
    let (positive, negative, counts) = match &slice.counts {
        CountColumns::Int { count, zero, buckets } => {
            let (positive, negative, buckets) =
                populated(slice, |bucket| Some(buckets[bucket * n + at]).filter(|b| *b != 0));
            let (count, zero) = (count[at] as u64, zero[at] as u64);
            (positive, negative, Counts::Int { count, zero, buckets })
        }
        CountColumns::Float { count, zero, buckets } => {
            let (positive, negative, buckets) =
                populated(slice, |bucket| Some(buckets[bucket * n + at]).filter(|b| *b != 0.0));
            (positive, negative, Counts::Float { count: count[at], zero: zero[at], buckets })
        }
    };
    let reset_hint = match (slice.gauge, at) {
        (true, _) => ResetHint::Gauge,
        (false, 0) => ResetHint::Unknown,
        (false, _) => ResetHint::NotReset,
    };
    Histogram {
        schema: slice.schema,
        bounds: slice.bounds.clone(),
        zero_threshold: slice.zero_threshold,
        sum: slice.sums[at],
        positive,
        negative,
        counts,
        reset_hint,
    }
}

fn populated<T>(
    slice: &HistogramSlice,
    get: impl Fn(usize) -> Option<T>,
) -> (Vec<i32>, Vec<i32>, Vec<T>) {
    let mut buckets = Vec::new();
    let mut side = |indexes: &[i32], offset: usize| {
        let mut kept = Vec::new();
        for (i, index) in indexes.iter().enumerate() {
            if let Some(count) = get(offset + i) {
                kept.push(*index);
                buckets.push(count);
            }
        }
        kept
    };
    let positive = side(&slice.positive, 0);
    let negative = side(&slice.negative, slice.positive.len());
    (positive, negative, buckets)
}
