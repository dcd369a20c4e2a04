//! Boards over HTTP: kept whole, changed against a revision, there again after a restart; folders are
//! watched; a body beyond the limit is refused with words.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use http::Method;
use serde_json::{Value, json};
use tarn_testkit::http::Http;
use tarn_testkit::process::Tarn;

use crate::{TARN, data_folder};

const AT: &str = "/api/v1/dashboards";

#[expect(clippy::disallowed_methods, reason = "files that a child process reads")]
fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    Ok(std::fs::write(folder.join(name), text)?)
}

/// A board with kinds that nobody knows.
fn board(title: &str) -> Value {
    json!({
        "kind": "Dashboard",
        "metadata": { "name": "mine", "later": { "x": [1, null, "\u{202e}<b>"] } },
        "spec": {
            "display": { "name": title },
            "panels": { "a": { "kind": "Panel", "spec": {
                "plugin": { "kind": "LaterChart", "spec": { "deep": { "er": 0.5 } } },
                "queries": [{ "kind": "TimeSeriesQuery", "spec": { "plugin": {
                    "kind": "PrometheusTimeSeriesQuery", "spec": { "query": "rate(x[$__rate_interval]" },
                } } }],
            } } },
        },
    })
}

async fn put(
    http: &Http,
    name: &str,
    expected: Option<&str>,
    board: &Value,
) -> Result<(u16, Value)> {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(expected.map(|revision| ("if-match", revision)));
    let answer =
        http.send(Method::PUT, &format!("{AT}/{name}"), &headers, board.to_string()).await?;
    Ok((answer.status, answer.json()?))
}

#[tokio::test]
async fn a_board_is_kept_whole_and_changed_against_its_revision() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let mut tarn = Tarn::start(TARN, &data_folder(&temporary), &[]).await?;
    let (status, stored) = put(&tarn.http, "mine", None, &board("One")).await?;
    ensure!((status, &stored["data"]["revision"]) == (200, &json!(1)), "{status} {stored}");
    let (status, wrong) = put(&tarn.http, "mine", None, &board("Other")).await?;
    ensure!(status == 409, "it is there already: {wrong}");

    let (status, stored) = put(&tarn.http, "mine", Some("\"1\""), &board("Two")).await?;
    ensure!((status, &stored["data"]["revision"]) == (200, &json!(2)), "{status} {stored}");
    let (status, late) = put(&tarn.http, "mine", Some("1"), &board("Three")).await?;
    ensure!(status == 409 && late["errorType"] == "conflict", "{status} {late}");
    ensure!(late["data"]["revision"] == 2 && late["data"]["dashboard"] == board("Two"), "{late}");
    let diff = late["data"]["diff"].as_str().unwrap_or_default();
    ensure!(diff.contains("Two") && diff.contains("Three"), "{diff}");

    tarn.kill()?;
    tarn.start_again().await?;
    let answer = tarn.http.get(&format!("{AT}/mine"), &[]).await?.json()?;
    let found = &answer["data"];
    ensure!(found["dashboard"] == board("Two"), "nothing is lost: {found}");
    ensure!(found["origin"] == "stored" && found["revision"] == 2, "{found}");
    let problem = found["problems"][0]["path"].as_str().unwrap_or_default();
    ensure!(problem == "spec.panels.a.spec.queries[0].spec.plugin.spec.query", "{found}");
    let yaml = tarn.http.get(&format!("{AT}/mine"), &[("format", "yaml")]).await?.text();
    ensure!(yaml.starts_with("kind: Dashboard\n"), "{yaml}");

    let gone =
        tarn.http.send(Method::DELETE, &format!("{AT}/mine"), &[("if-match", "2")], "").await?;
    ensure!(gone.status == 200, "{}", gone.text());
    let gone = tarn.http.get(&format!("{AT}/mine"), &[]).await?;
    ensure!(gone.status == 404, "{}", gone.text());
    Ok(())
}

#[tokio::test]
async fn boards_are_listed_where_they_have_data_and_bad_ones_are_refused() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &[]).await?;
    let begun = Instant::now();
    loop {
        let listed = tarn.http.get(AT, &[]).await?.json()?;
        let boards = listed["data"]["dashboards"].as_array().cloned().unwrap_or_default();
        let matching =
            |name: &str| boards.iter().any(|b| b["name"] == name && b["matches"] == true);
        ensure!(boards.iter().any(|b| b["name"] == "kafka" && b["matches"] == false), "{listed}");
        // Tarn says something about itself and the machine within seconds.
        if matching("tarn") && matching("host") {
            break;
        }
        ensure!(begun.elapsed() < Duration::from_secs(30), "nothing has data: {listed}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (status, refused) = put(
        &tarn.http,
        "tarn",
        Some("*"),
        &json!({
            "kind": "Dashboard", "metadata": { "name": "tarn" }, "spec": {},
        }),
    )
    .await?;
    ensure!(status == 403, "built in: {refused}");
    let (status, refused) = put(&tarn.http, "other", None, &board("x")).await?;
    ensure!(
        status == 400 && refused["error"].as_str().is_some_and(|e| e.contains("\"mine\"")),
        "{refused}"
    );
    let (status, refused) = put(&tarn.http, "x", None, &json!({ "kind": "Dashboard" })).await?;
    ensure!(
        status == 400 && refused["data"]["problems"][0]["path"] == "metadata.name",
        "{refused}"
    );

    let long = format!("{{\"panels\": [\"{}\"]}}", "x".repeat(5_000_000));
    let json_body = [("content-type", "application/json")];
    let answer = tarn.http.send(Method::POST, &format!("{AT}/import"), &json_body, long).await?;
    ensure!(answer.status == 413 && answer.text().contains("5000000 bytes"), "{}", answer.text());
    let grafana = json!({ "title": "G", "panels": [{ "id": 1, "type": "timeseries", "title": "t",
        "targets": [{ "expr": "up", "refId": "A" }] }] });
    let answer = tarn
        .http
        .send(Method::POST, &format!("{AT}/import"), &json_body, grafana.to_string())
        .await?;
    let made = answer.json()?;
    ensure!(made["data"]["report"]["whole"] == true, "{made}");
    let made = made["data"]["dashboard"].to_string();
    let answer = tarn.http.send(Method::POST, &format!("{AT}/lint"), &json_body, made).await?;
    ensure!(answer.json()?["data"] == json!({ "ok": true, "problems": [] }), "{}", answer.text());
    Ok(())
}

#[tokio::test]
async fn a_file_owns_its_board_and_is_written_back() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let folder = temporary.path().join("boards");
    std::fs::create_dir(&folder)?;
    write(&folder, "bad.yaml", "kind: Folder\n")?;
    let setting = folder.display().to_string();
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &["--ui.dashboards", &setting]).await?;
    write(
        &folder,
        "mine.yaml",
        "# of Git\nkind: Dashboard\nmetadata: {name: mine}\nspec: {display: {name: File}}\n",
    )?;
    let begun = Instant::now();
    let revision = loop {
        let answer = tarn.http.get(&format!("{AT}/mine"), &[]).await?;
        if answer.status == 200 {
            let found = answer.json()?;
            ensure!(found["data"]["origin"] == "folder", "{found}");
            break found["data"]["revision"].to_string();
        }
        ensure!(begun.elapsed() < Duration::from_secs(20), "{}", answer.text());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let listed = tarn.http.get(AT, &[]).await?.json()?;
    let problem = listed["data"]["problems"][0]["file"].as_str().unwrap_or_default();
    ensure!(problem.ends_with("bad.yaml"), "{listed}");

    let (status, late) = put(&tarn.http, "mine", Some("1"), &board("Mine")).await?;
    ensure!(status == 409, "another revision: {late}");
    let (status, done) = put(&tarn.http, "mine", Some(&revision), &board("Mine")).await?;
    ensure!(status == 200, "{done}");
    let text = std::fs::read_to_string(folder.join("mine.yaml"))?;
    ensure!(text.contains("LaterChart"), "{text}");
    let found = tarn.http.get(&format!("{AT}/mine"), &[]).await?.json()?;
    ensure!(found["data"]["dashboard"] == board("Mine"), "{found}");
    Ok(())
}
