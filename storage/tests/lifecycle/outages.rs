//! A bucket that is away, slow, or lies; a disk that is full meanwhile. Rows are acknowledged and
//! staged, memory stays level, and afterwards each row is in the bucket once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use tarn_model::error::ErrorKind;
use tarn_model::labels::LabelSet;
use tarn_model::matcher::Matcher;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_model::units::ByteSize;
use tarn_storage::append::RequestMark;
use tarn_storage::file::{Disk, Entry};
use tarn_storage::paths::{self, DataDir};
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::{RowColumn, RowOrder, RowScan};
use tarn_storage::view::{ScanLimits, Selector};
use tarn_testkit::fault_store::FaultPlan;
use tarn_testkit::sim_disk::SimDisk;

use crate::eventually;
use crate::node::{Node, Open, expected, read_all, read_range, times};
use crate::support::request;

const MINUTES: fn(u64) -> Duration = |minutes| Duration::from_secs(minutes * 60);

fn staged_files(node: &Node) -> Vec<PathBuf> {
    let entries = node.disk().list(&DataDir::new(node.path()).staged()).expect("lists");
    entries.into_iter().map(|Entry { path, .. }| path).collect()
}

/// Waits until everything is in the bucket.
async fn delivered(node: &Node, store: &Open) {
    // Longer than any back-off.
    node.clock.leap(MINUTES(2));
    eventually(|| async { store.storage.reader().view().staged().is_empty() }).await;
}

/// Ends a start that has a copy of the catalog: what a node has some seconds after it.
async fn with_copy(node: &Node) {
    let copy = DataDir::new(node.path()).saved_catalog();
    eventually(|| async { node.disk().read(&copy).is_ok() }).await;
}

/// Reliability, "bucket away for 2 h, restart in the middle".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_vis_1_par_1_the_bucket_is_away_for_two_hours_with_a_restart_in_the_middle() {
    let node = Node::faulty(100).forgetful();
    let mut store = node.open().await;
    store.write(0..5).await;
    store.storage.flush().await.expect("flushes");
    let before = store.storage.catalog().version();
    with_copy(&node).await;
    node.break_bucket(true);
    let mut heads = Vec::new();
    for round in 0..24 {
        let next = 5 + round * 2;
        store.write(next..next + 2).await;
        heads.push(store.metric("tarn_head_bytes"));
        store.storage.flush().await.expect_err("the bucket is away");
        node.clock.leap(MINUTES(5));
        store.assert_each_row_once(next + 2);
        assert_eq!(store.metric("tarn_head_rows"), 0, "staging frees the head");
        if round == 11 {
            store.crash().await;
            store = node.open().await;
            assert_eq!(store.storage.readiness().ingest, None, "rows are taken");
            store.assert_each_row_once(next + 2);
        }
    }
    let most = heads.iter().max().copied().unwrap_or_default();
    assert!(most <= heads[0] * 2, "memory is not level: {heads:?}");

    // Exactly the answers that lack bytes say so: the first five requests are in the bucket alone.
    let reader = store.storage.reader();
    let (rows, partial) = read_range(&reader, times(5..53)).await;
    assert_eq!((rows, partial), (expected(5..53), None), "what is local is whole");
    let (rows, partial) = read_range(&reader, times(0..53)).await;
    assert_eq!(rows, expected(5..53));
    assert!(partial.expect("it lacks rows").contains("cannot be reached"));
    assert_eq!(store.storage.catalog().version(), before, "nothing was committed");

    node.break_bucket(false);
    delivered(&node, &store).await;
    store.assert_each_row_once(53);
    let (rows, partial) = read_range(&reader, times(0..53)).await;
    assert_eq!((rows, partial), (expected(0..53), None));
    let record = store.storage.catalog().writers().next().cloned().expect("one writer");
    assert_eq!(record.committed, 53);
    let after = store.storage.catalog().version();
    assert_eq!(after - before, 2, "the epoch, and one commit for all cuts");
    store.close().await;
    assert_eq!(staged_files(&node), Vec::<PathBuf>::new(), "what is committed is not kept");
    let store = node.open().await;
    store.assert_each_row_once(53);
    assert_eq!(read_all(&store.storage).await, expected(0..53));
    store.close().await;
}

/// Reliability, "Bucket down": whole while the bytes are local; own blocks stay for a day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn par_1_own_blocks_of_a_day_answer_without_the_bucket() {
    let node = Node::faulty(101);
    let store = node.open().await;
    store.write(0..5).await;
    store.storage.flush().await.expect("flushes");
    with_copy(&node).await;
    store.crash().await;
    node.break_bucket(true);
    let store = node.open().await;
    store.write(5..7).await;
    let (rows, partial) = read_range(&store.storage.reader(), times(0..7)).await;
    assert_eq!((rows, partial), (expected(0..7), None));
    // It is counted behind the start.
    eventually(|| async { store.metric("tarn_staged_kept_bytes") > 0 }).await;
    store.crash().await;
    // After a day they go.
    node.break_bucket(false);
    node.clock.leap(MINUTES(25 * 60));
    let store = node.open().await;
    store.storage.flush().await.expect("flushes");
    assert_eq!(staged_files(&node).len(), 2, "one block and its list");
    assert_eq!(read_all(&store.storage).await, expected(0..7), "from the bucket");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_without_bucket_or_copy_of_its_catalog_is_refused() {
    let node = Node::faulty(102);
    node.break_bucket(true);
    let error = node.try_open().await.map(|_| ()).expect_err("nothing to go on from");
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error:?}");
    node.break_bucket(false);
    let store = node.open().await;
    store.write(0..1).await;
    store.close().await;
    // A writer that has stopped cleanly is retired: others may rely on that nothing comes from it.
    node.break_bucket(true);
    let error = node.try_open().await.map(|_| ()).expect_err("retired");
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error:?}");
}

/// Reliability, "folder copied, both run … Bucket away meanwhile: told on its return".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fen_1_of_two_copies_started_while_the_bucket_is_away_only_one_goes_on() {
    let node = Node::faulty(103);
    let store = node.open().await;
    store.write(0..3).await;
    store.storage.flush().await.expect("flushes");
    with_copy(&node).await;
    store.crash().await;
    node.break_bucket(true);
    let other = Node::on(node.disk().fork()).sharing_bucket_of(&node, 104);
    let (first, second) = (node.open().await, other.open().await);
    first.write(3..5).await;
    second.write(10..12).await;
    node.break_bucket(false);
    let fenced = tokio::select! {
        error = first.storage.failed() => (0, error),
        error = second.storage.failed() => (1, error),
        () = tokio::time::sleep(Duration::from_secs(5)) => panic!("both go on"),
    };
    assert_eq!(fenced.1.kind(), ErrorKind::Invalid, "exit 78: {:?}", fenced.1);
    let (stopped, goes_on, folder) =
        if fenced.0 == 0 { (first, second, &node) } else { (second, first, &other) };
    let refused = stopped.try_write(20).await.expect_err("it acknowledges nothing more");
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused:?}");
    stopped.storage.flush().await.expect_err("fenced");
    goes_on.storage.flush().await.expect("the other one goes on");
    stopped.crash().await;
    let error = folder.try_open().await.map(|_| ()).expect_err("it does not start again either");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    goes_on.close().await;
}

/// Reliability, "own first write answered 412; reply lost", "409", throttling and latency: any of
/// them, with staged cuts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vis_1_a_bucket_that_misbehaves_gets_each_cut_once() {
    let calm = FaultPlan::default();
    let weathers = [
        ("replies are lost", FaultPlan { after: 400, ..calm }),
        ("own first writes are answered 412", FaultPlan { exists: 1000, ..calm }),
        ("requests are throttled", FaultPlan { before: 600, ..calm }),
        ("writes take effect late", FaultPlan { late: 300, stall_max: MINUTES(1) / 600, ..calm }),
        ("slow", FaultPlan { latency_max: Duration::from_millis(40), ..calm }),
        ("listings lag", FaultPlan { stale_list: 500, after: 100, ..calm }),
    ];
    for (seed, (weather, plan)) in weathers.into_iter().enumerate() {
        let node = Node::faulty(110 + seed as u64).forgetful();
        let mut store = node.open().await;
        node.plan(plan);
        for round in 0..6 {
            store.write(round..round + 1).await;
            drop(store.storage.flush().await);
            store.assert_each_row_once(round + 1);
            if round == 3 {
                store.crash().await;
                store = node.open_sometime().await;
            }
        }
        node.plan(FaultPlan::default());
        delivered(&node, &store).await;
        store.storage.flush().await.expect("flushes");
        store.assert_each_row_once(6);
        println!("over: {weather}");
        // The next poll finds the bucket well again.
        eventually(|| async { read_all(&store.storage).await == expected(0..6) }).await;
        store.close().await;
    }
}

/// Reliability, "Bucket down: the WAL recycles staged segments above half of its bound".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_the_log_lets_go_of_staged_rows_when_it_grows_long() {
    let node = Node::faulty(120).forgetful().with_log_of(ByteSize::kib(24)).with_small_segments();
    let store = node.open().await;
    with_copy(&node).await;
    node.break_bucket(true);
    for request in 0..60 {
        store.write(request..request + 1).await;
        if request % 5 == 4 {
            store.storage.flush().await.expect_err("the bucket is away");
        }
    }
    store.crash().await;
    let store = node.open().await;
    store.assert_each_row_once(60);
    assert_eq!(read_all(&store.storage).await, expected(0..60));
    node.break_bucket(false);
    delivered(&node, &store).await;
    store.close().await;
    let store = node.open().await;
    assert_eq!(read_all(&store.storage).await, expected(0..60));
    store.close().await;
}

/// Reliability, "A cut that finds no room is uploaded unstaged".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ful_1_a_cut_that_finds_no_room_goes_to_the_bucket_at_once() {
    let node = Node::faulty(121);
    let store = node.open().await;
    store.write(0..3).await;
    let ballast = DataDir::new(node.path()).ballast();
    let whole = || async { node.disk().read(&ballast).is_ok_and(|b| b.len() == 64 << 10) };
    eventually(whole).await;
    // A segment that is being prepared would fail below and give its room back.
    let wal = DataDir::new(node.path()).wal();
    let spare = |name: &str| paths::parse_spare_name(name).is_some();
    let prepared = || async {
        let entries = node.disk().list(&wal).expect("is listed");
        entries.iter().any(|e| e.path.file_name().and_then(|n| n.to_str()).is_some_and(spare))
    };
    eventually(prepared).await;
    let space = node.disk().space(node.path()).expect("known");
    node.disk().set_capacity(space.total - space.available);
    eventually(|| async { store.storage.readiness().ingest.is_some() }).await;
    store.storage.flush().await.expect("it needs no room here");
    assert_eq!(store.storage.catalog().all_blocks().map(|b| b.samples).sum::<u64>(), 9);
    assert!(staged_files(&node).is_empty());
    assert_eq!(read_all(&store.storage).await, expected(0..3), "queries go on");
    node.disk().set_capacity(u64::MAX);
    eventually(|| async { store.storage.readiness().ingest.is_none() }).await;
    store.write(3..5).await;
    store.assert_each_row_once(5);
    store.close().await;
}

/// Reliability, "crash between PUT and commit" and "crash between commit and swap or truncation":
/// power fails after every single step of staging, upload and commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vis_1_power_fails_at_every_step_of_staging_and_delivery() {
    for step in 0..60 {
        let node = Node::faulty(130);
        let store = node.open().await;
        store.write(0..2).await;
        store.storage.flush().await.expect("flushes");
        store.write(2..4).await;
        node.disk().cut_power_after(step);
        drop(store.storage.flush().await);
        store.crash().await;
        let store = node.open().await;
        store.assert_each_row_once(4);
        assert_eq!(read_all(&store.storage).await, expected(0..4), "step {step}");
        store.storage.flush().await.expect("flushes");
        store.assert_each_row_once(4);
        store.close().await;
        let store = node.open().await;
        assert_eq!(read_all(&store.storage).await, expected(0..4), "step {step}");
        store.close().await;
    }
}

/// COR-1 for staged files and their lists, and for the copy of the catalog.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cor_1_a_flipped_bit_in_staged_files_stops_the_start_and_in_kept_ones_is_read_around() {
    let node = Node::faulty(140);
    let store = node.open().await;
    with_copy(&node).await;
    node.break_bucket(true);
    store.write(0..3).await;
    store.storage.flush().await.expect_err("away");
    store.crash().await;
    let files = staged_files(&node);
    assert_eq!(files.len(), 2, "{files:?}");
    for path in &files {
        let bits = node.disk().read(path).expect("there").len() as u64 * 8;
        for bit in (0..bits).step_by(997) {
            node.disk().flip_bit(path, bit).expect("flips");
            let error = node.try_open().await.map(|_| ()).expect_err("found");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit}: {error:?}");
            let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
            assert!(error.message().contains(name), "{error:?}");
            node.disk().flip_bit(path, bit).expect("flips back");
        }
    }
    node.break_bucket(false);
    let store = node.open().await;
    store.storage.flush().await.expect("flushes");
    store.crash().await;
    // Now they are a cache: a damaged one is left for the bucket.
    for path in staged_files(&node).iter().filter(|path| path.extension() == Some("block".as_ref()))
    {
        node.disk().flip_bit(path, 99).expect("flips");
    }
    let store = node.open().await;
    assert_eq!(read_all(&store.storage).await, expected(0..3));
    store.crash().await;
    let copy = DataDir::new(node.path()).saved_catalog();
    node.disk().flip_bit(&copy, 500).expect("flips");
    node.open().await.close().await;
}

/// Reliability, "disk lost, same pod name": a new folder is another writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn par_1_a_lost_disk_is_told_until_its_writer_is_forgotten() {
    let node = Node::faulty(150);
    let store = node.open().await;
    store.write(0..3).await;
    store.storage.flush().await.expect("flushes");
    store.write(3..4).await;
    let lost = store.storage.writer_id().to_owned();
    store.crash().await;
    let fresh = Node::on(SimDisk::new(151)).with_bucket(node.bucket());
    let store = fresh.open().await;
    store.write(10..12).await;
    let (rows, partial) = read_range(&store.storage.reader(), times(0..5)).await;
    assert_eq!(rows, expected(0..3), "what was not committed is lost");
    assert!(partial.expect("it may lack rows").contains(&lost));
    let error = store.storage.forget("0".repeat(32).as_str()).await.expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    let own = store.storage.writer_id().to_owned();
    let error = store.storage.forget(&own).await.expect_err("it writes here");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    store.storage.forget(&lost).await.expect("forgets");
    eventually(|| async { store.storage.reader().view().partial().is_none() }).await;
    store.storage.forget(&lost).await.expect("again");
    store.close().await;
    // Should the disk turn up, the writer is live again, its rows with it.
    let store = node.open().await;
    assert_eq!(read_range(&store.storage.reader(), times(0..5)).await.0, expected(0..4));
    store.storage.flush().await.expect("flushes");
    store.close().await;
}

/// Reliability, "committer suspended > 24 h … the live branch has the old committed[w]; staged
/// blocks or WAL still hold the cut; it is committed there, once".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vis_1_staged_cuts_survive_a_suspension_beyond_the_history() {
    let node = Node::faulty(160);
    let store = node.open().await;
    store.write(0..2).await;
    store.storage.flush().await.expect("flushes");
    let before = store.storage.catalog().version();
    node.break_bucket(true);
    store.write(2..4).await;
    store.storage.flush().await.expect_err("it hears nothing of the bucket");
    let first: Vec<String> = names(&store);
    // Meanwhile another writer makes a history, and its beginning goes.
    let bucket = node.calm_bucket();
    let other = Node::on(SimDisk::new(161)).with_bucket(Arc::clone(&bucket) as _);
    let busy = other.open().await;
    while busy.storage.catalog().checkpoint_number().is_none_or(|number| number <= before) {
        busy.write(100..101).await;
        busy.storage.flush().await.expect("flushes");
    }
    let kept = busy.storage.catalog().checkpoint_number().expect("one");
    for number in 1..=kept {
        let path = Path::from(paths::manifest_key(number));
        bucket.delete(&path).await.expect("deleted");
    }
    busy.close().await;
    node.clock.leap(MINUTES(25 * 60));
    node.break_bucket(false);
    delivered(&node, &store).await;
    assert_eq!(read_range(&store.storage.reader(), times(0..4)).await.0, expected(0..4));
    let state = store.storage.catalog();
    assert_eq!(state.committed(store.storage.writer_id()), 4);
    assert!(state.version() > kept, "on the live branch");
    let live: Vec<&str> = state.all_blocks().map(|block| block.object.as_str()).collect();
    assert!(first.iter().all(|old| !live.contains(&old.as_str())), "under other names");
    store.close().await;
}

fn names(store: &Open) -> Vec<String> {
    store.storage.reader().view().staged().iter().map(|block| block.object.clone()).collect()
}

/// How often a bucket is asked, with nothing at hand and again with everything at hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_requests_answer_a_question_of_a_day() {
    const BLOCKS: u64 = 6;
    let node = Node::faulty(170).forgetful();
    let mut store = node.open().await;
    for block in 0..BLOCKS {
        many_series(&store, block).await;
        for number in block * 40..(block + 1) * 40 {
            let tenant = TenantId::default_tenant();
            let rows = request(number);
            store
                .storage
                .writer()
                .append_rows(&tenant, rows, RequestMark::default())
                .await
                .expect("acknowledged");
        }
        store.storage.flush().await.expect("flushes");
    }
    for (question, blocks) in
        [(Question::Metric, BLOCKS), (Question::NewestLogs, BLOCKS), (Question::Trace, BLOCKS)]
    {
        store.close().await;
        store = node.open().await;
        let mut cost = Vec::new();
        for _ in 0..2 {
            let before = (asked(&store), moved(&store));
            question.ask(&store).await;
            cost.push((asked(&store) - before.0, moved(&store) - before.1));
        }
        println!("{question:?}: cold {:?}, warm {:?} (requests, bytes)", cost[0], cost[1]);
        assert!(cost[0].0 > 0 && cost[0].0 <= 4 * blocks, "{question:?}: {cost:?}");
        assert_eq!(cost[1], (0, 0), "{question:?} again");
    }
    store.close().await;
}

fn asked(store: &Open) -> u64 {
    store.metric("tarn_object_store_requests_total{op=\"get_range\",status=\"ok\"}")
}

fn moved(store: &Open) -> u64 {
    store.metric("tarn_object_store_bytes_total{op=\"get_range\"}")
}

/// Four hours of forty metrics with fifty series each, every minute.
async fn many_series(store: &Open, block: u64) {
    let tenant = TenantId::default_tenant();
    let mut appender = store.storage.writer().appender(&tenant).expect("ready");
    let start_ms = times(0..1).start_ms - 86_400_000 + block as i64 * 4 * 3_600_000;
    for metric in 0..40 {
        for series in 0..50_i64 {
            let (name, host) = (format!("metric_{metric}_total"), format!("host-{series}"));
            let labels = LabelSet::from_pairs(&[("__name__", &name), ("host", &host)]);
            let reference = appender.series(&labels).expect("below the limit");
            for minute in 0..240_i64 {
                let value = (minute * (series + 3) % 9973) as f64;
                let time_ms = start_ms + minute * 60_000 + series;
                appender.float(reference, time_ms, value, 0).expect("taken");
            }
        }
    }
    appender.commit().await.expect("acknowledged");
}

#[derive(Debug, Clone, Copy)]
enum Question {
    Metric,
    NewestLogs,
    Trace,
}

impl Question {
    async fn ask(self, store: &Open) {
        let (tenant, view) = (TenantId::default_tenant(), store.storage.reader().view());
        match self {
            Self::Metric => {
                let metric = Matcher::equal("__name__", "metric_7_total");
                let selector = Selector { matchers: vec![metric], range: TimeRange::ALL };
                let limits = ScanLimits { series_max: 1000, bytes_max: 256 << 20 };
                let mut found =
                    view.select(&tenant, &[selector], limits).await.expect("selects").remove(0);
                let (mut slices, mut samples) = (Vec::new(), 0);
                while found.cursor.next(&mut slices).await.expect("reads") {
                    samples += slices.iter().map(|slice| slice.times().len()).sum::<usize>();
                }
                assert_eq!((found.series.len(), samples), (50, 50 * 240 * 6));
            }
            Self::NewestLogs => {
                let columns = vec![RowColumn::Stored(column::BODY.into())];
                let scan =
                    RowScan { order: RowOrder::NewestFirst, ..RowScan::new(Table::Logs, columns) };
                let mut rows = 0;
                for part in view.rows(&tenant, scan).expect("plans").parts {
                    let mut batches = part.read();
                    while let Some(batch) = batches.next().await
                        && rows < 100
                    {
                        rows += batch.expect("reads").num_rows();
                    }
                }
                assert!(rows > 0);
            }
            Self::Trace => {
                assert!(!view.has_trace(&tenant, &[7; 16]).await.expect("reads"));
            }
        }
    }
}
