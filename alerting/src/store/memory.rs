//! A log that forgets at the end of the process: for tests of what is above it.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _, ready};
use parking_lot::Mutex;
use tarn_model::error::{Error, Result};
use tarn_storage::wal::Lsn;

use super::{Entry, Journal, Replayed};

/// Records in memory. Clones share them, so that a test can start again on what was kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryJournal(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    image: Option<Bytes>,
    /// With their positions.
    entries: Vec<(u64, Entry)>,
    last: u64,
    full: bool,
}

impl MemoryJournal {
    /// Lets appends fail from now on, or work again.
    pub(crate) fn fill(&self, full: bool) {
        self.0.lock().full = full;
    }
}

impl Journal for MemoryJournal {
    fn append(&self, entries: Vec<Entry>) -> BoxFuture<'static, Result<Lsn>> {
        let mut inner = self.0.lock();
        if inner.full {
            let error = Error::unavailable("disk is full", std::time::Duration::from_secs(1));
            return ready(Err(error)).boxed();
        }
        inner.last += 1;
        let last = inner.last;
        inner.entries.extend(entries.into_iter().map(|entry| (last, entry)));
        ready(Ok(Lsn(last))).boxed()
    }

    fn snapshot(&self, through: Lsn, everything: Bytes) -> BoxFuture<'static, Result<()>> {
        let mut inner = self.0.lock();
        inner.image = Some(everything);
        inner.entries.retain(|(position, _)| *position > through.0);
        ready(Ok(())).boxed()
    }

    fn replay(&self) -> BoxFuture<'static, Result<Replayed>> {
        let inner = self.0.lock();
        let entries = inner.entries.iter().map(|(_, entry)| entry.clone()).collect();
        let replayed = Replayed { image: inner.image.clone(), entries, last: Lsn(inner.last) };
        ready(Ok(replayed)).boxed()
    }
}
