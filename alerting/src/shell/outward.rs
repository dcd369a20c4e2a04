//! The way out: templates for what receivers are told, and the outbox's records into the log.

use std::sync::Arc;

use tarn_model::error::{Error, Result};
use tarn_model::tasks::Tasks;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;

use crate::egress::{Egress, NamedBy};
use crate::events::{Event, Events, Severity};
use crate::notify::{Ledger, Outbox, OutboxOptions, Parts, Record, Render};
use crate::route::{Config, Flush};
use crate::store::{Kind, Store, entry};
use crate::template::notify::{Data, Templates};

/// Writes the templates of receivers out.
#[derive(Debug)]
struct Writing {
    templates: Arc<Templates>,
    external_url: String,
    clock: Arc<dyn Clock>,
}

impl Render for Writing {
    fn text(&self, template: &str, flush: &Flush) -> Result<String> {
        let now_ms = self.clock.now().as_millis();
        let text = self.templates.text(template, &Data::of(flush, &self.external_url), now_ms);
        text.map_err(|error| Error::invalid(error.to_string()))
    }

    fn html(&self, template: &str, flush: &Flush) -> Result<String> {
        let now_ms = self.clock.now().as_millis();
        let html = self.templates.html(template, &Data::of(flush, &self.external_url), now_ms);
        html.map_err(|error| Error::invalid(error.to_string()))
    }
}

/// Keeps what became of notifications, and tells of it.
#[derive(Debug)]
struct Kept {
    tenant: TenantId,
    store: Arc<Store>,
    events: Events,
    tasks: Arc<dyn Tasks>,
}

impl Ledger for Kept {
    fn record(&self, records: Vec<Record>) {
        for record in &records {
            if let Some(event) = event_of(record) {
                self.events.push(&self.tenant, event);
            }
        }
        let entries = records.iter().map(|r| entry(&self.tenant, Kind::Outbox, r)).collect();
        let written = self.store.append(entries);
        // A record that is lost leads to a second sending under the same identity.
        self.tasks.spawn("notify-log", Box::pin(async move { drop(written.await) }));
    }
}

fn event_of(record: &Record) -> Option<Event> {
    let (severity, outcome, id, more) = match record {
        Record::Acked { id, .. } => (Severity::Info, "delivered", id, String::new()),
        Record::Superseded { id, by, .. } => {
            (Severity::Info, "superseded", id, format!(" by {by}"))
        }
        Record::Dead { id, reason, message, .. } => {
            (Severity::Error, "given up", id, format!(", {}: {message}", reason.as_str()))
        }
        Record::Intent(intent) => (Severity::Info, "decided", &intent.id, String::new()),
        _ => return None,
    };
    let body = format!("notification {id} was {outcome}{more}");
    let attributes = vec![
        ("delivery_id".to_owned(), id.to_string()),
        ("outcome".to_owned(), outcome.to_owned()),
    ];
    Some(Event { kind: "notification", severity, body, attributes })
}

/// Says that a notification was decided, and for whom.
pub(super) fn decided(flush: &Flush, id: &str) -> Event {
    let (kind, index) = &flush.integration;
    let attributes = [
        ("delivery_id", id),
        ("outcome", "decided"),
        ("receiver", &*flush.receiver),
        ("integration", &format!("{kind}[{index}]")),
        ("group_key", &flush.group_key),
        ("reason", flush.reason.as_str()),
    ];
    let body = format!("{} is to be told of {}: {}", flush.receiver, flush.group_key, flush.reason);
    Event {
        kind: "notification",
        severity: Severity::Info,
        body,
        attributes: attributes.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
    }
}

/// What the outbox is made of.
#[derive(Debug)]
pub(super) struct Making<'a> {
    pub(super) options: &'a crate::Options,
    pub(super) external_url: &'a str,
    pub(super) handles: &'a super::Handles,
    pub(super) store: &'a Arc<Store>,
    pub(super) events: &'a Events,
}

/// Makes the outbox of a tenant, idle.
pub(super) fn outbox(
    making: &Making<'_>,
    tenant: &TenantId,
    registry: &mut prometheus_client::registry::Registry,
) -> Outbox {
    let super::Handles { clock, rng, tasks } = making.handles;
    let ledger = Kept {
        tenant: tenant.clone(),
        store: Arc::clone(making.store),
        events: making.events.clone(),
        tasks: Arc::clone(tasks),
    };
    let parts = Parts {
        egress: Egress::new(making.options.egress.clone(), Arc::clone(clock)),
        clock: Arc::clone(clock),
        rng: Arc::clone(rng),
        tasks: Arc::clone(tasks),
        ledger: Arc::new(ledger),
    };
    let mut options = OutboxOptions::of(making.options);
    making.external_url.clone_into(&mut options.external_url);
    Outbox::new(options, parts, registry)
}

/// Gives the outbox receivers and templates.
pub(super) fn configure(
    outbox: &Outbox,
    routes: &Config,
    templates: &Arc<Templates>,
    (external_url, clock): (&str, &Arc<dyn Clock>),
) {
    let writing = Writing {
        templates: Arc::clone(templates),
        external_url: external_url.to_owned(),
        clock: Arc::clone(clock),
    };
    outbox.configure(routes, Arc::new(writing), NamedBy::Operator);
}
