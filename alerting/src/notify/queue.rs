//! Which delivery goes next, when, and what follows from how it went. Pure: time is a parameter,
//! chance a handle, what must be remembered is handed out.
//!
//! There is a slot per group and integration. It holds at most one item on its way and one that
//! waits, always the newest state: a later one takes the place of an earlier one in line, and is as
//! pressing as that was if it still fires. Slots stand in the line of their endpoint, by urgency,
//! then by age. An endpoint sends what its rate allows; after failures in a row one at a time.
//!
//! What fails for the moment waits (`super::backoff`) and is tried until it is given up by age; what
//! fails for good, or has no room, is a dead letter at once. Everything is bounded by bytes.

mod history;
mod slot;
mod verdict;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tarn_model::map::HashMap;
use tarn_model::rng::Rng;

use self::slot::{Item, Sending, Slot};
use super::backoff;
use super::delivery::{DeadLetter, Delivery, DeliveryLog, DeliveryState};
pub use super::endpoint::EndpointSpec;
use super::endpoint::{Endpoint, Place, SlotId};
use super::intent::{DeliveryId, Intent, Key, Target, Urgency};
use super::outcome::MessageRef;
use super::record::{Reason, Record};

/// What bounds the queue.
#[derive(Debug, Clone)]
pub struct QueueOptions {
    /// Estimated bytes of what waits; beyond, the least pressing become dead letters.
    pub bytes_max: usize,
    /// Dead letters that are kept, and their estimated bytes.
    pub dead_letters_max: (usize, usize),
    /// Age at which a delivery is given up.
    pub give_up: Duration,
    /// For how long an attempt may say nothing.
    pub attempt_timeout: Duration,
    /// Attempts at once, to all endpoints.
    pub parallel: usize,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            bytes_max: 256 << 20,
            dead_letters_max: (10_000, 32 << 20),
            give_up: Duration::from_secs(24 * 3600),
            attempt_timeout: Duration::from_secs(90),
            parallel: 64,
        }
    }
}

/// Who is told of what fires and is not acknowledged in time.
#[derive(Debug, Clone)]
pub struct Fallback {
    /// In time means within this.
    pub after: Duration,
    /// The ways to tell the receiver.
    pub targets: Vec<Target>,
}

/// A moment, on both axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// What waiting is measured by: never goes back, does not jump.
    pub mono_ms: i64,
    /// What is shown and stored.
    pub wall_ms: i64,
}

/// An attempt to make.
#[derive(Debug, Clone)]
pub struct Send {
    /// To tell its answer from that of an earlier attempt.
    pub attempt: u64,
    /// What.
    pub intent: Arc<Intent>,
    /// How often it failed before.
    pub failures: u32,
    /// The message to change, where there is one.
    pub message: Option<MessageRef>,
    /// When it was offered, on the axis of waiting.
    pub born_ms: i64,
    slot: SlotId,
}

/// How full the queue is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// What waits, by [`Urgency`].
    pub queued: [usize; 4],
    /// Estimated bytes of what waits or is on its way.
    pub bytes: usize,
    /// On their way.
    pub in_flight: usize,
    /// Dead letters kept.
    pub dead: usize,
    /// Endpoints that are probed only.
    pub open_breakers: usize,
    /// Targets whose last delivery failed for good.
    pub broken: usize,
}

/// Groups that the fallback receiver knows of: enough for a storm, and a bound.
const FALLEN_MAX: usize = 100_000;

/// See the module.
#[derive(Debug)]
pub struct Queue {
    options: QueueOptions,
    rng: Arc<dyn Rng>,
    targets: BTreeMap<Target, Arc<str>>,
    endpoints: BTreeMap<Arc<str>, Endpoint>,
    fallback: Option<Fallback>,
    slots: HashMap<SlotId, Slot>,
    by_key: HashMap<Key, SlotId>,
    /// Everything that waits, the least pressing last.
    ranks: BTreeSet<(Urgency, u64, SlotId)>,
    /// How many, by urgency.
    queued: [usize; 4],
    timers: BTreeSet<(i64, SlotId)>,
    bytes: usize,
    in_flight: usize,
    /// Grows; numbers slots, items and attempts.
    next: u64,
    messages: BTreeMap<Key, MessageRef>,
    fallen: BTreeSet<Key>,
    broken: BTreeMap<Target, String>,
    dead: VecDeque<DeadLetter>,
    dead_bytes: usize,
    log: DeliveryLog,
    records: Vec<Record>,
}

impl Queue {
    /// Makes an empty one that knows no receiver.
    pub fn new(options: QueueOptions, rng: Arc<dyn Rng>) -> Self {
        Self {
            options,
            rng,
            targets: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            fallback: None,
            slots: HashMap::default(),
            by_key: HashMap::default(),
            ranks: BTreeSet::new(),
            queued: [0; 4],
            timers: BTreeSet::new(),
            bytes: 0,
            in_flight: 0,
            next: 0,
            messages: BTreeMap::new(),
            fallen: BTreeSet::new(),
            broken: BTreeMap::new(),
            dead: VecDeque::new(),
            dead_bytes: 0,
            log: DeliveryLog::default(),
            records: Vec::new(),
        }
    }

    /// Sets where targets are. What waits for one that is no longer there is given up.
    pub fn configure(
        &mut self,
        targets: &BTreeMap<Target, EndpointSpec>,
        fallback: Option<Fallback>,
        now: Now,
    ) {
        let before = std::mem::take(&mut self.endpoints);
        for spec in targets.values() {
            let known = before.get(&spec.id);
            self.endpoints.entry(Arc::clone(&spec.id)).or_insert_with(|| {
                let fresh = Endpoint::new(spec.clone(), now.mono_ms);
                match known {
                    Some(before) => fresh.continues(before),
                    None => fresh,
                }
            });
        }
        self.targets = targets.iter().map(|(t, spec)| (t.clone(), Arc::clone(&spec.id))).collect();
        self.broken.retain(|target, _| targets.contains_key(target));
        self.fallback = fallback.filter(|fallback| !fallback.targets.is_empty());
        let mut ids: Vec<SlotId> = self.slots.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.move_slot(id, now);
        }
    }

    /// Takes an intent that is durable. An earlier state of the same group that waits is replaced.
    pub fn offer(&mut self, intent: Arc<Intent>, now: Now) {
        self.offer_born(intent, now.mono_ms, false, now);
    }

    /// Returns the attempts to make now; each must be told to [`Queue::finish`].
    pub fn poll(&mut self, now: Now) -> Vec<Send> {
        self.expire(now);
        let mut started = Vec::new();
        for endpoint in self.endpoints.values_mut() {
            for id in endpoint.promote(now.mono_ms, false) {
                if let Some(item) = self.slots.get_mut(&id).and_then(|slot| slot.pending.as_mut()) {
                    item.place = Place::Ready;
                }
            }
            while self.in_flight < self.options.parallel {
                let Some(id) = endpoint.start(now.mono_ms) else { break };
                self.in_flight += 1;
                started.push(id);
            }
        }
        started.into_iter().filter_map(|id| self.start(id, now)).collect()
    }

    /// Returns when [`Queue::poll`] will have something to do, if nothing else happens.
    pub fn next_due_ms(&self, now: Now) -> Option<i64> {
        let timer = self.timers.first().map(|(at, _)| *at);
        if self.in_flight >= self.options.parallel {
            return timer;
        }
        let endpoints = self.endpoints.values().filter_map(|e| e.next_ms(now.mono_ms));
        endpoints.chain(timer).min()
    }

    /// Takes what must be remembered since the last time.
    pub fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    /// Offers a dead letter again. Returns whether there is such a one.
    pub fn replay(&mut self, id: DeliveryId, now: Now) -> bool {
        let Some(at) = self.dead.iter().position(|letter| letter.intent.id == id) else {
            return false;
        };
        if let Some(letter) = self.dead.remove(at) {
            self.dead_bytes -= letter.intent.bytes();
            self.records.push(Record::Replayed { id, at_ms: now.wall_ms });
            self.offer(letter.intent, now);
        }
        true
    }

    /// Returns how full it is.
    pub fn stats(&self) -> QueueStats {
        QueueStats {
            queued: self.queued,
            bytes: self.bytes,
            in_flight: self.in_flight,
            dead: self.dead.len(),
            open_breakers: self.endpoints.values().filter(|e| e.breaker.is_open()).count(),
            broken: self.broken.len(),
        }
    }

    /// Returns the last deliveries, the newest first.
    pub fn deliveries(&self, limit: usize) -> Vec<Delivery> {
        self.log.newest(limit)
    }

    /// Returns what was given up, the newest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.dead.iter().rev().cloned().collect()
    }

    /// Returns targets whose last delivery failed for good, and what they said.
    pub fn broken(&self) -> &BTreeMap<Target, String> {
        &self.broken
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn offer_born(&mut self, intent: Arc<Intent>, born_ms: i64, fell_back: bool, now: Now) {
        let key = intent.key();
        self.log.add(&intent, now.wall_ms);
        let Some(endpoint) = self.targets.get(&key.target).map(Arc::clone) else {
            let message = "the receiver is not configured";
            return self.abandon(Item::new(intent, 0, born_ms), Reason::NoReceiver, message, now);
        };
        let known = self.by_key.get(&key).copied();
        if let Some(newer) = known.and_then(|id| self.slots.get(&id)?.newer_than(&intent)) {
            if newer != intent.id {
                self.supersede(intent.id, newer, now);
            }
            return;
        }
        let id = known.unwrap_or_else(|| self.open_slot(key.clone(), endpoint));
        let mut item = Item::new(Arc::clone(&intent), self.number(), born_ms);
        item.fell_back = fell_back;
        if let Some(earlier) = self.take_pending(id) {
            item.inherit(&earlier);
            self.supersede(earlier.intent.id, intent.id, now);
        }
        self.enqueue(id, item, now);
        if !intent.flush.is_firing() && self.fallen.remove(&key) {
            self.tell_fallback(&intent, now);
        }
        self.shed(now);
    }

    fn open_slot(&mut self, key: Key, endpoint: Arc<str>) -> SlotId {
        let id = self.number();
        self.by_key.insert(key.clone(), id);
        self.slots.insert(id, Slot::new(key, endpoint));
        id
    }

    /// Puts an item into its slot and into the line.
    fn enqueue(&mut self, id: SlotId, mut item: Item, now: Now) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if slot.sending.is_some() {
            item.place = Place::Parked;
        }
        if let Some(endpoint) = self.endpoints.get_mut(&slot.endpoint) {
            endpoint.insert(item.place, item.urgency, item.seq, id);
            let wait = backoff::delay(1, Duration::ZERO, &*self.rng);
            if item.failures == 0 && item.urgency == Urgency::Trigger {
                endpoint.breaker.hurry(now.mono_ms + millis(wait));
            }
        }
        self.ranks.insert((item.urgency, item.seq, id));
        self.queued[item.urgency as usize] += 1;
        self.bytes += item.bytes;
        slot.pending = Some(item);
        self.arm(id);
    }

    /// Takes an item out of its slot and out of the line.
    fn take_pending(&mut self, id: SlotId) -> Option<Item> {
        let slot = self.slots.get_mut(&id)?;
        let item = slot.pending.take()?;
        if let Some(endpoint) = self.endpoints.get_mut(&slot.endpoint) {
            endpoint.remove(item.place, item.urgency, item.seq, id);
        }
        self.ranks.remove(&(item.urgency, item.seq, id));
        self.queued[item.urgency as usize] -= 1;
        self.bytes -= item.bytes;
        Some(item)
    }

    /// Makes the attempt of a slot whose turn it is.
    fn start(&mut self, id: SlotId, now: Now) -> Option<Send> {
        let item = self.take_pending(id)?;
        self.bytes += item.bytes;
        let attempt = self.number();
        let deadline_ms = now.mono_ms + millis(self.options.attempt_timeout);
        let slot = self.slots.get_mut(&id)?;
        let send = Send {
            attempt,
            intent: Arc::clone(&item.intent),
            failures: item.failures,
            message: self.messages.get(&slot.key).cloned(),
            born_ms: item.born_ms,
            slot: id,
        };
        slot.sending = Some(Sending { item, attempt, started_ms: now.mono_ms, deadline_ms });
        self.log.set(send.intent.id, DeliveryState::Sending, now.wall_ms);
        self.arm(id);
        Some(send)
    }

    /// Gives the least pressing up until what waits has room.
    fn shed(&mut self, now: Now) {
        while self.bytes > self.options.bytes_max {
            let Some((.., id)) = self.ranks.last().copied() else { return };
            if let Some(item) = self.take_pending(id) {
                let message = format!("more than {} bytes wait", self.options.bytes_max);
                self.abandon(item, Reason::Full, &message, now);
            }
            self.tidy(id);
        }
    }

    /// Makes a dead letter, and tells the fallback receiver of what fires.
    fn abandon(&mut self, item: Item, reason: Reason, message: &str, now: Now) {
        let (tells, intent) = (item.may_fall_back(), item.intent);
        self.bury(Arc::clone(&intent), reason, message, now);
        let is_fallback = |f: &Fallback| f.targets.contains(&intent.target());
        if tells && !self.fallback.as_ref().is_none_or(is_fallback) {
            self.fall_back(&intent, now);
        }
    }

    fn bury(&mut self, intent: Arc<Intent>, reason: Reason, message: &str, now: Now) {
        let (id, at_ms) = (intent.id, now.wall_ms);
        self.log.set(id, DeliveryState::Dead, at_ms);
        self.records.push(Record::Dead { id, at_ms, reason, message: message.to_owned() });
        self.keep_dead(DeadLetter { intent, at_ms, reason, message: message.to_owned() });
    }

    fn keep_dead(&mut self, letter: DeadLetter) {
        self.dead_bytes += letter.intent.bytes();
        self.dead.push_back(letter);
        let (count, bytes) = self.options.dead_letters_max;
        while self.dead.len() > count || self.dead_bytes > bytes {
            let Some(oldest) = self.dead.pop_front() else { return };
            self.dead_bytes -= oldest.intent.bytes();
            self.records.push(Record::Forgotten { id: oldest.intent.id });
        }
    }

    fn supersede(&mut self, id: DeliveryId, by: DeliveryId, now: Now) {
        self.log.set(id, DeliveryState::Superseded, now.wall_ms);
        self.records.push(Record::Superseded { id, by, at_ms: now.wall_ms });
    }

    /// Sets the timer of a slot to what comes first.
    fn arm(&mut self, id: SlotId) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let fallback = self.fallback.as_ref().filter(|f| !f.targets.contains(&slot.key.target));
        let after = fallback.map(|fallback| millis(fallback.after));
        let timer = slot.next_timer(after, millis(self.options.give_up));
        if slot.timer == timer {
            return;
        }
        if let Some(at) = std::mem::replace(&mut slot.timer, timer) {
            self.timers.remove(&(at, id));
        }
        self.timers.extend(timer.map(|at| (at, id)));
    }

    /// Forgets a slot with nothing in it.
    fn tidy(&mut self, id: SlotId) {
        self.arm(id);
        if self.slots.get(&id).is_some_and(Slot::is_empty)
            && let Some(slot) = self.slots.remove(&id)
        {
            self.by_key.remove(&slot.key);
        }
    }

    /// Tells the fallback receiver, and remembers to tell it of the end.
    fn fall_back(&mut self, intent: &Arc<Intent>, now: Now) {
        let key = intent.key();
        if self.fallen.len() < FALLEN_MAX && self.fallen.insert(key.clone()) {
            self.records.push(Record::FellBack { key });
        }
        self.tell_fallback(intent, now);
    }

    /// Tells the fallback receiver what somebody else should have been told.
    fn tell_fallback(&mut self, intent: &Arc<Intent>, now: Now) {
        let targets = self.fallback.as_ref().map(|f| f.targets.clone()).unwrap_or_default();
        for target in targets {
            let told = intent.fallback(&target);
            self.records.push(Record::Intent(told.clone()));
            self.offer(Arc::new(told), now);
        }
    }

    /// Moves a slot to the endpoint that its target has now.
    fn move_slot(&mut self, id: SlotId, now: Now) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let sending = usize::from(slot.sending.is_some());
        let Some(endpoint) = self.targets.get(&slot.key.target) else {
            if let Some(item) = self.take_pending(id) {
                let message = "the receiver is no longer configured";
                self.abandon(item, Reason::NoReceiver, message, now);
            }
            return self.tidy(id);
        };
        slot.endpoint = Arc::clone(endpoint);
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            endpoint.in_flight += sending;
            if let Some(item) = &slot.pending {
                endpoint.insert(item.place, item.urgency, item.seq, id);
            }
        }
        self.arm(id);
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

#[cfg(test)]
mod tests;
