//! Which rows go into the same blocks, and which of these blocks are made in one walk.
//!
//! Rows of different days and retention classes never share a block. Log records of a day that is
//! larger than a block are cut into ranges of hours, so that a question about an hour opens one block
//! and not all of the day; what is still too large is cut where it is full, which is at a service.
//! A walk makes as many groups as fit into one block's memory together.

use std::collections::BTreeMap;
use std::ops::Range;

/// Groups of one walk: each has a writer with buffers of its own.
const GROUPS_MAX: usize = 32;
/// µs of an hour.
pub(super) const HOUR_US: i64 = 3_600_000_000;
/// Hours of a day.
pub(super) const DAY_HOURS: i64 = 24;

/// Rows that go into the same blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) class: u16,
    /// Hours since the epoch, of one day.
    pub(super) hours: Range<i64>,
    /// About how large it will be.
    pub(super) bytes: u64,
}

impl Group {
    pub(super) fn day(&self) -> i64 {
        self.hours.start.div_euclid(DAY_HOURS)
    }
}

/// How many rows a class has in an hour since the epoch.
pub(super) type Counts = BTreeMap<(u16, i64), u64>;

/// Returns what may be written to one block: what is a little larger than wished for is not cut.
pub(super) fn cut_at(block_bytes: u64) -> u64 {
    block_bytes + block_bytes / 4
}

/// Plans the walks.
pub(super) fn plan(counts: &Counts, bytes_per_row: f64, block_bytes: u64) -> Vec<Vec<Group>> {
    let mut walks: Vec<Vec<Group>> = Vec::new();
    let mut taken = 0;
    for group in groups(counts, bytes_per_row, block_bytes) {
        let full = taken + group.bytes > cut_at(block_bytes);
        match walks.last_mut() {
            Some(walk) if !full && walk.len() < GROUPS_MAX => {
                taken += group.bytes;
                walk.push(group);
            }
            _ => {
                taken = group.bytes;
                walks.push(vec![group]);
            }
        }
    }
    walks
}

fn groups(counts: &Counts, bytes_per_row: f64, block_bytes: u64) -> Vec<Group> {
    let bytes = |rows: u64| (rows as f64 * bytes_per_row) as u64;
    let mut days: BTreeMap<(u16, i64), u64> = BTreeMap::new();
    for ((class, hour), rows) in counts {
        *days.entry((*class, hour.div_euclid(DAY_HOURS))).or_default() += rows;
    }
    let mut groups: Vec<Group> = Vec::new();
    for ((class, day), rows) in days {
        let first = day * DAY_HOURS;
        let whole = Group { class, hours: first..first + DAY_HOURS, bytes: bytes(rows) };
        if whole.bytes <= cut_at(block_bytes) {
            groups.push(whole);
            continue;
        }
        // Equal parts: no crumb at the end.
        let part = whole.bytes / whole.bytes.div_ceil(block_bytes.max(1)).max(1);
        let mut group = Group { class, hours: first..first, bytes: 0 };
        for hour in whole.hours.clone() {
            let more = bytes(counts.get(&(class, hour)).copied().unwrap_or(0));
            if group.bytes > 0 && group.bytes + more / 2 > part {
                groups.push(std::mem::replace(
                    &mut group,
                    Group { class, hours: hour..hour, bytes: 0 },
                ));
            }
            group.bytes += more;
            group.hours.end = hour + 1;
        }
        groups.push(group);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(u16, i64, u64)]) -> Counts {
        of.iter().map(|(class, hour, rows)| ((*class, *hour), *rows)).collect()
    }

    fn planned(of: &[(u16, i64, u64)]) -> Vec<Vec<(u16, Range<i64>)>> {
        let walks = plan(&counts(of), 1.0, 100).into_iter();
        walks.map(|walk| walk.into_iter().map(|g| (g.class, g.hours)).collect()).collect()
    }

    #[test]
    fn days_and_classes_are_apart_and_small_ones_share_a_walk() {
        let of = [(0, 1, 10), (0, 23, 10), (0, 24, 10), (0, -1, 10), (1, 3, 80)];
        let expected = [vec![(0, -24..0), (0, 0..24), (0, 24..48), (1, 0..24)]];
        assert_eq!(planned(&of), expected);
        assert!(planned(&[]).is_empty());
    }

    #[test]
    fn a_day_that_is_too_large_is_cut_by_hours() {
        let hours: Vec<_> = (0..24).map(|hour| (0, hour, 10)).collect();
        let walks = planned(&hours);
        assert_eq!(walks, [vec![(0, 0..8)], vec![(0, 8..16)], vec![(0, 16..24)]]);
        // An hour is not cut here.
        assert_eq!(planned(&[(0, 3, 500), (0, 4, 1)]), [vec![(0, 0..4)], vec![(0, 4..24)]]);
        assert_eq!(planned(&[(0, 3, 125)]), [vec![(0, 0..24)]]);
    }

    #[test]
    fn every_row_is_in_one_group() {
        for block in [1, 7, 50, 1000] {
            let of: Vec<(u16, i64, u64)> =
                (0..200).map(|i| ((i % 3) as u16, i * 7 % 100, (i * i % 40) as u64)).collect();
            let counts = counts(&of);
            let walks = plan(&counts, 1.0, block);
            for (class, hour) in counts.keys() {
                let groups = walks.iter().flatten();
                let of = groups.filter(|g| g.class == *class && g.hours.contains(hour));
                assert_eq!(of.count(), 1, "{class} {hour}");
            }
            assert!(walks.iter().all(|walk| {
                walk.len() == 1 || walk.iter().map(|g| g.bytes).sum::<u64>() <= cut_at(block)
            }));
        }
    }
}
