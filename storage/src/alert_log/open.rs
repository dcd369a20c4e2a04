//! What a start does with the alert log.
//!
//! 1. The newest whole snapshot is read;
//! 2. the log is checked and made ready to be written, as every log is: damage that only entries
//!    below the snapshot have is stepped over, but what lies above the snapshot before it stays;
//! 3. segments are prepared, while the disk has room;
//! 4. the entries above the snapshot are read, for whoever asks.
//!
//! A disk that does not let this happen is asked again; damage is told to whoever asks, because
//! going on without would forget pages.

use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::units::ByteSize;
use tokio::sync::watch;

use super::snapshot::{self, Kept};
use super::{AlertLog, EntrySink, Inner, Options, Replayed, entry};
use crate::disk::ReadOnly;
use crate::file::Disk;
use crate::paths::{self, DataDir};
use crate::wal::{self, CommitLoop, Lsn, Recovery, Upkeep, Wal, recover_keeping};
use crate::{Handles, blocking};

/// A log of decisions is small: an evaluation of 10,000 alerts is some 5 MiB.
const SEGMENT_BYTES: ByteSize = ByteSize::mib(4);
/// Segments prepared at a start.
const SPARES: usize = 4;
/// Far above what is between two snapshots; a start holds that much.
const BYTES_MAX: ByteSize = ByteSize::mib(256);
/// Bytes of entries that may wait for the commit thread.
const QUEUE_BYTES_MAX: ByteSize = ByteSize::mib(64);
/// Pause between two attempts to open the log.
const RETRY: Duration = Duration::from_secs(5);

/// How far the start is.
#[derive(Debug)]
pub(super) enum State {
    Opening,
    /// Could not be opened.
    Failed(Error),
    Open(Wal<EntrySink>),
}

impl State {
    pub(super) fn wal(&self) -> Result<Wal<EntrySink>> {
        match self {
            Self::Opening => Err(Error::unavailable("alert log is being opened", RETRY)),
            Self::Failed(error) => Err(error.duplicate()),
            Self::Open(wal) => Ok(wal.clone()),
        }
    }
}

/// The log of a store, opened when it is first asked for.
pub(crate) struct Lazy {
    options: Options,
    log: OnceLock<AlertLog>,
}

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lazy").field("log", &self.log).finish_non_exhaustive()
    }
}

impl Lazy {
    /// Registers what it counts; nothing is touched.
    pub(crate) fn register(
        options: &crate::Options,
        dir: &DataDir,
        (writer_id, epoch): (u128, u64),
        registry: &mut Registry,
    ) -> Self {
        let options = Options {
            dir: dir.alerts(),
            writer_id,
            epoch,
            // Whoever chose small segments for rows has little room.
            segment_bytes: SEGMENT_BYTES.min(options.wal_segment_bytes),
            spares: SPARES,
            bytes_max: BYTES_MAX,
            sync: options.wal_sync,
            metrics: wal::Metrics::register_alert_log(registry),
        };
        Self { options, log: OnceLock::new() }
    }

    pub(crate) fn get(&self, handles: &Handles) -> AlertLog {
        self.log.get_or_init(|| AlertLog::open(self.options.clone(), handles)).clone()
    }

    pub(crate) async fn close(&self) -> Result<()> {
        match self.log.get() {
            Some(log) => log.close().await,
            None => Ok(()),
        }
    }
}

/// What the first part of a start comes to.
struct Found {
    /// One switch for the recovery and the log.
    options: wal::Options,
    recovery: Recovery,
    replayed: Replayed,
    newest: Lsn,
    bytes: u64,
}

pub(super) fn in_background(options: Options, handles: &Handles) -> AlertLog {
    let (sender, state) = watch::channel(State::Opening);
    let log = AlertLog(Arc::new(inner(&options, handles, state)));
    let (weak, clock) = (Arc::downgrade(&log.0), Arc::clone(&handles.clock));
    let handles_of_task = handles.clone();
    let opening = async move {
        loop {
            let (work, disk) = (options.clone(), Arc::clone(&handles_of_task.disk));
            let found = blocking::run(move || find(&work, &disk)).await;
            let Some(inner) = weak.upgrade() else { return };
            let again = match found {
                Ok(found) => {
                    let (options, recovery) = inner.take(found);
                    let sink = EntrySink { last: Arc::clone(&inner.last) };
                    let wal = Wal::start(options, &handles_of_task, recovery, sink);
                    sender.send_replace(State::Open(wal));
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, "alert log cannot be opened");
                    let again = matches!(error.kind(), ErrorKind::Unavailable { .. });
                    sender.send_replace(State::Failed(error));
                    again
                }
            };
            drop(inner);
            if !again {
                return;
            }
            clock.sleep(RETRY).await;
        }
    };
    handles.tasks.spawn("alert-log", Box::pin(opening));
    log
}

impl AlertLog {
    /// Opens the log at once, and hands out what its two threads would do, to be driven step by
    /// step: a simulation has no threads. Blocks on the disk.
    ///
    /// # Errors
    /// As [`AlertLog::replay`].
    pub fn open_stepped(
        options: &Options,
        handles: &Handles,
    ) -> Result<(Self, CommitLoop<EntrySink>, Upkeep)> {
        let found = find(options, &handles.disk)?;
        let (sender, state) = watch::channel(State::Opening);
        let inner = inner(options, handles, state);
        let (options, recovery) = inner.take(found);
        let sink = EntrySink { last: Arc::clone(&inner.last) };
        let started = Wal::start_stepped(options, handles, recovery, sink);
        let (wal, commits, upkeep) = started;
        sender.send_replace(State::Open(wal));
        Ok((Self(Arc::new(inner)), commits, upkeep))
    }
}

impl Inner {
    /// Takes over what a start found, but for the log itself.
    fn take(&self, found: Found) -> (wal::Options, Recovery) {
        let Found { options, recovery, replayed, newest, bytes } = found;
        self.last.store(replayed.last.0, Ordering::Release);
        self.appended.store(bytes, Ordering::Relaxed);
        self.kept.lock().newest = newest;
        *self.found.lock() = Some(replayed);
        (options, recovery)
    }
}

fn inner(options: &Options, handles: &Handles, state: watch::Receiver<State>) -> Inner {
    Inner {
        dir: options.dir.clone(),
        disk: Arc::clone(&handles.disk),
        state,
        found: Mutex::default(),
        last: Arc::new(AtomicU64::new(0)),
        appended: AtomicU64::new(0),
        saved: AtomicU64::new(0),
        kept: Mutex::new(Kept::default()),
        closed: AtomicBool::new(false),
    }
}

fn wal_options(options: &Options) -> wal::Options {
    let Options { dir, writer_id, epoch, segment_bytes, bytes_max, sync, metrics, .. } = options;
    wal::Options {
        dir: dir.clone(),
        writer_id: *writer_id,
        epoch: *epoch,
        segment_bytes: *segment_bytes,
        bytes_max: *bytes_max,
        queue_bytes_max: QUEUE_BYTES_MAX,
        sync: *sync,
        // What stops the log of rows, and a disk that is nearly full, does not stop this one.
        read_only: ReadOnly::apart(),
        metrics: metrics.clone(),
        keep: Arc::default(),
    }
}

fn find(options: &Options, disk: &Arc<dyn Disk>) -> Result<Found> {
    let dir = &options.dir;
    let failed = |e: std::io::Error| {
        Error::unavailable(format!("open the alert log in {}", dir.display()), RETRY).with_source(e)
    };
    disk.create_dir_all(dir).map_err(failed)?;
    match disk.remove(&dir.join(paths::snapshot_temp_name())) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let snapshot::Found { newest, before } = snapshot::find(&**disk, dir, &options.metrics)?;
    let (floor, image) = newest.map_or((Lsn(0), None), |s| (s.lsn, Some(s.image)));
    let wal_options = wal_options(options);
    let recovery = recover_keeping(&wal_options, disk, floor, before)?;
    if let Err(error) = recovery.prepare(options.spares) {
        tracing::warn!(%error, "segments of the alert log could not be prepared");
    }
    let (mut entries, mut bytes) = (Vec::new(), 0u64);
    for record in recovery.records(floor) {
        let record = record?;
        bytes = bytes.saturating_add(record.entries.len() as u64);
        entry::decode(record.entries, &mut entries).ok_or_else(|| {
            let (lsn, dir) = (record.lsn.0, dir.display());
            Error::corrupt(format!("record {lsn} of the alert log in {dir} has no entries"))
        })?;
    }
    let last = recovery.next_lsn.prev();
    let replayed = Replayed { image, entries, last };
    Ok(Found { options: wal_options, recovery, replayed, newest: floor, bytes })
}
