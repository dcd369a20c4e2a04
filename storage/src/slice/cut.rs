//! Cuts the samples of a series into slice rows.
//!
//! A slice ends at a staleness marker, after 8,192 samples, at a 2 h boundary once it has 240
//! samples (so that statistics can cover 2 h), and where kind, start rule or bucket layout change.
//! Midnight ends it too: what is cut here is of one day. A flush lays the samples of a series along
//! a vector of ticks of its own, a merge along timelines that many series share; either way a run of
//! neighbouring ticks comes in, and rows come out.

use std::ops::Range;
use std::sync::Arc;

use tarn_model::sample::{Histogram, STALE_NAN_BITS};

use crate::block::table::{RowValues, SeriesInfo, SliceRow, SliceTable};
use crate::slice::encode::{
    Start, histogram_runs, histogram_slice, mantissas, scale_of, start_runs,
};
use crate::slice::{Point, PointValue};

/// Most samples of a slice: half of a value page.
const SAMPLES_MAX: usize = 8192;
/// Where slices that are long enough end.
const BOUNDARY_MS: i64 = 2 * 3_600_000;
/// Long enough: shorter slices would cost more in statistics than they save.
const BOUNDARY_SAMPLES_MIN: usize = 240;

/// Samples in time order that share a vector of ticks.
#[derive(Debug)]
pub(crate) enum Track {
    Floats {
        times: Arc<[i64]>,
        /// Staleness markers among them.
        bits: Vec<u64>,
        /// One per value, or empty.
        starts: Vec<i64>,
    },
    Points {
        times: Arc<[i64]>,
        points: Vec<Point>,
    },
}

impl Track {
    pub(crate) fn of(points: Vec<Point>) -> Self {
        Self::Points { times: points.iter().map(|p| p.time_ms).collect(), points }
    }

    pub(crate) fn times(&self) -> &Arc<[i64]> {
        match self {
            Self::Floats { times, .. } | Self::Points { times, .. } => times,
        }
    }

    /// Returns the scale at which all floats of a range are exact mantissas.
    pub(crate) fn scale(&self, range: Range<usize>) -> Option<usize> {
        match self {
            Self::Floats { bits, .. } => scale_of(&bits[range]),
            Self::Points { points, .. } => {
                let floats = points[range].iter().filter_map(|p| match p.value {
                    PointValue::Float(bits) => Some(bits),
                    PointValue::Histogram(_) => None,
                });
                scale_of(&floats.collect::<Vec<u64>>())
            }
        }
    }
}

/// Samples that lie on neighbouring ticks of a timeline.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) series: u32,
    pub(crate) timeline: u32,
    /// Tick of the first sample.
    pub(crate) offset: usize,
    /// Which samples of the track.
    pub(crate) range: Range<usize>,
    /// One scale for many slices keeps the column quiet; where there is none, each finds its own.
    pub(crate) scale: Option<usize>,
}

/// Slice rows, and the values that they point to.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    pub(crate) rows: Vec<SliceRow>,
    vi: Vec<i64>,
    vf: Vec<f64>,
}

impl Cut {
    /// Makes a table of the rows.
    pub(crate) fn table<'a>(
        &'a self,
        timelines: &'a [Arc<[i64]>],
        series: &'a dyn Fn(u32) -> SeriesInfo,
    ) -> SliceTable<'a> {
        SliceTable { timelines, rows: &self.rows, vi: &self.vi, vf: &self.vf, series }
    }

    /// Takes over rows with other numbers of timelines.
    pub(crate) fn absorb(&mut self, later: Self, timelines: &[u32]) {
        let (ints, floats) = (self.vi.len(), self.vf.len());
        self.vi.extend(later.vi);
        self.vf.extend(later.vf);
        self.rows.extend(later.rows.into_iter().map(|mut row| {
            row.timeline = timelines[row.timeline as usize];
            match &mut row.values {
                RowValues::Ints { at, .. } => *at += ints,
                RowValues::Floats { at } => *at += floats,
                RowValues::None | RowValues::Histograms(_) => {}
            }
            row
        }));
    }

    /// Cuts a run.
    pub(crate) fn add(&mut self, track: &Track, run: Run) {
        let Run { series, timeline, offset, range, scale } = run;
        let times = &track.times()[range.clone()];
        let place = Place { series, timeline, offset, times };
        match track {
            Track::Floats { bits, starts, .. } => {
                let starts = if starts.is_empty() { &[][..] } else { &starts[range.clone()] };
                self.add_floats(&place, &bits[range], starts, scale);
            }
            Track::Points { points, .. } => self.add_points(&place, &points[range], scale),
        }
    }

    /// Adds points, kind by kind. A marker belongs to what stands before it.
    fn add_points(&mut self, place: &Place<'_>, points: &[Point], scale: Option<usize>) {
        let is_float = |p: &Point| (!p.value.is_stale()).then(|| p.value.is_float());
        let mut from = 0;
        while from < points.len() {
            let kind = points[from..].iter().find_map(is_float).unwrap_or(true);
            let same = |p: &&Point| is_float(p).is_none_or(|float| float == kind);
            let to = from + points[from..].iter().take_while(same).count();
            let (place, points) = (place.part(from..to), &points[from..to]);
            let starts = points.iter().map(|point| point.start_ms);
            let starts: Vec<i64> =
                if starts.clone().all(|s| s == 0) { Vec::new() } else { starts.collect() };
            if kind {
                let bits: Vec<u64> = points.iter().map(|p| p.value.float_bits()).collect();
                self.add_floats(&place, &bits, &starts, scale);
            } else {
                self.add_histograms(&place, points, &starts);
            }
            from = to;
        }
    }

    fn add_floats(
        &mut self,
        place: &Place<'_>,
        bits: &[u64],
        starts: &[i64],
        common: Option<usize>,
    ) {
        for Piece { range, stale } in pieces(place.times, |i| bits[i] == STALE_NAN_BITS) {
            let parts = start_parts(place.times, starts, range, stale);
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
                self.rows.push(place.row(range, start, stale, values));
            }
        }
    }

    fn add_histograms(&mut self, place: &Place<'_>, points: &[Point], starts: &[i64]) {
        for Piece { range, stale } in pieces(place.times, |i| points[i].value.is_stale()) {
            for (range, start, stale) in start_parts(place.times, starts, range, stale) {
                let end = range.end;
                if range.is_empty() {
                    self.rows.push(place.row(range, start, stale, RowValues::None));
                    continue;
                }
                let histograms: Vec<Arc<Histogram>> =
                    points[range.clone()].iter().filter_map(|p| p.value.histogram()).collect();
                for alike in histogram_runs(&histograms) {
                    let sub = range.start + alike.start..range.start + alike.end;
                    let Some(slice) = histogram_slice(&histograms[alike]) else { continue };
                    let start = sub_start(&start, place.times, &range, &sub);
                    let stale = stale && sub.end == end;
                    let values = RowValues::Histograms(Box::new(slice));
                    self.rows.push(place.row(sub, start, stale, values));
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

/// Where the samples of a run are.
struct Place<'a> {
    series: u32,
    timeline: u32,
    /// Tick of the first sample.
    offset: usize,
    times: &'a [i64],
}

impl<'a> Place<'a> {
    fn part(&self, range: Range<usize>) -> Place<'a> {
        let offset = self.offset + range.start;
        Place { offset, times: &self.times[range], ..*self }
    }

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
