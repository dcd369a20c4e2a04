//! The OpenTelemetry SDKs for Python and Node, with their own exporters, batches and retries: every
//! row is there once, over gRPC and HTTP, compressed or not. Through a `kill -9` of the server every
//! row that was acknowledged is; an SDK that gives up on a batch says so.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tarn_testkit::process::Tarn;
use tokio::process::{Child, Command};

use crate::{TARN, data_folder, now_ms, number, python, rows, seconds};

const PYTHON: &str = include_str!("sdks/send.py");
const NODE: &str = include_str!("sdks/send.mjs");
/// Rows of one run: several batches of 64.
const COUNT: usize = 200;
const QUIET: [&str; 6] = [
    "--telemetry.own_metrics",
    "false",
    "--telemetry.own_logs",
    "false",
    "--telemetry.own_traces",
    "false",
];

/// What the log may say after a kill.
const EXPECTED: [&str; 4] =
    ["torn tail", "did not stop cleanly", "unclean", "the log is being replayed"];

#[derive(Debug, Clone)]
enum Sdk {
    Python(PathBuf),
    Node(PathBuf),
}

/// One sender to start.
#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    signal: &'a str,
    protocol: &'a str,
    compression: &'a str,
    name: &'a str,
    pause: &'a str,
}

impl Sdk {
    #[expect(clippy::print_stdout, reason = "tells which SDKs this machine lacks")]
    fn find() -> Vec<Self> {
        let mut found = Vec::new();
        match python("opentelemetry.exporter.otlp") {
            Ok(python) => found.push(Self::Python(python)),
            Err(why) => println!("skipped: {why}"),
        }
        let node = std::env::var_os("TARN_NODE").map(PathBuf::from);
        match node.filter(|folder| folder.join("stamp").is_file()) {
            Some(folder) => found.push(Self::Node(folder)),
            None => println!("skipped: the OpenTelemetry SDK for Node is not installed"),
        }
        found
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Python(_) => "python",
            Self::Node(_) => "node",
        }
    }

    fn protocols(&self) -> &'static [&'static str] {
        match self {
            Self::Python(_) => &["grpc", "http"],
            Self::Node(_) => &["grpc", "http", "json"],
        }
    }

    fn start(&self, tarn: &Tarn, run: Run<'_>) -> Result<Child> {
        let address = match run.protocol {
            "grpc" => tarn.otlp_grpc(),
            _ => tarn.otlp_http(),
        };
        let mut command = match self {
            Self::Python(python) => {
                let mut command = Command::new(python);
                command.args(["-c", PYTHON]);
                command
            }
            Self::Node(folder) => {
                let mut command = Command::new("node");
                command.args(["--input-type=module", "-e", NODE, "--"]).current_dir(folder);
                command
            }
        };
        let count = COUNT.to_string();
        command
            .args(["--signal", run.signal, "--protocol", run.protocol])
            .args(["--compression", run.compression, "--count", &count])
            .args(["--endpoint", &format!("http://{address}"), "--run", run.name])
            .args(["--pause", run.pause])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command.spawn().with_context(|| format!("start {self:?}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_the_sdks_arrives_once() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &QUIET).await?;
    for sdk in Sdk::find() {
        for protocol in sdk.protocols() {
            for signal in ["logs", "traces", "metrics"] {
                for compression in ["gzip", "none"] {
                    let name = format!("{}-{protocol}-{signal}-{compression}", sdk.name());
                    let run = Run { signal, protocol, compression, name: &name, pause: "0" };
                    let child = sdk.start(&tarn, run)?;
                    ended(child).await.with_context(|| name.clone())?;
                    verify(&tarn, signal, &name, COUNT).await.with_context(|| name.clone())?;
                }
            }
        }
    }
    let unexpected = tarn.unexpected_lines(&[]);
    ensure!(unexpected.is_empty(), "unexpected lines in the log: {unexpected:#?}");
    Ok(())
}

/// IDM-1, DUR-1: what the SDKs send again after a kill is stored once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_and_doubles_nothing_of_the_sdks() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let mut tarn = Tarn::start(TARN, &data_folder(&temporary), &QUIET).await?;
    let mut running = Vec::new();
    for sdk in Sdk::find() {
        for signal in ["logs", "traces"] {
            let name = format!("{}-{signal}-killed", sdk.name());
            let run =
                Run { signal, protocol: "grpc", compression: "gzip", name: &name, pause: "0.02" };
            running.push((sdk.start(&tarn, run)?, signal, name.clone()));
        }
    }
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        tarn.kill()?;
        tarn.start_again().await?;
    }
    for (child, signal, name) in running {
        let acknowledged = ended(child).await.with_context(|| name.clone())?;
        println!("{name}: {acknowledged} of {COUNT} rows acknowledged");
        verify(&tarn, signal, &name, acknowledged).await.with_context(|| name.clone())?;
    }
    let unexpected = tarn.unexpected_lines(&EXPECTED);
    ensure!(unexpected.is_empty(), "unexpected lines in the log: {unexpected:#?}");
    Ok(())
}

/// Waits for a sender; returns how many rows the server has acknowledged to it.
async fn ended(child: Child) -> Result<usize> {
    let limit = Duration::from_secs(90);
    let out = tokio::time::timeout(limit, child.wait_with_output()).await.context("too slow")??;
    let (text, errors) =
        (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    ensure!(out.status.success(), "{}: {text}{errors}", out.status);
    let told: Value = serde_json::from_str(text.trim()).with_context(|| text.to_string())?;
    ensure!(told["sent"].as_u64() == Some(COUNT as u64), "{text}{errors}");
    Ok(told["acknowledged"].as_u64().unwrap_or(0) as usize)
}

/// Checks that nothing acknowledged is missing and nothing is there twice.
async fn verify(tarn: &Tarn, signal: &str, name: &str, least: usize) -> Result<()> {
    if signal == "metrics" {
        for metric in ["sdk_rows_total", "sdk_duration_seconds_count"] {
            let query = format!("sum({metric}{{run_id=\"{name}\"}})");
            let data = tarn.http.instant(&query, &seconds(now_ms() + 1_000)).await?;
            let value = data["result"][0]["value"][1].as_str().unwrap_or("nothing").to_owned();
            ensure!(value == COUNT.to_string(), "{metric} is {value}");
        }
        return Ok(());
    }
    let table = if signal == "logs" { "logs" } else { "spans" };
    let query = format!(
        "SELECT count(*), count(DISTINCT attributes['n']) FROM {table} \
         WHERE attributes['run.id'] = '{name}'"
    );
    let counted = rows(&tarn.http, &query).await?;
    let (all, distinct) = (number(&counted[0][0])?, number(&counted[0][1])?);
    ensure!(all == distinct, "{all} rows, {distinct} distinct");
    ensure!(all >= least as f64 && all <= COUNT as f64, "{all} rows, {least} acknowledged");
    if signal == "traces" && least == COUNT {
        let query = format!(
            "SELECT count(*) FROM spans c JOIN spans p ON c.trace_id = p.trace_id \
             AND c.parent_span_id = p.span_id WHERE c.attributes['run.id'] = '{name}'"
        );
        let children = number(&rows(&tarn.http, &query).await?[0][0])?;
        ensure!(children == COUNT as f64 / 2.0, "{children} children have their parent");
    }
    Ok(())
}
