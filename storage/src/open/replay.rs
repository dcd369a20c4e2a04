//! The replay: what the log has above the committed and staged cuts goes into the head.
//!
//! One thread reads and decodes, another inserts, in the order of the log. Queries are answered
//! meanwhile, with the remark that rows may be missing (PAR-1); writes are refused. At the end the
//! log takes appends and the remark goes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};

use tarn_model::error::{Error, Result};
use tarn_model::tenant::TenantId;
use tokio::sync::watch;

use super::REPLAY_RETRY;
use super::shared::LogHandle;
use crate::Handles;
use crate::append::RequestMark;
use crate::append::requests::file;
use crate::catalog::writers;
use crate::disk::Ballast;
use crate::head::follow;
use crate::head::replay::{DecodedRecord, Replayer, decode};
use crate::head::sink::HeadSink;
use crate::head::{Head, HeadGeneration};
use crate::paths::DataDir;
use crate::view::ViewCell;
use crate::wal::{self, Lsn, Record, Records, Wal};

/// Batches that wait for their insert: enough to keep both threads busy; each is a request of at most
/// some tens of MiB, or some small ones.
const DECODED_MAX: usize = 4;
/// Records of one batch: what a batch says of each stays small beside its rows.
const JOINED_MAX: usize = 1024;

/// How the replay ended.
pub(crate) type Replayed = std::result::Result<(), Arc<Error>>;

/// Neighbouring records of one tenant, between the two threads.
struct Batch {
    first: Lsn,
    tenant: TenantId,
    marks: Vec<RequestMark>,
    rows: DecodedRecord,
}

/// What the replay thread needs.
pub(super) struct Replay {
    pub(super) options: wal::Options,
    pub(super) handles: Handles,
    pub(super) dir: DataDir,
    /// What is at or below is committed or staged.
    pub(super) floor: Lsn,
    pub(super) head: Arc<Head>,
    pub(super) view: Arc<ViewCell>,
    pub(super) generation: Arc<HeadGeneration>,
    pub(super) log: Arc<LogHandle>,
    pub(super) ballast: Arc<Ballast>,
}

impl Replay {
    pub(super) fn run(self, ended: &watch::Sender<Option<Replayed>>) {
        let ballast = Arc::clone(&self.ballast);
        let outcome = self.replay().map_err(|error| {
            tracing::error!(%error, "replay failed");
            Arc::new(error)
        });
        ended.send_replace(Some(outcome));
        fill(&ballast);
    }

    fn replay(self) -> Result<()> {
        let Self { options, handles, dir, floor, head, view, generation, log, .. } = self;
        let started = handles.clock.monotonic();
        follow::file::load(&head.followers, &dir, &*handles.disk);
        let recovery = wal::recover(&options, &handles.disk, floor)?;
        file::load(&head.requests, &dir, &*handles.disk);
        let mut replayer = Replayer::new(Arc::clone(&head), Arc::clone(&generation));
        // Reading and decoding run on another thread than inserting: both cost about the same.
        let (decoded, to_insert) = sync_channel(DECODED_MAX);
        let records = recovery.records(floor);
        handles
            .tasks
            .spawn_thread("replay-decode", Box::new(move || decode_all(records, &decoded)));
        for batch in to_insert {
            if log.closing.load(Ordering::Acquire) {
                let message = "store was closed while its log was replayed";
                return Err(Error::unavailable(message, REPLAY_RETRY));
            }
            let Batch { first, tenant, marks, rows } = batch?;
            replayer.insert(first, &tenant, rows)?;
            marks.iter().for_each(|mark| head.requests.keep(mark.hash, mark.counts));
        }
        let (rows, next) = (generation.rows(), recovery.next_lsn.0);
        let taken = handles.clock.monotonic().saturating_sub(started);
        tracing::info!(rows, next_lsn = next, ?taken, "log replayed");
        let own = format!("{:032x}", options.writer_id);
        let followers = Arc::clone(&head.followers);
        let sink = HeadSink::new(head, generation, Arc::clone(&view));
        let wal = Wal::start(options, &handles, recovery, sink);
        followers.attach(wal.files());
        assert!(log.wal.set(wal).is_ok(), "a log is replayed once");
        view.update(|view| view.with_replaying(writers::silent(view.catalog(), &own).as_deref()));
        Ok(())
    }
}

/// Decodes records until the last, the first error, or nobody inserts them any more.
fn decode_all(records: Records, decoded: &SyncSender<Result<Batch>>) {
    let mut last: Option<Batch> = None;
    for record in records {
        let next = match record.and_then(|record| Batch::decode(&record)) {
            Ok(next) => next,
            Err(error) => {
                // What stands before the error is inserted all the same.
                if last.is_none_or(|batch| decoded.send(Ok(batch.sorted())).is_ok()) {
                    decoded.send(Err(error)).ok();
                }
                return;
            }
        };
        let next = match &mut last {
            Some(batch) => batch.join(next),
            None => Some(next),
        };
        if let Some(next) = next
            && let Some(full) = last.replace(next)
            && decoded.send(Ok(full.sorted())).is_err()
        {
            return;
        }
    }
    if let Some(batch) = last {
        // Where nobody takes it, nobody misses it.
        decoded.send(Ok(batch.sorted())).ok();
    }
}

impl Batch {
    fn decode(record: &Record) -> Result<Self> {
        let rows = decode(&record.payloads)
            .map_err(|e| e.context(format_args!("replay record {}", record.lsn.0)))?;
        let mark = RequestMark { hash: record.request_hash, counts: record.counts };
        let tenant = record.tenant.clone();
        Ok(Self { first: record.lsn, tenant, marks: vec![mark], rows })
    }

    /// Takes the next record in; gives it back where it begins another batch.
    fn join(&mut self, next: Self) -> Option<Self> {
        if self.tenant != next.tenant || self.marks.len() >= JOINED_MAX {
            return Some(next);
        }
        let Self { first, tenant, marks, rows } = next;
        match self.rows.join(rows) {
            Some(rows) => Some(Self { first, tenant, marks, rows }),
            None => {
                self.marks.extend(marks);
                None
            }
        }
    }

    fn sorted(mut self) -> Self {
        if self.marks.len() > 1 {
            self.rows.sort();
        }
        self
    }
}

/// Makes the ballast whole again.
pub(super) fn fill(ballast: &Ballast) {
    if let Err(error) = ballast.fill() {
        tracing::warn!(%error, "no room can be kept for the last flush");
    }
}
