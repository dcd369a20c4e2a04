//! OTLP over HTTP into a server of its own: rows per second of its CPU time with fsync on, and what
//! a row costs on disk after a flush.
//!
//! Bodies are made before the clock starts, so that making them is not what is measured; each is
//! sent once.

use anyhow::Context as _;
use bytes::Bytes;

use super::ingest::{Server, now_ms};
use super::{Folder, figure};
use crate::generate::logs::LogSender;
use crate::generate::points::PointSender;
use crate::generate::spans;

/// Connections that send at once.
const SENDERS: usize = 4;
/// Instances of one request, and log records of each: what a collector's batch of 1,000 holds.
const RESOURCES: usize = 4;
const RECORDS: usize = 250;
/// Traces of one request of spans: some 300 spans.
const TRACES: u64 = 20;

/// What is sent, and how many rows it has.
type Bodies = Vec<(Bytes, usize)>;

/// Measures all three signals.
pub(super) async fn run(folder: &Folder, rows: usize) -> anyhow::Result<()> {
    let server = Server::start(&folder.join("otlp")).await?;
    let start_ns = (now_ms() - 3_600_000) * 1_000_000;
    let logs = take_in(&server, "/v1/logs", rows, |sender| {
        let mut logs = LogSender::new(sender as u64, start_ns, 1_000_000);
        move || (logs.body(RESOURCES, RECORDS), RESOURCES * RECORDS)
    });
    figure("otlp_logs", logs.await.context("logs")?, "records/core-second");
    let traces = take_in(&server, "/v1/traces", rows, |sender| {
        let mut next = sender as u64 * 1_000_000_000;
        move || {
            next += TRACES;
            spans::body(next..next + TRACES, |n| start_ns + (n % 1_000_000_000) as i64 * 1_000_000)
        }
    });
    figure("otlp_spans", traces.await.context("traces")?, "spans/core-second");
    for (name, histograms) in [("otlp_points", false), ("otlp_points_with_histograms", true)] {
        let points = take_in(&server, "/v1/metrics", rows, |sender| {
            let seed = sender as u64 + if histograms { 100 } else { 0 };
            let mut points = PointSender::new(seed, start_ns);
            move || points.body(1_000_000_000, 40, histograms)
        });
        figure(name, points.await.context("metrics")?, "points/core-second");
    }
    figure("otlp_rss_peak", server.usage().resident_bytes_max / 1e6, "MB");
    server.stop().await
}

/// Makes the bodies of all senders, sends them, and returns rows per second of the server's CPU.
async fn take_in<F: FnMut() -> (Vec<u8>, usize)>(
    server: &Server,
    path: &'static str,
    rows: usize,
    make: impl Fn(usize) -> F,
) -> anyhow::Result<f64> {
    let senders: Vec<Bodies> = (0..SENDERS)
        .map(|sender| {
            let (mut next, mut made, mut bodies) = (make(sender), 0, Vec::new());
            while made < rows / SENDERS {
                let (body, rows) = next();
                made += rows;
                bodies.push((body.into(), rows));
            }
            bodies
        })
        .collect();
    let before = server.usage().cpu_seconds;
    let mut tasks = Vec::new();
    for bodies in senders {
        let client = server.client.clone();
        tasks.push(tokio::spawn(async move {
            let mut sent = 0;
            for (body, rows) in bodies {
                client.post(path, body.into()).await?;
                sent += rows;
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
