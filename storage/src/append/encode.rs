//! Samples ↔ the payloads of the log: one [`message`] per kind of rows.
//!
//! The schema is implied by the payload's number. Writing happens in the request's own task, reading in replay. The
//! bits of floats pass through untouched; labels are written as the bytes whose hash is the
//! [`SeriesId`](tarn_model::labels::SeriesId).

use std::sync::{Arc, LazyLock};

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, UInt8Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, Int64Array, ListArray, PrimitiveArray, RecordBatch, StringArray,
    UInt32Array, UInt64Array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use tarn_model::error::Result;
use tarn_model::labels::{Label, LabelSet};
use tarn_model::sample::{Counts, Exemplar, Histogram, Metadata, MetricType, ResetHint};
use tarn_model::signal::Signal;

use crate::append::message::{self, Packing, damaged, read};
use crate::head::columns::{FloatRun, HistogramRow, Rows};
use crate::head::series::SeriesEntry;
use crate::schema::payload;
use crate::wal::{Lsn, Payload};

fn schema(fields: &[(&str, DataType)]) -> SchemaRef {
    let fields: Vec<Field> =
        fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), false)).collect();
    Arc::new(Schema::new(fields))
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, false)))
}

static DEFINITIONS: LazyLock<SchemaRef> =
    LazyLock::new(|| schema(&[("series", DataType::UInt32), ("labels", DataType::Binary)]));
static FLOATS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(&[("series", DataType::UInt32), ("t", DataType::Int64), ("v", DataType::UInt64)])
});
static FLOATS_STARTED: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(&[
        ("series", DataType::UInt32),
        ("t", DataType::Int64),
        ("v", DataType::UInt64),
        ("st", DataType::Int64),
    ])
});
static HISTOGRAMS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(&[
        ("series", DataType::UInt32),
        ("t", DataType::Int64),
        ("st", DataType::Int64),
        ("schema", DataType::Int32),
        ("flags", DataType::UInt8),
        ("zero_threshold", DataType::Float64),
        ("sum", DataType::UInt64),
        ("count", DataType::UInt64),
        ("zero", DataType::UInt64),
        ("bounds", list(DataType::Float64)),
        ("positive", list(DataType::Int32)),
        ("negative", list(DataType::Int32)),
        ("buckets", list(DataType::UInt64)),
    ])
});
static EXEMPLARS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(&[
        ("series", DataType::UInt32),
        ("t", DataType::Int64),
        ("v", DataType::UInt64),
        ("labels", DataType::Binary),
    ])
});
static FAMILIES: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(&[
        ("family", DataType::Utf8),
        ("type", DataType::Utf8),
        ("unit", DataType::Utf8),
        ("help", DataType::Utf8),
    ])
});

static ACKNOWLEDGED: LazyLock<SchemaRef> =
    LazyLock::new(|| schema(&[("name", DataType::Utf8), ("lsn", DataType::UInt64)]));

/// Flag of a histogram with float counts; its reset hint is in the bits above.
const FLOAT_COUNTS: u8 = 1;

/// Encodes the labels of series; `None` where there are none.
pub(crate) fn definitions(entries: &[Arc<SeriesEntry>]) -> Option<Payload> {
    if entries.is_empty() {
        return None;
    }
    let references = UInt32Array::from_iter_values(entries.iter().map(|e| e.index));
    let mut labels = BinaryBuilder::new();
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.clear();
        write_labels(&entry.labels(), &mut bytes);
        labels.append_value(&bytes);
    }
    let bytes = message(&DEFINITIONS, vec![Arc::new(references), Arc::new(labels.finish())]);
    Some(Payload { signal: Signal::Metrics, schema: payload::DEFINITIONS, bytes })
}

/// Encodes how far those who follow the log are; `None` where nobody says so.
pub(crate) fn acknowledged(positions: &[(Arc<str>, Lsn)]) -> Option<Payload> {
    if positions.is_empty() {
        return None;
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(positions.iter().map(|(name, _)| name))),
        Arc::new(UInt64Array::from_iter_values(positions.iter().map(|(_, lsn)| lsn.0))),
    ];
    let bytes = message(&ACKNOWLEDGED, columns);
    Some(Payload { signal: Signal::Metrics, schema: payload::ACKNOWLEDGED, bytes })
}

/// Reads how far those who follow the log are.
pub(crate) fn read_acknowledged(bytes: &Bytes, into: &mut Vec<(String, Lsn)>) -> Result<()> {
    let batch = read(bytes, &ACKNOWLEDGED, "acknowledgements")?;
    let names: &StringArray = batch.column(0).as_string();
    let lsns = values::<UInt64Type>(&batch, 1).iter();
    into.extend(names.iter().flatten().map(str::to_owned).zip(lsns.map(|lsn| Lsn(*lsn))));
    Ok(())
}

/// Encodes all rows of a request.
pub(crate) fn rows(rows: &Rows) -> Vec<Payload> {
    let mut payloads = Vec::new();
    let mut add = |schema, bytes| {
        payloads.push(Payload { signal: Signal::Metrics, schema, bytes });
    };
    if !rows.times.is_empty() {
        if rows.starts.is_empty() {
            add(payload::FLOATS, floats(rows));
        } else {
            add(payload::FLOATS_STARTED, floats(rows));
        }
    }
    if !rows.histograms.is_empty() {
        add(payload::HISTOGRAMS, histograms(&rows.histograms));
    }
    if !rows.exemplars.is_empty() {
        add(payload::EXEMPLARS, exemplars(&rows.exemplars));
    }
    if !rows.families.is_empty() {
        add(payload::FAMILIES, families(rows));
    }
    payloads
}

fn floats(rows: &Rows) -> Bytes {
    let runs = rows.runs.iter();
    let series = runs.flat_map(|run| std::iter::repeat_n(run.index, run.n as usize));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_iter_values(series)),
        Arc::new(Int64Array::from(rows.times.clone())),
        Arc::new(UInt64Array::from(rows.bits.clone())),
    ];
    if rows.starts.is_empty() {
        return message(&FLOATS, columns);
    }
    columns.push(Arc::new(Int64Array::from(rows.starts.clone())));
    message(&FLOATS_STARTED, columns)
}

fn histograms(rows: &[HistogramRow]) -> Bytes {
    fn each<T: ArrowPrimitiveType>(
        rows: &[HistogramRow],
        value: impl Fn(&Histogram) -> T::Native,
    ) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::from_iter_values(rows.iter().map(|r| value(&r.value))))
    }
    let counts = |h: &Histogram| match &h.counts {
        Counts::Int { count, zero, buckets } => {
            (*count, *zero, buckets.iter().map(|b| *b as u64).collect())
        }
        Counts::Float { count, zero, buckets } => {
            let buckets: Vec<u64> = buckets.iter().map(|b| b.to_bits()).collect();
            (count.to_bits(), zero.to_bits(), buckets)
        }
    };
    let flags = |h: &Histogram| {
        let float = matches!(h.counts, Counts::Float { .. });
        u8::from(float) * FLOAT_COUNTS + ((h.reset_hint as u8) << 1)
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|r| r.index))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.time_ms))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.start_ms))),
        each::<Int32Type>(rows, |h| h.schema),
        each::<UInt8Type>(rows, flags),
        each::<Float64Type>(rows, |h| h.zero_threshold),
        each::<UInt64Type>(rows, |h| h.sum.to_bits()),
        each::<UInt64Type>(rows, |h| counts(h).0),
        each::<UInt64Type>(rows, |h| counts(h).1),
        lists::<Float64Type>(rows.iter().map(|r| r.value.bounds.clone())),
        lists::<Int32Type>(rows.iter().map(|r| r.value.positive.clone())),
        lists::<Int32Type>(rows.iter().map(|r| r.value.negative.clone())),
        lists::<UInt64Type>(rows.iter().map(|r| counts(&r.value).2)),
    ];
    message(&HISTOGRAMS, columns)
}

fn lists<T: ArrowPrimitiveType>(rows: impl Iterator<Item = Vec<T::Native>>) -> ArrayRef {
    let mut values: Vec<T::Native> = Vec::new();
    let mut lengths = Vec::new();
    for row in rows {
        lengths.push(row.len());
        values.extend(row);
    }
    let items = PrimitiveArray::<T>::from_iter_values(values);
    let field = Arc::new(Field::new("item", T::DATA_TYPE, false));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), Arc::new(items), None))
}

fn exemplars(rows: &[(u32, Exemplar)]) -> Bytes {
    let mut labels = BinaryBuilder::new();
    for (_, exemplar) in rows {
        let mut bytes = Vec::new();
        write_labels(&exemplar.labels, &mut bytes);
        labels.append_value(&bytes);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|r| r.0))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.1.time_ms))),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.1.value.to_bits()))),
        Arc::new(labels.finish()),
    ];
    message(&EXEMPLARS, columns)
}

fn families(rows: &Rows) -> Bytes {
    fn each<'a>(texts: impl Iterator<Item = &'a str>) -> ArrayRef {
        let mut builder = StringBuilder::new();
        texts.for_each(|text| builder.append_value(text));
        Arc::new(builder.finish())
    }
    let families = &rows.families;
    let columns = vec![
        each(families.iter().map(|(family, _)| &**family)),
        each(families.iter().map(|(_, m)| m.metric_type.as_str())),
        each(families.iter().map(|(_, m)| &*m.unit)),
        each(families.iter().map(|(_, m)| &*m.help)),
    ];
    message(&FAMILIES, columns)
}

fn message(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Bytes {
    // Metrics are repetitive: lz4 pays even for a few samples of many series.
    message::write(schema, columns, Packing::Lz4)
        .expect("columns are built for this very schema, of types that can be written")
}

/// Writes labels as `{u32 length, name, u32 length, value}`, in name order.
fn write_labels(labels: &LabelSet, into: &mut Vec<u8>) {
    for label in labels.iter() {
        for part in [&label.name, &label.value] {
            into.extend_from_slice(&(part.len() as u32).to_le_bytes());
            into.extend_from_slice(part.as_bytes());
        }
    }
}

fn read_labels(mut bytes: &[u8]) -> Result<LabelSet> {
    fn part<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let (text, rest) = rest.split_at_checked(length)?;
        *bytes = rest;
        std::str::from_utf8(text).ok()
    }
    let mut labels = Vec::new();
    while !bytes.is_empty() {
        let name = part(&mut bytes).ok_or_else(|| damaged("labels"))?;
        let value = part(&mut bytes).ok_or_else(|| damaged("labels"))?;
        labels.push(Label::new(name, value));
    }
    Ok(LabelSet::new(labels))
}

fn values<T: ArrowPrimitiveType>(batch: &RecordBatch, at: usize) -> &[T::Native] {
    batch.column(at).as_primitive::<T>().values()
}

/// Reads the labels of series.
pub(crate) fn read_definitions(bytes: &Bytes, into: &mut Vec<(u32, LabelSet)>) -> Result<()> {
    let batch = read(bytes, &DEFINITIONS, "definitions")?;
    let labels: &BinaryArray = batch.column(1).as_binary();
    for (i, reference) in values::<UInt32Type>(&batch, 0).iter().enumerate() {
        into.push((*reference, read_labels(labels.value(i))?));
    }
    Ok(())
}

/// Reads floats.
pub(crate) fn read_floats(bytes: &Bytes, started: bool, into: &mut Rows) -> Result<()> {
    let schema = if started { &FLOATS_STARTED } else { &FLOATS };
    let batch = read(bytes, schema, "floats")?;
    for index in values::<UInt32Type>(&batch, 0) {
        match into.runs.last_mut() {
            Some(run) if run.index == *index => run.n += 1,
            _ => into.runs.push(FloatRun { index: *index, n: 1 }),
        }
    }
    into.times.extend_from_slice(values::<Int64Type>(&batch, 1));
    into.bits.extend_from_slice(values::<UInt64Type>(&batch, 2));
    if started {
        into.starts.extend_from_slice(values::<Int64Type>(&batch, 3));
    }
    Ok(())
}

/// Reads native histograms.
pub(crate) fn read_histograms(bytes: &Bytes, into: &mut Rows) -> Result<()> {
    fn items<T: ArrowPrimitiveType>(batch: &RecordBatch, at: usize, row: usize) -> Vec<T::Native> {
        batch.column(at).as_list::<i32>().value(row).as_primitive::<T>().values().to_vec()
    }
    let batch = read(bytes, &HISTOGRAMS, "histograms")?;
    let batch = &batch;
    for row in 0..batch.num_rows() {
        let flags = values::<UInt8Type>(batch, 4)[row];
        let (count, zero) =
            (values::<UInt64Type>(batch, 7)[row], values::<UInt64Type>(batch, 8)[row]);
        let buckets = items::<UInt64Type>(batch, 12, row);
        let counts = if flags & FLOAT_COUNTS == 0 {
            let buckets = buckets.into_iter().map(|b| b as i64).collect();
            Counts::Int { count, zero, buckets }
        } else {
            let buckets = buckets.into_iter().map(f64::from_bits).collect();
            Counts::Float { count: f64::from_bits(count), zero: f64::from_bits(zero), buckets }
        };
        let value = Histogram {
            schema: values::<Int32Type>(batch, 3)[row],
            bounds: items::<Float64Type>(batch, 9, row),
            zero_threshold: values::<Float64Type>(batch, 5)[row],
            sum: f64::from_bits(values::<UInt64Type>(batch, 6)[row]),
            positive: items::<Int32Type>(batch, 10, row),
            negative: items::<Int32Type>(batch, 11, row),
            counts,
            reset_hint: hint(flags >> 1)?,
        };
        into.histograms.push(HistogramRow {
            index: values::<UInt32Type>(batch, 0)[row],
            time_ms: values::<Int64Type>(batch, 1)[row],
            start_ms: values::<Int64Type>(batch, 2)[row],
            value: Arc::new(value),
        });
    }
    Ok(())
}

fn hint(number: u8) -> Result<ResetHint> {
    let hints = [ResetHint::Unknown, ResetHint::Reset, ResetHint::NotReset, ResetHint::Gauge];
    hints.into_iter().find(|h| *h as u8 == number).ok_or_else(|| damaged("histograms"))
}

/// Reads exemplars.
pub(crate) fn read_exemplars(bytes: &Bytes, into: &mut Rows) -> Result<()> {
    let batch = read(bytes, &EXEMPLARS, "exemplars")?;
    let labels: &BinaryArray = batch.column(3).as_binary();
    for (row, index) in values::<UInt32Type>(&batch, 0).iter().enumerate() {
        let exemplar = Exemplar {
            labels: read_labels(labels.value(row))?,
            value: f64::from_bits(values::<UInt64Type>(&batch, 2)[row]),
            time_ms: values::<Int64Type>(&batch, 1)[row],
        };
        into.exemplars.push((*index, exemplar));
    }
    Ok(())
}

/// Reads metadata of metric families.
pub(crate) fn read_families(bytes: &Bytes, into: &mut Rows) -> Result<()> {
    let batch = read(bytes, &FAMILIES, "families")?;
    let text = |at: usize| -> &StringArray { batch.column(at).as_string() };
    let (family, kind, unit, help) = (text(0), text(1), text(2), text(3));
    for row in 0..family.len() {
        let metadata = Metadata {
            metric_type: MetricType::parse(kind.value(row)),
            unit: unit.value(row).into(),
            help: help.value(row).into(),
        };
        into.families.push((family.value(row).into(), metadata));
    }
    Ok(())
}
