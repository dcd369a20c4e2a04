//! A node whose blocks are merged all the time, what is written to it, and what must be read back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use prometheus_client::registry::Registry;
use tarn_model::error::{ErrorKind, Result};
use tarn_model::labels::LabelSet;
use tarn_model::matcher::Matcher;
use tarn_model::slice::Samples;
use tarn_model::tenant::TenantId;
use tarn_model::time::{Clock, TimeRange, UnixNanos};
use tarn_model::units::ByteSize;
use tarn_storage::append::RequestMark;
use tarn_storage::options::Compaction;
use tarn_storage::schema::tables::Table;
use tarn_storage::view::{Reader, ScanLimits, Selector};
use tarn_storage::{Handles, Options, Storage};
use tarn_testkit::clock::RealClock;
use tarn_testkit::fault_store::{FaultPlan, FaultStore};
use tarn_testkit::sim::SimRng;
use tarn_testkit::sim_disk::SimDisk;
use tarn_testkit::tasks::RealTasks;

use crate::support::{expected, read, request};

/// One series per day, and more days than a flush writes blocks of their own for.
const DAYS: i64 = 12;
/// Times of each of them, which are written again and again: of their values the last one wins.
const TICKS: i64 = 3;
const DAY_MS: i64 = 86_400_000;
const LIMITS: ScanLimits = ScanLimits { series_max: 1000, bytes_max: 1 << 30 };

/// Where the store is opened, again and again.
pub(crate) struct World {
    disk: SimDisk,
    weather: FaultStore,
    rng: SimRng,
    /// An hour before the start.
    base_ms: i64,
}

/// How far the writer is: what was acknowledged, and what was sent.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    acknowledged: AtomicU64,
    sent: AtomicU64,
    stop: AtomicBool,
}

/// The open store.
pub(crate) struct Open {
    pub(crate) storage: Arc<Storage>,
    tasks: RealTasks,
    disk: SimDisk,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let rng = SimRng::new(seed);
        let store = Arc::new(InMemory::new());
        let clock = Arc::new(Hurried::default());
        let weather = FaultStore::new(store, clock, rng.clone(), FaultPlan::default());
        let base_ms = RealClock::default().now().as_millis() - 3_600_000;
        Self { disk: SimDisk::new(seed), weather, rng, base_ms }
    }

    /// Lets the bucket misbehave in a mixture that chance decides, or not at all.
    pub(crate) fn set_weather(&self, bad: bool) {
        let some = || if bad && self.rng.chance(500) { self.rng.below(150) } else { 0 };
        self.weather.set_plan(FaultPlan {
            before: some(),
            after: some(),
            exists: some(),
            late: some(),
            stall: 0,
            stall_max: Duration::from_millis(20),
            latency_max: Duration::ZERO,
            stale_list: 0,
        });
    }

    /// Opens the store; merges are as eager and as small as can be.
    pub(crate) async fn open(&self) -> Open {
        let compaction = Compaction {
            interval: Duration::from_secs(1),
            level1_blocks: 2,
            level1_age: Duration::ZERO,
            level2_delay: Duration::ZERO,
            block_bytes: ByteSize::kib(64),
            ..Compaction::default()
        };
        let options = Options {
            flush_age: Duration::from_secs(3600),
            wal_segment_bytes: ByteSize::kib(256),
            wal_bytes_max: ByteSize::gib(1),
            compaction,
            ..Options::new(PathBuf::from("/data"))
        };
        loop {
            let tasks = RealTasks::current();
            let handles = Handles {
                clock: Arc::new(Hurried::default()),
                rng: Arc::new(self.rng.clone()),
                tasks: Arc::new(tasks.clone()),
                disk: Arc::new(self.disk.clone()),
            };
            let bucket = Arc::new(self.weather.clone()) as Arc<dyn ObjectStore>;
            let mut registry = Registry::default();
            let opened =
                Storage::open_with_store(options.clone(), handles, bucket, &mut registry).await;
            match opened {
                Ok(storage) => {
                    storage.replayed().await.expect("replays");
                    return Open { storage: Arc::new(storage), tasks, disk: self.disk.clone() };
                }
                Err(error) => {
                    stop(tasks).await;
                    assert!(is_weather(&error), "{error:?}");
                }
            }
        }
    }

    /// Writes requests, each with new values for the same times and rows of its own, until told to
    /// stop.
    pub(crate) async fn write(&self, storage: Arc<Storage>, ledger: Arc<Ledger>) {
        let tenant = TenantId::default_tenant();
        while !ledger.stop.load(Ordering::Acquire) {
            let number = ledger.sent.fetch_add(1, Ordering::AcqRel);
            let mut appender = storage.writer().appender(&tenant).expect("takes writes");
            for day in 0..DAYS {
                let labels = LabelSet::from_pairs(&[
                    ("__name__", "rewritten"),
                    ("day", &day.to_string()),
                    ("instance", "h1"),
                ]);
                let series = appender.series(&labels).expect("below the limit");
                for tick in 0..TICKS {
                    let time_ms = self.base_ms - day * DAY_MS + tick * 15_000;
                    appender.float(series, time_ms, number as f64, 0).expect("taken");
                }
            }
            let labels = LabelSet::from_pairs(&[("__name__", "counted"), ("instance", "h1")]);
            let series = appender.series(&labels).expect("below the limit");
            let time_ms = self.base_ms + number as i64 * 100;
            appender.float(series, time_ms, number as f64, 0).expect("taken");
            appender.commit().await.expect("acknowledged");
            let rows = request(number);
            let written = storage.writer().append_rows(&tenant, rows, RequestMark::default());
            written.await.expect("acknowledged");
            ledger.acknowledged.store(number + 1, Ordering::Release);
            tokio::time::sleep(Duration::from_millis(self.rng.below(4))).await;
        }
    }

    /// Reads everything once and compares: of what was acknowledged before nothing may be missing,
    /// of what was not sent nothing be there, and each row once.
    pub(crate) async fn check(&self, reader: &Reader, ledger: &Ledger) -> Result<()> {
        let least = ledger.acknowledged.load(Ordering::Acquire);
        let tenant = TenantId::default_tenant();
        let view = reader.view().pinned(&tenant);
        let named = |name| Selector {
            matchers: vec![Matcher::equal("__name__", name)],
            range: TimeRange::ALL,
        };
        let selectors = [named("counted"), named("rewritten")];
        let selections = view.select(&tenant, &selectors, LIMITS).await?;
        // What is appended from here on nobody sees.
        let most = ledger.sent.load(Ordering::Acquire);
        let mut seen = Vec::new();
        for mut selection in selections {
            let mut series: BTreeMap<LabelSet, Vec<(i64, f64)>> = BTreeMap::new();
            let mut slices = Vec::new();
            for selected in &selection.series {
                assert!(selection.cursor.next(&mut slices).await?);
                let samples = series.entry(selected.labels.clone()).or_default();
                for slice in &slices {
                    let Samples::Floats(values) = &slice.samples else { unreachable!("{slice:?}") };
                    samples.extend(slice.times().iter().copied().zip(values.iter().copied()));
                }
            }
            seen.push(series);
        }
        let counted: Vec<_> = seen[0].values().flatten().copied().collect();
        let number = counted.len() as u64;
        assert!((least..=most).contains(&number), "{number} counted, not {least}..={most}");
        let wanted = (0..number).map(|n| (self.base_ms + n as i64 * 100, n as f64));
        assert!(counted.iter().copied().eq(wanted), "{counted:?}");
        self.check_rewritten(&seen[1], least, most);
        for table in [Table::Logs, Table::Spans] {
            let lines = read(&view, table).await?;
            let fits = (least..=most).any(|number| lines == expected(table, 0..number));
            assert!(fits, "{table:?} of {least}..={most}: {} rows {lines:#?}", lines.len());
            // VIS-2: whatever was merged meanwhile, this query sees what it saw.
            assert_eq!(read(&view, table).await?, lines);
        }
        Ok(())
    }

    /// ORD-1: each time has one value, which is one of those that may be the last.
    fn check_rewritten(&self, seen: &BTreeMap<LabelSet, Vec<(i64, f64)>>, least: u64, most: u64) {
        if least > 0 {
            assert_eq!(seen.len(), DAYS as usize);
        }
        for (labels, samples) in seen {
            let day: i64 = labels.get("day").and_then(|day| day.parse().ok()).expect("a day");
            let times: Vec<i64> = samples.iter().map(|(time_ms, _)| *time_ms).collect();
            let first = self.base_ms - day * DAY_MS;
            let wanted: Vec<i64> = (0..TICKS).map(|tick| first + tick * 15_000).collect();
            assert_eq!(times, wanted, "{labels:?}");
            for (_, value) in samples {
                let last = *value + 1.0;
                let possible = last >= least as f64 && last <= most as f64;
                assert!(possible, "{labels:?}: {samples:?} after {least}..={most}");
            }
        }
    }
}

impl Ledger {
    pub(crate) fn begin(&self) {
        self.stop.store(false, Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }
}

impl Open {
    /// The process is killed, or the power fails, or it stops.
    pub(crate) async fn end(self, how: End) {
        let Self { storage, tasks, disk } = self;
        let storage = Arc::into_inner(storage).expect("nobody else has it");
        match how {
            End::Stop => {
                if let Err(error) = storage.close().await {
                    assert!(is_weather(&error), "{error:?}");
                }
            }
            End::Kill => drop(storage),
        }
        stop(tasks).await;
        disk.kill();
    }
}

/// How a life of the store ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Stop,
    Kill,
}

/// Whether an error is the bucket's.
pub(crate) fn is_weather(error: &tarn_model::error::Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable { .. })
}

async fn stop(tasks: RealTasks) {
    tokio::task::spawn_blocking(move || tasks.stop()).await.expect("threads end");
}

/// Time as it is, but pauses are a hundredth.
#[derive(Debug, Default)]
struct Hurried(RealClock);

impl Clock for Hurried {
    fn now(&self) -> UnixNanos {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn sleep(&self, duration: Duration) -> tarn_model::time::Sleep {
        // Deadlines stay what they are: 10 s and more.
        let hurried = duration < Duration::from_secs(10);
        self.0.sleep(if hurried { duration / 100 } else { duration })
    }
}
