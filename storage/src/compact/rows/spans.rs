//! Merges spans: traces in the order of their starts, each put together from all inputs.
//!
//! A first pass reads trace ids and starts only. It makes a table of traces, whose start is the
//! earliest of *all* their spans, and of runs: rows of one trace that lie next to each other in an
//! input. The second pass goes along the traces in their order and reads the runs of some thousand of
//! them at a time. Inputs are sorted nearly alike, so these are a few ranges of rows in each. Every
//! trace is then whole in memory, and its tree is made as a flush makes it, over the parts from all
//! inputs. The tables are some 60 bytes per trace and 16 per run.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use futures::future::try_join_all;
use tarn_model::error::{Error, Result};
use tarn_model::map::HashMap;

use super::Merging;
use super::input::{Input, Reading, Wanted, telling_columns};
use super::output::{Output, Shards, write};
use crate::block::index::PAGE_ROWS;
use crate::block::rows::RowRef;
use crate::blocking;
use crate::flush::cut::day_of;
use crate::schema::tables::column;

/// Rows of a window: inputs are read in ranges that must not become crumbs.
const WINDOW_ROWS_MAX: u64 = 16 * PAGE_ROWS as u64;
const WINDOW_ROWS_MIN: u64 = PAGE_ROWS as u64;
/// Share of the memory of a merge for the rows of a window.
const WINDOW_SHARE: u64 = 8;
/// Share of the memory of a merge for the tables.
const TABLES_SHARE: u64 = 3;
/// Bytes of a trace in the tables: itself, and its entry among the known ones with some room.
const TRACE_BYTES: u64 = 120;

/// Merges all inputs.
///
/// # Errors
/// As [`merge`](crate::compact::merge::merge).
pub(super) async fn merge(merging: &Merging<'_>) -> Result<()> {
    let mut tables = Tables::default();
    for (number, input) in merging.inputs.iter().enumerate() {
        tables.add(merging, number as u32, input).await?;
    }
    let sorted = blocking::run(move || tables.sort()).await;
    let most = window_rows(merging);
    let per_row = merging.input_bytes() as f64 / merging.input_rows().max(1) as f64;
    let shards = Shards::default();
    for group in sorted.groups() {
        let rows: u64 = group.iter().map(|run| u64::from(run.rows)).sum();
        let Some(of) = group.first().map(|run| sorted.partition(run)) else { continue };
        let mut output = Output::new(of.class, of.day, (rows as f64 * per_row) as u64);
        for window in windows(group, most) {
            window_into(merging, window, &mut output).await?;
            output.store(merging, &shards, false).await?;
        }
        output.store(merging, &shards, true).await?;
    }
    Ok(())
}

fn window_rows(merging: &Merging<'_>) -> u64 {
    let raw = merging.inputs.iter().map(|input| input.block.row_bytes().1).max().unwrap_or(0);
    let share = merging.context.memory_max.0 / WINDOW_SHARE / raw.max(1);
    // Outputs are cut between windows, so small ones need small windows.
    let per_row = merging.input_bytes() / merging.input_rows().max(1);
    let block = merging.context.block_bytes.0 / per_row.max(1);
    share.min(block).clamp(WINDOW_ROWS_MIN, WINDOW_ROWS_MAX)
}

/// What must not share a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Partition {
    class: u16,
    day: i64,
}

/// A trace, or what of it belongs to one partition. The order of its fields is that of the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Trace {
    partition: Partition,
    /// µs and ns of its earliest span.
    start: (i64, i32),
    id: [u8; 16],
}

/// Rows of one trace that lie next to each other in an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    trace: u32,
    input: u32,
    first: u32,
    rows: u32,
}

/// Which traces there are, and where their rows are.
#[derive(Debug, Default)]
struct Tables {
    known: HashMap<(Partition, [u8; 16]), u32>,
    traces: Vec<Trace>,
    runs: Vec<Run>,
}

impl Tables {
    /// Reads an input.
    async fn add(&mut self, merging: &Merging<'_>, number: u32, input: &Arc<Input>) -> Result<()> {
        let telling = telling_columns(merging.table);
        let telling: Vec<&str> = telling.iter().map(String::as_str).collect();
        let plain = merging.classes.only().is_some() && input.erased.is_empty();
        let few = [column::TRACE_ID, column::START, column::START_NS];
        let columns = if plain { &few[..] } else { &telling };
        // Rows are counted, so erased ones must come along.
        let all = 0..input.rows();
        let wanted = Wanted { rows: &[all], columns: Some(columns), leave_out: false };
        let mut reading = Reading::begin(merging.context, input, 1, &wanted);
        let mut first = 0;
        while let Some(batch) = reading.next(merging.context).await? {
            self.add_batch(merging, (number, first), input, &batch)?;
            first += batch.num_rows() as u32;
            self.check(merging)?;
        }
        Ok(())
    }

    fn add_batch(
        &mut self,
        merging: &Merging<'_>,
        (number, first): (u32, u32),
        input: &Input,
        batch: &RecordBatch,
    ) -> Result<()> {
        let unexpected = || Error::internal("spans in another schema than that of the table");
        let named = |name: &str| batch.column_by_name(name).ok_or_else(unexpected);
        let ids = named(column::TRACE_ID)?.as_fixed_size_binary_opt().ok_or_else(unexpected)?;
        let starts = named(column::START)?.as_primitive_opt::<TimestampMicrosecondType>();
        let starts = starts.ok_or_else(unexpected)?;
        let nanos = named(column::START_NS)?.as_primitive_opt::<Int32Type>();
        let nanos = nanos.ok_or_else(unexpected)?;
        let only = merging.classes.only();
        let classes = match only {
            Some(_) => None,
            None => Some(merging.classes.of_rows(batch)?),
        };
        let kept = match input.erased.is_empty() {
            true => None,
            false => Some(input.erased.kept(merging.table, batch)?),
        };
        for row in 0..batch.num_rows() {
            if kept.as_ref().is_some_and(|kept| !kept.value(row)) {
                continue;
            }
            let class = classes.as_ref().map_or(only.unwrap_or(0), |classes| classes[row]);
            let start_us = starts.value(row);
            let start = (start_us, if nanos.is_null(row) { 0 } else { nanos.value(row) });
            let partition = Partition { class, day: day_of(start_us.div_euclid(1000)) };
            let mut id = [0; 16];
            id.copy_from_slice(ids.value(row));
            self.add_row(Trace { partition, start, id }, number, first + row as u32);
        }
        Ok(())
    }

    fn add_row(&mut self, of: Trace, input: u32, row: u32) {
        let last = self.runs.last_mut().filter(|run| {
            let trace = &self.traces[run.trace as usize];
            (trace.id, trace.partition) == (of.id, of.partition)
        });
        if let Some(run) = last {
            let trace = &mut self.traces[run.trace as usize];
            trace.start = trace.start.min(of.start);
            if run.input == input && run.first + run.rows == row {
                run.rows += 1;
            } else {
                let run = Run { input, first: row, rows: 1, ..*run };
                self.runs.push(run);
            }
            return;
        }
        let trace = *self.known.entry((of.partition, of.id)).or_insert_with(|| {
            self.traces.push(of);
            self.traces.len() as u32 - 1
        });
        let known = &mut self.traces[trace as usize];
        known.start = known.start.min(of.start);
        self.runs.push(Run { trace, input, first: row, rows: 1 });
    }

    fn check(&self, merging: &Merging<'_>) -> Result<()> {
        let bytes =
            self.traces.len() as u64 * TRACE_BYTES + (self.runs.len() * size_of::<Run>()) as u64;
        let limit = merging.context.memory_max.0 / TABLES_SHARE;
        if bytes > limit {
            let traces = self.traces.len();
            let message =
                format!("tables of {traces} traces to merge take {bytes} bytes, limit is {limit}");
            return Err(Error::limit(message));
        }
        Ok(())
    }

    /// Puts runs in the order of their traces, and those of a trace in the order of arrival.
    fn sort(mut self) -> Sorted {
        drop(self.known);
        let mut order: Vec<u32> = (0..self.traces.len() as u32).collect();
        order.sort_unstable_by_key(|trace| self.traces[*trace as usize]);
        let mut places = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, trace)| places[*trace as usize] = place as u32);
        self.runs.iter_mut().for_each(|run| run.trace = places[run.trace as usize]);
        self.runs.sort_unstable();
        let partitions = order.iter().map(|trace| self.traces[*trace as usize].partition).collect();
        Sorted { partitions, runs: self.runs }
    }
}

/// Runs in the order of the outputs.
#[derive(Debug)]
struct Sorted {
    /// By place of the trace.
    partitions: Vec<Partition>,
    runs: Vec<Run>,
}

impl Sorted {
    fn partition(&self, run: &Run) -> Partition {
        self.partitions[run.trace as usize]
    }

    fn groups(&self) -> impl Iterator<Item = &[Run]> {
        self.runs.chunk_by(|a, b| self.partition(a) == self.partition(b))
    }
}

/// Cuts runs into windows of whole traces.
fn windows(mut runs: &[Run], most: u64) -> impl Iterator<Item = &[Run]> {
    std::iter::from_fn(move || {
        let mut rows = 0;
        let mut end = 0;
        for trace in runs.chunk_by(|a, b| a.trace == b.trace) {
            rows += trace.iter().map(|run| u64::from(run.rows)).sum::<u64>();
            if end > 0 && rows > most {
                break;
            }
            end += trace.len();
        }
        let (window, rest) = runs.split_at(end);
        runs = rest;
        (!window.is_empty()).then_some(window)
    })
}

/// Reads the rows of a window and writes them.
async fn window_into(merging: &Merging<'_>, window: &[Run], output: &mut Output) -> Result<()> {
    let mut ranges: Vec<Vec<Range<u32>>> = vec![Vec::new(); merging.inputs.len()];
    for run in window {
        ranges[run.input as usize].push(run.first..run.first + run.rows);
    }
    let used = ranges.iter().filter(|ranges| !ranges.is_empty()).count();
    let reading = merging.inputs.iter().zip(ranges).filter(|(_, ranges)| !ranges.is_empty());
    let reading = reading.map(|(input, ranges)| read(merging, input, ranges, used));
    let batches: Vec<RecordBatch> = try_join_all(reading).await?.into_iter().flatten().collect();
    let rows = batches.iter().enumerate().flat_map(|(batch, of)| {
        (0..of.num_rows() as u32).map(move |row| RowRef { batch: batch as u32, row })
    });
    let rows = rows.collect();
    write(merging, batches, vec![(output, rows)]).await
}

async fn read(
    merging: &Merging<'_>,
    input: &Arc<Input>,
    mut ranges: Vec<Range<u32>>,
    inputs: usize,
) -> Result<Vec<RecordBatch>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut rows: Vec<Range<u32>> = Vec::new();
    for range in ranges {
        match rows.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => rows.push(range),
        }
    }
    // Erased rows are in no run.
    let wanted = Wanted { rows: &rows, columns: None, leave_out: false };
    let mut reading = Reading::begin(merging.context, input, inputs, &wanted);
    let mut batches = Vec::new();
    while let Some(batch) = reading.next(merging.context).await? {
        batches.push(batch);
    }
    Ok(batches)
}
