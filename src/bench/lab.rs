//! A store of its own, in this process, that flushes only when told to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tarn_model::labels::LabelSet;
use tarn_model::limits::Limits;
use tarn_model::tasks::Tasks;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_model::units::ByteSize;
use tarn_storage::file::RealDisk;
use tarn_storage::options::Compaction;
use tarn_storage::{Handles, Options, Storage};
use tokio::runtime::Handle;

use crate::clock::{SystemClock, SystemRng};
use crate::generate::sets::Set;
use crate::runtime::ProcessTasks;
use crate::telemetry::exposition;

/// Samples of one request.
const REQUEST_SAMPLES: usize = 10_000;

/// An open store with what it was given.
#[derive(Debug)]
pub(super) struct Lab {
    pub(super) storage: Storage,
    pub(super) registry: Registry,
    pub(super) clock: Arc<dyn Clock>,
    tasks: Arc<ProcessTasks>,
}

/// Makes the handles of a process.
pub(super) fn handles() -> (Handles, Arc<ProcessTasks>) {
    let tasks = ProcessTasks::new(Handle::current());
    let handles = Handles {
        clock: Arc::new(SystemClock::new()),
        rng: Arc::new(SystemRng::new()),
        tasks: Arc::<ProcessTasks>::clone(&tasks) as Arc<dyn Tasks>,
        disk: Arc::new(RealDisk),
    };
    (handles, tasks)
}

impl Lab {
    /// Opens a store and waits until its log is replayed.
    pub(super) async fn open(path: &Path) -> anyhow::Result<Self> {
        let (handles, tasks) = handles();
        let clock = Arc::clone(&handles.clock);
        let mut registry = Registry::default();
        let options = Options {
            label: "bench".to_owned(),
            flush_age: Duration::from_secs(86_400),
            flush_bytes: ByteSize::gib(64),
            wal_bytes_max: ByteSize::gib(64),
            compaction: Compaction { enabled: false, ..Compaction::default() },
            limits: Limits { memory_budget: ByteSize::gib(16), ..Limits::default() },
            ..Options::new(path)
        };
        let storage = Storage::open(options, handles, &mut registry).await.context("open")?;
        storage.replayed().await.context("replay")?;
        Ok(Self { storage, registry, clock, tasks })
    }

    /// Stores what a set has before a time, as far as it was not stored yet. Returns the number of
    /// samples.
    pub(super) async fn piece(&self, set: &mut Set, until_ms: i64) -> anyhow::Result<u64> {
        let tenant = TenantId::default_tenant();
        let writer = self.storage.writer();
        let mut appender = writer.appender(&tenant)?;
        let (mut waiting, mut stored, mut samples) = (0, 0, Vec::new());
        for series in set.series.iter_mut().filter(|series| series.first_ms < until_ms) {
            samples.clear();
            series.until(until_ms, &mut samples);
            if samples.is_empty() {
                continue;
            }
            let labels = &series.labels;
            let failed = |e| anyhow::anyhow!("{labels}: {e}");
            let reference = appender.series(labels).map_err(failed)?;
            for (time, value) in &samples {
                appender.float(reference, *time, *value, 0).map_err(failed)?;
            }
            waiting += samples.len();
            stored += samples.len() as u64;
            if waiting >= REQUEST_SAMPLES {
                appender.commit().await?;
                appender = writer.appender(&tenant)?;
                waiting = 0;
            }
        }
        appender.commit().await?;
        Ok(stored)
    }

    /// Stores samples of one series as one request.
    pub(super) async fn store(
        &self,
        tenant: &TenantId,
        labels: &LabelSet,
        samples: impl Iterator<Item = (i64, f64)>,
    ) -> anyhow::Result<()> {
        let mut appender = self.storage.writer().appender(tenant)?;
        let failed = |e| anyhow::anyhow!("{labels}: {e}");
        let series = appender.series(labels).map_err(failed)?;
        for (time, value) in samples {
            appender.float(series, time, value, 0).map_err(failed)?;
        }
        appender.commit().await?;
        Ok(())
    }

    /// Stores one sample of each series, as a scrape would. Returns the number of samples.
    pub(super) async fn scrape(
        &self,
        series: &[LabelSet],
        time_ms: i64,
        value: impl Fn(usize) -> f64,
    ) -> anyhow::Result<u64> {
        let mut appender = self.storage.writer().appender(&TenantId::default_tenant())?;
        for (at, labels) in series.iter().enumerate() {
            let taken = appender
                .series(labels)
                .and_then(|series| appender.float(series, time_ms, value(at), 0));
            taken.map_err(|e| anyhow::anyhow!("{labels}: {e}"))?;
        }
        appender.commit().await?;
        Ok(series.len() as u64)
    }

    /// Returns one of the store's own metrics.
    pub(super) fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let text = exposition::open_metrics(&self.registry)?;
        let rows = exposition::parse(&text);
        let row = rows.iter().find(|r| r.labels.metric() == name);
        Ok(row.with_context(|| format!("there is no metric {name}"))?.value)
    }

    /// Closes the store in order.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        self.storage.close().await?;
        self.tasks.stop(Duration::from_secs(5)).await;
        Ok(())
    }

    /// Leaves the store as a crash would: nothing is flushed or sealed.
    pub(super) async fn abandon(self) {
        drop(self.storage);
        self.tasks.stop(Duration::from_secs(5)).await;
    }
}
