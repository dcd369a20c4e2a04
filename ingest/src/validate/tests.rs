use super::*;

type Pair<'a> = (&'a [u8], &'a [u8]);
type Case<'a> = (&'a [Pair<'a>], Reason, &'a str);

fn limits() -> Limits {
    Limits {
        labels_max: 4,
        label_name_bytes_max: 8,
        label_value_bytes_max: 10,
        exemplar_bytes_max: 20,
        ..Limits::default()
    }
}

fn pairs<'a>(labels: &[(&'a [u8], &'a [u8])]) -> Pairs<'a> {
    let mut pairs = Pairs::new(5);
    for (name, value) in labels {
        pairs.push(name, value);
    }
    pairs
}

#[test]
fn labels_are_sorted_and_empty_ones_dropped() {
    let good =
        pairs(&[(b"z", b"1"), (b"__name__", b"up"), (b"empty", b""), ("é".as_bytes(), b"\n")]);
    let labels = good.series_labels(&limits()).expect("valid");
    assert_eq!(labels.to_string(), "up{z=\"1\", \"é\"=\"\\n\"}");
}

#[test]
fn every_rejection_names_value_and_limit() {
    let name: Pair<'_> = (b"__name__", b"up");
    let long = [b'v'; 1_000_000];
    let cases: &[Case<'_>] = &[
        (&[], Reason::MissingMetricName, "label \"__name__\" is missing or empty"),
        (
            &[(b"__name__", b"")],
            Reason::MissingMetricName,
            "label \"__name__\" is missing or empty",
        ),
        (
            &[name, (b"a", b"1"), (b"b", b"1"), (b"c", b"1"), (b"d", b"1")],
            Reason::TooManyLabels,
            "series has 5 labels, limit is 4",
        ),
        (&[name, (b"", b"x")], Reason::EmptyLabelName, "label name is empty (value \"x\")"),
        (
            &[name, (b"ninebytes", b"x")],
            Reason::LabelNameTooLong,
            "label name is 9 bytes, limit is 8 (label \"ninebytes\")",
        ),
        (
            &[name, (b"url", &long)],
            Reason::LabelValueTooLong,
            "label value is 1000000 bytes, limit is 10 (label \"url\")",
        ),
        (&[name, (b"a", b"\xff")], Reason::InvalidUtf8, "label value is not UTF-8 (label \"a\")"),
        (
            &[name, (b"a\xc3", b"x")],
            Reason::InvalidUtf8,
            "label name is not UTF-8 (label \"a\u{fffd}\")",
        ),
        (&[name, (b"a", b"x\0y")], Reason::Nul, "label value contains NUL (label \"a\")"),
        (&[name, (b"a\0", b"x")], Reason::Nul, "label name contains NUL (label \"a\\x00\")"),
        (
            &[name, (b"a", b"1"), (b"a", b"1")],
            Reason::DuplicateLabel,
            "label name is there twice (label \"a\")",
        ),
    ];
    for (labels, reason, message) in cases {
        let invalid = pairs(labels).series_labels(&limits()).expect_err(message);
        assert_eq!((invalid.reason, invalid.message.as_str()), (*reason, *message));
    }
}

#[test]
fn exemplars_have_a_limit_of_their_own() {
    let good = pairs(&[(b"trace_id", b"0123456789")]);
    assert!(good.exemplar_labels(&limits()).is_ok());
    for bad in [
        pairs(&[(b"trace_id", b"0123456789"), (b"a", b"bc")]),
        pairs(&[
            (b"a", b"1"),
            (b"b", b"1"),
            (b"c", b"1"),
            (b"d", b"1"),
            (b"e", b"1"),
            (b"f", b"1"),
        ]),
    ] {
        let invalid = bad.exemplar_labels(&limits()).expect_err("too long");
        assert_eq!(invalid.reason, Reason::ExemplarTooLong);
    }
}

#[test]
fn what_is_shown_is_short_and_readable() {
    assert_eq!(shown(b"a\"b\0\xff"), "\"a\\\"b\\x00\u{fffd}\"");
    assert_eq!(shown(&[b'x'; 100]), format!("\"{}\"…", "x".repeat(64)));
}
