//! What questions ask of a bucket: requests and bytes, with nothing at hand (a server on a fresh data
//! folder) and again with everything in its caches.
//!
//! The bucket is a folder that is treated as any bucket is (`file://`): the server stages, caches and
//! joins reads as it would in front of S3, and its counters tell what it asked for.

use std::path::Path;

use anyhow::{Context as _, ensure};
use http::{Method, Request, StatusCode};

use super::ingest::{Server, now_ms};
use super::{Folder, figure};
use crate::generate::logs::LogSender;
use crate::generate::remote_write::Sender;
use crate::generate::spans;

/// Series of the metric, told every minute for a day.
const SERIES: usize = 1_000;
const MINUTES: usize = 24 * 60;
/// Minutes of one request.
const PIECE: usize = 60;
/// Log records of one request, and requests; traces alike.
const RECORDS: usize = 1_000;
const REQUESTS: usize = 200;
const TRACES: u64 = 80;
const HOUR_MS: i64 = 3_600_000;

/// Measures all questions.
pub(super) async fn run(folder: &Folder) -> anyhow::Result<()> {
    let url = format!("file://{}", folder.join("shared_bucket").display());
    std::fs::create_dir_all(folder.join("shared_bucket")).context("make the bucket")?;
    let now_ms = now_ms();
    let loader = serve(&folder.join("bucket_loader"), &url).await?;
    load(&loader, now_ms).await?;
    loader.client.post("/-/flush", Vec::new()).await.context("flush")?;
    loader.client.post("/-/compact", Vec::new()).await.context("compact")?;
    loader.stop().await?;
    let server = serve(&folder.join("bucket_reader"), &url).await?;
    for (name, signal, path) in questions(now_ms) {
        let blocks = server.client.stored(signal).await?.blocks;
        for temperature in ["cold", "warm"] {
            let before = Asked::of(&server).await?;
            ask(&server, &path).await.with_context(|| name.to_owned())?;
            let after = Asked::of(&server).await?;
            let name = format!("bucket_{name}_{temperature}");
            figure(&format!("{name}_gets"), after.gets - before.gets, "GETs");
            figure(&format!("{name}_bytes"), (after.bytes - before.bytes) / 1e6, "MB");
        }
        figure(&format!("bucket_{name}_blocks"), blocks, "blocks");
    }
    server.stop().await
}

async fn serve(path: &Path, url: &str) -> anyhow::Result<Server> {
    Server::start_with(path, &["--storage.url", url, "--compaction.enabled", "false"]).await
}

/// A day of metrics, four hours of logs and of traces, flushed as they come.
async fn load(server: &Server, now_ms: i64) -> anyhow::Result<()> {
    let client = &server.client;
    let mut sender = Sender::new(0..SERIES);
    for piece in 0..MINUTES / PIECE {
        let time_ms = now_ms - 24 * HOUR_MS + (piece * PIECE) as i64 * 60_000;
        client.write(sender.body(time_ms, 60_000, PIECE)?).await?;
        if piece % 3 == 2 {
            client.post("/-/flush", Vec::new()).await?;
        }
    }
    let start_ns = (now_ms - 4 * HOUR_MS) * 1_000_000;
    let step_ns = 4 * HOUR_MS * 1_000_000 / (REQUESTS * RECORDS) as i64;
    let mut logs = LogSender::new(1, start_ns, step_ns);
    let trace_step_ns = 4 * HOUR_MS * 1_000_000 / (REQUESTS as i64 * TRACES as i64);
    for request in 0..REQUESTS as u64 {
        client.post("/v1/logs", logs.body(8, RECORDS / 8)).await?;
        let traces = request * TRACES..(request + 1) * TRACES;
        let (body, _) = spans::body(traces, |n| start_ns + n as i64 * trace_step_ns);
        client.post("/v1/traces", body).await?;
        if request % 25 == 24 {
            client.post("/-/flush", Vec::new()).await?;
        }
    }
    Ok(())
}

/// Name, signal, and what is asked.
fn questions(now_ms: i64) -> [(&'static str, &'static str, String); 4] {
    let form = |pairs: &[(&str, &str)]| {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    };
    let (end, start) = (now_ms / 1_000 - 90, now_ms / 1_000 - 24 * 3_600);
    let instant = form(&[("query", "sum(bench_metric)"), ("time", &end.to_string())]);
    let range = form(&[
        ("query", "sum(rate(bench_metric{job=\"job-3\"}[5m]))"),
        ("start", &start.to_string()),
        ("end", &end.to_string()),
        ("step", "300"),
    ]);
    let newest = "SELECT timestamp, body FROM logs ORDER BY timestamp DESC LIMIT 100";
    let newest = form(&[("query", newest)]);
    let trace: String = spans::trace_id(REQUESTS as u64 * TRACES / 2)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    [
        ("promql_instant", "metrics", format!("/api/v1/query?{instant}")),
        ("promql_24h", "metrics", format!("/api/v1/query_range?{range}")),
        ("logs_newest_100", "logs", format!("/api/v1/sql?{newest}")),
        ("trace_by_id", "traces", format!("/api/v1/traces/{trace}")),
    ]
}

async fn ask(server: &Server, path: &str) -> anyhow::Result<()> {
    let request = Request::builder().method(Method::GET).uri(path);
    let (status, text) = server.client.request(request, Vec::new()).await?;
    ensure!(status == StatusCode::OK, "{status}: {}", String::from_utf8_lossy(&text));
    Ok(())
}

/// What the server has asked of its bucket so far.
struct Asked {
    gets: f64,
    bytes: f64,
}

impl Asked {
    async fn of(server: &Server) -> anyhow::Result<Self> {
        let range = [("op", "get_range")];
        let gets = server.client.metric("tarn_object_store_requests_total", &range).await?;
        let bytes = server.client.metric("tarn_object_store_bytes_total", &range).await?;
        Ok(Self { gets, bytes })
    }
}
