//! Rows that a search finds, batch by batch, within the terms of its query.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{BooleanArray, RecordBatch};
use futures::StreamExt as _;
use tarn_model::error::{Error, Result};
use tarn_model::limits::Limit;
use tarn_model::tenant::TenantId;
use tarn_promql::query::Hooks as _;
use tarn_storage::schema::tables::Table;
use tarn_storage::view::View;
use tarn_storage::view::rows::{
    RowColumn, RowFilter, RowOrder, RowPrune, RowScan, RowTest, ScanStats,
};

use super::filter::row_filter;
use super::plan::Plan;
use crate::govern::Running;
use crate::govern::memory::Account;

/// What reading has cost.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Rows that were looked at.
    pub(crate) rows_scanned: u64,
    /// Bytes read from the store.
    pub(crate) bytes: u64,
    /// Pages read.
    pub(crate) pages: u64,
    /// Pages that needed not be read.
    pub(crate) pages_pruned: u64,
    /// Blocks that were opened or could have been.
    pub(crate) files: u64,
    /// Blocks that needed not be opened.
    pub(crate) files_pruned: u64,
}

impl Cost {
    /// Adds what another scan has cost.
    pub(crate) fn plus(&mut self, other: Self) {
        self.rows_scanned += other.rows_scanned;
        self.bytes += other.bytes;
        self.pages += other.pages;
        self.pages_pruned += other.pages_pruned;
        self.files += other.files;
        self.files_pruned += other.files_pruned;
    }

    fn add(&mut self, stats: &ScanStats) {
        let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        self.rows_scanned += get(&stats.rows_scanned);
        self.bytes += get(&stats.bytes);
        self.pages += get(&stats.pages);
        self.pages_pruned += get(&stats.pages_pruned);
        self.files += get(&stats.blocks);
        self.files_pruned += get(&stats.blocks_pruned);
    }
}

/// A time range in µs, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start_us: i64,
    pub(crate) end_us: i64,
}

impl Range {
    /// All times.
    pub(crate) const ALL: Self = Self { start_us: i64::MIN, end_us: i64::MAX };

    /// Returns the range with its open ends where `extent` has them; the epoch where there is none.
    pub(crate) fn closed(self, extent: Option<(i64, i64)>) -> Self {
        let (first, last) = extent.unwrap_or((0, 0));
        let open_end = self.end_us == Self::ALL.end_us;
        let open_start = self.start_us == Self::ALL.start_us;
        let end_us = if open_end { last.max(self.start_us) } else { self.end_us };
        let start_us = if open_start { first.min(end_us) } else { self.start_us };
        Self { start_us, end_us }
    }
}

/// Whether everything was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    /// The query's time was over before.
    OutOfTime,
}

/// Scans on behalf of one query, over one view.
pub(crate) struct Scanner<'a> {
    view: Arc<View>,
    tenant: &'a TenantId,
    running: &'a Running,
    account: &'a Account,
    reserved: u64,
    kept: u64,
    cost: Cost,
}

impl<'a> Scanner<'a> {
    /// Pins the view: all scans see the same rows (VIS-2).
    pub(crate) fn new(
        view: &View,
        tenant: &'a TenantId,
        running: &'a Running,
        account: &'a Account,
    ) -> Self {
        let view = view.pinned(tenant);
        Self { view, tenant, running, account, reserved: 0, kept: 0, cost: Cost::default() }
    }

    /// Returns what all scans have cost.
    pub(crate) fn cost(&self) -> Cost {
        self.cost
    }

    /// Returns how much all scans together may hold.
    pub(crate) fn memory_bytes_max(&self) -> u64 {
        self.running.memory_bytes_max()
    }

    /// Goes on holding what the last scan left; the next holds its own besides.
    pub(crate) fn keep(&mut self) {
        self.kept = self.reserved;
    }

    /// Returns between which times a plan may find rows, µs, both included, from what the catalog knows;
    /// `None` where it finds none.
    pub(crate) fn extent(
        &self,
        table: Table,
        plan: &Plan,
        range: Range,
    ) -> Result<Option<(i64, i64)>> {
        let scan = RowScan { prune: prune(plan, range), ..RowScan::new(table, Vec::new()) };
        let parts = self.view.rows(self.tenant, scan)?.parts;
        let first = parts.iter().map(|part| part.time_min_us).min();
        Ok(first.zip(parts.iter().map(|part| part.time_max_us).max()))
    }

    /// Returns the names of promoted columns that blocks of a range have.
    pub(crate) fn promoted(&self, table: Table, range: Range) -> Vec<String> {
        self.view.row_schema(self.tenant, table, range.start_us, range.end_us).promoted
    }

    /// Shows `see` every batch of a scan, until its time is over. `see` returns what it
    /// holds then, in bytes.
    pub(crate) async fn run(
        &mut self,
        scan: RowScan,
        mut see: impl FnMut(&RecordBatch) -> Result<u64> + Send,
    ) -> Result<End> {
        let is_ordered = scan.order != RowOrder::Any;
        let mut source = self.view.rows(self.tenant, scan)?;
        let stats = source.stats;
        // Whatever is not reached in time is the oldest.
        if !is_ordered {
            source.parts.sort_by_key(|part| std::cmp::Reverse(part.time_max_us));
        }
        let mut end = if self.is_over() { End::OutOfTime } else { End::Whole };
        let running = self.running;
        let mut expired = std::pin::pin!(running.expired());
        'parts: for part in source.parts {
            if !part.is_needed() {
                continue;
            }
            let mut batches = part.read();
            loop {
                // The timer ends a read that waits; batches that are there may outrun it.
                if self.is_over() {
                    end = End::OutOfTime;
                    break 'parts;
                }
                let batch = tokio::select! {
                    biased;
                    () = &mut expired => {
                        end = End::OutOfTime;
                        break 'parts;
                    }
                    batch = batches.next() => batch,
                };
                let Some(batch) = batch else { break };
                let bytes = see(&batch?)?;
                self.hold(self.kept.saturating_add(bytes))?;
                tokio::task::coop::consume_budget().await;
            }
        }
        self.cost.add(&stats);
        Ok(end)
    }

    fn is_over(&self) -> bool {
        self.account.interrupted().is_some()
    }

    /// Accounts for all that the query holds now.
    fn hold(&mut self, bytes: u64) -> Result<()> {
        let max = self.running.memory_bytes_max();
        if bytes > max {
            let message = format!("the search needs {bytes} bytes, limit is {max}");
            return Err(Error::over(Limit::QueryMemory, message));
        }
        if bytes > self.reserved {
            if !self.account.reserve(bytes - self.reserved) {
                let message =
                    format!("memory of all queries is used up: the search needs {bytes} bytes");
                return Err(Error::over(Limit::QueriesMemory, message));
            }
        } else {
            self.account.release(self.reserved - bytes);
        }
        self.reserved = bytes;
        Ok(())
    }
}

/// Makes the scan of a plan, newest rows first.
///
/// # Errors
/// `Invalid` where the table lacks a column.
pub(crate) fn row_scan(
    table: Table,
    columns: Vec<RowColumn>,
    plan: &Plan,
    range: Range,
) -> Result<RowScan> {
    let mut scan = unordered(table, columns, plan, range)?;
    if range != Range::ALL {
        scan.filters.insert(0, within(table, range));
    }
    scan.order = RowOrder::NewestFirst;
    Ok(scan)
}

/// Makes the scan of a plan for someone who wants all rows, in any order, and leaves out those beyond
/// the range himself: pages that lie in it whole need no look at their times.
///
/// # Errors
/// `Invalid` where the table lacks a column.
pub(crate) fn unordered(
    table: Table,
    columns: Vec<RowColumn>,
    plan: &Plan,
    range: Range,
) -> Result<RowScan> {
    let mut scan = RowScan { prune: prune(plan, range), ..RowScan::new(table, columns) };
    for condition in &plan.conditions {
        scan.filters.push(row_filter(table, condition)?);
    }
    Ok(scan)
}

fn prune(plan: &Plan, range: Range) -> RowPrune {
    let Range { start_us, end_us } = range;
    RowPrune { start_us, end_us, ..plan.prune.clone() }
}

/// Returns the filter that keeps rows of a time range.
fn within(table: Table, range: Range) -> RowFilter {
    let columns = vec![RowColumn::Stored(table.time_column().into())];
    RowFilter { columns, test: Arc::new(Within(range)) }
}

#[derive(Debug)]
struct Within(Range);

impl RowTest for Within {
    fn test(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let times =
            batch.columns().first().and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.ok_or_else(|| Error::internal("read rows: the time is no timestamp"))?;
        let Range { start_us, end_us } = self.0;
        let is_within = |us: &i64| *us >= start_us && *us <= end_us;
        Ok(times.values().iter().map(|us| Some(is_within(us))).collect())
    }
}
