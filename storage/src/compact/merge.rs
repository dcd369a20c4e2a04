//! One merge: some blocks in, their rows in fewer blocks out.
//!
//! Rows come out in the order of their kind, each once, whatever block it was in. Outputs are handed
//! over one by one, so that only one is held at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use tarn_model::error::{Error, Result};
use tarn_model::rng::Rng;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;
use xxhash_rust::xxh3::xxh3_64;

use crate::block::reader::Blocks;
use crate::block::seal::{NewBlock, Origin};
use crate::block::{BlockMeta, LsnRange};
use crate::compact::{extras, rows, slices};
use crate::flush::cut::day_name;
use crate::options::Retention;
use crate::paths::merge_block_name;
use crate::retain::erase::Tombstone;
use crate::schema::kind;
use crate::schema::tables::Table;
use crate::usage::Usage;

/// Kinds that [`merge`] takes; blocks of others stay as they are.
pub(crate) const KINDS: &[&str] =
    &[kind::SLICES, kind::EXEMPLARS, kind::FAMILIES, Table::Logs.as_str(), Table::Spans.as_str()];

/// What is merged into what.
#[derive(Debug, Clone)]
pub struct MergeJob {
    /// Whose rows.
    pub tenant: TenantId,
    /// Which signal.
    pub signal: Signal,
    /// `slices`, `exemplars`, `families`, `logs` or `spans`: that of all inputs.
    pub kind: String,
    /// Level of the outputs, 1 or 2.
    pub level: u8,
    /// Neighbours in the order of commits: of two values for one time the later input wins.
    pub inputs: Vec<Arc<BlockMeta>>,
    /// Erased rows of each input, applied before mixing; as many entries as inputs.
    pub erased: Vec<Vec<Arc<Tombstone>>>,
}

impl MergeJob {
    /// Names an output; `shard` is its number among those of the job.
    pub(super) fn origin(
        &self,
        context: &MergeContext<'_>,
        day: i64,
        class: &str,
        shard: u32,
    ) -> Origin<'_> {
        let attempt = context.rng.next_u64();
        let names: Vec<&str> = self.inputs.iter().map(|meta| meta.object.as_str()).collect();
        let hash = xxh3_64(names.join("\n").as_bytes());
        Origin {
            tenant: &self.tenant,
            day: day_name(day),
            days: Vec::new(),
            class: class.to_owned(),
            level: self.level,
            shard,
            lsn: lsn_union(&self.inputs),
            seq: self.inputs.iter().map(|meta| meta.seq).max().unwrap_or(0),
            name: merge_block_name(hash, context.epoch, shard, attempt),
            attempt,
            overlaps: false,
        }
    }
}

/// What merges share.
pub struct MergeContext<'a> {
    /// Reads the inputs.
    pub blocks: &'a Arc<Blocks>,
    /// Takes the outputs.
    pub outputs: &'a dyn Outputs,
    /// Source of names.
    pub rng: &'a dyn Rng,
    /// Epoch of the worker's writer, for names.
    pub epoch: u64,
    /// Rules by which rows are put into retention classes.
    pub retention: &'a Retention,
    /// What queries have asked for.
    pub usage: &'a Usage,
    /// An output is cut when it reaches about this size.
    pub block_bytes: ByteSize,
    /// What the merge may hold in memory.
    pub memory_max: ByteSize,
    /// How far it is, and whether it shall end.
    pub progress: &'a Progress,
}

impl std::fmt::Debug for MergeContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MergeContext").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// Takes the outputs of a merge, in their order.
pub trait Outputs: Send + Sync {
    /// Stores a block; its memory is free when this returns.
    ///
    /// # Errors
    /// What the store says; the merge ends with it.
    fn put(&self, block: NewBlock) -> BoxFuture<'_, Result<()>>;
}

/// How far a merge is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Input rows that were read.
    pub rows: AtomicU64,
    /// Input bytes that were read.
    pub bytes: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// Asks the merge to end soon.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// Fails where the merge shall end; to be asked between batches.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Acquire) {
            return Err(Error::unavailable("the merge was cancelled", Duration::from_secs(1)));
        }
        Ok(())
    }
}

/// Merges the inputs of a job into blocks of its level: by UTC day, by retention class, and cut by
/// size at keys of the sort order.
///
/// # Errors
/// `Corrupt` where an input fails its checksum, `Unavailable` where one cannot be read or an output
/// not be stored, `LimitExceeded` where the memory does not suffice.
pub async fn merge(job: &MergeJob, context: &MergeContext<'_>) -> Result<()> {
    if job.inputs.len() != job.erased.len() {
        return Err(Error::internal("a merge needs to know what is erased of every input"));
    }
    match job.kind.as_str() {
        kind::SLICES => Box::pin(slices::merge(job, context)).await,
        kind if rows::is_kind(kind) => Box::pin(rows::merge(job, context)).await,
        kind::EXEMPLARS => Box::pin(extras::exemplars(job, context)).await,
        kind::FAMILIES => Box::pin(extras::families(job, context)).await,
        other => Err(Error::internal(format!("blocks of kind {other} are not merged"))),
    }
}

/// Returns the log positions of all inputs; ranges that follow one another become one.
fn lsn_union(inputs: &[Arc<BlockMeta>]) -> Vec<LsnRange> {
    let mut all: Vec<&LsnRange> = inputs.iter().flat_map(|meta| &meta.lsn).collect();
    all.sort_unstable_by_key(|range| (&range.writer, range.epoch, range.lo));
    let mut union: Vec<LsnRange> = Vec::new();
    for range in all {
        match union.last_mut() {
            Some(last)
                if (&last.writer, last.epoch) == (&range.writer, range.epoch)
                    && range.lo <= last.hi.saturating_add(1) =>
            {
                last.hi = last.hi.max(range.hi);
            }
            _ => union.push(range.clone()),
        }
    }
    union
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(writer: &str, epoch: u64, lo: u64, hi: u64) -> LsnRange {
        LsnRange { writer: writer.to_owned(), epoch, lo, hi }
    }

    #[test]
    fn ranges_of_the_log_that_follow_one_another_become_one() {
        let meta = |lsn: Vec<LsnRange>| {
            let json = include_str!("../../../tests/compat/v1/block/metas.json");
            let metas: Vec<BlockMeta> = serde_json::from_str(json).unwrap();
            Arc::new(BlockMeta { lsn, ..metas[0].clone() })
        };
        let inputs = [
            meta(vec![range("a", 1, 5, 9), range("b", 1, 1, 2)]),
            meta(vec![range("a", 1, 10, 12)]),
            meta(vec![range("a", 2, 13, 14), range("b", 1, 4, 4)]),
            meta(vec![range("a", 1, 10, 12)]),
        ];
        let expected =
            [range("a", 1, 5, 12), range("a", 2, 13, 14), range("b", 1, 1, 2), range("b", 1, 4, 4)];
        assert_eq!(lsn_union(&inputs), expected);
    }
}
