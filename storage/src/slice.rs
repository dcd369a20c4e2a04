//! 4. A series slice: many samples of one series as one row.
//!
//! Wherever samples come from, they become [`Slice`]s here: runs of one kind that end at a
//! staleness marker. Slices that do not overlap are only put in order; those that do are taken
//! apart into [`Point`]s and merged by time, where the later log position wins (ORD-1).

use std::sync::Arc;

use tarn_model::sample::{Histogram, STALE_NAN_BITS, stale_nan};
use tarn_model::slice::{Samples, Slice};
use tarn_model::time::TimeRange;

pub(crate) mod cut;
pub(crate) mod decode;
pub(crate) mod encode;

/// Which of two places counts as later (ORD-1): number of a manifest, then position of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(pub(crate) u64, pub(crate) u64);

/// One sample of any kind, staleness markers included.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) time_ms: i64,
    /// 0 = unknown.
    pub(crate) start_ms: i64,
    pub(crate) value: PointValue,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PointValue {
    /// The bits of a float: comparing floats would take NaN payloads for different and zeros of
    /// different sign for equal.
    Float(u64),
    Histogram(Arc<Histogram>),
}

impl PointValue {
    pub(crate) fn is_stale(&self) -> bool {
        match self {
            Self::Float(bits) => *bits == STALE_NAN_BITS,
            Self::Histogram(histogram) => histogram.is_stale(),
        }
    }

    pub(crate) fn is_float(&self) -> bool {
        matches!(self, Self::Float(_))
    }

    /// Returns the bits of a float; those of the marker for anything else.
    pub(crate) fn float_bits(&self) -> u64 {
        match self {
            Self::Float(bits) => *bits,
            Self::Histogram(_) => STALE_NAN_BITS,
        }
    }

    pub(crate) fn histogram(&self) -> Option<Arc<Histogram>> {
        match self {
            Self::Float(_) => None,
            Self::Histogram(histogram) => Some(Arc::clone(histogram)),
        }
    }
}

/// Cuts floats at their staleness markers. Value `i` has the time `ticks[first + i]`.
pub(crate) fn floats_to_slices(
    ticks: &Arc<[i64]>,
    first: usize,
    bits: &[u64],
    starts: Option<&[i64]>,
    into: &mut Vec<Slice>,
) {
    let mut from = 0;
    while from < bits.len() {
        let rest = &bits[from..];
        let n = rest.iter().position(|b| *b == STALE_NAN_BITS).unwrap_or(rest.len());
        let stale = n < rest.len();
        into.push(Slice {
            ticks: Arc::clone(ticks),
            first: first + from,
            samples: Samples::Floats(rest[..n].iter().map(|b| f64::from_bits(*b)).collect()),
            starts: starts.map(|s| s[from..from + n].to_vec()),
            stale_at: stale.then(|| ticks[first + from + n]),
            stats: None,
        });
        from += n + usize::from(stale);
    }
}

/// Cuts points in time order into slices of one kind.
pub(crate) fn points_to_slices(points: &[Point], into: &mut Vec<Slice>) {
    let ticks: Arc<[i64]> = points.iter().map(|p| p.time_ms).collect();
    let mut from = 0;
    while from < points.len() {
        let rest = &points[from..];
        let float = rest[0].value.is_float();
        let end = |p: &Point| p.value.is_stale() || p.value.is_float() != float;
        let n = rest.iter().position(end).unwrap_or(rest.len());
        let stale = rest.get(n).is_some_and(|p| p.value.is_stale());
        let starts: Vec<i64> = rest[..n].iter().map(|p| p.start_ms).collect();
        into.push(Slice {
            ticks: Arc::clone(&ticks),
            first: from,
            samples: samples_of(&rest[..n], float),
            starts: starts.iter().any(|s| *s != 0).then_some(starts),
            stale_at: stale.then(|| rest[n].time_ms),
            stats: None,
        });
        from += n + usize::from(stale);
    }
}

fn samples_of(points: &[Point], float: bool) -> Samples {
    let mut floats = Vec::new();
    let mut histograms = Vec::new();
    for point in points {
        match &point.value {
            PointValue::Float(bits) => floats.push(f64::from_bits(*bits)),
            PointValue::Histogram(histogram) => histograms.push(Arc::clone(histogram)),
        }
    }
    if float { Samples::Floats(floats) } else { Samples::Histograms(histograms) }
}

/// Takes a slice apart.
pub(crate) fn slice_to_points(slice: &Slice, into: &mut Vec<Point>) {
    for (i, time_ms) in slice.times().iter().enumerate() {
        let value = match &slice.samples {
            Samples::Floats(values) => PointValue::Float(values[i].to_bits()),
            Samples::Histograms(values) => PointValue::Histogram(Arc::clone(&values[i])),
        };
        let start_ms = slice.starts.as_ref().map_or(0, |s| s[i]);
        into.push(Point { time_ms: *time_ms, start_ms, value });
    }
    if let Some(time_ms) = slice.stale_at {
        let value = PointValue::Float(stale_nan().to_bits());
        into.push(Point { time_ms, start_ms: 0, value });
    }
}

/// Takes the samples inside time ranges out of a slice; what is left goes into `into`.
pub(crate) fn without(slice: Slice, ranges: &[TimeRange], into: &mut Vec<Slice>) {
    let touched = span(&slice).is_some_and(|own| ranges.iter().any(|range| range.overlaps(own)));
    if !touched {
        return into.push(slice);
    }
    let mut points = Vec::new();
    slice_to_points(&slice, &mut points);
    points.retain(|point| !ranges.iter().any(|range| range.contains(point.time_ms)));
    points_to_slices(&points, into);
}

/// Sorts points by time; of several at one time the last in the given order stays.
pub(crate) fn sort_points(points: &mut Vec<Point>) {
    points.reverse();
    points.sort_by_key(|p| p.time_ms);
    points.dedup_by_key(|p| p.time_ms);
}

/// A slice with the place of its rows in the order of the log.
#[derive(Debug)]
pub(crate) struct Ranked {
    pub(crate) order: Rank,
    pub(crate) slice: Slice,
}

/// Returns the first and last time of a slice, its staleness marker included; `None` where it is
/// empty.
pub(crate) fn span(slice: &Slice) -> Option<TimeRange> {
    let times = slice.times();
    let start_ms = times.first().copied().or(slice.stale_at)?;
    let end_ms = slice.stale_at.or(times.last().copied())?;
    Some(TimeRange { start_ms, end_ms })
}

/// Puts the slices of one series in order. Where they overlap in time, the one that is later in the
/// log wins.
pub(crate) fn merge(mut slices: Vec<Ranked>, into: &mut Vec<Slice>) {
    slices.retain(|r| span(&r.slice).is_some());
    let first = |r: &Ranked| span(&r.slice).map_or(i64::MAX, |s| s.start_ms);
    slices.sort_by_key(|r| (first(r), r.order));
    let mut group: Vec<Ranked> = Vec::new();
    let mut group_end = i64::MIN;
    for ranked in slices {
        let Some(range) = span(&ranked.slice) else { continue };
        if !group.is_empty() && range.start_ms > group_end {
            merge_group(&mut group, into);
        }
        group_end = if group.is_empty() { range.end_ms } else { group_end.max(range.end_ms) };
        group.push(ranked);
    }
    merge_group(&mut group, into);
}

fn merge_group(group: &mut Vec<Ranked>, into: &mut Vec<Slice>) {
    if group.len() < 2 {
        into.extend(group.drain(..).map(|r| r.slice));
        return;
    }
    group.sort_by_key(|r| r.order);
    let mut points = Vec::new();
    for ranked in group.drain(..) {
        slice_to_points(&ranked.slice, &mut points);
    }
    sort_points(&mut points);
    points_to_slices(&points, into);
}

#[cfg(test)]
mod tests;
