//! The bridges to alerting.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use tarn_alerting::api;
use tarn_model::error::{Direction, Error};
use tarn_model::tenant::TenantId;

use super::admin::failed;
use crate::app::App;
use crate::rule_files;

/// Rules and alerts, as Prometheus answers.
pub(super) fn prometheus(
    app: &App,
    endpoint: api::prometheus::Endpoint,
    tenant: &TenantId,
    request: &Request,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    api::prometheus::handle(&app.alerting, endpoint, tenant, query)
}

/// Rules that are set, as Mimir's ruler answers.
pub(super) async fn ruler(
    app: &App,
    endpoint: api::ruler::Endpoint,
    tenant: &TenantId,
    request: Request,
) -> Response {
    api::ruler::handle(&app.alerting, endpoint, tenant, request).await
}

/// Tarn's own.
pub(super) fn native(
    app: &App,
    endpoint: api::native::Endpoint,
    tenant: &TenantId,
    request: &Request,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    api::native::handle(&app.alerting, endpoint, tenant, query)
}

/// Objectives and their budgets.
pub(super) async fn slos(app: &App, tenant: &TenantId, query: &str) -> Response {
    api::slos::handle(&app.alerting, tenant, query).await
}

/// Alertmanager's second version. Before alerting knows what it kept, nothing is shown as if it
/// were not there.
pub(super) async fn alertmanager(
    app: &App,
    endpoint: api::alertmanager_v2::Endpoint,
    tenant: TenantId,
    request: Request,
) -> Response {
    if let Err(e) = app.alerting.ready() {
        return failed(&e, Direction::Read);
    }
    let state = Arc::new(app.alerting.clone());
    api::alertmanager_v2::handle(state, endpoint, tenant, request).await
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
