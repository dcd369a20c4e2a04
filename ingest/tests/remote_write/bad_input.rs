//! Bad input: each kind gets its reason, and a message that names what, where and which limit.

use prost::Message as _;
use tarn_ingest::fuzz::{Decoder, Recorded, Version};
use tarn_model::error::ErrorKind;
use tarn_model::limits::Limits;

use super::oracle::{Label, Request, Sample1, Sample2, TimeSeries1, TimeSeries2, WriteRequest};

const TIME_MS: i64 = 1_790_000_000_000;

fn label(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Label {
    Label { name: name.as_ref().to_vec(), value: value.as_ref().to_vec() }
}

fn series(labels: Vec<Label>, time_ms: i64) -> TimeSeries1 {
    let samples = vec![Sample1 { value: 1.0, timestamp: time_ms }];
    TimeSeries1 { labels, samples, ..TimeSeries1::default() }
}

fn request1(timeseries: Vec<TimeSeries1>) -> Vec<u8> {
    WriteRequest { timeseries, metadata: Vec::new() }.encode_to_vec()
}

fn good() -> TimeSeries1 {
    series(vec![label("__name__", "up"), label("job", "a")], TIME_MS)
}

fn decode(version: Version, body: &[u8]) -> Recorded {
    Decoder::new(Limits::default()).plain(version, body).expect("decodes")
}

#[test]
fn a_bad_series_is_named_and_the_rest_is_taken() {
    let many = (0..10_000).map(|n| label(format!("l{n}"), "x")).collect();
    let mega = "v".repeat(1 << 20);
    let with = |name: &str, value: &[u8]| vec![label("__name__", "up"), label(name, value)];
    let cases: Vec<(Vec<Label>, i64, &str, &str)> = vec![
        (many, TIME_MS, "too_many_labels", "series has 10000 labels, limit is 64"),
        (
            with("url", mega.as_bytes()),
            TIME_MS,
            "label_value_too_long",
            "label value is 1048576 bytes, limit is 4096 (label \"url\")",
        ),
        (
            with(&mega, b"x"),
            TIME_MS,
            "label_name_too_long",
            "label name is 1048576 bytes, limit is 1024 (label \"vvvvvv",
        ),
        (with("a", b"\xc3("), TIME_MS, "invalid_utf8", "label value is not UTF-8 (label \"a\")"),
        (with("a", b"\0"), TIME_MS, "nul", "label value contains NUL (label \"a\")"),
        (
            with("__name__", b"up"),
            TIME_MS,
            "duplicate_label",
            "label name is there twice (label \"__name__\")",
        ),
        (with("", b"x"), TIME_MS, "empty_label_name", "label name is empty (value \"x\")"),
        (
            vec![label("job", "a")],
            TIME_MS,
            "missing_metric_name",
            "label \"__name__\" is missing or empty",
        ),
        (
            with("a", b"b"),
            i64::MIN,
            "too_old",
            "sample time -9223372036854775808 is before -62135596800000",
        ),
    ];
    for (labels, time_ms, reason, message) in cases {
        let body = request1(vec![good(), series(labels, time_ms), good()]);
        let decoder = Decoder::new(Limits::default());
        // Once with the labels new to the key cache, once known.
        for _ in 0..2 {
            let recorded = decoder.plain(Version::One, &body).expect("decodes");
            let problems = recorded.problems.expect(message);
            assert!(problems.starts_with("1 rows rejected, 2 stored\nseries 1 {"), "{problems}");
            assert!(problems.contains(message), "{problems}");
            assert!(problems.len() < 1000, "{}", problems.len());
            assert_eq!(recorded.rejected, [(reason, 1)]);
            assert_eq!(recorded.rows.len(), 2);
        }
    }
}

#[test]
fn many_problems_are_counted_and_few_are_told() {
    let bad = |n: u32| series(vec![label("n", n.to_string())], TIME_MS);
    let body = request1((0..1000).map(bad).collect());
    let decoder = Decoder::new(Limits::default());
    for _ in 0..2 {
        let recorded = decoder.plain(Version::One, &body).expect("decodes");
        let problems = recorded.problems.expect("problems");
        assert!(problems.starts_with("1000 rows rejected, 0 stored\nseries 0 {n=\"0\"}: label"));
        assert!(problems.ends_with("\nand 992 more problems"), "{problems}");
        assert_eq!(recorded.rejected, [("missing_metric_name", 1000)]);
    }
}

#[test]
fn bytes_that_are_no_message_are_refused_with_their_place() {
    let body = request1(vec![good()]);
    for cut in 1..body.len() {
        let decoder = Decoder::new(Limits::default());
        let error = decoder.plain(Version::One, &body[..cut]).expect_err("cut");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("protobuf is broken at byte "), "{error}");
    }
    // A sample whose time is a double: field 2 with the wire type of field 1.
    let wrong = [0x0a, 0x0b, 0x12, 0x09, 0x11, 0, 0, 0, 0, 0, 0, 0, 0];
    let error = Decoder::new(Limits::default()).plain(Version::One, &wrong).expect_err("wrong");
    assert_eq!(
        error.message(),
        "decode remote write request: protobuf is broken at byte 5: a field has another type than \
         its number says"
    );
}

#[test]
fn a_request_under_the_other_name_is_not_acknowledged() {
    let one = request1(vec![good()]);
    let symbols = vec![Vec::new(), b"__name__".to_vec(), b"up".to_vec()];
    let samples = vec![Sample2 { value: 1.0, timestamp: TIME_MS, start_timestamp: 0 }];
    let series = TimeSeries2 { labels_refs: vec![1, 2], samples, ..TimeSeries2::default() };
    let two = Request { symbols, timeseries: vec![series] }.encode_to_vec();
    assert_eq!(decode(Version::One, &one).rows.len(), 1);
    assert_eq!(decode(Version::Two, &two).rows.len(), 1);
    for (version, body) in [(Version::Two, one), (Version::One, two)] {
        let error = Decoder::new(Limits::default()).plain(version, &body).expect_err("swapped");
        assert!(error.message().contains("the content type says"), "{error}");
    }
}

#[test]
fn symbols_and_references_are_checked() {
    let symbols: Vec<Vec<u8>> = vec![Vec::new(), b"__name__".to_vec(), b"up".to_vec()];
    let samples = vec![Sample2 { value: 1.0, timestamp: TIME_MS, start_timestamp: 0 }];
    let series = |labels_refs: Vec<u32>, samples: &[Sample2]| TimeSeries2 {
        labels_refs,
        samples: samples.to_vec(),
        ..TimeSeries2::default()
    };
    for (refs, samples, reason, message) in [
        (vec![1, 2, 1], &samples[..], "invalid_symbol_ref", "3 label references are not pairs"),
        (vec![1, 3], &samples, "invalid_symbol_ref", "label reference 3 is beyond 3 symbols"),
        (vec![1, u32::MAX], &samples, "invalid_symbol_ref", "label reference 4294967295 is beyond"),
        (vec![], &samples, "missing_metric_name", "label \"__name__\" is missing or empty"),
        (vec![1, 2], &[], "no_samples", "neither a sample nor a histogram"),
        (vec![1; 50_000], &samples, "too_many_labels", "50000 label references, limit is 16384"),
    ] {
        let timeseries = vec![series(vec![1, 2], &samples_or(samples)), series(refs, samples)];
        let body = Request { symbols: symbols.clone(), timeseries }.encode_to_vec();
        let recorded = decode(Version::Two, &body);
        let problems = recorded.problems.expect(message);
        assert!(problems.starts_with("1 rows rejected, 1 stored\nseries 1 {"), "{problems}");
        assert!(problems.contains(message), "{problems}");
        assert_eq!(recorded.rejected, [(reason, 1)]);
    }
    for symbols in [vec![], vec![b"x".to_vec(), b"__name__".to_vec(), b"up".to_vec()]] {
        let timeseries = vec![series(vec![1, 2], &samples)];
        let body = Request { symbols, timeseries }.encode_to_vec();
        let decoder = Decoder::new(Limits::default());
        let error = decoder.plain(Version::Two, &body).expect_err("first symbol");
        assert!(error.message().contains("must begin with an empty one"), "{error}");
    }
}

/// A good series needs a sample, also where the bad one has none.
fn samples_or(samples: &[Sample2]) -> Vec<Sample2> {
    match samples {
        [] => vec![Sample2 { value: 1.0, timestamp: TIME_MS, start_timestamp: 0 }],
        some => some.to_vec(),
    }
}

#[test]
fn dense_bodies_take_no_more_memory_than_is_admitted() {
    // Two bytes on the wire each, many times that in memory: samples, histograms, exemplars,
    // symbols. With 64 MiB of budget a quarter may be in flight.
    let limits =
        Limits { memory_budget: tarn_model::units::ByteSize::mib(64), ..Limits::default() };
    let named = request1(vec![series(vec![label("__name__", "up")], 0)]);
    for tag in [0x12, 0x22, 0x1a] {
        // The labels of a series, then a million empty rows.
        let mut inner = named[2..14].to_vec();
        inner.extend([tag, 0].repeat(1_000_000));
        let mut body = vec![0x0a];
        prost::encoding::encode_varint(inner.len() as u64, &mut body);
        body.extend(inner);
        let error = Decoder::new(limits.clone()).plain(Version::One, &body).expect_err("too much");
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { retry_after: None }, "{error}");
    }
    let symbols = [0x22, 0].repeat(1_000_000);
    let error = Decoder::new(limits).plain(Version::Two, &symbols).expect_err("too much");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded { retry_after: None }, "{error}");
}
