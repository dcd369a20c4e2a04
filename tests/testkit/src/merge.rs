//! Merges of chosen blocks, without planner and catalog.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tarn_model::error::{Error, Result};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;
use tarn_storage::block::BlockMeta;
use tarn_storage::block::reader::Blocks;
use tarn_storage::block::seal::NewBlock;
use tarn_storage::compact::merge::{MergeContext, MergeJob, Outputs, Progress, merge};
use tarn_storage::object::{CreateError, Objects};
use tarn_storage::options::Retention;
use tarn_storage::retain::erase::{Tombstone, after_merge};
use tarn_storage::usage::Usage;

use crate::sim::SimRng;

/// How to merge.
#[derive(Debug, Clone)]
pub struct Merge {
    /// Level of the outputs.
    pub level: u8,
    /// Rules of retention classes.
    pub retention: Retention,
    /// Outputs are cut at about this size.
    pub block_bytes: ByteSize,
    /// Memory of a merge.
    pub memory_max: ByteSize,
    /// Erased rows, of every input that they cover.
    pub erased: Vec<Arc<Tombstone>>,
    /// Seed of names.
    pub seed: u64,
    /// The merge shall end before it has begun.
    pub cancelled: bool,
}

impl Default for Merge {
    fn default() -> Self {
        Self {
            level: 1,
            retention: Retention::default(),
            block_bytes: ByteSize::mib(128),
            memory_max: ByteSize::mib(512),
            erased: Vec::new(),
            seed: 1,
            cancelled: false,
        }
    }
}

#[derive(Debug)]
struct Kept<'a> {
    objects: &'a Objects,
    erased: Vec<String>,
    metas: Mutex<Vec<Arc<BlockMeta>>>,
}

impl Outputs for Kept<'_> {
    fn put(&self, block: NewBlock) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let NewBlock { mut meta, bytes } = block;
            meta.erased.clone_from(&self.erased);
            match self.objects.create(&meta.object, &bytes).await {
                Ok(_) => self.metas.lock().push(Arc::new(meta)),
                Err(CreateError::Unknown(error)) => return Err(error),
                Err(CreateError::Conflict(_)) => {
                    return Err(Error::internal(format!("{} exists", meta.object)));
                }
            }
            Ok(())
        })
    }
}

impl Merge {
    /// Merges blocks of one kind; the outputs are stored, and named by nobody.
    ///
    /// # Errors
    /// As [`merge`].
    pub async fn run(
        &self,
        objects: &Objects,
        inputs: Vec<Arc<BlockMeta>>,
    ) -> Result<Vec<Arc<BlockMeta>>> {
        let Some(first) = inputs.first() else { return Ok(Vec::new()) };
        let erased = inputs.iter().map(|block| {
            self.erased.iter().filter(|tombstone| tombstone.covers(block)).cloned().collect()
        });
        let erased = erased.collect();
        let job = MergeJob {
            tenant: TenantId::parse(&first.tenant)?,
            signal: Signal::parse(&first.signal).unwrap_or(Signal::Metrics),
            kind: first.kind.clone(),
            level: self.level,
            inputs,
            erased,
        };
        let (blocks, rng) = (Blocks::new(objects.clone()), SimRng::new(self.seed));
        let (usage, progress) = (Usage::default(), Progress::default());
        if self.cancelled {
            progress.cancel();
        }
        let blocks_before = job.inputs.iter().map(|block| &**block);
        let erased = after_merge(blocks_before, job.erased.iter().flatten());
        let kept = Kept { objects, erased, metas: Mutex::new(Vec::new()) };
        let context = MergeContext {
            blocks: &blocks,
            outputs: &kept,
            rng: &rng,
            epoch: 1,
            retention: &self.retention,
            usage: &usage,
            block_bytes: self.block_bytes,
            memory_max: self.memory_max,
            progress: &progress,
        };
        merge(&job, &context).await?;
        debug_assert!(
            progress.rows.load(Ordering::Relaxed) <= job.inputs.iter().map(|b| b.rows).sum()
        );
        Ok(kept.metas.into_inner())
    }
}
