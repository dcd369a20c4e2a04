//! How often each value occurs: exact for as many values as are kept, and the most frequent of any
//! number of them.
//!
//! When there are too many, the rarer half is forgotten and counted anew should it come again. What
//! is left of a value is then too low by at most what the most frequent of the forgotten had, each
//! time; a value in one row of a hundred is not among them. The answer says so ([`Tally::is_cut`]).

use tarn_model::map::HashMap;

/// Values that are told apart: more than anybody scrolls through.
const VALUES_MAX: usize = 10_000;

/// Text of all values together.
const BYTES_MAX: usize = 1 << 20;

/// A value is known by its beginning; longer ones are texts, not values.
pub(crate) const VALUE_BYTES_MAX: usize = 1024;

/// What a value costs besides its text.
const OVERHEAD: usize = 64;

/// Counts values.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: HashMap<Box<str>, u64>,
    bytes: usize,
    rows: u64,
    is_cut: bool,
}

impl Tally {
    /// Counts `n` rows with a value.
    pub(crate) fn add(&mut self, value: &str, n: u64) {
        self.rows += n;
        let value = value.get(..value.floor_char_boundary(VALUE_BYTES_MAX)).unwrap_or(value);
        if let Some(count) = self.counts.get_mut(value) {
            *count += n;
            return;
        }
        self.bytes += value.len();
        self.counts.insert(value.into(), n);
        if self.counts.len() > VALUES_MAX || self.bytes > BYTES_MAX {
            self.forget();
        }
    }

    /// Forgets the rarer half.
    fn forget(&mut self) {
        self.is_cut = true;
        let mut all: Vec<(Box<str>, u64)> = self.counts.drain().collect();
        let half = all.len() / 2;
        all.select_nth_unstable_by(half, |a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(half);
        self.bytes = all.iter().map(|(value, _)| value.len()).sum();
        self.counts.extend(all);
    }

    /// Returns all values that are known.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(value, count)| (&**value, *count))
    }

    /// Returns the rows that had a value.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns how many values are known.
    pub(crate) fn distinct(&self) -> usize {
        self.counts.len()
    }

    /// Returns whether values were forgotten: then there are more, and counts may be too low.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Returns the most frequent values, those of one count by name.
    pub(crate) fn top(&self, limit: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> = self.all().collect();
        all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        all.truncate(limit);
        all
    }

    /// Returns what it holds.
    pub(crate) fn bytes(&self) -> u64 {
        (self.bytes + self.counts.len() * OVERHEAD) as u64
    }
}

#[cfg(test)]
mod tests;
