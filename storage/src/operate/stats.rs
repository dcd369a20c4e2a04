//! What the store holds, as figures: per tenant and signal, and what is not in blocks yet.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalog::State;
use crate::flush::build::LATE;
use crate::schema::kind;
use crate::view::View;

/// What the store holds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// Number of the newest manifest.
    pub manifest: u64,
    /// Live blocks.
    pub blocks: u64,
    /// Bytes of live blocks.
    pub bytes: u64,
    /// Bytes of the log that a start would replay.
    pub wal_bytes: u64,
    /// Estimated bytes of the rows in memory.
    pub head_bytes: u64,
    /// Bytes of blocks that lie on the local disk and wait for their commit.
    pub staged_bytes: u64,
    /// By tenant, then signal.
    pub tenants: Vec<SignalStats>,
}

/// What the blocks of one tenant and signal hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalStats {
    /// Whose rows.
    pub tenant: String,
    /// `metrics`, `logs` or `traces`.
    pub signal: String,
    /// Live blocks.
    pub blocks: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Of these what is footer, page indexes and checksums.
    pub tail_bytes: u64,
    /// Log records, spans, or slices of series.
    pub rows: u64,
    /// Samples; 0 but for metrics.
    pub samples: u64,
    /// Days that have rows.
    pub days: u64,
    /// Earliest row, ms since the epoch.
    pub earliest_ms: Option<i64>,
    /// Latest row, ms since the epoch.
    pub latest_ms: Option<i64>,
    /// By level, the lowest first.
    pub levels: Vec<LevelStats>,
    /// By retention class; blocks that were not merged yet have none.
    pub classes: BTreeMap<String, u64>,
}

/// The blocks of one level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelStats {
    /// 0: flushed; 1, 2: merged.
    pub level: u8,
    /// Number.
    pub blocks: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Counts the committed blocks of a view.
pub fn of_blocks(view: &View) -> Stats {
    let staged_bytes = view.staged.iter().map(|block| block.bytes).sum();
    Stats { staged_bytes, ..of_state(view.catalog()) }
}

/// Counts the blocks of a catalog version.
pub fn of_state(state: &State) -> Stats {
    let mut stats = Stats { manifest: state.version(), ..Stats::default() };
    for (tenant, signal) in state.holders() {
        let mut of = SignalStats {
            tenant: tenant.to_string(),
            signal: signal.as_str().to_owned(),
            ..SignalStats::default()
        };
        let mut days = BTreeSet::new();
        let mut levels: BTreeMap<u8, LevelStats> = BTreeMap::new();
        for block in state.blocks(&tenant, signal) {
            of.blocks += 1;
            of.bytes += block.bytes;
            of.tail_bytes += block.tail_bytes;
            *of.classes.entry(block.class.clone()).or_default() += block.bytes;
            let level = levels.entry(block.level).or_default();
            (level.level, level.blocks, level.bytes) =
                (block.level, level.blocks + 1, level.bytes + block.bytes);
            // What metrics are called has the time of the flush; exemplars are no rows of their own.
            if [kind::FAMILIES, kind::EXEMPLARS, kind::RAW].contains(&&*block.kind) {
                continue;
            }
            of.rows += block.rows;
            of.samples += if block.kind == kind::SLICES { block.samples } else { 0 };
            let earliest = of.earliest_ms.unwrap_or(block.time_min_ms);
            of.earliest_ms = Some(earliest.min(block.time_min_ms));
            let latest = of.latest_ms.unwrap_or(block.time_max_ms);
            of.latest_ms = Some(latest.max(block.time_max_ms));
            if block.day == LATE {
                days.extend(block.days.iter().map(String::as_str));
            } else {
                days.insert(block.day.as_str());
            }
        }
        of.days = days.len() as u64;
        of.levels = levels.into_values().collect();
        stats.blocks += of.blocks;
        stats.bytes += of.bytes;
        stats.tenants.push(of);
    }
    stats
}
