//! The log on a real disk, with real threads: many writers at once, a process that just stops, one
//! that closes; and the golden segment of every released format.
#![expect(clippy::disallowed_methods, reason = "real threads and real time are what is tested")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tarn_model::error::ErrorKind;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_storage::Handles;
use tarn_storage::file::{Disk, OpenHow, RealDisk};
use tarn_storage::wal::{Lsn, Metrics, Options, Payload, RecordBuilder, Sink, Wal, recover};
use tarn_testkit::clock::RealClock;
use tarn_testkit::sim::SimClock;
use tarn_testkit::tasks::RealTasks;

#[path = "support/wal.rs"]
mod support;

use support::{handles, options};

/// Remembers what it applied.
#[derive(Default)]
struct Remember(Vec<(Lsn, u64)>);

impl Sink for Remember {
    type Item = (u64, usize);
    type Reply = Lsn;

    fn bytes(item: &(u64, usize)) -> usize {
        item.1
    }

    fn frame(&mut self, _lsn: Lsn, (value, len): &mut (u64, usize), record: &mut RecordBuilder) {
        let mut bytes = value.to_le_bytes().to_vec();
        bytes.resize(8 + *len, 7);
        record.tenant = Some(TenantId::default_tenant());
        let bytes = Bytes::from(bytes);
        record.payloads.push(Payload { signal: Signal::Metrics, schema: 1, bytes });
    }

    fn apply(&mut self, lsn: Lsn, (value, _): (u64, usize)) -> Lsn {
        self.0.push((lsn, value));
        lsn
    }

    fn group_applied(&mut self, last: Lsn) {
        assert_eq!(self.0.last().map(|(lsn, _)| *lsn), Some(last));
    }

    fn begin_generation(&mut self, _first: Lsn) {}
}

struct Node {
    wal: Wal<Remember>,
    tasks: RealTasks,
    registry: Registry,
    replayed: Vec<(Lsn, u64)>,
}

fn start(dir: &Path, epoch: u64, committed: Lsn) -> Node {
    let mut registry = Registry::default();
    let tasks = RealTasks::current();
    let handles = Handles {
        clock: Arc::new(RealClock::default()),
        tasks: Arc::new(tasks.clone()),
        ..handles(Arc::new(RealDisk), SimClock::default())
    };
    let options = Options {
        metrics: Metrics::register(&mut registry),
        ..options(&dir.join("wal"), epoch, 1 << 20)
    };
    let recovery = recover(&options, &handles.disk, committed).expect("a sound log opens");
    let records = recovery.records(committed).map(|record| {
        let record = record.expect("a sound log is replayed");
        let value = record.payloads[0].bytes[..8].try_into().expect("eight bytes");
        (record.lsn, u64::from_le_bytes(value))
    });
    let replayed = records.collect();
    let wal = Wal::start(options, &handles, recovery, Remember::default());
    Node { wal, tasks, registry, replayed }
}

async fn append_many(node: &Node, from: u64) -> Vec<(Lsn, u64)> {
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let wal = node.wal.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0..40 {
                    let value = from + writer * 1000 + n;
                    let bytes = if n == 7 && writer == 3 { 3 << 20 } else { 2000 };
                    let lsn = wal.append((value, bytes)).await.expect("a sound disk takes it");
                    acknowledged.push((lsn, value));
                }
                acknowledged
            })
        })
        .collect();
    let mut all = Vec::new();
    for writer in writers {
        all.extend(writer.await.expect("a writer does not panic"));
    }
    all.sort_unstable();
    all
}

fn metric(registry: &Registry, name: &str) -> f64 {
    let mut text = String::new();
    encode(&mut text, registry).expect("metrics are text");
    let line = text.lines().find(|line| line.starts_with(name)).expect("the metric is there");
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

/// DUR-1 on a real file system: whoever was answered is found again, once, in order.
#[tokio::test(flavor = "multi_thread")]
async fn dur_1_many_writers_and_a_process_that_just_stops() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), 1, Lsn(0));
    let first = append_many(&node, 0).await;
    assert_eq!(first.len(), 640);
    let (seen, last) = node.wal.run(|sink, last| (sink.0.clone(), last)).await.unwrap();
    assert_eq!((seen, last), (first.clone(), Lsn(640)));
    let syncs = metric(&node.registry, "tarn_wal_sync_seconds_count");
    println!("640 records in {syncs} syncs");
    assert!(syncs < 640.0, "requests share a sync");
    let Node { wal, tasks, .. } = node;
    drop(wal);
    tokio::task::spawn_blocking(move || tasks.stop()).await.unwrap();

    let node = start(folder.path(), 2, Lsn(0));
    assert_eq!(node.replayed, first);
    let second = append_many(&node, 100_000).await;
    let half = second[second.len() / 2].0;
    node.wal.truncate(half);
    node.wal.close().await.unwrap();
    assert!(node.wal.append((1, 1)).await.is_err());
    assert!(node.wal.run(|_, _| ()).await.is_err());
    let tasks = node.tasks.clone();
    tokio::task::spawn_blocking(move || tasks.stop()).await.unwrap();

    let node = start(folder.path(), 3, half);
    let rest: Vec<_> = second.into_iter().filter(|(lsn, _)| *lsn > half).collect();
    assert_eq!(node.replayed, rest);
    drop(node.wal);
}

/// Used segments are renamed, not deleted: their blocks are allocated and written already.
#[tokio::test(flavor = "multi_thread")]
async fn segments_are_recycled() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), 1, Lsn(0));
    let names = || {
        let entries = RealDisk.list(&folder.path().join("wal")).unwrap().into_iter();
        let names = entries.map(|e| e.path.extension().unwrap().to_str().unwrap().to_owned());
        let names: Vec<_> = names.collect();
        let count = |kind: &str| names.iter().filter(|name| *name == kind).count();
        (count("segment"), count("spare"))
    };
    let mut last = Lsn(0);
    for value in 0..50 {
        last = node.wal.append((value, 100_000)).await.unwrap();
    }
    let (segments, spares) = names();
    assert!(segments >= 5, "{segments} segments, {spares} spares");
    node.wal.truncate(last.prev());
    for _ in 0..500 {
        if names().0 == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let (left, kept) = names();
    assert!(left == 1 && kept >= segments - 1, "{left} segments, {kept} spares");
    drop(node.wal);
    let tasks = node.tasks;
    tokio::task::spawn_blocking(move || tasks.stop()).await.unwrap();
}

/// COR-2: a log that is idle for a second says that its last group is durable, so that decay of it
/// is told from a torn tail.
#[tokio::test(flavor = "multi_thread")]
async fn cor_2_an_idle_log_bears_witness() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), 1, Lsn(0));
    node.wal.append((1, 1)).await.unwrap();
    let written = metric(&node.registry, "tarn_wal_bytes_total");
    for _ in 0..500 {
        if metric(&node.registry, "tarn_wal_bytes_total") > written {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let Node { wal, tasks, .. } = node;
    drop(wal);
    tokio::task::spawn_blocking(move || tasks.stop()).await.unwrap();

    let path = folder.path().join("wal/00000000000000000001.segment");
    let file = RealDisk.open(&path, OpenHow::Write).unwrap();
    let mut byte = [0];
    file.read_at(&mut byte, 600).unwrap();
    file.write_at(&[byte[0] ^ 1], 600).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = options(&folder.path().join("wal"), 2, 1 << 20);
    let error = recover(&options, &disk, Lsn(0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
}

/// A segment of format version 1 opens, today and for ever.
#[test]
fn the_golden_segment_of_version_1_opens() {
    let golden = tarn_testkit::tree::own_folder().join("../tests/compat/v1/wal");
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("wal");
    RealDisk.create_dir_all(&dir).unwrap();
    let name = "00000000000000000001.segment";
    let from = RealDisk.open(&golden.join(name), OpenHow::Read).expect("the golden file is there");
    let mut bytes = vec![0; from.len().unwrap() as usize];
    from.read_at(&mut bytes, 0).unwrap();
    RealDisk.open(&dir.join(name), OpenHow::CreateNew).unwrap().write_at(&bytes, 0).unwrap();

    let options = options(&dir, 2, 8 << 10);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let recovery = recover(&options, &disk, Lsn(0)).unwrap();
    assert!(recovery.report.sealed);
    let lines: Vec<String> = recovery
        .records(Lsn(0))
        .map(|record| {
            let record = record.unwrap();
            let payload = &record.payloads[0];
            let (lsn, tenant, floats) = (record.lsn.0, record.tenant, record.counts.floats);
            let (signal, schema, bytes) = (payload.signal, payload.schema, payload.bytes.len());
            let hash = record.request_hash;
            format!(
                "{lsn} {tenant} {hash:x} {floats} {signal}/{schema} {bytes} × {}",
                payload.bytes[0]
            )
        })
        .collect();
    let expected = [
        "1 default 10000000000000000 1 metrics/1 10 × 1",
        "2 default 20000000000000000 1 metrics/1 600 × 2",
        "3 default 30000000000000000 1 metrics/1 33 × 3",
    ];
    assert_eq!(lines, expected);
}
