//! A store on a simulated disk that can be killed, for those who follow it.

use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow_array::cast::AsArray as _;
use prometheus_client::registry::Registry;
use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_model::limits::Limits;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock as _;
use tarn_model::units::ByteSize;
use tarn_storage::append::RequestMark;
use tarn_storage::append::rows::{SpanRow, SpanRows, TableRows};
use tarn_storage::head::follow::RowBatch;
use tarn_storage::options::Compaction;
use tarn_storage::schema::tables::column;
use tarn_storage::wal::Lsn;
use tarn_storage::{Handles, Options, Storage};
use tarn_testkit::clock::RealClock;
use tarn_testkit::sim::SimRng;
use tarn_testkit::sim_disk::SimDisk;
use tarn_testkit::tasks::RealTasks;

/// An open store.
pub(crate) struct Node {
    pub(crate) storage: Storage,
    pub(crate) disk: SimDisk,
    tasks: RealTasks,
}

impl Node {
    pub(crate) async fn open(disk: SimDisk, memory: ByteSize) -> Self {
        let limits = Limits { memory_budget: memory, ..Limits::default() };
        Self::open_with(disk, Options { limits, ..options() }).await
    }

    pub(crate) async fn open_with(disk: SimDisk, options: Options) -> Self {
        let tasks = RealTasks::current();
        let handles = Handles {
            clock: Arc::new(RealClock::default()),
            rng: Arc::new(SimRng::new(disk.operations())),
            tasks: Arc::new(tasks.clone()),
            disk: Arc::new(disk.clone()),
        };
        let mut registry = Registry::default();
        let storage = Storage::open(options, handles, &mut registry).await.expect("opens");
        storage.replayed().await.expect("replays");
        Self { storage, disk, tasks }
    }

    /// Power loss, as far as the disk is concerned.
    pub(crate) async fn crash(self) {
        self.disk.cut_power_after(0);
        drop(self.storage);
        stop(self.tasks).await;
        self.disk.power_loss();
    }

    pub(crate) async fn close(self) {
        self.storage.close().await.expect("closes");
        stop(self.tasks).await;
    }
}

fn options() -> Options {
    Options {
        label: "test".to_owned(),
        flush_age: Duration::from_secs(3600),
        flush_bytes: ByteSize::gib(1),
        wal_segment_bytes: ByteSize::kib(16),
        wal_bytes_max: ByteSize::gib(1),
        compaction: Compaction { enabled: false, ..Compaction::default() },
        ..Options::new("/data")
    }
}

/// The log is kept for one follower.
pub(crate) fn named_options(bytes_max: ByteSize) -> Options {
    Options { followers: vec!["counter"], wal_follower_bytes_max: bytes_max, ..options() }
}

/// An hour ago, the same for a whole test.
pub(crate) fn base_ms() -> i64 {
    static BASE: OnceLock<i64> = OnceLock::new();
    *BASE.get_or_init(|| RealClock::default().now().as_millis() - 3_600_000)
}

/// Writes `n` samples, one each of as many series, with the value `value`.
pub(crate) async fn samples(storage: &Storage, tenant: &TenantId, n: u32, value: f64) -> Lsn {
    let mut appender = storage.writer().appender(tenant).expect("ready");
    let time_ms = RealClock::default().now().as_millis();
    for series in 0..n {
        let labels = LabelSet::from_pairs(&[("__name__", "up"), ("n", &series.to_string())]);
        let series = appender.series(&labels).expect("below the limit");
        appender.float(series, time_ms, value, 0).expect("taken");
    }
    appender.commit().await.expect("acknowledged")
}

/// Writes spans with these ids.
pub(crate) async fn spans(storage: &Storage, tenant: &TenantId, ids: Range<u64>) -> Lsn {
    try_spans(storage, tenant, ids).await.expect("acknowledged")
}

pub(crate) async fn try_spans(
    storage: &Storage,
    tenant: &TenantId,
    ids: Range<u64>,
) -> Result<Lsn> {
    let mut rows = SpanRows::default();
    let resource = rows.resource("{}", "gateway");
    let scope = rows.scope("{}");
    for id in ids {
        rows.push(&SpanRow {
            resource,
            scope,
            trace_id: u128::from(id + 1).to_be_bytes(),
            span_id: (id + 1).to_be_bytes(),
            parent_span_id: None,
            start_ns: 1_795_303_800_000_000_000,
            duration_ns: 1_000_000,
            name: "GET /",
            kind: 2,
            status: 0,
            status_message: "",
            trace_state: "",
            flags: 1,
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
            weight: None,
            exception_group: None,
            problems: 0,
        });
    }
    let done = storage.writer().append_rows(tenant, TableRows::Spans(rows), RequestMark::default());
    done.await
}

/// Returns the ids of the spans of a batch.
pub(crate) fn ids(batch: &RowBatch) -> Vec<u64> {
    let ids = batch.rows().column_by_name(column::SPAN_ID).expect("a column of the table");
    let id = |id: Option<&[u8]>| u64::from_be_bytes(id.expect("set").try_into().expect("8 bytes"));
    ids.as_fixed_size_binary().iter().map(|one| id(one) - 1).collect()
}

/// Ends the tasks of a store.
pub(crate) async fn stop(tasks: RealTasks) {
    tokio::task::spawn_blocking(move || tasks.stop()).await.expect("threads end");
}
