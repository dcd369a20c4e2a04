//! What the dispatcher shows to people and their tools.

use std::sync::Arc;

use tarn_model::labels::LabelSet;
use tarn_model::matcher::Matcher;

use super::Dispatcher;
use super::flush::display_order;
use crate::alert::{Alert, Fingerprint};

/// Whether an alert is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertState {
    /// It is.
    Active,
    /// Something keeps it quiet.
    Suppressed,
}

impl AlertState {
    /// Returns the word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suppressed => "suppressed",
        }
    }
}

/// Whether an alert is heard, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertStatus {
    /// Whether.
    pub state: AlertState,
    /// Ids of silences.
    pub silenced_by: Vec<String>,
    /// Alerts that keep it quiet.
    pub inhibited_by: Vec<Fingerprint>,
    /// Names of time intervals.
    pub muted_by: Vec<Arc<str>>,
}

/// An alert with all that is known of it.
#[derive(Debug, Clone)]
pub struct AlertView {
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// The alert.
    pub alert: Arc<Alert>,
    /// Names of those it is routed to.
    pub receivers: Vec<Arc<str>>,
    /// Whether it is heard.
    pub status: AlertStatus,
}

/// A group with its alerts.
#[derive(Debug, Clone)]
pub struct GroupView {
    /// What its alerts have in common.
    pub labels: LabelSet,
    /// Who is told.
    pub receiver: Arc<str>,
    /// See [`super::super::keys::group_key`].
    pub key: Arc<str>,
    /// When it is looked at next, ms.
    pub due_ms: i64,
    /// In the order messages show them.
    pub alerts: Vec<AlertView>,
}

/// Which alerts are asked for.
#[derive(Debug, Clone)]
pub struct AlertFilter {
    /// Conditions on labels.
    pub matchers: Vec<Matcher>,
    /// Name of a receiver it is routed to.
    pub receiver: Option<Matcher>,
    /// Those that are heard.
    pub active: bool,
    /// Those that a silence keeps quiet.
    pub silenced: bool,
    /// Those that an alert keeps quiet.
    pub inhibited: bool,
    /// Those that a time interval keeps quiet.
    pub muted: bool,
}

impl Default for AlertFilter {
    fn default() -> Self {
        Self {
            matchers: Vec::new(),
            receiver: None,
            active: true,
            silenced: true,
            inhibited: true,
            muted: true,
        }
    }
}

impl AlertFilter {
    fn wants(&self, labels: &LabelSet) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches_labels(labels))
    }

    fn wants_receiver(&self, name: &str) -> bool {
        self.receiver.as_ref().is_none_or(|matcher| matcher.matches(name))
    }

    fn wants_status(&self, status: &AlertStatus) -> bool {
        (self.active || status.state != AlertState::Active)
            && (self.silenced || status.silenced_by.is_empty())
            && (self.inhibited || status.inhibited_by.is_empty())
            && (self.muted || status.muted_by.is_empty())
    }
}

impl Dispatcher {
    /// Returns whether an alert is heard now; an unknown one is nothing.
    pub fn status(&self, fingerprint: Fingerprint, now_ms: i64) -> Option<AlertStatus> {
        let slot = self.alerts.get(&fingerprint)?;
        Some(self.status_of(&slot.alert.labels, Vec::new(), now_ms))
    }

    fn status_of(&self, labels: &LabelSet, muted_by: Vec<Arc<str>>, now_ms: i64) -> AlertStatus {
        let silenced_by = self.silences.matching(labels, now_ms);
        let inhibited_by = self.inhibited_by(labels, now_ms);
        let quiet = !silenced_by.is_empty() || !inhibited_by.is_empty() || !muted_by.is_empty();
        let state = if quiet { AlertState::Suppressed } else { AlertState::Active };
        AlertStatus { state, silenced_by, inhibited_by, muted_by }
    }

    /// Returns the alerts that fire, by fingerprint.
    pub fn alerts(&self, filter: &AlertFilter, now_ms: i64) -> Vec<AlertView> {
        let mut views = Vec::new();
        for (fingerprint, slot) in &self.alerts {
            let alert = &slot.alert;
            if alert.is_resolved(now_ms) || !filter.wants(&alert.labels) {
                continue;
            }
            let nodes = slot.routes.iter().filter_map(|route| self.config.tree.nodes.get(*route));
            let nodes: Vec<_> = nodes.collect();
            if !nodes.iter().any(|node| filter.wants_receiver(&node.receiver)) {
                continue;
            }
            // Quiet by time it is where all its routes are.
            let mut muted_by = Vec::new();
            let muted = nodes.iter().all(|node| {
                let by = self.muted_by(node, now_ms);
                muted_by.extend_from_slice(&by);
                !by.is_empty()
            });
            if !muted {
                muted_by.clear();
            }
            let status = self.status_of(&alert.labels, muted_by, now_ms);
            if filter.wants_status(&status) {
                let receivers = nodes.iter().map(|node| Arc::clone(&node.receiver)).collect();
                let (fingerprint, alert) = (*fingerprint, Arc::clone(alert));
                views.push(AlertView { fingerprint, alert, receivers, status });
            }
        }
        views.sort_unstable_by_key(|view| view.fingerprint);
        views
    }

    /// Returns the groups with the alerts in them that fire, by labels and receiver.
    pub fn groups(&self, filter: &AlertFilter, now_ms: i64) -> Vec<GroupView> {
        let mut views = Vec::new();
        for ((route, labels), group) in self.groups.iter() {
            let Some(node) = self.config.tree.nodes.get(*route) else { continue };
            if !filter.wants_receiver(&node.receiver) {
                continue;
            }
            let muted_by = self.muted_by(node, now_ms);
            let view = |fingerprint: &Fingerprint| {
                let slot = self.alerts.get(fingerprint)?;
                let alert = Arc::clone(&slot.alert);
                if alert.is_resolved(now_ms) || !filter.wants(&alert.labels) {
                    return None;
                }
                let status = self.status_of(&alert.labels, muted_by.clone(), now_ms);
                let nodes = slot.routes.iter().filter_map(|at| self.config.tree.nodes.get(*at));
                let receivers = nodes.map(|node| Arc::clone(&node.receiver)).collect();
                let fingerprint = *fingerprint;
                filter.wants_status(&status).then_some(AlertView {
                    fingerprint,
                    alert,
                    receivers,
                    status,
                })
            };
            let mut alerts: Vec<AlertView> = group.members.iter().filter_map(view).collect();
            if alerts.is_empty() {
                continue;
            }
            alerts.sort_by(|a, b| display_order(&a.alert.labels, &b.alert.labels));
            let (labels, key, due_ms) = (labels.clone(), Arc::clone(&group.key), group.due_ms);
            let receiver = Arc::clone(&node.receiver);
            views.push(GroupView { labels, receiver, key, due_ms, alerts });
        }
        views.sort_by(|a, b| {
            (&a.labels, &a.receiver, &a.key).cmp(&(&b.labels, &b.receiver, &b.key))
        });
        views
    }
}
