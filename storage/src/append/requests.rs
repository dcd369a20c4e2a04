//! Requests that are stored, by their hash, so that a resend is recognised (IDM-1).
//!
//! A ring of the last hour, or of as many requests as its share of memory holds. A request enters it
//! on the commit thread, after its record is durable; after a start the ring comes back from its
//! [`file`](mod@file), which is rewritten before the log is truncated, and from the records above. So
//! what a failed sync took back is never in it, and what is in blocks or in the log is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashTable;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use tarn_model::time::Clock;

use crate::wal::ReplyCounts;

pub(crate) mod file;

/// How long a request is known: longer than any sender tries.
pub(crate) const WINDOW: Duration = Duration::from_secs(3600);
/// How many are known at most.
const REQUESTS_MAX: usize = 1_000_000;
/// What one takes: entry, place in the index, and the room that both have to spare.
const REQUEST_BYTES: usize = 96;

/// The requests of the last hour.
#[derive(Debug)]
pub(crate) struct Requests {
    clock: Arc<dyn Clock>,
    max: usize,
    ring: Mutex<Ring>,
    /// Held while the file is written: several flushes may come to it at once.
    saving: Mutex<()>,
    pub(crate) window_gauge: Gauge,
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) hash: u128,
    pub(crate) counts: ReplyCounts,
    /// Seconds on the monotonic axis; before the start of the process, below zero.
    at: i64,
}

#[derive(Debug, Default)]
struct Ring {
    /// Oldest first.
    entries: VecDeque<Stored>,
    /// Number of the first entry; numbers go round.
    first: u32,
    /// Hash → number.
    index: HashTable<u32>,
    /// Every request stored since then is known.
    known_from: i64,
}

impl Requests {
    /// Makes an empty ring that may take `bytes` of memory.
    pub(crate) fn new(clock: Arc<dyn Clock>, bytes: usize) -> Self {
        let max = (bytes / REQUEST_BYTES).clamp(1, REQUESTS_MAX);
        let ring = Ring { known_from: i64::MIN, ..Ring::default() };
        let (ring, window_gauge) = (Mutex::new(ring), Gauge::default());
        window_gauge.set(WINDOW.as_secs() as i64);
        Self { clock, max, ring, saving: Mutex::default(), window_gauge }
    }

    /// Returns what the client of a stored request was told.
    pub(crate) fn stored(&self, hash: u128) -> Option<ReplyCounts> {
        let oldest = self.now() - WINDOW.as_secs() as i64;
        let found = self.ring.lock().find(hash).copied()?;
        (found.at >= oldest).then_some(found.counts)
    }

    /// Takes a request whose record is durable. 0 is no hash.
    pub(crate) fn keep(&self, hash: u128, counts: ReplyCounts) {
        self.add(Stored { hash, counts, at: self.now() });
    }

    fn add(&self, request: Stored) {
        if request.hash == 0 {
            return;
        }
        let now = self.now();
        let mut ring = self.ring.lock();
        ring.forget(now - WINDOW.as_secs() as i64, self.max);
        ring.push(request);
        let known = now.saturating_sub(ring.known_from).min(WINDOW.as_secs() as i64);
        drop(ring);
        self.window_gauge.set(known);
    }

    /// Says that what was stored before now may be unknown.
    fn forgot_all(&self) {
        self.ring.lock().known_from = self.now();
    }

    fn all(&self) -> Vec<Stored> {
        let mut ring = self.ring.lock();
        ring.forget(self.now() - WINDOW.as_secs() as i64, self.max);
        ring.entries.iter().copied().collect()
    }

    fn now(&self) -> i64 {
        self.clock.monotonic().as_secs() as i64
    }
}

impl Ring {
    fn find(&self, hash: u128) -> Option<&Stored> {
        let number = self.index.find(short(hash), |number| self.entry(*number).hash == hash)?;
        Some(self.entry(*number))
    }

    fn entry(&self, number: u32) -> &Stored {
        &self.entries[number.wrapping_sub(self.first) as usize]
    }

    fn push(&mut self, request: Stored) {
        if self.find(request.hash).is_some() {
            return;
        }
        let number = self.first.wrapping_add(self.entries.len() as u32);
        self.entries.push_back(request);
        let Self { entries, first, index, .. } = self;
        let hash = |number: &u32| short(entries[number.wrapping_sub(*first) as usize].hash);
        index.insert_unique(short(request.hash), number, hash);
    }

    /// Makes room for one more, and drops what is too old.
    fn forget(&mut self, oldest: i64, max: usize) {
        while let Some(entry) = self.entries.front().copied() {
            let full = self.entries.len() >= max;
            if entry.at >= oldest && !full {
                break;
            }
            if entry.at >= oldest {
                self.known_from = entry.at.saturating_add(1);
            }
            let first = self.first;
            if let Ok(place) = self.index.find_entry(short(entry.hash), |n| *n == first) {
                place.remove();
            }
            self.entries.pop_front();
            self.first = first.wrapping_add(1);
        }
    }
}

/// The hash of a hash.
fn short(hash: u128) -> u64 {
    hash as u64
}

#[cfg(test)]
mod tests;
