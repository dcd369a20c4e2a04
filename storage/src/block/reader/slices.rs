//! Rows → samples.
//!
//! Only the pages of the wanted rows are read. The number of samples of a row decides: a list of
//! any other length, or ticks that its timeline does not have, are damage (`Corrupt` with block and
//! row), never something to be cut or padded.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, RecordBatch};
use tarn_model::error::{Error, Result};
use tarn_model::map::HashMap;
use tarn_model::slice::{Samples, Slice};

use crate::block::reader::{Blocks, OpenBlock, RowSlice, Scan};
use crate::schema::column;
use crate::slice::decode;
use crate::slice::encode::{CountColumns, HistogramSlice, Start};

/// Columns of the rare slices that are more than a run of floats; those that a block lacks are
/// passed over.
const EXTRAS: &[&str] = &[
    column::ROW_ID,
    column::START_TS,
    column::START_RULE,
    column::START_LAG_MS,
    column::H_SCHEMA,
    column::H_ZERO_THRESHOLD,
    column::H_BOUNDS,
    column::H_POS_INDEX,
    column::H_NEG_INDEX,
    column::H_GAUGE,
    column::H_SUM,
    column::H_COUNT,
    column::H_ZERO,
    column::H_BUCKETS,
    column::H_COUNT_F,
    column::H_ZERO_F,
    column::H_BUCKETS_F,
];

/// What rows have beside floats.
#[derive(Default)]
struct Extras {
    start: Option<Start>,
    histograms: Option<Samples>,
}

impl Blocks {
    /// Reads the samples of rows, which come in ascending order; the slices come in the same.
    ///
    /// # Errors
    /// `Corrupt` where stored bytes fail their checksum or contradict each other; `Unavailable`
    /// where they cannot be read.
    pub(crate) async fn read(
        &self,
        block: &Arc<OpenBlock>,
        rows: &[RowSlice],
    ) -> Result<Vec<Slice>> {
        let ticks = self.ticks(block, rows).await?;
        let floats = self.floats(block, rows).await?;
        let mut extras = self.extras(block, rows, &floats).await?;
        let mut slices = Vec::with_capacity(rows.len());
        for ((at, row), floats) in rows.iter().enumerate().zip(floats) {
            let wrong = |what: &str| wrong_row(block, row.row, what);
            let ticks = ticks.get(&row.timeline).ok_or_else(|| wrong("timeline is missing"))?;
            let Extras { start, histograms } = extras.remove(&at).unwrap_or_default();
            let samples = floats.or(histograms).ok_or_else(|| wrong("values are missing"))?;
            let start = start.unwrap_or(Start::Unknown);
            slices.push(slice(row, ticks, samples, &start).map_err(wrong)?);
        }
        Ok(slices)
    }

    /// Reads the values of rows of floats; the others have none.
    async fn floats(
        &self,
        block: &Arc<OpenBlock>,
        rows: &[RowSlice],
    ) -> Result<Vec<Option<Samples>>> {
        let mut read: Vec<Option<Samples>> =
            rows.iter().map(|row| (row.n == 0).then(|| Samples::Floats(Vec::new()))).collect();
        for (name, ints) in [(column::VI, true), (column::VF, false)] {
            let wanted = |(_, row): &(usize, &RowSlice)| row.n > 0 && row.scale.is_some() == ints;
            let places: Vec<usize> =
                rows.iter().enumerate().filter(wanted).map(|(place, _)| place).collect();
            let numbers: Vec<u32> = places.iter().map(|place| rows[*place].row).collect();
            let take = |at: usize, values: Option<&[i64]>| {
                let row = &rows[places[at]];
                let Some(values) = values else {
                    let missing = "mantissas are missing";
                    return if ints { Err(wrong_row(block, row.row, missing)) } else { Ok(()) };
                };
                if values.len() != row.n as usize {
                    let wrong = "values contradict the number of samples";
                    return Err(wrong_row(block, row.row, wrong));
                }
                read[places[at]] = Some(match row.scale {
                    Some(scale) => decode::floats(values, usize::from(scale)),
                    None => decode::doubles(values),
                });
                Ok(())
            };
            self.lists(block, name, &numbers, take).await?;
        }
        Ok(read)
    }

    /// Reads start timestamps, where the block has them, and histograms of rows without floats.
    async fn extras(
        &self,
        block: &Arc<OpenBlock>,
        rows: &[RowSlice],
        floats: &[Option<Samples>],
    ) -> Result<HashMap<usize, Extras>> {
        let mut found = HashMap::default();
        let starts = block.has_column(column::START_RULE);
        let places: Vec<usize> =
            (0..rows.len()).filter(|at| starts || floats[*at].is_none()).collect();
        if places.is_empty() || !(starts || block.has_column(column::H_SCHEMA)) {
            return Ok(found);
        }
        let scan = Scan {
            columns: EXTRAS.iter().map(|name| (*name).to_owned()).collect(),
            rows: ranges(places.iter().map(|place| rows[*place].row)),
            filters: Vec::new(),
        };
        let mut places = places.into_iter();
        self.scan(block, scan, |batch| {
            let columns = Columns::of(batch);
            for at in 0..batch.num_rows() {
                let wrong =
                    |what: &str| wrong_row(block, columns.row_id(at).unwrap_or(u32::MAX), what);
                let place = places.next().ok_or_else(|| wrong("row was not asked for"))?;
                let row = &rows[place];
                if columns.row_id(at) != Some(row.row) {
                    return Err(wrong("row is not where it should be"));
                }
                let start = Some(columns.start(at).map_err(wrong)?);
                let histograms = match &floats[place] {
                    Some(_) => None,
                    None => {
                        let slice = columns.histograms(at).map_err(wrong)?;
                        Some(decode::histograms(&slice, row.n as usize).map_err(wrong)?)
                    }
                };
                found.insert(place, Extras { start, histograms });
            }
            Ok(())
        })
        .await?;
        match places.next() {
            Some(place) => Err(wrong_row(block, rows[place].row, "row is missing")),
            None => Ok(found),
        }
    }

    /// Returns the ticks of all timelines that rows point to.
    pub(super) async fn ticks(
        &self,
        block: &Arc<OpenBlock>,
        rows: &[RowSlice],
    ) -> Result<HashMap<u32, Arc<[i64]>>> {
        let mut found: HashMap<u32, Arc<[i64]>> = HashMap::default();
        let mut missing = Vec::new();
        {
            let mut cache = self.ticks.lock();
            let mut wanted: Vec<u32> = rows.iter().map(|row| row.timeline).collect();
            wanted.sort_unstable();
            wanted.dedup();
            for timeline in wanted {
                match cache.get(&(Arc::clone(&block.object), timeline)) {
                    Some(ticks) => {
                        found.insert(timeline, Arc::clone(ticks));
                    }
                    None => missing.push(timeline),
                }
            }
        }
        let take = |at: usize, ticks: Option<&[i64]>| {
            let row = missing[at];
            let ticks = ticks.ok_or_else(|| wrong_row(block, row, "slices are among timelines"))?;
            let ticks: Arc<[i64]> = ticks.into();
            let key = (Arc::clone(&block.object), row);
            self.ticks.lock().insert(key, Arc::clone(&ticks), ticks.len() * 8);
            found.insert(row, ticks);
            Ok(())
        };
        self.lists(block, column::TS, &missing, take).await?;
        Ok(found)
    }
}

fn wrong_row(block: &OpenBlock, row: u32, what: &str) -> Error {
    Error::corrupt(format!("block {} row {row}: {what}", block.object))
}

fn slice(
    row: &RowSlice,
    ticks: &Arc<[i64]>,
    samples: Samples,
    start: &Start,
) -> std::result::Result<Slice, &'static str> {
    let (first, n) = (row.ts_offset as usize, row.n as usize);
    let end = first + n;
    if ticks.len() < end + usize::from(row.stale) {
        return Err("timeline has fewer ticks than the row needs");
    }
    if let Start::Each(lags) = start
        && lags.len() != n
    {
        return Err("start lags contradict the number of samples");
    }
    Ok(Slice {
        ticks: Arc::clone(ticks),
        first,
        samples,
        starts: decode::starts(start, &ticks[first..end]),
        stale_at: row.stale.then(|| ticks[end]),
        stats: None,
    })
}

/// Joins ascending rows to ranges.
fn ranges(rows: impl Iterator<Item = u32>) -> Vec<Range<u32>> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for row in rows {
        match ranges.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            Some(last) if last.end > row => {}
            _ => ranges.push(row..row + 1),
        }
    }
    ranges
}

/// The extra columns of a batch.
struct Columns<'a>(&'a RecordBatch);

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Self {
        Self(batch)
    }

    fn row_id(&self, at: usize) -> Option<u32> {
        self.value::<Int32Type>(column::ROW_ID, at).map(|row| row as u32)
    }

    fn value<T: ArrowPrimitiveType>(&self, name: &str, at: usize) -> Option<T::Native> {
        let array = self.0.column_by_name(name)?.as_primitive_opt::<T>()?;
        array.is_valid(at).then(|| array.value(at))
    }

    /// Returns the items of a list, `None` where it is NULL or the block has no such column.
    fn list<T: ArrowPrimitiveType>(&self, name: &str, at: usize) -> Option<Vec<T::Native>> {
        let list = self.0.column_by_name(name)?.as_list_opt::<i32>()?;
        if list.is_null(at) {
            return None;
        }
        let offsets = list.value_offsets();
        let items = list.values().as_primitive_opt::<T>()?.values();
        Some(items[offsets[at] as usize..offsets[at + 1] as usize].to_vec())
    }

    fn histograms(&self, at: usize) -> std::result::Result<HistogramSlice, &'static str> {
        let floats = |name: &str| self.list::<Float64Type>(name, at);
        let ints = |name: &str| self.list::<Int64Type>(name, at);
        let indexes = |name: &str| self.list::<Int32Type>(name, at).unwrap_or_default();
        let counts = match ints(column::H_COUNT) {
            Some(count) => CountColumns::Int {
                count,
                zero: ints(column::H_ZERO).ok_or("zero buckets are missing")?,
                buckets: ints(column::H_BUCKETS).unwrap_or_default(),
            },
            None => CountColumns::Float {
                count: floats(column::H_COUNT_F).ok_or("values are missing")?,
                zero: floats(column::H_ZERO_F).ok_or("zero buckets are missing")?,
                buckets: floats(column::H_BUCKETS_F).unwrap_or_default(),
            },
        };
        let gauge = self.0.column_by_name(column::H_GAUGE).and_then(|c| c.as_boolean_opt());
        let schema = self.value::<Int32Type>(column::H_SCHEMA, at);
        let threshold = self.value::<Float64Type>(column::H_ZERO_THRESHOLD, at);
        Ok(HistogramSlice {
            schema: schema.ok_or("histogram schema is missing")?,
            zero_threshold: threshold.ok_or("zero threshold is missing")?,
            bounds: floats(column::H_BOUNDS).unwrap_or_default(),
            positive: indexes(column::H_POS_INDEX),
            negative: indexes(column::H_NEG_INDEX),
            gauge: gauge.is_some_and(|g| g.is_valid(at) && g.value(at)),
            sums: floats(column::H_SUM).ok_or("sums are missing")?,
            counts,
        })
    }

    fn start(&self, at: usize) -> std::result::Result<Start, &'static str> {
        let Some(rule) = self.value::<Int32Type>(column::START_RULE, at) else {
            return Ok(Start::Unknown);
        };
        let time = || {
            let micros = self.value::<TimestampMicrosecondType>(column::START_TS, at);
            micros.map(|t| t.div_euclid(1000)).ok_or("start timestamp is missing")
        };
        match rule {
            0 => Ok(Start::Fixed(time()?)),
            1 => Ok(Start::Previous(time()?)),
            2 => {
                let lags = self.list::<Int32Type>(column::START_LAG_MS, at);
                Ok(Start::Each(lags.ok_or("start lags are missing")?))
            }
            _ => Err("start rule is not known"),
        }
    }
}
