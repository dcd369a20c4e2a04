//! Reading series: the leaves of every query.
//!
//! An instant selector takes, for each step, the newest sample within the lookback, unless a
//! staleness marker is newer. Which sample that is depends on the times alone, so the picks are
//! shared between series with the same ticks; a series with markers or histograms goes its own way.

use std::sync::Arc;

use super::context::{Context, Reservation};
use super::operator::{Operator, Pull, Series};
use super::samples::SeriesSamples;
use super::steps::{Bits, Steps};
use super::window::{Shared, WindowSpec, Windows};
use crate::query::Result;
use crate::source::{SeriesStream, Slice};

/// A stream of stored series, without the type of its source.
pub(crate) trait Feed: Send {
    fn next<'a>(&'a mut self, into: &'a mut Vec<Slice>) -> Pull<'a, bool>;
}

/// Makes a [`Feed`] of a source's stream.
#[derive(Debug)]
pub(crate) struct StreamFeed<S>(pub(crate) S);

impl<S: SeriesStream + Send> Feed for StreamFeed<S> {
    fn next<'a>(&'a mut self, into: &'a mut Vec<Slice>) -> Pull<'a, bool> {
        Box::pin(async move { Ok(self.0.next(into).await?) })
    }
}

/// One selector's series and their samples.
pub(crate) struct Leaf {
    pub(crate) series: Vec<Series>,
    pub(crate) feed: Box<dyn Feed>,
    /// Memory for the largest series so far.
    held: Option<Reservation>,
    held_samples: usize,
}

impl Leaf {
    pub(crate) fn new(series: Vec<Series>, feed: Box<dyn Feed>) -> Self {
        Self { series, feed, held: None, held_samples: 0 }
    }

    /// Reads the next series.
    pub(crate) async fn next(&mut self, cx: &Context, into: &mut SeriesSamples) -> Result<bool> {
        cx.check()?;
        if !self.feed.next(into.slices_mut()).await? {
            return Ok(false);
        }
        into.arrange();
        cx.read(into.len());
        if into.len() > self.held_samples {
            self.held = None;
            self.held_samples = into.len();
            self.held = Some(cx.reserve_samples(self.held_samples)?);
        }
        Ok(true)
    }
}

/// What an instant selector yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pick {
    /// The sample's value.
    Value,
    /// The sample's time in seconds.
    Time,
    /// Since when the sample counts, in seconds; 0 where that is not known.
    Start,
}

/// An instant selector.
pub(crate) struct Select {
    leaf: Leaf,
    spec: WindowSpec,
    pick: Pick,
    samples: SeriesSamples,
    picks: Shared<Picks>,
    /// Start timestamps of the floats and of the histograms, where they are picked.
    starts: [Vec<i64>; 2],
}

/// The newest sample in the lookback of each step.
#[derive(Default)]
struct Picks {
    valid: Bits,
    at: Vec<u32>,
    windows: Windows,
}

impl Picks {
    fn fill(&mut self, times: &[i64], spec: &WindowSpec) {
        spec.fill(times, &mut self.windows);
        self.valid.reset(spec.grid.steps);
        for (step, window) in self.windows.iter().enumerate() {
            if !window.is_empty() {
                self.valid.set(step);
            }
        }
        self.at.clear();
        self.at.extend(self.windows.hi.iter().map(|hi| hi.saturating_sub(1)));
    }
}

impl Select {
    pub(crate) fn new(leaf: Leaf, spec: WindowSpec, pick: Pick) -> Self {
        Self {
            leaf,
            spec,
            pick,
            samples: SeriesSamples::default(),
            picks: Shared::default(),
            starts: [Vec::new(), Vec::new()],
        }
    }

    async fn pull(&mut self, cx: &Context, out: &mut Steps) -> Result<bool> {
        if !self.leaf.next(cx, &mut self.samples).await? {
            return Ok(false);
        }
        out.reset(self.spec.grid.steps);
        if self.pick == Pick::Start {
            let [floats, histograms] = &mut self.starts;
            self.samples.collect_starts(floats, histograms);
        }
        if self.samples.stale.is_empty() && self.samples.histograms.is_empty() {
            self.pick_floats(out);
        } else {
            self.pick_any(out);
        }
        Ok(true)
    }

    fn pick_floats(&mut self, out: &mut Steps) {
        let spec = self.spec;
        let picks = self.picks.get(&self.samples, |times, picks| picks.fill(times, &spec));
        let (times, values) = (self.samples.times(), self.samples.values());
        picks.valid.for_each_run(|run| {
            for (to, at) in out.values[run.clone()].iter_mut().zip(&picks.at[run]) {
                *to = match self.pick {
                    Pick::Value => values[*at as usize],
                    Pick::Time => times[*at as usize] as f64 / 1000.0,
                    Pick::Start => self.starts[0][*at as usize] as f64 / 1000.0,
                };
            }
        });
        out.valid.clone_from(&picks.valid);
    }

    /// Picks among floats, histograms and staleness markers.
    fn pick_any(&self, out: &mut Steps) {
        let samples = &self.samples;
        let histogram_times: Vec<i64> = samples.histograms.iter().map(|(t, _)| *t).collect();
        let newest = |times: &[i64], step: usize| {
            let after = times.partition_point(|t| *t <= self.spec.end(step));
            after.checked_sub(1).filter(|at| times[*at] > self.spec.start(step))
        };
        for step in 0..self.spec.grid.steps {
            let float = newest(samples.times(), step);
            let histogram = newest(&histogram_times, step);
            let float_time = float.map(|at| samples.times()[at]);
            let histogram_time = histogram.map(|at| histogram_times[at]);
            let stale_time = newest(&samples.stale, step).map(|at| samples.stale[at]);
            if stale_time > float_time.max(histogram_time) {
                continue;
            }
            match (self.pick, float, histogram) {
                (Pick::Time, ..) => {
                    if let Some(time) = float_time.max(histogram_time) {
                        out.set(step, time as f64 / 1000.0);
                    }
                }
                (Pick::Start, float, histogram) => {
                    let start = match (float, histogram) {
                        (Some(at), _) if float_time > histogram_time => self.starts[0][at],
                        (_, Some(at)) => self.starts[1][at],
                        (_, None) => continue,
                    };
                    out.set(step, start as f64 / 1000.0);
                }
                (Pick::Value, Some(at), _) if float_time > histogram_time => {
                    out.set(step, samples.values()[at]);
                }
                (Pick::Value, _, Some(at)) => {
                    out.histograms.push((step as u32, Arc::clone(&samples.histograms[at].1)));
                }
                (Pick::Value, _, None) => {}
            }
        }
    }
}

impl Operator for Select {
    fn open<'a>(&'a mut self, _: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(async move { Ok(std::mem::take(&mut self.leaf.series)) })
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(self.pull(cx, out))
    }
}
