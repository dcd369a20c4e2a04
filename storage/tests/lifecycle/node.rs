//! A node of the lifecycle tests: a disk, perhaps a bucket, and the store opened on them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use object_store::ObjectStore;
use object_store::memory::InMemory;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::labels::LabelSet;
use tarn_model::limits::Limits;
use tarn_model::matcher::Matcher;
use tarn_model::rng::Rng;
use tarn_model::slice::Samples;
use tarn_model::tenant::TenantId;
use tarn_model::time::{Clock, TimeRange};
use tarn_model::units::ByteSize;
use tarn_storage::file::{Disk, OpenHow, RealDisk};
use tarn_storage::flush::Faults;
use tarn_storage::operate::inspect::Inspection;
use tarn_storage::options::{Cache, Compaction};
use tarn_storage::view::{Reader, ScanLimits, Selector};
use tarn_storage::wal::Lsn;
use tarn_storage::{Handles, Options, Storage};
use tarn_testkit::clock::RealClock;
use tarn_testkit::fault_store::{FaultPlan, FaultStore};
use tarn_testkit::sim::SimRng;
use tarn_testkit::sim_disk::SimDisk;
use tarn_testkit::tasks::RealTasks;

/// How long [`Node::open`] waits for what an earlier life left running.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// Series of every request.
const SERIES: usize = 3;
/// The requests' times begin here: an hour before now, so that nothing is too new.
fn base_ms() -> i64 {
    static BASE: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *BASE.get_or_init(|| RealClock::default().now().as_millis() - 3_600_000)
}

/// Samples by series.
pub(crate) type Rows = BTreeMap<String, Vec<(i64, u64)>>;

/// A place where the store can be opened, again and again.
pub(crate) struct Node {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    sim: Option<SimDisk>,
    bucket: Option<Arc<dyn ObjectStore>>,
    faulty: Option<FaultStore>,
    /// What is behind it.
    calm: Option<Arc<InMemory>>,
    rng: SimRng,
    pub(crate) clock: Arc<Hurried>,
    segment_bytes: ByteSize,
    wal_bytes_max: ByteSize,
    cache: Cache,
    faults: Faults,
}

/// An open store.
pub(crate) struct Open {
    pub(crate) storage: Storage,
    tasks: RealTasks,
    registry: Registry,
    sim: Option<SimDisk>,
}

impl Node {
    pub(crate) fn simulated(seed: u64) -> Self {
        Self::on(SimDisk::new(seed))
    }

    pub(crate) fn on(sim: SimDisk) -> Self {
        let disk = Arc::new(sim.clone()) as Arc<dyn Disk>;
        let rng = SimRng::new(sim.operations() ^ RealClock::default().now().0 as u64);
        Self {
            path: PathBuf::from("/data"),
            disk,
            sim: Some(sim),
            bucket: None,
            faulty: None,
            calm: None,
            rng,
            clock: Arc::default(),
            segment_bytes: ByteSize::kib(64),
            wal_bytes_max: ByteSize::mib(64),
            cache: Cache::default(),
            faults: Faults::default(),
        }
    }

    pub(crate) fn real(path: &Path) -> Self {
        let disk = Arc::new(RealDisk) as Arc<dyn Disk>;
        Self { path: path.to_owned(), disk, sim: None, ..Self::simulated(0) }
    }

    /// A node whose bucket can be broken.
    pub(crate) fn faulty(seed: u64) -> Self {
        let node = Self::simulated(seed);
        let clock = Arc::clone(&node.clock) as Arc<dyn Clock>;
        let store = Arc::new(InMemory::new());
        let calm = Some(Arc::clone(&store));
        let faulty = FaultStore::new(store, clock, node.rng.clone(), FaultPlan::default());
        let bucket = Some(Arc::new(faulty.clone()) as Arc<dyn ObjectStore>);
        Self { bucket, faulty: Some(faulty), calm, ..node }
    }

    pub(crate) fn with_bucket(self, bucket: Arc<dyn ObjectStore>) -> Self {
        Self { bucket: Some(bucket), ..self }
    }

    /// Another node before the same bucket, with the same weather.
    pub(crate) fn sharing_bucket_of(self, other: &Self, seed: u64) -> Self {
        let (bucket, faulty) = (other.bucket.clone(), other.faulty.clone());
        Self { bucket, faulty, rng: SimRng::new(seed), ..self }
    }

    /// Own blocks leave the local disk as soon as they are committed.
    pub(crate) fn forgetful(self) -> Self {
        let cache = Cache { keep_uploaded: Duration::ZERO, ..Cache::default() };
        Self { cache, ..self }
    }

    pub(crate) fn with_log_of(self, wal_bytes_max: ByteSize) -> Self {
        Self { wal_bytes_max, ..self }
    }

    /// A log whose segments hold one or two requests, so that truncation takes rows away at once.
    pub(crate) fn with_small_segments(self) -> Self {
        Self { segment_bytes: ByteSize::kib(4), ..self }
    }

    /// Some rows cannot be written as blocks.
    pub(crate) fn with_faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn disk(&self) -> &SimDisk {
        self.sim.as_ref().expect("a simulated disk")
    }

    pub(crate) fn bucket(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(self.bucket.as_ref().expect("a bucket"))
    }

    /// Returns what is behind a faulty bucket.
    pub(crate) fn calm_bucket(&self) -> Arc<InMemory> {
        Arc::clone(self.calm.as_ref().expect("a faulty bucket"))
    }

    pub(crate) fn break_bucket(&self, broken: bool) {
        self.plan(FaultPlan { before: if broken { 1000 } else { 0 }, ..FaultPlan::default() });
    }

    /// Lets the bucket misbehave in this way.
    pub(crate) fn plan(&self, plan: FaultPlan) {
        self.faulty.as_ref().expect("a faulty bucket").set_plan(plan);
    }

    /// Lets the bucket misbehave in a mixture that `chance` decides.
    pub(crate) fn weather(&self, chance: &SimRng) {
        let some = || if chance.chance(500) { chance.below(250) } else { 0 };
        let plan = FaultPlan {
            before: some(),
            after: some(),
            exists: some(),
            late: some(),
            stall: 0,
            stall_max: Duration::from_millis(20),
            latency_max: Duration::ZERO,
            stale_list: some(),
        };
        self.faulty.as_ref().expect("a faulty bucket").set_plan(plan);
    }

    /// Opens, however often the bucket fails.
    pub(crate) async fn open_sometime(&self) -> Open {
        loop {
            match self.try_open().await {
                Ok(open) => {
                    open.storage.replayed().await.expect("replays");
                    return open;
                }
                Err(e) => {
                    assert!(matches!(e.kind(), ErrorKind::Unavailable { .. }), "{e:?}");
                }
            }
        }
    }

    /// Copies the identity file: what `cp -r` of the folder does, as far as the catalog can tell.
    pub(crate) fn copy_identity_of(&self, other: &Self) {
        let from = other.disk().read(&other.path.join("writer")).expect("an identity");
        self.disk.create_dir_all(&self.path).expect("a folder");
        let file = self.disk.open(&self.path.join("writer"), OpenHow::CreateNew).expect("new");
        file.write_at(&from, 0).expect("written");
        file.sync_data().expect("synced");
        self.disk.sync_dir(&self.path).expect("synced");
    }

    pub(crate) async fn try_open(&self) -> Result<Open> {
        let tasks = RealTasks::current();
        let options = Options {
            label: "test".to_owned(),
            flush_age: Duration::from_secs(3600),
            flush_bytes: ByteSize::mib(64),
            wal_segment_bytes: self.segment_bytes,
            wal_bytes_max: self.wal_bytes_max,
            cache: self.cache.clone(),
            faults: self.faults.clone(),
            compaction: Compaction { enabled: false, ..Compaction::default() },
            ..Options::new(&self.path)
        };
        let handles = self.handles(&tasks);
        let mut registry = Registry::default();
        let opened = match &self.bucket {
            Some(bucket) => {
                let bucket = Arc::clone(bucket);
                Storage::open_with_store(options, handles, bucket, &mut registry).await
            }
            None => Storage::open(options, handles, &mut registry).await,
        };
        match opened {
            Ok(storage) => Ok(Open { storage, tasks, registry, sim: self.sim.clone() }),
            Err(error) => {
                stop(tasks).await;
                Err(error)
            }
        }
    }

    pub(crate) async fn inspect(&self) -> Result<Inspection> {
        let tasks = RealTasks::current();
        let opened = Inspection::open(&self.path, Limits::default(), self.handles(&tasks)).await;
        stop(tasks).await;
        opened
    }

    fn handles(&self, tasks: &RealTasks) -> Handles {
        Handles {
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            rng: Arc::new(self.rng.clone()) as Arc<dyn Rng>,
            tasks: Arc::new(tasks.clone()),
            disk: Arc::clone(&self.disk),
        }
    }

    /// Opens. What ran on a blocking thread when the store was closed may have the folder's lock for a
    /// moment longer; with a process it would be gone.
    pub(crate) async fn open(&self) -> Open {
        let mut opened = self.try_open().await;
        let since = Instant::now();
        while opened.as_ref().is_err_and(is_locked) && since.elapsed() < LOCK_WAIT {
            tokio::time::sleep(Duration::from_millis(1)).await;
            opened = self.try_open().await;
        }
        let open = opened.expect("opens");
        open.storage.replayed().await.expect("replays");
        open
    }
}

impl Open {
    /// Writes the requests with these numbers, one after the other.
    pub(crate) async fn write(&self, requests: Range<u64>) {
        for request in requests {
            let lsn = self.try_write(request).await.expect("acknowledged");
            assert!(lsn > Lsn(0));
        }
    }

    pub(crate) async fn try_write(&self, request: u64) -> Result<Lsn> {
        let mut appender = self.storage.writer().appender(&TenantId::default_tenant())?;
        for series in 0..SERIES {
            let labels =
                LabelSet::from_pairs(&[("__name__", "requests_total"), ("n", &series.to_string())]);
            let reference = appender.series(&labels).expect("below the limit");
            let (time_ms, value) = sample(request, series);
            appender.float(reference, time_ms, f64::from_bits(value), 0).expect("taken");
        }
        appender.commit().await
    }

    /// VIS-1 by position: the generations begin where the blocks end, committed and staged, and
    /// follow one another.
    pub(crate) fn assert_boundary(&self) {
        let view = self.storage.reader().view();
        let own = self.storage.writer_id();
        let mut next = Lsn(view.catalog().committed(own)).next();
        for block in view.staged() {
            let lsn = block.lsn.first().expect("a flushed block has its positions");
            assert!(lsn.lo == next.0 || lsn.hi == next.prev().0, "{lsn:?} at {next:?}");
            next = Lsn(lsn.hi).next();
        }
        for generation in view.heads() {
            assert_eq!(generation.first(), next, "{view:?}");
            next = generation.last().map_or(next, Lsn::next);
        }
    }

    /// VIS-1 by counting: rows in blocks and rows in generations together are all rows, once.
    pub(crate) fn assert_each_row_once(&self, requests: u64) {
        self.assert_boundary();
        let view = self.storage.reader().view();
        let blocks: u64 = view.catalog().all_blocks().map(|block| block.samples).sum();
        let staged: u64 = view.staged().iter().map(|block| block.samples).sum();
        let heads: u64 = view.heads().iter().map(|generation| generation.rows()).sum();
        assert_eq!(
            blocks + staged + heads,
            requests * SERIES as u64,
            "{blocks} in blocks, {staged} staged, {heads} in heads"
        );
    }

    /// Returns the value of one of the store's own metrics.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("encodes");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        // A counter with labels is not shown before it counts.
        line.map_or(0, |value| value.parse().expect("a number"))
    }

    /// Whether the metric says that the last run did not stop cleanly.
    pub(crate) fn unclean(&self) -> bool {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("encodes");
        text.contains("\ntarn_unclean_shutdown 1\n")
    }

    pub(crate) async fn close(self) {
        self.try_close().await.expect("closes");
    }

    pub(crate) async fn try_close(self) -> Result<()> {
        let closed = self.storage.close().await;
        stop(self.tasks).await;
        closed
    }

    /// Power loss: nothing more reaches the disk, then the process is gone, then what was not
    /// synced is forgotten.
    pub(crate) async fn crash(self) {
        let sim = self.sim.expect("a simulated disk");
        sim.cut_power_after(0);
        drop(self.storage);
        stop(self.tasks).await;
        sim.power_loss();
    }
}

fn is_locked(error: &Error) -> bool {
    error.message().contains("another process has the data folder")
}

async fn stop(tasks: RealTasks) {
    tokio::task::spawn_blocking(move || tasks.stop()).await.expect("threads end");
}

/// Time as it is, but pauses are a hundredth: tests do not wait for back-off. It can leap.
#[derive(Debug, Default)]
pub(crate) struct Hurried {
    real: RealClock,
    ahead_ms: AtomicU64,
}

impl Hurried {
    /// Lets so much time pass at once.
    pub(crate) fn leap(&self, ahead: Duration) {
        self.ahead_ms.fetch_add(ahead.as_millis() as u64, Ordering::SeqCst);
    }

    fn ahead(&self) -> Duration {
        Duration::from_millis(self.ahead_ms.load(Ordering::SeqCst))
    }
}

impl Clock for Hurried {
    fn now(&self) -> tarn_model::time::UnixNanos {
        let ahead = i64::try_from(self.ahead().as_nanos()).expect("some hours");
        tarn_model::time::UnixNanos(self.real.now().0 + ahead)
    }

    fn monotonic(&self) -> Duration {
        self.real.monotonic() + self.ahead()
    }

    fn sleep(&self, duration: Duration) -> tarn_model::time::Sleep {
        // Deadlines stay what they are: 10 s and more.
        let hurried = duration < Duration::from_secs(10);
        self.real.sleep(if hurried { duration / 100 } else { duration })
    }
}

fn sample(request: u64, series: usize) -> (i64, u64) {
    let time_ms = base_ms() + request as i64 * 15_000 + series as i64;
    (time_ms, (request as f64 * 10.0 + series as f64).to_bits())
}

/// What the requests with these numbers hold.
pub(crate) fn expected(requests: Range<u64>) -> Rows {
    let mut rows = Rows::new();
    for request in requests {
        for series in 0..SERIES {
            rows.entry(series.to_string()).or_default().push(sample(request, series));
        }
    }
    rows
}

/// Everything that a query sees.
pub(crate) async fn read_all(storage: &Storage) -> Rows {
    read_view(&storage.reader()).await
}

/// Everything that a query of this reader sees.
pub(crate) async fn read_view(reader: &Reader) -> Rows {
    read_range(reader, TimeRange::ALL).await.0
}

/// When the requests with these numbers were sent, and those between.
pub(crate) fn times(requests: Range<u64>) -> TimeRange {
    let (start_ms, end_ms) = (sample(requests.start, 0).0, sample(requests.end - 1, SERIES).0);
    TimeRange { start_ms, end_ms }
}

/// What a query of a range sees, and what it says it lacks.
pub(crate) async fn read_range(reader: &Reader, range: TimeRange) -> (Rows, Option<String>) {
    let view = reader.view();
    let metric = Matcher::equal("__name__", "requests_total");
    let selector = Selector { matchers: vec![metric], range };
    let limits = ScanLimits { series_max: 1000, bytes_max: 64 << 20 };
    let tenant = TenantId::default_tenant();
    let selections = view.select(&tenant, &[selector], limits).await.expect("selects");
    let mut rows = Rows::new();
    for mut selection in selections {
        let mut slices = Vec::new();
        for series in &selection.series {
            assert!(selection.cursor.next(&mut slices).await.expect("reads"));
            let of_series = rows.entry(series.labels.get("n").unwrap_or_default().to_owned());
            let of_series = of_series.or_default();
            for slice in &slices {
                let bits: Vec<u64> = match &slice.samples {
                    Samples::Floats(values) => values.iter().map(|value| value.to_bits()).collect(),
                    Samples::Histograms(_) => Vec::new(),
                };
                of_series.extend(slice.times().iter().copied().zip(bits));
            }
        }
    }
    (rows, view.partial())
}
