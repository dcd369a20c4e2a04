//! What one merge takes along to its thread, and where its outputs go.

use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tarn_model::error::{Error, Result};
use tarn_model::rng::Rng;
use tarn_model::units::ByteSize;
use tokio::runtime::Handle;

use crate::block::BlockMeta;
use crate::block::reader::Blocks;
use crate::block::seal::NewBlock;
use crate::compact::merge::{MergeContext, MergeJob, Outputs, Progress, merge};
use crate::object::{CreateError, Objects};
use crate::open::Shared;
use crate::options::{Compaction, Options, Retention};
use crate::retain::erase::after_merge;
use crate::usage::Usage;

/// Share of the memory budget that a merge may hold at most, in percent: beside it the head may have
/// 30, requests 25, queries 50, and they are not all full at once.
const MEMORY_PERCENT: u8 = 15;

/// Everything that one merge needs, owned: its thread may outlive whoever waits for it.
pub(super) struct Work {
    job: MergeJob,
    blocks: Arc<Blocks>,
    objects: Objects,
    rng: Arc<dyn Rng>,
    epoch: u64,
    options: Compaction,
    retention: Retention,
    usage: Arc<Usage>,
    progress: Arc<Progress>,
}

impl Work {
    pub(super) fn new(store: &Shared, job: MergeJob, progress: Arc<Progress>) -> Self {
        Self {
            job,
            blocks: Arc::clone(&store.view.load().blocks),
            objects: store.flusher.objects.clone(),
            rng: Arc::clone(&store.handles.rng),
            epoch: store.flusher.identity.epoch,
            options: within_budget(&store.options),
            retention: store.options.retention.clone(),
            usage: Arc::clone(&store.usage),
            progress,
        }
    }

    /// Merges, and returns what was stored. Blocks. Sleeps and sockets are those of the runtime, where
    /// there is one.
    pub(super) fn run(self, runtime: Option<&Handle>) -> Result<Vec<Arc<BlockMeta>>> {
        let inputs = self.job.inputs.iter().map(|block| &**block);
        let erased = after_merge(inputs, self.job.erased.iter().flatten());
        let stored = Stored {
            objects: self.objects,
            erased,
            progress: Arc::clone(&self.progress),
            blocks: Mutex::default(),
        };
        let context = MergeContext {
            blocks: &self.blocks,
            outputs: &stored,
            rng: &*self.rng,
            epoch: self.epoch,
            retention: &self.retention,
            usage: &self.usage,
            block_bytes: self.options.block_bytes,
            memory_max: self.options.memory_max,
            progress: &self.progress,
        };
        let merging = merge(&self.job, &context);
        match runtime {
            Some(runtime) => runtime.block_on(merging),
            None => futures::executor::block_on(merging),
        }?;
        Ok(stored.blocks.into_inner())
    }
}

/// Returns the settings of merges, held to a share of the memory of the process: whoever gives it
/// little means merges too.
pub(super) fn within_budget(options: &Options) -> Compaction {
    let most = options.limits.memory_share(MEMORY_PERCENT);
    let memory_max = options.compaction.memory_max.min(most);
    // An output is in memory beside the inputs that it is made of.
    let block_bytes = options.compaction.block_bytes.min(ByteSize(memory_max.0 / 4));
    Compaction { memory_max, block_bytes, ..options.compaction.clone() }
}

/// Puts outputs into the store.
struct Stored {
    objects: Objects,
    erased: Vec<String>,
    progress: Arc<Progress>,
    blocks: Mutex<Vec<Arc<BlockMeta>>>,
}

impl Outputs for Stored {
    fn put(&self, block: NewBlock) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.progress.check()?;
            let NewBlock { mut meta, bytes } = block;
            meta.erased.clone_from(&self.erased);
            match self.objects.create(&meta.object, &bytes).await {
                Ok(_) => {}
                Err(CreateError::Unknown(error)) => return Err(error),
                Err(CreateError::Conflict(_)) => {
                    let message = format!("block {} exists with other content", meta.object);
                    return Err(Error::internal(message));
                }
            }
            self.blocks.lock().push(Arc::new(meta));
            Ok(())
        })
    }
}
