//! What happened, as log records of the tenant: `service_name` `tarn`, scope `tarn.alerting`, `event_name`
//! `tarn.alert.<kind>`. History, noise reports and audits are then plain SQL.
//!
//! Events wait in memory for a moment and are written together. They tell what was decided and are
//! no part of deciding: nobody waits for them, and what the store does not take in time is dropped
//! and counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use tarn_model::attributes::ValueKind;
use tarn_model::map::HashMap;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_storage::append::rows::{LogRow, LogRows, TableRows};
use tarn_storage::append::{RequestMark, Writer};
use tokio::sync::Notify;

/// Name of the service in the records.
const SERVICE: &str = "tarn";
const RESOURCE: &str = "{\"attributes\":{\"service.name\":\"tarn\"}}";
const SCOPE: &str = "{\"name\":\"tarn.alerting\"}";
/// How long an event waits at most: soon enough to be looked at, seldom enough to share a sync.
const INTERVAL: Duration = Duration::from_millis(500);
/// So many wait, then new ones are dropped: a storm of alerts, while the disk is full.
const WAITING_MAX: usize = 20_000;
/// So many are one request.
const BATCH_MAX: usize = 5_000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Info,
    Warn,
    Error,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// The last part of the event name, such as `transition`.
    pub(crate) kind: &'static str,
    pub(crate) severity: Severity,
    /// In a sentence.
    pub(crate) body: String,
    pub(crate) attributes: Vec<(String, String)>,
}

/// Takes events. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Events(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    writer: Writer,
    clock: Arc<dyn Clock>,
    dropped: Counter,
    waiting: Mutex<VecDeque<(TenantId, i64, Event)>>,
    come: Notify,
}

impl Events {
    /// Makes the queue; [`Events::run`] writes.
    pub(crate) fn new(writer: Writer, clock: Arc<dyn Clock>, dropped: Counter) -> Self {
        let (waiting, come) = (Mutex::new(VecDeque::new()), Notify::new());
        Self(Arc::new(Inner { writer, clock, dropped, waiting, come }))
    }

    /// Takes an event of now.
    pub(crate) fn push(&self, tenant: &TenantId, event: Event) {
        let time_ns = self.0.clock.now().0;
        let mut waiting = self.0.waiting.lock();
        if waiting.len() >= WAITING_MAX {
            self.0.dropped.inc();
            return;
        }
        waiting.push_back((tenant.clone(), time_ns, event));
        drop(waiting);
        self.0.come.notify_one();
    }

    /// Writes events until it is dropped.
    pub(crate) async fn run(self) {
        loop {
            self.0.come.notified().await;
            self.0.clock.sleep(INTERVAL).await;
            self.write().await;
        }
    }

    /// Writes what waits, as far as the store takes it.
    pub(crate) async fn write(&self) {
        // A store that replays or is full takes rows later; they wait within their bound.
        while self.0.writer.ready().is_ok() {
            let batch: Vec<_> = {
                let mut waiting = self.0.waiting.lock();
                let count = waiting.len().min(BATCH_MAX);
                waiting.drain(..count).collect()
            };
            if batch.is_empty() {
                return;
            }
            let mut tenants: HashMap<TenantId, LogRows> = HashMap::default();
            let count = batch.len();
            for (tenant, time_ns, event) in batch {
                add(tenants.entry(tenant).or_default(), time_ns, &event);
            }
            for (tenant, rows) in tenants {
                let rows = TableRows::Logs(rows);
                let stored = self.0.writer.append_rows(&tenant, rows, RequestMark::default());
                if let Err(error) = stored.await {
                    self.0.dropped.inc_by(count as u64);
                    tracing::debug!(error = %error.message(), "alert events were not stored");
                }
            }
        }
        if !self.0.waiting.lock().is_empty() {
            self.0.come.notify_one();
        }
    }
}

fn add(rows: &mut LogRows, time_ns: i64, event: &Event) {
    let resource = rows.resource(RESOURCE, SERVICE);
    let scope = rows.scope(SCOPE);
    for (key, text) in &event.attributes {
        rows.attribute(key, ValueKind::Text, text);
    }
    let (severity_number, severity_text) = match event.severity {
        Severity::Info => (9, "INFO"),
        Severity::Warn => (13, "WARN"),
        Severity::Error => (17, "ERROR"),
    };
    rows.push(&LogRow {
        resource,
        scope,
        time_ns,
        observed_ns: 0,
        severity_number,
        severity_text,
        body: Some(&event.body),
        body_kind: ValueKind::Text,
        trace_id: None,
        span_id: None,
        flags: 0,
        event_name: &format!("tarn.alert.{}", event.kind),
        dropped_attributes: 0,
    });
}
