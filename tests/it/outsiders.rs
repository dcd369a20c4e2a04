//! Other people's tools on the data folder: DuckDB reads the Parquet through the published listing
//! and counts and sums what Tarn does.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tarn_testkit::process::Tarn;
use tarn_testkit::remote_write::{Series, send_v1};

use crate::{TARN, data_folder, now_ms, python, seconds};

mod tables;

const SCRIPT: &str = include_str!("outsiders/duckdb.py");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duckdb_counts_and_sums_what_tarn_does() -> Result<()> {
    let python = match python("duckdb") {
        Ok(python) => python,
        Err(why) => {
            println!("skipped: {why}");
            return Ok(());
        }
    };
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let own = ["--telemetry.own_metrics", "false", "--telemetry.host_metrics", "false"];
    let tarn = Tarn::start(TARN, &data, &own).await?;
    let now = now_ms();
    // Two flushes whose blocks have different label sets.
    for (flush, extra) in [(0, "zone"), (1, "rack")] {
        let series: Vec<Series> = (0..40)
            .map(|host| {
                let name = format!("host-{host}");
                let labels = [("__name__", "load"), ("host", &*name), (extra, "x")];
                let value = |i: i64| match host % 3 {
                    0 => (i * host) as f64,
                    1 => i as f64 / 100.0,
                    _ => (i as f64).sqrt() * host as f64,
                };
                let begin = now - 600_000 + flush * 300_000;
                let samples = (0..25).map(|i| (begin + i * 10_000, value(i))).collect();
                Series::of(&labels, samples)
            })
            .collect();
        let answer = send_v1(&tarn.http, &series).await?;
        ensure!(answer.status == 204, "{}", answer.text());
        let flushed = tarn.http.send(http::Method::POST, "/-/flush", &[], "").await?;
        ensure!(flushed.status == 200, "{}", flushed.text());
    }
    let time = seconds(now);
    let count = ask(&tarn, "sum(count_over_time(load[1h]))", &time).await?;
    let sum = ask(&tarn, "sum(sum_over_time(load[1h]))", &time).await?;
    let hosts = ask(&tarn, "count(count by (host) (last_over_time(load[1h])))", &time).await?;
    let status = tarn.stop().await?;
    ensure!(status.code() == Some(0), "exit {status}");

    let out = Command::new(python).args(["-c", SCRIPT]).arg(&data).output()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    ensure!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    let theirs: Vec<f64> =
        text.split_whitespace().map(str::parse).collect::<Result<_, _>>().context(text)?;
    println!("duckdb: count, sum, hosts {theirs:?}; tarn: {count}, {sum}, {hosts}");
    ensure!(theirs.len() == 3, "{theirs:?}");
    ensure!(theirs[0] == count && count == 2_000.0, "counts {} and {count}", theirs[0]);
    ensure!((theirs[1] - sum).abs() <= 1e-9 * sum.abs(), "sums {} and {sum}", theirs[1]);
    ensure!(theirs[2] == hosts && hosts == 40.0, "hosts {} and {hosts}", theirs[2]);
    Ok(())
}

async fn ask(tarn: &Tarn, query: &str, time: &str) -> Result<f64> {
    let data = tarn.http.instant(query, time).await?;
    Ok(data["result"][0]["value"][1].as_str().context("one value")?.parse()?)
}
