//! Memory of queries: one pool, and an account per query.
//!
//! The engine says what its buffers take; the account passes it on to the pool and remembers it, so
//! that everything is given back when the query ends, however it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tarn_model::time::Clock;
use tarn_promql::query::{Hooks, Interrupt};

use super::Cancel;
use super::metrics::Metrics;

/// What all queries together may use.
#[derive(Debug)]
pub(crate) struct Pool {
    bytes_max: u64,
    used: AtomicU64,
    metrics: Arc<Metrics>,
}

impl Pool {
    pub(super) fn new(bytes_max: u64, metrics: Arc<Metrics>) -> Self {
        Self { bytes_max, used: AtomicU64::new(0), metrics }
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
    taken: AtomicU64,
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
        Self { pool, taken: AtomicU64::new(0), clock, deadline, cancel }
    }
}

impl Hooks for Account {
    fn interrupted(&self) -> Option<Interrupt> {
        if let Some(why) = self.cancel.interrupted() {
            return Some(why);
        }
        (self.clock.monotonic() >= self.deadline).then_some(Interrupt::Timeout)
    }

    fn reserve(&self, bytes: u64) -> bool {
        let taken = self.pool.take(bytes);
        if taken {
            self.taken.fetch_add(bytes, Ordering::AcqRel);
        }
        taken
    }

    fn release(&self, bytes: u64) {
        // Never more than was taken, whatever the caller says: the pool belongs to others too.
        let keep = |taken: u64| Some(taken.saturating_sub(bytes));
        if let Ok(before) = self.taken.try_update(Ordering::AcqRel, Ordering::Acquire, keep) {
            self.pool.give_back(before.min(bytes));
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.pool.give_back(self.taken.load(Ordering::Acquire));
    }
}
