//! Who may run, for how long, and with how much memory.
//!
//! Twice as many queries as cores run at once; more would only share the same cores and hold memory
//! for longer. Others wait, at most a hundred and at most ten seconds each; who waits longer or
//! comes when the queue is full is told to come again. A query that runs has a deadline and takes
//! its memory from a pool that all queries share ([`memory`]), and it stops when its client has gone
//! away ([`Cancel`]), or as the largest one when the whole process runs out of memory ([`watch`]).

pub(crate) mod memory;
pub(crate) mod metrics;
pub(crate) mod roll;
mod slow;
pub(crate) mod tails;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use prometheus_client::registry::Registry;
use tarn_model::error::{Error, Result};
use tarn_model::limits::{Limit, Limits};
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_promql::query::Interrupt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::memory::Pool;
use self::metrics::{Language, Metrics, Outcome};
use self::roll::{Entry, Roll};
pub(crate) use self::slow::Report;
use self::tails::Tails;
pub use self::watch::ProcessMemory;
use self::watch::Watch;

/// A query that still runs this long after its deadline computes without looking up. Whoever asked
/// has an answer by then; the query holds its slot and memory, which is why it is counted.
const OVERDUE: Duration = Duration::from_secs(5);

/// Admits queries and watches over them.
#[derive(Debug)]
pub(crate) struct Governor {
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
    wait_max: Duration,
    slow: Duration,
    memory_per_query: u64,
    pool: Arc<Pool>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    pub(crate) tails: Tails,
    roll: Roll,
}

impl Governor {
    pub(crate) fn new(
        limits: &Limits,
        slow: Duration,
        process: ProcessMemory,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let slots = limits.query_concurrency.unwrap_or(2 * cores);
        let metrics = Arc::new(Metrics::register(registry));
        let pool_bytes = limits.memory_share(limits.queries_memory_percent).0;
        let watch = Watch::new(process, limits.memory_budget.0);
        Self {
            slots: Arc::new(Semaphore::new(slots.clamp(1, Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            waiting_max: limits.query_queue_max,
            wait_max: limits.query_wait,
            slow,
            memory_per_query: limits.memory_share(limits.query_memory_percent).0,
            pool: Arc::new(Pool::new(pool_bytes, watch, Arc::clone(&metrics))),
            clock,
            tails: Tails::new(metrics.tails()),
            metrics,
            roll: Roll::default(),
        }
    }

    /// Returns what runs, and what ran for long.
    pub(crate) fn roll(&self) -> &Roll {
        &self.roll
    }

    /// Watches over the memory of the process, for ever.
    pub(crate) async fn watch_memory(&self) {
        self.pool.watch(&*self.clock).await;
    }

    /// Waits for a slot. The time limit of the query, `timeout` at most, begins now: it covers the
    /// wait, as the client's own does.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        language: Language,
        timeout: Duration,
        cancel: Cancel,
    ) -> Result<Running> {
        let arrived = self.clock.monotonic();
        let permit = match self.slot().await {
            Ok(permit) => permit,
            Err(error) => {
                self.metrics.refused(language);
                return Err(error);
            }
        };
        let started = self.clock.monotonic();
        let entry = self.roll.enter(language, self.clock.now(), arrived, cancel.clone());
        self.metrics.admitted(started.saturating_sub(arrived));
        Ok(Running {
            governor: Arc::clone(self),
            language,
            arrived,
            started,
            deadline: arrived + timeout,
            cancel,
            outcome: Outcome::Canceled,
            permit: Some(permit),
            entry,
        })
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(permit);
        }
        let waiting = Waiting::enter(&self.waiting);
        if waiting.place > self.waiting_max {
            let max = self.waiting_max;
            let message = format!("query queue is full, limit is {max} waiting queries");
            let error = Error::unavailable(message, self.wait_max);
            return Err(error.because_of(Limit::QueryQueue));
        }
        let closed = || Error::internal("wait for a query slot: the governor is gone");
        tokio::select! {
            permit = Arc::clone(&self.slots).acquire_owned() => permit.map_err(|_| closed()),
            () = self.clock.sleep(self.wait_max) => {
                let wait = self.wait_max.as_secs_f64();
                let message = format!("query timed out in query queue, limit is {wait} s");
                Err(Error::unavailable(message, self.wait_max).because_of(Limit::QueryWait))
            }
        }
    }
}

/// Counts a query that waits, for as long as it waits.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    place: usize,
}

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        let place = count.fetch_add(1, Ordering::AcqRel) + 1;
        Self { count, place }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Tells a query from outside that it must stop. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancel(Arc<AtomicU8>);

impl Cancel {
    const CANCELED: u8 = 1;
    const TIMEOUT: u8 = 2;

    /// Stops the query; the first reason stays.
    pub(crate) fn interrupt(&self, why: Interrupt) {
        let code = match why {
            Interrupt::Canceled => Self::CANCELED,
            Interrupt::Timeout => Self::TIMEOUT,
        };
        // Losing the race means that the query stops already.
        self.0.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire).ok();
    }

    /// Returns why the query must stop, if it must.
    pub(crate) fn interrupted(&self) -> Option<Interrupt> {
        match self.0.load(Ordering::Acquire) {
            Self::CANCELED => Some(Interrupt::Canceled),
            Self::TIMEOUT => Some(Interrupt::Timeout),
            _ => None,
        }
    }
}

/// A query that has been admitted. Counted as cancelled unless [`Running::finish`] is reached.
#[derive(Debug)]
pub(crate) struct Running {
    governor: Arc<Governor>,
    language: Language,
    arrived: Duration,
    started: Duration,
    deadline: Duration,
    cancel: Cancel,
    outcome: Outcome,
    permit: Option<OwnedSemaphorePermit>,
    entry: Arc<Entry>,
}

impl Running {
    /// Makes the query's account with the memory pool; it knows the deadline too.
    pub(crate) fn account(&self) -> memory::Account {
        let account = memory::Account::new(
            Arc::clone(&self.governor.pool),
            Arc::clone(&self.governor.clock),
            self.deadline,
            self.cancel.clone(),
        );
        self.entry.holds(account.held());
        account
    }

    /// Says whose query it is and what it asks, for the list of what runs.
    pub(crate) fn describe(&self, tenant: &TenantId, text: &str) {
        self.entry.describe(tenant, text);
    }

    /// Returns how much memory the query may take.
    pub(crate) fn memory_bytes_max(&self) -> u64 {
        self.governor.memory_per_query
    }

    /// Returns the time since the request arrived, and how much of it was spent waiting.
    pub(crate) fn elapsed(&self) -> (Duration, Duration) {
        let total = self.governor.clock.monotonic().saturating_sub(self.arrived);
        (total, self.started.saturating_sub(self.arrived))
    }

    /// Returns whether the deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.governor.clock.monotonic() >= self.deadline
    }

    /// Completes when the deadline has passed.
    pub(crate) async fn expired(&self) {
        let clock = &self.governor.clock;
        clock.sleep(self.deadline.saturating_sub(clock.monotonic())).await;
    }

    /// Gives the slot back and counts the query; logs it where it was slow.
    pub(crate) fn finish(mut self, outcome: Outcome, report: &Report<'_>) {
        self.outcome = outcome;
        self.governor.metrics.samples(report.samples);
        let (total, waited) = self.elapsed();
        self.governor.roll.remember(&self.entry, total, outcome, report);
        if total >= self.governor.slow {
            report.log(total, waited, outcome);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.permit.take();
        self.governor.roll.leave(&self.entry);
        if self.governor.clock.monotonic() >= self.deadline + OVERDUE {
            self.governor.metrics.overdue();
        }
        let (total, _) = self.elapsed();
        // Who was aborted in the middle learns here why.
        let outcome = match (self.outcome, self.cancel.interrupted()) {
            (Outcome::Canceled, Some(Interrupt::Timeout)) => Outcome::Timeout,
            (outcome, _) => outcome,
        };
        self.governor.metrics.finished(self.language, outcome, total);
    }
}

#[cfg(test)]
mod tests;
