//! A server of its own, with default settings, asked over loopback HTTP: what a sample costs it in CPU
//! time with fsync on, how soon it is ready, and what memory it takes.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::{Folder, figure};
use crate::generate::remote_write::Sender;
use crate::telemetry::registry::{Usage, usage_of};
use crate::telemetry::{OwnRow, exposition};

/// Series of the throughput figures.
const SERIES: usize = 10_000;
/// Series of one request: what Prometheus sends by default is 2,000 samples at most.
const REQUEST_SERIES: usize = 1_000;
/// Connections that send at once, each with its own series.
const SENDERS: usize = 5;
/// Series of the memory figure.
const MEMORY_SERIES: usize = 100_000;
const STEP_MS: i64 = 10_000;

/// Measures all of it.
pub(super) async fn run(folder: &Folder, seconds: u64) -> anyhow::Result<()> {
    let path = folder.join("ingest");
    let begin = Instant::now();
    let server = Server::start(&path).await?;
    figure("ready_empty", begin.elapsed().as_secs_f64(), "s");
    tokio::time::sleep(Duration::from_secs(2)).await;
    figure("rss_idle", server.usage().resident_bytes / 1e6, "MB");
    for samples in [1, 10] {
        let per_second = throughput(&server, samples, seconds).await?;
        figure(&format!("remote_write_10k_x{samples}"), per_second, "samples/core-second");
    }
    figure("rss_peak", server.usage().resident_bytes_max / 1e6, "MB");
    server.stop().await?;
    let begin = Instant::now();
    Server::start(&path).await?.stop().await?;
    figure("start_and_stop_again", begin.elapsed().as_secs_f64(), "s");
    memory(&folder.join("memory")).await
}

/// Sends rounds of one request per thousand series from several connections until the time is up.
/// Returns samples per second of the server's CPU time.
async fn throughput(server: &Server, samples: usize, seconds: u64) -> anyhow::Result<f64> {
    let before = server.usage().cpu_seconds;
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut tasks = Vec::new();
    for sender in 0..SENDERS {
        let client = server.client.clone();
        // Series of their own for each figure, so that neither finds the other's times.
        let first = samples * MEMORY_SERIES + sender * SERIES / SENDERS;
        tasks.push(tokio::spawn(async move {
            let last = first + SERIES / SENDERS;
            let mut parts: Vec<Sender> = (first..last)
                .step_by(REQUEST_SERIES)
                .map(|at| Sender::new(at..at + REQUEST_SERIES))
                .collect();
            let (mut time, mut sent) = (now_ms() - 12 * 3_600_000, 0);
            while Instant::now() < end {
                for part in &mut parts {
                    client.write(part.body(time, STEP_MS, samples)?).await?;
                    sent += REQUEST_SERIES * samples;
                }
                time += STEP_MS * samples as i64;
            }
            anyhow::Ok(sent)
        }));
    }
    let mut sent = 0;
    for task in tasks {
        sent += task.await??;
    }
    Ok(sent as f64 / (server.usage().cpu_seconds - before))
}

/// What the allocator hands out for a series with one sample, key cache included.
async fn memory(path: &Path) -> anyhow::Result<()> {
    let server = Server::start(path).await?;
    let before = server.client.allocated().await?;
    for first in (0..MEMORY_SERIES).step_by(REQUEST_SERIES) {
        let body = Sender::new(first..first + REQUEST_SERIES).body(now_ms(), STEP_MS, 1)?;
        server.client.write(body).await?;
    }
    let after = server.client.allocated().await?;
    figure("memory_per_active_series", (after - before) / MEMORY_SERIES as f64, "bytes");
    server.stop().await
}

pub(super) fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |d| d.as_millis() as i64)
}

/// Talks to the server under measurement.
#[derive(Debug, Clone)]
pub(super) struct ServerClient {
    http: Client<HttpConnector, Full<Bytes>>,
    address: String,
}

impl ServerClient {
    /// Talks to `host:port`.
    pub(super) fn new(address: &str) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self { http, address: address.to_owned() }
    }

    /// Waits until a path is answered with 200.
    pub(super) async fn wait(&self, path: &str) -> anyhow::Result<()> {
        for _ in 0..600 {
            if let Ok((StatusCode::OK, _)) = self.get(path).await {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("{} does not answer {path}", self.address)
    }

    async fn send(
        &self,
        request: http::request::Builder,
        body: Vec<u8>,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = request.body(Full::new(body.into()))?;
        let response = self.http.request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    /// Sends a remote-write body.
    pub(super) async fn write(&self, body: Vec<u8>) -> anyhow::Result<()> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}/api/v1/write", self.address))
            .header("Content-Type", "application/x-protobuf")
            .header("Content-Encoding", "snappy")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0");
        let (status, text) = self.send(request, body).await?;
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&text));
        Ok(())
    }

    /// Sends a request whose address is a path.
    pub(super) async fn request(
        &self,
        mut builder: http::request::Builder,
        body: Vec<u8>,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        if let Some(path) = builder.uri_ref().map(ToString::to_string) {
            builder = builder.uri(format!("http://{}{path}", self.address));
        }
        self.send(builder, body).await
    }

    /// Posts a protobuf message.
    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> anyhow::Result<()> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}{path}", self.address))
            .header("Content-Type", "application/x-protobuf");
        let (status, text) = self.send(request, body).await?;
        ensure!(status.is_success(), "{path}: {status}: {}", String::from_utf8_lossy(&text));
        Ok(())
    }

    async fn get(&self, path: &str) -> anyhow::Result<(StatusCode, Bytes)> {
        self.send(Request::get(format!("http://{}{path}", self.address)), Vec::new()).await
    }

    /// Returns what the blocks of a signal hold.
    pub(super) async fn stored(&self, signal: &str) -> anyhow::Result<Stored> {
        let (_, text) = self.get("/api/v1/usage").await?;
        let usage: serde_json::Value = serde_json::from_slice(&text).context("read usage")?;
        let tenants = usage["stored"]["tenants"].as_array().context("no tenants in usage")?;
        let of = |row: &&serde_json::Value| row["signal"] == signal && row["tenant"] == "default";
        let row = tenants.iter().find(of).with_context(|| format!("no {signal} in usage"))?;
        let number = |name: &str| row[name].as_f64().with_context(|| format!("no {name} in usage"));
        Ok(Stored {
            blocks: number("blocks")?,
            bytes: number("bytes")?,
            tail_bytes: number("tail_bytes")?,
        })
    }

    /// Returns the sum of a metric's series whose labels include all of `pairs`.
    pub(super) async fn metric(&self, name: &str, pairs: &[(&str, &str)]) -> anyhow::Result<f64> {
        let (_, text) = self.get("/metrics").await?;
        let rows = exposition::parse(&String::from_utf8_lossy(&text));
        let has = |row: &OwnRow| {
            row.labels.metric() == name
                && pairs.iter().all(|(label, value)| row.labels.get(label) == Some(*value))
        };
        Ok(rows.iter().filter(|row| has(row)).map(|row| row.value).sum())
    }

    pub(super) async fn allocated(&self) -> anyhow::Result<f64> {
        let (_, text) = self.get("/metrics").await?;
        let rows = exposition::parse(&String::from_utf8_lossy(&text));
        let row = rows.iter().find(|r| r.labels.metric() == "tarn_allocator_allocated_bytes");
        Ok(row.context("the server does not tell what it has allocated")?.value)
    }
}

/// What the blocks of a signal hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub(super) blocks: f64,
    pub(super) bytes: f64,
    pub(super) tail_bytes: f64,
}

/// A child process that serves; killed when dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pub(super) client: ServerClient,
    log: PathBuf,
}

impl Server {
    /// Starts this very program as a server and waits until it takes writes.
    pub(super) async fn start(path: &Path) -> anyhow::Result<Self> {
        Self::start_with(path, &[]).await
    }

    /// As [`Server::start`], with more settings.
    pub(super) async fn start_with(path: &Path, flags: &[&str]) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let log = path.with_extension("log");
        let own = std::env::current_exe().context("find this program")?;
        let child = Command::new(own)
            .args(["server", "--listen.http", &address, "--telemetry.own-metrics", "false"])
            .args(["--listen.otlp-grpc", "off", "--listen.otlp-http", "off"])
            .args(["--telemetry.own-logs", "false", "--telemetry.own-traces", "false"])
            .arg("--storage.path")
            .arg(path)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(open_log(&log)?)
            .spawn()
            .context("start a server")?;
        let mut server = Self { child, client: ServerClient::new(&address), log };
        for _ in 0..60_000 {
            if let Ok((StatusCode::OK, _)) = server.client.get("/readyz").await {
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended with {status}: {}", server.log_text());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bail!("the server is not ready: {}", server.log_text())
    }

    pub(super) fn usage(&self) -> Usage {
        usage_of(&self.child.id().to_string())
    }

    fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Stops the server in order.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        ensure!(status.success(), "the server ended with {status}: {}", self.log_text());
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the log of a child, not data")]
fn open_log(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::File::create(path)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
