//! Services and traces over HTTP, as a page asks for them: what they say is what SQL says over the
//! spans, and a trace that an exemplar names is there.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http::Method;
use opentelemetry_proto::tonic::trace::v1::Status;
use serde_json::Value;
use tarn_testkit::http::{Http, data_of};
use tarn_testkit::otlp;
use tarn_testkit::process::Tarn;

use crate::{TARN, data_folder, now_ms, number, rows, seconds};

const FLAGS: [&str; 8] = [
    "--telemetry.own-logs",
    "false",
    "--telemetry.own-traces",
    "false",
    "--telemetry.own-metrics",
    "false",
    "--span-metrics.interval",
    "300ms",
];
/// Longer than several intervals on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends forty traces in one request for each service: `web` calls `cart`, every fourth call fails.
async fn send(http: &Http) -> Result<()> {
    let now_ns = now_ms() as u64 * 1_000_000;
    let (mut web, mut cart) = (Vec::new(), Vec::new());
    for trace in 1..=40_u128 {
        let span = |id, parent, name: &str, kind, ms: u64| {
            let mut span = otlp::span(trace, id, parent, name, now_ns, ms * 1_000_000);
            span.kind = kind;
            span
        };
        web.push(span(1, 0, "GET /cart", 2, 40));
        web.push(span(2, 1, "call cart", 3, 30));
        let mut server = span(3, 2, "cart.Get", 2, 20);
        if trace % 4 == 0 {
            server.status = Some(Status { code: 2, message: "card declined".to_owned() });
        }
        cart.push(server);
    }
    for (service, spans) in [("cart", cart), ("web", web)] {
        let answer = otlp::send_spans(http, &otlp::spans(service, spans)).await?;
        ensure!(answer.status == 200, "{}", answer.text());
    }
    Ok(())
}

async fn data(http: &Http, path: &str, query: &[(&str, &str)]) -> Result<Value> {
    data_of(&http.get(path, query).await?)
}

/// Waits until a request is answered as it should be.
async fn until(http: &Http, path: &str, is_wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let begin = Instant::now();
    loop {
        let found = data(http, path, &[]).await?;
        if is_wanted(&found) {
            return Ok(found);
        }
        ensure!(begin.elapsed() < PATIENCE, "{path}: {found:#}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_and_traces_say_what_sql_says() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &FLAGS).await?;
    let http = &tarn.http;
    send(http).await?;

    let failed = "SELECT avg(CASE WHEN status = 2 THEN 1.0 ELSE 0.0 END) FROM spans \
                  WHERE service_name = 'cart' AND kind = 2";
    let wanted = number(&rows(http, failed).await?.pop().context("a row")?[0])?;
    let ratio = |service: &Value| number(&service["errors_ratio"]).unwrap_or(f64::NAN);
    let is_cart = |s: &&Value| s["name"] == "cart" && (ratio(s) - wanted).abs() < 0.02;
    let services = until(http, "/api/v1/services", |data| {
        data["services"].as_array().is_some_and(|list| list.iter().find(is_cart).is_some())
    })
    .await?;
    let names: Vec<&Value> =
        services["services"].as_array().context("a list")?.iter().map(|s| &s["name"]).collect();
    ensure!(names.len() == 2, "{names:?}");
    let cart = until(http, "/api/v1/services/cart", |cart| cart["upstream"][0].is_object()).await?;
    ensure!(cart["upstream"][0]["service"] == "web", "{cart:#}");
    ensure!(cart["top_errors"][0]["message"] == "card declined", "{cart:#}");
    ensure!(cart["top_errors"][0]["count"] == 10, "{cart:#}");
    let graph = data(http, "/api/v1/services/graph", &[]).await?;
    let edges = graph["edges"].as_array().context("edges")?;
    ensure!(edges.iter().any(|e| e["client"] == "web" && e["server"] == "cart"), "{graph:#}");

    let all = rows(http, "SELECT count(*) FROM spans").await?.pop().context("a row")?;
    let histogram = data(http, "/api/v1/traces/histogram", &[("buckets", "10")]).await?;
    ensure!(number(&histogram["total"])? == number(&all[0])?, "{histogram:#}");

    // From a metric to a trace that is there.
    let (start, end) = (seconds(now_ms() - 600_000), seconds(now_ms() + 60_000));
    let query = [("query", "traces_spanmetrics_latency"), ("start", &*start), ("end", &*end)];
    let found = data(http, "/api/v1/query_exemplars", &query).await?;
    let id = found[0]["exemplars"][0]["labels"]["trace_id"].as_str().context("an exemplar")?;
    let stored = data(http, "/api/v1/traces/stored", &[("id", id)]).await?;
    ensure!(stored["stored"][0] == id, "{stored:#}");
    let path = format!("/api/v1/traces/{id}");
    let trace = data(http, &path, &[]).await?;
    ensure!(trace["critical_path"].as_array().is_some_and(|path| !path.is_empty()), "{trace:#}");
    let span = data(http, &format!("{path}/spans/0000000000000003"), &[]).await?;
    ensure!(span["spans"][0]["service"] == "cart", "{span:#}");
    let frame = "application/vnd.tarn.frame";
    let answer = http.send(Method::GET, &path, &[("accept", frame)], "").await?;
    let kind = answer.headers.get("content-type").context("a type")?;
    ensure!(kind == frame, "{kind:?}");
    ensure!(data(http, "/api/v1/queries", &[]).await?["running"].is_array(), "a list");
    let unknown = http.send(Method::POST, "/api/v1/queries/0/cancel", &[], "").await?;
    ensure!(unknown.status == 404, "{}", unknown.text());
    Ok(())
}
