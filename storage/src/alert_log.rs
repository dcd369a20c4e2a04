//! The durable log of alerting: what was decided, before anybody is told.
//!
//! It is the log of [`wal`](mod@crate::wal) once more, in a folder of its own (`alerts/`), with its
//! own small segments and its own commit thread: a log of rows that is full, refused or busy with
//! large groups never holds up a page. A record is one call of [`AlertLog::append`], its entries all
//! or none; what they mean only `tarn-alerting` knows.
//!
//! So that the log stays short its user hands over images of the state that it adds up to. An image
//! is a *snapshot*: whole or absent, because it is written under another name, synced and renamed.
//! The one before it is kept, and the log above that: should the newest decay, nothing is lost.
//!
//! - `entry`: the bytes of entries in a record; `snapshot`: the file of an image
//! - `open`: what a start does; `sink`: what the commit thread does with an append
//!
//! Promises: DUR-1 to DUR-3, COR-1 and COR-2, by the code of the log; a snapshot by its checksum.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, Result};
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;
use tokio::sync::watch;

use crate::file::Disk;
use crate::paths::DataDir;
use crate::wal::{self, Lsn, Wal};
use crate::{Handles, WalSync, blocking};

mod entry;
mod open;
mod sink;
mod snapshot;

pub(crate) use self::open::Lazy;
pub use self::sink::EntrySink;

use self::open::State;
use self::snapshot::Kept;

/// Entries of one call may have this many bytes, tenants and lengths included: far above what one
/// evaluation decides, far below the limit of a record.
pub const APPEND_BYTES_MAX: usize = 64 << 20;
/// An image may have this many bytes.
pub const IMAGE_BYTES_MAX: usize = 512 << 20;
/// Position of an image that is put into a folder without a log.
const FIRST: Lsn = Lsn(1);
/// When to try a snapshot again that the disk did not take.
const SNAPSHOT_RETRY: Duration = Duration::from_secs(30);

/// One thing to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub tenant: TenantId,
    /// What it is; numbers belong to the user of the log.
    pub kind: u16,
    /// Its bytes, of which the log knows nothing.
    pub body: Bytes,
}

/// What a start finds: the state is the image with the entries applied to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replayed {
    /// The newest snapshot, if there is one.
    pub image: Option<Bytes>,
    /// Every entry that is not in the image, in the order of the log.
    pub entries: Vec<Entry>,
    /// The newest position: what the state is an image of until something is appended.
    pub last: Lsn,
}

/// What the log is told about itself.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its folder; made if absent.
    pub dir: PathBuf,
    /// Identity of the data folder; a segment of another one stops the start.
    pub writer_id: u128,
    /// This start of the process; larger than that of every earlier start.
    pub epoch: u64,
    /// Bytes of one segment.
    pub segment_bytes: ByteSize,
    /// Segments that are prepared at the start, so that a disk that fills up later stops no page.
    pub spares: usize,
    /// The log may grow to this where no snapshot succeeds; then appends are `Unavailable`.
    pub bytes_max: ByteSize,
    /// Whether replies wait for the disk.
    pub sync: WalSync,
    /// Where it counts.
    pub metrics: wal::Metrics,
}

/// The log of alerting. Cheap to clone; it ends with [`AlertLog::close`], or with the last clone.
#[derive(Debug, Clone)]
pub struct AlertLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    state: watch::Receiver<State>,
    /// What the start found, until it is asked for.
    found: Mutex<Option<Replayed>>,
    /// Newest position that is durable.
    last: Arc<AtomicU64>,
    /// Bytes of entries that were found or appended, and how many of them are in a snapshot.
    appended: AtomicU64,
    saved: AtomicU64,
    /// Locked while a snapshot is written.
    kept: Mutex<Kept>,
    closed: AtomicBool,
}

impl AlertLog {
    /// Opens the log in the background. Every method waits for that.
    pub fn open(options: Options, handles: &Handles) -> Self {
        open::in_background(options, handles)
    }

    /// Returns what the log says so far, once: the second call finds nothing but the position.
    ///
    /// # Errors
    /// `Corrupt` where entries that were acknowledged are damaged and in no snapshot; `Invalid`
    /// where the folder belongs to another writer or a newer version; `Unavailable` where the disk
    /// does not let the log be opened yet, which goes on being tried.
    pub async fn replay(&self) -> Result<Replayed> {
        self.wal().await?;
        let last = Lsn(self.0.last.load(Ordering::Acquire));
        let found = self.0.found.lock().take();
        Ok(found.unwrap_or(Replayed { last, ..Replayed::default() }))
    }

    /// Makes entries durable, all or none, and returns their position. Positions are given in the
    /// order in which the futures are first polled. One that is dropped before it completes may be
    /// stored all the same.
    ///
    /// # Errors
    /// `Unavailable` where the log cannot be written at the moment, is at its size bound, or was
    /// closed: it recovers by itself, and nothing of the call is stored (but see
    /// [`Wal::append`] for a process that stops at once); `LimitExceeded` beyond
    /// [`APPEND_BYTES_MAX`]; what [`AlertLog::replay`] says where the log could not be opened.
    pub fn append(&self, entries: Vec<Entry>) -> BoxFuture<'static, Result<Lsn>> {
        let log = self.clone();
        Box::pin(async move {
            let wal = log.wal().await?;
            if entries.is_empty() {
                return Ok(Lsn(log.0.last.load(Ordering::Acquire)));
            }
            let item = entry::encode(&entries)?;
            let bytes = item.bytes.len() as u64;
            let lsn = wal.append(item).await?;
            log.0.appended.fetch_add(bytes, Ordering::Relaxed);
            Ok(lsn)
        })
    }

    /// Saves an image of the state with everything up to `through` in it and nothing above, and
    /// lets go of what only the image before the last needs.
    ///
    /// # Errors
    /// `Unavailable` where the disk does not take it: the log is as before, and longer than it
    /// could be; `LimitExceeded` beyond [`IMAGE_BYTES_MAX`]; `Internal` where `through` is not
    /// durable yet.
    pub async fn snapshot(&self, through: Lsn, image: Bytes) -> Result<()> {
        let wal = self.wal().await?;
        let last = self.0.last.load(Ordering::Acquire);
        if through.0 > last {
            let message = format!("snapshot of alerting at {}, its log ends at {last}", through.0);
            return Err(Error::internal(message));
        }
        let log = Arc::clone(&self.0);
        let appended = self.0.appended.load(Ordering::Relaxed);
        let written = blocking::run(move || {
            let mut kept = log.kept.lock();
            kept.write(&*log.disk, &log.dir, through, &image)
        });
        if let Some(needless) = written.await? {
            wal.truncate(needless);
            self.0.saved.fetch_max(appended, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Returns the bytes of entries that are in no snapshot: when they are many, it is time for one.
    pub fn unsaved(&self) -> ByteSize {
        let saved = self.0.saved.load(Ordering::Relaxed);
        ByteSize(self.0.appended.load(Ordering::Relaxed).saturating_sub(saved))
    }

    /// Answers whether appends are taken now.
    ///
    /// # Errors
    /// As [`AlertLog::append`]; `Unavailable` also while the log is being opened.
    pub fn writable(&self) -> Result<()> {
        self.now()?.writable()
    }

    /// Commits what waits and seals the log. Later appends are `Unavailable`.
    ///
    /// # Errors
    /// `Unavailable` where the seal could not be written; what was acknowledged is durable.
    pub async fn close(&self) -> Result<()> {
        if self.0.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        match self.now() {
            Ok(wal) => wal.close().await,
            // Nothing was acknowledged in this life.
            Err(_) => Ok(()),
        }
    }

    /// Waits until the log is open.
    async fn wal(&self) -> Result<Wal<EntrySink>> {
        let mut state = self.0.state.clone();
        let known = state.wait_for(|state| !matches!(state, State::Opening)).await;
        let gone = |_| Error::internal("alert log was never opened");
        known.map_err(gone)?.wal()
    }

    fn now(&self) -> Result<Wal<EntrySink>> {
        self.0.state.borrow().wal()
    }
}

/// Returns the newest image in the folder of a log, beside whoever has it open: images are renamed
/// into place. What was decided since is not in it; a process writes one every minute.
///
/// # Errors
/// `Unavailable` where the folder cannot be read; `Invalid` where a newer version wrote it.
pub fn newest_image(dir: &DataDir, disk: &dyn Disk) -> Result<Option<Bytes>> {
    let metrics = wal::Metrics::register_alert_log(&mut Registry::default());
    let found = snapshot::find(disk, &dir.alerts(), &metrics)?;
    Ok(found.newest.map(|snapshot| snapshot.image))
}

/// Puts an image into a data folder that was never opened: its first log goes on from it.
///
/// # Errors
/// `Unavailable` where the disk does not take it.
pub fn plant_image(dir: &DataDir, disk: &dyn Disk, image: &[u8]) -> Result<()> {
    let dir = dir.alerts();
    let failed = |e: std::io::Error| {
        let message = format!("write an image of alerting into {}", dir.display());
        Error::unavailable(message, SNAPSHOT_RETRY).with_source(e)
    };
    disk.create_dir_all(&dir).map_err(failed)?;
    Kept::default().write(disk, &dir, FIRST, image).map(drop)
}

/// Returns whether bytes are entries of a record. For fuzzing.
pub(crate) fn is_entries(bytes: Bytes) -> bool {
    let mut found = Vec::new();
    entry::decode(bytes, &mut found).is_some() && !found.is_empty()
}

/// Returns whether bytes are a snapshot of a position. For fuzzing.
pub(crate) fn is_snapshot(lsn: Lsn, bytes: &[u8]) -> bool {
    snapshot::decode(lsn, bytes).is_ok()
}
