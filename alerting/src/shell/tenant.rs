//! One tenant: its groups, its dispatcher, its outbox, and the one place where things are decided.
//!
//! Deciding is: states of rules change, the dispatcher hears of alerts and of the time, what is to
//! be sent becomes intents. All of it happens under one lock and is one append to the log; when that
//! is durable the outbox may send. Should the log not take it, the outbox sends all the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, select};
use parking_lot::{Mutex, RwLock};
use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_model::tenant::TenantId;
use tokio::sync::Notify;
use tracing::{error, info};

use super::{Shared, outward};
use crate::alert::{Alert, Fingerprint};
use crate::evaluate::{Cell, Change, Group, millis};
use crate::events::{Event, Severity};
use crate::metrics::observe;
use crate::notify::{Intent, Outbox, Record};
use crate::route::{self, Dispatcher};
use crate::schedule::WAIT_MAX;
use crate::state::{RuleState, State, Transition, due_to_send};
use crate::store::{Entry, Kind, RuleChange, RuleKey, entry};

/// That alerts are left out is said once a minute: it happens at every slot.
const REFUSED_SAID_EVERY_MS: i64 = 60_000;

/// Everything of one tenant.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(super) groups: RwLock<BTreeMap<Arc<str>, Arc<Group>>>,
    /// States of rules whose files cannot be read at the moment: their alerts go on.
    pub(super) parked: Mutex<BTreeMap<RuleKey, RuleState>>,
    pub(crate) dispatcher: Mutex<Dispatcher>,
    pub(crate) outbox: Outbox,
    /// Intents that are decided and that the outbox does not know yet: a snapshot needs them.
    undelivered: Mutex<BTreeMap<u64, Vec<Intent>>>,
    decisions: AtomicU64,
    changed: Notify,
    /// When it was last said that alerts were left out, ms.
    refused_said_ms: AtomicI64,
    /// Whether time passes for the dispatcher.
    pub(super) started: AtomicBool,
}

/// A decision that is on its way into the log.
#[must_use = "nothing is sent before the decision is finished"]
pub(crate) struct Decided {
    written: BoxFuture<'static, Result<()>>,
    /// Its number in [`Tenant::undelivered`], if anything is to be sent.
    number: Option<u64>,
}

impl Tenant {
    pub(super) fn new(id: TenantId, dispatcher: Dispatcher, outbox: Outbox) -> Self {
        Self {
            id,
            groups: RwLock::default(),
            parked: Mutex::default(),
            dispatcher: Mutex::new(dispatcher),
            outbox,
            undelivered: Mutex::default(),
            decisions: AtomicU64::new(0),
            changed: Notify::new(),
            refused_said_ms: AtomicI64::new(i64::MIN),
            started: AtomicBool::new(false),
        }
    }

    /// Returns the groups, sorted by file and name.
    pub(crate) fn groups(&self) -> Vec<Arc<Group>> {
        let mut groups: Vec<_> = self.groups.read().values().cloned().collect();
        groups.sort_by(|a, b| (&a.rules.file, &a.rules.name).cmp(&(&b.rules.file, &b.rules.name)));
        groups
    }

    /// Takes what an evaluation came to; returns when it is durable and on its way.
    pub(crate) async fn decide(
        &self,
        shared: &Arc<Shared>,
        group: &Group,
        slot_ms: i64,
        changes: Vec<Change>,
    ) {
        if changes.is_empty() {
            return;
        }
        let begin = shared.clock.monotonic();
        let mut transitions = Vec::new();
        let decided = {
            let mut dispatcher = self.dispatcher.lock();
            let (mut entries, mut alerts) = (Vec::new(), Vec::new());
            for change in changes {
                let Some(cell) = group.cells.get(change.rule) else { continue };
                if let Some(next) = change.next {
                    entries.extend(self.replace(cell, next));
                }
                transitions.extend(change.transitions);
                alerts.extend(cell.with_alerts(|state| {
                    shared.due(state, &cell.rule.query, slot_ms, group.interval)
                }));
            }
            self.route(shared, &mut dispatcher, alerts, entries)
        };
        for transition in &transitions {
            shared.events.push(&self.id, event_of(&group.key, transition));
        }
        self.finish_anyway(decided).await;
        observe(&shared.metrics.stages.decide, shared.clock.monotonic().saturating_sub(begin));
    }

    /// Puts the new state of a rule in its place and returns the records of it.
    fn replace(&self, cell: &Cell, next: RuleState) -> Vec<Entry> {
        cell.with_alerts(|state| {
            let changes = RuleChange::between(&cell.key, state, &next);
            *state = next;
            changes.iter().map(|change| entry(&self.id, Kind::Rule, change)).collect()
        })
    }

    /// Tells the dispatcher of alerts and of the time, and hands everything in that follows,
    /// `entries` first. The caller holds the dispatcher, so that the order of the log is that of
    /// the decisions.
    pub(crate) fn route(
        &self,
        shared: &Arc<Shared>,
        dispatcher: &mut Dispatcher,
        alerts: Vec<Alert>,
        mut entries: Vec<Entry>,
    ) -> Decided {
        let now_ms = shared.clock.now().as_millis();
        let refused = dispatcher.refused();
        let mut records = dispatcher.receive(alerts, now_ms);
        self.refused(shared, dispatcher.refused() - refused, now_ms);
        let advanced = dispatcher.advance(now_ms);
        records.extend(advanced.records);
        entries.extend(records.iter().map(|record| entry(&self.id, Kind::Route, record)));
        let intents: Vec<Intent> = advanced.flushes.into_iter().map(Intent::new).collect();
        entries.extend(intents.iter().map(|intent| self.owed(intent)));
        for Intent { id, flush, .. } in &intents {
            shared.events.push(&self.id, outward::decided(flush, &id.to_string()));
        }
        let number = (!intents.is_empty()).then(|| {
            let number = self.decisions.fetch_add(1, Ordering::Relaxed);
            self.undelivered.lock().insert(number, intents);
            number
        });
        Decided { written: shared.store.append(entries), number }
    }

    /// Says that alerts of rules were left out because too many are held.
    fn refused(&self, shared: &Shared, count: u64, now_ms: i64) {
        if count == 0 {
            return;
        }
        shared.metrics.alerts_refused.inc_by(count);
        let said_ms = self.refused_said_ms.load(Ordering::Relaxed);
        if now_ms.saturating_sub(said_ms) < REFUSED_SAID_EVERY_MS {
            return;
        }
        self.refused_said_ms.store(now_ms, Ordering::Relaxed);
        let tenant = &self.id;
        error!(%tenant, count, "too many alerts are held: nobody is told of further ones");
        let body =
            format!("{count} alerts were left out, too many are held: nobody is told of them");
        let attributes = vec![("alerts".to_owned(), count.to_string())];
        let severity = Severity::Error;
        shared.events.push(&self.id, Event { kind: "alerts_refused", severity, body, attributes });
    }

    /// Waits until a decision is durable, and lets the outbox send. Who is to be woken is woken also
    /// where the log could not be written, which the store has said aloud.
    ///
    /// # Errors
    /// `Unavailable` where it is not durable: for interfaces, which promise what they answer.
    pub(crate) async fn finish(&self, decided: Decided) -> Result<()> {
        let Decided { written, number } = decided;
        let written = written.await;
        if let Some(number) = number {
            let intents = self.undelivered.lock().get(&number).cloned().unwrap_or_default();
            self.outbox.deliver(intents);
            self.undelivered.lock().remove(&number);
        }
        self.changed.notify_one();
        written
    }

    /// As [`Tenant::finish`], for what happens by itself.
    pub(crate) async fn finish_anyway(&self, decided: Decided) {
        drop(self.finish(decided).await);
    }

    /// Changes what the dispatcher holds, for an interface. `change` is given the time.
    ///
    /// # Errors
    /// `Unavailable` where the change is not durable; inside, what `change` refuses.
    pub(crate) async fn change<T, E>(
        &self,
        shared: &Arc<Shared>,
        change: impl FnOnce(&mut Dispatcher, i64) -> std::result::Result<(T, Vec<route::Record>), E>,
    ) -> Result<std::result::Result<T, E>> {
        shared.store.writable()?;
        let (value, decided) = {
            let mut dispatcher = self.dispatcher.lock();
            let (value, records) = match change(&mut dispatcher, shared.clock.now().as_millis()) {
                Ok(changed) => changed,
                Err(refused) => return Ok(Err(refused)),
            };
            let entries = records.iter().map(|record| entry(&self.id, Kind::Route, record));
            let entries = entries.collect();
            (value, self.route(shared, &mut dispatcher, Vec::new(), entries))
        };
        self.finish(decided).await?;
        Ok(Ok(value))
    }

    /// Tells the dispatcher of the time whenever something is due.
    pub(super) async fn run(self: Arc<Self>, shared: Arc<Shared>) {
        loop {
            let due_ms = self.dispatcher.lock().next_due_ms();
            let now_ms = shared.clock.now().as_millis();
            let wait_ms = due_ms.map_or(i64::MAX, |due_ms| due_ms.saturating_sub(now_ms));
            if wait_ms > 0 {
                let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
                let sleep = shared.clock.sleep(wait.min(WAIT_MAX));
                // Either the time is over or something changed; the loop looks which.
                drop(select(sleep, Box::pin(self.changed.notified())).await);
                continue;
            }
            let decided = {
                let mut dispatcher = self.dispatcher.lock();
                self.route(&shared, &mut dispatcher, Vec::new(), Vec::new())
            };
            self.finish_anyway(decided).await;
        }
    }

    /// Tells of alerts whose rules cannot be read, so that they do not end by themselves.
    pub(super) async fn keep_parked(&self, shared: &Arc<Shared>) {
        let now_ms = shared.clock.now().as_millis();
        let interval = shared.options.evaluation_interval;
        let mut alerts = Vec::new();
        for (rule, state) in &mut *self.parked.lock() {
            alerts.extend(shared.due(state, &rule.query, now_ms, interval));
        }
        if !alerts.is_empty() {
            let decided = {
                let mut dispatcher = self.dispatcher.lock();
                self.route(shared, &mut dispatcher, alerts, Vec::new())
            };
            self.finish_anyway(decided).await;
        }
    }

    /// Notes that a rule could not be evaluated.
    pub(crate) fn failed(&self, shared: &Shared, group: &str, cell: &Cell, error: &str) {
        let rule = &*cell.rule.name;
        // Told again only when it is another error: a rule that fails does so at every slot.
        if cell.error().as_deref() == Some(error) {
            return;
        }
        // Often it is the query that could not be answered, which has been told already.
        info!(group, rule, error, "a rule could not be evaluated");
        let attributes = [("rule_group", group), ("rule_name", rule), ("error", error)];
        shared.events.push(
            &self.id,
            Event {
                kind: "evaluation_error",
                severity: Severity::Warn,
                body: format!("rule {rule} could not be evaluated: {error}"),
                attributes: attributes.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            },
        );
    }

    /// Returns everything that is to be kept.
    pub(super) fn everything(&self) -> Vec<Entry> {
        let nothing = RuleState::default();
        let of_rule = |key: &RuleKey, state: &RuleState| {
            let changes = RuleChange::between(key, &nothing, state);
            changes.iter().map(|change| entry(&self.id, Kind::Rule, change)).collect::<Vec<_>>()
        };
        let mut entries = Vec::new();
        for group in self.groups() {
            for cell in &group.cells {
                entries.extend(of_rule(&cell.key, &cell.alerts()));
            }
        }
        for (key, state) in &*self.parked.lock() {
            entries.extend(of_rule(key, state));
        }
        let records = self.dispatcher.lock().snapshot();
        entries.extend(records.iter().map(|record| entry(&self.id, Kind::Route, record)));
        let undelivered = self.undelivered.lock().clone();
        entries.extend(undelivered.values().flatten().map(|intent| self.owed(intent)));
        let records = self.outbox.snapshot();
        entries.extend(records.iter().map(|record| entry(&self.id, Kind::Outbox, record)));
        entries
    }

    fn owed(&self, intent: &Intent) -> Entry {
        entry(&self.id, Kind::Outbox, &Record::Intent(intent.clone()))
    }

    /// Returns how many alerts are pending and how many fire.
    pub(super) fn counts(&self) -> (usize, usize) {
        let (mut pending, mut firing) = (0, 0);
        for group in self.groups() {
            for cell in &group.cells {
                cell.with_alerts(|state| {
                    for alert in state.active() {
                        match alert.state {
                            State::Firing => firing += 1,
                            State::Pending | State::Inactive => pending += 1,
                        }
                    }
                });
            }
        }
        (pending, firing)
    }
}

impl Shared {
    /// Returns the alerts of a rule that are to be told, as they leave the rules: with external
    /// labels and a link.
    pub(crate) fn due(
        &self,
        state: &mut RuleState,
        query: &str,
        slot_ms: i64,
        interval: Duration,
    ) -> Vec<Alert> {
        let resend_ms = millis(self.options.resend_delay);
        self.due_after(state, query, (slot_ms, resend_ms, millis(interval)))
    }

    /// As [`Shared::due`], whenever they were told last.
    pub(super) fn still_firing(
        &self,
        state: &mut RuleState,
        query: &str,
        now_ms: i64,
        interval: Duration,
    ) -> Vec<Alert> {
        let interval_ms = millis(interval).max(millis(self.options.resend_delay));
        self.due_after(state, query, (now_ms, i64::MIN, interval_ms))
    }

    fn due_after(
        &self,
        state: &mut RuleState,
        query: &str,
        (slot_ms, resend_ms, interval_ms): (i64, i64, i64),
    ) -> Vec<Alert> {
        let told = ended_and_told(state);
        let mut due = due_to_send(state, slot_ms, resend_ms, interval_ms);
        if !told.is_empty() {
            // The notifier is part of the process, once is enough.
            due.retain(|alert| !told.contains(&alert.fingerprint()));
        }
        if due.is_empty() {
            return due;
        }
        let link = graph_link(&self.external_url, query);
        for alert in &mut due {
            alert.labels = with_absent(&alert.labels, &self.external_labels);
            alert.generator_url.clone_from(&link);
        }
        due
    }
}

fn ended_and_told(state: &RuleState) -> Vec<Fingerprint> {
    let alerts = state.alerts.iter().filter(|(_, alert)| alert.state == State::Inactive);
    let told = alerts.filter(|(_, alert)| alert.last_sent_ms >= alert.resolved_ms);
    told.map(|(fingerprint, _)| *fingerprint).collect()
}

/// Adds labels that are absent.
pub(super) fn with_absent(labels: &LabelSet, external: &LabelSet) -> LabelSet {
    if external.is_empty() {
        return labels.clone();
    }
    let absent = external.iter().filter(|label| labels.get(&label.name).is_none());
    LabelSet::new(labels.iter().chain(absent).cloned().collect())
}

/// Where the expression of a rule can be looked at.
pub(crate) fn graph_link(external_url: &str, query: &str) -> String {
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    format!("{external_url}/graph?g0.expr={query}&g0.tab=1")
}

fn event_of(group: &str, transition: &Transition) -> Event {
    let Transition { from, to, active } = transition;
    let name = active.labels.value(crate::state::ALERT_NAME);
    let mut attributes = vec![
        ("alert_from".to_owned(), from.as_str().to_owned()),
        ("alert_to".to_owned(), to.as_str().to_owned()),
        ("rule_group".to_owned(), group.to_owned()),
        ("fingerprint".to_owned(), Fingerprint::of(&active.labels).to_string()),
        ("value".to_owned(), active.value.to_string()),
    ];
    let labels = active.labels.iter();
    attributes
        .extend(labels.map(|label| (format!("label.{}", label.name), label.value.to_string())));
    let severity = if *to == State::Firing { Severity::Warn } else { Severity::Info };
    let body = format!("alert {name} went from {from} to {to}: {}", active.labels);
    Event { kind: "transition", severity, body, attributes }
}
