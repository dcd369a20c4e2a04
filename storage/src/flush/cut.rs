//! Cuts the samples of series into slices, day by day. Ticks of a day that several series share are
//! stored once.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::block::table::{SeriesInfo, SliceTable};
use crate::flush::timeline::Timelines;
use crate::head::column::Copied;
use crate::slice::cut::{Cut, Run, Track};
use crate::slice::{PointValue, sort_points};

pub(crate) const DAY_MS: i64 = 86_400_000;

/// Returns the number of the UTC day of a time.
pub(crate) fn day_of(time_ms: i64) -> i64 {
    time_ms.div_euclid(DAY_MS)
}

/// Returns the date of a day, `YYYY-MM-DD`.
pub(crate) fn day_name(day: i64) -> String {
    // Civil calendar from days: eras of 400 years that begin on March 1st, so leap days come last.
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

/// The slices of one day.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    timelines: Timelines,
    cut: Cut,
}

impl Partition {
    pub(crate) fn is_empty(&self) -> bool {
        self.cut.rows.is_empty()
    }

    /// Adds the samples of the next series in sort order to the days they belong to.
    pub(crate) fn add_series(days: &mut BTreeMap<i64, Self>, series: u32, copied: Copied) {
        let mut before: Vec<(i64, usize)> = Vec::new();
        let mut touch = |days: &BTreeMap<i64, Self>, day: i64| {
            if before.iter().all(|(d, _)| *d != day) {
                before.push((day, days.get(&day).map_or(0, |p| p.cut.rows.len())));
            }
        };
        let tracks = tracks(copied);
        let late = tracks.len() > 1;
        for track in tracks {
            let times = track.times();
            let mut from = 0;
            while from < times.len() {
                let day = day_of(times[from]);
                let to = from + times[from..].partition_point(|t| day_of(*t) == day);
                touch(days, day);
                days.entry(day).or_default().add_track(series, &track, from..to);
                from = to;
            }
        }
        if late {
            for (day, rows) in before {
                if let Some(partition) = days.get_mut(&day) {
                    partition.cut.rows[rows..].sort_by_key(|row| row.ts_first);
                }
            }
        }
    }

    fn add_track(&mut self, series: u32, track: &Track, range: Range<usize>) {
        let timeline = self.timelines.intern(&track.times()[range.clone()]);
        let scale = track.scale(range.clone());
        self.cut.add(track, Run { series, timeline, offset: 0, range, scale });
    }

    /// Takes over the rows of a later day.
    pub(crate) fn absorb(&mut self, later: Self) {
        let vectors = later.timelines.vectors().iter();
        let numbers: Vec<u32> = vectors.map(|v| self.timelines.intern(v)).collect();
        self.cut.absorb(later.cut, &numbers);
        self.cut.rows.sort_by_key(|row| (row.series, row.ts_first));
    }

    /// Makes the table of a block.
    pub(crate) fn table<'a>(&'a self, series: &'a dyn Fn(u32) -> SeriesInfo) -> SliceTable<'a> {
        self.cut.table(self.timelines.vectors(), series)
    }
}

/// Sorts the samples of a series into one vector, and one for what came late.
fn tracks(mut copied: Copied) -> Vec<Track> {
    let mut side = std::mem::take(&mut copied.side);
    sort_points(&mut side);
    let only_floats = copied.histograms.is_empty()
        && side.iter().all(|p| matches!(p.value, PointValue::Float(_)));
    if !only_floats {
        copied.side = side;
        let mut points = copied.into_points();
        sort_points(&mut points);
        return vec![Track::of(points)];
    }
    side.retain(|point| {
        let (Ok(at), PointValue::Float(bits)) =
            (copied.times.binary_search(&point.time_ms), &point.value)
        else {
            return true;
        };
        copied.bits[at] = *bits;
        if point.start_ms != 0 || !copied.starts.is_empty() {
            copied.starts.resize(copied.times.len(), 0);
            copied.starts[at] = point.start_ms;
        }
        false
    });
    let Copied { times, bits, starts, .. } = copied;
    let mut tracks = vec![Track::Floats { times: times.into(), bits, starts }];
    if !side.is_empty() {
        tracks.push(Track::of(side));
    }
    tracks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        for (time_ms, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_400_000, "2000-02-29"),
            (1_795_262_400_000, "2026-11-21"),
            (4_107_542_400_000, "2100-03-01"),
        ] {
            assert_eq!(day_name(day_of(time_ms)), expected);
        }
    }
}
