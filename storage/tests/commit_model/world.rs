//! The processes, the bucket and the checks of the commit model.
#![expect(clippy::panic, reason = "a model fails loudly")]
#![expect(clippy::future_not_send, reason = "the simulation has one thread")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::memory::InMemory;
use prometheus_client::registry::Registry;
use tarn_model::error::ErrorKind;
use tarn_model::rng::Rng;
use tarn_model::time::Clock;
use tarn_storage::block::{BlockMeta, LsnRange};
use tarn_storage::catalog::commit::propose_cut;
use tarn_storage::catalog::format::WriterState;
use tarn_storage::catalog::writers::set_state;
use tarn_storage::catalog::{Catalog, CommitError, Identity, State};
use tarn_storage::object::{CreateError, Objects};
use tarn_storage::paths;
use tarn_testkit::fault_store::{FaultPlan, FaultStore};
use tarn_testkit::sim::{Sim, SimClock, SimRng, SimTask};

/// Positions that each writer commits.
const GOAL: u64 = 24;
/// Manifests older than this may be deleted.
const HISTORY: Duration = Duration::from_secs(120);
/// A suspension: twice the history and more.
const SUSPENSION: Duration = Duration::from_secs(300);

/// What happens in a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) writers: usize,
    /// A copy of the first folder starts somewhere on the way.
    pub(crate) copy: bool,
    pub(crate) faults: FaultPlan,
    /// In 10,000 steps: a process is killed and started again.
    pub(crate) crash: u64,
    /// In 10,000 steps: a process is suspended beyond the history.
    pub(crate) suspend: u64,
}

impl Weather {
    pub(crate) fn calm() -> Self {
        Self { writers: 2, copy: false, faults: FaultPlan::default(), crash: 0, suspend: 0 }
    }

    /// A mixture that the seed decides: some runs are rough, some have a single kind of fault.
    pub(crate) fn drawn(seed: u64) -> Self {
        let rng = SimRng::new(seed ^ 0x7761_7468);
        let some = |max: u64| if rng.chance(500) { rng.below(max) } else { 0 };
        let faults = FaultPlan {
            before: some(200),
            after: some(200),
            exists: some(200),
            late: some(200),
            stall: some(100),
            stall_max: Duration::from_secs(60),
            latency_max: Duration::from_millis(rng.below(400)),
            stale_list: some(200),
        };
        let writers = 2 + usize::from(rng.chance(500));
        Self { writers, copy: rng.chance(300), faults, crash: some(100), suspend: some(40) }
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) manifests: u64,
    pub(crate) fenced: usize,
    pub(crate) dead_branches: usize,
}

/// A data folder: what survives a crash.
#[derive(Debug)]
struct Folder {
    id: String,
    epoch: Cell<u64>,
    fenced: Cell<bool>,
    done: Cell<bool>,
}

/// What all processes have seen.
#[derive(Debug, Default)]
struct Ledger {
    /// The nonce of each manifest as the processes took it: one winner per number.
    nonces: RefCell<BTreeMap<u64, String>>,
    /// When a manifest was first seen.
    seen: RefCell<BTreeMap<u64, Duration>>,
    /// All manifests up to this one are deleted.
    collected: Cell<u64>,
    dead_branches: Cell<usize>,
}

#[derive(Clone)]
struct Parts {
    clock: SimClock,
    rng: SimRng,
    bucket: Arc<InMemory>,
    faulty: FaultStore,
    ledger: Rc<Ledger>,
}

pub(crate) struct World {
    sim: Sim,
    parts: Parts,
    weather: Weather,
    folders: Vec<Rc<Folder>>,
    running: Vec<Option<SimTask>>,
}

impl World {
    pub(crate) fn new(seed: u64, weather: Weather) -> Self {
        let sim = Sim::new(seed);
        let (clock, rng) = (sim.clock(), sim.rng());
        let bucket = Arc::new(InMemory::new());
        let store = Arc::clone(&bucket) as Arc<dyn object_store::ObjectStore>;
        let faulty = FaultStore::new(store, Arc::new(clock.clone()), rng.clone(), weather.faults);
        let folder = |n: usize| Folder {
            id: format!("{n:032x}"),
            epoch: Cell::new(0),
            fenced: Cell::new(false),
            done: Cell::new(false),
        };
        let folders: Vec<_> = (0..weather.writers).map(|n| Rc::new(folder(n))).collect();
        let running = vec![None; folders.len()];
        let parts = Parts { clock, rng, bucket, faulty, ledger: Rc::default() };
        Self { sim, parts, weather, folders, running }
    }

    pub(crate) fn run(mut self) -> End {
        let mut copied = !self.weather.copy;
        for step in 0u64.. {
            assert!(step < 2_000_000, "the run does not end");
            self.disturb();
            // Late enough that the first life has begun, early enough that it has work left.
            if !copied && self.folders[0].epoch.get() > 0 && self.parts.rng.chance(10) {
                copied = true;
                self.copy_first_folder();
            }
            self.start_stopped();
            self.sim.step();
            let all_done = self.folders.iter().all(|f| f.done.get() || f.fenced.get());
            if all_done && copied {
                break;
            }
        }
        self.check()
    }

    fn disturb(&mut self) {
        for slot in &mut self.running {
            let Some(task) = *slot else { continue };
            if self.parts.rng.below(10_000) < self.weather.crash {
                self.sim.kill(task);
                *slot = None;
            } else if self.parts.rng.below(10_000) < self.weather.suspend {
                self.sim.suspend(task, SUSPENSION);
            }
        }
    }

    fn copy_first_folder(&mut self) {
        let first = &self.folders[0];
        let copy = Folder {
            id: first.id.clone(),
            epoch: first.epoch.clone(),
            fenced: Cell::new(false),
            done: Cell::new(false),
        };
        first.done.set(false);
        self.folders.push(Rc::new(copy));
        self.running.push(None);
    }

    fn start_stopped(&mut self) {
        for (slot, folder) in self.running.iter_mut().zip(&self.folders) {
            let ended = slot.is_none_or(|task| !self.sim.is_running(task));
            if ended && !folder.done.get() && !folder.fenced.get() {
                let life = life(self.parts.clone(), Rc::clone(folder));
                *slot = Some(self.sim.spawn(life));
            }
        }
    }

    /// In calm weather, with everything landed that was under way: what does the catalog say?
    fn check(mut self) -> End {
        let Parts { faulty, ledger, .. } = self.parts.clone();
        faulty.set_plan(FaultPlan::default());
        let (parts, seen) = (self.parts.clone(), Rc::new(RefCell::new(None)));
        let result = Rc::clone(&seen);
        for slot in self.running.iter().flatten() {
            self.sim.kill(*slot);
        }
        self.sim.spawn(async move {
            parts.faulty.settle().await;
            let catalog = parts.catalog().await.expect("loads in calm weather");
            observe(&parts, &catalog.state());
            *result.borrow_mut() = Some(catalog.state());
        });
        self.sim.run();
        let state = seen.borrow_mut().take().expect("loaded");
        for folder in &self.folders {
            assert_eq!(state.committed(&folder.id), GOAL, "writer {}", folder.id);
        }
        let fenced = self.folders.iter().filter(|f| f.fenced.get()).count();
        let dead_branches = ledger.dead_branches.get();
        End { manifests: state.version(), fenced, dead_branches }
    }
}

impl Parts {
    fn objects(&self) -> Objects {
        let (clock, rng) = (Arc::new(self.clock.clone()), Arc::new(self.rng.clone()));
        Objects::new(Arc::new(self.faulty.clone()), clock, rng, &mut Registry::default())
    }

    async fn catalog(&self) -> Result<Catalog, tarn_model::error::Error> {
        let (clock, rng) = (Arc::new(self.clock.clone()), Arc::new(self.rng.clone()));
        let loaded = Catalog::load(self.objects(), clock, rng, &mut Registry::default()).await?;
        Ok(loaded.with_checkpoint_every(4))
    }
}

/// One life of a process: load, raise the epoch, flush until all is committed.
async fn life(parts: Parts, folder: Rc<Folder>) {
    let catalog = match parts.catalog().await {
        Ok(catalog) => catalog,
        Err(e) => {
            assert!(matches!(e.kind(), ErrorKind::Unavailable { .. }), "load: {e:?}");
            return parts.clock.sleep(Duration::from_secs(1)).await;
        }
    };
    let known = catalog.state().writer(&folder.id).map_or(0, |record| record.writer.epoch);
    if known > folder.epoch.get() {
        return folder.fenced.set(true);
    }
    folder.epoch.set(folder.epoch.get() + 1);
    let who = Identity { id: folder.id.clone(), epoch: folder.epoch.get() };
    match set_state(&catalog, &who, WriterState::Live, "", |_| true).await {
        Ok(()) => {}
        Err(CommitError::Fenced { .. }) => return folder.fenced.set(true),
        Err(CommitError::Unknown(_) | CommitError::DeadBranch | CommitError::Condemned) => return,
        Err(e @ CommitError::Refused(_)) => panic!("start: {e}"),
    }
    while catalog.state().committed(&who.id) < GOAL {
        observe(&parts, &catalog.state());
        let lo = catalog.state().committed(&who.id) + 1;
        let hi = (lo + parts.rng.below(6)).min(GOAL);
        let cut = LsnRange { writer: who.id.clone(), epoch: who.epoch, lo, hi };
        if !flush(&parts, &catalog, &who, &folder, &cut).await {
            return;
        }
        // What fails here only makes the next load longer.
        drop(catalog.checkpoint_if_due().await);
        collect(&parts, &catalog.state()).await;
        parts.clock.sleep(Duration::from_secs(parts.rng.below(40))).await;
    }
    observe(&parts, &catalog.state());
    folder.done.set(true);
}

/// Flushes a cut until it is committed; `false` where the process must stop.
async fn flush(
    parts: &Parts,
    catalog: &Catalog,
    who: &Identity,
    folder: &Folder,
    cut: &LsnRange,
) -> bool {
    let mut block = None;
    loop {
        if block.is_none() {
            block = put_block(parts, cut).await;
        }
        let Some(made) = block.clone() else { continue };
        match catalog.commit(who, |base| propose_cut(base, cut, std::slice::from_ref(&made))).await
        {
            Ok(state) => {
                assert!(state.committed(&who.id) >= cut.hi);
                return true;
            }
            Err(CommitError::Unknown(_)) => {
                parts.clock.sleep(Duration::from_secs(1)).await;
                // Both happen: the same blocks again, or blocks made anew.
                if parts.rng.chance(300) {
                    block = None;
                }
            }
            Err(CommitError::Condemned) => block = None,
            Err(CommitError::DeadBranch) => {
                parts.ledger.dead_branches.set(parts.ledger.dead_branches.get() + 1);
                block = None;
            }
            Err(CommitError::Fenced { .. }) => {
                folder.fenced.set(true);
                return false;
            }
            Err(e @ CommitError::Refused(_)) => panic!("commit of {cut:?}: {e}"),
        }
    }
}

async fn put_block(parts: &Parts, cut: &LsnRange) -> Option<Arc<BlockMeta>> {
    let LsnRange { writer, epoch, lo, hi } = cut;
    let attempt = parts.rng.next_u64();
    let name = paths::flush_block_name(writer, *epoch, *lo, *hi, 0, attempt);
    let object = format!("{}/{name}", paths::BLOCK_PREFIX);
    let body = Bytes::from(format!("{cut:?} {attempt}"));
    match parts.objects().create(&object, &body).await {
        Ok(_) => Some(Arc::new(block_meta(object, cut, body.len() as u64))),
        Err(CreateError::Unknown(_)) => None,
        Err(e @ CreateError::Conflict(_)) => panic!("block {object}: {e}"),
    }
}

/// Deletes manifests that are older than the history and below the newest checkpoint, oldest first.
async fn collect(parts: &Parts, state: &State) {
    let Some(keep_from) = state.checkpoint_number() else { return };
    let now = parts.clock.monotonic();
    // A manifest is at least as old as the first sight of any later one.
    let newest_old = {
        let seen = parts.ledger.seen.borrow();
        let old = seen.iter().filter(|(_, at)| now.saturating_sub(**at) > HISTORY);
        old.map(|(number, _)| *number).max().unwrap_or(0)
    };
    let first = parts.ledger.collected.get() + 1;
    for number in first..keep_from.min(newest_old + 1) {
        if parts.objects().delete(&paths::manifest_key(number)).await.is_err() {
            return;
        }
        let collected = parts.ledger.collected.get().max(number);
        parts.ledger.collected.set(collected);
    }
}

/// VIS-1 at every state that a process takes: committed positions are in exactly one block each.
fn observe(parts: &Parts, state: &State) {
    let Some(nonce) = state.nonce() else { return };
    let mut nonces = parts.ledger.nonces.borrow_mut();
    let known = nonces.entry(state.version()).or_insert_with(|| nonce.to_owned());
    assert_eq!(known, nonce, "two winners of manifest {}", state.version());
    let now = parts.clock.monotonic();
    parts.ledger.seen.borrow_mut().entry(state.version()).or_insert(now);
    for record in state.writers() {
        let mut covered: Vec<(u64, u64)> = state
            .all_blocks()
            .flat_map(|block| &block.lsn)
            .filter(|range| range.writer == record.writer.id)
            .map(|range| (range.lo, range.hi))
            .collect();
        covered.sort_unstable();
        let mut next = 1;
        for (lo, hi) in covered {
            assert_eq!(lo, next, "a hole or a doubled row in version {}", state.version());
            next = hi + 1;
        }
        assert_eq!(next, record.committed + 1, "version {}", state.version());
    }
    for block in state.all_blocks() {
        let path = object_store::path::Path::parse(&block.object).expect("a key");
        let there = futures::executor::block_on(async {
            object_store::ObjectStoreExt::head(&*parts.bucket, &path).await
        });
        assert!(there.is_ok(), "block {} is named but not there", block.object);
    }
}

fn block_meta(object: String, cut: &LsnRange, bytes: u64) -> BlockMeta {
    BlockMeta {
        object,
        offset: 0,
        bytes,
        tail_bytes: 0,
        tail_crc: 0,
        block_crc: 0,
        format: "slices/1".to_owned(),
        kind: "slices".to_owned(),
        tenant: "default".to_owned(),
        signal: "metrics".to_owned(),
        day: "2026-11-21".to_owned(),
        days: Vec::new(),
        class: String::new(),
        level: 0,
        shard: 0,
        lsn: vec![cut.clone()],
        seq: 0,
        erased: Vec::new(),
        rows: 1,
        samples: 1,
        series: 1,
        time_min_ms: 0,
        time_max_ms: 1,
        overlaps: false,
        labels: Vec::new(),
        attributes: Vec::new(),
        values: Vec::new(),
    }
}
