//! A watch over the memory of the process: the last line behind reservations.
//!
//! What kernels allocate without asking belongs to no account, so it cannot be refused; but the
//! allocator knows the sum. Where that comes near the budget of the process, the query that holds
//! most is stopped: the likeliest cause, and the largest relief. There is no task of its own:
//! every query that asks for memory or whether it must stop looks, at most every 50 ms together.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

/// The allocator is asked at most this often: it sums up its arenas for an answer.
const EVERY: Duration = Duration::from_millis(50);
/// Percent of the budget beyond which a query is stopped: ingest and the head need the rest.
const PERCENT_MAX: u64 = 85;

/// What a query holds, as the watch sees it.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) bytes: AtomicU64,
    stopped: AtomicBool,
}

impl Held {
    /// Returns whether the query was stopped.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

/// Watches the process.
#[derive(Debug)]
pub(super) struct Watch {
    allocated: fn() -> u64,
    bytes_max: u64,
    /// Next look, ms on the monotonic axis.
    next_ms: AtomicU64,
    running: Mutex<Vec<Weak<Held>>>,
}

impl Watch {
    /// Makes a watch over a process that may use `budget` bytes; `allocated` tells what it uses.
    pub(super) fn new(allocated: fn() -> u64, budget: u64) -> Self {
        let bytes_max = budget / 100 * PERCENT_MAX;
        Self { allocated, bytes_max, next_ms: AtomicU64::new(0), running: Mutex::default() }
    }

    /// Takes a query under watch until it is dropped.
    pub(super) fn enter(&self) -> Arc<Held> {
        let held = Arc::default();
        let mut running = self.running.lock();
        running.retain(|other| other.strong_count() > 0);
        running.push(Arc::downgrade(&held));
        held
    }

    /// Looks, where it is time; returns whether a query was stopped.
    pub(super) fn look(&self, now: Duration) -> bool {
        let now_ms = now.as_millis() as u64;
        let due = |next: u64| (next <= now_ms).then(|| now_ms + EVERY.as_millis() as u64);
        if self.next_ms.try_update(Ordering::AcqRel, Ordering::Acquire, due).is_err() {
            return false;
        }
        let allocated = (self.allocated)();
        if allocated <= self.bytes_max {
            return false;
        }
        let running: Vec<_> = self.running.lock().iter().filter_map(Weak::upgrade).collect();
        if running.iter().any(|held| held.is_stopped()) {
            // What it holds has yet to come back.
            return false;
        }
        let largest = running.iter().max_by_key(|held| held.bytes.load(Ordering::Acquire));
        let Some(largest) = largest else { return false };
        largest.stopped.store(true, Ordering::Release);
        let (bytes_max, held) = (self.bytes_max, largest.bytes.load(Ordering::Acquire));
        tracing::warn!(allocated, bytes_max, held, "memory runs out, the largest query is stopped");
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_query_is_stopped_when_memory_runs_out() {
        static ALLOCATED: AtomicU64 = AtomicU64::new(0);
        let watch = Watch::new(|| ALLOCATED.load(Ordering::Relaxed), 1_000);
        let (small, large) = (watch.enter(), watch.enter());
        small.bytes.store(10, Ordering::Relaxed);
        large.bytes.store(20, Ordering::Relaxed);
        ALLOCATED.store(850, Ordering::Relaxed);
        assert!(!watch.look(Duration::from_millis(0)), "just at the limit");
        ALLOCATED.store(851, Ordering::Relaxed);
        assert!(!watch.look(Duration::from_millis(49)), "it is not time yet");
        assert!(watch.look(Duration::from_millis(50)));
        assert_eq!((small.is_stopped(), large.is_stopped()), (false, true));
        assert!(!watch.look(Duration::from_millis(100)), "the first one has yet to end");
        drop(large);
        assert!(watch.look(Duration::from_millis(150)));
        assert!(small.is_stopped());
    }
}
