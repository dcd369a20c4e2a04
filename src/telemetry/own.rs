//! Own log lines and spans into the store, by the ordinary path and without a socket.
//!
//! Every second what was [caught](super::capture) becomes rows of one request each. Until the store
//! takes writes, and while it does not, rows wait within their bound; what is over it, or is refused,
//! is dropped and counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tarn_model::attributes::{AnyValue, ValueKind};
use tarn_model::tenant::TenantId;
use tarn_storage::any_value::{to_json, to_text};
use tarn_storage::append::rows::{LogRow, LogRows, SpanRow, SpanRows};
use tokio_util::sync::CancellationToken;
use tracing::{Level, debug};

use super::capture::{Caught, Fields, Line, Span};
use super::registry::VERSION;
use crate::app::App;

/// How long a line waits at most: soon enough to watch, seldom enough to share a sync of the log.
const INTERVAL: Duration = Duration::from_secs(1);
/// Name of this service in its own telemetry.
pub(crate) const SERVICE: &str = "tarn";
/// Number of OTel's status "error".
const STATUS_ERROR: i32 = 2;

/// Stores own rows until the process stops.
#[derive(Debug)]
pub(crate) struct OwnRows {
    caught: Arc<Caught>,
    tenant: TenantId,
    /// Canonical JSON of the resource.
    resource: String,
    dropped: Counter,
}

impl OwnRows {
    /// Makes the feed of what is caught; what it drops is counted in `dropped`.
    pub(crate) fn new(
        caught: Arc<Caught>,
        tenant: TenantId,
        address: SocketAddr,
        host: &str,
        dropped: Counter,
    ) -> Self {
        Self { caught, tenant, resource: resource(address, host), dropped }
    }

    /// Stores every second until the stop, and what is left then.
    pub(crate) async fn run(self, app: Arc<App>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            // Either the time is over or the stop came; the loop looks which.
            stop.run_until_cancelled(app.clock.sleep(INTERVAL)).await;
            if app.storage.readiness().ingest.is_none() {
                self.store(&app).await;
            }
        }
    }

    async fn store(&self, app: &App) {
        let (lines, dropped) = self.caught.take_lines();
        self.dropped.inc_by(dropped);
        if !lines.is_empty() {
            let rows = log_rows(&self.resource, &lines);
            let stored = app.ingest.accept_logs(&self.tenant, rows).await;
            self.account("log lines", lines.len(), stored);
        }
        let (spans, dropped) = self.caught.take_spans();
        self.dropped.inc_by(dropped);
        if !spans.is_empty() {
            let rows = span_rows(&self.resource, &spans);
            let stored = app.ingest.accept_spans(&self.tenant, rows).await;
            self.account("spans", spans.len(), stored);
        }
    }

    fn account(&self, what: &str, rows: usize, stored: tarn_model::error::Result<()>) {
        if let Err(e) = stored {
            self.dropped.inc_by(rows as u64);
            debug!(error = %e.message(), rows, "own {what} were not stored");
        }
    }
}

/// Returns the canonical JSON of this process as a resource.
pub(crate) fn resource(address: SocketAddr, host: &str) -> String {
    let address = address.to_string();
    let attributes = [
        ("service.name", SERVICE),
        ("service.version", VERSION),
        ("service.instance.id", address.as_str()),
        ("host.name", host),
    ];
    let pair = |(key, text): (&str, &str)| (key.to_owned(), AnyValue::Text(text.to_owned()));
    let attributes = AnyValue::Map(attributes.into_iter().map(pair).collect());
    format!("{{\"attributes\":{}}}", to_json(&attributes))
}

/// Returns the canonical JSON of a module as a scope.
fn scope(target: &str) -> String {
    let name = to_json(&AnyValue::Text(target.to_owned()));
    let version = to_json(&AnyValue::Text(VERSION.to_owned()));
    format!("{{\"name\":{name},\"version\":{version}}}")
}

fn each_attribute(fields: &Fields, mut put: impl FnMut(&str, ValueKind, &str)) {
    for (key, value) in fields {
        put(key, value.kind(), &to_text(value));
    }
}

fn log_rows(resource: &str, lines: &[Line]) -> LogRows {
    let mut rows = LogRows::default();
    let resource = rows.resource(resource, SERVICE);
    for line in lines {
        let scope = rows.scope(&scope(line.target));
        each_attribute(&line.fields, |key, kind, text| rows.attribute(key, kind, text));
        rows.push(&LogRow {
            resource,
            scope,
            time_ns: line.time_ns,
            observed_ns: 0,
            severity_number: severity(line.level),
            severity_text: line.level.as_str(),
            body: Some(&line.message),
            body_kind: ValueKind::Text,
            trace_id: line.within.map(|ids| ids.trace),
            span_id: line.within.map(|ids| ids.span),
            flags: 0,
            event_name: "",
            dropped_attributes: 0,
        });
    }
    rows
}

fn severity(level: Level) -> i32 {
    match level {
        Level::ERROR => 17,
        Level::WARN => 13,
        Level::INFO => 9,
        Level::DEBUG => 5,
        Level::TRACE => 1,
    }
}

fn span_rows(resource: &str, spans: &[Span]) -> SpanRows {
    let mut rows = SpanRows::default();
    let resource = rows.resource(resource, SERVICE);
    for span in spans {
        let scope = rows.scope(&scope(span.target));
        each_attribute(&span.fields, |key, kind, text| rows.attribute(key, kind, text));
        rows.push(&SpanRow {
            resource,
            scope,
            trace_id: span.ids.trace,
            span_id: span.ids.span,
            parent_span_id: span.parent,
            start_ns: span.start_ns,
            duration_ns: i64::try_from(span.duration.as_nanos()).unwrap_or(i64::MAX),
            name: &span.name,
            kind: span.kind,
            status: if span.error.is_some() { STATUS_ERROR } else { 0 },
            status_message: span.error.as_deref().unwrap_or_default(),
            trace_state: "",
            flags: 0,
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
            weight: None,
            exception_group: None,
            problems: 0,
        });
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::capture::SpanIds;
    use super::*;
    use tarn_storage::append::rows::TableRows;

    #[test]
    fn lines_and_spans_become_rows_of_their_tables() {
        let ids = SpanIds { trace: [1; 16], span: [2; 8] };
        let fields: Fields = vec![("rows", AnyValue::Int(3))];
        let line = Line {
            time_ns: 1_795_262_400_000_000_001,
            level: Level::WARN,
            target: "tarn_storage::flush",
            message: "slow".to_owned(),
            fields: fields.clone(),
            within: Some(ids),
        };
        let span = Span {
            ids,
            parent: None,
            target: "tarn::routes",
            name: "GET /x".to_owned(),
            kind: 2,
            start_ns: 1_795_262_400_000_000_000,
            duration: Duration::from_millis(3),
            fields,
            error: Some("it broke".to_owned()),
        };
        let resource = resource(SocketAddr::from(([127, 0, 0, 1], 4320)), "box");
        let expected = "{\"attributes\":{\"service.name\":\"tarn\",";
        assert!(resource.starts_with(expected), "{resource}");
        for rows in [
            TableRows::Logs(log_rows(&resource, &[line])),
            TableRows::Spans(span_rows(&resource, &[span])),
        ] {
            assert_eq!(rows.into_batch().expect("fits its schema").num_rows(), 1);
        }
    }
}
