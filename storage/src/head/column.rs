//! The columns of one series in one head generation.
//!
//! Append-only: u32 offsets to a base time and the bits of the values. What is rare (histograms,
//! start timestamps, samples out of order) lies in an [`Extra`]. A sample that is not newer than
//! everything before it goes to the *side*: an append-only list in the order of the log, sorted by
//! whoever reads it; so a snapshot is a set of lengths.

use std::sync::Arc;

use tarn_model::sample::Histogram;
use tarn_model::time::TimeRange;

use crate::head::series::SeriesEntry;
use crate::slice::{Point, PointValue};

/// From this number of samples on a column doubles when it is full.
const LONG: usize = 64;

/// The columns of one series.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) entry: Arc<SeriesEntry>,
    base_ms: i64,
    offsets: Vec<u32>,
    bits: Vec<u64>,
    extra: Option<Box<Extra>>,
}

#[derive(Debug, Default)]
struct Extra {
    /// (index of the first float it holds for, start timestamp).
    starts: Vec<(u32, i64)>,
    histograms: Vec<Point>,
    side: Vec<Point>,
}

/// What of a column a query may see.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Visible {
    floats: u32,
    histograms: u32,
    side: u32,
}

/// Samples copied out of a column. Floats and histograms together are strictly increasing in time;
/// what is on the side comes later in the log.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    pub(crate) times: Vec<i64>,
    pub(crate) bits: Vec<u64>,
    /// One per float, or empty.
    pub(crate) starts: Vec<i64>,
    pub(crate) histograms: Vec<Point>,
    pub(crate) side: Vec<Point>,
}

impl Copied {
    /// Returns all samples as points, in the order of the log where times are equal.
    pub(crate) fn into_points(self) -> Vec<Point> {
        let starts = &self.starts;
        let floats = self.times.iter().zip(&self.bits).enumerate();
        let mut points: Vec<Point> = floats
            .map(|(i, (time_ms, bits))| Point {
                time_ms: *time_ms,
                start_ms: starts.get(i).copied().unwrap_or(0),
                value: PointValue::Float(*bits),
            })
            .collect();
        points.extend(self.histograms);
        points.extend(self.side);
        points
    }
}

impl Column {
    pub(super) fn new(entry: Arc<SeriesEntry>) -> Self {
        Self { entry, base_ms: 0, offsets: Vec::new(), bits: Vec::new(), extra: None }
    }

    /// Returns all that is there.
    pub(crate) fn visible(&self) -> Visible {
        let extra = self.extra.as_deref();
        Visible {
            floats: self.offsets.len() as u32,
            histograms: extra.map_or(0, |e| e.histograms.len() as u32),
            side: extra.map_or(0, |e| e.side.len() as u32),
        }
    }

    /// Returns whether some sample may lie in the range.
    pub(super) fn may_overlap(&self, range: TimeRange) -> bool {
        if self.extra.is_some() {
            return true;
        }
        let Some(last) = self.offsets.last() else { return false };
        let own = TimeRange { start_ms: self.base_ms, end_ms: self.base_ms + i64::from(*last) };
        own.overlaps(range)
    }

    fn newest_ms(&self) -> i64 {
        let float = self.offsets.last().map_or(i64::MIN, |o| self.base_ms + i64::from(*o));
        let histograms = self.extra.as_deref().map(|e| &e.histograms);
        float.max(histograms.and_then(|h| h.last()).map_or(i64::MIN, |p| p.time_ms))
    }

    /// Returns whether some sample was not newer than all before it.
    pub(super) fn is_out_of_order(&self) -> bool {
        self.extra.as_deref().is_some_and(|e| !e.side.is_empty())
    }

    /// Appends floats; `starts` may be empty. Returns the bytes by which the column grew.
    pub(super) fn push_floats(&mut self, times: &[i64], bits: &[u64], starts: &[i64]) -> usize {
        // What was sent again needs no room.
        let newer = times.first().is_some_and(|first| *first > self.newest_ms());
        let mut grown = if newer { self.make_room(times.len()) } else { 0 };
        for (i, (time_ms, bits)) in times.iter().zip(bits).enumerate() {
            grown += self.push_float(*time_ms, *bits, starts.get(i).copied().unwrap_or(0));
        }
        grown
    }

    /// Makes room for `n` floats in order; returns the bytes by which the column grew.
    fn make_room(&mut self, n: usize) -> usize {
        let len = self.offsets.len();
        if len + n <= self.offsets.capacity() {
            return 0;
        }
        // Grows by a quarter: at some 20 samples per flush doubling would waste a third. Long columns
        // (a replay, a backlog) are few or short-lived, and copying them costs more.
        let more = if len < LONG { (len / 4).max(4) } else { len };
        let more = more.max(n);
        self.offsets.reserve_exact(more);
        self.bits.reserve_exact(more);
        more * 12
    }

    /// Appends a float; returns the bytes by which the column grew.
    pub(super) fn push_float(&mut self, time_ms: i64, bits: u64, start_ms: i64) -> usize {
        if time_ms > self.newest_ms() {
            if self.offsets.is_empty() {
                self.base_ms = time_ms;
            }
            if let Ok(offset) = u32::try_from(time_ms.wrapping_sub(self.base_ms)) {
                return self.push_in_order(offset, bits, start_ms);
            }
        }
        self.push_side(Point { time_ms, start_ms, value: PointValue::Float(bits) })
    }

    fn push_in_order(&mut self, offset: u32, bits: u64, start_ms: i64) -> usize {
        let mut grown = self.make_room(1);
        let starts = self.extra.as_deref().map_or(&[][..], |e| &e.starts);
        if starts.last().map_or(0, |s| s.1) != start_ms {
            let at = self.offsets.len() as u32;
            self.extra.get_or_insert_default().starts.push((at, start_ms));
            grown += 16;
        }
        self.offsets.push(offset);
        self.bits.push(bits);
        grown
    }

    pub(super) fn push_histogram(
        &mut self,
        time_ms: i64,
        value: &Arc<Histogram>,
        start_ms: i64,
    ) -> usize {
        let in_order = time_ms > self.newest_ms();
        let point = Point { time_ms, start_ms, value: PointValue::Histogram(Arc::clone(value)) };
        if !in_order {
            return self.push_side(point);
        }
        self.extra.get_or_insert_default().histograms.push(point);
        value.bytes() + size_of::<Point>()
    }

    fn push_side(&mut self, point: Point) -> usize {
        let latest = self.extra.as_deref().and_then(|e| e.side.last());
        let repeated = match latest {
            // What was sent again whole is told by its neighbour; the rest when it is read.
            Some(side) => *side == point,
            None => self.holds(&point),
        };
        if repeated {
            return 0;
        }
        let bytes = match &point.value {
            PointValue::Float(_) => size_of::<Point>(),
            PointValue::Histogram(histogram) => size_of::<Point>() + histogram.bytes(),
        };
        self.extra.get_or_insert_default().side.push(point);
        bytes
    }

    /// Returns whether the very same sample lies among those in order.
    fn holds(&self, point: &Point) -> bool {
        match &point.value {
            PointValue::Float(bits) => u32::try_from(point.time_ms.wrapping_sub(self.base_ms))
                .is_ok_and(|offset| {
                    let found = self.offsets.binary_search(&offset);
                    found.is_ok_and(|at| {
                        self.bits[at] == *bits && self.start_of(at) == point.start_ms
                    })
                }),
            PointValue::Histogram(_) => self.extra.as_deref().is_some_and(|extra| {
                let found = extra.histograms.binary_search_by_key(&point.time_ms, |p| p.time_ms);
                found.is_ok_and(|at| extra.histograms[at] == *point)
            }),
        }
    }

    fn start_of(&self, at: usize) -> i64 {
        let starts = self.extra.as_deref().map_or(&[][..], |e| &e.starts);
        let run = starts.partition_point(|s| s.0 as usize <= at);
        run.checked_sub(1).map_or(0, |r| starts[r].1)
    }

    /// Copies what is visible of a time range.
    pub(crate) fn copy(&self, visible: Visible, range: TimeRange) -> Copied {
        let offsets = &self.offsets[..visible.floats as usize];
        let time = |offset: &u32| self.base_ms + i64::from(*offset);
        let from = offsets.partition_point(|o| time(o) < range.start_ms);
        let to = offsets.partition_point(|o| time(o) <= range.end_ms).max(from);
        let mut copied = Copied {
            times: offsets[from..to].iter().map(time).collect(),
            bits: self.bits[from..to].to_vec(),
            ..Copied::default()
        };
        if let Some(extra) = self.extra.as_deref() {
            let inside = |p: &&Point| range.contains(p.time_ms);
            let histograms = &extra.histograms[..visible.histograms as usize];
            copied.histograms = histograms.iter().filter(inside).cloned().collect();
            let side = &extra.side[..visible.side as usize];
            copied.side = side.iter().filter(inside).cloned().collect();
            copied.starts = expand(&extra.starts, from, to);
        }
        copied
    }
}

fn expand(starts: &[(u32, i64)], from: usize, to: usize) -> Vec<i64> {
    if starts.is_empty() {
        return Vec::new();
    }
    let mut run = starts.partition_point(|s| s.0 as usize <= from);
    (from..to)
        .map(|i| {
            while starts.get(run).is_some_and(|s| s.0 as usize <= i) {
                run += 1;
            }
            run.checked_sub(1).map_or(0, |r| starts[r].1)
        })
        .collect()
}
