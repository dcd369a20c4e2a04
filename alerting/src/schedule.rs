//! When groups are evaluated: slots, which slot is due, how many were missed. Pure.
//!
//! Every group has slots `offset + k * interval` in wall time; the offset is a stable hash of the
//! group's key, so that groups spread over their interval and keep their place over a restart. A
//! slot's time is the time of the evaluation, however late it runs. What was missed is counted and
//! never caught up: an alert of an hour ago helps nobody, and would hold up the one of now.
//!
//! Slots follow the wall clock, waiting does not: whoever waits asks [`Slots::wait_ms`] again and
//! again, so that a clock that jumps is noticed. Forward, slots are missed; backward, the slots
//! of the new time count.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

/// Longest wait in one piece: how late a jump of the clock is noticed.
pub const WAIT_MAX: Duration = Duration::from_secs(1);

/// The slots of a group, and which of them was evaluated last.
#[derive(Debug, Clone)]
pub struct Slots {
    interval_ms: i64,
    offset_ms: i64,
    next_ms: i64,
}

/// A slot whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The time of the evaluation.
    pub slot_ms: i64,
    /// Slots between the one before and this one.
    pub missed: u64,
}

impl Slots {
    /// Makes the slots of the group with this key; the first one is the next.
    pub fn new(key: &str, interval: Duration, now_ms: i64) -> Self {
        let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
        let offset_ms = offset_ms(key, interval_ms);
        let mut slots = Self { interval_ms, offset_ms, next_ms: 0 };
        slots.next_ms = slots.after(now_ms);
        slots
    }

    /// Returns the time of the slot that is evaluated next.
    pub fn next_ms(&self) -> i64 {
        self.next_ms
    }

    /// Returns how long to wait before asking again; zero where a slot is due.
    pub fn wait_ms(&self, now_ms: i64) -> u64 {
        if self.has_gone_back(now_ms) {
            return 0;
        }
        u64::try_from(self.next_ms.saturating_sub(now_ms)).unwrap_or(0)
    }

    /// Returns the slot to evaluate now, if its time has come.
    pub fn due(&mut self, now_ms: i64) -> Option<Due> {
        if self.has_gone_back(now_ms) {
            // What is behind is not evaluated twice: the next slot of the new time is waited for.
            self.next_ms = self.after(now_ms);
            return None;
        }
        if now_ms < self.next_ms {
            return None;
        }
        let slot_ms = self.at_or_before(now_ms);
        let missed = (slot_ms - self.next_ms) / self.interval_ms;
        self.next_ms = slot_ms.saturating_add(self.interval_ms);
        Some(Due { slot_ms, missed: u64::try_from(missed).unwrap_or(0) })
    }

    /// The next slot is never more than an interval away, unless the clock was turned.
    fn has_gone_back(&self, now_ms: i64) -> bool {
        self.next_ms.saturating_sub(now_ms) > self.interval_ms
    }

    fn at_or_before(&self, now_ms: i64) -> i64 {
        now_ms - (now_ms - self.offset_ms).rem_euclid(self.interval_ms)
    }

    fn after(&self, now_ms: i64) -> i64 {
        self.at_or_before(now_ms).saturating_add(self.interval_ms)
    }
}

/// Returns where in its interval a group has its slots.
fn offset_ms(key: &str, interval_ms: i64) -> i64 {
    let hash = i64::try_from(xxh3_64(key.as_bytes()) >> 1).unwrap_or(0);
    hash % interval_ms
}

#[cfg(test)]
mod tests;
