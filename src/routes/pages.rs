//! The way of a page to a browser: the app's page and files from the binary, with what the request asks
//! for. Everything about their headers is in `tarn_ui`.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{LOCATION, VARY};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use tarn_ui::base::BasePath;
use tarn_ui::{accept, files, graph as prometheus_links};
use tracing::error;

use super::{envelope, nothing_at};
use crate::app::App;

/// Any page: the app reads the address.
pub(super) fn page(app: &App) -> Response {
    match app.page.answer() {
        Ok(page) => page.map(Body::from),
        Err(e) => {
            error!(error = e, "a page was not answered");
            envelope(StatusCode::INTERNAL_SERVER_ERROR, "internal", &e)
        }
    }
}

/// An address that is a page to browsers and something else to programs.
pub(super) fn or(
    app: &App,
    headers: &HeaderMap,
    other: impl FnOnce(&HeaderMap) -> Response,
) -> Response {
    let mut response = if accept::wants_html(headers) { page(app) } else { other(headers) };
    response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
    response
}

/// A file of the app. One that is not there is never the page: a browser would take it for a script.
pub(super) fn file(request: &Request) -> Response {
    let path = request.uri().path();
    let answer = files::answer(path, request.headers());
    answer.map_or_else(|| nothing_at(path), |file: http::Response<Bytes>| file.map(Body::from))
}

/// `/graph`, as links in alerts of Prometheus have it.
pub(super) fn graph(app: &App, query: Option<&str>) -> Response {
    let to = prometheus_links::location(&app.config.ui.base_path, query.unwrap_or_default());
    match HeaderValue::from_str(&to) {
        Ok(to) => (StatusCode::FOUND, [(LOCATION, to)]).into_response(),
        Err(_) => envelope(StatusCode::BAD_REQUEST, "bad_data", "the link leads nowhere"),
    }
}

/// Takes the prefix from a path that has it: whatever stands in front may have done so or not.
pub(super) fn strip(base: &BasePath, mut request: Request) -> Request {
    let Some(rest) = base.strip(request.uri().path()) else { return request };
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = request.uri().clone().into_parts();
    // What was a path is one without its beginning too.
    parts.path_and_query = format!("{rest}{query}").parse().ok().or(parts.path_and_query);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}
