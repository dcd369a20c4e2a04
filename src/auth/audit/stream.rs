//! Events into the store, in the order of their chain.
//!
//! The chain goes on where the store's newest event of this data folder ends, so nothing is sealed
//! before the log is replayed. What was sealed and not taken is sent again as it is: the same event
//! twice is one for whoever checks.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tarn_model::attributes::ValueKind;
use tarn_model::error::Result;
use tarn_storage::append::rows::{LogRow, LogRows};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::chain::{Head, Sealed};
use super::{Audit, Noted, Outcome, list, tenant};
use crate::app::App;
use crate::telemetry::own;

/// How long an event waits at most.
const INTERVAL: Duration = Duration::from_millis(500);
/// Name of the scope of events.
const SCOPE: &str = "{\"name\":\"tarn.audit\"}";
/// OTel severities: info, warn.
const DONE: i32 = 9;
const NOT_DONE: i32 = 13;

/// What writes events.
#[derive(Debug)]
pub(crate) struct Stream {
    audit: Audit,
    /// Canonical JSON of the resource.
    resource: String,
    stdout: bool,
    head: Option<Head>,
    /// Sealed, and not stored yet.
    unstored: Vec<(Noted, Sealed)>,
}

impl Stream {
    /// Makes it; `stdout`: events are lines of standard output, too.
    pub(crate) fn new(audit: Audit, resource: String, stdout: bool) -> Self {
        Self { audit, resource, stdout, head: None, unstored: Vec::new() }
    }

    /// Writes events until the stop, and what is left then.
    pub(crate) async fn run(mut self, app: Arc<App>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            // Either the time is over or the stop came; the loop looks which.
            stop.run_until_cancelled(app.clock.sleep(INTERVAL)).await;
            self.audit.tell_refusals();
            if app.storage.readiness().ingest.is_none()
                && let Err(e) = self.write(&app).await
            {
                warn!(error = %e, "events of the audit wait: they could not be stored");
            }
        }
    }

    async fn write(&mut self, app: &App) -> Result<()> {
        if self.unstored.is_empty() {
            self.seal(app).await?;
        }
        if self.unstored.is_empty() {
            return Ok(());
        }
        let rows = rows(&self.resource, &self.unstored);
        app.ingest.accept_logs(&tenant(), rows).await?;
        self.unstored.clear();
        if let Some(head) = &self.head {
            self.audit.set_head(head.clone());
        }
        Ok(())
    }

    /// Gives those that wait their place in the chain.
    async fn seal(&mut self, app: &App) -> Result<()> {
        if self.head.is_none() {
            let head = list::newest(app, app.storage.writer_id()).await?;
            self.audit.set_head(head.clone());
            self.head = Some(head);
        }
        let Some(head) = &mut self.head else { return Ok(()) };
        let waiting = self.audit.take();
        let sealed = waiting.into_iter().map(|noted| {
            let sealed = head.seal(&noted);
            (noted, sealed)
        });
        self.unstored.extend(sealed);
        if self.stdout && !self.unstored.is_empty() {
            print(self.unstored.iter().map(|(_, sealed)| line(sealed)).collect()).await;
        }
        Ok(())
    }
}

/// Returns an event as a line: its hash, and the text that is hashed as it is.
fn line(sealed: &Sealed) -> String {
    format!("{{\"audit\":{},\"hash\":\"{}\"}}\n", sealed.text, sealed.hash)
}

async fn print(lines: String) {
    // Whoever reads may be slow.
    let written =
        tokio::task::spawn_blocking(move || std::io::stdout().lock().write_all(lines.as_bytes()));
    match written.await {
        Ok(Ok(())) => {}
        Ok(Err(e)) => {
            warn!(error = %e, "events of the audit could not be written to standard output")
        }
        Err(e) => warn!(error = %e, "events of the audit were not all written to standard output"),
    }
}

fn rows(resource: &str, events: &[(Noted, Sealed)]) -> LogRows {
    let mut rows = LogRows::default();
    let resource = rows.resource(resource, own::SERVICE);
    for (Noted { time_ns, event, .. }, sealed) in events {
        let scope = rows.scope(SCOPE);
        let number = sealed.number.to_string();
        let from = event.from.map(|ip| ip.to_string()).unwrap_or_default();
        let tenant = event.tenant.as_ref().map_or("", |tenant| tenant.as_str());
        let name = format!("audit.{}", event.action);
        rows.attribute(list::HASH, ValueKind::Text, &sealed.hash);
        rows.attribute("audit.number", ValueKind::Int, &number);
        let texts = [
            ("audit.action", event.action),
            ("audit.outcome", event.outcome.as_str()),
            ("audit.principal", &event.principal),
            ("audit.from", &from),
            ("audit.tenant", tenant),
            ("audit.target", &event.target),
        ];
        for (key, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            rows.attribute(key, ValueKind::Text, text);
        }
        let (severity_number, severity_text) = match event.outcome {
            Outcome::Done => (DONE, "INFO"),
            Outcome::Denied | Outcome::Failed => (NOT_DONE, "WARN"),
        };
        rows.push(&LogRow {
            resource,
            scope,
            time_ns: *time_ns,
            observed_ns: 0,
            severity_number,
            severity_text,
            body: Some(&sealed.text),
            body_kind: ValueKind::Text,
            trace_id: None,
            span_id: None,
            flags: 0,
            event_name: &name,
            dropped_attributes: 0,
        });
    }
    rows
}
