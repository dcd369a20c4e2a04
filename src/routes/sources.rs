//! `GET /api/v1/sources`: who sends, as far as they say who they are.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tarn_ingest::sources::Source;
use tarn_model::error::{Direction, Error, Result};
use tarn_model::tenant::TenantId;
use tarn_query::api::prometheus::time::parse_time;
use url::form_urlencoded;

use super::admin::failed;
use crate::app::App;

/// Answers with the sources of the tenant that sent something since `since`, the newest first.
pub(super) fn list(app: &App, tenant: &TenantId, request: &Request) -> Response {
    match sources(app, tenant, request) {
        Ok(sources) => {
            let data = json!({ "sources": sources });
            axum::Json(json!({ "status": "success", "data": data })).into_response()
        }
        Err(error) => failed(&error, Direction::Read),
    }
}

fn sources(app: &App, tenant: &TenantId, request: &Request) -> Result<Vec<Value>> {
    let query = request.uri().query().unwrap_or_default();
    let since = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "since");
    let since_ms = match since {
        Some((_, text)) => {
            parse_time(&text).map_err(|e| Error::invalid(format!("parameter since: {e}")))?
        }
        None => i64::MIN,
    };
    Ok(app.ingest.sources(tenant, since_ms).iter().map(shown).collect())
}

fn shown(source: &Source) -> Value {
    json!({
        "signal": source.signal.as_str(),
        "name": &*source.name,
        "first_seen_ms": source.first_seen_ms,
        "last_seen_ms": source.last_seen_ms,
        "rows": source.rows,
        "own": source.own,
    })
}
