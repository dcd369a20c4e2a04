//! A value that occurs nowhere else is planted wherever Tarn is given a secret: in every setting that
//! takes one, in the receivers of `alertmanager.yml`, in the credentials of requests. Then everything
//! that Tarn says is searched for it: replies of every route, log lines at the finest level, own log
//! lines and spans as they are stored, metrics, the support bundle, the data folder and the bucket.
//!
//! The settings are read from the program's own reference, so that a new one is among them.
#![expect(
    clippy::disallowed_methods,
    reason = "the test writes and reads the files of an operator"
)]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::Method;
use memchr::memmem;
use tarn_testkit::process::Tarn;
use tarn_testkit::remote_write::{Series, send_v1};
use tarn_testkit::s3_server::S3Server;

use crate::noise::{Route, routes};
use crate::{TARN, data_folder, now_ms};

/// How long alerts may take to fire and fail.
const PATIENCE: Duration = Duration::from_secs(20);

const RULES: &str =
    "groups:\n- name: canary\n  interval: 1s\n  rules:\n  - alert: Always\n    expr: vector(1)\n";

/// What was planted: a value, and where.
#[derive(Debug, Default)]
pub(crate) struct Canaries {
    planted: BTreeMap<String, String>,
}

impl Canaries {
    /// Makes a value for a place.
    pub(crate) fn plant(&mut self, place: &str) -> String {
        let number = self.planted.len();
        let seed = now_ms().unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number as u64;
        let value = format!("canary{number:02}x{:016x}", seed.wrapping_mul(0xd6e8_feb8_6659_fd93));
        self.planted.insert(place.to_owned(), value.clone());
        value
    }

    /// Watches for a value that Tarn made.
    pub(crate) fn watch(&mut self, place: &str, value: &str) {
        self.planted.insert(place.to_owned(), value.to_owned());
    }

    /// Says which value is where it should not be: as it is, or in base64 at any offset.
    pub(crate) fn search(&self, what: &str, bytes: &[u8]) -> Vec<String> {
        let mut hits = Vec::new();
        for (place, value) in &self.planted {
            let forms = std::iter::once(value.clone()).chain((0..3).map(|offset| {
                let shifted = [&[b'-'; 3][..offset], value.as_bytes()].concat();
                let text = STANDARD_NO_PAD.encode(shifted);
                // Characters that neighbours share are left out.
                text.get(4..text.len() - 4).unwrap_or_default().to_owned()
            }));
            for form in forms {
                if memmem::find(bytes, form.as_bytes()).is_some() {
                    hits.push(format!("secret of {place} in {what} as {form}"));
                }
            }
        }
        hits
    }
}

#[test]
fn the_search_finds_what_is_there() {
    let mut canaries = Canaries::default();
    let value = canaries.plant("here");
    for text in [
        format!("a {value} b"),
        format!("Basic {}", STANDARD_NO_PAD.encode(format!("user:{value}"))),
        STANDARD_NO_PAD.encode(format!("x{value}y")),
    ] {
        assert_eq!(canaries.search("text", text.as_bytes()).len(), 1, "{text}");
    }
    assert!(canaries.search("text", b"nothing").is_empty());
}

/// Returns the settings that take a secret, as flags are written.
fn secret_settings() -> Result<Vec<String>> {
    let out = Command::new(TARN).args(["config", "reference"]).output()?;
    let text = String::from_utf8(out.stdout)?;
    let mut key = String::new();
    let mut keys = Vec::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            key = heading.trim_matches('`').to_owned();
        }
        if line.starts_with("Takes secret") {
            keys.push(key.clone());
        }
    }
    ensure!(keys.len() >= 5, "{keys:?}");
    Ok(keys)
}

fn flag(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

fn receivers(canaries: &mut Canaries) -> String {
    let mut secret = |place: &str| canaries.plant(place);
    format!(
        r#"
global:
  smtp_smarthost: 127.0.0.1:1
  smtp_from: tarn@example.org
  smtp_auth_username: tarn
  smtp_auth_password: {smtp}
  smtp_require_tls: false
route: {{receiver: all, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
- name: all
  slack_configs:
  - {{api_url: "http://127.0.0.1:1/services/{slack}", channel: ops}}
  pagerduty_configs:
  - {{url: "http://127.0.0.1:1/v2/enqueue", routing_key: {pagerduty}}}
  webhook_configs:
  - {{url: "http://127.0.0.1:1/{webhook}"}}
  - url: "http://127.0.0.1:1/hook"
    http_config: {{authorization: {{credentials: {bearer}}}}}
  - url: "http://127.0.0.1:1/hook"
    http_config: {{basic_auth: {{username: tarn, password: {basic}}}}}
  email_configs:
  - {{to: oncall@example.org}}
"#,
        smtp = secret("smtp_auth_password"),
        slack = secret("slack api_url"),
        pagerduty = secret("pagerduty routing_key"),
        webhook = secret("webhook url"),
        bearer = secret("webhook authorization"),
        basic = secret("webhook basic_auth"),
    )
}

/// What a server said, by where.
pub(crate) type Said = Vec<(String, Vec<u8>)>;

/// Asks every route, with credentials in the headers, with a good body and with a bad one.
pub(crate) async fn ask_every_route(
    tarn: &Tarn,
    headers: &[(&str, &str)],
    said: &mut Said,
) -> Result<()> {
    for Route { path, methods, .. } in routes()? {
        // It answers until its client goes.
        if path.ends_with("/logs/tail") || path.ends_with("/-/forget") {
            continue;
        }
        let path = path
            .replace("{id}", "0af7651916cd43dd8448eb211c80319c")
            .replace("{span_id}", "b7ad6b7169203331");
        let path = path.replace("{name}", "up").replace(['{', '}'], "");
        for method in methods {
            for query in ["", "?query=up&q=x&start=bad&limit=x"] {
                let what = format!("{method} {path}{query}");
                let answer =
                    tarn.http.send(method.clone(), &format!("{path}{query}"), headers, "").await;
                let answer = answer.with_context(|| what.clone())?;
                let mut bytes = format!("{:?}", answer.headers).into_bytes();
                bytes.extend_from_slice(&answer.body);
                said.push((what, bytes));
            }
        }
    }
    Ok(())
}

/// Reads own log lines and spans as they are stored.
pub(crate) async fn read_own_rows(
    tarn: &Tarn,
    headers: &[(&str, &str)],
    said: &mut Said,
) -> Result<()> {
    for table in ["logs", "spans"] {
        let mut headers = headers.to_vec();
        headers.push(("content-type", "text/plain"));
        let query = format!("SELECT * FROM {table}");
        let answer = tarn.http.send(Method::POST, "/api/v1/sql", &headers, query).await?;
        ensure!(answer.status == 200, "{table}: {}", answer.text());
        ensure!(answer.body.len() > 1_000, "{table} has own rows: {}", answer.text());
        said.push((format!("stored {table}"), answer.body.to_vec()));
    }
    Ok(())
}

/// Makes a support bundle, unpacks it.
#[expect(clippy::disallowed_types, reason = "the archive is our own")]
pub(crate) fn support_bundle(
    address: &str,
    folder: &Path,
    token: Option<&str>,
    said: &mut Said,
) -> Result<()> {
    let out = folder.join("support.tar.gz");
    let mut command = Command::new(TARN);
    command.args(["support-bundle", "--url", &format!("http://{address}"), "--out"]).arg(&out);
    command.envs(token.map(|token| ("TARN_TOKEN", token)));
    let Output { status, stdout, stderr } = command.output()?;
    ensure!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(&out)?).read_to_end(&mut bytes)?;
    for part in ["README.txt", "status.json", "metrics.txt", "log.json"] {
        ensure!(memmem::find(&bytes, part.as_bytes()).is_some(), "{part} is in the bundle");
    }
    ensure!(
        !String::from_utf8_lossy(&stdout).contains("missing:"),
        "{}",
        String::from_utf8_lossy(&stdout)
    );
    said.push(("support bundle".to_owned(), bytes));
    Ok(())
}

/// Reads every file below a folder.
pub(crate) fn files(folder: &Path, said: &mut Said) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            files(&path, said)?;
        } else {
            said.push((path.display().to_string(), std::fs::read(&path)?));
        }
    }
    Ok(())
}

pub(crate) fn assert_silent(canaries: &Canaries, said: &Said) -> Result<String> {
    let hits: Vec<String> =
        said.iter().flat_map(|(what, bytes)| canaries.search(what, bytes)).collect();
    let bytes: usize = said.iter().map(|(_, bytes)| bytes.len()).sum();
    ensure!(hits.is_empty(), "{}", hits.join("\n"));
    Ok(format!(
        "{} secrets, {} places with {bytes} bytes: {} hits",
        canaries.planted.len(),
        said.len(),
        hits.len()
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_said_anywhere() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut canaries = Canaries::default();
    let data = data_folder(&folder);
    let (rules, routes) = (folder.path().join("rules.yml"), folder.path().join("alertmanager.yml"));
    std::fs::write(&rules, RULES)?;
    std::fs::write(&routes, receivers(&mut canaries))?;
    let mut flags = vec!["--log.level".to_owned(), "trace".to_owned()];
    flags.extend(["--alerting.rule-files".to_owned(), rules.display().to_string()]);
    flags.extend(["--alerting.alertmanager-config".to_owned(), routes.display().to_string()]);
    let mut variables = Vec::new();
    for (number, key) in secret_settings()?.iter().enumerate() {
        let value = canaries.plant(key);
        match number % 3 {
            0 => flags.extend([flag(key), value]),
            1 => {
                let path = folder.path().join(key);
                std::fs::write(&path, value)?;
                flags.extend([flag(key), format!("file:{}", path.display())]);
            }
            _ => variables.push((format!("TARN_{}", key.to_uppercase().replace('.', "__")), value)),
        }
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut tarn = Tarn::start_with(TARN, &data, &flags, &variables).await?;

    let (bearer, cookie, basic) =
        (canaries.plant("bearer"), canaries.plant("cookie"), canaries.plant("basic"));
    let basic = STANDARD_NO_PAD.encode(format!("user:{basic}"));
    let mut said = Said::new();
    for credentials in [
        ("authorization", format!("Bearer tarn_x_{bearer}")),
        ("authorization", format!("Basic {basic}==")),
        ("cookie", format!("__Host-tarn={cookie}")),
    ] {
        let headers = [(credentials.0, credentials.1.as_str())];
        ask_every_route(&tarn, &headers, &mut said).await?;
    }
    send_v1(&tarn.http, &[Series::of(&[("__name__", "up")], vec![(now_ms(), 1.0)])]).await?;
    let begin = std::time::Instant::now();
    let failed = loop {
        let failed = tarn.http.get("/api/v1/alerting/deliveries", &[]).await?.text();
        if failed.matches("127.0.0.1:1").count() > 5 || begin.elapsed() > PATIENCE {
            break failed;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    ensure!(failed.len() > 500, "deliveries failed and are told: {failed}");
    said.push(("deliveries".to_owned(), failed.into_bytes()));
    for path in
        ["/api/v1/alerting/problems", "/api/v1/alerting/dead_letters", "/status", "/metrics"]
    {
        said.push((path.to_owned(), tarn.http.get(path, &[]).await?.body.to_vec()));
    }
    // A mistake right beside a secret: the message must not quote the line.
    std::fs::write(&routes, receivers(&mut canaries).replace("channel:", "chanel:"))?;
    let reload = tarn.http.send(Method::POST, "/-/reload", &[], "").await?;
    ensure!(reload.status == 500, "{}", reload.text());
    said.push(("reload".to_owned(), reload.body.to_vec()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    read_own_rows(&tarn, &[], &mut said).await?;
    support_bundle(&tarn.address, folder.path(), None, &mut said)?;
    tarn.kill()?;
    said.push(("log".to_owned(), tarn.log_text().into_bytes()));
    files(&data, &mut said)?;
    println!("{}", assert_silent(&canaries, &said)?);
    Ok(())
}

/// A bucket that refuses the credentials is told without them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_refuses_is_told_without_the_credentials() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = S3Server::start().await?;
    let mut canaries = Canaries::default();
    let (id, key) = (canaries.plant("access_key_id"), canaries.plant("secret_access_key"));
    let mut flags = server.flags("canary");
    flags.extend(["--log.level", "trace"].map(str::to_owned));
    flags.extend(["--storage.access-key-id".to_owned(), id]);
    flags.extend(["--storage.secret-access-key".to_owned(), key]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut tarn = Tarn::spawn(TARN, &data_folder(&folder), &flags)?;
    let begin = std::time::Instant::now();
    while !tarn.log_text().contains("does not accept the credentials") && begin.elapsed() < PATIENCE
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // It may have given up by itself.
    drop(tarn.kill());
    let log = tarn.log_text();
    ensure!(log.len() > 200, "it says what is wrong: {log}");
    println!("{}", assert_silent(&canaries, &vec![("log".to_owned(), log.into_bytes())])?);
    Ok(())
}
