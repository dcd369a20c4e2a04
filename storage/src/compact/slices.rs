//! Merges blocks of slices.
//!
//! Inputs are sorted alike, so a merge is one walk along all of them, which takes equal series
//! together. It is walked twice. A *scout* goes ahead without values: it joins the tick vectors of
//! every series and, when it has come as far as one output block will hold, finds the timelines of
//! that block ([`timeline`](super::timeline)). Then the values follow, a chunk of series at a time:
//! read, put in order (ORD-1), cut along the timelines and written. So memory holds one output, one
//! chunk and the tick vectors, however large the inputs are.
//!
//! What ends up in different blocks (days, retention classes) is walked separately.
//!
//! - [`walk`]: series of all inputs, taken together; erased rows go here
//! - [`window`]: what the scout finds out about the next output block
//! - [`output`]: values, from the inputs into the output block

use std::collections::BTreeSet;
use std::sync::Arc;

use tarn_model::error::Result;
use tarn_model::units::ByteSize;

use crate::block::BlockMeta;
use crate::block::columns::Present;
use crate::compact::classes::Classes;
use crate::compact::merge::{MergeContext, MergeJob};
use crate::flush::cut::{day_name, day_of};
use crate::schema::column;
use output::Writing;
use walk::{Filter, Input, Walk};
use window::Window;

mod output;
mod walk;
mod window;

/// The partition of rows of older days; a merge takes it apart.
const LATE: &str = "late";
/// What a flushed block shrinks to when it is merged with its neighbours, in percent.
const SHRINKS_TO: u64 = 75;

/// How much larger than asked for an output may become, in percent, before it is cut: what is
/// expected of its bytes is a guess, and no crumb shall follow.
const LARGER: u64 = 30;

/// How much a merge takes on at a time.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Bytes of inputs, as the output will have them, that one output is made of.
    output_bytes: u64,
    /// An output that turns out larger than expected is cut here.
    output_bytes_max: u64,
    /// Ticks of vectors held at once.
    ticks: usize,
    /// Samples of a chunk.
    samples: u64,
    /// Rows decoded at once, of each input.
    batch: usize,
}

impl Bounds {
    fn of(inputs: &[Arc<BlockMeta>], block: ByteSize, memory: ByteSize) -> Self {
        let (block, memory) = (block.0, memory.0);
        let block = block.min(memory / 2).max(1);
        let estimate: u64 = inputs.iter().map(|meta| expected_bytes(meta)).sum();
        let blocks = estimate.div_ceil(block).max(1);
        Self {
            // Equal parts: no crumb at the end.
            output_bytes: estimate.div_ceil(blocks).max(1),
            output_bytes_max: block + block * LARGER / 100,
            // A quarter of the memory at 8 bytes; a floor, for a merge of anything needs some.
            ticks: (memory / 4 / 8).max(1 << 20) as usize,
            // A sample is there some six times over: decoded, merged, cut, laid out, encoded.
            samples: (memory / 512).clamp(64 << 10, 1 << 20),
            batch: ((64 << 10) / inputs.len().max(1)).clamp(512, 8 << 10),
        }
    }
}

/// Returns about how many bytes the rows of a block will take in an output.
fn expected_bytes(meta: &BlockMeta) -> u64 {
    if meta.level == 0 { meta.bytes * SHRINKS_TO / 100 } else { meta.bytes }
}

/// Merges the inputs of a job.
///
/// # Errors
/// As [`merge`](super::merge::merge).
pub(super) async fn merge(job: &MergeJob, context: &MergeContext<'_>) -> Result<()> {
    let mut inputs = Vec::with_capacity(job.inputs.len());
    for (meta, erased) in job.inputs.iter().zip(&job.erased) {
        inputs.push(Input::open(context.blocks, meta, erased).await?);
    }
    let classes = Classes::new(context.retention, &job.tenant, job.signal);
    let merging = Merging {
        only: classes.only().unwrap_or(0),
        classes: &classes,
        job,
        context,
        inputs: &inputs,
        bounds: Bounds::of(&job.inputs, context.block_bytes, context.memory_max),
        present: present(&inputs),
    };
    let mut shard = 0;
    for day in days(job) {
        if classes.only().is_some() {
            merging.part(Filter { day, class: None }, &mut shard).await?;
            continue;
        }
        for class in 0..classes.count() {
            let filter = Filter { day, class: Some((&classes, class)) };
            merging.part(filter, &mut shard).await?;
        }
    }
    Ok(())
}

/// One merge under way.
struct Merging<'a> {
    job: &'a MergeJob,
    context: &'a MergeContext<'a>,
    classes: &'a Classes,
    /// The class of everything, where there is only one.
    only: u16,
    inputs: &'a [Input],
    bounds: Bounds,
    present: Present,
}

impl Merging<'_> {
    /// Merges the rows that go into the same blocks.
    async fn part(&self, filter: Filter<'_>, shard: &mut u32) -> Result<()> {
        let blocks = self.context.blocks;
        let mut ahead = Walk::begin(blocks, self.inputs, &filter, self.bounds.batch)?;
        let mut behind = Walk::begin(blocks, self.inputs, &filter, self.bounds.batch)?;
        while let Some(window) = Window::scout(&mut ahead, self).await? {
            let mut writing = Writing::begin(self, &filter, window, shard);
            writing.run(&mut behind).await?;
        }
        Ok(())
    }
}

/// Returns the days that rows of the inputs lie on.
fn days(job: &MergeJob) -> BTreeSet<i64> {
    let mut days = BTreeSet::new();
    for meta in &job.inputs {
        let (first, last) = (day_of(meta.time_min_ms), day_of(meta.time_max_ms));
        let named = |day: &i64| {
            meta.day != LATE || meta.days.is_empty() || meta.days.contains(&day_name(*day))
        };
        days.extend((first..=last).filter(named));
    }
    days
}

/// Returns the optional columns that outputs may need: those of the inputs. Starts that changed with
/// every input may need a number for each sample now.
fn present(inputs: &[Input]) -> Present {
    let has = |name: &str| inputs.iter().any(|input| input.block.has_column(name));
    Present {
        unit: has(column::UNIT),
        starts: has(column::START_RULE),
        start_lags: has(column::START_RULE),
        int_histograms: has(column::H_COUNT),
        float_histograms: has(column::H_COUNT_F),
    }
}
