//! Rows of samples and slices, collected into batches.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, MapBuilder, MapFieldNames,
    StringBuilder, TimestampMicrosecondBuilder, TimestampMillisecondBuilder,
};
use arrow_array::{
    ArrayRef, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow_schema::SchemaRef;
use datafusion::common::Result;
use tarn_model::labels::METRIC_NAME;
use tarn_model::map::HashSet;
use tarn_model::slice::{Samples, Slice};
use tarn_storage::view::SelectedSeries;

use super::label;
use crate::sql::error::internal;

/// Statistics of a slice, in this order.
pub(super) const STATISTICS: [&str; 7] = [
    "stat_sum",
    "stat_sum_lo",
    "stat_min",
    "stat_max",
    "stat_first",
    "stat_last",
    "stat_reset_sum",
];

/// Collects rows.
pub(super) struct Batch {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
}

enum Column {
    /// A label, or the name of the metric.
    Label(String, Text),
    Type(Text),
    More(Box<MapBuilder<StringBuilder, StringBuilder>>, Arc<HashSet<String>>),
    Ts(TimestampMillisecondBuilder),
    Value(Float64Builder),
    N(Int64Builder),
    First(TimestampMicrosecondBuilder),
    Last(TimestampMicrosecondBuilder),
    Start(TimestampMicrosecondBuilder),
    Stale(BooleanBuilder),
    Histograms(BooleanBuilder),
    Statistic(usize, Float64Builder),
    HasNan(BooleanBuilder),
    Gap(Int32Builder),
}

/// A column of texts that stay the same for many rows.
#[derive(Default)]
struct Text {
    values: StringBuilder,
    count: i32,
    codes: Vec<Option<i32>>,
    last: Option<Option<i32>>,
}

impl Text {
    /// The next rows have this value.
    fn set(&mut self, value: Option<&str>) {
        let code = value.map(|value| {
            self.values.append_value(value);
            self.count += 1;
            self.count - 1
        });
        self.last = Some(code);
    }

    fn repeat(&mut self, rows: usize) {
        let code = self.last.flatten();
        self.codes.resize(self.codes.len() + rows, code);
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let codes = Int32Array::from(std::mem::take(&mut self.codes));
        let values: StringArray = self.values.finish();
        self.count = 0;
        Ok(Arc::new(DictionaryArray::try_new(codes, Arc::new(values))?))
    }
}

impl Batch {
    /// Makes an empty batch; `labels` are those that have a column of their own in the table.
    pub(super) fn new(schema: &SchemaRef, labels: &Arc<HashSet<String>>) -> Result<Self> {
        let columns: Result<Vec<Column>> =
            schema.fields().iter().map(|f| column(f.name(), labels)).collect();
        Ok(Self { schema: Arc::clone(schema), columns: columns?, rows: 0 })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The next rows are of this series. Again after each [`Batch::finish`].
    pub(super) fn series(&mut self, series: &SelectedSeries) {
        for column in &mut self.columns {
            match column {
                Column::Label(name, text) => text.set(series.labels.get(name)),
                Column::Type(text) => text.set(Some(series.metric_type.as_str())),
                _ => {}
            }
        }
    }

    /// Adds samples `from..to` of a slice of floats.
    pub(super) fn samples(
        &mut self,
        series: &SelectedSeries,
        slice: &Slice,
        from: usize,
        to: usize,
    ) {
        let Samples::Floats(values) = &slice.samples else { return };
        let times = slice.times();
        let (Some(values), Some(ticks)) = (values.get(from..to), times.get(from..to)) else {
            return;
        };
        let rows = ticks.len();
        for column in &mut self.columns {
            match column {
                Column::Ts(out) => out.append_slice(ticks),
                Column::Value(out) => out.append_slice(values),
                Column::Start(out) => {
                    let starts = slice.starts.as_ref().and_then(|s| s.get(from..to));
                    match starts {
                        Some(starts) => starts.iter().for_each(|ms| {
                            out.append_option((*ms != 0).then(|| ms.saturating_mul(1000)));
                        }),
                        None => out.append_nulls(rows),
                    }
                }
                other => other.constant(series, slice, rows),
            }
        }
        self.rows += rows;
    }

    /// Adds a slice as one row.
    pub(super) fn slice(&mut self, series: &SelectedSeries, slice: &Slice) {
        for column in &mut self.columns {
            column.constant(series, slice, 1);
        }
        self.rows += 1;
    }

    /// Returns the rows and begins anew.
    pub(super) fn finish(&mut self) -> Result<RecordBatch> {
        let columns: Result<Vec<ArrayRef>> = self.columns.iter_mut().map(Column::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns?, &options)?)
    }
}

fn column(name: &str, labels: &Arc<HashSet<String>>) -> Result<Column> {
    let us = || TimestampMicrosecondBuilder::new().with_timezone("UTC");
    if let Some(i) = STATISTICS.iter().position(|s| *s == name) {
        return Ok(Column::Statistic(i, Float64Builder::new()));
    }
    Ok(match name {
        "metric" => Column::Label(METRIC_NAME.to_owned(), Text::default()),
        "labels_more" => Column::More(Box::new(map_builder()), Arc::clone(labels)),
        "type" => Column::Type(Text::default()),
        "ts" => Column::Ts(TimestampMillisecondBuilder::new().with_timezone("UTC")),
        "value" => Column::Value(Float64Builder::new()),
        "n" => Column::N(Int64Builder::new()),
        "ts_first" => Column::First(us()),
        "ts_last" => Column::Last(us()),
        "start_ts" => Column::Start(us()),
        "stale" => Column::Stale(BooleanBuilder::new()),
        "histograms" => Column::Histograms(BooleanBuilder::new()),
        "stat_has_nan" => Column::HasNan(BooleanBuilder::new()),
        "stat_gap_ms_max" => Column::Gap(Int32Builder::new()),
        name => match label(name) {
            Some(label) => Column::Label(label, Text::default()),
            None => return Err(internal(format!("metrics have no column {name}"))),
        },
    })
}

fn map_builder() -> MapBuilder<StringBuilder, StringBuilder> {
    let names = MapFieldNames {
        entry: "key_value".to_owned(),
        key: "key".to_owned(),
        value: "value".to_owned(),
    };
    MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())
}

impl Column {
    /// Appends what is the same for all rows of a slice.
    fn constant(&mut self, series: &SelectedSeries, slice: &Slice, rows: usize) {
        let us = |ms: i64| ms.saturating_mul(1000);
        let times = slice.times();
        // A slice without samples has its marker only.
        let first = times.first().copied().or(slice.stale_at).unwrap_or(0);
        let last = times.last().copied().or(slice.stale_at).unwrap_or(0);
        match self {
            Self::Label(_, text) | Self::Type(text) => text.repeat(rows),
            Self::More(out, labels) => {
                for _ in 0..rows {
                    more(out, labels, series);
                }
            }
            Self::N(out) => out.append_value(slice.samples.len() as i64),
            Self::First(out) => out.append_value_n(us(first), rows),
            Self::Last(out) => out.append_value_n(us(last), rows),
            Self::Stale(out) => out.append_n(rows, slice.stale_at.is_some()),
            Self::Histograms(out) => {
                out.append_n(rows, matches!(slice.samples, Samples::Histograms(_)));
            }
            Self::Statistic(i, out) => {
                let stats = slice
                    .stats
                    .map(|s| [s.sum, s.sum_lo, s.min, s.max, s.first, s.last, s.reset_sum]);
                out.append_option(stats.and_then(|s| s.get(*i).copied()));
            }
            Self::HasNan(out) => out.append_option(slice.stats.map(|s| s.has_nan)),
            Self::Gap(out) => out.append_option(slice.stats.map(|s| s.gap_ms_max)),
            Self::Ts(_) | Self::Value(_) | Self::Start(_) => {}
        }
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Label(_, text) | Self::Type(text) => return text.finish(),
            Self::More(out, _) => Arc::new(out.finish()),
            Self::Ts(out) => Arc::new(out.finish()),
            Self::Value(out) | Self::Statistic(_, out) => Arc::new(out.finish()),
            Self::N(out) => Arc::new(out.finish()),
            Self::First(out) | Self::Last(out) | Self::Start(out) => Arc::new(out.finish()),
            Self::Stale(out) | Self::Histograms(out) | Self::HasNan(out) => Arc::new(out.finish()),
            Self::Gap(out) => Arc::new(out.finish()),
        })
    }
}

/// Appends the labels that have no column.
fn more(
    out: &mut MapBuilder<StringBuilder, StringBuilder>,
    labels: &HashSet<String>,
    series: &SelectedSeries,
) {
    let mut any = false;
    for label in series.labels.iter() {
        if &*label.name != METRIC_NAME && !labels.contains(&*label.name) {
            out.keys().append_value(&*label.name);
            out.values().append_value(&*label.value);
            any = true;
        }
    }
    // Keys and values were appended in pairs, which is all that this checks.
    out.append(any).ok();
}
