//! The outputs of a merge: named, cut by size, handed over.

use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::RecordBatch;
use tarn_model::error::{Error, Result};

use super::Merging;
use super::groups::cut_at;
use crate::block::rows::{Order, RowRef, RowWriter, Source};
use crate::blocking;
use crate::schema::tables::Table;

/// Numbers the outputs of a merge.
#[derive(Debug, Default)]
pub(super) struct Shards(AtomicU32);

/// The output of one group that is being written; the next one follows when it is full.
pub(super) struct Output {
    class: u16,
    day: i64,
    /// About how large all outputs of the group are together.
    bytes: u64,
    writer: Option<RowWriter>,
}

impl Output {
    pub(super) fn new(class: u16, day: i64, bytes: u64) -> Self {
        Self { class, day, bytes, writer: None }
    }

    /// Takes the writer, or begins one.
    fn writer(&mut self, merging: &Merging<'_>) -> Result<RowWriter> {
        let most = cut_at(merging.context.block_bytes.0);
        match self.writer.take() {
            Some(writer) => Ok(writer),
            None => RowWriter::new(&merging.form.of(self.bytes.min(most))),
        }
    }

    /// Stores what there is, if it is full or this is the end.
    ///
    /// # Errors
    /// What the store says.
    pub(super) async fn store(
        &mut self,
        merging: &Merging<'_>,
        shards: &Shards,
        end: bool,
    ) -> Result<()> {
        let most = cut_at(merging.context.block_bytes.0);
        let is_ready =
            |writer: &mut RowWriter| writer.rows() > 0 && (end || writer.bytes() >= most);
        let Some(writer) = self.writer.take_if(is_ready) else { return Ok(()) };
        let shard = shards.0.fetch_add(1, Ordering::Relaxed);
        let Merging { job, context, classes, .. } = merging;
        let origin = job.origin(context, self.day, classes.name(self.class), shard);
        let block = writer.finish(&origin)?;
        self.bytes = self.bytes.saturating_sub(block.meta.bytes);
        merging.context.outputs.put(block).await
    }
}

/// Writes rows of some batches to the outputs that they belong to: log records, which come in their
/// order, or spans of whole traces, which are put in order here.
///
/// # Errors
/// `Internal` where the writer refuses them: a bug.
pub(super) async fn write(
    merging: &Merging<'_>,
    batches: Vec<RecordBatch>,
    parts: Vec<(&mut Output, Vec<RowRef>)>,
) -> Result<()> {
    let count: usize = parts.iter().map(|(_, rows)| rows.len()).sum();
    let mut work = Vec::with_capacity(parts.len());
    let mut outputs = Vec::with_capacity(parts.len());
    for (output, rows) in parts.into_iter().filter(|(_, rows)| !rows.is_empty()) {
        work.push((output.writer(merging)?, rows));
        outputs.push(output);
    }
    let written = blocking::run({
        let table = merging.table;
        move || write_all(table, &batches, work)
    });
    for (output, writer) in outputs.into_iter().zip(written.await?) {
        output.writer = Some(writer);
    }
    merging.context.progress.rows.fetch_add(count as u64, Ordering::Relaxed);
    Ok(())
}

fn write_all(
    table: Table,
    batches: &[RecordBatch],
    work: Vec<(RowWriter, Vec<RowRef>)>,
) -> Result<Vec<RowWriter>> {
    let source = Source::new(table, batches)?;
    let written = work.into_iter().map(|(mut writer, rows)| {
        let order = match table {
            Table::Logs => Order { rows, tree: None },
            Table::Spans => Order::of(&source, rows)?,
        };
        writer.write(&source, &order)?;
        Ok(writer)
    });
    written.collect::<Result<_>>().map_err(|e: Error| e.context("write merged rows"))
}
