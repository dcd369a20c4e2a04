//! The whole process, from outside: real clients on the loopback, kills, restarts, other people's
//! tools on the files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use http::Method;
use serde_json::Value;
use tarn_testkit::http::Http;

mod access;
mod alerting;
mod alertmanager;
mod audit;
mod backup;
mod bad_input;
mod bucket;
mod canary;
mod crash_ledger;
mod crash_loop;
mod crash_rows;
mod dashboards;
mod demo;
mod erase;
mod first_steps;
mod full_disk;
mod grafana_alerting;
mod hostile_doors;
mod hostile_rows;
mod hostile_wire;
mod limits;
mod logs_page;
mod metadata;
mod noise;
mod oidc;
mod otlp;
mod otlp_metrics;
mod outsiders;
mod pages;
mod people;
mod query_command;
mod ruler;
mod rules_command;
mod sdks;
mod search_commands;
mod services;
mod slo;
mod span_metrics;
mod stop;
mod tenants;
mod tls;
mod twin;

/// The binary under test.
const TARN: &str = env!("CARGO_BIN_EXE_tarn");

/// Returns a data folder inside a temporary one.
fn data_folder(temporary: &tempfile::TempDir) -> PathBuf {
    temporary.path().join("data")
}

/// Returns milliseconds since the epoch.
fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("the clock is past 1970").as_millis() as i64
}

/// Prints seconds with milliseconds, as the API takes times.
fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}

/// Returns the Python that has what the tests need, or why there is none: the one that `make tools`
/// sets up, else the system's.
fn python(module: &str) -> Result<PathBuf, String> {
    let tools = std::env::var_os("TARN_TOOLS").map(PathBuf::from);
    let own = tools.map(|t| t.join("venv/bin/python")).filter(|p| p.is_file());
    let python = own.unwrap_or_else(|| Path::new("python3").to_owned());
    let import = format!("import {module}");
    match std::process::Command::new(&python).args(["-c", &import]).output() {
        Ok(out) if out.status.success() => Ok(python),
        Ok(_) => Err(format!("{} has no module {module}", python.display())),
        Err(e) => Err(format!("{}: {e}", python.display())),
    }
}

/// Asks in SQL; returns the rows of the answer.
async fn rows(http: &Http, query: &str) -> Result<Vec<Vec<Value>>> {
    let headers = [("content-type", "text/plain")];
    let answer = http.send(Method::POST, "/api/v1/sql", &headers, query.to_owned()).await?;
    ensure!(answer.status == 200, "{query}: {}", answer.text());
    let mut json = answer.json()?;
    serde_json::from_value(json["data"]["rows"].take())
        .with_context(|| format!("{query}: {}", answer.text()))
}

/// Reads a number of an answer, whether it is one or a text.
fn number(value: &Value) -> Result<f64> {
    match value {
        Value::String(text) => Ok(text.parse()?),
        other => other.as_f64().with_context(|| format!("{other} is no number")),
    }
}
