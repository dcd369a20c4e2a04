//! Replay, and what a sample costs on disk.

use std::path::Path;
use std::time::Instant;

use tarn_model::labels::LabelSet;
use tarn_model::tenant::TenantId;

use super::lab::Lab;
use super::{Folder, bytes_below, figure, skipped};
use crate::generate::corpus;
use crate::generate::series::{Counter, Generated, plain_labels, tsbs};
use crate::generate::sets::{self, START_MS};
use crate::telemetry::registry;

/// Series of the replay: ten million samples in all.
const REPLAY_SERIES: usize = 10_000;
const REPLAY_SAMPLES: usize = 1_000;
/// Series of one request of it: what Prometheus sends by default.
const REQUEST_SERIES: usize = 2_000;

/// A thousand TSBS hosts, which have ten series each.
const TSBS_SERIES: usize = 10_000;
/// Two hours every ten seconds: what a block of the first merge holds.
const TSBS_SAMPLES: usize = 720;

/// Tenants and days of the store with many blocks: one block of each.
const MANY_TENANTS: usize = 1_250;
const MANY_DAYS: i64 = 8;

/// Measures all of it.
pub(super) async fn run(folder: &Folder, corpus_folder: &Path) -> anyhow::Result<()> {
    match corpus::node_10min(corpus_folder)? {
        Some(series) => blocks(folder, "node_10min", series).await?,
        None => {
            skipped("blocks_node_10min", format_args!("no corpus at {}", corpus_folder.display()))
        }
    }
    let start = 1_700_000_000_000;
    let series = (0..TSBS_SERIES).map(|at| tsbs(at, start, 10_000, TSBS_SAMPLES)).collect();
    blocks(folder, "tsbs_like", series).await?;
    many_blocks(folder).await?;
    replay(folder).await
}

/// Opens a store of ten thousand blocks: eight days of many tenants.
async fn many_blocks(folder: &Folder) -> anyhow::Result<()> {
    let path = folder.join("many_blocks");
    let lab = Lab::open(&path).await?;
    let day_ms = 24 * 3_600_000;
    for tenant in 0..MANY_TENANTS {
        let tenant = TenantId::parse(&format!("tenant-{tenant}"))?;
        let times = (0..MANY_DAYS).map(|day| START_MS + day * day_ms);
        lab.store(&tenant, &plain_labels(0), times.map(|time| (time, 1.0))).await?;
    }
    lab.storage.flush().await?;
    let blocks = lab.storage.catalog().all_blocks().count();
    lab.close().await?;
    let begin = Instant::now();
    let lab = Lab::open(&path).await?;
    figure(&format!("ready_{blocks}_blocks"), begin.elapsed().as_secs_f64(), "s");
    lab.close().await
}

/// Stores, flushes, and compares the bytes of blocks and catalog with the samples in them.
async fn blocks(folder: &Folder, name: &str, series: Vec<Generated>) -> anyhow::Result<()> {
    let path = folder.join(name);
    let lab = Lab::open(&path).await?;
    let stored = lab.piece(&mut sets::known(series), i64::MAX).await?;
    let (begin, cpu) = (Instant::now(), registry::usage().cpu_seconds);
    let report = lab.storage.flush().await?;
    let (seconds, cpu) = (begin.elapsed().as_secs_f64(), registry::usage().cpu_seconds - cpu);
    anyhow::ensure!(report.samples >= stored, "{} of {stored} samples flushed", report.samples);
    let bytes = bytes_below(&path.join("bucket"))?;
    figure(&format!("blocks_{name}_bytes"), bytes as f64 / stored as f64, "bytes/sample");
    figure(&format!("blocks_{name}_flush"), stored as f64 / seconds / 1e6, "Msamples/s");
    figure(&format!("blocks_{name}_flush_cpu"), cpu * 1e9 / stored as f64, "ns/sample");
    lab.close().await
}

/// Writes ten million samples, a scrape at a time, leaves them in the log, and opens the store again.
async fn replay(folder: &Folder) -> anyhow::Result<()> {
    let path = folder.join("replay");
    let lab = Lab::open(&path).await?;
    let start = 1_700_000_000_000;
    let series: Vec<LabelSet> = (0..REPLAY_SERIES).map(plain_labels).collect();
    let cpu = registry::usage().cpu_seconds;
    let mut stored = 0;
    let mut counters: Vec<Counter> = (0..REPLAY_SERIES).map(Counter::new).collect();
    for tick in 0..REPLAY_SAMPLES {
        let time_ms = start + tick as i64 * 15_000;
        let parts = series.chunks(REQUEST_SERIES).zip(counters.chunks_mut(REQUEST_SERIES));
        for (part, counters) in parts {
            let values: Vec<f64> = counters.iter_mut().map(Counter::next).collect();
            stored += lab.scrape(part, time_ms, |at| values[at]).await?;
        }
    }
    let stored = stored as f64;
    let cpu = registry::usage().cpu_seconds - cpu;
    figure("append_in_process", stored / cpu / 1e6, "Msamples/core-second");
    let bytes = lab.metric("tarn_wal_bytes_total")?;
    figure("wal_bytes", bytes / stored, "bytes/sample");
    lab.abandon().await;
    let begin = Instant::now();
    let lab = Lab::open(&path).await?;
    let seconds = begin.elapsed().as_secs_f64();
    figure("replay_bytes", bytes / seconds / 1e6, "MB/s");
    figure("replay_samples", stored / seconds / 1e6, "Msamples/s");
    figure("ready_10M_samples_in_log", seconds, "s");
    lab.storage.flush().await?;
    lab.close().await?;
    let begin = Instant::now();
    let lab = Lab::open(&path).await?;
    figure("ready_10M_samples_closed", begin.elapsed().as_secs_f64(), "s");
    lab.close().await
}
