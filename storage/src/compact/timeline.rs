//! Timelines of a merge: vectors of ticks that series share in parts.
//!
//! Series of one target mostly have the same ticks, but one comes an hour later, another misses a
//! scrape. A flush shares only vectors that are equal; a merge, which has the time, looks for shared
//! parts. The longest vectors come first. Each later one is laid along those before it: an index of
//! pairs of neighbouring ticks says where a run may begin, and the run ends where the two part. Ticks
//! found nowhere become timelines of their own.
//!
//! Each run but the first costs a slice in every series that has the vector. Where that is more than
//! storing the vector once more, it is stored. A poor choice costs bytes, never a sample.

use std::ops::Range;
use std::sync::Arc;

use tarn_model::map::HashMap;

/// What one more slice costs, in bytes: its fixed columns, and values that pack a little worse.
const SLICE_BYTES: f64 = 10.0;
/// What a tick of a timeline costs, in bytes: irregular ones a little more, regular ones far less.
const TICK_BYTES: f64 = 0.5;
/// What a timeline costs, in bytes, whatever its length.
const TIMELINE_BYTES: f64 = 12.0;
/// Shorter runs are not worth their slices, however rare the vector.
const RUN_MIN: usize = 16;
/// Places that one pair of ticks is looked for at: clones of a target are many, and the first few
/// are as good as the others.
const PLACES_MAX: usize = 8;
/// Ticks that are indexed: some 120 MiB. Ticks beyond are shared only as whole vectors.
const INDEXED_MAX: usize = 2 << 20;

/// The distinct tick vectors of series, and how many series have each.
#[derive(Debug, Default)]
pub(super) struct Vectors {
    vectors: Vec<Arc<[i64]>>,
    series: Vec<u32>,
    numbers: HashMap<Arc<[i64]>, u32>,
    ticks: usize,
}

impl Vectors {
    /// Notes one more series with these ticks; returns the number of its vector.
    pub(super) fn add(&mut self, ticks: &[i64]) -> u32 {
        if let Some(number) = self.numbers.get(ticks) {
            self.series[*number as usize] += 1;
            return *number;
        }
        let number = self.vectors.len() as u32;
        let vector: Arc<[i64]> = ticks.into();
        self.ticks += vector.len();
        self.vectors.push(Arc::clone(&vector));
        self.series.push(1);
        self.numbers.insert(vector, number);
        number
    }

    /// Notes one more series with a known vector.
    pub(super) fn add_known(&mut self, number: u32) {
        self.series[number as usize] += 1;
    }

    /// Returns the ticks of all vectors together.
    pub(super) fn ticks(&self) -> usize {
        self.ticks
    }
}

/// A part of a vector on a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) timeline: u32,
    /// Tick of the timeline at which the run begins.
    pub(super) offset: usize,
    /// Which ticks of the vector.
    pub(super) range: Range<usize>,
}

/// Vectors laid along timelines.
#[derive(Debug, Default)]
pub(super) struct Laid {
    pub(super) timelines: Vec<Arc<[i64]>>,
    /// By number.
    pub(super) vectors: Vec<LaidVector>,
}

/// One vector.
#[derive(Debug)]
pub(super) struct LaidVector {
    pub(super) ticks: Arc<[i64]>,
    /// Tile the vector.
    pub(super) runs: Vec<Run>,
}

/// Finds timelines for vectors.
pub(super) fn lay(vectors: Vectors) -> Laid {
    let Vectors { vectors, series, .. } = vectors;
    let mut order: Vec<usize> = (0..vectors.len()).collect();
    // Of equal length the one that more series have: it is laid whole.
    order.sort_by_key(|at| std::cmp::Reverse((vectors[*at].len(), series[*at])));
    let mut search = Search::default();
    let mut runs: Vec<Vec<Run>> = vectors.iter().map(|_| Vec::new()).collect();
    for at in order {
        runs[at] = search.place(&vectors[at], series[at]);
    }
    let vectors = vectors.into_iter().zip(runs).map(|(ticks, runs)| LaidVector { ticks, runs });
    Laid { timelines: search.timelines, vectors: vectors.collect() }
}

/// A place on a timeline.
#[derive(Debug, Clone, Copy)]
struct Spot {
    timeline: u32,
    tick: u32,
    /// The next place with the same pair of ticks.
    next: Option<u32>,
}

#[derive(Debug, Default)]
struct Search {
    timelines: Vec<Arc<[i64]>>,
    /// Two neighbouring ticks → the first place that has them.
    pairs: HashMap<(i64, i64), u32>,
    spots: Vec<Spot>,
}

impl Search {
    fn place(&mut self, vector: &Arc<[i64]>, series: u32) -> Vec<Run> {
        let parts = self.cover(vector);
        let on = parts.iter().filter(|part| part.on.is_some()).count();
        let free: usize =
            parts.iter().filter(|p| p.on.is_none()).map(|part| part.range.len()).sum();
        let shared = (parts.len().max(1) - 1) as f64 * f64::from(series) * SLICE_BYTES
            + free as f64 * TICK_BYTES
            + (parts.len() - on) as f64 * TIMELINE_BYTES;
        let own = vector.len() as f64 * TICK_BYTES + TIMELINE_BYTES;
        let broken = parts.len() > 1 && vector.len() < parts.len() * RUN_MIN;
        if on == 0 || broken || shared > own {
            let timeline = self.add(Arc::clone(vector));
            return vec![Run { timeline, offset: 0, range: 0..vector.len() }];
        }
        let place = |Part { range, on }: Part| {
            let (timeline, offset) =
                on.unwrap_or_else(|| (self.add(vector[range.clone()].into()), 0));
            Run { timeline, offset, range }
        };
        parts.into_iter().map(place).collect()
    }

    /// Cuts a vector into parts that lie on a timeline, and parts between them that lie on none.
    fn cover(&self, vector: &[i64]) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        let mut at = 0;
        while at < vector.len() {
            if let Some((timeline, offset, n)) = self.longest(&vector[at..], parts.last()) {
                let on = Some((timeline, offset));
                parts.push(Part { range: at..at + n, on });
                at += n;
                continue;
            }
            match parts.last_mut() {
                Some(Part { range, on: None }) => range.end += 1,
                _ => parts.push(Part { range: at..at + 1, on: None }),
            }
            at += 1;
        }
        parts
    }

    /// Finds the timeline that ticks follow longest.
    fn longest(&self, ticks: &[i64], before: Option<&Part>) -> Option<(u32, usize, usize)> {
        let next = match ticks {
            [] => None,
            [tick] => return self.lone(*tick, before),
            [first, second, ..] => self.pairs.get(&(*first, *second)).copied(),
        };
        let mut next = next;
        let mut best: Option<(u32, usize, usize)> = None;
        for _ in 0..PLACES_MAX {
            let Some(spot) = next.and_then(|at| self.spots.get(at as usize)) else { break };
            let Spot { timeline, tick, .. } = *spot;
            let along = &self.timelines[timeline as usize][tick as usize..];
            let n = along.iter().zip(ticks).take_while(|(a, b)| a == b).count();
            if best.is_none_or(|(_, _, most)| n > most) {
                best = Some((timeline, tick as usize, n));
            }
            next = spot.next;
        }
        best
    }

    /// Finds the last tick of a vector on the timeline that it was on before.
    fn lone(&self, tick: i64, before: Option<&Part>) -> Option<(u32, usize, usize)> {
        let (timeline, _) = before.and_then(|part| part.on)?;
        let offset = self.timelines[timeline as usize].binary_search(&tick).ok()?;
        Some((timeline, offset, 1))
    }

    fn add(&mut self, ticks: Arc<[i64]>) -> u32 {
        let timeline = self.timelines.len() as u32;
        if self.spots.len() + ticks.len() <= INDEXED_MAX {
            for (tick, pair) in ticks.windows(2).enumerate() {
                let at = self.spots.len() as u32;
                let next = self.pairs.insert((pair[0], pair[1]), at);
                self.spots.push(Spot { timeline, tick: tick as u32, next });
            }
        }
        self.timelines.push(ticks);
        timeline
    }
}

/// A part of a vector, and the place of its first tick on a timeline.
#[derive(Debug)]
struct Part {
    range: Range<usize>,
    on: Option<(u32, usize)>,
}

#[cfg(test)]
mod tests;
