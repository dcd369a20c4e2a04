//! Objectives: events are counted once as they become durable, through kills; an outage pages within
//! seconds, and the budget tells.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use opentelemetry_proto::tonic::trace::v1::Status;
use tarn_testkit::otlp;
use tarn_testkit::process::Tarn;
use tarn_testkit::receiver::{Act, Receiver};
use tarn_testkit::remote_write::{Series, send_v1};

use crate::{TARN, data_folder, now_ms};

const OBJECTIVES: &str = r#"
slos:
- name: shop
  service: shop
  objective: 99.9
  sli:
    ratio:
      bad: shop_requests_total{code="500"}
      valid: shop_requests_total
- name: spans
  service: shop
  objective: 99
  group_by: [name]
  sli:
    events: { table: spans, valid: "service_name = 'shop'", good: "status <> 2" }
"#;

#[expect(clippy::disallowed_methods, reason = "settings of a child process")]
fn put(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}

async fn value(tarn: &Tarn, query: &str) -> Result<Option<f64>> {
    let answer = tarn.http.get("/api/v1/query", &[("query", query)]).await?;
    let json = answer.json()?;
    let Some(text) = json["data"]["result"][0]["value"][1].as_str() else { return Ok(None) };
    Ok(Some(text.parse()?))
}

async fn until(tarn: &Tarn, query: &str, wanted: f64) -> Result<()> {
    let begun = Instant::now();
    loop {
        let found = value(tarn, query).await?;
        if found == Some(wanted) {
            return Ok(());
        }
        ensure!(begun.elapsed() < Duration::from_secs(30), "{query}: {found:?}, not {wanted}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Counters as a client would send them: totals since its start.
async fn send(tarn: &Tarn, good: f64, bad: f64) -> Result<()> {
    let of = |code, value| {
        let labels = [("__name__", "shop_requests_total"), ("code", code)];
        Series::of(&labels, vec![(now_ms(), value)])
    };
    let answer = send_v1(&tarn.http, &[of("200", good), of("500", bad)]).await?;
    ensure!(answer.status == 204, "{}", answer.text());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_pages_once_and_every_event_counts_once() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let receiver = Receiver::start([], Act::answer(200, "ok")).await?;
    let slos = put(temporary.path(), "slos.yaml", OBJECTIVES)?;
    let routes = format!(
        "route: {{receiver: hook, group_by: [slo, severity], group_wait: 0s, group_interval: 1s}}\n\
         receivers:\n- name: hook\n  webhook_configs: [{{url: 'http://{}/'}}]\n",
        receiver.address()
    );
    let routes = put(temporary.path(), "alertmanager.yml", &routes)?;
    let (slos, routes) = (slos.display().to_string(), routes.display().to_string());
    let flags = [
        "--alerting.slo-files",
        &slos,
        "--alerting.alertmanager-config",
        &routes,
        "--alerting.shipped-rules",
        "false",
    ];
    let mut tarn = Tarn::start(TARN, &data_folder(&temporary), &flags).await?;
    let selector = "{slo=\"shop\",slo_service=\"shop\"}";
    let (good, valid) =
        (format!("tarn:slo_good_total{selector}"), format!("tarn:slo_valid_total{selector}"));
    // What was there before the ledger began counts for nothing, a new counter for what it says.
    send(&tarn, 1000.0, 0.0).await?;
    let begun = Instant::now();
    while value(&tarn, &valid).await?.is_none() {
        ensure!(begun.elapsed() < Duration::from_secs(30), "the ledger does not begin");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let first = value(&tarn, &valid).await?.context("the ledger has gone")?;
    ensure!(first == 0.0 || first == 1000.0, "{first}");
    for round in 1..=3 {
        let grown = first + f64::from(round) * 500.0;
        send(&tarn, 1000.0 + f64::from(round) * 500.0, 0.0).await?;
        tarn.kill()?;
        tarn.start_again().await?;
        until(&tarn, &valid, grown).await?;
        until(&tarn, &good, grown).await?;
    }
    let spans = |n: u8, bad: bool| {
        let now = now_ms() as u64 * 1_000_000;
        let one = |i: u8| {
            let id = u64::from(i) + if bad { 1000 } else { 1 };
            let mut span = otlp::span(u128::from(id), id, 0, "pay", now, 1_000_000);
            span.status = bad.then(|| Status { code: 2, ..Status::default() });
            span
        };
        otlp::spans("shop", (0..n).map(one).collect())
    };
    ensure!(otlp::send_spans(&tarn.http, &spans(20, false)).await?.status == 200);
    ensure!(otlp::send_spans(&tarn.http, &spans(5, true)).await?.status == 200);
    until(&tarn, "sum(tarn:slo_valid_total{slo=\"spans\"})", 25.0).await?;
    until(&tarn, "sum(tarn:slo_good_total{slo=\"spans\"})", 20.0).await?;
    // From now on everything fails.
    let begun = Instant::now();
    for round in 1..=20 {
        send(&tarn, 2500.0, f64::from(round) * 200.0).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (paged, took) = pages(&receiver, begun).await?;
    println!("an outage paged within {took:?}");
    ensure!(paged == 1, "{paged} pages of one outage");
    let answer = tarn.http.get("/api/v1/slos", &[("name", "shop")]).await?.json()?;
    let budget = &answer["data"][0]["budgets"][0];
    ensure!(budget["valid"] == first + 5500.0, "{answer}");
    ensure!(budget["good"] == first + 1500.0, "{answer}");
    ensure!(budget["budget_left"].as_f64().context("no budget")? < 0.0, "{answer}");
    ensure!(budget["burning"][0]["severity"] == "page", "{answer}");
    ensure!(tarn.http.get("/api/v1/slos", &[("name", "none")]).await?.status == 404);
    Ok(())
}

/// Waits for the page of the outage, and for a while longer; returns how many came, and when the
/// first was there.
async fn pages(receiver: &Receiver, begun: Instant) -> Result<(usize, Duration)> {
    let count = || {
        let of = |body: &serde_json::Value| {
            body["status"] == "firing"
                && body["groupLabels"]["slo"] == "shop"
                && body["groupLabels"]["severity"] == "page"
        };
        receiver.received().iter().filter(|received| of(&received.json())).count()
    };
    while count() == 0 {
        ensure!(begun.elapsed() < Duration::from_secs(60), "no page within a minute");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = begun.elapsed();
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok((count(), took))
}

#[tokio::test]
async fn a_condition_that_is_no_sql_is_told_at_its_objective_and_the_others_run() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let broken = "  sli: {events: {table: spans, valid: 'true', good: 'no_such_column = 1'}}\n";
    let text = format!("{OBJECTIVES}- name: broken\n  service: shop\n  objective: 99\n{broken}");
    let line = OBJECTIVES.lines().count() as u64 + 1;
    let slos = put(temporary.path(), "slos.yaml", &text)?.display().to_string();
    let tarn =
        Tarn::start(TARN, &data_folder(&temporary), &["--alerting.slo-files", &slos]).await?;
    let begun = Instant::now();
    let problem = loop {
        let answer = tarn.http.get("/api/v1/alerting/problems", &[]).await?.json()?;
        if let Some(problem) = answer["problems"].get(0) {
            break problem.clone();
        }
        ensure!(begun.elapsed() < Duration::from_secs(20), "no problem is told: {answer}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let message = problem["message"].as_str().context("no message")?;
    ensure!(message.contains("broken") && message.contains("no_such_column"), "{message}");
    ensure!(problem["line"] == line, "{problem}");
    let answer = tarn.http.get("/api/v1/slos", &[]).await?.json()?;
    let names: Vec<_> = answer["data"].as_array().context("no list")?.iter().collect();
    let names: Vec<&str> = names.iter().filter_map(|one| one["name"].as_str()).collect();
    ensure!(names == ["shop", "spans"], "{names:?}");
    let rules = tarn.http.get("/api/v1/rules", &[]).await?.text();
    ensure!(rules.contains("slo:spans:page") && !rules.contains("slo:broken:"), "{rules}");
    Ok(())
}
