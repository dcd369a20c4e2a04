//! Rules set through Mimir's ruler interface: they run at once, are shown as they were set, survive a
//! restart and go away again; a mistake changes nothing.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use http::Method;
use tarn_testkit::http::Answer;
use tarn_testkit::process::Tarn;
use tarn_testkit::remote_write::{Series, send_v1};

use crate::{TARN, data_folder, now_ms};

const GROUP: &str = "
name: errors
interval: 1s
rules:
- alert: ShopFails
  expr: shop_failing > 0
  labels: {severity: page}
";
const YAML: (&str, &str) = ("content-type", "application/yaml");

/// Sends a group, again while the alert log is being replayed.
async fn post(tarn: &Tarn, path: &str, body: &str) -> Result<Answer> {
    let begun = Instant::now();
    loop {
        let answer = tarn.http.send(Method::POST, path, &[YAML], body.to_owned()).await?;
        if answer.status != 503 || begun.elapsed() > Duration::from_secs(20) {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the alert fires.
async fn fires(tarn: &Tarn) -> Result<()> {
    let begun = Instant::now();
    loop {
        let labels = [("__name__", "shop_failing"), ("job", "shop")];
        let series = Series::of(&labels, vec![(now_ms(), 1.0)]);
        ensure!(send_v1(&tarn.http, &[series]).await?.status == 204);
        let answer = tarn.http.get("/api/v1/rules", &[("file[]", "team/shop")]).await?.json()?;
        let group = &answer["data"]["groups"][0];
        if group["rules"][0]["state"] == "firing" {
            ensure!(group["name"] == "errors" && group["interval"] == 1, "{answer}");
            return Ok(());
        }
        ensure!(begun.elapsed() < Duration::from_secs(30), "it does not fire: {answer}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_are_set_run_survive_and_go() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let flags = ["--alerting.shipped-rules", "false"];
    let mut tarn = Tarn::start(TARN, &data_folder(&temporary), &flags).await?;
    // As mimirtool and Grafana spell it: the slash of the namespace is encoded.
    let path = "/prometheus/config/v1/rules/team%2Fshop";
    let answer = post(&tarn, path, GROUP).await?;
    ensure!(answer.status == 202 && answer.json()?["status"] == "success", "{}", answer.text());
    fires(&tarn).await?;
    tarn.kill()?;
    tarn.start_again().await?;
    fires(&tarn).await?;
    let list = tarn.http.get("/config/v1/rules", &[]).await?.text();
    let shown = "\"team/shop\":\n  - name: errors\n    interval: 1s\n    rules:\n    - alert: ShopFails\n      \
                 expr: shop_failing > 0\n      labels:\n        severity: page\n";
    ensure!(list == shown, "{list}");
    let one = tarn.http.get("/api/v1/rules/team%2Fshop/errors", &[]).await?.text();
    ensure!(one.starts_with("name: errors\n"), "{one}");
    let gone = tarn.http.send(Method::DELETE, &format!("{path}/errors"), &[], "").await?;
    ensure!(gone.status == 202, "{}", gone.text());
    let rules = tarn.http.get("/api/v1/rules", &[]).await?.json()?;
    ensure!(rules["data"]["groups"] == serde_json::json!([]), "{rules}");
    let again = tarn.http.send(Method::DELETE, path, &[], "").await?;
    ensure!(again.status == 404, "{}", again.text());
    let empty = tarn.http.get("/prometheus/config/v1/rules", &[]).await?;
    ensure!((empty.status, &*empty.text()) == (200, "{}\n"), "{}", empty.text());
    Ok(())
}

#[tokio::test]
async fn a_mistake_in_what_is_set_is_told_with_its_place_and_changes_nothing() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &[]).await?;
    let path = "/config/v1/rules/shop";
    ensure!(post(&tarn, path, GROUP).await?.status == 202);
    for (text, line, column, message) in [
        ("name: errors\nrules:\n- alert: A\n  expr: sum(\n", 4, 13, "parenthesis"),
        ("name: errors\nrules:\n- alert: A\n  expr: 1\n  foo: 2\n", 5, 3, "foo"),
        ("rules: []\n", 1, 1, "name"),
        ("", 1, 1, "no group"),
    ] {
        let answer = post(&tarn, path, text).await?;
        ensure!(answer.status == 400, "{text:?}: {}", answer.text());
        let json = answer.json()?;
        let problem = &json["problems"][0];
        let place =
            (problem["file"].as_str(), problem["line"].as_u64(), problem["column"].as_u64());
        ensure!(place == (Some("shop"), Some(line), Some(column)), "{text:?}: {json}");
        ensure!(problem["message"].to_string().contains(message), "{text:?}: {json}");
    }
    let shown = tarn.http.get("/config/v1/rules/shop/errors", &[]).await?.text();
    ensure!(shown.contains("ShopFails"), "{shown}");
    // A rule file's group is none that can be replaced here.
    let rules = tarn.http.get("/api/v1/rules", &[]).await?.json()?;
    let shipped = rules["data"]["groups"].as_array().into_iter().flatten();
    let mut file = shipped.filter_map(|g| Some((g["file"].as_str()?, g["name"].as_str()?)));
    let (file, name) = file.rfind(|(file, _)| *file != "shop").unwrap_or_default();
    let path = format!("/config/v1/rules/{}", file.replace('/', "%2F").replace(' ', "%20"));
    let answer = post(&tarn, &path, &format!("name: {name:?}\nrules: []\n")).await?;
    ensure!(answer.status == 400, "{file} {name}: {}", answer.text());
    Ok(())
}
