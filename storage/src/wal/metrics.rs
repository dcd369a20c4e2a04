//! What the log counts, registered once in the registry that the process hands down.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tarn_model::metrics::{self as names, MetricName};

/// 100 µs to about 13 s: a sync takes 0.2 ms on a good disk, seconds on a dying one.
const SECONDS: [f64; 18] = [
    0.0001, 0.0002, 0.0004, 0.0008, 0.0016, 0.0032, 0.0064, 0.0128, 0.0256, 0.0512, 0.1024, 0.2048,
    0.4096, 0.8192, 1.6384, 3.2768, 6.5536, 13.1072,
];

/// The metrics of one log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(super) append_seconds: Histogram,
    pub(super) sync_seconds: Histogram,
    pub(super) bytes: Counter,
    pub(super) segments: Gauge,
    pub(super) replay_remaining_bytes: Gauge,
    pub(super) truncations: Counter,
    pub(super) corruptions: Counter,
    pub(super) sync_failures: Counter,
}

impl Metrics {
    /// Counts a damaged place.
    pub(crate) fn count_corruption(&self) {
        self.corruptions.inc();
    }

    /// Registers them as those of the log of rows.
    pub fn register(registry: &mut Registry) -> Self {
        Self::under(
            registry,
            [
                names::WAL_APPEND_SECONDS,
                names::WAL_SYNC_SECONDS,
                names::WAL_BYTES,
                names::WAL_SEGMENTS,
                names::WAL_REPLAY_REMAINING_BYTES,
                names::WAL_TRUNCATIONS,
                names::WAL_CORRUPTIONS,
                names::WAL_SYNC_FAILURES,
            ],
        )
    }

    /// Registers them as those of the alert log.
    pub fn register_alert_log(registry: &mut Registry) -> Self {
        Self::under(
            registry,
            [
                names::ALERT_LOG_APPEND_SECONDS,
                names::ALERT_LOG_SYNC_SECONDS,
                names::ALERT_LOG_BYTES,
                names::ALERT_LOG_SEGMENTS,
                names::ALERT_LOG_REPLAY_REMAINING_BYTES,
                names::ALERT_LOG_TRUNCATIONS,
                names::ALERT_LOG_CORRUPTIONS,
                names::ALERT_LOG_SYNC_FAILURES,
            ],
        )
    }

    /// Registers them under names, which are in the order of the fields.
    fn under(registry: &mut Registry, names: [MetricName; 8]) -> Self {
        let metrics = Self {
            append_seconds: Histogram::new(SECONDS),
            sync_seconds: Histogram::new(SECONDS),
            bytes: Counter::default(),
            segments: Gauge::default(),
            replay_remaining_bytes: Gauge::default(),
            truncations: Counter::default(),
            corruptions: Counter::default(),
            sync_failures: Counter::default(),
        };
        let [append, sync, bytes, segments, remaining, truncations, corruptions, failures] = names;
        let of = metrics.clone();
        registry.register(append.name, append.help, of.append_seconds);
        registry.register(sync.name, sync.help, of.sync_seconds);
        registry.register(bytes.name, bytes.help, of.bytes);
        registry.register(segments.name, segments.help, of.segments);
        registry.register(remaining.name, remaining.help, of.replay_remaining_bytes);
        registry.register(truncations.name, truncations.help, of.truncations);
        registry.register(corruptions.name, corruptions.help, of.corruptions);
        registry.register(failures.name, failures.help, of.sync_failures);
        metrics
    }
}
