//! Slices on their way into a block: rows, and the Arrow batches made of them.
//!
//! Values lie in two pools that rows point into; labels are asked for row by row, so that a million
//! series are never held as texts at once.

use std::sync::Arc;

use arrow_array::builder::{MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type};
use arrow_array::{
    ArrayRef, BooleanArray, Int32Array, ListArray, PrimitiveArray, RecordBatch,
    TimestampMicrosecondArray, TimestampMillisecondArray, new_null_array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, FieldRef, SchemaRef};
use tarn_model::error::{Error, Result};
use tarn_model::labels::{LabelSet, METRIC_NAME};
use tarn_model::map::HashMap;
use tarn_model::sample::MetricType;

use crate::block::columns::{LabelColumns, Present, label_column, map_parts};
use crate::block::survey::Survey;
use crate::schema::column;
use crate::slice::encode::{CountColumns, HistogramSlice, Start};

/// One slice.
#[derive(Debug, Clone)]
pub(crate) struct SliceRow {
    /// Number of the series among those of the block, in sort order.
    pub(crate) series: u32,
    pub(crate) timeline: u32,
    pub(crate) ts_offset: u32,
    pub(crate) n: u32,
    pub(crate) ts_first: i64,
    pub(crate) ts_last: i64,
    pub(crate) stale: bool,
    pub(crate) start: Start,
    pub(crate) values: RowValues,
}

impl SliceRow {
    /// Returns how many values the row brings into a batch.
    pub(crate) fn weight(&self) -> u64 {
        let buckets = match &self.values {
            RowValues::Histograms(slice) => {
                self.n as usize * (slice.positive.len() + slice.negative.len())
            }
            _ => 0,
        };
        u64::from(self.n) + buckets as u64
    }
}

/// Where the values of a slice are.
#[derive(Debug, Clone)]
pub(crate) enum RowValues {
    /// A lone staleness marker.
    None,
    /// `n` mantissas from `at` in the pool.
    Ints {
        scale: u8,
        at: usize,
    },
    /// `n` doubles from `at` in the pool.
    Floats {
        at: usize,
    },
    Histograms(Box<HistogramSlice>),
}

/// What is written with every slice of a series.
#[derive(Debug, Clone)]
pub(crate) struct SeriesInfo {
    pub(crate) labels: LabelSet,
    pub(crate) metric_type: MetricType,
    pub(crate) unit: Arc<str>,
}

/// All slices of a block, sorted.
pub(crate) struct SliceTable<'a> {
    pub(crate) timelines: &'a [Arc<[i64]>],
    pub(crate) rows: &'a [SliceRow],
    pub(crate) vi: &'a [i64],
    pub(crate) vf: &'a [f64],
    pub(crate) series: &'a dyn Fn(u32) -> SeriesInfo,
}

impl SliceTable<'_> {
    /// Returns which optional columns the rows need; units are known to who asks for the labels.
    pub(crate) fn present(&self, unit: bool) -> Present {
        let mut present = Present { unit, ..Present::default() };
        for row in self.rows {
            present.starts |= row.start != Start::Unknown;
            present.start_lags |= matches!(row.start, Start::Each(_));
            if let RowValues::Histograms(histograms) = &row.values {
                let int = matches!(histograms.counts, CountColumns::Int { .. });
                present.int_histograms |= int;
                present.float_histograms |= !int;
            }
        }
        present
    }

    /// Makes the batch of some slices, which the survey sees on the way.
    ///
    /// # Errors
    /// `Internal` where a label has no place: a bug.
    pub(crate) fn slice_batch(
        &self,
        schema: &SchemaRef,
        labels: &LabelColumns,
        rows: &[SliceRow],
        survey: &mut Survey,
    ) -> Result<RecordBatch> {
        let mut columns = Columns::new(schema, rows.len());
        let first = survey.next_row() as i32;
        self.set_labels(&mut columns, labels, rows, survey)?;
        let int = |get: fn(&SliceRow) -> i32| Int32Array::from_iter_values(rows.iter().map(get));
        let time = |get: fn(&SliceRow) -> i64| {
            let micros = rows.iter().map(|row| get(row) * 1000);
            TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC")
        };
        columns.set(column::ROW_ID, Int32Array::from_iter_values(first..first + rows.len() as i32));
        columns.set(column::TIMELINE, int(|row| row.timeline as i32));
        columns.set(column::TS_OFFSET, int(|row| row.ts_offset as i32));
        columns.set(column::N, int(|row| row.n as i32));
        columns.set(column::TS_FIRST, time(|row| row.ts_first));
        columns.set(column::TS_LAST, time(|row| row.ts_last));
        let stale: Vec<bool> = rows.iter().map(|row| row.stale).collect();
        columns.set(column::STALE, BooleanArray::from(stale));
        set_starts(&mut columns, rows);
        self.set_values(&mut columns, rows);
        set_histograms(&mut columns, rows);
        columns.finish()
    }

    fn set_labels(
        &self,
        columns: &mut Columns<'_>,
        names: &LabelColumns,
        rows: &[SliceRow],
        survey: &mut Survey,
    ) -> Result<()> {
        let places: HashMap<&str, usize> =
            names.columns.iter().enumerate().map(|(i, name)| (&**name, i)).collect();
        let mut metric = StringBuilder::new();
        let mut kind = StringBuilder::new();
        let mut unit = StringBuilder::new();
        let mut labels: Vec<TextColumn> =
            names.columns.iter().map(|_| TextColumn::default()).collect();
        let mut more = text_map(column::LABELS_MORE);
        let mut last: Option<(u32, SeriesInfo)> = None;
        for (i, row) in rows.iter().enumerate() {
            if last.as_ref().is_none_or(|(series, _)| *series != row.series) {
                last = Some((row.series, (self.series)(row.series)));
            }
            let Some((_, info)) = &last else { continue };
            survey.add(row, info, self.timelines)?;
            metric.append_option(info.labels.get(METRIC_NAME));
            kind.append_option(
                (info.metric_type != MetricType::Unknown).then_some(info.metric_type.as_str()),
            );
            unit.append_option((!info.unit.is_empty()).then_some(&*info.unit));
            let mut any = false;
            for label in info.labels.iter().filter(|l| &*l.name != METRIC_NAME) {
                match places.get(&*label.name) {
                    Some(at) => labels[*at].push(i, &label.value),
                    None if !names.in_map.contains(&label.name) => {
                        return Err(Error::internal(format!(
                            "label {:?} has no place in the block",
                            label.name
                        )));
                    }
                    None => {
                        more.keys().append_value(&label.name);
                        more.values().append_value(&label.value);
                        any = true;
                    }
                }
            }
            if !names.in_map.is_empty() {
                append_map(&mut more, any);
            }
        }
        columns.set(column::METRIC, metric.finish());
        columns.set(column::TYPE, kind.finish());
        columns.set(column::UNIT, unit.finish());
        for (name, column) in names.columns.iter().zip(labels) {
            if !column.is_empty() {
                columns.set(&label_column(name), column.finish(rows.len()));
            }
        }
        if !names.in_map.is_empty() {
            columns.set(column::LABELS_MORE, more.finish());
        }
        Ok(())
    }

    fn set_values(&self, columns: &mut Columns<'_>, rows: &[SliceRow]) {
        let mut scales = Vec::with_capacity(rows.len());
        let (mut ints, mut floats) = (Vec::new(), Vec::new());
        let (mut int_lengths, mut float_lengths) = (Vec::new(), Vec::new());
        for row in rows {
            let n = row.n as usize;
            let (mut scale, mut int, mut float) = (None, None, None);
            match &row.values {
                RowValues::Ints { scale: k, at } => {
                    ints.extend_from_slice(&self.vi[*at..at + n]);
                    (scale, int) = (Some(i32::from(*k)), Some(n));
                }
                RowValues::Floats { at } => {
                    floats.extend_from_slice(&self.vf[*at..at + n]);
                    float = Some(n);
                }
                RowValues::None | RowValues::Histograms(_) => {}
            }
            scales.push(scale);
            int_lengths.push(int);
            float_lengths.push(float);
        }
        columns.set(column::SCALE, Int32Array::from(scales));
        columns.set_list(column::VI, PrimitiveArray::<Int64Type>::from(ints), &int_lengths);
        columns.set_list(column::VF, PrimitiveArray::<Float64Type>::from(floats), &float_lengths);
    }
}

/// Makes the batch of all timelines of a block.
pub(crate) fn timeline_batch(vectors: &[Arc<[i64]>], schema: &SchemaRef) -> Result<RecordBatch> {
    let lengths: Vec<i32> = vectors.iter().map(|v| v.len() as i32).collect();
    let ticks = vectors.iter().flat_map(|v| v.iter().copied());
    let ticks = TimestampMillisecondArray::from_iter_values(ticks).with_timezone("UTC");
    let mut columns = Columns::new(schema, vectors.len());
    columns.set(column::ROW_ID, Int32Array::from_iter_values(0..vectors.len() as i32));
    columns.set(column::N, Int32Array::from(lengths));
    let lengths: Vec<Option<usize>> = vectors.iter().map(|v| Some(v.len())).collect();
    columns.set_list(column::TS, ticks, &lengths);
    columns.finish()
}

fn set_starts(columns: &mut Columns<'_>, rows: &[SliceRow]) {
    if rows.iter().all(|row| row.start == Start::Unknown) {
        return;
    }
    let (mut lags, mut lengths) = (Vec::new(), Vec::new());
    let (mut times, mut rules) = (Vec::new(), Vec::new());
    for row in rows {
        let (time, rule) = match &row.start {
            Start::Unknown => (None, None),
            Start::Fixed(at) => (Some(at * 1000), Some(0)),
            Start::Previous(at) => (Some(at * 1000), Some(1)),
            Start::Each(_) => (None, Some(2)),
        };
        lengths.push(match &row.start {
            Start::Each(each) => {
                lags.extend_from_slice(each);
                Some(each.len())
            }
            _ => None,
        });
        times.push(time);
        rules.push(rule);
    }
    columns.set(column::START_TS, TimestampMicrosecondArray::from(times).with_timezone("UTC"));
    columns.set(column::START_RULE, Int32Array::from(rules));
    columns.set_list(column::START_LAG_MS, PrimitiveArray::<Int32Type>::from(lags), &lengths);
}

fn set_histograms(columns: &mut Columns<'_>, rows: &[SliceRow]) {
    let slices: Vec<Option<&HistogramSlice>> = rows
        .iter()
        .map(|row| match &row.values {
            RowValues::Histograms(slice) => Some(&**slice),
            _ => None,
        })
        .collect();
    if slices.iter().all(Option::is_none) {
        return;
    }
    let each = |get: fn(&HistogramSlice) -> i32| {
        Int32Array::from_iter(slices.iter().map(|slice| slice.map(get)))
    };
    columns.set(column::H_SCHEMA, each(|s| s.schema));
    let thresholds = slices.iter().map(|slice| slice.map(|s| s.zero_threshold));
    columns.set(column::H_ZERO_THRESHOLD, PrimitiveArray::<Float64Type>::from_iter(thresholds));
    let gauges: Vec<Option<bool>> = slices.iter().map(|slice| slice.map(|s| s.gauge)).collect();
    columns.set(column::H_GAUGE, BooleanArray::from(gauges));
    columns.set_slices::<Float64Type>(column::H_BOUNDS, &slices, |s| Some(&s.bounds));
    columns.set_slices::<Int32Type>(column::H_POS_INDEX, &slices, |s| Some(&s.positive));
    columns.set_slices::<Int32Type>(column::H_NEG_INDEX, &slices, |s| Some(&s.negative));
    columns.set_slices::<Float64Type>(column::H_SUM, &slices, |s| Some(&s.sums));
    columns.set_slices::<Int64Type>(column::H_COUNT, &slices, |s| s.ints().map(|c| c[0]));
    columns.set_slices::<Int64Type>(column::H_ZERO, &slices, |s| s.ints().map(|c| c[1]));
    columns.set_slices::<Int64Type>(column::H_BUCKETS, &slices, |s| s.ints().map(|c| c[2]));
    columns.set_slices::<Float64Type>(column::H_COUNT_F, &slices, |s| s.floats().map(|c| c[0]));
    columns.set_slices::<Float64Type>(column::H_ZERO_F, &slices, |s| s.floats().map(|c| c[1]));
    columns.set_slices::<Float64Type>(column::H_BUCKETS_F, &slices, |s| s.floats().map(|c| c[2]));
}

/// A text column whose NULLs are filled in when a value comes.
#[derive(Default)]
pub(crate) struct TextColumn {
    builder: StringBuilder,
    rows: usize,
}

impl TextColumn {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Sets the value of a row behind all rows set before.
    pub(crate) fn push(&mut self, row: usize, value: &str) {
        self.builder.append_nulls(row - self.rows);
        self.builder.append_value(value);
        self.rows = row + 1;
    }

    pub(crate) fn finish(mut self, rows: usize) -> arrow_array::StringArray {
        self.builder.append_nulls(rows - self.rows);
        self.builder.finish()
    }
}

/// Begins the map column `name` of texts.
pub(crate) fn text_map(name: &str) -> MapBuilder<StringBuilder, StringBuilder> {
    let names = MapFieldNames {
        entry: "key_value".to_owned(),
        key: "key".to_owned(),
        value: "value".to_owned(),
    };
    let (key, value) = map_parts(name);
    MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())
        .with_keys_field(key)
        .with_values_field(value)
}

/// Ends a row of a map; a row without entries is NULL.
pub(crate) fn append_map(map: &mut MapBuilder<StringBuilder, StringBuilder>, any: bool) {
    map.append(any).expect("a key was appended with every value");
}

/// The columns of a batch under construction; those that are not set are NULL.
pub(crate) struct Columns<'a> {
    schema: &'a SchemaRef,
    rows: usize,
    set: HashMap<String, ArrayRef>,
}

impl<'a> Columns<'a> {
    pub(crate) fn new(schema: &'a SchemaRef, rows: usize) -> Self {
        Self { schema, rows, set: HashMap::default() }
    }

    pub(crate) fn set(&mut self, name: &str, array: impl arrow_array::Array + 'static) {
        self.set.insert(name.to_owned(), Arc::new(array));
    }

    /// Sets a list column; `None` is a NULL row.
    pub(crate) fn set_list<T: ArrowPrimitiveType>(
        &mut self,
        name: &str,
        items: PrimitiveArray<T>,
        lengths: &[Option<usize>],
    ) {
        let Some(item) = self.schema.field_with_name(name).ok().and_then(item_field) else {
            return;
        };
        let offsets = OffsetBuffer::from_lengths(lengths.iter().map(|n| n.unwrap_or(0)));
        let nulls = NullBuffer::from_iter(lengths.iter().map(Option::is_some));
        self.set(name, ListArray::new(item, offsets, Arc::new(items), Some(nulls)));
    }

    fn set_slices<T: ArrowPrimitiveType>(
        &mut self,
        name: &str,
        rows: &[Option<&HistogramSlice>],
        get: impl Fn(&HistogramSlice) -> Option<&[T::Native]>,
    ) {
        let lists = || rows.iter().map(|row| row.and_then(&get).filter(|list| !list.is_empty()));
        let items = lists().flatten().flatten().copied();
        let lengths: Vec<Option<usize>> = lists().map(|list| list.map(<[_]>::len)).collect();
        self.set_list(name, PrimitiveArray::<T>::from_iter_values(items), &lengths);
    }

    pub(crate) fn finish(mut self) -> Result<RecordBatch> {
        let columns = self.schema.fields().iter().map(|field| {
            let set = self.set.remove(field.name());
            set.unwrap_or_else(|| new_null_array(field.data_type(), self.rows))
        });
        let columns = columns.collect();
        RecordBatch::try_new(Arc::clone(self.schema), columns)
            .map_err(|e| Error::internal("lay out block columns").with_source(e))
    }
}

fn item_field(field: &arrow_schema::Field) -> Option<FieldRef> {
    match field.data_type() {
        DataType::List(item) => Some(Arc::clone(item)),
        _ => None,
    }
}
