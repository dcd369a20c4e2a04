use tarn_model::sample::{Counts, Histogram, ResetHint};

use super::{Combined, Incompatible, add, sub};
use crate::notation::{Value, parse_series_line};

fn histogram(text: &str) -> Histogram {
    let line = parse_series_line(&format!("m {{{{{text}}}}}")).expect("the literal is valid");
    match line.values.into_iter().next().flatten() {
        Some(Value::Histogram { histogram, .. }) => (*histogram).clone(),
        other => unreachable!("{other:?} is no histogram"),
    }
}

/// Drops empty buckets, which say nothing.
fn compact(mut histogram: Histogram) -> Histogram {
    let positives = histogram.positive.len();
    let counts: Vec<f64> = (0..histogram.bucket_count()).map(|at| histogram.bucket(at)).collect();
    let full = |from: usize, side: &[i32]| {
        side.iter().zip(&counts[from..]).filter(|(_, c)| **c != 0.0).map(|(at, _)| *at).collect()
    };
    let (positive, negative) = (full(0, &histogram.positive), full(positives, &histogram.negative));
    let (count, zero) = (histogram.count(), histogram.zero_count());
    histogram.counts =
        Counts::Float { count, zero, buckets: counts.into_iter().filter(|c| *c != 0.0).collect() };
    Histogram { positive, negative, ..histogram }
}

fn sum(a: &str, b: &str) -> Histogram {
    compact(add(&histogram(a), &histogram(b)).expect("the two combine").histogram)
}

#[test]
fn equal_layouts_add_bucket_by_bucket() {
    assert_eq!(
        sum(
            "count:4 sum:5 z_bucket:1 buckets:[1 2] n_buckets:[0 7]",
            "count:8 sum:-1 z_bucket:2 buckets:[5 6] offset:1 n_buckets:[1]",
        ),
        histogram("count:12 sum:4 z_bucket:3 buckets:[1 7 6] n_buckets:[1 7]"),
    );
    assert_eq!(sum("sum:1 buckets:[1] offset:-3", ""), histogram("sum:1 buckets:[1] offset:-3"));
    assert_eq!(sum("", "sum:1 buckets:[1] offset:-3"), histogram("sum:1 buckets:[1] offset:-3"));
}

#[test]
fn the_finer_schema_is_merged_down() {
    // Schema 1: buckets end at 1/2, 0.71, 1, 1.41, 2, 2.83, 4 (indexes -2 .. 4).
    let fine = "schema:1 count:28 buckets:[1 2 3 4 5 6 7] offset:-2";
    let coarse = "schema:0 count:1 buckets:[1] offset:1";
    let both = histogram("schema:0 count:29 buckets:[1 5 10 13] offset:-1");
    assert_eq!(sum(fine, coarse), both);
    assert_eq!(sum(coarse, fine), both);
}

#[test]
fn the_wider_zero_bucket_wins() {
    // Schema 0: bucket 0 covers (0.5, 1], bucket 1 (1, 2].
    let narrow = "count:9 z_bucket:1 z_bucket_w:0.001 buckets:[1 2 4] n_buckets:[1]";
    assert_eq!(
        sum(narrow, "count:3 z_bucket:3 z_bucket_w:1"),
        histogram("count:12 z_bucket:6 z_bucket_w:1 buckets:[2 4] offset:1"),
    );
    // 1.5 lies inside the populated bucket 1, so that the zero bucket grows on to 2.
    let grown = histogram("count:12 z_bucket:8 z_bucket_w:2 buckets:[4] offset:2");
    assert_eq!(sum(narrow, "count:3 z_bucket:3 z_bucket_w:1.5"), grown);
    assert_eq!(sum("count:3 z_bucket:3 z_bucket_w:1.5", narrow), grown);
    // An empty bucket does not hold it up.
    assert_eq!(
        sum("z_bucket_w:0.1 buckets:[0 0 5]", "z_bucket_w:1.5"),
        histogram("z_bucket_w:1.5 buckets:[5] offset:2"),
    );
}

#[test]
fn custom_buckets_meet_at_shared_bounds() {
    let a = histogram("schema:-53 count:10 custom_values:[1 2 5] buckets:[1 2 3 4]");
    let b = histogram("schema:-53 count:6 custom_values:[2 5 9] buckets:[1 2 2 1]");
    let Ok(Combined { histogram: got, bounds_reconciled, .. }) = add(&a, &b) else {
        unreachable!("custom buckets combine")
    };
    assert!(bounds_reconciled);
    assert_eq!(got, histogram("schema:-53 count:16 custom_values:[2 5] buckets:[4 5 7]"));
    assert_eq!(add(&a, &a).map(|sum| sum.bounds_reconciled), Ok(false));
    assert_eq!(add(&a, &histogram("")), Err(Incompatible));
}

#[test]
fn differences_are_gauges() {
    let a = histogram("count:4 sum:5 z_bucket:1 buckets:[1 2] counter_reset_hint:not_reset");
    let b = histogram("count:8 sum:-1 z_bucket:2 buckets:[5 6] offset:1");
    let difference = sub(&a, &b).expect("the two combine").histogram;
    assert_eq!(
        difference,
        histogram("count:-4 sum:6 z_bucket:-1 buckets:[1 -3 -6] counter_reset_hint:gauge")
    );
}

#[test]
fn hints_of_a_sum_are_cautious() {
    use ResetHint::{Gauge, NotReset, Reset, Unknown};
    let with = |reset_hint| Histogram { reset_hint, ..histogram("") };
    for (a, b, expected) in [
        (Unknown, Unknown, (Unknown, false)),
        (NotReset, NotReset, (NotReset, false)),
        (Gauge, Reset, (Gauge, false)),
        (Unknown, Gauge, (Gauge, false)),
        (Reset, Unknown, (Unknown, false)),
        (Reset, NotReset, (Unknown, true)),
    ] {
        let got = add(&with(a), &with(b)).map(|sum| (sum.histogram.reset_hint, sum.hints_collide));
        assert_eq!(got, Ok(expected));
    }
}
