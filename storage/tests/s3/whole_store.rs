//! A whole store with its blocks and its catalog in a bucket: stops, kills, two writers, and what a
//! bucket may hold that no version of ours can go on with.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

use tarn_model::labels::LabelSet;
use tarn_model::limits::Limits;
use tarn_model::matcher::Matcher;
use tarn_model::tenant::TenantId;
use tarn_model::time::{Clock as _, TimeRange};
use tarn_model::units::ByteSize;
use tarn_storage::Storage;
use tarn_storage::operate::inspect::Inspection;
use tarn_storage::options::Compaction;
use tarn_storage::view::{Reader, ScanLimits, Selector};

use super::*;

/// One data folder on one simulated disk.
struct Node {
    disk: SimDisk,
    rng: SimRng,
    bucket: BucketOptions,
}

struct Open {
    storage: Storage,
    tasks: RealTasks,
}

impl Node {
    fn new(server: &S3Server, seed: u64) -> Self {
        Self { disk: SimDisk::new(seed), rng: SimRng::new(seed), bucket: options(server) }
    }

    async fn try_open(&self) -> Result<Open, Error> {
        let tasks = RealTasks::current();
        let options = Options {
            bucket: self.bucket.clone(),
            flush_age: Duration::from_secs(3600),
            wal_segment_bytes: ByteSize::kib(64),
            wal_bytes_max: ByteSize::mib(64),
            compaction: Compaction { enabled: false, ..Compaction::default() },
            ..Options::new("/data")
        };
        let handles = Handles {
            clock: Arc::new(RealClock::default()),
            rng: Arc::new(self.rng.clone()),
            tasks: Arc::new(tasks.clone()),
            disk: Arc::new(self.disk.clone()),
        };
        match Storage::open(options, handles, &mut Registry::default()).await {
            Ok(storage) => {
                storage.replayed().await.expect("replays");
                Ok(Open { storage, tasks })
            }
            Err(error) => {
                stop(tasks).await;
                Err(error)
            }
        }
    }

    async fn open(&self) -> Open {
        self.try_open().await.expect("opens")
    }
}

impl Open {
    /// Writes one sample for each number.
    async fn write(&self, numbers: Range<u64>) {
        let mut appender = self.storage.writer().appender(&TenantId::default_tenant()).expect("up");
        let begin_ms = RealClock::default().now().as_millis() - 3_600_000;
        for number in numbers {
            let labels = LabelSet::from_pairs(&[("__name__", "n"), ("n", &number.to_string())]);
            let series = appender.series(&labels).expect("below the limit");
            appender.float(series, begin_ms + number as i64, number as f64, 0).expect("taken");
        }
        appender.commit().await.expect("acknowledged");
    }

    async fn flush(&self) {
        self.storage.flush().await.expect("flushes");
    }

    async fn close(self) {
        self.storage.close().await.expect("closes");
        stop(self.tasks).await;
    }

    /// Ends as a kill does.
    async fn kill(self) {
        drop(self.storage);
        stop(self.tasks).await;
    }
}

async fn stop(tasks: RealTasks) {
    tokio::task::spawn_blocking(move || tasks.stop()).await.expect("threads end");
}

/// Returns the numbers that a query sees; each must be there once.
async fn numbers(reader: &Reader) -> BTreeSet<u64> {
    let view = reader.view();
    let matchers = vec![Matcher::equal("__name__", "n")];
    let selector = Selector { matchers, range: TimeRange::ALL };
    let limits = ScanLimits { series_max: 10_000, bytes_max: 64 << 20 };
    let tenant = TenantId::default_tenant();
    let mut found = BTreeSet::new();
    for mut selection in view.select(&tenant, &[selector], limits).await.expect("selects") {
        let mut slices = Vec::new();
        for series in &selection.series {
            assert!(selection.cursor.next(&mut slices).await.expect("reads"));
            let samples: usize = slices.iter().map(|slice| slice.times().len()).sum();
            let number = series.labels.get("n").and_then(|n| n.parse().ok()).expect("a number");
            assert!(samples == 1 && found.insert(number), "{number}: {samples} samples");
        }
    }
    found
}

async fn look(bucket: &BucketOptions) -> Result<Inspection, Error> {
    Inspection::open_bucket(bucket, Limits::default(), handles(99)).await
}

fn all(numbers: Range<u64>) -> BTreeSet<u64> {
    numbers.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vis_1_rows_are_seen_once_through_flush_kill_and_stop() {
    let server = S3Server::start().await.expect("a server");
    let node = Node::new(&server, 1);
    let nothing = look(&node.bucket).await.expect_err("no catalog yet");
    assert_eq!(nothing.kind(), ErrorKind::NotFound, "{nothing:?}");
    let store = node.open().await;
    store.write(0..10).await;
    store.flush().await;
    store.write(10..20).await;
    assert_eq!(numbers(&store.storage.reader()).await, all(0..20));
    // PAR-1: whoever looks at the bucket sees what is committed, and is told of the rest.
    let found = look(&node.bucket).await.expect("looks");
    assert_eq!(numbers(&found.reader).await, all(0..10));
    assert!(found.reader.view().partial().is_some_and(|why| why.contains("the newest rows")));
    store.kill().await;

    let store = node.open().await;
    assert_eq!(numbers(&store.storage.reader()).await, all(0..20));
    store.close().await;
    let found = look(&node.bucket).await.expect("looks");
    assert_eq!(numbers(&found.reader).await, all(0..20));
    assert_eq!((found.reader.view().partial(), found.note), (None, None));
    let blocks = server.bucket_folder().join("a/b/blocks/tenant=default/signal=metrics");
    assert!(blocks.is_dir(), "below the prefix");

    // What can be read can be asked, whether or not it can be written.
    server.weather(|w| w.deny_writes = true);
    let found = look(&node.bucket).await.expect("looks at what is read-only");
    assert_eq!(numbers(&found.reader).await, all(0..20));
    let refused = node.try_open().await.err().expect("a server needs more");
    assert!(told(&refused).contains("can be read and not be written"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_a_bucket_too() {
    let server = S3Server::start().await.expect("a server");
    let mut node = Node::new(&server, 5);
    let url = BucketUrl::parse("file:///mnt/shared").expect("an address");
    node.bucket = BucketOptions { url: Some(url), ..BucketOptions::default() };
    for life in 0..2 {
        let store = node.open().await;
        store.write(life * 10..life * 10 + 10).await;
        store.flush().await;
        assert_eq!(numbers(&store.storage.reader()).await, all(0..life * 10 + 10));
        store.close().await;
    }
    assert_eq!(server.counts().requests(), 0, "nothing went to S3");
}

/// VIS-1 and PAR-1 with two writers: what either commits both see; what is in the log of the other
/// is missing, and said to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_folders_share_a_bucket() {
    let server = S3Server::start().await.expect("a server");
    let (one, two) = (Node::new(&server, 11), Node::new(&server, 12));
    let (first, second) = (one.open().await, two.open().await);
    assert_ne!(first.storage.writer_id(), second.storage.writer_id());
    for round in 0..3 {
        let begin = round * 20;
        first.write(begin..begin + 10).await;
        second.write(begin + 10..begin + 20).await;
        // Both commit at the same time: one wins the number, the other takes the next.
        tokio::join!(first.flush(), second.flush());
    }
    first.write(60..65).await;
    for (store, sees) in [(&first, all(0..65)), (&second, all(0..60))] {
        let reader = store.storage.reader();
        let (mut seen, mut partial) = (BTreeSet::new(), None);
        // A poll brings the other's blocks, and that there is another.
        for _ in 0..100 {
            (seen, partial) = (numbers(&reader).await, reader.view().partial());
            if seen == sees && partial.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(seen, sees);
        let partial = partial.expect("the other is live");
        assert!(partial.contains("the newest rows of writer"), "{partial}");
    }
    first.close().await;
    for _ in 0..100 {
        if second.storage.reader().view().partial().is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(second.storage.reader().view().partial(), None, "the other has retired");
    assert_eq!(numbers(&second.storage.reader()).await, all(0..65));
    second.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cor_1_a_catalog_from_the_future_or_with_a_hole_is_not_gone_on_with() {
    let server = S3Server::start().await.expect("a server");
    let node = Node::new(&server, 21);
    let store = node.open().await;
    // So many commits that there is a checkpoint with a page.
    for number in 0..70 {
        store.write(number..number + 1).await;
        store.flush().await;
    }
    store.close().await;
    let root = server.bucket_folder().join("a/b");
    let manifests = files(&root.join("catalog"));
    let last = manifests.last().expect("manifests");
    let name = last.file_name().expect("a name").to_string_lossy().into_owned();

    let bytes = std::fs::read(last).expect("reads");
    std::fs::write(last, of_version(&bytes, 9)).expect("writes");
    let error = node.try_open().await.err().expect("cannot be read");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(
        told(&error).contains(&format!("{name} has format 9, this version reads 1")),
        "{error}"
    );
    std::fs::write(last, &bytes).expect("writes");

    // A page is gone, and so is the oldest manifest: nothing can stand in for it.
    let page = files(&root.join("checkpoints")).into_iter().find(|path| is_page(path));
    let page = page.expect("a page");
    let content = std::fs::read(&page).expect("reads");
    let first = std::fs::read(&manifests[0]).expect("reads");
    std::fs::remove_file(&page).expect("removes");
    std::fs::remove_file(&manifests[0]).expect("removes");
    let error = node.try_open().await.err().expect("has a hole");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let page_name = page.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(told(&error).contains(&page_name), "{error} does not name {page_name}");

    std::fs::write(&page, content).expect("writes");
    std::fs::write(&manifests[0], first).expect("writes");
    let store = node.open().await;
    assert_eq!(numbers(&store.storage.reader()).await, all(0..70));
    store.close().await;
}

fn is_page(path: &std::path::Path) -> bool {
    path.extension().is_some_and(|extension| extension == "page")
}

/// Returns all files below a folder, sorted.
fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Returns a catalog object as a later version might have sealed it.
fn of_version(bytes: &[u8], version: u16) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[8..10].copy_from_slice(&version.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..20]), &bytes[24..]);
    bytes[20..24].copy_from_slice(&crc.to_le_bytes());
    bytes
}
