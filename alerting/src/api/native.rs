//! Tarn's own: how alerting does, what is wrong with its files, what became of notifications.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use tarn_model::tenant::TenantId;

use super::bad_data;
use crate::shell::Alerting;

/// How many deliveries are shown where nobody says.
const DELIVERIES_DEFAULT: usize = 100;
/// How many are shown at most.
const DELIVERIES_MAX: usize = 10_000;

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Whether rules run, and are those of the files.
    Status,
    /// What is wrong with the files.
    Problems,
    /// The last deliveries of notifications.
    Deliveries,
    /// What was given up.
    DeadLetters,
    /// Sends a dead letter again.
    Replay,
}

/// Answers a request; `query` is the query string.
pub fn handle(alerting: &Alerting, endpoint: Endpoint, tenant: &TenantId, query: &str) -> Response {
    match endpoint {
        Endpoint::Status => axum::Json(status(alerting, tenant)).into_response(),
        Endpoint::Problems => {
            // Files are of the default tenant, and what is wrong with them quotes them.
            let own = *tenant == TenantId::default_tenant();
            let problems = if own { alerting.status().problems } else { Vec::new() };
            axum::Json(serde_json::json!({ "problems": problems })).into_response()
        }
        Endpoint::Deliveries => deliveries(alerting, tenant, query),
        Endpoint::DeadLetters => {
            let letters = alerting.tenant(tenant).map(|t| t.outbox.dead_letters());
            let letters = letters.unwrap_or_default();
            axum::Json(serde_json::json!({ "dead_letters": letters })).into_response()
        }
        Endpoint::Replay => replay(alerting, tenant, query),
    }
}

fn status(alerting: &Alerting, tenant: &TenantId) -> serde_json::Value {
    let status = alerting.status();
    let groups = alerting.tenant(tenant).map(|t| t.groups()).unwrap_or_default();
    let rules: usize = groups.iter().map(|group| group.cells.len()).sum();
    let shared = alerting.shared();
    serde_json::json!({
        "running": status.running,
        "last_reload_successful": status.last_reload_successful,
        "last_reload": super::time_text(Some(status.last_reload_ms).filter(|ms| *ms > 0)),
        "last_success": super::time_text(Some(status.last_success_ms).filter(|ms| *ms > 0)),
        "problems": status.problems.len(),
        "groups": groups.len(),
        "rules": rules,
        "log_broken": shared.store.broken(),
        "external_url": shared.external_url,
    })
}

fn deliveries(alerting: &Alerting, tenant: &TenantId, query: &str) -> Response {
    let mut limit = DELIVERIES_DEFAULT;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match (&*name, value.parse()) {
            ("limit", Ok(asked)) => limit = usize::min(asked, DELIVERIES_MAX),
            ("limit", Err(_)) => return bad_data(&format!("limit {value:?} is not a number")),
            _ => return bad_data(&format!("parameter {name:?} is unknown")),
        }
    }
    let deliveries = alerting.tenant(tenant).map(|t| t.outbox.deliveries(limit));
    let deliveries = deliveries.unwrap_or_default();
    axum::Json(serde_json::json!({ "deliveries": deliveries })).into_response()
}

fn replay(alerting: &Alerting, tenant: &TenantId, query: &str) -> Response {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let id = pairs.find(|(name, _)| name == "id").map(|(_, value)| value.into_owned());
    let Some(Ok(id)) = id.map(|id| id.parse()) else {
        return bad_data("parameter \"id\" must name a delivery");
    };
    if alerting.tenant(tenant).is_some_and(|t| t.outbox.replay(id)) {
        return StatusCode::ACCEPTED.into_response();
    }
    let error = "there is no such dead letter";
    let body = serde_json::json!({ "status": "error", "errorType": "not_found", "error": error });
    (StatusCode::NOT_FOUND, axum::Json(body)).into_response()
}
