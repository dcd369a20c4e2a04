//! Services: what their series say, compared with SQL over the spans themselves.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tarn_model::attributes::ValueKind;
use tarn_model::sample::{Counts, Histogram, ResetHint};
use tarn_storage::append::rows::{LogRow, LogRows, SpanRow, SpanRows, TableRows};

use crate::support::{NOW_MS, World, float, histogram};

/// One span of the shop.
struct Span {
    service: &'static str,
    kind: i32,
    status: i32,
    at_ms: i64,
    ms: i64,
}

const KINDS: [&str; 4] = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT"];

/// An hour of `web`, which calls `cart`, which fails from the middle of the hour on; and of `batch`,
/// which nobody calls.
fn shop() -> Vec<Span> {
    let mut spans = Vec::new();
    for n in 0..720_i64 {
        let at_ms = NOW_MS - 3_600_000 + n * 5_000 + 100;
        let failed = n > 360 && n % 4 == 0;
        let status = if failed { 2 } else { 0 };
        spans.push(Span { service: "web", kind: 2, status: 0, at_ms, ms: 20 + n % 7 });
        spans.push(Span { service: "web", kind: 3, status, at_ms, ms: 10 });
        spans.push(Span { service: "cart", kind: 2, status, at_ms, ms: 5 + n % 11 });
        if n % 10 == 0 {
            spans.push(Span { service: "batch", kind: 1, status: 0, at_ms, ms: 1000 });
        }
    }
    spans
}

fn rows(spans: &[Span]) -> TableRows {
    let mut rows = SpanRows::default();
    let scope = rows.scope("{}");
    for (n, span) in spans.iter().enumerate() {
        let version = if span.at_ms < NOW_MS - 1_800_000 { "1.0" } else { "1.1" };
        let attributes = json!({"service.name": span.service, "service.version": version,
            "service.instance.id": format!("{}-1", span.service)});
        let resource = rows.resource(&json!({"attributes": attributes}).to_string(), span.service);
        rows.push(&SpanRow {
            resource,
            scope,
            trace_id: (n as u128 / 3 + 1).to_be_bytes(),
            span_id: (n as u64 + 1).to_be_bytes(),
            parent_span_id: None,
            start_ns: span.at_ms * 1_000_000,
            duration_ns: span.ms * 1_000_000,
            name: if span.kind == 3 { "call" } else { "handle" },
            kind: span.kind,
            status: span.status,
            status_message: if span.status == 2 { "card declined" } else { "" },
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

/// Buckets of schema 3, as a client library counts.
fn latency(spans: &[&Span]) -> Histogram {
    let mut buckets: BTreeMap<i32, i64> = BTreeMap::new();
    let mut sum = 0.0;
    for span in spans {
        let seconds = span.ms as f64 / 1000.0;
        sum += seconds;
        *buckets.entry((seconds.log2() * 8.0).ceil() as i32).or_default() += 1;
    }
    Histogram {
        schema: 3,
        bounds: Vec::new(),
        zero_threshold: 1e-9,
        sum,
        positive: buckets.keys().copied().collect(),
        negative: Vec::new(),
        counts: Counts::Int {
            count: spans.len() as u64,
            zero: 0,
            buckets: buckets.values().copied().collect(),
        },
        reset_hint: ResetHint::Unknown,
    }
}

/// Stores the series that ingest makes: cumulative, every 15 s, with zeros in front.
async fn store_series(world: &World, spans: &[Span]) {
    let mut groups: BTreeMap<(&str, i32, i32), Vec<&Span>> = BTreeMap::new();
    for span in spans {
        groups.entry((span.service, span.kind, span.status)).or_default().push(span);
    }
    world
        .write(|a| {
            for ((service, kind, status), spans) in &groups {
                let kind = format!("SPAN_KIND_{}", KINDS[*kind as usize]);
                let status = if *status == 2 { "STATUS_CODE_ERROR" } else { "STATUS_CODE_UNSET" };
                let pairs = [
                    ("service", *service),
                    ("span_kind", kind.as_str()),
                    ("span_name", "handle"),
                    ("status_code", status),
                ];
                let named = |name| [&[("__name__", name)][..], &pairs].concat();
                let calls = named("traces_spanmetrics_calls_total");
                let durations = named("traces_spanmetrics_latency");
                let mut points = Vec::new();
                for tick in 0..=240 {
                    let at_ms = NOW_MS - 3_600_000 + tick * 15_000;
                    let so_far: Vec<&Span> =
                        spans.iter().copied().filter(|s| s.at_ms <= at_ms).collect();
                    let next = spans.iter().any(|s| s.at_ms <= at_ms + 15_000);
                    if so_far.is_empty() && !next {
                        continue;
                    }
                    points.push((at_ms, so_far.len() as f64));
                    histogram(a, &durations, at_ms, latency(&so_far));
                }
                float(a, &calls, &points);
            }
        })
        .await;
}

fn by_name(answer: &Value) -> BTreeMap<String, Value> {
    let list = answer["data"]["services"].as_array().unwrap();
    list.iter().map(|s| (s["name"].as_str().unwrap().to_owned(), s.clone())).collect()
}

fn near(found: &Value, wanted: f64, share: f64) {
    let number = found.as_f64().unwrap_or_else(|| panic!("{found}"));
    assert!((number - wanted).abs() <= wanted.abs() * share, "{number}, not {wanted}");
}

async fn sql(world: &World, text: &str) -> Vec<(String, f64, f64, f64)> {
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::Float64Type;
    let answer = world.engine.sql_whole(&world.tenant, text, true).await.unwrap();
    let mut rows = Vec::new();
    for batch in &answer.batches {
        let number = |column: usize| batch.column(column).as_primitive::<Float64Type>().clone();
        let names = arrow_cast_to_strings(batch.column(0));
        for (row, name) in names.iter().enumerate() {
            let [a, b, c] = [1, 2, 3].map(|column| number(column).value(row));
            rows.push((name.clone(), a, b, c));
        }
    }
    rows
}

fn arrow_cast_to_strings(column: &arrow_array::ArrayRef) -> Vec<String> {
    use arrow_array::cast::AsArray as _;
    if let Some(texts) = column.as_string_opt::<i32>() {
        return texts.iter().map(|t| t.unwrap_or_default().to_owned()).collect();
    }
    let texts = column.as_dictionary::<arrow_array::types::Int32Type>();
    let values = texts.values().as_string::<i32>();
    (0..texts.len()).map(|row| values.value(texts.keys().value(row) as usize).to_owned()).collect()
}

#[tokio::test]
async fn services_say_what_sql_says_of_the_spans() {
    let world = World::new().await;
    let spans = shop();
    world.rows(rows(&spans)).await;
    store_series(&world, &spans).await;
    for place in ["memory", "blocks"] {
        let answer = world.native("/services").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let found = by_name(&answer.json());
        assert_eq!(found.keys().collect::<Vec<_>>(), ["batch", "cart", "web"], "{place}");
        let counted = sql(
            &world,
            "SELECT service_name, CAST(count(*) AS DOUBLE) / 3600, \
             avg(CASE WHEN status = 2 THEN 1.0 ELSE 0.0 END), \
             CAST(approx_percentile_cont(duration_ns, 0.99) AS DOUBLE) \
             FROM spans WHERE kind = 2 OR service_name = 'batch' GROUP BY 1 ORDER BY 1",
        )
        .await;
        assert_eq!(counted.len(), 3);
        for (name, rate, errors, p99_ns) in counted {
            let service = &found[&name];
            near(&service["spans_per_second"], rate, 0.03);
            near(&service["errors_ratio"], errors, 0.03);
            // Buckets are 9 % wide.
            near(&service["p99_ns"], p99_ns, 0.1);
            assert_eq!(service["versions"], json!(["1.1", "1.0"]), "{place}: newest first");
            let rates = service["series"]["rate"].as_array().unwrap();
            assert_eq!(rates.len(), 60);
            let entry = if name == "batch" { "all_spans" } else { "entry_spans" };
            assert_eq!(service["measured_by"], entry);
        }
        let errors = found["cart"]["series"]["errors"].as_array().unwrap();
        assert!(errors[10].as_f64().unwrap() == 0.0, "{errors:?}");
        near(&errors[45], 0.05, 0.35);
        world.flush().await;
    }
}

/// One error in an hour is not lost between two steps, wherever it falls.
#[tokio::test]
async fn a_single_error_is_seen_at_any_step() {
    for n in [0, 3, 4, 5, 11, 12] {
        let world = World::new().await;
        let mut spans = shop();
        spans.retain(|span| span.service == "web" && span.kind == 2);
        spans[300 + n].status = 2;
        store_series(&world, &spans).await;
        let answer = world.native("/services?points=60").await.json();
        let web = &by_name(&answer)["web"];
        let per_span = web["spans_per_second"].as_f64().unwrap() * 3600.0;
        let errors = web["errors_ratio"].as_f64().unwrap() * per_span;
        assert!(errors > 0.5 && errors < 2.0, "{n}: {errors}");
    }
}

#[tokio::test]
async fn who_only_logs_is_a_service_too() {
    let world = World::new().await;
    let mut logs = LogRows::default();
    let scope = logs.scope("{}");
    for n in 0..10_i64 {
        let resource =
            logs.resource(&json!({"attributes": {"service.name": "cron"}}).to_string(), "cron");
        logs.push(&LogRow {
            resource,
            scope,
            time_ns: (NOW_MS - 60_000 + n) * 1_000_000,
            observed_ns: (NOW_MS - 60_000 + n) * 1_000_000,
            severity_number: if n < 3 { 17 } else { 9 },
            severity_text: "",
            body: Some("tick"),
            body_kind: ValueKind::Text,
            trace_id: None,
            span_id: None,
            flags: 0,
            event_name: "",
            dropped_attributes: 0,
        });
    }
    world.rows(TableRows::Logs(logs)).await;
    let answer = world.native("/services").await.json();
    let wanted = json!([{
        "name": "cron", "spans_per_second": null, "errors_ratio": null, "p50_ns": null,
        "p99_ns": null, "measured_by": null, "log_errors": 3, "versions": [], "series": null,
    }]);
    assert_eq!(answer["data"]["services"], wanted);
    let before = format!("/services?start=0&end={}", NOW_MS / 1000 - 3600);
    assert_eq!(world.native(&before).await.json()["data"]["services"], json!([]));
    for wrong in ["start=5&end=5", "points=0", "points=x", "start=x"] {
        let answer = world.native(&format!("/services?{wrong}")).await;
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
    }
}

/// Stores what ingest makes of calls: 720 from `web` to `cart`, of which every tenth fails, and as
/// many from `cart` to a database.
async fn store_edges(world: &World) {
    world
        .write(|a| {
            for (client, server, connection) in
                [("web", "cart", ""), ("cart", "orders", "database")]
            {
                let ends =
                    [("client", client), ("connection_type", connection), ("server", server)];
                let named = |name| [&[("__name__", name)][..], &ends].concat();
                let (mut all, mut failed) = (Vec::new(), Vec::new());
                for tick in 0..=240_i64 {
                    let at_ms = NOW_MS - 3_600_000 + tick * 15_000;
                    all.push((at_ms, (tick * 3) as f64));
                    failed.push((at_ms, (tick * 3 / 10) as f64));
                    let spans = Span { service: client, kind: 3, status: 0, at_ms, ms: 40 };
                    let spans = vec![&spans; tick as usize * 3];
                    let seconds = named("traces_service_graph_request_client_seconds");
                    histogram(a, &seconds, at_ms, latency(&spans));
                }
                float(a, &named("traces_service_graph_request_total"), &all);
                float(a, &named("traces_service_graph_request_failed_total"), &failed);
            }
        })
        .await;
}

#[tokio::test]
async fn one_service_with_all_that_is_known_of_it() {
    let world = World::new().await;
    let spans = shop();
    world.rows(rows(&spans)).await;
    store_series(&world, &spans).await;
    store_edges(&world).await;
    let half = format!("start={}&points=30", NOW_MS / 1000 - 1800);
    for place in ["memory", "blocks"] {
        let answer = world.native(&format!("/services/cart?{half}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let answer = answer.json();
        let data = &answer["data"];
        assert_eq!((&data["name"], &data["measured_by"]), (&json!("cart"), &json!("entry_spans")));
        near(&data["spans_per_second"], 0.2, 0.05);
        near(&data["errors_ratio"], 0.25, 0.05);
        assert_eq!(data["series"]["rate"].as_array().unwrap().len(), 30);
        assert_eq!(data["operations"].as_array().unwrap().len(), 1, "{place}");
        let operation = &data["operations"][0];
        assert_eq!((&operation["name"], &operation["kind"]), (&json!("handle"), &json!("server")));
        near(&operation["spans_per_second"], 0.2, 0.05);
        let (up, down) = (&data["upstream"], &data["downstream"]);
        assert_eq!((&up[0]["service"], &up[1]), (&json!("web"), &Value::Null));
        near(&up[0]["errors_ratio"], 0.1, 0.1);
        near(&up[0]["p99_ns"], 40e6, 0.1);
        assert_eq!(down[0]["service"], "orders");
        assert_eq!(down[0]["connection_type"], "database");
        let deploys: Vec<(&Value, &Value)> = data["deploys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|deploy| (&deploy["version"], &deploy["before_start"]))
            .collect();
        assert_eq!(deploys, [(&json!("1.0"), &json!(true)), (&json!("1.1"), &json!(false))]);
        assert_eq!(data["deploys"][1]["first_seen_ms"], NOW_MS - 1_800_000 + 100);
        assert_eq!(data["instances"][0]["id"], "cart-1");
        assert_eq!(data["resource"]["service.name"], "cart");
        assert_eq!(data["resource"].get("service.version"), None, "they differ in it");
        let error = &data["top_errors"][0];
        assert_eq!((&error["message"], &error["count"]), (&json!("card declined"), &json!(89)));
        let id = error["trace_id"].as_str().unwrap();
        let stored = world.native(&format!("/traces/stored?id={id}")).await.json();
        assert_eq!(stored["data"]["stored"], json!([id]), "there is something to look at");
        world.flush().await;
    }
    let nobody = world.native("/services/no%20body").await.json();
    assert_eq!(nobody["data"]["name"], "no body");
    assert_eq!((&nobody["data"]["series"], &nobody["data"]["deploys"]), (&Value::Null, &json!([])));
    let quoted = world.native("/services/a%22%5C%7D%2B%2F").await;
    assert_eq!(quoted.status, 200, "{}", quoted.body);
    assert_eq!(quoted.json()["data"]["name"], "a\"\\}+/");
}

#[tokio::test]
async fn who_calls_whom() {
    let world = World::new().await;
    let spans = shop();
    store_series(&world, &spans).await;
    store_edges(&world).await;
    let answer = world.native("/services/graph").await.json();
    let data = &answer["data"];
    let nodes: Vec<(&str, &str)> = data["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["name"].as_str().unwrap(), node["kind"].as_str().unwrap()))
        .collect();
    let expected =
        [("batch", "service"), ("cart", "service"), ("orders", "database"), ("web", "service")];
    assert_eq!(nodes, expected);
    let edges = data["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 2);
    let to_cart = edges.iter().find(|edge| edge["server"] == "cart").unwrap();
    near(&to_cart["per_second"], 0.2, 0.05);
    near(&to_cart["errors_ratio"], 0.1, 0.1);
    near(&to_cart["p99_ns"], 40e6, 0.1);
}
