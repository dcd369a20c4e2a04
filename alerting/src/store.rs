//! What survives a restart, through the log of storage.
//!
//! One log for everything that is decided: states of rules after a step that changed them, what the
//! dispatcher must remember, what the outbox owes to whom. What follows from one evaluation is one
//! append with one sync, so that after a crash either all of it has happened or none. Every 60
//! seconds, or 8 MiB, everything is written as one snapshot and the log begins anew.
//!
//! Records are upserts and removals, and memory changes before they are handed in. So a snapshot of
//! memory at any time holds everything that is durable by then, and replaying what came after it,
//! some of it a second time, leads to the same state.
//!
//! Where the log cannot be written, pages are sent all the same: an alarm that cannot be remembered
//! is still an alarm. [`Store::broken`] says so, and interfaces take no changes.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::task::noop_waker_ref;
use parking_lot::Mutex;
use tarn_model::error::{Error, Result};
pub use tarn_storage::alert_log::{AlertLog, Entry, Replayed};
use tarn_storage::wal::Lsn;

pub use self::record::{Kind, RuleChange, RuleKey};
pub(crate) use self::record::{body_of, bytes_of, entry};

pub(crate) mod frame;
#[cfg(test)]
pub(crate) mod memory;
mod record;

/// How often everything is written as a snapshot, if anything changed.
pub(crate) const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);
/// How many bytes of records lead to a snapshot before that.
const SNAPSHOT_BYTES: u64 = 8 << 20;
/// When to try again while the log cannot be written.
const RETRY: Duration = Duration::from_secs(5);

/// Where records become durable.
pub trait Journal: std::fmt::Debug + Send + Sync {
    /// Makes records durable, all or none. The order of first polls is the order of the log.
    ///
    /// # Errors
    /// `Unavailable` where they could not be written.
    fn append(&self, entries: Vec<Entry>) -> BoxFuture<'static, Result<Lsn>>;

    /// Writes everything; records up to `through` are not needed any more.
    ///
    /// # Errors
    /// `Unavailable` where it could not be written: the log stays as it is.
    fn snapshot(&self, through: Lsn, everything: Bytes) -> BoxFuture<'static, Result<()>>;

    /// Returns what was kept; once, at the start.
    ///
    /// # Errors
    /// `Corrupt` where it cannot be read.
    fn replay(&self) -> BoxFuture<'static, Result<Replayed>>;
}

impl Journal for AlertLog {
    fn append(&self, entries: Vec<Entry>) -> BoxFuture<'static, Result<Lsn>> {
        Self::append(self, entries)
    }

    fn snapshot(&self, through: Lsn, everything: Bytes) -> BoxFuture<'static, Result<()>> {
        let log = self.clone();
        Box::pin(async move { Self::snapshot(&log, through, everything).await })
    }

    fn replay(&self) -> BoxFuture<'static, Result<Replayed>> {
        let log = self.clone();
        Box::pin(async move { Self::replay(&log).await })
    }
}

/// The log with what is known of it.
#[derive(Debug)]
pub struct Store {
    journal: Arc<dyn Journal>,
    /// The newest position that is durable.
    last: AtomicU64,
    /// Bytes of records that are in no snapshot.
    bytes: AtomicU64,
    broken: Mutex<Option<String>>,
    closed: AtomicBool,
}

impl Store {
    /// Makes the store of a log.
    pub fn new(journal: Arc<dyn Journal>) -> Self {
        let (last, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let closed = AtomicBool::new(false);
        Self { journal, last, bytes, broken: Mutex::new(None), closed }
    }

    /// Returns what was kept, in order; once, at the start.
    ///
    /// # Errors
    /// `Corrupt` where it cannot be read.
    pub async fn replay(&self) -> Result<Vec<Entry>> {
        let replayed = self.journal.replay().await;
        self.note(replayed.as_ref().err());
        let Replayed { image, entries: records, last } = replayed?;
        let mut entries = match image {
            Some(bytes) => frame::decode(&bytes)?,
            None => Vec::new(),
        };
        self.last.fetch_max(last.0, Ordering::AcqRel);
        self.bytes.store(records.iter().map(bytes_of).sum(), Ordering::Relaxed);
        entries.extend(records);
        Ok(entries)
    }

    /// Hands records in. They have their place in the log when this returns, so that whoever
    /// changes memory under a lock calls it under that lock; the future waits until they are
    /// durable. Nothing is written where there are none.
    ///
    /// # Errors
    /// `Unavailable` where they could not be written.
    pub(crate) fn append(self: &Arc<Self>, entries: Vec<Entry>) -> BoxFuture<'static, Result<()>> {
        if entries.is_empty() {
            return Box::pin(ready(Ok(())));
        }
        let bytes = entries.iter().map(bytes_of).sum();
        let mut written = self.journal.append(entries);
        // The log numbers appends when they are polled first.
        let first = written.as_mut().poll(&mut Context::from_waker(noop_waker_ref()));
        let store = Arc::clone(self);
        Box::pin(async move {
            let result = match first {
                Poll::Ready(result) => result,
                Poll::Pending => written.await,
            };
            store.note(result.as_ref().err());
            store.bytes.fetch_add(bytes, Ordering::Relaxed);
            store.last.fetch_max(result?.0, Ordering::AcqRel);
            Ok(())
        })
    }

    /// Returns whether the log has grown enough for a snapshot before its time.
    pub(crate) fn is_long(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= SNAPSHOT_BYTES
    }

    /// Returns whether anything was written since the last snapshot.
    pub(crate) fn has_grown(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > 0
    }

    /// Writes everything as it is now.
    ///
    /// # Errors
    /// `Unavailable` where it could not be written; another is made later.
    pub(crate) async fn snapshot(&self, everything: impl FnOnce() -> Vec<Entry>) -> Result<()> {
        let bytes = self.bytes.load(Ordering::Relaxed);
        // Before memory is looked at: what is durable by now is in it.
        let through = Lsn(self.last.load(Ordering::Acquire));
        let image = frame::encode(&everything());
        let written = self.journal.snapshot(through, image).await;
        if written.is_ok() {
            // Another snapshot at the same time may have taken the same bytes off.
            let left = |all: u64| Some(all.saturating_sub(bytes));
            self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).ok();
        }
        written
    }

    /// Returns why nothing can be kept at the moment, if so.
    pub fn broken(&self) -> Option<String> {
        self.broken.lock().clone()
    }

    /// Returns whether changes are taken.
    ///
    /// # Errors
    /// `Unavailable` while the log cannot be written.
    pub fn writable(&self) -> Result<()> {
        match self.broken() {
            Some(why) => Err(Error::unavailable(format!("alert log: {why}"), RETRY)),
            None => Ok(()),
        }
    }

    /// Ends the keeping: what is still told while the process stops is of no use to the next one.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn note(&self, error: Option<&Error>) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        let why = error.map(Error::message);
        let mut broken = self.broken.lock();
        match (&*broken, &why) {
            (None, Some(why)) => {
                tracing::error!(why, "alert log cannot be written; pages go out all the same");
            }
            (Some(_), None) => tracing::info!("alert log can be written again"),
            _ => {}
        }
        *broken = why;
    }
}

#[cfg(test)]
mod tests;
