use tarn_model::labels::LabelSet;
use tarn_model::sample::{Counts, Histogram, ResetHint, is_stale, stale_nan};

use super::{Line, StartLine, Value, parse_line, parse_series_line};

fn floats(text: &str) -> Vec<Option<f64>> {
    let line = parse_series_line(text).expect("the line is valid");
    let float = |value| match value {
        Value::Float(value) => value,
        Value::Histogram { .. } => f64::NAN,
    };
    line.values.into_iter().map(|value| value.map(float)).collect()
}

#[test]
fn runs_of_floats_expand() {
    let some = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
    for (text, expected) in [
        ("m 1 2.5 -3", some(&[1.0, 2.5, -3.0])),
        ("m 1x2", some(&[1.0, 1.0, 1.0])),
        ("m 0x2 7", some(&[0.0, 0.0, 0.0, 7.0])),
        ("m 1+2x3", some(&[1.0, 3.0, 5.0, 7.0])),
        ("m 1e3-500x2", some(&[1000.0, 500.0, 0.0])),
        ("m -1-1x1 +4", some(&[-1.0, -2.0, 4.0])),
        ("m 1-0x2", some(&[1.0, 1.0, 1.0])),
        ("m 5m -30s", some(&[300.0, -30.0])),
        ("m Inf -inf", some(&[f64::INFINITY, f64::NEG_INFINITY])),
        ("m _ 1 _x2 2", vec![None, Some(1.0), None, None, Some(2.0)]),
        ("m _x0", vec![]),
        ("m", vec![]),
        ("m{}  \t 1 ", some(&[1.0])),
    ] {
        assert_eq!(floats(text), expected, "{text}");
    }
}

#[test]
fn ramps_accumulate() {
    let mut sum = 0.0;
    for value in floats("m 0+0.1x1000") {
        assert_eq!(value, Some(sum));
        sum += 0.1;
    }
}

#[test]
fn markers_keep_their_bits() {
    let values = floats("m stale NaN");
    assert!(values[0].is_some_and(is_stale));
    assert!(values[1].is_some_and(|value| value.is_nan() && !is_stale(value)));
    assert_eq!(stale_nan().to_bits(), values[0].map(f64::to_bits).unwrap_or_default());
}

#[test]
fn metrics_are_read_as_in_queries() {
    for (text, pairs) in [
        ("m 1", &[("__name__", "m")][..]),
        ("sum{a=\"b\"} 1", &[("__name__", "sum"), ("a", "b")]),
        ("{a='b', c=`d`,} 1", &[("a", "b"), ("c", "d")]),
        ("{\"my.metric\", \"x.y\"=\"}\"} 1", &[("__name__", "my.metric"), ("x.y", "}")]),
        ("ns:m:rate{} 1", &[("__name__", "ns:m:rate")]),
        ("{} 1", &[]),
    ] {
        let line = parse_series_line(text).expect("the line is valid");
        assert_eq!(line.labels, LabelSet::from_pairs(pairs), "{text}");
        assert_eq!(line.values.len(), 1, "{text}");
    }
}

#[test]
fn histograms_have_absolute_counts() {
    let text = "m {{schema:1 sum:-0.3 count:31 z_bucket:7 z_bucket_w:0.05 buckets:[5 10 7  ] \
                offset:-3 n_buckets:[4 5] n_offset:5 counter_reset_hint:gauge}}x1 {{}}";
    let line = parse_series_line(text).expect("the line is valid");
    let expected = Histogram {
        schema: 1,
        bounds: vec![],
        zero_threshold: 0.05,
        sum: -0.3,
        positive: vec![-3, -2, -1],
        negative: vec![5, 6],
        counts: Counts::Float { count: 31.0, zero: 7.0, buckets: vec![5.0, 10.0, 7.0, 4.0, 5.0] },
        reset_hint: ResetHint::Gauge,
    };
    assert_eq!(line.values.len(), 3);
    for value in &line.values[..2] {
        let Some(Value::Histogram { histogram, hint_given }) = value else { continue };
        assert_eq!((&**histogram, *hint_given), (&expected, true));
    }
    let Some(Value::Histogram { histogram, hint_given }) = &line.values[2] else { return };
    assert_eq!((histogram.bucket_count(), *hint_given), (0, false));
}

#[test]
fn ramps_of_histograms_accumulate() {
    let text = "m {{count:1 buckets:[1]}}+{{count:2 buckets:[1 1]}}x2 {{sum:3}}-{{sum:1}}x1";
    let line = parse_series_line(text).expect("the line is valid");
    let seen: Vec<_> = line
        .values
        .iter()
        .flatten()
        .map(|value| match value {
            Value::Histogram { histogram: h, .. } => (h.count(), h.sum, h.reset_hint),
            Value::Float(value) => (*value, 0.0, ResetHint::Unknown),
        })
        .collect();
    let unknown = ResetHint::Unknown;
    assert_eq!(
        seen,
        [
            (1.0, 0.0, unknown),
            (3.0, 0.0, unknown),
            (5.0, 0.0, unknown),
            (0.0, 3.0, unknown),
            (0.0, 2.0, ResetHint::Gauge),
        ]
    );
}

#[test]
fn starts_are_offsets_from_the_sample() {
    let line = parse_line("m{a=\"b\"}@st  _ -30s-1mx2 1ms 0 _x2").expect("the line is valid");
    let offsets_ms =
        vec![None, Some(-30_000), Some(-90_000), Some(-150_000), Some(1), Some(0), None, None];
    let labels = LabelSet::from_pairs(&[("__name__", "m"), ("a", "b")]);
    assert_eq!(line, Line::Starts(StartLine { labels, offsets_ms }));
    assert!(parse_series_line("m@st 1s").is_err());
}

#[test]
fn errors_point_at_the_item() {
    for (text, error) in [
        ("m 1 x", "1:5: parse error: expected a number, stale, _ or a histogram"),
        ("m 1 2-3", "1:5: parse error: an increment needs a repetition such as 1+2x5"),
        ("m 1x", "1:3: parse error: invalid repetition in series values"),
        ("m 1x99999999999", "1:3: parse error: a series may have 1000000 points"),
        ("m 3+3x4-4", "1:3: parse error: items of a series must be divided by spaces"),
        ("m {{schema:1 schema:1}}", "1:3: parse error: duplicate key \"schema\" in histogram"),
        ("m {{foo:1}}", "1:3: parse error: \"foo\" is no key of a histogram"),
        ("m {{schema :1}}", "1:3: parse error: missing `:` behind \"schema\" in histogram"),
        ("m {{schema:9}}", "1:3: parse error: schema 9 is neither -53 nor between -4 and 8"),
        (
            "m {{buckets:[1 2 3] offset:2147483646}}",
            "1:3: parse error: bucket indexes exceed 32 bits",
        ),
        ("m {{sum:1", "1:3: parse error: keys of a histogram must be divided by spaces"),
        ("m {{counter_reset_hint:x}}", "1:3: parse error: \"x\" is no counter reset hint"),
        (
            "m {{}}+{{}}",
            "1:3: parse error: an increment needs a repetition such as {{}}+{{sum:1}}x5",
        ),
        (
            "m {{schema:1}}+{{}}x1",
            "1:3: parse error: error combining histograms: cannot merge from schema 0 to 1",
        ),
        (
            "m {{schema:-53}}+{{}}x1",
            "1:3: parse error: cannot combine histograms with exponential and custom buckets",
        ),
        ("m {{}}+{{}}x999999", "1:3: parse error: a ramp of histograms may take 67108864 bytes"),
        ("m{a} 1", "1:4: parse error: unexpected \"}\" in label set, expected \"=\""),
        ("m@st 1q", "1:6: parse error: not a valid duration string: \"1\""),
        ("1 2", "1:1: parse error: unexpected number \"1\" in series, expected a metric"),
    ] {
        let got = parse_line(text).map_err(|error| error.to_string());
        assert_eq!(got.as_ref().map_err(String::as_str), Err(error).as_ref().map_err(|e| *e));
    }
}
