//! Deleting by matcher: a tombstone makes rows invisible at once, the next merge leaves them out.

use serde::{Deserialize, Serialize};

use crate::block::BlockMeta;

/// Rows that nobody shall see any more: those that satisfy all matchers, lie in the time range and
/// were in the log at the positions named, or before. Rows sent later stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Random, 32 hex digits.
    pub id: String,
    /// Whose rows.
    pub tenant: String,
    /// `metrics`, `logs` or `traces`.
    pub signal: String,
    /// Matchers in their text form, as `job="x"`: over labels (metrics), or over columns and
    /// attributes (logs, spans).
    pub matchers: Vec<String>,
    /// Earliest time, ms, inclusive.
    pub start_ms: i64,
    /// Latest time, ms, inclusive.
    pub end_ms: i64,
    /// For each writer the last position of its log that the tombstone covers.
    pub positions: Vec<(String, u64)>,
    /// When it was set, ms; for humans and for the age of history.
    pub time_ms: i64,
}

impl Tombstone {
    /// Returns whether some rows of a block may be erased by this.
    pub fn covers(&self, block: &BlockMeta) -> bool {
        self.tenant == block.tenant
            && self.signal == block.signal
            && self.start_ms <= block.time_max_ms
            && block.time_min_ms <= self.end_ms
            && block.lsn.iter().all(|range| {
                self.positions
                    .iter()
                    .any(|(writer, last)| *writer == range.writer && range.hi <= *last)
            })
    }
}
