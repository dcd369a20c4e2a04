//! Series made of spans say what SQL says over the spans themselves: while they come, after a flush,
//! and after SIGKILL in the middle, without a counter that falls back.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http::Method;
use opentelemetry_proto::tonic::trace::v1::Status;
use tarn_testkit::http::{Http, data_of};
use tarn_testkit::otlp;
use tarn_testkit::process::Tarn;

use crate::{TARN, data_folder, now_ms, number, rows};

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

async fn start(data: &Path) -> Result<Tarn> {
    Tarn::start(TARN, data, &FLAGS).await
}

/// Sends a trace: `web` is called from outside, calls `cart` `calls` times, and each calls a database.
async fn send(http: &Http, trace: u128, calls: u64) -> Result<()> {
    let now_ns = now_ms() as u64 * 1_000_000;
    let span = |id, parent, name: &str, kind, ms: u64, failed| {
        let mut span = otlp::span(trace, id, parent, name, now_ns, ms * 1_000_000);
        span.kind = kind;
        if failed {
            span.status = Some(Status { code: 2, ..Status::default() });
        }
        span
    };
    let mut web = vec![span(1, 0, &format!("GET /users/{trace}"), 2, 40, false)];
    let mut cart = Vec::new();
    for call in 0..calls {
        let (client, server, query) = (10 + call * 3, 11 + call * 3, 12 + call * 3);
        web.push(span(client, 1, "call cart", 3, 30 + call, false));
        cart.push(span(server, client, "cart.Add", 2, 20 + call, call == 1));
        let mut database = span(query, server, "SELECT", 3, 1 << call, false);
        database.attributes = vec![otlp::text("db.system", "postgresql")];
        cart.push(database);
    }
    // The callee's spans come first: the two meet in any order.
    for (service, spans) in [("cart", cart), ("web", web)] {
        let answer = otlp::send_spans(http, &otlp::spans(service, spans)).await?;
        ensure!(answer.status == 200, "{}", answer.text());
    }
    Ok(())
}

async fn flush(http: &Http) -> Result<()> {
    let answer = http.send(Method::POST, "/-/flush", &[], "").await?;
    ensure!(answer.status == 200, "{}", answer.text());
    Ok(())
}

/// Returns what a PromQL query says, by the values of these labels.
async fn ask(http: &Http, query: &str, by: &[&str]) -> Result<BTreeMap<String, f64>> {
    let data = data_of(&http.get("/api/v1/query", &[("query", query)]).await?)?;
    let found = data["result"].as_array().context("a vector")?.iter().map(|sample| {
        let labels = by.iter().map(|by| sample["metric"][by].as_str().unwrap_or_default());
        Ok((labels.collect::<Vec<_>>().join(" "), number(&sample["value"][1])?))
    });
    found.collect()
}

/// Returns what SQL says over the spans: their number by service, kind and status.
async fn counted(http: &Http) -> Result<BTreeMap<String, f64>> {
    let sql = "SELECT service_name, kind, status, count(*), sum(duration_ns) / 1e9 FROM spans GROUP BY 1, 2, 3";
    let mut all = BTreeMap::new();
    for row in rows(http, sql).await? {
        let kind = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT"]
            .get(number(&row[1])? as usize)
            .context("a kind")?;
        let status = ["UNSET", "OK", "ERROR"].get(number(&row[2])? as usize).context("a status")?;
        let service = row[0].as_str().context("a name")?;
        let key = format!("{service} SPAN_KIND_{kind} STATUS_CODE_{status}");
        all.insert(key, number(&row[3])?);
    }
    Ok(all)
}

/// Waits until the series say what the spans say, and compares all their forms.
async fn assert_same(http: &Http) -> Result<()> {
    let wanted = counted(http).await?;
    let by = ["service", "span_kind", "status_code"];
    let grouped = |what: &str| format!("sum by (service, span_kind, status_code) ({what})");
    let begin = Instant::now();
    loop {
        let calls = ask(http, &grouped("traces_spanmetrics_calls_total"), &by).await?;
        if calls == wanted {
            break;
        }
        ensure!(begin.elapsed() < PATIENCE, "{calls:#?}, but there are {wanted:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for same in [
        "histogram_count(traces_spanmetrics_latency)",
        "traces_spanmetrics_latency_count",
        "traces_spanmetrics_latency_bucket{le=\"+Inf\"}",
    ] {
        let found = ask(http, &grouped(same), &by).await?;
        ensure!(found == wanted, "{same}: {found:#?}, but there are {wanted:#?}");
    }
    let bound = "SELECT count(*), sum(duration_ns) / 1e9 FROM spans WHERE duration_ns <= 16000000";
    let row = rows(http, bound).await?.pop().context("a row")?;
    let found = ask(http, "sum(traces_spanmetrics_latency_bucket{le=\"0.016\"})", &[]).await?[""];
    ensure!(found == number(&row[0])?, "{found} at most 16 ms, not {}", row[0]);
    let row =
        rows(http, "SELECT sum(duration_ns) / 1e9 FROM spans").await?.pop().context("a row")?;
    for sum in
        ["histogram_sum(sum(traces_spanmetrics_latency))", "sum(traces_spanmetrics_latency_sum)"]
    {
        let found = ask(http, sum, &[]).await?[""];
        ensure!((found - number(&row[0])?).abs() < 1e-6, "{sum}: {found}, not {}", row[0]);
    }
    Ok(())
}

/// The edges, as far as they are whole.
async fn edges(http: &Http, metric: &str) -> Result<BTreeMap<String, f64>> {
    let query = format!("sum by (client, server, connection_type) ({metric})");
    ask(http, &query, &["client", "server", "connection_type"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_of_spans_equal_the_spans_and_go_on_after_a_kill() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let mut tarn = start(&data).await?;
    let (mut traces, mut calls) = (0, 0);
    for trace in 1..=20 {
        send(&tarn.http, trace, trace as u64 % 4).await?;
        (traces, calls) = (traces + 1, calls + trace as u64 % 4);
        if trace == 10 {
            flush(&tarn.http).await?;
        }
    }
    assert_same(&tarn.http).await?;
    let wanted = BTreeMap::from([
        ("cart postgresql database".to_owned(), calls as f64),
        ("user web virtual_node".to_owned(), f64::from(traces)),
        ("web cart ".to_owned(), calls as f64),
    ]);
    ensure!(edges(&tarn.http, "traces_service_graph_request_total").await? == wanted);
    let client = "histogram_count(traces_service_graph_request_client_seconds)";
    ensure!(edges(&tarn.http, client).await? == wanted);
    let server = "traces_service_graph_request_server_seconds_count";
    ensure!(edges(&tarn.http, server).await? == wanted);
    let failed = edges(&tarn.http, "traces_service_graph_request_failed_total").await?;
    ensure!(failed["web cart "] == 10.0, "{failed:?}");
    let names = "count by (span_name) (traces_spanmetrics_calls_total{service=\"web\"})";
    let names = ask(&tarn.http, names, &["span_name"]).await?;
    ensure!(names.contains_key("GET /users/<id>"), "{names:?}");
    ensure!(!names.contains_key("GET /users/12"), "{names:?}");

    // Killed at some point between two intervals; the requests that were acknowledged count once.
    for round in 0..4_u64 {
        for trace in 0..8_u64 {
            send(&tarn.http, u128::from(100 + round * 10 + trace), 2).await?;
            tokio::time::sleep(Duration::from_millis(round * 17 + trace * 5)).await;
        }
        if round == 2 {
            flush(&tarn.http).await?;
        }
        tarn.kill()?;
        tarn = start(&data).await?;
        assert_same(&tarn.http).await.with_context(|| format!("round {round}"))?;
    }
    let resets = ask(&tarn.http, "sum(resets(traces_spanmetrics_calls_total[10m]))", &[]).await?;
    ensure!(resets[""] == 0.0, "{resets:?}");
    ensure!(tarn.stop().await?.success(), "stops in order");
    let tarn = start(&data).await?;
    assert_same(&tarn.http).await.context("after a stop")?;
    let unexpected = tarn.unexpected_lines(&["torn tail", "did not stop cleanly", "unclean"]);
    ensure!(unexpected.is_empty(), "unexpected lines in the log: {unexpected:#?}");
    Ok(())
}
