//! The whole process with its data in a bucket, over the S3 protocol: kills and stops, commands that
//! read the bucket with no server, buckets that are refused, and secrets that nobody ever sees.

use std::process::Output;
use std::time::Duration;

use anyhow::{Result, ensure};
use tarn_testkit::otlp;
use tarn_testkit::process::Tarn;
use tarn_testkit::remote_write::{Series, send_v1};
use tarn_testkit::s3_server::{ACCESS_KEY, S3Server, SECRET_KEY, Weather};

use crate::{TARN, data_folder, now_ms, seconds};

mod outsiders;

const QUIET: [&str; 6] = [
    "--telemetry.own-logs",
    "false",
    "--telemetry.own-traces",
    "false",
    "--telemetry.own-metrics",
    "false",
];

/// Starts a server with its data below a prefix of the bucket.
async fn start(s3: &S3Server, data: &std::path::Path) -> Result<Tarn> {
    let flags = s3.flags("a/b");
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(QUIET).collect();
    Tarn::start_with(TARN, data, &flags, &s3.environment()).await
}

/// Runs a command on the bucket with no server.
async fn run(s3: &S3Server, args: &[&str]) -> Result<Output> {
    let mut command = tokio::process::Command::new(TARN);
    command.args(args).args(["--storage.endpoint", &s3.endpoint()]).envs(s3.environment());
    Ok(command.output().await?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_keeps_its_data_in_a_bucket() -> Result<()> {
    let s3 = S3Server::start().await?;
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let mut tarn = start(&s3, &data).await?;
    let now = now_ms() / 1000 * 1000;
    let up = |job: &str| Series::of(&[("__name__", "up"), ("job", job)], vec![(now, 1.0)]);
    send_v1(&tarn.http, &[up("api")]).await?;
    let record = otlp::record(u64::try_from(now)? * 1_000_000, "order placed", Vec::new());
    otlp::send_logs(&tarn.http, &otlp::logs("shop", vec![record])).await?;
    let flushed = tarn.http.send(http::Method::POST, "/-/flush", &[], "").await?;
    ensure!(flushed.status == 200, "{}", flushed.text());
    // DUR-1: what is in no block yet comes back from the log.
    send_v1(&tarn.http, &[up("db")]).await?;
    tarn.kill()?;
    tarn.start_again().await?;
    let time = seconds(now);
    for run in ["cold", "warm"] {
        drop(s3.take_counts());
        let answer = tarn.http.instant("count(up)", &time).await?;
        ensure!(answer["result"][0]["value"][1] == "2", "{answer}");
        println!("instant query, {run}: {}", s3.counts());
    }

    // Beside the server: what is committed, with the mark that there may be more (PAR-1).
    let url = s3.url("a/b");

    let beside = run(&s3, &["query", "up", "--data", &url, "--time", &time]).await?;
    ensure!(text(&beside.stdout) == "__name__,job,value\r\nup,api,1\r\n", "{beside:?}");
    ensure!(text(&beside.stderr).contains("the newest rows of writer"), "{beside:?}");
    let status = tarn.http.get("/status", &[]).await?.text();
    ensure!(!status.contains(SECRET_KEY) && status.contains(&url), "{status}");
    ensure!(!tarn.log_text().contains(SECRET_KEY), "the log holds the secret");
    let unexpected = tarn.unexpected_lines(&["the last run did not stop cleanly"]);
    ensure!(unexpected.is_empty(), "{unexpected:#?}");
    ensure!(tarn.stop().await?.success());

    // With nobody there: everything, and no mark.
    let alone = run(&s3, &["query", "up", "--data", &url, "--time", &time]).await?;
    let csv = "__name__,job,value\r\nup,api,1\r\nup,db,1\r\n";
    ensure!(text(&alone.stdout) == csv && alone.stderr.is_empty(), "{alone:?}");
    let logs = run(&s3, &["logs", "service:shop", "--data", &url]).await?;
    ensure!(text(&logs.stdout).contains("order placed"), "{logs:?}");
    let blocks = run(&s3, &["block", "list", "--storage.url", &url]).await?;
    ensure!(text(&blocks.stdout).contains("/signal=metrics/"), "{blocks:?}");
    let verified = run(&s3, &["block", "verify", "--storage.url", &url]).await?;
    ensure!(verified.status.success(), "{verified:?}");
    let log = run(&s3, &["catalog", "log", "--storage.url", &url]).await?;
    ensure!(log.status.success() && text(&log.stdout).contains(" 0 problems"), "{log:?}");
    ensure!(!data.join("bucket").is_dir(), "nothing of the bucket is in the data folder");
    Ok(())
}

/// DUR-1: an acknowledgement does not wait for the bucket, and nothing is lost or doubled while it
/// is away, throttles, or answers nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_vis_1_rows_are_taken_while_the_bucket_is_away() -> Result<()> {
    let s3 = S3Server::start().await?;
    let temporary = tempfile::tempdir()?;
    let mut tarn = start(&s3, &data_folder(&temporary)).await?;
    let now = now_ms() / 1000 * 1000;
    let time = seconds(now);
    let weathers: [fn(&S3Server); 4] = [
        |s3| s3.weather(|w| w.down = true),
        |s3| s3.weather(|w| w.slow_down = 5),
        |s3| s3.weather(|w| w.reset_after = 2),
        |s3| s3.weather(|w| w.latency = Duration::from_millis(100)),
    ];
    for (n, weather) in weathers.iter().enumerate() {
        weather(&s3);
        let series = Series::of(&[("__name__", "up"), ("n", &n.to_string())], vec![(now, 1.0)]);
        let sent = send_v1(&tarn.http, &[series]).await?;
        ensure!(sent.status == 204, "{n}: {}", sent.text());
        let answer = tarn.http.instant("count(up)", &time).await?;
        ensure!(answer["result"][0]["value"][1] == *(n + 1).to_string(), "{n}: {answer}");
        if n == 0 {
            s3.weather(|w| w.down = false);
        }
        let flushed = tarn.http.send(http::Method::POST, "/-/flush", &[], "").await?;
        ensure!(flushed.status == 200, "{n}: {}", flushed.text());
        s3.weather(|w| *w = Weather::default());
    }
    tarn.kill()?;
    tarn.start_again().await?;
    let answer = tarn.http.instant("sum(count_over_time(up[5m]))", &time).await?;
    ensure!(answer["result"][0]["value"][1] == *weathers.len().to_string(), "{answer}");
    ensure!(tarn.stop().await?.success());
    let url = s3.url("a/b");
    let alone = ["query", "count(up)", "--data", &url, "--time", &time];
    let alone = run(&s3, &alone).await?;
    ensure!(text(&alone.stdout) == format!("value\r\n{}\r\n", weathers.len()), "{alone:?}");
    Ok(())
}

#[derive(Debug)]
struct Refusal {
    exit: i32,
    weather: fn(&S3Server),
    variables: &'static [(&'static str, &'static str)],
    says: &'static str,
}

const REFUSALS: [Refusal; 4] = [
    Refusal {
        exit: 78,
        weather: |_| (),
        variables: &[("AWS_SECRET_ACCESS_KEY", "canary-0000000000000000")],
        says: "does not accept the credentials",
    },
    Refusal {
        exit: 75,
        weather: |s3| s3.weather(|w| w.down = true),
        variables: &[],
        says: "cannot be reached",
    },
    Refusal {
        exit: 78,
        weather: |s3| s3.weather(|w| w.deny_writes = true),
        variables: &[],
        says: "can be read and not be written",
    },
    Refusal {
        exit: 78,
        weather: |s3| s3.weather(|w| w.ignore_conditions = true),
        variables: &[],
        says: "does not honour conditional writes",
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_cannot_work_ends_the_start_with_the_reason() -> Result<()> {
    for (n, refusal) in REFUSALS.iter().enumerate() {
        let s3 = S3Server::start().await?;
        (refusal.weather)(&s3);
        let temporary = tempfile::tempdir()?;
        let data = temporary.path().join(n.to_string());
        let flags = s3.flags("x");
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let variables = [&s3.environment()[..], refusal.variables].concat();
        let mut tarn = Tarn::spawn_with(TARN, &data, &flags, &variables)?;
        let exit = tarn.wait_exit(Duration::from_secs(60)).await?;
        let log = tarn.log_text();
        ensure!(exit.code() == Some(refusal.exit), "{refusal:?}: {exit}, {log}");
        ensure!(log.contains(refusal.says), "{refusal:?}: {log}");
        ensure!(!log.contains("canary-"), "{log}");
    }
    Ok(())
}

/// Secrets of every form, through every place that shows settings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "writes the file that the server reads")]
async fn secrets_are_never_shown() -> Result<()> {
    let s3 = S3Server::start().await?;
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let key = temporary.path().join("key");
    std::fs::write(&key, format!("{SECRET_KEY}\n"))?;
    let file = temporary.path().join("tarn.yaml");
    let yaml = format!(
        "storage:\n  url: {}\n  endpoint: {}\n  region: eu-test-1\n  access_key_id: {ACCESS_KEY}\n  \
         secret_access_key: {{file: {}}}\n  session_token: ''\n",
        s3.url("a/b"),
        s3.endpoint(),
        key.display()
    );
    std::fs::write(&file, yaml)?;
    let config = file.to_string_lossy().into_owned();
    let flags = ["--config", &config, "--log.level", "trace"];
    let tarn = Tarn::start(TARN, &data, &flags).await?;
    let mut shown = String::new();
    for path in ["/status", "/api/v1/status/config", "/api/v1/status/flags", "/metrics"] {
        shown.push_str(&tarn.http.get(path, &[]).await?.text());
    }
    ensure!(shown.contains("<secret file:"), "{shown}");
    shown.push_str(&tarn.log_text());
    let check = ["check", "--config", &config, "--storage.azure-access-key", SECRET_KEY];
    let check = tokio::process::Command::new(TARN).args(check).output().await?;
    ensure!(text(&check.stdout).contains("storage.azure_access_key: <secret inline>"), "{check:?}");
    shown.push_str(&text(&check.stdout));
    shown.push_str(&text(&check.stderr));
    ensure!(!shown.contains(SECRET_KEY), "a secret is shown");
    ensure!(tarn.log_text().contains("a secret stands in the settings"), "the inline key id");
    // The same settings are enough for a command.
    ensure!(tarn.stop().await?.success());
    let args = ["block", "list", "--storage.url", &s3.url("a/b"), "--config", &config];
    let list = tokio::process::Command::new(TARN).args(args).output().await?;
    ensure!(list.status.success(), "{list:?}");
    Ok(())
}
