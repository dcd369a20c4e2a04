//! The stand-in for Slack, PagerDuty and webhooks: it takes what a server sends to them, answers as
//! they would, and shows it: a line on the terminal, the whole of it as a page or JSON at `/`.
//!
//! It listens on the loopback only, and keeps the last messages, each up to a bound.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};
use tarn_model::time::Clock as _;
use tarn_query::api::prometheus::time::format_rfc3339;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::page;
use crate::cli::print;
use crate::clock::SystemClock;

/// Messages that are kept.
const KEPT_MAX: usize = 200;
/// Bytes of a message; a larger one is refused, as the real ones do.
const BODY_BYTES_MAX: usize = 512 << 10;
/// Characters of a line on the terminal.
const LINE_CHARS_MAX: usize = 160;

/// A message that came.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Message {
    pub(super) time: String,
    /// `slack`, `pagerduty` or `webhook`.
    pub(super) to: &'static str,
    /// What a person would read first.
    pub(super) summary: String,
    pub(super) body: Value,
}

#[derive(Debug, Default)]
struct Taken {
    count: u64,
    kept: VecDeque<Message>,
}

/// The stand-in, until it is dropped.
#[derive(Debug)]
pub(super) struct Standin {
    address: SocketAddr,
    taken: Arc<Mutex<Taken>>,
    task: AbortHandle,
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Standin {
    /// Listens at an address of the loopback.
    ///
    /// # Errors
    /// Where its port is taken.
    pub(super) async fn start(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("listen on {address} as Slack and PagerDuty; --receiver names another port")
        })?;
        let address = listener.local_addr().context("read the bound address")?;
        let taken = Arc::new(Mutex::new(Taken::default()));
        let router = Router::new()
            .route("/", get(show).post(take))
            .route("/{*path}", axum::routing::post(take))
            .with_state(Arc::clone(&taken));
        let serve = async move {
            if let Err(error) = axum::serve(listener, router).await {
                print(format_args!("the stand-in has ended: {error}"));
            }
        };
        let task = tokio::spawn(serve).abort_handle();
        Ok(Self { address, taken, task })
    }

    /// Returns where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how many messages came.
    pub(super) fn count(&self) -> u64 {
        self.taken.lock().count
    }
}

async fn show(State(taken): State<Arc<Mutex<Taken>>>, headers: HeaderMap) -> Response {
    let (count, messages) = {
        let taken = taken.lock();
        (taken.count, taken.kept.iter().rev().cloned().collect::<Vec<_>>())
    };
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accepts.is_some_and(|accept| accept.contains("text/html")) {
        page::render(count, &messages).into_response()
    } else {
        Json(json!({ "count": count, "messages": messages })).into_response()
    }
}

async fn take(State(taken): State<Arc<Mutex<Taken>>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let Ok(body) = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let bytes = body.to_bytes();
    let Ok(body) = serde_json::from_slice::<Value>(&bytes) else {
        return (StatusCode::BAD_REQUEST, "invalid_payload").into_response();
    };
    let to = match path.as_str() {
        _ if path.starts_with("/slack") => "slack",
        _ if path.starts_with("/pagerduty") => "pagerduty",
        _ => "webhook",
    };
    let summary = summary(to, &body);
    let time = format_rfc3339(SystemClock::new().now().as_millis());
    print(format_args!("{to:<10} {summary}"));
    let answer = match to {
        "slack" => (StatusCode::OK, "ok").into_response(),
        "pagerduty" => {
            let key = body["dedup_key"].clone();
            let done = json!({"status": "success", "message": "Event processed", "dedup_key": key});
            (StatusCode::ACCEPTED, Json(done)).into_response()
        }
        _ => StatusCode::OK.into_response(),
    };
    let mut taken = taken.lock();
    taken.count += 1;
    taken.kept.push_back(Message { time, to, summary, body });
    if taken.kept.len() > KEPT_MAX {
        taken.kept.pop_front();
    }
    answer
}

/// Returns what a person would read first: one line without control characters.
pub(super) fn summary(to: &str, body: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = match to {
        "slack" => {
            let first = &body["attachments"][0];
            [&first["title"], &first["fallback"], &body["text"]]
                .into_iter()
                .map(text)
                .find(|text| !text.is_empty())
                .unwrap_or_default()
        }
        "pagerduty" => {
            let action = text(&body["event_action"]);
            format!("{action}: {}", text(&body["payload"]["summary"]))
        }
        _ => {
            let labels = &body["commonLabels"];
            let count = body["alerts"].as_array().map_or(0, Vec::len);
            format!("{}: {} ({count} alerts)", text(&body["status"]), text(&labels["alertname"]))
        }
    };
    let line = found.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(LINE_CHARS_MAX).collect()
}
