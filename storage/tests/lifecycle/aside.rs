//! One bad partition: rows that cannot be written as blocks are set aside, all others go on, answers
//! say what they lack, and a repair brings the rows back (DUR-1, PAR-1).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_storage::append::RequestMark;
use tarn_storage::compact::plan::Which;
use tarn_storage::flush::Faults;
use tarn_storage::operate::block_show;
use tarn_storage::operate::verify::verify;
use tarn_storage::publish::listing;
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::{RowColumn, RowScan};

use crate::node::{Node, Open, expected, read_all};
use crate::support::{self, Lines, request};

/// The day of the first requests; those from 900 on are of the next.
const BAD_DAY: &str = "2026-11-21";
const MIDNIGHT_US: i64 = 1_795_305_600_000_000;

/// Faults that can be switched off.
fn faults(spoil: &Arc<AtomicBool>, signal: Signal, day: Option<&'static str>) -> Faults {
    let spoil = Arc::clone(spoil);
    Faults::new(move |_, of, on| {
        let spoiled = spoil.load(Ordering::SeqCst) && of == signal && day.is_none_or(|d| d == on);
        // What goes wrong in reality goes wrong in one of two ways.
        assert!(!(spoiled && signal == Signal::Metrics), "a builder that panics");
        spoiled
    })
}

async fn write(store: &Open, requests: impl IntoIterator<Item = u64>) {
    let writer = store.storage.writer();
    for number in requests {
        let (tenant, mark) = (TenantId::default_tenant(), RequestMark::default());
        writer.append_rows(&tenant, request(number), mark).await.expect("acknowledged");
    }
}

/// What a query of a whole table sees, and what it says it lacks.
async fn read(store: &Open, table: Table) -> (Lines, Option<String>) {
    let view = store.storage.reader().view();
    let lines = support::read(&view, table).await.expect("is read");
    (lines, view.partial())
}

fn lines(table: Table, numbers: impl IntoIterator<Item = u64>) -> Lines {
    let all = numbers.into_iter().flat_map(|number| support::expected(table, number..number + 1));
    let mut all: Lines = all.collect();
    all.sort_unstable();
    all
}

fn raw(store: &Open) -> usize {
    store.storage.catalog().all_blocks().filter(|block| block.kind == "raw").count()
}

async fn assert_set_aside(store: &Open) {
    let (logs, why) = read(store, Table::Logs).await;
    assert_eq!(logs, lines(Table::Logs, 900..904), "the other day is there");
    let why = why.expect("PAR-1: rows are missing");
    assert!(why.contains("logs of tenant default, day 2026-11-21"), "{why}");
    assert!(why.contains("tarn block repair"), "{why}");
    // Whoever asks for something else lacks nothing.
    assert_eq!(
        read(store, Table::Spans).await,
        (lines(Table::Spans, (0..4).chain(900..904)), None)
    );
    let view = store.storage.reader().view();
    let mut scan = RowScan::new(Table::Logs, vec![RowColumn::Stored(column::SERVICE_NAME.into())]);
    scan.prune.start_us = MIDNIGHT_US;
    view.rows(&TenantId::default_tenant(), scan).expect("is planned");
    assert_eq!(view.partial(), None);
}

async fn one_bad_partition(node: Node, spoil: &AtomicBool) {
    let store = node.open().await;
    store.write(0..3).await;
    write(&store, (0..4).chain(900..904)).await;
    let report = store.storage.flush().await.expect("the others are committed");
    assert!(report.blocks >= 4, "{report:?}");
    assert_eq!((raw(&store), store.metric("tarn_flush_set_aside_total")), (1, 1));
    assert_eq!(store.metric("tarn_catalog_raw_blocks"), 1);
    assert_eq!(read_all(&store.storage).await, expected(0..3));
    assert_set_aside(&store).await;
    let state = store.storage.catalog();
    let writer = state.writers().next().expect("one writer");
    assert_eq!(writer.committed, 11, "the log can be let go of");
    store.crash().await;

    let store = node.open().await;
    assert_set_aside(&store).await;
    let failed = store.storage.repair(None).await.expect("is tried");
    assert_eq!((failed.repaired, failed.failed.len()), (0, 1), "{failed:?}");
    assert!(failed.failed[0].1.contains("spoiled by a test"), "{failed:?}");
    store.storage.compact(&Which::default()).await.expect("merges what there is");
    assert_set_aside(&store).await;
    let state = store.storage.catalog();
    let whole = verify(store.storage.objects(), &state, |_| {}).await.expect("is read");
    assert_eq!((whole.damaged, raw(&store)), (Vec::new(), 1));
    let listed = listing(&state, &TenantId::default_tenant(), Signal::Logs, 0).expect("a listing");
    assert!(!String::from_utf8_lossy(&listed).contains(".raw"), "foreign readers see blocks");

    spoil.store(false, Ordering::SeqCst);
    let other = TenantId::parse("other").expect("a name");
    assert_eq!(store.storage.repair(Some(&other)).await.expect("nothing").repaired, 0);
    let report = store.storage.repair(None).await.expect("repairs");
    assert_eq!((report.repaired, report.blocks, raw(&store)), (1, 1, 0), "{report:?}");
    let all = lines(Table::Logs, (0..4).chain(900..904));
    assert_eq!(read(&store, Table::Logs).await, (all.clone(), None));
    assert_eq!(store.storage.repair(None).await.expect("is idle").repaired, 0);
    store.storage.compact(&Which::default()).await.expect("merges");
    store.close().await;

    let store = node.open().await;
    assert_eq!(read(&store, Table::Logs).await, (all, None));
    assert_eq!(
        read(&store, Table::Spans).await,
        (lines(Table::Spans, (0..4).chain(900..904)), None)
    );
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn par_1_dur_1_one_bad_partition_holds_up_no_other() {
    for seed in [41, 42] {
        let spoil = Arc::new(AtomicBool::new(true));
        let faults = faults(&spoil, Signal::Logs, Some(BAD_DAY));
        // With a bucket behind a network, blocks are staged first.
        let node = if seed == 41 { Node::simulated(seed) } else { Node::faulty(seed) };
        one_bad_partition(node.with_faults(faults), &spoil).await;
    }
}

/// Metrics whose builder panics: series and their definitions come back out of the records.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn par_1_dur_1_a_panic_concerns_its_partition() {
    let spoil = Arc::new(AtomicBool::new(true));
    let node = Node::simulated(43).with_faults(faults(&spoil, Signal::Metrics, None));
    let store = node.open().await;
    store.write(0..5).await;
    write(&store, 0..2).await;
    store.storage.flush().await.expect("the others are committed");
    store.write(5..7).await;
    store.storage.flush().await.expect("again");
    assert!(raw(&store) >= 2);
    assert!(read_all(&store.storage).await.is_empty());
    assert_eq!(read(&store, Table::Logs).await, (lines(Table::Logs, 0..2), None));
    store.close().await;

    spoil.store(false, Ordering::SeqCst);
    let store = node.open().await;
    store.write(7..8).await;
    let report = store.storage.repair(None).await.expect("repairs");
    assert_eq!((report.failed.len(), raw(&store)), (0, 0), "{report:?}");
    assert_eq!(read_all(&store.storage).await, expected(0..8));
    store.close().await;
}

/// A raw object of format version 1 opens, today and for ever, and people can see what it is.
#[test]
fn a_raw_object_of_version_1_is_shown() {
    let golden = tarn_testkit::tree::own_folder().join("../tests/compat/v1/raw/logs.raw");
    let bytes = std::fs::read(golden).expect("the golden file is there");
    let mut text = Vec::new();
    block_show::show(&bytes.into(), &mut text).expect("is shown");
    let text = String::from_utf8(text).expect("is text");
    assert!(text.starts_with("2 records of logs of tenant team-a, day 2026-11-21"), "{text}");
    assert!(text.contains("LSN 7 to 9") && text.contains("panicked: at the rows"), "{text}");
}
