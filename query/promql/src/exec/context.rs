//! What all operators of a query share: parameters, budgets, interruption.
//!
//! Every buffer that outlives one series is reserved here first, in bytes and in samples, so a query
//! fails with a message instead of exhausting memory. Reservations are given back when dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tarn_model::limits::Limit;

use crate::exec::steps::STEP_BYTES;
use crate::query::{
    Annotations, Hooks, Interrupt, QueryError, QueryLimits, QueryParams, QueryStats, Result,
};

/// Text that clients of Prometheus know.
const TOO_MANY_SAMPLES: &str =
    "query processing would load too many samples into memory in query execution";

/// Work between two questions whether the query must stop. A unit is about a float sample, so this
/// is a millisecond or less, and asking (a clock, an atomic) costs nothing beside it.
const WORK_MAX: usize = 1 << 16;

/// Work of one native histogram, which has many buckets.
pub(crate) const HISTOGRAM_WORK: usize = 64;

/// Work on the labels of one series.
pub(crate) const LABELS_WORK: usize = 32;

/// What all operators of a query share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) params: QueryParams,
    budget: Arc<Budget>,
    /// Work since the caller was last asked.
    work: AtomicUsize,
    samples_read: AtomicU64,
    series: AtomicU64,
    /// The selectors as text and how many series each matched: who to blame for size.
    matched: Vec<(String, u64)>,
    annotations: Mutex<Annotations>,
}

#[derive(Debug)]
struct Budget {
    limits: QueryLimits,
    hooks: Arc<dyn Hooks>,
    bytes: AtomicU64,
    samples: AtomicU64,
    bytes_peak: AtomicU64,
    samples_peak: AtomicU64,
}

/// Memory that a query holds; given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
    samples: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.budget.samples.fetch_sub(self.samples, Ordering::Relaxed);
        self.budget.hooks.release(self.bytes);
    }
}

/// Returns the error of a query over `samples_max`.
pub(crate) fn too_many_samples() -> QueryError {
    QueryError::Limit(Limit::QuerySamples, TOO_MANY_SAMPLES.to_owned())
}

/// Adds a remark once, in order.
fn note(list: &mut Vec<String>, kind: &str, text: &str) {
    let text = format!("PromQL {kind}: {text}");
    if let Err(at) = list.binary_search(&text) {
        list.insert(at, text);
    }
}

impl Context {
    pub(crate) fn new(params: &QueryParams) -> Self {
        let budget = Budget {
            limits: params.limits,
            hooks: Arc::clone(&params.hooks),
            bytes: AtomicU64::new(0),
            samples: AtomicU64::new(0),
            bytes_peak: AtomicU64::new(0),
            samples_peak: AtomicU64::new(0),
        };
        Self {
            params: params.clone(),
            budget: Arc::new(budget),
            work: AtomicUsize::new(0),
            samples_read: AtomicU64::new(0),
            series: AtomicU64::new(0),
            matched: Vec::new(),
            annotations: Mutex::new(Annotations::default()),
        }
    }

    /// Tells the user that something is probably wrong.
    pub(crate) fn warn(&self, text: &str) {
        note(&mut self.annotations.lock().warnings, "warning", text);
    }

    /// Tells the user what might surprise.
    pub(crate) fn inform(&self, text: &str) {
        note(&mut self.annotations.lock().infos, "info", text);
    }

    /// Returns what the user is told.
    pub(crate) fn annotations(&self) -> Annotations {
        self.annotations.lock().clone()
    }

    /// Notes how many series a selector matched.
    ///
    /// # Errors
    /// Too many series, with the selector that matched most.
    pub(crate) fn matched(&mut self, selector: String, series: u64) -> Result<()> {
        let total = self.series.fetch_add(series, Ordering::Relaxed) + series;
        self.matched.push((selector, series));
        let limit = self.params.limits.series_max;
        if total > limit {
            let message =
                format!("query touches {total} series, limit is {limit}; {}", self.largest());
            return Err(QueryError::Limit(Limit::QuerySeries, message));
        }
        Ok(())
    }

    pub(crate) fn delayed_names(&self) -> bool {
        self.params.options.delayed_name_removal
    }

    /// Counts work, and asks from time to time whether the query must stop. Every loop calls this
    /// once per window, step or series, whichever bounds the work in between.
    ///
    /// # Errors
    /// The query must stop.
    pub(crate) fn work(&self, units: usize) -> Result<()> {
        // A query runs on one thread at a time, so a load and a store do, without a locked add.
        let work = self.work.load(Ordering::Relaxed).saturating_add(units).saturating_add(1);
        if work < WORK_MAX {
            self.work.store(work, Ordering::Relaxed);
            return Ok(());
        }
        self.work.store(0, Ordering::Relaxed);
        self.check()
    }

    /// Fails where the query must stop; asked once per stored series and by [`Context::work`].
    pub(crate) fn check(&self) -> Result<()> {
        match self.params.hooks.interrupted() {
            None => Ok(()),
            Some(Interrupt::Timeout) => Err(QueryError::Timeout),
            Some(Interrupt::Canceled) => Err(QueryError::Canceled),
        }
    }

    /// Counts samples that were read.
    pub(crate) fn read(&self, samples: usize) {
        self.samples_read.fetch_add(samples as u64, Ordering::Relaxed);
    }

    /// Takes memory for `samples` floats and their bits.
    pub(crate) fn reserve_samples(&self, samples: usize) -> Result<Reservation> {
        let samples = samples as u64;
        self.reserve(samples.saturating_mul(STEP_BYTES), samples)
    }

    /// Takes memory for what is not samples.
    pub(crate) fn reserve_bytes(&self, bytes: usize) -> Result<Reservation> {
        self.reserve(bytes as u64, 0)
    }

    fn reserve(&self, bytes: u64, samples: u64) -> Result<Reservation> {
        let budget = &self.budget;
        let held = budget.samples.load(Ordering::Relaxed).saturating_add(samples);
        if held > budget.limits.samples_max {
            return Err(too_many_samples());
        }
        let used = budget.bytes.load(Ordering::Relaxed).saturating_add(bytes);
        let limit = budget.limits.memory_bytes_max;
        if used > limit {
            let message =
                format!("query needs {used} bytes of memory, limit is {limit}; {}", self.largest());
            return Err(QueryError::Limit(Limit::QueryMemory, message));
        }
        if !budget.hooks.reserve(bytes) {
            let message = format!(
                "query needs {used} bytes of memory, the memory of all queries is used up; {}",
                self.largest()
            );
            return Err(QueryError::Limit(Limit::QueriesMemory, message));
        }
        budget.bytes.fetch_add(bytes, Ordering::Relaxed);
        budget.samples.fetch_add(samples, Ordering::Relaxed);
        budget.bytes_peak.fetch_max(used, Ordering::Relaxed);
        budget.samples_peak.fetch_max(held, Ordering::Relaxed);
        Ok(Reservation { budget: Arc::clone(budget), bytes, samples })
    }

    fn largest(&self) -> String {
        match self.matched.iter().max_by_key(|(_, series)| *series) {
            Some((selector, series)) => format!("{selector} matches {series} series"),
            None => "it selects no series".to_owned(),
        }
    }

    /// Returns what the query took so far.
    pub(crate) fn stats(&self) -> QueryStats {
        QueryStats {
            series: self.series.load(Ordering::Relaxed),
            samples: self.samples_read.load(Ordering::Relaxed),
            samples_peak: self.budget.samples_peak.load(Ordering::Relaxed),
            bytes_peak: self.budget.bytes_peak.load(Ordering::Relaxed),
        }
    }
}
