//! 5. What a query sees: [`View`], swapped as one pointer; [`Reader`] hands it out.

use std::sync::Arc;

use tarn_model::error::{Error, Result};
use tarn_model::labels::LabelSet;
use tarn_model::matcher::Matcher;
use tarn_model::sample::{Metadata, MetricType};
use tarn_model::slice::Slice;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;

/// Hands out views. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {}

impl Reader {
    /// Pins the current view.
    pub fn view(&self) -> Arc<View> {
        Arc::new(View {})
    }
}

/// A moment of the store: a catalog version and the head generations above it.
#[derive(Debug)]
pub struct View {}

/// Which series and which time.
#[derive(Debug, Clone)]
pub struct Selector {
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// Samples outside need not be delivered.
    pub range: TimeRange,
}

/// What a scan may cost.
#[derive(Debug, Clone, Copy)]
pub struct ScanLimits {
    /// Series over all selectors.
    pub series_max: u64,
    /// Bytes held at any time, labels included.
    pub bytes_max: u64,
}

/// The series of one selector, sorted by labels.
#[derive(Debug)]
pub struct Selection {
    /// Labels and types.
    pub series: Vec<SelectedSeries>,
    /// Yields their samples in the same order.
    pub cursor: SeriesCursor,
}

/// One series of a selection.
#[derive(Debug, Clone)]
pub struct SelectedSeries {
    /// All labels.
    pub labels: LabelSet,
    /// Type as told by the sender.
    pub metric_type: MetricType,
}

/// Yields slices, series by series.
#[derive(Debug)]
pub struct SeriesCursor {}

impl SeriesCursor {
    /// Clears `into` and fills it with the merged, non-overlapping slices of the next series;
    /// `false` after the last.
    ///
    /// # Errors
    /// `Corrupt` where stored bytes fail their checksum; `Unavailable` where they cannot be read.
    pub async fn next(&mut self, into: &mut Vec<Slice>) -> Result<bool> {
        into.clear();
        std::future::ready(Ok(false)).await
    }
}

impl View {
    /// Returns why answers may lack rows, or `None` where they are whole (PAR-1).
    pub fn partial(&self) -> Option<String> {
        None
    }

    /// Resolves selectors together: all of them see the same rows (VIS-2).
    ///
    /// # Errors
    /// `LimitExceeded` with the number and the limit; `Corrupt`, `Unavailable` as the cursor.
    pub async fn select(
        self: &Arc<Self>,
        tenant: &TenantId,
        selectors: &[Selector],
        limits: ScanLimits,
    ) -> Result<Vec<Selection>> {
        let _ = (selectors, limits);
        std::future::ready(Err(Error::internal(format!("storage is not built yet ({tenant})"))))
            .await
    }

    /// Returns the label sets that match any of `selectors` (all matchers of one selector must
    /// match) and may have samples in its range, sorted, without duplicates. Reads no samples.
    ///
    /// # Errors
    /// As [`View::select`].
    pub async fn series(
        self: &Arc<Self>,
        tenant: &TenantId,
        selectors: &[Selector],
        limits: ScanLimits,
    ) -> Result<Vec<LabelSet>> {
        let _ = (tenant, selectors, limits);
        std::future::ready(Ok(Vec::new())).await
    }

    /// Returns the label names in use, sorted. Without selectors answered from catalog and head
    /// tables alone.
    ///
    /// # Errors
    /// As [`View::select`].
    pub async fn label_names(
        self: &Arc<Self>,
        tenant: &TenantId,
        selectors: &[Selector],
        range: TimeRange,
        limits: ScanLimits,
    ) -> Result<Vec<String>> {
        let _ = (tenant, selectors, range, limits);
        std::future::ready(Ok(Vec::new())).await
    }

    /// Returns the values of a label, sorted.
    ///
    /// # Errors
    /// As [`View::select`].
    pub async fn label_values(
        self: &Arc<Self>,
        tenant: &TenantId,
        name: &str,
        selectors: &[Selector],
        range: TimeRange,
        limits: ScanLimits,
    ) -> Result<Vec<String>> {
        let _ = (tenant, name, selectors, range, limits);
        std::future::ready(Ok(Vec::new())).await
    }

    /// Returns the metadata of the tenant's metric families, sorted by family.
    ///
    /// # Errors
    /// As [`View::select`].
    pub async fn families(self: &Arc<Self>, tenant: &TenantId) -> Result<Vec<(String, Metadata)>> {
        let _ = tenant;
        std::future::ready(Ok(Vec::new())).await
    }
}
