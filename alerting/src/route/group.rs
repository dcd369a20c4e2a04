//! Groups of alerts that are told together, and when each is due.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;

use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;

use super::keys;
use super::tree::Node;
use crate::alert::{Alert, Fingerprint};

/// Place of the route in the tree, labels of the group.
pub type GroupId = (usize, LabelSet);

/// Alerts that are told together.
#[derive(Debug, Clone)]
pub struct Group {
    /// See [`keys::group_key`].
    pub key: Arc<str>,
    /// When it is looked at next, ms.
    pub due_ms: i64,
    /// Whether it was looked at before.
    pub flushed: bool,
    /// Who is in it.
    pub members: BTreeSet<Fingerprint>,
}

/// All groups. Timers of a group that was put off stay in the heap until they are up, and are then
/// found to be stale.
#[derive(Debug, Default)]
pub struct Groups {
    all: HashMap<GroupId, Group>,
    timers: BinaryHeap<Reverse<(i64, GroupId)>>,
}

impl Groups {
    /// Returns a group.
    pub fn get(&self, id: &GroupId) -> Option<&Group> {
        self.all.get(id)
    }

    /// Iterates over all groups, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupId, &Group)> {
        self.all.iter()
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns when the first group is due, at the earliest.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.timers.peek().map(|Reverse((due_ms, _))| *due_ms)
    }

    /// Returns a group that is due, the longest waiting first.
    pub fn pop_due(&mut self, now_ms: i64) -> Option<GroupId> {
        while self.timers.peek().is_some_and(|Reverse((due_ms, _))| *due_ms <= now_ms) {
            let Reverse((due_ms, id)) = self.timers.pop()?;
            if self.all.get(&id).is_some_and(|group| group.due_ms == due_ms) {
                return Some(id);
            }
        }
        None
    }

    /// Puts an alert into its group. A group that was never looked at does not wait for an alert that
    /// has been firing for longer than the wait. Returns whether it was not in, and whether the
    /// group's time changed.
    pub fn join(
        &mut self,
        id: &GroupId,
        node: &Node,
        wait_ms: i64,
        (fingerprint, alert): (Fingerprint, &Alert),
        now_ms: i64,
    ) -> (bool, bool) {
        let overdue = alert.starts_ms.saturating_add(wait_ms) < now_ms;
        let Some(group) = self.all.get_mut(id) else {
            let due_ms = if overdue { now_ms } else { now_ms.saturating_add(wait_ms) };
            let group = Group {
                key: keys::group_key(&node.key, &id.1).into(),
                due_ms,
                flushed: false,
                members: BTreeSet::from([fingerprint]),
            };
            self.all.insert(id.clone(), group);
            self.timers.push(Reverse((due_ms, id.clone())));
            return (true, true);
        };
        let new = group.members.insert(fingerprint);
        let sooner = !group.flushed && overdue && group.due_ms > now_ms;
        if sooner {
            self.set_due(id, now_ms, false);
        }
        (new, sooner)
    }

    /// Says when a group is due.
    pub fn set_due(&mut self, id: &GroupId, due_ms: i64, flushed: bool) {
        let Some(group) = self.all.get_mut(id) else { return };
        group.flushed = flushed;
        if group.due_ms != due_ms {
            group.due_ms = due_ms;
            self.timers.push(Reverse((due_ms, id.clone())));
        }
    }

    /// Takes alerts out of a group; returns those that were in it. A group without any is gone.
    pub fn leave(&mut self, id: &GroupId, alerts: &[Fingerprint]) -> Vec<Fingerprint> {
        let Some(group) = self.all.get_mut(id) else { return Vec::new() };
        let left = alerts.iter().copied().filter(|alert| group.members.remove(alert)).collect();
        if group.members.is_empty() {
            self.all.remove(id);
        }
        left
    }

    /// Moves all timers: the clock was set back.
    pub fn shift(&mut self, by_ms: i64) {
        self.timers.clear();
        for (id, group) in &mut self.all {
            group.due_ms = group.due_ms.saturating_add(by_ms);
            self.timers.push(Reverse((group.due_ms, id.clone())));
        }
    }
}
