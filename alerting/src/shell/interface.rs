//! What interfaces may ask and change: alerts of others, silences.
//!
//! A change is answered when it is durable, and refused while the log cannot be written: what was
//! promised to a person holds. Of silences, the tenant's events tell.
//!
//! A tenant that no file belongs to is a guest: it is made by its first change, with the routes that
//! are built in, which show alerts and tell nobody. Guests, and the alerts of all tenants together,
//! are bounded, because anybody who may write may name a new tenant.

use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, Result};
use tarn_model::tenant::TenantId;

use super::load::{routes_default, templates_default};
use super::restore::OfTenant;
use super::tenant::Tenant;
use super::{Alerting, Handles, outward};
use crate::api::alertmanager_v2::{AlertmanagerState, Change, NotChanged, uuid};
use crate::events::{Event, Severity};
use crate::route::{DispatchOptions, Dispatcher, Record, Silence, SilenceRefused};

/// Tenants that interfaces may make: each holds tables of a few KiB and two tasks.
const GUESTS_MAX: usize = 1_000;
/// When to ask again while the log is replayed.
const REPLAY_RETRY: Duration = Duration::from_secs(2);

impl Alerting {
    /// Returns whether what was kept is known, so that answers are whole.
    ///
    /// # Errors
    /// `Unavailable` before.
    pub fn ready(&self) -> Result<()> {
        if self.0.status.read().running {
            return Ok(());
        }
        Err(Error::unavailable("alerting has not replayed its log yet", REPLAY_RETRY))
    }

    /// Returns a tenant that no file belongs to, made of what was kept of it if it is not there.
    pub(super) fn guest(&self, id: &TenantId, own: OfTenant) -> Arc<Tenant> {
        let mut tenants = self.0.tenants.write();
        match tenants.entry(id.clone()) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(place) => Arc::clone(place.insert(self.new_guest(id, own))),
        }
    }

    fn new_guest(&self, id: &TenantId, own: OfTenant) -> Arc<Tenant> {
        let shared = self.shared();
        let handles = Handles {
            clock: Arc::clone(&shared.clock),
            rng: Arc::clone(&shared.rng),
            tasks: Arc::clone(&shared.tasks),
        };
        let making = outward::Making {
            options: &shared.options,
            external_url: &shared.external_url,
            handles: &handles,
            store: &shared.store,
            events: &shared.events,
        };
        // Nothing is routed to a receiver, so that there is nothing to count.
        let outbox = outward::outbox(&making, id, &mut Registry::default());
        self.made(id, own, &routes_default(), outbox, &Arc::new(templates_default()))
    }

    fn tenant_or_guest(&self, id: &TenantId) -> Result<Arc<Tenant>> {
        if let Some(tenant) = self.tenant(id) {
            return Ok(tenant);
        }
        let known = self.0.tenants.read().len();
        if known > GUESTS_MAX {
            let message = format!("{known} tenants have alerts or silences, limit is {GUESTS_MAX}");
            return Err(Error::limit(message));
        }
        let tenant = self.guest(id, OfTenant::default());
        self.let_time_pass(&tenant);
        Ok(tenant)
    }

    /// Returns what keeps further alerts out, if there are too many over all tenants.
    fn crowded(&self, id: &TenantId, change: &Change) -> Option<SilenceRefused> {
        let Change::Alerts(alerts) = change else { return None };
        let held: usize = self.tenants().iter().map(|t| t.dispatcher.lock().len()).sum();
        let room = DispatchOptions::default().alerts_max.saturating_sub(held);
        let tenant = (alerts.len() > room).then(|| self.tenant(id))?;
        let unknown =
            tenant.map_or(alerts.len(), |tenant| tenant.dispatcher.lock().unknown(alerts));
        (unknown > room)
            .then(|| SilenceRefused::Full(format!("there is room for {room} more alerts only")))
    }
}

#[async_trait]
impl AlertmanagerState for Alerting {
    fn now_ms(&self) -> i64 {
        self.shared().clock.now().as_millis()
    }

    fn started_ms(&self) -> i64 {
        self.shared().started_ms
    }

    fn ask(&self, tenant: &TenantId, question: &mut dyn FnMut(&Dispatcher)) {
        match self.tenant(tenant) {
            Some(tenant) => question(&tenant.dispatcher.lock()),
            // Asking makes no guest.
            None => {
                let options = DispatchOptions::default();
                question(&Dispatcher::new(routes_default(), options, self.now_ms()));
            }
        }
    }

    async fn change(
        &self,
        tenant: &TenantId,
        change: Change,
    ) -> std::result::Result<Option<String>, NotChanged> {
        self.ready().map_err(NotChanged::Failed)?;
        if let Some(refused) = self.crowded(tenant, &change) {
            return Err(NotChanged::Refused(refused));
        }
        let shared = self.shared();
        let tenant = self.tenant_or_guest(tenant).map_err(NotChanged::Failed)?;
        let new_id = uuid(shared.rng.next_u128());
        let changed = tenant.change(shared, |dispatcher, now_ms| {
            let (id, records) = change.apply(dispatcher, &new_id, now_ms)?;
            let silences = records.iter().filter_map(|record| match record {
                Record::Silence(silence) => Some(silence),
                _ => None,
            });
            let events: Vec<Event> = silences.map(|silence| event_of(silence, now_ms)).collect();
            Ok(((id, events), records))
        });
        let changed = changed.await.map_err(NotChanged::Failed)?;
        let (id, events) = changed.map_err(NotChanged::Refused)?;
        for event in events {
            shared.events.push(&tenant.id, event);
        }
        Ok(id)
    }
}

/// Says what a silence is from now on.
fn event_of(silence: &Silence, now_ms: i64) -> Event {
    let sets: Vec<String> = silence
        .matcher_sets
        .iter()
        .map(|set| set.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
        .map(|set| format!("{{{set}}}"))
        .collect();
    let matchers = sets.join(" or ");
    let state = silence.state(now_ms).to_string();
    let until = crate::api::time_text(Some(silence.ends_ms));
    let attributes = vec![
        ("silence_id".to_owned(), silence.id.clone()),
        ("silence_state".to_owned(), state.clone()),
        ("created_by".to_owned(), silence.created_by.clone()),
        ("comment".to_owned(), silence.comment.clone()),
        ("matchers".to_owned(), matchers.clone()),
        ("starts_at".to_owned(), crate::api::time_text(Some(silence.starts_ms))),
        ("ends_at".to_owned(), until.clone()),
    ];
    let body = format!("silence {} of {matchers} is {state}, until {until}", silence.id);
    Event { kind: "silence", severity: Severity::Info, body, attributes }
}
