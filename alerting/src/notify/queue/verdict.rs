//! What follows from answers, and from their absence.

use std::sync::Arc;
use std::time::Duration;

use super::super::backoff;
use super::super::delivery::{Attempt, DeliveryState};
use super::super::endpoint::{Place, SlotId};
use super::super::outcome::{MessageRef, Outcome, Verdict};
use super::super::record::{Reason, Record};
use super::slot::{Item, Sending};
use super::{Now, Queue, Send, millis};

/// Messages that are remembered for being changed; without, a new one is posted.
const MESSAGES_MAX: usize = 100_000;

impl Queue {
    /// Takes the outcome of an attempt. One that comes after the attempt was given up is ignored.
    pub fn finish(&mut self, send: &Send, outcome: &Outcome, now: Now) {
        let Some(slot) = self.slots.get_mut(&send.slot) else { return };
        if slot.sending.as_ref().is_none_or(|sending| sending.attempt != send.attempt) {
            return;
        }
        let Some(sending) = slot.sending.take() else { return };
        self.settle(send.slot, sending, outcome, now);
    }

    /// Looks after what nobody answered in time.
    pub(super) fn expire(&mut self, now: Now) {
        while let Some((at, id)) = self.timers.first().copied() {
            if at > now.mono_ms {
                return;
            }
            self.timers.remove(&(at, id));
            if let Some(slot) = self.slots.get_mut(&id) {
                slot.timer = None;
            }
            self.expire_sending(id, now);
            self.expire_fallback(id, now);
            self.expire_pending(id, now);
            self.tidy(id);
        }
    }

    fn expire_sending(&mut self, id: SlotId, now: Now) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if let Some(sending) = slot.sending.take_if(|s| s.deadline_ms <= now.mono_ms) {
            let waited = self.options.attempt_timeout.as_secs_f64();
            let outcome = Outcome::transient(None, &format!("nothing within {waited} s"), None);
            self.settle(id, sending, &outcome, now);
        }
    }

    fn expire_fallback(&mut self, id: SlotId, now: Now) {
        let Some(after) = self.fallback.as_ref().map(|fallback| millis(fallback.after)) else {
            return;
        };
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let sending = slot.sending.as_mut().map(|sending| &mut sending.item);
        let due = |item: &&mut Item| {
            item.may_fall_back() && item.owed_ms.saturating_add(after) <= now.mono_ms
        };
        let mut told = None;
        for item in slot.pending.iter_mut().chain(sending).filter(due) {
            item.fell_back = true;
            // The state that waits is newer than the one on its way, and comes first here.
            told.get_or_insert_with(|| Arc::clone(&item.intent));
        }
        if let Some(intent) = told {
            self.fall_back(&intent, now);
        }
    }

    fn expire_pending(&mut self, id: SlotId, now: Now) {
        let give_up = millis(self.options.give_up);
        let pending = self.slots.get(&id).and_then(|slot| slot.pending.as_ref());
        if pending.is_some_and(|item| item.born_ms.saturating_add(give_up) <= now.mono_ms)
            && let Some(item) = self.take_pending(id)
        {
            self.give_up(item, now);
        }
    }

    fn give_up(&mut self, item: Item, now: Now) {
        let seconds = self.options.give_up.as_secs();
        let message = format!("not delivered within {seconds} s, {} attempts", item.failures);
        self.abandon(item, Reason::Expired, &message, now);
    }

    fn settle(&mut self, id: SlotId, sending: Sending, outcome: &Outcome, now: Now) {
        let Sending { item, started_ms, .. } = sending;
        self.in_flight -= 1;
        self.bytes -= item.bytes;
        let attempt = Attempt::new(outcome, now.wall_ms, now.mono_ms - started_ms);
        self.log.tried(item.intent.id, attempt);
        self.tell_endpoint(id, &item, outcome, now);
        match &outcome.verdict {
            Verdict::Delivered { message } => self.acknowledge(id, &item, message.as_ref(), now),
            Verdict::Transient { .. } => self.again(id, item, now),
            Verdict::Permanent => {
                self.broken.insert(item.intent.target(), outcome.said.clone());
                self.abandon(item, Reason::Permanent, &outcome.said, now);
            }
        }
        // What came meanwhile stands in line from now on.
        if let Some(mut item) = self.take_pending(id) {
            if item.place == Place::Parked {
                item.place = Place::Ready;
            }
            self.enqueue(id, item, now);
        }
        self.tidy(id);
    }

    fn tell_endpoint(&mut self, id: SlotId, item: &Item, outcome: &Outcome, now: Now) {
        let Some(slot) = self.slots.get(&id) else { return };
        let Some(endpoint) = self.endpoints.get_mut(&slot.endpoint) else { return };
        endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
        let Verdict::Transient { retry_after, busy } = outcome.verdict else {
            // Whoever refuses is there.
            let closed = endpoint.breaker.reached();
            for id in if closed { endpoint.promote(now.mono_ms, true) } else { Vec::new() } {
                if let Some(item) = self.slots.get_mut(&id).and_then(|slot| slot.pending.as_mut()) {
                    item.place = Place::Ready;
                }
            }
            return;
        };
        if let Some(pause) = retry_after {
            endpoint.pause(now.mono_ms + millis(pause));
        }
        if !busy {
            let failures = endpoint.breaker.failures() + 1;
            let wait = backoff::delay(failures, age(item, now), &*self.rng);
            endpoint.breaker.failed(now.mono_ms + millis(wait));
        }
    }

    fn acknowledge(&mut self, id: SlotId, item: &Item, message: Option<&MessageRef>, now: Now) {
        let (delivery, at_ms) = (item.intent.id, now.wall_ms);
        self.broken.remove(&item.intent.target());
        self.log.set(delivery, DeliveryState::Acked, at_ms);
        self.records.push(Record::Acked { id: delivery, at_ms, message: message.cloned() });
        if let Some(slot) = self.slots.get(&id) {
            let key = slot.key.clone();
            self.remember(key, item.intent.flush.is_firing(), message.cloned());
        }
    }

    /// Keeps the message of a group while the group lives.
    pub(super) fn remember(&mut self, key: super::Key, firing: bool, message: Option<MessageRef>) {
        match message {
            Some(message) if firing => drop(self.messages.insert(key, message)),
            _ if !firing => drop(self.messages.remove(&key)),
            _ => {}
        }
        while self.messages.len() > MESSAGES_MAX {
            self.messages.pop_first();
        }
    }

    /// Puts what failed for the moment back, unless something newer waits or it is too old.
    fn again(&mut self, id: SlotId, mut item: Item, now: Now) {
        if let Some(mut newer) = self.take_pending(id) {
            newer.inherit(&item);
            self.supersede(item.intent.id, newer.intent.id, now);
            return self.enqueue(id, newer, now);
        }
        item.failures += 1;
        let known = self.targets.contains_key(&item.intent.target());
        if !known {
            let message = "the receiver is no longer configured";
            return self.abandon(item, Reason::NoReceiver, message, now);
        }
        if item.born_ms.saturating_add(millis(self.options.give_up)) <= now.mono_ms {
            return self.give_up(item, now);
        }
        let slot = self.slots.get(&id);
        let endpoint = slot.and_then(|slot| self.endpoints.get(&slot.endpoint));
        let paused = endpoint.is_some_and(|endpoint| endpoint.is_paused(now.mono_ms));
        item.place = if paused {
            Place::Ready
        } else {
            let wait = backoff::delay(item.failures, age(&item, now), &*self.rng);
            Place::Waiting(now.mono_ms + millis(wait))
        };
        self.log.set(item.intent.id, DeliveryState::Queued, now.wall_ms);
        self.enqueue(id, item, now);
        self.shed(now);
    }
}

fn age(item: &Item, now: Now) -> Duration {
    Duration::from_millis(u64::try_from(now.mono_ms - item.born_ms).unwrap_or(0))
}
