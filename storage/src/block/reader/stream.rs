//! All rows of slices of a block in their order, series by series, without values: what a merge
//! walks along.
//!
//! Batches are decoded one after the other; texts are shared over all blocks that one merge reads,
//! so that comparing series of different blocks mostly compares pointers.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Int32Array, MapArray, RecordBatch, TimestampMicrosecondArray};
use tarn_model::error::{Error, Result};
use tarn_model::labels::{Label, METRIC_NAME};
use tarn_model::map::HashSet;
use tarn_model::sample::MetricType;

use crate::block::columns::label_column;
use crate::block::reader::rows::{Texts as TextColumn, each_entry, text};
use crate::block::reader::tables::{Decoding, Rows};
use crate::block::reader::{Blocks, OpenBlock, RowSlice};
use crate::schema::{SeriesKey, column, rank};

/// Texts that are shared; beyond it sharing begins anew, which costs memory, not correctness.
const TEXTS_MAX: usize = 256 << 10;

/// Texts that several places hold.
#[derive(Debug, Default)]
pub(crate) struct Texts(HashSet<Arc<str>>);

impl Texts {
    pub(crate) fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.0.get(text) {
            return Arc::clone(shared);
        }
        if self.0.len() >= TEXTS_MAX {
            self.0.clear();
        }
        let shared: Arc<str> = text.into();
        self.0.insert(Arc::clone(&shared));
        shared
    }
}

/// A series of a block.
#[derive(Debug)]
pub(crate) struct StreamSeries {
    pub(crate) key: SeriesKey,
    pub(crate) metric_type: MetricType,
    /// Empty where unknown.
    pub(crate) unit: Arc<str>,
    pub(crate) rows: Vec<StreamRow>,
}

/// A row, and the timeline that it lies on.
#[derive(Debug, Clone)]
pub(crate) struct StreamRow {
    pub(crate) row: RowSlice,
    pub(crate) ticks: Arc<[i64]>,
}

impl StreamRow {
    /// Returns which ticks the row has, that of its marker included.
    pub(crate) fn range(&self) -> Range<usize> {
        let first = self.row.ts_offset as usize;
        first..first + self.row.n as usize + usize::from(self.row.stale)
    }
}

/// Walks along the series of a block.
pub(crate) struct SeriesStream {
    block: Arc<OpenBlock>,
    decoding: Option<Decoding>,
    labels: Vec<LabelColumn>,
    ready: VecDeque<StreamSeries>,
    ended: bool,
}

impl std::fmt::Debug for SeriesStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeriesStream").field("block", &self.block).finish_non_exhaustive()
    }
}

/// A label column, and which of its values have been looked up.
#[derive(Debug)]
struct LabelColumn {
    class: u8,
    name: Arc<str>,
    column: String,
    values: Option<ArrayRef>,
    shared: Vec<Option<Arc<str>>>,
}

impl SeriesStream {
    /// Begins with the first series; `batch` rows are decoded at once.
    ///
    /// # Errors
    /// `Corrupt` where the footer contradicts itself.
    pub(crate) fn open(block: &Arc<OpenBlock>, batch: usize, texts: &mut Texts) -> Result<Self> {
        let fixed = [
            column::METRIC,
            column::LABELS_MORE,
            column::TYPE,
            column::UNIT,
            column::ROW_ID,
            column::TIMELINE,
            column::TS_OFFSET,
            column::N,
            column::TS_FIRST,
            column::TS_LAST,
            column::STALE,
            column::SCALE,
        ];
        let mut labels = vec![LabelColumn::new(METRIC_NAME, column::METRIC.to_owned(), texts)];
        let named = block.meta.labels.iter().filter(|label| !label.in_map);
        labels.extend(named.map(|l| LabelColumn::new(&l.name, label_column(&l.name), texts)));
        let own = labels.iter().map(|label| label.column.clone());
        let columns: Vec<String> =
            fixed.iter().map(|name| (*name).to_owned()).chain(own.skip(1)).collect();
        let rows = [block.slice_rows()];
        let wanted = Rows { columns: &columns, rows: &rows, filters: Vec::new(), batch };
        let decoding = block.decode(wanted)?;
        let block = Arc::clone(block);
        Ok(Self { block, decoding, labels, ready: VecDeque::new(), ended: false })
    }

    /// Returns the next series, `None` after the last.
    ///
    /// # Errors
    /// `Corrupt` where stored bytes fail their checksum or contradict each other; `Unavailable`
    /// where they cannot be read.
    pub(crate) async fn next(
        &mut self,
        blocks: &Blocks,
        texts: &mut Texts,
    ) -> Result<Option<StreamSeries>> {
        // The last series of a batch may go on in the next one.
        while self.ready.len() < 2 && !self.ended {
            let batch = match &mut self.decoding {
                Some(decoding) => blocks.next_rows(&self.block, decoding, None).await?,
                None => None,
            };
            match batch {
                Some(batch) => self.add(blocks, &batch, texts).await?,
                None => self.ended = true,
            }
        }
        Ok(self.ready.pop_front())
    }

    async fn add(&mut self, blocks: &Blocks, batch: &RecordBatch, texts: &mut Texts) -> Result<()> {
        let rows = self.rows(batch)?;
        let ticks = blocks.ticks(&self.block, &rows).await?;
        let damaged = |what: &str| Error::corrupt(format!("block {}: {what}", self.block.object()));
        let fixed = Fixed::of(batch).ok_or_else(|| damaged("fixed columns are missing"))?;
        let more = batch.column_by_name(column::LABELS_MORE).and_then(|map| map.as_map_opt());
        let columns: Vec<Option<&TextColumn>> =
            self.labels.iter_mut().map(|label| label.enter(batch)).collect();
        for (at, row) in rows.into_iter().enumerate() {
            let timeline =
                ticks.get(&row.timeline).ok_or_else(|| damaged("timeline is missing"))?;
            let row = StreamRow { row, ticks: Arc::clone(timeline) };
            if row.range().end > timeline.len() || row.range().is_empty() {
                return Err(damaged("a row has other ticks than its timeline"));
            }
            let same = at > 0
                && more.is_none()
                && columns.iter().flatten().all(|texts| texts.key(at - 1) == texts.key(at));
            if same && let Some(last) = self.ready.back_mut() {
                last.rows.push(row);
                continue;
            }
            let key = key(&mut self.labels, &columns, more, at, texts);
            match self.ready.back_mut() {
                Some(last) if last.key == key => last.rows.push(row),
                Some(last) if last.key > key => {
                    return Err(damaged("series are not in their order"));
                }
                _ => self.ready.push_back(StreamSeries {
                    key,
                    metric_type: text(fixed.kind, at)
                        .map_or(MetricType::Unknown, MetricType::parse),
                    unit: texts.share(fixed.unit.and_then(|unit| text(unit, at)).unwrap_or("")),
                    rows: vec![row],
                }),
            }
        }
        Ok(())
    }

    fn rows(&self, batch: &RecordBatch) -> Result<Vec<RowSlice>> {
        let damaged =
            || Error::corrupt(format!("block {} lacks fixed columns", self.block.object()));
        let int = |name: &str| -> Result<&Int32Array> {
            let column = batch.column_by_name(name).ok_or_else(damaged)?;
            column.as_primitive_opt::<Int32Type>().ok_or_else(damaged)
        };
        let time = |name: &str| -> Result<&TimestampMicrosecondArray> {
            let column = batch.column_by_name(name).ok_or_else(damaged)?;
            column.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(damaged)
        };
        let (row_id, timeline, ts_offset) =
            (int(column::ROW_ID)?, int(column::TIMELINE)?, int(column::TS_OFFSET)?);
        let (n, scale) = (int(column::N)?, int(column::SCALE)?);
        let (ts_first, ts_last) = (time(column::TS_FIRST)?, time(column::TS_LAST)?);
        let stale = batch.column_by_name(column::STALE).ok_or_else(damaged)?;
        let stale = stale.as_boolean_opt().ok_or_else(damaged)?;
        let row = |at: usize| RowSlice {
            row: row_id.value(at) as u32,
            n: n.value(at) as u32,
            timeline: timeline.value(at) as u32,
            ts_offset: ts_offset.value(at) as u32,
            stale: stale.value(at),
            ts_first: ts_first.value(at).div_euclid(1000),
            ts_last: ts_last.value(at).div_euclid(1000),
            scale: scale.is_valid(at).then(|| scale.value(at) as u8),
        };
        Ok((0..batch.num_rows()).map(row).collect())
    }
}

/// Columns of a batch that every series has.
struct Fixed<'a> {
    kind: &'a TextColumn,
    unit: Option<&'a TextColumn>,
}

impl<'a> Fixed<'a> {
    fn of(batch: &'a RecordBatch) -> Option<Self> {
        let kind = batch.column_by_name(column::TYPE)?.as_dictionary_opt()?;
        let unit = batch.column_by_name(column::UNIT).and_then(|unit| unit.as_dictionary_opt());
        Some(Self { kind, unit })
    }
}

impl LabelColumn {
    fn new(name: &str, column: String, texts: &mut Texts) -> Self {
        let (class, _) = rank(name);
        Self { class, name: texts.share(name), column, values: None, shared: Vec::new() }
    }

    /// Returns the column of a batch, `None` where it holds nothing.
    fn enter<'a>(&mut self, batch: &'a RecordBatch) -> Option<&'a TextColumn> {
        let array = batch.column_by_name(&self.column)?;
        let texts: &TextColumn = array.as_dictionary_opt()?;
        if array.null_count() == array.len() {
            return None;
        }
        if self.values.as_ref().is_none_or(|values| !Arc::ptr_eq(values, texts.values())) {
            self.values = Some(Arc::clone(texts.values()));
            self.shared.clear();
            self.shared.resize(texts.values().len(), None);
        }
        Some(texts)
    }

    fn value(&mut self, column: &TextColumn, row: usize, texts: &mut Texts) -> Option<Arc<str>> {
        let key = column.key(row)?;
        if let Some(shared) = self.shared.get(key).and_then(Option::as_ref) {
            return Some(Arc::clone(shared));
        }
        let shared = texts.share(text(column, row)?);
        if let Some(place) = self.shared.get_mut(key) {
            *place = Some(Arc::clone(&shared));
        }
        Some(shared)
    }
}

fn key(
    labels: &mut [LabelColumn],
    columns: &[Option<&TextColumn>],
    more: Option<&MapArray>,
    row: usize,
    texts: &mut Texts,
) -> SeriesKey {
    let mut pairs: Vec<(u8, Label)> = Vec::with_capacity(columns.iter().flatten().count());
    for (label, column) in labels.iter_mut().zip(columns) {
        let Some(column) = column else { continue };
        if let Some(value) = label.value(column, row, texts).filter(|value| !value.is_empty()) {
            pairs.push((label.class, Label { name: Arc::clone(&label.name), value }));
        }
    }
    if let Some(map) = more {
        each_entry(map, row, |name, value| {
            let label = Label { name: texts.share(name), value: texts.share(value) };
            pairs.push((rank(name).0, label));
        });
    }
    SeriesKey::new(pairs)
}

impl Blocks {
    /// Returns the rows of a small block as they are stored, batch by batch.
    ///
    /// # Errors
    /// As [`SeriesStream::next`].
    pub(crate) async fn every_row(
        &self,
        block: &OpenBlock,
        decoding: &mut Option<Decoding>,
        batch: usize,
    ) -> Result<Option<RecordBatch>> {
        if decoding.is_none() {
            let fields = block.schema().fields().iter();
            let columns: Vec<String> = fields.map(|field| field.name().clone()).collect();
            let all = 0..block.groups.last().copied().unwrap_or(0);
            let rows = std::slice::from_ref(&all);
            let wanted = Rows { columns: &columns, rows, filters: Vec::new(), batch };
            *decoding = block.decode(wanted)?;
        }
        match decoding {
            Some(decoding) => self.next_rows(block, decoding, None).await,
            None => Ok(None),
        }
    }
}
