//! Deleting by matcher: a tombstone makes rows invisible at once, the next merge leaves them out.
//!
//! A [`Tombstone`] says which rows: matchers, a time range, and for each writer a position of its
//! log. It is set behind a flush, so that every block lies on one side of the positions, and rows
//! that are sent later stay. From the commit on, readers leave its rows out of the blocks that it
//! [covers](Tombstone::covers); so does every merge, before it mixes inputs, and the block that it
//! makes [says so](after_merge). When no live block is covered any more, the tombstone is done.
//!
//! [`Erased`] is what tombstones come to for one block: of a series the times whose samples are
//! gone, of log records and spans the rows that stay ([`rows`]).

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use serde::{Deserialize, Serialize};
use tarn_model::error::{Error, Result};
use tarn_model::labels::LabelSet;
use tarn_model::matcher::{Matcher, parse_selector};
use tarn_model::time::TimeRange;

use crate::block::BlockMeta;
use crate::schema::kind;
use crate::schema::tables::Table;
use crate::view::rows::RowFilter;

mod rows;

/// Rows that nobody shall see any more: those that satisfy all matchers, lie in the time range and
/// were in the log at the positions named, or before. Rows sent later stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Random, 32 hex digits.
    pub id: String,
    /// Whose rows.
    pub tenant: String,
    /// `metrics`, `logs` or `traces`.
    pub signal: String,
    /// Matchers in their text form, as `job="x"`: over labels (metrics), or over columns and
    /// attributes (logs, spans).
    pub matchers: Vec<String>,
    /// Earliest time, ms, inclusive.
    pub start_ms: i64,
    /// Latest time, ms, inclusive.
    pub end_ms: i64,
    /// For each writer the last position of its log that the tombstone covers.
    pub positions: Vec<(String, u64)>,
    /// When it was set, ms; for humans and for the age of history.
    pub time_ms: i64,
}

impl Tombstone {
    /// Returns whether some rows of a block may be erased by this: it lies wholly at or below the
    /// positions, and no merge has left the rows out yet.
    pub fn covers(&self, block: &BlockMeta) -> bool {
        self.tenant == block.tenant
            && self.signal == block.signal
            && self.start_ms <= block.time_max_ms
            && block.time_min_ms <= self.end_ms
            // What a metric is called and means is no row of anybody.
            && block.kind != kind::FAMILIES
            && !block.erased.contains(&self.id)
            && block.lsn.iter().all(|range| {
                self.positions
                    .iter()
                    .any(|(writer, last)| *writer == range.writer && range.hi <= *last)
            })
    }

    /// Reads the matchers.
    ///
    /// # Errors
    /// `Corrupt` where one is none: what shall not be seen must not be shown for that.
    pub fn matchers(&self) -> Result<Vec<Matcher>> {
        let mut all = Vec::new();
        for text in &self.matchers {
            let matchers = parse_selector(text).map_err(|e| {
                Error::corrupt(format!("tombstone {} cannot be read", self.id)).with_source(e)
            })?;
            all.extend(matchers);
        }
        Ok(all)
    }

    fn range(&self) -> TimeRange {
        TimeRange { start_ms: self.start_ms, end_ms: self.end_ms }
    }
}

/// Returns what [`BlockMeta::erased`] of the outputs of a merge is: the tombstones that were applied
/// to inputs, in this merge or before.
pub fn after_merge<'a>(
    inputs: impl IntoIterator<Item = &'a BlockMeta>,
    applied: impl IntoIterator<Item = &'a Arc<Tombstone>>,
) -> Vec<String> {
    let before = inputs.into_iter().flat_map(|block| block.erased.iter().cloned());
    let now = applied.into_iter().map(|tombstone| tombstone.id.clone());
    before.chain(now).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What is erased in one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct Erased {
    tombstones: Vec<Compiled>,
}

#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    matchers: Vec<Matcher>,
    range: TimeRange,
}

impl Erased {
    /// Prepares the tombstones that cover a block ([`State::erased_in`]).
    ///
    /// # Errors
    /// `Corrupt` where a tombstone cannot be read.
    ///
    /// [`State::erased_in`]: crate::catalog::State::erased_in
    pub(crate) fn new(tombstones: &[Arc<Tombstone>]) -> Result<Self> {
        let compiled = tombstones.iter().map(|tombstone| {
            Ok(Compiled { matchers: tombstone.matchers()?, range: tombstone.range() })
        });
        Ok(Self { tombstones: compiled.collect::<Result<_>>()? })
    }

    /// Returns whether nothing is erased.
    pub(crate) fn is_empty(&self) -> bool {
        self.tombstones.is_empty()
    }

    /// Returns the times of a series whose samples are gone: sorted, apart from one another, and
    /// mostly none.
    pub(crate) fn times(&self, labels: &LabelSet) -> Vec<TimeRange> {
        let matching = self.tombstones.iter().filter(|tombstone| {
            tombstone.matchers.iter().all(|matcher| matcher.matches_labels(labels))
        });
        unite(matching.map(|tombstone| tombstone.range).collect())
    }

    /// Returns the condition that rows of a table satisfy which are not erased.
    pub(crate) fn filter(&self, table: Table) -> RowFilter {
        rows::filter(table, &self.tombstones)
    }

    /// Returns which rows of a batch are not erased. The batch has the schema of its table, without
    /// promoted attributes.
    ///
    /// # Errors
    /// `Corrupt` where a column is not what its name says.
    pub(crate) fn kept(&self, table: Table, batch: &RecordBatch) -> Result<BooleanArray> {
        rows::kept(table, &self.filter(table), batch)
    }
}

/// Sorts time ranges and unites those that touch.
fn unite(mut ranges: Vec<TimeRange>) -> Vec<TimeRange> {
    ranges.sort_unstable_by_key(|range| (range.start_ms, range.end_ms));
    let mut apart: Vec<TimeRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start_ms <= last.end_ms.saturating_add(1) => {
                last.end_ms = last.end_ms.max(range.end_ms);
            }
            _ => apart.push(range),
        }
    }
    apart
}

#[cfg(test)]
mod tests;
