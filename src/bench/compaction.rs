//! Many flushes, then merges: what a sample costs on disk before and after, how often its bytes are
//! written, how fast a merge is and what it holds in memory.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tarn_storage::catalog::State;
use tarn_storage::catalog::format::{self, Magic, Page};
use tarn_storage::compact::plan::Which;

use super::lab::Lab;
use super::{Folder, figure, skipped};
use crate::generate::corpus;
use crate::generate::sets::{self, Set};
use crate::telemetry::registry;

/// What one flush holds: more than the default age, so that the sets of hours stay affordable.
const PIECE_MS: i64 = 20 * 60_000;
/// The corpus has ten minutes; a minute each is a flush.
const CORPUS_PIECE_MS: i64 = 60_000;
/// Hosts of the TSBS-like set, with ten series each, and its hours.
const TSBS: (usize, i64) = (1_000, 4);
/// Pods of the churn set, with 90 series each.
const PODS: usize = 1_500;
/// Nodes of the kubelet-like set, with 450 series each, and its hours.
const KUBELETS: (usize, i64) = (20, 6);
/// How often memory is looked at while it may be at its peak.
const LOOK: Duration = Duration::from_millis(2);

/// Measures all sets.
pub(super) async fn run(folder: &Folder, corpus_folder: &Path) -> anyhow::Result<()> {
    match corpus::node_10min(corpus_folder)? {
        Some(series) => {
            measure(folder, "node_10min", sets::known(series), CORPUS_PIECE_MS).await?;
        }
        None => {
            skipped("compact_node_10min", format_args!("no corpus at {}", corpus_folder.display()));
        }
    }
    measure(folder, "tsbs_like", sets::tsbs_like(TSBS.0, TSBS.1), PIECE_MS).await?;
    measure(folder, "churn", sets::churn(PODS), PIECE_MS).await?;
    measure(folder, "kubelet_like", sets::kubelet_like(KUBELETS.0, KUBELETS.1), PIECE_MS).await
}

async fn measure(folder: &Folder, name: &str, mut set: Set, piece_ms: i64) -> anyhow::Result<()> {
    let lab = Lab::open(&folder.join(&format!("compact_{name}"))).await?;
    let flushed = flush_pieces(&lab, &mut set, piece_ms).await?;
    let per_sample = |bytes: u64| bytes as f64 / flushed.samples as f64;
    let before = Sizes::of(&lab.storage.catalog())?;
    figure(&format!("{name}_samples"), flushed.samples as f64 / 1e6, "M");
    figure(&format!("{name}_flushed_bytes"), per_sample(before.all()), "bytes/sample");
    figure(&format!("{name}_flush"), flushed.bytes as f64 / flushed.cpu / 1e6, "MB/core-second");
    figure(&format!("{name}_flush_memory"), flushed.memory as f64 / 1e6, "MB");
    let (cpu, begin, peak) = (registry::usage().cpu_seconds, Instant::now(), Peak::watch());
    lab.storage.compact(&Which::default()).await?;
    let memory = peak.end().await;
    let (cpu, wall) = (registry::usage().cpu_seconds - cpu, begin.elapsed().as_secs_f64());
    let after = Sizes::of(&lab.storage.catalog())?;
    let written = lab.metric("tarn_compaction_written_bytes_total")? as u64;
    let read = lab.metric("tarn_compaction_read_bytes_total")?;
    figure(&format!("{name}_blocks"), after.count as f64, "blocks");
    figure(&format!("{name}_bytes"), per_sample(after.all()), "bytes/sample");
    figure(&format!("{name}_footers_and_index"), per_sample(after.tails), "bytes/sample");
    figure(&format!("{name}_catalog"), per_sample(after.catalog), "bytes/sample");
    let amplification = (flushed.bytes + written) as f64 / flushed.bytes as f64;
    figure(&format!("{name}_write_amplification"), amplification, "times");
    figure(&format!("{name}_merge"), read / cpu / 1e6, "MB/core-second");
    let samples = flushed.samples as f64 / 1e6;
    figure(&format!("{name}_merge_samples"), samples / cpu, "Msamples/core-second");
    figure(&format!("{name}_merge_wall"), wall, "s");
    figure(&format!("{name}_merge_memory"), memory as f64 / 1e6, "MB");
    lab.close().await
}

/// What the flushes came to.
#[derive(Default)]
struct Flushed {
    samples: u64,
    bytes: u64,
    cpu: f64,
    /// The most that one of them held beyond what was held before.
    memory: u64,
}

/// Stores the set in the order of time, with a flush after every piece.
async fn flush_pieces(lab: &Lab, set: &mut Set, piece_ms: i64) -> anyhow::Result<Flushed> {
    let mut flushed = Flushed::default();
    let first = set.series.iter().map(|series| series.first_ms).min().unwrap_or(0);
    let mut until = first;
    while until < set.end_ms {
        until += piece_ms;
        flushed.samples += lab.piece(set, until).await?;
        let (cpu, peak) = (registry::usage().cpu_seconds, Peak::watch());
        flushed.bytes += lab.storage.flush().await?.bytes;
        flushed.cpu += registry::usage().cpu_seconds - cpu;
        flushed.memory = flushed.memory.max(peak.end().await);
    }
    Ok(flushed)
}

/// What lies in the bucket.
struct Sizes {
    count: usize,
    blocks: u64,
    tails: u64,
    catalog: u64,
}

impl Sizes {
    fn of(state: &State) -> anyhow::Result<Self> {
        let blocks: Vec<_> = state.all_blocks().cloned().collect();
        let sum = |get: fn(&tarn_storage::block::BlockMeta) -> u64| {
            blocks.iter().map(|block| get(block)).sum()
        };
        let (bytes, tails) = (sum(|block| block.bytes), sum(|block| block.tail_bytes));
        let count = blocks.len();
        // What a checkpoint holds of them; manifests go with the history.
        let catalog = format::seal(Magic::Page, &Page { blocks })?.len() as u64;
        Ok(Self { count, blocks: bytes, tails, catalog })
    }

    fn all(&self) -> u64 {
        self.blocks + self.catalog
    }
}

/// Watches what the allocator has handed out.
struct Peak {
    ended: Arc<AtomicBool>,
    most: Arc<AtomicU64>,
    before: u64,
    watcher: tokio::task::JoinHandle<()>,
}

impl Peak {
    fn watch() -> Self {
        let (ended, most) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let before = registry::allocated();
        let (until, highest) = (Arc::clone(&ended), Arc::clone(&most));
        let watcher = tokio::task::spawn_blocking(move || {
            while !until.load(Ordering::Relaxed) {
                highest.fetch_max(registry::allocated(), Ordering::Relaxed);
                std::thread::sleep(LOOK);
            }
        });
        Self { ended, most, before, watcher }
    }

    /// Returns the most that was held beyond what was held at the beginning, bytes.
    async fn end(self) -> u64 {
        self.ended.store(true, Ordering::Relaxed);
        if let Err(error) = self.watcher.await {
            tracing::warn!(%error, "memory could not be watched");
        }
        self.most.load(Ordering::Relaxed).saturating_sub(self.before)
    }
}
