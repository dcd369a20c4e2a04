//! Counters of merges: `tarn_compaction_*`. Write amplification is what flushes and merges wrote,
//! by what flushes wrote.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tarn_model::metrics;

use crate::compact::jobs::Outcome;

/// Counters of merges.
#[derive(Debug)]
pub(crate) struct Metrics {
    pending_bytes: Gauge<u64, AtomicU64>,
    seconds: Histogram,
    failures: Counter,
    jobs: Family<[(&'static str, &'static str); 1], Counter>,
    read_bytes: Counter,
    written_bytes: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            pending_bytes: Gauge::default(),
            // Small blocks take tens of ms, half a GiB tens of seconds, into a bucket minutes.
            seconds: Histogram::new([0.05, 0.2, 1.0, 5.0, 20.0, 60.0, 300.0]),
            failures: Counter::default(),
            jobs: Family::default(),
            read_bytes: Counter::default(),
            written_bytes: Counter::default(),
        };
        let name = metrics::COMPACTION_PENDING_BYTES;
        registry.register(name.name, name.help, metrics.pending_bytes.clone());
        let name = metrics::COMPACTION_SECONDS;
        registry.register(name.name, name.help, metrics.seconds.clone());
        let name = metrics::COMPACTION_JOBS;
        registry.register(name.name, name.help, metrics.jobs.clone());
        for (name, counter) in [
            (metrics::COMPACTION_FAILURES, &metrics.failures),
            (metrics::COMPACTION_READ_BYTES, &metrics.read_bytes),
            (metrics::COMPACTION_WRITTEN_BYTES, &metrics.written_bytes),
        ] {
            registry.register(name.name, name.help, counter.clone());
        }
        metrics
    }

    pub(super) fn pending(&self, bytes: u64) {
        self.pending_bytes.set(bytes);
    }

    /// Counts what was written, also for outputs that nobody wanted in the end.
    pub(super) fn moved(&self, read: u64, written: u64) {
        self.read_bytes.inc_by(read);
        self.written_bytes.inc_by(written);
    }

    pub(super) fn ended(&self, outcome: &Outcome, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        let result = match outcome {
            Outcome::Done { .. } => "done",
            Outcome::Dropped(_) => "dropped",
            Outcome::Failed(_) => "failed",
        };
        self.jobs.get_or_create(&[("result", result)]).inc();
        if result == "failed" {
            self.failures.inc();
        }
    }
}
