//! One place that messages go to, such as a Slack URL or a routing key: its line, how many messages
//! it takes, and whether it seems to work.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::breaker::Breaker;
use super::intent::Urgency;
use super::limiter::{Bucket, RateLimit};

/// A slot of the queue.
pub(super) type SlotId = u64;

/// What an endpoint takes. Several targets may share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSpec {
    /// Identity; nothing secret.
    pub id: Arc<str>,
    /// Messages per minute, where it says so.
    pub rate: Option<RateLimit>,
    /// Messages on their way at once.
    pub parallel: usize,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    spec: EndpointSpec,
    bucket: Option<Bucket>,
    pub(super) breaker: Breaker,
    paused_until_ms: i64,
    pub(super) in_flight: usize,
    ready: BTreeSet<(Urgency, u64, SlotId)>,
    waiting: BTreeSet<(i64, Urgency, u64, SlotId)>,
}

/// Where an item stands in the line of its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Not in line: an earlier state of its group is on its way.
    Parked,
    /// It may go when its turn comes.
    Ready,
    /// It failed, and may go again then.
    Waiting(i64),
}

impl Endpoint {
    pub(super) fn new(spec: EndpointSpec, now_ms: i64) -> Self {
        let bucket = spec.rate.map(|rate| Bucket::new(rate, now_ms));
        Self {
            spec,
            bucket,
            breaker: Breaker::default(),
            paused_until_ms: i64::MIN,
            in_flight: 0,
            ready: BTreeSet::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Takes over what another one of the same identity has learnt.
    pub(super) fn continues(mut self, before: &Self) -> Self {
        self.breaker = before.breaker.clone();
        self.paused_until_ms = before.paused_until_ms;
        if self.spec.rate == before.spec.rate {
            self.bucket.clone_from(&before.bucket);
        }
        self
    }

    pub(super) fn is_paused(&self, now_ms: i64) -> bool {
        self.paused_until_ms > now_ms
    }

    pub(super) fn pause(&mut self, until_ms: i64) {
        self.paused_until_ms = self.paused_until_ms.max(until_ms);
    }

    pub(super) fn insert(&mut self, place: Place, urgency: Urgency, seq: u64, slot: SlotId) {
        match place {
            Place::Parked => {}
            Place::Ready => drop(self.ready.insert((urgency, seq, slot))),
            Place::Waiting(due) => drop(self.waiting.insert((due, urgency, seq, slot))),
        }
    }

    pub(super) fn remove(&mut self, place: Place, urgency: Urgency, seq: u64, slot: SlotId) {
        match place {
            Place::Parked => {}
            Place::Ready => drop(self.ready.remove(&(urgency, seq, slot))),
            Place::Waiting(due) => drop(self.waiting.remove(&(due, urgency, seq, slot))),
        }
    }

    /// Moves what waited long enough, or everything, to the line, and returns it.
    pub(super) fn promote(&mut self, now_ms: i64, everything: bool) -> Vec<SlotId> {
        let mut moved = Vec::new();
        while let Some(first) = self.waiting.first().copied() {
            let (due, urgency, seq, slot) = first;
            if due > now_ms && !everything {
                break;
            }
            self.waiting.remove(&first);
            self.ready.insert((urgency, seq, slot));
            moved.push(slot);
        }
        moved
    }

    /// Takes the next in line, if one may go now.
    pub(super) fn start(&mut self, now_ms: i64) -> Option<SlotId> {
        let (_, _, slot) = *self.ready.first()?;
        if self.in_flight >= self.room() || self.gate_ms() > now_ms {
            return None;
        }
        if self.bucket.as_mut().is_some_and(|bucket| !bucket.take(now_ms)) {
            return None;
        }
        self.ready.pop_first();
        self.in_flight += 1;
        Some(slot)
    }

    /// Returns when something may go, as far as it is known.
    pub(super) fn next_ms(&self, now_ms: i64) -> Option<i64> {
        if self.in_flight >= self.room() {
            return None;
        }
        let first = match (self.ready.first(), self.waiting.first()) {
            (Some(_), _) => now_ms,
            (None, Some((due, ..))) => *due,
            (None, None) => return None,
        };
        let token = self.bucket.as_ref().map_or(i64::MIN, Bucket::ready_ms);
        Some(first.max(self.gate_ms()).max(token))
    }

    fn room(&self) -> usize {
        if self.breaker.is_open() { 1 } else { self.spec.parallel.max(1) }
    }

    fn gate_ms(&self) -> i64 {
        self.paused_until_ms.max(self.breaker.ready_ms())
    }
}
