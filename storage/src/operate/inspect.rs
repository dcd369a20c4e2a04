//! Opens a data folder or a bucket for looking: nothing is written, no epoch is raised, no server is
//! needed.
//!
//! The catalog is loaded and what the log has above it is read into memory, so the answer holds
//! every acknowledged row. Where a server has the folder, its log is moving: then only what is
//! committed is read, and the inspection says so. Of a bucket the same is read, and its writers'
//! logs are elsewhere: while one of them is live, answers say that its newest rows may lack (PAR-1).

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, Result};
use tarn_model::limits::Limits;
use tarn_model::time::Clock;
use tarn_model::units::ByteSize;

use crate::block::reader::Blocks;
use crate::catalog::{Catalog, Identity, State, checkpoint, writers};
use crate::disk::ReadOnly;
use crate::head::Head;
use crate::head::replay::{Replayer, decode};
use crate::object::bucket::{self, BucketOptions};
use crate::object::cache::Parts;
use crate::object::local::LocalStore;
use crate::object::{Objects, check};
use crate::options::Cache;
use crate::paths::DataDir;
use crate::view::{Reader, ViewCell};
use crate::wal::{self, Lsn};
use crate::{Handles, WalSync, blocking};

/// A data folder, as it was when it was looked at.
#[derive(Debug)]
pub struct Inspection {
    /// Answers queries.
    pub reader: Reader,
    /// The catalog.
    pub catalog: Arc<State>,
    /// The bucket.
    pub objects: Objects,
    /// What is not in the answers, if anything.
    pub note: Option<String>,
}

impl Inspection {
    /// Reads the folder.
    ///
    /// # Errors
    /// `NotFound` where there is none; `Corrupt` where catalog or log are damaged.
    pub async fn open(path: &Path, limits: Limits, handles: Handles) -> Result<Self> {
        let dir = DataDir::new(path);
        let failed = |e: std::io::Error| {
            Error::internal(format!("open data folder {}", path.display())).with_source(e)
        };
        if handles.disk.list(dir.root()).map_err(failed)?.is_empty() {
            return Err(Error::not_found(format!("no data folder at {}", path.display())));
        }
        // Keeps a server from starting while the log is read.
        let lock = match handles.disk.lock(dir.root()) {
            Ok(lock) => Some(lock),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => None,
            Err(e) => return Err(failed(e)),
        };
        let Found { objects, catalog, head, view } =
            Found::load(Parts::direct(objects(path, &handles)), limits, &handles).await?;
        let note = match lock {
            Some(lock) => {
                let (view, state) = (Arc::clone(&view), Arc::clone(&catalog));
                let read = blocking::run(move || {
                    let done = read_log(&dir, &handles, &head, &view, &state);
                    drop(lock);
                    done
                });
                read.await?;
                None
            }
            None => Some(format!(
                "a server has {} open: only what it has committed to blocks is shown, ask the \
                 server for the newest rows",
                path.display()
            )),
        };
        if let Some(note) = &note {
            view.update(|view| view.with_replaying(Some(note)));
        }
        Ok(Self { reader: Reader::new(view), catalog, objects, note })
    }

    /// Reads a bucket, as far as its writers have committed.
    ///
    /// # Errors
    /// `Invalid` or `Unavailable` with what to do where the bucket cannot be read; `NotFound` where
    /// it holds no catalog; `Corrupt` where that is damaged.
    pub async fn open_bucket(
        options: &BucketOptions,
        limits: Limits,
        handles: Handles,
    ) -> Result<Self> {
        let objects = bucket_objects(options, &handles).await?;
        let (disk, memory) = (Arc::clone(&handles.disk), Cache::default().memory_bytes);
        let parts = Parts::remote(objects, disk, memory, &mut Registry::default());
        let Found { objects, catalog, view, .. } = Found::load(parts, limits, &handles).await?;
        if catalog.version() == 0 {
            let place = options.url.as_ref().map(ToString::to_string).unwrap_or_default();
            return Err(Error::not_found(format!("no catalog of Tarn in {place}")));
        }
        let note = writers::silent(&catalog, "");
        if let Some(note) = &note {
            view.update(|view| view.with_replaying(Some(note)));
        }
        Ok(Self { reader: Reader::new(view), catalog, objects, note })
    }
}

impl Inspection {
    /// Reads a store as it was when a manifest was its newest: committed rows only, and only while the
    /// history has them.
    ///
    /// # Errors
    /// `NotFound` where the history has no such version; `Corrupt` where the catalog is damaged.
    pub async fn at(
        objects: &Objects,
        manifest: u64,
        limits: Limits,
        handles: &Handles,
    ) -> Result<Self> {
        let catalog = Arc::new(checkpoint::load_at(objects, manifest).await?);
        let (parts, clock) = (Parts::direct(objects.clone()), Arc::clone(&handles.clock));
        let Found { objects, catalog, view, .. } = Found::of(parts, catalog, limits, clock);
        Ok(Self { reader: Reader::new(view), catalog, objects, note: None })
    }
}

/// What the log of a data folder has above its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unflushed {
    /// Requests.
    pub records: u64,
    /// Bytes of their rows.
    pub bytes: u64,
}

/// Counts what a data folder has in its log alone; `None` where a process has the folder open.
///
/// # Errors
/// `Corrupt` where log or catalog are damaged.
pub async fn unflushed(path: &Path, state: &State, handles: &Handles) -> Result<Option<Unflushed>> {
    let dir = DataDir::new(path);
    let lock = match handles.disk.lock(dir.root()) {
        Ok(lock) => lock,
        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return Ok(None),
        // A folder that is not there, or that we may not open, has no log for us.
        Err(_) => return Ok(Some(Unflushed::default())),
    };
    let Some(identity) = Identity::read(&dir, &*handles.disk)? else {
        return Ok(Some(Unflushed::default()));
    };
    let committed = Lsn(state.committed(&identity.id));
    let disk = Arc::clone(&handles.disk);
    let read = blocking::run(move || {
        let mut found = Unflushed::default();
        for record in wal::inspect(&log_options(&dir, &identity)?, &disk, committed)? {
            found.records += 1;
            let bytes: usize = record?.payloads.iter().map(|payload| payload.bytes.len()).sum();
            found.bytes = found.bytes.saturating_add(bytes as u64);
        }
        drop(lock);
        Ok(found)
    });
    read.await.map(Some)
}

/// Returns the objects of a data folder, whatever its catalog says.
pub fn objects(path: &Path, handles: &Handles) -> Objects {
    let disk = Arc::clone(&handles.disk);
    wrap(Arc::new(LocalStore::inspect(DataDir::new(path).bucket(), disk)), handles)
}

/// Returns the objects of a bucket that can be read, whatever its catalog says.
///
/// # Errors
/// `Invalid` or `Unavailable`, with what to do.
pub async fn bucket_objects(options: &BucketOptions, handles: &Handles) -> Result<Objects> {
    let Some(url) = &options.url else {
        return Err(Error::invalid("no bucket is named"));
    };
    let bucket = bucket::inspect(url, options, handles)?;
    check::readable(&bucket, &*handles.clock).await?;
    Ok(wrap(bucket.store, handles))
}

pub(crate) fn wrap(store: Arc<dyn ObjectStore>, handles: &Handles) -> Objects {
    // Nobody scrapes an inspection.
    let mut registry = Registry::default();
    let (clock, rng) = (Arc::clone(&handles.clock), Arc::clone(&handles.rng));
    Objects::new(store, clock, rng, &mut registry)
}

/// What is in the objects, below an empty head.
struct Found {
    objects: Objects,
    catalog: Arc<State>,
    head: Arc<Head>,
    view: Arc<ViewCell>,
}

impl Found {
    async fn load(parts: Parts, limits: Limits, handles: &Handles) -> Result<Self> {
        let objects = parts.objects().clone();
        let mut registry = Registry::default();
        let (clock, rng) = (Arc::clone(&handles.clock), Arc::clone(&handles.rng));
        let catalog = Catalog::load(objects, clock, rng, &mut registry).await?.state();
        Ok(Self::of(parts, catalog, limits, Arc::clone(&handles.clock)))
    }

    fn of(parts: Parts, catalog: Arc<State>, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let objects = parts.objects().clone();
        let head = Head::new(limits, clock);
        let blocks = Blocks::of(parts);
        let view = ViewCell::new(Arc::clone(&head), blocks, Arc::clone(&catalog));
        Self { objects, catalog, head, view }
    }
}

/// Reads what the log has above the catalog into one generation of the head.
fn read_log(
    dir: &DataDir,
    handles: &Handles,
    head: &Arc<Head>,
    view: &ViewCell,
    state: &State,
) -> Result<()> {
    let Some(identity) = Identity::read(dir, &*handles.disk)? else {
        return Ok(());
    };
    let committed = Lsn(state.committed(&identity.id));
    let options = log_options(dir, &identity)?;
    let generation = head.generation(committed.next());
    view.update(|view| view.with_generation(Arc::clone(&generation)));
    let mut replayer = Replayer::new(Arc::clone(head), generation);
    for record in wal::inspect(&options, &handles.disk, committed)? {
        let record = record?;
        replayer.insert(record.lsn, &record.tenant, decode(&record.payloads)?)?;
    }
    Ok(())
}

/// How a log is read that nobody writes.
fn log_options(dir: &DataDir, identity: &Identity) -> Result<wal::Options> {
    let writer_id = u128::from_str_radix(&identity.id, 16)
        .map_err(|e| Error::internal(format!("writer id {:?}", identity.id)).with_source(e))?;
    let mut registry = Registry::default();
    Ok(wal::Options {
        dir: dir.wal(),
        writer_id,
        // Whichever start wrote a segment, we come after it.
        epoch: u64::MAX,
        segment_bytes: ByteSize(0),
        bytes_max: ByteSize(0),
        queue_bytes_max: ByteSize(0),
        sync: WalSync::None,
        read_only: ReadOnly::register(&mut registry),
        metrics: wal::Metrics::register(&mut registry),
        keep: Arc::default(),
    })
}
