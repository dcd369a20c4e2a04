//! Rows of a block: which pages, in which order, decoded as far as filters let them.
//!
//! Pages are chosen by statistics and by the index of trace ids before any column is read, then read
//! in steps: a row group each, or, in an order of time, one page and then twice as many each time, so
//! that whoever wants few rows reads few pages and whoever wants all of them is not held up. Before each
//! step, pages beyond the scan's floor or ceiling are dropped. Inside a step the decoder runs the
//! filters in their order and decodes further columns only for rows that passed.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::stream::{self, BoxStream, StreamExt};
use tarn_model::error::Result;

use super::layout::{OwnColumn, Shape};
use super::work::{Failure, Work};
use super::{BATCH_ROWS, RowOrder, RowPrune, RowScan, ScanStats};
use crate::block::BlockMeta;
use crate::block::reader::pages::{Condition, Page, Wanted};
use crate::block::reader::tables::{Decoding, Rows};
use crate::block::reader::{Blocks, OpenBlock};
use crate::schema::tables::{Promoted, Table, column};

/// Pages of one step at most, in an order of time: about a row group.
const STEP_PAGES_MAX: usize = 16;

/// A share of a block's row groups: part `number` of `parts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) number: u64,
    pub(super) parts: u64,
}

impl Share {
    /// Returns whether a row group that begins with row `first` of `rows` belongs to the share.
    fn has(self, first: u32, rows: u64) -> bool {
        u64::from(first) * self.parts / rows.max(1) == self.number
    }
}

/// Reads a share of a block.
pub(super) fn read(
    blocks: Arc<Blocks>,
    meta: Arc<BlockMeta>,
    share: Share,
    scan: Arc<RowScan>,
    stats: Arc<ScanStats>,
) -> BoxStream<'static, Result<RecordBatch>> {
    let reading = Reading { blocks, meta, share, scan, stats, opened: None };
    let batches = stream::try_unfold(reading, |mut reading| async move {
        Ok(reading.next().await?.map(|batch| (batch, reading)))
    });
    batches.boxed()
}

struct Reading {
    blocks: Arc<Blocks>,
    meta: Arc<BlockMeta>,
    share: Share,
    scan: Arc<RowScan>,
    stats: Arc<ScanStats>,
    opened: Option<Opened>,
}

struct Opened {
    block: Arc<OpenBlock>,
    work: Work,
    needs: Vec<String>,
    /// In the order in which they are read.
    pages: VecDeque<Page>,
    /// Pages of the next step.
    step: usize,
    decoding: Option<(Decoding, Failure)>,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("object", &self.meta.object).finish_non_exhaustive()
    }
}

impl Reading {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if self.opened.is_none() {
            if !self.scan.needs(time_min_us(&self.meta), time_max_us(&self.meta)) {
                return Ok(None);
            }
            let Self { blocks, meta, share, scan, stats, .. } = &*self;
            self.opened = Some(open(blocks, meta, *share, scan, stats).await?);
        }
        let Self { blocks, scan, stats, opened, .. } = self;
        let Some(opened) = opened else { return Ok(None) };
        loop {
            let Some((decoding, failure)) = &mut opened.decoding else {
                opened.decoding = opened.begin(scan, stats)?;
                if opened.decoding.is_none() {
                    return Ok(None);
                }
                continue;
            };
            let decoded = blocks.next_rows(&opened.block, decoding, Some(stats)).await;
            match decoded.map_err(|error| failure.or(error))? {
                Some(rows) => {
                    if opened.work.takes_all() {
                        ScanStats::add(&stats.rows_scanned, rows.num_rows() as u64);
                    }
                    return opened.work.finish(&rows, stats).map(Some);
                }
                None => opened.decoding = None,
            }
        }
    }
}

/// Chooses the pages.
async fn open(
    blocks: &Blocks,
    meta: &Arc<BlockMeta>,
    share: Share,
    scan: &RowScan,
    stats: &ScanStats,
) -> Result<Opened> {
    let block = blocks.open_counted(meta, Some(stats)).await?;
    let work = Work::new(scan, &shape(scan.table, &block))?;
    let traces = match &scan.prune.trace_ids {
        Some(ids) => blocks.rows_of_traces(&block, ids, Some(stats)).await?,
        None => None,
    };
    let groups: Vec<usize> =
        block.groups().filter(|(_, rows)| share.has(rows.start, meta.rows)).map(|g| g.0).collect();
    let known = (time_min_us(meta), time_max_us(meta));
    let chosen = block.pages(
        scan.table.time_column(),
        known,
        &groups,
        &conditions(&scan.prune, scan.table),
        traces.as_deref(),
    );
    ScanStats::add(&stats.pages_pruned, chosen.pruned);
    let mut pages = chosen.pages;
    match scan.order {
        RowOrder::Any => {}
        RowOrder::NewestFirst => pages.sort_by_key(|page| Reverse(page.time_max_us)),
        RowOrder::OldestFirst => pages.sort_by_key(|page| page.time_min_us),
    }
    let needs = work.needs();
    Ok(Opened { block, work, needs, pages: pages.into(), step: 1, decoding: None })
}

impl Opened {
    /// Begins the next step; `None` where nothing is left.
    fn begin(
        &mut self,
        scan: &RowScan,
        stats: &Arc<ScanStats>,
    ) -> Result<Option<(Decoding, Failure)>> {
        let all = self.pages.len();
        self.pages.retain(|page| scan.needs(page.time_min_us, page.time_max_us));
        ScanStats::add(&stats.pages_pruned, (all - self.pages.len()) as u64);
        let Some(first) = self.pages.front() else { return Ok(None) };
        let taken = match scan.order {
            RowOrder::Any => self.pages.iter().take_while(|page| page.group == first.group).count(),
            RowOrder::NewestFirst | RowOrder::OldestFirst => self.step.min(self.pages.len()),
        };
        self.step = (self.step * 2).min(STEP_PAGES_MAX);
        let mut rows: Vec<_> = self.pages.drain(..taken).flat_map(|page| page.rows).collect();
        rows.sort_unstable_by_key(|range| range.start);
        ScanStats::add(&stats.pages, taken as u64);
        let failure = Failure::default();
        let decoding = self.block.decode(Rows {
            columns: &self.needs,
            rows: &rows,
            filters: self.work.predicates(&self.block, scan, stats, &failure),
            batch: BATCH_ROWS,
        })?;
        Ok(decoding.map(|decoding| (decoding, failure)))
    }
}

/// Returns the earliest time of a block; the catalog rounds down to ms.
pub(super) fn time_min_us(meta: &BlockMeta) -> i64 {
    meta.time_min_ms.saturating_mul(1000)
}

/// Returns a time that no row of the block is beyond.
pub(super) fn time_max_us(meta: &BlockMeta) -> i64 {
    meta.time_max_ms.saturating_mul(1000).saturating_add(999)
}

/// Returns which columns a block has.
fn shape(table: Table, block: &OpenBlock) -> Shape {
    let schema: SchemaRef = Arc::clone(block.schema());
    let known = table.schema();
    let own = schema.fields().iter().filter(|f| known.field_with_name(f.name()).is_err());
    let own = own.filter_map(|field| {
        let (kind, key) = Promoted::parse(field.name())?;
        let told = block.meta.attributes.iter().find(|own| own.name == *field.name());
        Some(OwnColumn {
            key: key.into(),
            kind,
            column: field.name().as_str().into(),
            also_in_map: told.is_none_or(|told| told.in_map),
        })
    });
    let mut own: Vec<OwnColumn> = own.collect();
    own.sort_by(|a, b| (&a.key, a.kind).cmp(&(&b.key, b.kind)));
    Shape { table, schema, own }
}

/// Writes what a scan looks for as conditions on columns that have statistics.
fn conditions(prune: &RowPrune, table: Table) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let mut add = |column, wanted| conditions.push(Condition { column, wanted });
    if prune.start_us > i64::MIN || prune.end_us < i64::MAX {
        add(table.time_column(), Wanted::Between(prune.start_us, prune.end_us));
    }
    let numbers =
        |numbers: &[i32]| Wanted::Numbers(numbers.iter().map(|n| i64::from(*n)).collect());
    let texts = |texts: &[String]| Wanted::Texts(texts.to_vec());
    if let Some(services) = &prune.services {
        add(column::SERVICE_NAME, texts(services));
    }
    match table {
        Table::Logs => {
            if let Some((min, max)) = prune.severity {
                add(column::SEVERITY_NUMBER, Wanted::Between(i64::from(min), i64::from(max)));
            }
        }
        Table::Spans => {
            if let Some(names) = &prune.names {
                add(column::NAME, texts(names));
            }
            if let Some(kinds) = &prune.kinds {
                add(column::KIND, numbers(kinds));
            }
            if let Some(statuses) = &prune.statuses {
                add(column::STATUS, numbers(statuses));
            }
        }
    }
    conditions
}

#[cfg(test)]
mod tests;
