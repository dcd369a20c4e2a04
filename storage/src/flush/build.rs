//! A frozen head generation → blocks.
//!
//! Series are sorted by their labels without spelling them out: the interned pairs are ranked once,
//! and a series is then a short list of ranks. Each series' samples are cut into slices, day by
//! day; the most recent days become blocks of their own, all older rows one `late` block.
//!
//! Samples that came late become slices with timelines of their own, so that they do not spoil the
//! timeline which the series shares with others; only a late sample at an existing tick replaces
//! what is there (ORD-1).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use tarn_model::error::{Error, Result};
use tarn_model::map::HashMap;
use tarn_model::rng::Rng;
use tarn_model::sample::Metadata;
use tarn_model::signal::Signal;
use tarn_model::time::TimeRange;

use crate::block::LsnRange;
use crate::block::seal::Origin;
use crate::block::table::{SeriesInfo, SliceTable};
use crate::block::writer::write_slices;
use crate::flush::cut::{Partition, day_of};
use crate::flush::pieces::{Days, Faults, Pieces};
use crate::flush::tables::{self, TableOrigin};
use crate::head::columns::SeriesSnapshot;
use crate::head::pairs::PairId;
use crate::head::{HeadGeneration, TenantHead, TenantPart};
use crate::schema::rank;
use crate::schema::tables::Table;
use crate::usage::Usage;

pub use crate::block::seal::NewBlock;

/// Days that get blocks of their own in one flush; rows of older days share one block.
pub(super) const DAYS_MAX: usize = 8;
/// The partition of rows of older days.
pub(crate) const LATE: &str = "late";

/// What a build needs to know beside the rows.
#[derive(Debug, Clone, Copy)]
pub struct BuildContext<'a> {
    /// Id of the writer, 32 hex digits.
    pub writer: &'a str,
    /// Its epoch.
    pub epoch: u64,
    /// Source of block names.
    pub rng: &'a dyn Rng,
    /// Wall time.
    pub now_ms: i64,
    /// What queries have asked for.
    pub usage: &'a Usage,
}

/// Builds the blocks of a generation that was cut.
///
/// # Errors
/// `Internal` where the generation was not cut or the block writer refuses it: a bug.
pub fn build(generation: &HeadGeneration, context: &BuildContext<'_>) -> Result<Vec<NewBlock>> {
    pieces(generation, context, &Faults::default())?.whole()
}

/// As [`build`], partition by partition: one that fails spoils no other.
pub(crate) fn pieces(
    generation: &HeadGeneration,
    context: &BuildContext<'_>,
    faults: &Faults,
) -> Result<Pieces> {
    let lsn = positions(generation, context)?;
    let mut pieces = Pieces::new(faults);
    for part in generation.tenants() {
        let maker = Maker { part: &part, context, lsn: &lsn };
        let tenant = &part.head.id;
        pieces.guard((tenant, Signal::Metrics), |pieces| {
            maker.slices(pieces);
            maker.exemplars(pieces);
            maker.families(pieces);
            Ok(())
        });
        for table in [Table::Logs, Table::Spans] {
            pieces.guard((tenant, table.signal()), |pieces| maker.table(table, pieces));
        }
    }
    Ok(pieces)
}

/// Returns the positions of the log that a generation holds.
pub(crate) fn positions(
    generation: &HeadGeneration,
    context: &BuildContext<'_>,
) -> Result<LsnRange> {
    let last = generation.last().ok_or_else(|| Error::internal("build a head that is not cut"))?;
    let (writer, epoch) = (context.writer.to_owned(), context.epoch);
    Ok(LsnRange { writer, epoch, lo: generation.first().0, hi: last.0 })
}

pub(super) struct Maker<'a> {
    pub(super) part: &'a TenantPart,
    pub(super) context: &'a BuildContext<'a>,
    pub(super) lsn: &'a LsnRange,
}

impl<'a> Maker<'a> {
    pub(super) fn origin(&self, Days { day, days, .. }: Days, shard: u32) -> Origin<'a> {
        let tenant = &self.part.head.id;
        let origin = Origin::flushed(tenant, (day, days), shard, self.lsn, self.context.rng);
        Origin { overlaps: self.part.columns.out_of_order(), ..origin }
    }

    fn slices(&self, pieces: &mut Pieces) {
        let series = sorted_series(self.part);
        let mut days: BTreeMap<i64, Partition> = BTreeMap::new();
        for (number, snapshot) in series.iter().enumerate() {
            let copied = self.part.columns.copy(snapshot, TimeRange::ALL);
            Partition::add_series(&mut days, number as u32, copied);
        }
        let mut late = Partition::default();
        let mut late_days = Vec::new();
        while days.len() > DAYS_MAX
            && let Some((day, partition)) = days.pop_first()
        {
            late.absorb(partition);
            late_days.push(day);
        }
        let families = Families::new(&self.part.head);
        let info = |number: u32| families.info(&series[number as usize]);
        let mut shard = 0;
        let mut write = |partition: Partition, days: Days| {
            if partition.is_empty() {
                return;
            }
            pieces.add((&self.part.head.id, Signal::Metrics), days.clone(), || {
                let table: SliceTable<'_> = partition.table(&info);
                write_slices(&table, &self.origin(days, shard))
            });
            shard += 1;
        };
        write(late, Days::late(&late_days));
        for (day, partition) in days {
            write(partition, Days::one(day));
        }
    }

    /// Log records or spans.
    fn table(&self, table: Table, pieces: &mut Pieces) -> Result<()> {
        let snapshot = self.part.tables.snapshot();
        let Self { lsn, context, .. } = *self;
        let tenant = &self.part.head.id;
        let origin = TableOrigin { tenant, lsn, context };
        let batches: Vec<RecordBatch> =
            snapshot.of(table).iter().map(|batch| batch.rows.clone()).collect();
        tables::add(table, &batches, &origin, pieces)
    }

    pub(super) fn today(&self) -> i64 {
        day_of(self.context.now_ms)
    }
}

/// Finds the metadata of neighbouring series, which mostly are of one metric.
struct Families<'a> {
    head: &'a TenantHead,
    last: parking_lot::Mutex<Option<(Arc<str>, Metadata)>>,
}

impl<'a> Families<'a> {
    fn new(head: &'a TenantHead) -> Self {
        Self { head, last: parking_lot::Mutex::new(None) }
    }

    fn info(&self, series: &SeriesSnapshot) -> SeriesInfo {
        let labels = series.entry.labels();
        let mut last = self.last.lock();
        let metric = labels.metric();
        if last.as_ref().is_none_or(|(name, _)| **name != *metric) {
            let family = self.head.family_of(metric).unwrap_or_default();
            *last = Some((metric.into(), family));
        }
        let family = last.as_ref().map(|(_, family)| family.clone()).unwrap_or_default();
        drop(last);
        SeriesInfo { labels, metric_type: family.metric_type, unit: family.unit }
    }
}

/// Returns all series of a tenant in the order of [`SortKey`](crate::schema::SortKey).
fn sorted_series(part: &TenantPart) -> Vec<SeriesSnapshot> {
    let slots: Vec<u32> = (0..part.columns.series()).collect();
    let Some(series) = part.columns.snapshot(&[(slots, TimeRange::ALL)]).pop() else {
        return Vec::new();
    };
    let ranks = pair_ranks(part);
    let mut keyed: Vec<(Box<[u32]>, SeriesSnapshot)> = series
        .into_iter()
        .map(|series| {
            let rank = |pair: &PairId| ranks.get(pair).copied().unwrap_or((u32::MAX, u32::MAX));
            let mut pairs: Vec<(u32, u32)> = series.entry.pairs.iter().map(rank).collect();
            pairs.sort_unstable();
            (pairs.into_iter().map(|(_, key)| key).collect(), series)
        })
        .collect();
    keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    keyed.into_iter().map(|(_, series)| series).collect()
}

/// Ranks all pairs: (place of the name, key). Where two series differ in a name, the one with the
/// later name lacks the earlier one and sorts first; so keys fall with names and rise with values,
/// and comparing lists of keys is comparing series.
fn pair_ranks(part: &TenantPart) -> HashMap<PairId, (u32, u32)> {
    let mut pairs = Vec::new();
    part.head.table.pairs.each(None, |label, id| {
        pairs.push((Arc::clone(&label.name), Arc::clone(&label.value), id));
    });
    let mut names: Vec<Arc<str>> = pairs.iter().map(|p| Arc::clone(&p.0)).collect();
    names.sort_unstable_by(|a, b| rank(a).cmp(&rank(b)));
    names.dedup();
    let places: HashMap<Arc<str>, u32> =
        names.into_iter().enumerate().map(|(i, name)| (name, i as u32)).collect();
    let mut placed: Vec<(u32, Arc<str>, PairId)> =
        pairs.into_iter().map(|(name, value, id)| (places[&name], value, id)).collect();
    placed.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    placed.into_iter().enumerate().map(|(key, (place, _, id))| (id, (place, key as u32))).collect()
}
