//! What an integration was told last about a group, and whether it must be told again.
//!
//! The order of the questions is upstream's; see [`decide`]. What differs on purpose, unless `compat`:
//! a resolve always reaches whoever got the firing and nobody else, and the repeat clock runs per
//! alert, so that a member which comes and goes is an update, not a repeat that is put off or early.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::flush::Reason;
use crate::alert::Fingerprint;

/// Which integration, which group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryKey {
    /// See [`super::keys::group_key`].
    pub group_key: Arc<str>,
    /// Name of the receiver.
    pub receiver: Arc<str>,
    /// Kind of the integration.
    pub kind: Arc<str>,
    /// Its index among those of its kind.
    pub index: usize,
}

/// What the integration was told last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which integration, which group.
    pub key: EntryKey,
    /// When, ms.
    pub at_ms: i64,
    /// When this is forgotten, ms.
    pub expires_ms: i64,
    /// What fired then, sorted.
    pub firing: Vec<Fingerprint>,
    /// What had ended then, sorted.
    pub resolved: Vec<Fingerprint>,
    /// Alerts whose firing was told and whose end was not, and when the message that began their
    /// repeat clock was decided, ms.
    pub open: BTreeMap<Fingerprint, i64>,
    /// Number of the last flush.
    pub flush_seq: u64,
}

/// What is known and what is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What the integration was told last.
    pub entry: Option<&'a Entry>,
    /// What fires, sorted.
    pub firing: &'a [Fingerprint],
    /// What has ended, sorted.
    pub resolved: &'a [Fingerprint],
    /// Whether the integration wants to hear of ends.
    pub send_resolved: bool,
    /// The repeat interval, ms.
    pub repeat_ms: i64,
    /// Whether upstream's rules hold to the letter.
    pub compat: bool,
    /// Now, ms.
    pub now_ms: i64,
}

/// Returns why the integration must be told, or nothing where it need not.
pub fn decide(question: &Question<'_>) -> Option<Reason> {
    let Question { entry, firing, resolved, .. } = *question;
    let Some(entry) = entry else {
        return (!firing.is_empty()).then_some(Reason::First);
    };
    if !is_subset(firing, &entry.firing) {
        let first = entry.firing.is_empty();
        return Some(if first { Reason::First } else { Reason::NewAlerts });
    }
    if firing.is_empty() {
        let known = if question.compat { !entry.firing.is_empty() } else { !entry.open.is_empty() };
        return known.then_some(Reason::AllResolved);
    }
    if question.send_resolved && news_of_ends(question, entry, resolved) {
        return Some(Reason::SomeResolved);
    }
    repeat_is_due(question, entry).then_some(Reason::Repeat)
}

fn news_of_ends(question: &Question<'_>, entry: &Entry, resolved: &[Fingerprint]) -> bool {
    if question.compat {
        return !is_subset(resolved, &entry.resolved);
    }
    resolved.iter().any(|alert| entry.open.contains_key(alert))
}

fn repeat_is_due(question: &Question<'_>, entry: &Entry) -> bool {
    let before_ms = question.now_ms.saturating_sub(question.repeat_ms);
    if question.compat {
        return entry.at_ms < before_ms;
    }
    question.firing.iter().any(|alert| entry.open.get(alert).is_some_and(|at| *at <= before_ms))
}

/// Returns whether all of `part` are in `whole`; both are sorted.
fn is_subset(part: &[Fingerprint], whole: &[Fingerprint]) -> bool {
    part.iter().all(|one| whole.binary_search(one).is_ok())
}

#[cfg(test)]
mod tests;
