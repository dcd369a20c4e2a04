//! Counters of the catalog: `tarn_catalog_*`.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tarn_model::metrics;

use crate::catalog::state::State;
use crate::schema::kind;

#[derive(Debug)]
pub(super) struct Metrics {
    commit_seconds: Histogram,
    conflicts: Counter,
    reloads: Counter,
    version: Gauge,
    blocks: Gauge,
    bytes: Gauge,
    raw: Gauge,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            // A local commit takes milliseconds, one on S3 tenths of seconds, one in trouble tens.
            commit_seconds: Histogram::new([0.005, 0.05, 0.2, 1.0, 5.0, 30.0]),
            conflicts: Counter::default(),
            reloads: Counter::default(),
            version: Gauge::default(),
            blocks: Gauge::default(),
            bytes: Gauge::default(),
            raw: Gauge::default(),
        };
        let name = metrics::CATALOG_COMMIT_SECONDS;
        registry.register(name.name, name.help, metrics.commit_seconds.clone());
        for (name, counter) in [
            (metrics::CATALOG_CONFLICTS, &metrics.conflicts),
            (metrics::CATALOG_RELOADS, &metrics.reloads),
        ] {
            registry.register(name.name, name.help, counter.clone());
        }
        for (name, gauge) in [
            (metrics::CATALOG_VERSION, &metrics.version),
            (metrics::CATALOG_BLOCKS, &metrics.blocks),
            (metrics::CATALOG_BYTES, &metrics.bytes),
            (metrics::CATALOG_RAW_BLOCKS, &metrics.raw),
        ] {
            registry.register(name.name, name.help, gauge.clone());
        }
        metrics
    }

    pub(super) fn commit(&self, taken: Duration) {
        self.commit_seconds.observe(taken.as_secs_f64());
    }

    pub(super) fn conflict(&self) {
        self.conflicts.inc();
    }

    pub(super) fn reload(&self) {
        self.reloads.inc();
    }

    pub(super) fn state(&self, state: &State) {
        let (blocks, bytes) =
            state.all_blocks().fold((0u64, 0u64), |(n, sum), b| (n + 1, sum + b.bytes));
        self.version.set(signed(state.version()));
        self.blocks.set(signed(blocks));
        self.bytes.set(signed(bytes));
        let raw = state.all_blocks().filter(|block| block.kind == kind::RAW).count();
        self.raw.set(signed(raw as u64));
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
