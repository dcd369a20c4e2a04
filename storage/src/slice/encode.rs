//! Samples → what the columns of a slice row hold.
//!
//! **Split.** Most real samples are integers divided by a small power of ten. The smallest `k` with
//! `m = round(v × 10^k)` and `m / 10^k` equal to `v` bit for bit turns a double into an integer that
//! packs well, and loses nothing. `k` only rises while a series is scanned; where any value fails
//! (−0.0, NaN, infinities, true doubles), the values stay doubles, bits untouched.
//!
//! **Starts.** A start timestamp that holds for all samples, or is always the time of the sample
//! before, costs one number per slice; any other pattern costs one per sample, or ends slices.
//!
//! **Histograms.** A slice has one bucket layout, its counts lie bucket by bucket: each bucket is
//! then one slowly rising run.

use std::ops::Range;
use std::sync::Arc;

use tarn_model::sample::{Counts, Histogram, ResetHint, STALE_NAN_BITS};

/// Largest k: beyond it 10^k has no exact double that helps.
const SCALE_MAX: usize = 15;
/// Largest mantissa: every integer up to it is a double.
const MANTISSA_MAX: f64 = 9_007_199_254_740_992.0;

const POWERS: [f64; SCALE_MAX + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Returns what mantissas of a scale are divided by.
pub(crate) fn power(scale: usize) -> f64 {
    POWERS[scale.min(SCALE_MAX)]
}

/// Returns the double that a mantissa stands for.
pub(crate) fn unscale(mantissa: i64, scale: usize) -> f64 {
    mantissa as f64 / power(scale)
}

fn mantissa(bits: u64, scale: usize) -> Option<i64> {
    let scaled = f64::from_bits(bits) * POWERS[scale];
    if scaled.is_nan() || scaled.abs() > MANTISSA_MAX {
        return None;
    }
    // The integer is tested, not the rounded double: −0.0 must fail.
    let m = scaled.round() as i64;
    (unscale(m, scale).to_bits() == bits).then_some(m)
}

/// Returns the smallest scale at which every value is an exact mantissa; staleness markers are
/// passed over, because they are never stored as values.
pub(crate) fn scale_of(values: &[u64]) -> Option<usize> {
    let mut scale = 0;
    let values = || values.iter().filter(|bits| **bits != STALE_NAN_BITS);
    for bits in values() {
        while mantissa(*bits, scale).is_none() {
            scale += 1;
            if scale > SCALE_MAX {
                return None;
            }
        }
    }
    // A value seen early may be too large for the scale that a later one asked for.
    let exact = scale == 0 || values().all(|bits| mantissa(*bits, scale).is_some());
    exact.then_some(scale)
}

/// Appends the mantissas of values at a scale that [`scale_of`] found.
pub(crate) fn mantissas(values: &[u64], scale: usize, into: &mut Vec<i64>) {
    into.extend(values.iter().map(|bits| (f64::from_bits(*bits) * POWERS[scale]).round() as i64));
}

/// Start timestamps of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    Unknown,
    /// The same for every sample.
    Fixed(i64),
    /// The time of the sample before; that of the first sample is given.
    Previous(i64),
    /// Distance of each sample to its start.
    Each(Vec<i32>),
}

/// Cuts samples where their starts ask for it.
pub(crate) fn start_runs(times: &[i64], starts: &[i64]) -> Vec<(Range<usize>, Start)> {
    if starts.is_empty() {
        return vec![(0..times.len(), Start::Unknown)];
    }
    let mut runs = Vec::new();
    let mut at = 0;
    while at < times.len() {
        let known = starts[at] != 0;
        let same = |s: &i64| (*s != 0) == known;
        let end = at + starts[at..].iter().take_while(|s| same(s)).count();
        if known {
            known_runs(times, starts, at..end, &mut runs);
        } else {
            runs.push((at..end, Start::Unknown));
        }
        at = end;
    }
    runs
}

fn known_runs(
    times: &[i64],
    starts: &[i64],
    range: Range<usize>,
    into: &mut Vec<(Range<usize>, Start)>,
) {
    let mut runs = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let fixed = (at + 1..range.end).take_while(|i| starts[*i] == starts[at]).count();
        let previous = (at + 1..range.end).take_while(|i| starts[*i] == times[*i - 1]).count();
        let start =
            if previous > fixed { Start::Previous(starts[at]) } else { Start::Fixed(starts[at]) };
        let end = at + 1 + fixed.max(previous);
        runs.push((at..end, start));
        at = end;
    }
    // More than 4 slices in 64 samples cost more than a number per sample.
    if runs.len() > 1 && runs.len() * 64 > range.len() * 4 {
        let lag = |i: usize| i32::try_from(times[i] - starts[i]).ok();
        if let Some(lags) = range.clone().map(lag).collect() {
            into.push((range, Start::Each(lags)));
            return;
        }
    }
    into.extend(runs);
}

/// Native histograms of one slice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HistogramSlice {
    pub(crate) schema: i32,
    pub(crate) zero_threshold: f64,
    pub(crate) bounds: Vec<f64>,
    pub(crate) positive: Vec<i32>,
    pub(crate) negative: Vec<i32>,
    pub(crate) gauge: bool,
    pub(crate) sums: Vec<f64>,
    pub(crate) counts: CountColumns,
}

/// Counts of a slice; buckets lie bucket by bucket, `n` counts each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CountColumns {
    Int { count: Vec<i64>, zero: Vec<i64>, buckets: Vec<i64> },
    Float { count: Vec<f64>, zero: Vec<f64>, buckets: Vec<f64> },
}

impl HistogramSlice {
    /// Returns count, zero and buckets of integer histograms.
    pub(crate) fn ints(&self) -> Option<[&[i64]; 3]> {
        match &self.counts {
            CountColumns::Int { count, zero, buckets } => Some([count, zero, buckets]),
            CountColumns::Float { .. } => None,
        }
    }

    /// Returns count, zero and buckets of float histograms.
    pub(crate) fn floats(&self) -> Option<[&[f64]; 3]> {
        match &self.counts {
            CountColumns::Float { count, zero, buckets } => Some([count, zero, buckets]),
            CountColumns::Int { .. } => None,
        }
    }
}

/// List items that one slice may hold in its buckets.
const BUCKET_ITEMS_MAX: usize = 131_072;

/// Cuts histograms, none of them stale, into runs that can share a slice.
pub(crate) fn histogram_runs(histograms: &[Arc<Histogram>]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut from = 0;
    while from < histograms.len() {
        let mut layout = Layout::of(&histograms[from]);
        let mut to = from + 1;
        while to < histograms.len() && layout.take(&histograms[to - 1], &histograms[to], to - from)
        {
            to += 1;
        }
        runs.push(from..to);
        from = to;
    }
    runs
}

/// The union of the bucket layouts of a run.
struct Layout {
    positive: Vec<i32>,
    negative: Vec<i32>,
    /// Populated buckets over all samples so far.
    populated: usize,
}

impl Layout {
    fn of(histogram: &Histogram) -> Self {
        Self {
            positive: histogram.positive.clone(),
            negative: histogram.negative.clone(),
            populated: histogram.bucket_count(),
        }
    }

    /// Takes the next histogram if it may follow `before` in a slice that has `n` already.
    fn take(&mut self, before: &Histogram, next: &Histogram, n: usize) -> bool {
        if !is_alike(before, next) || is_reset(before, next) {
            return false;
        }
        let positive = union(&self.positive, &next.positive);
        let negative = union(&self.negative, &next.negative);
        let buckets = positive.len() + negative.len();
        let populated = self.populated + next.bucket_count();
        // A layout that grows is filled with zeros while that wastes at most half of the counts.
        let grows = buckets > self.positive.len() + self.negative.len();
        let wasteful = grows && buckets * (n + 1) > 2 * populated;
        if wasteful || buckets * (n + 1) > BUCKET_ITEMS_MAX {
            return false;
        }
        *self = Self { positive, negative, populated };
        true
    }
}

fn is_alike(a: &Histogram, b: &Histogram) -> bool {
    let float = |h: &Histogram| matches!(h.counts, Counts::Float { .. });
    let gauge = |h: &Histogram| h.reset_hint == ResetHint::Gauge;
    let bits = |bounds: &[f64]| bounds.iter().map(|b| b.to_bits()).collect::<Vec<_>>();
    a.schema == b.schema
        && a.zero_threshold.to_bits() == b.zero_threshold.to_bits()
        && bits(&a.bounds) == bits(&b.bounds)
        && float(a) == float(b)
        && gauge(a) == gauge(b)
}

/// Returns whether a counter began again between two histograms.
fn is_reset(before: &Histogram, next: &Histogram) -> bool {
    match next.reset_hint {
        ResetHint::Gauge => return false,
        ResetHint::Reset => return true,
        ResetHint::Unknown | ResetHint::NotReset => {}
    }
    if next.count() < before.count() || next.zero_count() < before.zero_count() {
        return true;
    }
    let fell = |from: usize, old: &[i32], at: usize, new: &[i32]| {
        old.iter().enumerate().any(|(i, index)| {
            let now = new.binary_search(index).map_or(0.0, |j| next.bucket(at + j));
            now < before.bucket(from + i)
        })
    };
    fell(0, &before.positive, 0, &next.positive)
        || fell(before.positive.len(), &before.negative, next.positive.len(), &next.negative)
}

fn union(a: &[i32], b: &[i32]) -> Vec<i32> {
    if a == b {
        return a.to_vec();
    }
    let mut all = [a, b].concat();
    all.sort_unstable();
    all.dedup();
    all
}

/// Lays out the histograms of one run; `None` where there is none.
pub(crate) fn histogram_slice(run: &[Arc<Histogram>]) -> Option<HistogramSlice> {
    let first = run.first()?;
    let (mut positive, mut negative) = (Vec::new(), Vec::new());
    for histogram in run {
        positive = union(&positive, &histogram.positive);
        negative = union(&negative, &histogram.negative);
    }
    let counts = match &first.counts {
        Counts::Int { .. } => {
            let mut buckets = vec![0; (positive.len() + negative.len()) * run.len()];
            let (mut count, mut zero) = (Vec::new(), Vec::new());
            for (i, histogram) in run.iter().enumerate() {
                if let Counts::Int { count: c, zero: z, buckets: b } = &histogram.counts {
                    count.push(*c as i64);
                    zero.push(*z as i64);
                    spread(histogram, b, (&positive, &negative), (i, run.len()), &mut buckets);
                }
            }
            CountColumns::Int { count, zero, buckets }
        }
        Counts::Float { .. } => {
            let mut buckets = vec![0.0; (positive.len() + negative.len()) * run.len()];
            let (mut count, mut zero) = (Vec::new(), Vec::new());
            for (i, histogram) in run.iter().enumerate() {
                if let Counts::Float { count: c, zero: z, buckets: b } = &histogram.counts {
                    count.push(*c);
                    zero.push(*z);
                    spread(histogram, b, (&positive, &negative), (i, run.len()), &mut buckets);
                }
            }
            CountColumns::Float { count, zero, buckets }
        }
    };
    Some(HistogramSlice {
        schema: first.schema,
        zero_threshold: first.zero_threshold,
        bounds: first.bounds.clone(),
        gauge: first.reset_hint == ResetHint::Gauge,
        sums: run.iter().map(|h| h.sum).collect(),
        positive,
        negative,
        counts,
    })
}

/// Puts the buckets of sample `at.0` of `at.1` to their places in the common layout.
fn spread<T: Copy>(
    histogram: &Histogram,
    buckets: &[T],
    layout: (&[i32], &[i32]),
    at: (usize, usize),
    into: &mut [T],
) {
    let sides =
        [(&histogram.positive, layout.0, 0), (&histogram.negative, layout.1, layout.0.len())];
    let mut from = buckets.iter();
    for (own, common, offset) in sides {
        for (index, value) in own.iter().zip(from.by_ref().take(own.len())) {
            if let Ok(bucket) = common.binary_search(index) {
                into[(offset + bucket) * at.1 + at.0] = *value;
            }
        }
    }
}

#[cfg(test)]
mod tests;
