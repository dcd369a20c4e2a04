//! The HTTP API of Prometheus.
//!
//! [`Endpoint`] is the table of what is answered; the server maps its paths. [`handle`] takes a
//! request through: method, form, parameters, then a task on the query runtime that asks the engine
//! and writes the answer.
//!
//! - [`params`](self): parameters with upstream's error texts
//! - `query`: query, query_range, format_query; `columns`: a range as a frame
//! - `exemplars`: query_exemplars
//! - `names`: labels, label values, series, metadata
//! - `status`: buildinfo, runtimeinfo
//! - `cardinality`: tsdb
//! - [`time`]: times and durations as text

mod cardinality;
mod columns;
mod exemplars;
mod names;
pub(crate) mod params;
mod query;
mod status;
pub mod time;

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tarn_model::error::{Direction, Error, ErrorKind};
use tarn_model::tenant::TenantId;
use tarn_promql::query::QueryError;

pub(crate) use self::params::Params;
use super::frame;
use super::reply::{self, Failure, Sink, Terms};
use crate::engine::Engine;
use crate::govern::Cancel;

/// A query that ends at its deadline tells so itself, within this time; after it nobody waits.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// An expression at one time.
    Query,
    /// An expression at many times.
    QueryRange,
    /// An expression, laid out.
    FormatQuery,
    /// Exemplars of the series that an expression selects.
    QueryExemplars,
    /// Label names.
    Labels,
    /// Values of one label, which the path names.
    LabelValues,
    /// Label sets.
    Series,
    /// Type, unit and help of metrics.
    Metadata,
    /// Version.
    BuildInfo,
    /// State of the process.
    RuntimeInfo,
    /// What the active series are made of.
    Tsdb,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 11] = [
        Self::Query,
        Self::QueryRange,
        Self::FormatQuery,
        Self::QueryExemplars,
        Self::Labels,
        Self::LabelValues,
        Self::Series,
        Self::Metadata,
        Self::BuildInfo,
        Self::RuntimeInfo,
        Self::Tsdb,
    ];

    /// Returns the path below `/api/v1`, with axum's placeholder for the label name.
    pub fn path(self) -> &'static str {
        match self {
            Self::Query => "/query",
            Self::QueryRange => "/query_range",
            Self::FormatQuery => "/format_query",
            Self::QueryExemplars => "/query_exemplars",
            Self::Labels => "/labels",
            Self::LabelValues => "/label/{name}/values",
            Self::Series => "/series",
            Self::Metadata => "/metadata",
            Self::BuildInfo => "/status/buildinfo",
            Self::RuntimeInfo => "/status/runtimeinfo",
            Self::Tsdb => "/status/tsdb",
        }
    }

    /// Returns the methods that are answered; others get 405, on which Grafana falls back to GET.
    pub fn methods(self) -> &'static [Method] {
        match self {
            Self::Query
            | Self::QueryRange
            | Self::FormatQuery
            | Self::QueryExemplars
            | Self::Labels
            | Self::Series => &[Method::GET, Method::POST],
            Self::LabelValues
            | Self::Metadata
            | Self::BuildInfo
            | Self::RuntimeInfo
            | Self::Tsdb => &[Method::GET],
        }
    }
}

/// Answers a request.
///
/// `tenant` is whose data is read. The body of a POST is read here, up to the limit of a form; the
/// name in the path of [`Endpoint::LabelValues`] is taken from the path of the request.
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
    let (engine, cancel) = (engine.clone(), Cancel::default());
    let call = Call { engine, tenant, params, cancel, wants_frame };
    let engine = call.engine.clone();
    let cancel = call.cancel.clone();
    let path = parts.uri.path().to_owned();
    let timeout_max = engine.limits_of(&call.tenant).query_timeout;
    // A timeout that cannot be read is told by the one who needs it.
    let timeout = call.params.timeout().ok().flatten().unwrap_or(timeout_max);
    let patience = timeout.min(timeout_max) + GRACE;
    let (runtime, clock) = (engine.runtime(), engine.clock());
    reply::run(Terms { runtime, clock, cancel, patience }, move |sink| async move {
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

impl Call {
    async fn answer(self, endpoint: Endpoint, path: &str, sink: Sink) -> Result<(), reply::Gone> {
        match endpoint {
            Endpoint::Query => query::instant(self, sink).await,
            Endpoint::QueryRange => query::range(self, sink).await,
            Endpoint::FormatQuery => query::format(&self, sink).await,
            Endpoint::QueryExemplars => exemplars::query(&self, sink).await,
            Endpoint::Labels => names::labels(&self, sink).await,
            Endpoint::LabelValues => names::label_values(&self, path, sink).await,
            Endpoint::Series => names::series(&self, sink).await,
            Endpoint::Metadata => names::metadata(&self, sink).await,
            Endpoint::BuildInfo => status::build_info(&self.engine, sink).await,
            Endpoint::RuntimeInfo => status::runtime_info(&self.engine, sink).await,
            Endpoint::Tsdb => cardinality::tsdb(&self, sink).await,
        }
    }
}

/// Refuses a method that is not answered; HEAD is GET without the body.
pub(crate) fn wrong_method(method: &Method, methods: &[Method]) -> Option<Response<Body>> {
    let head = *method == Method::HEAD && methods.contains(&Method::GET);
    if head || methods.contains(method) {
        return None;
    }
    let allowed: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let allowed = allowed.join(", ");
    let message = format!("method is not allowed, use {allowed}");
    let failure = Failure::of(StatusCode::METHOD_NOT_ALLOWED, "bad_data", message);
    let mut response = failure.response();
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    Some(response)
}

/// Reads a form, within the limit. A POST with a body of another type has no form.
pub(crate) async fn read_form(
    engine: &Engine,
    parts: &http::request::Parts,
    body: Body,
) -> Result<Bytes, Failure> {
    let limit = engine.options().limits.form_bytes_max;
    let is_form = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|t| t.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    if parts.method != Method::POST || !is_form {
        return Ok(Bytes::new());
    }
    let too_large = || {
        let message = format!("form is larger than the limit of {limit}");
        Failure::of(StatusCode::PAYLOAD_TOO_LARGE, "bad_data", message)
    };
    let declared = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    if declared.and_then(|v| v.parse::<u64>().ok()).is_some_and(|bytes| bytes > limit.0) {
        return Err(too_large());
    }
    match Limited::new(body, limit.as_usize()).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Failure::bad_data(format!("error parsing form values: {error}"))),
    }
}

impl From<Error> for Failure {
    /// Tells an error of reading. What the request cannot help is not `bad_data`.
    fn from(error: Error) -> Self {
        let reply = error.reply(Direction::Read);
        let error_type = match error.kind() {
            ErrorKind::Invalid => "bad_data",
            ErrorKind::NotFound => "not_found",
            ErrorKind::LimitExceeded { .. } => "execution",
            ErrorKind::Unavailable { .. } => "unavailable",
            _ => "internal",
        };
        let status = StatusCode::from_u16(reply.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = reply.retry_after;
        Self { status, error_type, message: error.message(), retry_after, span: None }
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let status = match &error {
            QueryError::BadData(_) => StatusCode::BAD_REQUEST,
            QueryError::Execution(_) | QueryError::Unsupported(_) | QueryError::Limit(..) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            QueryError::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            QueryError::Canceled => client_closed_request(),
            QueryError::Source(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let error_type = error.error_type();
        match error {
            QueryError::Source(error) => Self::from(error),
            // The parser knows no parameters; here the text came in one.
            QueryError::BadData(message) => Self::parameter("query", message),
            other => Self::of(status, error_type, other.to_string()),
        }
    }
}

/// 499, which nginx made up and upstream uses.
fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests;
