//! What the log counts, registered once in the registry that the process hands down.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tarn_model::metrics as names;

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
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
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
        let Self { append_seconds, sync_seconds, bytes, segments, .. } = metrics.clone();
        let Self { replay_remaining_bytes, truncations, corruptions, sync_failures, .. } =
            metrics.clone();
        let n = names::WAL_APPEND_SECONDS;
        registry.register(n.name, n.help, append_seconds);
        let n = names::WAL_SYNC_SECONDS;
        registry.register(n.name, n.help, sync_seconds);
        let n = names::WAL_BYTES;
        registry.register(n.name, n.help, bytes);
        let n = names::WAL_SEGMENTS;
        registry.register(n.name, n.help, segments);
        let n = names::WAL_REPLAY_REMAINING_BYTES;
        registry.register(n.name, n.help, replay_remaining_bytes);
        let n = names::WAL_TRUNCATIONS;
        registry.register(n.name, n.help, truncations);
        let n = names::WAL_CORRUPTIONS;
        registry.register(n.name, n.help, corruptions);
        let n = names::WAL_SYNC_FAILURES;
        registry.register(n.name, n.help, sync_failures);
        metrics
    }
}
