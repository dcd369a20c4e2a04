//! The scan contract: labels first, then the slices of each series.
//!
//! The engine names every selector of a query at once, so that the implementation can answer all of
//! them from one view (no row may appear or disappear during a query). For each it gets back the
//! label sets, sorted, before any sample is read: group ids and join signatures are computed from
//! them once per series. Then it pulls series by series, and for each series its slices in time
//! order. Slices never overlap: the implementation has merged what did, and the newest write won.

use std::future::Future;
use std::sync::Arc;

use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_model::matcher::Matcher;
use tarn_model::sample::MetricType;
pub use tarn_model::slice::{Samples, Slice, SliceStats};
use tarn_model::time::TimeRange;

/// Where the engine reads from: a pinned view of one tenant's data.
pub trait Source: Send + Sync {
    /// The series of one selector, in the order of its labels.
    type Stream: SeriesStream + Send;

    /// Resolves all selectors of a query from one view.
    fn select(
        &self,
        selectors: &[Select],
    ) -> impl Future<Output = Result<Vec<Selected<Self::Stream>>>> + Send;
}

/// What one selector needs.
#[derive(Debug, Clone)]
pub struct Select {
    /// All must match. At least one does not match the empty string.
    pub matchers: Vec<Matcher>,
    /// Samples outside are not needed (and may be delivered all the same).
    pub range: TimeRange,
}

/// The answer to one [`Select`].
#[derive(Debug)]
pub struct Selected<S> {
    /// One entry per series that may have samples in the range, sorted by labels.
    pub series: Arc<[SeriesInfo]>,
    /// Yields the samples of exactly these series, in this order.
    pub stream: S,
}

/// What is known of a series without reading samples.
#[derive(Debug, Clone)]
pub struct SeriesInfo {
    /// Labels, metric name included.
    pub labels: LabelSet,
    /// Type as told by the sender.
    pub metric_type: MetricType,
}

/// Yields the samples of a selector's series, one series per call.
pub trait SeriesStream {
    /// Clears `into` and fills it with the slices of the next series; `false` after the last one.
    fn next(&mut self, into: &mut Vec<Slice>) -> impl Future<Output = Result<bool>> + Send;
}
