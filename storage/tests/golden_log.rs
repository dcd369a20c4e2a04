//! A log of format version 1 with log records, spans and metrics opens, today and for ever.
//!
//! `tests/compat/v1/wal_tables` was written by version 1 and never changes. `TARN_UPDATE=1` writes it
//! where it is absent.
#![expect(clippy::disallowed_methods, reason = "a golden file is a file")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "support/wal.rs"]
mod support;
#[path = "support/table_requests.rs"]
mod table_requests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::future::join;
use object_store::memory::InMemory;
use prometheus_client::registry::Registry;
use support::{handles, options};
use table_requests::{LARGE_FROM, expected, read, request};
use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_model::limits::Limits;
use tarn_model::tenant::TenantId;
use tarn_storage::append::{Batch, Log, RequestMark, Writer};
use tarn_storage::block::reader::Blocks;
use tarn_storage::file::{Disk, OpenHow, RealDisk};
use tarn_storage::head::replay::{Replayer, decode};
use tarn_storage::head::sink::HeadSink;
use tarn_storage::head::{Head, HeadGeneration};
use tarn_storage::object::Objects;
use tarn_storage::schema::tables::Table;
use tarn_storage::view::ViewCell;
use tarn_storage::wal::{Lsn, ReplyCounts, Wal, recover};
use tarn_testkit::sim::{SimClock, SimRng};
use tarn_testkit::sim_disk::SimDisk;

const REQUESTS: u64 = 12;
/// Numbers of the requests: the last two are so large that they are packed.
fn numbers() -> impl Iterator<Item = u64> {
    (0..REQUESTS - 2).chain(LARGE_FROM..LARGE_FROM + 2)
}

const SEGMENT: &str = "00000000000000000001.segment";
const SEGMENT_BYTES: u64 = 128 << 10;

fn golden() -> PathBuf {
    tarn_testkit::tree::own_folder().join("../tests/compat/v1/wal_tables")
}

/// An empty head in a view.
fn head() -> (Arc<Head>, Arc<HeadGeneration>, Arc<ViewCell>) {
    let clock = Arc::new(SimClock::default());
    let head = Head::new(Limits::default(), Arc::clone(&clock) as _);
    let store = Arc::new(InMemory::new());
    let objects = Objects::new(store, clock, Arc::new(SimRng::new(1)), &mut Registry::default());
    let view = ViewCell::new(Arc::clone(&head), Blocks::new(objects), Arc::default());
    let generation = head.generation(Lsn(1));
    view.update(|view| view.with_generation(Arc::clone(&generation)));
    (head, generation, view)
}

#[derive(Debug)]
struct OneLog(Wal<HeadSink>);

impl Log for OneLog {
    fn ready(&self) -> Result<()> {
        Ok(())
    }

    fn append(&self, batch: Batch) -> BoxFuture<'static, Result<Lsn>> {
        let wal = self.0.clone();
        Box::pin(async move { wal.append(batch).await })
    }
}

/// Writes the golden segment.
fn write() {
    let (disk, dir) = (SimDisk::new(1), Path::new("/data/wal"));
    let handles = handles(Arc::new(disk.clone()), SimClock::default());
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let recovery = recover(&options(dir, 1, SEGMENT_BYTES), &shared, Lsn(0)).unwrap();
    let (head, generation, view) = head();
    let sink = HeadSink::new(Arc::clone(&head), generation, view);
    let started = Wal::start_stepped(options(dir, 1, SEGMENT_BYTES), &handles, recovery, sink);
    let (wal, mut commits, _) = started;
    let writer = Writer::new(head, Arc::new(OneLog(wal.clone())));
    let tenant = TenantId::default_tenant();
    for (at, number) in (0..).zip(numbers()) {
        let mark = RequestMark { hash: u128::from(number) + 1, counts: counts(number) };
        let append = writer.append_rows(&tenant, request(number), mark);
        let (lsn, _) = futures::executor::block_on(join(append, async { commits.step() }));
        assert_eq!(lsn.unwrap(), Lsn(at + 1));
    }
    let mut appender = writer.appender(&tenant).unwrap();
    let series = appender.series(&LabelSet::from_pairs(&[("__name__", "up")])).unwrap();
    appender.float(series, 5, 1.0, 0).unwrap();
    let (lsn, _) = futures::executor::block_on(join(appender.commit(), async { commits.step() }));
    assert_eq!(lsn.unwrap(), Lsn(REQUESTS + 1));
    let (closed, _) = futures::executor::block_on(join(wal.close(), async { commits.step() }));
    closed.unwrap();
    std::fs::create_dir_all(golden()).unwrap();
    std::fs::write(golden().join(SEGMENT), disk.read(&dir.join(SEGMENT)).unwrap()).unwrap();
}

fn counts(number: u64) -> ReplyCounts {
    ReplyCounts { floats: number as u32, ..ReplyCounts::default() }
}

#[tokio::test]
async fn a_log_of_version_1_with_tables_opens() {
    let file = golden().join(SEGMENT);
    if std::env::var_os("TARN_UPDATE").is_some() && !file.exists() {
        write();
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("wal");
    RealDisk.create_dir_all(&dir).unwrap();
    let bytes = std::fs::read(&file).expect("the golden file is there");
    let copy = RealDisk.open(&dir.join(SEGMENT), OpenHow::CreateNew).unwrap();
    copy.write_at(&bytes, 0).unwrap();

    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let recovery = recover(&options(&dir, 2, 8 << 10), &disk, Lsn(0)).unwrap();
    assert!(recovery.report.sealed);
    let (head, generation, view) = head();
    let mut replayer = Replayer::new(head, Arc::clone(&generation));
    let mut rows = 0;
    for record in recovery.records(Lsn(0)) {
        let record = record.unwrap();
        if let Some(number) = numbers().nth(record.lsn.0 as usize - 1) {
            assert_eq!(
                (record.request_hash, record.counts),
                (u128::from(number) + 1, counts(number))
            );
            rows += request(number).len() as u64;
        }
        replayer.insert(record.lsn, &record.tenant, decode(&record.payloads).unwrap()).unwrap();
    }
    assert_eq!(generation.rows(), rows + 1);
    for table in [Table::Logs, Table::Spans] {
        let seen = read(&view.load(), table).await.unwrap();
        let mut wanted = expected(table, 0..REQUESTS - 2);
        wanted.extend(expected(table, LARGE_FROM..LARGE_FROM + 2));
        wanted.sort_unstable();
        assert!(seen == wanted, "{table:?}: {seen:#?}");
    }
}
