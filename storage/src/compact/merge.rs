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

use crate::block::BlockMeta;
use crate::block::reader::Blocks;
use crate::block::seal::NewBlock;
use crate::compact::{rows, slices};
use crate::options::Retention;
use crate::retain::erase::Tombstone;
use crate::schema::kind;
use crate::schema::tables::Table;
use crate::usage::Usage;

/// Kinds that [`merge`] takes; blocks of others stay as they are.
pub(crate) const KINDS: &[&str] = &[kind::SLICES, Table::Logs.as_str(), Table::Spans.as_str()];

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
        other => Err(Error::internal(format!("blocks of kind {other} are not merged"))),
    }
}
