//! Two tenants never see each other's data, through any endpoint, before and after a flush.

use anyhow::{Result, ensure};
use tarn_testkit::process::Tarn;
use tarn_testkit::remote_write::{Series, compress, encode_v1};

use crate::{TARN, data_folder, now_ms, seconds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_are_isolated() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &[]).await?;
    let now = now_ms();
    for tenant in ["green", "blue"] {
        let labels = [("__name__", "shared"), ("colour", tenant), (tenant, "yes")];
        let series = [Series::of(&labels, vec![(now, 1.0)])];
        let headers = [("content-encoding", "snappy"), ("x-scope-orgid", tenant)];
        let body = compress(&encode_v1(&series))?;
        let answer = tarn.http.send(http::Method::POST, "/api/v1/write", &headers, body).await?;
        ensure!(answer.status == 204, "{}", answer.text());
    }
    for flushed in [false, true] {
        if flushed {
            tarn.http.send(http::Method::POST, "/-/flush", &[], "").await?;
        }
        for (tenant, other) in [("green", "blue"), ("blue", "green")] {
            for path in paths(now) {
                let headers = [("x-scope-orgid", tenant)];
                let answer = tarn.http.send(http::Method::GET, &path, &headers, "").await?;
                ensure!(answer.status == 200, "{path}: {}", answer.text());
                ensure!(answer.text().contains(tenant), "{path}: {}", answer.text());
                ensure!(!answer.text().contains(other), "{path}: {}", answer.text());
            }
        }
        let default = tarn.http.instant("shared", &seconds(now)).await?;
        ensure!(default["result"].as_array().is_some_and(Vec::is_empty), "{default}");
    }
    let headers = [("x-scope-orgid", "../etc")];
    let answer = tarn.http.send(http::Method::GET, "/api/v1/labels", &headers, "").await?;
    ensure!(answer.status == 400, "{}: {}", answer.status, answer.text());
    Ok(())
}

fn paths(now: i64) -> Vec<String> {
    let time = seconds(now);
    vec![
        format!("/api/v1/query?query=shared&time={time}"),
        format!("/api/v1/query_range?query=shared&start={time}&end={time}&step=1"),
        "/api/v1/labels".to_owned(),
        "/api/v1/label/colour/values".to_owned(),
        "/api/v1/series?match[]=shared".to_owned(),
    ]
}
