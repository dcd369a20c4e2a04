//! The processes, the bucket and the checks of the commit model.
#![expect(clippy::panic, reason = "a model fails loudly")]
#![expect(clippy::future_not_send, reason = "the simulation has one thread")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use prometheus_client::registry::Registry;
use tarn_model::error::ErrorKind;
use tarn_model::rng::Rng;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_storage::block::{BlockMeta, LsnRange};
use tarn_storage::catalog::commit::propose_cut;
use tarn_storage::catalog::format::WriterState;
use tarn_storage::catalog::writers::set_state;
use tarn_storage::catalog::{Catalog, CommitError, Draft, Identity, State};
use tarn_storage::object::{CreateError, Objects};
use tarn_storage::paths;
use tarn_storage::retain::garbage::{Sweeper, Times};
use tarn_testkit::fault_store::{FaultPlan, FaultStore};
use tarn_testkit::sim::{Sim, SimClock, SimRng, SimTask};

/// Positions that each writer commits.
const GOAL: u64 = 24;
/// Manifests older than this may be deleted.
const HISTORY: Duration = Duration::from_secs(120);
/// What nothing names may be deleted after this: stalls are longer.
const UNNAMED: Duration = Duration::from_secs(20);
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
    pub(crate) taken: usize,
    pub(crate) oldest: u64,
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
    dead_branches: Cell<usize>,
    /// Blocks that a sweep took before their commit.
    taken: Cell<usize>,
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
            let state = sweep_all(&parts, &catalog).await;
            observe(&parts, &state);
            let again = parts.catalog().await.expect("loads what the sweep has left");
            assert_eq!(again.state().nonce(), state.nonce());
            observe(&parts, &again.state());
            *result.borrow_mut() = Some(state);
        });
        self.sim.run();
        let state = seen.borrow_mut().take().expect("loaded");
        let (oldest, named) = (self.parts.oldest_manifest(), live(&state));
        assert_eq!(self.parts.keys(paths::BLOCK_PREFIX), named, "what nothing names is gone");
        for folder in &self.folders {
            assert_eq!(state.committed(&folder.id), GOAL, "writer {}", folder.id);
        }
        let fenced = self.folders.iter().filter(|f| f.fenced.get()).count();
        let dead_branches = ledger.dead_branches.get();
        let taken = ledger.taken.get();
        End { manifests: state.version(), fenced, dead_branches, taken, oldest }
    }
}

impl Parts {
    fn objects(&self) -> Objects {
        let (clock, rng) = (Arc::new(self.clock.clone()), Arc::new(self.rng.clone()));
        Objects::new(Arc::new(self.faulty.clone()), clock, rng, &mut Registry::default())
    }

    /// Returns what is in a folder of the bucket.
    fn keys(&self, folder: &str) -> BTreeSet<String> {
        let path = object_store::path::Path::parse(folder).expect("a folder");
        let listed = object_store::ObjectStore::list(&*self.bucket, Some(&path));
        let listed = futures::executor::block_on(listed.try_collect::<Vec<_>>()).expect("lists");
        listed.into_iter().map(|meta| meta.location.to_string()).collect()
    }

    fn oldest_manifest(&self) -> u64 {
        let keys = self.keys(paths::CATALOG_PREFIX);
        keys.iter().filter_map(|key| paths::parse_manifest_key(key)).min().unwrap_or(0)
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
    let mut sweeper = Sweeper::default();
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
        if parts.rng.chance(400) && !merge(&parts, &catalog, &who).await {
            return;
        }
        if !sweep(&parts, &catalog, &who, &mut sweeper).await {
            return;
        }
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
            Err(CommitError::Condemned) => {
                parts.ledger.taken.set(parts.ledger.taken.get() + 1);
                block = None;
            }
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
    let object = block_key(0, &name);
    let body = Bytes::from(format!("{cut:?} {attempt}"));
    match parts.objects().create(&object, &body).await {
        Ok(_) => Some(Arc::new(block_meta(object, cut, body.len() as u64))),
        Err(CreateError::Unknown(_)) => None,
        Err(e @ CreateError::Conflict(_)) => panic!("block {object}: {e}"),
    }
}

fn block_key(level: u8, name: &str) -> String {
    let tenant = TenantId::default_tenant();
    let (signal, day, kind) = (Signal::Metrics, "2026-11-21", "slices");
    paths::BlockKey { tenant: &tenant, signal, day, kind, level, name }.key()
}

/// Merges two neighbouring blocks of a writer, or drops the work; `false` where the process stops.
async fn merge(parts: &Parts, catalog: &Catalog, who: &Identity) -> bool {
    let state = catalog.state();
    let own = |block: &&Arc<BlockMeta>| block.lsn.iter().all(|range| range.writer == who.id);
    let mut blocks: Vec<Arc<BlockMeta>> = state.all_blocks().filter(own).cloned().collect();
    blocks.sort_by_key(|block| block.lsn[0].lo);
    let Some([a, b]) = blocks.first_chunk() else { return true };
    let cut = LsnRange { lo: a.lsn[0].lo, ..b.lsn[0].clone() };
    let attempt = parts.rng.next_u64();
    let object = block_key(1, &paths::merge_block_name(cut.hi, who.epoch, 0, attempt));
    let body = Bytes::from(format!("merged {cut:?} {attempt}"));
    if parts.objects().create(&object, &body).await.is_err() {
        return true;
    }
    // A worker may be slow.
    parts.clock.sleep(Duration::from_secs(parts.rng.below(30))).await;
    let merged = BlockMeta { level: 1, seq: b.seq, ..block_meta(object, &cut, body.len() as u64) };
    let (merged, inputs) = (Arc::new(merged), [&a.object, &b.object]);
    let now_ms = parts.clock.now().as_millis();
    let propose = |base: &State| {
        let fits = inputs.iter().all(|key| base.all_blocks().any(|block| block.object == **key))
            && !base.is_condemned(&merged.object)
            && !base.all_blocks().any(|block| block.object == merged.object);
        let removed = inputs.map(Clone::clone).to_vec();
        let added = vec![Arc::clone(&merged)];
        let clock_ms = Some(now_ms).filter(|now_ms| *now_ms > base.clock_ms());
        Ok(fits.then(|| Draft { added, removed, clock_ms, ..Draft::default() }))
    };
    match catalog.commit(who, propose).await {
        Ok(_) | Err(CommitError::Unknown(_) | CommitError::Condemned) => true,
        Err(CommitError::DeadBranch) => {
            parts.ledger.dead_branches.set(parts.ledger.dead_branches.get() + 1);
            true
        }
        Err(CommitError::Fenced { .. }) => false,
        Err(e @ CommitError::Refused(_)) => panic!("merge of {cut:?}: {e}"),
    }
}

/// Condemns and deletes what nothing names, as a node does; `false` where the process stops.
async fn sweep(parts: &Parts, catalog: &Catalog, who: &Identity, sweeper: &mut Sweeper) -> bool {
    let objects = parts.objects();
    let times = Times {
        now: parts.clock.monotonic(),
        paced_ms: parts.clock.now().as_millis(),
        history: HISTORY,
        unnamed: UNNAMED,
        list_every: UNNAMED / 2,
    };
    let Ok(plan) = sweeper.plan(&objects, &catalog.state(), &times).await else { return true };
    let propose = |base: &State| {
        let (condemned, swept) = (plan.condemned(base), plan.swept(base));
        let clock_ms = Some(times.paced_ms).filter(|paced| *paced > base.clock_ms());
        Ok(Some(Draft { condemned, swept, clock_ms, ..Draft::default() }))
    };
    match catalog.commit(who, propose).await {
        Ok(state) => {
            observe(parts, &state);
            // What fails is deleted by the next.
            drop(sweeper.delete(&objects, &state, &times).await);
            true
        }
        Err(CommitError::DeadBranch) => {
            parts.ledger.dead_branches.set(parts.ledger.dead_branches.get() + 1);
            true
        }
        Err(CommitError::Unknown(_) | CommitError::Condemned) => true,
        Err(CommitError::Fenced { .. }) => false,
        Err(e @ CommitError::Refused(_)) => panic!("sweep: {e}"),
    }
}

/// Sweeps in calm weather until nothing is left to sweep.
async fn sweep_all(parts: &Parts, catalog: &Catalog) -> Arc<State> {
    let who = Identity { id: "f".repeat(32), epoch: 1 };
    let mut sweeper = Sweeper::default();
    for _ in 0..12 {
        parts.clock.sleep(HISTORY / 2).await;
        assert!(sweep(parts, catalog, &who, &mut sweeper).await);
        drop(catalog.checkpoint_if_due().await);
    }
    catalog.state()
}

fn live(state: &State) -> BTreeSet<String> {
    state.all_blocks().map(|block| block.object.clone()).collect()
}

/// VIS-1 at every state that a process takes: committed positions are in exactly one block each.
fn observe(parts: &Parts, state: &State) {
    let Some(nonce) = state.nonce() else { return };
    let mut nonces = parts.ledger.nonces.borrow_mut();
    let known = nonces.entry(state.version()).or_insert_with(|| nonce.to_owned());
    assert_eq!(known, nonce, "two winners of manifest {}", state.version());
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
    // What a newer state let go of may be deleted when the history has passed.
    let newest = nonces.last_key_value().is_none_or(|(number, _)| *number <= state.version());
    for block in state.all_blocks().filter(|_| newest) {
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
