//! The shell: joins what is pure to time, log, engine and sockets, and keeps it running.
//!
//! [`Alerting::new`] registers; [`Alerting::begin`] replays what was kept, takes the files of the
//! operator, tells the dispatcher of every alert that still fires, and only then lets time pass:
//! groups wait for slots, the dispatcher for its timers, the outbox for answers. [`Alerting::reload`]
//! checks everything before it changes anything. All state is kept per tenant; files belong to
//! the tenant `default`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use prometheus_client::registry::Registry;
use tarn_model::labels::{Label, LabelSet};
use tarn_model::rng::Rng;
use tarn_model::tasks::Tasks;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_query::Engine;
use tarn_storage::append::Writer;
use tarn_storage::documents::Documents;
use tarn_storage::view::Reader;
use tokio::sync::{Semaphore, watch};
use tracing::{error, info, warn};

use crate::events::{Event, Events, Severity};
use crate::metrics::Metrics;
use crate::notify::Outbox;
use crate::options::{Options, Sources};
use crate::problem::Problem;
use crate::slo::Objective;
use crate::store::{Journal, SNAPSHOT_EVERY, Store};

mod arrive;
mod interface;
pub(crate) mod load;
mod outward;
mod regroup;
mod restore;
mod stored;
pub(crate) mod tenant;

use self::load::Loaded;
use self::tenant::Tenant;

/// Rules that are evaluated at once, over all groups: the engine has slots for people, too.
const EVALUATIONS_MAX: usize = 8;
/// How often is looked after what needs no hurry.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// What the process gives.
#[derive(Debug, Clone)]
pub struct Handles {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// Tracked tasks.
    pub tasks: Arc<dyn Tasks>,
}

/// What it works on.
#[derive(Debug)]
pub struct Parts {
    /// Answers expressions.
    pub engine: Engine,
    /// Follows rows.
    pub reader: Reader,
    /// Takes recorded series and events.
    pub writer: Writer,
    /// Keeps what was decided.
    pub journal: Arc<dyn Journal>,
    /// Keeps rules that are set through the API.
    pub documents: Documents,
}

/// What all parts of the shell share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) external_labels: LabelSet,
    pub(crate) external_url: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) tasks: Arc<dyn Tasks>,
    /// When the process began, ms.
    pub(crate) started_ms: i64,
    pub(crate) engine: Engine,
    pub(crate) writer: Writer,
    pub(crate) store: Arc<Store>,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
    pub(crate) slots: Semaphore,
    /// How long the replay of the log took, in microseconds; 0 after the start.
    restored_us: AtomicU64,
    /// When the last evaluation began that is a span of Tarn's own traces, ms.
    traced_ms: AtomicI64,
}

/// One evaluation in so many ms becomes a span: with a few groups each one does, with thousands of
/// them a sample.
const SPAN_EVERY_MS: i64 = 1_000;

impl Shared {
    /// Returns whether an evaluation that begins at a time becomes a span.
    pub(crate) fn is_traced(&self, now_ms: i64) -> bool {
        let last_ms = self.traced_ms.load(Ordering::Relaxed);
        now_ms.saturating_sub(last_ms) >= SPAN_EVERY_MS
            && (self.traced_ms)
                .compare_exchange(last_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Returns how long it took to get the states of the run before.
    pub(crate) fn restore_seconds(&self) -> f64 {
        self.restored_us.load(Ordering::Relaxed) as f64 / 1e6
    }
}

/// Evaluates rules and notifies. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Alerting(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    tenants: RwLock<BTreeMap<TenantId, Arc<Tenant>>>,
    /// Of the tenant that the files belong to.
    outbox: Outbox,
    status: RwLock<Status>,
    reader: Reader,
    /// What is promised.
    objectives: RwLock<Vec<Arc<Objective>>>,
    /// Ends who follows rows for the rules of before.
    followers: Mutex<Option<watch::Sender<()>>>,
    /// Held by the ledger of objectives that counts.
    counting: Arc<tokio::sync::Mutex<()>>,
    /// The files as they were taken last.
    sources: Mutex<Sources>,
    stored: stored::Stored,
    /// Held while rules change.
    reloading: tokio::sync::Mutex<()>,
    /// What the start replayed and nobody has taken yet.
    restored: Mutex<restore::Restored>,
}

/// How rules and routes were taken from the files.
#[derive(Debug, Default, Clone, serde::Serialize)]
pub struct Status {
    /// Whether everything that was kept has been replayed and rules run.
    pub running: bool,
    /// Whether what runs is what the files say.
    pub last_reload_successful: bool,
    /// When the files were last looked at, ms.
    pub last_reload_ms: i64,
    /// When they were last taken over, ms.
    pub last_success_ms: i64,
    /// What is wrong with the files, warnings included.
    pub problems: Vec<Problem>,
}

impl Alerting {
    /// Makes it, idle, and registers its metrics. `address` is where this server is reached if the
    /// settings do not say.
    pub fn new(
        options: Options,
        address: &str,
        handles: Handles,
        parts: Parts,
        registry: &mut Registry,
    ) -> Self {
        let metrics = Metrics::register(registry);
        let Parts { engine, reader, writer, journal, documents } = parts;
        let dropped = metrics.events_dropped.clone();
        let external_url = match options.external_url.as_str() {
            "" => format!("http://{address}"),
            url => url.to_owned(),
        };
        let store = Arc::new(Store::new(journal));
        let events = Events::new(writer.clone(), Arc::clone(&handles.clock), dropped);
        let making = outward::Making {
            options: &options,
            external_url: &external_url,
            handles: &handles,
            store: &store,
            events: &events,
        };
        let outbox = outward::outbox(&making, &TenantId::default_tenant(), registry);
        let Handles { clock, rng, tasks } = handles;
        let labels = options.external_labels.iter();
        let shared = Shared {
            external_labels: labels.map(|(n, v)| Label::new(n.as_str(), v.as_str())).collect(),
            external_url,
            store,
            events,
            slots: Semaphore::new(EVALUATIONS_MAX),
            restored_us: AtomicU64::new(0),
            traced_ms: AtomicI64::new(0),
            started_ms: clock.now().as_millis(),
            options,
            clock,
            rng,
            tasks,
            engine,
            writer,
            metrics,
        };
        Self(Arc::new(Inner {
            shared: Arc::new(shared),
            tenants: RwLock::default(),
            outbox,
            status: RwLock::default(),
            reader,
            objectives: RwLock::default(),
            followers: Mutex::default(),
            counting: Arc::default(),
            sources: Mutex::default(),
            stored: stored::Stored::new(documents),
            reloading: tokio::sync::Mutex::new(()),
            restored: Mutex::default(),
        }))
    }

    /// Replays what was kept, takes the files and begins to evaluate. A file with a mistake at
    /// this time is left out; what was known of its rules is kept until it is right.
    pub async fn begin(&self, sources: Sources) {
        let shared = &self.0.shared;
        let began = shared.clock.monotonic();
        match shared.store.replay().await {
            Ok(entries) => {
                let count = entries.len();
                *self.0.restored.lock() = restore::of(entries);
                let took = shared.clock.monotonic().saturating_sub(began);
                let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                shared.restored_us.store(micros, Ordering::Relaxed);
                info!(records = count, ?took, "alert log is replayed");
            }
            // Rules run without their past: an alert too many is better than none.
            Err(error) => error!(%error, "alert log cannot be read, states begin anew"),
        }
        let _reloading = self.0.reloading.lock().await;
        let unread = self.read_set().await;
        let (loaded, mut problems) = self.load(&sources).await;
        problems.extend(unread);
        let good = !crate::problem::any_error(&problems);
        Box::pin(self.take(loaded, good)).await;
        self.told(good, problems);
        *self.0.sources.lock() = sources;
        shared.restored_us.store(0, Ordering::Relaxed);
        self.0.status.write().running = true;
        shared.tasks.spawn("alert events", Box::pin(shared.events.clone().run()));
        shared.tasks.spawn("alert tidying", Box::pin(self.clone().tidy()));
    }

    /// Takes the files as they are now. With a mistake in any of them, everything stays as it was.
    /// Returns whether they were taken.
    pub async fn reload(&self, sources: Sources) -> bool {
        let _reloading = self.0.reloading.lock().await;
        let (loaded, problems) = self.load(&sources).await;
        let good = !crate::problem::any_error(&problems);
        if good {
            Box::pin(self.take(loaded, true)).await;
            *self.0.sources.lock() = sources;
        }
        self.told(good, problems);
        good
    }

    /// Takes what the API has set, beside the files that run.
    async fn retake(&self) {
        let _reloading = self.0.reloading.lock().await;
        let sources = self.0.sources.lock().clone();
        let (loaded, problems) = self.load(&sources).await;
        let good = !crate::problem::any_error(&problems);
        Box::pin(self.take(loaded, good)).await;
        // Of files that changed meanwhile and have mistakes it is still to be told.
        if !good || self.status().last_reload_successful {
            self.told(good, problems);
        }
    }

    /// Reads the files and what the API has set, and asks the engine whether it understands the
    /// conditions in them.
    async fn load(&self, files: &Sources) -> (Loaded, Vec<Problem>) {
        let shared = &self.0.shared;
        let sources = Sources { set: self.set_files(), ..files.clone() };
        let (mut loaded, mut problems) = Loaded::of(&sources, &shared.options);
        loaded.check_events(&shared.engine, &mut problems).await;
        (loaded, problems)
    }

    /// Says how a reload went: in the log, as a metric, as an event, and to the API.
    fn told(&self, good: bool, problems: Vec<Problem>) {
        let shared = &self.0.shared;
        let now_ms = shared.clock.now().as_millis();
        for problem in &problems {
            warn!(%problem, "rules or routes");
        }
        shared.metrics.reload_successful.set(i64::from(good));
        let mut status = self.0.status.write();
        status.last_reload_successful = good;
        status.last_reload_ms = now_ms;
        if good {
            status.last_success_ms = now_ms;
            shared.metrics.reload_seconds.set(now_ms as f64 / 1000.0);
        }
        let count = problems.len();
        status.problems = problems;
        let is_start = !status.running;
        drop(status);
        if good && is_start {
            // A start that finds nothing wrong changes nothing.
            return;
        }
        let (severity, body) = if good {
            (Severity::Info, format!("rules and routes were taken over, {count} remarks"))
        } else {
            (
                Severity::Error,
                format!("rules and routes have {count} problems, the old ones run on"),
            )
        };
        let event = Event { kind: "reload", severity, body, attributes: Vec::new() };
        shared.events.push(&TenantId::default_tenant(), event);
    }

    /// Stops evaluating, and writes what is known.
    pub async fn stop(&self) {
        drop(self.0.followers.lock().take());
        for tenant in self.tenants() {
            for group in tenant.groups() {
                group.stop().await;
            }
        }
        if self.0.status.read().running {
            self.snapshot().await;
        }
        self.0.shared.store.close();
        self.0.shared.events.write().await;
    }

    /// Writes an image of what is known now, if anything changed since the last one: whoever copies the
    /// data folder finds it there.
    pub async fn save(&self) {
        if self.0.status.read().running && self.0.shared.store.has_grown() {
            self.snapshot().await;
        }
    }

    /// Looks after what needs no hurry, until it is dropped.
    async fn tidy(self) {
        let shared = Arc::clone(&self.0.shared);
        let mut saved = shared.clock.monotonic();
        loop {
            shared.clock.sleep(TIDY_EVERY).await;
            let (mut pending, mut firing) = (0, 0);
            for tenant in self.tenants() {
                tenant.keep_parked(&shared).await;
                let counts = tenant.counts();
                pending += counts.0;
                firing += counts.1;
            }
            shared.metrics.alerts(pending, firing);
            shared.metrics.log_broken.set(i64::from(shared.store.broken().is_some()));
            Box::pin(self.look_at_set()).await;
            let now = shared.clock.monotonic();
            let is_time = now.saturating_sub(saved) >= SNAPSHOT_EVERY && shared.store.has_grown();
            if is_time || shared.store.is_long() {
                saved = now;
                self.snapshot().await;
            }
        }
    }

    async fn snapshot(&self) {
        let tenants = self.tenants();
        let everything = || tenants.iter().flat_map(|tenant| tenant.everything()).collect();
        if let Err(error) = self.0.shared.store.snapshot(everything).await {
            warn!(error = %error.message(), "alert log could not be shortened");
        }
    }

    fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.0.tenants.read().values().cloned().collect()
    }

    /// Returns a tenant, if it has anything.
    pub(crate) fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.0.tenants.read().get(id).cloned()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// Returns what is promised.
    pub(crate) fn objectives(&self) -> Vec<Arc<Objective>> {
        self.0.objectives.read().clone()
    }

    /// Returns how rules and routes were taken from the files.
    pub fn status(&self) -> Status {
        self.0.status.read().clone()
    }
}
