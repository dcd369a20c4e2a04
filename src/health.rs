//! Whether the process lives, and in which direction it works.
//!
//! Live means that the listener answers. Ready is told per direction: while the log is replayed,
//! queries are answered (marked partial) and writes are refused; at a stop neither is taken.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tarn_storage::Readiness;

/// `/livez`, `/healthz`.
pub(crate) fn live() -> &'static str {
    "ok\n"
}

/// `/-/healthy`, in Prometheus' words.
pub(crate) fn healthy() -> &'static str {
    "Tarn is Healthy.\n"
}

/// `/readyz`, `/ready`, `/-/ready`: 200 when both directions work; `?verbose` lists them always.
pub(crate) fn ready(readiness: &Readiness, query: Option<&str>) -> Response {
    let verbose = query.is_some_and(|q| q.split('&').any(|p| p == "verbose" || p == "verbose=1"));
    report(readiness, verbose).into_response()
}

fn report(readiness: &Readiness, verbose: bool) -> (StatusCode, String) {
    let directions = [("ingest", &readiness.ingest), ("query", &readiness.query)];
    let ready = directions.iter().all(|(_, reason)| reason.is_none());
    if ready && !verbose {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let mut text = String::new();
    for (direction, reason) in directions {
        match reason {
            None => text.push_str(&format!("{direction}: ok\n")),
            Some(reason) => text.push_str(&format!("{direction}: not ready: {reason}\n")),
        }
    }
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_direction_has_its_reason() {
        let readiness =
            |ingest: Option<&str>| Readiness { ingest: ingest.map(str::to_owned), query: None };
        let ok = (StatusCode::OK, "ok\n".to_owned());
        assert_eq!(report(&readiness(None), false), ok);
        let verbose = (StatusCode::OK, "ingest: ok\nquery: ok\n".to_owned());
        assert_eq!(report(&readiness(None), true), verbose);
        let (status, text) = report(&readiness(Some("replaying the log")), false);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text, "ingest: not ready: replaying the log\nquery: ok\n");
    }
}
