//! The delivery log: what became of the last intents, with every answer, for people.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;
use tarn_model::map::HashMap;

use super::intent::{DeliveryId, Intent, Target, Urgency};
use super::outcome::{Outcome, Verdict};
use super::record::Reason;

/// Deliveries that are remembered.
const DELIVERIES_MAX: usize = 2_000;
/// Attempts of one that are remembered: the first, and the last.
const ATTEMPTS_MAX: usize = 12;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It waits.
    Queued,
    /// It is on its way.
    Sending,
    /// The receiver has it.
    Acked,
    /// A later state of its group goes instead.
    Superseded,
    /// It was given up.
    Dead,
}

/// What became of an intent.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// Which.
    pub id: DeliveryId,
    /// For whom.
    #[serde(flatten)]
    pub target: Target,
    /// About what.
    pub group_key: Arc<str>,
    /// Why.
    pub reason: crate::route::Reason,
    /// How pressing.
    pub urgency: Urgency,
    /// Alerts that fire.
    pub firing: usize,
    /// Alerts that ended.
    pub resolved: usize,
    /// When it was decided, ms.
    pub created_ms: i64,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it came there, ms.
    pub changed_ms: i64,
    /// How often it was tried.
    pub tried: u32,
    /// The first attempt and the last ones.
    pub attempts: VecDeque<Attempt>,
    /// The delivery it stands in for, where this is the fallback receiver's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_for: Option<DeliveryId>,
}

/// One attempt.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// When it ended, ms.
    pub at_ms: i64,
    /// How long it took, ms.
    pub took_ms: i64,
    /// `delivered`, `transient` or `permanent`.
    pub result: &'static str,
    /// HTTP status or SMTP code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What the receiver said.
    pub said: String,
    /// Templates that could not be written out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub template_errors: Vec<String>,
}

impl Attempt {
    pub(super) fn new(outcome: &Outcome, at_ms: i64, took_ms: i64) -> Self {
        let result = match outcome.verdict {
            Verdict::Delivered { .. } => "delivered",
            Verdict::Transient { .. } => "transient",
            Verdict::Permanent => "permanent",
        };
        let Outcome { status, said, template_errors, .. } = outcome.clone();
        Self { at_ms, took_ms, result, status, said, template_errors }
    }
}

/// What was given up.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetter {
    /// What.
    pub intent: Arc<Intent>,
    /// When, ms.
    pub at_ms: i64,
    /// Why.
    pub reason: Reason,
    /// What the receiver said last.
    pub message: String,
}

/// The last deliveries.
#[derive(Debug, Default)]
pub(super) struct DeliveryLog {
    order: VecDeque<DeliveryId>,
    by_id: HashMap<DeliveryId, Delivery>,
}

impl DeliveryLog {
    pub(super) fn add(&mut self, intent: &Intent, now_ms: i64) {
        let flush = &intent.flush;
        let delivery = Delivery {
            id: intent.id,
            target: intent.target(),
            group_key: flush.group_key.as_str().into(),
            reason: flush.reason,
            urgency: intent.urgency(),
            firing: flush.firing.len(),
            resolved: flush.resolved.len(),
            created_ms: flush.at_ms,
            state: DeliveryState::Queued,
            changed_ms: now_ms,
            tried: 0,
            attempts: VecDeque::new(),
            fallback_for: intent.fallback_for,
        };
        if self.by_id.insert(intent.id, delivery).is_none() {
            self.order.push_back(intent.id);
        }
        while self.order.len() > DELIVERIES_MAX {
            self.order.pop_front().and_then(|id| self.by_id.remove(&id));
        }
    }

    pub(super) fn set(&mut self, id: DeliveryId, state: DeliveryState, now_ms: i64) {
        if let Some(delivery) = self.by_id.get_mut(&id) {
            (delivery.state, delivery.changed_ms) = (state, now_ms);
        }
    }

    pub(super) fn tried(&mut self, id: DeliveryId, attempt: Attempt) {
        let Some(delivery) = self.by_id.get_mut(&id) else { return };
        delivery.tried += 1;
        delivery.attempts.push_back(attempt);
        if delivery.attempts.len() > ATTEMPTS_MAX {
            delivery.attempts.remove(1);
        }
    }

    /// Returns the newest first.
    pub(super) fn newest(&self, limit: usize) -> Vec<Delivery> {
        let newest = self.order.iter().rev().take(limit);
        newest.filter_map(|id| self.by_id.get(id).cloned()).collect()
    }
}
