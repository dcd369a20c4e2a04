//! The same promises for log records and spans, beside metrics in one log.

use std::sync::atomic::{AtomicU64, Ordering};

use tarn_model::error::{ErrorKind, Result};
use tarn_model::tenant::TenantId;
use tarn_storage::Storage;
use tarn_storage::append::RequestMark;
use tarn_storage::paths::DataDir;
use tarn_storage::schema::tables::Table;
use tarn_storage::wal::{Lsn, ReplyCounts};
use tarn_testkit::sim::SimRng;

use super::node::{self, Node, Open, read_all};
use super::support::{expected, read, request};

const TABLES: [Table; 2] = [Table::Logs, Table::Spans];

fn mark(number: u64) -> RequestMark {
    let counts = ReplyCounts { rejected: number as u32, ..ReplyCounts::default() };
    RequestMark { hash: u128::from(number + 1) << 60, counts }
}

async fn try_append(storage: &Storage, number: u64) -> Result<Lsn> {
    let tenant = TenantId::default_tenant();
    storage.writer().append_rows(&tenant, request(number), mark(number)).await
}

/// Appends requests; every third has one of metrics behind it.
async fn append(store: &Open, requests: std::ops::Range<u64>) {
    for number in requests {
        assert!(try_append(&store.storage, number).await.expect("acknowledged") > Lsn(0));
        if number % 3 == 2 {
            store.write(number / 3..number / 3 + 1).await;
        }
    }
}

/// VIS-1: exactly these requests are seen, each row once; IDM-1: and recognised.
async fn assert_stored(store: &Open, requests: u64) {
    store.assert_boundary();
    let view = store.storage.reader().view();
    for table in TABLES {
        let seen = read(&view, table).await.expect("reads");
        assert!(seen == expected(table, 0..requests), "{table:?} of {requests}: {seen:#?}");
    }
    assert_eq!(read_all(&store.storage).await, node::expected(0..requests / 3));
    let writer = store.storage.writer();
    for number in 0..requests {
        assert_eq!(writer.stored(mark(number).hash), Some(mark(number).counts), "{number}");
    }
    assert_eq!(writer.stored(mark(requests).hash), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vis_1_rows_of_tables_are_seen_once_before_and_after_flush_stop_and_start() {
    let node = Node::simulated(21);
    let store = node.open().await;
    append(&store, 0..14).await;
    assert_stored(&store, 14).await;
    let report = store.storage.flush().await.expect("flushes");
    let rows: usize = (0..14).map(|number| request(number).len()).sum();
    assert!(report.blocks >= 3 && report.rows == rows as u64, "{report:?}");
    assert_stored(&store, 14).await;
    append(&store, 14..20).await;
    assert_stored(&store, 20).await;
    store.close().await;
    let store = node.open().await;
    assert_stored(&store, 20).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_rows_of_tables_survive_a_power_loss() {
    let node = Node::simulated(22);
    for life in 0..4 {
        let store = node.open().await;
        assert_stored(&store, life * 7).await;
        append(&store, life * 7..life * 7 + 7).await;
        store.crash().await;
    }
    let store = node.open().await;
    assert_stored(&store, 28).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vis_1_idm_1_power_fails_at_every_step_of_a_flush_of_tables() {
    let mut survived = false;
    for operation in 0..400 {
        let node = Node::simulated(operation).with_small_segments();
        let store = node.open().await;
        append(&store, 0..4).await;
        store.storage.flush().await.expect("the first flush is undisturbed");
        append(&store, 4..12).await;
        node.disk().cut_power_after(operation);
        let flushed = store.storage.flush().await;
        store.crash().await;
        let store = node.open().await;
        assert_stored(&store, 12).await;
        store.storage.flush().await.expect("flushes now");
        assert_stored(&store, 12).await;
        store.close().await;
        survived = flushed.is_ok();
        if survived {
            break;
        }
    }
    assert!(survived, "every step of a flush was met");
}

/// Whatever happens to disk and bucket, in any order: at every start each acknowledged row is there
/// once, and its request is recognised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_vis_1_idm_1_any_sequence_of_faults_with_tables() {
    let seeds = if std::env::var_os("TARN_TEST_SLOW").is_some() { 1_000 } else { 15 };
    for seed in 0..seeds {
        let chance = SimRng::new(seed);
        let node = Node::faulty(seed).with_small_segments();
        let mut written = 0;
        for _life in 0..4 {
            node.weather(&chance);
            let store = node.open_sometime().await;
            for _ in 0..chance.below(5) {
                append(&store, written..written + 1).await;
                written += 1;
                if chance.chance(500) {
                    // It may fail: the next one takes it up.
                    drop(store.storage.flush().await);
                }
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
        assert_stored(&store, written).await;
        store.storage.flush().await.expect("flushes in calm weather");
        assert_stored(&store, written).await;
        store.close().await;
    }
}

/// A query that began sees what it saw, and whole requests only, while rows come and go to blocks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vis_1_vis_2_queries_of_tables_race_with_appends_and_flushes() {
    const REQUESTS: u64 = 60;
    let node = Node::simulated(23);
    let store = node.open().await;
    let acknowledged = AtomicU64::new(0);
    let writes = async {
        for number in 0..REQUESTS {
            append(&store, number..number + 1).await;
            acknowledged.store(number + 1, Ordering::SeqCst);
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
            let before = acknowledged.load(Ordering::SeqCst);
            let view = store.storage.reader().view().pinned(&TenantId::default_tenant());
            let after = acknowledged.load(Ordering::SeqCst) + 1;
            let mut seen = Vec::new();
            for table in TABLES {
                seen.push(read(&view, table).await.expect("reads"));
                tokio::task::yield_now().await;
            }
            let wanted = (before..=after)
                .find(|n| TABLES.iter().zip(&seen).all(|(t, s)| expected(*t, 0..*n) == *s));
            assert!(wanted.is_some(), "between {before} and {after} requests: {seen:#?}");
            for (table, seen) in TABLES.into_iter().zip(&seen) {
                assert!(read(&view, table).await.expect("reads") == *seen, "the same again");
            }
            if before == REQUESTS {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(writes, flushes, queries);
    assert_stored(&store, REQUESTS).await;
    store.close().await;
}

/// IDM-1: what a failed sync took back is not recognised, so that the resend is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idm_1_a_request_that_was_refused_is_unknown() {
    let node = Node::simulated(24);
    let store = node.open().await;
    append(&store, 0..2).await;
    // The upkeep and the idle log sync, too.
    node.disk().fail_syncs(u32::MAX);
    let refused = try_append(&store.storage, 2).await.expect_err("its sync failed");
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused:?}");
    assert_stored(&store, 2).await;
    node.disk().fail_syncs(0);
    super::eventually(|| async { try_append(&store.storage, 2).await.is_ok() }).await;
    store.write(0..1).await;
    assert_stored(&store, 3).await;
    store.crash().await;
    let store = node.open().await;
    assert_stored(&store, 3).await;
    store.close().await;
}

/// IDM-1: without the file the log alone knows, from its first record on; the window says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idm_1_a_damaged_file_costs_what_is_no_more_in_the_log() {
    let node = Node::simulated(25);
    let store = node.open().await;
    append(&store, 0..3).await;
    store.storage.flush().await.expect("flushes");
    append(&store, 3..6).await;
    store.crash().await;
    node.disk().flip_bit(&DataDir::new(node.path()).wal_requests(), 200).expect("there");
    let store = node.open().await;
    let writer = store.storage.writer();
    let known: Vec<bool> = (0..6).map(|n| writer.stored(mark(n).hash).is_some()).collect();
    assert_eq!(known, [false, false, false, true, true, true]);
    store.close().await;
}

/// COR-1: a flipped bit in a log with log records and spans is found, or hits nothing that counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cor_1_flipped_bits_in_rows_of_tables_are_never_served() {
    let node = Node::simulated(26);
    let store = node.open().await;
    append(&store, 0..12).await;
    store.crash().await;
    let segment = DataDir::new(node.path()).wal_segment(1);
    let bytes = node.disk().read(&segment).expect("there");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("it holds records") as u64;
    let chance = SimRng::new(5);
    let (mut refused, mut cut) = (0, 0);
    for _ in 0..60 {
        let disk = node.disk().fork();
        disk.flip_bit(&segment, chance.below(end * 8)).expect("flips");
        let node = Node::on(disk);
        let store = match node.try_open().await {
            Ok(store) => store,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
                continue;
            }
        };
        match store.storage.replayed().await {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
                refused += 1;
            }
            Ok(()) => {
                let view = store.storage.reader().view();
                for table in TABLES {
                    let seen = read(&view, table).await.expect("reads");
                    // Only the last group may go, which nothing proves to have been durable.
                    let wanted = [12, 11].map(|n| expected(table, 0..n));
                    cut += u32::from(seen != wanted[0]);
                    assert!(wanted.contains(&seen), "{seen:#?}");
                }
            }
        }
        store.crash().await;
    }
    assert!(refused > 40, "{refused} refused, {cut} cut");
}
