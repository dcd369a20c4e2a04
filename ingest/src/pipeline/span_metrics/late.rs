//! Spans of the past, counted at their own time.
//!
//! Who sends what was kept for hours, or a past that was never sent, would otherwise make one steep
//! step now, and RED figures would show a storm that never was. Series only go forward, so this is
//! for groups that have no samples yet (or ended before): the first late span makes a group late, and
//! its samples stand at the ends of the intervals that the spans tell of. Spans of a group that has
//! samples of now count now, and a late group becomes one of now with its first span of now, or when
//! the past has reached now.
//!
//! All late groups of a tenant go by one clock, which the latest span so far moves; a span that comes
//! behind it counts at the clock. When an interval ends, each late group leaves a [`Past`] of its
//! values, which becomes samples with the next record. So what was counted up to a log position and
//! what is stored with that position stay the same, as for groups of now. After a crash late groups
//! begin again from zero, as counters may, and lose nothing.

use std::sync::Arc;

use tarn_model::map::HashMap;

use super::graph::EdgeKey;
use super::series::{Group, SpanKey};

/// What ended less long ago is of now: senders wait that long to fill a batch.
const LATE_MS: i64 = 30_000;
/// What ended longer ago counts now: nobody looks at a week ago for what came today.
const LATEST_MS: i64 = 7 * 86_400_000;
/// A pause of so many intervals is not filled with samples: queries would not look across it either.
const FILLED_MAX: i64 = 20;
/// Values that wait to become samples, some KiB each at most. Beyond, an interval is left out: what
/// it counted stands at the end of a later one.
const PAST_MAX: usize = 8192;
/// As many that the next record need not wait for its time.
const PAST_FULL: usize = PAST_MAX / 2;
/// Services whose end is remembered.
const ENDED_MAX: usize = 2000;

/// What a group is counted by.
#[derive(Debug, Clone)]
pub(super) enum Key {
    Spans(SpanKey),
    Edge(EdgeKey),
}

/// Values of a group at a time of the past.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) time_ms: i64,
    pub(super) key: Key,
    pub(super) values: Group,
}

/// What a tenant knows of its late groups.
#[derive(Debug, Default)]
pub(super) struct Late {
    /// End of the interval that is counted; 0 before the first late span.
    clock_ms: i64,
    /// Newest end of a late span.
    seen_ms: i64,
    /// Time of the last samples: the next ones come after it.
    stamped_ms: i64,
    past: Vec<Past>,
    /// Until when services have samples of groups that have ended.
    ended: HashMap<Arc<str>, i64>,
    /// The same for all services that are not remembered.
    ended_ms: i64,
}

impl Late {
    /// Returns the end of the interval at which a span counts if its group may be late; `None` for a
    /// span of now.
    pub(super) fn interval(end_ms: i64, now_ms: i64, interval_ms: i64) -> Option<i64> {
        let is_late = end_ms < now_ms - LATE_MS && end_ms > now_ms - LATEST_MS;
        let interval_ms = interval_ms.max(1);
        is_late.then(|| (end_ms.div_euclid(interval_ms) + 1) * interval_ms)
    }

    /// Returns whether a group that is new may begin at a time of the past.
    pub(super) fn may_begin(&self, service: &str, time_ms: i64) -> bool {
        time_ms > self.ended.get(service).copied().unwrap_or(self.ended_ms)
    }

    /// Notes that a group of a service has ended, with samples up to a time.
    pub(super) fn end(&mut self, service: &Arc<str>, time_ms: i64) {
        if self.ended.len() >= ENDED_MAX && !self.ended.contains_key(service) {
            self.ended_ms = self.ended.values().copied().max().unwrap_or(0);
            self.ended.clear();
        }
        let ended = self.ended.entry(Arc::clone(service)).or_default();
        *ended = (*ended).max(time_ms);
    }

    /// Returns the ends of the intervals that are over when a span of this interval comes.
    pub(super) fn over(&self, interval_end_ms: i64, interval_ms: i64) -> Vec<i64> {
        if self.clock_ms == 0 || interval_end_ms <= self.clock_ms {
            return Vec::new();
        }
        let passed = (interval_end_ms - self.clock_ms) / interval_ms.max(1);
        let filled = if passed > FILLED_MAX { 1 } else { passed };
        (0..filled).map(|n| self.clock_ms + n * interval_ms).collect()
    }

    /// Moves the clock to the interval of a span.
    pub(super) fn advance(&mut self, interval_end_ms: i64, end_ms: i64) {
        self.clock_ms = self.clock_ms.max(interval_end_ms);
        self.seen_ms = self.seen_ms.max(end_ms);
    }

    /// Returns the time of the late groups.
    pub(super) fn clock_ms(&self) -> i64 {
        self.clock_ms
    }

    /// Returns whether the past has reached now.
    pub(super) fn has_arrived(&self, now_ms: i64, interval_ms: i64) -> bool {
        now_ms - self.clock_ms <= LATE_MS + 2 * interval_ms
    }

    /// Forgets the clock: no group is late any more.
    pub(super) fn rest(&mut self) {
        (self.clock_ms, self.seen_ms, self.stamped_ms) = (0, 0, 0);
    }

    /// Returns the time of the next samples, not before the wanted one and after all others.
    pub(super) fn stamp(&mut self, wanted_ms: i64) -> i64 {
        self.stamped_ms = wanted_ms.max(self.stamped_ms + 1);
        self.stamped_ms
    }

    /// Returns the time for values in the middle of an interval.
    pub(super) fn stamp_of_now(&mut self) -> i64 {
        self.stamp(self.seen_ms)
    }

    /// Returns whether values of so many groups can be kept.
    pub(super) fn has_room(&self, groups: usize) -> bool {
        self.past.len() + groups <= PAST_MAX
    }

    /// Keeps the values of a group.
    pub(super) fn keep(&mut self, past: Past) {
        self.past.push(past);
    }

    /// Returns whether so much waits that a record is due.
    pub(super) fn is_full(&self) -> bool {
        self.past.len() >= PAST_FULL
    }

    /// Takes what waits; [`Late::put_back`] returns it.
    pub(super) fn take_past(&mut self) -> Vec<Past> {
        std::mem::take(&mut self.past)
    }

    /// Keeps what was written until it is known to be stored.
    pub(super) fn put_back(&mut self, past: Vec<Past>) {
        self.past = past;
    }

    /// Forgets what is stored.
    pub(super) fn written(&mut self) {
        self.past.clear();
    }
}

#[cfg(test)]
mod tests;
