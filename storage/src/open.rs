//! The start: from a folder to a store that takes rows.
//!
//! 1. the lock of the folder: one process only (FEN-1);
//! 2. the catalog, from the bucket, or while that is away, from the copy in the folder;
//! 3. the identity: its epoch is raised in the folder, then in the catalog (as soon as the bucket is
//!    there), so that whatever an earlier life still has under way cannot enter any more;
//! 4. the view: catalog, staged cuts above it and an empty head, marked as incomplete (PAR-1). Here
//!    `open` returns;
//! 5. the replay, on a thread of its own: what the log has above the staged cuts goes into the head
//!    in the order of the log;
//! 6. the log takes appends, the mark is removed.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures::future::{Either, select};
use object_store::ObjectStore;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::metrics;
use tarn_model::units::ByteSize;
use tokio::sync::watch;

use crate::alert_log::Lazy;
use crate::block::reader::Blocks;
use crate::catalog::saved::Saved;
use crate::catalog::writers::Folder;
use crate::catalog::{Catalog, Identity, writers};
use crate::compact::worker::{self, Compactor};
use crate::disk::{BALLAST_BYTES, Ballast, DiskWatch, Level, ReadOnly};
use crate::file::OpenHow;
use crate::flush::aside::Aside;
use crate::flush::stage::{Stage, StageParts};
use crate::flush::{self, AWAY, Flusher, Trigger};
use crate::head::Head;
use crate::invariants::Invariants;
use crate::object::cache::Parts;
use crate::object::local::LocalStore;
use crate::object::{Objects, bucket, check};
use crate::paths::DataDir;
use crate::retain::{self, Retainer};
use crate::usage;
use crate::view::ViewCell;
use crate::wal::{self, Keep, Lsn};
use crate::{Handles, Options};

mod replay;
mod shared;

pub(crate) use shared::Shared;

use replay::Replay;
use shared::{FolderLock, LogHandle, Published};

/// Bytes that may wait for the commit thread: eight groups of the 8 MiB it aims at.
const QUEUE_BYTES_MAX: ByteSize = ByteSize::mib(64);
/// A start waits this long for a bucket when it could go on without.
const PATIENCE: Duration = Duration::from_secs(15);
/// And this long when it could not; requests give up earlier by themselves.
const PATIENCE_ALONE: Duration = Duration::from_secs(3600);
/// When to try again while the log replays: a GiB takes about five seconds.
const REPLAY_RETRY: Duration = Duration::from_secs(2);
/// Share of the memory budget that parts of blocks may have at most, in percent.
const CACHE_PERCENT: u8 = 10;
/// What queries say while rows of the log may be missing.
const REPLAYING: &str = "the log is being replayed";

/// Opens the folder; `store` stands in for the local bucket.
pub(crate) async fn open(
    options: Options,
    handles: Handles,
    store: Option<Arc<dyn ObjectStore>>,
    registry: &mut Registry,
) -> Result<Arc<Shared>> {
    let dir = DataDir::new(&options.path);
    let lock = take_lock(&dir, &handles)?;
    mark_unclean(&dir, &handles, registry)?;
    // A folder of our own has no other writer: the lock sees to that.
    let polls = store.is_some() || options.bucket.url.is_some();
    let (store, trouble) = match store {
        Some(store) => (store, None),
        None => open_bucket(&options, &dir, &handles).await?,
    };
    let (clock, rng) = (Arc::clone(&handles.clock), Arc::clone(&handles.rng));
    let objects = Objects::new(store, clock, rng, registry);
    let bucket = join_bucket(&options, &handles, &dir, objects, polls, registry).await;
    let bucket = bucket.map_err(|error| told_better(error, trouble))?;
    let Identity { id, epoch } = &bucket.identity;
    let manifest = bucket.catalog.state().version();
    tracing::info!(writer = id, epoch, manifest, "data folder is ours");
    let shared = assemble(options, handles, dir, lock, bucket, registry)?;
    usage::file::load(&shared.usage, &shared.dir, &*shared.handles.disk);
    start_tasks(&shared);
    Ok(shared)
}

/// Opens the bucket that the options name, and tests it; without one, the folder's own. What may pass
/// by itself is handed back beside it: a start may be able to go on without the bucket.
async fn open_bucket(
    options: &Options,
    dir: &DataDir,
    handles: &Handles,
) -> Result<(Arc<dyn ObjectStore>, Option<Error>)> {
    let Some(url) = &options.bucket.url else {
        let disk = Arc::clone(&handles.disk);
        let opened = LocalStore::open(dir.bucket(), disk);
        let opened = opened.map_err(|e| disk_error("open", &dir.bucket(), e))?;
        return Ok((Arc::new(opened), None));
    };
    let opened = bucket::open(url, &options.bucket, handles)?;
    match check::at_start(&opened, &*handles.clock, &*handles.rng).await {
        Ok(()) => Ok((opened.store, None)),
        Err(e) if matches!(e.kind(), ErrorKind::Unavailable { .. }) => Ok((opened.store, Some(e))),
        Err(e) => Err(e),
    }
}

/// Of two errors of a bucket that is away, the check's says what to do.
fn told_better(error: Error, trouble: Option<Error>) -> Error {
    match trouble {
        Some(trouble) if matches!(error.kind(), ErrorKind::Unavailable { .. }) => trouble,
        _ => error,
    }
}

/// Loads the catalog and raises the epoch: in the bucket, or while it is away, in the folder alone.
async fn join_bucket(
    options: &Options,
    handles: &Handles,
    dir: &DataDir,
    objects: Objects,
    polls: bool,
    registry: &mut Registry,
) -> Result<Bucket> {
    let (clock, rng) = (Arc::clone(&handles.clock), Arc::clone(&handles.rng));
    let disk = &*handles.disk;
    // A damaged copy is no copy: the bucket has the truth.
    let saved = if polls {
        Saved::read(dir, disk).unwrap_or_else(|error| {
            tracing::warn!(%error, "copy of the catalog is left out");
            None
        })
    } else {
        None
    };
    let folder = Folder { dir, disk, rng: &*handles.rng, saved: saved.as_ref() };
    let load = Catalog::load(objects.clone(), Arc::clone(&clock), Arc::clone(&rng), registry);
    let patience = if saved.is_some() { PATIENCE } else { PATIENCE_ALONE };
    let loaded = match select(pin!(load), clock.sleep(patience)).await {
        Either::Left((loaded, _)) => loaded,
        Either::Right(((), _)) => Err(Error::unavailable("the bucket does not answer", PATIENCE)),
    };
    let (catalog, error) = match loaded {
        Ok(catalog) => match writers::start(folder, &catalog, &options.label).await {
            Ok(identity) => {
                return Ok(Bucket { objects, catalog, identity, polls, alone: None });
            }
            Err(error) => (Some(catalog), error),
        },
        Err(error) => (None, error),
    };
    if saved.is_none() || !matches!(error.kind(), ErrorKind::Unavailable { .. }) {
        return Err(error);
    }
    let Ok((identity, saved)) = writers::start_alone(folder) else { return Err(error) };
    tracing::warn!(%error, "the bucket is away: going on from the copy of its catalog");
    let catalog = match catalog {
        Some(catalog) => catalog,
        None => Catalog::resume(saved.clone().into_state()?, objects.clone(), clock, rng, registry),
    };
    Ok(Bucket { objects, catalog, identity, polls, alone: Some(Arc::new(saved)) })
}

/// FEN-1: of two processes on one folder only one runs.
fn take_lock(dir: &DataDir, handles: &Handles) -> Result<FolderLock> {
    let root = dir.root();
    handles.disk.create_dir_all(root).map_err(|e| disk_error("create", root, e))?;
    match handles.disk.lock(root) {
        Ok(lock) => Ok(FolderLock(lock)),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
            let message = format!(
                "another process has the data folder {}: stop it, or give this one a folder of \
                 its own with --storage.path",
                root.display()
            );
            Err(Error::unavailable(message, Duration::from_secs(5)))
        }
        Err(e) => Err(disk_error("lock", root, e)),
    }
}

/// Leaves the mark that a clean stop removes, and tells whether the last run left one.
fn mark_unclean(dir: &DataDir, handles: &Handles, registry: &mut Registry) -> Result<()> {
    let (gauge, name) = (Gauge::<i64>::default(), metrics::UNCLEAN_SHUTDOWN);
    registry.register(name.name, name.help, gauge.clone());
    let path = dir.unclean();
    match handles.disk.open(&path, OpenHow::CreateNew) {
        Ok(file) => file
            .sync_data()
            .and_then(|()| handles.disk.sync_dir(dir.root()))
            .map_err(|e| disk_error("create", &path, e)),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            tracing::warn!("the last run did not stop cleanly");
            gauge.set(1);
            Ok(())
        }
        Err(e) => Err(disk_error("create", &path, e)),
    }
}

/// The bucket, and who we are in it.
struct Bucket {
    objects: Objects,
    catalog: Catalog,
    identity: Identity,
    polls: bool,
    /// What this start goes on from, while the bucket is away.
    alone: Option<Arc<Saved>>,
}

fn assemble(
    options: Options,
    handles: Handles,
    dir: DataDir,
    lock: FolderLock,
    bucket: Bucket,
    registry: &mut Registry,
) -> Result<Arc<Shared>> {
    let (identity, polls) = (bucket.identity.clone(), bucket.polls);
    let head = Head::new(options.limits.clone(), Arc::clone(&handles.clock));
    head.register(registry);
    let state = bucket.catalog.state();
    let committed = Lsn(state.committed(&identity.id));
    let writer_id = writer_id(&identity)?;
    let aside = Aside::register(&dir, writer_id, (&handles.disk, &options.faults), registry);
    let (parts, stage) = staging(&options, &handles, (&dir, &aside), &bucket, committed, registry)?;
    let floor = stage.as_ref().and_then(|stage| stage.last()).unwrap_or(committed);
    let blocks = Blocks::of(parts.clone());
    let view = ViewCell::new(Arc::clone(&head), blocks, Arc::clone(&state));
    let generation = head.generation(floor.next());
    let staged = stage.as_ref().map(|stage| stage.shown_above(committed.0)).unwrap_or_default();
    view.update(|view| {
        let view = view.with_staged(staged).with_generation(Arc::clone(&generation));
        view.with_replaying(Some(REPLAYING))
    });
    let read_only = ReadOnly::register(registry);
    let keep = Arc::new(Keep::new(options.wal_follower_bytes_max));
    head.followers.keep_for(&options.followers, &keep);
    let log = Arc::new(LogHandle::default());
    let (ended, replayed) = watch::channel(None);
    let disk = Arc::clone(&handles.disk);
    // Whoever chose small segments has small heads, too.
    let ballast_bytes = BALLAST_BYTES.min(options.wal_segment_bytes);
    let ballast = Arc::new(Ballast::new(Arc::clone(&disk), dir.ballast(), ballast_bytes));
    let epoch = (writer_id, identity.epoch);
    let alert_log = Lazy::register(&options, &dir, epoch, registry);
    let replay = Replay {
        options: wal_options(&options, &dir, epoch, (read_only.clone(), keep), registry),
        handles: handles.clone(),
        dir: dir.clone(),
        floor,
        head: Arc::clone(&head),
        view: Arc::clone(&view),
        generation,
        log: Arc::clone(&log),
        ballast: Arc::clone(&ballast),
    };
    let disk_level = watch_disk(&options, &handles, &read_only);
    handles.tasks.spawn_thread("replay", Box::new(move || replay.run(&ended)));
    let (staged, seen) = ((parts, stage, aside), (&head, &view));
    let switches = (read_only, disk_level.clone());
    let flusher = flusher(&options, &handles, bucket, staged, seen, switches, registry);
    let retainer = Retainer::register(&state, &*handles.clock, registry);
    let published = Mutex::new(Published { state: Arc::default(), at: handles.clock.monotonic() });
    let asked = Arc::clone(view.load().usage());
    Ok(Arc::new(Shared {
        options,
        handles,
        dir,
        head,
        view,
        log,
        flusher,
        compactor: Compactor::register(registry),
        alert_log,
        usage: asked,
        replayed,
        closing: AtomicBool::new(false),
        disk_level,
        ballast,
        ballast_released: AtomicBool::new(false),
        polls,
        published,
        retainer,
        _lock: lock,
    }))
}

/// Looks after the room on the disk from now on.
fn watch_disk(
    options: &Options,
    handles: &Handles,
    read_only: &ReadOnly,
) -> watch::Receiver<Level> {
    let disk = Arc::clone(&handles.disk);
    let watch = Arc::new(DiskWatch::new(disk, options.path.clone(), read_only.clone()));
    let disk_level = watch.subscribe();
    handles.tasks.spawn("disk-watch", Box::pin(watch.run(Arc::clone(&handles.clock))));
    disk_level
}

fn flusher(
    options: &Options,
    handles: &Handles,
    bucket: Bucket,
    (parts, stage, aside): (Parts, Option<Arc<Stage>>, Arc<Aside>),
    (head, view): (&Arc<Head>, &Arc<ViewCell>),
    (read_only, disk_level): (ReadOnly, watch::Receiver<Level>),
    registry: &mut Registry,
) -> Flusher {
    let Bucket { objects, catalog, identity, alone, .. } = bucket;
    Flusher {
        catalog: Arc::new(catalog),
        objects,
        view: Arc::clone(view),
        head: Arc::clone(head),
        dir: DataDir::new(&options.path),
        disk: Arc::clone(&handles.disk),
        identity,
        label: options.label.clone(),
        stage,
        parts,
        alone: Mutex::new(alone),
        saved: Mutex::new(None),
        delivering: tokio::sync::Mutex::default(),
        log_bytes_max: options.wal_bytes_max.0,
        disk_level,
        clock: Arc::clone(&handles.clock),
        rng: Arc::clone(&handles.rng),
        read_only,
        fatal: watch::Sender::new(None),
        written: tokio::sync::Mutex::default(),
        fenced: AtomicBool::new(false),
        aside,
        invariants: Invariants::register(registry),
        metrics: flush::Metrics::register(registry),
    }
}

/// What stands between the head and a bucket behind a network.
fn staging(
    options: &Options,
    handles: &Handles,
    (dir, aside): (&DataDir, &Arc<Aside>),
    bucket: &Bucket,
    committed: Lsn,
    registry: &mut Registry,
) -> Result<(Parts, Option<Arc<Stage>>)> {
    let Bucket { objects, identity, polls, alone, .. } = bucket;
    if !polls {
        return Ok((Parts::direct(objects.clone()), None));
    }
    let disk = &handles.disk;
    // A small process has a small cache.
    let memory = options.cache.memory_bytes.min(options.limits.memory_share(CACHE_PERCENT));
    let bytes = Parts::remote(objects.clone(), Arc::clone(disk), memory, registry);
    let parts = StageParts {
        aside: Arc::clone(aside),
        dir: dir.clone(),
        disk: Arc::clone(disk),
        clock: Arc::clone(&handles.clock),
        rng: Arc::clone(&handles.rng),
        identity: identity.clone(),
        bytes: bytes.clone(),
        options: options.cache.clone(),
    };
    bytes.set_away(alone.as_ref().map(|_| AWAY));
    Ok((bytes, Some(Arc::new(Stage::open(parts, committed, registry)?))))
}

fn writer_id(identity: &Identity) -> Result<u128> {
    u128::from_str_radix(&identity.id, 16)
        .map_err(|e| Error::internal(format!("writer id {:?}", identity.id)).with_source(e))
}

fn wal_options(
    options: &Options,
    dir: &DataDir,
    (writer_id, epoch): (u128, u64),
    (read_only, keep): (ReadOnly, Arc<Keep>),
    registry: &mut Registry,
) -> wal::Options {
    wal::Options {
        dir: dir.wal(),
        writer_id,
        epoch,
        segment_bytes: options.wal_segment_bytes,
        bytes_max: options.wal_bytes_max,
        queue_bytes_max: QUEUE_BYTES_MAX,
        sync: options.wal_sync,
        read_only,
        metrics: wal::Metrics::register(registry),
        keep,
    }
}

fn start_tasks(shared: &Arc<Shared>) {
    let options = &shared.options;
    let head_bytes_max = options.limits.memory_share(options.limits.head_memory_percent).0;
    let trigger = Trigger {
        age: options.flush_age,
        bytes: options.flush_bytes.0,
        log_bytes_max: options.wal_bytes_max.0,
        head_bytes_max,
    };
    let flushes = flush::run(Arc::downgrade(shared), trigger);
    shared.handles.tasks.spawn("flush", Box::pin(flushes));
    let looks = retain::run(Arc::downgrade(shared));
    shared.handles.tasks.spawn("retain", Box::pin(looks));
    let writes = usage::run(Arc::downgrade(shared));
    shared.handles.tasks.spawn("usage", Box::pin(writes));
    if options.compaction.enabled {
        let merges = worker::run(Arc::downgrade(shared));
        shared.handles.tasks.spawn("compact", Box::pin(merges));
    }
    let bucket = flush::run_bucket(Arc::downgrade(shared));
    shared.handles.tasks.spawn("bucket", Box::pin(bucket));
}

fn disk_error(what: &str, path: &std::path::Path, error: io::Error) -> Error {
    Error::internal(format!("{what} {}", path.display())).with_source(error)
}
