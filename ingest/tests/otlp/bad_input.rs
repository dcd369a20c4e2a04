//! Bad input: each kind gets its verdict, and costs no more than good input.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use tarn_ingest::fuzz::otlp::{Decoded, Decoder};
use tarn_model::attributes::AnyValue as Stored;
use tarn_model::error::ErrorKind;
use tarn_model::limits::Limits;
use tarn_model::signal::Signal;
use tarn_model::units::ByteSize;

use super::expect::NOW;
use super::limits::{attribute, logs, record, span, text, traces};
use super::read;
use super::same::decoder;

fn decode(signal: Signal, body: &[u8]) -> Decoded {
    decoder().protobuf(signal, body).expect("decodes")
}

/// Writes a field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut wire = vec![number << 3 | 2];
    let mut len = bytes.len();
    while len >= 0x80 {
        wire.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    wire.push(len as u8);
    wire.extend_from_slice(bytes);
    wire
}

/// Writes a request around a row.
fn request(row: &[u8]) -> Vec<u8> {
    field(1, &field(2, &field(2, row)))
}

#[test]
fn bytes_that_are_no_request() {
    let ok = field(5, &field(1, b"x"));
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("the end is missing", request(&ok)[..9].to_vec(), "points beyond the end"),
        ("a body that is a number", request(b"\x28\x01"), "another type"),
        ("a time that is a varint", request(b"\x08\x01"), "another type"),
        ("a group that ends", request(b"\x0c"), "another type"),
        ("an unknown group that does not end", request(b"\xa3\x06"), "ends inside a number"),
        ("wire type 6", request(b"\x0e"), "wire type is unknown"),
        ("field 0", request(b"\x00\x00"), "field number is 0"),
        ("a broken value", request(&field(5, &field(5, b"\x0a\xff"))), "inside a number"),
    ];
    for (what, body, message) in cases {
        let error = decoder().protobuf(Signal::Logs, &body).expect_err(what);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{what}");
        assert!(error.message().contains(message), "{what}: {error}");
        assert!(error.message().starts_with("protobuf is broken at byte "), "{what}: {error}");
    }
}

#[test]
fn what_a_newer_sender_may_write_is_skipped() {
    // A group with a nested group, a varint, eight and four bytes, all of unknown numbers.
    let unknown =
        b"\xa3\x06\xa3\x06\xa4\x06\xa8\x06\x01\xa4\x06\xb8\x06\x05\xb9\x06--------\xbd\x06----";
    let mut record = unknown.to_vec();
    record.extend(field(5, &[&unknown[..], &field(1, b"x")].concat()));
    let mut body = unknown.to_vec();
    body.extend(request(&record));
    let rows = read::logs(&decode(Signal::Logs, &body).rows.into_batch().expect("a batch"));
    assert_eq!(rows[0].body, Some(Stored::Text("x".to_owned())));
}

#[test]
fn fields_that_repeat() {
    // Of a scalar the last counts, messages merge, lists go on.
    let mut record = field(3, b"first");
    record.extend(field(3, b"INFO"));
    record.extend(field(5, &field(1, b"text")));
    record.extend(field(5, &[]));
    record.extend(field(6, &field(1, b"a")));
    record.extend(field(
        6,
        &[field(1, b"b"), field(2, &field(1, b"1")), field(2, b"\x10\x01")].concat(),
    ));
    let resource =
        |name: &[u8]| field(1, &[field(1, b"service.name"), field(2, &field(1, name))].concat());
    let scope =
        [field(1, &field(1, b"lib")), field(2, &record), field(1, &field(2, b"v1"))].concat();
    let group =
        [field(2, &scope), field(1, &resource(b"a")), field(3, b"url"), field(1, &resource(b"b"))];
    let decoded = decode(Signal::Logs, &field(1, &group.concat()));
    let row = read::logs(&decoded.rows.into_batch().expect("a batch")).remove(0);
    assert_eq!((row.severity_text.as_deref(), row.severity), (Some("INFO"), Some(9)));
    assert_eq!(row.body, Some(Stored::Text("text".to_owned())));
    let wanted = [("a", Stored::Empty), ("b", Stored::Bool(true))];
    for (found, wanted) in row.attributes.iter().zip(wanted) {
        assert_eq!((found.0.as_str(), &found.1), (wanted.0, &wanted.1));
    }
    assert_eq!((row.service.as_str(), row.resource.schema_url.as_str()), ("b", "url"));
    assert_eq!((row.scope.name.as_str(), row.scope.version.as_str()), ("lib", "v1"));
}

#[test]
fn text_that_is_not_utf8_is_repaired_and_nul_is_kept() {
    let value = field(2, &field(1, b"\xff\xfe\0"));
    let mut record = field(5, &field(1, b"a\xc3(\0\xed\xa0\x80"));
    record.extend(field(6, &[field(1, b"k\x80"), value].concat()));
    record.extend(field(3, b"caf\xc3"));
    record.extend(field(12, "é".as_bytes()));
    let decoded = decode(Signal::Logs, &request(&record));
    assert_eq!((decoded.repaired, decoded.accepted, decoded.rejected), (4, 1, 0));
    let row = read::logs(&decoded.rows.into_batch().expect("a batch")).remove(0);
    assert_eq!(row.body, Some(Stored::Text("a\u{fffd}(\0\u{fffd}\u{fffd}\u{fffd}".to_owned())));
    let value = Stored::Text("\u{fffd}\u{fffd}\0".to_owned());
    assert_eq!(row.attributes, [("k\u{fffd}".to_owned(), value)]);
    assert_eq!(row.severity_text.as_deref(), Some("caf\u{fffd}"));
    // In values that become JSON, too, and cut behind the repair.
    let array = field(5, &field(5, &field(1, &field(1, b"\xff"))));
    let decoded = decode(Signal::Logs, &request(&array));
    assert_eq!(decoded.repaired, 1);
    let long = vec![0xff; 300 << 10];
    let decoded = decode(Signal::Logs, &request(&field(5, &field(1, &long))));
    assert_eq!((decoded.repaired, decoded.truncated), (1, 1));
    let row = read::logs(&decoded.rows.into_batch().expect("a batch")).remove(0);
    assert_eq!(row.body, Some(Stored::Text("\u{fffd}".repeat((256 << 10) / 3))));
}

#[test]
fn ids_that_are_none() {
    let bad: [Vec<u8>; 5] = [vec![], vec![0; 16], vec![1; 15], vec![1; 17], vec![0; 8]];
    let with =
        |id: &Vec<u8>| LogRecord { trace_id: id.clone(), span_id: id.clone(), ..record(text("x")) };
    let decoded = decode(Signal::Logs, &logs(bad.iter().map(with).collect()));
    assert_eq!((decoded.accepted, decoded.rejected), (5, 0));
    for row in read::logs(&decoded.rows.into_batch().expect("a batch")) {
        assert_eq!((row.trace_id, row.span_id), (None, None));
    }
    let mut spans = vec![span()];
    spans.extend(bad.iter().map(|id| Span { trace_id: id.clone(), ..span() }));
    spans.extend(bad.iter().map(|id| Span { span_id: id.clone(), ..span() }));
    spans.push(Span { parent_span_id: vec![0; 8], ..span() });
    let decoded = decode(Signal::Traces, &traces(spans));
    assert_eq!((decoded.accepted, decoded.rejected), (2, 10));
    assert_eq!(decoded.reasons, [("invalid_trace_id", 5), ("invalid_span_id", 5)]);
    let rows = read::spans(&decoded.rows.into_batch().expect("a batch"));
    assert_eq!(rows[1].parent, None);
}

#[test]
fn times_that_cannot_be() {
    let now = NOW as u64;
    // sent and observed → stored, original, whether it is untimed
    let rows: [(u64, u64, i64, Option<Stored>, u64); 7] = [
        (now - 5, 0, NOW - 5, None, 0),
        (0, now - 7, NOW - 7, None, 0),
        (0, 0, NOW, None, 1),
        (1, 0, 1, None, 0),
        (now + 600_000_000_000, 0, NOW + 600_000_000_000, None, 0),
        (now + 600_000_000_001, 0, NOW, Some(Stored::Int(NOW + 600_000_000_001)), 0),
        // The year 2554, the last that the protocol can say; 9999 wraps into one of these.
        (u64::MAX, u64::MAX, NOW, Some(Stored::Text(u64::MAX.to_string())), 0),
    ];
    for (sent, observed, stored, original, untimed) in rows {
        let record = LogRecord {
            time_unix_nano: sent,
            observed_time_unix_nano: observed,
            ..record(text("x"))
        };
        let decoded = decode(Signal::Logs, &logs(vec![record]));
        assert_eq!(decoded.untimed, untimed, "{sent}");
        let row = read::logs(&decoded.rows.into_batch().expect("a batch")).remove(0);
        assert_eq!(row.time_ns, stored, "{sent}");
        let found = row.attributes.first().map(|(_, value)| value.clone());
        assert_eq!(found, original, "{sent}");
    }
}

#[test]
fn spans_whose_times_cannot_be() {
    let now = NOW as u64;
    // start and end → stored start, duration, problems
    let rows: [(u64, u64, i64, i64, Option<i32>); 8] = [
        (now - 5, now - 2, NOW - 5, 3, None),
        (now - 2, now - 5, NOW - 2, -3, Some(1)),
        (0, now - 5, NOW - 5, 0, None),
        (now - 5, 0, NOW - 5, 0, None),
        (0, 0, NOW, 0, None),
        (now + 3_600_000_000_000, now + 3_600_000_000_009, NOW, 9, None),
        (1, u64::MAX, 1, i64::MAX, None),
        (u64::MAX, 1, NOW, i64::MIN, Some(1)),
    ];
    for (start, end, start_ns, duration_ns, problems) in rows {
        let sent = Span {
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            events: vec![Event { time_unix_nano: start.saturating_add(2), ..Event::default() }],
            ..span()
        };
        let decoded = decode(Signal::Traces, &traces(vec![sent]));
        let row = read::spans(&decoded.rows.into_batch().expect("a batch")).remove(0);
        assert_eq!(
            (row.start_ns, row.duration_ns, row.problems),
            (start_ns, duration_ns, problems)
        );
        let far = !row.attributes.is_empty();
        assert_eq!(far, start > now + 600_000_000_000, "{start}");
    }
}

#[test]
fn ten_thousand_levels_cost_nothing() {
    // Written by hand: to build or to drop such a message takes a deep stack.
    let mut value = field(1, b"x");
    for level in 0..10_000 {
        value = match level % 2 {
            0 => field(5, &field(1, &value)),
            _ => field(6, &field(1, &[field(1, b"k"), field(2, &value)].concat())),
        };
    }
    let mut record = field(5, &value);
    record.extend(field(6, &[field(1, b"k"), field(2, &value)].concat()));
    let decoded = decode(Signal::Logs, &request(&record));
    assert_eq!((decoded.accepted, decoded.truncated), (1, 1));
    let row = read::logs(&decoded.rows.into_batch().expect("a batch")).remove(0);
    let cut = i64::try_from(2 * value.len()).expect("fits");
    let Some((key, Stored::Int(bytes))) = row.attributes.last() else { panic!("a mark") };
    assert!(key == "tarn.truncated" && (cut - 10..=cut).contains(bytes), "{bytes} of {cut}");
}

#[test]
fn empty_records_stay_within_the_budget() {
    // 64 MiB are 32 million records; memory for their rows ends long before.
    let body = |count: usize| field(1, &field(2, &[0x12, 0x00].repeat(count)));
    let limits = Limits { memory_budget: ByteSize::mib(256), ..Limits::default() };
    let decoder = Decoder { limits, ..decoder() };
    let error = decoder.protobuf(Signal::Logs, &body(32 << 20)).expect_err("too many");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded { retry_after: None }, "{error}");
    // Spans without ids take none.
    let decoded = decoder.protobuf(Signal::Traces, &body(1 << 20)).expect("decodes");
    assert_eq!((decoded.accepted, decoded.rejected), (0, 1 << 20));
    assert!(decoded.charged < 1 << 20, "{}", decoded.charged);
}

#[test]
fn what_is_charged_is_what_is_held() {
    let attributes = |n: usize| -> Vec<KeyValue> {
        (0..n % 9).map(|k| attribute(format!("key{k}"), text(format!("value {n}")))).collect()
    };
    let int = AnyValue { value: Some(Value::IntValue(7)) };
    let sent = (0..3000).map(|n| LogRecord {
        attributes: attributes(n),
        severity_text: format!("s{n}"),
        ..record(if n % 2 == 0 { text("some text") } else { int.clone() })
    });
    let decoded = decode(Signal::Logs, &logs(sent.collect()));
    let charged = decoded.charged;
    let held = decoded.rows.into_batch().expect("a batch").get_array_memory_size() as u64;
    assert!(charged >= held && charged < 4 * held, "charged {charged}, held {held}");
    let event = |n| Event { name: "e".to_owned(), attributes: attributes(n), ..Event::default() };
    let sent = (0..2000).map(|n| Span {
        attributes: attributes(n),
        name: format!("n{n}"),
        events: vec![event(n); n % 3],
        ..span()
    });
    let decoded = decode(Signal::Traces, &traces(sent.collect()));
    let charged = decoded.charged;
    let held = decoded.rows.into_batch().expect("a batch").get_array_memory_size() as u64;
    assert!(charged >= held && charged < 4 * held, "charged {charged}, held {held}");
}

#[test]
fn exceptions_are_grouped_and_weights_are_read() {
    let exception = |name: &str, kind: AnyValue| Event {
        name: name.to_owned(),
        attributes: vec![attribute("exception.type", kind)],
        ..Event::default()
    };
    let with = |event| Span { events: vec![event], trace_state: "ot=th:8".to_owned(), ..span() };
    let spans = vec![
        with(exception("exception", text("E"))),
        with(exception("other", text("E"))),
        with(exception("exception", AnyValue { value: None })),
    ];
    let decoded = decode(Signal::Traces, &traces(spans));
    let rows = read::spans(&decoded.rows.into_batch().expect("a batch"));
    let grouped: Vec<bool> = rows.iter().map(|row| row.has_exception_group).collect();
    assert_eq!(grouped, [true, false, false]);
    assert!(rows.iter().all(|row| row.weight == Some(2.0)));
}

#[test]
fn limits_are_those_of_the_decoder() {
    let limits = Limits { attributes_max: 1, ..Limits::default() };
    let decoder = Decoder { limits, ..decoder() };
    let sent = LogRecord {
        attributes: vec![attribute("a", text("1")), attribute("b", text("2"))],
        ..record(text("x"))
    };
    let decoded = decoder.protobuf(Signal::Logs, &logs(vec![sent])).expect("decodes");
    let row = read::logs(&decoded.rows.into_batch().expect("a batch")).remove(0);
    assert_eq!((row.attributes.len(), row.dropped), (1, Some(1)));
}
