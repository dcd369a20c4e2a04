use tarn_model::sample::{Counts, ResetHint};

use super::*;

fn exponential(schema: i32) -> Histogram {
    Histogram {
        schema,
        bounds: Vec::new(),
        zero_threshold: 0.001,
        sum: 18.4,
        positive: vec![0, 1, 3],
        negative: vec![0, 2],
        counts: Counts::Int { count: 12, zero: 2, buckets: vec![1, 0, 4, 2, 3] },
        reset_hint: ResetHint::Unknown,
    }
}

fn text(h: &Histogram) -> String {
    let mut out = Vec::new();
    histogram(&mut out, h);
    String::from_utf8(out).expect("ascii")
}

#[test]
fn buckets_go_from_the_most_negative_to_the_most_positive() {
    assert_eq!(
        text(&exponential(0)),
        concat!(
            r#"{"count":"12","sum":"18.4","buckets":[[1,"-4","-2","3"],[1,"-1","-0.5","2"],"#,
            r#"[3,"-0.001","0.001","2"],[0,"0.5","1","1"],[0,"4","8","4"]]}"#
        )
    );
}

#[test]
fn schemas_change_the_bounds() {
    let h = Histogram { positive: vec![2], negative: vec![], ..exponential(1) };
    let h = Histogram { counts: Counts::Float { count: 0.5, zero: 0.0, buckets: vec![0.5] }, ..h };
    assert_eq!(
        text(&h),
        r#"{"count":"0.5","sum":"18.4","buckets":[[0,"1.4142135623730951","2","0.5"]]}"#
    );
    let coarse = Histogram { schema: -4, ..h };
    assert_eq!(
        text(&coarse),
        r#"{"count":"0.5","sum":"18.4","buckets":[[0,"65536","4294967296","0.5"]]}"#
    );
}

#[test]
fn custom_bounds_begin_and_end_at_infinity() {
    let h = Histogram {
        schema: CUSTOM_SCHEMA,
        bounds: vec![1.0, 2.5],
        zero_threshold: 0.0,
        positive: vec![0, 1, 2],
        negative: vec![],
        counts: Counts::Int { count: 6, zero: 0, buckets: vec![1, 2, 3] },
        ..exponential(0)
    };
    assert_eq!(
        text(&h),
        concat!(
            r#"{"count":"6","sum":"18.4","buckets":[[3,"-Inf","1","1"],[0,"1","2.5","2"],"#,
            r#"[0,"2.5","+Inf","3"]]}"#
        )
    );
}

#[test]
fn a_histogram_without_observations_has_no_buckets() {
    let h = Histogram {
        sum: f64::NAN,
        counts: Counts::Int { count: 0, zero: 0, buckets: vec![0; 5] },
        ..exponential(0)
    };
    assert_eq!(text(&h), r#"{"count":"0","sum":"NaN"}"#);
}

#[test]
fn bounds_at_the_ends_of_the_float_range() {
    for (schema, index, expected) in [
        (0, 1024, f64::MAX),
        (0, 1025, f64::INFINITY),
        (0, -1074, 5e-324),
        (0, -1080, 0.0),
        (3, 8, 2.0),
        (3, -8, 0.5),
        (8, 256 * 1024, f64::MAX),
        (8, 256 * 1023, f64::powi(2.0, 1023)),
        (-4, i32::MAX, f64::INFINITY),
        (-4, i32::MIN, 0.0),
        (8, i32::MAX, f64::INFINITY),
        (8, i32::MIN, 0.0),
    ] {
        assert_eq!(exponential_bound(schema, index), expected, "schema {schema} index {index}");
    }
}
