//! Limits as an operator meets them: messages that say whose limit, which label is guilty and what
//! to change; counters; the cardinality page; limits of single tenants that change without a restart.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http::Method;
use serde_json::Value;
use tarn_testkit::http::{Answer, data_of};
use tarn_testkit::process::Tarn;
use tarn_testkit::remote_write::{Series, compress, encode_v1};

use crate::{TARN, data_folder, now_ms};

/// A change of the file is noticed within ten seconds.
const NOTICED: Duration = Duration::from_secs(25);

const QUIET: [&str; 6] = [
    "--telemetry.own-metrics",
    "false",
    "--telemetry.own-logs",
    "false",
    "--telemetry.own-traces",
    "false",
];

/// Series of one metric, each with a user of its own.
fn users(users: std::ops::Range<u64>) -> Vec<Series> {
    let now = now_ms();
    let one = |n: u64| {
        let (pod, user) = (format!("pod-{}", n % 4), format!("user-{n}"));
        let labels = [("__name__", "logins"), ("pod", pod.as_str()), ("user_id", user.as_str())];
        Series::of(&labels, vec![(now, n as f64)])
    };
    users.map(one).collect()
}

async fn write(tarn: &Tarn, tenant: &str, series: &[Series]) -> Result<Answer> {
    let headers = [("content-encoding", "snappy"), ("x-scope-orgid", tenant)];
    let body = compress(&encode_v1(series))?;
    tarn.http.send(Method::POST, "/api/v1/write", &headers, body).await
}

async fn cardinality(tarn: &Tarn, tenant: &str, query: &str) -> Result<Value> {
    let path = format!("/api/v1/status/tsdb{query}");
    let answer = tarn.http.send(Method::GET, &path, &[("x-scope-orgid", tenant)], "").await?;
    data_of(&answer)
}

async fn hits(tarn: &Tarn, limit: &str) -> Result<f64> {
    let text = tarn.http.get("/metrics", &[]).await?.text();
    let name = format!("tarn_limit_hits_total{{limit=\"{limit}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    Ok(line.with_context(|| format!("no {name} in {text}"))?.parse()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_that_explode_are_rejected_by_name_and_others_go_on() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let flags = [&QUIET[..], &["--metrics.series-max", "100"]].concat();
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &flags).await?;
    ensure!(write(&tarn, "a", &users(0..100)).await?.status == 204);
    let over = write(&tarn, "a", &users(50..500)).await?;
    let text = over.text();
    ensure!(over.status == 400, "{}: {text}", over.status);
    for part in [
        "400 rows rejected, 50 stored",
        "tenant \"a\" has 100 active series, limit is 100 (metrics.series_max)",
        "new series differ most in \"user_id\" (about ",
    ] {
        ensure!(text.contains(part), "{text:?} does not say {part:?}");
    }
    ensure!(write(&tarn, "a", &users(0..100)).await?.status == 204, "known series go on");
    ensure!(write(&tarn, "b", &users(0..100)).await?.status == 204, "others have room");
    ensure!(hits(&tarn, "metrics.series_max").await? >= 400.0);

    let found = cardinality(&tarn, "a", "?limit=2").await?;
    let head = &found["headStats"];
    ensure!(head["numSeries"] == 100 && head["numLabelPairs"] == 105, "{found}");
    ensure!(head["chunkCount"] == 100 && head["minTime"].as_i64() <= head["maxTime"].as_i64());
    let pair = |name: &str, value: u64| serde_json::json!({ "name": name, "value": value });
    ensure!(found["seriesCountByMetricName"] == Value::from(vec![pair("logins", 100)]), "{found}");
    let names = vec![pair("user_id", 100), pair("pod", 4)];
    ensure!(found["labelValueCountByLabelName"] == Value::from(names), "{found}");
    ensure!(found["memoryInBytesByLabelName"][0] == pair("user_id", 690), "{found}");
    let pairs = vec![pair("__name__=logins", 100), pair("pod=pod-0", 25)];
    ensure!(found["seriesCountByLabelValuePair"] == Value::from(pairs), "{found}");
    ensure!(found["tarn"]["limits"]["metrics.series_max"] == 100, "{found}");
    ensure!(found["tarn"]["newValueCountByLabelName"][0]["name"] == "user_id", "{found}");
    let empty = cardinality(&tarn, "nobody", "").await?;
    ensure!(empty["headStats"]["numSeries"] == 0, "{empty}");
    let wrong = tarn.http.get("/api/v1/status/tsdb", &[("limit", "0")]).await?;
    ensure!(wrong.status == 400 && wrong.text().contains("limit must be a positive number"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_series_are_delayed_and_none_is_lost() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let flags = [&QUIET[..], &["--metrics.new-series-max", "100"]].concat();
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &flags).await?;
    let all = users(0..150);
    let first = write(&tarn, "a", &all).await?;
    ensure!(first.status == 429, "{}: {}", first.status, first.text());
    ensure!(first.text().contains("metrics.new_series_max"), "{}", first.text());
    ensure!(first.headers.contains_key("retry-after"), "{:?}", first.headers);
    let begun = Instant::now();
    while write(&tarn, "a", &all).await?.status != 204 {
        ensure!(begun.elapsed() < Duration::from_secs(60), "never taken");
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    ensure!(cardinality(&tarn, "a", "").await?["headStats"]["numSeries"] == 150);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "an operator edits the file")]
fn put(file: &Path, text: &str) -> Result<()> {
    Ok(std::fs::write(file, text)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_has_limits_of_its_own_that_change_while_the_server_runs() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let file = temporary.path().join("limits.yaml");
    put(&file, "small:\n  metrics:\n    series_max: 10\n  query:\n    points_max: 5\n")?;
    let name = file.to_string_lossy().into_owned();
    let flags = [&QUIET[..], &["--tenants.limits-file", &name]].concat();
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &flags).await?;
    ensure!(write(&tarn, "small", &users(0..11)).await?.status == 400);
    ensure!(write(&tarn, "large", &users(0..11)).await?.status == 204);
    for (tenant, status) in [("small", 400), ("large", 200)] {
        let path = "/api/v1/query_range?query=logins&start=0&end=60&step=1";
        let answer = tarn.http.send(Method::GET, path, &[("x-scope-orgid", tenant)], "").await?;
        ensure!(answer.status == status, "{tenant}: {} {}", answer.status, answer.text());
    }

    // A mistake changes nothing; the log says where it is.
    put(&file, "small:\n  metrics:\n    series_max: many\n")?;
    waited(&tarn, |text| text.contains("limits.yaml:3:17")).await.context("the mistake")?;
    ensure!(write(&tarn, "small", &users(0..11)).await?.status == 400, "the old limit holds");

    let body = "small:\n  ingest:\n    rate: 1KiB\n    burst: 2KiB\n";
    put(&file, body)?;
    waited(&tarn, |text| text.contains("limits of tenants are read again")).await?;
    ensure!(write(&tarn, "small", &users(0..11)).await?.status == 204, "the limit is gone");
    let mut last = write(&tarn, "small", &users(0..40)).await?;
    for _ in 0..5 {
        last = write(&tarn, "small", &users(0..40)).await?;
    }
    ensure!(last.status == 429, "{}: {}", last.status, last.text());
    ensure!(last.text().contains("tenant \"small\" sends more than 1KiB/s (ingest.rate)"));
    ensure!(last.headers.contains_key("retry-after"), "{:?}", last.headers);
    ensure!(write(&tarn, "large", &users(0..40)).await?.status == 204);
    ensure!(hits(&tarn, "ingest.rate").await? >= 1.0);
    Ok(())
}

async fn waited(tarn: &Tarn, found: impl Fn(&str) -> bool) -> Result<()> {
    let begun = Instant::now();
    while !found(&tarn.log_text()) {
        ensure!(begun.elapsed() < NOTICED, "not noticed; the log:\n{}", tarn.log_text());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_file_of_limits_ends_the_start() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let file = temporary.path().join("limits.yaml");
    put(&file, "a:\n  memory:\n    budget: 1GiB\n")?;
    let name = file.to_string_lossy().into_owned();
    let flags = ["--tenants.limits-file", &name];
    let mut tarn = Tarn::spawn(TARN, &data_folder(&temporary), &flags)?;
    let status = tarn.wait_exit(Duration::from_secs(20)).await?;
    let log = tarn.log_text();
    ensure!(status.code() == Some(78) && log.contains("limits.yaml:2:3: a: memory"), "{log}");
    Ok(())
}
