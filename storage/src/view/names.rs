//! Label names, values, series and metadata, without reading samples.
//!
//! Without selectors the answers come from tables that exist anyway: the interned pairs of the
//! heads, the column lists of the catalog, and the dictionaries of label columns. With selectors
//! the series are resolved as for a query, and their labels are looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use tarn_model::error::{Error, Result};
use tarn_model::labels::{LabelSet, METRIC_NAME};
use tarn_model::limits::Limit;
use tarn_model::matcher::{MatchOp, Matcher};
use tarn_model::sample::Metadata;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;

use crate::block::BlockMeta;
use crate::block::reader::RowSlice;
use crate::retain::erase::Erased;
use crate::schema::kind;
use crate::view::select::{Found, is_erased, resolve};
use crate::view::{ScanLimits, Selector, View};

/// What is asked of names and values.
#[derive(Clone, Copy)]
pub(super) struct Query<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) selectors: &'a [Selector],
    pub(super) range: TimeRange,
    pub(super) limits: ScanLimits,
}

/// Returns the label sets that match any selector.
pub(super) async fn series(
    view: &View,
    tenant: &TenantId,
    selectors: &[Selector],
    limits: ScanLimits,
) -> Result<Vec<LabelSet>> {
    let found = resolve(view, tenant, selectors, limits).await?;
    let mut labels: Vec<LabelSet> = labels_of(found).collect();
    labels.sort_unstable();
    labels.dedup();
    Ok(labels)
}

fn labels_of(found: Vec<Found>) -> impl Iterator<Item = LabelSet> {
    found.into_iter().flat_map(|f| f.series).map(|s| s.selected.labels)
}

/// Returns the label names in use.
pub(super) async fn label_names(view: &View, query: Query<'_>) -> Result<Vec<String>> {
    let mut names = BTreeSet::new();
    if !query.selectors.is_empty() {
        let found = resolve(view, query.tenant, query.selectors, query.limits).await?;
        for labels in labels_of(found) {
            names.extend(labels.iter().map(|l| Arc::clone(&l.name)));
        }
        return Ok(names.iter().map(|n| (**n).to_owned()).collect());
    }
    each_pair(view, query, None, |name, _| {
        if !names.contains(name) {
            names.insert(name.into());
        }
    });
    for meta in blocks(view, query) {
        if !view.catalog.erased_in(meta).is_empty() {
            each_label(view, query, meta, |name, _| {
                if !names.contains(&**name) {
                    names.insert(Arc::clone(name));
                }
            })
            .await?;
            continue;
        }
        names.extend(meta.labels.iter().map(|l| Arc::from(l.name.as_str())));
        if meta.series > 0 {
            names.insert(METRIC_NAME.into());
        }
    }
    Ok(names.iter().map(|n| (**n).to_owned()).collect())
}

/// Returns the values of a label.
pub(super) async fn label_values(view: &View, name: &str, query: Query<'_>) -> Result<Vec<String>> {
    let mut values: BTreeSet<String> = BTreeSet::new();
    if !query.selectors.is_empty() {
        let found = resolve(view, query.tenant, query.selectors, query.limits).await?;
        let mut last = String::new();
        for labels in labels_of(found) {
            if let Some(value) = labels.get(name)
                && value != last
            {
                value.clone_into(&mut last);
                values.insert(value.to_owned());
            }
        }
        return Ok(values.into_iter().collect());
    }
    each_pair(view, query, Some(name), |_, value| {
        if !values.contains(value) {
            values.insert(value.to_owned());
        }
    });
    let present = Matcher::new(name, MatchOp::NotEqual, "")?;
    let selector = Selector { matchers: vec![present], range: query.range };
    for meta in blocks(view, query) {
        if crate::block::reader::may_match(meta, &selector) {
            if view.catalog.erased_in(meta).is_empty() {
                let block = view.blocks.open(meta).await?;
                view.blocks.label_values(&block, name, &mut values).await?;
            } else {
                let mut add = |own: &Arc<str>, value: &Arc<str>| {
                    if **own == *name && !values.contains(&**value) {
                        values.insert((**value).to_owned());
                    }
                };
                each_label(view, query, meta, &mut add).await?;
            }
            check_bytes(&values, query.limits)?;
        }
    }
    check_bytes(&values, query.limits)?;
    Ok(values.into_iter().collect())
}

/// Calls `each` with the labels of the series of a block of which something is left. Reads all of its
/// series, which lasts until the erased ones are merged away.
async fn each_label(
    view: &View,
    query: Query<'_>,
    meta: &Arc<BlockMeta>,
    mut each: impl FnMut(&Arc<str>, &Arc<str>) + Send,
) -> Result<()> {
    let erased = Erased::new(&view.catalog.erased_in(meta))?;
    let block = view.blocks.open(meta).await?;
    for series in view.blocks.matching(&block, &[]).await?.iter() {
        let times = erased.times(&series.labels);
        let seen = |row: &RowSlice| row.may_overlap(query.range) && !is_erased(&block, row, &times);
        if series.rows.iter().any(seen) {
            series.labels.iter().for_each(|label| each(&label.name, &label.value));
        }
    }
    Ok(())
}

fn check_bytes(values: &BTreeSet<String>, limits: ScanLimits) -> Result<()> {
    let bytes: u64 = values.iter().map(|v| (size_of::<String>() + v.len()) as u64).sum();
    let ScanLimits { bytes_max, .. } = limits;
    if bytes > bytes_max {
        let message = format!("label values take {bytes} bytes, limit is {bytes_max}");
        return Err(Error::over(Limit::QueryMemory, message));
    }
    Ok(())
}

fn blocks<'a>(view: &'a View, query: Query<'a>) -> impl Iterator<Item = &'a Arc<BlockMeta>> {
    view.blocks(query.tenant, Signal::Metrics).filter(move |meta| {
        let own = TimeRange { start_ms: meta.time_min_ms, end_ms: meta.time_max_ms };
        view.is_kind(meta, kind::SLICES, query.range)
            && own.overlaps(query.range)
            && view.reaches(meta)
    })
}

/// Calls `each` with the label pairs of all head series that may have samples in the range.
fn each_pair(view: &View, query: Query<'_>, name: Option<&str>, mut each: impl FnMut(&str, &str)) {
    for generation in &view.heads {
        if let Some(part) = generation.tenant(query.tenant) {
            part.columns.each_pair(name, query.range, &mut each);
        }
    }
}

/// Returns the metadata of the tenant's families.
pub(super) async fn families(view: &View, tenant: &TenantId) -> Result<Vec<(String, Metadata)>> {
    let mut families = std::collections::BTreeMap::new();
    for meta in view.blocks(tenant, Signal::Metrics) {
        if meta.kind == kind::FAMILIES && view.reaches(meta) {
            families.extend(view.blocks.families(meta).await?);
        }
    }
    if let Some(known) = view.head.known_tenant(tenant) {
        let known = known.families.read();
        families.extend(known.iter().map(|(name, m)| ((**name).to_owned(), m.clone())));
    }
    Ok(families.into_iter().collect())
}
