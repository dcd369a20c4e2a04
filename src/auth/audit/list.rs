//! Events read back: for the page of access, for checks, and to go on with the chain after a start.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tarn_model::error::{Direction, Error, Result};
use tarn_query::api::native;

use super::chain::{Head, hash};
use super::tenant;
use crate::app::App;
use crate::routes::admin::failed;
use crate::routes::envelope;

/// The attribute that holds an event's hash.
pub(crate) const HASH: &str = "audit.hash";
/// Events of a page, unless a request says otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;
/// How long a start that cannot read the chain waits before it tries again.
const RETRY: std::time::Duration = std::time::Duration::from_secs(1);

#[derive(Debug, Deserialize)]
struct Found {
    data: Data,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Data {
    rows: Vec<Row>,
    #[serde(default)]
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Row {
    body: String,
    #[serde(default)]
    attributes: serde_json::Map<String, Value>,
}

impl Row {
    fn hash(&self) -> &str {
        self.attributes.get(HASH).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Returns where the stored chain of a data folder ends.
///
/// # Errors
/// `Unavailable` where that cannot be read at the moment; `Corrupt` where what is there is no event.
pub(crate) async fn newest(app: &App, chain: &str) -> Result<Head> {
    // Rows of one request have one order, but numbers decide, not times: clocks may be set back.
    let query = format!("{{\"chain\":\"{chain}\"");
    let found =
        search(app, &[("q", &format!("{query:?}")), ("limit", "100"), ("start", "0")]).await?;
    if let Some(why) = found.warnings.first() {
        return Err(Error::unavailable(format!("read the newest event: {why}"), RETRY));
    }
    let mut head = Head::new(chain);
    for row in &found.data.rows {
        #[derive(Deserialize)]
        struct Place {
            chain: String,
            number: u64,
        }
        let place: Place = serde_json::from_str(&row.body)
            .map_err(|e| Error::corrupt("a row of the audit is no event").with_source(e))?;
        if place.chain == chain && place.number > head.number {
            (head.number, head.hash) = (place.number, hash(&row.body));
        }
    }
    Ok(head)
}

/// `GET /api/v1/access/audit`: events, newest first, with where the chain of this process ends.
pub(crate) async fn handle(app: &App, query: Option<&str>) -> Response {
    let mut asked = vec![("start".to_owned(), "0".to_owned())];
    let mut limit = LIMIT;
    for (key, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match (&*key, value.parse::<usize>()) {
            ("limit", Ok(number @ 1..=LIMIT_MAX)) => limit = number,
            ("limit", _) => {
                let message = format!("limit {value:?} is not a number from 1 to {LIMIT_MAX}");
                return envelope(StatusCode::BAD_REQUEST, "bad_data", &message);
            }
            ("q" | "cursor" | "start" | "end", _) => {
                asked.retain(|(known, _)| *known != key);
                asked.push((key.into_owned(), value.into_owned()));
            }
            _ => {}
        }
    }
    asked.push(("limit".to_owned(), limit.to_string()));
    let asked: Vec<(&str, &str)> = asked.iter().map(|(k, v)| (&**k, &**v)).collect();
    let found = match search(app, &asked).await {
        Ok(found) => found,
        Err(e) => return failed(&e, Direction::Read),
    };
    let events: Vec<_> = found
        .data
        .rows
        .iter()
        .filter_map(|row| {
            // As it was stored: whoever checks the hash needs every byte.
            let event = RawValue::from_string(row.body.clone()).ok()?;
            Some(json!({ "event": event, "hash": row.hash(), "text": row.body }))
        })
        .collect();
    axum::Json(json!({
        "status": "success",
        "data": { "events": events, "next_cursor": found.data.next_cursor, "head": app.audit.head() },
        "warnings": found.warnings,
    }))
    .into_response()
}

/// Asks the search of logs, as anybody may who is allowed to.
async fn search(app: &App, asked: &[(&str, &str)]) -> Result<Found> {
    let form = {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("fields", &format!("body,attributes.{HASH}"));
        form.extend_pairs(asked).finish()
    };
    let internal = |e: String| Error::internal(format!("read events of the audit: {e}"));
    let request = Request::get(format!("/api/v1/logs/search?{form}")).body(Body::empty());
    let request = request.map_err(|e| internal(e.to_string()))?;
    let endpoint = native::Endpoint::LogsSearch;
    let response = native::handle(&app.engine, endpoint, tenant(), request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|e| internal(e.to_string()))?.to_bytes();
    if !parts.status.is_success() {
        let text = String::from_utf8_lossy(&body);
        let message = format!("read events of the audit: {text}");
        return Err(if parts.status.is_client_error() {
            Error::invalid(message)
        } else {
            Error::unavailable(message, RETRY)
        });
    }
    serde_json::from_slice(&body).map_err(|e| internal(e.to_string()))
}
