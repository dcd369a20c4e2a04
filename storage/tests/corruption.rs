//! COR-1, COR-2: one bit of any file is flipped, at many places of every kind of file. Either the
//! damage is told (at the start, by a query, by `tarn block verify`), or every row is there as it was.
//! Never are other rows shown, and nothing panics.
//!
//! Exempt, because nothing is promised about them: zeros of the log that nothing was written to, the
//! ballast, the published listing (a copy for others, never read here), and the last group of the log
//! before a crash, which cannot be told from a torn write and is reported as one.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::labels::LabelSet;
use tarn_model::limits::Limits;
use tarn_model::slice::Samples;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_model::units::ByteSize;
use tarn_storage::append::RequestMark;
use tarn_storage::compact::plan::Which;
use tarn_storage::file::Disk;
use tarn_storage::operate::verify::verify;
use tarn_storage::options::Compaction;
use tarn_storage::schema::tables::Table;
use tarn_storage::view::{ScanLimits, Selector};
use tarn_storage::{Handles, Options, Storage};
use tarn_testkit::clock::RealClock;
use tarn_testkit::sim::SimRng;
use tarn_testkit::sim_disk::SimDisk;
use tarn_testkit::tasks::RealTasks;

#[path = "support/table_requests.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod table_requests;

const SCAN: ScanLimits = ScanLimits { series_max: 1 << 20, bytes_max: 1 << 30 };
/// Manifests, so that a checkpoint is among them.
const FLUSHES: u64 = 70;
/// Places of a file that are tried between its first and its last bytes.
const PLACES: u64 = 9;

/// Everything a query sees.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    series: BTreeMap<String, Vec<(i64, u64)>>,
    rows: Vec<Vec<String>>,
}

struct Open {
    storage: Storage,
    tasks: RealTasks,
}

async fn open(disk: &SimDisk) -> Result<Open> {
    let tasks = RealTasks::current();
    let options = Options {
        label: "test".to_owned(),
        flush_age: Duration::from_secs(3600),
        flush_bytes: ByteSize::mib(64),
        wal_segment_bytes: ByteSize::kib(64),
        wal_bytes_max: ByteSize::mib(64),
        compaction: Compaction { enabled: false, ..Compaction::default() },
        limits: Limits::default(),
        ..Options::new("/data")
    };
    let handles = Handles {
        clock: Arc::new(RealClock::default()),
        rng: Arc::new(SimRng::new(disk.operations())),
        tasks: Arc::new(tasks.clone()),
        disk: Arc::new(disk.clone()),
    };
    let opened = Storage::open(options, handles, &mut Registry::default()).await;
    let opened = match opened {
        Ok(storage) => match storage.replayed().await {
            Ok(()) => Ok(storage),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    match opened {
        Ok(storage) => Ok(Open { storage, tasks }),
        Err(error) => {
            stop(tasks).await;
            Err(error)
        }
    }
}

async fn stop(tasks: RealTasks) {
    tokio::task::spawn_blocking(move || tasks.stop()).await.unwrap();
}

impl Open {
    /// Leaves the store as a crash does.
    async fn crash(self) {
        drop(self.storage);
        stop(self.tasks).await;
    }

    async fn append(&self, number: u64) {
        let tenant = TenantId::default_tenant();
        let writer = self.storage.writer();
        let mut appender = writer.appender(&tenant).unwrap();
        for series in 0..4 {
            let labels = LabelSet::from_pairs(&[
                ("__name__", "requests_total"),
                ("instance", &format!("i{series}")),
            ]);
            let reference = appender.series(&labels).unwrap();
            let time_ms = 1_795_200_000_000 + number as i64 * 15_000;
            appender.float(reference, time_ms, (number * 7 + series) as f64, 0).unwrap();
        }
        appender.commit().await.unwrap();
        let mark = RequestMark { hash: u128::from(number) + 1, ..RequestMark::default() };
        writer.append_rows(&tenant, table_requests::request(number), mark).await.unwrap();
    }

    async fn read(&self) -> Result<Seen> {
        let tenant = TenantId::default_tenant();
        let view = self.storage.reader().view();
        let selector = Selector { matchers: vec![], range: TimeRange::ALL };
        let mut selection = view.select(&tenant, &[selector], SCAN).await?.remove(0);
        let (mut series, mut slices) = (BTreeMap::new(), Vec::new());
        let mut names = selection.series.iter();
        while selection.cursor.next(&mut slices).await? {
            let labels = names.next().unwrap().labels.to_string();
            let mut samples = Vec::new();
            for slice in &slices {
                if let Samples::Floats(values) = &slice.samples {
                    let values = values.iter().map(|v| v.to_bits());
                    samples.extend(slice.times().iter().copied().zip(values));
                }
            }
            series.insert(labels, samples);
        }
        let mut rows = Vec::new();
        for table in [Table::Logs, Table::Spans] {
            rows.push(table_requests::read(&view, table).await?);
        }
        Ok(Seen { series, rows })
    }
}

fn files(disk: &SimDisk, folder: &Path, into: &mut Vec<(PathBuf, u64)>) {
    for entry in disk.list(folder).unwrap() {
        if entry.is_dir {
            files(disk, &entry.path, into);
        } else {
            into.push((entry.path, entry.bytes));
        }
    }
}

/// Returns what kind of file a path is.
fn kind_of(path: &Path) -> String {
    let text = path.strip_prefix("/data").unwrap().to_str().unwrap().to_owned();
    let name = path.file_name().unwrap().to_str().unwrap();
    match text.split('/').collect::<Vec<_>>()[..] {
        ["bucket", "blocks", ..] => {
            format!("block {}", name.split('-').take(2).collect::<Vec<_>>().join(" "))
        }
        ["bucket", "checkpoints", ..] if name.ends_with(".page") => "catalog page".to_owned(),
        ["bucket", folder, ..] => folder.to_owned(),
        ["wal", "requests"] => "wal requests".to_owned(),
        ["wal", _] => format!("wal {}", name.rsplit('.').next().unwrap()),
        _ => text,
    }
}

/// Returns the bytes of a file to damage: some of its beginning, of its end, and places between.
fn places(bytes: u64) -> Vec<u64> {
    let mut places: Vec<u64> = [0, 9, 12, 16, 21, 24, 30].into_iter().collect();
    let step = (bytes / PLACES).max(1);
    places.extend((0..PLACES).map(|at| at * step + step / 3));
    places.extend([1, 5, 9, 40, 200].into_iter().filter_map(|back| bytes.checked_sub(back)));
    places.retain(|at| *at < bytes);
    places.sort_unstable();
    places.dedup();
    places
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    flips: u64,
    /// Told at the start, or by a query.
    told: u64,
    /// Every row is there; the damage is told by a verification.
    verified: u64,
    /// Every row is there, and nothing else can be said.
    harmless: u64,
}

impl Tally {
    fn add(&mut self, one: Self) {
        self.flips += one.flips;
        self.told += one.told;
        self.verified += one.verified;
        self.harmless += one.harmless;
    }
}

fn is_told(error: &Error) -> bool {
    // A version that this program does not know is told as such.
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Invalid)
}

/// What came of one flipped bit.
async fn outcome(disk: &SimDisk, truth: &Seen, what: &str) -> Tally {
    let mut tally = Tally { flips: 1, ..Tally::default() };
    let store = match open(disk).await {
        Ok(store) => store,
        Err(error) => {
            assert!(is_told(&error), "{what}: {error:?}");
            tally.told = 1;
            return tally;
        }
    };
    match store.read().await {
        Err(error) => {
            assert!(is_told(&error), "{what}: {error:?}");
            tally.told = 1;
        }
        Ok(seen) => {
            let torn_tail = what.starts_with("wal segment") && seen != *truth;
            if torn_tail {
                assert!(is_prefix(&seen, truth), "{what}: other rows are shown");
            } else {
                assert_eq!(seen, *truth, "{what}: other rows are shown");
            }
            let storage = &store.storage;
            let found = verify(storage.objects(), &storage.catalog(), |_| ()).await.unwrap();
            if found.damaged.is_empty() { tally.harmless = 1 } else { tally.verified = 1 }
        }
    }
    store.crash().await;
    tally
}

/// Only the last request may be missing.
fn is_prefix(seen: &Seen, truth: &Seen) -> bool {
    let samples = truth.series.iter().all(|(labels, all)| {
        seen.series
            .get(labels)
            .is_some_and(|own| all.starts_with(own) && own.len() + 1 >= all.len())
    });
    samples
        && seen
            .rows
            .iter()
            .zip(&truth.rows)
            .all(|(own, all)| own.iter().all(|row| all.contains(row)))
}

async fn folder() -> SimDisk {
    let disk = SimDisk::new(1);
    let store = open(&disk).await.unwrap();
    for number in 0..FLUSHES {
        store.append(number).await;
        store.storage.flush().await.unwrap();
    }
    store.storage.compact(&Which::default()).await.unwrap();
    for number in FLUSHES..FLUSHES + 9 {
        store.append(number).await;
        if number == FLUSHES + 4 {
            store.storage.flush().await.unwrap();
        }
    }
    store.crash().await;
    disk
}

#[tokio::test(flavor = "multi_thread")]
async fn cor_1_cor_2_a_flipped_bit_of_any_file_is_told_or_harmless() {
    let disk = folder().await;
    let store = open(&disk.fork()).await.unwrap();
    let truth = store.read().await.unwrap();
    let live: Vec<String> =
        store.storage.catalog().all_blocks().map(|b| b.object.clone()).collect();
    store.crash().await;
    let mut all = Vec::new();
    files(&disk, Path::new("/data"), &mut all);
    let mut kinds: BTreeMap<String, Vec<(PathBuf, u64)>> = BTreeMap::new();
    for (path, bytes) in all {
        let key = path.strip_prefix("/data/bucket").unwrap_or(&path).to_str().unwrap();
        // Blocks that were merged into others wait for the sweep, and nobody reads them.
        if key.starts_with("blocks/") && !live.iter().any(|object| object == key) {
            continue;
        }
        kinds.entry(kind_of(&path)).or_default().push((path, bytes));
    }
    // Manifests that a checkpoint makes superfluous would heal its damage.
    let history: Vec<PathBuf> = kinds["catalog"].iter().map(|(path, _)| path.clone()).collect();
    for (kind, files) in kinds {
        if matches!(&*kind, "ballast" | "published" | "unclean") || kind.ends_with("spare") {
            println!("{kind}: exempt");
            continue;
        }
        // The largest stands for all of its kind; of the catalog the newest, which every load reads.
        let (path, bytes) = match &*kind {
            "catalog" => files.last().unwrap(),
            _ => files.iter().max_by_key(|(_, bytes)| *bytes).unwrap(),
        };
        let mut sum = Tally::default();
        for at in places(*bytes) {
            let damaged = disk.fork();
            damaged.flip_bit(path, at * 8 + at % 8).unwrap();
            if kind.starts_with("catalog page") || kind == "checkpoints" {
                damaged.remove(&history[0]).unwrap();
            }
            let what = format!("{kind} {} byte {at} of {bytes}", path.display());
            sum.add(outcome(&damaged, &truth, &what).await);
        }
        let Tally { flips, told, verified, harmless } = sum;
        println!(
            "{kind}: {flips} bits flipped, {told} told, {verified} told by verify, {harmless} harmless"
        );
        let may_be_harmless = kind.starts_with("wal ");
        assert!(may_be_harmless || harmless == 0, "{kind}: {harmless} of {flips} went unseen");
    }
}
