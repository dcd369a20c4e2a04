//! An alert log on a simulated disk, its user, and what is known about both from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::registry::Registry;
use tarn_model::error::{ErrorKind, Result};
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_model::units::ByteSize;
use tarn_storage::alert_log::{AlertLog, Entry, EntrySink, Options, Replayed};
use tarn_storage::wal::{CommitLoop, Lsn, Metrics, Upkeep};
use tarn_storage::{Handles, WalSync};
use tarn_testkit::sim::{SimClock, SimRng};
use tarn_testkit::sim_disk::SimDisk;
use tarn_testkit::tasks::HeldTasks;

pub(crate) const DIR: &str = "/data/alerts";
/// Small, so that a history crosses many segments.
const SEGMENT: u64 = 8 << 10;

/// What may happen to a log.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Append {
        calls: usize,
        entries: usize,
        bytes: usize,
    },
    Step,
    Witness,
    Upkeep,
    Snapshot,
    FailSyncs(u32),
    FailWrites(u32),
    FullDisk,
    FreeDisk,
    /// Time passes, so that a broken log probes again.
    Wait,
    CutPowerAfter(u64),
    PowerLoss,
    Kill,
    CloseAndStart,
}

thread_local! {
    static CLOCK: SimClock = SimClock::default();
}

/// The clock of this test.
pub(crate) fn clock() -> SimClock {
    CLOCK.with(SimClock::clone)
}

pub(crate) fn options(epoch: u64) -> Options {
    Options {
        dir: PathBuf::from(DIR),
        writer_id: 7,
        epoch,
        segment_bytes: ByteSize(SEGMENT),
        spares: 2,
        bytes_max: ByteSize::gib(1),
        sync: WalSync::Group,
        metrics: Metrics::register_alert_log(&mut Registry::default()),
    }
}

pub(crate) fn handles(disk: &SimDisk) -> Handles {
    Handles {
        clock: Arc::new(clock()),
        rng: Arc::new(SimRng::new(1)),
        tasks: Arc::new(HeldTasks::default()),
        disk: Arc::new(disk.clone()),
    }
}

/// The entries of call `id`: each knows how many there are.
pub(crate) fn entries(id: u64, count: usize, bytes: usize) -> Vec<Entry> {
    let entry = |at: usize| {
        let mut body = id.to_le_bytes().to_vec();
        body.extend_from_slice(&[at as u8, count as u8]);
        body.resize(10 + bytes, id as u8);
        let tenant = TenantId::parse(&format!("team-{}", at % 3)).expect("a name");
        Entry { tenant, kind: id as u16, body: Bytes::from(body) }
    };
    (0..count).map(entry).collect()
}

/// The state that ids add up to.
pub(crate) fn image(ids: &[u64]) -> Bytes {
    ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>().into()
}

/// The ids in a state, entries checked.
pub(crate) fn ids_of(replayed: &Replayed) -> Vec<u64> {
    let mut ids = image_ids(replayed);
    let mut expected = (0, 0);
    for Entry { tenant, kind, body } in &replayed.entries {
        let id = u64::from_le_bytes(body[..8].try_into().expect("eight bytes"));
        let (at, count) = (body[8], body[9]);
        assert!(body[10..].iter().all(|byte| *byte == id as u8), "bytes of {id} changed");
        assert_eq!(*kind, id as u16);
        assert_eq!(tenant.as_str(), format!("team-{}", at % 3));
        let (next, of) = expected;
        assert!(if next == of { at == 0 } else { at == next }, "call {id} is torn apart");
        expected = (at + 1, count);
        ids.push(id);
    }
    assert_eq!(expected.0, expected.1, "the last call is torn apart");
    ids
}

fn image_ids(replayed: &Replayed) -> Vec<u64> {
    let image = replayed.image.clone().unwrap_or_default();
    image.chunks(8).map(|id| u64::from_le_bytes(id.try_into().expect("eight bytes"))).collect()
}

type Answer = Pin<Box<dyn Future<Output = Result<Lsn>>>>;

/// A running log.
struct Running {
    log: AlertLog,
    commits: CommitLoop<EntrySink>,
    upkeep: Upkeep,
    /// Calls that were not answered, and how many entries they have.
    waiting: BTreeMap<u64, (usize, Answer)>,
    /// Answered since the start.
    answered: BTreeMap<Lsn, (u64, usize)>,
}

/// The log and its user.
pub(crate) struct World {
    disk: SimDisk,
    clock: SimClock,
    epoch: u64,
    next_id: u64,
    /// What the start found: the state without what was answered since.
    state: Vec<u64>,
    last: Lsn,
    /// Newest position that was answered or has a snapshot: none up to there is given again.
    given: Lsn,
    /// As many ids are in the newest snapshot at least.
    saved: usize,
    /// Told to be refused, or not answered; the log has not moved on since.
    doubtful: BTreeSet<u64>,
    /// Must never be seen again.
    gone: BTreeSet<u64>,
    running: Option<Running>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self {
            disk: SimDisk::new(seed),
            clock: clock(),
            epoch: 0,
            next_id: 1,
            state: Vec::new(),
            last: Lsn(0),
            given: Lsn(0),
            saved: 0,
            doubtful: BTreeSet::new(),
            gone: BTreeSet::new(),
            running: None,
        };
        world.start();
        world
    }

    pub(crate) fn operations(&self) -> u64 {
        self.disk.operations()
    }

    /// Ends the process; returns its disk and the state that it must be found with.
    pub(crate) fn end(mut self) -> (SimDisk, Vec<u64>) {
        self.stop();
        self.disk.kill();
        (self.disk, self.state)
    }

    pub(crate) fn act(&mut self, action: &Action) {
        match action {
            Action::Append { calls, entries, bytes } => self.append(*calls, *entries, *bytes),
            Action::Step => self.with(|running| {
                running.commits.step();
            }),
            Action::Witness => self.with(|running| running.commits.witness()),
            Action::Upkeep => self.with(|running| {
                // A failure is the disk's; the work stays to be done.
                while matches!(running.upkeep.step(), Ok(true)) {}
            }),
            Action::Snapshot => self.snapshot(),
            Action::FailSyncs(count) => self.disk.fail_syncs(*count),
            Action::FailWrites(count) => self.disk.fail_writes(*count),
            Action::FullDisk => self.disk.set_capacity(0),
            Action::FreeDisk => self.disk.set_capacity(u64::MAX),
            Action::Wait => self.clock.advance_to(self.clock.monotonic() + Duration::from_secs(2)),
            Action::CutPowerAfter(operations) => self.disk.cut_power_after(*operations),
            Action::PowerLoss => {
                self.stop();
                self.disk.power_loss();
                self.start();
            }
            Action::Kill => {
                self.stop();
                self.disk.kill();
                self.start();
            }
            Action::CloseAndStart => self.close_and_start(),
        }
        self.poll();
    }

    fn with(&mut self, work: impl FnOnce(&mut Running)) {
        if let Some(running) = &mut self.running {
            work(running);
        }
    }

    fn append(&mut self, calls: usize, count: usize, bytes: usize) {
        let Some(running) = &mut self.running else { return };
        for _ in 0..calls {
            let id = self.next_id;
            self.next_id += 1;
            running.waiting.insert(id, (count, running.log.append(entries(id, count, bytes))));
        }
    }

    /// Looks which calls have been answered.
    fn poll(&mut self) {
        let Some(running) = &mut self.running else { return };
        let mut context = Context::from_waker(Waker::noop());
        let (mut refused, answered) = (Vec::new(), &mut running.answered);
        let before = answered.len();
        running.waiting.retain(|id, (count, answer)| match answer.as_mut().poll(&mut context) {
            Poll::Pending => true,
            Poll::Ready(Ok(lsn)) => {
                assert!(answered.insert(lsn, (*id, *count)).is_none(), "{lsn:?} twice");
                false
            }
            Poll::Ready(Err(error)) => {
                assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
                refused.push(*id);
                false
            }
        });
        if answered.len() > before {
            // A later group is durable: what was refused before it must not come back.
            self.gone.append(&mut self.doubtful);
        }
        self.doubtful.extend(refused);
    }

    /// The state as its user knows it.
    fn known(&self) -> (Lsn, Vec<u64>) {
        let mut ids = self.state.clone();
        let answered = self.running.iter().flat_map(|running| &running.answered);
        let mut last = self.last;
        for (lsn, (id, count)) in answered {
            ids.extend(std::iter::repeat_n(*id, *count));
            last = last.max(*lsn);
        }
        (last, ids)
    }

    fn snapshot(&mut self) {
        let (last, ids) = self.known();
        let Some(running) = &mut self.running else { return };
        if futures::executor::block_on(running.log.snapshot(last, image(&ids))).is_ok() {
            self.saved = ids.len();
            self.given = last;
        }
    }

    /// Ends the process: whoever waited was not answered.
    fn stop(&mut self) {
        self.poll();
        (self.last, self.state) = self.known();
        if let Some(running) = self.running.take() {
            let answered = running.answered.keys().next_back().copied();
            self.given = self.given.max(answered.unwrap_or_default());
            self.doubtful.extend(running.waiting.keys());
        }
    }

    fn close_and_start(&mut self) {
        if let Some(running) = &mut self.running {
            let log = running.log.clone();
            let mut closing: Pin<Box<dyn Future<Output = Result<()>>>> =
                Box::pin(async move { log.close().await });
            let mut context = Context::from_waker(Waker::noop());
            while closing.as_mut().poll(&mut context).is_pending() {
                running.commits.step();
            }
        }
        self.stop();
        self.disk.kill();
        self.start();
    }

    fn start(&mut self) {
        self.epoch += 1;
        let handles = handles(&self.disk);
        let opened = AlertLog::open_stepped(&options(self.epoch), &handles);
        let (log, commits, upkeep) = match opened {
            Ok(opened) => opened,
            // A full disk, or power that is gone again: the operator clears it and tries again.
            Err(error) => {
                assert!(error.kind() != ErrorKind::Corrupt, "sound log refused: {error:?}");
                self.disk.set_capacity(u64::MAX);
                self.disk.kill();
                return self.start();
            }
        };
        let replayed = futures::executor::block_on(log.replay()).expect("it is open");
        self.compare(&replayed);
        let (waiting, answered) = (BTreeMap::new(), BTreeMap::new());
        self.running = Some(Running { log, commits, upkeep, waiting, answered });
    }

    /// Compares what a start finds with what was promised.
    fn compare(&mut self, replayed: &Replayed) {
        let found = ids_of(replayed);
        let saved = image_ids(replayed).len();
        assert!(saved >= self.saved, "a snapshot of {} ids is lost: {saved}", self.saved);
        let (promised, more) = found.split_at(self.state.len().min(found.len()));
        assert_eq!(promised, self.state, "DUR-1: what was acknowledged is lost or out of order");
        for id in more {
            assert!(!self.gone.contains(id), "DUR-3: refused call {id} is back");
            assert!(self.doubtful.contains(id), "call {id} came from nowhere, or twice");
        }
        assert!(replayed.last >= self.given, "{:?} after {:?}", replayed.last, self.given);
        let seen: BTreeSet<u64> = more.iter().copied().collect();
        assert_eq!(seen.len(), more.chunk_by(|a, b| a == b).count(), "a call twice: {more:?}");
        // What was found is acted upon from now on; what was not found is gone for good.
        self.doubtful.retain(|id| !seen.contains(id));
        self.gone.append(&mut self.doubtful);
        (self.state, self.last, self.saved) = (found, replayed.last, saved);
    }
}
