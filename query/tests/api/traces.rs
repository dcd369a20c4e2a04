//! Traces by id, in JSON and in columns; which are stored; how many spans there are when.

use std::time::Instant;

use serde_json::{Value, json};
use tarn_model::attributes::ValueKind;
use tarn_model::limits::Limits;
use tarn_model::units::ByteSize;
use tarn_storage::append::rows::{SpanEvent, SpanRow, SpanRows, TableRows};

use crate::support::{Frame, NOW_MS, World};

const NOW_NS: i64 = NOW_MS * 1_000_000;

/// One span of a trace; the id is its number, from 1.
#[derive(Debug, Clone, Copy)]
struct Span {
    trace: u8,
    id: u64,
    parent: u64,
    service: &'static str,
    start_us: i64,
    us: i64,
    status: i32,
    /// Whether it has an event and attributes.
    rich: bool,
}

fn span(id: u64, parent: u64, start_us: i64, us: i64) -> Span {
    Span { trace: 1, id, parent, service: "web", start_us, us, status: 0, rich: false }
}

fn rows(spans: &[Span]) -> TableRows {
    let mut rows = SpanRows::default();
    let scope = rows.scope(r#"{"name":"lib"}"#);
    for span in spans {
        let resource = format!(r#"{{"attributes":{{"service.name":"{}"}}}}"#, span.service);
        let resource = rows.resource(&resource, span.service);
        if span.rich {
            rows.attribute("http.route", ValueKind::Text, "/cart/{id}");
            rows.attribute("http.status_code", ValueKind::Int, "500");
            rows.event_attribute("exception.type", ValueKind::Text, "Timeout");
            rows.event(&SpanEvent { offset_ns: 7, name: "exception", dropped: 0 });
        }
        rows.push(&SpanRow {
            resource,
            scope,
            trace_id: [span.trace; 16],
            span_id: span.id.to_be_bytes(),
            parent_span_id: (span.parent > 0).then(|| span.parent.to_be_bytes()),
            start_ns: NOW_NS + span.start_us * 1000,
            duration_ns: span.us * 1000,
            name: if span.parent == 0 { "GET /cart" } else { "load" },
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

/// A root, a call that waits, one beside it, and one that runs on.
fn small() -> Vec<Span> {
    vec![
        span(1, 0, 0, 100),
        Span { service: "cart", status: 2, rich: true, ..span(2, 1, 10, 50) },
        span(3, 1, 12, 5),
        Span { service: "mail", ..span(4, 1, 80, 500) },
        Span { trace: 2, ..span(5, 0, 1_000, 20) },
    ]
}

fn path() -> String {
    format!("/traces/{}", "01".repeat(16))
}

#[tokio::test]
async fn json_and_columns_say_the_same() {
    let world = World::new().await;
    world.rows(rows(&small())).await;
    for place in ["memory", "blocks"] {
        let answer = world.native(&path()).await.json();
        let data = &answer["data"];
        let path_of = json!([
            {"span": 0, "start_ns": 0, "end_ns": 10_000},
            {"span": 1, "start_ns": 10_000, "end_ns": 60_000},
            {"span": 0, "start_ns": 60_000, "end_ns": 80_000},
            {"span": 3, "start_ns": 80_000, "end_ns": 100_000},
        ]);
        assert_eq!(data["critical_path"], path_of, "{place}");
        let spans = data["spans"].as_array().unwrap();
        let own: Vec<_> = spans.iter().map(|s| s["self_ns"].as_i64().unwrap()).collect();
        assert_eq!(own, [30_000, 50_000, 5_000, 500_000]);

        let frame = world.frame(&path()).await;
        assert_eq!(frame.header["version"], 1);
        for (member, column) in [
            ("offset_ns", "start"),
            ("duration_ns", "duration"),
            ("self_ns", "self"),
            ("depth", "depth"),
            ("descendants", "descendants"),
        ] {
            let wanted: Vec<f64> = spans.iter().map(|s| s[member].as_f64().unwrap()).collect();
            assert_eq!(frame.named(column), wanted, "{column}");
        }
        for (member, column) in [("service", "service"), ("name", "name")] {
            let texts = &frame.header["dictionaries"][column];
            let found: Vec<&Value> =
                frame.named(column).iter().map(|n| &texts[*n as usize]).collect();
            let wanted: Vec<&Value> = spans.iter().map(|s| &s[member]).collect();
            assert_eq!(found, wanted, "{column}");
        }
        assert_eq!(frame.named("parent"), [-1.0, 0.0, 0.0, 0.0]);
        assert_eq!(frame.named("top"), [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(frame.named("status"), [0.0, 2.0, 0.0, 0.0]);
        assert_eq!(frame.named("kind"), [2.0; 4]);
        assert_eq!(frame.named("critical"), [1.0, 1.0, 0.0, 1.0]);
        assert_eq!(frame.named("span_id_low"), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(frame.named("events"), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(
            (frame.named("event.span"), frame.named("event.time")),
            (&[1.0][..], &[10_007.0][..])
        );
        assert_eq!(frame.header["dictionaries"]["event"], json!(["exception"]));
        assert_eq!(frame.named("critical.span"), [0.0, 1.0, 0.0, 3.0]);
        assert_eq!(frame.named("critical.end"), [10_000.0, 60_000.0, 80_000.0, 100_000.0]);
        assert_eq!(frame.header["data"]["trace_id"], data["trace_id"]);
        assert_eq!(frame.header["data"]["start_unix_nano"], data["start_unix_nano"]);
        assert_eq!(frame.header["data"]["error_count"], 1);
        assert_eq!(frame.header["warnings"], json!([]));
        assert_eq!(frame.header["stats"]["rows"], 4);
        world.flush().await;
    }
}

#[tokio::test]
async fn a_span_is_told_alone() {
    let world = World::new().await;
    world.rows(rows(&small())).await;
    // VIS-3: sent twice, told once.
    world.rows(rows(&small())).await;
    let answer = world.native(&format!("{}/spans/2", path())).await;
    let expected = json!([{
        "span_id": "0000000000000002",
        "parent_span_id": "0000000000000001",
        "service": "cart",
        "name": "load",
        "kind": "server",
        "status": "error",
        "start": "2023-11-14T22:13:20.000010000Z",
        "start_unix_nano": "1700000000000010000",
        "duration_ns": 50_000,
        "problems": [],
        "resource": {"attributes": {"service.name": "cart"}},
        "scope": {"name": "lib"},
        "attributes": {"http.route": "/cart/{id}", "http.status_code": 500},
        "events": [{
            "timestamp": "2023-11-14T22:13:20.000010007Z",
            "timestamp_unix_nano": "1700000000000010007",
            "offset_ns": 7,
            "name": "exception",
            "attributes": {"exception.type": "Timeout"},
        }],
        "links": [],
    }]);
    assert_eq!(answer.json()["data"]["spans"], expected);
    for (wrong, status) in [("/spans/9", 404), ("/spans/x", 400), ("/spans/00112233445566778", 400)]
    {
        let answer = world.native(&format!("{}{wrong}", path())).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    }
    let other = world.native(&format!("/traces/{}/spans/2", "02".repeat(16))).await;
    assert_eq!(other.status.as_u16(), 404, "of another trace");
}

#[tokio::test]
async fn which_traces_are_stored() {
    let world = World::new().await;
    world.rows(rows(&small())).await;
    for _ in 0..2 {
        let ids = ["01", "03", "02", "0101"].map(|byte| format!("id={}", byte.repeat(16)));
        let query = format!("/traces/stored?{}", ids[..3].join("&"));
        let stored = world.native(&query).await.json()["data"]["stored"].clone();
        assert_eq!(stored, json!(["01".repeat(16), "02".repeat(16)]));
        assert_eq!(world.native("/traces/stored").await.json()["data"]["stored"], json!([]));
        let wrong = world.native(&format!("/traces/stored?{}", ids[3])).await;
        assert_eq!(wrong.status.as_u16(), 400, "{}", wrong.body);
        let many = vec!["id=1"; 201].join("&");
        let many = world.native(&format!("/traces/stored?{many}")).await;
        assert!(many.body.contains("201 ids are named, limit is 200"), "{}", many.body);
        world.flush().await;
    }
}

#[tokio::test]
async fn spans_by_time_and_duration() {
    let world = World::new().await;
    let spans: Vec<Span> = (0..1000)
        .map(|n| Span {
            status: if n % 10 == 0 { 2 } else { 0 },
            service: if n % 2 == 0 { "web" } else { "cart" },
            ..span(n + 1, 0, n as i64 * 1000, 1 + n as i64)
        })
        .collect();
    world.rows(rows(&spans)).await;
    let (from, to) = (NOW_MS / 1000, NOW_MS / 1000 + 1);
    for place in ["memory", "blocks"] {
        for (q, total) in [("", 1000), ("service:web", 500), ("duration%3E%3D500us", 501)] {
            let query = format!("/traces/histogram?q={q}&start={from}&end={to}&buckets=10");
            let answer = world.native(&query).await.json();
            let data = &answer["data"];
            assert_eq!(data["total"], total, "{place}: {q}");
            assert_eq!((&data["start_ms"], &data["step_ms"]), (&json!(NOW_MS), &json!(100)));
            let numbers = |member: &str| -> Vec<u64> {
                data[member].as_array().unwrap().iter().map(|n| n.as_u64().unwrap_or(0)).collect()
            };
            let sums: Vec<u64> = data["counts"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum())
                .collect();
            assert_eq!(sums, numbers("spans"));
            assert_eq!(sums.len(), 10);
            if q.is_empty() {
                assert_eq!(numbers("spans"), [100; 10]);
                assert_eq!(numbers("errors"), [10; 10]);
                let p99 = numbers("p99_ns")[4] as f64;
                assert!((p99 / 499_000.0 - 1.0).abs() < 0.05, "{p99}");
                let bounds = numbers("bounds_ns");
                assert!(bounds.is_sorted() && bounds.len() <= 41, "{bounds:?}");
                assert!(*bounds.last().unwrap() >= 1_000_000, "{bounds:?}");
            }
        }
        world.flush().await;
    }
    let nothing = world.native("/traces/histogram?q=service:none").await.json();
    assert_eq!((&nothing["data"]["total"], &nothing["data"]["bounds_ns"]), (&json!(0), &json!([])));
    let wrong = world.native("/traces/histogram?q=duration%3Ex").await.json();
    assert_eq!(wrong["span"], json!({"start": 9, "end": 10}));
}

/// A trace of so many spans: a root with ten children, each of them with ten, and so on.
fn large(count: u64) -> Vec<Span> {
    let services = ["web", "cart", "pay", "mail"];
    (1..=count)
        .map(|id| Span {
            service: services[id as usize % 4],
            status: if id % 50 == 0 { 2 } else { 0 },
            rich: true,
            ..span(id, (id + 8) / 10, id as i64, 2 * (count - id) as i64 + 1)
        })
        .collect()
}

async fn store(world: &World, spans: &[Span]) {
    for part in spans.chunks(20_000) {
        world.rows(rows(part)).await;
    }
    world.flush().await;
}

/// Asks for the trace in both forms and prints what that takes.
async fn both(world: &World) -> (Frame, Value) {
    let begin = Instant::now();
    let frame = world.frame(&path()).await;
    let drawn = begin.elapsed();
    let begin = Instant::now();
    let answer = world.native(&path()).await;
    println!(
        "{} spans: columns {drawn:?}, {} bytes; JSON {:?}, {} bytes",
        frame.named("start").len(),
        frame.bytes,
        begin.elapsed(),
        answer.body.len()
    );
    (frame, answer.json())
}

#[tokio::test]
async fn a_large_trace_is_answered_whole() {
    let world = World::new().await;
    store(&world, &large(20_000)).await;
    let (frame, answer) = both(&world).await;
    assert_eq!(frame.named("start").len(), 20_000);
    assert_eq!(answer["data"]["spans"].as_array().unwrap().len(), 20_000);
    assert_eq!(answer.get("warnings"), None, "nothing is cut");
}

#[tokio::test]
async fn what_is_cut_of_a_larger_trace_is_said() {
    let world = World::new().await;
    store(&world, &large(100_500)).await;
    let (frame, answer) = both(&world).await;
    assert_eq!(frame.named("start").len(), 100_000);
    assert_eq!(answer["data"]["spans"].as_array().unwrap().len(), 100_000);
    for answer in [&answer, &frame.header] {
        assert_eq!(answer["data"]["span_count"], 100_500);
        let warning = "spans that are left out, those farthest below the root: 500";
        assert_eq!(answer["warnings"], json!([warning]));
    }
}

/// Attributes are left out before the trace is.
#[tokio::test]
async fn a_trace_that_is_too_large_for_its_attributes_keeps_its_shape() {
    let limits = Limits { memory_budget: ByteSize::mib(64), ..Limits::default() };
    let world = World::with(limits).await;
    store(&world, &large(25_000)).await;
    let answer = world.native(&path()).await.json();
    let spans = answer["data"]["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 25_000);
    let bare = spans.iter().filter(|span| span.get("attributes").is_none()).count();
    let warning =
        format!("spans without attributes, events and links, which need too much memory: {bare}");
    assert!(bare > 0 && bare < 25_000, "{bare}");
    assert_eq!(answer["warnings"], json!([warning]));
}
