//! Merges log records: one walk along all inputs, which are sorted alike.
//!
//! The input whose next row is smallest hands over rows until another one's is smaller; flushes
//! follow one another in time, so that mostly is a long run. Equal rows keep the order of the inputs,
//! which is that of their arrival. Rows are collected to a window of whole pages before they are
//! written, because dictionaries are united once per window.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{
    Array, BooleanArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use tarn_model::error::{Error, Result};
use tarn_model::map::HashMap;

use super::groups::{self, Counts, Group, HOUR_US};
use super::input::{Input, Reading, Wanted, filter, telling_columns};
use super::output::{Output, Shards, write};
use super::{LATE, Merging};
use crate::block::index::PAGE_ROWS;
use crate::block::reader::pages::{Condition, Wanted as Sought};
use crate::block::rows::{RowRef, row_bytes};
use crate::flush::cut::day_of;
use crate::schema::tables::column;

/// Pages of a window: dictionaries are united once for all of it.
const WINDOW_PAGES_MAX: u64 = 8;
/// Bytes of a window.
const WINDOW_BYTES: u64 = 32 << 20;

/// Merges all inputs.
///
/// # Errors
/// As [`merge`](crate::compact::merge::merge).
pub(super) async fn merge(merging: &Merging<'_>) -> Result<()> {
    let shards = Shards::default();
    let walks = plan(merging).await?;
    for groups in &walks {
        let everything = walks.len() == 1 && groups.len() == 1;
        let mut walk = Walk::begin(merging, groups, everything).await?;
        while walk.window(merging).await? {
            for output in &mut walk.outputs {
                output.store(merging, &shards, false).await?;
            }
        }
        for output in &mut walk.outputs {
            output.store(merging, &shards, true).await?;
        }
    }
    Ok(())
}

/// Decides what goes into which blocks. Rows are counted where that is not plain from the start.
async fn plan(merging: &Merging<'_>) -> Result<Vec<Vec<Group>>> {
    let (block, bytes) = (merging.context.block_bytes.0, merging.input_bytes());
    let only = merging.classes.only();
    if let (Some(class), Some(first)) = (only, merging.job.inputs.first())
        && merging.job.inputs.iter().all(|meta| meta.day != LATE)
        && bytes <= groups::cut_at(block)
    {
        let day = day_of(first.time_min_ms) * groups::DAY_HOURS;
        return Ok(vec![vec![Group { class, hours: day..day + groups::DAY_HOURS, bytes }]]);
    }
    let telling = telling_columns(merging.table);
    let telling: Vec<&str> = telling.iter().map(String::as_str).collect();
    let columns = if only.is_some() { &[column::TIMESTAMP][..] } else { &telling };
    let mut counts = Counts::new();
    for input in &merging.inputs {
        let all = 0..input.rows();
        let wanted = Wanted { rows: &[all], columns: Some(columns), leave_out: false };
        let mut reading = Reading::begin(merging.context, input, 1, &wanted);
        while let Some(batch) = reading.next(merging.context).await? {
            for key in Keys::of(merging, &batch)?.each() {
                *counts.entry(key).or_default() += 1;
            }
        }
    }
    let per_row = bytes as f64 / merging.input_rows().max(1) as f64;
    Ok(groups::plan(&counts, per_row, block))
}

/// By what rows of a batch are told apart.
struct Keys {
    only: u16,
    classes: Option<Vec<u16>>,
    times: TimestampMicrosecondArray,
}

impl Keys {
    fn of(merging: &Merging<'_>, batch: &RecordBatch) -> Result<Self> {
        let only = merging.classes.only();
        let classes = match only {
            Some(_) => None,
            None => Some(merging.classes.of_rows(batch)?),
        };
        Ok(Self { only: only.unwrap_or(0), classes, times: times(batch)? })
    }

    /// Returns class and hour of each row.
    fn each(&self) -> impl Iterator<Item = (u16, i64)> {
        self.times.values().iter().enumerate().map(|(row, time)| {
            let class = self.classes.as_ref().map_or(self.only, |classes| classes[row]);
            (class, time.div_euclid(HOUR_US))
        })
    }
}

fn times(batch: &RecordBatch) -> Result<TimestampMicrosecondArray> {
    let times = batch.column_by_name(column::TIMESTAMP);
    let times = times.and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>());
    times.cloned().ok_or_else(|| Error::internal("log records without time"))
}

/// Where the rows of a walk go.
enum Targets {
    /// All of them to the first output.
    One,
    /// By class and hour; those that are not here belong to another walk.
    Many(HashMap<(u16, i64), u16>),
}

impl Targets {
    fn of(walk: &[Group], everything: bool) -> Self {
        if everything {
            return Self::One;
        }
        let numbered = walk.iter().enumerate();
        let keys = numbered.flat_map(|(number, group)| {
            group.hours.clone().map(move |hour| ((group.class, hour), number as u16))
        });
        Self::Many(keys.collect())
    }
}

/// One walk along all inputs, and the outputs that it fills.
struct Walk {
    /// Rows of a window.
    most: usize,
    cursors: Vec<Cursor>,
    /// The next row of each input that has one.
    heap: BinaryHeap<Reverse<Key>>,
    targets: Targets,
    outputs: Vec<Output>,
}

/// The place of a row in the order of all inputs.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    service: Arc<str>,
    time: i64,
    nanos: i32,
    input: usize,
}

/// Rows that are written together.
#[derive(Default)]
struct Window {
    /// Rows at most.
    most: usize,
    batches: Vec<RecordBatch>,
    /// By output.
    rows: Vec<Vec<RowRef>>,
    taken: usize,
    bytes: u64,
}

impl Window {
    fn is_full(&self) -> bool {
        self.taken >= self.most || self.bytes >= WINDOW_BYTES
    }
}

/// Returns the rows of a window: outputs are cut between windows, so small ones need small windows.
fn window_rows(merging: &Merging<'_>) -> usize {
    let per_row = merging.input_bytes() / merging.input_rows().max(1);
    let pages = merging.context.block_bytes.0 / (per_row * u64::from(PAGE_ROWS)).max(1);
    pages.clamp(1, WINDOW_PAGES_MAX) as usize * PAGE_ROWS as usize
}

impl Walk {
    async fn begin(merging: &Merging<'_>, walk: &[Group], everything: bool) -> Result<Self> {
        let mut begun = Self {
            most: window_rows(merging),
            cursors: Vec::with_capacity(merging.inputs.len()),
            heap: BinaryHeap::new(),
            targets: Targets::of(walk, everything),
            outputs: walk.iter().map(|g| Output::new(g.class, g.day(), g.bytes)).collect(),
        };
        for (number, input) in merging.inputs.iter().enumerate() {
            let all = 0..input.rows();
            let rows = if everything { vec![all] } else { within(input, walk) };
            let wanted = Wanted { rows: &rows, columns: None, leave_out: true };
            let reading = Reading::begin(merging.context, input, merging.inputs.len(), &wanted);
            let mut cursor = Cursor { reading, open: None, slot: None };
            cursor.open(merging, &begun.targets).await?;
            begun.heap.extend(cursor.key(number).map(Reverse));
            begun.cursors.push(cursor);
        }
        Ok(begun)
    }

    /// Collects and writes the next window; `false` at the end.
    async fn window(&mut self, merging: &Merging<'_>) -> Result<bool> {
        let rows = vec![Vec::new(); self.outputs.len()];
        let mut window = Window { most: self.most, rows, ..Window::default() };
        self.cursors.iter_mut().for_each(|cursor| cursor.slot = None);
        while !window.is_full() {
            let Some(Reverse(key)) = self.heap.pop() else { break };
            let limit = self.heap.peek().map(|Reverse(limit)| limit);
            let cursor = &mut self.cursors[key.input];
            if cursor.take(key.input, limit, &mut window) {
                cursor.open(merging, &self.targets).await?;
            }
            self.heap.extend(cursor.key(key.input).map(Reverse));
        }
        let Window { batches, rows, taken, .. } = window;
        if taken == 0 {
            return Ok(false);
        }
        write(merging, batches, self.outputs.iter_mut().zip(rows).collect()).await?;
        Ok(true)
    }
}

/// Returns the rows of an input that may belong to groups, by statistics of pages.
fn within(input: &Input, walk: &[Group]) -> Vec<Range<u32>> {
    let from = walk.iter().map(|group| group.hours.start).min().unwrap_or(0);
    let to = walk.iter().map(|group| group.hours.end).max().unwrap_or(0);
    let wanted = Sought::Between(from * HOUR_US, to * HOUR_US - 1);
    let condition = Condition { column: column::TIMESTAMP, wanted };
    let all: Vec<usize> = input.block.groups().map(|(group, _)| group).collect();
    let chosen =
        input.block.pages(column::TIMESTAMP, (i64::MIN, i64::MAX), &all, &[condition], None);
    let mut rows: Vec<Range<u32>> = Vec::new();
    for range in chosen.pages.into_iter().flat_map(|page| page.rows) {
        match rows.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => rows.push(range),
        }
    }
    rows
}

/// The next rows of an input.
struct Cursor {
    reading: Reading,
    open: Option<Open>,
    /// Number of the batch in the window, once a row of it is there.
    slot: Option<u32>,
}

/// A batch and how far it is taken.
struct Open {
    batch: RecordBatch,
    row_bytes: u64,
    at: usize,
    /// Numbers of the services.
    services: Int32Array,
    names: StringArray,
    times: TimestampMicrosecondArray,
    nanos: Int32Array,
    /// By row: its output; none where there is only one.
    targets: Vec<u16>,
}

impl Open {
    fn new(batch: RecordBatch, targets: Vec<u16>) -> Result<Self> {
        let unexpected = || Error::internal("log records in another schema than that of the table");
        let named = |name: &str| batch.column_by_name(name).ok_or_else(unexpected);
        let services = named(column::SERVICE_NAME)?.as_dictionary_opt::<Int32Type>();
        let services = services.ok_or_else(unexpected)?;
        let names = services.values().as_string_opt::<i32>().ok_or_else(unexpected)?.clone();
        let nanos = named(column::TIMESTAMP_NS)?.as_primitive_opt::<Int32Type>();
        Ok(Self {
            row_bytes: row_bytes(&batch),
            at: 0,
            services: services.keys().clone(),
            names,
            times: times(&batch)?,
            nanos: nanos.ok_or_else(unexpected)?.clone(),
            targets,
            batch,
        })
    }

    fn service(&self) -> &str {
        self.names.value(self.services.value(self.at) as usize)
    }

    /// Returns time and nanoseconds of the next row.
    fn time(&self) -> (i64, i32) {
        let nanos = if self.nanos.is_null(self.at) { 0 } else { self.nanos.value(self.at) };
        (self.times.value(self.at), nanos)
    }
}

impl Cursor {
    /// Opens the next batch that has rows for the walk.
    async fn open(&mut self, merging: &Merging<'_>, targets: &Targets) -> Result<()> {
        (self.open, self.slot) = (None, None);
        while let Some(batch) = self.reading.next(merging.context).await? {
            let (batch, targets) = match targets {
                Targets::One => (batch, Vec::new()),
                Targets::Many(targets) => sort_out(merging, &batch, targets)?,
            };
            if batch.num_rows() > 0 {
                self.open = Some(Open::new(batch, targets)?);
                break;
            }
        }
        Ok(())
    }

    fn key(&self, input: usize) -> Option<Key> {
        let open = self.open.as_ref()?;
        let (time, nanos) = open.time();
        Some(Key { service: open.service().into(), time, nanos, input })
    }

    /// Takes rows up to those of another input; returns whether the batch has no more.
    fn take(&mut self, input: usize, limit: Option<&Key>, window: &mut Window) -> bool {
        let Some(open) = &mut self.open else { return true };
        let slot = *self.slot.get_or_insert_with(|| {
            window.batches.push(open.batch.clone());
            window.batches.len() as u32 - 1
        });
        let rows = open.batch.num_rows();
        let mut service = None;
        while open.at < rows && !window.is_full() {
            if let Some(limit) = limit {
                let number = open.services.value(open.at);
                let order = match service {
                    Some((known, order)) if known == number => order,
                    _ => open.service().cmp(&limit.service),
                };
                service = Some((number, order));
                let (time, nanos) = open.time();
                let own = (time, nanos, input);
                if order.then(own.cmp(&(limit.time, limit.nanos, limit.input))).is_gt() {
                    break;
                }
            }
            let target = open.targets.get(open.at).copied().unwrap_or(0);
            window.rows[usize::from(target)].push(RowRef { batch: slot, row: open.at as u32 });
            window.taken += 1;
            window.bytes += open.row_bytes;
            open.at += 1;
        }
        open.at == rows
    }
}

/// Leaves out what belongs to other walks, and returns the outputs of all other rows.
fn sort_out(
    merging: &Merging<'_>,
    batch: &RecordBatch,
    targets: &HashMap<(u16, i64), u16>,
) -> Result<(RecordBatch, Vec<u16>)> {
    let keys = Keys::of(merging, batch)?;
    let each: Vec<Option<u16>> = keys.each().map(|key| targets.get(&key).copied()).collect();
    let here: BooleanArray = each.iter().map(|target| Some(target.is_some())).collect();
    Ok((filter(batch, &here)?, each.into_iter().flatten().collect()))
}
