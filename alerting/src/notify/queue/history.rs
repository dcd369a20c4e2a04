//! Records become a queue again, and a queue becomes records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::delivery::DeadLetter;
use super::super::intent::{DeliveryId, Intent};
use super::super::record::Record;
use super::{Now, Queue, millis};

/// However old an intent is that is found at a start, it is tried for this long: the clock may have
/// jumped, or the machine was off.
const TRY_AT_LEAST: Duration = Duration::from_secs(3600);

impl Queue {
    /// Takes what was recorded before, in order. Receivers must be configured. What was not
    /// acknowledged is offered again, the newest state of each group only.
    pub fn restore(&mut self, records: Vec<Record>, now: Now) {
        let mut open: BTreeMap<u64, Arc<Intent>> = BTreeMap::new();
        let mut known: BTreeMap<DeliveryId, u64> = BTreeMap::new();
        for (at, record) in (0..).zip(records) {
            match record {
                Record::Intent(intent) => {
                    let at = *known.entry(intent.id).or_insert(at);
                    open.insert(at, Arc::new(intent));
                }
                Record::Acked { id, message, .. } => {
                    if let Some(intent) = known.remove(&id).and_then(|at| open.remove(&at)) {
                        let firing = intent.flush.is_firing();
                        self.remember(intent.key(), firing, message);
                    }
                }
                Record::Superseded { id, .. } => {
                    known.remove(&id).and_then(|at| open.remove(&at));
                }
                Record::Dead { id, at_ms, reason, message } => {
                    if let Some(intent) = known.remove(&id).and_then(|at| open.remove(&at)) {
                        self.log.add(&intent, at_ms);
                        self.log.set(id, super::DeliveryState::Dead, at_ms);
                        self.keep_dead(DeadLetter { intent, at_ms, reason, message });
                    }
                }
                Record::Replayed { id, .. } => {
                    if let Some(intent) = self.unbury(id) {
                        known.insert(id, at);
                        open.insert(at, intent);
                    }
                }
                Record::Forgotten { id } => drop(self.unbury(id)),
                Record::FellBack { key } => drop(self.fallen.insert(key)),
                Record::Message { key, message } => self.remember(key, true, Some(message)),
            }
        }
        for intent in open.into_values() {
            let oldest = millis(self.options.give_up.saturating_sub(TRY_AT_LEAST));
            let age = now.wall_ms.saturating_sub(intent.flush.at_ms).clamp(0, oldest);
            let fell_back = self.fallen.contains(&intent.key());
            self.offer_born(intent, now.mono_ms - age, fell_back, now);
        }
    }

    /// Returns records that give this state again, dead letters included.
    pub fn snapshot(&self) -> Vec<Record> {
        let mut open = BTreeMap::new();
        for slot in self.slots.values() {
            let sending = slot.sending.as_ref().map(|sending| (&sending.item, sending.attempt));
            let pending = slot.pending.as_ref().map(|item| (item, u64::MAX));
            // What is on its way is older than what waits behind it.
            for (item, rank) in sending.into_iter().chain(pending) {
                open.insert((rank, item.seq, item.intent.id), &item.intent);
            }
        }
        let open = open.into_values().map(|intent| Record::Intent(Intent::clone(intent)));
        let dead = self.dead.iter().flat_map(|letter| {
            let DeadLetter { intent, at_ms, reason, message } = letter;
            let (id, at_ms, reason) = (intent.id, *at_ms, *reason);
            let dead = Record::Dead { id, at_ms, reason, message: message.clone() };
            [Record::Intent(Intent::clone(intent)), dead]
        });
        let fallen = self.fallen.iter().map(|key| Record::FellBack { key: key.clone() });
        let messages = self.messages.iter();
        let messages =
            messages.map(|(key, m)| Record::Message { key: key.clone(), message: m.clone() });
        dead.chain(fallen).chain(messages).chain(open).collect()
    }

    fn unbury(&mut self, id: DeliveryId) -> Option<Arc<Intent>> {
        let at = self.dead.iter().position(|letter| letter.intent.id == id)?;
        let letter = self.dead.remove(at)?;
        self.dead_bytes -= letter.intent.bytes();
        Some(letter.intent)
    }
}
