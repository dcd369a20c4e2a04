//! Makes batches durable once, finds them fast, keeps them small.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tarn_model::error::{Error, Result};
use tarn_model::limits::Limits;
use tarn_model::rng::Rng;
use tarn_model::tasks::Tasks;
use tarn_model::time::Clock;
use tarn_model::units::ByteSize;

pub mod append;
pub mod block;
pub mod catalog;
pub mod disk;
pub mod file;
pub mod head;
pub mod object;
pub mod paths;
mod readiness;
pub mod schema;
pub mod slice;
pub mod view;
pub mod wal;

use crate::append::Writer;
use crate::file::Disk;
pub use crate::readiness::Readiness;
use crate::view::Reader;

/// What an operator decides about the store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Data folder.
    pub path: PathBuf,
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
    /// Limits in force.
    pub limits: Limits,
}

/// When the log is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalSync {
    /// One fdatasync per group of requests, before their replies.
    Group,
    /// Never: for tests and measurements only.
    None,
}

/// What the store is given by the process, or by a simulation.
#[derive(Debug, Clone)]
pub struct Handles {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// Tracked tasks.
    pub tasks: Arc<dyn Tasks>,
    /// The local file system.
    pub disk: Arc<dyn Disk>,
}

/// The open store of one data folder.
#[derive(Debug)]
pub struct Storage {
    writer: Writer,
    reader: Reader,
}

/// What a flush did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlushReport {
    /// Blocks written.
    pub blocks: usize,
    /// Samples in them.
    pub samples: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Manifest number of the commit.
    pub manifest: u64,
}

impl Storage {
    /// Opens the data folder: takes its lock, loads the catalog, and begins to replay the log
    /// behind [`Storage::readiness`].
    ///
    /// # Errors
    /// `Unavailable` where another process has the folder; `Corrupt` where the catalog is damaged;
    /// `Invalid` where the folder belongs to a newer version or another epoch.
    pub async fn open(options: Options, handles: Handles, registry: &mut Registry) -> Result<Self> {
        let _ = (handles, registry);
        let path = options.path.display().to_string();
        std::future::ready(Err(Error::internal(format!("storage is not built yet ({path})")))).await
    }

    /// Returns the handle for writing.
    pub fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// Returns the handle for reading.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Returns which directions work at the moment.
    pub fn readiness(&self) -> Readiness {
        Readiness { ingest: None, query: None }
    }

    /// Completes when the log has been replayed.
    ///
    /// # Errors
    /// What stopped the replay, `Corrupt` above all; the process must not go on.
    pub async fn replayed(&self) -> Result<()> {
        std::future::ready(Ok(())).await
    }

    /// Cuts the head, writes its blocks and waits for their commit.
    ///
    /// # Errors
    /// What failed; the rows stay in the log and the head.
    pub async fn flush(&self) -> Result<FlushReport> {
        std::future::ready(Err(Error::internal("storage is not built yet"))).await
    }

    /// Stops: last group, flush, commit, seal.
    ///
    /// # Errors
    /// What could not be made durable in blocks; it is in the log then.
    pub async fn close(self) -> Result<()> {
        std::future::ready(Ok(())).await
    }
}
