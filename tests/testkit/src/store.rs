//! A whole store over a simulated disk and a bucket in memory, for tests that care for what is
//! read back, not for faults.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use prometheus_client::registry::Registry;
use tarn_model::error::Result;
use tarn_model::limits::Limits;
use tarn_model::rng::Rng;
use tarn_model::time::Clock;
use tarn_model::units::ByteSize;
use tarn_storage::block::BlockMeta;
use tarn_storage::block::reader::Blocks;
use tarn_storage::catalog::State;
use tarn_storage::catalog::format::Manifest;
use tarn_storage::documents::Documents;
use tarn_storage::head::Head;
use tarn_storage::object::Objects;
use tarn_storage::options::Compaction;
use tarn_storage::view::{View, ViewCell};
use tarn_storage::{Handles, Options, Storage};

use crate::clock::RealClock;
use crate::sim::{SimClock, SimRng};
use crate::sim_disk::SimDisk;
use crate::tasks::RealTasks;

/// Makes documents in a bucket in memory, whose time the clock tells.
pub fn documents(clock: &SimClock, seed: u64) -> Documents {
    documents_in(Arc::new(InMemory::new()), clock, seed)
}

/// As [`documents`], in a bucket that others use too.
pub fn documents_in(bucket: Arc<InMemory>, clock: &SimClock, seed: u64) -> Documents {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let rng: Arc<dyn Rng> = Arc::new(SimRng::new(seed));
    let registry = &mut Registry::default();
    let objects = Objects::new(bucket, Arc::clone(&clock), Arc::clone(&rng), registry);
    Documents::new(objects, clock, rng)
}

/// A store under test. Needs a multi-threaded runtime.
#[derive(Debug)]
pub struct Store {
    /// What blocks and catalog are in.
    pub bucket: Arc<InMemory>,
    storage: Storage,
    disk: SimDisk,
    rng: SimRng,
    tasks: RealTasks,
}

impl Store {
    /// Opens an empty store.
    ///
    /// # Errors
    /// As [`Storage::open_with_store`].
    pub async fn open(seed: u64) -> Result<Self> {
        Self::start(Arc::default(), SimDisk::new(seed), SimRng::new(seed)).await
    }

    async fn start(bucket: Arc<InMemory>, disk: SimDisk, rng: SimRng) -> Result<Self> {
        let tasks = RealTasks::current();
        let options = Options {
            label: "test".to_owned(),
            flush_age: Duration::from_secs(3600),
            flush_bytes: ByteSize::gib(1),
            wal_segment_bytes: ByteSize::kib(256),
            wal_bytes_max: ByteSize::gib(1),
            compaction: Compaction { enabled: false, ..Compaction::default() },
            limits: Limits { memory_budget: ByteSize::gib(8), ..Limits::default() },
            ..Options::new("/data")
        };
        let handles = Handles {
            clock: Arc::new(RealClock::default()),
            rng: Arc::new(rng.clone()),
            tasks: Arc::new(tasks.clone()),
            disk: Arc::new(disk.clone()),
        };
        let store = Arc::clone(&bucket) as Arc<dyn object_store::ObjectStore>;
        let mut registry = Registry::default();
        let storage = Storage::open_with_store(options, handles, store, &mut registry).await?;
        storage.replayed().await?;
        Ok(Self { bucket, storage, disk, rng, tasks })
    }

    /// Returns the store itself.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Returns a view of the newest catalog version alone, with nothing cached.
    pub fn fresh_view(&self) -> Arc<View> {
        self.view(self.storage.catalog())
    }

    /// Returns a view of blocks that lie in the bucket, whatever the catalog says.
    ///
    /// # Errors
    /// `Corrupt` where they contradict each other.
    pub fn view_of(&self, blocks: Vec<BlockMeta>) -> Result<Arc<View>> {
        let manifest = Manifest {
            number: 1,
            time_ms: 0,
            writer: String::new(),
            epoch: 0,
            nonce: "test".to_owned(),
            predecessor: String::new(),
            cuts: Vec::new(),
            added: blocks.into_iter().map(Arc::new).collect(),
            removed: Vec::new(),
            condemned: Vec::new(),
            writers: Vec::new(),
            checkpoint: None,
            ..Manifest::default()
        };
        Ok(self.view(Arc::new(State::default().apply(&manifest, None)?)))
    }

    fn view(&self, state: Arc<State>) -> Arc<View> {
        let head = Head::new(Limits::default(), Arc::new(RealClock::default()));
        let blocks = Blocks::new(self.storage.objects().clone());
        ViewCell::new(head, blocks, state).load()
    }

    /// Ends the process as a kill does, and starts it again.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn kill(self) -> Result<Self> {
        let Self { bucket, storage, disk, rng, tasks } = self;
        drop(storage);
        stop(tasks).await;
        disk.kill();
        Self::start(bucket, disk, rng).await
    }

    /// Closes the store, and opens it again.
    ///
    /// # Errors
    /// As [`Storage::close`] and [`Store::open`].
    pub async fn close(self) -> Result<Self> {
        let Self { bucket, storage, disk, rng, tasks } = self;
        storage.close().await?;
        stop(tasks).await;
        disk.kill();
        Self::start(bucket, disk, rng).await
    }

    /// Stops everything.
    pub async fn end(self) {
        let Self { storage, tasks, .. } = self;
        drop(storage);
        stop(tasks).await;
    }
}

async fn stop(tasks: RealTasks) {
    let stopped = tokio::task::spawn_blocking(move || tasks.stop()).await;
    stopped.expect("threads of the store end without a panic");
}
