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

use crate::catalog::{CommitError, Draft, State};
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
        let flusher = &shared.flusher;
        // Not before this start counts in the bucket.
        flusher.join().await?;
        let clock = &*shared.handles.clock;
        let now = clock.monotonic();
        let state = flusher.catalog.state();
        let paced = pace.advance(state.clock_ms(), clock.now().as_millis(), now);
        flusher.catalog.set_paced(paced);
        self.metrics.behind.set(pace.behind().as_secs() as i64);
        let retention = &shared.options.retention;
        let times = Times::new(now, paced, retention.history);
        let plan = sweeper.plan(&flusher.objects, &state, &times).await?;
        let mut report = RetainReport { clock_ms: paced, ..RetainReport::default() };
        let committed = flusher
            .catalog
            .commit(&flusher.identity, |base| {
                let theirs = base.writer(&flusher.identity.id).map_or(0, |r| r.writer.epoch);
                if theirs > flusher.identity.epoch {
                    let (writer, ours) = (flusher.identity.id.clone(), flusher.identity.epoch);
                    return Err(CommitError::Fenced { writer, ours, theirs });
                }
                let removed = lapse::lapsed(base, retention, paced);
                let draft = draft(base, &plan, removed, paced);
                report.dropped = draft.as_ref().map_or(0, |draft| draft.removed.len());
                report.erased = draft.as_ref().map_or(0, |draft| draft.erased_done.len());
                report.condemned = draft.as_ref().map_or(0, |draft| draft.condemned.len());
                Ok(draft)
            })
            .await;
        let state = match committed {
            Ok(state) => state,
            Err(error) => {
                if matches!(error, CommitError::Fenced { .. }) {
                    flusher.fence(&error);
                }
                return Err(Error::from(error).context("commit what is to be forgotten"));
            }
        };
        flusher.follow_newest();
        self.metrics.tombstones.set(state.erased().count() as i64);
        self.metrics.dropped.inc_by(report.dropped as u64);
        if report.dropped > 0 {
            tracing::info!(blocks = report.dropped, "rows beyond their retention were dropped");
        }
        let swept = sweeper.delete(&flusher.objects, &state, &times).await;
        let (objects, bytes) = sweeper.take_deleted();
        (report.deleted, report.deleted_bytes) = (objects, bytes);
        self.metrics.objects.inc_by(objects);
        self.metrics.bytes.inc_by(bytes);
        if objects > 0 {
            tracing::info!(objects, bytes, "objects that nothing names were deleted");
        }
        swept.map(|()| report)
    }
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
