//! A data folder through its lives: append, flush, stop, start, crash at every step, damage, a
//! second process, a copy. On the simulated disk where power fails, on a real one otherwise.
#![expect(clippy::disallowed_methods, reason = "real time and real tasks: the parts are real")]

#[path = "lifecycle/aside.rs"]
mod aside;
#[path = "lifecycle/node.rs"]
mod node;
#[path = "lifecycle/outages.rs"]
mod outages;
#[path = "support/table_requests.rs"]
mod support;
#[path = "lifecycle/tables.rs"]
mod tables;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use node::{Node, expected, read_all, read_view};
use object_store::memory::InMemory;
use tarn_model::error::ErrorKind;
use tarn_model::time::Clock;
use tarn_storage::file::Disk;
use tarn_storage::operate::{block_list, catalog_log};
use tarn_storage::paths::{self, DataDir};
use tarn_testkit::clock::RealClock;
use tarn_testkit::sim::SimRng;
use tarn_testkit::sim_disk::SimDisk;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vis_1_rows_are_seen_once_before_and_after_flush_stop_and_start() {
    let node = Node::simulated(1);
    let store = node.open().await;
    store.write(0..3).await;
    assert_eq!(read_all(&store.storage).await, expected(0..3), "in the head");
    let report = store.storage.flush().await.expect("flushes");
    assert!(report.blocks >= 1 && report.samples > 0, "{report:?}");
    assert_eq!(read_all(&store.storage).await, expected(0..3), "in blocks");
    store.write(3..5).await;
    store.assert_each_row_once(5);
    assert_eq!(read_all(&store.storage).await, expected(0..5), "in both");
    store.close().await;

    let store = node.open().await;
    store.assert_each_row_once(5);
    assert_eq!(read_all(&store.storage).await, expected(0..5), "after a start");
    let record = store.storage.catalog().writers().next().cloned().expect("one writer");
    assert_eq!((record.writer.epoch, record.committed), (2, 5));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_acknowledged_rows_survive_a_kill_and_a_power_loss() {
    let node = Node::simulated(2);
    for life in 0..4 {
        let store = node.open().await;
        assert_eq!(read_all(&store.storage).await, expected(0..life * 2), "life {life}");
        store.assert_each_row_once(life * 2);
        store.write(life * 2..life * 2 + 2).await;
        store.crash().await;
    }
    let store = node.open().await;
    assert!(store.unclean(), "the last run did not stop");
    store.close().await;
    let store = node.open().await;
    assert!(!store.unclean(), "it did");
    assert_eq!(read_all(&store.storage).await, expected(0..8));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vis_1_power_fails_at_every_step_of_a_flush() {
    let mut survived = false;
    for operation in 0..400 {
        let node = Node::simulated(operation).with_small_segments();
        let store = node.open().await;
        store.write(0..3).await;
        store.storage.flush().await.expect("the first flush is undisturbed");
        store.write(3..6).await;
        node.disk().cut_power_after(operation);
        let flushed = store.storage.flush().await;
        store.crash().await;

        let store = node.open().await;
        store.assert_each_row_once(6);
        assert_eq!(read_all(&store.storage).await, expected(0..6), "operation {operation}");
        store.storage.flush().await.expect("flushes now");
        store.assert_each_row_once(6);
        store.close().await;
        survived = flushed.is_ok();
        if survived {
            break;
        }
    }
    assert!(survived, "every step of a flush was met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_power_fails_at_every_step_of_a_start() {
    let mut survived = false;
    for operation in 0..400 {
        let node = Node::simulated(operation);
        let store = node.open().await;
        store.write(0..2).await;
        store.storage.flush().await.expect("flushes");
        store.write(2..4).await;
        store.crash().await;

        node.disk().cut_power_after(operation);
        if let Ok(store) = node.try_open().await {
            survived = store.storage.replayed().await.is_ok();
            store.crash().await;
        } else {
            node.disk().power_loss();
        }
        let store = node.open().await;
        store.assert_each_row_once(4);
        assert_eq!(read_all(&store.storage).await, expected(0..4), "operation {operation}");
        store.close().await;
        if survived {
            break;
        }
    }
    assert!(survived, "every step of a start was met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vis_1_vis_2_queries_race_with_appends_and_flushes() {
    const REQUESTS: u64 = 60;
    let node = Node::simulated(9);
    let store = node.open().await;
    let acknowledged = AtomicU64::new(0);
    let writes = async {
        for request in 0..REQUESTS {
            store.write(request..request + 1).await;
            acknowledged.store(request + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    };
    let flushes = async {
        while acknowledged.load(Ordering::SeqCst) < REQUESTS {
            store.storage.flush().await.expect("flushes");
        }
    };
    let queries = async {
        loop {
            store.assert_boundary();
            let before = acknowledged.load(Ordering::SeqCst);
            let rows = read_all(&store.storage).await;
            let seen = rows.get("0").map_or(0, Vec::len) as u64;
            assert!(seen >= before, "{seen} requests seen, {before} were acknowledged before");
            assert_eq!(rows, expected(0..seen), "whole requests, each once, in order");
            if before == REQUESTS {
                break;
            }
            // A query of an empty store never waits.
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(writes, flushes, queries);
    store.assert_each_row_once(REQUESTS);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fen_1_a_second_process_is_refused_and_told_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = Node::real(folder.path());
    let store = node.open().await;
    let error = node.try_open().await.map(|_| ()).expect_err("the folder is taken");
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error:?}");
    let message = error.message();
    assert!(message.contains(&folder.path().display().to_string()), "{message}");
    assert!(message.contains("--storage.path"), "{message}");
    store.write(0..1).await;
    store.close().await;
    node.open().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fen_1_the_earlier_of_two_copies_stops() {
    let bucket: Arc<InMemory> = Arc::default();
    let first = Node::simulated(3).with_bucket(Arc::clone(&bucket) as _);
    let store = first.open().await;
    store.write(0..2).await;
    store.storage.flush().await.expect("flushes");
    store.write(2..4).await;

    let copy = Node::on(SimDisk::new(4)).with_bucket(bucket);
    copy.copy_identity_of(&first);
    let later = copy.open().await;

    let failed = tokio::select! {
        failed = store.storage.failed() => Some(failed.kind()),
        () = RealClock::default().sleep(Duration::from_secs(2)) => None,
    };
    assert_eq!(failed, Some(ErrorKind::Invalid), "it polls");
    let error = store.storage.flush().await.expect_err("fenced");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    assert!(error.message().contains("another process runs on a copy"), "{error:?}");
    let refused = store.try_write(4).await.expect_err("it acknowledges nothing more");
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused:?}");
    store.crash().await;

    let error = first.try_open().await.map(|_| ()).expect_err("it does not start again either");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    later.write(10..11).await;
    later.storage.flush().await.expect("the later one goes on");
    later.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cor_1_a_flipped_bit_in_a_manifest_stops_the_start_with_its_name() {
    let node = Node::simulated(5);
    let store = node.open().await;
    store.write(0..2).await;
    store.close().await;
    let manifest = node.path().join("bucket").join(paths::manifest_key(2));
    let bits = node.disk().read(&manifest).expect("there").len() as u64 * 8;
    for bit in (0..bits).step_by(97) {
        node.disk().flip_bit(&manifest, bit).expect("flips");
        let error = node.try_open().await.map(|_| ()).expect_err("found");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit}: {error:?}");
        assert!(error.message().contains(&paths::manifest_key(2)), "{error:?}");
        node.disk().flip_bit(&manifest, bit).expect("flips back");
        // Attempts that found damage raised no epoch and left no manifest.
    }
    let store = node.open().await;
    assert_eq!(read_all(&store.storage).await, expected(0..2));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_flush_keeps_everything_and_is_taken_up_again() {
    let node = Node::faulty(6);
    let store = node.open().await;
    store.write(0..2).await;
    node.break_bucket(true);
    store.storage.flush().await.expect_err("the bucket is away");
    assert_eq!(read_all(&store.storage).await, expected(0..2), "still in the head");
    store.write(2..4).await;
    store.assert_each_row_once(4);
    node.break_bucket(false);
    store.storage.flush().await.expect("it is back");
    store.assert_each_row_once(4);
    assert_eq!(read_all(&store.storage).await, expected(0..4));
    assert_eq!(store.storage.catalog().writers().next().map(|w| w.committed), Some(4));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vis_1_a_flush_that_is_dropped_halfway_is_taken_up_by_the_next() {
    let node = Node::simulated(10);
    let store = node.open().await;
    for pause in 0..40u64 {
        store.write(pause..pause + 1).await;
        let gone = RealClock::default().sleep(Duration::from_micros(pause * 150));
        tokio::select! {
            flushed = store.storage.flush() => drop(flushed.expect("flushes")),
            () = gone => {}
        }
        store.assert_each_row_once(pause + 1);
    }
    store.storage.flush().await.expect("flushes");
    assert_eq!(store.storage.reader().view().heads().len(), 1, "nothing waits");
    assert_eq!(read_all(&store.storage).await, expected(0..40));
    store.close().await;
    let store = node.open().await;
    store.assert_each_row_once(40);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn par_1_a_live_writer_on_the_same_bucket_makes_answers_partial() {
    let bucket: Arc<InMemory> = Arc::default();
    let first = Node::simulated(11).with_bucket(Arc::clone(&bucket) as _).open().await;
    let second = Node::simulated(12).with_bucket(bucket).open().await;
    first.write(0..2).await;
    first.storage.flush().await.expect("flushes");
    eventually(|| async { read_all(&second.storage).await == expected(0..2) }).await;
    let reason = second.storage.reader().view().partial().expect("the first may have more");
    assert!(reason.contains("not here"), "{reason}");
    first.write(2..4).await;
    first.close().await;
    eventually(|| async { second.storage.reader().view().partial().is_none() }).await;
    assert_eq!(read_all(&second.storage).await, expected(0..4));
    second.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn par_1_a_bucket_that_cannot_be_polled_makes_answers_partial_where_others_write() {
    let node = Node::faulty(14);
    let other = Node::on(SimDisk::new(15)).with_bucket(node.bucket());
    other.open().await.close().await;
    let store = node.open().await;
    eventually(|| async { store.storage.reader().view().partial().is_none() }).await;
    node.break_bucket(true);
    eventually(|| async { store.storage.reader().view().partial().is_some() }).await;
    node.break_bucket(false);
    eventually(|| async { store.storage.reader().view().partial().is_none() }).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ful_1_on_a_full_disk_queries_and_the_last_flush_go_on_and_writes_resume() {
    let node = Node::simulated(16);
    let store = node.open().await;
    store.write(0..3).await;
    let full = || async { store.storage.readiness().ingest.is_some() };
    // The ballast is filled behind the start.
    let ballast = DataDir::new(node.path()).ballast();
    let whole = || async { node.disk().read(&ballast).is_ok_and(|b| b.len() == 64 << 10) };
    eventually(whole).await;
    let space = node.disk().space(node.path()).expect("known");
    // Not a byte is left.
    node.disk().set_capacity(space.total - space.available);
    eventually(full).await;
    let reason = store.storage.readiness().ingest.expect("a reason");
    assert!(reason.contains("disk has 0B left"), "{reason}");
    let refused = store.try_write(3).await.expect_err("refused");
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused:?}");
    assert_eq!(read_all(&store.storage).await, expected(0..3), "queries go on");
    // A full disk asks for a flush by itself; whichever comes first finds room.
    store.storage.flush().await.expect("room was kept for it");
    let samples: u64 = store.storage.catalog().all_blocks().map(|block| block.samples).sum();
    assert_eq!(samples, 9);
    assert_eq!(read_all(&store.storage).await, expected(0..3));

    node.disk().set_capacity(u64::MAX);
    eventually(|| async { !full().await }).await;
    store.write(3..5).await;
    store.assert_each_row_once(5);
    store.close().await;
    let store = node.open().await;
    assert_eq!(read_all(&store.storage).await, expected(0..5));
    store.close().await;
}

/// Whatever happens to disk and bucket, in any order: at every start each acknowledged row is there
/// once, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_vis_1_any_sequence_of_faults_stops_and_crashes() {
    let seeds = if std::env::var_os("TARN_TEST_SLOW").is_some() { 2_000 } else { 40 };
    for seed in 0..seeds {
        let chance = SimRng::new(seed);
        let node = Node::faulty(seed).with_small_segments();
        let mut written = 0;
        for _life in 0..4 {
            node.weather(&chance);
            let store = node.open_sometime().await;
            store.assert_each_row_once(written);
            for _ in 0..chance.below(5) {
                store.write(written..written + 1).await;
                written += 1;
                if chance.chance(500) {
                    // It may fail: the next one takes it up.
                    drop(store.storage.flush().await);
                }
                store.assert_each_row_once(written);
            }
            match chance.below(3) {
                0 => drop(store.try_close().await),
                1 => store.crash().await,
                _ => {
                    node.disk().cut_power_after(chance.below(60));
                    drop(store.storage.flush().await);
                    store.crash().await;
                }
            }
        }
        node.break_bucket(false);
        let store = node.open_sometime().await;
        assert_eq!(read_all(&store.storage).await, expected(0..written), "seed {seed}");
        store.storage.flush().await.expect("flushes in calm weather");
        store.assert_each_row_once(written);
        store.close().await;
    }
}

/// Waits for what the other process finds out by polling.
async fn eventually<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) {
    let mut held = false;
    // On a busy machine threads in the background come late.
    for _ in 0..3000 {
        held = holds().await;
        if held {
            break;
        }
        RealClock::default().sleep(Duration::from_millis(10)).await;
    }
    assert!(held, "it never came to hold");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inspection_sees_every_row_and_writes_nothing() {
    let node = Node::simulated(8);
    let missing = node.inspect().await.map(|_| ()).expect_err("no folder yet");
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing:?}");
    let store = node.open().await;
    store.write(0..2).await;
    store.storage.flush().await.expect("flushes");
    store.write(2..5).await;

    let beside = node.inspect().await.expect("opens beside a server");
    let note = beside.note.clone().expect("it says what is missing");
    assert!(note.contains("/data"), "{note}");
    assert!(beside.reader.view().partial().is_some(), "PAR-1");
    assert_eq!(read_view(&beside.reader).await, expected(0..2), "committed rows only");
    store.crash().await;

    let before = node.disk().operations();
    let alone = node.inspect().await.expect("opens");
    assert_eq!(alone.note, None);
    assert_eq!(read_view(&alone.reader).await, expected(0..5));
    assert_eq!(node.disk().operations(), before, "nothing was written");

    let mut log = Vec::new();
    let summary = catalog_log::print(&alone.objects, &mut log).await.expect("prints");
    let log = String::from_utf8(log).expect("text");
    assert_eq!((summary.manifests, summary.problems), (2, 0), "{log}");
    assert!(log.contains("lsn 1..2 +"), "{log}");
    let mut blocks = Vec::new();
    block_list::print(&alone.catalog, None, &mut blocks).expect("prints");
    let blocks = String::from_utf8(blocks).expect("text");
    assert!(blocks.contains("samples 6 series 3"), "{blocks}");
    drop(alone);
    node.open().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_a_failed_flush_truncates_nothing() {
    let node = Node::faulty(17).with_small_segments();
    let store = node.open().await;
    store.write(0..12).await;
    node.break_bucket(true);
    store.storage.flush().await.expect_err("the bucket is away");
    // Time for the thread that recycles segments.
    RealClock::default().sleep(Duration::from_millis(100)).await;
    store.crash().await;
    node.break_bucket(false);
    let store = node.open().await;
    assert_eq!(read_all(&store.storage).await, expected(0..12));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_a_stop_without_the_bucket_leaves_the_rows_in_the_log() {
    let node = Node::faulty(13);
    let store = node.open().await;
    store.write(0..3).await;
    node.break_bucket(true);
    let error = store.try_close().await.expect_err("nothing could be flushed");
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error:?}");
    node.break_bucket(false);
    let store = node.open().await;
    assert!(!store.unclean(), "it stopped in order all the same");
    store.assert_each_row_once(3);
    assert_eq!(read_all(&store.storage).await, expected(0..3));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_published_listing_names_the_live_blocks() {
    let bucket: Arc<InMemory> = Arc::default();
    let node = Node::simulated(7).with_bucket(Arc::clone(&bucket) as _);
    let store = node.open().await;
    store.write(0..2).await;
    store.storage.flush().await.expect("flushes");
    let live: Vec<String> =
        store.storage.catalog().all_blocks().map(|b| b.object.clone()).collect();
    store.close().await;
    let path = object_store::path::Path::from("published/tenant=default/metrics.json");
    let got = object_store::ObjectStoreExt::get(&*bucket, &path).await.expect("published");
    let listing: serde_json::Value =
        serde_json::from_slice(&got.bytes().await.expect("bytes")).expect("JSON");
    let named: Vec<String> = listing["blocks"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|block| block["object"].as_str().expect("a key").to_owned())
        .collect();
    assert_eq!(named, live);
}
