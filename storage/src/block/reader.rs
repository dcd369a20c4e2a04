//! Reads blocks: opens them by their tail, finds rows, decodes what is needed.

use std::collections::BTreeSet;
use std::sync::Arc;

use tarn_model::error::{Error, Result};
use tarn_model::labels::LabelSet;
use tarn_model::sample::{Metadata, MetricType};
use tarn_model::slice::Slice;
use tarn_model::time::TimeRange;

use crate::block::BlockMeta;
use crate::object::Objects;
use crate::view::Selector;

/// Opens and reads blocks.
#[derive(Debug)]
pub struct Blocks {
    objects: Objects,
}

/// An open block.
#[derive(Debug)]
pub(crate) struct OpenBlock {}

/// The rows of one series in a block.
#[derive(Debug, Clone)]
pub(crate) struct BlockSeries {
    pub(crate) labels: LabelSet,
    pub(crate) metric_type: MetricType,
    pub(crate) rows: Vec<RowSlice>,
}

/// One slice row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowSlice {
    pub(crate) row: u32,
    pub(crate) n: u32,
}

/// Returns whether the block can hold what a selector looks for.
pub(crate) fn may_match(meta: &BlockMeta, selector: &Selector) -> bool {
    let own = TimeRange { start_ms: meta.time_min_ms, end_ms: meta.time_max_ms };
    own.overlaps(selector.range)
}

impl Blocks {
    /// Makes a reader of the blocks of a store.
    pub fn new(objects: Objects) -> Arc<Self> {
        Arc::new(Self { objects })
    }

    pub(crate) async fn open(&self, meta: &Arc<BlockMeta>) -> Result<Arc<OpenBlock>> {
        let _ = &self.objects;
        Err(Error::internal(format!("blocks cannot be read yet ({})", meta.object)))
    }

    pub(crate) async fn matching(
        &self,
        _block: &Arc<OpenBlock>,
        _selector: &Selector,
    ) -> Result<Vec<BlockSeries>> {
        Ok(Vec::new())
    }

    pub(crate) async fn read(
        &self,
        _block: &Arc<OpenBlock>,
        _rows: &[RowSlice],
        _range: TimeRange,
    ) -> Result<Vec<Slice>> {
        Ok(Vec::new())
    }

    pub(crate) async fn label_values(
        &self,
        _block: &Arc<OpenBlock>,
        _name: &str,
        _range: TimeRange,
        _into: &mut BTreeSet<String>,
    ) -> Result<()> {
        Ok(())
    }

    pub(crate) async fn families(&self, _meta: &Arc<BlockMeta>) -> Result<Vec<(String, Metadata)>> {
        Ok(Vec::new())
    }
}
