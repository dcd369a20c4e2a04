//! A watch over the memory of the process: the last line behind reservations.
//!
//! What kernels allocate without asking belongs to no account, so it cannot be refused; but the
//! system knows the sum. Where that comes near the budget of the process, pages that were freed and
//! not given back yet are given back; where that was not enough, the query that holds most is
//! stopped: the likeliest cause, and the largest relief. Every query that asks for memory or whether
//! it must stop looks, at most every 25 ms together; and so does a task of its own, for kernels that
//! ask nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tarn_model::time::Clock;

/// The system is asked at most this often. A core fills some ten MiB in this time.
const EVERY: Duration = Duration::from_millis(25);
/// Percent of the budget beyond which a query is stopped: ingest and the head need the rest.
const PERCENT_MAX: u64 = 85;
/// Percent of the budget that queries and ingest have in any case, above what the process took when
/// it began: where its code alone is near the budget, it must work all the same.
const PERCENT_OWN: u64 = 35;
/// Pages are given back at most this often: it takes some ms, and who allocates takes new ones.
const TRIM_EVERY: Duration = Duration::from_millis(100);
/// A stopped query has ended by then, or computes without looking up: the next one is stopped.
const STOPPED_WAIT: Duration = Duration::from_millis(250);

/// What the process tells about its memory, and can do about it.
#[derive(Debug, Clone, Copy)]
pub struct ProcessMemory {
    /// Returns how many bytes the process has in memory; 0 = it is not known.
    pub resident: fn() -> u64,
    /// Gives pages back that were freed.
    pub trim: fn(),
}

impl Default for ProcessMemory {
    fn default() -> Self {
        Self { resident: || 0, trim: || () }
    }
}

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
    memory: ProcessMemory,
    bytes_max: u64,
    /// Next look, ms on the monotonic axis.
    next_ms: AtomicU64,
    next_trim_ms: AtomicU64,
    /// When a query was last stopped.
    stopped_ms: AtomicU64,
    running: Mutex<Vec<Weak<Held>>>,
}

impl Watch {
    /// Makes a watch over a process that may use `budget` bytes.
    pub(super) fn new(memory: ProcessMemory, budget: u64) -> Self {
        let share = |percent: u64| budget / 100 * percent;
        let least = (memory.resident)().saturating_add(share(PERCENT_OWN));
        Self {
            memory,
            bytes_max: share(PERCENT_MAX).max(least),
            next_ms: AtomicU64::new(0),
            next_trim_ms: AtomicU64::new(0),
            stopped_ms: AtomicU64::new(0),
            running: Mutex::default(),
        }
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
        if !is_due(&self.next_ms, now_ms, EVERY) || (self.memory.resident)() <= self.bytes_max {
            return false;
        }
        if is_due(&self.next_trim_ms, now_ms, TRIM_EVERY) {
            (self.memory.trim)();
        }
        let resident = (self.memory.resident)();
        resident > self.bytes_max && self.stop_largest(now_ms, resident)
    }

    fn stop_largest(&self, now_ms: u64, resident: u64) -> bool {
        let running: Vec<_> = self.running.lock().iter().filter_map(Weak::upgrade).collect();
        let (stopped, others): (Vec<_>, Vec<_>) =
            running.into_iter().partition(|held| held.is_stopped());
        let since = now_ms.saturating_sub(self.stopped_ms.load(Ordering::Acquire));
        if !stopped.is_empty() && since < STOPPED_WAIT.as_millis() as u64 {
            // What it holds has yet to come back.
            return false;
        }
        let largest = others.iter().max_by_key(|held| held.bytes.load(Ordering::Acquire));
        let Some(largest) = largest else { return false };
        largest.stopped.store(true, Ordering::Release);
        self.stopped_ms.store(now_ms, Ordering::Release);
        let (bytes_max, held) = (self.bytes_max, largest.bytes.load(Ordering::Acquire));
        tracing::warn!(resident, bytes_max, held, "memory runs out, the largest query is stopped");
        true
    }

    /// Looks for ever.
    pub(super) async fn run(&self, clock: &dyn Clock) {
        loop {
            self.look(clock.monotonic());
            let busy = self.running.lock().iter().any(|held| held.strong_count() > 0);
            clock.sleep(if busy { EVERY } else { TRIM_EVERY }).await;
        }
    }
}

/// Returns whether it is time, and says when it is time again.
fn is_due(next_ms: &AtomicU64, now_ms: u64, every: Duration) -> bool {
    let due = |next: u64| (next <= now_ms).then(|| now_ms + every.as_millis() as u64);
    next_ms.try_update(Ordering::AcqRel, Ordering::Acquire, due).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    static RESIDENT: AtomicU64 = AtomicU64::new(0);
    /// Bytes that were freed and not given back.
    static FREED: AtomicU64 = AtomicU64::new(0);

    fn trim() {
        RESIDENT.fetch_sub(FREED.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }

    #[test]
    fn the_largest_query_is_stopped_when_memory_runs_out() {
        let memory = ProcessMemory { resident: || RESIDENT.load(Ordering::Relaxed), trim };
        let watch = Watch::new(memory, 1_000);
        let (small, large) = (watch.enter(), watch.enter());
        small.bytes.store(10, Ordering::Relaxed);
        large.bytes.store(20, Ordering::Relaxed);
        let looks = |ms| watch.look(Duration::from_millis(ms));
        RESIDENT.store(850, Ordering::Relaxed);
        assert!(!looks(0), "just at the limit");
        RESIDENT.store(851, Ordering::Relaxed);
        assert!(!looks(24), "it is not time yet");
        FREED.store(1, Ordering::Relaxed);
        assert!(!looks(25), "what was freed is given back first");
        RESIDENT.store(851, Ordering::Relaxed);
        assert!(looks(50));
        assert_eq!((small.is_stopped(), large.is_stopped()), (false, true));
        assert!(!looks(100), "the first one has yet to end");
        let third = watch.enter();
        assert!(looks(300), "the first one does not end");
        assert!(small.is_stopped() && !third.is_stopped());
        drop((small, large));
        assert!(looks(325));
        assert!(third.is_stopped());
    }

    #[test]
    fn a_process_that_is_large_from_the_start_works() {
        let watch = Watch::new(ProcessMemory { resident: || 800, trim: || () }, 1_000);
        assert_eq!(watch.bytes_max, 1_150);
    }
}
