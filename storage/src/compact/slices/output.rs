//! Values: read, put in order, cut along timelines, written.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::join;
use futures::stream::{self, StreamExt, TryStreamExt};
use tarn_model::error::{Error, Result};
use tarn_model::sample::STALE_NAN_BITS;
use tarn_model::slice::{Samples, Slice};

use super::Merging;
use super::walk::{Filter, Joined, JoinedRow, Walk};
use super::window::Window;
use crate::block::columns::{LabelColumns, Present};
use crate::block::reader::RowSlice;
use crate::block::table::SeriesInfo;
use crate::block::writer::{Encoding, SliceWriter};
use crate::blocking;
use crate::compact::timeline::Laid;
use crate::slice::cut::{Cut, Run, Track};
use crate::slice::{Rank, Ranked, merge, slice_to_points};

/// Series of a chunk at most, however few samples they have.
const CHUNK_SERIES: usize = 8 << 10;
/// Inputs read at once: hides the latency of a bucket.
const READS: usize = 4;

/// Writes the series of a window.
pub(super) struct Writing<'a> {
    loading: Loading<'a>,
    filter: Filter<'a>,
    common: Arc<Common>,
    shard: &'a mut u32,
    writer: Option<SliceWriter>,
}

/// What all chunks need.
struct Common {
    laid: Laid,
    labels: LabelColumns,
    present: Present,
}

impl<'a> Writing<'a> {
    pub(super) fn begin(
        merging: &'a Merging<'a>,
        filter: &Filter<'a>,
        window: Window,
        shard: &'a mut u32,
    ) -> Self {
        let Window { laid, vectors, used } = window;
        let labels = LabelColumns::choose(&used);
        let common = Arc::new(Common { laid, labels, present: merging.present });
        let loading = Loading { merging, vectors };
        Self { loading, filter: *filter, common, shard, writer: None }
    }

    /// Writes as many series as the window has. The next chunk is read while one is written.
    ///
    /// # Errors
    /// As [`merge`](crate::compact::merge::merge).
    pub(super) async fn run(&mut self, walk: &mut Walk<'_>) -> Result<()> {
        let mut first = 0;
        let mut next = self.loading.load(walk, first).await?;
        while let Some(chunk) = next {
            self.loading.merging.context.progress.check()?;
            let (common, writer) = (Arc::clone(&self.common), self.writer.take());
            let following = first + chunk.len();
            let begin = first as u32;
            let written = blocking::run(move || write(&common, writer, chunk, begin));
            let (written, loaded) = join(written, self.loading.load(walk, following)).await;
            let written = written?;
            (next, first) = (loaded?, following);
            let full = written.bytes() > self.loading.merging.bounds.output_bytes_max;
            self.writer = Some(written);
            if full {
                self.end().await?;
            }
        }
        self.end().await
    }

    /// Ends the output and hands it over.
    async fn end(&mut self) -> Result<()> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let merging = self.loading.merging;
        let Filter { day, class } = self.filter;
        let class = class.map_or(merging.only, |(_, class)| class);
        let class = merging.classes.name(class);
        let origin = merging.job.origin(merging.context, day, class, *self.shard);
        *self.shard += 1;
        let block = writer.finish(&origin)?;
        merging.context.outputs.put(block).await
    }
}

/// Reads the series of a window.
struct Loading<'a> {
    merging: &'a Merging<'a>,
    vectors: Vec<u32>,
}

impl Loading<'_> {
    /// Reads the next series, as many as are held at once; `None` behind the last of the window.
    async fn load(&self, walk: &mut Walk<'_>, first: usize) -> Result<Option<Vec<ChunkSeries>>> {
        if first >= self.vectors.len() {
            return Ok(None);
        }
        let chunk = self.chunk(walk, first).await?;
        Ok(Some(self.read(chunk).await?))
    }

    /// Takes the next series, without their values.
    async fn chunk(&self, walk: &mut Walk<'_>, first: usize) -> Result<Vec<ChunkSeries>> {
        let mut chunk = Vec::new();
        let mut weight = 0;
        for vector in self.vectors[first..].iter().take(CHUNK_SERIES) {
            if weight >= self.merging.bounds.samples {
                break;
            }
            let Some(Joined { key, metric_type, unit, rows }) = walk.next().await? else {
                return Err(Error::internal("inputs of a merge ended before their series"));
            };
            let own =
                |row: &JoinedRow| self.merging.inputs[row.input].block.weight(&row.row.row) + 1;
            weight += rows.iter().map(own).sum::<u64>();
            let info = SeriesInfo { labels: key.label_set(), metric_type, unit };
            chunk.push(ChunkSeries { info, vector: *vector, rows, slices: Vec::new() });
        }
        Ok(chunk)
    }

    /// Reads the values of a chunk.
    async fn read(&self, mut chunk: Vec<ChunkSeries>) -> Result<Vec<ChunkSeries>> {
        let blocks = self.merging.context.blocks;
        let wanted = self.merging.inputs.iter().enumerate().map(|(number, input)| {
            let wanted = Wanted::of(number, &chunk);
            (wanted, Arc::clone(blocks), Arc::clone(&input.block))
        });
        let wanted: Vec<_> = wanted.filter(|(wanted, ..)| !wanted.rows.is_empty()).collect();
        let mut reads = stream::iter(wanted)
            .map(|(wanted, blocks, block)| async move {
                let slices = blocks.read(&block, &wanted.rows).await?;
                Ok::<_, Error>((wanted, block, slices))
            })
            .buffered(READS);
        while let Some((wanted, block, slices)) = reads.try_next().await? {
            let Wanted { number, places, rows } = wanted;
            for ((at, row), slice) in places.into_iter().zip(slices) {
                chunk[at].take(number, row, slice);
            }
            let (meta, progress) = (&block.meta, self.merging.context.progress);
            progress.rows.fetch_add(rows.len() as u64, Ordering::Relaxed);
            let bytes = meta.bytes.saturating_mul(rows.len() as u64) / meta.rows.max(1);
            progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(chunk)
    }
}

/// A series on its way from the inputs into the output.
struct ChunkSeries {
    info: SeriesInfo,
    vector: u32,
    rows: Vec<JoinedRow>,
    /// Their values, once they are read.
    slices: Vec<Ranked>,
}

impl ChunkSeries {
    /// Returns the scale that all values have, where the inputs tell it: finding one costs as much as
    /// decoding. `Some(None)`: some values have none. What was exact at a scale once is so again.
    fn scale(&self) -> Option<Option<usize>> {
        let rows = self.rows.iter().map(|row| &row.row.row).filter(|row| row.n > 0);
        let mut scales = rows.map(|row| row.scale.map(usize::from));
        let first = scales.next()?;
        scales.all(|scale| scale == first).then_some(first)
    }

    /// Takes the values of one of the rows.
    fn take(&mut self, input: usize, row: usize, slice: Slice) {
        let order = Rank(input as u64, 0);
        let JoinedRow { row, kept, .. } = &self.rows[row];
        if let [whole] = kept.as_slice()
            && *whole == row.range()
        {
            self.slices.push(Ranked { order, slice });
            return;
        }
        let parts = kept.iter().map(|part| Ranked { order, slice: part_of(&slice, part) });
        self.slices.extend(parts);
    }
}

/// Rows of one input.
struct Wanted {
    number: usize,
    /// Which row of which series each of them is.
    places: Vec<(usize, usize)>,
    rows: Vec<RowSlice>,
}

impl Wanted {
    fn of(number: usize, chunk: &[ChunkSeries]) -> Self {
        let mut wanted: Vec<((usize, usize), RowSlice)> = Vec::new();
        for (at, series) in chunk.iter().enumerate() {
            let own = series.rows.iter().enumerate().filter(|(_, row)| row.input == number);
            wanted.extend(own.map(|(place, row)| ((at, place), row.row.row)));
        }
        // Rows of a series are sorted by time, which in a block may be another order.
        wanted.sort_unstable_by_key(|(_, row)| row.row);
        let (places, rows) = wanted.into_iter().unzip();
        Self { number, places, rows }
    }
}

/// Returns the part of a slice that lies on some ticks of its timeline.
fn part_of(slice: &Slice, ticks: &Range<usize>) -> Slice {
    let n = slice.samples.len();
    let from = (ticks.start - slice.first).min(n);
    let to = (ticks.end - slice.first).min(n);
    Slice {
        ticks: Arc::clone(&slice.ticks),
        first: slice.first + from,
        samples: match &slice.samples {
            Samples::Floats(values) => Samples::Floats(values[from..to].to_vec()),
            Samples::Histograms(values) => Samples::Histograms(values[from..to].to_vec()),
        },
        starts: slice.starts.as_ref().map(|starts| starts[from..to].to_vec()),
        stale_at: slice.stale_at.filter(|_| ticks.end > slice.first + n),
        stats: None,
    }
}

/// Cuts and writes a chunk; series are numbered from `first`.
fn write(
    common: &Common,
    writer: Option<SliceWriter>,
    chunk: Vec<ChunkSeries>,
    first: u32,
) -> Result<SliceWriter> {
    let Common { laid, labels, present } = common;
    let mut writer = match writer {
        Some(writer) => writer,
        None => SliceWriter::begin(&laid.timelines, labels.clone(), *present, Encoding::Best)?,
    };
    let mut cut = Cut::default();
    let mut infos = Vec::with_capacity(chunk.len());
    let mut merged = Vec::new();
    for (number, series) in chunk.into_iter().enumerate() {
        let known = series.scale();
        let ChunkSeries { info, vector, slices, .. } = series;
        let vector = &laid.vectors[vector as usize];
        merge(slices, &mut merged);
        let track = track(&mut merged, &vector.ticks)
            .ok_or_else(|| Error::internal(format!("merge of {} lost its ticks", info.labels)))?;
        infos.push(info);
        let scale = known.unwrap_or_else(|| track.scale(0..vector.ticks.len()));
        for run in &vector.runs {
            let run = Run {
                series: first + number as u32,
                timeline: run.timeline,
                offset: run.offset,
                range: run.range.clone(),
                scale,
            };
            cut.add(&track, run);
        }
    }
    let info = |number: u32| infos[(number - first) as usize].clone();
    writer.write(&cut.table(&laid.timelines, &info))?;
    Ok(writer)
}

/// Joins slices in the order of their times; `None` where these are not the ticks.
fn track(slices: &mut Vec<Slice>, ticks: &Arc<[i64]>) -> Option<Track> {
    let floats = slices.iter().all(|slice| matches!(slice.samples, Samples::Floats(_)));
    let track = if floats { floats_of(slices, ticks)? } else { points_of(slices, ticks)? };
    slices.clear();
    Some(track)
}

fn floats_of(slices: &[Slice], ticks: &Arc<[i64]>) -> Option<Track> {
    let mut bits: Vec<u64> = Vec::with_capacity(ticks.len());
    let mut starts: Vec<i64> = Vec::new();
    for slice in slices {
        let Samples::Floats(values) = &slice.samples else { return None };
        let at = bits.len();
        if ticks.get(at..at + values.len())? != slice.times() {
            return None;
        }
        bits.extend(values.iter().map(|value| value.to_bits()));
        if let Some(own) = &slice.starts {
            starts.resize(at, 0);
            starts.extend_from_slice(own);
        }
        if let Some(time) = slice.stale_at {
            if ticks.get(bits.len()) != Some(&time) {
                return None;
            }
            bits.push(STALE_NAN_BITS);
        }
    }
    if !starts.is_empty() {
        starts.resize(bits.len(), 0);
    }
    (bits.len() == ticks.len()).then(|| Track::Floats { times: Arc::clone(ticks), bits, starts })
}

fn points_of(slices: &[Slice], ticks: &Arc<[i64]>) -> Option<Track> {
    let mut points = Vec::with_capacity(ticks.len());
    slices.iter().for_each(|slice| slice_to_points(slice, &mut points));
    let times = points.iter().map(|point| point.time_ms);
    times.eq(ticks.iter().copied()).then(|| Track::Points { times: Arc::clone(ticks), points })
}
