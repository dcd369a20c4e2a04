//! Blocks of what is written beside slices: exemplars, and metadata of metric families.
//!
//! Both are few and flat. Exemplars repeat the labels of their series, so that the way from a trace
//! to its metric needs no join; a bloom filter on the trace id rules blocks out.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::builder::{FixedSizeBinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use arrow_array::{Array, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use tarn_model::error::{Error, Result};
use tarn_model::labels::{Label, LabelSet, METRIC_NAME};
use tarn_model::map::HashSet;
use tarn_model::sample::{Exemplar, Metadata, MetricType};

use crate::block::BlockMeta;
use crate::block::columns::{self, LabelColumns, label_column};
use crate::block::reader::rows::{Texts as TextKeys, each_entry, text};
use crate::block::seal::{Content, NewBlock, Origin, refused, seal};
use crate::block::table::{Columns, TextColumn, append_map, text_map};
use crate::block::writer::open;
use crate::schema::{SORT_NAME, SeriesKey, column, kind, rank};

/// Label of an exemplar that names its trace.
const TRACE_ID: &str = "trace_id";
/// Label of an exemplar that names its span.
const SPAN_ID: &str = "span_id";

/// Writes exemplars, which come in the order of their series, then of their times.
#[derive(Debug)]
pub(crate) struct ExemplarWriter {
    labels: LabelColumns,
    schema: SchemaRef,
    writer: ArrowWriter<Vec<u8>>,
    content: Content,
    used: HashSet<Arc<str>>,
    last: Option<LabelSet>,
}

impl ExemplarWriter {
    /// Begins a block. `labels` has a place for every label that will come.
    ///
    /// # Errors
    /// `Internal` where the writer refuses what it is given: a bug.
    pub(crate) fn begin(labels: LabelColumns) -> Result<Self> {
        let schema = columns::exemplars(&labels);
        let writer = open(&schema, &labels)?;
        let content = Content {
            kind: kind::EXEMPLARS,
            sort: Some(SORT_NAME),
            time_min_ms: i64::MAX,
            time_max_ms: i64::MIN,
            ..Content::default()
        };
        Ok(Self { labels, schema, writer, content, used: HashSet::default(), last: None })
    }

    /// Writes the next exemplars.
    ///
    /// # Errors
    /// As [`ExemplarWriter::begin`].
    pub(crate) fn write(&mut self, rows: &[(LabelSet, Exemplar)]) -> Result<()> {
        for (labels, exemplar) in rows {
            if self.last.as_ref() != Some(labels) {
                self.content.series += 1;
                self.used.extend(labels.iter().map(|label| Arc::clone(&label.name)));
                self.last = Some(labels.clone());
            }
            let Content { time_min_ms, time_max_ms, .. } = &mut self.content;
            *time_min_ms = exemplar.time_ms.min(*time_min_ms);
            *time_max_ms = exemplar.time_ms.max(*time_max_ms);
        }
        self.content.rows += rows.len() as u64;
        self.content.samples += rows.len() as u64;
        let mut batch = Columns::new(&self.schema, rows.len());
        set_labels(&mut batch, &self.labels, rows);
        let micros = rows.iter().map(|(_, e)| e.time_ms * 1000);
        let micros = TimestampMicrosecondArray::from_iter_values(micros);
        batch.set(column::TS, micros.with_timezone("UTC"));
        let values = rows.iter().map(|(_, e)| e.value);
        batch.set(column::VALUE, Float64Array::from_iter_values(values));
        set_attributes(&mut batch, rows)?;
        self.writer.write(&batch.finish()?).map_err(refused)
    }

    /// Returns about how many bytes the block has so far.
    pub(crate) fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Ends the block.
    ///
    /// # Errors
    /// As [`ExemplarWriter::begin`].
    pub(crate) fn finish(self, origin: &Origin<'_>) -> Result<NewBlock> {
        let Self { mut labels, writer, mut content, used, .. } = self;
        labels.columns.retain(|name| used.contains(name));
        labels.in_map.retain(|name| used.contains(name));
        content.labels = labels;
        seal(writer, Vec::new(), content, origin)
    }
}

/// What is known of a metric family, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) metric: Arc<str>,
    pub(crate) metadata: Metadata,
    pub(crate) first_seen_ms: i64,
    pub(crate) last_seen_ms: i64,
}

/// Writes families, which come in the order of their names.
///
/// # Errors
/// `Internal` where the writer refuses what it is given: a bug.
pub(crate) fn write_families(families: &[Family], origin: &Origin<'_>) -> Result<NewBlock> {
    let schema = columns::families();
    let mut writer = open(&schema, &LabelColumns::default())?;
    let mut batch = Columns::new(&schema, families.len());
    let text = |get: fn(&Metadata) -> &str| {
        let texts = families.iter().map(|f| Some(get(&f.metadata)).filter(|t| !t.is_empty()));
        texts.collect::<StringArray>()
    };
    let time = |get: fn(&Family) -> i64| {
        let micros = families.iter().map(|family| get(family) * 1000);
        TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC")
    };
    batch.set(column::METRIC, StringArray::from_iter_values(families.iter().map(|f| &f.metric)));
    // A type that is not told is NULL.
    let told = |m: &Metadata| match m.metric_type {
        MetricType::Unknown => "",
        told => told.as_str(),
    };
    batch.set(column::TYPE, text(told));
    batch.set(column::UNIT, text(|m| &m.unit));
    batch.set(column::HELP, text(|m| &m.help));
    batch.set(column::FIRST_SEEN, time(|f| f.first_seen_ms));
    batch.set(column::LAST_SEEN, time(|f| f.last_seen_ms));
    writer.write(&batch.finish()?).map_err(refused)?;
    let content = Content {
        kind: kind::FAMILIES,
        rows: families.len() as u64,
        time_min_ms: families.iter().map(|f| f.first_seen_ms).min().unwrap_or(0),
        time_max_ms: families.iter().map(|f| f.last_seen_ms).max().unwrap_or(0),
        ..Content::default()
    };
    seal(writer, Vec::new(), content, origin)
}

/// Reads the families of a batch; `None` where a column is not what its name says.
pub(crate) fn read_families(batch: &RecordBatch) -> Option<Vec<Family>> {
    let texts = |name: &str| batch.column_by_name(name)?.as_dictionary_opt();
    let times =
        |name: &str| batch.column_by_name(name)?.as_primitive_opt::<TimestampMicrosecondType>();
    let (metric, kind) = (texts(column::METRIC)?, texts(column::TYPE)?);
    let (unit, help) = (texts(column::UNIT)?, texts(column::HELP)?);
    let (first, last) = (times(column::FIRST_SEEN)?, times(column::LAST_SEEN)?);
    let family = |row: usize| Family {
        metric: text(metric, row).unwrap_or("").into(),
        metadata: Metadata {
            metric_type: text(kind, row).map_or(MetricType::Unknown, MetricType::parse),
            unit: text(unit, row).unwrap_or("").into(),
            help: text(help, row).unwrap_or("").into(),
        },
        first_seen_ms: first.value(row).div_euclid(1000),
        last_seen_ms: last.value(row).div_euclid(1000),
    };
    Some((0..batch.num_rows()).map(family).collect())
}

/// Reads the exemplars of a batch, without the labels of their series; `None` where a column is not
/// what its name says.
pub(crate) fn read_exemplars(batch: &RecordBatch) -> Option<Vec<Exemplar>> {
    let named = |name: &str| batch.column_by_name(name);
    let times = named(column::TS)?.as_primitive_opt::<TimestampMicrosecondType>()?;
    let values = named(column::VALUE)?.as_primitive_opt::<Float64Type>()?;
    let traces = named(column::TRACE_ID)?.as_fixed_size_binary_opt()?;
    let spans = named(column::SPAN_ID)?.as_fixed_size_binary_opt()?;
    let attributes = named(column::ATTRIBUTES)?.as_map_opt()?;
    let exemplar = |row: usize| {
        let mut labels = Vec::new();
        for (name, ids) in [(TRACE_ID, traces), (SPAN_ID, spans)] {
            if ids.is_valid(row) {
                labels.push(Label::new(name, hex(ids.value(row))));
            }
        }
        each_entry(attributes, row, |name, value| labels.push(Label::new(name, value)));
        Exemplar {
            labels: LabelSet::new(labels),
            value: values.value(row),
            time_ms: times.value(row).div_euclid(1000),
        }
    };
    Some((0..batch.num_rows()).map(exemplar).collect())
}

/// Returns the series of every row of a batch.
pub(crate) fn read_keys(meta: &BlockMeta, batch: &RecordBatch) -> Vec<SeriesKey> {
    let metric = (Arc::<str>::from(METRIC_NAME), column::METRIC.to_owned());
    let named = meta.labels.iter().filter(|label| !label.in_map);
    let named = named.map(|label| (label.name.as_str().into(), label_column(&label.name)));
    let columns: Vec<(u8, Arc<str>, &TextKeys)> = std::iter::once(metric)
        .chain(named)
        .filter_map(|(name, own)| {
            let texts = batch.column_by_name(&own)?.as_dictionary_opt()?;
            Some((rank(&name).0, name, texts))
        })
        .collect();
    let more = batch.column_by_name(column::LABELS_MORE).and_then(|map| map.as_map_opt());
    let key = |row: usize| {
        let mut pairs = Vec::new();
        for (class, name, texts) in &columns {
            if let Some(value) = text(texts, row) {
                pairs.push((*class, Label { name: Arc::clone(name), value: value.into() }));
            }
        }
        if let Some(map) = more {
            each_entry(map, row, |name, value| {
                pairs.push((rank(name).0, Label::new(name, value)));
            });
        }
        SeriesKey::new(pairs)
    };
    (0..batch.num_rows()).map(key).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

fn set_labels(batch: &mut Columns<'_>, names: &LabelColumns, rows: &[(LabelSet, Exemplar)]) {
    let mut metric = StringBuilder::new();
    let mut texts: Vec<TextColumn> = names.columns.iter().map(|_| TextColumn::default()).collect();
    let mut more = text_map(column::LABELS_MORE);
    for (i, (labels, _)) in rows.iter().enumerate() {
        metric.append_option(labels.get(METRIC_NAME));
        for (name, column) in names.columns.iter().zip(&mut texts) {
            if let Some(value) = labels.get(name) {
                column.push(i, value);
            }
        }
        let mut any = false;
        for label in labels.iter().filter(|l| names.in_map.contains(&l.name)) {
            more.keys().append_value(&label.name);
            more.values().append_value(&label.value);
            any = true;
        }
        append_map(&mut more, any);
    }
    batch.set(column::METRIC, metric.finish());
    for (name, column) in names.columns.iter().zip(texts) {
        batch.set(&label_column(name), column.finish(rows.len()));
    }
    if !names.in_map.is_empty() {
        batch.set(column::LABELS_MORE, more.finish());
    }
}

fn set_attributes(batch: &mut Columns<'_>, rows: &[(LabelSet, Exemplar)]) -> Result<()> {
    let mut traces = FixedSizeBinaryBuilder::new(16);
    let mut spans = FixedSizeBinaryBuilder::new(8);
    let mut attributes = text_map(column::ATTRIBUTES);
    for (_, exemplar) in rows {
        let trace = exemplar.labels.get(TRACE_ID).and_then(unhex::<16>);
        let span = exemplar.labels.get(SPAN_ID).and_then(unhex::<8>);
        append_id(&mut traces, trace)?;
        append_id(&mut spans, span)?;
        let mut any = false;
        for label in exemplar.labels.iter() {
            // An id that is not of the usual form stays readable among the attributes.
            let taken = match &*label.name {
                TRACE_ID => trace.is_some(),
                SPAN_ID => span.is_some(),
                _ => false,
            };
            if !taken {
                attributes.keys().append_value(&label.name);
                attributes.values().append_value(&label.value);
                any = true;
            }
        }
        append_map(&mut attributes, any);
    }
    batch.set(column::TRACE_ID, traces.finish());
    batch.set(column::SPAN_ID, spans.finish());
    batch.set(column::ATTRIBUTES, attributes.finish());
    Ok(())
}

fn append_id<const N: usize>(
    builder: &mut FixedSizeBinaryBuilder,
    id: Option<[u8; N]>,
) -> Result<()> {
    match id {
        Some(id) => builder
            .append_value(id)
            .map_err(|e| Error::internal("lay out exemplar ids").with_source(e)),
        None => {
            builder.append_null();
            Ok(())
        }
    }
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut id = [0; N];
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |d: u8| char::from(d).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(id)
}
