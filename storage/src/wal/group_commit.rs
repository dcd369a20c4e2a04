//! Many writers, one fdatasync: the loop that empties the queue.
//!
//! [`CommitLoop::step`] takes all appends that wait (up to a target), frames them, writes one group
//! and syncs it. Then, in LSN order, the sink applies every record, once per group they become
//! visible together, and only then are the replies sent: durable before visible (DUR-2), visible
//! before acknowledged (VIS-1).
//!
//! After a failed write or sync nobody knows what the file holds. The segment is given up: its
//! waiters are refused, nothing is ever written to it again, and a fresh segment says in its header
//! how far the old one counts (DUR-3). Until a fresh segment can be begun writes are refused.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tarn_model::error::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::metrics::Metrics;
use super::pool::SealedSegment;
use super::queue::{Job, Next, Shared};
use super::segment::{ActiveSegment, GroupBuffer, GroupKind, SegmentHeader};
use super::upkeep::Upkeep;
use super::{Lsn, Options, RecordBuilder, Recovery, Sink, WAL_FAILED, record};
use crate::{Handles, WalSync};

/// A group is closed at this size. Larger ones do not raise the throughput of a disk, but hold up
/// those who wait.
const GROUP_BYTES: usize = 8 << 20;
/// How long an idle log waits before it bears witness to its last group.
const WITNESS_AFTER: Duration = Duration::from_secs(1);
/// Pause between two attempts to begin a fresh segment after a failure.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// When a client should try again after a failed sync: the probe has run by then.
const FAILED_RETRY: Duration = Duration::from_secs(2);

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing waited.
    Idle,
    /// A group of so many records was committed and answered.
    Committed(u32),
    /// Work ran between two groups.
    Ran,
    /// Appends were refused: the log cannot be written at the moment.
    Refused,
    /// The log was closed: there will be no more.
    Closed,
}

/// A framed record whose group is not durable yet.
struct Pending<S: Sink> {
    lsn: Lsn,
    item: S::Item,
    reply: oneshot::Sender<Result<S::Reply>>,
    queued: Duration,
    _room: OwnedSemaphorePermit,
}

/// Empties the queue; owned by the commit thread.
pub struct CommitLoop<S: Sink> {
    shared: Arc<Shared<S>>,
    sink: S,
    writer_id: u128,
    epoch: u64,
    sync: WalSync,
    group_bytes: usize,
    metrics: Metrics,
    /// `None` after a failure, until a probe succeeds.
    active: Option<ActiveSegment>,
    /// The next record gets it.
    next: Lsn,
    /// Everything up to here that was not refused is synced.
    durable: Lsn,
    /// The last group has no witness yet.
    unwitnessed: bool,
    /// Framed records were dropped: definitions may have gone with them.
    regenerate: bool,
    probe_at: Duration,
    buffer: GroupBuffer,
    pending: Vec<Pending<S>>,
}

impl<S: Sink> fmt::Debug for CommitLoop<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { next, durable, active, .. } = self;
        let mut out = f.debug_struct("CommitLoop");
        out.field("next", next).field("durable", durable).field("active", active);
        out.finish_non_exhaustive()
    }
}

pub(super) fn start<S: Sink>(
    options: Options,
    handles: &Handles,
    recovery: Recovery,
    mut sink: S,
) -> (Arc<Shared<S>>, CommitLoop<S>, Upkeep) {
    let Recovery { next_lsn, durable, active, pool, .. } = recovery;
    if options.sync == WalSync::None {
        tracing::warn!("wal.sync is none: acknowledged rows are lost with the power");
    }
    sink.begin_generation(next_lsn);
    let shared = Arc::new(Shared::new(&options, Arc::clone(&handles.clock), Arc::clone(&pool)));
    let quarter = usize::try_from(pool.segment_bytes() / 4).unwrap_or(usize::MAX);
    let commits = CommitLoop {
        shared: Arc::clone(&shared),
        sink,
        writer_id: options.writer_id,
        epoch: options.epoch,
        sync: options.sync,
        group_bytes: GROUP_BYTES.min(quarter),
        metrics: options.metrics,
        active,
        next: next_lsn,
        durable,
        unwitnessed: false,
        regenerate: false,
        probe_at: Duration::ZERO,
        buffer: GroupBuffer::default(),
        pending: Vec::new(),
    };
    (shared, commits, Upkeep::new(pool))
}

impl<S: Sink> CommitLoop<S> {
    /// Takes what waits: one group of appends, or one other job. Never waits for jobs.
    pub fn step(&mut self) -> Step {
        self.probe();
        match self.shared.pop() {
            None => Step::Idle,
            Some(Job::Run(work)) => {
                work(&mut self.sink, self.next.prev());
                Step::Ran
            }
            Some(Job::Close(reply)) => {
                // The waiting side may have gone; the log is closed all the same.
                drop(reply.send(self.seal()));
                self.shared.close();
                Step::Closed
            }
            Some(append) => self.commit(append),
        }
    }

    /// Writes an empty group, which bears witness that the last one is durable, unless there is
    /// one already. The loop does so when it has been idle for a second.
    pub fn witness(&mut self) {
        if !self.unwitnessed || self.active.is_none() {
            return;
        }
        self.buffer.clear();
        match self.write_group(GroupKind::Witness) {
            Ok(()) => self.unwitnessed = false,
            Err(error) => self.fail(&error),
        }
    }

    /// Works until the log is closed, or nobody holds it any more.
    pub(super) fn run(mut self) {
        loop {
            match self.step() {
                Step::Closed => return,
                Step::Idle if !self.wait() => return,
                _ => {}
            }
        }
    }

    /// Waits for the next job. Returns `false` when there will be none.
    fn wait(&mut self) -> bool {
        let limit = if self.active.is_none() {
            Some(PROBE_EVERY)
        } else if self.unwitnessed {
            Some(WITNESS_AFTER)
        } else {
            None
        };
        match self.shared.wait(limit) {
            Next::Job => {}
            Next::Nothing => self.witness(),
            Next::End => return false,
        }
        true
    }

    fn commit(&mut self, first: Job<S>) -> Step {
        if self.active.is_none() {
            self.refuse(first);
            return Step::Refused;
        }
        self.collect(first);
        let count = self.buffer.count();
        if count > 0 {
            if let Err(error) = self.write_group(GroupKind::Rows) {
                self.fail(&error);
                return Step::Refused;
            }
            self.apply();
        }
        self.regenerate();
        Step::Committed(count)
    }

    /// Frames the first append and those behind it, until the group has its size.
    fn collect(&mut self, first: Job<S>) {
        self.buffer.clear();
        let mut job = Some(first);
        while let Some(Job::Append { mut item, reply, queued, room }) = job.take() {
            let lsn = Lsn(self.next.0.saturating_add(u64::from(self.buffer.count())));
            let mut record = RecordBuilder::default();
            self.sink.frame(lsn, &mut item, &mut record);
            match self.buffer.push(|into| record::encode(lsn, &record, into)) {
                Ok(()) => self.pending.push(Pending { lsn, item, reply, queued, _room: room }),
                Err(error) => {
                    // The definitions in this record are lost to the records behind it.
                    self.regenerate = true;
                    answer(reply, Err(error));
                    return;
                }
            }
            if self.buffer.len() < self.group_bytes {
                job = self.shared.pop_append();
            }
        }
    }

    /// Makes the group in the buffer durable.
    fn write_group(&mut self, kind: GroupKind) -> io::Result<()> {
        let span = self.buffer.span();
        if self.active.as_ref().is_none_or(|active| active.room() < span) {
            self.rotate(span)?;
        }
        let Some(active) = &mut self.active else {
            return Err(io::Error::other("log has no segment"));
        };
        let group = self.buffer.finish(&active.header, kind, self.next, self.durable);
        active.write(group)?;
        self.metrics.bytes.inc_by(span);
        if self.sync == WalSync::Group {
            let before = self.shared.clock.monotonic();
            active.file.sync_data()?;
            let took = self.shared.clock.monotonic().saturating_sub(before);
            self.metrics.sync_seconds.observe(took.as_secs_f64());
        }
        self.shared.pool.note_active(Some(active));
        Ok(())
    }

    /// Begins the next segment; the one before is complete.
    fn rotate(&mut self, group_bytes: u64) -> io::Result<()> {
        let fresh = self.begin_segment(group_bytes)?;
        if let Some(full) = self.active.replace(fresh) {
            self.retire(full, true);
        }
        Ok(())
    }

    fn begin_segment(&self, group_bytes: u64) -> io::Result<ActiveSegment> {
        let Self { writer_id, epoch, next, durable, .. } = *self;
        let header = |number| SegmentHeader { writer_id, epoch, number, first: next, durable };
        self.shared.pool.begin_segment(group_bytes, header, |_| Ok(()))
    }

    fn retire(&self, segment: ActiveSegment, trusted: bool) {
        let recyclable = trusted && segment.len == self.shared.pool.segment_bytes();
        self.shared.pool.push_sealed(SealedSegment {
            header: segment.header,
            path: segment.path,
            last: self.durable,
            bytes: segment.end,
            recyclable,
        });
    }

    /// The group is durable: inserts it, shows it, answers.
    fn apply(&mut self) {
        let last = Lsn(self.next.0.saturating_add(u64::from(self.buffer.count()))).prev();
        self.next = last.next();
        self.durable = last;
        self.unwitnessed = true;
        let mut answers = Vec::with_capacity(self.pending.len());
        for Pending { lsn, item, reply, queued, _room } in self.pending.drain(..) {
            answers.push((reply, self.sink.apply(lsn, item), queued, _room));
        }
        self.sink.group_applied(last);
        let now = self.shared.clock.monotonic();
        for (reply, value, queued, _room) in answers {
            let took = now.saturating_sub(queued);
            self.metrics.append_seconds.observe(took.as_secs_f64());
            answer(reply, Ok(value));
        }
        self.buffer.shrink(self.group_bytes.saturating_mul(2));
    }

    /// Gives the segment up, refuses who waited for it, and tries a fresh one.
    fn fail(&mut self, error: &io::Error) {
        self.metrics.sync_failures.inc();
        tracing::error!(%error, "log could not be written, its segment is given up");
        if let Some(segment) = self.active.take() {
            self.retire(segment, false);
        }
        self.shared.pool.note_active(None);
        self.next = Lsn(self.next.0.saturating_add(u64::from(self.buffer.count())));
        self.unwitnessed = false;
        self.regenerate = true;
        let refusal =
            Error::unavailable(format!("log could not be written: {error}"), FAILED_RETRY);
        self.shared.read_only.set(WAL_FAILED, refusal.message());
        for Pending { reply, .. } in self.pending.drain(..) {
            answer(reply, Err(refusal.duplicate()));
        }
        self.probe_at = Duration::ZERO;
        self.probe();
    }

    /// Without a segment: tries to begin one, at most once a second.
    fn probe(&mut self) {
        let now = self.shared.clock.monotonic();
        if self.active.is_some() || now < self.probe_at {
            return;
        }
        match self.begin_segment(0) {
            Ok(fresh) => {
                self.active = Some(fresh);
                self.shared.read_only.clear(WAL_FAILED);
                self.regenerate();
                tracing::info!("log has a fresh segment, writes are taken");
            }
            Err(error) => {
                self.probe_at = now.saturating_add(PROBE_EVERY);
                let message = format!("log has no segment to write: {error}");
                if self.shared.read_only.set(WAL_FAILED, message) {
                    tracing::error!(%error, "log has no segment to write, writes are refused");
                }
            }
        }
    }

    fn regenerate(&mut self) {
        if std::mem::take(&mut self.regenerate) {
            self.sink.begin_generation(self.next);
        }
    }

    /// Answers appends that came while the log cannot be written.
    fn refuse(&self, first: Job<S>) {
        let reason = self.shared.read_only.reason();
        let reason = reason.unwrap_or_else(|| "log has no segment to write".to_owned());
        let mut job = Some(first);
        while let Some(Job::Append { reply, .. }) = job.take() {
            answer(reply, Err(Error::unavailable(reason.clone(), FAILED_RETRY)));
            job = self.shared.pop_append();
        }
    }

    /// Writes the mark of a clean stop.
    fn seal(&mut self) -> Result<()> {
        self.buffer.clear();
        let sealed = if self.active.is_some() {
            self.write_group(GroupKind::Seal)
        } else {
            Err(io::Error::other("log has no segment to write"))
        };
        sealed.map_err(|e| Error::unavailable("seal the log", FAILED_RETRY).with_source(e))
    }
}

impl<S: Sink> Drop for CommitLoop<S> {
    fn drop(&mut self) {
        // Whatever ended the loop, a panic in the sink included: nobody may wait for it in vain.
        if std::thread::panicking() {
            self.shared.read_only.set(WAL_FAILED, "commit thread of the log has ended");
        }
        self.shared.abandon();
    }
}

/// Answers a request. It may have gone away meanwhile; what it sent is stored all the same.
fn answer<R>(reply: oneshot::Sender<Result<R>>, value: Result<R>) {
    drop(reply.send(value));
}
