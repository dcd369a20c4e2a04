//! What both ways to a native histogram share.

use tarn_model::error::Result;
use tarn_model::sample::{Counts, Histogram, ResetHint, stale_nan};

use super::Walk;
use super::exemplar::{self, RawExemplar};
use super::labels::PointLabels;
use super::metric::Metric;
use crate::batch::RowSink;
use crate::validate::{Invalid, Reason};

/// Buckets with something in them: indexes, ascending, and counts.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    pub(super) indexes: Vec<i32>,
    pub(super) counts: Vec<i64>,
}

impl Buckets {
    /// Adds observations to the last bucket or to one behind it.
    ///
    /// # Errors
    /// The bucket lies nowhere, or holds more than can be counted.
    pub(super) fn add(&mut self, index: i64, count: u64) -> Result<(), Invalid> {
        if count == 0 {
            return Ok(());
        }
        let index = i32::try_from(index)
            .map_err(|_| invalid(format!("bucket {index} is beyond 32 bits")))?;
        let count = i64::try_from(count)
            .map_err(|_| invalid(format!("a bucket holds {count} observations")))?;
        match (self.indexes.last(), self.counts.last_mut()) {
            (Some(last), Some(sum)) if *last == index => *sum = sum.saturating_add(count),
            _ => {
                self.indexes.push(index);
                self.counts.push(count);
            }
        }
        Ok(())
    }
}

/// Rejects a point whose count is not what its buckets hold: upstream's rule. Observations that are
/// NaN are counted and lie in no bucket.
pub(super) fn check_count(count: u64, zero: u64, sum: f64, buckets: &[i64]) -> Result<(), Invalid> {
    let found = buckets.iter().map(|count| i128::from(*count)).sum::<i128>() + i128::from(zero);
    let told = i128::from(count);
    match if sum.is_nan() { found <= told } else { found == told } {
        true => Ok(()),
        false => Err(invalid(format!("count is {told}, buckets hold {found} observations"))),
    }
}

/// Returns how resets of the counts are recognised. Deltas rise and fall as gauges do.
pub(super) fn reset_hint(metric: &Metric<'_>) -> ResetHint {
    if metric.is_delta() { ResetHint::Gauge } else { ResetHint::Unknown }
}

/// Returns the staleness marker of a series of native histograms.
pub(super) fn stale(schema: i32, metric: &Metric<'_>) -> Histogram {
    Histogram {
        schema,
        bounds: Vec::new(),
        zero_threshold: 0.0,
        sum: stale_nan(),
        positive: Vec::new(),
        negative: Vec::new(),
        counts: Counts::Int { count: 0, zero: 0, buckets: Vec::new() },
        reset_hint: reset_hint(metric),
    }
}

/// Rejects the point.
pub(super) fn invalid(message: String) -> Invalid {
    Invalid::new(Reason::InvalidHistogram, message)
}

/// Rejects the point for its size.
pub(super) fn too_many(total: usize, max: usize) -> Invalid {
    let message = format!("histogram has {total} buckets, limit is {max}");
    Invalid::new(Reason::TooManyBuckets, message)
}

impl<S: RowSink> Walk<'_, '_, S> {
    /// Pushes a native histogram and exemplars.
    pub(super) fn native(
        &mut self,
        labels: &PointLabels<'_>,
        (time_ms, start_ms): (i64, i64),
        value: Histogram,
        exemplars: &[RawExemplar<'_>],
    ) -> Result<()> {
        let number = usize::try_from(self.points).unwrap_or(usize::MAX);
        let mut open = self.batch.open(labels, number, 1)?;
        self.batch.histogram(&mut open, time_ms, value, start_ms)?;
        exemplar::push(self.batch, &mut open, exemplars)
    }
}
