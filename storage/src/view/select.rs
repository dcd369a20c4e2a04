//! Selectors → series: which places hold samples of which series.
//!
//! Every generation and every block that the catalog cannot rule out is asked for the series that
//! match. Series of equal labels come together, whatever they were found in. Samples are not read
//! here, but their number is fixed: all lengths of the active generation are taken under one lock,
//! for all selectors. Series of which everything is erased are not found.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use tarn_model::error::{Error, Result};
use tarn_model::labels::{LabelSet, METRIC_NAME, SeriesId};
use tarn_model::limits::Limit;
use tarn_model::map::HashMap;
use tarn_model::sample::MetricType;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;

use crate::block::BlockMeta;
use crate::block::reader::{BlockSeries, OpenBlock, RowSlice, may_match};
use crate::catalog::state::rank;
use crate::head::TenantPart;
use crate::head::columns::SeriesSnapshot;
use crate::retain::erase::Erased;
use crate::schema::kind;
use crate::slice::Rank;
use crate::view::{ScanLimits, SelectedSeries, Selector, View};

/// What a label costs in a label set: two pointers with lengths.
const LABEL_BYTES: u64 = 32;
/// Blocks looked up at once: hides the latency of a bucket.
const LOOKUPS: usize = 8;
/// What a series costs beyond its labels while it is selected.
const SERIES_BYTES: u64 = 160;

/// The series of one selector, sorted by labels.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) range: TimeRange,
    pub(super) series: Vec<FoundSeries>,
}

#[derive(Debug)]
pub(super) struct FoundSeries {
    pub(super) selected: SelectedSeries,
    pub(super) sources: Vec<Source>,
}

/// Where samples of a series are.
#[derive(Debug)]
pub(super) enum Source {
    Head { order: Rank, part: Arc<TenantPart>, series: SeriesSnapshot },
    Block { order: Rank, block: Arc<OpenBlock>, series: BlockSeries, erased: Vec<TimeRange> },
}

/// Resolves selectors together.
pub(super) async fn resolve(
    view: &View,
    tenant: &TenantId,
    selectors: &[Selector],
    limits: ScanLimits,
) -> Result<Vec<Found>> {
    let mut budget = Budget { limits, series: 0, bytes: 0 };
    let mut collected: Vec<Collected> = selectors.iter().map(|_| Collected::default()).collect();
    // The heads first: what is appended while blocks are being read is not seen.
    for (order, part, snapshots) in heads(view, tenant, selectors) {
        for (into, snapshot) in collected.iter_mut().zip(snapshots) {
            for series in snapshot {
                into.add_head(order, &part, series, &mut budget)?;
            }
        }
    }
    let mut lookups = stream::iter(lookups(view, tenant, selectors))
        .map(|(at, meta)| async move {
            let block = view.blocks.open(&meta).await?;
            let matched = view.blocks.matching(&block, &selectors[at].matchers).await?;
            let erased = Erased::new(&view.catalog.erased_in(&meta))?;
            // An open block may be older than its commit; what the view says of it counts.
            let (seq, lsn) = rank(&meta);
            let order = Rank(seq, lsn);
            Ok::<_, Error>((
                at,
                Asked { order, block, erased, range: selectors[at].range },
                matched,
            ))
        })
        .buffered(LOOKUPS);
    while let Some((at, asked, matched)) = lookups.try_next().await? {
        for series in matched.iter() {
            collected[at].add_block(&asked, series, &mut budget)?;
        }
    }
    drop(lookups);
    let known = view.head.known_tenant(tenant);
    let family = |metric: &str| {
        known
            .as_ref()
            .and_then(|t| t.family_of(metric))
            .map_or(MetricType::Unknown, |f| f.metric_type)
    };
    Ok(collected.into_iter().zip(selectors).map(|(c, s)| c.finish(s.range, family)).collect())
}

/// Returns which selectors are to be looked up in which blocks. Owned, because a stream over
/// references is not provably `Send` where the future is spawned.
fn lookups(view: &View, tenant: &TenantId, selectors: &[Selector]) -> Vec<(usize, Arc<BlockMeta>)> {
    let blocks = view.blocks(tenant, Signal::Metrics);
    blocks
        .filter(|meta| selectors.iter().any(|s| view.is_kind(meta, kind::SLICES, s.range)))
        .flat_map(|meta| {
            let wanted = selectors.iter().enumerate();
            let wanted = wanted.filter(|(_, s)| may_match(meta, s) && view.reaches(meta));
            wanted.map(move |(at, _)| (at, Arc::clone(meta)))
        })
        .collect()
}

/// Takes what matches in every generation, each under one lock.
fn heads(
    view: &View,
    tenant: &TenantId,
    selectors: &[Selector],
) -> Vec<(Rank, Arc<TenantPart>, Vec<Vec<SeriesSnapshot>>)> {
    let parts = view.heads.iter().filter_map(|generation| {
        // All blocks come before all generations, whoever wrote them.
        Some((Rank(u64::MAX, generation.first().0), generation.tenant(tenant)?))
    });
    let counted = parts.map(|(order, part)| (order, part.columns.series(), part));
    let counted: Vec<_> = counted.collect();
    counted
        .into_iter()
        .map(|(order, series, part)| {
            let lists: Vec<(Vec<u32>, TimeRange)> = selectors
                .iter()
                .map(|s| (part.columns.matching(&s.matchers, series), s.range))
                .collect();
            let snapshots = part.columns.snapshot(&lists);
            (order, part, snapshots)
        })
        .collect()
}

/// A block, and what is asked of it.
struct Asked {
    order: Rank,
    block: Arc<OpenBlock>,
    erased: Erased,
    range: TimeRange,
}

/// Returns whether all samples of a row are erased. The time of a staleness marker stands in no row,
/// but no marker is behind the end of its block.
pub(super) fn is_erased(block: &OpenBlock, row: &RowSlice, erased: &[TimeRange]) -> bool {
    let last = if row.stale { block.meta.time_max_ms } else { row.ts_last };
    erased.iter().any(|range| range.start_ms <= row.ts_first && last <= range.end_ms)
}

struct Budget {
    limits: ScanLimits,
    series: u64,
    bytes: u64,
}

impl Budget {
    fn take(&mut self, labels: &LabelSet) -> Result<()> {
        self.series += 1;
        let series_max = self.limits.series_max;
        if self.series > series_max {
            let message = format!("query touches more than {series_max} series (query.series_max)");
            return Err(Error::over(Limit::QuerySeries, message));
        }
        self.check(SERIES_BYTES + labels.len() as u64 * LABEL_BYTES)
    }

    fn check(&mut self, more: u64) -> Result<()> {
        self.bytes += more;
        let bytes_max = self.limits.bytes_max;
        if self.bytes > bytes_max {
            let message = format!("labels of the query's series take more than {bytes_max} bytes");
            return Err(Error::over(Limit::QueryMemory, message));
        }
        Ok(())
    }
}

#[derive(Default)]
struct Collected {
    by_id: HashMap<SeriesId, usize>,
    series: Vec<(LabelSet, Vec<Source>)>,
}

impl Collected {
    fn add_head(
        &mut self,
        order: Rank,
        part: &Arc<TenantPart>,
        series: SeriesSnapshot,
        budget: &mut Budget,
    ) -> Result<()> {
        let entry = Arc::clone(&series.entry);
        let at = self.at(entry.id, || entry.labels(), budget)?;
        self.series[at].1.push(Source::Head { order, part: Arc::clone(part), series });
        budget.check(size_of::<Source>() as u64)
    }

    fn add_block(
        &mut self,
        asked: &Asked,
        series: &BlockSeries,
        budget: &mut Budget,
    ) -> Result<()> {
        let Asked { order, block, range, .. } = asked;
        let erased = asked.erased.times(&series.labels);
        let seen = |row: &RowSlice| row.may_overlap(*range) && !is_erased(block, row, &erased);
        if !series.rows.iter().any(seen) {
            return Ok(());
        }
        let labels = series.labels.clone();
        let at = self.at(labels.series_id(), || labels, budget)?;
        let (order, block, series) = (*order, Arc::clone(block), series.clone());
        self.series[at].1.push(Source::Block { order, block, series, erased });
        budget.check(size_of::<Source>() as u64)
    }

    fn at(
        &mut self,
        id: SeriesId,
        labels: impl FnOnce() -> LabelSet,
        budget: &mut Budget,
    ) -> Result<usize> {
        if let Some(at) = self.by_id.get(&id) {
            return Ok(*at);
        }
        let labels = labels();
        budget.take(&labels)?;
        let at = self.series.len();
        self.by_id.insert(id, at);
        // Most series are in one place: a list that grows by itself begins with room for four.
        self.series.push((labels, Vec::with_capacity(1)));
        Ok(at)
    }

    fn finish(mut self, range: TimeRange, family: impl Fn(&str) -> MetricType) -> Found {
        self.series.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut last: Option<(Arc<str>, MetricType)> = None;
        let mut type_of = |labels: &LabelSet| {
            let metric = labels.iter().find(|l| &*l.name == METRIC_NAME)?;
            if let Some((name, kind)) = &last
                && **name == *metric.value
            {
                return Some(*kind);
            }
            let kind = family(&metric.value);
            last = Some((Arc::clone(&metric.value), kind));
            Some(kind)
        };
        let series = self.series.into_iter().map(|(labels, sources)| {
            let told = sources.iter().find_map(|source| match source {
                Source::Block { series, .. } => Some(series.metric_type),
                Source::Head { .. } => None,
            });
            let metric_type = match type_of(&labels) {
                Some(MetricType::Unknown) | None => told.unwrap_or_default(),
                Some(kind) => kind,
            };
            FoundSeries { selected: SelectedSeries { labels, metric_type }, sources }
        });
        Found { range, series: series.collect() }
    }
}
