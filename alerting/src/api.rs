//! The interfaces: Prometheus' rules and alerts, Alertmanager's second version, our own.
//!
//! Handlers read what runs and render it; they hold no lock while they write. The server maps its
//! routes to [`prometheus::Endpoint`], [`ruler::Endpoint`] and [`native::Endpoint`].

pub mod alertmanager_v2;
pub mod native;
pub mod prometheus;
pub mod ruler;
pub mod slos;

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::Serialize;

/// An answer in the envelope of the Prometheus API.
fn success<T: Serialize>(data: T) -> Response {
    #[derive(Serialize)]
    struct Envelope<T> {
        status: &'static str,
        data: T,
    }
    axum::Json(Envelope { status: "success", data }).into_response()
}

/// A refusal in the envelope of the Prometheus API.
fn bad_data(message: &str) -> Response {
    let body = serde_json::json!({ "status": "error", "errorType": "bad_data", "error": message });
    (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
}

/// A time as Go writes it; the beginning of time where there is none.
pub(crate) fn time_text(time_ms: Option<i64>) -> String {
    time_ms
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |time| time.to_string())
}
