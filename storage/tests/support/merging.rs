//! A store whose blocks of logs and spans are merged.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tarn_model::error::Result;
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;
use tarn_storage::block::BlockMeta;
use tarn_storage::block::reader::Blocks;
use tarn_storage::block::seal::NewBlock;
use tarn_storage::compact::merge::{MergeContext, MergeJob, Outputs, Progress, merge};
use tarn_storage::file::RealDisk;
use tarn_storage::object::Objects;
use tarn_storage::object::local::LocalStore;
use tarn_storage::options::Retention;
use tarn_storage::retain::erase::Tombstone;
use tarn_storage::schema::tables::Table;
use tarn_storage::usage::Usage;
use tarn_testkit::clock::RealClock;
use tarn_testkit::sim::SimRng;

use crate::tables::build;

/// A store with blocks, and what merges need.
pub(crate) struct World {
    runtime: tokio::runtime::Runtime,
    blocks: Arc<Blocks>,
    objects: Objects,
    pub(crate) rng: SimRng,
    pub(crate) retention: Retention,
    pub(crate) usage: Usage,
    pub(crate) block_bytes: ByteSize,
    pub(crate) memory_max: ByteSize,
    files: Mutex<BTreeMap<String, Bytes>>,
    stored: u64,
    /// Whether files are kept for the test.
    keeps: bool,
}

/// Collects what a merge hands over.
struct Collected<'a> {
    objects: &'a Objects,
    keeps: bool,
    blocks: Mutex<Vec<NewBlock>>,
}

impl Outputs for Collected<'_> {
    fn put(&self, block: NewBlock) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.objects.create(&block.meta.object, &block.bytes).await.unwrap();
            let bytes = if self.keeps { block.bytes } else { Bytes::new() };
            self.blocks.lock().push(NewBlock { meta: block.meta, bytes });
            Ok(())
        })
    }
}

impl World {
    /// Keeps blocks in memory.
    pub(crate) fn new(seed: u64) -> Self {
        Self::over(seed, Arc::new(InMemory::new()))
    }

    /// Keeps blocks in a folder.
    pub(crate) fn on_disk(seed: u64, folder: &Path) -> Self {
        let store = LocalStore::open(folder, Arc::new(RealDisk)).unwrap();
        Self { keeps: false, ..Self::over(seed, Arc::new(store)) }
    }

    fn over(seed: u64, store: Arc<dyn ObjectStore>) -> Self {
        let (clock, rng) = (Arc::new(RealClock::default()), Arc::new(SimRng::new(seed)));
        let objects = Objects::new(store, clock, rng, &mut Registry::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        Self {
            runtime: runtime.unwrap(),
            blocks: Blocks::new(objects.clone()),
            objects,
            rng: SimRng::new(seed),
            retention: Retention::default(),
            usage: Usage::default(),
            block_bytes: ByteSize::mib(128),
            memory_max: ByteSize::mib(512),
            files: Mutex::default(),
            stored: 0,
            keeps: true,
        }
    }

    /// Flushes batches; the blocks come in the order of their partitions.
    pub(crate) fn flush(&mut self, table: Table, batches: &[RecordBatch]) -> Vec<Arc<BlockMeta>> {
        let stored = build(table, batches).into_iter().map(|mut block| {
            self.stored += 1;
            block.meta.seq = self.stored;
            // Every flush here has the same names.
            block.meta.object = format!("{}-{}", block.meta.object, self.stored);
            let create = self.objects.create(&block.meta.object, &block.bytes);
            self.runtime.block_on(create).unwrap();
            if self.keeps {
                self.files.lock().insert(block.meta.object.clone(), block.bytes);
            }
            Arc::new(block.meta)
        });
        stored.collect()
    }

    /// Merges blocks.
    pub(crate) fn merge(
        &self,
        table: Table,
        level: u8,
        inputs: &[Arc<BlockMeta>],
    ) -> Vec<NewBlock> {
        self.merge_without(table, level, inputs, vec![Vec::new(); inputs.len()])
    }

    /// Merges blocks without what is erased of each.
    pub(crate) fn merge_without(
        &self,
        table: Table,
        level: u8,
        inputs: &[Arc<BlockMeta>],
        erased: Vec<Vec<Arc<Tombstone>>>,
    ) -> Vec<NewBlock> {
        let job = MergeJob {
            tenant: TenantId::default_tenant(),
            signal: table.signal(),
            kind: table.as_str().to_owned(),
            level,
            inputs: inputs.to_vec(),
            erased,
        };
        let outputs =
            Collected { objects: &self.objects, keeps: self.keeps, blocks: Mutex::default() };
        let progress = Progress::default();
        let context = MergeContext {
            blocks: &self.blocks,
            outputs: &outputs,
            rng: &self.rng,
            epoch: 3,
            retention: &self.retention,
            usage: &self.usage,
            block_bytes: self.block_bytes,
            memory_max: self.memory_max,
            progress: &progress,
        };
        self.runtime.block_on(merge(&job, &context)).unwrap();
        let blocks = outputs.blocks.into_inner();
        for block in &blocks {
            if self.keeps {
                self.files.lock().insert(block.meta.object.clone(), block.bytes.clone());
            }
            assert_eq!(block.meta.level, level);
            assert_eq!(block.meta.seq, inputs.iter().map(|meta| meta.seq).max().unwrap());
        }
        blocks
    }

    /// Returns the file of a block.
    pub(crate) fn file(&self, meta: &BlockMeta) -> Bytes {
        self.files.lock()[&meta.object].clone()
    }
}
