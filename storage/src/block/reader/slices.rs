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
    TimestampMillisecondType,
};
use arrow_array::{Array, RecordBatch};
use tarn_model::error::{Error, Result};
use tarn_model::map::HashMap;
use tarn_model::slice::{Samples, Slice};

use crate::block::reader::{Blocks, OpenBlock, RowSlice, Scan};
use crate::schema::column;
use crate::slice::decode;
use crate::slice::encode::{CountColumns, HistogramSlice, Start};

/// Value columns of a slice; those that a block lacks are passed over.
const VALUES: &[&str] = &[
    column::ROW_ID,
    column::VI,
    column::VF,
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
        let mut slices = Vec::with_capacity(rows.len());
        let scan = Scan {
            columns: VALUES.iter().map(|name| (*name).to_owned()).collect(),
            rows: ranges(rows.iter().map(|row| row.row)),
            filters: Vec::new(),
        };
        self.scan(block, scan, |batch| {
            let columns = Columns::of(batch);
            for at in 0..batch.num_rows() {
                let wanted = rows.get(slices.len()).filter(|w| columns.row_id(at) == Some(w.row));
                let wrong = |what: &str| {
                    let row = columns.row_id(at).unwrap_or(u32::MAX);
                    Error::corrupt(format!("block {} row {row}: {what}", block.object))
                };
                let row = wanted.ok_or_else(|| wrong("row is not where it should be"))?;
                let ticks = ticks.get(&row.timeline).ok_or_else(|| wrong("timeline is missing"))?;
                slices.push(columns.slice(row, at, ticks).map_err(wrong)?);
            }
            Ok(())
        })
        .await?;
        if slices.len() != rows.len() {
            let (got, wanted) = (slices.len(), rows.len());
            let message = format!("block {} gave {got} of {wanted} rows", block.object);
            return Err(Error::corrupt(message));
        }
        Ok(slices)
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
        if missing.is_empty() {
            return Ok(found);
        }
        let columns = [column::ROW_ID, column::TIMELINE, column::TS].map(str::to_owned).to_vec();
        let scan = Scan { columns, rows: ranges(missing.into_iter()), filters: Vec::new() };
        self.scan(block, scan, |batch| {
            let columns = Columns::of(batch);
            for at in 0..batch.num_rows() {
                let marked = batch.column_by_name(column::TIMELINE).is_some_and(|c| c.is_null(at));
                let ticks = columns.list::<TimestampMillisecondType>(column::TS, at);
                let (true, Some(row), Some(ticks)) = (marked, columns.row_id(at), ticks) else {
                    let message = format!("block {} has slices among timelines", block.object);
                    return Err(Error::corrupt(message));
                };
                let ticks: Arc<[i64]> = ticks.into();
                let bytes = ticks.len() * 8;
                let key = (Arc::clone(&block.object), row);
                self.ticks.lock().insert(key, Arc::clone(&ticks), bytes);
                found.insert(row, ticks);
            }
            Ok(())
        })
        .await?;
        Ok(found)
    }
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

/// The value columns of a batch.
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

    fn slice(
        &self,
        row: &RowSlice,
        at: usize,
        ticks: &Arc<[i64]>,
    ) -> std::result::Result<Slice, &'static str> {
        let (first, n) = (row.ts_offset as usize, row.n as usize);
        let end = first + n;
        if ticks.len() < end + usize::from(row.stale) {
            return Err("timeline has fewer ticks than the row needs");
        }
        let samples = self.samples(row, at)?;
        if samples.len() != n {
            return Err("values contradict the number of samples");
        }
        let start = self.start(at)?;
        if let Start::Each(lags) = &start
            && lags.len() != n
        {
            return Err("start lags contradict the number of samples");
        }
        Ok(Slice {
            ticks: Arc::clone(ticks),
            first,
            samples,
            starts: decode::starts(&start, &ticks[first..end]),
            stale_at: row.stale.then(|| ticks[end]),
            stats: None,
        })
    }

    fn samples(&self, row: &RowSlice, at: usize) -> std::result::Result<Samples, &'static str> {
        if row.n == 0 {
            return Ok(Samples::Floats(Vec::new()));
        }
        if let Some(scale) = row.scale {
            let mantissas =
                self.list::<Int64Type>(column::VI, at).ok_or("mantissas are missing")?;
            return Ok(decode::floats(&mantissas, usize::from(scale)));
        }
        if let Some(values) = self.list::<Float64Type>(column::VF, at) {
            return Ok(Samples::Floats(values));
        }
        decode::histograms(&self.histograms(at)?, row.n as usize)
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
