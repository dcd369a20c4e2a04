//! A group at one integration: what is on its way, and what waits.

use std::sync::Arc;

use super::super::endpoint::Place;
use super::super::intent::{DeliveryId, Intent, Key, Urgency};

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: Key,
    pub(super) endpoint: Arc<str>,
    pub(super) pending: Option<Item>,
    pub(super) sending: Option<Sending>,
    pub(super) timer: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) intent: Arc<Intent>,
    pub(super) urgency: Urgency,
    /// Its place among equals.
    pub(super) seq: u64,
    pub(super) born_ms: i64,
    /// Since when something that fires is not acknowledged.
    pub(super) owed_ms: i64,
    pub(super) failures: u32,
    pub(super) place: Place,
    pub(super) fell_back: bool,
    pub(super) bytes: usize,
}

#[derive(Debug)]
pub(super) struct Sending {
    pub(super) item: Item,
    pub(super) attempt: u64,
    pub(super) started_ms: i64,
    pub(super) deadline_ms: i64,
}

impl Slot {
    pub(super) fn new(key: Key, endpoint: Arc<str>) -> Self {
        Self { key, endpoint, pending: None, sending: None, timer: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_none() && self.sending.is_none()
    }

    /// Returns what it holds that is at least as new as `intent`. What goes to a fallback receiver
    /// comes from several integrations that count separately: there the last to come is the newest.
    pub(super) fn newer_than(&self, intent: &Intent) -> Option<DeliveryId> {
        let sending = self.sending.as_ref().map(|sending| &sending.item);
        let mut held = self.pending.iter().chain(sending).map(|item| &item.intent);
        let newer = |held: &&Arc<Intent>| match intent.fallback_for {
            Some(_) => held.id == intent.id,
            None => held.id == intent.id || held.flush.flush_seq > intent.flush.flush_seq,
        };
        held.find(newer).map(|held| held.id)
    }

    /// Returns when it must be looked at, if no answer comes before.
    pub(super) fn next_timer(&self, fallback_ms: Option<i64>, give_up_ms: i64) -> Option<i64> {
        let sending = self.sending.as_ref();
        let items = self.pending.iter().chain(sending.map(|sending| &sending.item));
        let fallback = items
            .filter(|item| item.may_fall_back())
            .filter_map(|item| Some(item.owed_ms.saturating_add(fallback_ms?)));
        let give_up = self.pending.iter().map(|item| item.born_ms.saturating_add(give_up_ms));
        let deadline = sending.map(|sending| sending.deadline_ms);
        fallback.chain(give_up).chain(deadline).min()
    }
}

impl Item {
    pub(super) fn new(intent: Arc<Intent>, seq: u64, born_ms: i64) -> Self {
        let (urgency, bytes) = (intent.urgency(), intent.bytes());
        Self {
            intent,
            urgency,
            seq,
            born_ms,
            owed_ms: born_ms,
            failures: 0,
            place: Place::Ready,
            fell_back: false,
            bytes,
        }
    }

    pub(super) fn may_fall_back(&self) -> bool {
        let intent = &self.intent;
        !self.fell_back && intent.fallback_for.is_none() && intent.flush.is_firing()
    }

    /// Takes the place of an earlier state that was not acknowledged.
    pub(super) fn inherit(&mut self, earlier: &Self) {
        if !self.intent.flush.is_firing() || !earlier.intent.flush.is_firing() {
            return;
        }
        self.owed_ms = self.owed_ms.min(earlier.owed_ms);
        self.fell_back = earlier.fell_back;
        if earlier.urgency <= self.urgency {
            (self.urgency, self.seq) = (earlier.urgency, earlier.seq);
        }
    }
}
