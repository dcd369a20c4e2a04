//! The handlers that belong to the process itself, and the bridges to ingest and query.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use tarn_ingest::receive::remote_write::remote_write;
use tarn_model::error::{Direction, Error, ErrorKind};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_query::api::native;
use tarn_query::api::prometheus::{self, Endpoint};
use tarn_storage::catalog::format::WriterRecord;
use tarn_storage::compact::plan::Which;
use tracing::error;

use super::envelope;
use crate::app::App;
use crate::telemetry::{exposition, registry};

/// `/`: what stands here, for a browser that comes by.
pub(crate) fn root(app: &App) -> Response {
    let version = registry::VERSION;
    let address = app.addresses.http;
    format!(
        "Tarn {version}\n\n\
         send   POST http://{address}/v1/logs                 OTLP: also /v1/traces, /v1/metrics\n\
         send   POST http://{address}/api/v1/write            Prometheus remote write 1.0 and 2.0\n\
         ask    GET  http://{address}/api/v1/query?query=up   PromQL, as Prometheus answers it\n\
         see    /status  /readyz?verbose  /metrics\n"
    )
    .into_response()
}

/// `/metrics`, in OpenMetrics where the scraper accepts it, else in the older text format.
pub(crate) fn metrics(app: &App, headers: &HeaderMap) -> Response {
    let accepts = headers.get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let text = match exposition::open_metrics(&app.registry) {
        Ok(text) => text,
        Err(e) => {
            return failed(&Error::internal("encode metrics").with_source(e), Direction::Read);
        }
    };
    let (kind, text) = if accepts.contains("application/openmetrics-text") {
        (exposition::OPEN_METRICS, text)
    } else {
        (exposition::PLAIN, exposition::plain(&text))
    };
    ([(CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response()
}

/// `/status`: what runs here, as JSON.
pub(crate) fn status(app: &App) -> Response {
    let readiness = app.readiness();
    let usage = registry::usage();
    let changed: serde_json::Map<String, serde_json::Value> = app
        .config
        .changed
        .iter()
        .map(|s| (s.key.to_owned(), format!("{} ({})", s.text, s.origin).into()))
        .collect();
    axum::Json(serde_json::json!({
        "version": registry::VERSION,
        "uptime_seconds": app.clock.monotonic().as_secs(),
        "ready": { "ingest": readiness.ingest.is_none(), "query": readiness.query.is_none() },
        "reasons": { "ingest": readiness.ingest, "query": readiness.query },
        "ui": { "built": tarn_ui::BUILT, "base_path": app.config.ui.base_path.to_string() },
        "data": app.config.storage.path.display().to_string(),
        "memory_budget_bytes": app.config.limits.memory_budget.0,
        "resident_bytes": usage.resident_bytes as u64,
        "cpu_seconds": usage.cpu_seconds,
        "settings": changed,
    }))
    .into_response()
}

/// `POST /-/flush`: writes the head to blocks, and what alerting remembers to its image, and answers
/// when both are done: a backup takes them then.
pub(crate) async fn flush(app: &App) -> Response {
    let flushed = app.storage.flush().await;
    app.alerting.save().await;
    match flushed {
        Ok(report) => axum::Json(serde_json::json!({
            "blocks": report.blocks,
            "samples": report.samples,
            "rows": report.rows,
            "bytes": report.bytes,
            "manifest": report.manifest,
            "writer": app.storage.writer_id(),
        }))
        .into_response(),
        Err(e) => failed(&e, Direction::Read),
    }
}

/// `POST /-/compact`: merges blocks as far as it goes and answers when that is done. `tenant` and
/// `signal` bound what is merged.
pub(crate) async fn compact(app: &App, query: Option<&str>) -> Response {
    let which = match which(query.unwrap_or_default()) {
        Ok(which) => which,
        Err(e) => return failed(&e, Direction::Read),
    };
    match app.storage.compact(&which).await {
        Ok(report) => axum::Json(serde_json::json!({
            "merges": report.merges,
            "inputs": report.inputs,
            "outputs": report.outputs,
            "bytes_read": report.bytes_read,
            "bytes_written": report.bytes_written,
            "dropped": report.dropped,
            "failed": report.failed,
            "manifest": report.manifest,
        }))
        .into_response(),
        Err(e) => failed(&e, Direction::Read),
    }
}

/// `POST /-/repair`: builds blocks of what was set aside because it could not be written, of one
/// `tenant` or of all.
pub(crate) async fn repair(app: &App, query: Option<&str>) -> Response {
    let which = match which(query.unwrap_or_default()) {
        Ok(Which { tenant, signal: None }) => tenant,
        Ok(_) => {
            return failed(&Error::invalid("parameter \"signal\" is unknown"), Direction::Read);
        }
        Err(e) => return failed(&e, Direction::Read),
    };
    match app.storage.repair(which.as_ref()).await {
        Ok(report) => axum::Json(serde_json::json!({
            "repaired": report.repaired,
            "blocks": report.blocks,
            "failed": report.failed.iter().map(|(object, error)| {
                serde_json::json!({ "object": object, "error": error })
            }).collect::<Vec<_>>(),
        }))
        .into_response(),
        Err(e) => failed(&e, Direction::Read),
    }
}

fn which(query: &str) -> Result<Which, Error> {
    let mut which = Which::default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "tenant" => which.tenant = Some(TenantId::parse(&value)?),
            "signal" => {
                let signal = Signal::parse(&value).ok_or_else(|| {
                    Error::invalid(format!("signal is {value:?}, must be metrics, logs or traces"))
                })?;
                which.signal = Some(signal);
            }
            _ => return Err(Error::invalid(format!("parameter {name:?} is unknown"))),
        }
    }
    Ok(which)
}

/// `/api/v1/nodes`: who writes to the bucket, and whether rows of it may be missing here.
pub(crate) fn nodes(app: &App) -> Response {
    let (state, own) = (app.storage.catalog(), app.storage.writer_id());
    let nodes: Vec<_> = state
        .writers()
        .map(|record| {
            let WriterRecord { writer, committed } = record;
            serde_json::json!({
                "id": writer.id,
                "label": writer.label,
                "state": writer.state,
                "epoch": writer.epoch,
                "committed": committed,
                "own": writer.id == own,
            })
        })
        .collect();
    axum::Json(serde_json::json!({ "nodes": nodes })).into_response()
}

/// `POST /-/forget?node=ID`: gives up a writer whose data folder is lost.
pub(crate) async fn forget(app: &App, query: Option<&str>) -> Response {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, node)) = pairs.find(|(name, _)| name == "node") else {
        return failed(&Error::invalid("parameter \"node\" is missing"), Direction::Read);
    };
    match app.storage.forget(&node).await {
        Ok(()) => axum::Json(serde_json::json!({ "forgotten": node })).into_response(),
        Err(e) => failed(&e, Direction::Read),
    }
}

/// `/api/v1/usage`: what is stored, per tenant and signal, and what is being merged.
pub(crate) fn usage(app: &App) -> Response {
    let (stored, jobs) = (app.storage.stats(), app.storage.jobs());
    axum::Json(serde_json::json!({ "stored": stored, "jobs": jobs })).into_response()
}

/// Prometheus remote write.
pub(crate) async fn write(app: &Arc<App>, tenant: TenantId, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    remote_write(&app.ingest, tenant, &parts.headers, body).await
}

/// The API of Prometheus.
pub(crate) async fn prometheus(
    app: &Arc<App>,
    endpoint: Endpoint,
    tenant: TenantId,
    request: Request,
) -> Response {
    prometheus::handle(&app.engine, endpoint, tenant, request).await
}

/// Tarn's own API.
pub(crate) async fn native(
    app: &Arc<App>,
    endpoint: native::Endpoint,
    tenant: TenantId,
    request: Request,
) -> Response {
    native::handle(&app.engine, endpoint, tenant, request).await
}

/// SQL.
pub(crate) async fn sql(app: &Arc<App>, tenant: TenantId, request: Request) -> Response {
    tarn_query::api::sql::handle(&app.engine, tenant, request).await
}

/// Answers an error of ours in the envelope of the Prometheus API.
pub(crate) fn failed(error: &Error, direction: Direction) -> Response {
    let reply = error.reply(direction);
    let error_type = match error.kind() {
        ErrorKind::Invalid | ErrorKind::LimitExceeded { .. } => "bad_data",
        ErrorKind::Unauthenticated => "unauthorized",
        ErrorKind::Forbidden => "forbidden",
        ErrorKind::NotFound => "not_found",
        ErrorKind::Unavailable { .. } => "unavailable",
        ErrorKind::Corrupt | ErrorKind::Internal => "internal",
    };
    if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Internal) {
        error!(error = %error.message(), "request failed");
    }
    let status = StatusCode::from_u16(reply.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = envelope(status, error_type, &error.message());
    if let Some(after) = reply.retry_after {
        let seconds = HeaderValue::from(after.as_secs().max(1));
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}
