use super::*;

pub(super) fn span(id: u8, parent: Option<u8>, start_ns: i64, duration_ns: i64) -> Span {
    Span {
        id: [id; 8],
        parent: parent.map(|id| [id; 8]),
        start_ns,
        duration_ns,
        service: Arc::from("web"),
        name: Arc::from("GET"),
        kind: 0,
        status: 0,
        resource: Arc::from("{}"),
        scope: Arc::from("{}"),
        problems: 0,
        rest: br#","attributes":{}"#.to_vec(),
        events: Vec::new(),
    }
}

fn written(trace: &Trace) -> serde_json::Value {
    let mut out = Vec::new();
    let tables = trace.write_head(&mut out, &[7; 16]);
    out.extend_from_slice(b",\"spans\":[");
    for (i, (span, place)) in trace.spans().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        tables.write(&mut out, span, place, trace.start_ns());
    }
    out.extend_from_slice(b"]}");
    serde_json::from_slice(&out).expect("JSON")
}

#[test]
fn what_was_sent_twice_is_shown_once() {
    // VIS-3: a resent request leaves no second row in the view of a trace.
    let twice = Trace::assemble(vec![span(1, None, 5, 10), span(1, None, 5, 10)]);
    assert_eq!(twice.spans().count(), 1);
    assert_eq!(twice.remarks(), ["spans that were stored again and are shown once: 1"]);
    let marked = Span { problems: problem::DUPLICATE_ID, ..span(1, None, 5, 10) };
    assert_eq!(Trace::assemble(vec![span(1, None, 5, 10), marked]).spans().count(), 1);

    let other = Span { rest: br#","attributes":{"a":1}"#.to_vec(), ..span(1, None, 5, 10) };
    let differs = Trace::assemble(vec![span(1, None, 5, 10), other]);
    assert_eq!(differs.spans().count(), 2);
    assert!(differs.spans().all(|(span, _)| span.problems == problem::DUPLICATE_ID));
    assert_eq!(differs.remarks(), ["spans that share their id with another that differs: 2"]);
}

#[test]
fn a_trace_as_json() {
    let server = Span {
        kind: 2,
        status: 2,
        service: Arc::from("db\u{1}"),
        resource: Arc::from(r#"{"attributes":{"a":1}}"#),
        ..span(2, Some(1), -100, 20)
    };
    let client = Span { kind: 3, ..span(1, None, 1000, 100) };
    let trace = Trace::assemble(vec![server, client]);
    let json = written(&trace);
    assert_eq!(json["trace_id"], "07".repeat(16));
    assert_eq!(json["start_unix_nano"], "1000");
    assert_eq!(json["duration_ns"], 100);
    assert_eq!(json["root"], serde_json::json!({"service": "web", "name": "GET"}));
    assert_eq!(json["error_count"], 1);
    assert_eq!(json["resources"], serde_json::json!([{}, {"attributes": {"a": 1}}]));
    let child = &json["spans"][1];
    assert_eq!(child["service"], "db\u{1}");
    assert_eq!(child["resource"], 1);
    assert_eq!((&child["start_unix_nano"], &child["offset_ns"]), (&"-100".into(), &40.into()));
    assert_eq!(child["clock_shift_ns"], 1140);
    assert_eq!((&child["status"], &child["critical"]), (&"error".into(), &true.into()));
    let remark = "spans at a corrected time, because their clock differs from their parent's: 1";
    assert_eq!(trace.remarks(), [remark]);
}

#[test]
fn broken_traces_say_what_is_broken() {
    let trace = Trace::assemble(vec![
        span(1, Some(2), 5, -3),
        span(2, Some(1), 6, 1),
        span(3, Some(9), 7, 1),
    ]);
    let expected = ["spans whose parent is not stored: 1", "circles of parents, cut here: 1"];
    assert_eq!(trace.remarks(), expected);
    let json = written(&trace);
    assert_eq!(json["first"], serde_json::json!({"service": "web", "name": "GET"}));
    assert_eq!(json["spans"][0]["problems"], serde_json::json!(["cycle"]));
    assert_eq!(json["spans"][2]["top"], "missing_parent");
    assert_eq!(Trace::assemble(Vec::new()).spans().count(), 0);
    assert_eq!(summary(&[]), None);
}

#[test]
fn a_hundred_thousand_spans() {
    let many: Vec<Span> = (0..100_000_u64)
        .map(|n| Span {
            id: n.to_be_bytes(),
            parent: n.checked_sub(1).map(u64::to_be_bytes),
            ..span(0, None, n as i64, 200_000)
        })
        .collect();
    let trace = Trace::assemble(many);
    assert_eq!(trace.spans().count(), 100_000);
    assert_eq!(trace.spans().last().map(|(_, place)| place.depth), Some(99_999));
}
