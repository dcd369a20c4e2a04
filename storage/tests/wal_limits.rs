//! The bounds of the log, and what it does at them: queue, size, disk (LIM-1, FUL-1).

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tarn_model::error::{Error, ErrorKind};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_model::units::ByteSize;
use tarn_storage::WalSync;
use tarn_storage::disk::{DiskWatch, Level, ReadOnly};
use tarn_storage::file::Disk;
use tarn_storage::wal::{
    CommitLoop, Lsn, Options, Payload, RecordBuilder, Sink, Step, Upkeep, Wal, recover,
};
use tarn_testkit::sim::SimClock;
use tarn_testkit::sim_disk::SimDisk;

#[path = "support/wal.rs"]
mod support;

use support::{handles, options};

const DIR: &str = "/data/wal";
const SEGMENT: u64 = 16 << 10;

/// Counts generations; a record whose first byte is 255 names no tenant, which is a bug of a sink.
#[derive(Default)]
struct Count {
    generations: u32,
}

impl Sink for Count {
    type Item = Bytes;
    type Reply = Lsn;

    fn bytes(item: &Bytes) -> usize {
        item.len()
    }

    fn frame(&mut self, _lsn: Lsn, item: &mut Bytes, record: &mut RecordBuilder) {
        let tenant = (item.first() != Some(&255)).then(TenantId::default_tenant);
        record.tenant = tenant;
        let bytes = item.clone();
        record.payloads.push(Payload { signal: Signal::Metrics, schema: 1, bytes });
    }

    fn apply(&mut self, lsn: Lsn, _item: Bytes) -> Lsn {
        lsn
    }

    fn group_applied(&mut self, _last: Lsn) {}

    fn begin_generation(&mut self, _first: Lsn) {
        self.generations += 1;
    }
}

struct Log {
    disk: SimDisk,
    clock: SimClock,
    wal: Wal<Count>,
    commits: CommitLoop<Count>,
    upkeep: Upkeep,
    read_only: ReadOnly,
}

type Answer = Pin<Box<dyn Future<Output = Result<Lsn, Error>>>>;

impl Log {
    fn start(change: impl FnOnce(Options) -> Options) -> Self {
        let (disk, clock) = (SimDisk::new(1), SimClock::default());
        let options = change(options(Path::new(DIR), 1, SEGMENT));
        let handles = handles(Arc::new(disk.clone()), clock.clone());
        let recovery = recover(&options, &handles.disk, Lsn(0)).expect("an empty log opens");
        let (sink, read_only) = (Count::default(), options.read_only.clone());
        let (wal, commits, upkeep) = Wal::start_stepped(options, &handles, recovery, sink);
        Self { disk, clock, wal, commits, upkeep, read_only }
    }

    /// Begins an append, as far as it goes without the commit thread.
    fn begin(&self, bytes: usize) -> (Answer, Poll<Result<Lsn, Error>>) {
        self.begin_with(Bytes::from(vec![1; bytes]))
    }

    fn begin_with(&self, item: Bytes) -> (Answer, Poll<Result<Lsn, Error>>) {
        let wal = self.wal.clone();
        let mut answer: Answer = Box::pin(async move { wal.append(item).await });
        let first = poll(&mut answer);
        (answer, first)
    }

    fn append(&mut self, bytes: usize) -> Result<Lsn, Error> {
        let (mut answer, first) = self.begin(bytes);
        let Poll::Pending = first else { return ready(first) };
        self.commits.step();
        ready(poll(&mut answer))
    }

    fn names(&self, extension: &str) -> usize {
        let entries = self.disk.list(Path::new(DIR)).expect("the folder is there");
        entries.iter().filter(|e| e.path.extension().is_some_and(|e| e == extension)).count()
    }
}

fn poll(answer: &mut Answer) -> Poll<Result<Lsn, Error>> {
    answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn ready(answer: Poll<Result<Lsn, Error>>) -> Result<Lsn, Error> {
    match answer {
        Poll::Ready(answer) => answer,
        Poll::Pending => Err(Error::internal("not answered")),
    }
}

fn assert_unavailable(answer: Result<Lsn, Error>, part: &str) {
    let error = answer.expect_err("must be refused");
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error:?}");
    assert!(error.message().contains(part), "{error:?}");
}

/// LIM-1: an append waits while the queue is at its bound, and one larger than the bound is taken
/// when it is alone.
#[test]
fn lim_1_the_queue_is_bounded_in_bytes() {
    let mut log = Log::start(|options| Options { queue_bytes_max: ByteSize::kib(4), ..options });
    let mut first: Vec<_> = (0..2).map(|_| log.begin(2 << 10).0).collect();
    let (mut waits, _) = log.begin(2 << 10);
    let (mut large, _) = log.begin(100 << 10);
    assert_eq!(log.commits.step(), Step::Committed(2), "the others wait outside the queue");
    assert!(first.iter_mut().all(|answer| ready(poll(answer)).is_ok()));
    assert!(poll(&mut waits).is_pending() && poll(&mut large).is_pending());
    assert_eq!(log.commits.step(), Step::Committed(1));
    assert_eq!(ready(poll(&mut waits)).unwrap(), Lsn(3));
    assert!(poll(&mut large).is_pending());
    assert_eq!(log.commits.step(), Step::Committed(1));
    assert_eq!(ready(poll(&mut large)).unwrap(), Lsn(4));
}

/// LIM-1: a log at its size bound refuses, until a flush has truncated it.
#[test]
fn lim_1_the_log_is_bounded_in_bytes() {
    let mut log = Log::start(|options| Options { bytes_max: ByteSize::kib(64), ..options });
    let mut last = Lsn(0);
    for _ in 0..1000 {
        match log.append(3000) {
            Ok(lsn) => last = lsn,
            Err(_) => break,
        }
    }
    assert!((10..30).contains(&last.0), "{last:?}");
    assert_unavailable(log.append(1), "limit is 64KiB");
    log.wal.truncate(last.prev());
    log.append(1).expect("there is room again");
}

/// A record larger than a segment has one of its own, which is not recycled.
#[test]
fn a_large_record_has_its_own_segment() {
    let mut log = Log::start(|options| options);
    log.append(10).unwrap();
    let last = log.append(200 << 10).unwrap();
    let next = log.append(10).unwrap();
    let lengths = |log: &Log| -> Vec<u64> {
        let entries = log.disk.list(Path::new(DIR)).unwrap().into_iter();
        entries.map(|entry| entry.bytes).collect()
    };
    assert_eq!(lengths(&log).iter().filter(|bytes| **bytes > SEGMENT).count(), 1);
    assert_eq!(log.names("segment"), 3);
    log.wal.truncate(last);
    while log.upkeep.step().unwrap() {}
    assert_eq!((log.names("segment"), log.names("spare")), (1, 1));
    assert!(lengths(&log).iter().all(|bytes| *bytes == SEGMENT));
    assert_eq!(next, last.next());
}

/// FUL-1: on a full disk the log refuses and stays sound; when there is room it goes on by itself.
#[test]
fn ful_1_a_full_disk_is_met_between_groups() {
    let mut log = Log::start(|options| options);
    log.append(3000).unwrap();
    log.disk.set_capacity(0);
    let mut taken = 1;
    let refused = loop {
        match log.append(3000) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    // The segment at work is allocated: it is filled to its end.
    assert!(taken >= 4, "{taken}");
    assert_unavailable(Err(refused), "could not be written");
    assert_unavailable(log.append(1), "writes are refused: log has no segment");
    log.disk.set_capacity(u64::MAX);
    assert_unavailable(log.append(1), "writes are refused");
    log.clock.advance_to(log.clock.monotonic() + Duration::from_secs(2));
    assert_eq!(log.commits.step(), Step::Idle);
    log.append(1).expect("there is room again");
}

/// FUL-1: below the hard threshold the watch refuses writes before the disk does, and no spare takes
/// the room that the flush needs; with room again all goes on by itself.
#[test]
fn ful_1_the_watch_refuses_before_the_disk_is_full() {
    let mut log = Log::start(|options| options);
    let disk: Arc<dyn Disk> = Arc::new(log.disk.clone());
    let watch = DiskWatch::new(disk, DIR.into(), log.read_only.clone());
    assert_eq!(watch.check().unwrap(), Level::Ample);
    log.append(1).unwrap();
    log.disk.set_capacity(2 * SEGMENT);
    while log.upkeep.step().unwrap() {}
    assert_eq!(watch.check().unwrap(), Level::Hard);
    assert_unavailable(log.append(1), "writes are refused: disk has 0B left");
    log.wal.release_spares();
    while log.upkeep.step().unwrap() {}
    assert_eq!(log.names("spare"), 0, "the room is for the flush");
    log.disk.set_capacity(100 * SEGMENT);
    assert_eq!(watch.check().unwrap(), Level::Ample);
    log.append(1).expect("there is room again");
    while log.upkeep.step().unwrap() {}
    assert_eq!(log.names("spare"), 1);
}

/// DUR-3: a failed sync refuses its group and no other; definitions are framed again.
#[test]
fn dur_3_a_failed_sync_ends_the_segment() {
    let mut log = Log::start(|options| options);
    log.append(1).unwrap();
    log.disk.fail_syncs(1);
    assert_unavailable(log.append(1), "sync failed");
    assert_eq!(log.append(1).unwrap(), Lsn(3), "LSN 2 is not used again");
    assert_eq!(log.names("segment"), 2);
    let wal = log.wal.clone();
    let mut generations = Box::pin(async move { wal.run(|sink, _| sink.generations).await });
    let mut context = Context::from_waker(Waker::noop());
    assert!(generations.as_mut().poll(&mut context).is_pending());
    assert_eq!(log.commits.step(), Step::Ran);
    let Poll::Ready(Ok(2)) = generations.as_mut().poll(&mut context) else {
        panic!("one generation at the start, one after the failure");
    };
    // Its blocks are not trusted again: it is removed, where others are recycled.
    while log.upkeep.step().unwrap() {}
    assert_eq!((log.names("segment"), log.names("spare")), (2, 1));
    log.wal.truncate(Lsn(3));
    while log.upkeep.step().unwrap() {}
    assert_eq!((log.names("segment"), log.names("spare")), (1, 1));
}

/// A bug in a sink costs the one request that met it.
#[test]
fn a_record_without_tenant_is_refused_alone() {
    let mut log = Log::start(|options| options);
    let (mut good, _) = log.begin(1);
    let (mut bad, _) = log.begin_with(Bytes::from_static(&[255]));
    let (mut later, _) = log.begin(1);
    assert_eq!(log.commits.step(), Step::Committed(1));
    assert_eq!(ready(poll(&mut good)).unwrap(), Lsn(1));
    assert_eq!(ready(poll(&mut bad)).unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(log.commits.step(), Step::Committed(1));
    assert_eq!(ready(poll(&mut later)).unwrap(), Lsn(2));
}

/// Whoever waits is told when the commit thread ends.
#[test]
fn nobody_waits_for_a_log_that_has_ended() {
    let log = Log::start(|options| options);
    let (mut waiting, _) = log.begin(1);
    let Log { wal, commits, .. } = log;
    drop(commits);
    assert_unavailable(ready(poll(&mut waiting)), "log is closed");
    let mut late: Answer = Box::pin(async move { wal.append(Bytes::new()).await });
    assert_unavailable(ready(poll(&mut late)), "log is closed");
}

/// `wal.sync: none` writes and never syncs: after a kill all is there, after a power loss perhaps.
#[test]
fn without_sync_a_kill_loses_nothing() {
    let mut log = Log::start(|options| Options { sync: WalSync::None, ..options });
    let before = log.disk.operations();
    log.append(1).unwrap();
    assert_eq!(log.disk.operations() - before, 1, "one write, no sync");
    let Log { disk, .. } = log;
    disk.kill();
    let again: Arc<dyn Disk> = Arc::new(disk);
    let recovery = recover(&options(Path::new(DIR), 2, SEGMENT), &again, Lsn(0)).unwrap();
    assert_eq!(recovery.records(Lsn(0)).count(), 1);
}
