//! Cuts the samples of series into slices, day by day.
//!
//! A slice ends at a staleness marker, after 8,192 samples, at midnight, at a 2 h boundary once it
//! has 240 samples (so that statistics can cover 2 h), and where kind, start rule or bucket layout
//! change. Ticks of a day that several series share are stored once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use tarn_model::sample::{Histogram, STALE_NAN_BITS};

use crate::block::table::{RowValues, SeriesInfo, SliceRow, SliceTable};
use crate::flush::timeline::Timelines;
use crate::head::column::Copied;
use crate::slice::encode::{
    Start, histogram_runs, histogram_slice, mantissas, scale_of, start_runs,
};
use crate::slice::{Point, PointValue, sort_points};

const DAY_MS: i64 = 86_400_000;
/// Most samples of a slice: half of a value page.
const SAMPLES_MAX: usize = 8192;
/// Where slices that are long enough end.
const BOUNDARY_MS: i64 = 2 * 3_600_000;
/// Long enough: shorter slices would cost more in statistics than they save.
const BOUNDARY_SAMPLES_MIN: usize = 240;

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
    rows: Vec<SliceRow>,
    vi: Vec<i64>,
    vf: Vec<f64>,
}

impl Partition {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds the samples of the next series in sort order to the days they belong to.
    pub(crate) fn add_series(days: &mut BTreeMap<i64, Self>, series: u32, copied: Copied) {
        let mut before: Vec<(i64, usize)> = Vec::new();
        let mut touch = |days: &BTreeMap<i64, Self>, day: i64| {
            if before.iter().all(|(d, _)| *d != day) {
                before.push((day, days.get(&day).map_or(0, |p| p.rows.len())));
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
                    partition.rows[rows..].sort_by_key(|row| row.ts_first);
                }
            }
        }
    }

    /// Takes over the rows of a later day.
    pub(crate) fn absorb(&mut self, later: Self) {
        let (ints, floats) = (self.vi.len(), self.vf.len());
        let vectors = later.timelines.vectors().iter();
        let numbers: Vec<u32> = vectors.map(|v| self.timelines.intern(v)).collect();
        self.vi.extend(later.vi);
        self.vf.extend(later.vf);
        self.rows.extend(later.rows.into_iter().map(|mut row| {
            row.timeline = numbers[row.timeline as usize];
            match &mut row.values {
                RowValues::Ints { at, .. } => *at += ints,
                RowValues::Floats { at } => *at += floats,
                RowValues::None | RowValues::Histograms(_) => {}
            }
            row
        }));
        self.rows.sort_by_key(|row| (row.series, row.ts_first));
    }

    /// Makes the table of a block.
    pub(crate) fn table<'a>(&'a self, series: &'a dyn Fn(u32) -> SeriesInfo) -> SliceTable<'a> {
        SliceTable {
            timelines: self.timelines.vectors(),
            rows: &self.rows,
            vi: &self.vi,
            vf: &self.vf,
            series,
        }
    }

    fn add_track(&mut self, series: u32, track: &Track, range: Range<usize>) {
        let times = &track.times()[range.clone()];
        let timeline = self.timelines.intern(times);
        match track {
            Track::Floats { bits, starts, .. } => {
                let starts = if starts.is_empty() { &[][..] } else { &starts[range.clone()] };
                let run = Run { series, timeline, offset: 0, times };
                self.add_floats(&run, &bits[range], starts);
            }
            Track::Points { points, .. } => {
                let points = &points[range];
                let mut from = 0;
                while from < points.len() {
                    let is_float = |p: &Point| matches!(p.value, PointValue::Float(_));
                    let float = is_float(&points[from]);
                    let same = points[from..].iter().take_while(|p| is_float(p) == float);
                    let to = from + same.count();
                    let run = Run { series, timeline, offset: from, times: &times[from..to] };
                    self.add_points(&run, &points[from..to]);
                    from = to;
                }
            }
        }
    }

    /// Adds points of one kind.
    fn add_points(&mut self, run: &Run<'_>, points: &[Point]) {
        let mut bits = Vec::new();
        let mut histograms = Vec::new();
        let mut starts: Vec<i64> = Vec::new();
        for point in points {
            starts.push(point.start_ms);
            match &point.value {
                PointValue::Float(value) => bits.push(*value),
                PointValue::Histogram(histogram) => histograms.push(Arc::clone(histogram)),
            }
        }
        if starts.iter().all(|s| *s == 0) {
            starts.clear();
        }
        if histograms.is_empty() {
            self.add_floats(run, &bits, &starts);
        } else {
            self.add_histograms(run, &histograms, &starts);
        }
    }

    fn add_floats(&mut self, run: &Run<'_>, bits: &[u64], starts: &[i64]) {
        // One scale for the whole day keeps the column quiet; a slice alone may still be split.
        let common = scale_of(bits);
        for Piece { range, stale } in pieces(run.times, |i| bits[i] == STALE_NAN_BITS) {
            let parts = start_parts(run.times, starts, range, stale);
            for (range, start, stale) in parts {
                let values = &bits[range.clone()];
                let scale = common.or_else(|| scale_of(values));
                let values = match scale {
                    _ if values.is_empty() => RowValues::None,
                    Some(scale) => {
                        let at = self.vi.len();
                        mantissas(values, scale, &mut self.vi);
                        RowValues::Ints { scale: scale as u8, at }
                    }
                    None => {
                        let at = self.vf.len();
                        self.vf.extend(values.iter().map(|b| f64::from_bits(*b)));
                        RowValues::Floats { at }
                    }
                };
                self.rows.push(run.row(range, start, stale, values));
            }
        }
    }

    fn add_histograms(&mut self, run: &Run<'_>, histograms: &[Arc<Histogram>], starts: &[i64]) {
        for Piece { range, stale } in pieces(run.times, |i| histograms[i].is_stale()) {
            for (range, start, stale) in start_parts(run.times, starts, range, stale) {
                let end = range.end;
                if range.is_empty() {
                    self.rows.push(run.row(range, start, stale, RowValues::None));
                    continue;
                }
                for alike in histogram_runs(&histograms[range.clone()]) {
                    let sub = range.start + alike.start..range.start + alike.end;
                    let Some(slice) = histogram_slice(&histograms[sub.clone()]) else { continue };
                    let start = sub_start(&start, run.times, &range, &sub);
                    let stale = stale && sub.end == end;
                    let values = RowValues::Histograms(Box::new(slice));
                    self.rows.push(run.row(sub, start, stale, values));
                }
            }
        }
    }
}

/// Restricts the starts of a range to a part of it.
fn sub_start(start: &Start, times: &[i64], range: &Range<usize>, sub: &Range<usize>) -> Start {
    match start {
        Start::Previous(_) if sub.start > range.start => Start::Previous(times[sub.start - 1]),
        Start::Each(lags) => {
            Start::Each(lags[sub.start - range.start..sub.end - range.start].to_vec())
        }
        other => other.clone(),
    }
}

/// Samples of one kind with the place of their ticks.
struct Run<'a> {
    series: u32,
    timeline: u32,
    /// Tick of the first sample.
    offset: usize,
    times: &'a [i64],
}

impl Run<'_> {
    /// Makes the row of a range; with `stale` its marker is at the tick behind.
    fn row(&self, range: Range<usize>, start: Start, stale: bool, values: RowValues) -> SliceRow {
        let first = self.times[range.start];
        let last = if range.is_empty() { first } else { self.times[range.end - 1] };
        SliceRow {
            series: self.series,
            timeline: self.timeline,
            ts_offset: (self.offset + range.start) as u32,
            n: range.len() as u32,
            ts_first: first,
            ts_last: last,
            stale,
            start,
            values,
        }
    }
}

/// Samples in time order that share a vector of ticks.
enum Track {
    Floats { times: Vec<i64>, bits: Vec<u64>, starts: Vec<i64> },
    Points { times: Vec<i64>, points: Vec<Point> },
}

impl Track {
    fn of(points: Vec<Point>) -> Self {
        Self::Points { times: points.iter().map(|p| p.time_ms).collect(), points }
    }

    fn times(&self) -> &[i64] {
        match self {
            Self::Floats { times, .. } | Self::Points { times, .. } => times,
        }
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
    let mut tracks = vec![Track::Floats { times, bits, starts }];
    if !side.is_empty() {
        tracks.push(Track::of(side));
    }
    tracks
}

/// Samples up to a cut, and whether a staleness marker follows them.
struct Piece {
    range: Range<usize>,
    stale: bool,
}

fn pieces(times: &[i64], is_stale: impl Fn(usize) -> bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for i in 0..times.len() {
        if is_stale(i) {
            pieces.push(Piece { range: from..i, stale: true });
            from = i + 1;
            continue;
        }
        let n = i - from;
        let boundary = n >= BOUNDARY_SAMPLES_MIN
            && times[i].div_euclid(BOUNDARY_MS) != times[i - 1].div_euclid(BOUNDARY_MS);
        if n >= SAMPLES_MAX || boundary {
            pieces.push(Piece { range: from..i, stale: false });
            from = i;
        }
    }
    if from < times.len() {
        pieces.push(Piece { range: from..times.len(), stale: false });
    }
    pieces
}

/// Cuts a piece by its start timestamps; the marker stays with the last part.
fn start_parts(
    times: &[i64],
    starts: &[i64],
    range: Range<usize>,
    stale: bool,
) -> Vec<(Range<usize>, Start, bool)> {
    if range.is_empty() || starts.is_empty() {
        return vec![(range, Start::Unknown, stale)];
    }
    let runs = start_runs(&times[range.clone()], &starts[range.clone()]);
    let shifted = runs.into_iter().map(|(sub, start)| {
        let sub = range.start + sub.start..range.start + sub.end;
        let last = sub.end == range.end;
        (sub, start, stale && last)
    });
    shifted.collect()
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

    #[test]
    fn slices_end_at_markers_limits_and_boundaries() {
        let minute = 60_000;
        let dense: Vec<i64> = (0..10_000).map(|i| i * 100).collect();
        let two_hours: Vec<i64> = (0..300).map(|i| i * 30_000).collect();
        let sparse: Vec<i64> = (0..10).map(|i| i * 60 * minute).collect();
        type Case<'a> = (&'a [i64], &'a [usize], &'a [(usize, usize)]);
        let cases: [Case<'_>; 6] = [
            (&[], &[], &[]),
            (&dense, &[], &[(0, 8192), (8192, 10_000)]),
            (&two_hours, &[], &[(0, 240), (240, 300)]),
            (&sparse, &[], &[(0, 10)]),
            (&sparse, &[0, 4, 5, 9], &[(0, 0), (1, 4), (5, 5), (6, 9)]),
            (&sparse, &[3], &[(0, 3), (4, 10)]),
        ];
        for (times, stale, expected) in cases {
            let pieces = pieces(times, |i| stale.contains(&i));
            let ranges: Vec<_> = pieces.iter().map(|p| (p.range.start, p.range.end)).collect();
            assert_eq!(ranges, expected);
            let markers = pieces.iter().filter(|p| p.stale).count();
            assert_eq!(markers, stale.len());
        }
    }
}
