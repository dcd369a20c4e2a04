//! Which keys the newest rows have: for facets that nobody named, and for completion.
//!
//! A sample is enough to choose by: attributes are maps, and reading those of all rows would cost
//! more than everything else that a page asks for.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use tarn_model::error::Result;
use tarn_model::map::{HashMap, HashSet};
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::RowColumn;
use xxhash_rust::xxh3::xxh3_64;

use crate::records::{self, Texts};
use crate::search::Span;
use crate::search::ast::{Key, Owner};
use crate::search::functions::attributes_of;
use crate::search::plan::{Intrinsic, Plan};
use crate::search::scan::{End, Range, Scanner, row_scan};

/// Rows that are looked at.
const ROWS: u64 = 10_000;

/// Keys that are told apart; senders with more write data into keys.
const KEYS_MAX: usize = 5000;

/// Values of a key that are told apart.
const VALUES_MAX: usize = 256;

/// As many values are read at a glance; keys with more are the worse the more they have.
const VALUES_GOOD: usize = 30;

/// What is known of a key.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Rows that have it.
    pub(crate) rows: u64,
    /// Hashes of values, the first [`VALUES_MAX`].
    values: HashSet<u64>,
}

impl Seen {
    fn add(&mut self, value: &str) {
        self.rows += 1;
        self.value(value);
    }

    fn value(&mut self, value: &str) {
        if self.values.len() < VALUES_MAX {
            self.values.insert(xxh3_64(value.as_bytes()));
        }
    }
}

/// Collects keys.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) attributes: HashMap<Box<str>, Seen>,
    pub(crate) resource: HashMap<Box<str>, Seen>,
    pub(crate) rows: u64,
}

impl Keys {
    fn columns() -> Vec<RowColumn> {
        vec![RowColumn::Attributes, RowColumn::Stored(column::RESOURCE.into())]
    }

    fn see(&mut self, batch: &RecordBatch) -> Result<()> {
        let attributes = records::attributes(batch, column::ATTRIBUTES, column::ATTRIBUTE_KINDS)?;
        let resources = records::texts(batch, column::RESOURCE)?;
        for row in 0..batch.num_rows() {
            attributes.each(row, |key, value| {
                if let Some(seen) = entry(&mut self.attributes, key) {
                    seen.add(value.unwrap_or_default());
                }
            });
        }
        self.resources(&resources, batch.num_rows());
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn resources(&mut self, texts: &Texts<'_>, rows: usize) {
        let mut counts: HashMap<&str, u64> = HashMap::default();
        let found = (0..rows).filter_map(|row| texts.get(row));
        found.for_each(|json| *counts.entry(json).or_default() += 1);
        for (json, n) in counts {
            for (key, value) in attributes_of(json) {
                if let Some(seen) = entry(&mut self.resource, &key) {
                    seen.rows += n;
                    seen.value(&value);
                }
            }
        }
    }

    fn bytes(&self) -> u64 {
        let all = self.attributes.iter().chain(&self.resource);
        all.map(|(key, seen)| key.len() + 64 + 16 * seen.values.len()).sum::<usize>() as u64
    }

    /// Returns the keys that tell rows apart best, the best one first: those that many rows have, with
    /// few values. What is intrinsic to rows is not among them.
    pub(crate) fn best(&self, table: Table, limit: usize) -> Vec<String> {
        let mut scores: HashMap<&str, f64> = HashMap::default();
        for (key, seen) in self.attributes.iter().chain(&self.resource) {
            if let Some(score) = self.score(seen).filter(|_| is_plain(table, key)) {
                let best = scores.entry(key).or_insert(score);
                *best = best.max(score);
            }
        }
        let mut best: Vec<(&str, f64)> = scores.into_iter().collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        best.into_iter().take(limit).map(|(key, _)| key.to_owned()).collect()
    }

    fn score(&self, seen: &Seen) -> Option<f64> {
        let values = seen.values.len();
        let covered = seen.rows as f64 / self.rows.max(1) as f64;
        // A key whose every value is another one names rows, it does not group them.
        let names_rows = values > 10 && values as u64 * 2 > seen.rows;
        if names_rows || values >= VALUES_MAX {
            return None;
        }
        let few = match values {
            0 | 1 => 0.1,
            2..=VALUES_GOOD => 1.0,
            many => VALUES_GOOD as f64 / many as f64,
        };
        Some(covered * few)
    }

    /// Returns keys with the rows that have them, most rows first.
    pub(crate) fn listed(map: &HashMap<Box<str>, Seen>) -> Vec<(&str, u64)> {
        let mut list: Vec<(&str, u64)> =
            map.iter().map(|(key, seen)| (&**key, seen.rows)).collect();
        list.sort_unstable_by_key(|(key, rows)| (Reverse(*rows), *key));
        list
    }
}

/// Returns whether a search that names the key means what is counted.
fn is_plain(table: Table, key: &str) -> bool {
    let name = Key { owner: Owner::Any, name: key.to_owned(), span: Span::new(0, 0) };
    !key.is_empty() && !key.starts_with('@') && Intrinsic::of(table, &name).is_none()
}

fn entry<'m>(map: &'m mut HashMap<Box<str>, Seen>, key: &str) -> Option<&'m mut Seen> {
    if !map.contains_key(key) {
        if map.len() >= KEYS_MAX {
            return None;
        }
        map.insert(key.into(), Seen::default());
    }
    map.get_mut(key)
}

/// Looks at the newest rows that a search finds.
///
/// # Errors
/// Those of reading.
pub(crate) async fn run(
    scanner: &mut Scanner<'_>,
    table: Table,
    plan: &Plan,
    range: Range,
) -> Result<(Keys, End)> {
    let mut keys = Keys::default();
    let scan = row_scan(table, Keys::columns(), plan, range)?;
    let floor_us = Arc::clone(&scan.floor_us);
    let end = scanner
        .run(scan, |batch| {
            if keys.rows < ROWS {
                keys.see(batch)?;
            } else {
                floor_us.store(i64::MAX, Ordering::Relaxed);
            }
            Ok(keys.bytes())
        })
        .await?;
    Ok((keys, end))
}

#[cfg(test)]
mod tests;
