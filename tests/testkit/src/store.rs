//! A whole store over a simulated disk and a bucket in memory, for tests that care for what is
//! read back, not for faults.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use prometheus_client::registry::Registry;
use tarn_model::error::Result;
use tarn_model::limits::Limits;
use tarn_model::units::ByteSize;
use tarn_storage::{Handles, Options, Storage, WalSync};

use crate::clock::RealClock;
use crate::sim::SimRng;
use crate::sim_disk::SimDisk;
use crate::tasks::RealTasks;

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
            path: "/data".into(),
            label: "test".to_owned(),
            flush_age: Duration::from_secs(3600),
            flush_bytes: ByteSize::gib(1),
            wal_sync: WalSync::Group,
            wal_segment_bytes: ByteSize::kib(256),
            wal_bytes_max: ByteSize::gib(1),
            limits: Limits { memory_budget: ByteSize::gib(8), ..Limits::default() },
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
