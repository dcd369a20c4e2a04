//! Caps: what is longer, deeper or more is cut or dropped, marked and counted, and never rejected.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use tarn_model::attributes::AnyValue as Stored;
use tarn_model::signal::Signal;
use tarn_storage::any_value::to_json;

use super::expect::NOW;
use super::read;
use super::same::decoder;

pub(crate) fn text(text: impl Into<String>) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(text.into())) }
}

pub(crate) fn attribute(key: impl Into<String>, value: AnyValue) -> KeyValue {
    KeyValue { key: key.into(), value: Some(value), key_strindex: 0 }
}

pub(crate) fn record(body: AnyValue) -> LogRecord {
    LogRecord { time_unix_nano: NOW as u64, body: Some(body), ..LogRecord::default() }
}

pub(crate) fn logs(log_records: Vec<LogRecord>) -> Vec<u8> {
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

pub(crate) fn span() -> Span {
    let (start, end) = (NOW as u64 - 5_000, NOW as u64);
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        ..Span::default()
    }
}

pub(crate) fn traces(spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// Decodes one record; returns it and how many were truncated.
fn one_log(record: LogRecord) -> (read::Log, u64) {
    let decoded = decoder().protobuf(Signal::Logs, &logs(vec![record])).expect("decodes");
    let mut rows = read::logs(&decoded.rows.into_batch().expect("a batch"));
    (rows.remove(0), decoded.truncated)
}

fn one_span(span: Span) -> (read::Span, u64) {
    let decoded = decoder().protobuf(Signal::Traces, &traces(vec![span])).expect("decodes");
    let mut rows = read::spans(&decoded.rows.into_batch().expect("a batch"));
    (rows.remove(0), decoded.truncated)
}

fn value_of<'a>(attributes: &'a [(String, Stored)], key: &str) -> Option<&'a Stored> {
    attributes.iter().find(|(known, _)| known == key).map(|(_, value)| value)
}

#[test]
fn a_body_is_cut_at_a_character() {
    let body = format!("{}é!", "x".repeat((256 << 10) - 1));
    let (row, truncated) = one_log(record(text(&body)));
    assert_eq!(row.body, Some(Stored::Text("x".repeat((256 << 10) - 1))));
    let original = i64::try_from(body.len()).expect("fits");
    assert_eq!(row.attributes, [("tarn.truncated".to_owned(), Stored::Int(original))]);
    assert_eq!(truncated, 1);
    let (row, truncated) = one_log(record(text("x".repeat(256 << 10))));
    assert_eq!((row.attributes.len(), truncated), (0, 0));
}

#[test]
fn a_body_that_is_no_text_is_cut_to_valid_json() {
    let entries = (0..50_000).map(|n| attribute(format!("k\n{n}"), text("v\u{1}".repeat(9))));
    let map = KeyValueList { values: entries.collect() };
    let bodies = [
        AnyValue { value: Some(Value::KvlistValue(map)) },
        AnyValue {
            value: Some(Value::ArrayValue(ArrayValue { values: vec![text("\"é"); 100_000] })),
        },
        AnyValue { value: Some(Value::BytesValue(vec![7; 1 << 20])) },
        AnyValue {
            value: Some(Value::ArrayValue(ArrayValue { values: vec![text("\0".repeat(1 << 20))] })),
        },
    ];
    for body in bodies {
        let (row, truncated) = one_log(record(body));
        // To read it back as a value of its kind is part of reading the batch.
        let json = to_json(&row.body.expect("there"));
        assert!(json.len() > 200 << 10 && json.len() < 260 << 10, "{}", json.len());
        assert_eq!(truncated, 1);
        assert!(value_of(&row.attributes, "tarn.truncated").is_some());
    }
}

#[test]
fn attributes_beyond_the_caps() {
    let many = (0..10_000).map(|n| attribute(format!("k{n}"), text("v"))).collect();
    let (row, truncated) =
        one_log(LogRecord { attributes: many, dropped_attributes_count: 3, ..record(text("")) });
    assert_eq!((row.attributes.len(), row.dropped, truncated), (256, Some(10_000 - 256 + 3), 1));
    assert_eq!(row.attributes[255].0, "k255");
    // A key that is there already may still change.
    let mut many: Vec<_> = (0..300).map(|n| attribute(format!("k{n}"), text("v"))).collect();
    many.push(attribute("k200", text("last")));
    let (row, _) = one_log(LogRecord { attributes: many, ..record(text("")) });
    assert_eq!(value_of(&row.attributes, "k200"), Some(&Stored::Text("last".to_owned())));
    assert_eq!(row.dropped, Some(44));

    let long = vec![
        attribute("k".repeat(256), text("kept")),
        attribute("k".repeat(257), text("dropped")),
        attribute("value", text("é".repeat(40 << 10))),
    ];
    let (row, truncated) = one_log(LogRecord { attributes: long, ..record(text("")) });
    let keys: Vec<&str> = row.attributes.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, [&"k".repeat(256), "value", "tarn.truncated"]);
    assert_eq!(row.attributes[1].1, Stored::Text("é".repeat(32 << 10)));
    assert_eq!(row.attributes[2].1, Stored::Int(80 << 10));
    assert_eq!((row.dropped, truncated), (Some(1), 1));
}

#[test]
fn our_marks_replace_those_of_the_sender_only_where_there_is_something_to_mark() {
    let sent = vec![
        attribute("tarn.truncated", text("theirs")),
        attribute("tarn.severity_from", text("theirs")),
        attribute("tarn.other", text("theirs")),
    ];
    let plain = LogRecord { attributes: sent.clone(), severity_number: 9, ..record(text("x")) };
    let (row, _) = one_log(plain);
    let theirs = |key| value_of(&row.attributes, key) == Some(&Stored::Text("theirs".to_owned()));
    assert!(["tarn.truncated", "tarn.severity_from", "tarn.other"].into_iter().all(theirs));
    let body = text(format!("ERROR {}", "x".repeat(300_000)));
    let (row, _) = one_log(LogRecord { attributes: sent, ..record(body) });
    assert_eq!(row.attributes.len(), 3, "{:?}", row.attributes);
    assert_eq!(value_of(&row.attributes, "tarn.truncated"), Some(&Stored::Int(300_006)));
    let from = value_of(&row.attributes, "tarn.severity_from");
    assert_eq!((from, row.severity), (Some(&Stored::Text("body".to_owned())), Some(17)));
}

#[test]
fn values_deeper_than_32_levels_are_cut() {
    let nested = |levels| {
        (0..levels).fold(text("x"), |value, _| {
            let values = vec![attribute("k", value)];
            AnyValue { value: Some(Value::KvlistValue(KeyValueList { values })) }
        })
    };
    let stored = |levels: usize, inner| {
        (0..levels).fold(inner, |value, _| Stored::Map(vec![("k".to_owned(), value)]))
    };
    let (row, truncated) = one_log(record(nested(32)));
    assert_eq!(row.body, Some(stored(32, Stored::Text("x".to_owned()))));
    assert_eq!(truncated, 0);
    let (row, truncated) = one_log(record(nested(33)));
    assert_eq!(row.body, Some(stored(32, Stored::Empty)));
    assert_eq!((row.attributes.len(), truncated), (1, 1));
}

#[test]
fn events_and_links_beyond_the_caps() {
    let event = |n: usize| Event {
        time_unix_nano: NOW as u64,
        name: format!("e{n}"),
        attributes: (0..if n == 0 { 300 } else { 0 })
            .map(|n| attribute(format!("k{n}"), text("")))
            .collect(),
        ..Event::default()
    };
    let link = Link { trace_id: vec![1; 16], span_id: vec![1; 8], ..Link::default() };
    let no_link = Link { trace_id: vec![0; 16], span_id: vec![1; 8], ..Link::default() };
    let (row, truncated) = one_span(Span {
        events: (0..1030).map(event).collect(),
        dropped_events_count: 1,
        links: std::iter::once(no_link).chain(vec![link; 1025]).collect(),
        ..span()
    });
    assert_eq!((row.events.len(), row.dropped_events), (1024, Some(7)));
    assert_eq!((row.links.len(), row.dropped_links), (1023, Some(3)));
    assert_eq!((row.events[0].attributes.len(), row.events[0].dropped), (256, Some(44)));
    assert_eq!((row.problems, truncated), (Some(8), 1));
}
