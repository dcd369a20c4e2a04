//! The state machine between alerts and messages.
//!
//! It holds the alerts, the groups they wait in, what each integration was told last, and the
//! silences. [`Dispatcher::receive`] and [`Dispatcher::advance`] return what must be remembered; what
//! [`Dispatcher::apply`] is given comes from there. The cost of `receive` grows with the alerts
//! received, that of `advance` with the groups that are due, not with what is held.
//!
//! An alert is held until it has ended and every group it was in has been looked at since.

mod flush;
mod replay;
mod view;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;

pub use self::view::{AlertFilter, AlertState, AlertStatus, AlertView, GroupView};
use super::config::{Config, Kind, Receiver};
use super::dedup::{Entry, EntryKey};
use super::flush::Flush;
use super::group::{GroupId, Groups};
use super::inhibit::Inhibitor;
use super::record::Record;
pub use super::silence::Refused as SilenceRefused;
use super::silence::{Silence, Silences};
use super::tree::Node;
use crate::alert::{Alert, Fingerprint};

/// How a dispatcher behaves, beside its configuration.
#[derive(Debug, Clone)]
pub struct DispatchOptions {
    /// Turn deliberate deviations from upstream off.
    pub compat: bool,
    /// How long silences are kept after their end, and knowledge of notifications at most.
    pub retention: Duration,
    /// Alerts held at most; further ones are refused.
    pub alerts_max: usize,
    /// Silences held at most, those that are over included.
    pub silences_max: usize,
}

impl Default for DispatchOptions {
    fn default() -> Self {
        Self {
            compat: false,
            // Upstream's `--data.retention`.
            retention: Duration::from_secs(120 * 3600),
            // Twice what a busy installation fires in its worst hour; at about 1 KiB each.
            alerts_max: 200_000,
            silences_max: 10_000,
        }
    }
}

/// What became due.
#[derive(Debug, Default)]
pub struct Advanced {
    /// What is to be sent, in the order it was decided.
    pub flushes: Vec<Flush>,
    /// What must be remembered before anything of it is sent.
    pub records: Vec<Record>,
}

/// See the module.
#[derive(Debug)]
pub struct Dispatcher {
    config: Arc<Config>,
    options: DispatchOptions,
    /// Per node of the tree.
    targets: Vec<Target>,
    alerts: HashMap<Fingerprint, Slot>,
    groups: Groups,
    entries: HashMap<EntryKey, Entry>,
    expiries: BinaryHeap<Reverse<(i64, EntryKey)>>,
    silences: Silences,
    inhibitor: Inhibitor,
    last_seq: u64,
    last_ms: i64,
    /// Alerts that were left out.
    refused: u64,
}

/// Whom a node tells, and how long its groups wait first.
#[derive(Debug, Clone)]
struct Target {
    receiver: Option<Arc<Receiver>>,
    wait_ms: i64,
}

#[derive(Debug)]
struct Slot {
    alert: Arc<Alert>,
    /// The end that a record told; the true one may be later.
    recorded_ms: i64,
    /// Where its routes lead, as places in the tree.
    routes: Arc<[usize]>,
    /// In how many groups it is.
    groups: usize,
}

fn targets(config: &Config, compat: bool) -> Vec<Target> {
    let target = |node: &Node| {
        let receiver = config.receiver(&node.receiver).map(Arc::clone);
        let edited = receiver.as_ref().is_some_and(|receiver| {
            let supported = |kind: &Kind| !matches!(kind, Kind::Unsupported(_));
            let mut kinds = receiver.integrations.iter().map(|one| &one.kind);
            let mut known = kinds.clone().filter(|kind| supported(kind)).peekable();
            known.peek().is_some() && kinds.all(Kind::edits_in_place)
        });
        // Who changes the message in place loses nothing by telling at once.
        let at_once = edited && !node.group_wait_written && !compat;
        Target { receiver, wait_ms: if at_once { 0 } else { node.group_wait_ms } }
    };
    config.tree.nodes.iter().map(target).collect()
}

impl Dispatcher {
    /// Makes one that holds nothing.
    pub fn new(config: Arc<Config>, options: DispatchOptions, now_ms: i64) -> Self {
        Self {
            targets: targets(&config, options.compat),
            inhibitor: Inhibitor::new(&config.inhibit_rules),
            config,
            options,
            alerts: HashMap::default(),
            groups: Groups::default(),
            entries: HashMap::default(),
            expiries: BinaryHeap::new(),
            silences: Silences::default(),
            last_seq: 0,
            last_ms: now_ms,
            refused: 0,
        }
    }

    /// Returns the configuration.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Returns how many alerts are held.
    pub fn len(&self) -> usize {
        self.alerts.len()
    }

    /// Returns whether no alert is held.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty()
    }

    /// Returns how many more alerts fit.
    pub fn room(&self) -> usize {
        self.options.alerts_max.saturating_sub(self.alerts.len())
    }

    /// Returns how often an alert was left out because too many were held.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Returns how many of the alerts are not held yet.
    pub fn unknown(&self, alerts: &[Alert]) -> usize {
        alerts.iter().filter(|alert| !self.alerts.contains_key(&alert.fingerprint())).count()
    }

    /// Returns when [`Self::advance`] is to be called next; it may find nothing to do then.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.groups.next_due_ms()
    }

    /// Takes alerts: new ones, and those held already with what changed. Alerts beyond what may be
    /// held are left out, and counted in [`Self::refused`]; who can say no asks [`Self::room`] before.
    pub fn receive(&mut self, alerts: Vec<Alert>, now_ms: i64) -> Vec<Record> {
        let mut records = Vec::new();
        for alert in alerts {
            self.receive_one(alert, now_ms, &mut records);
        }
        records
    }

    fn receive_one(&mut self, alert: Alert, now_ms: i64, records: &mut Vec<Record>) {
        let fingerprint = alert.fingerprint();
        let known = self.alerts.get(&fingerprint);
        if known.is_none() {
            // Nobody was told of it, so nobody need hear that it ended.
            if alert.is_resolved(now_ms) && !self.options.compat {
                return;
            }
            if self.room() == 0 {
                self.refused += 1;
                return;
            }
        }
        let alert = match known {
            Some(slot) => merge(&slot.alert, alert, now_ms),
            None => alert,
        };
        let told = known.is_none_or(|slot| must_be_told(slot, &alert, now_ms));
        let alert = Arc::new(alert);
        if told {
            records.push(Record::Alert(Alert::clone(&alert)));
        }
        self.hold(fingerprint, &alert, told, now_ms, Some(records));
    }

    /// Holds an alert and puts it into the groups of its routes.
    fn hold(
        &mut self,
        fingerprint: Fingerprint,
        alert: &Arc<Alert>,
        told: bool,
        now_ms: i64,
        mut records: Option<&mut Vec<Record>>,
    ) {
        let routes = match self.alerts.get_mut(&fingerprint) {
            Some(slot) => {
                if told {
                    slot.recorded_ms = alert.ends_ms;
                }
                slot.alert = Arc::clone(alert);
                Arc::clone(&slot.routes)
            }
            None => {
                let routes: Arc<[usize]> = self.config.tree.routes(&alert.labels).into();
                self.inhibitor.insert(fingerprint, &alert.labels);
                let (recorded_ms, held) = (alert.ends_ms, Arc::clone(alert));
                let slot =
                    Slot { alert: held, recorded_ms, routes: Arc::clone(&routes), groups: 0 };
                self.alerts.insert(fingerprint, slot);
                routes
            }
        };
        for route in routes.iter().copied() {
            let Some(node) = self.config.tree.nodes.get(route) else { continue };
            let wait_ms = self.targets.get(route).map_or(node.group_wait_ms, |one| one.wait_ms);
            let id: GroupId = (route, node.group_by.labels_of(&alert.labels));
            let (joined, moved) =
                self.groups.join(&id, node, wait_ms, (fingerprint, alert), now_ms);
            if joined && let Some(slot) = self.alerts.get_mut(&fingerprint) {
                slot.groups += 1;
            }
            if moved && let Some(records) = records.as_deref_mut() {
                records.extend(self.group_record(&id));
            }
        }
    }

    fn group_record(&self, id: &GroupId) -> Option<Record> {
        let group = self.groups.get(id)?;
        let node = self.config.tree.nodes.get(id.0)?;
        Some(Record::Group {
            route: Arc::clone(&node.id),
            labels: id.1.clone(),
            due_ms: group.due_ms,
            flushed: group.flushed,
        })
    }

    /// Does what is due: looks at groups, forgets what is out of date.
    pub fn advance(&mut self, now_ms: i64) -> Advanced {
        self.follow_clock(now_ms);
        let mut advanced = Advanced::default();
        while let Some(id) = self.groups.pop_due(now_ms) {
            self.flush(&id, now_ms, &mut advanced);
        }
        self.expire_entries(now_ms, &mut advanced.records);
        let retention_ms = millis(self.options.retention);
        let over = self.silences.collect(now_ms.saturating_sub(retention_ms));
        advanced.records.extend(over.into_iter().map(Record::SilenceGone));
        advanced
    }

    /// A clock that was set back must not make groups wait for what is to them the far future.
    fn follow_clock(&mut self, now_ms: i64) {
        let back_ms = now_ms - self.last_ms;
        // Less than this is a clock being disciplined.
        if back_ms < -1000 {
            self.groups.shift(back_ms);
        }
        self.last_ms = now_ms;
    }

    fn expire_entries(&mut self, now_ms: i64, records: &mut Vec<Record>) {
        while self.expiries.peek().is_some_and(|Reverse((due_ms, _))| *due_ms <= now_ms) {
            let Some(Reverse((_, key))) = self.expiries.pop() else { break };
            let Some(entry) = self.entries.get(&key) else { continue };
            if entry.expires_ms > now_ms {
                self.expiries.push(Reverse((entry.expires_ms, key)));
                continue;
            }
            // Somebody who still waits for the end of an alert that is held must hear of it.
            let open = entry.open.keys().any(|alert| self.alerts.contains_key(alert));
            if open && !self.options.compat {
                self.expiries.push(Reverse((now_ms + millis(self.options.retention), key)));
                continue;
            }
            self.entries.remove(&key);
            records.push(Record::EntryGone(key));
        }
    }

    fn remember(&mut self, entry: Entry) {
        self.last_seq = self.last_seq.max(entry.flush_seq);
        // One timer for each is enough: when it is up, the entry says whether it is later by now.
        if !self.entries.contains_key(&entry.key) {
            self.expiries.push(Reverse((entry.expires_ms, entry.key.clone())));
        }
        self.entries.insert(entry.key.clone(), entry);
    }

    /// Takes another configuration. Groups that it has, too, keep their time.
    pub fn reload(&mut self, config: Arc<Config>, now_ms: i64) -> Vec<Record> {
        let id_of = |config: &Config, route: usize| {
            config.tree.nodes.get(route).map(|node| Arc::clone(&node.id))
        };
        let mut times: HashMap<(Arc<str>, LabelSet), (i64, bool)> = HashMap::default();
        for ((route, labels), group) in self.groups.iter() {
            if let Some(id) = id_of(&self.config, *route) {
                times.insert((id, labels.clone()), (group.due_ms, group.flushed));
            }
        }
        self.targets = targets(&config, self.options.compat);
        self.inhibitor = Inhibitor::new(&config.inhibit_rules);
        self.config = config;
        self.groups = Groups::default();
        let mut alerts: Vec<_> = std::mem::take(&mut self.alerts).into_iter().collect();
        alerts.sort_unstable_by_key(|(fingerprint, _)| *fingerprint);
        for (fingerprint, slot) in alerts {
            self.hold(fingerprint, &slot.alert, true, now_ms, None);
            if let Some(held) = self.alerts.get_mut(&fingerprint) {
                held.recorded_ms = slot.recorded_ms;
            }
        }
        let mut ids: Vec<GroupId> = self.groups.iter().map(|(id, _)| id.clone()).collect();
        ids.sort_unstable();
        for id in &ids {
            let key = id_of(&self.config, id.0).map(|route| (route, id.1.clone()));
            if let Some((due_ms, flushed)) = key.and_then(|key| times.get(&key)) {
                self.groups.set_due(id, *due_ms, *flushed);
            }
        }
        // The timers that were set meanwhile are stale.
        self.groups.shift(0);
        ids.iter().filter_map(|id| self.group_record(id)).collect()
    }

    /// Makes or changes a silence; see [`Silences::set`].
    ///
    /// # Errors
    /// Where it is not taken.
    pub fn set_silence(
        &mut self,
        silence: Silence,
        new_id: &str,
        now_ms: i64,
    ) -> Result<(String, Vec<Record>), SilenceRefused> {
        let max = self.options.silences_max;
        let (id, changed) = self.silences.set(silence, new_id, max, now_ms)?;
        Ok((id, changed.into_iter().map(Record::Silence).collect()))
    }

    /// Ends a silence.
    ///
    /// # Errors
    /// Where there is none, or it is over.
    pub fn expire_silence(&mut self, id: &str, now_ms: i64) -> Result<Vec<Record>, SilenceRefused> {
        Ok(vec![Record::Silence(self.silences.expire(id, now_ms)?)])
    }

    /// Returns the silences.
    pub fn silences(&self) -> &Silences {
        &self.silences
    }

    fn group_id(&self, route: &str, labels: LabelSet) -> Option<GroupId> {
        let at = self.config.tree.nodes.iter().position(|node| &*node.id == route)?;
        Some((at, labels))
    }

    /// Takes alerts out of a group; returns those that are in no group any more.
    fn leave(&mut self, id: &GroupId, alerts: &[Fingerprint]) -> Vec<Fingerprint> {
        let mut alone = Vec::new();
        for alert in self.groups.leave(id, alerts) {
            if let Some(slot) = self.alerts.get_mut(&alert) {
                slot.groups = slot.groups.saturating_sub(1);
                if slot.groups == 0 {
                    alone.push(alert);
                }
            }
        }
        alone
    }

    fn forget(&mut self, fingerprint: Fingerprint) {
        let Some(slot) = self.alerts.remove(&fingerprint) else { return };
        self.inhibitor.remove(fingerprint, &slot.alert.labels);
        for route in slot.routes.iter() {
            if let Some(node) = self.config.tree.nodes.get(*route) {
                let id = (*route, node.group_by.labels_of(&slot.alert.labels));
                self.groups.leave(&id, &[fingerprint]);
            }
        }
    }
}

/// Returns what is known of an alert after it was told anew.
fn merge(old: &Alert, new: Alert, now_ms: i64) -> Alert {
    let within = |time_ms: i64| old.starts_ms < time_ms && time_ms < old.ends_ms;
    if !within(new.ends_ms) && !within(new.starts_ms) {
        return new;
    }
    let mut merged = new;
    merged.starts_ms = merged.starts_ms.min(old.starts_ms);
    let explicit = if merged.is_resolved(now_ms) { old.is_resolved(now_ms) } else { !old.timeout };
    if explicit && old.ends_ms > merged.ends_ms {
        merged.ends_ms = old.ends_ms;
    }
    merged
}

/// Returns whether the change is worth a record. That an alert still fires is told again when half of
/// the time that was recorded is over: alerts are told every few seconds, and a record each time
/// would fill the log.
fn must_be_told(slot: &Slot, new: &Alert, now_ms: i64) -> bool {
    let old = &slot.alert;
    let same = old.annotations == new.annotations
        && old.generator_url == new.generator_url
        && old.starts_ms == new.starts_ms
        && old.timeout == new.timeout
        && old.is_resolved(now_ms) == new.is_resolved(now_ms);
    let half_ms = new.ends_ms.saturating_sub(now_ms) / 2;
    !same
        || slot.groups == 0
        || new.ends_ms < slot.recorded_ms
        || (new.ends_ms > slot.recorded_ms && slot.recorded_ms.saturating_sub(now_ms) < half_ms)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
