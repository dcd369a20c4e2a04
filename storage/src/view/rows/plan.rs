//! Scan → parts: what the catalog and the head's batches cannot rule out.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch};
use futures::StreamExt;
use tarn_model::error::{Error, Result};
use tarn_model::matcher::Matcher;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;

use super::block::{Share, time_max_us, time_min_us};
use super::{
    Place, RowColumn, RowFilter, RowOrder, RowPart, RowPrune, RowScan, RowSchema, RowSource,
    RowTest, ScanStats, head,
};
use crate::block::{BlockMeta, summary};
use crate::head::tables::TableBatch;
use crate::retain::erase::Erased;
use crate::schema::tables::{Table, column};
use crate::view::View;

/// Rows of one part of a block: a row group of logs, two of spans.
const PART_ROWS: u64 = 128 << 10;

impl View {
    /// Plans a scan. Reads nothing: blocks are opened by the parts. A query with several scans pins
    /// the view first ([`View::pinned`]), so that all of them see the same rows (VIS-2).
    ///
    /// # Errors
    /// `Invalid` where the table lacks a column.
    pub fn rows(self: &Arc<Self>, tenant: &TenantId, scan: RowScan) -> Result<RowSource> {
        scan.schema()?;
        for filter in &scan.filters {
            filter.columns.iter().try_for_each(|c| super::field(scan.table, c).map(drop))?;
        }
        let (scan, stats) = (Arc::new(scan), Arc::<ScanStats>::default());
        let mut parts = Vec::new();
        for generation in self.head_batches(tenant, scan.table) {
            let batches = head::parts(generation, &scan).into_iter();
            parts.extend(batches.map(|batches| head_part(batches, &scan, &stats)));
        }
        let range = TimeRange {
            start_ms: scan.prune.start_us.div_euclid(1000),
            end_ms: scan.prune.end_us.div_euclid(1000),
        };
        let blocks = self.blocks(tenant, scan.table.signal());
        for meta in blocks.filter(|meta| self.is_kind(meta, scan.table.as_str(), range)) {
            ScanStats::add(&stats.blocks, 1);
            if may_match(meta, &scan.prune) && self.reaches(meta) {
                let scan = self.without_erased(meta, &scan)?;
                self.add_block(meta, &scan, &stats, &mut parts);
            } else {
                ScanStats::add(&stats.blocks_pruned, 1);
            }
        }
        if !parts.is_empty() {
            self.usage().scanned(tenant, &scan);
        }
        match scan.order {
            RowOrder::Any => {}
            RowOrder::NewestFirst => parts.sort_by_key(|part| Reverse(part.time_max_us)),
            RowOrder::OldestFirst => parts.sort_by_key(|part| part.time_min_us),
        }
        Ok(RowSource { parts, stats })
    }

    /// Returns the scan with a first filter that leaves out what is erased in a block.
    fn without_erased(&self, meta: &BlockMeta, scan: &Arc<RowScan>) -> Result<Arc<RowScan>> {
        let tombstones = self.catalog.erased_in(meta);
        if tombstones.is_empty() {
            return Ok(Arc::clone(scan));
        }
        let mut own = RowScan::clone(scan);
        own.filters.insert(0, Erased::new(&tombstones)?.filter(scan.table));
        Ok(Arc::new(own))
    }

    fn add_block(
        &self,
        meta: &Arc<BlockMeta>,
        scan: &Arc<RowScan>,
        stats: &Arc<ScanStats>,
        parts: &mut Vec<RowPart>,
    ) {
        // In an order of time, the pages of all row groups are read in one.
        let shares = match scan.order {
            RowOrder::Any => meta.rows.div_ceil(PART_ROWS).max(1),
            RowOrder::NewestFirst | RowOrder::OldestFirst => 1,
        };
        parts.extend((0..shares).map(|number| RowPart {
            rows: meta.rows / shares,
            time_min_us: time_min_us(meta),
            time_max_us: time_max_us(meta),
            place: Place::Block {
                blocks: Arc::clone(&self.blocks),
                meta: Arc::clone(meta),
                share: Share { number, parts: shares },
            },
            scan: Arc::clone(scan),
            stats: Arc::clone(stats),
        }));
    }

    /// Returns what columns a scan of a time range (µs, inclusive) may meet. Opens no block.
    pub fn row_schema(
        &self,
        tenant: &TenantId,
        table: Table,
        start_us: i64,
        end_us: i64,
    ) -> RowSchema {
        let mut promoted = BTreeSet::new();
        let mut rows = 0;
        let blocks = self.row_blocks(tenant, table);
        let inside = |meta: &&Arc<BlockMeta>| overlaps(meta, start_us, end_us);
        for meta in blocks.filter(inside) {
            promoted.extend(meta.attributes.iter().map(|own| own.name.clone()));
            rows += meta.rows;
        }
        let batches = self.head_batches(tenant, table);
        rows += batches.iter().flatten().map(|b| b.rows.num_rows() as u64).sum::<u64>();
        RowSchema { promoted: promoted.into_iter().collect(), rows }
    }

    /// Returns whether some span of a trace is stored. The index of trace ids answers for nearly all
    /// blocks that have none.
    ///
    /// # Errors
    /// As [`RowPart::read`].
    pub async fn has_trace(
        self: &Arc<Self>,
        tenant: &TenantId,
        trace_id: &[u8; 16],
    ) -> Result<bool> {
        self.has_rows_of(tenant, Table::Spans, trace_id).await
    }

    /// Returns whether some row of a table belongs to a trace.
    ///
    /// # Errors
    /// As [`RowPart::read`].
    pub async fn has_rows_of(
        self: &Arc<Self>,
        tenant: &TenantId,
        table: Table,
        trace_id: &[u8; 16],
    ) -> Result<bool> {
        let mut scan = RowScan::new(table, Vec::new());
        scan.order = RowOrder::NewestFirst;
        scan.prune.trace_ids = Some(vec![*trace_id]);
        let columns = vec![RowColumn::Stored(column::TRACE_ID.into())];
        scan.filters.push(RowFilter { columns, test: Arc::new(OfTrace(*trace_id)) });
        let source = self.rows(tenant, scan)?;
        for part in source.parts {
            let mut batches = part.read();
            if let Some(batch) = batches.next().await {
                batch?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn row_blocks(&self, tenant: &TenantId, table: Table) -> impl Iterator<Item = &Arc<BlockMeta>> {
        let blocks = self.blocks(tenant, table.signal());
        blocks.filter(move |meta| meta.kind == table.as_str())
    }
}

fn head_part(
    batches: Vec<Arc<TableBatch>>,
    scan: &Arc<RowScan>,
    stats: &Arc<ScanStats>,
) -> RowPart {
    RowPart {
        rows: batches.iter().map(|batch| batch.rows.num_rows() as u64).sum(),
        time_min_us: batches.iter().map(|batch| batch.time_min_us).min().unwrap_or(i64::MAX),
        time_max_us: batches.iter().map(|batch| batch.time_max_us).max().unwrap_or(i64::MIN),
        place: Place::Head(batches),
        scan: Arc::clone(scan),
        stats: Arc::clone(stats),
    }
}

fn overlaps(meta: &BlockMeta, start_us: i64, end_us: i64) -> bool {
    time_min_us(meta) <= end_us && start_us <= time_max_us(meta)
}

/// Returns whether a block can hold what a scan looks for, by what the catalog knows.
fn may_match(meta: &BlockMeta, prune: &RowPrune) -> bool {
    let any = |column: &str, wanted: &Option<Vec<String>>| {
        let summary = meta.values.iter().find(|summary| summary.label == column);
        match (wanted, summary) {
            (Some(wanted), Some(summary)) => wanted
                .iter()
                .any(|value| summary::may_match(summary, &Matcher::equal(column, value))),
            _ => true,
        }
    };
    overlaps(meta, prune.start_us, prune.end_us)
        && any(column::SERVICE_NAME, &prune.services)
        && any(column::NAME, &prune.names)
}

/// Keeps the rows of one trace.
#[derive(Debug)]
struct OfTrace([u8; 16]);

impl RowTest for OfTrace {
    fn test(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let ids = batch
            .columns()
            .first()
            .and_then(|ids| ids.as_fixed_size_binary_opt())
            .ok_or_else(|| Error::internal("trace ids are no bytes"))?;
        let is = |row: usize| ids.is_valid(row) && *ids.value(row) == self.0;
        Ok((0..ids.len()).map(|row| Some(is(row))).collect())
    }
}
