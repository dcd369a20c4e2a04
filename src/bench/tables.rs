//! Logs and spans in a server of its own: bytes on disk after a flush, and what questions cost in CPU
//! time of the server, with the pages and bytes that each has read.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use http::{Method, Request, StatusCode};
use serde_json::Value;

use super::ingest::{Server, now_ms};
use super::{Folder, figure};
use crate::cli::print;
use crate::generate::logs::LogSender;
use crate::generate::spans;

/// Connections that load the data.
const SENDERS: usize = 4;
/// Runs of each question that count. CPU time is told in ticks of 10 ms, so it is taken over all of
/// them; of the waiting time the median counts.
const RUNS: usize = 10;
/// Flushes while the data is loaded.
const FLUSHES: usize = 8;
/// Traces of one request.
const TRACES: u64 = 40;

/// A server with rows in blocks.
struct Loaded {
    server: Server,
    rows: f64,
    start_ns: i64,
}

/// Bytes per log record, searches, and scans in SQL.
pub(super) async fn logs(folder: &Folder, rows: usize) -> anyhow::Result<()> {
    let path = folder.join("logs");
    let loaded = load_logs(&path, rows).await?;
    loaded.sizes("logs", "bytes/record").await?;
    let rows = loaded.rows;
    for (name, query) in [
        ("logs_newest_100", "SELECT timestamp, body FROM logs ORDER BY timestamp DESC LIMIT 100"),
        (
            "logs_newest_100_of_service",
            "SELECT timestamp, body FROM logs WHERE service_name = 'checkout' \
             ORDER BY timestamp DESC LIMIT 100",
        ),
        ("logs_count_by_severity", "SELECT severity_number, count(*) FROM logs GROUP BY 1"),
    ] {
        loaded.ask(name, query, None).await?;
    }
    for (name, search) in [
        ("search_newest_100_word", "declined"),
        ("search_newest_100_service_level", "service:payments level>=warn"),
    ] {
        loaded.search(name, search).await?;
    }
    for (name, query) in [
        ("sql_equality_promoted", "attributes['http.response.status_code'] = '404'"),
        ("sql_equality_text", "attributes['http.route'] = '/api/login'"),
        ("sql_equality_map", "attributes['debug.rare_7'] = 'true'"),
        ("sql_equality_resource", "resource['k8s.node.name'] = 'node-07'"),
        ("sql_like_body", "body LIKE '%insufficient funds%'"),
    ] {
        let query = format!("SELECT count(*) FROM logs WHERE {query}");
        loaded.ask(name, &query, Some(rows)).await?;
    }
    let by_minute = "SELECT service_name, date_bin(INTERVAL '1 minute', timestamp) AS minute, \
         count(*) FROM logs GROUP BY 1, 2";
    loaded.ask("sql_group_service_minute", by_minute, Some(rows)).await?;
    let scanned = loaded.ask("sql_scan_bodies", "SELECT sum(length(body)) FROM logs", None).await?;
    let text = scanned.rows[0][0].to_string().trim_matches('"').parse::<f64>().unwrap_or(0.0);
    figure("sql_scan_bodies_rate", text / scanned.cpu_seconds / 1e9, "GB/core-second");
    figure("logs_rss_peak", loaded.server.usage().resident_bytes_max / 1e6, "MB");
    loaded.server.stop().await
}

/// Bytes per span, trace by id, search and RED.
pub(super) async fn traces(folder: &Folder, rows: usize) -> anyhow::Result<()> {
    let path = folder.join("traces");
    let (loaded, traces) = load_spans(&path, rows).await?;
    loaded.sizes("traces", "bytes/span").await?;
    let wanted = spans::trace_id(traces / 2);
    let hex: String = wanted.iter().map(|b| format!("{b:02x}")).collect();
    loaded.measure("trace_by_id", None, || get(format!("/api/v1/traces/{hex}"))).await?;
    let rows = loaded.rows;
    for (name, query) in [
        (
            "traces_search_attributes",
            "SELECT count(*) FROM spans WHERE service_name = 'checkout' AND status = 2 \
             AND duration_ns > 100000000",
        ),
        (
            "traces_red",
            "SELECT service_name, name, date_bin(INTERVAL '1 minute', start) AS minute, count(*), \
             sum(CASE WHEN status = 2 THEN 1 ELSE 0 END), avg(duration_ns) FROM spans GROUP BY 1, 2, 3",
        ),
    ] {
        loaded.ask(name, query, Some(rows)).await?;
    }
    figure("traces_rss_peak", loaded.server.usage().resident_bytes_max / 1e6, "MB");
    loaded.server.stop().await
}

async fn load_logs(path: &Path, rows: usize) -> anyhow::Result<Loaded> {
    // All rows in the hours before now, so that they are in at most two days.
    let step_ns = 4 * 3_600_000_000_000 / rows as i64 * SENDERS as i64;
    let start_ns = (now_ms() - 5 * 3_600_000) * 1_000_000;
    load(path, rows, start_ns, "/v1/logs", |sender| {
        let mut logs = LogSender::new(sender as u64, start_ns, step_ns);
        move || (logs.body(8, 125), 1_000)
    })
    .await
}

async fn load_spans(path: &Path, rows: usize) -> anyhow::Result<(Loaded, u64)> {
    let start_ns = (now_ms() - 5 * 3_600_000) * 1_000_000;
    let traces = rows as u64 / 12;
    let step_ns = 4 * 3_600_000_000_000 / traces as i64;
    let loaded = load(path, rows, start_ns, "/v1/traces", |sender| {
        let mut next = sender as u64 * TRACES;
        move || {
            let range = next..next + TRACES;
            next += TRACES * SENDERS as u64;
            spans::body(range, |n| start_ns + n as i64 * step_ns)
        }
    })
    .await?;
    Ok((loaded, traces))
}

async fn load<F: FnMut() -> (Vec<u8>, usize) + Send + 'static>(
    store: &Path,
    rows: usize,
    start_ns: i64,
    path: &'static str,
    make: impl Fn(usize) -> F,
) -> anyhow::Result<Loaded> {
    // Merges come when they are asked for, so that what they cost is measured apart.
    let server = Server::start_with(store, &["--compaction.enabled", "false"]).await?;
    let mut tasks = Vec::new();
    for sender in 0..SENDERS {
        let (client, mut next, all) = (server.client.clone(), make(sender), rows);
        tasks.push(tokio::spawn(async move {
            let mut sent = 0;
            while sent < rows / SENDERS {
                let (body, rows) = next();
                client.post(path, body).await?;
                let eighths = |sent: usize| sent * FLUSHES * SENDERS / all;
                if sender == 0 && eighths(sent) < eighths(sent + rows) {
                    client.post("/-/flush", Vec::new()).await?;
                }
                sent += rows;
            }
            anyhow::Ok(sent)
        }));
    }
    let mut sent = 0;
    for task in tasks {
        sent += task.await??;
    }
    server.client.post("/-/flush", Vec::new()).await.context("flush")?;
    Ok(Loaded { server, rows: sent as f64, start_ns })
}

/// What a question gave and cost.
struct Asked {
    rows: Vec<Vec<Value>>,
    cpu_seconds: f64,
}

impl Loaded {
    /// Prints what a row costs as it was flushed; merges, and prints it again, footers apart.
    async fn sizes(&self, signal: &str, unit: &str) -> anyhow::Result<()> {
        let flushed = self.server.client.stored(signal).await?;
        figure(&format!("{signal}_flushed_bytes"), flushed.bytes / self.rows, unit);
        let (before, begin) = (self.server.usage(), Instant::now());
        self.server.client.post("/-/compact", Vec::new()).await.context("compact")?;
        let (after, wall) = (self.server.usage(), begin.elapsed().as_secs_f64());
        let merged = self.server.client.stored(signal).await?;
        figure(&format!("{signal}_bytes"), merged.bytes / self.rows, unit);
        figure(&format!("{signal}_footers"), merged.tail_bytes / self.rows, unit);
        figure(&format!("{signal}_blocks"), merged.blocks, "blocks");
        let cpu = after.cpu_seconds - before.cpu_seconds;
        figure(&format!("{signal}_merge"), flushed.bytes / cpu / 1e6, "MB/core-second");
        figure(&format!("{signal}_merge_wall"), wall, "s");
        let grown = after.resident_bytes_max - before.resident_bytes;
        figure(&format!("{signal}_merge_rss_growth"), grown / 1e6, "MB");
        Ok(())
    }

    /// Asks in SQL.
    async fn ask(&self, name: &str, query: &str, per: Option<f64>) -> anyhow::Result<Asked> {
        let request = || {
            Request::builder()
                .method(Method::POST)
                .uri("/api/v1/sql")
                .header("content-type", "text/plain")
        };
        self.measure(name, per, || (request(), query.as_bytes().to_vec())).await
    }

    /// Searches in the language for people.
    async fn search(&self, name: &str, search: &str) -> anyhow::Result<Asked> {
        let start = (self.start_ns / 1_000_000_000).to_string();
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("q", search)
            .append_pair("start", &start)
            .append_pair("limit", "100")
            .finish();
        self.measure(name, None, || get(format!("/api/v1/logs/search?{form}"))).await
    }

    /// Asks once.
    async fn once(
        &self,
        name: &str,
        (builder, body): (http::request::Builder, Vec<u8>),
    ) -> anyhow::Result<Value> {
        let (status, text) = self.server.client.request(builder, body).await?;
        ensure!(status == StatusCode::OK, "{name}: {status}: {}", String::from_utf8_lossy(&text));
        serde_json::from_slice(&text).with_context(|| name.to_owned())
    }

    /// Asks some times; prints the mean of the server's CPU time, per row or in all, and what the last
    /// run has read.
    async fn measure(
        &self,
        name: &str,
        per: Option<f64>,
        request: impl Fn() -> (http::request::Builder, Vec<u8>),
    ) -> anyhow::Result<Asked> {
        let mut answer = self.once(name, request()).await?; // caches are warm from here on
        let (mut wall, before) = (Vec::new(), self.server.usage().cpu_seconds);
        for _ in 0..RUNS {
            let begin = Instant::now();
            answer = self.once(name, request()).await?;
            wall.push(begin.elapsed().as_secs_f64());
        }
        let cpu = (self.server.usage().cpu_seconds - before) / RUNS as f64;
        let wall = median(&mut wall);
        match per {
            Some(rows) => figure(name, cpu * 1e9 / rows, "ns/row"),
            None => figure(name, cpu * 1e3, "ms-cpu"),
        }
        figure(&format!("{name}_wall"), wall * 1e3, "ms");
        let stats =
            if answer["stats"].is_null() { &answer["data"]["stats"] } else { &answer["stats"] };
        print(format_args!("{name}_read {stats}"));
        let rows = serde_json::from_value(answer["data"]["rows"].take()).unwrap_or_default();
        Ok(Asked { rows, cpu_seconds: cpu })
    }
}

fn get(path: String) -> (http::request::Builder, Vec<u8>) {
    (Request::get(path), Vec::new())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
