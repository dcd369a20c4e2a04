//! Makes batches durable once, finds them fast, keeps them small.
//!
//! The life of a row, in the order of the files:
//!
//! 1. [`append`]: a request collects its rows and commits them as one record;
//! 2. [`wal`]: the record becomes durable, one sync for all that wait, and only then
//! 3. [`head`]: its rows are inserted in memory and acknowledged;
//! 4. [`slice`](mod@slice): samples of one series, cut and encoded for a block;
//! 5. [`view`]: what a query sees, one pointer: a catalog version and the head above it;
//! 6. [`flush`]: the head is cut and becomes blocks;
//! 7. [`block`]: immutable Parquet files;
//! 8. [`catalog`]: numbered manifests say which blocks exist and how far each log is in them;
//! 9. [`compact`]: many small blocks become few large ones;
//! 10. [`retain`]: what is too old or was erased goes, and whatever nothing names any more.
//!
//! Beside that way: [`any_value`] is the text form of OTel values, `open.rs` is the start, [`object`] the bucket, [`file`](mod@file) and
//! [`disk`] the local disk, [`paths`] every name in either, [`publish`] the list for foreign
//! readers, [`usage`] what is asked for, [`alert_log`] what alerting must not forget,
//! [`documents`] what people configured through an API, [`options`] what an operator decides, [`operate`] the tools.
//!
//! What always holds:
//!
//! - Nothing is visible before it is durable, nothing durable is visible twice: a row of the log is
//!   in blocks up to the committed position and in head generations above it, and one pointer swap
//!   moves that boundary together with the rows.
//! - Whatever decides between two writers is one conditional create ([`object::Objects::create`]).
//! - Time, chance, threads and files come through [`Handles`], so that all of this runs simulated.
//!
//! What it does not do: speak a protocol, know a query language, start a runtime, read the
//! environment, or delete anything that it was not asked to delete.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use object_store::ObjectStore;
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, Result};
use tarn_model::rng::Rng;
use tarn_model::tasks::Tasks;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;

pub mod alert_log;
pub mod any_value;
pub mod append;
pub mod block;
mod blocking;
pub mod catalog;
pub mod compact;
pub mod disk;
pub mod documents;
pub mod file;
pub mod flush;
pub mod fuzz;
pub mod head;
mod invariants;
pub mod object;
mod open;
pub mod operate;
pub mod options;
pub mod paths;
pub mod publish;
pub mod retain;
pub mod schema;
pub mod slice;
pub mod usage;
pub mod view;
pub mod wal;

use crate::alert_log::AlertLog;
use crate::append::Writer;
use crate::catalog::format::WriterState;
use crate::catalog::{State, writers};
use crate::compact::jobs::Jobs;
use crate::compact::plan::Which;
pub use crate::compact::worker::CompactReport;
use crate::documents::Documents;
use crate::file::Disk;
use crate::flush::Flusher;
pub use crate::flush::{FlushReport, RepairReport};
use crate::object::Objects;
use crate::open::Shared;
use crate::operate::stats::{self, Stats};
pub use crate::options::{Options, WalSync};
use crate::view::Reader;

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

/// What a stop waits for the last flush: beyond that a start replays the log, which costs less than
/// being killed.
const FLUSH_AT_STOP_MAX: Duration = Duration::from_secs(10);

/// The open store of one data folder.
#[derive(Debug)]
pub struct Storage {
    shared: Arc<Shared>,
}

/// Which directions work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Why writes are refused, if they are.
    pub ingest: Option<String>,
    /// Why queries are refused or marked, if they are.
    pub query: Option<String>,
}

impl Storage {
    /// Opens the data folder: takes its lock, loads the catalog, and begins to replay the log
    /// behind [`Storage::readiness`].
    ///
    /// # Errors
    /// `Unavailable` where another process has the folder; `Corrupt` where the catalog is damaged;
    /// `Invalid` where the folder belongs to a newer version or another epoch.
    pub async fn open(options: Options, handles: Handles, registry: &mut Registry) -> Result<Self> {
        Ok(Self { shared: open::open(options, handles, None, registry).await? })
    }

    /// As [`Storage::open`], with the blocks and the catalog in another store than the local one.
    ///
    /// # Errors
    /// As [`Storage::open`].
    pub async fn open_with_store(
        options: Options,
        handles: Handles,
        store: Arc<dyn ObjectStore>,
        registry: &mut Registry,
    ) -> Result<Self> {
        Ok(Self { shared: open::open(options, handles, Some(store), registry).await? })
    }

    /// Returns the handle for writing.
    pub fn writer(&self) -> Writer {
        let log = Arc::clone(&self.shared.log);
        Writer::new(Arc::clone(&self.shared.head), log)
    }

    /// Returns the handle for reading.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared.view))
    }

    /// Returns the id of this folder's writer, 32 hex digits.
    pub fn writer_id(&self) -> &str {
        &self.shared.flusher.identity.id
    }

    /// Returns the newest catalog version.
    pub fn catalog(&self) -> Arc<State> {
        self.shared.flusher.catalog.state()
    }

    /// Returns the object store with blocks and catalog.
    pub fn objects(&self) -> &Objects {
        &self.shared.flusher.objects
    }

    /// Returns the log of alerting. The first call opens it, in the background: its segments take
    /// room, and whoever alerts about nothing needs none.
    pub fn alert_log(&self) -> AlertLog {
        self.shared.alert_log.get(&self.shared.handles)
    }

    /// Returns the documents in the bucket.
    pub fn documents(&self) -> Documents {
        let Handles { clock, rng, .. } = &self.shared.handles;
        Documents::new(self.objects().clone(), Arc::clone(clock), Arc::clone(rng))
    }

    /// Returns where queries note what they ask for.
    pub fn usage(&self) -> Arc<usage::Usage> {
        Arc::clone(&self.shared.usage)
    }

    /// Returns which directions work at the moment.
    pub fn readiness(&self) -> Readiness {
        let view = self.shared.view.load();
        let ingest = match self.shared.log.wal() {
            Ok(_) => self.shared.flusher.read_only.reason(),
            Err(error) => Some(error.message()),
        };
        Readiness { ingest, query: view.partial() }
    }

    /// Completes when the log has been replayed.
    ///
    /// # Errors
    /// What stopped the replay, `Corrupt` above all; the process must not go on.
    pub async fn replayed(&self) -> Result<()> {
        self.shared.replayed().await
    }

    /// Completes when the store can never work again and the process must stop: another process
    /// has taken the identity of this folder (FEN-1).
    pub async fn failed(&self) -> Error {
        let mut fatal = self.shared.flusher.fatal.subscribe();
        loop {
            if let Some(error) = &*fatal.borrow_and_update() {
                return error.duplicate();
            }
            if fatal.changed().await.is_err() {
                // The sender lives as long as the store, so nobody can be waiting here.
                return Error::internal("the store is gone");
            }
        }
    }

    /// Cuts the head, writes its blocks and waits for their commit.
    ///
    /// # Errors
    /// What failed; the rows stay in the log and the head.
    pub async fn flush(&self) -> Result<FlushReport> {
        self.shared.flush().await
    }

    /// Merges blocks as far as it goes, whatever their age, and waits for it.
    ///
    /// # Errors
    /// `Unavailable` where the store fails or is not ready; what was merged before stays merged.
    pub async fn compact(&self, which: &Which) -> Result<CompactReport> {
        self.shared.compactor.merge_all(&self.shared, which).await
    }

    /// Builds blocks of what was set aside because it could not be written, of one tenant or of all.
    ///
    /// # Errors
    /// `Unavailable` where the store fails or is not ready; what was repaired before stays so.
    pub async fn repair(&self, tenant: Option<&TenantId>) -> Result<RepairReport> {
        flush::repair::repair(&self.shared, tenant).await
    }

    /// Returns what the store holds, as figures.
    pub fn stats(&self) -> Stats {
        let mut stats = stats::of_blocks(&self.shared.view.load());
        // Before the log is replayed nobody knows how much of it counts.
        stats.wal_bytes = self.shared.log.replayed().map_or(0, |wal| wal.bytes().0);
        stats.head_bytes = self.shared.head.bytes();
        stats
    }

    /// Returns what merges wait, run, and have ended.
    pub fn jobs(&self) -> Jobs {
        self.shared.compactor.jobs.report(self.shared.handles.clock.monotonic())
    }

    /// Gives a writer up whose data folder is lost: nobody waits for its rows any more (PAR-1).
    /// Should the folder come back, its writer is live again.
    ///
    /// # Errors
    /// `NotFound` where the catalog knows no such writer; `Invalid` for the own one; `Unavailable`
    /// where the bucket is.
    pub async fn forget(&self, writer: &str) -> Result<()> {
        let Flusher { catalog, identity, .. } = &self.shared.flusher;
        if writer == identity.id {
            return Err(Error::invalid(format!("writer {writer} is this process's own")));
        }
        self.shared.flusher.join().await?;
        writers::forget(catalog, identity, writer).await
    }

    /// Stops: last group, flush, commit, seal.
    ///
    /// # Errors
    /// What could not be made durable in blocks; it is in the log then.
    pub async fn close(self) -> Result<()> {
        let shared = &self.shared;
        shared.begin_close();
        let merged = async {
            shared.compactor.stop().await;
            Ok(())
        };
        if let Err(error) = self.within(FLUSH_AT_STOP_MAX, merged).await {
            tracing::warn!(%error, "a merge still waits for the store; it will not be committed");
        }
        if let Err(error) = shared.replayed().await {
            if shared.replay_was_cancelled() {
                // Nothing was acknowledged in this life: the log is as it was found.
                return shared.unmark();
            }
            return Err(error);
        }
        let flushed = Box::pin(self.within(FLUSH_AT_STOP_MAX, shared.flush())).await;
        let wal = shared.log.replayed()?;
        let last = wal.run(|_, last| last).await?;
        wal.close().await?;
        if flushed.is_ok() {
            let last_words = async {
                self.retire(last.0).await;
                shared.publish().await;
                Ok(())
            };
            if let Err(error) = self.within(FLUSH_AT_STOP_MAX, last_words).await {
                tracing::warn!(%error, "writer stays live in the catalog");
            }
        }
        usage::save(shared);
        if let Err(error) = shared.alert_log.close().await {
            tracing::warn!(%error, "alert log was not sealed; what it acknowledged is durable");
        }
        shared.unmark()?;
        flushed.map(drop).map_err(|e| e.context("flush at the stop"))
    }

    /// Gives up on a bucket that does not answer.
    async fn within<T>(&self, limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
        match select(pin!(work), self.shared.handles.clock.sleep(limit)).await {
            Either::Left((done, _)) => done,
            Either::Right(((), _)) => {
                Err(Error::unavailable(format!("not done within {limit:?}"), limit))
            }
        }
    }

    /// Tells the catalog that nothing of this writer is outside the blocks.
    async fn retire(&self, last: u64) {
        let Flusher { catalog, identity, .. } = &self.shared.flusher;
        let label = &self.shared.options.label;
        // Whoever is retired does not go on without the bucket: others would not know.
        self.shared.flusher.drop_saved_catalog().await;
        let complete = |committed| committed >= last;
        let retired =
            writers::set_state(catalog, identity, WriterState::Retired, label, complete).await;
        if let Err(error) = retired {
            tracing::warn!(%error, "writer could not be retired, it stays live in the catalog");
            return;
        }
        self.shared.flusher.save_catalog(&catalog.state()).await;
    }
}
