//! What the dispatcher must remember: replayed in order, records give the same state again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tarn_model::labels::LabelSet;

use super::dedup::{Entry, EntryKey};
use super::silence::Silence;
use crate::alert::{Alert, Fingerprint, pairs};

/// One change of the dispatcher's state. Upserts carry the whole thing, so the last one counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// An alert came or changed; it joins the groups its routes say.
    Alert(Alert),
    /// An alert is forgotten.
    AlertGone(Fingerprint),
    /// A group, when it is due next, and whether it was flushed before.
    Group {
        /// [`super::tree::Node::id`] of its route.
        route: Arc<str>,
        /// Its labels.
        #[serde(with = "pairs")]
        labels: LabelSet,
        /// When it is due, ms.
        due_ms: i64,
        /// Whether it was flushed before.
        flushed: bool,
    },
    /// Alerts that left a group; without any left, the group is gone.
    Left {
        /// [`super::tree::Node::id`] of its route.
        route: Arc<str>,
        /// Labels of the group.
        #[serde(with = "pairs")]
        labels: LabelSet,
        /// Who left.
        alerts: Vec<Fingerprint>,
    },
    /// What an integration was told last about a group.
    Entry(Box<Entry>),
    /// An integration's knowledge of a group is out of date.
    EntryGone(EntryKey),
    /// A silence was made or changed.
    Silence(Silence),
    /// A silence ended long ago.
    SilenceGone(String),
}
