//! Taking over: from the groups that run to those that the files say.
//!
//! A group that is the same runs on. One that changed is stopped, its states go to the rules that
//! continue the old ones, and it runs under its new rules. Of a group that is gone, alerts end and
//! are told to have ended. Where the files could not all be read, groups that are missing may be in
//! one of those: their states are parked, their alerts go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tarn_model::labels::LabelSet;
use tarn_model::tenant::TenantId;
use tokio::sync::watch;
use tracing::info;

use super::load::Loaded;
use super::outward;
use super::restore::{OfTenant, rule_of};
use super::tenant::{Tenant, graph_link, with_absent};
use super::{Alerting, arrive};
use crate::alert::Alert;
use crate::evaluate::recorder::{self, Row};
use crate::evaluate::{Cell, Group, millis};
use crate::notify::Outbox;
use crate::route::{Config, DispatchOptions, Dispatcher};
use crate::rules::{Rule, RuleGroup};
use crate::slo::ledger::run::source::FromEngine;
use crate::slo::{Objective, ledger};
use crate::state::{Active, RuleState, State, carry};
use crate::store::{Entry, Kind, RuleChange, RuleKey, entry};
use crate::template::notify::Templates;

/// How long alerts of others go on after a restart without being told again: until then whoever
/// tells of them has noticed that we are back.
const RESTART_GRACE: Duration = Duration::from_secs(300);

/// What of a group is to be carried over.
#[derive(Debug, Default)]
struct Old {
    rules: Vec<(Arc<Rule>, RuleState)>,
    /// Those of `rules`.
    keys: Vec<RuleKey>,
    recorded: Vec<(Arc<Rule>, BTreeSet<LabelSet>)>,
}

/// What a change of groups leads to.
#[derive(Debug, Default)]
struct Outcome {
    entries: Vec<Entry>,
    alerts: Vec<Alert>,
    start: Vec<Arc<Group>>,
    /// Series that end.
    ended: Vec<LabelSet>,
}

impl Alerting {
    /// Puts what was loaded in the place of what runs. `complete`: every file could be read.
    pub(super) async fn take(&self, loaded: Loaded, complete: bool) {
        let id = TenantId::default_tenant();
        let mut restored = std::mem::take(&mut *self.0.restored.lock());
        let own = restored.remove(&id).unwrap_or_default();
        let tenant = self.tenant_for(&id, own, &loaded).await;
        self.regroup(&tenant, &loaded.groups, complete).await;
        self.follow(&tenant, loaded.objectives);
        // No file says anything of the others: they live on what interfaces told.
        for (id, own) in restored {
            let tenant = self.guest(&id, own);
            self.regroup(&tenant, &[], complete).await;
        }
    }

    /// Lets rules and objectives follow the rows that come from now on.
    fn follow(&self, tenant: &Arc<Tenant>, objectives: Vec<Arc<Objective>>) {
        let shared = self.shared();
        let (stop, stopped) = watch::channel(());
        // Whoever followed for the rules of before ends when its sender goes.
        drop(self.0.followers.lock().replace(stop));
        if shared.options.on_arrival {
            let reader = self.0.reader.clone();
            let run = arrive::run(Arc::clone(shared), Arc::clone(tenant), reader, stopped.clone());
            shared.tasks.spawn("rule arrivals", Box::pin(run));
        }
        self.0.objectives.write().clone_from(&objectives);
        if !objectives.is_empty() {
            let handles = ledger::run::Handles {
                clock: Arc::clone(&shared.clock),
                source: Arc::new(FromEngine {
                    engine: shared.engine.clone(),
                    tenant: tenant.id.clone(),
                }),
                reader: self.0.reader.clone(),
                writer: shared.writer.clone(),
                tenant: tenant.id.clone(),
                turn: Arc::clone(&self.0.counting),
                lost: shared.metrics.slo_lost.clone(),
            };
            let run = ledger::run::run(objectives, handles, stopped);
            shared.tasks.spawn("slo ledger", Box::pin(run));
        }
    }

    /// Returns the tenant, made of what was kept of it, with the routes that were loaded.
    async fn tenant_for(&self, id: &TenantId, own: OfTenant, loaded: &Loaded) -> Arc<Tenant> {
        let shared = self.shared();
        let now_ms = shared.clock.now().as_millis();
        let around = (shared.external_url.as_str(), &shared.clock);
        if let Some(tenant) = self.tenant(id) {
            if let Some(routes) = &loaded.routes {
                let written = {
                    let mut dispatcher = tenant.dispatcher.lock();
                    let records = dispatcher.reload(Arc::clone(routes), now_ms);
                    let entries = records.iter().map(|r| entry(id, Kind::Route, r)).collect();
                    shared.store.append(entries)
                };
                // The store has said aloud that it cannot write.
                drop(written.await);
                outward::configure(&tenant.outbox, routes, &loaded.templates, around);
            }
            return tenant;
        }
        let routes = loaded.routes.clone().unwrap_or_else(super::load::routes_default);
        let tenant = self.made(id, own, &routes, self.0.outbox.clone(), &loaded.templates);
        self.0.tenants.write().insert(id.clone(), Arc::clone(&tenant));
        tenant
    }

    /// Makes a tenant of what was kept of it. Time does not pass for it yet.
    pub(super) fn made(
        &self,
        id: &TenantId,
        own: OfTenant,
        routes: &Arc<Config>,
        outbox: Outbox,
        templates: &Arc<Templates>,
    ) -> Arc<Tenant> {
        let shared = self.shared();
        let now_ms = shared.clock.now().as_millis();
        let options = DispatchOptions { compat: shared.options.compat, ..Default::default() };
        let mut dispatcher = Dispatcher::new(Arc::clone(routes), options, now_ms);
        for record in own.routes {
            dispatcher.apply(record);
        }
        dispatcher.resume(now_ms, millis(RESTART_GRACE));
        let around = (shared.external_url.as_str(), &shared.clock);
        outward::configure(&outbox, routes, templates, around);
        outbox.restore(own.outbox);
        outbox.start();
        let tenant = Arc::new(Tenant::new(id.clone(), dispatcher, outbox));
        *tenant.parked.lock() = own.rules;
        tenant
    }

    async fn regroup(&self, tenant: &Arc<Tenant>, groups: &[RuleGroup], complete: bool) {
        let shared = self.shared();
        let mut running = tenant.groups.read().clone();
        let mut outcome = Outcome::default();
        for group in groups {
            let key: Arc<str> = group.key().into();
            match running.remove(&key) {
                Some(old) if old.rules == *group => {}
                old => {
                    let before = old_of(tenant, &key, old.as_deref()).await;
                    self.replace(tenant, group, &key, &before, &mut outcome);
                }
            }
        }
        if complete {
            for (key, old) in running {
                let before = old_of(tenant, &key, Some(&old)).await;
                tenant.groups.write().remove(&key);
                shared.metrics.forget(&key);
                self.remove(tenant, &before, &mut outcome);
                info!(group = &*key, "a rule group is gone");
            }
            let parked = std::mem::take(&mut *tenant.parked.lock());
            let mut gone: BTreeMap<Arc<str>, Old> = BTreeMap::new();
            for (key, state) in parked {
                gone.entry(Arc::clone(&key.group)).or_default().add(key, state);
            }
            for (_, before) in gone {
                self.remove(tenant, &before, &mut outcome);
            }
        }
        self.finish(tenant, outcome).await;
    }

    /// Makes a group in the place of an old one.
    fn replace(
        &self,
        tenant: &Arc<Tenant>,
        group: &RuleGroup,
        key: &Arc<str>,
        before: &Old,
        outcome: &mut Outcome,
    ) {
        let shared = self.shared();
        let keys = RuleKey::of_group(key, &group.rules);
        let mut recorded: Vec<Option<_>> = before.recorded.iter().cloned().map(Some).collect();
        let known: BTreeMap<RuleKey, RuleState> = before
            .keys
            .iter()
            .cloned()
            .zip(before.rules.iter().map(|(_, state)| state.clone()))
            .collect();
        let gone = before.keys.iter().filter(|known| !keys.contains(known));
        outcome.entries.extend(gone.map(|key| entry(&tenant.id, Kind::RuleGone, key)));
        let states = self.end(before, &group.rules, outcome);
        let mut cells = Vec::with_capacity(keys.len());
        let nothing = RuleState::default();
        for ((rule, rule_key), state) in group.rules.iter().zip(keys).zip(states) {
            let kept = known.get(&rule_key).unwrap_or(&nothing);
            let changes = RuleChange::between(&rule_key, kept, &state);
            let changes = changes.iter().map(|change| entry(&tenant.id, Kind::Rule, change));
            outcome.entries.extend(changes);
            let is_mine = |old: &Rule| old.name == rule.name && old.labels == rule.labels;
            let mine = recorded.iter_mut().find(|slot: &&mut Option<(Arc<Rule>, _)>| {
                slot.as_ref().is_some_and(|(old, _)| is_mine(old))
            });
            let series = mine.and_then(Option::take).map(|(_, series)| series).unwrap_or_default();
            cells.push(Cell::new(rule_key, Arc::clone(rule), state, series));
        }
        outcome.ended.extend(recorded.into_iter().flatten().flat_map(|(_, series)| series));
        let group = Arc::new(Group::new(group.clone(), cells, shared));
        tenant.groups.write().insert(Arc::clone(key), Arc::clone(&group));
        outcome.start.push(group);
    }

    /// Ends all of a group.
    fn remove(&self, tenant: &Tenant, before: &Old, outcome: &mut Outcome) {
        let gone = before.keys.iter().map(|key| entry(&tenant.id, Kind::RuleGone, key));
        outcome.entries.extend(gone);
        outcome.ended.extend(before.recorded.iter().flat_map(|(_, series)| series).cloned());
        self.end(before, &[], outcome);
    }

    /// Carries states over to `rules`, and notes what ends.
    fn end(&self, before: &Old, rules: &[Arc<Rule>], outcome: &mut Outcome) -> Vec<RuleState> {
        let shared = self.shared();
        let now_ms = shared.clock.now().as_millis();
        let carried = carry(&before.rules, rules, now_ms, shared.options.compat);
        for (rule, state) in &before.rules {
            let is_left = |active: &&Active| {
                let fingerprint = crate::alert::Fingerprint::of(&active.labels);
                !carried.states.iter().any(|state| state.alerts.contains_key(&fingerprint))
            };
            let left = state.active().filter(is_left);
            outcome.ended.extend(left.flat_map(|active| active.series(rule)));
        }
        for active in carried.ended {
            let link = graph_link(&shared.external_url, "");
            outcome.alerts.push(ended_alert(&active, &shared.external_labels, link, now_ms));
        }
        carried.states
    }

    async fn finish(&self, tenant: &Arc<Tenant>, outcome: Outcome) {
        let shared = self.shared();
        let now_ms = shared.clock.now().as_millis();
        let mut alerts = outcome.alerts;
        // Before time passes for the dispatcher it hears of all that fires: what it knows may be
        // from long ago.
        for group in &outcome.start {
            for cell in &group.cells {
                alerts.extend(cell.with_alerts(|state| {
                    shared.still_firing(state, &cell.rule.query, now_ms, group.interval)
                }));
            }
        }
        for (key, state) in &mut *tenant.parked.lock() {
            let interval = shared.options.evaluation_interval;
            alerts.extend(shared.still_firing(state, &key.query, now_ms, interval));
        }
        let decided = {
            let mut dispatcher = tenant.dispatcher.lock();
            tenant.route(shared, &mut dispatcher, alerts, outcome.entries)
        };
        tenant.finish_anyway(decided).await;
        let rows: Vec<Row> =
            outcome.ended.into_iter().map(|labels| Row::stale(labels, now_ms, 0)).collect();
        if let Err(error) = recorder::write(&shared.writer, &tenant.id, &rows).await {
            tracing::warn!(error = %error.message(), "series of removed rules were not ended");
        }
        for group in outcome.start {
            let run = group.run(Arc::clone(shared), Arc::clone(tenant));
            shared.tasks.spawn("rule group", Box::pin(run));
        }
        self.let_time_pass(tenant);
    }

    /// Lets time pass for a tenant, if it does not yet.
    pub(super) fn let_time_pass(&self, tenant: &Arc<Tenant>) {
        if !tenant.started.swap(true, std::sync::atomic::Ordering::AcqRel) {
            let run = Arc::clone(tenant).run(Arc::clone(self.shared()));
            self.shared().tasks.spawn("alert timers", Box::pin(run));
        }
    }
}

/// Stops a group, if it runs, and returns what is to be carried over from it, or from what was
/// parked under its name.
async fn old_of(tenant: &Tenant, key: &Arc<str>, running: Option<&Group>) -> Old {
    let mut old = Old::default();
    if let Some(group) = running {
        group.stop().await;
        for cell in &group.cells {
            if cell.rule.alerting().is_some() {
                old.keys.push(cell.key.clone());
                old.rules.push((Arc::clone(&cell.rule), RuleState::clone(&cell.alerts())));
            } else {
                old.recorded.push((Arc::clone(&cell.rule), cell.recorded()));
            }
        }
    }
    let mut parked = tenant.parked.lock();
    let keys: Vec<RuleKey> = parked.keys().filter(|parked| parked.group == *key).cloned().collect();
    for key in keys {
        if let Some(state) = parked.remove(&key) {
            old.add(key, state);
        }
    }
    old
}

impl Old {
    fn add(&mut self, key: RuleKey, state: RuleState) {
        // An expression that does not parse any more was parsed by an older version.
        if let Some(rule) = rule_of(&key) {
            self.rules.push((rule, state));
            self.keys.push(key);
        }
    }
}

fn ended_alert(active: &Active, external: &LabelSet, link: String, now_ms: i64) -> Alert {
    debug_assert_eq!(active.state, State::Inactive);
    Alert {
        labels: with_absent(&active.labels, external),
        annotations: active.annotations.clone(),
        starts_ms: active.fired_ms.unwrap_or(active.active_ms),
        ends_ms: active.resolved_ms.unwrap_or(now_ms),
        timeout: false,
        updated_ms: now_ms,
        generator_url: link,
    }
}
