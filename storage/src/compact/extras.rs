//! Merges what lies beside slices: exemplars, and metadata of metric families.
//!
//! Exemplars are walked along in the order of their series and times, a batch of each input at a
//! time; what equals its neighbour in everything was sent twice and is written once. Of a family the
//! last word counts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tarn_model::error::{Error, Result};
use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;
use tarn_model::sample::Exemplar;

use crate::block::columns::LabelColumns;
use crate::block::extras::{
    ExemplarWriter, Family, read_exemplars, read_families, read_keys, write_families,
};
use crate::block::reader::tables::Decoding;
use crate::block::reader::{Blocks, OpenBlock};
use crate::compact::classes::Classes;
use crate::compact::merge::{MergeContext, MergeJob};
use crate::flush::cut::day_of;
use crate::retain::erase::Erased;
use crate::schema::SeriesKey;

/// Rows decoded at once, of each input.
const BATCH_ROWS: usize = 1024;
/// Rows written at once.
const WRITE_ROWS: usize = 4096;

fn damaged(block: &OpenBlock) -> Error {
    Error::corrupt(format!("block {} lacks fixed columns", block.object()))
}

/// Merges blocks of metric families into one.
///
/// # Errors
/// As [`merge`](super::merge::merge).
pub(super) async fn families(job: &MergeJob, context: &MergeContext<'_>) -> Result<()> {
    let mut latest: BTreeMap<Arc<str>, Family> = BTreeMap::new();
    for meta in &job.inputs {
        context.progress.check()?;
        let block = context.blocks.open(meta).await?;
        let mut decoding = None;
        while let Some(batch) = context.blocks.every_row(&block, &mut decoding, BATCH_ROWS).await? {
            for family in read_families(&batch).ok_or_else(|| damaged(&block))? {
                let first = latest.get(&family.metric).map(|known| known.first_seen_ms);
                let first_seen_ms = first.unwrap_or(i64::MAX).min(family.first_seen_ms);
                latest.insert(Arc::clone(&family.metric), Family { first_seen_ms, ..family });
            }
        }
        context.progress.rows.fetch_add(meta.rows, Ordering::Relaxed);
        context.progress.bytes.fetch_add(meta.bytes, Ordering::Relaxed);
    }
    let families: Vec<Family> = latest.into_values().collect();
    let Some(last) = families.iter().map(|family| family.last_seen_ms).max() else {
        return Ok(());
    };
    let origin = job.origin(context, day_of(last), "", 0);
    context.outputs.put(write_families(&families, &origin)?).await
}

/// Merges blocks of exemplars.
///
/// # Errors
/// As [`merge`](super::merge::merge).
pub(super) async fn exemplars(job: &MergeJob, context: &MergeContext<'_>) -> Result<()> {
    let mut streams = Vec::with_capacity(job.inputs.len());
    for (meta, erased) in job.inputs.iter().zip(&job.erased) {
        let block = context.blocks.open(meta).await?;
        let mut stream = Stream::begin(block, Erased::new(erased)?);
        stream.fill(context.blocks).await?;
        streams.push(stream);
    }
    let classes = Classes::new(context.retention, &job.tenant, job.signal);
    let mut writing = Writing {
        job,
        context,
        classes: &classes,
        labels: labels(job),
        parts: BTreeMap::new(),
        shard: 0,
    };
    // Exemplars of one series and time, to find those that were sent twice.
    let mut group: Vec<Row> = Vec::new();
    while let Some(at) = first(&streams) {
        let Some(row) = streams[at].ready.pop_front() else { break };
        if streams[at].ready.is_empty() {
            context.progress.check()?;
            streams[at].fill(context.blocks).await?;
        }
        if group.first().is_some_and(|known| known.place() != row.place()) {
            writing.add(&mut group).await?;
        }
        if group.iter().all(|known| !known.equals(&row)) {
            group.push(row);
        }
    }
    writing.add(&mut group).await?;
    for meta in &job.inputs {
        context.progress.rows.fetch_add(meta.rows, Ordering::Relaxed);
        context.progress.bytes.fetch_add(meta.bytes, Ordering::Relaxed);
    }
    writing.end().await
}

/// Decides where labels go, by how many series of the inputs have them.
fn labels(job: &MergeJob) -> LabelColumns {
    let mut used: HashMap<Arc<str>, u64> = HashMap::default();
    for meta in &job.inputs {
        for label in &meta.labels {
            let count = if label.in_map { 1 } else { meta.series };
            *used.entry(label.name.as_str().into()).or_default() += count;
        }
    }
    LabelColumns::choose(&used)
}

/// Returns the stream whose next row comes first; of equal ones the first.
fn first(streams: &[Stream]) -> Option<usize> {
    let heads = streams.iter().enumerate();
    let heads = heads.filter_map(|(at, stream)| Some((stream.ready.front()?.place(), at)));
    heads.min().map(|(_, at)| at)
}

/// An exemplar and its series.
struct Row {
    key: SeriesKey,
    exemplar: Exemplar,
}

impl Row {
    fn place(&self) -> (&SeriesKey, i64) {
        (&self.key, self.exemplar.time_ms)
    }

    fn equals(&self, other: &Self) -> bool {
        self.place() == other.place()
            && self.exemplar.value.to_bits() == other.exemplar.value.to_bits()
            && self.exemplar.labels == other.exemplar.labels
    }
}

/// The rows of an input in their order.
struct Stream {
    block: Arc<OpenBlock>,
    erased: Erased,
    decoding: Option<Decoding>,
    ready: VecDeque<Row>,
}

impl Stream {
    fn begin(block: Arc<OpenBlock>, erased: Erased) -> Self {
        Self { block, erased, decoding: None, ready: VecDeque::new() }
    }

    /// Decodes the next rows that stay, if there are any.
    async fn fill(&mut self, blocks: &Blocks) -> Result<()> {
        while self.ready.is_empty() {
            let batch = blocks.every_row(&self.block, &mut self.decoding, BATCH_ROWS).await?;
            let Some(batch) = batch else { break };
            let exemplars = read_exemplars(&batch).ok_or_else(|| damaged(&self.block))?;
            for (key, exemplar) in read_keys(&self.block.meta, &batch).into_iter().zip(exemplars) {
                let gone = !self.erased.is_empty() && {
                    let times = self.erased.times(&key.label_set());
                    times.iter().any(|range| range.contains(exemplar.time_ms))
                };
                if !gone {
                    self.ready.push_back(Row { key, exemplar });
                }
            }
        }
        Ok(())
    }
}

/// Outputs under way: exemplars are few, so those of all days and classes are open at once.
struct Writing<'a> {
    job: &'a MergeJob,
    context: &'a MergeContext<'a>,
    classes: &'a Classes,
    labels: LabelColumns,
    parts: BTreeMap<(i64, u16), Part>,
    shard: u32,
}

#[derive(Default)]
struct Part {
    writer: Option<ExemplarWriter>,
    rows: Vec<(LabelSet, Exemplar)>,
}

impl Writing<'_> {
    /// Takes the exemplars of one series and time.
    async fn add(&mut self, group: &mut Vec<Row>) -> Result<()> {
        let Some(first) = group.first() else { return Ok(()) };
        let labels = first.key.label_set();
        let class = self.classes.only().unwrap_or_else(|| self.classes.of_series(&labels));
        let place = (day_of(first.exemplar.time_ms), class);
        let part = self.parts.entry(place).or_default();
        part.rows.extend(group.drain(..).map(|row| (labels.clone(), row.exemplar)));
        if part.rows.len() >= WRITE_ROWS {
            part.write(&self.labels)?;
            let full = part
                .writer
                .as_ref()
                .is_some_and(|writer| writer.bytes() >= self.context.block_bytes.0);
            if full {
                self.put(place).await?;
            }
        }
        Ok(())
    }

    async fn put(&mut self, place: (i64, u16)) -> Result<()> {
        let Some(mut part) = self.parts.remove(&place) else { return Ok(()) };
        part.write(&self.labels)?;
        let Some(writer) = part.writer else { return Ok(()) };
        let (day, class) = place;
        let class = self.classes.name(class);
        let block = writer.finish(&self.job.origin(self.context, day, class, self.shard))?;
        self.shard += 1;
        self.context.outputs.put(block).await
    }

    async fn end(mut self) -> Result<()> {
        let places: Vec<(i64, u16)> = self.parts.keys().copied().collect();
        for place in places {
            self.put(place).await?;
        }
        Ok(())
    }
}

impl Part {
    fn write(&mut self, labels: &LabelColumns) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(ExemplarWriter::begin(labels.clone())?),
        };
        writer.write(&self.rows)?;
        self.rows.clear();
        Ok(())
    }
}
