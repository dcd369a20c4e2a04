//! Rows deleted by an operator: the calls of Prometheus, our own, and the command.

use std::process::Output;

use anyhow::{Result, ensure};
use http::Method;
use serde_json::{Value, json};
use tarn_testkit::http::data_of;
use tarn_testkit::process::Tarn;
use tarn_testkit::remote_write::{Series, send_v1};

use crate::{TARN, data_folder, now_ms, seconds};

const QUIET: &[&str] = &["--telemetry.own-metrics", "false", "--telemetry.own-logs", "false"];
const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_are_deleted_as_prometheus_does_it() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), QUIET).await?;
    let now = now_ms() / 1000 * 1000;
    let up = |job: &str| {
        let samples = vec![(now - 60_000, 1.0), (now - 30_000, 2.0), (now, 3.0)];
        Series::of(&[("__name__", "up"), ("job", job)], samples)
    };
    let sent = send_v1(&tarn.http, &[up("a"), up("b"), up("c")]).await?;
    ensure!(sent.status == 204, "{}", sent.text());
    let call = "/api/v1/admin/tsdb/delete_series";
    for (method, query, status) in [
        (Method::POST, String::new(), 400),
        (Method::POST, "match[]=%7B%7D".to_owned(), 400),
        (Method::POST, "match[]=up%7B".to_owned(), 400),
        (Method::POST, "match[]=up&start=x".to_owned(), 400),
        (Method::GET, "match[]=up".to_owned(), 405),
        (Method::PUT, "match[]=up%7Bjob%3D%22a%22%7D".to_owned(), 204),
        (
            Method::POST,
            format!(
                "match[]=up%7Bjob%3D%22b%22%7D&start={}&end={}",
                seconds(now - 40_000),
                seconds(now - 20_000)
            ),
            204,
        ),
    ] {
        let answer = tarn.http.send(method, &format!("{call}?{query}"), FORM, "").await?;
        ensure!(answer.status == status, "{query}: {} {}", answer.status, answer.text());
    }
    let count = |job: &str| {
        let query = format!("count_over_time(up{{job=\"{job}\"}}[5m])");
        let http = &tarn.http;
        async move { http.instant(&query, &seconds(now)).await }
    };
    ensure!(count("a").await?["result"] == json!([]));
    ensure!(count("b").await?["result"][0]["value"][1] == "2");
    ensure!(count("c").await?["result"][0]["value"][1] == "3");
    let values = tarn.http.send(Method::GET, "/api/v1/label/job/values", &[], "").await?;
    ensure!(data_of(&values)? == json!(["b", "c"]), "{}", values.text());
    let listed = tarn.http.send(Method::GET, "/api/v1/tombstones", &[], "").await?;
    let listed = data_of(&listed)?;
    ensure!(listed["tombstones"].as_array().map(Vec::len) == Some(2), "{listed}");
    let clean = "/api/v1/admin/tsdb/clean_tombstones";
    let cleaned = tarn.http.send(Method::POST, clean, &[], "").await?;
    ensure!(cleaned.status == 204, "{}", cleaned.text());
    let listed = tarn.http.send(Method::GET, "/api/v1/tombstones", &[], "").await?;
    ensure!(data_of(&listed)? == json!({"tombstones": []}), "{}", listed.text());
    ensure!(count("b").await?["result"][0]["value"][1] == "2");
    ensure!(tarn.unexpected_lines(&[]).is_empty(), "{:?}", tarn.unexpected_lines(&[]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_records_are_erased_by_the_command() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), QUIET).await?;
    let record = |n: i64, user: &str| {
        json!({
            "timeUnixNano": ((now_ms() - n * 1000) * 1_000_000).to_string(),
            "body": {"stringValue": format!("hello {n}")},
            "attributes": [{"key": "user", "value": {"stringValue": user}}],
        })
    };
    let records: Vec<Value> =
        (0..20).map(|n| record(n, if n % 4 == 0 { "ann" } else { "bob" })).collect();
    let resource = json!({"attributes": [
        {"key": "service.name", "value": {"stringValue": "shop"}}
    ]});
    let body = json!({"resourceLogs": [
        {"resource": resource, "scopeLogs": [{"logRecords": records}]}
    ]});
    let sent = tarn.http.send(Method::POST, "/v1/logs", JSON, body.to_string()).await?;
    ensure!(sent.status == 200, "{}", sent.text());
    let wrong = json!({"signal": "dogs", "match": "{user=\"ann\"}"}).to_string();
    let answer = tarn.http.send(Method::POST, "/api/v1/erase", JSON, wrong).await?;
    ensure!(answer.status == 400 && answer.text().contains("dogs"), "{}", answer.text());

    let url = format!("http://{}", tarn.address);
    let what = ["--signal", "logs", "--match", "{user=\"ann\",service_name=\"shop\"}"];
    let unsure = erase(&[&what[..], &["--url", &url]].concat()).await?;
    ensure!(!unsure.status.success() && text(&unsure.stderr).contains("--yes"), "{unsure:?}");
    ensure!(text(&unsure.stdout).contains("erasing logs of tenant default"), "{unsure:?}");
    ensure!(found(&tarn, "").await? == 20);
    let done = erase(&[&what[..], &["--url", &url, "--yes", "--wait"]].concat()).await?;
    let told = text(&done.stdout);
    ensure!(done.status.success() && told.contains("invisible now"), "{done:?}");
    ensure!(told.contains("verified: no live block holds rows"), "{told}");
    let left = (found(&tarn, "user:ann").await?, found(&tarn, "").await?);
    ensure!(left == (0, 15), "{left:?}: {told}");
    ensure!(tarn.unexpected_lines(&[]).is_empty(), "{:?}", tarn.unexpected_lines(&[]));
    Ok(())
}

async fn found(tarn: &Tarn, search: &str) -> Result<usize> {
    let form = [("q", search), ("limit", "100")];
    let answer = tarn.http.post_form("/api/v1/logs/search", &form).await?;
    let data = data_of(&answer)?;
    Ok(data["rows"].as_array().map_or(0, Vec::len))
}

async fn erase(args: &[&str]) -> Result<Output> {
    let mut command = tokio::process::Command::new(TARN);
    command.arg("erase").args(args).stdin(std::process::Stdio::null());
    Ok(command.output().await?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
