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
use crate::head::replay::{DecodedRecord, Replayer, decode};
use crate::head::sink::HeadSink;
use crate::head::{Head, HeadGeneration};
use crate::paths::DataDir;
use crate::view::ViewCell;
use crate::wal::{self, Lsn, Records, Wal};

/// Decoded records that wait for their insert: enough to keep both threads busy; each is a request
/// of at most some tens of MiB.
const DECODED_MAX: usize = 16;

/// How the replay ended.
pub(crate) type Replayed = std::result::Result<(), Arc<Error>>;

/// A record between the two threads.
type Decoded = Result<(Lsn, TenantId, RequestMark, DecodedRecord)>;

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
        let recovery = wal::recover(&options, &handles.disk, floor)?;
        file::load(&head.requests, &dir, &*handles.disk);
        let mut replayer = Replayer::new(Arc::clone(&head), Arc::clone(&generation));
        // Reading and decoding run on another thread than inserting: both cost about the same.
        let (decoded, to_insert) = sync_channel(DECODED_MAX);
        let records = recovery.records(floor);
        handles
            .tasks
            .spawn_thread("replay-decode", Box::new(move || decode_all(records, &decoded)));
        for record in to_insert {
            if log.closing.load(Ordering::Acquire) {
                let message = "store was closed while its log was replayed";
                return Err(Error::unavailable(message, REPLAY_RETRY));
            }
            let (lsn, tenant, mark, rows) = record?;
            replayer.insert(lsn, &tenant, rows)?;
            head.requests.keep(mark.hash, mark.counts);
        }
        let (rows, next) = (generation.rows(), recovery.next_lsn.0);
        let taken = handles.clock.monotonic().saturating_sub(started);
        tracing::info!(rows, next_lsn = next, ?taken, "log replayed");
        let own = format!("{:032x}", options.writer_id);
        let sink = HeadSink::new(head, generation, Arc::clone(&view));
        let wal = Wal::start(options, &handles, recovery, sink);
        assert!(log.wal.set(wal).is_ok(), "a log is replayed once");
        view.update(|view| view.with_replaying(writers::silent(view.catalog(), &own).as_deref()));
        Ok(())
    }
}

/// Decodes records until the last, the first error, or nobody inserts them any more.
fn decode_all(records: Records, decoded: &SyncSender<Decoded>) {
    for record in records {
        let rows = record.and_then(|record| {
            let rows = decode(&record.payloads)
                .map_err(|e| e.context(format_args!("replay record {}", record.lsn.0)))?;
            let mark = RequestMark { hash: record.request_hash, counts: record.counts };
            Ok((record.lsn, record.tenant, mark, rows))
        });
        let last = rows.is_err();
        if decoded.send(rows).is_err() || last {
            return;
        }
    }
}

/// Makes the ballast whole again.
pub(super) fn fill(ballast: &Ballast) {
    if let Err(error) = ballast.fill() {
        tracing::warn!(%error, "no room can be kept for the last flush");
    }
}
