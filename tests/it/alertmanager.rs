//! Alertmanager's clients against Tarn: amtool as people use it, a Prometheus that takes Tarn for
//! its Alertmanager, silences that outlive a kill.
#![expect(clippy::disallowed_methods, reason = "the test writes the files of an operator")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use http::Method;
use serde_json::{Value, json};
use tarn_query::api::prometheus::time::format_rfc3339;
use tarn_testkit::process::Tarn;
use tarn_testkit::receiver::{Act, Receiver};

use crate::{TARN, data_folder, now_ms, rows};

/// Far above `group_wait` and `group_interval` of the routes below.
const PATIENCE: Duration = Duration::from_secs(20);
/// Several `group_interval`s: whoever is to be told was told by then.
const QUIET: Duration = Duration::from_secs(3);

struct Place {
    folder: tempfile::TempDir,
    receiver: Receiver,
    tarn: Tarn,
}

impl Place {
    async fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let receiver = Receiver::start([], Act::answer(200, "ok")).await?;
        let routes: PathBuf = folder.path().join("alertmanager.yml");
        let text = format!(
            "route:\n  receiver: hook\n  group_by: [alertname]\n  group_wait: 0s\n  \
             group_interval: 1s\n  routes:\n  - matchers: ['team=\"db\"']\n    receiver: nobody\n\
             receivers:\n  - name: hook\n    webhook_configs:\n      - url: {}\n  - name: nobody\n",
            receiver.url("/hook")
        );
        std::fs::write(&routes, text)?;
        let routes = routes.to_str().context("path")?;
        let flags = ["--alerting.alertmanager-config", routes, "--alerting.shipped-rules", "false"];
        let tarn = Tarn::start(TARN, &data_folder(&folder), &flags).await?;
        let place = Self { folder, receiver, tarn };
        place.until_running().await?;
        Ok(place)
    }

    /// Waits until the log of alerting is replayed: before, the interface says so with 503.
    async fn until_running(&self) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let answer = self.tarn.http.get("/api/v2/status", &[]).await?;
            match answer.status {
                200 => return Ok(()),
                503 => tokio::time::sleep(Duration::from_millis(20)).await,
                other => bail!("{other}: {}", answer.text()),
            }
        }
        bail!("alerting does not run within {PATIENCE:?}")
    }

    /// Runs amtool; returns what it printed.
    async fn amtool(&self, prefix: &str, arguments: &[&str]) -> Result<String> {
        let url = format!("--alertmanager.url=http://{}{prefix}", self.tarn.address);
        let mut command = tokio::process::Command::new("amtool");
        command.arg(url).args(arguments).kill_on_drop(true);
        // What the person who runs the test has configured is none of it.
        command.env("HOME", self.folder.path());
        let out = command.output().await?;
        let said = String::from_utf8(out.stdout)?;
        let error = String::from_utf8(out.stderr)?;
        ensure!(out.status.success(), "amtool {arguments:?}: {said}{error}");
        Ok(said)
    }

    async fn amtool_json(&self, arguments: &[&str]) -> Result<Value> {
        let said = self.amtool("", &[arguments, &["--output=json"]].concat()).await?;
        serde_json::from_str(&said).with_context(|| said.clone())
    }

    /// Posts alerts, as Prometheus does; `more_ms` from now they end.
    async fn post(&self, path: &str, name: &str, more_ms: i64) -> Result<()> {
        let alerts = json!([{
            "labels": {"alertname": name, "instance": "web-1", "severity": "page"},
            "annotations": {"summary": "it is gone"},
            "startsAt": format_rfc3339(now_ms() - 60_000),
            "endsAt": format_rfc3339(now_ms() + more_ms),
            "generatorURL": "http://prometheus.example/graph",
        }]);
        let headers = [("content-type", "application/json")];
        let answer = self.tarn.http.send(Method::POST, path, &headers, alerts.to_string()).await?;
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        Ok(())
    }

    /// Returns the alert names and states that the receiver was told.
    fn told(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
        let told = |body: Value| (text(&body["groupLabels"]["alertname"]), text(&body["status"]));
        self.receiver.received().iter().map(|received| told(received.json())).collect()
    }

    async fn until_told(&self, name: &str, status: &str) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if self.told().iter().any(|(n, s)| n == name && s == status) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("{name} {status} is not among {:?}; log:\n{}", self.told(), self.tarn.log_text())
    }
}

fn has_amtool() -> bool {
    std::process::Command::new("amtool").arg("--version").output().is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn amtool_works_unchanged() -> Result<()> {
    if !has_amtool() {
        println!("skipped: no amtool");
        return Ok(());
    }
    let place = Place::new().await?;
    let labels = ["alertname=DiskFull", "instance=web-1", "team=db"];
    place.amtool("", &[&["alert", "add"], &labels[..]].concat()).await?;
    place.amtool("/alertmanager", &["alert", "add", "Other", "job=x"]).await?;
    let alerts = place.amtool_json(&["alert", "query", "alertname=DiskFull"]).await?;
    ensure!(alerts.as_array().is_some_and(|a| a.len() == 1), "{alerts}");
    ensure!(alerts[0]["labels"]["team"] == "db", "{alerts}");
    ensure!(alerts[0]["receivers"] == json!([{"name": "nobody"}]), "{alerts}");

    let add = ["silence", "add", "instance=~web-.*", "-c", "disks are moved", "-a", "ann"];
    let id = place.amtool("", &[&add[..], &["--duration=2h"]].concat()).await?;
    let id = id.trim();
    let silences = place.amtool_json(&["silence", "query"]).await?;
    ensure!(silences[0]["id"] == *id && silences[0]["createdBy"] == "ann", "{silences}");
    ensure!(silences[0]["status"]["state"] == "active", "{silences}");
    let silenced = place.amtool_json(&["alert", "query", "--silenced"]).await?;
    ensure!(silenced[0]["status"]["silencedBy"] == json!([id]), "{silenced}");
    place.amtool("/alertmanager", &["silence", "expire", id]).await?;
    let left = place.amtool("", &["silence", "query", "-q"]).await?;
    ensure!(left.trim().is_empty(), "{left}");
    let silenced = place.amtool("", &["alert", "query", "--silenced", "-o", "simple"]).await?;
    ensure!(!silenced.contains("DiskFull"), "{silenced}");

    let config = place.amtool("", &["config", "show"]).await?;
    ensure!(config.contains("receiver: hook") && !config.contains("/hook"), "{config}");
    let tree = place.amtool("", &["config", "routes", "show"]).await?;
    ensure!(tree.contains("receiver: nobody") && tree.contains("default-route"), "{tree}");
    for (label, receiver) in [("team=db", "nobody"), ("team=web", "hook")] {
        let chosen = place.amtool("", &["config", "routes", "test", label]).await?;
        ensure!(chosen.trim() == receiver, "{label}: {chosen}");
    }
    let cluster = place.amtool("", &["cluster", "show"]).await?;
    ensure!(cluster.contains("disabled"), "{cluster}");
    Ok(())
}

/// A silence is on disk when it is answered: no kill forgets it, and it keeps the page back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silence_outlives_a_kill_and_keeps_a_page_back() -> Result<()> {
    let mut place = Place::new().await?;
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "Known", "isRegex": false, "isEqual": true}],
        "startsAt": format_rfc3339(now_ms()),
        "endsAt": format_rfc3339(now_ms() + 3_600_000),
        "createdBy": "ann",
        "comment": "it is being mended",
    });
    // One of the tenant that files belong to, and one of a tenant that nobody heard of before.
    let mut ids = Vec::new();
    for headers in [&[][..], &[("x-scope-orgid", "guest")][..]] {
        let http = &place.tarn.http;
        let posted = http.send(Method::POST, "/api/v2/silences", headers, silence.to_string());
        let answer = posted.await?;
        ensure!(answer.status == 200, "{}", answer.text());
        ids.push(answer.json()?["silenceID"].as_str().context("id")?.to_owned());
    }
    place.tarn.kill()?;
    place.tarn.start_again().await?;
    place.until_running().await?;
    for (id, headers) in ids.iter().zip([&[][..], &[("x-scope-orgid", "guest")][..]]) {
        let path = format!("/api/v2/silence/{id}");
        let answer = place.tarn.http.send(Method::GET, &path, headers, "").await?;
        ensure!(answer.status == 200 && answer.json()?["status"]["state"] == "active", "{path}");
    }

    place.post("/alertmanager/api/v2/alerts", "Known", 3_600_000).await?;
    place.post("/api/v2/alerts", "Unknown", 3_600_000).await?;
    place.until_told("Unknown", "firing").await?;
    tokio::time::sleep(QUIET).await;
    ensure!(!place.told().iter().any(|(name, _)| name == "Known"), "{:?}", place.told());

    let path = format!("/api/v2/silence/{}", ids[0]);
    let ended = place.tarn.http.send(Method::DELETE, &path, &[], "").await?;
    ensure!(ended.status == 200, "{}", ended.text());
    place.until_told("Known", "firing").await?;

    let query = "SELECT attributes['silence_state'] AS state FROM logs \
                 WHERE event_name = 'tarn.alert.silence' ORDER BY timestamp";
    let begin = Instant::now();
    loop {
        let states = rows(&place.tarn.http, query).await?;
        // What was told just before the kill may be lost: events are history, not state.
        if states.last().is_some_and(|state| state == &[json!("expired")]) {
            return Ok(());
        }
        ensure!(begin.elapsed() < PATIENCE, "{states:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A Prometheus elsewhere takes Tarn for its Alertmanager.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_of_another_prometheus_page_and_resolve() -> Result<()> {
    let place = Place::new().await?;
    place.post("/alertmanager/api/v2/alerts", "Gone", 3_600_000).await?;
    place.until_told("Gone", "firing").await?;
    let page = place.receiver.received()[0].json();
    ensure!(page["alerts"][0]["annotations"]["summary"] == "it is gone", "{page}");
    ensure!(page["alerts"][0]["labels"]["instance"] == "web-1", "{page}");
    // It is told again and again while it fires; that is no second page.
    place.post("/alertmanager/api/v2/alerts", "Gone", 3_600_000).await?;
    let groups = place.tarn.http.get("/api/v2/alerts/groups", &[]).await?.json()?;
    ensure!(groups[0]["receiver"]["name"] == "hook", "{groups}");
    ensure!(groups[0]["alerts"][0]["status"]["state"] == "active", "{groups}");
    place.post("/alertmanager/api/v2/alerts", "Gone", -1).await?;
    place.until_told("Gone", "resolved").await?;
    ensure!(place.told().len() == 2, "{:?}", place.told());

    let http = &place.tarn.http;
    let wrong = http.send(Method::PUT, "/api/v2/silences", &[], "").await?;
    let allow = wrong.headers.get("allow").and_then(|v| v.to_str().ok());
    ensure!((wrong.status, allow) == (405, Some("GET, HEAD, POST")), "{allow:?}");
    for path in ["/alertmanager/-/healthy", "/alertmanager/-/ready"] {
        ensure!(http.get(path, &[]).await?.status == 200, "{path}");
    }
    let reload = http.send(Method::POST, "/alertmanager/-/reload", &[], "").await?;
    ensure!(reload.status == 200, "{}", reload.text());
    Ok(())
}
