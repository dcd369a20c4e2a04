//! Counter resets of histograms.

use tarn_model::sample::{CUSTOM_SCHEMA, Histogram, ResetHint};

use super::layout::{Layout, Side, share_bounds};

/// Returns whether a counter was reset between two samples. Where the hint does not tell, any number
/// that falls, or a layout that could only become finer by starting anew, does. The sum is no
/// counter, because observations may be negative.
pub(crate) fn is_reset(previous: &Histogram, histogram: &Histogram) -> bool {
    match histogram.reset_hint {
        ResetHint::Reset => return true,
        ResetHint::NotReset => return false,
        ResetHint::Unknown | ResetHint::Gauge => {}
    }
    let custom = histogram.schema == CUSTOM_SCHEMA;
    let other_kind = custom != (previous.schema == CUSTOM_SCHEMA);
    let finer =
        histogram.schema > previous.schema || histogram.zero_threshold < previous.zero_threshold;
    if histogram.count() < previous.count() || other_kind || finer {
        return true;
    }
    let (mut before, mut now) = (Layout::of(previous), Layout::of(histogram));
    if custom {
        share_bounds(&mut before, &mut now);
    } else {
        before.widen_zero(histogram.zero_threshold);
        if before.zero_threshold != histogram.zero_threshold {
            return true;
        }
        before.reduce(histogram.schema);
    }
    now.zero < before.zero
        || falls(&before.positive, &now.positive)
        || falls(&before.negative, &now.negative)
}

/// Returns whether some bucket holds less than before.
fn falls(before: &Side, now: &Side) -> bool {
    before.iter().any(|(index, count)| {
        let found = now.binary_search_by_key(index, |(at, _)| *at);
        found.map_or(0.0, |at| now[at].1) < *count
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tarn_model::sample::Histogram;

    use super::is_reset;
    use crate::notation::{Value, parse_series_line};

    fn histogram(text: &str) -> Arc<Histogram> {
        let line = parse_series_line(&format!("h {{{{{text}}}}}")).expect("notation");
        match &line.values[..] {
            [Some(Value::Histogram { histogram, .. })] => Arc::clone(histogram),
            other => unreachable!("{other:?} is no histogram"),
        }
    }

    #[test]
    fn what_falls_was_reset() {
        let base = "count:4 z_bucket:1 z_bucket_w:0.001 buckets:[1 2]";
        for (before, now, expected) in [
            (base, base, false),
            (base, "count:3 z_bucket:1 z_bucket_w:0.001 buckets:[1 1]", true),
            (base, "count:5 z_bucket:1 z_bucket_w:0.001 buckets:[2 1]", true),
            (base, "count:5 z_bucket:0 z_bucket_w:0.001 buckets:[2 3]", true),
            (base, "count:9 schema:1 z_bucket:1 z_bucket_w:0.001 buckets:[4 4]", true),
            (base, "count:9 schema:-1 z_bucket:1 z_bucket_w:0.001 buckets:[1 2]", false),
            (base, "count:9 z_bucket:1 z_bucket_w:0.0001 buckets:[4 4]", true),
            (base, "count:9 z_bucket:1 z_bucket_w:0.7 buckets:[4 4]", true),
            (base, "count:1 counter_reset_hint:not_reset", false),
            (base, "count:9 counter_reset_hint:reset buckets:[4 5]", true),
            (
                "schema:-53 count:1 custom_values:[1 2] buckets:[1]",
                "schema:-53 count:2 custom_values:[1 3] buckets:[2]",
                false,
            ),
            (
                "schema:-53 count:1 custom_values:[1 2] buckets:[1]",
                "schema:-53 count:2 custom_values:[1 3] buckets:[0 2]",
                true,
            ),
            (base, "schema:-53 count:9 custom_values:[1 2] buckets:[9]", true),
        ] {
            let (previous, histogram) = (histogram(before), histogram(now));
            assert_eq!(is_reset(&previous, &histogram), expected, "{before} then {now}");
        }
    }
}
