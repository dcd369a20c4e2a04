//! An input of a merge: opened once, its rows read in order, some at a time.
//!
//! How much of an input is read at once follows from what all inputs together may hold: a row group
//! where there are few, fewer rows where there are many. Erased rows are left out here, before
//! anything is mixed.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use arrow_select::filter::filter_record_batch;
use tarn_model::error::Result;

use super::whole::Whole;
use crate::block::BlockMeta;
use crate::block::index::PAGE_ROWS;
use crate::block::reader::tables::{Decoding, Rows};
use crate::block::reader::{Blocks, OpenBlock};
use crate::compact::merge::MergeContext;
use crate::retain::erase::{Erased, Tombstone};
use crate::schema::tables::{Table, column};
use crate::view::rows::ScanStats;

/// Share of the memory of a merge for bytes that were read, and as much for rows that were decoded.
const SHARE: u64 = 8;
/// Rows of a batch: fewer are not worth the call.
const BATCH_ROWS_MIN: u64 = 64;
/// Rows of a batch.
const BATCH_ROWS_MAX: u64 = 8192;

/// A block that is merged.
pub(super) struct Input {
    pub(super) table: Table,
    pub(super) block: Arc<OpenBlock>,
    pub(super) erased: Erased,
}

impl Input {
    /// Opens a block.
    ///
    /// # Errors
    /// `Corrupt` where it is damaged or a tombstone cannot be read; `Unavailable` where it cannot be
    /// read.
    pub(super) async fn open(
        context: &MergeContext<'_>,
        table: Table,
        meta: &Arc<BlockMeta>,
        erased: &[Arc<Tombstone>],
    ) -> Result<Arc<Self>> {
        let block = context.blocks.open(meta).await?;
        Ok(Arc::new(Self { table, block, erased: Erased::new(erased)? }))
    }

    pub(super) fn rows(&self) -> u32 {
        self.block.groups().last().map_or(0, |(_, rows)| rows.end)
    }

    /// Returns whether the block has a column of the table.
    pub(super) fn has(&self, name: &str) -> bool {
        self.block.schema().field_with_name(name).is_ok()
    }
}

/// Which rows of an input are read, and what of them.
pub(super) struct Wanted<'a> {
    /// Ascending, apart.
    pub(super) rows: &'a [Range<u32>],
    /// Columns of the table; `None` = all.
    pub(super) columns: Option<&'a [&'a str]>,
    /// Whether erased rows are left out; needs the columns that tell them.
    pub(super) leave_out: bool,
}

/// Rows of an input on their way out, in batches as a flush has them.
pub(super) struct Reading {
    input: Arc<Input>,
    blocks: Arc<Blocks>,
    whole: Whole,
    leave_out: bool,
    needs: Vec<String>,
    stats: ScanStats,
    /// Bytes that the progress was told of.
    told: u64,
    /// What is read at once.
    steps: VecDeque<Vec<Range<u32>>>,
    batch_rows: usize,
    decoding: Option<Decoding>,
    ready: VecDeque<RecordBatch>,
}

impl Reading {
    /// Begins to read; as many as `inputs` are read at the same time.
    pub(super) fn begin(
        context: &MergeContext<'_>,
        input: &Arc<Input>,
        inputs: usize,
        wanted: &Wanted<'_>,
    ) -> Self {
        let schema = input.block.schema();
        let table = input.table.schema();
        let all: Vec<&str> = table.fields().iter().map(|field| field.name().as_str()).collect();
        let whole = Whole::new(input.table, schema, wanted.columns.unwrap_or(&all));
        let share = context.memory_max.0 / SHARE / inputs.max(1) as u64;
        let (stored, raw) = input.block.row_bytes();
        let step = (share / stored.max(1)).max(u64::from(PAGE_ROWS));
        let batch_rows = (share / raw.max(1)).clamp(BATCH_ROWS_MIN, BATCH_ROWS_MAX);
        Self {
            needs: whole.needs(schema),
            input: Arc::clone(input),
            blocks: Arc::clone(context.blocks),
            whole,
            leave_out: wanted.leave_out && !input.erased.is_empty(),
            stats: ScanStats::default(),
            told: 0,
            steps: steps(&input.block, wanted.rows, u32::try_from(step).unwrap_or(u32::MAX)),
            batch_rows: batch_rows as usize,
            decoding: None,
            ready: VecDeque::new(),
        }
    }

    /// Returns the next rows that are not erased; `None` at the end. No batch is empty.
    ///
    /// # Errors
    /// `Corrupt` where stored bytes fail their checksum, `Unavailable` where they cannot be read or
    /// the merge shall end.
    pub(super) async fn next(&mut self, context: &MergeContext<'_>) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            let Some(decoding) = &mut self.decoding else {
                let Some(rows) = self.steps.pop_front() else { return Ok(None) };
                let (columns, batch) = (&self.needs[..], self.batch_rows);
                let wanted = Rows { columns, rows: &rows, filters: Vec::new(), batch };
                self.decoding = self.input.block.decode(wanted)?;
                continue;
            };
            context.progress.check()?;
            let next =
                self.blocks.next_rows(&self.input.block, decoding, Some(&self.stats)).await?;
            let Some(batch) = next else {
                self.decoding = None;
                continue;
            };
            let bytes = self.stats.bytes.load(Ordering::Relaxed);
            context.progress.bytes.fetch_add(bytes - self.told, Ordering::Relaxed);
            self.told = bytes;
            let Self { whole, ready, .. } = self;
            whole.turn(&batch, |turned| ready.push_back(turned))?;
            if self.leave_out {
                self.leave_out()?;
            }
        }
    }

    /// Leaves out what is erased.
    fn leave_out(&mut self) -> Result<()> {
        let erased = &self.input.erased;
        for batch in &mut self.ready {
            let kept = erased.kept(self.input.table, batch)?;
            *batch = filter(batch, &kept)?;
        }
        self.ready.retain(|batch| batch.num_rows() > 0);
        Ok(())
    }
}

/// Keeps some rows of a batch.
///
/// # Errors
/// `Internal` where the batch is none: a bug.
pub(super) fn filter(batch: &RecordBatch, kept: &arrow_array::BooleanArray) -> Result<RecordBatch> {
    if kept.true_count() == batch.num_rows() {
        return Ok(batch.clone());
    }
    filter_record_batch(batch, kept)
        .map_err(|e| tarn_model::error::Error::internal("leave rows out").with_source(e))
}

/// Returns the columns that are needed to tell erased rows and classes: all that a matcher may name.
pub(super) fn telling_columns(table: Table) -> Vec<String> {
    let lists = [column::EVENTS, column::LINKS, column::BODY];
    let schema = table.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    names.filter(|name| !lists.contains(&name.as_str())).collect()
}

/// Cuts rows into steps: of at most `most` rows, and of one row group.
fn steps(block: &OpenBlock, rows: &[Range<u32>], most: u32) -> VecDeque<Vec<Range<u32>>> {
    let mut steps: VecDeque<Vec<Range<u32>>> = VecDeque::new();
    for (_, group) in block.groups() {
        let inside = rows.iter().map(|r| r.start.max(group.start)..r.end.min(group.end));
        let mut step: Vec<Range<u32>> = Vec::new();
        let mut taken = 0;
        for mut range in inside.filter(|range| range.start < range.end) {
            while range.start < range.end {
                let end = range.end.min(range.start.saturating_add(most - taken));
                step.push(range.start..end);
                taken += end - range.start;
                range.start = end;
                if taken == most {
                    steps.push_back(std::mem::take(&mut step));
                    taken = 0;
                }
            }
        }
        if !step.is_empty() {
            steps.push_back(step);
        }
    }
    steps
}
