//! The samples of one series as kernels want them: contiguous times and values.
//!
//! A series arrives in slices. Most have one float slice in the range of a query, which is used in
//! place; several are copied together. Histograms and staleness markers are set apart, because
//! almost no series has them and the float kernels need not know.

use std::sync::Arc;

use tarn_model::sample::Histogram;

use crate::source::{Samples, Slice};

/// A run of ticks: the vector, the first one and how many. Two runs of the same vector have the
/// same times without looking at them.
pub(crate) type TickRun = (Arc<[i64]>, usize, usize);

/// The samples of one series.
#[derive(Debug, Default)]
pub(crate) struct SeriesSamples {
    slices: Vec<Slice>,
    /// Float samples copied together, where they do not lie in one slice.
    times: Vec<i64>,
    values: Vec<f64>,
    joined: bool,
    pub(crate) histograms: Vec<(i64, Arc<Histogram>)>,
    /// Times of staleness markers.
    pub(crate) stale: Vec<i64>,
    pub(crate) has_starts: bool,
}

impl SeriesSamples {
    /// Returns the vector that a stream fills; [`SeriesSamples::arrange`] must follow.
    pub(crate) fn slices_mut(&mut self) -> &mut Vec<Slice> {
        &mut self.slices
    }

    /// Brings the slices into the form that kernels read.
    pub(crate) fn arrange(&mut self) {
        self.times.clear();
        self.values.clear();
        self.histograms.clear();
        self.stale.clear();
        self.stale.extend(self.slices.iter().filter_map(|s| s.stale_at));
        self.has_starts = self.slices.iter().any(|s| s.starts.is_some());
        self.joined = match &self.slices[..] {
            [slice] => !matches!(slice.samples, Samples::Floats(_)),
            _ => true,
        };
        if !self.joined {
            return;
        }
        for slice in &self.slices {
            match &slice.samples {
                Samples::Floats(values) => {
                    self.times.extend_from_slice(slice.times());
                    self.values.extend_from_slice(values);
                }
                Samples::Histograms(values) => {
                    let times = slice.times().iter().copied();
                    self.histograms.extend(times.zip(values.iter().map(Arc::clone)));
                }
            }
        }
    }

    /// Takes computed samples instead of stored ones.
    pub(crate) fn set(
        &mut self,
        ticks: &Arc<[i64]>,
        values: &[f64],
        histograms: Vec<(i64, Arc<Histogram>)>,
    ) {
        self.slices.clear();
        self.slices.push(Slice {
            ticks: Arc::clone(ticks),
            first: 0,
            samples: Samples::Floats(values.to_vec()),
            starts: None,
            stale_at: None,
            stats: None,
        });
        self.arrange();
        self.histograms = histograms;
    }

    /// Returns the times of the float samples.
    pub(crate) fn times(&self) -> &[i64] {
        match &self.slices[..] {
            [slice] if !self.joined => slice.times(),
            _ => &self.times,
        }
    }

    /// Returns the float samples.
    pub(crate) fn values(&self) -> &[f64] {
        match &self.slices[..] {
            [Slice { samples: Samples::Floats(values), .. }] if !self.joined => values,
            _ => &self.values,
        }
    }

    /// Returns how many samples there are.
    pub(crate) fn len(&self) -> usize {
        self.times().len() + self.histograms.len()
    }

    /// Returns what the times are made of.
    pub(crate) fn ticks(&self) -> Vec<TickRun> {
        self.float_slices().map(|s| (Arc::clone(&s.ticks), s.first, s.samples.len())).collect()
    }

    /// Returns whether the times are made of exactly these ticks.
    pub(crate) fn has_ticks(&self, key: &[TickRun]) -> bool {
        let mut slices = self.float_slices();
        key.iter().all(|(ticks, first, len)| {
            slices.next().is_some_and(|s| {
                Arc::ptr_eq(&s.ticks, ticks) && s.first == *first && s.samples.len() == *len
            })
        }) && slices.next().is_none()
    }

    /// Collects the start timestamps of the floats and of the histograms, one per sample.
    pub(crate) fn collect_starts(&self, floats: &mut Vec<i64>, histograms: &mut Vec<i64>) {
        floats.clear();
        histograms.clear();
        for slice in &self.slices {
            let into = match &slice.samples {
                Samples::Floats(_) => &mut *floats,
                Samples::Histograms(_) => &mut *histograms,
            };
            match &slice.starts {
                Some(starts) => into.extend_from_slice(starts),
                None => into.extend(std::iter::repeat_n(0, slice.samples.len())),
            }
        }
    }

    fn float_slices(&self) -> impl Iterator<Item = &Slice> {
        self.slices.iter().filter(|s| matches!(s.samples, Samples::Floats(_)))
    }
}
