//! What a flush writes beside slices: exemplars, and metadata of metric families.
//!
//! Both are few and flat. Exemplars repeat the labels of their series, so that the way from a trace
//! to its metric needs no join; a bloom filter on the trace id rules blocks out.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{FixedSizeBinaryBuilder, StringBuilder};
use arrow_array::{Float64Array, StringArray, TimestampMicrosecondArray};
use tarn_model::error::{Error, Result};
use tarn_model::labels::{LabelSet, METRIC_NAME};
use tarn_model::map::HashMap;
use tarn_model::sample::{Exemplar, Metadata};

use crate::block::columns::{self, LabelColumns, label_column};
use crate::block::seal::{Content, NewBlock, seal};
use crate::block::table::{Columns, TextColumn, append_map, text_map};
use crate::block::writer::open;
use crate::flush::build::Maker;
use crate::flush::cut::{day_name, day_of};
use crate::schema::{SORT_NAME, SortKey, column, kind};

/// A type that is not told is NULL.
const UNKNOWN: &str = "unknown";
/// Label of an exemplar that names its trace.
const TRACE_ID: &str = "trace_id";
/// Label of an exemplar that names its span.
const SPAN_ID: &str = "span_id";

impl Maker<'_> {
    /// Writes the exemplars, day by day.
    pub(super) fn exemplars(&self, blocks: &mut Vec<NewBlock>) -> Result<()> {
        let mut days: BTreeMap<i64, Vec<(LabelSet, Exemplar)>> = BTreeMap::new();
        for (entry, exemplar) in self.part.columns.exemplars() {
            let day = days.entry(day_of(exemplar.time_ms)).or_default();
            day.push((entry.labels(), exemplar));
        }
        for (shard, (day, mut rows)) in days.into_iter().enumerate() {
            rows.sort_by(|(a, x), (b, y)| {
                SortKey::new(a).cmp(&SortKey::new(b)).then(x.time_ms.cmp(&y.time_ms))
            });
            blocks.push(self.exemplar_block(day, shard as u32, &rows)?);
        }
        Ok(())
    }

    fn exemplar_block(
        &self,
        day: i64,
        shard: u32,
        rows: &[(LabelSet, Exemplar)],
    ) -> Result<NewBlock> {
        let mut used: HashMap<Arc<str>, u64> = HashMap::default();
        let mut series = 0;
        for (i, (labels, _)) in rows.iter().enumerate() {
            series += u64::from(i == 0 || rows[i - 1].0 != *labels);
            labels.iter().for_each(|l| *used.entry(Arc::clone(&l.name)).or_default() += 1);
        }
        let labels = LabelColumns::choose(&used);
        let schema = columns::exemplars(&labels);
        let mut writer = open(&schema, &labels)?;
        let mut batch = Columns::new(&schema, rows.len());
        set_labels(&mut batch, &labels, rows);
        let times = rows.iter().map(|(_, e)| e.time_ms);
        let micros = TimestampMicrosecondArray::from_iter_values(times.clone().map(|t| t * 1000));
        batch.set(column::TS, micros.with_timezone("UTC"));
        let values = rows.iter().map(|(_, e)| e.value);
        batch.set(column::VALUE, Float64Array::from_iter_values(values));
        set_attributes(&mut batch, rows)?;
        let refused = |e| Error::internal("write exemplars").with_source(e);
        writer.write(&batch.finish()?).map_err(refused)?;
        let content = Content {
            kind: kind::EXEMPLARS,
            sort: Some(SORT_NAME),
            rows: rows.len() as u64,
            samples: rows.len() as u64,
            series,
            time_min_ms: times.clone().min().unwrap_or(0),
            time_max_ms: times.max().unwrap_or(0),
            labels,
            ..Content::default()
        };
        seal(writer, Vec::new(), content, &self.origin(day_name(day), Vec::new(), shard))
    }

    /// Writes the metadata that is new.
    pub(super) fn families(&self, blocks: &mut Vec<NewBlock>) -> Result<()> {
        let latest: BTreeMap<Arc<str>, Metadata> =
            self.part.columns.families().into_iter().collect();
        if latest.is_empty() {
            return Ok(());
        }
        let schema = columns::families();
        let labels = LabelColumns::default();
        let mut writer = open(&schema, &labels)?;
        let mut batch = Columns::new(&schema, latest.len());
        let some = |text: &'_ str| (!text.is_empty()).then(|| text.to_owned());
        let kind = |m: &Metadata| some(m.metric_type.as_str()).filter(|kind| kind != UNKNOWN);
        batch.set(column::METRIC, StringArray::from_iter_values(latest.keys()));
        batch.set(column::TYPE, latest.values().map(kind).collect::<StringArray>());
        batch.set(column::UNIT, latest.values().map(|m| some(&m.unit)).collect::<StringArray>());
        batch.set(column::HELP, latest.values().map(|m| some(&m.help)).collect::<StringArray>());
        let now_ms = self.context.now_ms;
        let seen = || {
            TimestampMicrosecondArray::from(vec![now_ms * 1000; latest.len()]).with_timezone("UTC")
        };
        batch.set(column::FIRST_SEEN, seen());
        batch.set(column::LAST_SEEN, seen());
        let refused = |e| Error::internal("write families").with_source(e);
        writer.write(&batch.finish()?).map_err(refused)?;
        let content = Content {
            kind: kind::FAMILIES,
            rows: latest.len() as u64,
            time_min_ms: now_ms,
            time_max_ms: now_ms,
            ..Content::default()
        };
        let origin = self.origin(day_name(self.today()), Vec::new(), 0);
        blocks.push(seal(writer, Vec::new(), content, &origin)?);
        Ok(())
    }
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
