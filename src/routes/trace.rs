//! Which requests become spans of Tarn's own trace: every query and everything an administrator does,
//! one write in a hundred, no probe and no scrape.

use axum::extract::Request;
use axum::response::Response;
use tarn_model::rng::Rng;
use tracing::{Span, info_span};

use super::{Handler, Route};
use crate::auth::decide::Needs;
use crate::auth::principal::Role;
use crate::telemetry::capture::ERROR;

/// One write in so many: at 10,000 a second this is a span each 10 ms.
const WRITES_PER_SPAN: u64 = 100;

/// The header that says which trace a request belongs to.
const TRACE_PARENT: &str = "traceparent";

/// Begins the span of a request, which is none where it is not traced.
pub(super) fn begin(rng: &dyn Rng, route: &Route, request: &Request) -> Span {
    let probe = matches!(route.handler, Handler::Metrics | Handler::Status);
    let traced = match route.needs {
        Needs::Anyone => false,
        Needs::Tenant(Role::Ingest) => rng.next_u64().is_multiple_of(WRITES_PER_SPAN),
        Needs::Tenant(_) | Needs::Server(_) => !probe,
    };
    if !traced {
        return Span::none();
    }
    let method = request.method().as_str();
    let parent = request.headers().get(TRACE_PARENT).and_then(|v| v.to_str().ok());
    info_span!(
        "request",
        otel.name = format!("{method} {}", route.path),
        otel.kind = "server",
        otel.parent = parent.unwrap_or_default(),
        http.request.method = method,
        http.route = route.path,
        http.response.status_code = tracing::field::Empty,
        error = tracing::field::Empty,
    )
}

/// Ends the span of a request.
pub(super) fn end(span: &Span, response: &Response) {
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record(ERROR, status.as_str());
    }
}
