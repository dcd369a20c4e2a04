//! The newest rows of a scan, a page at a time.
//!
//! Rows are ordered by time, and among rows of one time by a hash of what they hold: the same order
//! wherever a row lies, in memory or in whichever block, so a [`Cursor`] stays true while rows are
//! flushed and merged. Rows that hold the same are told apart by counting them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

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

/// A row as it will be sent. Ordered by time, then hash.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    time_ns: i64,
    hash: u64,
    json: Vec<u8>,
}

/// Collects rows in any order and keeps the newest.
#[derive(Debug)]
pub(crate) struct Newest {
    /// One more than the page holds: it tells whether there is another page.
    keep: usize,
    after: Option<Cursor>,
    passed: u64,
    rows: BinaryHeap<Reverse<Row>>,
    bytes: u64,
}

/// One page, newest row first.
#[derive(Debug)]
pub(crate) struct Page {
    /// The rows, rendered.
    pub(crate) rows: Vec<Vec<u8>>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<Cursor>,
}

impl Newest {
    /// Keeps at most `limit` rows, of those behind `after`.
    pub(crate) fn new(limit: usize, after: Option<Cursor>) -> Self {
        let keep = limit.saturating_add(1);
        Self { keep, after, passed: 0, rows: BinaryHeap::new(), bytes: 0 }
    }

    /// Offers a row; it is rendered where it may be among the newest.
    pub(crate) fn offer(&mut self, time_ns: i64, render: impl FnOnce(&mut Vec<u8>)) {
        if self.after.is_some_and(|after| time_ns > after.time_ns)
            || self.floor_ns().is_some_and(|floor| time_ns < floor)
        {
            return;
        }
        let mut json = Vec::new();
        render(&mut json);
        let hash = xxh3_64(&json);
        if let Some(after) = self.after {
            let place = (time_ns, hash).cmp(&(after.time_ns, after.hash));
            if place.is_gt() {
                return;
            }
            if place.is_eq() && self.passed < after.seen {
                self.passed += 1;
                return;
            }
        }
        self.bytes += size(&json);
        self.rows.push(Reverse(Row { time_ns, hash, json }));
        if self.rows.len() > self.keep
            && let Some(Reverse(oldest)) = self.rows.pop()
        {
            self.bytes -= size(&oldest.json);
        }
    }

    /// Returns the time below which no row is needed any more.
    pub(crate) fn floor_ns(&self) -> Option<i64> {
        let oldest = self.rows.peek().filter(|_| self.rows.len() >= self.keep);
        oldest.map(|Reverse(row)| row.time_ns)
    }

    /// Returns what the rows take.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the page.
    pub(crate) fn finish(self) -> Page {
        let (keep, after) = (self.keep, self.after);
        // Sorted by the reverse: the newest comes first.
        let mut rows: Vec<Row> = self.rows.into_sorted_vec().into_iter().map(|r| r.0).collect();
        let has_more = rows.len() == keep;
        if has_more {
            rows.pop();
        }
        let next = rows.last().filter(|_| has_more).map(|last| {
            let place = (last.time_ns, last.hash);
            let same = rows.iter().rev().take_while(|row| (row.time_ns, row.hash) == place).count();
            let before = after.filter(|after| (after.time_ns, after.hash) == place);
            let seen = before.map_or(0, |after| after.seen) + same as u64;
            Cursor { time_ns: last.time_ns, hash: last.hash, seen }
        });
        Page { rows: rows.into_iter().map(|row| row.json).collect(), next }
    }
}

fn size(json: &[u8]) -> u64 {
    (json.len() + size_of::<Row>()) as u64
}

#[cfg(test)]
mod tests;
