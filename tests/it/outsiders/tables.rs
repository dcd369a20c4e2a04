//! Logs and spans: DuckDB on the files and Tarn's SQL count, sum, group and join alike.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use serde_json::Value;
use tarn_testkit::otlp;
use tarn_testkit::process::Tarn;

use crate::{TARN, data_folder, now_ms, python, rows};

const SCRIPT: &str = include_str!("tables.py");

/// The questions of the script in Tarn's words, in the same order.
const QUERIES: [&str; 9] = [
    "SELECT count(*), count(trace_id), sum(severity_number), \
     min(CAST(timestamp AS BIGINT)), max(CAST(timestamp AS BIGINT)) FROM logs",
    "SELECT service_name, attributes['http.route'], count(*), \
     sum(CAST(attributes['http.status'] AS BIGINT)) FROM logs GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT resource['host.name'], count(*) FROM logs GROUP BY 1 ORDER BY 1",
    "SELECT attributes['rare'], count(*) FROM logs WHERE attributes['rare'] IS NOT NULL \
     GROUP BY 1 ORDER BY 1",
    "SELECT count(*), sum(duration_ns), count(parent_span_id), sum(status) FROM spans",
    "SELECT count(*) FROM spans c JOIN spans p \
     ON c.trace_id = p.trace_id AND c.parent_span_id = p.span_id",
    "SELECT name, count(*), max(duration_ns) FROM spans GROUP BY 1 ORDER BY 1",
    "SELECT count(*) FROM span_events",
    "SELECT lower(hex(trace_id)), count(*) FROM spans GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duckdb_and_tarn_answer_alike_over_logs_and_spans() -> Result<()> {
    let python = match python("duckdb") {
        Ok(python) => python,
        Err(why) => {
            println!("skipped: {why}");
            return Ok(());
        }
    };
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let own = ["--telemetry.own_logs", "false", "--telemetry.own_traces", "false"];
    let tarn = Tarn::start(TARN, &data, &own).await?;
    for flush in 0..2 {
        send(&tarn, flush).await?;
        let flushed = tarn.http.send(http::Method::POST, "/-/flush", &[], "").await?;
        ensure!(flushed.status == 200, "{}", flushed.text());
    }
    let mut ours = Vec::new();
    for query in QUERIES {
        ours.push(rows(&tarn.http, query).await.context(query)?);
    }
    let status = tarn.stop().await?;
    ensure!(status.code() == Some(0), "exit {status}");

    let out = Command::new(python).args(["-c", SCRIPT]).arg(&data).output()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    ensure!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    let theirs: Vec<Vec<Vec<Value>>> =
        text.lines().map(serde_json::from_str).collect::<Result<_, _>>().context(text.clone())?;
    ensure!(theirs.len() == ours.len(), "{} answers: {text}", theirs.len());
    for ((query, ours), theirs) in QUERIES.iter().zip(&ours).zip(&theirs) {
        let (ours, theirs) = (plain(ours), plain(theirs));
        ensure!(ours == theirs, "{query}\nTarn:   {ours:?}\nDuckDB: {theirs:?}");
        println!("duckdb and tarn agree, {} rows: {query}", ours.len());
    }
    Ok(())
}

/// Numbers and texts as text: 64-bit integers are texts in some JSON.
fn plain(rows: &[Vec<Value>]) -> Vec<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    rows.iter().map(|row| row.iter().map(text).collect()).collect()
}

/// Two flushes whose blocks promote different attributes.
async fn send(tarn: &Tarn, flush: u64) -> Result<()> {
    let base = (now_ms() as u64 - 600_000) * 1_000_000 + flush * 60_000_000_000;
    for service in ["shop", "login"] {
        let records = (0..300_u64).map(|n| {
            let mut attributes = vec![otlp::int("http.status", 200 + (n % 3) as i64)];
            if flush == 0 || n % 2 == 0 {
                attributes.push(otlp::text("http.route", &format!("/r/{}", n % 4)));
            }
            if n == 7 {
                // Another type than the rest, and a key of its own.
                attributes = vec![otlp::text("http.status", "299"), otlp::text("rare", "x\"y")];
            }
            if flush == 1 {
                attributes.push(otlp::attribute("ratio", Any::DoubleValue(n as f64 / 8.0)));
            }
            let mut record = otlp::record(base + n * 1_000_001, &format!("line {n}"), attributes);
            if n % 3 == 0 {
                record.trace_id = (n as u128 + 1).to_be_bytes().to_vec();
            }
            record
        });
        let answer = otlp::send_logs(&tarn.http, &otlp::logs(service, records.collect())).await?;
        ensure!(answer.status == 200, "{}", answer.text());
        let spans = (0..200_u64).map(|n| {
            let (trace, id) = (u128::from(n / 10 + 1 + flush * 1000), n + 1);
            let parent = if n % 10 == 0 { 0 } else { id - 1 };
            let mut span =
                otlp::span(trace, id, parent, &format!("op {}", n % 5), base + n * 1_003, n * 17);
            if n % 10 == 3 {
                span.status = Some(Status { code: 2, message: "no".to_owned() });
                span.events = vec![Event { name: "e".to_owned(), ..Event::default() }; 2];
            }
            span
        });
        if service == "shop" {
            let answer =
                otlp::send_spans(&tarn.http, &otlp::spans(service, spans.collect())).await?;
            ensure!(answer.status == 200, "{}", answer.text());
        }
    }
    Ok(())
}
