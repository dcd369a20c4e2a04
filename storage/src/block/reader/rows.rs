//! Matchers → rows: sorted label columns in place of an inverted index.
//!
//! The metric is looked up in the block's index, which gives a few ranges of rows. In these every
//! other matcher is evaluated once per distinct value of its column, and rows that fail are not
//! decoded any further. What is left is read with all labels, and neighbouring rows of equal labels
//! become one series.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, DictionaryArray, MapArray, RecordBatch};
use parquet::arrow::arrow_reader::{ArrowPredicate, ArrowPredicateFn};
use tarn_model::error::{Error, Result};
use tarn_model::labels::{Label, LabelSet, METRIC_NAME};
use tarn_model::map::HashMap;
use tarn_model::matcher::Matcher;
use tarn_model::sample::{Metadata, MetricType};

use crate::block::columns::label_column;
use crate::block::reader::{BlockSeries, Blocks, Matched, OpenBlock, RowSlice, Scan};
use crate::schema::column;

pub(crate) type Texts = DictionaryArray<Int32Type>;

impl Blocks {
    /// Returns the series that satisfy matchers, with their rows. Blocks never change, so the
    /// answer is kept: dashboards ask the same again and again.
    ///
    /// # Errors
    /// `Corrupt` where stored bytes fail their checksum; `Unavailable` where they cannot be read.
    pub(crate) async fn matching(
        &self,
        block: &Arc<OpenBlock>,
        matchers: &[Matcher],
    ) -> Result<Matched> {
        let key = (Arc::clone(&block.object), canonical(matchers));
        if let Some(known) = self.matched.lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        let found: Matched = self.find(block, matchers).await?.into();
        let bytes = |s: &BlockSeries| {
            64 + s.labels.len() * size_of::<Label>() + s.rows.len() * size_of::<RowSlice>()
        };
        let bytes = key.1.len() + found.iter().map(bytes).sum::<usize>();
        self.matched.lock().insert(key, Arc::clone(&found), bytes);
        Ok(found)
    }

    async fn find(&self, block: &Arc<OpenBlock>, matchers: &[Matcher]) -> Result<Vec<BlockSeries>> {
        let rows = candidates(block, matchers);
        let Some(filters) = filters(block, matchers) else {
            return Ok(Vec::new());
        };
        let fixed = [
            column::METRIC,
            column::LABELS_MORE,
            column::TYPE,
            column::ROW_ID,
            column::TIMELINE,
            column::TS_OFFSET,
            column::N,
            column::TS_FIRST,
            column::TS_LAST,
            column::STALE,
            column::SCALE,
        ];
        let mut columns: Vec<String> = fixed.iter().map(|name| (*name).to_owned()).collect();
        columns.extend(label_columns(block));
        let mut found = Found::default();
        self.scan(block, Scan { columns, rows, filters }, |batch| found.add(block, batch)).await?;
        Ok(found.finish())
    }
}

/// Writes matchers so that equal sets are equal texts.
fn canonical(matchers: &[Matcher]) -> Arc<str> {
    let mut texts: Vec<String> = matchers.iter().map(Matcher::to_string).collect();
    texts.sort_unstable();
    texts.join(",").into()
}

fn label_columns(block: &OpenBlock) -> impl Iterator<Item = String> {
    block.meta.labels.iter().filter(|label| !label.in_map).map(|label| label_column(&label.name))
}

/// Returns the rows whose metric satisfies all matchers of it.
fn candidates(block: &OpenBlock, matchers: &[Matcher]) -> Vec<Range<u32>> {
    let metric: Vec<&Matcher> = matchers.iter().filter(|m| *m.name == *METRIC_NAME).collect();
    if metric.is_empty() || block.metrics.is_empty() {
        return vec![block.slice_rows()];
    }
    let matches = |name: &str| metric.iter().all(|m| m.matches(name));
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for rows in block.metrics.iter().filter(|m| matches(&m.metric)).map(|m| m.rows.clone()) {
        match ranges.last_mut() {
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => ranges.push(rows),
        }
    }
    ranges
}

/// Makes the conditions that rows must meet beside the metric; `None`: no row can.
fn filters(block: &OpenBlock, matchers: &[Matcher]) -> Option<Vec<Box<dyn ArrowPredicate>>> {
    let mut matchers: Vec<&Matcher> = matchers.iter().filter(|m| *m.name != *METRIC_NAME).collect();
    // What names its values rules out most.
    matchers.sort_by_key(|m| (m.matches_empty(), m.values().is_none()));
    let mut predicates: Vec<Box<dyn ArrowPredicate>> = Vec::new();
    for matcher in matchers {
        let own = label_column(&matcher.name);
        let in_map = block.directory.in_map.contains(&matcher.name);
        if block.has_column(&own) && !in_map {
            predicates.push(on_column(block, own, matcher.clone()));
        } else if in_map {
            predicates.push(on_map(block, matcher.clone()));
        } else if !matcher.matches_empty() {
            return None;
        }
    }
    Some(predicates)
}

fn on_column(block: &OpenBlock, name: String, matcher: Matcher) -> Box<dyn ArrowPredicate> {
    let absent = matcher.matches_empty();
    let mut known: Option<(ArrayRef, Vec<bool>)> = None;
    Box::new(ArrowPredicateFn::new(block.mask(&[name]), move |batch| {
        let texts: &Texts = batch.column(0).as_dictionary();
        if known.as_ref().is_none_or(|(values, _)| !Arc::ptr_eq(values, texts.values())) {
            let values = texts.values().as_string::<i32>();
            let verdicts = values.iter().map(|v| matcher.matches(v.unwrap_or(""))).collect();
            known = Some((Arc::clone(texts.values()), verdicts));
        }
        let verdict = |key: usize| known.as_ref().is_some_and(|(_, verdicts)| verdicts[key]);
        Ok(texts.keys_iter().map(|key| Some(key.map_or(absent, verdict))).collect())
    }))
}

fn on_map(block: &OpenBlock, matcher: Matcher) -> Box<dyn ArrowPredicate> {
    let mask = block.mask(&[column::LABELS_MORE.to_owned()]);
    Box::new(ArrowPredicateFn::new(mask, move |batch| {
        let map: &MapArray = batch.column(0).as_map();
        let matches = |row: usize| {
            let mut value = String::new();
            each_entry(map, row, |name, v| {
                if *name == *matcher.name {
                    v.clone_into(&mut value);
                }
            });
            matcher.matches(&value)
        };
        Ok((0..map.len()).map(|row| Some(matches(row))).collect())
    }))
}

/// Calls `each` with the labels of one row of the map.
pub(crate) fn each_entry<'a>(
    map: &'a MapArray,
    row: usize,
    mut each: impl FnMut(&'a str, &'a str),
) {
    if map.is_null(row) {
        return;
    }
    let (keys, values) = (map.keys().as_string::<i32>(), map.values().as_string::<i32>());
    let (from, to) = (map.value_offsets()[row] as usize, map.value_offsets()[row + 1] as usize);
    (from..to).for_each(|i| each(keys.value(i), values.value(i)));
}

/// Series in row order.
#[derive(Default)]
struct Found {
    series: Vec<FoundSeries>,
    /// Texts seen, so that series share them.
    texts: HashMap<String, Arc<str>>,
}

struct FoundSeries {
    labels: LabelSet,
    metric_type: MetricType,
    rows: Vec<RowSlice>,
}

/// The label columns of a batch that hold anything.
struct LabelTexts<'a> {
    columns: Vec<(Arc<str>, &'a Texts)>,
    more: Option<&'a MapArray>,
}

impl LabelTexts<'_> {
    fn are_equal(&self, a: usize, b: usize) -> bool {
        let key = |texts: &Texts, row| texts.key(row);
        self.columns.iter().all(|(_, texts)| key(texts, a) == key(texts, b)) && self.more.is_none()
    }
}

impl Found {
    fn finish(self) -> Vec<BlockSeries> {
        let finish = |FoundSeries { labels, metric_type, rows }| BlockSeries {
            labels,
            metric_type,
            rows: rows.into(),
        };
        self.series.into_iter().map(finish).collect()
    }

    fn add(&mut self, block: &OpenBlock, batch: &RecordBatch) -> Result<()> {
        let damaged = || Error::corrupt(format!("block {} lacks fixed columns", block.object));
        let named = |name: &str| batch.column_by_name(name).ok_or_else(damaged);
        let int = |name: &str| {
            let column = named(name)?.as_primitive_opt::<Int32Type>();
            column.cloned().ok_or_else(damaged)
        };
        let (row_id, timeline, ts_offset) =
            (int(column::ROW_ID)?, int(column::TIMELINE)?, int(column::TS_OFFSET)?);
        let (n, scale) = (int(column::N)?, int(column::SCALE)?);
        let time = |name: &str| {
            let column = named(name)?.as_primitive_opt::<TimestampMicrosecondType>();
            column.cloned().ok_or_else(damaged)
        };
        let (ts_first, ts_last) = (time(column::TS_FIRST)?, time(column::TS_LAST)?);
        let stale = named(column::STALE)?.as_boolean_opt().ok_or_else(damaged)?;
        let kind: &Texts = named(column::TYPE)?.as_dictionary_opt().ok_or_else(damaged)?;
        let labels = self.label_texts(block, batch);
        for row in 0..batch.num_rows() {
            let slice = RowSlice {
                row: row_id.value(row) as u32,
                n: n.value(row) as u32,
                timeline: timeline.value(row) as u32,
                ts_offset: ts_offset.value(row) as u32,
                stale: stale.value(row),
                ts_first: ts_first.value(row).div_euclid(1000),
                ts_last: ts_last.value(row).div_euclid(1000),
                scale: scale.is_valid(row).then(|| scale.value(row) as u8),
            };
            if row > 0
                && labels.are_equal(row - 1, row)
                && let Some(series) = self.series.last_mut()
            {
                series.rows.push(slice);
                continue;
            }
            let set = self.labels(&labels, row);
            match self.series.last_mut() {
                Some(series) if series.labels == set => series.rows.push(slice),
                _ => {
                    let metric_type =
                        text(kind, row).map_or(MetricType::Unknown, MetricType::parse);
                    self.series.push(FoundSeries { labels: set, metric_type, rows: vec![slice] });
                }
            }
        }
        Ok(())
    }

    fn label_texts<'a>(&mut self, block: &OpenBlock, batch: &'a RecordBatch) -> LabelTexts<'a> {
        let metric = (METRIC_NAME.to_owned(), column::METRIC.to_owned());
        let labels = block.meta.labels.iter().filter(|label| !label.in_map);
        let labels = labels.map(|label| (label.name.clone(), label_column(&label.name)));
        let mut columns = Vec::new();
        for (name, own) in std::iter::once(metric).chain(labels) {
            let Some(array) = batch.column_by_name(&own) else { continue };
            if array.null_count() < array.len()
                && let Some(texts) = array.as_dictionary_opt()
            {
                columns.push((self.share(&name), texts));
            }
        }
        let more = batch.column_by_name(column::LABELS_MORE);
        LabelTexts { columns, more: more.and_then(|array| array.as_map_opt()) }
    }

    fn labels(&mut self, texts: &LabelTexts<'_>, row: usize) -> LabelSet {
        let mut labels = Vec::with_capacity(texts.columns.len());
        for (name, column) in &texts.columns {
            if let Some(value) = text(column, row) {
                labels.push(Label { name: Arc::clone(name), value: self.share(value) });
            }
        }
        if let Some(map) = texts.more {
            each_entry(map, row, |name, value| {
                labels.push(Label { name: self.share(name), value: self.share(value) });
            });
        }
        LabelSet::new(labels)
    }

    fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.texts.get(text) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = text.into();
        self.texts.insert(text.to_owned(), Arc::clone(&shared));
        shared
    }
}

pub(crate) fn text(texts: &Texts, row: usize) -> Option<&str> {
    texts.key(row).map(|key| texts.values().as_string::<i32>().value(key))
}

/// Collects the values of a label that is not the metric.
pub(super) async fn label_values(
    blocks: &Blocks,
    block: &Arc<OpenBlock>,
    name: &str,
    into: &mut BTreeSet<String>,
) -> Result<()> {
    let own = label_column(name);
    let in_map = block.directory.in_map.iter().any(|n| **n == *name);
    let column = if in_map { column::LABELS_MORE.to_owned() } else { own };
    if !block.has_column(&column) {
        return Ok(());
    }
    let scan = Scan { columns: vec![column], rows: vec![block.slice_rows()], filters: Vec::new() };
    let add = |batch: &RecordBatch| {
        let array = batch.column(0);
        if let Some(texts) = array.as_dictionary_opt::<Int32Type>() {
            let mut used = vec![false; texts.values().len()];
            texts.keys_iter().flatten().for_each(|key| used[key] = true);
            let values = texts.values().as_string::<i32>();
            let present = used.iter().enumerate().filter(|(_, used)| **used);
            into.extend(present.map(|(key, _)| values.value(key).to_owned()));
        } else if let Some(map) = array.as_map_opt() {
            for row in 0..map.len() {
                each_entry(map, row, |key, value| {
                    if key == name {
                        into.insert(value.to_owned());
                    }
                });
            }
        }
        Ok(())
    };
    blocks.scan(block, scan, add).await
}

/// Reads all rows of a block of metric families.
pub(super) async fn families(
    blocks: &Blocks,
    block: &Arc<OpenBlock>,
) -> Result<Vec<(String, Metadata)>> {
    let names = [column::METRIC, column::TYPE, column::UNIT, column::HELP];
    let columns = names.iter().map(|name| (*name).to_owned()).collect();
    let all = 0..block.groups.last().copied().unwrap_or(0);
    let mut families = Vec::new();
    let scan = Scan { columns, rows: vec![all], filters: Vec::new() };
    let add = |batch: &RecordBatch| {
        let get = |name: &str, row: usize| {
            let texts = batch.column_by_name(name)?.as_dictionary_opt::<Int32Type>()?;
            text(texts, row)
        };
        for row in 0..batch.num_rows() {
            let metadata = Metadata {
                metric_type: get(column::TYPE, row).map_or(MetricType::Unknown, MetricType::parse),
                unit: get(column::UNIT, row).unwrap_or("").into(),
                help: get(column::HELP, row).unwrap_or("").into(),
            };
            families.push((get(column::METRIC, row).unwrap_or("").to_owned(), metadata));
        }
        Ok(())
    };
    blocks.scan(block, scan, add).await?;
    Ok(families)
}
