//! Looking at a group: who may be heard, who must be told.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_model::labels::LabelSet;

use super::super::config::{Integration, Receiver};
use super::super::dedup::{self, Entry, EntryKey, Question};
use super::super::flush::{Flush, NEVER_MS, Reason};
use super::super::group::GroupId;
use super::super::record::Record;
use super::super::tree::Node;
use super::{Advanced, Dispatcher, millis};
use crate::alert::{Alert, Fingerprint};

/// A member of a group, as it is at the time of the flush.
struct Member {
    fingerprint: Fingerprint,
    alert: Arc<Alert>,
    resolved: bool,
    muted: bool,
}

/// The group at the time of the flush.
struct Scene<'a> {
    key: &'a Arc<str>,
    node: &'a Node,
    labels: &'a LabelSet,
    members: &'a [Member],
    now_ms: i64,
}

impl Dispatcher {
    /// Looks at a group that is due.
    pub(super) fn flush(&mut self, id: &GroupId, now_ms: i64, advanced: &mut Advanced) {
        let config = Arc::clone(&self.config);
        let (Some(group), Some(node)) = (self.groups.get(id), config.tree.nodes.get(id.0)) else {
            return;
        };
        let key = Arc::clone(&group.key);
        let members = self.members(group.members.iter().copied(), node, now_ms);
        let receiver = self.targets.get(id.0).and_then(|target| target.receiver.clone());
        let scene = Scene { key: &key, node, labels: &id.1, members: &members, now_ms };
        if let Some(receiver) = receiver {
            for integration in &receiver.integrations {
                self.tell(&scene, &receiver, integration, advanced);
            }
        }
        let ended: Vec<Fingerprint> =
            members.iter().filter(|member| member.resolved).map(|one| one.fingerprint).collect();
        self.settle(id, node, &ended, now_ms, advanced);
    }

    /// Puts the group off until its next time, without those that ended.
    fn settle(
        &mut self,
        id: &GroupId,
        node: &Node,
        ended: &[Fingerprint],
        now_ms: i64,
        advanced: &mut Advanced,
    ) {
        self.groups.set_due(id, now_ms.saturating_add(node.group_interval_ms), true);
        let alone = self.leave(id, ended);
        if !ended.is_empty() {
            let (route, labels, alerts) = (Arc::clone(&node.id), id.1.clone(), ended.to_vec());
            advanced.records.push(Record::Left { route, labels, alerts });
        }
        advanced.records.extend(self.group_record(id));
        for fingerprint in alone {
            self.forget(fingerprint);
            advanced.records.push(Record::AlertGone(fingerprint));
        }
    }

    fn members(
        &self,
        members: impl Iterator<Item = Fingerprint>,
        node: &Node,
        now_ms: i64,
    ) -> Vec<Member> {
        let quiet = !self.muted_by(node, now_ms).is_empty();
        let member = |fingerprint: Fingerprint| {
            let alert = Arc::clone(&self.alerts.get(&fingerprint)?.alert);
            let muted = quiet
                || !self.inhibited_by(&alert.labels, now_ms).is_empty()
                || !self.silences.matching(&alert.labels, now_ms).is_empty();
            let resolved = alert.is_resolved(now_ms);
            Some(Member { fingerprint, alert, resolved, muted })
        };
        let mut members: Vec<Member> = members.filter_map(member).collect();
        members.sort_by(|a, b| display_order(&a.alert.labels, &b.alert.labels));
        members
    }

    /// Returns the names of the times that keep a route quiet now. A route outside of its active
    /// times is kept quiet by all of them.
    pub(super) fn muted_by(&self, node: &Node, now_ms: i64) -> Vec<Arc<str>> {
        let within = |name: &Arc<str>| {
            let intervals = self.config.intervals.get(name);
            intervals.is_some_and(|all| all.iter().any(|interval| interval.contains(now_ms)))
        };
        if !node.active.is_empty() && !node.active.iter().any(within) {
            return node.active.clone();
        }
        node.mute.iter().filter(|name| within(name)).map(Arc::clone).collect()
    }

    pub(super) fn inhibited_by(&self, labels: &LabelSet, now_ms: i64) -> Vec<Fingerprint> {
        self.inhibitor.inhibited_by(labels, |source| {
            let slot = self.alerts.get(&source)?;
            (!slot.alert.is_resolved(now_ms)).then(|| slot.alert.labels.clone())
        })
    }

    /// Decides whether an integration must be told, and takes note of it.
    fn tell(
        &mut self,
        scene: &Scene<'_>,
        receiver: &Receiver,
        integration: &Integration,
        advanced: &mut Advanced,
    ) {
        let key = EntryKey {
            group_key: Arc::clone(scene.key),
            receiver: Arc::clone(&receiver.name),
            kind: Arc::from(integration.kind.name()),
            index: integration.index,
        };
        let entry = self.entries.get(&key);
        let compat = self.options.compat;
        // Who was told that an alert fires is told that it ended, whatever happened in between;
        // who was not, is not.
        let heard = |member: &&Member| {
            let open = entry.is_some_and(|entry| entry.open.contains_key(&member.fingerprint));
            match member.resolved && !compat {
                true => open,
                false => !member.muted,
            }
        };
        let heard: Vec<&Member> = scene.members.iter().filter(heard).collect();
        if heard.is_empty() {
            return;
        }
        let side = |resolved: bool| {
            let side = heard.iter().filter(|member| member.resolved == resolved);
            let mut side: Vec<Fingerprint> = side.map(|member| member.fingerprint).collect();
            side.sort_unstable();
            side
        };
        let (firing, resolved) = (side(false), side(true));
        let reason = dedup::decide(&Question {
            entry,
            firing: &firing,
            resolved: &resolved,
            send_resolved: integration.send_resolved,
            repeat_ms: scene.node.repeat_interval_ms,
            compat,
            now_ms: scene.now_ms,
        });
        let Some(reason) = reason else { return };
        let told = |member: &&&Member| integration.send_resolved || !member.resolved;
        let alerts: Vec<Alert> = heard.iter().filter(told).map(|member| shown(member)).collect();
        let entry = self.next_entry(scene, key, &firing, &resolved, reason);
        if !alerts.is_empty() {
            advanced.flushes.push(Flush {
                group_key: scene.key.to_string(),
                receiver: Arc::clone(&receiver.name),
                integration: (Arc::clone(&entry.key.kind), integration.index),
                reason,
                alerts,
                group_labels: scene.labels.clone(),
                route_labels: scene.node.labels.clone(),
                firing,
                resolved,
                at_ms: scene.now_ms,
                flush_seq: entry.flush_seq,
                repeat_ms: scene.node.repeat_interval_ms,
            });
        }
        advanced.records.push(Record::Entry(Box::new(entry.clone())));
        self.remember(entry);
    }

    /// Returns what the integration knows after it was told.
    fn next_entry(
        &self,
        scene: &Scene<'_>,
        key: EntryKey,
        firing: &[Fingerprint],
        resolved: &[Fingerprint],
        reason: Reason,
    ) -> Entry {
        let old = self.entries.get(&key);
        let now_ms = scene.now_ms;
        let mut open: BTreeMap<Fingerprint, i64> =
            old.map(|entry| entry.open.clone()).unwrap_or_default();
        resolved.iter().for_each(|alert| {
            open.remove(alert);
        });
        for alert in firing {
            // An update does not put off the repeat of those it shows once more.
            let clock = open.entry(*alert).or_insert(now_ms);
            if reason == Reason::Repeat {
                *clock = now_ms;
            }
        }
        let keep_ms = scene.node.repeat_interval_ms.saturating_mul(2);
        let keep_ms = keep_ms.min(millis(self.options.retention));
        // Larger than any before, also than those that were forgotten.
        let flush_seq = (self.last_seq + 1).max(u64::try_from(now_ms).unwrap_or(0));
        Entry {
            key,
            at_ms: now_ms,
            expires_ms: now_ms.saturating_add(keep_ms),
            firing: firing.to_vec(),
            resolved: resolved.to_vec(),
            open,
            flush_seq,
        }
    }
}

/// Returns the alert as a message shows it: one that fires does not end while the message waits.
fn shown(member: &Member) -> Alert {
    let mut alert = Alert::clone(&member.alert);
    if !member.resolved {
        alert.ends_ms = NEVER_MS;
    }
    alert
}

/// By job, then by instance, then fewer labels first, then by label: upstream's order in messages.
pub(super) fn display_order(a: &LabelSet, b: &LabelSet) -> Ordering {
    for name in ["job", "instance"] {
        let order = match (a.get(name), b.get(name)) {
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
