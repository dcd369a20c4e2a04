//! Somebody writes a rule file and an `alertmanager.yml`, breaks something, is paged once, mends it,
//! and is told once that it is over; also where Tarn is killed at any moment between (A3).
#![expect(clippy::disallowed_methods, reason = "the test writes the files of an operator")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tarn_testkit::http::data_of;
use tarn_testkit::process::Tarn;
use tarn_testkit::receiver::{Act, Receiver};
use tarn_testkit::remote_write::{Series, send_v1};

use crate::{TARN, data_folder, now_ms};

/// Far above what it takes, far below the default group_wait of a file that does not say.
const PATIENCE: Duration = Duration::from_secs(30);

const RULES: &str = r#"
groups:
  - name: shop
    interval: 1s
    rules:
      - record: job:queue:max
        expr: max by (job) (queue_depth)
      - alert: QueueFull
        expr: job:queue:max > 100
        labels: {severity: page}
        annotations:
          summary: "{{ $labels.job }} has {{ $value }} waiting"
"#;

struct Operator {
    folder: tempfile::TempDir,
    receiver: Receiver,
}

impl Operator {
    async fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let receiver = Receiver::start([], Act::answer(200, "ok")).await?;
        let operator = Self { folder, receiver };
        std::fs::write(operator.rules(), RULES)?;
        let routes = format!(
            "route:\n  receiver: hook\n  group_by: [alertname, job]\n  group_wait: 0s\n  \
             group_interval: 1s\n  repeat_interval: 1h\nreceivers:\n  - name: hook\n    \
             webhook_configs:\n      - url: {}\n",
            operator.receiver.url("/hook")
        );
        std::fs::write(operator.routes(), routes)?;
        Ok(operator)
    }

    fn rules(&self) -> PathBuf {
        self.folder.path().join("rules.yml")
    }

    fn routes(&self) -> PathBuf {
        self.folder.path().join("alertmanager.yml")
    }

    async fn start(&self, data: &Path) -> Result<Tarn> {
        let (rules, routes) = (self.rules(), self.routes());
        let flags = [
            "--alerting.rule-files",
            rules.to_str().context("path")?,
            "--alerting.alertmanager-config",
            routes.to_str().context("path")?,
            "--alerting.shipped-rules",
            "false",
        ];
        Tarn::start(TARN, data, &flags).await
    }

    /// Returns the status of every message that came.
    fn heard(&self) -> Vec<String> {
        let status = |body: &Value| body["status"].as_str().unwrap_or("none").to_owned();
        self.receiver.received().iter().map(|received| status(&received.json())).collect()
    }
}

async fn send(tarn: &Tarn, value: f64) -> Result<()> {
    let labels = [("__name__", "queue_depth"), ("job", "checkout"), ("instance", "a")];
    let answer = send_v1(&tarn.http, &[Series::of(&labels, vec![(now_ms(), value)])]).await?;
    ensure!(answer.status == 204, "{}", answer.text());
    Ok(())
}

/// Sends a value again and again, as an exporter does, until something holds.
async fn send_until(tarn: &Tarn, value: f64, mut holds: impl FnMut() -> bool) -> Result<Duration> {
    let begin = Instant::now();
    while !holds() {
        ensure!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}; log:\n{}", tarn.log_text());
        send(tarn, value).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(begin.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_pages_once_and_what_heals_resolves_once() -> Result<()> {
    let operator = Operator::new().await?;
    let data = data_folder(&operator.folder);
    let tarn = operator.start(&data).await?;
    let took = send_until(&tarn, 500.0, || !operator.heard().is_empty()).await?;
    println!("sample to webhook at 1 s slots: {took:?}");
    let page = operator.receiver.received()[0].json();
    ensure!(page["status"] == "firing", "{page}");
    let alert = &page["alerts"][0];
    ensure!(alert["labels"]["alertname"] == "QueueFull", "{page}");
    ensure!(alert["labels"]["severity"] == "page", "{page}");
    ensure!(alert["annotations"]["summary"] == "checkout has 500 waiting", "{page}");

    let rules = data_of(&tarn.http.get("/api/v1/rules", &[("type", "alert")]).await?)?;
    let rule = &rules["groups"][0]["rules"][0];
    ensure!(rule["state"] == "firing" && rule["health"] == "ok", "{rules}");
    ensure!(rule["query"] == "job:queue:max > 100", "{rules}");
    let alerts = data_of(&tarn.http.get("/api/v1/alerts", &[]).await?)?;
    ensure!(alerts["alerts"][0]["value"] == "5e+02", "{alerts}");
    let query = "ALERTS{alertname=\"QueueFull\",alertstate=\"firing\"}";
    let series = tarn.http.instant(query, &crate::seconds(now_ms())).await?;
    ensure!(series["result"][0]["value"][1] == "1", "{series}");

    // A mistake in the file: the old rules run on, and the place of it is shown.
    std::fs::write(operator.rules(), RULES.replace("max by (job)", "max by job"))?;
    let reload = tarn.http.send(http::Method::POST, "/-/reload", &[], "").await?;
    ensure!(reload.status == 500 && reload.text().contains("rules.yml:"), "{}", reload.text());
    let problems = tarn.http.get("/api/v1/alerting/problems", &[]).await?.text();
    ensure!(problems.contains("rules.yml"), "{problems}");

    send_until(&tarn, 1.0, || operator.heard().len() > 1).await?;
    for _ in 0..15 {
        send(&tarn, 1.0).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ensure!(operator.heard() == ["firing", "resolved"], "{:?}", operator.heard());
    Ok(())
}

/// A crash drill: killed at random moments while something breaks and heals. No page is lost, and
/// there are no more doubles than kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_is_lost_by_a_kill() -> Result<()> {
    let operator = Operator::new().await?;
    let data = data_folder(&operator.folder);
    let mut tarn = operator.start(&data).await?;
    let mut kills = 0;
    for (value, status) in [(500.0, "firing"), (1.0, "resolved")] {
        for wait_ms in [0, 300, 700, 1100] {
            send(&tarn, value).await?;
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            tarn.kill()?;
            kills += 1;
            tarn.start_again().await?;
        }
        let heard = |status: &str| operator.heard().iter().filter(|s| *s == status).count();
        send_until(&tarn, value, || heard(status) > 0).await?;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let heard = operator.heard();
    ensure!(heard.len() <= 2 + kills, "{heard:?}");
    ensure!(heard.last().is_some_and(|last| last == "resolved"), "{heard:?}");
    println!("{} messages over {kills} kills: {heard:?}", heard.len());
    // The same page has the same identity, by which a receiver can know it.
    Ok(())
}
