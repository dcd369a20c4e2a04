//! The bridges to alerting.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use tarn_alerting::api;
use tarn_model::error::{Direction, Error};

use super::admin::failed;
use crate::app::App;
use crate::{rule_files, tenant};

/// Rules and alerts, as Prometheus answers.
pub(super) fn prometheus(
    app: &App,
    endpoint: api::prometheus::Endpoint,
    request: &Request,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    match tenant::of(request.headers(), app.config.tenants.required) {
        Ok(tenant) => api::prometheus::handle(&app.alerting, endpoint, &tenant, query),
        Err(e) => failed(&e, Direction::Read),
    }
}

/// Rules that are set, as Mimir's ruler answers.
pub(super) async fn ruler(app: &App, endpoint: api::ruler::Endpoint, request: Request) -> Response {
    match tenant::of(request.headers(), app.config.tenants.required) {
        Ok(tenant) => api::ruler::handle(&app.alerting, endpoint, &tenant, request).await,
        Err(e) => failed(&e, Direction::Read),
    }
}

/// Tarn's own.
pub(super) fn native(app: &App, endpoint: api::native::Endpoint, request: &Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    match tenant::of(request.headers(), app.config.tenants.required) {
        Ok(tenant) => api::native::handle(&app.alerting, endpoint, &tenant, query),
        Err(e) => failed(&e, Direction::Read),
    }
}

/// Objectives and their budgets.
pub(super) async fn slos(app: &App, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    match tenant::of(&parts.headers, app.config.tenants.required) {
        Ok(tenant) => api::slos::handle(&app.alerting, &tenant, query).await,
        Err(e) => failed(&e, Direction::Read),
    }
}

/// Alertmanager's second version. Before alerting knows what it kept, nothing is shown as if it
/// were not there.
pub(super) async fn alertmanager(
    app: &App,
    endpoint: api::alertmanager_v2::Endpoint,
    request: Request,
) -> Response {
    let tenant = app.alerting.ready();
    let tenant = tenant.and_then(|()| tenant::of(request.headers(), app.config.tenants.required));
    match tenant {
        Ok(tenant) => {
            let state = Arc::new(app.alerting.clone());
            api::alertmanager_v2::handle(state, endpoint, tenant, request).await
        }
        Err(e) => failed(&e, Direction::Read),
    }
}

/// `POST /-/reload`: takes the files of rules and routes as they are now.
pub(super) async fn reload(app: &App) -> Response {
    let Some(sources) = rule_files::read_apart(&app.config.alerting).await else {
        return failed(&Error::internal("files of rules could not be read"), Direction::Read);
    };
    if app.alerting.reload(sources).await {
        return StatusCode::OK.into_response();
    }
    let problems = app.alerting.status().problems;
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let text = format!("the old rules run on; wrong is:\n{}\n", lines.join("\n"));
    (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
}
