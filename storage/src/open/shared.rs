//! What all handles of an open store share, and what is done with it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tarn_model::error::{Error, ErrorKind, Result};
use tokio::sync::watch;

use super::replay::{Replayed, fill};
use super::{REPLAY_RETRY, REPLAYING, disk_error};
use crate::alert_log::Lazy;
use crate::append::{self, Batch};
use crate::catalog::State;
use crate::compact::worker::Compactor;
use crate::disk::{Ballast, Level};
use crate::flush::stage::Stage;
use crate::flush::{FlushReport, Flusher, Load};
use crate::head::Head;
use crate::head::sink::HeadSink;
use crate::paths::DataDir;
use crate::publish;
use crate::retain::Retainer;
use crate::usage::Usage;
use crate::view::ViewCell;
use crate::wal::{Lsn, Wal};
use crate::{Handles, Options};

/// What all handles of an open store share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) handles: Handles,
    pub(crate) dir: DataDir,
    pub(crate) head: Arc<Head>,
    pub(crate) view: Arc<ViewCell>,
    pub(crate) log: Arc<LogHandle>,
    pub(crate) flusher: Flusher,
    pub(crate) compactor: Compactor,
    /// Opened when it is first asked for.
    pub(crate) alert_log: Lazy,
    /// What queries ask for.
    pub(crate) usage: Arc<Usage>,
    pub(crate) replayed: watch::Receiver<Option<Replayed>>,
    pub(super) closing: AtomicBool,
    pub(crate) disk_level: watch::Receiver<Level>,
    pub(super) ballast: Arc<Ballast>,
    pub(super) ballast_released: AtomicBool,
    /// Others may commit to the same bucket: the catalog is polled.
    pub(super) polls: bool,
    pub(super) published: Mutex<Published>,
    pub(crate) retainer: Retainer,
    /// Gives the folder free when it goes.
    pub(super) _lock: FolderLock,
}

/// What foreign readers were told last.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) state: Arc<State>,
    pub(super) at: Duration,
}

/// Keeps other processes out of the folder while it lives.
pub(super) struct FolderLock(
    #[expect(dead_code, reason = "held, not used")] pub(super) Box<dyn Send + Sync>,
);

impl std::fmt::Debug for FolderLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FolderLock")
    }
}

/// The log, once it has been replayed.
#[derive(Debug, Default)]
pub(crate) struct LogHandle {
    pub(super) wal: OnceLock<Wal<HeadSink>>,
    pub(super) closing: AtomicBool,
}

impl LogHandle {
    pub(crate) fn wal(&self) -> Result<&Wal<HeadSink>> {
        if self.closing.load(Ordering::Acquire) {
            return Err(Error::unavailable("store is being closed", REPLAY_RETRY));
        }
        self.replayed()
    }

    /// Returns the log for the last work of a stop.
    pub(crate) fn replayed(&self) -> Result<&Wal<HeadSink>> {
        self.wal.get().ok_or_else(|| Error::unavailable(REPLAYING, REPLAY_RETRY))
    }
}

impl append::Log for LogHandle {
    fn ready(&self) -> Result<()> {
        self.wal()?.writable()
    }

    fn append(&self, batch: Batch) -> BoxFuture<'static, Result<Lsn>> {
        match self.wal() {
            Ok(wal) => {
                let wal = wal.clone();
                Box::pin(async move { wal.append(batch).await })
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

impl Shared {
    /// Flushes everything appended before.
    pub(crate) async fn flush(&self) -> Result<FlushReport> {
        let wal = self.log.replayed()?;
        if *self.disk_level.borrow() == Level::Hard {
            self.make_room(wal).map_err(|e| disk_error("make room in", self.dir.root(), e))?;
        }
        self.flusher.flush(wal).await
    }

    /// Moves everything appended before out of the head: onto the local disk, or where the bucket is
    /// there, into blocks.
    pub(crate) async fn stage(&self) -> Result<FlushReport> {
        if self.flusher.stage.is_none() {
            return self.flush().await;
        }
        let wal = self.log.replayed()?;
        if *self.disk_level.borrow() == Level::Hard {
            self.make_room(wal).map_err(|e| disk_error("make room in", self.dir.root(), e))?;
        }
        self.flusher.stage(wal).await
    }

    /// Returns whether something staged waits for the bucket.
    pub(crate) fn has_staged(&self) -> bool {
        let staged = |stage: &Arc<Stage>| stage.last().is_some();
        self.log.wal.get().is_some() && self.flusher.stage.as_ref().is_some_and(staged)
    }

    /// Brings what is staged into the bucket.
    pub(crate) async fn deliver(&self) -> Result<()> {
        self.flusher.deliver(self.log.replayed()?).await
    }

    /// Gives up what was kept for a flush on a full disk. A file system may count removed files as
    /// used until their names are gone for good, hence the syncs.
    fn make_room(&self, wal: &Wal<HeadSink>) -> io::Result<()> {
        self.ballast.release()?;
        self.ballast_released.store(true, Ordering::Release);
        wal.release_spares();
        self.handles.disk.sync_dir(self.dir.root())?;
        self.handles.disk.sync_dir(&self.dir.wal())
    }

    /// What there is to flush; `None` before the replay has ended, or where there is nothing.
    pub(crate) fn load(&self) -> Option<Load> {
        let wal = self.log.wal.get()?;
        let view = self.view.load();
        let oldest = view.heads().iter().find(|generation| !generation.is_empty())?;
        Some(Load {
            age: self.handles.clock.monotonic().saturating_sub(oldest.born()),
            head_bytes: self.head.bytes(),
            log_bytes: wal.bytes().0,
            disk: *self.disk_level.borrow(),
        })
    }

    /// Returns whether the blocks are on the disk of the data folder.
    pub(crate) fn is_local(&self) -> bool {
        !self.polls
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Refuses writes from now on.
    pub(crate) fn begin_close(&self) {
        self.closing.store(true, Ordering::Release);
        self.log.closing.store(true, Ordering::Release);
    }

    /// What is looked after every second.
    pub(crate) async fn upkeep(&self) {
        // Until the replay ends it alone says what the view lacks.
        let replayed = self.log.wal.get().is_some();
        if self.polls && replayed {
            self.flusher.poll().await;
        }
        let roomy = *self.disk_level.borrow() == Level::Ample;
        if !roomy {
            self.flusher.evict(true).await;
        }
        if roomy && self.ballast_released.swap(false, Ordering::AcqRel) {
            let ballast = Arc::clone(&self.ballast);
            self.handles.tasks.spawn_thread("ballast", Box::new(move || fill(&ballast)));
        }
        let now = self.handles.clock.monotonic();
        if now.saturating_sub(self.published.lock().at) >= publish::INTERVAL {
            self.publish().await;
        }
    }

    /// Tells foreign readers about new blocks. A failure heals with the next change.
    pub(crate) async fn publish(&self) {
        let state = self.flusher.catalog.state();
        let before = Arc::clone(&self.published.lock().state);
        if Arc::ptr_eq(&before, &state) {
            return;
        }
        let now_ms = self.handles.clock.now().as_millis();
        match publish::publish(&self.flusher.objects, &before, &state, now_ms).await {
            Ok(()) => {
                let at = self.handles.clock.monotonic();
                *self.published.lock() = Published { state, at };
            }
            Err(error) => tracing::warn!(%error, "listing of blocks could not be published"),
        }
    }

    /// Waits for the end of the replay.
    pub(crate) async fn replayed(&self) -> Result<()> {
        let mut replayed = self.replayed.clone();
        let gone = |_| Error::internal("the replay thread has ended without an outcome");
        let outcome = replayed.wait_for(Option::is_some).await.map_err(gone)?;
        match outcome.as_ref() {
            Some(Err(error)) => Err(error.duplicate()),
            _ => Ok(()),
        }
    }

    /// Returns whether the replay ended because the store was closed.
    pub(crate) fn replay_was_cancelled(&self) -> bool {
        let failed = matches!(&*self.replayed.borrow(), Some(Err(e))
            if matches!(e.kind(), ErrorKind::Unavailable { .. }));
        failed && self.is_closing()
    }

    /// Removes the mark of a run that has not stopped cleanly.
    pub(crate) fn unmark(&self) -> Result<()> {
        let path = self.dir.unclean();
        let disk = &self.handles.disk;
        disk.remove(&path)
            .and_then(|()| disk.sync_dir(self.dir.root()))
            .map_err(|e| disk_error("remove", &path, e))
    }
}
