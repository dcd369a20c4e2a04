//! A query's way: admitted, parsed, evaluated over one view, accounted for.
//!
//! [`Engine`] is what handlers, rules and the command line share. Its futures can be awaited on any
//! runtime: the work itself runs as a task on the query runtime that it was given, and ends when the
//! future is dropped.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tarn_model::error::{Error, ErrorKind};
use tarn_model::limits::{Limit, Limits};
use tarn_model::tenant::TenantId;
use tarn_model::time::{Clock, UnixNanos};
use tarn_promql::ast::{Expr, ParseOptions};
use tarn_promql::parse::{self, ParseLimits};
use tarn_promql::query::{
    Annotations, Hooks, QueryError, QueryLimits, QueryParams, QueryStats, QueryValue,
};
use tarn_storage::head::follow::{FollowOptions, Follower};
use tarn_storage::view::{Reader, ScanLimits, View};
use tokio::runtime::Handle;

use crate::govern::memory::Account;
use crate::govern::metrics::{Language, Outcome};
use crate::govern::roll::Roll;
use crate::govern::tails::Tail;
use crate::govern::{Cancel, Governor, ProcessMemory, Report, Running};
use crate::scan::slices::ViewSource;
use crate::task::Task;

/// What an operator decides about queries.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Limits in force.
    pub limits: Limits,
    /// How far an instant selector looks back, unless a query says otherwise.
    pub lookback: Duration,
    /// Which parts of the language are enabled.
    pub parse: ParseOptions,
    /// Variants of the semantics.
    pub semantics: tarn_promql::query::QueryOptions,
    /// Queries that take this long are logged.
    pub slow_query: Duration,
    /// Whether SQL may join without a condition.
    pub sql_cross_joins: bool,
    /// What the process tells about its memory, for the watch over it.
    pub memory: ProcessMemory,
    /// Version of this build, for `status/buildinfo`.
    pub version: String,
    /// Revision of this build, for `status/buildinfo`.
    pub revision: String,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            lookback: Duration::from_secs(300),
            parse: ParseOptions::default(),
            semantics: tarn_promql::query::QueryOptions::default(),
            // A panel that takes this long is no longer interactive.
            slow_query: Duration::from_secs(10),
            // Two tables of a million rows make a trillion.
            sql_cross_joins: false,
            memory: ProcessMemory::default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: "unknown".to_owned(),
        }
    }
}

/// What the engine is given by the process.
#[derive(Debug, Clone)]
pub struct Handles {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where queries run: not where sockets are read.
    pub query_runtime: Handle,
}

/// What a single query decides.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueryOptions {
    /// Shortens the time limit.
    pub timeout: Option<Duration>,
    /// Replaces the engine's lookback.
    pub lookback: Option<Duration>,
}

/// The answer to a query.
///
/// It holds its share of the memory pool until it is dropped.
#[derive(Debug)]
pub struct Answer {
    /// What the expression evaluates to.
    pub value: QueryValue,
    /// Remarks on it.
    pub annotations: Annotations,
    /// What it took.
    pub stats: QueryStats,
    /// Why rows may be missing, or `None` where none are (PAR-1). Rules must treat it as an error.
    pub partial: Option<String>,
    /// Time from the request to the answer.
    pub elapsed: Duration,
    /// How much of it was spent waiting for a slot.
    pub waited: Duration,
    _account: Arc<Account>,
}

/// Answers queries. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: EngineOptions,
    limits: Arc<Limits>,
    reader: Reader,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    governor: Arc<Governor>,
    started: UnixNanos,
}

/// What is to be evaluated, when.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) tenant: TenantId,
    pub(crate) text: String,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    /// 0 for an instant query.
    pub(crate) step_ms: i64,
    pub(crate) options: QueryOptions,
}

impl Engine {
    /// Makes an engine that reads from `reader` and registers its metrics.
    pub fn new(
        options: EngineOptions,
        reader: Reader,
        handles: Handles,
        registry: &mut Registry,
    ) -> Self {
        let clock = handles.clock;
        let EngineOptions { limits, slow_query, memory, .. } = &options;
        let governor = Governor::new(limits, *slow_query, *memory, Arc::clone(&clock), registry);
        Self(Arc::new(Inner {
            started: clock.now(),
            limits: Arc::new(options.limits.clone()),
            options,
            reader,
            clock,
            runtime: handles.query_runtime,
            governor: Arc::new(governor),
        }))
    }

    /// Returns what watches over the memory of the process, for ever; it is the caller's to run.
    pub fn watch_memory(&self) -> impl Future<Output = ()> + Send + 'static {
        let governor = Arc::clone(&self.0.governor);
        async move { governor.watch_memory().await }
    }

    /// Evaluates an expression at one time.
    ///
    /// # Errors
    /// Those of the language and of reading; `Source` with `Unavailable` where no slot was free.
    pub async fn instant(
        &self,
        tenant: &TenantId,
        text: &str,
        time_ms: i64,
        options: QueryOptions,
    ) -> Result<Answer, QueryError> {
        self.spawn(Request {
            tenant: tenant.clone(),
            text: text.to_owned(),
            start_ms: time_ms,
            end_ms: time_ms,
            step_ms: 0,
            options,
        })
        .await
    }

    /// Evaluates an expression at every step from `start_ms` to `end_ms`.
    ///
    /// # Errors
    /// As [`Engine::instant`]; `BadData` where the step is not positive or the steps are too many.
    pub async fn range(
        &self,
        tenant: &TenantId,
        text: &str,
        (start_ms, end_ms, step_ms): (i64, i64, i64),
        options: QueryOptions,
    ) -> Result<Answer, QueryError> {
        if step_ms <= 0 || end_ms < start_ms {
            let range = format!("start {start_ms} ms, end {end_ms} ms, step {step_ms} ms");
            return Err(QueryError::BadData(format!("range is empty or has no step: {range}")));
        }
        let tenant = tenant.clone();
        self.spawn(Request { tenant, text: text.to_owned(), start_ms, end_ms, step_ms, options })
            .await
    }

    async fn spawn(&self, request: Request) -> Result<Answer, QueryError> {
        let cancel = Cancel::default();
        let engine = self.clone();
        let work = {
            let cancel = cancel.clone();
            async move { engine.query(request, cancel).await }
        };
        Task::spawn(&self.0.runtime, cancel, work).join().await.unwrap_or(Err(QueryError::Canceled))
    }

    /// Runs a query on the current task.
    pub(crate) async fn query(
        &self,
        request: Request,
        cancel: Cancel,
    ) -> Result<Answer, QueryError> {
        let limits = self.limits_of(&request.tenant);
        let timeout = shorter(request.options.timeout, limits.query_timeout);
        let running = self.admit(Language::Promql, timeout, cancel).await?;
        running.describe(&request.tenant, &request.text);
        let result = tokio::select! {
            biased;
            () = running.expired() => Err(QueryError::Timeout),
            result = self.evaluate(&request, &running), if !running.is_over() => result,
        };
        let stats = result.as_ref().map(|a| a.stats).unwrap_or_default();
        let report = Report {
            tenant: &request.tenant,
            text: &request.text,
            series: stats.series,
            samples: stats.samples,
            bytes_peak: stats.bytes_peak,
        };
        running.finish(outcome(&result), &report);
        count(&result, &limits);
        result
    }

    async fn evaluate(&self, request: &Request, running: &Running) -> Result<Answer, QueryError> {
        let limits = self.limits_of(&request.tenant);
        let expr = self.parse(&request.text, &limits)?;
        let account = Arc::new(running.account());
        let hooks: Arc<dyn Hooks> = Arc::clone(&account) as Arc<dyn Hooks>;
        let memory = running.memory_bytes_max();
        let view = self.view();
        let source = ViewSource {
            view: Arc::clone(&view),
            tenant: request.tenant.clone(),
            limits: scan_limits(&limits),
            hooks: Arc::clone(&hooks),
        };
        let lookback = request.options.lookback.unwrap_or(self.0.options.lookback);
        let params = QueryParams {
            start_ms: request.start_ms,
            end_ms: request.end_ms,
            step_ms: request.step_ms,
            lookback_ms: i64::try_from(lookback.as_millis()).unwrap_or(i64::MAX),
            limits: QueryLimits {
                samples_max: limits.query_samples_max,
                memory_bytes_max: memory,
                // Upstream counts the steps between the points, of which there is one more.
                points_max: limits.query_points_max.saturating_add(1),
                series_max: limits.query_series_max,
            },
            options: self.0.options.semantics,
            hooks,
        };
        let result = tarn_promql::eval(&source, &expr, &params).await?;
        // The engine has given back what its buffers took; the answer outlives them.
        let bytes = result_bytes(&result.value);
        if !account.reserve(bytes) {
            let message =
                format!("memory of all queries is used up: the answer needs {bytes} bytes");
            return Err(QueryError::Limit(Limit::QueriesMemory, message));
        }
        let (elapsed, waited) = running.elapsed();
        Ok(Answer {
            value: result.value,
            annotations: result.annotations,
            stats: result.stats,
            // What could not be read turned up on the way.
            partial: view.partial(),
            elapsed,
            waited,
            _account: account,
        })
    }

    /// Parses an expression with the options and limits of the engine.
    pub(crate) fn parse(&self, text: &str, limits: &Limits) -> Result<Expr, QueryError> {
        parse::parse(text, &self.0.options.parse, ParseLimits::from(limits))
            .map_err(|e| QueryError::BadData(e.to_string()))
    }

    /// Waits for a slot for a question about names.
    pub(crate) async fn admit_names(
        &self,
        tenant: &TenantId,
        cancel: Cancel,
    ) -> Result<Running, Error> {
        self.admit(Language::Labels, self.limits_of(tenant).query_timeout, cancel).await
    }

    /// Waits for a slot for a question in another language.
    pub(crate) async fn admit(
        &self,
        language: Language,
        timeout: Duration,
        cancel: Cancel,
    ) -> Result<Running, Error> {
        let admitted = self.0.governor.admit(language, timeout, cancel).await;
        admitted.inspect_err(|error| error.count_in(&self.0.limits.hits))
    }

    /// Admits someone who watches rows as they come, and may hold `bytes`.
    pub(crate) fn tail(&self, bytes: u64, cancel: Cancel) -> Result<Tail, Error> {
        let admitted = self.0.governor.tail(bytes, cancel);
        admitted.inspect_err(|error| error.count_in(&self.0.limits.hits))
    }

    /// Ends all live tails and refuses new ones: they would go on for ever.
    pub fn stop_tails(&self) {
        self.0.governor.tails.stop();
    }

    pub(crate) fn follow(&self, options: FollowOptions) -> Follower {
        self.0.reader.follow(options)
    }

    /// Returns what runs, and what ran for long.
    pub(crate) fn roll(&self) -> &Roll {
        self.0.governor.roll()
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.0.reader.view()
    }

    /// Returns the limits that hold for a tenant.
    pub(crate) fn limits_of(&self, tenant: &TenantId) -> Arc<Limits> {
        self.0.limits.for_tenant(tenant)
    }

    pub(crate) fn scan_limits(&self, tenant: &TenantId) -> ScanLimits {
        scan_limits(&self.limits_of(tenant))
    }

    pub(crate) fn options(&self) -> &EngineOptions {
        &self.0.options
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    pub(crate) fn started(&self) -> UnixNanos {
        self.0.started
    }
}

/// Returns how long a query may run that asks for `asked`.
pub(crate) fn shorter(asked: Option<Duration>, max: Duration) -> Duration {
    asked.map_or(max, |asked| asked.min(max))
}

fn scan_limits(limits: &Limits) -> ScanLimits {
    ScanLimits {
        series_max: limits.query_series_max,
        bytes_max: limits.memory_share(limits.query_memory_percent).0,
    }
}

/// Counts the limit that ended a query.
fn count(result: &Result<Answer, QueryError>, limits: &Limits) {
    match result {
        Err(QueryError::Limit(limit, _)) => limits.hit(*limit),
        Err(QueryError::Timeout) => limits.hit(Limit::QueryTimeout),
        Err(QueryError::Source(error)) => error.count_in(&limits.hits),
        _ => {}
    }
}

/// Returns what an answer holds, near enough for the pool. Strings of labels belong to the store.
fn result_bytes(value: &QueryValue) -> u64 {
    let bytes: usize = match value {
        QueryValue::Scalar { .. } => 0,
        QueryValue::String { value, .. } => value.len(),
        QueryValue::Vector { samples, .. } => {
            let labels: usize = samples.iter().map(|s| size_of_val(s.labels.as_slice())).sum();
            labels + size_of_val(samples.as_slice())
        }
        QueryValue::Matrix(series) => series
            .iter()
            .map(|s| {
                let histograms: usize = s.histograms.iter().map(|(_, h)| h.bytes()).sum();
                let labels = size_of_val(s.labels.as_slice());
                size_of_val(s) + labels + size_of_val(s.floats.as_slice()) + histograms
            })
            .sum(),
    };
    bytes as u64
}

fn outcome(result: &Result<Answer, QueryError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Ok,
        Err(QueryError::Timeout) => Outcome::Timeout,
        Err(QueryError::Canceled) => Outcome::Canceled,
        Err(QueryError::Source(error)) => names_outcome(error),
        Err(_) => Outcome::Refused,
    }
}

/// Returns how a question that ended with `error` is counted.
pub(crate) fn names_outcome(error: &Error) -> Outcome {
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::LimitExceeded { .. } => {
            Outcome::Refused
        }
        _ => Outcome::Failed,
    }
}
