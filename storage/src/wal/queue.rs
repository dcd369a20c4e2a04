//! The queue in front of the commit thread: bounded in bytes, waited for without blocking.
//!
//! Appenders take their share of the bound from a semaphore before they queue, first come, first
//! served, and give it back when they are answered; so the bound covers the group at work as well.
//! The commit thread is a plain thread and sleeps on a condition variable.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tarn_model::error::{Error, Result};
use tarn_model::time::Clock;
use tarn_model::units::ByteSize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::pool::Pool;
use super::{Lsn, Options, Sink};
use crate::disk::ReadOnly;

/// The bound is counted in this unit, because a semaphore counts in `u32`.
const ROOM_UNIT: usize = 1024;
/// When to try again at a log that has ended: another process takes over.
const ENDED_RETRY: Duration = Duration::from_secs(2);

/// What runs between two groups: the sink, and the last LSN that is not above it.
pub(super) type Work<S> = Box<dyn FnOnce(&mut S, Lsn) + Send>;

/// What waits for the commit thread.
pub(super) enum Job<S: Sink> {
    Append {
        item: S::Item,
        reply: oneshot::Sender<Result<S::Reply>>,
        /// When it came, on the monotonic clock.
        queued: Duration,
        /// Its share of the queue's bound; given back when it is answered.
        room: OwnedSemaphorePermit,
    },
    Run(Work<S>),
    Close(oneshot::Sender<Result<()>>),
}

/// What appenders and the commit thread share.
pub(super) struct Shared<S: Sink> {
    pub(super) pool: Arc<Pool>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) read_only: ReadOnly,
    pub(super) bytes_max: ByteSize,
    room: Arc<Semaphore>,
    room_units: u32,
    queue: Mutex<Queue<S>>,
    wake: Condvar,
}

struct Queue<S: Sink> {
    jobs: VecDeque<Job<S>>,
    closed: bool,
}

impl<S: Sink> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// How a wait ended.
pub(super) enum Next {
    /// There may be a job.
    Job,
    /// The time limit has passed.
    Nothing,
    /// There will be no more jobs.
    End,
}

impl<S: Sink> Shared<S> {
    pub(super) fn new(options: &Options, clock: Arc<dyn Clock>, pool: Arc<Pool>) -> Self {
        let units = options.queue_bytes_max.as_usize().div_ceil(ROOM_UNIT);
        let units = units.clamp(1, Semaphore::MAX_PERMITS);
        let room_units = u32::try_from(units).unwrap_or(u32::MAX);
        Self {
            pool,
            clock,
            read_only: options.read_only.clone(),
            bytes_max: options.bytes_max,
            room: Arc::new(Semaphore::new(room_units as usize)),
            room_units,
            queue: Mutex::new(Queue { jobs: VecDeque::new(), closed: false }),
            wake: Condvar::new(),
        }
    }

    /// Waits for room in the queue. An item beyond the whole bound waits until it is alone.
    pub(super) async fn acquire(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(ROOM_UNIT)).unwrap_or(u32::MAX);
        let units = units.clamp(1, self.room_units);
        Arc::clone(&self.room).acquire_many_owned(units).await.map_err(|_| ended())
    }

    pub(super) fn push(&self, job: Job<S>) -> Result<()> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(ended());
        }
        queue.jobs.push_back(job);
        self.wake.notify_one();
        Ok(())
    }

    /// Refuses further jobs; those that wait are still taken.
    pub(super) fn close(&self) {
        self.queue.lock().closed = true;
        self.room.close();
        self.wake.notify_one();
        self.pool.close();
    }

    /// Refuses further jobs, and those that wait.
    pub(super) fn abandon(&self) {
        self.close();
        let jobs = std::mem::take(&mut self.queue.lock().jobs);
        // Outside the lock: whoever is told may come back at once.
        drop(jobs);
    }

    /// Sleeps until there is a job, the log is closed, or `limit` has passed.
    pub(super) fn wait(&self, limit: Option<Duration>) -> Next {
        let mut queue = self.queue.lock();
        if queue.jobs.is_empty() && queue.closed {
            return Next::End;
        }
        if queue.jobs.is_empty() {
            match limit {
                Some(limit) if self.wake.wait_for(&mut queue, limit).timed_out() => {
                    return if queue.jobs.is_empty() { Next::Nothing } else { Next::Job };
                }
                Some(_) => {}
                None => self.wake.wait(&mut queue),
            }
        }
        Next::Job
    }

    pub(super) fn pop(&self) -> Option<Job<S>> {
        self.queue.lock().jobs.pop_front()
    }

    /// Returns the next job if it is an append.
    pub(super) fn pop_append(&self) -> Option<Job<S>> {
        let mut queue = self.queue.lock();
        let next = queue.jobs.front()?;
        if matches!(next, Job::Append { .. }) { queue.jobs.pop_front() } else { None }
    }
}

/// Ends the threads when the last handle of a log goes.
#[derive(Debug)]
pub(super) struct Owner<S: Sink>(Arc<Shared<S>>);

impl<S: Sink> Owner<S> {
    pub(super) fn new(shared: Arc<Shared<S>>) -> Self {
        Self(shared)
    }
}

impl<S: Sink> Drop for Owner<S> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The error of those who come to a log that has ended.
pub(super) fn ended() -> Error {
    Error::unavailable("log is closed", ENDED_RETRY)
}
