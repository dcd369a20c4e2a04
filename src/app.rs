//! Builds and wires the crates; starts and stops them in order.
//!
//! Start: bind all ports (a taken one must not touch data), open the store, hand its reader to queries
//! and its writer to ingest, serve. The log replays behind `/readyz`. Stop: the same in reverse.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tarn_alerting::Alerting;
use tarn_ingest::pipeline::span_metrics::{self, SpanMetrics};
use tarn_ingest::{Ingest, OtlpMetrics};
use tarn_model::error::Error;
use tarn_model::rng::Rng;
use tarn_model::tasks::Tasks as _;
use tarn_model::time::Clock;
use tarn_query::{Engine, EngineOptions};
use tarn_storage::file::RealDisk;
use tarn_storage::{Options, Readiness, Storage, WalSync};
use tarn_ui::page::Page;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info, info_span, warn};

use crate::auth::audit::{Audit, stream};
use crate::auth::{self, Auth};
use crate::boards::{self, Folders};
use crate::clock::{SystemClock, SystemRng};
use crate::config::overrides::Reload;
use crate::config::{Config, Listen, Shutdown, Telemetry};
use crate::listen::guard::{Guard, HttpMetrics};
use crate::listen::{self, Bound, Bounds, Listener, Port};
use crate::memory;
use crate::routes;
use crate::rule_files;
use crate::runtime::ProcessTasks;
use crate::telemetry::capture::Caught;
use crate::telemetry::feed::{self, Feed};
use crate::telemetry::own::{self, OwnRows};
use crate::telemetry::registry;
use crate::tls::Tls;

/// How long tasks and threads may take to end once nothing feeds them.
const TASKS_WAIT: Duration = Duration::from_secs(5);

/// What handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) addresses: Addresses,
    pub(crate) storage: Storage,
    pub(crate) ingest: Ingest,
    pub(crate) engine: Engine,
    pub(crate) alerting: Alerting,
    pub(crate) auth: Auth,
    pub(crate) boards: Folders,
    pub(crate) audit: Audit,
    pub(crate) registry: Registry,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    /// The page of the UI.
    pub(crate) page: Page,
    stopping: AtomicBool,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Running {
    app: Arc<App>,
    addresses: Addresses,
    listeners: Vec<Listener>,
    tasks: Arc<ProcessTasks>,
    feeds: JoinSet<()>,
    feed_stop: CancellationToken,
}

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) http: SocketAddr,
    pub(crate) otlp_grpc: Option<SocketAddr>,
    pub(crate) otlp_http: Option<SocketAddr>,
}

impl App {
    /// Returns which directions work; while stopping, none.
    pub(crate) fn readiness(&self) -> Readiness {
        if self.stopping.load(Ordering::Relaxed) {
            let reason = Some("the server is stopping".to_owned());
            return Readiness { ingest: reason.clone(), query: reason };
        }
        self.storage.readiness()
    }
}

/// Opens and wires everything, and serves.
///
/// # Errors
/// What could not be bound or opened, with what to do.
pub(crate) async fn start(
    config: Config,
    caught: Arc<Caught>,
    query_runtime: Handle,
) -> anyhow::Result<Running> {
    let (bound, addresses) = bind_all(&config.listen).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let tasks = ProcessTasks::new(Handle::current());
    let mut registry = registry::new();
    let http = HttpMetrics::register(&mut registry);
    registry.register_collector(Box::new(registry::LimitHits(config.limits.hits.clone())));
    let tls = Tls::open(&config.listen.tls, &*clock, &mut registry).await?;
    let reload = Reload::register(&config, Arc::clone(&clock), &mut registry);
    let rng: Arc<dyn Rng> = Arc::new(SystemRng::new());
    let handles = tarn_storage::Handles {
        clock: Arc::clone(&clock),
        rng: Arc::clone(&rng),
        tasks: Arc::<ProcessTasks>::clone(&tasks),
        disk: Arc::new(RealDisk),
    };
    let storage = open_storage(&config, handles, &mut registry).await?;
    let query_handles = tarn_query::Handles { clock: Arc::clone(&clock), query_runtime };
    let engine =
        Engine::new(engine_options(&config), storage.reader(), query_handles, &mut registry);
    tasks.spawn("memory-watch", Box::pin(engine.watch_memory()));
    let handles = tarn_ingest::Handles {
        clock: Arc::clone(&clock),
        rng: Arc::clone(&rng),
        tasks: Arc::<ProcessTasks>::clone(&tasks),
    };
    let spans = span_metrics(&config, &storage, &clock, &mut registry);
    let ingest = make_ingest(&config, &storage, handles, &mut registry);
    let alerting = tarn_alerting::Handles {
        clock: Arc::clone(&clock),
        rng: Arc::clone(&rng),
        tasks: Arc::<ProcessTasks>::clone(&tasks),
    };
    let alerting = make_alerting(&config, addresses, &storage, &engine, alerting, &mut registry);
    let auth = open_auth(&config, &storage, &clock, &mut registry).await?;
    let feed = Feed::register(&config, addresses.http, Arc::clone(&clock), &mut registry);
    let boards = Folders::new(config.ui.dashboards.clone());
    let audit = Audit::register(config.is_audited(), Arc::clone(&clock), &mut registry);
    let stopping = AtomicBool::new(false);
    let page = Page::new(&config.ui.base_path);
    let app = Arc::new(App {
        config,
        addresses,
        storage,
        ingest,
        engine,
        alerting,
        auth,
        boards,
        audit,
        registry,
        clock,
        rng,
        page,
        stopping,
    });
    let feed_stop = CancellationToken::new();
    let mut feeds = start_feeds(&app, feed, caught, &feed_stop);
    if let Some(spans) = spans {
        feeds.spawn(make_series_of_spans(Arc::clone(&app), spans, feed_stop.clone()));
    }
    if let Some(reload) = reload {
        feeds.spawn(reload.run(feed_stop.clone()));
    }
    watch_all(&app, tls.as_ref(), &mut feeds, &feed_stop);
    let serve = |bound| serve(&app, bound, tls.clone(), &http);
    let listeners = bound.into_iter().map(serve).collect();
    Ok(Running { app, addresses, listeners, tasks, feeds, feed_stop })
}

fn engine_options(config: &Config) -> EngineOptions {
    EngineOptions {
        limits: config.limits.clone(),
        lookback: config.query.lookback,
        slow_query: config.query.slow,
        sql_cross_joins: config.query.sql_cross_joins,
        memory: memory::OF_PROCESS,
        version: registry::VERSION.to_owned(),
        revision: env!("TARN_BUILD_REVISION").to_owned(),
        ..EngineOptions::default()
    }
}

/// Makes what takes telemetry in.
fn make_ingest(
    config: &Config,
    storage: &Storage,
    handles: tarn_ingest::Handles,
    registry: &mut Registry,
) -> Ingest {
    let target_info_every = config.query.lookback / 2;
    let otlp = OtlpMetrics { target_info_every, ..config.otlp_metrics.clone() };
    Ingest::new(config.limits.clone(), otlp, storage.writer(), handles, registry)
}

/// Makes what evaluates rules and notifies.
fn make_alerting(
    config: &Config,
    addresses: Addresses,
    storage: &Storage,
    engine: &Engine,
    handles: tarn_alerting::Handles,
    registry: &mut Registry,
) -> Alerting {
    let parts = tarn_alerting::Parts {
        reader: storage.reader(),
        engine: engine.clone(),
        writer: storage.writer(),
        journal: Arc::new(storage.alert_log()),
        documents: storage.documents(),
    };
    let (mut options, own_address) = (config.alerting.clone(), addresses.http.to_string());
    if options.external_url.is_empty() && config.listen.tls.is_on() {
        options.external_url = format!("https://{own_address}");
    }
    Alerting::new(options, &own_address, handles, parts, registry)
}

/// Evaluates rules from the moment on at which the log is replayed: before that no answer is whole.
/// Then looks at their files until the stop.
async fn run_rules(app: Arc<App>, stop: CancellationToken) {
    let begin = async {
        // A log that cannot be replayed ends the process, which whoever waits for it sees to.
        app.storage.replayed().await.ok()?;
        let sources = rule_files::read_apart(&app.config.alerting).await?;
        Box::pin(app.alerting.begin(sources.clone())).await;
        Some(sources)
    };
    let Some(Some(sources)) = stop.run_until_cancelled(Box::pin(begin)).await else { return };
    let (options, clock) = (app.config.alerting.clone(), Arc::clone(&app.clock));
    rule_files::watch(app.alerting.clone(), options, sources, clock, stop).await;
}

/// Makes what knows who may do what, with the keys that there are.
async fn open_auth(
    config: &Config,
    storage: &Storage,
    clock: &Arc<dyn Clock>,
    registry: &mut Registry,
) -> anyhow::Result<Auth> {
    let auth = Auth::new(config, storage.documents(), Arc::clone(clock), registry)?;
    if config.is_open() {
        warn!("other machines can reach this server, and whoever does may do everything");
    }
    if config.locks_everybody_out() {
        warn!(
            "nobody on another machine can show who they are: set listen.tls.certificate and \
             listen.tls.key, or name a proxy that speaks HTTPS in http.trusted_proxies, or set \
             auth.plain_http in a network of your own"
        );
    }
    Box::pin(auth.begin()).await;
    Ok(auth)
}

/// Returns the address of the page on which a password is set, for whoever starts the server.
fn welcome(config: &Config, http: SocketAddr) -> String {
    let base = &config.ui.base_path;
    let external = config.alerting.external_url.trim_end_matches('/');
    if !external.is_empty() {
        return format!("{external}/welcome");
    }
    let port = http.port();
    let scheme = if config.listen.tls.certificate.is_some() { "https" } else { "http" };
    if http.ip().is_unspecified() {
        return format!("{scheme}://localhost:{port}{base}welcome");
    }
    format!("{scheme}://{http}{base}welcome")
}

/// Starts what looks at files and documents, and acts on what they say now.
fn watch_all(app: &Arc<App>, tls: Option<&Tls>, feeds: &mut JoinSet<()>, stop: &CancellationToken) {
    if app.audit.is_enabled() {
        let resource = own::resource(app.addresses.http, &machine_name());
        let events = stream::Stream::new(app.audit.clone(), resource, app.config.audit.stdout);
        feeds.spawn(events.run(Arc::clone(app), stop.clone()));
    }
    feeds.spawn(run_rules(Arc::clone(app), stop.clone()));
    feeds.spawn(auth::watch(Arc::clone(app), stop.clone()));
    let welcome = welcome(&app.config, app.addresses.http);
    feeds.spawn(auth::watch_people(Arc::clone(app), welcome, stop.clone()));
    feeds.spawn(boards::watch(Arc::clone(app), stop.clone()));
    if let Some(tls) = tls {
        feeds.spawn(tls.clone().watch(Arc::clone(&app.clock), stop.clone()));
    }
    feeds.spawn(hangups(Arc::clone(app), tls.cloned(), stop.clone()));
}

/// Starts storing what Tarn says about itself, where that is wanted.
fn start_feeds(
    app: &Arc<App>,
    metrics: Feed,
    caught: Arc<Caught>,
    stop: &CancellationToken,
) -> JoinSet<()> {
    let mut feeds = JoinSet::new();
    let Telemetry { own_metrics, own_logs, own_traces, .. } = app.config.telemetry;
    if own_logs || own_traces {
        let tenant = feed::tenant(&app.config);
        let host = machine_name();
        let dropped = metrics.dropped();
        let rows = OwnRows::new(caught, tenant, app.addresses.http, &host, dropped);
        feeds.spawn(rows.run(Arc::clone(app), stop.clone()));
    }
    if own_metrics {
        feeds.spawn(metrics.run(Arc::clone(app), stop.clone()));
    }
    feeds
}

/// Makes the generator of series of spans, where it is wanted.
fn span_metrics(
    config: &Config,
    storage: &Storage,
    clock: &Arc<dyn Clock>,
    registry: &mut Registry,
) -> Option<SpanMetrics> {
    let options = config.span_metrics.clone();
    let (reader, writer) = (storage.reader(), storage.writer());
    options.enabled.then(|| SpanMetrics::new(options, reader, writer, Arc::clone(clock), registry))
}

/// Lets the generator work from the end of the replay to the stop.
async fn make_series_of_spans(app: Arc<App>, spans: SpanMetrics, stop: CancellationToken) {
    let replayed = stop.run_until_cancelled(app.storage.replayed()).await;
    // Where the replay failed the process stops anyway.
    if !matches!(replayed, Some(Ok(()))) {
        return;
    }
    drop(app);
    if let Err(error) = spans.run(stop.cancelled()).await {
        warn!(%error, "no series are made of spans any more");
    }
}

async fn bind_all(listen: &Listen) -> anyhow::Result<(Vec<Bound>, Addresses)> {
    let mut bound = Vec::new();
    for (port, address) in listen.addresses() {
        let listener = listen::bind(port, address).await?;
        let address = listener.local_addr().context("read the bound address")?;
        bound.push((port, listener, address));
    }
    let of = |port| bound.iter().find(|(p, ..)| *p == port).map(|(_, _, address)| *address);
    let http = of(Port::Http).context("the HTTP port is always listened on")?;
    let addresses =
        Addresses { http, otlp_grpc: of(Port::OtlpGrpc), otlp_http: of(Port::OtlpHttp) };
    Ok((bound, addresses))
}

async fn open_storage(
    config: &Config,
    handles: tarn_storage::Handles,
    registry: &mut Registry,
) -> anyhow::Result<Storage> {
    let mut options = Options { limits: config.limits.clone(), ..config.storage.clone() };
    if options.wal_sync == WalSync::None {
        warn!("wal.sync is none: a power cut loses samples that were acknowledged");
    }
    for key in config.inline_secrets() {
        warn!(key, "a secret stands in the settings themselves: file:/path keeps it out of them");
    }
    if config.span_metrics.enabled {
        options.followers.push(span_metrics::FOLLOWER);
    }
    if !config.alerting.slo_files.is_empty() {
        options.followers.push(tarn_alerting::slo::ledger::run::FOLLOWER);
    }
    if options.label.is_empty() {
        options.label = machine_name();
    }
    Ok(Storage::open(options, handles, registry).await.map_err(|e| e.context("open the store"))?)
}

fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// Reads files again at every SIGHUP, without which the signal would end the process.
async fn hangups(app: Arc<App>, tls: Option<Tls>, stop: CancellationToken) {
    let mut signals = match signal(SignalKind::hangup()) {
        Ok(signals) => signals,
        Err(error) => return warn!(%error, "SIGHUP cannot be listened for"),
    };
    while let Some(Some(())) = stop.run_until_cancelled(signals.recv()).await {
        info!("SIGHUP: files are read again");
        if let Some(tls) = &tls {
            tls.look(&*app.clock).await;
        }
        if let Some(sources) = rule_files::read_apart(&app.config.alerting).await {
            // What is wrong with them is logged where it is found.
            app.alerting.reload(sources).await;
        }
    }
}

fn serve(app: &Arc<App>, bound: Bound, tls: Option<Tls>, http: &HttpMetrics) -> Listener {
    let (config, port) = (&app.config, bound.0);
    let bounds = Bounds {
        connections_max: config.limits.connections_max,
        header_bytes_max: config.limits.header_bytes_max.as_usize(),
        header_timeout: config.listen.header_timeout,
        http2_streams_max: config.limits.http2_streams_max,
        proxies: config.listen.proxies.clone(),
    };
    let guard = Guard {
        hosts: config.listen.hosts.clone().into(),
        uri_bytes_max: config.limits.uri_bytes_max.as_usize(),
        metrics: http.clone(),
    };
    let router = routes::router(app, port, guard);
    listen::serve(bound, router, bounds, tls, http.connections(port.label()))
}

impl Running {
    /// Returns the addresses that serve.
    pub(crate) fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Completes with the error for which the process must stop: the log cannot be replayed, or
    /// another process has taken the identity of the data folder. Else never.
    pub(crate) async fn broken(&self) -> Error {
        match self.app.storage.replayed().instrument(info_span!("replay the log")).await {
            Ok(()) => {
                info!("the log is replayed, writes are taken");
                self.app.storage.failed().await
            }
            Err(e) => e.context("replay the log"),
        }
    }

    /// Stops in reverse order of the start.
    ///
    /// # Errors
    /// Where the store could not be closed in order; what was acknowledged is in the log.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let Self { app, listeners, tasks, mut feeds, feed_stop, .. } = self;
        let Shutdown { delay, grace } = app.config.shutdown;
        app.stopping.store(true, Ordering::Relaxed);
        app.engine.stop_tails();
        tokio::time::sleep(delay).await;
        let mut drains = JoinSet::new();
        for listener in listeners {
            drains.spawn(listener.drain(grace));
        }
        drains.join_all().await;
        feed_stop.cancel();
        while let Some(ended) = feeds.join_next().await {
            if let Err(e) = ended {
                warn!(error = %e, "a feed of own telemetry ended early");
            }
        }
        app.alerting.stop().await;
        match Arc::try_unwrap(app) {
            Ok(app) => app.storage.close().await.map_err(|e| e.context("close the store"))?,
            Err(_) => warn!("a request still runs; the store is left as after a crash"),
        }
        tasks.stop(TASKS_WAIT).await;
        Ok(())
    }
}
