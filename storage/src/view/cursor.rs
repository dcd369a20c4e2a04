//! The samples of selected series, merged per series.
//!
//! Blocks are read ahead in batches of series, because neighbouring rows share pages; heads are
//! copied when their series is due. Per series all slices come together and are put in order; where
//! they overlap in time, what is later in the log wins (ORD-1).

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use tarn_model::error::{Error, Result};
use tarn_model::map::HashMap;
use tarn_model::slice::Slice;
use tarn_model::time::TimeRange;

use crate::block::reader::{Blocks, OpenBlock, RowSlice};
use crate::slice::{Rank, Ranked, floats_to_slices, merge, points_to_slices, sort_points, without};
use crate::view::select::{Found, FoundSeries, Source, is_erased};
use crate::view::{ScanLimits, Selection, View};

/// Samples read ahead: 16 MiB of values, enough to fill any page that is opened.
const AHEAD_SAMPLES: u64 = 2 << 20;
/// Series prepared ahead at most: enough for the rows of a page, and few beside what they wait for.
const AHEAD_SERIES: usize = 4096;
/// Blocks read at once: hides the latency of a bucket.
const READS: usize = 4;
/// Bytes that a sample holds while it is ahead.
const SAMPLE_BYTES: u64 = 8;

/// Yields slices, series by series.
pub struct SeriesCursor {
    blocks: Arc<Blocks>,
    range: TimeRange,
    /// Samples that may be read ahead.
    ahead: u64,
    waiting: VecDeque<Vec<Source>>,
    /// The next series, their blocks read.
    ready: VecDeque<Loaded>,
    /// Times of the series before, which often are those of the next one too.
    ticks: Arc<[i64]>,
}

impl fmt::Debug for SeriesCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.waiting.len() + self.ready.len();
        f.debug_struct("SeriesCursor").field("left", &left).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Loaded {
    heads: Vec<Source>,
    slices: Vec<Ranked>,
}

/// Makes the answer to one selector.
pub(super) fn selection(view: &View, found: Found, limits: ScanLimits) -> Selection {
    let Found { range, series } = found;
    let (series, waiting) =
        series.into_iter().map(|FoundSeries { selected, sources }| (selected, sources)).unzip();
    let cursor = SeriesCursor {
        blocks: Arc::clone(&view.blocks),
        range,
        ahead: AHEAD_SAMPLES.min(limits.bytes_max / 4 / SAMPLE_BYTES).max(1),
        waiting,
        ready: VecDeque::new(),
        ticks: Arc::from([]),
    };
    Selection { series, cursor }
}

impl SeriesCursor {
    /// Returns what the cursor holds to know where samples are, before it has read any.
    pub fn bytes(&self) -> u64 {
        let sources: usize = self.waiting.iter().map(Vec::capacity).sum();
        (self.waiting.len() * size_of::<Vec<Source>>() + sources * size_of::<Source>()) as u64
    }

    /// Clears `into` and fills it with the merged, non-overlapping slices of the next series;
    /// `false` after the last.
    ///
    /// # Errors
    /// `Corrupt` where stored bytes fail their checksum; `Unavailable` where they cannot be read.
    pub async fn next(&mut self, into: &mut Vec<Slice>) -> Result<bool> {
        into.clear();
        if self.ready.is_empty() {
            self.load().await?;
        }
        let Some(Loaded { heads, mut slices }) = self.ready.pop_front() else {
            return Ok(false);
        };
        for source in heads {
            self.copy(&source, &mut slices);
        }
        merge(slices, into);
        Ok(true)
    }

    fn copy(&mut self, source: &Source, into: &mut Vec<Ranked>) {
        let Source::Head { order, part, series } = source else { return };
        let copied = part.columns.copy(series, self.range);
        let mut slices = Vec::new();
        if copied.histograms.is_empty() && copied.side.is_empty() {
            if *copied.times != *self.ticks {
                self.ticks = copied.times.into();
            }
            let starts = (!copied.starts.is_empty()).then_some(&*copied.starts);
            floats_to_slices(&self.ticks, 0, &copied.bits, starts, &mut slices);
        } else {
            let mut points = copied.into_points();
            sort_points(&mut points);
            points_to_slices(&points, &mut slices);
        }
        into.extend(slices.into_iter().map(|slice| Ranked { order: *order, slice }));
    }

    /// Reads the blocks of the next series, as many as may be ahead.
    async fn load(&mut self) -> Result<()> {
        let mut wanted = WantedRows::default();
        let mut samples = 0;
        while samples < self.ahead
            && self.ready.len() < AHEAD_SERIES
            && let Some(mut sources) = self.waiting.pop_front()
        {
            let at = self.ready.len();
            let mut loaded = Loaded::default();
            if sources.iter().all(|source| matches!(source, Source::Head { .. })) {
                loaded.heads = std::mem::take(&mut sources);
            }
            for source in sources {
                match source {
                    Source::Head { .. } => loaded.heads.push(source),
                    Source::Block { order, block, series, erased } => {
                        let seen = |row: &&RowSlice| {
                            row.may_overlap(self.range) && !is_erased(&block, row, &erased)
                        };
                        let rows: Vec<RowSlice> =
                            series.rows.iter().filter(seen).copied().collect();
                        samples += rows.iter().map(|row| block.weight(row)).sum::<u64>();
                        let erased: Arc<[TimeRange]> = erased.into();
                        let rows = rows.into_iter().map(|row| Want {
                            owner: at,
                            row,
                            erased: Arc::clone(&erased),
                        });
                        wanted.add(order, &block, rows);
                    }
                }
            }
            samples += 1;
            self.ready.push_back(loaded);
        }
        let blocks = &self.blocks;
        let mut reads = stream::iter(wanted.blocks)
            .map(|Wanted { order, block, mut rows }| async move {
                rows.sort_unstable_by_key(|want| want.row.row);
                let places: Vec<RowSlice> = rows.iter().map(|want| want.row).collect();
                let slices = blocks.read(&block, &places).await?;
                Ok::<_, Error>((order, rows, slices))
            })
            .buffered(READS);
        let mut left = Vec::new();
        while let Some((order, rows, slices)) = reads.try_next().await? {
            for (want, slice) in rows.into_iter().zip(slices) {
                without(slice, &want.erased, &mut left);
                let of_series = &mut self.ready[want.owner].slices;
                of_series.extend(left.drain(..).map(|slice| Ranked { order, slice }));
            }
        }
        Ok(())
    }
}

/// Rows to be read from one block, with the series that wait for them.
struct Wanted {
    order: Rank,
    block: Arc<OpenBlock>,
    rows: Vec<Want>,
}

/// A row, the series that waits for it, and what of it is erased.
struct Want {
    owner: usize,
    row: RowSlice,
    erased: Arc<[TimeRange]>,
}

#[derive(Default)]
struct WantedRows {
    blocks: Vec<Wanted>,
    /// Object → place among the blocks.
    places: HashMap<Arc<str>, usize>,
}

impl WantedRows {
    fn add(&mut self, order: Rank, block: &Arc<OpenBlock>, rows: impl Iterator<Item = Want>) {
        let at = *self.places.entry(Arc::clone(block.object())).or_insert_with(|| {
            self.blocks.push(Wanted { order, block: Arc::clone(block), rows: Vec::new() });
            self.blocks.len() - 1
        });
        self.blocks[at].rows.extend(rows);
    }
}
