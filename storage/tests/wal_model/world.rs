//! A log on a simulated disk, and the model that it is held against.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tarn_model::error::Result;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_storage::wal::{
    CommitLoop, Lsn, Payload, RecordBuilder, Records, Sink, Upkeep, Wal, recover,
};
use tarn_testkit::sim::SimClock;
use tarn_testkit::sim_disk::SimDisk;

use crate::support::{handles, options};

/// Small, so that a history crosses many segments.
const SEGMENT: u64 = 16 << 10;
/// Rows belong to so many series; each needs its definition once per generation.
const SERIES: u64 = 5;

/// What may happen to a log.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Append {
        count: usize,
        bytes: usize,
    },
    Step,
    Witness,
    Upkeep,
    /// Commits and truncates up to a share of what is applied, in percent.
    Truncate(u8),
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

/// One row: its value is unique.
pub(crate) struct Row {
    value: u64,
    bytes: usize,
}

/// What the sink has seen, shared with the world.
#[derive(Debug, Default)]
struct Seen {
    applied: BTreeMap<Lsn, u64>,
    visible: Lsn,
    generation: Lsn,
}

struct ModelSink {
    seen: Arc<Mutex<Seen>>,
    defined: BTreeSet<u64>,
}

impl Sink for ModelSink {
    type Item = Row;
    type Reply = (Lsn, u64);

    fn bytes(item: &Row) -> usize {
        item.bytes
    }

    fn frame(&mut self, _lsn: Lsn, item: &mut Row, record: &mut RecordBuilder) {
        let defines = self.defined.insert(item.value % SERIES);
        let mut bytes = item.value.to_le_bytes().to_vec();
        bytes.push(u8::from(defines));
        bytes.resize(9 + item.bytes, item.value as u8);
        record.tenant = Some(TenantId::default_tenant());
        let bytes = Bytes::from(bytes);
        record.payloads.push(Payload { signal: Signal::Metrics, schema: 1, bytes });
    }

    fn apply(&mut self, lsn: Lsn, item: Row) -> (Lsn, u64) {
        assert!(self.seen.lock().applied.insert(lsn, item.value).is_none(), "LSN {lsn:?} twice");
        (lsn, item.value)
    }

    fn group_applied(&mut self, last: Lsn) {
        self.seen.lock().visible = last;
    }

    fn begin_generation(&mut self, first: Lsn) {
        let mut seen = self.seen.lock();
        assert!(first > seen.visible && first >= seen.generation, "generations go forward");
        seen.generation = first;
        self.defined.clear();
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<(Lsn, u64)>>>>;

/// A running log.
struct Running {
    wal: Wal<ModelSink>,
    commits: CommitLoop<ModelSink>,
    upkeep: Upkeep,
    seen: Arc<Mutex<Seen>>,
    waiting: BTreeMap<u64, Answer>,
}

/// The log and what is known about it from outside.
pub(crate) struct World {
    disk: SimDisk,
    clock: SimClock,
    epoch: u64,
    committed: Lsn,
    next_value: u64,
    /// Must be found at the next start, above `committed`.
    promised: BTreeMap<Lsn, u64>,
    /// Told to be refused; the log has not moved on since.
    doubtful: BTreeSet<u64>,
    /// Must never be seen again.
    gone: BTreeSet<u64>,
    highest: Lsn,
    running: Option<Running>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self {
            disk: SimDisk::new(seed),
            clock: SimClock::default(),
            epoch: 0,
            committed: Lsn(0),
            next_value: 1,
            promised: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            gone: BTreeSet::new(),
            highest: Lsn(0),
            running: None,
        };
        world.start();
        world
    }

    pub(crate) fn operations(&self) -> u64 {
        self.disk.operations()
    }

    pub(crate) fn act(&mut self, action: &Action) {
        match action {
            Action::Append { count, bytes } => self.append(*count, *bytes),
            Action::Step => self.step(),
            Action::Witness => self.with(|running| running.commits.witness()),
            Action::Upkeep => self.with(|running| {
                // A failure is the disk's; the work stays to be done.
                while matches!(running.upkeep.step(), Ok(true)) {}
            }),
            Action::Truncate(percent) => self.truncate(*percent),
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

    fn append(&mut self, count: usize, bytes: usize) {
        let Some(running) = &mut self.running else { return };
        for _ in 0..count {
            let value = self.next_value;
            self.next_value += 1;
            let wal = running.wal.clone();
            let answer = async move { wal.append(Row { value, bytes }).await };
            running.waiting.insert(value, Box::pin(answer));
        }
    }

    fn step(&mut self) {
        self.with(|running| {
            running.commits.step();
        });
    }

    /// Looks which appends have been answered.
    fn poll(&mut self) {
        let Some(running) = &mut self.running else { return };
        let mut context = Context::from_waker(Waker::noop());
        let (mut refused, mut moved_on) = (Vec::new(), false);
        running.waiting.retain(|value, answer| match answer.as_mut().poll(&mut context) {
            Poll::Pending => true,
            Poll::Ready(Ok((lsn, stored))) => {
                assert_eq!(stored, *value);
                let seen = running.seen.lock();
                assert_eq!(seen.applied.get(&lsn), Some(value), "answered before it was applied");
                assert!(seen.visible >= lsn, "VIS-1: answered before it was visible");
                moved_on = true;
                false
            }
            Poll::Ready(Err(_)) => {
                refused.push(*value);
                false
            }
        });
        self.promised.extend(&running.seen.lock().applied);
        if moved_on {
            // A later group is durable: what was refused before it must not come back.
            self.gone.append(&mut self.doubtful);
        }
        self.doubtful.extend(refused);
    }

    fn truncate(&mut self, percent: u8) {
        let Some(running) = &mut self.running else { return };
        let reach = running.seen.lock().visible.0.max(self.committed.0);
        let more = (reach - self.committed.0) * u64::from(percent) / 100;
        self.committed = Lsn(self.committed.0 + more);
        running.wal.truncate(self.committed);
    }

    /// Ends the process: whoever waited was not answered.
    fn stop(&mut self) {
        self.poll();
        if let Some(running) = self.running.take() {
            self.doubtful.extend(running.waiting.keys());
        }
    }

    fn close_and_start(&mut self) {
        if let Some(running) = &mut self.running {
            let wal = running.wal.clone();
            let mut closing: Pin<Box<dyn Future<Output = Result<()>>>> =
                Box::pin(async move { wal.close().await });
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
        let handles = handles(Arc::new(self.disk.clone()), self.clock.clone());
        let options = options(Path::new("/data/wal"), self.epoch, SEGMENT);
        let recovery = match recover(&options, &handles.disk, self.committed) {
            Ok(recovery) => recovery,
            // A full disk, or power that is gone again: the operator clears it and tries again.
            Err(error) => {
                let corrupt = error.kind() == tarn_model::error::ErrorKind::Corrupt;
                assert!(!corrupt, "sound log refused: {error:?}");
                self.disk.set_capacity(u64::MAX);
                self.disk.kill();
                return self.start();
            }
        };
        assert!(recovery.next_lsn > self.highest, "LSN {:?} used again", recovery.next_lsn);
        self.replay(recovery.records(self.committed));
        let seen = Arc::new(Mutex::new(Seen { visible: self.highest, ..Seen::default() }));
        let sink = ModelSink { seen: Arc::clone(&seen), defined: BTreeSet::new() };
        let (wal, commits, upkeep) = Wal::start_stepped(options, &handles, recovery, sink);
        self.running = Some(Running { wal, commits, upkeep, seen, waiting: BTreeMap::new() });
    }

    /// Compares what a start finds with what was promised.
    fn replay(&mut self, records: Records) {
        let mut found = BTreeMap::new();
        let mut values = BTreeSet::new();
        let mut last = self.committed;
        let mut defined = BTreeSet::new();
        for record in records {
            let record = record.expect("a sound log is replayed");
            assert!(record.lsn > last, "LSN {:?} after {last:?}", record.lsn);
            last = record.lsn;
            let bytes = &record.payloads[0].bytes;
            let value = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
            assert!(bytes[9..].iter().all(|byte| *byte == value as u8), "bytes of {value} changed");
            assert!(values.insert(value), "value {value} twice");
            // (A truncation takes definitions with it; a real one takes whole generations.)
            let known = bytes[8] == 1 || defined.contains(&(value % SERIES));
            assert!(known || self.committed > Lsn(0), "definition for {value} is lost");
            defined.insert(value % SERIES);
            assert!(!self.gone.contains(&value), "DUR-3: refused value {value} is back");
            found.insert(record.lsn, value);
        }
        self.promised.retain(|lsn, _| *lsn > self.committed);
        for (lsn, value) in &self.promised {
            assert_eq!(found.get(lsn), Some(value), "DUR-1: {lsn:?} is lost");
        }
        for (lsn, value) in &found {
            let known = self.promised.contains_key(lsn) || self.doubtful.contains(value);
            assert!(known, "{lsn:?} with value {value} came from nowhere");
        }
        // What was found is shown to queries from now on; what was not found is gone for good.
        self.doubtful.retain(|value| !values.contains(value));
        self.gone.append(&mut self.doubtful);
        self.highest = self.highest.max(last).max(self.committed);
        self.promised = found;
    }
}
