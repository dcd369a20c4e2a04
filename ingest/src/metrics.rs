//! What ingest tells about itself. Names and help: `tarn_model::metrics`.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};
use tarn_model::metrics::{self as names, MetricName};

type ByProtocol = [(&'static str, &'static str); 2];
type ByReason = [(&'static str, &'static str); 3];
type ByCode = [(&'static str, String); 3];

/// The counters of one ingest.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Family<ByCode, Counter>,
    rows: Family<ByProtocol, Counter>,
    bytes: Family<ByProtocol, Counter>,
    rejected: Family<ByReason, Counter>,
    duplicates: Family<ByProtocol, Counter>,
    mended: Family<ByProtocol, Counter>,
    misses: Counter,
    /// Bytes of requests in flight; kept by the admission.
    pub(crate) inflight: Gauge,
}

impl Metrics {
    /// Makes the counters and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        register(registry, names::INGEST_REQUESTS, metrics.requests.clone());
        register(registry, names::INGEST_ROWS, metrics.rows.clone());
        register(registry, names::INGEST_BYTES, metrics.bytes.clone());
        register(registry, names::INGEST_REJECTED_ROWS, metrics.rejected.clone());
        register(registry, names::INGEST_DUPLICATE_REQUESTS, metrics.duplicates.clone());
        register(registry, names::INGEST_MENDED_ROWS, metrics.mended.clone());
        register(registry, names::INGEST_KEY_CACHE_MISSES, metrics.misses.clone());
        register(registry, names::INGEST_INFLIGHT_BYTES, metrics.inflight.clone());
        metrics
    }

    /// Counts a reply; over gRPC the code is gRPC's.
    pub(crate) fn reply(&self, signal: &'static str, protocol: &'static str, code: u16) {
        let labels = [
            ("signal", signal.to_owned()),
            ("protocol", protocol.to_owned()),
            ("code", code.to_string()),
        ];
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts the decompressed bytes of a request.
    pub(crate) fn bytes(&self, signal: &'static str, protocol: &'static str, bytes: usize) {
        let labels = [("signal", signal), ("protocol", protocol)];
        self.bytes.get_or_create(&labels).inc_by(bytes as u64);
    }

    /// Counts what became of the rows of a request that was stored.
    pub(crate) fn rows(
        &self,
        signal: &'static str,
        protocol: &'static str,
        rows: u64,
        rejected: &[(&'static str, u64)],
    ) {
        let (signal, protocol) = (("signal", signal), ("protocol", protocol));
        self.rows.get_or_create(&[signal, protocol]).inc_by(rows);
        for (reason, count) in rejected {
            self.rejected.get_or_create(&[signal, protocol, ("reason", reason)]).inc_by(*count);
        }
    }

    /// Counts a request that was stored before.
    pub(crate) fn duplicate(&self, signal: &'static str, protocol: &'static str) {
        self.duplicates.get_or_create(&[("signal", signal), ("protocol", protocol)]).inc();
    }

    /// Counts rows of which something was cut, and texts that were repaired.
    pub(crate) fn mended(&self, signal: &'static str, truncated: u64, repaired: u64) {
        for (what, count) in [("truncated", truncated), ("repaired", repaired)] {
            if count > 0 {
                self.mended.get_or_create(&[("signal", signal), ("what", what)]).inc_by(count);
            }
        }
    }

    /// Counts keys that the cache did not know.
    pub(crate) fn misses(&self, count: u64) {
        self.misses.inc_by(count);
    }
}

/// Registers a metric under its name.
pub(crate) fn register(registry: &mut Registry, name: MetricName, metric: impl Metric) {
    registry.register(name.name, name.help, metric);
}
