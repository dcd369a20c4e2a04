//! Classic histograms: quantiles and fractions of cumulative bucket counts.
//!
//! Observations are assumed to be spread evenly inside a bucket; the lowest bucket starts at 0
//! where its bound is positive. Counts are repaired first: rates of buckets scraped at slightly
//! different moments need not rise from bucket to bucket.

/// A bucket: observations up to and including a bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) bound: f64,
    pub(crate) count: f64,
}

/// Differences of neighbouring buckets below this are noise of floating-point sums.
const DELTA_TOLERANCE: f64 = 1e-12;

/// Returns the `q` quantile of buckets sorted by bound.
pub(crate) fn quantile(q: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    if !complete(buckets) {
        return f64::NAN;
    }
    make_monotonic(buckets);
    let last = buckets.len() - 1;
    let observations = buckets[last].count;
    if last == 0 || observations == 0.0 || observations.is_nan() {
        return f64::NAN;
    }
    let rank = q * observations;
    let at = buckets[..last].partition_point(|b| b.count < rank);
    if at == last {
        return buckets[last - 1].bound;
    }
    if at == 0 && buckets[0].bound <= 0.0 {
        return buckets[0].bound;
    }
    let before = if at > 0 { buckets[at - 1] } else { Bucket { bound: 0.0, count: 0.0 } };
    let share = (rank - before.count) / (buckets[at].count - before.count);
    before.bound + (buckets[at].bound - before.bound) * share
}

/// Returns the fraction of observations between two values.
pub(crate) fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if !complete(buckets) {
        return f64::NAN;
    }
    let count = buckets[buckets.len() - 1].count;
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, buckets).min(count) - rank_of(lower, buckets).min(count)) / count
}

/// Returns how many observations lie below a value.
fn rank_of(value: f64, buckets: &[Bucket]) -> f64 {
    let mut before = Bucket { bound: f64::NEG_INFINITY, count: 0.0 };
    for (at, bucket) in buckets.iter().enumerate() {
        if at == 0 && bucket.bound > 0.0 {
            before.bound = 0.0;
        }
        if before.bound >= value {
            return before.count;
        }
        if bucket.bound > value {
            // Nothing is known of where observations lie in a bucket without an end, so they are
            // taken to lie at the other one.
            if before.bound.is_infinite() {
                return bucket.count;
            }
            if bucket.bound.is_infinite() {
                return before.count;
            }
            let share = (value - before.bound) / (bucket.bound - before.bound);
            return before.count + (bucket.count - before.count) * share;
        }
        before = *bucket;
    }
    before.count
}

/// Merges buckets with the same bound; `false` where there is none that ends at infinity.
fn complete(buckets: &mut Vec<Bucket>) -> bool {
    buckets.dedup_by(|next, kept| {
        let same = next.bound == kept.bound;
        if same {
            kept.count += next.count;
        }
        same
    });
    buckets.last().is_some_and(|b| b.bound == f64::INFINITY)
}

fn make_monotonic(buckets: &mut [Bucket]) {
    let mut before = buckets[0].count;
    for bucket in &mut buckets[1..] {
        if bucket.count < before || nearly_equal(before, bucket.count) {
            bucket.count = before;
        } else if bucket.count != before {
            before = bucket.count;
        }
    }
}

fn nearly_equal(a: f64, b: f64) -> bool {
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == b {
        true
    } else if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        difference < DELTA_TOLERANCE * f64::MIN_POSITIVE
    } else {
        difference / sum.min(f64::MAX) < DELTA_TOLERANCE
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, fraction, quantile};

    fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        pairs.iter().map(|(bound, count)| Bucket { bound: *bound, count: *count }).collect()
    }

    fn same(a: f64, b: f64) -> bool {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-12
    }

    #[test]
    fn quantiles_interpolate_inside_the_bucket() {
        let inf = f64::INFINITY;
        let usual = [(0.1, 1.0), (1.0, 3.0), (inf, 4.0)];
        type Row<'a> = (f64, &'a [(f64, f64)], f64);
        let rows: [Row<'_>; 12] = [
            (0.5, &usual, 0.55),
            (0.125, &usual, 0.05),
            (1.0, &usual, 1.0),
            (0.0, &usual, 0.0),
            (-1.0, &usual, -inf),
            (2.0, &usual, inf),
            (f64::NAN, &usual, f64::NAN),
            (0.5, &usual[..2], f64::NAN),
            (0.5, &[(inf, 4.0)], f64::NAN),
            (0.5, &[(1.0, 0.0), (inf, 0.0)], f64::NAN),
            (0.1, &[(-1.0, 2.0), (inf, 4.0)], -1.0),
            (0.75, &[(1.0, 2.0), (2.0, 1.0), (2.0, 3.0), (inf, 4.0)], 1.5),
        ];
        for (q, pairs, expected) in rows {
            let got = quantile(q, &mut buckets(pairs));
            assert!(same(got, expected), "{q} of {pairs:?}: {got}");
        }
    }

    #[test]
    fn fractions_count_between_bounds() {
        let inf = f64::INFINITY;
        let usual = [(0.1, 1.0), (1.0, 3.0), (inf, 4.0)];
        for (lower, upper, expected) in [
            (0.1, 1.0, 0.5),
            (0.0, 0.05, 0.125),
            (-inf, inf, 1.0),
            (1.0, 1.0, 0.0),
            (1.0, inf, 0.25),
            (f64::NAN, 1.0, f64::NAN),
        ] {
            let got = fraction(lower, upper, &mut buckets(&usual));
            assert!(same(got, expected), "{lower}..{upper}: {got}");
        }
    }
}
