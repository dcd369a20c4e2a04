//! Memory of queries: one pool, and an account per query.
//!
//! The engine says what its buffers take; the account passes it on to the pool and remembers it, so
//! that everything is given back when the query ends, however it ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tarn_model::time::Clock;
use tarn_promql::query::{Hooks, Interrupt};

use super::Cancel;
use super::metrics::Metrics;
use super::watch::{Held, Watch};

/// What all queries together may use.
#[derive(Debug)]
pub(crate) struct Pool {
    bytes_max: u64,
    used: AtomicU64,
    metrics: Arc<Metrics>,
    watch: Watch,
}

impl Pool {
    pub(super) fn new(bytes_max: u64, watch: Watch, metrics: Arc<Metrics>) -> Self {
        Self { bytes_max, used: AtomicU64::new(0), metrics, watch }
    }

    pub(super) async fn watch(&self, clock: &dyn Clock) {
        self.watch.run(clock).await;
    }

    fn take(&self, bytes: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        match self.used.try_update(Ordering::AcqRel, Ordering::Acquire, fits) {
            Ok(before) => {
                self.metrics.memory(before + bytes);
                true
            }
            Err(_) => false,
        }
    }

    fn give_back(&self, bytes: u64) {
        let before = self.used.fetch_sub(bytes, Ordering::AcqRel);
        debug_assert!(before >= bytes, "more was given back than taken");
        self.metrics.memory(before.saturating_sub(bytes));
    }
}

/// What one query has taken from the pool. Gives it back when dropped.
#[derive(Debug)]
pub(crate) struct Account {
    pool: Arc<Pool>,
    taken: Arc<Held>,
    clock: Arc<dyn Clock>,
    deadline: Duration,
    cancel: Cancel,
}

impl Account {
    pub(super) fn new(
        pool: Arc<Pool>,
        clock: Arc<dyn Clock>,
        deadline: Duration,
        cancel: Cancel,
    ) -> Self {
        let taken = pool.watch.enter();
        Self { pool, taken, clock, deadline, cancel }
    }

    /// Returns what it has taken, for whoever watches.
    pub(super) fn held(&self) -> Weak<Held> {
        Arc::downgrade(&self.taken)
    }
}

impl Hooks for Account {
    fn interrupted(&self) -> Option<Interrupt> {
        if let Some(why) = self.cancel.interrupted() {
            return Some(why);
        }
        let now = self.clock.monotonic();
        if now >= self.deadline {
            return Some(Interrupt::Timeout);
        }
        self.pool.watch.look(now);
        self.taken.is_stopped().then_some(Interrupt::Canceled)
    }

    fn reserve(&self, bytes: u64) -> bool {
        self.pool.watch.look(self.clock.monotonic());
        let taken = !self.taken.is_stopped() && self.pool.take(bytes);
        if taken {
            self.taken.bytes.fetch_add(bytes, Ordering::AcqRel);
        }
        taken
    }

    fn release(&self, bytes: u64) {
        // Never more than was taken, whatever the caller says: the pool belongs to others too.
        let keep = |taken: u64| Some(taken.saturating_sub(bytes));
        if let Ok(before) = self.taken.bytes.try_update(Ordering::AcqRel, Ordering::Acquire, keep) {
            self.pool.give_back(before.min(bytes));
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.pool.give_back(self.taken.bytes.load(Ordering::Acquire));
    }
}
