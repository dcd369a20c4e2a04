//! What must be remembered of deliveries.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::intent::{DeliveryId, Intent, Key};
use super::outcome::MessageRef;

/// One line of the outbox's history. Replayed in order, records give what is still to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Record {
    /// Is to be sent. Written, and synced, by whoever decided; by the outbox only for the fallback
    /// receiver, which follows from a durable intent and need not be durable itself.
    Intent(Intent),
    /// The receiver has it.
    Acked {
        /// Which.
        id: DeliveryId,
        /// When.
        at_ms: i64,
        /// The message it became, where later ones change it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<MessageRef>,
    },
    /// A later state of the same group went instead.
    Superseded {
        /// Which.
        id: DeliveryId,
        /// By which.
        by: DeliveryId,
        /// When.
        at_ms: i64,
    },
    /// It was given up, and is kept.
    Dead {
        /// Which.
        id: DeliveryId,
        /// When.
        at_ms: i64,
        /// Why.
        reason: Reason,
        /// What the receiver said.
        message: String,
    },
    /// A dead letter is to be sent again.
    Replayed {
        /// Which.
        id: DeliveryId,
        /// When.
        at_ms: i64,
    },
    /// A dead letter is no longer kept.
    Forgotten {
        /// Which.
        id: DeliveryId,
    },
    /// The fallback receiver was told of a group, and is to hear of its end.
    FellBack {
        /// Who should have been told.
        key: Key,
    },
    /// A message that later states of the group change. In snapshots.
    Message {
        /// Of which group, where.
        key: Key,
        /// Which message.
        message: MessageRef,
    },
}

/// Why a delivery failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No answer, or one that asks to come back.
    Transient,
    /// The receiver will never take it.
    Permanent,
    /// It grew too old.
    Expired,
    /// The queue had no room.
    Full,
    /// The configuration has no such receiver any more.
    NoReceiver,
    /// A template could not be written out; what stands in for it was sent.
    Template,
}

impl Reason {
    /// Returns the text of labels and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Expired => "expired",
            Self::Full => "full",
            Self::NoReceiver => "no_receiver",
            Self::Template => "template",
        }
    }
}

/// Where records go. Called often and from tasks that must not wait: it queues and returns.
pub trait Ledger: fmt::Debug + Send + Sync {
    /// Writes records in order; within 50 ms is soon enough.
    fn record(&self, records: Vec<Record>);
}

/// Forgets everything: for tests, and for configurations without a log.
impl Ledger for () {
    fn record(&self, _: Vec<Record>) {}
}

impl<T: Ledger + ?Sized> Ledger for Arc<T> {
    fn record(&self, records: Vec<Record>) {
        (**self).record(records);
    }
}
