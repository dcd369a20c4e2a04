//! The buckets of a histogram in a form that can be rearranged: per side a list of index and count,
//! ascending. Negative buckets count by absolute value, so both sides follow the same rules.

use tarn_model::sample::{CUSTOM_SCHEMA, Counts, Histogram, ResetHint};

/// Index and count of the buckets of one sign.
pub(super) type Side = Vec<(i32, f64)>;

/// Everything of a histogram that says where observations lie.
pub(super) struct Layout {
    pub(super) schema: i32,
    bounds: Vec<f64>,
    pub(super) zero_threshold: f64,
    pub(super) zero: f64,
    pub(super) positive: Side,
    pub(super) negative: Side,
}

impl Layout {
    pub(super) fn of(histogram: &Histogram) -> Self {
        let counts = (0..histogram.bucket_count()).map(|at| histogram.bucket(at));
        let indexes = histogram.positive.iter().chain(&histogram.negative).copied();
        let mut positive: Side = indexes.zip(counts).collect();
        let negative = positive.split_off(histogram.positive.len().min(positive.len()));
        Self {
            schema: histogram.schema,
            bounds: histogram.bounds.clone(),
            zero_threshold: histogram.zero_threshold,
            zero: histogram.zero_count(),
            positive,
            negative,
        }
    }

    pub(super) fn into_histogram(self, count: f64, sum: f64, reset_hint: ResetHint) -> Histogram {
        let (positive, mut buckets): (Vec<i32>, Vec<f64>) = self.positive.into_iter().unzip();
        let (negative, rest): (Vec<i32>, Vec<f64>) = self.negative.into_iter().unzip();
        buckets.extend(rest);
        Histogram {
            schema: self.schema,
            bounds: self.bounds,
            zero_threshold: self.zero_threshold,
            sum,
            positive,
            negative,
            counts: Counts::Float { count, zero: self.zero, buckets },
            reset_hint,
        }
    }

    /// Merges buckets down to a coarser exponential schema.
    pub(super) fn reduce(&mut self, schema: i32) {
        let shift = self.schema - schema;
        if shift <= 0 {
            return;
        }
        for side in [&mut self.positive, &mut self.negative] {
            // Bucket i ends at b^i, so those that end at or before a coarse bound belong to it.
            *side = regrouped(side, |at| (at.saturating_sub(1) >> shift).saturating_add(1));
        }
        self.schema = schema;
    }

    /// Returns what the zero bucket would hold with a larger threshold. A threshold inside a
    /// populated bucket moves on to the end of that bucket; the final one is returned too.
    fn zero_with(&self, threshold: f64) -> (f64, f64) {
        let mut threshold = threshold;
        'again: loop {
            if threshold <= self.zero_threshold {
                return (self.zero, self.zero_threshold);
            }
            let mut zero = self.zero;
            for side in [&self.positive, &self.negative] {
                for (at, count) in side {
                    if bound(self.schema, at.saturating_sub(1)) >= threshold {
                        break;
                    }
                    zero += count;
                    let end = bound(self.schema, *at);
                    if end > threshold && *count != 0.0 {
                        // What was added so far stands for another threshold.
                        threshold = end;
                        continue 'again;
                    }
                }
            }
            return (zero, threshold);
        }
    }

    /// Widens the zero bucket up to `threshold` or somewhat more, and takes the buckets inside.
    pub(super) fn widen_zero(&mut self, threshold: f64) {
        let (zero, threshold) = self.zero_with(threshold);
        (self.zero, self.zero_threshold) = (zero, threshold);
        let schema = self.schema;
        for side in [&mut self.positive, &mut self.negative] {
            side.retain(|(at, _)| bound(schema, at.saturating_sub(1)) >= threshold);
        }
    }
}

/// Brings the zero buckets of two exponential histograms to one threshold that lies inside no
/// populated bucket of either.
pub(super) fn share_zero_bucket(a: &mut Layout, b: &mut Layout) {
    // Each round moves a threshold up to a bucket bound, of which there are finitely many.
    while a.zero_threshold != b.zero_threshold {
        if a.zero_threshold > b.zero_threshold {
            b.widen_zero(a.zero_threshold);
        } else if a.zero_threshold < b.zero_threshold {
            a.widen_zero(b.zero_threshold);
        } else {
            return; // NaN on a side: nothing to compare.
        }
    }
}

/// Brings two histograms with custom buckets to the bounds that both have. Returns whether they
/// differed.
pub(super) fn share_bounds(a: &mut Layout, b: &mut Layout) -> bool {
    if a.bounds == b.bounds {
        return false;
    }
    let shared: Vec<f64> = a.bounds.iter().filter(|x| b.bounds.contains(x)).copied().collect();
    for layout in [a, b] {
        let bounds = std::mem::replace(&mut layout.bounds, shared.clone());
        layout.positive = regrouped(&layout.positive, |at| {
            let end = usize::try_from(at).ok().and_then(|at| bounds.get(at));
            let end = end.copied().unwrap_or(f64::INFINITY);
            shared.partition_point(|bound| *bound < end) as i32
        });
    }
    true
}

/// Moves buckets to new indexes, which must keep their order, and joins those that meet.
fn regrouped(side: &Side, index: impl Fn(i32) -> i32) -> Side {
    let mut joined: Side = Vec::with_capacity(side.len());
    for (at, count) in side {
        let at = index(*at);
        match joined.last_mut() {
            Some((last, sum)) if *last == at => *sum += count,
            _ => joined.push((at, *count)),
        }
    }
    joined
}

/// Adds `sign` times the buckets of `b` to those of `a`.
pub(super) fn merged(a: &Side, b: &Side, sign: f64) -> Side {
    let mut sum: Side = Vec::with_capacity(a.len().max(b.len()));
    let mut rest = b.iter().peekable();
    for (at, count) in a {
        while let Some((other, value)) = rest.next_if(|(other, _)| other < at) {
            sum.push((*other, sign * value));
        }
        let value = rest.next_if(|(other, _)| other == at).map_or(0.0, |(_, value)| *value);
        sum.push((*at, count + sign * value));
    }
    sum.extend(rest.map(|(at, value)| (*at, sign * value)));
    sum
}

/// Returns the upper bound of exponential bucket `at`: `2^(at / 2^schema)`.
pub(super) fn bound(schema: i32, at: i32) -> f64 {
    debug_assert_ne!(schema, CUSTOM_SCHEMA);
    let at = i64::from(at);
    let (whole, fraction) = if schema <= 0 {
        (at << schema.unsigned_abs().min(16), 0.0)
    } else {
        let parts = 1_i64 << schema.min(16);
        (at.div_euclid(parts), at.rem_euclid(parts) as f64 / parts as f64)
    };
    match i32::try_from(whole) {
        // The bucket that holds the largest float ends there, not at infinity.
        Ok(1024) if fraction == 0.0 => f64::MAX,
        Ok(whole) => fraction.exp2() * f64::from(whole).exp2(),
        Err(_) if whole > 0 => f64::INFINITY,
        Err(_) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::bound;

    #[test]
    fn bounds_are_powers_of_two() {
        for (schema, at, expected) in [
            (0, 0, 1.0),
            (0, 3, 8.0),
            (0, -2, 0.25),
            (-2, 1, 16.0),
            (1, 2, 2.0),
            (1, 1, std::f64::consts::SQRT_2),
            (1, -1, std::f64::consts::FRAC_1_SQRT_2),
            (0, 1024, f64::MAX),
            (0, 1025, f64::INFINITY),
            (8, i32::MAX, f64::INFINITY),
            (-4, i32::MIN, 0.0),
        ] {
            assert_eq!(bound(schema, at), expected, "schema {schema}, bucket {at}");
        }
    }
}
