//! What a batch uses of storage's appender.

use std::sync::Arc;

use tarn_model::labels::LabelSet;
use tarn_model::sample::{Exemplar, Histogram, Metadata};
use tarn_storage::append::{Appender, Rejection, SeriesRef};

/// Takes rows; storage's appender does.
pub(crate) trait RowSink {
    fn series(&mut self, labels: &LabelSet) -> Result<SeriesRef, Rejection>;
    fn float(&mut self, series: SeriesRef, row: Float) -> Result<(), Rejection>;
    fn histogram(
        &mut self,
        series: SeriesRef,
        time_ms: i64,
        value: Arc<Histogram>,
        start_ms: i64,
    ) -> Result<(), Rejection>;
    fn exemplar(&mut self, series: SeriesRef, exemplar: Exemplar) -> Result<(), Rejection>;
    fn metadata(&mut self, family: &str, metadata: &Metadata);
}

impl RowSink for Appender {
    fn series(&mut self, labels: &LabelSet) -> Result<SeriesRef, Rejection> {
        Self::series(self, labels)
    }

    fn float(&mut self, series: SeriesRef, row: Float) -> Result<(), Rejection> {
        Self::float(self, series, row.time_ms, row.value, row.start_ms)
    }

    fn histogram(
        &mut self,
        series: SeriesRef,
        time_ms: i64,
        value: Arc<Histogram>,
        start_ms: i64,
    ) -> Result<(), Rejection> {
        Self::histogram(self, series, time_ms, value, start_ms)
    }

    fn exemplar(&mut self, series: SeriesRef, exemplar: Exemplar) -> Result<(), Rejection> {
        Self::exemplar(self, series, exemplar)
    }

    fn metadata(&mut self, family: &str, metadata: &Metadata) {
        Self::metadata(self, family, metadata);
    }
}

/// A float sample as it came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Float {
    pub(crate) time_ms: i64,
    pub(crate) value: f64,
    /// 0: unknown.
    pub(crate) start_ms: i64,
}
