//! A store whose two clocks the test moves, and what its queries see.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_model::matcher::{Matcher, parse_selector};
use tarn_model::rng::Rng;
use tarn_model::signal::Signal;
use tarn_model::slice::Samples;
use tarn_model::tenant::TenantId;
use tarn_model::time::{Clock, Sleep, TimeRange, UnixNanos};
use tarn_model::units::ByteSize;
use tarn_storage::append::RequestMark;
use tarn_storage::file::Disk;
use tarn_storage::object::Objects;
use tarn_storage::options::{Compaction, Retention, RetentionRule};
use tarn_storage::retain::request::EraseRequest;
use tarn_storage::view::{Reader, ScanLimits, Selector};
use tarn_storage::wal::ReplyCounts;
use tarn_storage::{Handles, Options, Storage};
use tarn_testkit::sim::SimRng;
use tarn_testkit::sim_disk::SimDisk;
use tarn_testkit::tasks::RealTasks;

use super::requests::request;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
/// Where wall time begins: 2026-11-21T12:00:00Z.
pub(crate) const BEGIN_MS: i64 = 1_795_262_400_000;

/// Wall time and uptime, moved by the test alone.
#[derive(Debug, Default)]
pub(crate) struct Steered {
    up_ms: AtomicU64,
    wall_ms: AtomicI64,
}

impl Steered {
    /// Both clocks go on.
    pub(crate) fn pass(&self, time: Duration) {
        self.up_ms.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
        self.jump(time.as_millis() as i64);
    }

    /// Wall time alone.
    pub(crate) fn jump(&self, by_ms: i64) {
        self.wall_ms.fetch_add(by_ms, Ordering::SeqCst);
    }

    pub(crate) fn wall_ms(&self) -> i64 {
        BEGIN_MS + self.wall_ms.load(Ordering::SeqCst)
    }
}

impl Clock for Steered {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.wall_ms() * 1_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.up_ms.load(Ordering::SeqCst))
    }

    /// Short pauses are a hundredth; deadlines and the looks of the store itself never come.
    fn sleep(&self, duration: Duration) -> Sleep {
        if duration < Duration::from_secs(10) {
            Box::pin(tokio::time::sleep(duration / 100))
        } else {
            Box::pin(std::future::pending())
        }
    }
}

/// Values by series (label `n`) and time.
pub(crate) type Rows = BTreeMap<String, Vec<(i64, f64)>>;

/// A place where the store can be opened, again and again.
pub(crate) struct World {
    pub(crate) disk: SimDisk,
    pub(crate) bucket: Arc<dyn ObjectStore>,
    pub(crate) clock: Arc<Steered>,
    pub(crate) rules: Vec<RetentionRule>,
    rng: SimRng,
}

/// An open store.
pub(crate) struct Open {
    pub(crate) storage: Storage,
    pub(crate) clock: Arc<Steered>,
    tasks: RealTasks,
    registry: Registry,
    disk: SimDisk,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            disk: SimDisk::new(seed),
            bucket: Arc::new(InMemory::new()),
            clock: Arc::default(),
            rules: Vec::new(),
            rng: SimRng::new(seed),
        }
    }

    /// The same bucket and time, another folder.
    pub(crate) fn neighbour(&self, seed: u64) -> Self {
        let bucket = Arc::clone(&self.bucket);
        Self { bucket, clock: Arc::clone(&self.clock), ..Self::new(seed) }
    }

    pub(crate) fn rule(mut self, signal: Option<Signal>, matchers: &str, keep: Duration) -> Self {
        let matchers = parse_selector(matchers).expect("a selector");
        self.rules.push(RetentionRule { tenant: None, signal, matchers, keep });
        self
    }

    pub(crate) fn objects(&self) -> Objects {
        let rng = Arc::new(self.rng.clone()) as Arc<dyn Rng>;
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Objects::new(Arc::clone(&self.bucket), clock, rng, &mut Registry::default())
    }

    /// Returns all keys below a folder of the bucket.
    pub(crate) async fn keys(&self, folder: &str) -> BTreeSet<String> {
        let listed = self.objects().list(folder).await.expect("lists");
        listed.into_iter().map(|head| head.key).collect()
    }

    /// Opens; a task of the life before may hold the folder for some moments.
    pub(crate) async fn open(&self) -> Open {
        for _ in 0..500 {
            match self.try_open().await {
                Err(e) if e.message().contains("another process has the data folder") => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                opened => return opened.expect("opens"),
            }
        }
        unreachable!("the folder is held for ever");
    }

    pub(crate) async fn try_open(&self) -> Result<Open> {
        let tasks = RealTasks::current();
        let options = Options {
            label: "test".to_owned(),
            flush_age: 1000 * DAY,
            flush_bytes: ByteSize::mib(64),
            wal_segment_bytes: ByteSize::kib(64),
            wal_bytes_max: ByteSize::mib(64),
            compaction: Compaction { enabled: false, ..Compaction::default() },
            retention: Retention { rules: self.rules.clone(), ..Retention::default() },
            ..Options::new(PathBuf::from("/data"))
        };
        let handles = Handles {
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            rng: Arc::new(self.rng.clone()) as Arc<dyn Rng>,
            tasks: Arc::new(tasks.clone()),
            disk: Arc::new(self.disk.clone()) as Arc<dyn Disk>,
        };
        let mut registry = Registry::default();
        let bucket = Arc::clone(&self.bucket);
        let storage = Storage::open_with_store(options, handles, bucket, &mut registry).await;
        let storage = storage?;
        storage.replayed().await.expect("replays");
        let (clock, disk) = (Arc::clone(&self.clock), self.disk.clone());
        Ok(Open { storage, clock, tasks, registry, disk })
    }
}

impl Open {
    /// Writes a sample of each of the series, at a wall time.
    pub(crate) async fn write(&self, series: &[&str], time_ms: i64, value: f64) {
        let tenant = TenantId::default_tenant();
        let mut appender = self.storage.writer().appender(&tenant).expect("ready");
        for n in series {
            let labels = LabelSet::from_pairs(&[("__name__", "m"), ("n", n)]);
            let reference = appender.series(&labels).expect("below the limit");
            appender.float(reference, time_ms, value, 0).expect("taken");
        }
        appender.commit().await.expect("acknowledged");
    }

    pub(crate) async fn flush(&self) {
        self.storage.flush().await.expect("flushes");
    }

    /// Erases by selectors in a range of time.
    pub(crate) async fn try_erase(
        &self,
        signal: Signal,
        selectors: &[&str],
        range: (i64, i64),
    ) -> Result<Vec<String>> {
        let selectors = selectors.iter().map(|text| parse_selector(text).expect("a selector"));
        let request = EraseRequest {
            tenant: TenantId::default_tenant(),
            signal,
            selectors: selectors.collect(),
            start_ms: range.0,
            end_ms: range.1,
        };
        self.storage.erase(&request).await
    }

    pub(crate) async fn erase(&self, signal: Signal, selector: &str) -> Vec<String> {
        let all = (i64::MIN, i64::MAX);
        self.try_erase(signal, &[selector], all).await.expect("erases")
    }

    /// Looks every minute for some time.
    pub(crate) async fn look_for(&self, time: Duration) {
        let minutes = time.as_secs() / 60;
        // Ages of hours and days: a look every ten minutes is as good.
        for _ in 0..minutes / 10 {
            self.clock.pass(Duration::from_secs(600));
            self.storage.retain().await.expect("looks");
        }
    }

    /// Returns the value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("encodes");
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.and_then(|value| value.parse().ok()).expect("the metric")
    }

    pub(crate) async fn close(self) {
        self.storage.close().await.expect("closes");
        stop(self.tasks).await;
    }

    /// Power loss.
    pub(crate) async fn crash(self) {
        self.disk.cut_power_after(0);
        drop(self.storage);
        stop(self.tasks).await;
        self.disk.power_loss();
    }
}

async fn stop(tasks: RealTasks) {
    tokio::task::spawn_blocking(move || tasks.stop()).await.expect("threads end");
}

pub(crate) const LIMITS: ScanLimits = ScanLimits { series_max: 100_000, bytes_max: 256 << 20 };

/// Appends requests of log records and spans.
pub(crate) async fn append(store: &Open, numbers: std::ops::Range<u64>) {
    let tenant = TenantId::default_tenant();
    for number in numbers {
        let hash = u128::from(number + 1) << 60;
        let mark = RequestMark { hash, counts: ReplyCounts::default() };
        let appended = store.storage.writer().append_rows(&tenant, request(number), mark).await;
        appended.expect("acknowledged");
    }
}

/// Everything that a query sees of the metric.
pub(crate) async fn read(reader: &Reader) -> Rows {
    let view = reader.view();
    let matchers = vec![Matcher::equal("__name__", "m")];
    let selector = Selector { matchers, range: TimeRange::ALL };
    let tenant = TenantId::default_tenant();
    let selections = view.select(&tenant, &[selector], LIMITS).await.expect("selects");
    let mut rows = Rows::new();
    for mut selection in selections {
        let mut slices = Vec::new();
        for series in &selection.series {
            assert!(selection.cursor.next(&mut slices).await.expect("reads"));
            let name = series.labels.get("n").unwrap_or_default().to_owned();
            let of_series = rows.entry(name).or_default();
            for slice in &slices {
                if let Samples::Floats(values) = &slice.samples {
                    of_series.extend(slice.times().iter().copied().zip(values.iter().copied()));
                }
            }
        }
    }
    rows
}

/// The values of a label, without and with selectors: both ways must agree.
pub(crate) async fn values(reader: &Reader, name: &str) -> Vec<String> {
    let (view, tenant) = (reader.view(), TenantId::default_tenant());
    let range = TimeRange::ALL;
    let plain = view.label_values(&tenant, name, &[], range, LIMITS).await.expect("values");
    let selector = Selector { matchers: vec![Matcher::equal("__name__", "m")], range };
    let selected = view.label_values(&tenant, name, &[selector], range, LIMITS).await;
    assert_eq!(plain, selected.expect("values"), "{name}");
    plain
}
