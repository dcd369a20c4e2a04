use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tarn_model::units::ByteSize;

use super::*;
use crate::admit::Admission;
use crate::fuzz::HandClock;

fn transcode(signal: Signal, json: &str) -> Result<Transcoded> {
    let clock = Arc::new(HandClock::default());
    let mut permit = Admission::new(ByteSize::mib(1), clock, Gauge::default()).permit();
    to_wire(signal, json.as_bytes(), &mut permit)
}

/// Puts a value into the body of a log record.
fn body(value: &str) -> String {
    format!("{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{\"body\":{value}}}]}}]}}]}}")
}

/// Returns the bytes of that body.
fn body_wire(value: &str) -> Result<Vec<u8>> {
    // Five lengths lead to it, each one byte.
    transcode(Signal::Logs, &body(value)).map(|t| t.wire.get(8..).unwrap_or_default().to_vec())
}

#[test]
fn values_as_protobuf_allows_them() {
    let rows: &[(&str, &[u8])] = &[
        ("{}", b""),
        ("null", b""),
        ("{\"stringValue\":\"a\\u00e9\\n\\/\"}", b"\x0a\x05a\xc3\xa9\n/"),
        ("{\"string_value\":\"\\ud834\\udd1e\\ud834\"}", b"\x0a\x07\xf0\x9d\x84\x9e\xef\xbf\xbd"),
        ("{\"stringValue\":\"\"}", b"\x0a\x00"),
        ("{\"stringValue\":null,\"boolValue\":false}", b"\x10\x00"),
        ("{\"intValue\":\"-1\"}", b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ("{\"intValue\":1e2}", b"\x18\x64"),
        ("{\"intValue\":7.0}", b"\x18\x07"),
        ("{\"doubleValue\":\"NaN\"}", b"\x21\0\0\0\0\0\0\xf8\x7f"),
        ("{\"doubleValue\":\"-Infinity\"}", b"\x21\0\0\0\0\0\0\xf0\xff"),
        ("{\"doubleValue\":\"0.5\"}", b"\x21\0\0\0\0\0\0\xe0\x3f"),
        // One digit off and it would be another double.
        ("{\"doubleValue\":9007199254740993.1}", b"\x21\x01\0\0\0\0\0\x40\x43"),
        ("{\"bytesValue\":\"AP8=\"}", b"\x3a\x02\x00\xff"),
        ("{\"bytesValue\":\"-_\"}", b"\x3a\x01\xfb"),
        ("{\"arrayValue\":{\"values\":[null,{}]}}", b"\x2a\x04\x0a\x00\x0a\x00"),
        ("{\"arrayValue\":{\"values\":null}}", b"\x2a\x00"),
    ];
    for (json, wire) in rows {
        assert_eq!(body_wire(json).expect(json), *wire, "{json}");
    }
}

#[test]
fn enums_and_ids() {
    let span = |members: &str| {
        let json =
            format!("{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{members}]}}]}}]}}");
        transcode(Signal::Traces, &json)
    };
    let wire = |members| span(members).unwrap().wire.get(6..).unwrap_or_default().to_vec();
    assert_eq!(wire("{\"kind\":\"SPAN_KIND_SERVER\"}"), b"\x30\x02");
    assert_eq!(wire("{\"kind\":2}"), b"\x30\x02");
    assert_eq!(wire("{\"kind\":\"2\"}"), b"\x30\x02");
    assert_eq!(wire("{\"traceId\":\"00Ff\",\"span_id\":\"\"}"), b"\x0a\x02\x00\xff\x12\x00");
    let unknown = span("{\"kind\":\"SPAN_KIND_NEW\",\"new\":[{\"a\":[]}],\"status\":{\"x\":1}}");
    let paths = ["kind.SPAN_KIND_NEW", "new", "status.x"];
    let paths = paths.map(|path| format!("resourceSpans.scopeSpans.spans.{path}"));
    assert_eq!(unknown.unwrap().unknown, paths);
    assert!(span("{\"traceId\":\"0\"}").unwrap_err().message().contains("expected hex as traceId"));
}

#[test]
fn errors_say_where() {
    let rows = [
        ("", "line 1 column 1: the text ends where a value should be"),
        ("[]", "line 1 column 1: expected an object"),
        ("{\n \"resourceLogs\": {}}", "line 2 column 18: expected a list as resourceLogs"),
        ("{\"resourceLogs\":[}", "line 1 column 18: expected a value"),
        ("{\"resourceLogs\":[]", "line 1 column 19: expected ',' or '}'"),
        ("{\"resourceLogs\":[]} x", "line 1 column 21: expected the end of the text"),
        ("{\"x\":tru}", "line 1 column 6: expected a value"),
        ("{\"x\":01}", "line 1 column 8: expected a number"),
        ("{\"x\":\"\n\"}", "line 1 column 7: a control character in a string"),
        ("{\"x\":\"\\q\"}", "line 1 column 7: an unknown escape in a string"),
        ("{\"x\":\"\\u12\"}", "line 1 column 7: expected four hex digits"),
        ("{\"x\":[1,]}", "line 1 column 9: expected a value"),
        ("{\"x\" 1}", "line 1 column 6: expected ':'"),
        ("{x:1}", "line 1 column 2: expected a name in quotes"),
    ];
    for (json, message) in rows {
        let error = transcode(Signal::Logs, json).expect_err(json).message();
        assert_eq!(error, format!("json is broken at {message}"), "{json}");
    }
    let rows = [
        ("{\"intValue\":1.5}", "expected an integer as intValue"),
        (
            "{\"intValue\":\"9223372036854775808\"}",
            "9223372036854775808 is out of range of intValue",
        ),
        ("{\"intValue\":true}", "expected an integer as intValue"),
        ("{\"doubleValue\":1e999}", "expected a number as doubleValue"),
        ("{\"doubleValue\":\"nan\"}", "expected a number as doubleValue"),
        ("{\"boolValue\":1}", "expected true or false as boolValue"),
        ("{\"stringValue\":1}", "expected text as stringValue"),
        ("{\"bytesValue\":\"*\"}", "expected base64 as bytesValue"),
    ];
    for (json, message) in rows {
        let error = body_wire(json).expect_err(json).message();
        assert!(error.ends_with(message), "{error}");
    }
}

#[test]
fn depth_and_memory_are_bounded() {
    let deep = |levels: usize| {
        let (open, close) = ("{\"arrayValue\":{\"values\":[".repeat(levels), "]}}".repeat(levels));
        body(&format!("{open}{{\"intValue\":1}}{close}"))
    };
    let kept = transcode(Signal::Logs, &deep(32)).unwrap().wire;
    let cut = transcode(Signal::Logs, &deep(10_000)).unwrap().wire;
    assert!(kept.ends_with(b"\x18\x01"));
    assert!(cut.len() > kept.len() && cut.len() < 2000, "{}", cut.len());
    // What is not known is skipped however deep it is.
    let unknown = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(transcode(Signal::Logs, &unknown).unwrap().unknown, ["x"]);
    let deeper = format!("{{\"x\":{}", "[".repeat(2 << 20));
    let error = transcode(Signal::Logs, &deeper).unwrap_err();
    assert!(error.message().ends_with("brackets are nested too deep"), "{error}");
    // Text without its escapes is written where it is charged.
    let escaped = body(&format!("{{\"stringValue\":\"{}\"}}", "\\n".repeat(2 << 20)));
    let error = transcode(Signal::Logs, &escaped).unwrap_err();
    assert!(error.message().contains("limit is 1MiB"), "{error}");
    // Eight bytes from two: the permit has the last word.
    let counts = "1,".repeat(300_000);
    let json = format!(
        "{{\"resourceMetrics\":[{{\"scopeMetrics\":[{{\"metrics\":[{{\"histogram\":\
         {{\"dataPoints\":[{{\"bucketCounts\":[{counts}1]}}]}}}}]}}]}}]}}"
    );
    let error = transcode(Signal::Metrics, &json).unwrap_err();
    assert!(error.message().contains("limit is 1MiB"), "{error}");
}
