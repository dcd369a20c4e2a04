//! What Tarn tells about its queries.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use tarn_model::metrics::{
    MetricName, QUERY_CANCELLED, QUERY_INFLIGHT, QUERY_MEMORY_BYTES, QUERY_OVERDUE,
    QUERY_QUEUE_SECONDS, QUERY_SAMPLES, QUERY_SECONDS, QUERY_TAILS,
};

/// Bounds in seconds: from an instant query on a few series to the time limit.
const SECONDS: [f64; 12] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0];

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// A PromQL expression.
    Promql,
    /// Names, label values, series.
    Labels,
    /// SQL.
    Sql,
    /// Searches of logs and traces, traces by id.
    Search,
}

impl Language {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Promql => "promql",
            Self::Labels => "labels",
            Self::Sql => "sql",
            Self::Search => "search",
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Answered.
    Ok,
    /// Wrong, or beyond a limit.
    Refused,
    /// Ran for too long.
    Timeout,
    /// Nobody waits for the answer any more.
    Canceled,
    /// Could not be read.
    Failed,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SecondsLabels {
    language: &'static str,
    outcome: &'static str,
}

impl SecondsLabels {
    fn new(language: Language, outcome: Outcome) -> Self {
        Self { language: language.as_str(), outcome: outcome.as_str() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CancelledLabels {
    reason: &'static str,
}

/// The metrics of the query crate.
#[derive(Debug)]
pub(crate) struct Metrics {
    seconds: Family<SecondsLabels, Histogram, fn() -> Histogram>,
    queue_seconds: Histogram,
    inflight: Gauge,
    samples: Counter,
    memory: Gauge,
    cancelled: Family<CancelledLabels, Counter>,
    overdue: Counter,
    tails: Gauge,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            queue_seconds: Histogram::new(SECONDS),
            inflight: Gauge::default(),
            samples: Counter::default(),
            memory: Gauge::default(),
            cancelled: Family::default(),
            overdue: Counter::default(),
            tails: Gauge::default(),
        };
        register(registry, QUERY_TAILS, metrics.tails.clone());
        register(registry, QUERY_SECONDS, metrics.seconds.clone());
        register(registry, QUERY_QUEUE_SECONDS, metrics.queue_seconds.clone());
        register(registry, QUERY_INFLIGHT, metrics.inflight.clone());
        register(registry, QUERY_SAMPLES, metrics.samples.clone());
        register(registry, QUERY_MEMORY_BYTES, metrics.memory.clone());
        register(registry, QUERY_CANCELLED, metrics.cancelled.clone());
        register(registry, QUERY_OVERDUE, metrics.overdue.clone());
        metrics
    }

    pub(super) fn admitted(&self, waited: Duration) {
        self.queue_seconds.observe(waited.as_secs_f64());
        self.inflight.inc();
    }

    pub(super) fn refused(&self, language: Language) {
        let labels = SecondsLabels::new(language, Outcome::Refused);
        self.seconds.get_or_create(&labels).observe(0.0);
    }

    pub(super) fn finished(&self, language: Language, outcome: Outcome, total: Duration) {
        self.inflight.dec();
        let labels = SecondsLabels::new(language, outcome);
        self.seconds.get_or_create(&labels).observe(total.as_secs_f64());
        if matches!(outcome, Outcome::Timeout | Outcome::Canceled) {
            self.cancelled.get_or_create(&CancelledLabels { reason: outcome.as_str() }).inc();
        }
    }

    /// Returns the number of live tails.
    pub(super) fn tails(&self) -> Gauge {
        self.tails.clone()
    }

    pub(super) fn overdue(&self) {
        self.overdue.inc();
    }

    pub(super) fn samples(&self, samples: u64) {
        self.samples.inc_by(samples);
    }

    pub(super) fn memory(&self, bytes: u64) {
        self.memory.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

fn register(registry: &mut Registry, name: MetricName, metric: impl Metric) {
    registry.register(name.name, name.help, metric);
}
