//! Trimming of native histograms: only the observations below or above a bound stay.
//!
//! A bucket that the bound cuts keeps the share of its observations that interpolation puts on that
//! side. The sum of what stays is estimated from the middles of the buckets. A custom bucket without
//! an end cannot be divided: it goes as a whole where its open end is cut off, and else stays.

use tarn_model::sample::{CUSTOM_SCHEMA, Counts, Histogram};

use super::native_quantile::{one_sided, share_below};
use crate::histogram::{Interval, interval_at, zero_interval};

/// Which observations stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Below,
    Above,
}

/// Returns the histogram of the observations on one side of a bound.
pub(crate) fn trimmed(histogram: &Histogram, keep: Keep, bound: f64) -> Histogram {
    let custom = histogram.schema == CUSTOM_SCHEMA;
    let mut kept = Kept { changed: false, count: 0.0, sum: 0.0 };
    let mut cut = |interval: Interval| {
        let part = if custom && interval.lower == f64::NEG_INFINITY {
            open_below(interval, keep, bound)
        } else if custom && interval.upper == f64::INFINITY {
            open_above(interval, keep, bound)
        } else {
            part(one_sided(interval, histogram), keep, bound, custom)
        };
        kept.take(interval.count, part)
    };
    let zero = if custom { 0.0 } else { cut(zero_interval(histogram)) };
    let buckets = (0..histogram.bucket_count()).map(|at| cut(interval_at(histogram, at))).collect();
    if !kept.changed {
        return histogram.clone();
    }
    let counts = Counts::Float { count: kept.count, zero, buckets };
    Histogram { sum: kept.sum, counts, ..histogram.clone() }
}

/// What stays of all buckets.
struct Kept {
    changed: bool,
    count: f64,
    sum: f64,
}

impl Kept {
    /// Counts a share of a bucket and returns how many observations it is.
    fn take(&mut self, count: f64, (share, middle): (f64, f64)) -> f64 {
        if count == 0.0 {
            return 0.0;
        }
        self.changed |= share != 1.0;
        let kept = count * share;
        self.count += kept;
        if kept != 0.0 {
            self.sum += kept * middle;
        }
        kept
    }
}

/// Returns the share of a bucket that stays, and its middle.
fn part(bucket: Interval, keep: Keep, bound: f64, custom: bool) -> (f64, f64) {
    let Interval { lower, upper, .. } = bucket;
    let inside = bound.clamp(lower, upper);
    let below = if bound <= lower {
        0.0
    } else if bound >= upper {
        1.0
    } else {
        share_below(bucket, bound, custom)
    };
    let (share, lower, upper) = match keep {
        Keep::Below => (below, lower, inside),
        Keep::Above => (1.0 - below, inside, upper),
    };
    let linear = custom || (bucket.lower <= 0.0 && bucket.upper >= 0.0);
    let middle =
        if linear { (lower + upper) / 2.0 } else { (lower * upper).sqrt().copysign(upper) };
    (share, middle)
}

/// A custom bucket that starts nowhere. Where its end is positive it is taken to start at zero.
fn open_below(bucket: Interval, keep: Keep, bound: f64) -> (f64, f64) {
    let positive = bucket.upper > 0.0 && bucket.upper < f64::INFINITY;
    let end = if bucket.upper.is_infinite() { 0.0 } else { bucket.upper };
    match keep {
        Keep::Above if bound == f64::NEG_INFINITY => (1.0, end),
        Keep::Below if bound == f64::INFINITY => (1.0, end),
        Keep::Above if bound < 0.0 || !positive => (0.0, 0.0),
        _ if positive => part(Interval { lower: 0.0, ..bucket }, keep, bound, true),
        Keep::Below if bound > f64::NEG_INFINITY && bucket.upper < f64::INFINITY => {
            (1.0, bound.min(end))
        }
        _ => (0.0, 0.0),
    }
}

/// A custom bucket that ends nowhere.
fn open_above(bucket: Interval, keep: Keep, bound: f64) -> (f64, f64) {
    match keep {
        Keep::Below if bound < f64::INFINITY => (0.0, 0.0),
        Keep::Above if bound == f64::INFINITY => (0.0, 0.0),
        Keep::Below => (1.0, bucket.lower),
        Keep::Above => (1.0, bound.max(bucket.lower)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Keep, trimmed};
    use crate::notation::{Value, parse_series_line};

    fn trim(text: &str, keep: Keep, bound: f64) -> String {
        let line = parse_series_line(&format!("h {{{{{text}}}}}")).expect("notation");
        let [Some(Value::Histogram { histogram, .. })] = &line.values[..] else {
            unreachable!("{text} is no histogram")
        };
        let h = trimmed(histogram, keep, bound);
        let buckets: Vec<f64> = (0..h.bucket_count()).map(|at| h.bucket(at)).collect();
        format!("{} {:.3} {} {buckets:?}", h.count(), h.sum, h.zero_count())
    }

    #[test]
    fn one_side_of_a_bound_stays() {
        use Keep::{Above, Below};
        let inf = f64::INFINITY;
        let exponential = "count:6 sum:5 z_bucket:2 z_bucket_w:0.5 buckets:[2 2]";
        let custom = "schema:-53 count:4 sum:9 custom_values:[1 2] buckets:[1 2 1]";
        for (text, keep, bound, expected) in [
            (exponential, Below, inf, "6 5.000 2 [2.0, 2.0]"),
            (exponential, Above, inf, "0 0.000 0 [0.0, 0.0]"),
            (exponential, Below, 1.0, "4 1.914 2 [2.0, 0.0]"),
            (exponential, Above, 0.25, "5 4.618 1 [2.0, 2.0]"),
            (custom, Below, 1.5, "2 1.750 0 [1.0, 1.0, 0.0]"),
            (custom, Above, 1.5, "2 3.750 0 [0.0, 1.0, 1.0]"),
            (custom, Above, 5.0, "1 5.000 0 [0.0, 0.0, 1.0]"),
            (custom, Below, 5.0, "3 3.500 0 [1.0, 2.0, 0.0]"),
            (custom, Above, 0.0, "4 9.000 0 [1.0, 2.0, 1.0]"),
        ] {
            assert_eq!(trim(text, keep, bound), expected, "{keep:?} {bound} of {text}");
        }
    }
}
