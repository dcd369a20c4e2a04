//! Values: read, put in order, cut along timelines, written.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tarn_model::error::{Error, Result};
use tarn_model::sample::STALE_NAN_BITS;
use tarn_model::slice::{Samples, Slice};

use super::walk::{Filter, Joined, JoinedRow, Walk};
use super::window::Window;
use super::{Bounds, Merging};
use crate::block::columns::{LabelColumns, Present};
use crate::block::reader::{Blocks, RowSlice};
use crate::block::table::SeriesInfo;
use crate::block::writer::{Encoding, SliceWriter};
use crate::blocking;
use crate::compact::timeline::Laid;
use crate::slice::cut::{Cut, Run, Track};
use crate::slice::{Rank, Ranked, merge, slice_to_points};

/// Series of a chunk at most, however few samples they have.
const CHUNK_SERIES: usize = 8 << 10;
/// An output larger than this part of what was expected ends early, in percent.
const LARGER: u64 = 130;

/// Writes the series of a window.
pub(super) struct Writing<'a> {
    merging: &'a Merging<'a>,
    filter: Filter<'a>,
    vectors: Vec<u32>,
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
        Self { merging, filter: *filter, vectors, common, shard, writer: None }
    }

    /// Writes as many series as the window has.
    ///
    /// # Errors
    /// As [`merge`](crate::compact::merge::merge).
    pub(super) async fn run(&mut self, walk: &mut Walk<'_>) -> Result<()> {
        let mut done = 0;
        while done < self.vectors.len() {
            self.merging.context.progress.check()?;
            let chunk = self.chunk(walk, done).await?;
            let series = chunk.series.len();
            let read = self.read(chunk).await?;
            let (common, writer, first) = (Arc::clone(&self.common), self.writer.take(), done);
            let written = blocking::run(move || write(&common, writer, read, first as u32)).await?;
            done += series;
            let bytes = written.bytes();
            self.writer = Some(written);
            let Bounds { output_bytes, .. } = self.merging.bounds;
            if bytes * 100 > output_bytes * LARGER {
                self.end().await?;
            }
        }
        self.end().await
    }

    /// Takes the next series, as many as are held at once.
    async fn chunk(&self, walk: &mut Walk<'_>, done: usize) -> Result<Chunk> {
        let mut chunk = Chunk { series: Vec::new() };
        let mut weight = 0;
        for vector in self.vectors[done..].iter().take(CHUNK_SERIES) {
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
            chunk.series.push(ChunkSeries { info, vector: *vector, rows, slices: Vec::new() });
        }
        Ok(chunk)
    }

    /// Reads the values of a chunk.
    async fn read(&self, mut chunk: Chunk) -> Result<Chunk> {
        for (number, input) in self.merging.inputs.iter().enumerate() {
            let mut wanted: Vec<(usize, usize, RowSlice)> = Vec::new();
            for (at, series) in chunk.series.iter().enumerate() {
                let own = series.rows.iter().enumerate().filter(|(_, row)| row.input == number);
                wanted.extend(own.map(|(place, row)| (at, place, row.row.row)));
            }
            if wanted.is_empty() {
                continue;
            }
            wanted.sort_unstable_by_key(|(_, _, row)| row.row);
            let rows: Vec<RowSlice> = wanted.iter().map(|(_, _, row)| *row).collect();
            let blocks: &Blocks = self.merging.context.blocks;
            let slices = blocks.read(&input.block, &rows).await?;
            for ((at, place, _), slice) in wanted.into_iter().zip(slices) {
                let series = &mut chunk.series[at];
                for part in &series.rows[place].kept {
                    let slice = part_of(&slice, part);
                    series.slices.push(Ranked { order: Rank(number as u64, 0), slice });
                }
            }
            let meta = &input.block.meta;
            let progress = self.merging.context.progress;
            progress.rows.fetch_add(rows.len() as u64, Ordering::Relaxed);
            let bytes = meta.bytes.saturating_mul(rows.len() as u64) / meta.rows.max(1);
            progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(chunk)
    }

    /// Ends the output and hands it over.
    async fn end(&mut self) -> Result<()> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let Filter { day, class } = self.filter;
        let class = class.map_or(self.merging.only, |(_, class)| class);
        let class = self.merging.classes.name(class);
        let origin = self.merging.job.origin(self.merging.context, day, class, *self.shard);
        *self.shard += 1;
        let block = writer.finish(&origin)?;
        self.merging.context.outputs.put(block).await
    }
}

/// Series whose values are in memory.
struct Chunk {
    series: Vec<ChunkSeries>,
}

struct ChunkSeries {
    info: SeriesInfo,
    vector: u32,
    rows: Vec<JoinedRow>,
    slices: Vec<Ranked>,
}

/// Returns the part of a slice that lies on some ticks of its timeline.
fn part_of(slice: &Slice, ticks: &Range<usize>) -> Slice {
    let n = slice.samples.len();
    let from = (ticks.start - slice.first).min(n);
    let to = (ticks.end - slice.first).min(n);
    let whole = to - from == n;
    Slice {
        ticks: Arc::clone(&slice.ticks),
        first: slice.first + from,
        samples: match &slice.samples {
            samples if whole => samples.clone(),
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
    chunk: Chunk,
    first: u32,
) -> Result<SliceWriter> {
    let Common { laid, labels, present } = common;
    let mut writer = match writer {
        Some(writer) => writer,
        None => SliceWriter::begin(&laid.timelines, labels.clone(), *present, Encoding::Best)?,
    };
    let mut cut = Cut::default();
    let mut infos = Vec::with_capacity(chunk.series.len());
    let mut merged = Vec::new();
    for (number, series) in chunk.series.into_iter().enumerate() {
        let ChunkSeries { info, vector, slices, .. } = series;
        let vector = &laid.vectors[vector as usize];
        merge(slices, &mut merged);
        let track = track(&mut merged, &vector.ticks)
            .ok_or_else(|| Error::internal(format!("merge of {} lost its ticks", info.labels)))?;
        infos.push(info);
        let scale = track.scale(0..vector.ticks.len());
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
