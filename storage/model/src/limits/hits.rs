//! How often each limit turned something away.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! limits {
    ($($id:ident = $name:literal,)*) => {
        /// A limit that turns requests, queries or series away. Rows that a limit rejects one by one
        /// are counted with their reason where requests are counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Limit {
            $(#[doc = concat!("`", $name, "`.")] $id,)*
        }

        impl Limit {
            /// Every limit that is counted.
            pub const ALL: &[Self] = &[$(Self::$id),*];

            /// Returns the setting that changes it.
            pub fn setting(self) -> &'static str {
                match self {
                    $(Self::$id => $name,)*
                }
            }
        }
    };
}

limits! {
    RemoteWriteBytes = "ingest.remote_write_bytes_max",
    OtlpBytes = "ingest.otlp_bytes_max",
    IngestRate = "ingest.rate",
    SeriesMax = "metrics.series_max",
    NewSeriesMax = "metrics.new_series_max",
    SeriesMemory = "memory.series_percent",
    HeadMemory = "memory.head_percent",
    InflightMemory = "memory.inflight_percent",
    QueryMemory = "memory.query_percent",
    QueriesMemory = "memory.queries_percent",
    QueryQueue = "query.queue_max",
    QueryWait = "query.wait",
    QueryTimeout = "query.timeout",
    QuerySeries = "query.series_max",
    QuerySamples = "query.samples_max",
    QueryPoints = "query.points_max",
    SqlTimeout = "query.sql_timeout",
    SqlRows = "query.sql_rows_max",
    SqlResultBytes = "query.sql_result_bytes_max",
}

/// One counter per limit. Clones share them.
#[derive(Clone)]
pub struct Hits(Arc<[AtomicU64]>);

impl Default for Hits {
    fn default() -> Self {
        Self(Limit::ALL.iter().map(|_| AtomicU64::new(0)).collect())
    }
}

impl PartialEq for Hits {
    /// What was counted is no limit.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Hits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.all().filter(|(_, count)| *count > 0)).finish()
    }
}

impl Hits {
    /// Counts.
    pub fn count(&self, limit: Limit, by: u64) {
        if let Some(counter) = self.0.get(limit as usize) {
            counter.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Returns what was counted for a limit.
    pub fn of(&self, limit: Limit) -> u64 {
        self.0.get(limit as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// Returns every limit with what was counted.
    pub fn all(&self) -> impl Iterator<Item = (Limit, u64)> + '_ {
        Limit::ALL.iter().map(|limit| (*limit, self.of(*limit)))
    }
}
