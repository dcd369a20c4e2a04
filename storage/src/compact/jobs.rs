//! The table of merges: what waits, what runs, what became of the last ones, what is set aside.
//!
//! A place (tenant, signal, kind and day) whose merge failed is tried again after a while, longer
//! each time. After three failures that were not the store's it is set aside for an hour, so that
//! one damaged block does not hold up all others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tarn_model::error::{Error, ErrorKind};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::time::UnixNanos;

use crate::compact::merge::Progress;
use crate::compact::plan::Planned;

/// Ended jobs that are remembered: what an operator looks at after a night.
const ENDED_MAX: usize = 256;
/// Waiting jobs that are shown; the number of all is beside them.
const QUEUED_SHOWN: usize = 256;
/// First wait after a failure; doubled each time.
const RETRY_FIRST: Duration = Duration::from_secs(10);
/// Longest wait where the store failed: it may be back.
const RETRY_MAX: Duration = Duration::from_secs(600);
/// As many failures of its own set a place aside.
const FAILURES_MAX: u32 = 3;
/// For so long.
const SET_ASIDE: Duration = Duration::from_secs(3600);

/// One merge, as an operator sees it.
#[derive(Debug, Clone, Serialize)]
pub struct Job {
    /// Number since the start of the process.
    pub id: u64,
    /// Whose blocks.
    pub tenant: String,
    /// `metrics`, `logs` or `traces`.
    pub signal: &'static str,
    /// Kind of the blocks.
    pub kind: String,
    /// Day of the inputs, or `late`.
    pub day: String,
    /// Level of the outputs.
    pub level: u8,
    /// Why they are merged.
    pub reason: &'static str,
    /// Number of inputs.
    pub inputs: usize,
    /// Bytes of the inputs.
    pub bytes: u64,
    /// How far it is.
    pub state: JobState,
    /// Input rows that were read.
    pub rows_read: u64,
    /// Input bytes that were read.
    pub bytes_read: u64,
    /// Number of outputs.
    pub outputs: usize,
    /// Bytes of the outputs.
    pub output_bytes: u64,
    /// How often this place has failed in a row before.
    pub failures: u32,
    /// Why it failed or was dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it began, ms since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<i64>,
    /// How long it took, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for its turn.
    Queued,
    /// It runs.
    Running,
    /// Its outputs are committed.
    Done,
    /// It did not succeed, and will be tried again.
    Failed,
    /// Its outputs were not wanted any more.
    Dropped,
}

/// A place whose merges failed.
#[derive(Debug, Clone, Serialize)]
pub struct Trouble {
    /// Whose blocks.
    pub tenant: String,
    /// `metrics`, `logs` or `traces`.
    pub signal: &'static str,
    /// Kind of the blocks.
    pub kind: String,
    /// Day of the blocks, or `late`.
    pub day: String,
    /// How often in a row.
    pub failures: u32,
    /// The last error.
    pub error: String,
    /// It is left alone for this much longer, ms.
    pub retry_in_ms: u64,
}

/// The table, as of a moment.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Jobs {
    /// What runs.
    pub running: Option<Job>,
    /// How many wait.
    pub queued_total: usize,
    /// Bytes of the inputs of all that wait.
    pub queued_bytes: u64,
    /// The next ones.
    pub queued: Vec<Job>,
    /// The last ones, newest first.
    pub ended: Vec<Job>,
    /// What is left alone for a while.
    pub trouble: Vec<Trouble>,
}

/// What became of a merge.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is committed.
    Done { outputs: usize, bytes: u64 },
    /// Its outputs are not wanted.
    Dropped(String),
    /// It is to be tried again.
    Failed(Error),
}

/// A job that was taken from the queue.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) planned: Planned,
    pub(crate) progress: Arc<Progress>,
}

type Place = (TenantId, Signal, String, String);

/// Why a place is left alone.
#[derive(Debug)]
struct Failure {
    count: u32,
    /// Failures that were not the store's.
    own: u32,
    until: Duration,
    error: String,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct JobTable(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    last_id: u64,
    queued: VecDeque<(Job, Planned)>,
    running: Option<(Job, Arc<Progress>)>,
    ended: VecDeque<Job>,
    failures: BTreeMap<Place, Failure>,
}

impl JobTable {
    /// Replaces what waits; what is left alone for a while does not enter. Returns the bytes that
    /// wait now.
    pub(crate) fn queue(&self, planned: Vec<Planned>, now: Duration) -> u64 {
        let mut table = self.0.lock();
        table.queued.clear();
        for planned in planned {
            let failure = table.failures.get(&place(&planned));
            if failure.is_some_and(|failure| now < failure.until) {
                continue;
            }
            let failures = failure.map_or(0, |failure| failure.count);
            table.last_id += 1;
            let job = describe(table.last_id, &planned, failures);
            table.queued.push_back((job, planned));
        }
        table.queued.iter().map(|(job, _)| job.bytes).sum()
    }

    /// Takes the next job.
    pub(crate) fn start(&self, now: UnixNanos) -> Option<Started> {
        let mut table = self.0.lock();
        let (mut job, planned) = table.queued.pop_front()?;
        // One that was not ended: who had asked for it went away.
        if let Some((mut left, progress)) = table.running.take() {
            observe(&mut left, &progress);
            (left.state, left.error) = (JobState::Dropped, Some("nobody waited for it".to_owned()));
            table.remember(left);
        }
        job.state = JobState::Running;
        job.started_ms = Some(now.as_millis());
        let progress = Arc::new(Progress::default());
        table.running = Some((job, Arc::clone(&progress)));
        Some(Started { planned, progress })
    }

    /// Writes down what became of a job. Returns whether its place is now set aside.
    pub(crate) fn end(
        &self,
        started: &Started,
        outcome: &Outcome,
        took: Duration,
        now: Duration,
    ) -> bool {
        let mut table = self.0.lock();
        let Some((mut job, progress)) = table.running.take() else { return false };
        observe(&mut job, &progress);
        job.took_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let place = place(&started.planned);
        let mut set_aside = false;
        match outcome {
            Outcome::Done { outputs, bytes } => {
                (job.state, job.outputs, job.output_bytes) = (JobState::Done, *outputs, *bytes);
                table.failures.remove(&place);
            }
            Outcome::Dropped(why) => {
                (job.state, job.error) = (JobState::Dropped, Some(why.clone()));
            }
            Outcome::Failed(error) => {
                (job.state, job.error) = (JobState::Failed, Some(error.message()));
                set_aside = table.fail(place, error, now);
            }
        }
        table.remember(job);
        set_aside
    }

    /// Asks what runs to end soon.
    pub(crate) fn cancel(&self) {
        if let Some((_, progress)) = &self.0.lock().running {
            progress.cancel();
        }
    }

    /// Forgets failures, because somebody asks for another try.
    pub(crate) fn forgive(&self) {
        self.0.lock().failures.clear();
    }

    /// Returns the bytes that wait.
    pub(crate) fn queued_bytes(&self) -> u64 {
        self.0.lock().queued.iter().map(|(job, _)| job.bytes).sum()
    }

    /// Returns the table as of now.
    pub(crate) fn report(&self, now: Duration) -> Jobs {
        let table = self.0.lock();
        let running = table.running.as_ref().map(|(job, progress)| {
            let mut job = job.clone();
            observe(&mut job, progress);
            job
        });
        let trouble = table.failures.iter().filter(|(_, failure)| now < failure.until);
        let trouble = trouble.map(|((tenant, signal, kind, day), failure)| Trouble {
            tenant: tenant.to_string(),
            signal: signal.as_str(),
            kind: kind.clone(),
            day: day.clone(),
            failures: failure.count,
            error: failure.error.clone(),
            retry_in_ms: u64::try_from((failure.until - now).as_millis()).unwrap_or(u64::MAX),
        });
        Jobs {
            running,
            queued_total: table.queued.len(),
            queued_bytes: table.queued.iter().map(|(job, _)| job.bytes).sum(),
            queued: table.queued.iter().take(QUEUED_SHOWN).map(|(job, _)| job.clone()).collect(),
            ended: table.ended.iter().cloned().collect(),
            trouble: trouble.collect(),
        }
    }
}

impl Table {
    fn remember(&mut self, job: Job) {
        self.ended.push_front(job);
        self.ended.truncate(ENDED_MAX);
    }

    fn fail(&mut self, place: Place, error: &Error, now: Duration) -> bool {
        let of_the_store = matches!(error.kind(), ErrorKind::Unavailable { .. });
        let failure = self.failures.entry(place).or_insert_with(|| Failure {
            count: 0,
            own: 0,
            until: now,
            error: String::new(),
        });
        failure.count += 1;
        failure.own += u32::from(!of_the_store);
        failure.error = error.message();
        let set_aside = failure.own >= FAILURES_MAX;
        let doubled = RETRY_FIRST.saturating_mul(1 << (failure.count - 1).min(16));
        failure.until = now + if set_aside { SET_ASIDE } else { doubled.min(RETRY_MAX) };
        set_aside
    }
}

fn place(planned: &Planned) -> Place {
    let job = &planned.job;
    (job.tenant.clone(), job.signal, job.kind.clone(), planned.day.clone())
}

fn describe(id: u64, planned: &Planned, failures: u32) -> Job {
    let Planned { job, day, reason, bytes } = planned;
    Job {
        id,
        tenant: job.tenant.to_string(),
        signal: job.signal.as_str(),
        kind: job.kind.clone(),
        day: day.clone(),
        level: job.level,
        reason: reason.as_str(),
        inputs: job.inputs.len(),
        bytes: *bytes,
        state: JobState::Queued,
        rows_read: 0,
        bytes_read: 0,
        outputs: 0,
        output_bytes: 0,
        failures,
        error: None,
        started_ms: None,
        took_ms: None,
    }
}

fn observe(job: &mut Job, progress: &Progress) {
    job.rows_read = progress.rows.load(Ordering::Relaxed);
    job.bytes_read = progress.bytes.load(Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
