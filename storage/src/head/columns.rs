//! The samples of one tenant in one head generation: a table of series columns, and the postings
//! by which queries find them.
//!
//! Postings lead from a label pair to the series of this generation, in the order in which they
//! appeared. A query takes the number of series first and cuts all postings there, so matchers are
//! evaluated without holding the lock; then it takes the lengths of all columns at once, which is
//! its snapshot, and copies column by column later.

use std::sync::Arc;

use parking_lot::RwLock;
use tarn_model::map::HashMap;
use tarn_model::matcher::Matcher;
use tarn_model::sample::{Exemplar, Histogram, Metadata};
use tarn_model::time::TimeRange;

use crate::head::column::{Column, Copied, Visible};
use crate::head::pairs::PairId;
use crate::head::series::{SeriesEntry, SeriesTable};

/// Columns per block of columns; blocks are full before the next begins, so growing wastes little.
const BLOCK: usize = 1024;
/// What a series costs in a generation before its first sample: column, slot, postings.
const SERIES_BYTES: usize = 72 + 4 + 12 * 6 + 24;

/// The rows of one request, for one tenant, as they are inserted.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// Floats come in runs of one series.
    pub(crate) runs: Vec<FloatRun>,
    pub(crate) times: Vec<i64>,
    pub(crate) bits: Vec<u64>,
    /// One per float, or empty where none is known.
    pub(crate) starts: Vec<i64>,
    pub(crate) histograms: Vec<HistogramRow>,
    pub(crate) exemplars: Vec<(u32, Exemplar)>,
    pub(crate) families: Vec<(Arc<str>, Metadata)>,
}

/// Neighbouring floats of one series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FloatRun {
    pub(crate) index: u32,
    pub(crate) n: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct HistogramRow {
    pub(crate) index: u32,
    pub(crate) time_ms: i64,
    pub(crate) start_ms: i64,
    pub(crate) value: Arc<Histogram>,
}

impl Rows {
    pub(crate) fn is_empty(&self) -> bool {
        self.samples() == 0 && self.exemplars.is_empty() && self.families.is_empty()
    }

    pub(crate) fn samples(&self) -> u64 {
        (self.times.len() + self.histograms.len()) as u64
    }

    /// Calls `each` with the place of every series that the rows use, some several times.
    pub(crate) fn each_series(&self, mut each: impl FnMut(u32)) {
        self.runs.iter().for_each(|run| each(run.index));
        self.histograms.iter().for_each(|row| each(row.index));
        self.exemplars.iter().for_each(|row| each(row.0));
    }
}

/// What a list of postings takes with one series in it: its place in the map, and room for four.
const POSTING_BYTES: usize = 48;

/// One tenant's part of a generation.
#[derive(Debug)]
pub(crate) struct TenantColumns {
    table: Arc<SeriesTable>,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Place in the series table → number of the column + 1; 0 = none.
    slots: Vec<u32>,
    columns: Vec<Vec<Column>>,
    series: u32,
    postings: HashMap<PairId, Vec<u32>>,
    exemplars: Vec<(Arc<SeriesEntry>, Exemplar)>,
    families: Vec<(Arc<str>, Metadata)>,
    out_of_order: bool,
}

/// One series as a query sees it.
#[derive(Debug, Clone)]
pub(crate) struct SeriesSnapshot {
    pub(crate) slot: u32,
    pub(crate) entry: Arc<SeriesEntry>,
    pub(crate) visible: Visible,
}

impl TenantColumns {
    pub(crate) fn new(table: Arc<SeriesTable>) -> Self {
        Self { table, inner: RwLock::default() }
    }

    /// Inserts the rows of one request at once; returns the bytes by which the head grew. Rows of a
    /// place that the table does not know are counted in the second number: a bug.
    pub(crate) fn insert(&self, rows: &Rows) -> (usize, u64) {
        let mut inner = self.inner.write();
        let (mut bytes, mut lost) = (0, 0);
        let mut at = 0;
        for run in &rows.runs {
            let end = at + run.n as usize;
            match inner.slot(&self.table, run.index, &mut bytes) {
                Some(slot) => {
                    let column = inner.column_mut(slot);
                    let starts = rows.starts.get(at..end).unwrap_or_default();
                    bytes += column.push_floats(&rows.times[at..end], &rows.bits[at..end], starts);
                    let late = column.is_out_of_order();
                    inner.out_of_order |= late;
                }
                None => lost += u64::from(run.n),
            }
            at = end;
        }
        for row in &rows.histograms {
            match inner.slot(&self.table, row.index, &mut bytes) {
                Some(slot) => {
                    let column = inner.column_mut(slot);
                    bytes += column.push_histogram(row.time_ms, &row.value, row.start_ms);
                }
                None => lost += 1,
            }
        }
        for (index, exemplar) in &rows.exemplars {
            match self.table.entry(*index) {
                Some(entry) => {
                    bytes += 64 + exemplar.labels.len() * 64;
                    inner.exemplars.push((entry, exemplar.clone()));
                }
                None => lost += 1,
            }
        }
        bytes += rows.families.len() * 96;
        inner.families.extend(rows.families.iter().cloned());
        (bytes, lost)
    }

    /// Returns how many series there are.
    pub(crate) fn series(&self) -> u32 {
        self.inner.read().series
    }

    /// Returns whether some sample came out of order.
    pub(crate) fn out_of_order(&self) -> bool {
        self.inner.read().out_of_order
    }

    /// Marks the places of the table that the generation has samples of.
    pub(crate) fn mark_used(&self, used: &mut Vec<bool>) {
        let inner = self.inner.read();
        used.resize(used.len().max(inner.slots.len()), false);
        for (used, slot) in used.iter_mut().zip(&inner.slots) {
            *used |= *slot != 0;
        }
    }

    /// Returns the exemplars in the order of the log.
    pub(crate) fn exemplars(&self) -> Vec<(Arc<SeriesEntry>, Exemplar)> {
        self.inner.read().exemplars.clone()
    }

    /// Returns the metadata that came in this generation, in the order of the log.
    pub(crate) fn families(&self) -> Vec<(Arc<str>, Metadata)> {
        self.inner.read().families.clone()
    }

    /// Returns the slots below `series` that satisfy all matchers, ascending.
    pub(crate) fn matching(&self, matchers: &[Matcher], series: u32) -> Vec<u32> {
        let pairs = &self.table.pairs;
        // A label that may be absent can only rule series out, so it is looked up by what it
        // rejects; any other by what it accepts, and series without the label drop out.
        let (may_lack, must_have): (Vec<&Matcher>, Vec<&Matcher>) =
            matchers.iter().partition(|m| m.matches_empty());
        let accepted: Vec<Vec<PairId>> =
            must_have.iter().map(|m| pairs.matching(m, true)).collect();
        let rejected: Vec<Vec<PairId>> =
            may_lack.iter().map(|m| pairs.matching(m, false)).collect();
        let mut lists: Vec<Vec<u32>> = {
            let inner = self.inner.read();
            accepted.iter().chain(&rejected).map(|ids| inner.posted(ids, series)).collect()
        };
        let rejected = lists.split_off(must_have.len());
        lists.sort_by_key(Vec::len);
        let mut lists = lists.into_iter();
        let mut slots = lists.next().unwrap_or_else(|| (0..series).collect());
        for list in lists {
            retain_sorted(&mut slots, &list, true);
        }
        for list in rejected {
            retain_sorted(&mut slots, &list, false);
        }
        slots
    }

    /// Takes the lengths of many series under one lock; series without a sample in the range are
    /// left out.
    pub(crate) fn snapshot(&self, lists: &[(Vec<u32>, TimeRange)]) -> Vec<Vec<SeriesSnapshot>> {
        let inner = self.inner.read();
        let take = |slot: &u32, range: TimeRange| {
            let column = inner.column(*slot);
            column.may_overlap(range).then(|| SeriesSnapshot {
                slot: *slot,
                entry: Arc::clone(&column.entry),
                visible: column.visible(),
            })
        };
        lists
            .iter()
            .map(|(slots, range)| slots.iter().filter_map(|slot| take(slot, *range)).collect())
            .collect()
    }

    /// Calls `each` with the label pairs (of one name, or all) of series that may have samples in
    /// the range.
    pub(crate) fn each_pair(
        &self,
        name: Option<&str>,
        range: TimeRange,
        each: &mut impl FnMut(&str, &str),
    ) {
        let mut ids = Vec::new();
        self.table.pairs.each(name, |_, id| ids.push(id));
        {
            let inner = self.inner.read();
            ids.retain(|id| {
                let slots = inner.postings.get(id).into_iter().flatten();
                slots.into_iter().any(|slot| inner.column(*slot).may_overlap(range))
            });
        }
        let wanted: tarn_model::map::HashSet<PairId> = ids.into_iter().collect();
        self.table.pairs.each(name, |label, id| {
            if wanted.contains(&id) {
                each(&label.name, &label.value);
            }
        });
    }

    /// Copies samples of one series.
    pub(crate) fn copy(&self, series: &SeriesSnapshot, range: TimeRange) -> Copied {
        self.inner.read().column(series.slot).copy(series.visible, range)
    }
}

impl Inner {
    fn column(&self, slot: u32) -> &Column {
        &self.columns[slot as usize / BLOCK][slot as usize % BLOCK]
    }

    fn column_mut(&mut self, slot: u32) -> &mut Column {
        &mut self.columns[slot as usize / BLOCK][slot as usize % BLOCK]
    }

    fn slot(&mut self, table: &SeriesTable, index: u32, bytes: &mut usize) -> Option<u32> {
        if let Some(slot) = self.slots.get(index as usize).and_then(|s| s.checked_sub(1)) {
            return Some(slot);
        }
        let entry = table.entry(index)?;
        if self.slots.len() <= index as usize {
            self.slots.resize(index as usize + 1, 0);
        }
        let slot = self.series;
        for pair in &entry.pairs {
            let list = self.postings.entry(*pair).or_default();
            // Pairs of one series alone, which hostile labels are, cost far more than shared ones.
            *bytes += if list.is_empty() { POSTING_BYTES } else { 0 };
            list.push(slot);
        }
        if self.columns.last().is_none_or(|block| block.len() == BLOCK) {
            self.columns.push(Vec::with_capacity(BLOCK));
        }
        if let Some(block) = self.columns.last_mut() {
            block.push(Column::new(entry));
        }
        self.series += 1;
        self.slots[index as usize] = self.series;
        *bytes += SERIES_BYTES;
        Some(slot)
    }

    /// Returns the union of postings, cut at `series`.
    fn posted(&self, ids: &[PairId], series: u32) -> Vec<u32> {
        let cut = |list: &Vec<u32>| list.partition_point(|slot| *slot < series);
        let lists = ids.iter().filter_map(|id| self.postings.get(id));
        let mut slots: Vec<u32> = lists.flat_map(|list| &list[..cut(list)]).copied().collect();
        if ids.len() > 1 {
            slots.sort_unstable();
        }
        slots
    }
}

/// Keeps what is in `list` (`wanted`), or what is not. Both are ascending.
fn retain_sorted(slots: &mut Vec<u32>, list: &[u32], wanted: bool) {
    // Few slots against a long list: look each up; else walk both.
    if slots.len() * 16 < list.len() {
        slots.retain(|slot| list.binary_search(slot).is_ok() == wanted);
        return;
    }
    let mut rest = list.iter().peekable();
    slots.retain(|slot| {
        while rest.next_if(|other| *other < slot).is_some() {}
        (rest.peek() == Some(&slot)) == wanted
    });
}
