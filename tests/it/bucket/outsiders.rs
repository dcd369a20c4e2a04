//! Other people's tools on the bucket: pyarrow reads the published listing and the Parquet over S3,
//! DuckDB counts and sums what Tarn does.
//!
//! DuckDB's own S3 client is an extension that it downloads at run time, which a test cannot; so
//! pyarrow's client brings the bytes and DuckDB the SQL.

use super::*;
use crate::python;

const SCRIPT: &str = include_str!("outsiders.py");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duckdb_over_s3_counts_and_sums_what_tarn_does() -> Result<()> {
    let python = match python("duckdb, pyarrow.fs, pyarrow.parquet") {
        Ok(python) => python,
        Err(why) => {
            println!("skipped: {why}");
            return Ok(());
        }
    };
    let s3 = S3Server::start().await?;
    let temporary = tempfile::tempdir()?;
    let tarn = start(&s3, &data_folder(&temporary)).await?;
    let now = now_ms();
    for flush in 0..2 {
        let series: Vec<Series> = (0..40)
            .map(|host| {
                let name = format!("host-{host}");
                let begin = now - 600_000 + flush * 300_000;
                let value = |i: i64| if host % 2 == 0 { i as f64 } else { i as f64 / 100.0 };
                let samples = (0..25).map(|i| (begin + i * 10_000, value(i))).collect();
                Series::of(&[("__name__", "load"), ("host", &name)], samples)
            })
            .collect();
        send_v1(&tarn.http, &series).await?;
        let flushed = tarn.http.send(http::Method::POST, "/-/flush", &[], "").await?;
        ensure!(flushed.status == 200, "{}", flushed.text());
    }
    let time = seconds(now);
    let mut ours = Vec::new();
    for query in ["sum(count_over_time(load[1h]))", "sum(sum_over_time(load[1h]))"] {
        let data = tarn.http.instant(query, &time).await?;
        ours.push(crate::number(&data["result"][0]["value"][1])?);
    }
    ensure!(tarn.stop().await?.success());
    let mut command = tokio::process::Command::new(python);
    command.args(["-c", SCRIPT, &s3.endpoint(), &s3.url("a/b")]).envs(s3.environment());
    let out = command.output().await?;
    ensure!(out.status.success(), "{}{}", text(&out.stdout), text(&out.stderr));
    let theirs: Vec<f64> =
        text(&out.stdout).split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    println!("duckdb over s3: {theirs:?}, tarn: {ours:?}");
    ensure!(theirs[0] == ours[0] && ours[0] == 2_000.0, "counts {theirs:?} and {ours:?}");
    ensure!((theirs[1] - ours[1]).abs() <= 1e-9 * ours[1].abs(), "sums {theirs:?} and {ours:?}");
    Ok(())
}
