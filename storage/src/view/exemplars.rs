//! Exemplars: samples that name the trace they were taken in.
//!
//! They are few, and lie in blocks of their own and in the heads: those whose time may fit are read
//! whole, and matchers decide. What was sent twice, or is in a head and in the block made of it, is
//! told once.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_model::error::{Error, Result};
use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;
use tarn_model::sample::Exemplar;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;

use crate::block::BlockMeta;
use crate::block::extras::{read_exemplars, read_keys};
use crate::head::series::SeriesEntry;
use crate::retain::erase::Erased;
use crate::schema::kind;
use crate::view::{Selector, View};

/// Rows decoded at once.
const BATCH_ROWS: usize = 1024;

/// What was found so far.
struct Found<'a> {
    selectors: &'a [Selector],
    max: usize,
    count: usize,
    series: BTreeMap<LabelSet, Vec<Exemplar>>,
}

impl Found<'_> {
    fn is_full(&self) -> bool {
        self.count >= self.max
    }

    fn fits_time(&self, time_ms: i64) -> bool {
        self.selectors.iter().any(|selector| selector.range.contains(time_ms))
    }

    fn fits(&self, labels: &LabelSet, time_ms: i64) -> bool {
        let fits = |selector: &Selector| {
            selector.range.contains(time_ms)
                && selector.matchers.iter().all(|matcher| matcher.matches_labels(labels))
        };
        self.selectors.iter().any(fits)
    }

    fn add(&mut self, labels: LabelSet, exemplar: Exemplar) {
        let known = self.series.entry(labels).or_default();
        let same = |other: &Exemplar| {
            other.time_ms == exemplar.time_ms
                && other.value.to_bits() == exemplar.value.to_bits()
                && other.labels == exemplar.labels
        };
        if !known.iter().any(same) {
            known.push(exemplar);
            self.count += 1;
        }
    }
}

/// Finds exemplars.
pub(super) async fn find(
    view: &View,
    tenant: &TenantId,
    selectors: &[Selector],
    max: usize,
) -> Result<Vec<(LabelSet, Vec<Exemplar>)>> {
    let mut found = Found { selectors, max, count: 0, series: BTreeMap::new() };
    heads(view, tenant, &mut found);
    for meta in blocks(view, tenant, selectors) {
        if found.is_full() {
            break;
        }
        block(view, &meta, &mut found).await?;
    }
    let sorted = |(labels, mut list): (LabelSet, Vec<Exemplar>)| {
        list.sort_by_key(|exemplar| exemplar.time_ms);
        (labels, list)
    };
    Ok(found.series.into_iter().map(sorted).collect())
}

fn heads(view: &View, tenant: &TenantId, found: &mut Found<'_>) {
    for generation in view.heads.iter().rev() {
        let Some(part) = generation.tenant(tenant) else { continue };
        // Labels are put together once per series.
        let mut labels: HashMap<*const SeriesEntry, LabelSet> = HashMap::default();
        for (series, exemplar) in part.columns.exemplars().into_iter().rev() {
            if found.is_full() {
                return;
            }
            if !found.fits_time(exemplar.time_ms) {
                continue;
            }
            let labels = labels.entry(Arc::as_ptr(&series)).or_insert_with(|| series.labels());
            if found.fits(labels, exemplar.time_ms) {
                found.add(labels.clone(), exemplar);
            }
        }
    }
}

/// Returns the blocks that may have some, newest first.
fn blocks(view: &View, tenant: &TenantId, selectors: &[Selector]) -> Vec<Arc<BlockMeta>> {
    let may_have = |meta: &&Arc<BlockMeta>| {
        let own = TimeRange { start_ms: meta.time_min_ms, end_ms: meta.time_max_ms };
        let fits =
            |s: &Selector| view.is_kind(meta, kind::EXEMPLARS, s.range) && own.overlaps(s.range);
        selectors.iter().any(fits) && view.reaches(meta)
    };
    let mut blocks: Vec<Arc<BlockMeta>> =
        view.blocks(tenant, Signal::Metrics).filter(may_have).cloned().collect();
    blocks.sort_by_key(|meta| std::cmp::Reverse(meta.time_max_ms));
    blocks
}

async fn block(view: &View, meta: &Arc<BlockMeta>, found: &mut Found<'_>) -> Result<()> {
    let block = view.blocks.open(meta).await?;
    let erased = Erased::new(&view.catalog.erased_in(meta))?;
    let mut decoding = None;
    while let Some(batch) = view.blocks.every_row(&block, &mut decoding, BATCH_ROWS).await? {
        let exemplars = read_exemplars(&batch).ok_or_else(|| {
            Error::corrupt(format!("block {} lacks fixed columns", block.object()))
        })?;
        for (key, exemplar) in read_keys(&block.meta, &batch).into_iter().zip(exemplars) {
            if found.is_full() {
                return Ok(());
            }
            let labels = key.label_set();
            if !found.fits(&labels, exemplar.time_ms) {
                continue;
            }
            let gone = !erased.is_empty()
                && erased.times(&labels).iter().any(|range| range.contains(exemplar.time_ms));
            if !gone {
                found.add(labels, exemplar);
            }
        }
    }
    Ok(())
}
