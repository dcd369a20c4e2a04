//! `GET /api/v1/slos`: objectives, what is left of their budgets, and how fast it goes.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use tarn_model::error::Direction;
use tarn_model::tenant::TenantId;

use super::{bad_data, success};
use crate::shell::Alerting;
use crate::slo::budget;

/// Answers a request; `query` is the query string: `name` asks for one objective only.
pub async fn handle(alerting: &Alerting, tenant: &TenantId, query: &str) -> Response {
    let mut wanted = None;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "name" => wanted = Some(value.into_owned()),
            _ => return bad_data(&format!("parameter {name:?} is unknown")),
        }
    }
    let mut objectives = match *tenant == TenantId::default_tenant() {
        true => alerting.objectives(),
        // Files belong to the default tenant.
        false => Vec::new(),
    };
    objectives.retain(|o| wanted.as_deref().is_none_or(|wanted| *o.name == *wanted));
    if let (Some(wanted), true) = (&wanted, objectives.is_empty()) {
        let message = format!("there is no objective {wanted:?}");
        let body =
            serde_json::json!({ "status": "error", "errorType": "not_found", "error": message });
        return (StatusCode::NOT_FOUND, axum::Json(body)).into_response();
    }
    let shared = alerting.shared();
    let now_ms = shared.clock.now().as_millis();
    let mut found = Vec::with_capacity(objectives.len());
    for objective in &objectives {
        match budget::status(&shared.engine, tenant, objective, now_ms).await {
            Ok(status) => found.push(status),
            Err(error) => {
                let reply = error.reply(Direction::Read);
                let status = StatusCode::from_u16(reply.http).unwrap_or(StatusCode::BAD_GATEWAY);
                let body = serde_json::json!({
                    "status": "error", "errorType": "unavailable", "error": error.message(),
                });
                return (status, axum::Json(body)).into_response();
            }
        }
    }
    success(found)
}
