//! The first minute, and `tarn demo`: an empty server shows itself in all three signals; of the shop
//! every row that was acknowledged is stored, its story is found by queries, and whom it pages is told.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tarn_testkit::http::{Http, data_of};
use tarn_testkit::process::{Tarn, free_port};

use crate::{TARN, data_folder, now_ms, number, rows, seconds};

/// For what comes by itself, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(150);
const SERVICES: [&str; 10] = [
    "ads",
    "cart",
    "catalog",
    "checkout",
    "currency",
    "email",
    "frontend",
    "payment",
    "recommend",
    "shipping",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_server_shows_itself_in_all_signals() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &[]).await?;
    let begun = Instant::now();
    let counted = |table: &'static str| {
        let sql = format!("SELECT service_name, count(*) FROM {table} GROUP BY 1");
        let http = tarn.http.clone();
        async move { rows(&http, &sql).await }
    };
    loop {
        let (logs, spans) = (counted("logs").await?, counted("spans").await?);
        let host = value(&tarn.http, "count({__name__=~\"system_.+\"})").await?;
        let red =
            value(&tarn.http, "sum(traces_spanmetrics_calls_total{service=\"tarn\"})").await?;
        // One service, whichever part of it speaks.
        for found in [&logs, &spans] {
            ensure!(found.iter().all(|row| row[0] == "tarn"), "{found:?}");
        }
        if !logs.is_empty() && !spans.is_empty() && host > 10.0 && red > 0.0 {
            break;
        }
        let state = format!("{logs:?}, {spans:?}, {host} host series, {red} spans counted");
        ensure!(begun.elapsed() < PATIENCE, "{state}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("an empty server shows itself after {:?}", begun.elapsed());
    let names = "SELECT DISTINCT name FROM spans";
    let names: Vec<Value> = rows(&tarn.http, names).await?.into_iter().flatten().collect();
    for name in ["start", "store own metrics"] {
        ensure!(names.iter().any(|found| found == name), "no span {name}: {names:?}");
    }
    let sources = tarn.http.get("/api/v1/sources", &[]).await?.json()?;
    let sources = sources["data"]["sources"].as_array().context("sources")?;
    ensure!(sources.len() == 3 && sources.iter().all(|s| s["own"] == true), "{sources:?}");
    // Storing own spans makes no spans: what runs by itself stays a trickle.
    let count = "SELECT count(*) FROM spans WHERE kind <> 2";
    let before = number(&rows(&tarn.http, count).await?[0][0])?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = number(&rows(&tarn.http, count).await?[0][0])?;
    ensure!(after - before <= 30.0, "{before} own spans became {after} within 5 s");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_is_stored_whole_tells_its_story_and_pages() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let files = temporary.path().join("files");
    let receiver = format!("127.0.0.1:{}", free_port()?);
    // The stand-in waits for a server that never comes; it has written the files.
    let standin = Running(demo(&files, "http://127.0.0.1:1", &receiver, &[]).spawn()?);
    let begun = Instant::now();
    while !files.join("alertmanager.yml").try_exists()? {
        ensure!(begun.elapsed() < PATIENCE, "no files");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let [slos, rules, receivers] = ["slos.yml", "rules.yml", "alertmanager.yml"]
        .map(|name| files.join(name).display().to_string());
    let flags = [
        "--alerting.slo-files",
        &slos,
        "--alerting.rule-files",
        &rules,
        "--alerting.alertmanager-config",
        &receivers,
        "--alerting.shipped-rules",
        "false",
    ];
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &flags).await?;
    let url = format!("http://{}", tarn.address);
    let other = temporary.path().join("other");
    let started = now_ms();
    // Enough payments that the share of those that fail is no accident.
    let args = ["--once", "--history", "12m", "--rate", "8"];
    let run = demo(&other, &url, "127.0.0.1:0", &args);
    let done = tokio::task::spawn_blocking(move || { run }.output()).await??;
    stored_whole(&tarn.http, &done).await?;
    found_by_queries(&tarn.http).await?;
    counted_at_their_own_time(&tarn.http, started).await?;
    let sources =
        tarn.http.get("/api/v1/sources", &[("since", &seconds(started))]).await?.json()?;
    for signal in ["logs", "metrics", "traces"] {
        let all = sources["data"]["sources"].as_array().context("sources")?;
        let names: Vec<&Value> = all
            .iter()
            .filter(|s| s["signal"] == signal && s["own"] == false)
            .map(|s| &s["name"])
            .collect();
        ensure!(SERVICES.iter().all(|s| names.iter().any(|n| *n == s)), "{signal}: {names:?}");
    }
    ensure!(tarn.http.get("/api/v1/sources", &[("since", "soon")]).await?.status == 400);
    paged(&receiver).await?;
    drop(standin);
    Ok(())
}

/// A process that is ended when the test is.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn demo(files: &Path, url: &str, receiver: &str, args: &[&str]) -> Command {
    let mut command = Command::new(TARN);
    command.args(["demo", "--url", url, "--receiver", receiver, "--dir"]).arg(files).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn value(http: &Http, query: &str) -> Result<f64> {
    let data = data_of(&http.get("/api/v1/query", &[("query", query)]).await?)?;
    let found = &data["result"][0]["value"][1];
    if found.is_null() { Ok(0.0) } else { number(found) }
}

/// Compares what the demo says was acknowledged with what is stored.
async fn stored_whole(http: &Http, done: &Output) -> Result<()> {
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    ensure!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let last = said.lines().rfind(|line| line.starts_with("sent ")).context("a summary")?;
    let numbers: Vec<f64> = last.split(' ').filter_map(|word| word.parse().ok()).collect();
    for (table, sent) in [("spans", numbers[0]), ("logs", numbers[1])] {
        let sql = format!("SELECT count(*) FROM {table} WHERE service_name <> 'tarn'");
        let stored = number(&rows(http, &sql).await?[0][0])?;
        ensure!(stored == sent && sent > 1000.0, "{stored} {table} of {sent}");
    }
    ensure!(numbers[2] > 1000.0, "{said}");
    for table in ["spans", "logs"] {
        let sql = format!("SELECT DISTINCT service_name FROM {table} WHERE service_name <> 'tarn'");
        let found: Vec<Value> = rows(http, &sql).await?.into_iter().flatten().collect();
        ensure!(found.len() == SERVICES.len(), "{table}: {found:?}");
        ensure!(SERVICES.iter().all(|s| found.iter().any(|f| f == s)), "{table}: {found:?}");
    }
    Ok(())
}

/// Finds which deploy broke what, and why.
async fn found_by_queries(http: &Http) -> Result<()> {
    let by_gateway = "SELECT attributes['gateway'], \
        avg(CASE WHEN status = 2 THEN 1.0 ELSE 0.0 END) FROM spans \
        WHERE name = 'shop.Payment/Charge' AND kind = 2 GROUP BY 1";
    for row in rows(http, by_gateway).await? {
        let (gateway, share) = (row[0].as_str().context("a gateway")?, number(&row[1])?);
        let fails = gateway == "eu-2";
        ensure!(if fails { share > 0.02 } else { share < 0.02 }, "{gateway}: {share}");
    }
    let by_version = "SELECT count(*), \
        sum(CASE WHEN resource LIKE '%\"service.version\":\"2.14.1\"%' THEN 1 ELSE 0 END) \
        FROM spans WHERE name = 'shop.Payment/Charge' AND kind = 2 AND status = 2";
    let found = rows(http, by_version).await?;
    let (failed, of_release) = (number(&found[0][0])?, number(&found[0][1])?);
    ensure!(failed > 3.0 && of_release >= failed * 0.8, "{of_release} of {failed}");
    let why = "SELECT count(*) FROM logs WHERE body LIKE '%gateway.pool.max=8 (was 64)%'";
    ensure!(number(&rows(http, why).await?[0][0])? == 3.0, "the pods do not say what changed");
    // A failed payment, its exception, its log line and the exemplar are of one trace.
    let joined = "SELECT count(*) FROM logs l JOIN spans s \
        ON l.trace_id = s.trace_id AND l.span_id = s.span_id \
        WHERE l.severity_number = 17 AND s.name = 'acquire connection' AND s.status = 2";
    ensure!(number(&rows(http, joined).await?[0][0])? >= failed, "errors without their spans");
    let slow = "SELECT attributes['db.collection.name'], avg(duration_ns) FROM spans \
        WHERE attributes['db.system.name'] IS NOT NULL GROUP BY 1 ORDER BY 2 DESC LIMIT 1";
    ensure!(number(&rows(http, slow).await?[0][1])? > 5e7, "no slow table");
    Ok(())
}

/// Series made of spans hold every span, and none of the past stands at now.
async fn counted_at_their_own_time(http: &Http, started: i64) -> Result<()> {
    let wanted = "SELECT count(*) FROM spans WHERE service_name = 'frontend'";
    let wanted = number(&rows(http, wanted).await?[0][0])?;
    let begun = Instant::now();
    loop {
        let counted =
            value(http, "sum(traces_spanmetrics_calls_total{service=\"frontend\"})").await?;
        if counted == wanted {
            break;
        }
        ensure!(begun.elapsed() < PATIENCE, "{counted} of {wanted} spans are counted");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    for query in [
        "sum(rate(traces_spanmetrics_calls_total{service=\"frontend\"}[1m]))",
        "sum(rate(traces_service_graph_request_total{client=\"checkout\",server=\"payment\"}[2m]))",
        "sum(rate(traces_service_graph_request_total{server=\"card-gateway\"}[2m]))",
    ] {
        let (start, end) = (seconds(started - 420_000), seconds(now_ms()));
        let asked = [("query", query), ("start", &start), ("end", &end), ("step", "15")];
        let data = data_of(&http.get("/api/v1/query_range", &asked).await?)?;
        let values = data["result"][0]["values"].as_array().context("a series")?.iter();
        let mut values: Vec<f64> =
            values.map(|pair| number(&pair[1])).collect::<Result<Vec<f64>>>()?;
        let all = values.clone();
        values.sort_by(f64::total_cmp);
        let (median, most) = (values[values.len() / 2], values[values.len() - 1]);
        ensure!(values.len() >= 16 && median > 0.0, "{query}: {all:?}");
        ensure!(most < 4.0 * median, "{query}: a step of {most} beside {median}: {all:?}");
    }
    Ok(())
}

/// Waits for the page, in the shapes of Slack and PagerDuty.
#[expect(clippy::print_stdout, reason = "tells how long the page took")]
async fn paged(receiver: &str) -> Result<()> {
    let http = Http::new(receiver);
    let begun = Instant::now();
    loop {
        let taken = http.get("/", &[]).await?.json()?;
        let messages = taken["messages"].as_array().context("messages")?;
        let of = |to: &str| messages.iter().find(|m| m["to"] == to).map(|m| &m["body"]);
        if let (Some(slack), Some(pager)) = (of("slack"), of("pagerduty")) {
            ensure!(slack["attachments"][0]["title"].is_string(), "{slack}");
            ensure!(pager["event_action"] == "trigger", "{pager}");
            ensure!(pager["payload"]["summary"].is_string(), "{pager}");
            println!("Slack and PagerDuty were told {:?} after the past was sent", begun.elapsed());
            break;
        }
        ensure!(begun.elapsed() < PATIENCE, "nobody was told: {taken}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let headers = [("accept", "text/html")];
    let page = http.send(http::Method::GET, "/", &headers, "").await?;
    ensure!(page.text().contains("<article>"), "{}", page.text());
    ensure!(page.headers.contains_key("content-security-policy"), "{:?}", page.headers);
    Ok(())
}
