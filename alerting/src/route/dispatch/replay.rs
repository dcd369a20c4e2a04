//! What is remembered, and back: records that make the state, and the state that they make.

use std::sync::Arc;

use super::super::dedup::Entry;
use super::super::group::GroupId;
use super::super::record::Record;
use super::super::silence::Silence;
use super::Dispatcher;
use crate::alert::Alert;

impl Dispatcher {
    /// Takes over a change that was remembered.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Alert(alert) => {
                let (fingerprint, now_ms) = (alert.fingerprint(), alert.updated_ms);
                self.hold(fingerprint, &Arc::new(alert), true, now_ms, None);
            }
            Record::AlertGone(fingerprint) => self.forget(fingerprint),
            Record::Group { route, labels, due_ms, flushed } => {
                if let Some(id) = self.group_id(&route, labels) {
                    self.groups.set_due(&id, due_ms, flushed);
                }
            }
            Record::Left { route, labels, alerts } => {
                if let Some(id) = self.group_id(&route, labels) {
                    self.leave(&id, &alerts);
                }
            }
            Record::Entry(entry) => self.remember(*entry),
            Record::EntryGone(key) => {
                self.entries.remove(&key);
            }
            Record::Silence(silence) => self.silences.put(silence),
            Record::SilenceGone(id) => {
                self.silences.remove(&id);
            }
        }
    }

    /// Ends the replay. Alerts whose time ran out while nobody was there to be told of them anew get
    /// `grace_ms` from now, so that a restart is not taken for the end of all alerts.
    pub fn resume(&mut self, now_ms: i64, grace_ms: i64) {
        self.last_ms = now_ms;
        let mut lost = Vec::new();
        for (fingerprint, slot) in &mut self.alerts {
            let told_to_fire = slot.alert.ends_ms > slot.alert.updated_ms;
            if told_to_fire && slot.alert.ends_ms <= now_ms.saturating_add(grace_ms) {
                let ends_ms = now_ms.saturating_add(grace_ms);
                slot.alert = Arc::new(Alert { ends_ms, ..Alert::clone(&slot.alert) });
            }
            if slot.groups == 0 {
                lost.push(*fingerprint);
            }
        }
        lost.into_iter().for_each(|fingerprint| self.forget(fingerprint));
    }

    /// Returns records that make the present state out of nothing, in an order that is always the
    /// same.
    pub fn snapshot(&self) -> Vec<Record> {
        let mut alerts: Vec<_> = self.alerts.iter().collect();
        alerts.sort_unstable_by_key(|(fingerprint, _)| **fingerprint);
        let mut records = Vec::with_capacity(alerts.len() + self.groups.len() + self.entries.len());
        let mut left = Vec::new();
        for (fingerprint, slot) in alerts {
            records.push(Record::Alert(Alert::clone(&slot.alert)));
            for route in slot.routes.iter() {
                let Some(node) = self.config.tree.nodes.get(*route) else { continue };
                let labels = node.group_by.labels_of(&slot.alert.labels);
                let id = (*route, labels.clone());
                if !self.groups.get(&id).is_some_and(|group| group.members.contains(fingerprint)) {
                    let (route, alerts) = (Arc::clone(&node.id), vec![*fingerprint]);
                    left.push(Record::Left { route, labels, alerts });
                }
            }
        }
        records.append(&mut left);
        let mut ids: Vec<&GroupId> = self.groups.iter().map(|(id, _)| id).collect();
        ids.sort_unstable();
        records.extend(ids.into_iter().filter_map(|id| self.group_record(id)));
        let mut entries: Vec<&Entry> = self.entries.values().collect();
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        records.extend(entries.into_iter().map(|entry| Record::Entry(Box::new(entry.clone()))));
        let silences = self.silences.iter();
        records.extend(silences.map(|silence| Record::Silence(Silence::clone(silence))));
        records
    }
}
