//! Who did what is kept, survives a kill, and shows when somebody changed it.
#![expect(clippy::disallowed_methods, reason = "the test writes the files of an operator")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use tarn_testkit::process::Tarn;

use crate::canary::{self, Canaries, Said};
use crate::{TARN, data_folder};

const PATIENCE: Duration = Duration::from_secs(20);

struct Guarded {
    folder: tempfile::TempDir,
    flags: Vec<String>,
    token: String,
}

impl Guarded {
    /// A server where somebody has to log in, and the key of its operator.
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let out = Command::new(TARN).args(["access", "keys", "generate"]).output()?;
        let printed = String::from_utf8(out.stdout)?;
        let token = printed.split_whitespace().find(|word| word.starts_with("tarn_"));
        let token = token.context("a token is printed")?.to_owned();
        let secret = folder.path().join("token");
        std::fs::write(&secret, &token)?;
        let keys = json!({"keys": [{
            "name": "operator", "token": format!("file:{}", secret.display()),
            "grants": [{"role": "admin", "tenants": ["*"]}],
        }]});
        let path = folder.path().join("auth.yaml");
        std::fs::write(&path, keys.to_string())?;
        let flags = [
            "--auth.login",
            "on",
            "--auth.file",
            &path.display().to_string(),
            "--audit.stdout",
            "true",
        ];
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Ok(Self { folder, flags, token })
    }

    async fn start(&self, more: &[&str]) -> Result<Tarn> {
        let flags: Vec<&str> =
            self.flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
        Tarn::start(TARN, &data_folder(&self.folder), &flags).await
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    async fn ask(&self, tarn: &Tarn, method: Method, path: &str, body: Value) -> Result<Value> {
        let authorization = self.authorization();
        let headers =
            [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = tarn.http.send(method, path, &headers, body).await?;
        ensure!(answer.status < 300, "{path}: {} {}", answer.status, answer.text());
        serde_json::from_slice(&answer.body).with_context(|| format!("{path}: {}", answer.text()))
    }

    fn verify(&self, tarn: &Tarn, more: &[&str]) -> Result<(bool, String)> {
        let url = format!("http://{}", tarn.address);
        let mut command = Command::new(TARN);
        command.args(["audit", "verify", "--url", &url]).args(more).env("TARN_TOKEN", &self.token);
        let out = command.output()?;
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
        Ok((out.status.success(), text))
    }

    /// Waits until the newest events include some actions.
    async fn wait_for(&self, tarn: &Tarn, actions: &[&str]) -> Result<Vec<Value>> {
        let begin = Instant::now();
        loop {
            let list =
                self.ask(tarn, Method::GET, "/api/v1/access/audit?limit=500", Value::Null).await?;
            let events = list["data"]["events"].as_array().cloned().unwrap_or_default();
            let has = |action: &&&str| events.iter().any(|e| e["event"]["action"] == **action);
            let missing: Vec<_> = actions.iter().filter(|action| !has(action)).collect();
            if missing.is_empty() {
                return Ok(events);
            }
            ensure!(begin.elapsed() < PATIENCE, "{missing:?} are missing: {list}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn wrong(tarn: &Tarn) -> Result<()> {
    let headers = [("authorization", "Bearer tarn_nobody_0000")];
    let answer = tarn.http.send(Method::GET, "/api/v1/labels", &headers, "").await?;
    ensure!(answer.status == 401, "{} {}", answer.status, answer.text());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_is_kept_over_a_kill_and_what_was_changed_shows() -> Result<()> {
    let guarded = Guarded::new()?;
    let mut tarn = guarded.start(&[]).await?;
    let board = json!({
        "kind": "Dashboard", "metadata": {"name": "shop"},
        "spec": {"display": {"name": "Shop"}, "panels": {}, "layouts": []},
    });
    guarded.ask(&tarn, Method::PUT, "/api/v1/dashboards/shop", board).await?;
    wrong(&tarn).await?;
    let events = guarded.wait_for(&tarn, &["dashboard.save", "refused"]).await?;
    let saved =
        events.iter().find(|e| e["event"]["action"] == "dashboard.save").context("there")?;
    let event = &saved["event"];
    ensure!(event["principal"] == "operator" && event["outcome"] == "done", "{event}");
    ensure!(event["target"] == "PUT /api/v1/dashboards/shop", "{event}");
    ensure!(event["from"] == "127.0.0.1", "{event}");
    tarn.kill()?;
    tarn.start_again().await?;
    guarded.ask(&tarn, Method::DELETE, "/api/v1/dashboards/shop", Value::Null).await?;
    let events =
        guarded.wait_for(&tarn, &["dashboard.save", "refused", "dashboard.delete"]).await?;
    let (ok, text) = guarded.verify(&tarn, &[])?;
    println!("{text}");
    ensure!(ok && text.contains(&format!("{} events in 1 chains", events.len())), "{text}");

    // The lines on standard output are the same events. One of them changed, one taken out:
    let log = tarn.log_text();
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with("{\"audit\":")).collect();
    ensure!(lines.len() == events.len(), "{} lines, {} events", lines.len(), events.len());
    let file = guarded.folder.path().join("audit.jsonl");
    let check = |text: String| -> Result<(bool, String)> {
        std::fs::write(&file, text)?;
        guarded.verify(&tarn, &["--file", path(&file)?])
    };
    let (ok, text) = check(lines.join("\n"))?;
    ensure!(ok, "{text}");
    let (ok, text) = check(lines.join("\n").replace("\"operator\"", "\"nobody\""))?;
    ensure!(!ok && text.contains("was changed"), "{text}");
    let (ok, text) = check([&lines[..1], &lines[2..]].concat().join("\n"))?;
    ensure!(!ok && text.contains("are missing"), "{text}");
    // Nobody writes events, nobody reads them as another tenant's rows.
    let authorization = guarded.authorization();
    let headers = [
        ("authorization", authorization.as_str()),
        ("x-scope-orgid", "_audit"),
        ("content-type", "application/json"),
    ];
    let forged =
        tarn.http.send(Method::POST, "/v1/logs", &headers, "{\"resourceLogs\":[]}").await?;
    ensure!(forged.status == 403, "{} {}", forged.status, forged.text());
    let begin = Instant::now();
    loop {
        let events = guarded.wait_for(&tarn, &["refused"]).await?;
        let refused = events.iter().find(|e| e["event"]["target"] == "POST /v1/logs");
        if let Some(refused) = refused {
            ensure!(refused["event"]["principal"] == "operator", "{refused}");
            return Ok(());
        }
        ensure!(begin.elapsed() < PATIENCE, "the forgery is not told");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path of text")
}

/// The search for planted secrets, where somebody has to log in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credential_is_said_anywhere() -> Result<()> {
    let guarded = Guarded::new()?;
    let mut canaries = Canaries::default();
    canaries.watch("key of auth.file", secret_of(&guarded.token)?);
    let mut tarn = guarded.start(&["--log.level", "trace"]).await?;
    let made = json!({"name": "sender", "grants": [{"role": "ingest", "tenants": ["*"]}]});
    let made = guarded.ask(&tarn, Method::POST, "/api/v1/access/keys", made).await?;
    let token = made["data"]["token"].as_str().context("a token")?.to_owned();
    canaries.watch("key of the API", secret_of(&token)?);
    let wrong = canaries.plant("wrong key");
    let mut said = Said::new();
    let authorization = guarded.authorization();
    for credentials in
        [authorization.as_str(), &format!("Bearer {token}"), &format!("Bearer tarn_x_{wrong}")]
    {
        canary::ask_every_route(&tarn, &[("authorization", credentials)], &mut said).await?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    canary::read_own_rows(&tarn, &[("authorization", &authorization)], &mut said).await?;
    canary::support_bundle(&tarn.address, guarded.folder.path(), Some(&guarded.token), &mut said)?;
    tarn.kill()?;
    said.push(("log".to_owned(), tarn.log_text().into_bytes()));
    canary::files(&data_folder(&guarded.folder), &mut said)?;
    println!("{}", canary::assert_silent(&canaries, &said)?);
    Ok(())
}

fn secret_of(token: &str) -> Result<&str> {
    Ok(token.rsplit_once('_').context("a token has parts")?.1)
}
