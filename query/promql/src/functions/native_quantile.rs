//! Quantiles, fractions and spread of native histograms.
//!
//! Observations are taken to lie evenly on a logarithmic scale inside exponential buckets, and
//! evenly on a linear one inside the zero bucket and custom buckets. A zero bucket of a histogram
//! with observations on one side only is taken to lie on that side.

use tarn_model::sample::{CUSTOM_SCHEMA, Histogram};

use super::sum::Sum;
use crate::histogram::{Interval, intervals};

/// Returns the `q` quantile.
pub fn quantile(q: f64, histogram: &Histogram) -> f64 {
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let all = histogram.count();
    let buckets = intervals(histogram);
    if all == 0.0 || q.is_nan() || buckets.is_empty() {
        return f64::NAN;
    }
    // From the nearer end, which is more exact; NaN observations count as the highest.
    let forward = histogram.sum.is_nan() || q < 0.5;
    let mut rank = if forward { q * all } else { (1.0 - q) * all };
    let mut seen = 0.0;
    let mut at = if forward { 0 } else { buckets.len() - 1 };
    loop {
        seen += buckets[at].count;
        let more = if forward { at + 1 < buckets.len() } else { at > 0 };
        if seen >= rank || !more {
            break;
        }
        at = if forward { at + 1 } else { at - 1 };
    }
    if histogram.sum.is_nan() && seen < rank {
        return f64::NAN;
    }
    let bucket = one_sided(buckets[at], histogram);
    if histogram.schema == CUSTOM_SCHEMA {
        if bucket.lower == f64::NEG_INFINITY {
            return bucket.upper;
        }
        if bucket.upper == f64::INFINITY {
            return bucket.lower;
        }
    }
    seen = seen.min(all);
    rank = if forward { rank - (seen - bucket.count) } else { seen - rank };
    inside(bucket, rank / bucket.count, histogram.schema == CUSTOM_SCHEMA)
}

/// Cuts the zero bucket to the side on which there are observations, and lets the lowest custom
/// bucket start at zero.
pub(crate) fn one_sided(mut bucket: Interval, histogram: &Histogram) -> Interval {
    if histogram.schema == CUSTOM_SCHEMA {
        if bucket.lower == f64::NEG_INFINITY && bucket.upper > 0.0 {
            bucket.lower = 0.0;
        }
    } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
        match (histogram.negative.is_empty(), histogram.positive.is_empty()) {
            (true, false) => bucket.lower = 0.0,
            (false, true) => bucket.upper = 0.0,
            _ => {}
        }
    }
    bucket
}

/// Returns the value at a fraction of the way through a bucket.
fn inside(bucket: Interval, fraction: f64, custom: bool) -> f64 {
    if custom || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
        return bucket.lower + (bucket.upper - bucket.lower) * fraction;
    }
    let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    if bucket.lower > 0.0 {
        (lower + (upper - lower) * fraction).exp2()
    } else {
        -(upper + (lower - upper) * (1.0 - fraction)).exp2()
    }
}

/// Returns the fraction of observations between two values; NaN where there are none.
pub fn fraction(lower: f64, upper: f64, histogram: &Histogram) -> f64 {
    if histogram.count() == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let buckets = intervals(histogram);
    // NaN observations are in no bucket, and so in no fraction, but they are observations.
    let inside = if histogram.sum.is_nan() {
        buckets.iter().map(|b| b.count).sum()
    } else {
        histogram.count()
    };
    let rank = |value: f64| rank_of(value, &buckets, histogram, inside).min(inside);
    (rank(upper) - rank(lower)) / histogram.count()
}

/// Returns the share of a bucket's observations that lie below a value inside it.
pub(crate) fn share_below(bucket: Interval, value: f64, custom: bool) -> f64 {
    if bucket.lower == f64::NEG_INFINITY {
        return 1.0;
    }
    if custom || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
        return (value - bucket.lower) / (bucket.upper - bucket.lower);
    }
    let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    (value.abs().log2() - lower) / (upper - lower)
}

/// Returns how many of `inside` observations in buckets lie below a value.
fn rank_of(value: f64, buckets: &[Interval], histogram: &Histogram, inside: f64) -> f64 {
    let custom = histogram.schema == CUSTOM_SCHEMA;
    let mut before = 0.0;
    for bucket in buckets {
        let bucket = one_sided(*bucket, histogram);
        if bucket.lower >= value {
            return before;
        }
        if bucket.upper > value {
            let share = share_below(bucket, value, custom);
            return before + bucket.count * share;
        }
        before += bucket.count;
    }
    // Beyond the last bucket lies nothing.
    inside
}

/// Returns the variance, taking the middle of each bucket for its observations.
pub(crate) fn variance(histogram: &Histogram) -> f64 {
    let mean = histogram.sum / histogram.count();
    let mut squares = Sum::default();
    for bucket in intervals(histogram) {
        let middle = if histogram.schema == CUSTOM_SCHEMA {
            (bucket.upper + bucket.lower) / 2.0
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            (bucket.upper * bucket.lower).sqrt().copysign(bucket.upper)
        };
        squares.add(bucket.count * (middle - mean) * (middle - mean));
    }
    (squares.sum + squares.low) / histogram.count()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tarn_model::sample::Histogram;

    use super::{fraction, quantile, variance};
    use crate::notation::{Value, parse_series_line};

    fn histogram(text: &str) -> Arc<Histogram> {
        let line = parse_series_line(&format!("h {{{{{text}}}}}")).expect("notation");
        match &line.values[..] {
            [Some(Value::Histogram { histogram, .. })] => Arc::clone(histogram),
            other => unreachable!("{other:?} is no histogram"),
        }
    }

    fn close(a: f64, b: f64) -> bool {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-9
    }

    const EXPONENTIAL: &str = "count:4 sum:6 buckets:[0 2 2]";
    const CUSTOM: &str = "schema:-53 count:4 sum:9 custom_values:[1 2] buckets:[1 2 1]";
    const AROUND_ZERO: &str = "count:4 sum:0 z_bucket:2 z_bucket_w:0.5 buckets:[1] n_buckets:[1]";

    #[test]
    fn quantiles_follow_the_scale_of_the_bucket() {
        for (text, q, expected) in [
            (EXPONENTIAL, 0.25, std::f64::consts::SQRT_2),
            (EXPONENTIAL, 0.5, 2.0),
            (EXPONENTIAL, 1.0, 4.0),
            (EXPONENTIAL, -0.1, f64::NEG_INFINITY),
            (EXPONENTIAL, 1.1, f64::INFINITY),
            (EXPONENTIAL, f64::NAN, f64::NAN),
            (CUSTOM, 0.125, 0.5),
            (CUSTOM, 0.5, 1.5),
            (CUSTOM, 0.9, 2.0),
            (AROUND_ZERO, 0.5, 0.0),
            (AROUND_ZERO, 0.0, -1.0),
            ("count:0", 0.5, f64::NAN),
            ("count:4 sum:NaN buckets:[1 1]", 0.9, f64::NAN),
        ] {
            let got = quantile(q, &histogram(text));
            assert!(close(got, expected), "{q} of {text}: {got}, expected {expected}");
        }
    }

    #[test]
    fn fractions_and_variance() {
        let inf = f64::INFINITY;
        for (text, lower, upper, expected) in [
            (EXPONENTIAL, 1.0, 2.0, 0.5),
            (EXPONENTIAL, 2.0, 1.0, 0.0),
            (EXPONENTIAL, -inf, inf, 1.0),
            (EXPONENTIAL, f64::NAN, 1.0, f64::NAN),
            (CUSTOM, 0.5, 1.5, 0.375),
            (AROUND_ZERO, -0.25, 0.25, 0.25),
        ] {
            let got = fraction(lower, upper, &histogram(text));
            assert!(close(got, expected), "{lower}..{upper} of {text}: {got}");
        }
        assert!(close(variance(&histogram("count:2 sum:0 z_bucket:2 z_bucket_w:1")), 0.0));
    }
}
