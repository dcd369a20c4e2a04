//! Which pages can hold what a scan looks for, by statistics in the footer.
//!
//! Every column has pages of its own, cut at other rows than those of its neighbours. So a condition
//! on a column becomes ranges of rows, ranges of several conditions are intersected, and what is
//! left is cut into the pages of the time column, in which a scan is read and counted.

use std::ops::Range;

use parquet::file::metadata::RowGroupMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;

use crate::block::reader::OpenBlock;

/// A column and what it must hold in rows that matter.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) column: &'static str,
    pub(crate) wanted: Wanted,
}

/// What is looked for; NULL never is.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// Inclusive.
    Between(i64, i64),
    /// Any of these.
    Numbers(Vec<i64>),
    /// Any of these.
    Texts(Vec<String>),
}

impl Wanted {
    fn numbers(&self, min: i64, max: i64) -> bool {
        match self {
            Self::Between(from, to) => *from <= max && min <= *to,
            Self::Numbers(wanted) => wanted.iter().any(|n| (min..=max).contains(n)),
            Self::Texts(_) => true,
        }
    }

    /// Bounds of texts may be cut: then the least is smaller and the greatest is larger.
    fn texts(&self, min: &[u8], max: &[u8]) -> bool {
        match self {
            Self::Texts(wanted) => {
                wanted.iter().any(|text| min <= text.as_bytes() && text.as_bytes() <= max)
            }
            Self::Between(..) | Self::Numbers(_) => true,
        }
    }

    fn page(&self, index: &ColumnIndexMetaData, page: usize) -> bool {
        if index.is_null_page(page) {
            return false;
        }
        let known = match index {
            ColumnIndexMetaData::INT32(index) => index
                .min_value(page)
                .zip(index.max_value(page))
                .map(|(min, max)| self.numbers(i64::from(*min), i64::from(*max))),
            ColumnIndexMetaData::INT64(index) => index
                .min_value(page)
                .zip(index.max_value(page))
                .map(|(min, max)| self.numbers(*min, *max)),
            ColumnIndexMetaData::BYTE_ARRAY(index) => index
                .min_value(page)
                .zip(index.max_value(page))
                .map(|(min, max)| self.texts(min, max)),
            _ => None,
        };
        known.unwrap_or(true)
    }

    fn chunk(&self, statistics: &Statistics) -> bool {
        let known = match statistics {
            Statistics::Int32(s) => s
                .min_opt()
                .zip(s.max_opt())
                .map(|(min, max)| self.numbers(i64::from(*min), i64::from(*max))),
            Statistics::Int64(s) => {
                s.min_opt().zip(s.max_opt()).map(|(min, max)| self.numbers(*min, *max))
            }
            Statistics::ByteArray(s) => {
                s.min_opt().zip(s.max_opt()).map(|(min, max)| self.texts(min.data(), max.data()))
            }
            _ => None,
        };
        known.unwrap_or(true)
    }
}

/// Rows that are read together: those of one page of the time column, or some of them.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) group: usize,
    /// Ascending, apart, not empty.
    pub(crate) rows: Vec<Range<u32>>,
    pub(crate) time_min_us: i64,
    pub(crate) time_max_us: i64,
}

/// Rows of a page of the time column, with the earliest and the latest time where they are known.
type TimePage = (Range<u32>, Option<(i64, i64)>);

/// What is left of the pages of some row groups.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    pub(crate) pages: Vec<Page>,
    /// Pages of which nothing is left.
    pub(crate) pruned: u64,
}

impl OpenBlock {
    /// Returns the row groups and their rows.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (usize, Range<u32>)> {
        self.groups.windows(2).map(|w| w[0]..w[1]).enumerate()
    }

    /// Chooses the pages of row groups that meet all conditions. `among`, if given, are all rows
    /// that may matter, ascending and apart; `times_us`, the earliest and the latest, bound pages
    /// without statistics.
    pub(crate) fn pages(
        &self,
        time: &str,
        times_us: (i64, i64),
        groups: &[usize],
        conditions: &[Condition],
        among: Option<&[Range<u32>]>,
    ) -> Chosen {
        let mut chosen = Chosen::default();
        for (group, rows) in self.groups().filter(|(group, _)| groups.contains(group)) {
            let mut left = vec![rows.clone()];
            if let Some(among) = among {
                left = intersect(&left, among);
            }
            for condition in conditions {
                if left.is_empty() {
                    break;
                }
                left = intersect(&left, &self.meeting(group, &rows, condition));
            }
            for (rows, times) in self.time_pages(group, &rows, time) {
                let rows = intersect(&left, &[rows]);
                if rows.is_empty() {
                    chosen.pruned += 1;
                } else {
                    let (time_min_us, time_max_us) = times.unwrap_or(times_us);
                    chosen.pages.push(Page { group, rows, time_min_us, time_max_us });
                }
            }
        }
        chosen
    }

    /// Returns the rows of a group that may meet a condition.
    fn meeting(&self, group: usize, rows: &Range<u32>, condition: &Condition) -> Vec<Range<u32>> {
        let all = || vec![rows.clone()];
        let Some(leaf) = self.leaf(condition.column) else { return all() };
        let chunk = self.row_group(group).and_then(|g| g.columns().get(leaf));
        if chunk.and_then(|c| c.statistics()).is_some_and(|s| !condition.wanted.chunk(s)) {
            return Vec::new();
        }
        let pages = self.page_rows(group, leaf, rows);
        match self.column_index(group, leaf) {
            Some(index) if index.num_pages() == pages.len() as u64 => {
                let meeting = pages.into_iter().enumerate();
                join(meeting.filter(|(at, _)| condition.wanted.page(index, *at)).map(|(_, r)| r))
            }
            _ => all(),
        }
    }

    /// Returns the pages of the time column with the earliest and the latest time of each, where they
    /// are known.
    fn time_pages(&self, group: usize, rows: &Range<u32>, time: &str) -> Vec<TimePage> {
        let Some(leaf) = self.leaf(time) else { return vec![(rows.clone(), None)] };
        let pages = self.page_rows(group, leaf, rows);
        let known = match self.column_index(group, leaf) {
            Some(ColumnIndexMetaData::INT64(index)) if index.num_pages() == pages.len() as u64 => {
                Some(index)
            }
            _ => None,
        };
        let of = |at: usize| {
            let index = known?;
            Some((*index.min_value(at)?, *index.max_value(at)?))
        };
        pages.into_iter().enumerate().map(|(at, rows)| (rows, of(at))).collect()
    }

    fn row_group(&self, group: usize) -> Option<&RowGroupMetaData> {
        self.arrow.metadata().row_groups().get(group)
    }

    /// Returns the number of a column that is no list and no map.
    fn leaf(&self, name: &str) -> Option<usize> {
        let columns = self.arrow.parquet_schema().columns();
        columns.iter().position(|column| matches!(column.path().parts(), [only] if only == name))
    }

    fn column_index(&self, group: usize, leaf: usize) -> Option<&ColumnIndexMetaData> {
        let index = self.arrow.metadata().column_index()?.get(group)?.get(leaf)?;
        (!matches!(index, ColumnIndexMetaData::NONE)).then_some(index)
    }

    fn page_rows(&self, group: usize, leaf: usize, rows: &Range<u32>) -> Vec<Range<u32>> {
        let locations = self.arrow.metadata().offset_index();
        let locations = locations.and_then(|index| index.get(group)?.get(leaf));
        let starts = locations.map_or(&[][..], |index| index.page_locations());
        let start = |at: usize| {
            let first = starts.get(at).and_then(|page| u32::try_from(page.first_row_index).ok());
            first.map_or(rows.end, |first| rows.start.saturating_add(first).min(rows.end))
        };
        if starts.is_empty() {
            return vec![rows.clone()];
        }
        (0..starts.len()).map(|at| start(at)..start(at + 1)).collect()
    }
}

/// Joins ranges that touch.
fn join(ranges: impl Iterator<Item = Range<u32>>) -> Vec<Range<u32>> {
    let mut joined: Vec<Range<u32>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}

/// Returns what lies in both; both ascend.
fn intersect(a: &[Range<u32>], b: &[Range<u32>]) -> Vec<Range<u32>> {
    let (mut at_a, mut at_b) = (0, 0);
    let mut both = Vec::new();
    while let (Some(x), Some(y)) = (a.get(at_a), b.get(at_b)) {
        let range = x.start.max(y.start)..x.end.min(y.end);
        if range.start < range.end {
            both.push(range);
        }
        if x.end <= y.end {
            at_a += 1;
        } else {
            at_b += 1;
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_intersected() {
        let ranges = |of: &[(u32, u32)]| of.iter().map(|(a, b)| *a..*b).collect::<Vec<_>>();
        for (a, b, expected) in [
            (&[(0, 10)][..], &[(2, 3), (5, 20)][..], &[(2, 3), (5, 10)][..]),
            (&[(0, 4), (6, 8)], &[(3, 7)], &[(3, 4), (6, 7)]),
            (&[(0, 4)], &[(4, 8)], &[]),
            (&[], &[(4, 8)], &[]),
            (&[(0, 4), (4, 8)], &[(2, 6)], &[(2, 4), (4, 6)]),
        ] {
            let (a, b, expected) = (ranges(a), ranges(b), ranges(expected));
            assert_eq!(intersect(&a, &b), expected);
            assert_eq!(intersect(&b, &a), expected);
        }
    }

    #[test]
    fn bounds_rule_out_only_what_lies_outside() {
        for (wanted, min, max, expected) in [
            (Wanted::Between(5, 9), 9, 20, true),
            (Wanted::Between(5, 9), 10, 20, false),
            (Wanted::Between(5, 9), 0, 4, false),
            (Wanted::Numbers(vec![1, 30]), 2, 29, false),
            (Wanted::Numbers(vec![1, 29]), 2, 29, true),
            (Wanted::Numbers(vec![]), 0, 9, false),
        ] {
            assert_eq!(wanted.numbers(min, max), expected, "{wanted:?}");
        }
        let wanted = Wanted::Texts(vec!["shop".to_owned(), "über".to_owned()]);
        for (min, max, expected) in [
            ("sh", "shop", true),
            ("shopping", "z", false),
            ("a", "sho", false),
            ("z", "\u{ff}", true),
        ] {
            assert_eq!(wanted.texts(min.as_bytes(), max.as_bytes()), expected, "{min} {max}");
        }
    }
}
