//! Records: bodies of the log, as JSON with a kind in front.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tarn_model::error::{Error, Result};
use tarn_model::tenant::TenantId;
use tarn_storage::alert_log::Entry;

use crate::alert::Fingerprint;
use crate::rules::Rule;
use crate::state::{Active, RuleState};

/// What a record is about. The numbers are a disk format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Kind {
    /// [`RuleChange`].
    Rule = 1,
    /// [`RuleKey`] of a rule that is no more.
    RuleGone = 2,
    /// [`crate::route::Record`].
    Route = 3,
    /// [`crate::notify::Record`].
    Outbox = 4,
}

impl Kind {
    /// Returns the kind with this number; `None`: of a newer version.
    pub fn of(number: u16) -> Option<Self> {
        [Self::Rule, Self::RuleGone, Self::Route, Self::Outbox]
            .into_iter()
            .find(|kind| *kind as u16 == number)
    }
}

/// Writes a record.
pub(crate) fn entry<T: Serialize>(tenant: &TenantId, kind: Kind, body: &T) -> Entry {
    let body = serde_json::to_vec(body).expect("keys are strings, and no part refuses");
    Entry { tenant: tenant.clone(), kind: kind as u16, body: body.into() }
}

/// Reads the body of a record.
///
/// # Errors
/// `Corrupt` where it is something else.
pub(crate) fn body_of<T: DeserializeOwned>(entry: &Entry) -> Result<T> {
    serde_json::from_slice(&entry.body).map_err(|e| {
        Error::corrupt(format!("alert log record of kind {}: {e}", entry.kind)).with_source(e)
    })
}

/// Returns the bytes that a record takes, for budgets.
pub(crate) fn bytes_of(entry: &Entry) -> u64 {
    entry.body.len() as u64 + 64
}

/// What a rule is known by in the log: enough to find it again in files that changed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleKey {
    /// [`crate::rules::RuleGroup::key`].
    pub group: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its labels.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// Its expression.
    pub query: Arc<str>,
    /// Its number among the rules of the group that are equal in all that.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub number: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl RuleKey {
    /// Returns those of all rules of a group.
    pub(crate) fn of_group(group: &Arc<str>, rules: &[Arc<Rule>]) -> Vec<Self> {
        let mut keys: Vec<Self> = Vec::with_capacity(rules.len());
        for rule in rules {
            let mut key = Self {
                group: Arc::clone(group),
                name: Arc::clone(&rule.name),
                labels: rule.labels.clone(),
                query: Arc::clone(&rule.query),
                number: 0,
            };
            let twins = rules.iter().take(keys.len());
            key.number = twins.filter(|other| key.is_of(other)).count() as u32;
            keys.push(key);
        }
        keys
    }

    fn is_of(&self, rule: &Rule) -> bool {
        self.name == rule.name && self.query == rule.query && self.labels == rule.labels
    }
}

/// What a step changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleChange {
    /// Of which rule.
    pub rule: RuleKey,
    /// Alerts as they are now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<Active>,
    /// Alerts that are forgotten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Fingerprint>,
}

/// Alerts of one record: a rule with many has many records.
const ALERTS_MAX: usize = 500;

impl RuleChange {
    /// Returns the records that lead from one state to another. What moves with every evaluation
    /// (values, texts, when it was told last) is only in snapshots.
    pub(crate) fn between(rule: &RuleKey, before: &RuleState, after: &RuleState) -> Vec<Self> {
        let is_news = |(fingerprint, now): &(&Fingerprint, &Active)| {
            before.alerts.get(fingerprint).is_none_or(|old| !is_same(old, now))
        };
        let set: Vec<Active> =
            after.alerts.iter().filter(is_news).map(|(_, now)| now.clone()).collect();
        let gone = before.alerts.keys().filter(|known| !after.alerts.contains_key(known));
        Self::cut(rule, &set, gone.copied().collect())
    }

    fn cut(rule: &RuleKey, set: &[Active], gone: Vec<Fingerprint>) -> Vec<Self> {
        let mut changes: Vec<Self> = set
            .chunks(ALERTS_MAX)
            .map(|set| Self { rule: rule.clone(), set: set.to_vec(), gone: Vec::new() })
            .collect();
        if !gone.is_empty() {
            changes.push(Self { rule: rule.clone(), set: Vec::new(), gone });
        }
        changes
    }

    /// Takes the change.
    pub(crate) fn apply(self, state: &mut RuleState) {
        for fingerprint in &self.gone {
            state.alerts.remove(fingerprint);
        }
        let set = self.set.into_iter();
        state.alerts.extend(set.map(|active| (Fingerprint::of(&active.labels), active)));
    }
}

fn is_same(old: &Active, now: &Active) -> bool {
    (old.state, old.active_ms, old.fired_ms, old.resolved_ms, old.keep_firing_since_ms)
        == (now.state, now.active_ms, now.fired_ms, now.resolved_ms, now.keep_firing_since_ms)
}
