//! Native histograms: what they become, and why they are rejected.

use prost::Message as _;
use tarn_ingest::fuzz::{Decoder, Row, Version};
use tarn_model::limits::Limits;
use tarn_model::sample::{Counts, Histogram as ModelHistogram, ResetHint, STALE_NAN_BITS};

use super::oracle::{BucketSpan, Count, Histogram, Label, TimeSeries1, WriteRequest, ZeroCount};

const TIME_MS: i64 = 1_790_000_000_000;

fn spans(spans: &[(i32, u32)]) -> Vec<BucketSpan> {
    spans.iter().map(|(offset, length)| BucketSpan { offset: *offset, length: *length }).collect()
}

/// Counts 10: 1 in the zero bucket, 2 + 1 + 3 positive, 3 negative.
fn sound() -> Histogram {
    Histogram {
        count: Some(Count::Int(10)),
        sum: 12.5,
        schema: 1,
        zero_threshold: 0.001,
        zero_count: Some(ZeroCount::Int(1)),
        positive_spans: spans(&[(-2, 2), (3, 1)]),
        positive_deltas: vec![2, -1, 2],
        negative_spans: spans(&[(7, 1)]),
        negative_deltas: vec![3],
        reset_hint: 3,
        timestamp: TIME_MS,
        ..Histogram::default()
    }
}

/// The same with custom bounds 1, 5, 10: 4 up to 1, 6 beyond 10.
fn custom() -> Histogram {
    Histogram {
        count: Some(Count::Int(10)),
        sum: 99.0,
        schema: -53,
        positive_spans: spans(&[(0, 1), (2, 1)]),
        positive_deltas: vec![4, 2],
        custom_values: vec![1.0, 5.0, 10.0],
        timestamp: TIME_MS,
        ..Histogram::default()
    }
}

fn decode(histogram: Histogram) -> Result<ModelHistogram, String> {
    let labels = vec![Label { name: b"__name__".to_vec(), value: b"h".to_vec() }];
    let series = TimeSeries1 { labels, histograms: vec![histogram], ..TimeSeries1::default() };
    let request = WriteRequest { timeseries: vec![series], metadata: Vec::new() };
    let limits = Limits { histogram_buckets_max: 10, ..Limits::default() };
    let recorded =
        Decoder::new(limits).plain(Version::One, &request.encode_to_vec()).expect("decodes");
    let Some(row) = recorded.rows.first() else {
        return Err(recorded.problems.expect("a problem"));
    };
    assert_eq!(row.0, 0);
    match &row.1 {
        Row::Histogram { time_ms: TIME_MS, value, start_ms: 0 } => Ok((**value).clone()),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn integer_histograms_become_absolute_counts() {
    let found = decode(sound()).expect("valid");
    let counts = Counts::Int { count: 10, zero: 1, buckets: vec![2, 1, 3, 3] };
    assert_eq!((found.schema, found.sum, found.zero_threshold), (1, 12.5, 0.001));
    assert_eq!((found.positive, found.negative), (vec![-2, -1, 3], vec![7]));
    assert_eq!((found.counts, found.reset_hint), (counts, ResetHint::Gauge));
}

#[test]
fn float_histograms_keep_their_counts() {
    let found = decode(Histogram {
        count: Some(Count::Float(10.5)),
        zero_count: Some(ZeroCount::Float(1.0)),
        positive_deltas: Vec::new(),
        positive_counts: vec![2.5, 1.0, 3.0],
        negative_deltas: Vec::new(),
        negative_counts: vec![3.0],
        ..sound()
    });
    let counts = Counts::Float { count: 10.5, zero: 1.0, buckets: vec![2.5, 1.0, 3.0, 3.0] };
    assert_eq!(found.expect("valid").counts, counts);
}

#[test]
fn custom_bounds_are_kept() {
    let found = decode(custom()).expect("valid");
    assert_eq!((found.schema, found.bounds), (-53, vec![1.0, 5.0, 10.0]));
    assert_eq!(found.positive, [0, 3]);
}

#[test]
fn finer_schemas_are_merged_down_to_8() {
    // At schema 10 the buckets -3..=0 fall into 0 of schema 8, 1..=4 into 1, 5..=8 into 2.
    let found = decode(Histogram {
        schema: 10,
        positive_spans: spans(&[(-3, 8), (0, 1)]),
        positive_deltas: vec![1, 0, 0, 0, 1, 0, 0, 0, 1],
        negative_spans: Vec::new(),
        negative_deltas: Vec::new(),
        count: Some(Count::Int(16)),
        ..sound()
    })
    .expect("valid");
    assert_eq!((found.schema, found.positive), (8, vec![0, 1, 2]));
    assert_eq!(found.counts, Counts::Int { count: 16, zero: 1, buckets: vec![4, 8, 3] });
}

#[test]
fn stale_histograms_keep_their_bits() {
    let stale = Histogram {
        sum: f64::from_bits(STALE_NAN_BITS),
        timestamp: TIME_MS,
        ..Histogram::default()
    };
    let found = decode(stale).expect("valid");
    assert_eq!(found.sum.to_bits(), STALE_NAN_BITS);
    assert!(found.is_stale());
}

#[test]
fn observations_that_are_nan_are_in_no_bucket() {
    let found = decode(Histogram { count: Some(Count::Int(12)), sum: f64::NAN, ..sound() });
    assert_eq!(found.expect("valid").count(), 12.0);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn what_does_not_add_up_is_rejected() {
    let floats = |counts: Vec<f64>, count: f64| Histogram {
        count: Some(Count::Float(count)),
        zero_count: None,
        positive_spans: spans(&[(0, counts.len() as u32)]),
        positive_deltas: Vec::new(),
        positive_counts: counts,
        negative_spans: Vec::new(),
        negative_deltas: Vec::new(),
        ..sound()
    };
    let cases = [
        (
            Histogram { count: Some(Count::Int(9)), ..sound() },
            "histogram count is 9, its buckets hold 10 observations",
        ),
        (
            Histogram { positive_deltas: vec![2, -3, 2], ..sound() },
            "histogram has a bucket whose count is negative or beyond 63 bits",
        ),
        (
            Histogram { positive_deltas: vec![i64::MAX, 1, 1], ..sound() },
            "histogram has a bucket whose count is negative or beyond 63 bits",
        ),
        (
            Histogram { positive_spans: spans(&[(-2, 2), (3, 2)]), ..sound() },
            "histogram spans cover more than its 3 buckets",
        ),
        (
            Histogram { positive_spans: spans(&[(-2, 2)]), ..sound() },
            "histogram spans cover 2 of its 3 buckets",
        ),
        (
            Histogram { positive_spans: spans(&[(-2, 2), (-1, 1)]), ..sound() },
            "histogram span 1 has the negative offset -1",
        ),
        (
            Histogram { positive_spans: spans(&[(i32::MAX, 1), (i32::MAX, 2)]), ..sound() },
            "histogram bucket 4294967295 is beyond 32 bits",
        ),
        (Histogram { schema: 53, ..sound() }, "histogram schema 53 is neither -4 to 8 nor -53"),
        (Histogram { schema: -5, ..sound() }, "histogram schema -5 is neither -4 to 8 nor -53"),
        (Histogram { zero_threshold: -1.0, ..sound() }, "histogram zero threshold is -1"),
        (
            Histogram { custom_values: vec![1.0], ..sound() },
            "histogram with an exponential schema has custom bounds",
        ),
        (
            Histogram { positive_counts: vec![1.0], ..sound() },
            "integer histogram has float bucket counts",
        ),
        (
            Histogram { zero_count: Some(ZeroCount::Float(1.0)), ..sound() },
            "integer histogram has a float zero count",
        ),
        (floats(vec![1.0, -1.0], 0.0), "histogram has a count of -1"),
        (floats(vec![1.0], -2.0), "histogram has a count of -2"),
        (
            Histogram { positive_deltas: vec![1], ..floats(vec![1.0], 1.0) },
            "float histogram has integer bucket counts",
        ),
        (
            Histogram { custom_values: vec![1.0, 1.0], ..custom() },
            "histogram bounds must be ascending numbers, without +Inf",
        ),
        (
            Histogram { custom_values: vec![1.0, f64::NAN, 10.0], ..custom() },
            "histogram bounds must be ascending numbers, without +Inf",
        ),
        (
            Histogram { custom_values: vec![1.0, 5.0, f64::INFINITY], ..custom() },
            "histogram bounds must be ascending numbers, without +Inf",
        ),
        (
            Histogram { custom_values: vec![1.0, 5.0], ..custom() },
            "histogram bucket 3 is beyond 2 bounds",
        ),
        (
            Histogram { zero_threshold: 0.1, ..custom() },
            "histogram with custom bounds has a zero bucket or negative buckets",
        ),
        (
            Histogram { negative_deltas: vec![1], ..custom() },
            "histogram with custom bounds has a zero bucket or negative buckets",
        ),
        (
            Histogram { positive_deltas: vec![0; 11], ..sound() },
            "histogram has 12 buckets or bounds in 2 spans, limit is 10",
        ),
        (
            Histogram { positive_spans: spans(&[(0, 0); 50]), ..sound() },
            "histogram has 4 buckets or bounds in 50 spans, limit is 10",
        ),
        (
            Histogram { custom_values: vec![1.0; 2000], ..custom() },
            "histogram has 2000 buckets or bounds in 2 spans, limit is 10",
        ),
    ];
    for (histogram, message) in cases {
        let text = decode(histogram).expect_err(message);
        let expected = format!("1 rows rejected, 0 stored\nseries 0 {{__name__=\"h\"}}: {message}");
        assert_eq!(text, expected);
    }
}
