//! An in-memory source: what scripts and tests load and queries read.
//!
//! Series are cut into slices wherever the kind of sample changes, after a staleness marker, and
//! after a given number of samples, so that tests can prove that borders of slices do not show in
//! results. Equal times share one tick vector, as stored blocks do.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;
use tarn_model::sample::{Histogram, MetricType, is_stale};
use tarn_model::time::TimeRange;

use crate::source::{Samples, Select, Selected, SeriesInfo, SeriesStream, Slice, Source};

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub enum Point {
    /// A float, or the staleness marker.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

/// Series in memory.
#[derive(Debug)]
pub struct MemoryStore {
    series: BTreeMap<LabelSet, BTreeMap<i64, (i64, Point)>>,
    slice_samples: usize,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_slices_of(usize::MAX)
    }
}

impl MemoryStore {
    /// Makes an empty store that cuts slices after so many samples.
    pub fn with_slices_of(slice_samples: usize) -> Self {
        Self { series: BTreeMap::new(), slice_samples: slice_samples.max(1) }
    }

    /// Stores a sample; one at the same time is overwritten. A `start_ms` of 0 means unknown.
    pub fn insert(&mut self, labels: &LabelSet, time_ms: i64, start_ms: i64, point: Point) {
        let series = self.series.entry(labels.clone()).or_default();
        series.insert(time_ms, (start_ms, point));
    }

    fn slices(
        &self,
        points: &BTreeMap<i64, (i64, Point)>,
        range: TimeRange,
        ticks: &mut Ticks,
    ) -> Vec<Slice> {
        let mut slices = Vec::new();
        let mut open = Open::default();
        if range.start_ms > range.end_ms {
            return slices;
        }
        for (time_ms, (start_ms, point)) in points.range(range.start_ms..=range.end_ms) {
            match point {
                Point::Float(value) if is_stale(*value) => {
                    open.finish(Some(*time_ms), ticks, &mut slices);
                    continue;
                }
                Point::Float(value) => {
                    if !open.histograms.is_empty() || open.times.len() >= self.slice_samples {
                        open.finish(None, ticks, &mut slices);
                    }
                    open.floats.push(*value);
                }
                Point::Histogram(histogram) => {
                    if !open.floats.is_empty() || open.times.len() >= self.slice_samples {
                        open.finish(None, ticks, &mut slices);
                    }
                    open.histograms.push(Arc::clone(histogram));
                }
            }
            open.times.push(*time_ms);
            open.starts.push(*start_ms);
        }
        open.finish(None, ticks, &mut slices);
        slices
    }
}

/// Tick vectors by content.
type Ticks = HashMap<Vec<i64>, Arc<[i64]>>;

/// A slice that grows.
#[derive(Default)]
struct Open {
    times: Vec<i64>,
    starts: Vec<i64>,
    floats: Vec<f64>,
    histograms: Vec<Arc<Histogram>>,
}

impl Open {
    fn finish(&mut self, stale_at: Option<i64>, ticks: &mut Ticks, into: &mut Vec<Slice>) {
        let open = std::mem::take(self);
        if open.times.is_empty() && stale_at.is_none() {
            return;
        }
        let samples = if open.histograms.is_empty() {
            Samples::Floats(open.floats)
        } else {
            Samples::Histograms(open.histograms)
        };
        let known = open.starts.iter().any(|start| *start != 0);
        let shared = ticks.entry(open.times).or_insert_with_key(|times| times.as_slice().into());
        into.push(Slice {
            ticks: Arc::clone(shared),
            first: 0,
            samples,
            starts: known.then_some(open.starts),
            stale_at,
            stats: None,
        });
    }
}

impl Source for MemoryStore {
    type Stream = MemoryStream;

    async fn select(&self, selectors: &[Select]) -> Result<Vec<Selected<MemoryStream>>> {
        let mut ticks = Ticks::default();
        let selected = selectors.iter().map(|select| {
            let matching = self
                .series
                .iter()
                .filter(|(labels, _)| select.matchers.iter().all(|m| m.matches_labels(labels)));
            let (mut series, mut slices) = (Vec::new(), Vec::new());
            for (labels, points) in matching {
                let metric_type = MetricType::Unknown;
                series.push(SeriesInfo { labels: labels.clone(), metric_type });
                slices.push(self.slices(points, select.range, &mut ticks));
            }
            Selected { series: series.into(), stream: MemoryStream(slices.into_iter()) }
        });
        Ok(selected.collect())
    }
}

/// The series of a selector.
#[derive(Debug)]
pub struct MemoryStream(std::vec::IntoIter<Vec<Slice>>);

impl SeriesStream for MemoryStream {
    async fn next(&mut self, into: &mut Vec<Slice>) -> Result<bool> {
        into.clear();
        let Some(slices) = self.0.next() else { return Ok(false) };
        into.extend(slices);
        Ok(true)
    }
}
