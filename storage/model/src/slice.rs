//! A run of samples of one series: the unit in which metrics are stored, read and computed with.

use std::sync::Arc;

use crate::sample::Histogram;

/// A run of samples of one series, strictly increasing in time.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The times, ms. Many series share one vector (`Arc::ptr_eq` tells), so that windows are
    /// computed once for all of them.
    pub ticks: Arc<[i64]>,
    /// Index in `ticks` of the first sample.
    pub first: usize,
    /// The samples; sample `i` has the time `ticks[first + i]`.
    pub samples: Samples,
    /// Start timestamps in ms, one per sample, 0 = unknown; `None` where none is known.
    pub starts: Option<Vec<i64>>,
    /// A staleness marker directly after the last sample, ms. A lone marker is a slice without
    /// samples. Staleness markers never appear among the samples.
    pub stale_at: Option<i64>,
    /// Statistics over the whole slice, where the storage keeps them.
    pub stats: Option<SliceStats>,
}

impl Slice {
    /// Returns the times of the samples.
    pub fn times(&self) -> &[i64] {
        &self.ticks[self.first..self.first + self.samples.len()]
    }
}

/// Samples of one kind.
#[derive(Debug, Clone)]
pub enum Samples {
    /// Floats, NaN payloads untouched.
    Floats(Vec<f64>),
    /// Native histograms.
    Histograms(Vec<Arc<Histogram>>),
}

impl Samples {
    /// Returns the number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Histograms(values) => values.len(),
        }
    }

    /// Returns whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What can be known of a float slice without decoding it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliceStats {
    /// Sum as a compensated pair: `sum + sum_lo`.
    pub sum: f64,
    /// The low part of the sum.
    pub sum_lo: f64,
    /// Smallest value, NaN left out.
    pub min: f64,
    /// Largest value, NaN left out.
    pub max: f64,
    /// First value.
    pub first: f64,
    /// Last value.
    pub last: f64,
    /// Σ v\[i-1\] over counter resets inside the slice.
    pub reset_sum: f64,
    /// Some value is NaN.
    pub has_nan: bool,
    /// Largest distance of neighbouring ticks, ms.
    pub gap_ms_max: i32,
}
