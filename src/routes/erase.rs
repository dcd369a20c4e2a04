//! Deleting rows: the calls of Prometheus for series, and our own for every signal.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde_json::{Value, json};
use tarn_model::error::{Direction, Error, Result};
use tarn_model::matcher::parse_selector;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_query::api::prometheus::time::{format_rfc3339, parse_time};
use tarn_storage::retain::request::{EraseRequest, Erasing};

use super::admin::failed;
use crate::app::App;

/// The body of `POST /api/v1/erase`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    signal: String,
    #[serde(rename = "match")]
    matches: OneOrMore,
    start: Option<Time>,
    end: Option<Time>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// Seconds, or a text as everywhere in the API.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Time {
    Seconds(f64),
    Text(String),
}

impl Time {
    fn millis(&self) -> Result<i64> {
        match self {
            // Beyond i64 the cast saturates.
            Self::Seconds(seconds) => Ok((seconds * 1000.0).round() as i64),
            Self::Text(text) => parse_time(text).map_err(Error::invalid),
        }
    }
}

/// `POST /api/v1/admin/tsdb/delete_series?match[]=…&start=…&end=…`, as Prometheus has it.
pub(super) async fn delete_series(app: &Arc<App>, tenant: TenantId, request: Request) -> Response {
    let erased = async {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let form = read(app, request).await?;
        let request = series_request(tenant, &form, &query)?;
        app.storage.erase(&request).await
    };
    match erased.await {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(e) => failed(&e, Direction::Read),
    }
}

fn series_request(tenant: TenantId, form: &[u8], query: &str) -> Result<EraseRequest> {
    let both = [form, query.as_bytes()];
    let pairs = both.into_iter().flat_map(|text| url::form_urlencoded::parse(text).into_owned());
    let pairs: Vec<(String, String)> = pairs.collect();
    let all = |name: &str| {
        let named: Vec<&str> =
            pairs.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect();
        named
    };
    let matches = all("match[]");
    if matches.is_empty() {
        return Err(Error::invalid("no match[] parameter provided"));
    }
    let time = |name: &str, otherwise| match all(name).first() {
        None | Some(&"") => Ok(otherwise),
        Some(text) => parse_time(text)
            .map_err(|e| Error::invalid(format!("invalid parameter \"{name}\": {e}"))),
    };
    let selectors = matches.iter().map(|text| parse_selector(text)).collect::<Result<_>>()?;
    let (start_ms, end_ms) = (time("start", i64::MIN)?, time("end", i64::MAX)?);
    Ok(EraseRequest { tenant, signal: Signal::Metrics, selectors, start_ms, end_ms })
}

/// `POST /api/v1/admin/tsdb/clean_tombstones`: rewrites at once what compaction would rewrite in time.
pub(super) async fn clean_tombstones(app: &Arc<App>) -> Response {
    match app.storage.clean_tombstones().await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(e) => failed(&e, Direction::Read),
    }
}

/// `POST /api/v1/erase`.
pub(super) async fn erase(app: &Arc<App>, tenant: TenantId, request: Request) -> Response {
    let erased = async {
        let body = read(app, request).await?;
        let asked: Asked = serde_json::from_slice(&body).map_err(|e| {
            let form = r#"{"signal":"logs","match":"{service_name=\"x\"}","start":0,"end":0}"#;
            Error::invalid(format!("the body is not JSON such as {form}: {e}"))
        })?;
        app.storage.erase(&rows_request(tenant, asked)?).await
    };
    match erased.await {
        Ok(ids) => success(&json!({ "tombstones": ids })),
        Err(e) => failed(&e, Direction::Read),
    }
}

fn rows_request(tenant: TenantId, asked: Asked) -> Result<EraseRequest> {
    let signal = Signal::parse(&asked.signal).ok_or_else(|| {
        Error::invalid(format!("signal {:?} is none of metrics, logs, traces", asked.signal))
    })?;
    let matches = match asked.matches {
        OneOrMore::One(text) => vec![text],
        OneOrMore::More(texts) => texts,
    };
    let selectors = matches.iter().map(|text| parse_selector(text)).collect::<Result<_>>()?;
    let time = |time: Option<Time>, otherwise| time.map_or(Ok(otherwise), |time| time.millis());
    let (start_ms, end_ms) = (time(asked.start, i64::MIN)?, time(asked.end, i64::MAX)?);
    Ok(EraseRequest { tenant, signal, selectors, start_ms, end_ms })
}

/// `GET /api/v1/tombstones`: those of the tenant that are in force.
pub(super) fn tombstones(app: &App, tenant: &TenantId) -> Response {
    let all = app.storage.erasing();
    let own = all.iter().filter(|erasing| erasing.tombstone.tenant == tenant.as_str());
    success(&json!({ "tombstones": own.map(shown).collect::<Vec<_>>() }))
}

fn shown(erasing: &Erasing) -> Value {
    let Erasing { tombstone, blocks, bytes } = erasing;
    let time = |ms: i64, open: i64| (ms != open).then(|| format_rfc3339(ms));
    json!({
        "id": tombstone.id,
        "signal": tombstone.signal,
        "match": format!("{{{}}}", tombstone.matchers.join(",")),
        "start": time(tombstone.start_ms, i64::MIN),
        "end": time(tombstone.end_ms, i64::MAX),
        "set": format_rfc3339(tombstone.time_ms),
        "blocks": blocks,
        "bytes": bytes,
    })
}

fn success(data: &Value) -> Response {
    axum::Json(json!({ "status": "success", "data": data })).into_response()
}

pub(super) async fn read(app: &App, request: Request) -> Result<Bytes> {
    let max = app.config.limits.form_bytes_max;
    let body = Limited::new(request.into_body(), max.as_usize());
    let read = body.collect().await.map_err(|e| {
        Error::invalid(format!("the body cannot be read, or is larger than {max}: {e}"))
    })?;
    Ok(read.to_bytes())
}
