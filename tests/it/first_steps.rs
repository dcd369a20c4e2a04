//! What a stranger does in the first minute: start, send, ask, flush, ask again, restart.

use anyhow::{Result, ensure};
use serde_json::json;
use tarn_testkit::http::data_of;
use tarn_testkit::process::Tarn;
use tarn_testkit::remote_write::{Series, send_v1, send_v2};

use crate::{TARN, data_folder, now_ms, seconds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_is_answered_before_and_after_flush_and_restart() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let tarn = Tarn::start(TARN, &data, &[]).await?;
    let now = now_ms() / 1000 * 1000;
    let labels = [("__name__", "http_requests_total"), ("job", "shop"), ("path", "/ä")];
    let samples = (0..=20).map(|i| (now - 300_000 + i * 15_000, (i * 30) as f64)).collect();
    let answer = send_v1(&tarn.http, &[Series::of(&labels, samples)]).await?;
    ensure!(answer.status == 204, "{}", answer.text());
    let mut second = Series::of(&[("__name__", "temperature"), ("job", "shop")], vec![(now, -0.5)]);
    second.start_ms = now - 1000;
    let answer = send_v2(&tarn.http, &[second]).await?;
    ensure!(answer.status == 204, "{}", answer.text());
    let written = answer.headers.get("x-prometheus-remote-write-samples-written");
    ensure!(written.is_some_and(|v| v == "1"), "headers {:?}", answer.headers);

    ask(&tarn, now).await?;
    let flushed = tarn.http.send(http::Method::POST, "/-/flush", &[], "").await?;
    ensure!(flushed.status == 200, "{}", flushed.text());
    ask(&tarn, now).await?;
    ensure!(tarn.unexpected_lines(&[]).is_empty(), "{:?}", tarn.unexpected_lines(&[]));
    let status = tarn.stop().await?;
    ensure!(status.code() == Some(0), "exit {status}");

    let tarn = Tarn::start(TARN, &data, &[]).await?;
    ask(&tarn, now).await?;
    ensure!(tarn.unexpected_lines(&[]).is_empty(), "{:?}", tarn.unexpected_lines(&[]));
    Ok(())
}

async fn ask(tarn: &Tarn, now: i64) -> Result<()> {
    let time = seconds(now);
    let rate = tarn.http.instant("sum by (job) (rate(http_requests_total[5m]))", &time).await?;
    let value: f64 = rate["result"][0]["value"][1].as_str().unwrap_or("NaN").parse()?;
    ensure!((value - 2.0).abs() < 1e-12, "{rate}");
    let range = tarn
        .http
        .post_form(
            "/api/v1/query_range",
            &[
                ("query", "temperature * 2"),
                ("start", &seconds(now - 60_000)),
                ("end", &time),
                ("step", "30s"),
            ],
        )
        .await?;
    let range = data_of(&range)?;
    let result = json!([{"metric": {"job": "shop"}, "values": [[now / 1000, "-1"]]}]);
    ensure!(range["resultType"] == "matrix" && range["result"] == result, "{range}");
    let names = data_of(&tarn.http.get("/api/v1/label/path/values", &[]).await?)?;
    ensure!(names == json!(["/ä"]), "{names}");
    let matcher = [("match[]", "{job=\"shop\"}")];
    let series = data_of(&tarn.http.get("/api/v1/series", &matcher).await?)?;
    ensure!(series.as_array().is_some_and(|s| s.len() == 2), "{series}");
    Ok(())
}
