//! Batches of log records or spans → blocks.
//!
//! As for metrics, the most recent days become blocks of their own, all older rows one `late` block.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use tarn_model::error::Result;
use tarn_model::tenant::TenantId;

use super::build::{BuildContext, DAYS_MAX, NewBlock};
use super::cut::day_of;
use super::pieces::{Days, Pieces};
use crate::block::LsnRange;
use crate::block::promote::ASKED_MAX;
use crate::block::rows::{self, RowRef, Source};
use crate::block::seal::Origin;
use crate::schema::tables::Table;

/// Whose rows they are, and which positions of the log.
#[derive(Debug, Clone)]
pub struct TableOrigin<'a> {
    /// Tenant.
    pub tenant: &'a TenantId,
    /// Positions of the log.
    pub lsn: &'a LsnRange,
    /// What all builds of a flush share.
    pub context: &'a BuildContext<'a>,
}

impl TableOrigin<'_> {
    fn block(&self, Days { day, days, .. }: Days, shard: u32) -> Origin<'_> {
        Origin::flushed(self.tenant, (day, days), shard, self.lsn, self.context.rng)
    }
}

/// Builds the blocks of batches, which have the schema of the table and come in the order in which
/// they arrived. Without rows there is no block.
///
/// # Errors
/// `Internal` where a batch has another schema, or the block writer refuses the rows: a bug.
pub fn build(
    table: Table,
    batches: &[RecordBatch],
    origin: &TableOrigin<'_>,
) -> Result<Vec<NewBlock>> {
    let mut pieces = Pieces::default();
    add(table, batches, origin, &mut pieces)?;
    pieces.whole()
}

/// As [`build`], partition by partition.
pub(crate) fn add(
    table: Table,
    batches: &[RecordBatch],
    origin: &TableOrigin<'_>,
    pieces: &mut Pieces,
) -> Result<()> {
    let source = Source::new(table, batches)?;
    let mut days: BTreeMap<i64, Vec<RowRef>> = BTreeMap::new();
    for (batch, times) in source.times(table.time_column())?.iter().enumerate() {
        for (row, time_us) in times.values().iter().enumerate() {
            let day = day_of(time_us.div_euclid(1000));
            days.entry(day).or_default().push(RowRef { batch: batch as u32, row: row as u32 });
        }
    }
    let (mut late, mut late_days) = (Vec::new(), Vec::new());
    while days.len() > DAYS_MAX
        && let Some((day, rows)) = days.pop_first()
    {
        late.extend(rows);
        late_days.push(day);
    }
    let asked = origin.context.usage.keys(origin.tenant, table.signal(), ASKED_MAX);
    // Rows in the order of arrival again.
    late.sort_unstable();
    let late = (!late.is_empty()).then(|| (Days::late(&late_days), late));
    let recent = days.into_iter().map(|(day, rows)| (Days::one(day), rows));
    for (shard, (days, rows)) in late.into_iter().chain(recent).enumerate() {
        pieces.add((origin.tenant, table.signal()), days.clone(), || {
            rows::write(&source, rows, &asked, &origin.block(days, shard as u32))
        });
    }
    Ok(())
}
