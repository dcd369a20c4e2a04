//! Searches of logs and traces, and traces by id, over rows in memory and in blocks.

use serde_json::{Value, json};
use tarn_model::attributes::ValueKind;
use tarn_model::limits::Limits;
use tarn_model::units::ByteSize;
use tarn_storage::append::rows::{
    LogRow, LogRows, SpanEvent, SpanLink, SpanRow, SpanRows, TableRows,
};

use crate::support::{NOW_MS, World};

const NOW_NS: i64 = NOW_MS * 1_000_000;

/// Log records number `range`, a ms apart; every third is an error of `cart`, the others are of
/// `web`.
fn logs(range: std::ops::Range<i64>) -> TableRows {
    let mut rows = LogRows::default();
    let scope = rows.scope(r#"{"name":"lib","version":"1"}"#);
    for n in range {
        let failed = n % 3 == 0;
        let service = if failed { "cart" } else { "web" };
        let resource = rows.resource(
            &json!({"attributes": {"service.name": service, "k8s.pod": format!("{service}-1")}})
                .to_string(),
            service,
        );
        rows.attribute("n", ValueKind::Int, &n.to_string());
        rows.attribute("ok", ValueKind::Bool, if failed { "false" } else { "true" });
        rows.push(&LogRow {
            resource,
            scope,
            time_ns: NOW_NS + n * 1_000_000 + 7,
            observed_ns: NOW_NS + n * 1_000_000 + 7 + 2_000_000,
            severity_number: if failed { 17 } else { 9 },
            severity_text: if failed { "ERROR" } else { "INFO" },
            body: Some(if failed {
                "payment failed: card \u{1}declined"
            } else {
                "request served"
            }),
            body_kind: ValueKind::Text,
            trace_id: Some([n as u8; 16]),
            span_id: None,
            flags: 1,
            event_name: "",
            dropped_attributes: 0,
        });
    }
    TableRows::Logs(rows)
}

/// One span of trace `trace`, `at_ms` after now.
pub(crate) struct Span {
    trace: u8,
    id: u8,
    parent: Option<u8>,
    service: &'static str,
    name: &'static str,
    at_ms: i64,
    ms: i64,
    status: i32,
}

pub(crate) fn spans(list: &[Span]) -> TableRows {
    let mut rows = SpanRows::default();
    let scope = rows.scope("{}");
    for span in list {
        let resource = rows.resource(
            &json!({"attributes": {"service.name": span.service}}).to_string(),
            span.service,
        );
        rows.attribute("http.status", ValueKind::Int, "200");
        rows.event_attribute("exception.type", ValueKind::Text, "Timeout");
        rows.event(&SpanEvent { offset_ns: 5, name: "exception", dropped: 0 });
        rows.link(&SpanLink {
            trace_id: [9; 16],
            span_id: [8; 8],
            trace_state: "",
            dropped: 1,
            flags: 0,
        });
        rows.push(&SpanRow {
            resource,
            scope,
            trace_id: [span.trace; 16],
            span_id: [span.id; 8],
            parent_span_id: span.parent.map(|id| [id; 8]),
            start_ns: NOW_NS + span.at_ms * 1_000_000,
            duration_ns: span.ms * 1_000_000,
            name: span.name,
            kind: 2,
            status: span.status,
            status_message: "",
            trace_state: "",
            flags: 0,
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
            weight: None,
            exception_group: None,
            problems: 0,
        });
    }
    TableRows::Spans(rows)
}

/// Three traces: 1 is whole and has an error below its root, 2 lacks its root, 3 is one span.
pub(crate) const SPANS: [Span; 5] = [
    Span {
        trace: 1,
        id: 1,
        parent: None,
        service: "web",
        name: "GET /cart",
        at_ms: 0,
        ms: 100,
        status: 0,
    },
    Span {
        trace: 1,
        id: 2,
        parent: Some(1),
        service: "cart",
        name: "load",
        at_ms: 10,
        ms: 50,
        status: 2,
    },
    Span {
        trace: 1,
        id: 3,
        parent: Some(2),
        service: "db",
        name: "SELECT",
        at_ms: 20,
        ms: 30,
        status: 0,
    },
    Span {
        trace: 2,
        id: 4,
        parent: Some(77),
        service: "cart",
        name: "load",
        at_ms: 1000,
        ms: 20,
        status: 0,
    },
    Span {
        trace: 3,
        id: 5,
        parent: None,
        service: "web",
        name: "GET /",
        at_ms: 2000,
        ms: 5,
        status: 1,
    },
];

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => {
            out + &char::from(byte).to_string()
        }
        byte => out + &format!("%{byte:02X}"),
    })
}

async fn found(world: &World, search: &str, more: &str) -> Value {
    let answer = world.native(&format!("/logs/search?q={}{more}", encode(search))).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    answer.json()
}

/// Returns the attribute `n` of each row.
fn numbers(answer: &Value) -> Vec<i64> {
    let rows = answer["data"]["rows"].as_array().unwrap();
    rows.iter().map(|row| row["attributes"]["n"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn log_records_newest_first_wherever_they_are() {
    let world = World::new().await;
    world.rows(logs(0..10)).await;
    world.flush().await;
    world.rows(logs(10..20)).await;
    let all = found(&world, "", "").await;
    assert_eq!(numbers(&all), (0..20).rev().collect::<Vec<_>>());
    assert_eq!(all["stats"]["rows"], 20);
    assert_eq!(all["data"]["next_cursor"], Value::Null);
    let rows: [(&str, &[i64]); 8] = [
        ("service:cart", &[18, 15, 12, 9, 6, 3, 0]),
        ("level:error declined n>9", &[18, 15, 12]),
        ("n=5 OR n=12", &[12, 5]),
        ("trace:11111111111111111111111111111111", &[17]),
        ("k8s.pod:web-1 n<3", &[2, 1]),
        ("served -ok:true", &[]),
        ("\"card \u{1}d\" n<=3", &[3, 0]),
        ("-*", &[]),
    ];
    for (search, expected) in rows {
        assert_eq!(numbers(&found(&world, search, "").await), expected, "{search}");
    }
    let start = format!("&start={}.005&end={}.008", NOW_MS / 1000, NOW_MS / 1000);
    assert_eq!(numbers(&found(&world, "", &start).await), [7, 6, 5], "the end is not included");
}

#[tokio::test]
async fn pages_follow_each_other_through_a_flush() {
    let world = World::new().await;
    world.rows(logs(0..9)).await;
    // The same rows again: what a resent request leaves where nobody recognised it.
    world.rows(logs(4..6)).await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = found(&world, "", &format!("&limit=2&cursor={cursor}")).await;
        seen.extend(numbers(&page));
        match page["data"]["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
        world.flush().await;
    }
    assert_eq!(seen, [8, 7, 6, 5, 5, 4, 4, 3, 2, 1, 0]);
}

#[tokio::test]
async fn a_record_has_all_its_members_typed() {
    let world = World::new().await;
    world.rows(logs(3..4)).await;
    let row = json!({
        "timestamp": "2023-11-14T22:13:20.003000007Z",
        "timestamp_unix_nano": "1700000000003000007",
        "observed_timestamp": "2023-11-14T22:13:20.005000007Z",
        "severity_number": 17,
        "severity_text": "ERROR",
        "service": "cart",
        "body": "payment failed: card \u{1}declined",
        "trace_id": "03".repeat(16),
        "flags": 1,
        "attributes": {"n": 3, "ok": false},
        "resource": {"attributes": {"service.name": "cart", "k8s.pod": "cart-1"}},
        "scope": {"name": "lib", "version": "1"},
    });
    for flushed in [false, true] {
        if flushed {
            world.flush().await;
        }
        assert_eq!(found(&world, "", "").await["data"]["rows"][0], row, "flushed: {flushed}");
        let some = found(&world, "", "&fields=service,attributes.n").await;
        let expected = json!({
            "timestamp": row["timestamp"], "timestamp_unix_nano": row["timestamp_unix_nano"],
            "service": "cart", "attributes": {"n": 3},
        });
        assert_eq!(some["data"]["rows"][0], expected);
    }
}

#[tokio::test]
async fn mistakes_are_answered_with_their_place() {
    let world = World::new().await;
    let rows = [
        (
            "q=a+level%3Efoo",
            r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"q\": character 9: unknown level; known are trace, debug, info, warn, error and fatal","span":{"start":8,"end":11}}"#,
        ),
        (
            "q=(a",
            r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"q\": character 1: this parenthesis is not closed","span":{"start":0,"end":1}}"#,
        ),
        (
            "limit=0",
            r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"limit\": \"0\" is not a number from 1 to 10000"}"#,
        ),
        (
            "cursor=x",
            r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"cursor\": \"x\" is not a cursor of an answer"}"#,
        ),
        (
            "start=2&end=1",
            r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"end\": end timestamp must not be before start time"}"#,
        ),
    ];
    for (query, body) in rows {
        let answer = world.native(&format!("/logs/search?{query}")).await;
        assert_eq!(answer.line(), format!("400 {body}"), "{query}");
    }
    let answer = world.native("/logs/search?fields=foo").await;
    assert!(answer.line().starts_with("400 ") && answer.body.contains("unknown field"));
    let answer = world.native("/traces/xyz").await;
    assert_eq!(answer.json()["error"], "invalid trace id: \"xyz\" is not of up to 32 hex digits");
    let answer = world.native("/traces/00ff").await;
    assert_eq!(
        answer.line(),
        r#"404 {"status":"error","errorType":"not_found","error":"no span of trace 00ff is stored"}"#
    );
    let deep = "(".repeat(3000);
    let answer = world.native(&format!("/logs/search?q={deep}")).await;
    assert!(answer.body.contains("nested too deep, limit is 100"), "{}", answer.body);
}

async fn traces(world: &World, search: &str) -> Vec<Value> {
    let answer = world.native(&format!("/traces/search?q={}", encode(search))).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    answer.json()["data"]["traces"].as_array().unwrap().clone()
}

#[tokio::test]
async fn traces_with_a_span_that_is_wanted() {
    let world = World::new().await;
    world.rows(spans(&SPANS[..2])).await;
    world.flush().await;
    world.rows(spans(&SPANS[2..])).await;
    let ids = |list: &[Value]| -> Vec<u8> {
        let id =
            |trace: &Value| trace["trace_id"].as_str().unwrap().get(1..2).unwrap().parse().unwrap();
        list.iter().map(id).collect()
    };
    let rows: [(&str, &[u8]); 7] = [
        ("", &[3, 2, 1]),
        ("service:cart", &[2, 1]),
        ("status:error duration>40ms", &[1]),
        ("select", &[1]),
        ("exception name:GET*", &[3, 1]),
        ("http.status=200 duration<10ms", &[3]),
        ("nowhere", &[]),
    ];
    for (search, expected) in rows {
        assert_eq!(ids(&traces(&world, search).await), expected, "{search}");
    }
    let list = traces(&world, "service:cart").await;
    let whole = json!({
        "trace_id": "01".repeat(16),
        "start": "2023-11-14T22:13:20.000000000Z",
        "start_unix_nano": "1700000000000000000",
        "duration_ns": 100_000_000,
        "root": {"service": "web", "name": "GET /cart"},
        "span_count": 3,
        "error_count": 1,
        "services": [
            {"name": "cart", "span_count": 1},
            {"name": "db", "span_count": 1},
            {"name": "web", "span_count": 1},
        ],
        "matched_count": 1,
    });
    assert_eq!(list[1], whole);
    assert_eq!(list[0]["first"], json!({"service": "cart", "name": "load"}), "its root is missing");
    let limited = world.native("/traces/search?limit=2").await.json();
    assert_eq!(ids(limited["data"]["traces"].as_array().unwrap()), [3, 2]);
}

#[tokio::test]
async fn a_trace_with_parts_in_several_blocks() {
    let world = World::new().await;
    world.rows(spans(&SPANS[1..3])).await;
    world.flush().await;
    world.rows(spans(&SPANS[..1])).await;
    // VIS-3: sent twice, shown once.
    world.rows(spans(&SPANS[..3])).await;
    let answer = world.native(&format!("/traces/{}", "01".repeat(16))).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    let answer = answer.json();
    assert_eq!(answer["warnings"], json!(["spans that were stored again and are shown once: 3"]));
    let spans = answer["data"]["spans"].as_array().unwrap();
    let places: Vec<String> =
        spans.iter().map(|s| format!("{}@{}", s["name"].as_str().unwrap(), s["depth"])).collect();
    assert_eq!(places, ["GET /cart@0", "load@1", "SELECT@2"]);
    let expected = json!({
        "span_id": "02".repeat(8),
        "parent_span_id": "01".repeat(8),
        "depth": 1,
        "descendants": 1,
        "service": "cart",
        "name": "load",
        "kind": "server",
        "status": "error",
        "start": "2023-11-14T22:13:20.010000000Z",
        "start_unix_nano": "1700000000010000000",
        "duration_ns": 50_000_000,
        "offset_ns": 10_000_000,
        "self_ns": 20_000_000,
        "critical": true,
        "problems": [],
        "resource": 1,
        "scope": 0,
        "attributes": {"http.status": 200},
        "events": [{
            "timestamp": "2023-11-14T22:13:20.010000005Z",
            "timestamp_unix_nano": "1700000000010000005",
            "offset_ns": 5,
            "name": "exception",
            "attributes": {"exception.type": "Timeout"},
        }],
        "links": [{
            "trace_id": "09".repeat(16),
            "span_id": "08".repeat(8),
            "attributes": {},
            "dropped_attributes": 1,
        }],
    });
    assert_eq!(spans[1], expected);
    assert_eq!(answer["data"]["resources"][1], json!({"attributes": {"service.name": "cart"}}));
    assert_eq!(answer["stats"]["rows"], 3);
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let mut world = World::new().await;
    world.rows(logs(0..3)).await;
    world.rows(spans(&SPANS)).await;
    world.tenant = tarn_model::tenant::TenantId::parse("other").unwrap();
    assert!(numbers(&found(&world, "", "").await).is_empty());
    assert!(traces(&world, "").await.is_empty());
    let answer = world.native(&format!("/traces/{}", "01".repeat(16))).await;
    assert_eq!(answer.status.as_u16(), 404);
}

#[tokio::test]
async fn a_search_that_runs_out_of_time_says_so() {
    // PAR-1: what was found until then is answered, and that it may not be all.
    let world = World::new().await;
    world.rows(logs(0..3)).await;
    let answer = world.native("/logs/search?timeout=0").await;
    let warning = "not everything was searched: the time limit of 0 s is over";
    assert_eq!(answer.json()["warnings"], json!([warning]), "{}", answer.body);
    let answer = world.native(&format!("/traces/{}?timeout=0", "01".repeat(16))).await;
    assert_eq!(answer.json()["warnings"], json!([warning]), "not that there is no such trace");
    let answer = world.native("/logs/search?timeout=x").await;
    assert_eq!(answer.status.as_u16(), 400, "{}", answer.body);
}

#[tokio::test]
async fn hostile_searches_over_http() {
    let world = World::new().await;
    world.rows(logs(0..3)).await;
    let rows = [
        (format!("/{}/", "(a{1000}){1000}"), "too large, limit is 1048576 bytes"),
        (format!("\"{}", "x".repeat(70_000)), "the quote is not closed"),
        ("a ".repeat(1001), "too many terms, limit is 1000"),
        ("/a/ ".repeat(101), "too many patterns, limit is 100"),
        ("-".repeat(200) + "a", "nested too deep, limit is 100"),
        ("x".repeat(300_000), "the search has 300000 bytes, limit is 262144"),
    ];
    for (search, message) in rows {
        let answer = world.native_form("/logs/search", &format!("q={}", encode(&search))).await;
        assert_eq!(answer.status.as_u16(), 400, "{message}");
        assert!(answer.body.contains(message), "{message}");
    }
    let long = format!("q={}", encode(&format!("\"{}\"", "x".repeat(200_000))));
    assert_eq!(world.native_form("/logs/search", &long).await.status.as_u16(), 200);
}

#[tokio::test]
async fn searches_have_limits() {
    // LIM-1: a page that does not fit into the memory of queries is refused, the process goes on.
    let memory_budget = ByteSize(40_000);
    let limits = Limits { memory_budget, head_memory_percent: 100, ..Limits::default() };
    let world = World::with(limits).await;
    world.rows(logs(0..200)).await;
    let answer = world.native("/logs/search?limit=200").await;
    assert_eq!(answer.status.as_u16(), 422, "{}", answer.body);
    assert!(answer.body.contains("limit is 10000"), "{}", answer.body);
    assert_eq!(world.native("/logs/search?limit=2").await.status.as_u16(), 200);
    assert!(world.has_metric("tarn_query_memory_bytes 0"), "{}", world.metrics("tarn_query"));
}
