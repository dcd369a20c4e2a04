//! Series made of spans: how many, how long, how many failed, and who calls whom.
//!
//! The generator follows the stored spans by name ([`Reader::follow`]), so that a request that was
//! sent twice counts once, and counts every span before any sampling at retention. Every 15 s, and at
//! each cut of the head, it appends cumulative samples, one record per tenant, and each record
//! acknowledges the log position that it covers: after a crash the generator goes on from the last
//! values and folds the spans above that position, so that each counts once. With several tenants
//! each has its own position (`span_metrics/TENANT`); the generator's own is that of the slowest.
//!
//! - [`names`]: span names, bounded in number, without ids
//! - [`fold`]: batches of spans → groups and edges; [`late`]: spans of the past, at their own time
//! - [`graph`]: the two spans of a call, paired
//! - [`series`]: groups → samples; [`restore`]: the other way
//!
//! What is waiting to be paired when the process is killed is not counted as an edge: at most two
//! minutes of calls under way. Everything else is exact as long as the log is kept for the generator
//! (`wal.follower_bytes_max`); beyond, it counts what it missed and says so.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tarn_model::error::Result;
use tarn_model::metrics as names_of;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_storage::append::Writer;
use tarn_storage::head::follow::{FollowOptions, Followed, RowBatch};
use tarn_storage::view::Reader;
use tarn_storage::wal::Lsn;

use self::fold::Tenant;
use crate::metrics::register;

mod columns;
mod fold;
mod graph;
mod late;
mod latency;
mod names;
mod restore;
mod series;

/// The name under which the generator follows the log.
pub const FOLLOWER: &str = "span_metrics";

/// Samples of a tenant whose first spans have come are appended this soon: whoever has just started
/// looks whether they have.
const FIRST: Duration = Duration::from_secs(1);

/// When the last values of the series are looked for again, where that fails.
const RESUME_RETRY: Duration = Duration::from_secs(5);

/// What an operator decides about series made of spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether there are any.
    pub enabled: bool,
    /// Whether latencies are also kept as classic histograms, which stock dashboards ask for.
    pub classic: bool,
    /// How often samples are appended.
    pub interval: Duration,
    /// Groups and edges of one tenant; spans beyond count under `<other>`.
    pub groups_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { enabled: true, classic: true, interval: Duration::from_secs(15), groups_max: 10_000 }
    }
}

/// What the generator tells about itself.
#[derive(Debug, Clone, Default)]
struct Metrics {
    unpaired: Counter,
    lagged: Counter,
    rejected: Counter,
    groups: Gauge,
}

/// Why the generator goes on.
#[derive(Debug)]
enum Woken {
    Told(Followed),
    Tick,
    Stopped,
    Closed,
}

/// Makes series of spans until it is dropped.
#[derive(Debug)]
pub struct SpanMetrics {
    options: Options,
    reader: Reader,
    writer: Writer,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    tenants: BTreeMap<TenantId, Tenant>,
    /// Spans were folded since the last samples.
    is_dirty: bool,
}

impl SpanMetrics {
    /// Makes the generator of a store whose options name [`FOLLOWER`] among the followers.
    pub fn new(
        options: Options,
        reader: Reader,
        writer: Writer,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Self {
        let metrics = Metrics::default();
        register(registry, names_of::SPAN_METRICS_UNPAIRED_EDGES, metrics.unpaired.clone());
        register(registry, names_of::SPAN_METRICS_LAGGED_RECORDS, metrics.lagged.clone());
        register(registry, names_of::SPAN_METRICS_REJECTED_ROWS, metrics.rejected.clone());
        register(registry, names_of::SPAN_METRICS_GROUPS, metrics.groups.clone());
        let tenants = BTreeMap::new();
        Self { options, reader, writer, clock, metrics, tenants, is_dirty: false }
    }

    /// Works until the store is closed or `stop` completes. To be called when the log has been
    /// replayed.
    ///
    /// # Errors
    /// `Internal` where rows of the store are not spans: a bug.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) -> Result<()> {
        let mut stop = pin!(stop);
        let signals = vec![Signal::Traces];
        let options = FollowOptions { name: Some(FOLLOWER), tenants: None, signals };
        let mut follower = self.reader.follow(options);
        while let Err(error) = self.resume().await {
            tracing::warn!(%error, "last values of series of spans cannot be read yet");
            let pause = select(self.clock.sleep(RESUME_RETRY), &mut stop);
            if let Either::Right(_) = pause.await {
                return Ok(());
            }
        }
        let mut due = self.clock.monotonic() + self.options.interval;
        loop {
            let left = due.saturating_sub(self.clock.monotonic());
            let woken = {
                let tick = select(self.clock.sleep(left), &mut stop);
                match select(pin!(follower.next()), tick).await {
                    Either::Left((Some(next), _)) => Woken::Told(next),
                    Either::Left((None, _)) => Woken::Closed,
                    Either::Right((Either::Left(_), _)) => Woken::Tick,
                    Either::Right((Either::Right(_), _)) => Woken::Stopped,
                }
            };
            let position = follower.position();
            match woken {
                Woken::Told(Followed::Rows(batch)) => {
                    let tenants = self.tenants.len();
                    if self.fold(&batch)? {
                        self.append(position).await;
                    }
                    if self.tenants.len() > tenants {
                        due = due.min(self.clock.monotonic() + FIRST);
                    }
                }
                Woken::Told(Followed::Lagged { from, to }) => self.missed(from, to),
                // Without any spans the log is let go all the same.
                Woken::Told(Followed::Cut(_)) if self.is_dirty || self.tenants.is_empty() => {
                    self.append(position).await;
                }
                Woken::Told(Followed::Cut(_) | Followed::Samples(_)) => {}
                Woken::Tick => {
                    due = self.clock.monotonic() + self.options.interval;
                    if !self.tenants.is_empty() {
                        self.append(position).await;
                    }
                }
                Woken::Stopped => {
                    if self.is_dirty {
                        self.append(position).await;
                    }
                    return Ok(());
                }
                Woken::Closed => return Ok(()),
            }
        }
    }

    /// Takes up the series of all tenants that had any when the last life ended.
    async fn resume(&mut self) -> Result<()> {
        self.tenants.clear();
        let prefix = format!("{FOLLOWER}/");
        for (name, position) in self.reader.acknowledged(&prefix) {
            let Ok(tenant) = TenantId::parse(name.trim_start_matches(&prefix)) else { continue };
            let mut taken = Tenant::covering(position);
            let now_ms = self.clock.now().as_millis();
            restore::restore(&self.reader, &tenant, &mut taken, now_ms).await?;
            self.tenants.insert(tenant, taken);
        }
        Ok(())
    }

    /// Counts spans; returns whether so much of the past waits that samples are due.
    fn fold(&mut self, batch: &RowBatch) -> Result<bool> {
        let now_ms = self.clock.now().as_millis();
        let tenant = self.tenants.entry(batch.tenant().clone()).or_default();
        // Its record was written, those of tenants behind it were not.
        if batch.lsn() <= tenant.covered {
            return Ok(false);
        }
        tenant.fold(batch.rows(), now_ms, &self.options)?;
        self.is_dirty = true;
        Ok(tenant.is_full())
    }

    fn missed(&self, from: Lsn, to: Lsn) {
        let records = to.0.saturating_sub(from.0).saturating_add(1);
        self.metrics.lagged.inc_by(records);
        tracing::warn!(
            from = from.0,
            to = to.0,
            "spans of these log records are not counted: the log was not kept that long \
             (wal.follower_bytes_max)"
        );
    }

    /// Appends the samples of all tenants. What cannot be stored now comes with the next ones.
    async fn append(&mut self, position: Lsn) {
        let now_ms = self.clock.now().as_millis();
        let mut groups = 0;
        let mut last = self.tenants.len();
        let mut whole = true;
        for (id, tenant) in &mut self.tenants {
            last -= 1;
            self.metrics.unpaired.inc_by(tenant.expire(now_ms, &self.options));
            let done = async {
                let mut appender = self.writer.appender(id)?;
                let rejected = tenant.write(&mut appender, &self.options, now_ms);
                self.metrics.rejected.inc_by(rejected);
                appender.acknowledge(&format!("{FOLLOWER}/{}", id.as_str()), position);
                if last == 0 && whole {
                    appender.acknowledge(FOLLOWER, position);
                }
                appender.commit().await
            };
            match done.await {
                Ok(_) => tenant.written(position, now_ms),
                Err(error) => {
                    whole = false;
                    tracing::debug!(%error, tenant = %id, "series of spans come later");
                }
            }
            groups += tenant.groups();
        }
        self.tenants.retain(|_, tenant| !tenant.is_over());
        self.metrics.groups.set(groups as i64);
        self.is_dirty &= !whole;
        if self.tenants.is_empty() {
            self.acknowledge(position).await;
        }
    }

    /// Lets the log go although there are no spans at all.
    async fn acknowledge(&self, position: Lsn) {
        let done = async {
            let mut appender = self.writer.appender(&TenantId::default_tenant())?;
            appender.acknowledge(FOLLOWER, position);
            appender.commit().await
        };
        if let Err(error) = done.await {
            tracing::debug!(%error, "position of the generator is told later");
        }
    }
}
