//! The start: from a folder to a store that takes rows.
//!
//! 1. the lock of the folder: one process only (FEN-1);
//! 2. the catalog, from the bucket;
//! 3. the identity: its epoch is raised in the folder, then in the catalog, so that whatever an
//!    earlier life still has under way cannot enter any more;
//! 4. the view: catalog and an empty head, marked as incomplete (PAR-1). Here `open` returns;
//! 5. the replay, on a thread of its own: what the log has above the committed position goes into
//!    the head in the order of the log;
//! 6. the log takes appends, the mark is removed.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use object_store::ObjectStore;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::metrics;
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;
use tokio::sync::watch;

use crate::append::{self, Batch};
use crate::block::reader::Blocks;
use crate::catalog::{Catalog, Identity, State, writers};
use crate::disk::{BALLAST_BYTES, Ballast, DiskWatch, Level, ReadOnly};
use crate::file::OpenHow;
use crate::flush::{self, FlushReport, Flusher, Load, Trigger};
use crate::head::replay::{DecodedRecord, Replayer, decode};
use crate::head::sink::HeadSink;
use crate::head::{Head, HeadGeneration};
use crate::object::Objects;
use crate::object::local::LocalStore;
use crate::paths::DataDir;
use crate::publish;
use crate::view::ViewCell;
use crate::wal::{self, Lsn, Records, Wal};
use crate::{Handles, Options};

/// Bytes that may wait for the commit thread: eight groups of the 8 MiB it aims at.
const QUEUE_BYTES_MAX: ByteSize = ByteSize::mib(64);
/// When to try again while the log replays: a GiB takes about five seconds.
const REPLAY_RETRY: Duration = Duration::from_secs(2);
/// Decoded records that wait for their insert: enough to keep both threads busy; each is a request
/// of at most some tens of MiB.
const DECODED_MAX: usize = 16;
/// What queries say while rows of the log may be missing.
const REPLAYING: &str = "the log is being replayed";

/// What all handles of an open store share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) handles: Handles,
    pub(crate) dir: DataDir,
    pub(crate) head: Arc<Head>,
    pub(crate) view: Arc<ViewCell>,
    pub(crate) log: Arc<LogHandle>,
    pub(crate) flusher: Flusher,
    pub(crate) replayed: watch::Receiver<Option<Replayed>>,
    closing: AtomicBool,
    disk_level: watch::Receiver<Level>,
    ballast: Arc<Ballast>,
    ballast_released: AtomicBool,
    /// Others may commit to the same bucket: the catalog is polled.
    polls: bool,
    published: Mutex<Published>,
    /// Gives the folder free when it goes.
    _lock: FolderLock,
}

/// How the replay ended.
pub(crate) type Replayed = std::result::Result<(), Arc<Error>>;

/// What foreign readers were told last.
#[derive(Debug)]
struct Published {
    state: Arc<State>,
    at: Duration,
}

struct FolderLock(#[expect(dead_code, reason = "held, not used")] Box<dyn Send + Sync>);

impl std::fmt::Debug for FolderLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FolderLock")
    }
}

/// The log, once it has been replayed.
#[derive(Debug)]
pub(crate) struct LogHandle {
    wal: OnceLock<Wal<HeadSink>>,
    closing: AtomicBool,
}

impl LogHandle {
    pub(crate) fn wal(&self) -> Result<&Wal<HeadSink>> {
        if self.closing.load(Ordering::Acquire) {
            return Err(Error::unavailable("store is being closed", REPLAY_RETRY));
        }
        self.replayed()
    }

    /// Returns the log for the last work of a stop.
    pub(crate) fn replayed(&self) -> Result<&Wal<HeadSink>> {
        self.wal.get().ok_or_else(|| Error::unavailable(REPLAYING, REPLAY_RETRY))
    }
}

impl append::Log for LogHandle {
    fn ready(&self) -> Result<()> {
        self.wal()?.writable()
    }

    fn append(&self, batch: Batch) -> BoxFuture<'static, Result<Lsn>> {
        match self.wal() {
            Ok(wal) => {
                let wal = wal.clone();
                Box::pin(async move { wal.append(batch).await })
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

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
    let polls = store.is_some();
    let store = match store {
        Some(store) => store,
        None => {
            let disk = Arc::clone(&handles.disk);
            let opened = LocalStore::open(dir.bucket(), disk);
            Arc::new(opened.map_err(|e| disk_error("open", &dir.bucket(), e))?)
        }
    };
    let (clock, rng) = (Arc::clone(&handles.clock), Arc::clone(&handles.rng));
    let objects = Objects::new(store, Arc::clone(&clock), Arc::clone(&rng), registry);
    let catalog = Catalog::load(objects.clone(), clock, rng, registry).await?;
    let identity =
        writers::start(&dir, &*handles.disk, &*handles.rng, &catalog, &options.label).await?;
    let Identity { id, epoch } = &identity;
    tracing::info!(writer = id, epoch, manifest = catalog.state().version(), "data folder is ours");
    let bucket = Bucket { objects, catalog, identity, polls };
    let shared = assemble(options, handles, dir, lock, bucket, registry)?;
    start_tasks(&shared);
    Ok(shared)
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
}

fn assemble(
    options: Options,
    handles: Handles,
    dir: DataDir,
    lock: FolderLock,
    bucket: Bucket,
    registry: &mut Registry,
) -> Result<Arc<Shared>> {
    let Bucket { objects, catalog, identity, polls } = bucket;
    let head = Head::new(options.limits.clone(), Arc::clone(&handles.clock));
    head.register(registry);
    let state = catalog.state();
    let committed = Lsn(state.committed(&identity.id));
    let blocks = Blocks::new(objects.clone());
    let view = ViewCell::new(Arc::clone(&head), blocks, Arc::clone(&state));
    let generation = head.generation(committed.next());
    view.update(|view| {
        view.with_generation(Arc::clone(&generation)).with_replaying(Some(REPLAYING))
    });
    let read_only = ReadOnly::register(registry);
    let log = Arc::new(LogHandle { wal: OnceLock::new(), closing: AtomicBool::new(false) });
    let (ended, replayed) = watch::channel(None);
    let disk = Arc::clone(&handles.disk);
    // Whoever chose small segments has small heads, too.
    let ballast_bytes = BALLAST_BYTES.min(options.wal_segment_bytes);
    let ballast = Arc::new(Ballast::new(Arc::clone(&disk), dir.ballast(), ballast_bytes));
    let replay = Replay {
        options: wal_options(&options, &dir, &identity, read_only.clone(), registry)?,
        handles: handles.clone(),
        committed,
        head: Arc::clone(&head),
        view: Arc::clone(&view),
        generation,
        log: Arc::clone(&log),
        ballast: Arc::clone(&ballast),
    };
    let watch = DiskWatch::new(disk, options.path.clone(), read_only.clone());
    let watch = Arc::new(watch);
    let disk_level = watch.subscribe();
    handles.tasks.spawn("disk-watch", Box::pin(watch.run(Arc::clone(&handles.clock))));
    handles.tasks.spawn_thread("replay", Box::new(move || replay.run(&ended)));
    let flusher = Flusher {
        catalog: Arc::new(catalog),
        objects,
        view: Arc::clone(&view),
        identity,
        clock: Arc::clone(&handles.clock),
        rng: Arc::clone(&handles.rng),
        read_only,
        fatal: watch::Sender::new(None),
        pending: tokio::sync::Mutex::default(),
        fenced: AtomicBool::new(false),
        metrics: flush::Metrics::register(registry),
    };
    let published = Mutex::new(Published { state: Arc::default(), at: handles.clock.monotonic() });
    Ok(Arc::new(Shared {
        options,
        handles,
        dir,
        head,
        view,
        log,
        flusher,
        replayed,
        closing: AtomicBool::new(false),
        disk_level,
        ballast,
        ballast_released: AtomicBool::new(false),
        polls,
        published,
        _lock: lock,
    }))
}

fn wal_options(
    options: &Options,
    dir: &DataDir,
    identity: &Identity,
    read_only: ReadOnly,
    registry: &mut Registry,
) -> Result<wal::Options> {
    let writer_id = u128::from_str_radix(&identity.id, 16)
        .map_err(|e| Error::internal(format!("writer id {:?}", identity.id)).with_source(e))?;
    Ok(wal::Options {
        dir: dir.wal(),
        writer_id,
        epoch: identity.epoch,
        segment_bytes: options.wal_segment_bytes,
        bytes_max: options.wal_bytes_max,
        queue_bytes_max: QUEUE_BYTES_MAX,
        sync: options.wal_sync,
        read_only,
        metrics: wal::Metrics::register(registry),
    })
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
}

/// What the replay thread needs.
struct Replay {
    options: wal::Options,
    handles: Handles,
    committed: Lsn,
    head: Arc<Head>,
    view: Arc<ViewCell>,
    generation: Arc<HeadGeneration>,
    log: Arc<LogHandle>,
    ballast: Arc<Ballast>,
}

impl Replay {
    fn run(self, ended: &watch::Sender<Option<Replayed>>) {
        let ballast = Arc::clone(&self.ballast);
        let outcome = self.replay().map_err(|error| {
            tracing::error!(%error, "replay failed");
            Arc::new(error)
        });
        ended.send_replace(Some(outcome));
        fill(&ballast);
    }

    fn replay(self) -> Result<()> {
        let Self { options, handles, committed, head, view, generation, log, .. } = self;
        let started = handles.clock.monotonic();
        let recovery = wal::recover(&options, &handles.disk, committed)?;
        let mut replayer = Replayer::new(Arc::clone(&head), Arc::clone(&generation));
        // Reading and decoding run on another thread than inserting: both cost about the same.
        let (decoded, to_insert) = std::sync::mpsc::sync_channel(DECODED_MAX);
        let records = recovery.records(committed);
        handles
            .tasks
            .spawn_thread("replay-decode", Box::new(move || decode_all(records, &decoded)));
        for record in to_insert {
            if log.closing.load(Ordering::Acquire) {
                let message = "store was closed while its log was replayed";
                return Err(Error::unavailable(message, REPLAY_RETRY));
            }
            let (lsn, tenant, rows) = record?;
            replayer.insert(lsn, &tenant, rows)?;
        }
        let (samples, next) = (generation.samples(), recovery.next_lsn.0);
        let taken = handles.clock.monotonic().saturating_sub(started);
        tracing::info!(samples, next_lsn = next, ?taken, "log replayed");
        let sink = HeadSink::new(head, generation, Arc::clone(&view));
        let wal = Wal::start(options, &handles, recovery, sink);
        assert!(log.wal.set(wal).is_ok(), "a log is replayed once");
        view.update(|view| view.with_replaying(None));
        Ok(())
    }
}

/// Decodes records until the last, the first error, or nobody inserts them any more.
fn decode_all(records: Records, decoded: &SyncSender<Result<(Lsn, TenantId, DecodedRecord)>>) {
    for record in records {
        let rows = record.and_then(|record| {
            let rows = decode(&record.payloads)
                .map_err(|e| e.context(format_args!("replay record {}", record.lsn.0)))?;
            Ok((record.lsn, record.tenant, rows))
        });
        let last = rows.is_err();
        if decoded.send(rows).is_err() || last {
            return;
        }
    }
}

impl Shared {
    /// Flushes everything appended before.
    pub(crate) async fn flush(&self) -> Result<FlushReport> {
        let wal = self.log.replayed()?;
        if *self.disk_level.borrow() == Level::Hard {
            // The flush may need the room that was kept for it.
            self.ballast.release().map_err(|e| disk_error("remove", &self.dir.ballast(), e))?;
            self.ballast_released.store(true, Ordering::Release);
            wal.release_spares();
        }
        self.flusher.flush(wal).await
    }

    /// What there is to flush; `None` before the replay has ended, or where there is nothing.
    pub(crate) fn load(&self) -> Option<Load> {
        let wal = self.log.wal.get()?;
        let view = self.view.load();
        let oldest = view.heads().iter().find(|generation| !generation.is_empty())?;
        Some(Load {
            age: self.handles.clock.monotonic().saturating_sub(oldest.born()),
            head_bytes: self.head.bytes(),
            log_bytes: wal.bytes().0,
            disk: *self.disk_level.borrow(),
        })
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Refuses writes from now on.
    pub(crate) fn begin_close(&self) {
        self.closing.store(true, Ordering::Release);
        self.log.closing.store(true, Ordering::Release);
    }

    /// What is looked after every second.
    pub(crate) async fn upkeep(&self) {
        if self.polls {
            self.flusher.poll().await;
        }
        let roomy = *self.disk_level.borrow() == Level::Ample;
        if roomy && self.ballast_released.swap(false, Ordering::AcqRel) {
            let ballast = Arc::clone(&self.ballast);
            self.handles.tasks.spawn_thread("ballast", Box::new(move || fill(&ballast)));
        }
        let now = self.handles.clock.monotonic();
        if now.saturating_sub(self.published.lock().at) >= publish::INTERVAL {
            self.publish().await;
        }
    }

    /// Tells foreign readers about new blocks. A failure heals with the next change.
    pub(crate) async fn publish(&self) {
        let state = self.flusher.catalog.state();
        let before = Arc::clone(&self.published.lock().state);
        if Arc::ptr_eq(&before, &state) {
            return;
        }
        let now_ms = self.handles.clock.now().as_millis();
        match publish::publish(&self.flusher.objects, &before, &state, now_ms).await {
            Ok(()) => {
                let at = self.handles.clock.monotonic();
                *self.published.lock() = Published { state, at };
            }
            Err(error) => tracing::warn!(%error, "listing of blocks could not be published"),
        }
    }

    /// Waits for the end of the replay.
    pub(crate) async fn replayed(&self) -> Result<()> {
        let mut replayed = self.replayed.clone();
        let gone = |_| Error::internal("the replay thread has ended without an outcome");
        let outcome = replayed.wait_for(Option::is_some).await.map_err(gone)?;
        match outcome.as_ref() {
            Some(Err(error)) => Err(error.duplicate()),
            _ => Ok(()),
        }
    }

    /// Returns whether the replay ended because the store was closed.
    pub(crate) fn replay_was_cancelled(&self) -> bool {
        let failed = matches!(&*self.replayed.borrow(), Some(Err(e))
            if matches!(e.kind(), ErrorKind::Unavailable { .. }));
        failed && self.is_closing()
    }

    /// Removes the mark of a run that has not stopped cleanly.
    pub(crate) fn unmark(&self) -> Result<()> {
        let path = self.dir.unclean();
        let disk = &self.handles.disk;
        disk.remove(&path)
            .and_then(|()| disk.sync_dir(self.dir.root()))
            .map_err(|e| disk_error("remove", &path, e))
    }
}

fn fill(ballast: &Ballast) {
    if let Err(error) = ballast.fill() {
        tracing::warn!(%error, "no room can be kept for the last flush");
    }
}

pub(crate) fn disk_error(what: &str, path: &std::path::Path, error: io::Error) -> Error {
    Error::internal(format!("{what} {}", path.display())).with_source(error)
}
