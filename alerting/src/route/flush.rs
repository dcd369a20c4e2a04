//! A decision to notify: what one integration of a receiver is to be told about one group.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tarn_model::labels::LabelSet;

use crate::alert::{Alert, Fingerprint, pairs};

/// The end of an alert in a [`Flush`] that had not ended when it was decided: it does not resolve
/// while the message waits.
pub const NEVER_MS: i64 = i64::MAX;

/// Why a receiver is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// Nothing of the group is known to be wrong there.
    #[serde(rename = "first notification")]
    First,
    /// Something fires that the last message did not have.
    #[serde(rename = "new alerts added")]
    NewAlerts,
    /// Nothing fires any more.
    #[serde(rename = "all alerts resolved")]
    AllResolved,
    /// Something ended, something still fires.
    #[serde(rename = "some alerts resolved")]
    SomeResolved,
    /// Nothing changed for long.
    #[serde(rename = "repeat interval elapsed")]
    Repeat,
}

impl Reason {
    /// Returns the text as templates and webhooks show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first notification",
            Self::NewAlerts => "new alerts added",
            Self::AllResolved => "all alerts resolved",
            Self::SomeResolved => "some alerts resolved",
            Self::Repeat => "repeat interval elapsed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one integration is to be told about one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flush {
    /// `{matchers of the route path}:{group labels}`: what receivers know the group by.
    pub group_key: String,
    /// Name of the receiver.
    pub receiver: Arc<str>,
    /// Kind of the integration, such as `slack`, and its index among those of its kind.
    pub integration: (Arc<str>, usize),
    /// Why.
    pub reason: Reason,
    /// What the message shows, in its order. The end of a firing one is [`NEVER_MS`].
    pub alerts: Vec<Alert>,
    /// What the alerts were grouped by.
    #[serde(with = "pairs")]
    pub group_labels: LabelSet,
    /// Labels of the route.
    #[serde(with = "pairs")]
    pub route_labels: LabelSet,
    /// Which of the group fire, sorted.
    pub firing: Vec<Fingerprint>,
    /// Which of the group have ended, sorted.
    pub resolved: Vec<Fingerprint>,
    /// When it was decided, ms.
    pub at_ms: i64,
    /// Grows with every flush of this integration for this group, also over restarts.
    pub flush_seq: u64,
    /// The repeat interval, ms.
    pub repeat_ms: i64,
}

impl Flush {
    /// Returns whether anything fires.
    pub fn is_firing(&self) -> bool {
        !self.firing.is_empty()
    }
}
