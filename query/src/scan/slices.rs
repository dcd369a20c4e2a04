//! Reads slices for PromQL: the engine's scan contract on top of the store's view.
//!
//! One query has one view, pinned when it begins, and resolves all its selectors in one call: no
//! row appears or disappears while it runs (VIS-2). Between two series the stream lets other tasks
//! run, because decoding slices that are in memory never waits and would otherwise hold its thread to
//! the end; a query that was aborted ends there too. Deadlines are the engine's: it asks its hooks
//! once per series.

use std::sync::Arc;

use tarn_model::error::{Error, Result};
use tarn_model::tenant::TenantId;
use tarn_promql::query::Hooks;
use tarn_promql::source::{Select, Selected, SeriesInfo, SeriesStream, Slice, Source};
use tarn_storage::view::{ScanLimits, Selection, Selector, SeriesCursor, View};

/// One tenant's data as one query sees it.
#[derive(Debug)]
pub(crate) struct ViewSource {
    pub(crate) view: Arc<View>,
    pub(crate) tenant: TenantId,
    pub(crate) limits: ScanLimits,
    pub(crate) hooks: Arc<dyn Hooks>,
}

impl Source for ViewSource {
    type Stream = SliceStream;

    async fn select(&self, selectors: &[Select]) -> Result<Vec<Selected<SliceStream>>> {
        let selectors: Vec<Selector> = selectors
            .iter()
            .map(|s| Selector { matchers: s.matchers.clone(), range: s.range })
            .collect();
        let selections = self.view.select(&self.tenant, &selectors, self.limits).await?;
        selections.into_iter().map(|selection| self.selected(selection)).collect()
    }
}

impl ViewSource {
    fn selected(&self, selection: Selection) -> Result<Selected<SliceStream>> {
        let bytes: usize = selection
            .series
            .iter()
            .map(|s| size_of::<SeriesInfo>() + size_of_val(s.labels.as_slice()))
            .sum();
        let bytes = bytes as u64 + selection.cursor.bytes();
        if !self.hooks.reserve(bytes) {
            let count = selection.series.len();
            return Err(Error::limit(format!(
                "memory of all queries is used up: {count} series and where they are need {bytes} bytes"
            )));
        }
        let series = selection
            .series
            .into_iter()
            .map(|s| SeriesInfo { labels: s.labels, metric_type: s.metric_type })
            .collect();
        Ok(Selected { series, stream: SliceStream { cursor: selection.cursor } })
    }
}

/// The slices of one selector's series.
#[derive(Debug)]
pub(crate) struct SliceStream {
    cursor: SeriesCursor,
}

impl SeriesStream for SliceStream {
    async fn next(&mut self, into: &mut Vec<Slice>) -> Result<bool> {
        tokio::task::coop::consume_budget().await;
        self.cursor.next(into).await
    }
}
