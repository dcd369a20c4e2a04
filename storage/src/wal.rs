//! 2. Durable: the write-ahead log.
//!
//! Requests append; one commit thread takes all that wait, frames them into one group, writes it,
//! syncs it once, hands the records to the [`Sink`] in LSN order, and only then answers. While one
//! sync runs the next group collects, so the batch grows with the load and no timer is needed.
//!
//! - `record`: the bytes of one request; `segment`: the bytes of a file of them
//! - `pool`, `upkeep`: segments written with zeros ahead of need, and recycled
//! - `queue`, `group_commit`: who waits, and the commit thread
//! - `walk`: which bytes count after a crash; `recover`: what a start does about the rest;
//!   `replay`: the records, for the head
//! - `mend`: what an operator can do about a damaged middle
//!
//! Promises: DUR-1, DUR-2 and VIS-1 by the order above; DUR-3 because a failed sync ends the
//! segment for good; COR-1 and COR-2 by checksums and by witnesses of durability (see `walk`).
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tarn_model::error::{Error, Result};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;

mod group_commit;
mod keep;
mod mend;
mod metrics;
mod pool;
mod queue;
mod record;
mod recover;
mod replay;
mod segment;
mod tail;
mod upkeep;
mod walk;

pub(crate) use self::mend::{Mended, mend};
pub(crate) use self::record::{read_record, write_record};
pub(crate) use self::segment::SegmentHeader;
pub(crate) use self::walk::{Problem, Visit, visit};

pub use self::group_commit::{CommitLoop, Step};
pub use self::keep::Keep;
pub(crate) use self::keep::LogFiles;
pub use self::metrics::Metrics;
pub use self::record::Record;
pub(crate) use self::recover::recover_keeping;
pub use self::recover::{Recovery, RecoveryReport, Truncation, inspect, recover};
pub use self::replay::Records;
pub use self::upkeep::Upkeep;
pub use self::walk::fuzz_segment;
#[cfg(test)]
pub(crate) use self::walk::records;

use self::queue::{Job, Owner, Shared, ended};
use crate::disk::ReadOnly;
use crate::{Handles, WalSync};

/// Position in the log of one writer: record `n` has LSN `n`; the first is 1, so 0 means none.
/// LSNs order everything, wall time nothing; they are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Returns the one behind.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Returns the one before; that of 0 is 0.
    #[must_use]
    pub fn prev(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// What becomes of the records of a log: the head implements it.
///
/// All methods run on the one commit thread, in LSN order.
pub trait Sink: Send + 'static {
    /// One request's rows, ready to be framed.
    type Item: Send;
    /// What the waiting request is told.
    type Reply: Send;

    /// Returns the bytes an item holds while it waits, for the queue's bound.
    fn bytes(item: &Self::Item) -> usize;
    /// Writes the item's payloads and names its tenant. The series definitions that the current
    /// head generation lacks are attached here, because only the commit thread knows where a
    /// generation begins.
    fn frame(&mut self, lsn: Lsn, item: &mut Self::Item, record: &mut RecordBuilder);
    /// Inserts a durable item; the reply is sent after [`Sink::group_applied`].
    fn apply(&mut self, lsn: Lsn, item: Self::Item) -> Self::Reply;
    /// A group is over: everything applied so far becomes visible together.
    fn group_applied(&mut self, last: Lsn);
    /// Begins a new head generation with the record `first`: no later record may lean on a series
    /// definition of an earlier one. Called once when the log starts, and whenever framed records
    /// were dropped because their group could not be made durable.
    fn begin_generation(&mut self, first: Lsn);
}

/// Collects the parts of one record.
#[derive(Debug, Default)]
pub struct RecordBuilder {
    /// Whose rows; must be set.
    pub tenant: Option<TenantId>,
    /// Hash of tenant, route and body, by which a resend is recognised; 0: not computed.
    pub request_hash: u128,
    /// What the client will be told.
    pub counts: ReplyCounts,
    /// Encoded batches.
    pub payloads: Vec<Payload>,
    /// In the place of batches: encoded entries of the alert log.
    pub entries: bytes::Bytes,
}

/// One encoded batch of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Which signal's rows.
    pub signal: Signal,
    /// Which schema: see `schema.rs`.
    pub schema: u16,
    /// Arrow IPC with lz4.
    pub bytes: bytes::Bytes,
}

/// The counts of a reply, kept so that a resent request can be answered as the first one was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplyCounts {
    /// Float samples, log records or spans stored.
    pub floats: u32,
    /// Histogram samples stored.
    pub histograms: u32,
    /// Exemplars stored.
    pub exemplars: u32,
    /// Rows rejected.
    pub rejected: u32,
}

/// What a log is told about itself.
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
    /// The log may grow to this; then [`Wal::append`] answers `Unavailable`.
    pub bytes_max: ByteSize,
    /// Bytes of items that may wait or be in the group at work; beyond, [`Wal::append`] waits.
    pub queue_bytes_max: ByteSize,
    /// Whether replies wait for the disk.
    pub sync: WalSync,
    /// Why writes are refused at the moment, if they are. The log says so itself while it cannot
    /// be written, and heeds what others say.
    pub read_only: ReadOnly,
    /// Where it counts.
    pub metrics: Metrics,
    /// What stays although it is committed.
    pub keep: Arc<Keep>,
}

/// The reason under which the log refuses writes.
const WAL_FAILED: &str = "wal";
/// How soon a client should try again while the log is too long: flushes take seconds.
const FULL_RETRY: Duration = Duration::from_secs(5);
/// While the log or the disk refuses writes. (`reliability.md` names 30 s for a full disk.)
const READ_ONLY_RETRY: Duration = Duration::from_secs(30);

/// The log of one writer. Cheap to clone; the commit thread ends with [`Wal::close`], or with the
/// last clone.
#[derive(Debug)]
pub struct Wal<S: Sink> {
    shared: Arc<Shared<S>>,
    /// Ends the threads when the last clone goes.
    owner: Arc<Owner<S>>,
}

impl<S: Sink> Clone for Wal<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), owner: Arc::clone(&self.owner) }
    }
}

impl<S: Sink> Wal<S> {
    /// Begins to take appends where the recovery ended, on a commit thread of its own; another
    /// thread prepares and recycles segments. All records that the sink should know have been
    /// replayed into it before.
    pub fn start(options: Options, handles: &Handles, recovery: Recovery, sink: S) -> Self {
        let (wal, commits, upkeep) = Self::start_stepped(options, handles, recovery, sink);
        handles.tasks.spawn_thread("wal-commit", Box::new(move || commits.run()));
        handles.tasks.spawn_thread("wal-segments", Box::new(move || upkeep.run()));
        wal
    }

    /// As [`Wal::start`], but hands out what the two threads would do, to be driven step by step:
    /// a simulation has no threads.
    pub fn start_stepped(
        options: Options,
        handles: &Handles,
        recovery: Recovery,
        sink: S,
    ) -> (Self, CommitLoop<S>, Upkeep) {
        let (shared, commits, upkeep) = group_commit::start(options, handles, recovery, sink);
        let owner = Arc::new(Owner::new(Arc::clone(&shared)));
        (Self { shared, owner }, commits, upkeep)
    }

    /// Makes an item durable and visible, and returns what the sink replied. Waits while the queue
    /// is at its bound. An append that is dropped before it completes may be stored all the same.
    ///
    /// # Errors
    /// `Unavailable` where the record could not be made durable, writes are refused, the log is at
    /// its size bound, or it was closed; `LimitExceeded` where the record is beyond 1 GiB. The item
    /// is not stored then, and never shown, unless the process stops before a fresh segment is
    /// begun after a failed sync: then it may be found at the next start.
    pub async fn append(&self, item: S::Item) -> Result<S::Reply> {
        self.writable()?;
        let bytes = S::bytes(&item);
        let room = self.shared.acquire(bytes).await?;
        let (reply, answer) = tokio::sync::oneshot::channel();
        let queued = self.shared.clock.monotonic();
        self.shared.push(Job::Append { item, reply, queued, room })?;
        answer.await.map_err(|_| ended())?
    }

    /// Runs `work` on the commit thread between two groups: everything appended before is applied,
    /// nothing behind `last` is. A flush cuts the head with it.
    ///
    /// # Errors
    /// `Unavailable` where the log was closed.
    pub async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut S, Lsn) -> R + Send + 'static,
    ) -> Result<R> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let work = move |sink: &mut S, last: Lsn| {
            // Nobody waits any more: the work is done all the same.
            drop(reply.send(work(sink, last)));
        };
        self.shared.push(Job::Run(Box::new(work)))?;
        answer.await.map_err(|_| ended())
    }

    /// Says that everything up to `through` is committed elsewhere: the segments that hold nothing
    /// else are recycled in the background.
    pub fn truncate(&self, through: Lsn) {
        self.shared.pool.truncate(through);
    }

    /// Deletes prepared segments that wait for their use: room for others on a disk that fills up.
    pub fn release_spares(&self) {
        self.shared.pool.release_spares();
    }

    /// Returns the files of the log, for reading.
    pub(crate) fn files(&self) -> LogFiles {
        LogFiles::new(Arc::clone(&self.shared.pool))
    }

    /// Returns the bytes of the log that a start would replay, truncated segments apart.
    pub fn bytes(&self) -> ByteSize {
        ByteSize(self.shared.pool.bytes())
    }

    /// Commits what waits, seals the segment and ends the threads. Later appends are `Unavailable`.
    ///
    /// # Errors
    /// `Unavailable` where the seal could not be written or the log was closed before; what was
    /// acknowledged is durable all the same.
    pub async fn close(&self) -> Result<()> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.shared.push(Job::Close(reply))?;
        answer.await.map_err(|_| ended())?
    }

    /// Answers whether appends are taken now.
    ///
    /// # Errors
    /// `Unavailable` where writes are refused or the log is at its size bound.
    pub fn writable(&self) -> Result<()> {
        if let Some(reason) = self.shared.read_only.reason() {
            return Err(Error::unavailable(
                format!("writes are refused: {reason}"),
                READ_ONLY_RETRY,
            ));
        }
        let (bytes, max) = (self.bytes(), self.shared.bytes_max);
        if bytes >= max {
            let message = format!("log is {bytes}, limit is {max}");
            return Err(Error::unavailable(message, FULL_RETRY));
        }
        Ok(())
    }
}
