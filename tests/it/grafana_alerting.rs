//! What Grafana's alerting screens ask of a Prometheus and of an Alertmanager data source, request by
//! request.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use tarn_query::api::prometheus::time::format_rfc3339;
use tarn_testkit::http::data_of;
use tarn_testkit::process::Tarn;

use crate::{TARN, data_folder, now_ms};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

async fn start(temporary: &tempfile::TempDir) -> Result<Tarn> {
    let tarn = Tarn::start(TARN, &data_folder(temporary), &[]).await?;
    let begun = Instant::now();
    while tarn.http.get("/alertmanager/api/v2/status", &[]).await?.status != 200 {
        ensure!(begun.elapsed() < Duration::from_secs(20), "{}", tarn.log_text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(tarn)
}

async fn json_of(tarn: &Tarn, path: &str, params: &[(&str, &str)]) -> Result<Value> {
    let answer = tarn.http.get(path, params).await?;
    ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_of_rules_pages_and_filters_as_grafana_asks() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = start(&temporary).await?;
    let build = data_of(&tarn.http.get("/api/v1/status/buildinfo", &[]).await?)?;
    ensure!(build["version"].is_string(), "{build}");
    let all = data_of(&tarn.http.get("/api/v1/rules", &[]).await?)?;
    let groups = all["groups"].as_array().context("no groups")?;
    ensure!(groups.len() > 2, "the shipped rules are there: {all}");
    let name = |group: &Value| format!("{};{}", group["file"], group["name"]);
    // Page by page, as the list view loads it.
    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let params = [("type", "alert"), ("group_limit", "2"), ("exclude_alerts", "true")];
        let more = [("group_next_token", &*token)];
        let params = [&params[..], if token.is_empty() { &[] } else { &more }].concat();
        let page = data_of(&tarn.http.get("/prometheus/api/v1/rules", &params).await?)?;
        let on_page = page["groups"].as_array().context("no groups")?;
        ensure!(on_page.len() <= 2, "{page}");
        for group in on_page {
            let rules = group["rules"].as_array().context("no rules")?;
            ensure!(rules.iter().all(|rule| rule["type"] == "alerting"), "{group}");
            ensure!(rules.iter().all(|rule| rule["alerts"] == json!([])), "{group}");
            paged.push(name(group));
        }
        match page["groupNextToken"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    let is_alerting = |group: &&Value| {
        group["rules"].as_array().is_some_and(|r| r.iter().any(|one| one["type"] == "alerting"))
    };
    ensure!(paged == groups.iter().filter(is_alerting).map(name).collect::<Vec<_>>(), "{paged:?}");
    // One rule, as its page asks for it.
    let group = groups.iter().find(is_alerting).context("an alerting rule")?;
    let rule = &group["rules"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (file, of, rule) = (text(&group["file"]), text(&group["name"]), text(&rule["name"]));
    let one = [("file[]", &*file), ("rule_group[]", &*of), ("rule_name[]", &*rule)];
    let found = data_of(&tarn.http.get("/api/v1/rules", &one).await?)?;
    ensure!(found["groups"].as_array().is_some_and(|g| g.len() == 1), "{found}");
    ensure!(found["groups"][0]["rules"][0]["name"] == rule, "{found}");
    let none = [("rule_name[]", &*rule), ("match[]", "{severity=\"no such\"}")];
    let found = data_of(&tarn.http.get("/api/v1/rules", &none).await?)?;
    ensure!(found["groups"] == json!([]), "{found}");
    for wrong in [("group_limit", "0"), ("type", "page"), ("group_next_token", "abc")] {
        let answer = tarn.http.get("/api/v1/rules", &[wrong]).await?;
        ensure!(answer.status == 400 && answer.json()?["errorType"] == "bad_data", "{wrong:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_alertmanager_screens_list_group_and_silence() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = start(&temporary).await?;
    let status = json_of(&tarn, "/alertmanager/api/v2/status", &[]).await?;
    for key in ["cluster", "config", "uptime", "versionInfo"] {
        ensure!(!status[key].is_null(), "{key}: {status}");
    }
    ensure!(status["config"]["original"].is_string(), "{status}");
    let receivers = json_of(&tarn, "/alertmanager/api/v2/receivers", &[]).await?;
    ensure!(receivers[0]["name"].is_string(), "{receivers}");
    let alert = json!([{"labels": {"alertname": "DiskFull", "instance": "web-1"}}]);
    let path = "/alertmanager/api/v2/alerts";
    let posted = tarn.http.send(Method::POST, path, &JSON, alert.to_string()).await?;
    ensure!(posted.status == 200, "{}", posted.text());
    let filter = [
        ("silenced", "true"),
        ("inhibited", "true"),
        ("active", "true"),
        ("filter", "alertname=\"DiskFull\""),
    ];
    let groups = json_of(&tarn, "/alertmanager/api/v2/alerts/groups", &filter).await?;
    let shown = &groups[0]["alerts"][0];
    ensure!(shown["labels"]["instance"] == "web-1", "{groups}");
    ensure!(shown["status"]["state"] == "active", "{groups}");
    ensure!(groups[0]["receiver"]["name"].is_string(), "{groups}");
    // The editor of silences sends this, and shows what comes back.
    let silence = json!({
        "matchers": [{"name": "instance", "value": "web-.*", "isRegex": true, "isEqual": true}],
        "startsAt": format_rfc3339(now_ms()), "endsAt": format_rfc3339(now_ms() + 7_200_000),
        "createdBy": "ann", "comment": "disks are moved",
    });
    let path = "/alertmanager/api/v2/silences";
    let made = tarn.http.send(Method::POST, path, &JSON, silence.to_string()).await?;
    ensure!(made.status == 200, "{}", made.text());
    let id = made.json()?["silenceID"].as_str().context("no id")?.to_owned();
    let groups = json_of(&tarn, "/alertmanager/api/v2/alerts/groups", &filter).await?;
    let shown = &groups[0]["alerts"][0]["status"];
    ensure!(shown["state"] == "suppressed" && shown["silencedBy"] == json!([id]), "{groups}");
    let one = format!("/alertmanager/api/v2/silence/{id}");
    let gone = tarn.http.send(Method::DELETE, &one, &[], "").await?;
    ensure!(gone.status == 200, "{}", gone.text());
    let silences = json_of(&tarn, path, &[]).await?;
    let ended = silences.as_array().and_then(|all| all.iter().find(|s| s["id"] == id));
    ensure!(ended.is_some_and(|s| s["status"]["state"] == "expired"), "{silences}");
    Ok(())
}
