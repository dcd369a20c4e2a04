//! Takes jobs, runs them, commits or drops.
//!
//! One merge runs at a time, on a thread of its own that stands behind all others. Its outputs are
//! stored under names never used before and then committed in one step: `{add: outputs, remove:
//! inputs}`. The proposal asks for every input again, and for tombstones that the merge did not
//! know; where the catalog has moved on, the outputs are dropped. Then the view takes the new catalog
//! version, which moves no boundary between blocks and log: what a query sees stays the same
//! (VIS-3).
//!
//! A store that does not answer makes the worker wait. A merge that fails for its own reasons is
//! put off, and others go on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use prometheus_client::registry::Registry;
use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::map::HashMap;
use tarn_model::signal::Signal;
use tarn_model::tasks::Tasks;
use tarn_model::time::Clock;
use tokio::runtime::Handle;
use tracing::Instrument as _;

use crate::block::BlockMeta;
use crate::catalog::{CommitError, Draft, Identity, State};
use crate::compact::jobs::{JobTable, Outcome, Started};
use crate::compact::merge::{KINDS, MergeJob, Progress};
use crate::compact::metrics::Metrics;
use crate::compact::plan::{Planned, Planner, Which};
use crate::compact::work::{Work, within_budget};
use crate::disk::Level;
use crate::invariants::VIS_3;
use crate::open::Shared;

/// A long queue is planned anew after this long: new small blocks come before old large ones.
const REPLAN: Duration = Duration::from_secs(60);
/// First wait after a failure of the store; doubled up to [`BACKOFF_MAX`].
const BACKOFF_FIRST: Duration = Duration::from_secs(5);
/// Longest wait: a store that comes back is noticed within a minute.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Rounds of one request: late blocks are split, then runs merged, then days.
const ROUNDS_MAX: usize = 8;

/// What merges did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// Merges that were committed.
    pub merges: usize,
    /// Their inputs.
    pub inputs: usize,
    /// Their outputs.
    pub outputs: usize,
    /// Bytes of the inputs.
    pub bytes_read: u64,
    /// Bytes of the outputs.
    pub bytes_written: u64,
    /// Merges whose outputs were not wanted any more.
    pub dropped: usize,
    /// Merges that failed.
    pub failed: usize,
    /// Number of the newest manifest.
    pub manifest: u64,
}

/// Merges the blocks of one store.
#[derive(Debug)]
pub(crate) struct Compactor {
    pub(crate) jobs: JobTable,
    metrics: Metrics,
    /// One merge in the whole process. Holds when blocks were first seen.
    turn: tokio::sync::Mutex<Arrivals>,
    /// Somebody who asked waits for the turn.
    asking: AtomicUsize,
    closing: AtomicBool,
}

impl Compactor {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        Self {
            jobs: JobTable::default(),
            metrics: Metrics::register(registry),
            turn: tokio::sync::Mutex::default(),
            asking: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
        }
    }

    /// Plans and merges what is due.
    pub(crate) async fn round(&self, store: &Shared) -> Result<CompactReport> {
        let mut turn = self.turn.lock().await;
        let mut report = CompactReport::default();
        while self.queue(store, &mut turn, None) {
            let span = tracing::info_span!("compact");
            if !self.work_off(store, &mut report).instrument(span).await? {
                break;
            }
        }
        Ok(report)
    }

    /// Merges everything of `which` as far as it goes.
    pub(crate) async fn merge_all(&self, store: &Shared, which: &Which) -> Result<CompactReport> {
        let asking = Asking::new(&self.asking);
        let mut turn = self.turn.lock().await;
        drop(asking);
        let mut report = CompactReport::default();
        self.jobs.forgive();
        for _ in 0..ROUNDS_MAX {
            let before = report.merges;
            if !self.queue(store, &mut turn, Some(which)) {
                break;
            }
            while self.work_off(store, &mut report).await? {}
            if report.merges == before {
                break;
            }
        }
        report.manifest = store.flusher.catalog.state().version();
        Ok(report)
    }

    /// Ends what runs, and lets nothing begin any more.
    pub(crate) async fn stop(&self) {
        self.closing.store(true, Ordering::Release);
        self.jobs.cancel();
        drop(self.turn.lock().await);
    }

    /// Plans; returns whether anything waits.
    fn queue(&self, store: &Shared, arrivals: &mut Arrivals, asked: Option<&Which>) -> bool {
        let clock = &store.handles.clock;
        let (now, now_ms) = (clock.monotonic(), clock.now().as_millis());
        let state = store.flusher.catalog.state();
        arrivals.see(&state, now_ms);
        let arrived = |block: &BlockMeta| arrivals.of(block);
        let options = &within_budget(&store.options);
        let planner = Planner { options, now_ms, arrived: &arrived, asked, kinds: KINDS };
        let bytes = self.jobs.queue(planner.plan(&state), now);
        self.metrics.pending(bytes);
        bytes > 0
    }

    /// Runs what waits; returns whether to plan again.
    async fn work_off(&self, store: &Shared, report: &mut CompactReport) -> Result<bool> {
        let clock = &store.handles.clock;
        let began = clock.monotonic();
        loop {
            self.may_run(store)?;
            let Some(started) = self.jobs.start(clock.now()) else { return Ok(false) };
            let outcome = self.run_job(store, &started, report).await;
            self.metrics.pending(self.jobs.queued_bytes());
            if let Outcome::Failed(error) = outcome
                && matches!(error.kind(), ErrorKind::Unavailable { .. })
            {
                return Err(error);
            }
            if self.asking.load(Ordering::Acquire) > 0 {
                return Ok(false);
            }
            if clock.monotonic().saturating_sub(began) >= REPLAN {
                return Ok(true);
            }
        }
    }

    /// A merge needs the log replayed, room on a local disk, and a store that stays.
    fn may_run(&self, store: &Shared) -> Result<()> {
        let wait = store.options.compaction.interval;
        if self.closing.load(Ordering::Acquire) {
            return Err(Error::unavailable("store is being closed", wait));
        }
        store.log.wal()?;
        if let Some(error) = &*store.flusher.fatal.borrow() {
            return Err(error.duplicate());
        }
        if store.is_local() && *store.disk_level.borrow() == Level::Hard {
            return Err(Error::unavailable("disk is full, blocks are not merged", wait));
        }
        Ok(())
    }

    async fn run_job(
        &self,
        store: &Shared,
        started: &Started,
        report: &mut CompactReport,
    ) -> Outcome {
        let clock = &store.handles.clock;
        let began = clock.monotonic();
        let ended = self.merge_and_commit(store, started).await;
        let outcome = ended.unwrap_or_else(Outcome::Failed);
        let now = clock.monotonic();
        let took = now.saturating_sub(began);
        let set_aside = self.jobs.end(started, &outcome, took, now);
        self.metrics.ended(&outcome, took);
        let Planned { job, day, reason, bytes } = &started.planned;
        let MergeJob { tenant, signal, kind, level, inputs, .. } = job;
        let inputs = inputs.len();
        match &outcome {
            Outcome::Done { outputs, bytes: written } => {
                report.merges += 1;
                report.inputs += inputs;
                report.outputs += outputs;
                report.bytes_read += bytes;
                report.bytes_written += written;
                tracing::info!(
                    %tenant, %signal, kind, day, level, reason = reason.as_str(), inputs, bytes,
                    outputs, written, ?took, "merged"
                );
            }
            Outcome::Dropped(why) => {
                report.dropped += 1;
                tracing::info!(%tenant, %signal, kind, day, why, "merge dropped");
            }
            Outcome::Failed(error) if self.closing.load(Ordering::Acquire) => {
                tracing::debug!(%error, "merge ended by the stop");
            }
            Outcome::Failed(error) => {
                report.failed += 1;
                tracing::warn!(%tenant, %signal, kind, day, inputs, %error, set_aside, "merge failed");
            }
        }
        outcome
    }

    async fn merge_and_commit(&self, store: &Shared, started: &Started) -> Result<Outcome> {
        let Started { planned, progress, .. } = started;
        let job = &planned.job;
        let merged = self.merge(store, started).await;
        // What came of it is settled, but for the counters.
        let written = merged.as_ref().map_or(0, |blocks| blocks.iter().map(|b| b.bytes).sum());
        self.metrics.moved(progress.bytes.load(Ordering::Relaxed), written);
        let outputs = merged?;
        if let Err(broken) = check(job, &outputs) {
            store.flusher.invariants.broken(VIS_3, &broken);
            return Err(Error::internal(format!("merge of {} blocks: {broken}", job.kind)));
        }
        // Not before this start counts in the bucket.
        store.flusher.join().await?;
        self.may_run(store)?;
        let identity = &store.flusher.identity;
        let mut unwanted = None;
        let committed = store.flusher.catalog.commit(identity, |base| {
            match propose(base, identity, job, &outputs)? {
                Proposal::Commit(draft) => Ok(Some(*draft)),
                Proposal::Done => Ok(None),
                Proposal::Drop(why) => {
                    unwanted = Some(why);
                    Ok(None)
                }
            }
        });
        if let Err(error) = committed.await {
            if matches!(error, CommitError::Fenced { .. }) {
                store.flusher.fence(&error);
            }
            return Err(Error::from(error).context("commit a merge"));
        }
        store.flusher.follow_newest();
        store.flusher.checkpoint().await;
        Ok(match unwanted {
            Some(why) => Outcome::Dropped(why),
            None => Outcome::Done { outputs: outputs.len(), bytes: written },
        })
    }

    /// Merges on a thread of its own, and ends the thread where nobody waits any more.
    async fn merge(&self, store: &Shared, started: &Started) -> Result<Vec<Arc<BlockMeta>>> {
        let Started { planned, progress, .. } = started;
        let work = Work::new(store, planned.job.clone(), Arc::clone(progress));
        let _cancel = CancelOnDrop(progress);
        let runtime = Handle::try_current().ok();
        on_thread(&*store.handles.tasks, move || work.run(runtime.as_ref())).await?
    }
}

/// Merges whatever is due, as long as the store is there.
pub(crate) async fn run(store: Weak<Shared>) {
    let Some(shared) = store.upgrade() else { return };
    let clock: Arc<dyn Clock> = Arc::clone(&shared.handles.clock);
    let interval = shared.options.compaction.interval;
    drop(shared);
    let (mut wait, mut backoff) = (interval, BACKOFF_FIRST);
    loop {
        clock.sleep(wait).await;
        let Some(shared) = store.upgrade() else { return };
        if shared.is_closing() {
            return;
        }
        // Not an error: what is due waits for the replay, or for room on the disk.
        if shared.compactor.may_run(&shared).is_err() {
            wait = interval;
            continue;
        }
        match shared.compactor.round(&shared).await {
            Ok(_) => (wait, backoff) = (interval, BACKOFF_FIRST),
            Err(error) => {
                tracing::debug!(%error, retry = ?backoff, "merges wait");
                (wait, backoff) = (backoff, backoff.saturating_mul(2).min(BACKOFF_MAX));
            }
        }
    }
}

/// When blocks were first seen, ms.
#[derive(Debug, Default)]
struct Arrivals {
    /// Blocks that may be merged yet, by object.
    seen: HashMap<String, i64>,
    begun: bool,
}

impl Arrivals {
    /// Takes note of new blocks. Of those that were there at the start only their rows tell an age.
    fn see(&mut self, state: &State, now_ms: i64) {
        let mut seen = HashMap::default();
        for block in state.all_blocks().filter(|block| block.level < 2) {
            let first = if self.begun { now_ms } else { block.time_max_ms.min(now_ms) };
            let (object, first) =
                self.seen.remove_entry(&block.object).unwrap_or((block.object.clone(), first));
            seen.insert(object, first);
        }
        self.seen = seen;
        self.begun = true;
    }

    fn of(&self, block: &BlockMeta) -> i64 {
        self.seen.get(&block.object).copied().unwrap_or(block.time_max_ms)
    }
}

/// Ends a merge that nobody waits for any more.
struct CancelOnDrop<'a>(&'a Progress);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Counts who waits for the turn, also where the wait is given up.
struct Asking<'a>(&'a AtomicUsize);

impl<'a> Asking<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Runs work on a thread of its own that gives way to all others.
async fn on_thread<T: Send + 'static>(
    tasks: &dyn Tasks,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (send, receive) = tokio::sync::oneshot::channel();
    let work = move || {
        give_way();
        // Nobody waits any more where this fails.
        drop(send.send(work()));
    };
    tasks.spawn_thread("compact", Box::new(work));
    receive.await.map_err(|_| Error::internal("the thread of a merge ended without an outcome"))
}

/// Steps of niceness that merges stand behind the others, as queries do: a machine that is busy for
/// good must get round to them, too.
const NICE: i32 = 5;

fn give_way() {
    // On Linux the call concerns the calling thread only. Without the right to it, merges compete at
    // equal priority, which is no fault.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "merge keeps its priority");
    }
}

/// What a commit of a merge would be in a catalog version.
#[derive(Debug)]
enum Proposal {
    Commit(Box<Draft>),
    /// An attempt whose reply was lost has committed it.
    Done,
    /// The outputs are not wanted.
    Drop(String),
}

/// Proposes to put the outputs in the place of the inputs.
fn propose(
    base: &State,
    identity: &Identity,
    job: &MergeJob,
    outputs: &[Arc<BlockMeta>],
) -> Result<Proposal, CommitError> {
    let Identity { id, epoch } = identity;
    let theirs = base.writer(id).map_or(0, |record| record.writer.epoch);
    if theirs != *epoch {
        return Err(CommitError::Fenced { writer: id.clone(), ours: *epoch, theirs });
    }
    let live: HashMap<&str, &Arc<BlockMeta>> =
        base.blocks(&job.tenant, job.signal).map(|block| (block.object.as_str(), block)).collect();
    if !outputs.is_empty() && outputs.iter().all(|block| live.contains_key(&*block.object)) {
        return Ok(Proposal::Done);
    }
    for (input, known) in job.inputs.iter().zip(&job.erased) {
        let Some(block) = live.get(&*input.object) else {
            return Ok(Proposal::Drop(format!("input {} is gone", input.object)));
        };
        let unknown = |id: &str| known.iter().all(|tombstone| tombstone.id != id);
        if let Some(new) = base.erased_in(block).iter().find(|t| unknown(&t.id)) {
            return Ok(Proposal::Drop(format!("rows were erased meanwhile, by {}", new.id)));
        }
    }
    let removed = job.inputs.iter().map(|input| input.object.clone()).collect();
    let added = outputs.to_vec();
    Ok(Proposal::Commit(Box::new(Draft { added, removed, ..Draft::default() })))
}

/// Checks what a merge must not change, as far as the entries of the catalog tell (VIS-3).
fn check(job: &MergeJob, outputs: &[Arc<BlockMeta>]) -> Result<(), String> {
    let seq = job.inputs.iter().map(|block| block.seq).max().unwrap_or(0);
    for block in outputs {
        let home = block.tenant == job.tenant.as_str() && block.signal == job.signal.as_str();
        if !home || block.kind != job.kind || block.level != job.level || block.seq != seq {
            let BlockMeta { object, level, seq: got, .. } = &**block;
            return Err(format!("output {object} has level {level} and place {got}, not {seq}"));
        }
    }
    let sum = |blocks: &[Arc<BlockMeta>], of: fn(&BlockMeta) -> u64| -> u64 {
        blocks.iter().map(|block| of(block)).sum()
    };
    // Samples of one series and time fall together, log records and spans never.
    let all_rows = job.signal != Signal::Metrics;
    let of: fn(&BlockMeta) -> u64 =
        if all_rows { |block| block.rows } else { |block| block.samples };
    let (before, after) = (sum(&job.inputs, of), sum(outputs, of));
    let keeps_all = all_rows && job.erased.iter().all(Vec::is_empty);
    if after > before || (keeps_all && after != before) {
        return Err(format!("{before} rows went in, {after} came out"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
