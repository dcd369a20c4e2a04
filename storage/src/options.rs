//! What an operator decides about the store, with defaults for whoever decides nothing.

use std::path::PathBuf;
use std::time::Duration;

use tarn_model::limits::Limits;
use tarn_model::matcher::Matcher;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;

use crate::flush::Faults;
use crate::object::bucket::BucketOptions;

/// What an operator decides about the store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Data folder.
    pub path: PathBuf,
    /// Where blocks and catalog are.
    pub bucket: BucketOptions,
    /// Label of this writer, for humans.
    pub label: String,
    /// A head older than this is flushed.
    pub flush_age: Duration,
    /// A head larger than this is flushed.
    pub flush_bytes: ByteSize,
    /// Whether the reply waits for the disk.
    pub wal_sync: WalSync,
    /// Bytes of one log segment.
    pub wal_segment_bytes: ByteSize,
    /// The log may grow to this; then writes answer `Unavailable`.
    pub wal_bytes_max: ByteSize,
    /// Names of those who follow the log and go on where they were after a restart: what they have
    /// not acknowledged stays in the log.
    pub followers: Vec<&'static str>,
    /// What is committed stays in the log for them up to this; beyond, they are told what they miss.
    pub wal_follower_bytes_max: ByteSize,
    /// How blocks are merged.
    pub compaction: Compaction,
    /// How long rows are kept.
    pub retention: Retention,
    /// How blocks in a bucket are kept at hand.
    pub cache: Cache,
    /// Limits in force.
    pub limits: Limits,
    /// Partitions that cannot be written; for tests.
    pub faults: Faults,
}

impl Options {
    /// Returns the defaults of an installation that configures nothing.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            bucket: BucketOptions::default(),
            label: String::new(),
            flush_age: Duration::from_secs(300),
            flush_bytes: ByteSize::mib(128),
            wal_sync: WalSync::Group,
            wal_segment_bytes: ByteSize::mib(64),
            wal_bytes_max: ByteSize::gib(10),
            followers: Vec::new(),
            wal_follower_bytes_max: ByteSize::gib(1),
            compaction: Compaction::default(),
            retention: Retention::default(),
            cache: Cache::default(),
            limits: Limits::default(),
            faults: Faults::default(),
        }
    }
}

/// When the log is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalSync {
    /// One fdatasync per group of requests, before their replies.
    Group,
    /// Never: for tests and measurements only.
    None,
}

/// How blocks are merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compaction {
    /// Whether this process merges at all.
    pub enabled: bool,
    /// How often the planner looks.
    pub interval: Duration,
    /// As many neighbouring flushed blocks of a partition are merged at once.
    pub level1_blocks: usize,
    /// Fewer are merged when the oldest of them is this old.
    pub level1_age: Duration,
    /// A day is merged into its final blocks this long after its end: the out-of-order window and
    /// some room for what is under way.
    pub level2_delay: Duration,
    /// A merged block is cut when it reaches about this size. It is held in memory until it is
    /// stored.
    pub block_bytes: ByteSize,
    /// What one merge may hold in memory, its output included.
    pub memory_max: ByteSize,
}

impl Default for Compaction {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Duration::from_secs(10),
            level1_blocks: 8,
            level1_age: Duration::from_secs(2 * 3600 + 15 * 60),
            level2_delay: Duration::from_secs(2 * 3600 + 15 * 60),
            block_bytes: ByteSize::mib(128),
            memory_max: ByteSize::mib(512),
        }
    }
}

/// How long rows are kept: the first rule that a row satisfies decides; without one it stays for
/// ever.
#[derive(Debug, Clone)]
pub struct Retention {
    /// In order.
    pub rules: Vec<RetentionRule>,
    /// How long the past of the catalog is kept, and the objects that it names: what went can be
    /// brought back until then. At least an hour, for queries run on it.
    pub history: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { rules: Vec::new(), history: Duration::from_secs(24 * 3600) }
    }
}

/// How long some rows are kept.
#[derive(Debug, Clone)]
pub struct RetentionRule {
    /// Of this tenant only.
    pub tenant: Option<TenantId>,
    /// Of this signal only.
    pub signal: Option<Signal>,
    /// Of these streams only: matchers over labels (metrics), or over `service_name` and the
    /// attributes of resource and row (logs, spans). All must match; none: every row.
    pub matchers: Vec<Matcher>,
    /// Rows older than this go.
    pub keep: Duration,
}

/// How blocks in a bucket are kept at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Bytes of block parts in memory.
    pub memory_bytes: ByteSize,
    /// Own blocks stay on the local disk this long after their upload.
    pub keep_uploaded: Duration,
    /// Bytes of own blocks on the local disk, uploaded ones.
    pub disk_bytes: ByteSize,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            memory_bytes: ByteSize::mib(256),
            keep_uploaded: Duration::from_secs(24 * 3600),
            disk_bytes: ByteSize::gib(10),
        }
    }
}
