//! How a caller is told that a request is not answered, in the words of the API that was called.

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};
use tarn_model::error::{Direction, Error};

use super::{Handler, Route, admin, calls};
use crate::app::App;
use crate::auth::decide::Needs;
use crate::auth::principal::Role;

/// What a client may use.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"tarn\"");
/// Not for scripts of pages: a browser would ask for a password in a window of its own.
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"tarn\", charset=\"UTF-8\"");
/// What only browsers send.
const FETCH_MODE: &str = "sec-fetch-mode";

/// Answers a request that is refused before its handler.
pub(super) async fn refuse(app: &App, route: &Route, request: Request, error: Error) -> Response {
    let is_browser = request.headers().contains_key(FETCH_MODE);
    let mut response = match route.handler {
        Handler::OtlpHttp(signal) => calls::otlp_http(app, signal, Err(error), request).await,
        Handler::OtlpGrpc(signal) => calls::otlp_grpc(app, signal, Err(error), request).await,
        Handler::Alertmanager(_) => as_alertmanager(&error, direction(route)),
        _ => admin::failed(&error, direction(route)),
    };
    if response.status() == StatusCode::UNAUTHORIZED {
        challenge(response.headers_mut(), is_browser);
    }
    response
}

fn direction(route: &Route) -> Direction {
    if route.needs == Needs::Tenant(Role::Ingest) { Direction::Write } else { Direction::Read }
}

fn challenge(headers: &mut HeaderMap, is_browser: bool) {
    headers.append(WWW_AUTHENTICATE, BEARER);
    if !is_browser {
        headers.append(WWW_AUTHENTICATE, BASIC);
    }
}

/// A reason is a JSON text there. Everything else of the answer is as everywhere.
fn as_alertmanager(error: &Error, direction: Direction) -> Response {
    let envelope = admin::failed(error, direction);
    let (mut parts, _) = envelope.into_parts();
    parts.headers.remove(http::header::CONTENT_LENGTH);
    (parts.status, parts.headers, axum::Json(error.message())).into_response()
}
