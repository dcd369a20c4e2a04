//! 10. Forgotten: what is too old or was erased goes, and whatever nothing names any more.
//!
//! Once a minute, and whenever somebody asks, [`run`] looks at the newest catalog and makes one
//! commit of all that is to be done: blocks that outlived their rows' retention are removed,
//! tombstones that cover nothing any more are done, what nothing names is condemned. Only after the
//! commit are condemned objects deleted. All ages are measured by the paced clock, so that a wall
//! clock that jumps ahead cannot delete a year of data.
//!
//! - [`erase`]: rows that were asked to be deleted; [`request`]: how they are asked for
//! - [`clock`]: the paced clock; [`lapse`]: blocks that are too old
//! - [`garbage`]: condemned, then deleted

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, Result};
use tarn_model::metrics;

use crate::catalog::{CommitError, Draft, Identity, State};
use crate::flush::Flusher;
use crate::open::Shared;

pub mod clock;
pub mod erase;
pub mod garbage;
pub mod lapse;
pub mod request;

use clock::Pace;
use garbage::{Plan, Sweeper, Times};

/// How often the catalog is looked at.
const TICK: Duration = Duration::from_secs(60);
/// The first look, when a start has settled.
const FIRST: Duration = Duration::from_secs(120);
/// The paced clock alone is worth a commit this often.
const CLOCK_ALONE: Duration = Duration::from_secs(3600);

/// Everything that forgetting remembers.
#[derive(Debug)]
pub(crate) struct Retainer {
    inner: tokio::sync::Mutex<Inner>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Inner {
    pace: Pace,
    sweeper: Sweeper,
}

/// What one look came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetainReport {
    /// The paced clock, ms.
    pub clock_ms: i64,
    /// Blocks whose rows were all too old.
    pub dropped: usize,
    /// Tombstones that cover no block any more.
    pub erased: usize,
    /// Objects that were condemned.
    pub condemned: usize,
    /// Objects that were deleted, manifests included.
    pub deleted: u64,
    /// Their bytes, as far as they are known.
    pub deleted_bytes: u64,
}

/// Counters and the gauge of the clock.
#[derive(Debug)]
struct Metrics {
    objects: Counter,
    bytes: Counter,
    dropped: Counter,
    behind: Gauge,
    tombstones: Gauge,
}

impl Metrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            objects: Counter::default(),
            bytes: Counter::default(),
            dropped: Counter::default(),
            behind: Gauge::default(),
            tombstones: Gauge::default(),
        };
        for (name, counter) in [
            (metrics::GARBAGE_OBJECTS_DELETED, &metrics.objects),
            (metrics::GARBAGE_BYTES_DELETED, &metrics.bytes),
            (metrics::RETENTION_BLOCKS_DROPPED, &metrics.dropped),
        ] {
            registry.register(name.name, name.help, counter.clone());
        }
        let name = metrics::CLOCK_BEHIND_SECONDS;
        registry.register(name.name, name.help, metrics.behind.clone());
        let name = metrics::TOMBSTONES;
        registry.register(name.name, name.help, metrics.tombstones.clone());
        metrics
    }
}

impl Retainer {
    /// Begins with the paced clock of a catalog.
    pub(crate) fn register(
        state: &State,
        clock: &dyn tarn_model::time::Clock,
        registry: &mut Registry,
    ) -> Self {
        let pace = Pace::new(state.clock_ms(), clock.now().as_millis(), clock.monotonic());
        let inner = Inner { pace, sweeper: Sweeper::default() };
        Self { inner: tokio::sync::Mutex::new(inner), metrics: Metrics::register(registry) }
    }

    /// Looks once.
    ///
    /// # Errors
    /// What the commit or the store says; what was done before stays done.
    pub(crate) async fn look(&self, shared: &Shared) -> Result<RetainReport> {
        let mut inner = self.inner.lock().await;
        let Inner { pace, sweeper } = &mut *inner;
        // Not before this start counts in the bucket.
        shared.flusher.join().await?;
        let Flusher { catalog, objects, .. } = &shared.flusher;
        let (clock, state) = (&*shared.handles.clock, catalog.state());
        let now = clock.monotonic();
        let paced_ms = pace.advance(state.clock_ms(), clock.now().as_millis(), now);
        catalog.set_paced(paced_ms);
        self.metrics.behind.set(i64::try_from(pace.behind().as_secs()).unwrap_or(i64::MAX));
        let times = Times::new(now, paced_ms, shared.options.retention.history);
        let plan = sweeper.plan(objects, &state, &times).await?;
        let (state, mut report) = self.commit(shared, &plan, paced_ms).await?;
        let swept = sweeper.delete(objects, &state, &times).await;
        (report.deleted, report.deleted_bytes) = sweeper.take_deleted();
        self.metrics.objects.inc_by(report.deleted);
        self.metrics.bytes.inc_by(report.deleted_bytes);
        if report.deleted > 0 {
            let (objects, bytes) = (report.deleted, report.deleted_bytes);
            tracing::info!(objects, bytes, "objects that nothing names were deleted");
        }
        swept.map(|()| report)
    }

    /// Commits all that is to be done, and shows it to queries.
    async fn commit(
        &self,
        shared: &Shared,
        plan: &Plan,
        paced_ms: i64,
    ) -> Result<(Arc<State>, RetainReport)> {
        let flusher = &shared.flusher;
        let retention = &shared.options.retention;
        let mut report = RetainReport::default();
        let propose = |base: &State| {
            unfenced(base, &flusher.identity)?;
            let removed = lapse::lapsed(base, retention, paced_ms);
            let draft = draft(base, plan, removed, paced_ms);
            report = draft.as_ref().map(RetainReport::of).unwrap_or_default();
            Ok(draft)
        };
        let state = match flusher.catalog.commit(&flusher.identity, propose).await {
            Ok(state) => state,
            Err(error) => {
                if matches!(error, CommitError::Fenced { .. }) {
                    flusher.fence(&error);
                }
                return Err(Error::from(error).context("commit what is to be forgotten"));
            }
        };
        flusher.follow_newest();
        report.clock_ms = paced_ms;
        self.metrics.tombstones.set(i64::try_from(state.erased().count()).unwrap_or(i64::MAX));
        self.metrics.dropped.inc_by(report.dropped as u64);
        if report.dropped > 0 {
            tracing::info!(blocks = report.dropped, "rows beyond their retention were dropped");
        }
        Ok((state, report))
    }
}

impl RetainReport {
    fn of(draft: &Draft) -> Self {
        Self {
            dropped: draft.removed.len(),
            erased: draft.erased_done.len(),
            condemned: draft.condemned.len(),
            ..Self::default()
        }
    }
}

/// Fails where another process has taken our identity: it looks, then.
fn unfenced(base: &State, own: &Identity) -> Result<(), CommitError> {
    let theirs = base.writer(&own.id).map_or(0, |record| record.writer.epoch);
    if theirs > own.epoch {
        return Err(CommitError::Fenced { writer: own.id.clone(), ours: own.epoch, theirs });
    }
    Ok(())
}

/// What a look changes, `None` where nothing is worth a commit.
fn draft(base: &State, plan: &Plan, removed: Vec<String>, paced: i64) -> Option<Draft> {
    let erased_done = request::done(base, &removed);
    let (condemned, swept) = (plan.condemned(base), plan.swept(base));
    let alone = i64::try_from(CLOCK_ALONE.as_millis()).unwrap_or(i64::MAX);
    let late = paced.saturating_sub(base.clock_ms()) >= alone;
    let idle =
        removed.is_empty() && erased_done.is_empty() && condemned.is_empty() && swept.is_empty();
    if idle && !late {
        return None;
    }
    let clock_ms = (paced > base.clock_ms()).then_some(paced);
    Some(Draft { removed, condemned, erased_done, swept, clock_ms, ..Draft::default() })
}

/// Looks once a minute, as long as the store is there.
pub(crate) async fn run(store: Weak<Shared>) {
    let Some(clock) = store.upgrade().map(|shared| Arc::clone(&shared.handles.clock)) else {
        return;
    };
    let mut wait = FIRST;
    loop {
        clock.sleep(wait).await;
        wait = TICK;
        let Some(shared) = store.upgrade() else { return };
        if shared.is_closing() || shared.flusher.fenced.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = shared.retainer.look(&shared).await {
            tracing::warn!(%error, "what is to be forgotten stays for now");
        }
    }
}
