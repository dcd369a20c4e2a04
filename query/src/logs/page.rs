//! The newest rows of a scan, or the oldest, a page at a time.
//!
//! Rows are ordered by time, and among rows of one time by a hash of what they hold: the same order
//! wherever a row lies, in memory or in whichever block, so a [`Cursor`] stays true while rows are
//! flushed and merged. Rows that hold the same are told apart by counting them.
//!
//! Both directions are one: forward, times and hashes are turned around on their way in and out
//! ([`Direction::turn`]), so that the rows that come first are always the greatest.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

/// The way in which pages follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Direction {
    /// The newest row first.
    #[default]
    Backward,
    /// The oldest row first.
    Forward,
}

impl Direction {
    /// Reads the name of a direction.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "backward" => Some(Self::Backward),
            "forward" => Some(Self::Forward),
            _ => None,
        }
    }

    /// Returns a place so that what comes first is greater; twice is not at all.
    fn turn(self, time_ns: i64, hash: u64) -> (i64, u64) {
        match self {
            Self::Backward => (time_ns, hash),
            Self::Forward => (!time_ns, !hash),
        }
    }
}

/// The place behind a page: the last row on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Its time.
    pub(crate) time_ns: i64,
    /// The hash of what it holds.
    pub(crate) hash: u64,
    /// How many such rows have been on pages.
    pub(crate) seen: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{:016x}_{}", self.time_ns, self.hash, self.seen)
    }
}

impl Cursor {
    /// Reads what [`Cursor`] prints.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('_');
        let time_ns = parts.next()?.parse().ok()?;
        let hash = parts.next().filter(|p| p.len() == 16)?;
        let hash = u64::from_str_radix(hash, 16).ok()?;
        let seen = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Self { time_ns, hash, seen })
    }
}

/// A row as it will be sent. Ordered by its place, turned so that what comes first is greater.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    place: (i64, u64),
    json: Vec<u8>,
}

/// Collects rows in any order and keeps those that come first.
#[derive(Debug)]
pub(crate) struct Pager {
    direction: Direction,
    /// One more than the page holds: it tells whether there is another page.
    keep: usize,
    after: Option<Cursor>,
    passed: u64,
    rows: BinaryHeap<Reverse<Row>>,
    bytes: u64,
}

/// One page, first row first.
#[derive(Debug)]
pub(crate) struct Page {
    /// The rows, rendered.
    pub(crate) rows: Vec<Vec<u8>>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<Cursor>,
}

impl Pager {
    /// Keeps at most `limit` rows, of those behind `after`.
    pub(crate) fn new(direction: Direction, limit: usize, after: Option<Cursor>) -> Self {
        let keep = limit.saturating_add(1);
        Self { direction, keep, after, passed: 0, rows: BinaryHeap::new(), bytes: 0 }
    }

    /// Offers a row; it is rendered where it may be on the page.
    pub(crate) fn offer(&mut self, time_ns: i64, render: impl FnOnce(&mut Vec<u8>)) {
        let turn = |time_ns, hash| self.direction.turn(time_ns, hash);
        let (time, _) = turn(time_ns, 0);
        if self.after.is_some_and(|after| time > turn(after.time_ns, 0).0)
            || self.last().is_some_and(|last| time < last.place.0)
        {
            return;
        }
        let mut json = Vec::new();
        render(&mut json);
        let place = turn(time_ns, xxh3_64(&json));
        if let Some(after) = self.after {
            let passed = place.cmp(&turn(after.time_ns, after.hash));
            if passed.is_gt() {
                return;
            }
            if passed.is_eq() && self.passed < after.seen {
                self.passed += 1;
                return;
            }
        }
        self.bytes += size(&json);
        self.rows.push(Reverse(Row { place, json }));
        if self.rows.len() > self.keep
            && let Some(Reverse(last)) = self.rows.pop()
        {
            self.bytes -= size(&last.json);
        }
    }

    /// Returns the last row, where the page is full.
    fn last(&self) -> Option<&Row> {
        self.rows.peek().filter(|_| self.rows.len() >= self.keep).map(|Reverse(row)| row)
    }

    /// Returns the time behind which no row is needed any more.
    pub(crate) fn bound_ns(&self) -> Option<i64> {
        let last = self.last()?;
        Some(self.direction.turn(last.place.0, 0).0)
    }

    /// Returns what the rows take.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the page.
    pub(crate) fn finish(self) -> Page {
        let Self { direction, keep, after, .. } = self;
        // Sorted by the reverse: what comes first is first.
        let mut rows: Vec<Row> = self.rows.into_sorted_vec().into_iter().map(|r| r.0).collect();
        let has_more = rows.len() == keep;
        if has_more {
            rows.pop();
        }
        let next = rows.last().filter(|_| has_more).map(|last| {
            let same = rows.iter().rev().take_while(|row| row.place == last.place).count();
            let (time_ns, hash) = direction.turn(last.place.0, last.place.1);
            let before = after.filter(|after| (after.time_ns, after.hash) == (time_ns, hash));
            let seen = before.map_or(0, |after| after.seen) + same as u64;
            Cursor { time_ns, hash, seen }
        });
        Page { rows: rows.into_iter().map(|row| row.json).collect(), next }
    }
}

fn size(json: &[u8]) -> u64 {
    (json.len() + size_of::<Row>()) as u64
}

#[cfg(test)]
mod tests;
