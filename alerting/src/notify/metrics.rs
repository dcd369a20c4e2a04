//! What the outbox tells of itself.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use tarn_model::metrics::{self as names, MetricName};

use super::intent::{Target, Urgency};
use super::queue::QueueStats;
use super::record::Reason;

/// From a fast local webhook to a receiver that was away for the night.
const BUCKETS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 30.0, 120.0, 600.0, 3600.0];

#[derive(Debug, Clone)]
pub(super) struct Metrics {
    sent: Family<ByTarget, Counter>,
    failed: Family<ByReason, Counter>,
    seconds: Family<ByKind, Histogram, fn() -> Histogram>,
    queued: Family<ByUrgency, Gauge>,
    bytes: Gauge,
    dead: Gauge,
    open: Gauge,
    broken: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByTarget {
    receiver: Arc<str>,
    integration: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    receiver: Arc<str>,
    integration: Arc<str>,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    integration: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByUrgency {
    urgency: &'static str,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            sent: Family::default(),
            failed: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            queued: Family::default(),
            bytes: Gauge::default(),
            dead: Gauge::default(),
            open: Gauge::default(),
            broken: Gauge::default(),
        };
        register(registry, names::NOTIFICATIONS_SENT, metrics.sent.clone());
        register(registry, names::NOTIFICATIONS_FAILED, metrics.failed.clone());
        register(registry, names::NOTIFICATION_SECONDS, metrics.seconds.clone());
        register(registry, names::NOTIFICATION_QUEUE, metrics.queued.clone());
        register(registry, names::NOTIFICATION_QUEUE_BYTES, metrics.bytes.clone());
        register(registry, names::NOTIFICATION_DEAD_LETTERS, metrics.dead.clone());
        register(registry, names::NOTIFICATION_OPEN_BREAKERS, metrics.open.clone());
        register(registry, names::NOTIFICATION_BROKEN_RECEIVERS, metrics.broken.clone());
        metrics
    }

    pub(super) fn sent(&self, target: &Target, seconds: f64) {
        let Target { receiver, kind, .. } = target.clone();
        let integration = Arc::clone(&kind);
        self.sent.get_or_create(&ByTarget { receiver, integration }).inc();
        self.seconds.get_or_create(&ByKind { integration: kind }).observe(seconds);
    }

    pub(super) fn failed(&self, target: &Target, reason: Reason) {
        let Target { receiver, kind: integration, .. } = target.clone();
        let reason = reason.as_str();
        self.failed.get_or_create(&ByReason { receiver, integration, reason }).inc();
    }

    pub(super) fn queue(&self, stats: &QueueStats) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for (urgency, count) in Urgency::ALL.into_iter().zip(stats.queued) {
            let urgency = urgency.as_str();
            self.queued.get_or_create(&ByUrgency { urgency }).set(gauge(count));
        }
        self.bytes.set(gauge(stats.bytes));
        self.dead.set(gauge(stats.dead));
        self.open.set(gauge(stats.open_breakers));
        self.broken.set(gauge(stats.broken));
    }
}

fn register(registry: &mut Registry, name: MetricName, metric: impl Metric) {
    registry.register(name.name, name.help, metric);
}
