//! Tarn's own API: searches of logs and traces, and traces by id, as JSON.
//!
//! The envelope is that of the Prometheus API; beside `data` and `warnings` it has `stats`: what the
//! answer took. Times are given twice, as RFC 3339 and as ns since the epoch in quotes, because
//! JavaScript has no integers of that size. A search that is wrong is answered 400 with the part of
//! the text that is meant: `span`, in bytes.

mod counts;
mod logs;
mod names;
mod queries;
mod run;
mod service;
mod services;
mod sql_of;
mod tail;
mod trace;
mod traces;
mod within;

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, Response};
use tarn_model::error::Error;
use tarn_model::tenant::TenantId;
use tarn_storage::schema::tables::Table;

use super::frame;
use super::json::object::Object;
use super::prometheus::params::Params;
use super::prometheus::{GRACE, read_form, wrong_method};
use super::reply::{self, Failure, Gone, Remarks, Sink, Terms};
use crate::engine::{Engine, names_outcome};
use crate::govern::metrics::{Language, Outcome};
use crate::govern::{Cancel, Report, Running};
use crate::logs::page::Direction;
use crate::search::SearchError;
use crate::search::ast::Query;
use crate::search::parse::{ParseLimits, parse};
use crate::search::plan::{Plan, plan};
use crate::search::scan::{Cost, End, Range};

/// Rows of a page, unless a request says otherwise.
const LIMIT: usize = 100;

/// Rows of a page at most: what a person scrolls through, and what fits in memory without looking.
const LIMIT_MAX: usize = 10_000;

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Log records that a search finds.
    LogsSearch,
    /// How many log records a search finds when, by level.
    LogsHistogram,
    /// Which values keys have in the log records that a search finds.
    LogsFacets,
    /// What the sender of a log record wrote before and after it.
    LogsContext,
    /// Log records that a search finds, as they are stored.
    LogsTail,
    /// Names that begin as somebody has begun to write.
    Names,
    /// The SQL that finds the rows of a search.
    SqlOf,
    /// Traces that a search finds.
    TracesSearch,
    /// How many spans that a search finds there are when, by duration.
    TracesHistogram,
    /// Which of some traces are stored.
    TracesStored,
    /// A trace by its id, which the path names.
    Trace,
    /// One span of a trace, which the path names.
    Span,
    /// Services with their rates, errors and durations.
    Services,
    /// One service, which the path names.
    Service,
    /// Who calls whom.
    ServicesGraph,
    /// Queries that run, and slow ones that ran.
    Queries,
    /// An end to a query, which the path names.
    CancelQuery,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 17] = [
        Self::LogsSearch,
        Self::LogsHistogram,
        Self::LogsFacets,
        Self::LogsContext,
        Self::LogsTail,
        Self::Names,
        Self::SqlOf,
        Self::TracesSearch,
        Self::TracesHistogram,
        Self::TracesStored,
        Self::Trace,
        Self::Span,
        Self::Services,
        Self::Service,
        Self::ServicesGraph,
        Self::Queries,
        Self::CancelQuery,
    ];

    /// Returns the path below `/api/v1`, with axum's placeholder for the id.
    pub fn path(self) -> &'static str {
        match self {
            Self::LogsSearch => "/logs/search",
            Self::LogsHistogram => "/logs/histogram",
            Self::LogsFacets => "/logs/facets",
            Self::LogsContext => "/logs/context",
            Self::LogsTail => "/logs/tail",
            Self::Names => "/names",
            Self::SqlOf => "/sql/of",
            Self::TracesSearch => "/traces/search",
            Self::TracesHistogram => "/traces/histogram",
            Self::TracesStored => "/traces/stored",
            Self::Trace => "/traces/{id}",
            Self::Span => "/traces/{id}/spans/{span_id}",
            Self::Services => "/services",
            Self::Service => "/services/{name}",
            Self::ServicesGraph => "/services/graph",
            Self::Queries => "/queries",
            Self::CancelQuery => "/queries/{id}/cancel",
        }
    }

    /// Returns the methods that are answered.
    pub fn methods(self) -> &'static [Method] {
        match self {
            Self::Trace | Self::Span | Self::Queries => &[Method::GET],
            Self::CancelQuery => &[Method::POST],
            Self::LogsSearch
            | Self::LogsHistogram
            | Self::LogsFacets
            | Self::LogsContext
            | Self::LogsTail
            | Self::Names
            | Self::SqlOf
            | Self::TracesSearch
            | Self::TracesHistogram
            | Self::TracesStored
            | Self::Services
            | Self::Service
            | Self::ServicesGraph => &[Method::GET, Method::POST],
        }
    }
}

/// Answers a request. `tenant` is whose data is read.
pub async fn handle(
    engine: &Engine,
    endpoint: Endpoint,
    tenant: TenantId,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if let Some(refused) = wrong_method(&parts.method, endpoint.methods()) {
        return refused;
    }
    let form = match read_form(engine, &parts, body).await {
        Ok(form) => form,
        Err(failure) => return failure.response(),
    };
    let params = Params::new(&form, parts.uri.query().unwrap_or(""));
    let wants_frame = frame::is_wanted(&parts.headers);
    let engine_of_call = engine.clone();
    let call =
        Call { engine: engine_of_call, tenant, params, cancel: Cancel::default(), wants_frame };
    if endpoint == Endpoint::LogsTail {
        return tail::tail(call);
    }
    let cancel = call.cancel.clone();
    let patience = call.timeout().unwrap_or_default() + GRACE;
    let path = parts.uri.path().to_owned();
    let terms = Terms { runtime: engine.runtime(), clock: engine.clock(), cancel, patience };
    reply::run(terms, move |sink| async move {
        // The only error is that nobody listens any more, and the task ends here anyway.
        call.answer(endpoint, &path, sink).await.ok();
    })
    .await
}

/// One request on its way.
struct Call {
    engine: Engine,
    tenant: TenantId,
    params: Params,
    cancel: Cancel,
    /// The client takes columns where there are some.
    wants_frame: bool,
}

/// A search as it was asked.
struct Asked {
    text: String,
    plan: Plan,
    range: Range,
    limit: usize,
}

impl Call {
    async fn answer(self, endpoint: Endpoint, path: &str, sink: Sink) -> Result<(), Gone> {
        match endpoint {
            Endpoint::LogsSearch => logs::search(&self, sink).await,
            Endpoint::LogsHistogram => counts::histogram(&self, sink).await,
            Endpoint::LogsFacets => counts::facets(&self, sink).await,
            Endpoint::LogsContext => logs::context(&self, sink).await,
            // Answered without a task of its own; see `handle`.
            Endpoint::LogsTail => Ok(()),
            Endpoint::Names => names::list(&self, sink).await,
            Endpoint::SqlOf => sql_of::sql_of(&self, sink).await,
            Endpoint::TracesSearch => traces::search(&self, sink).await,
            Endpoint::TracesHistogram => traces::histogram(&self, sink).await,
            Endpoint::TracesStored => trace::stored(&self, sink).await,
            Endpoint::Trace => trace::by_id(&self, path, sink).await,
            Endpoint::Span => trace::span(&self, path, sink).await,
            Endpoint::Services => services::list(&self, sink).await,
            Endpoint::Service => service::one(&self, path, sink).await,
            Endpoint::ServicesGraph => service::graph(&self, sink).await,
            Endpoint::Queries => queries::list(&self, sink).await,
            Endpoint::CancelQuery => queries::cancel(&self, path, sink).await,
        }
    }

    /// Returns the time limit. A search is answered with what was found until then.
    fn timeout(&self) -> Result<Duration, Failure> {
        let max = self.engine.limits_of(&self.tenant).sql_timeout;
        Ok(self.params.timeout()?.map_or(max, |timeout| timeout.min(max)))
    }

    /// Reads a search.
    fn parsed(&self) -> Result<Query, Failure> {
        let limits = ParseLimits::from(&*self.engine.limits_of(&self.tenant));
        parse(self.params.get("q"), limits).map_err(|error| self.mistake(&error))
    }

    /// Tells what is wrong with a search, and where.
    fn mistake(&self, error: &SearchError) -> Failure {
        let message = error.describe(self.params.get("q"));
        Failure::parameter("q", message).with_span(error.span.start, error.span.end)
    }

    /// Returns in which direction pages follow each other.
    fn direction(&self) -> Result<Direction, Failure> {
        let text = self.params.get("direction");
        Direction::parse(text).ok_or_else(|| {
            Failure::parameter("direction", format!("{text:?} is not backward or forward"))
        })
    }

    /// Reads the parameters of a search.
    fn asked(&self, table: Table) -> Result<Asked, Failure> {
        let text = self.params.get("q").to_owned();
        let plan = plan(&self.parsed()?, table).map_err(|error| self.mistake(&error))?;
        let limit = self.number("limit", LIMIT, 1..=LIMIT_MAX)?;
        Ok(Asked { text, plan, range: self.range()?, limit })
    }

    /// Returns a number that may be left out.
    fn number(
        &self,
        name: &str,
        default: usize,
        allowed: RangeInclusive<usize>,
    ) -> Result<usize, Failure> {
        let given = self.params.get(name);
        if given.is_empty() {
            return Ok(default);
        }
        given.parse().ok().filter(|n| allowed.contains(n)).ok_or_else(|| {
            let (min, max) = (allowed.start(), allowed.end());
            Failure::parameter(name, format!("{given:?} is not a number from {min} to {max}"))
        })
    }

    /// Returns `start`, which is included, and `end`, which is not.
    fn range(&self) -> Result<Range, Failure> {
        let asked = self.params.range()?;
        if asked.end_ms < asked.start_ms {
            return Err(Failure::parameter("end", "end timestamp must not be before start time"));
        }
        let end_us = match asked.end_ms {
            i64::MAX => i64::MAX,
            end_ms => end_ms.saturating_mul(1000).saturating_sub(1),
        };
        Ok(Range { start_us: asked.start_ms.saturating_mul(1000), end_us })
    }

    /// Waits for a slot.
    async fn admit(&self) -> Result<Running, Failure> {
        let timeout = self.timeout()?;
        let running = self.engine.admit(Language::Search, timeout, self.cancel.clone()).await?;
        running.describe(&self.tenant, self.params.get("q"));
        Ok(running)
    }

    /// Gives the slot back.
    fn finish<T>(
        &self,
        running: Running,
        text: &str,
        cost: Cost,
        result: &Result<(T, End), Error>,
    ) {
        let outcome = match result {
            Ok((_, End::Whole)) => Outcome::Ok,
            Ok((_, End::OutOfTime)) => Outcome::Timeout,
            Err(error) => names_outcome(error),
        };
        let tenant = &self.tenant;
        let samples = cost.rows_scanned;
        running.finish(outcome, &Report { tenant, text, series: 0, samples, bytes_peak: 0 });
    }

    /// Collects what there is to say about an answer, in its warnings and its headers.
    fn remarks(&self, partial: Option<String>, end: End, sink: &mut Sink) -> Remarks {
        let mut remarks = Remarks::default();
        if let Some(why) = partial {
            remarks.warnings.push(why);
            sink.mark_partial();
        }
        if end == End::OutOfTime {
            let limit = self.timeout().unwrap_or_default().as_secs_f64();
            let message =
                format!("not everything was searched: the time limit of {limit} s is over");
            remarks.warnings.push(message);
            sink.mark_partial();
        }
        remarks
    }
}

/// Writes what the answer took, behind `data`.
fn stats(out: &mut Vec<u8>, rows: usize, cost: Cost, elapsed: Duration) {
    stats_into(&mut Object::within(out), rows, cost, elapsed);
}

fn stats_into(envelope: &mut Object<'_>, rows: usize, cost: Cost, elapsed: Duration) {
    let mut object = Object::new(envelope.member("stats"));
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    object.int("rows", number(rows as u64));
    object.int("rows_scanned", number(cost.rows_scanned));
    object.int("bytes", number(cost.bytes));
    object.int("pages", number(cost.pages));
    object.int("pages_pruned", number(cost.pages_pruned));
    object.int("files", number(cost.files));
    object.int("files_pruned", number(cost.files_pruned));
    object.int("ms", number(elapsed.as_millis() as u64));
    object.close();
}
