//! Followers with a name: exact over a crash at any step, and told where the log was not kept.

use std::collections::BTreeMap;
use std::time::Duration;

use tarn_model::labels::LabelSet;
use tarn_model::matcher::Matcher;
use tarn_model::signal::Signal;
use tarn_model::slice::Samples;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_model::units::ByteSize;
use tarn_storage::Storage;
use tarn_storage::head::follow::{FollowOptions, Followed, Follower};
use tarn_storage::view::{ScanLimits, Selector};
use tarn_storage::wal::Lsn;
use tarn_testkit::sim::SimRng;
use tarn_testkit::sim_disk::SimDisk;

use crate::node::{Node, base_ms, ids, named_options, samples, spans, try_spans};
use crate::{Told, told};

const NAME: &str = "counter";

fn follow(storage: &Storage, signals: &[Signal]) -> Follower {
    let signals = signals.to_vec();
    storage.reader().follow(FollowOptions { name: Some(NAME), tenants: None, signals })
}

/// Writes the number of spans counted, and how far that goes.
async fn commit(storage: &Storage, counted: u64, serial: i64, position: Lsn) -> bool {
    let tenant = TenantId::default_tenant();
    let Ok(mut appender) = storage.writer().appender(&tenant) else { return false };
    let labels = LabelSet::from_pairs(&[("__name__", "counted")]);
    let series = appender.series(&labels).expect("below the limit");
    appender.float(series, base_ms() + serial, counted as f64, 0).expect("taken");
    appender.acknowledge(NAME, position);
    appender.commit().await.is_ok()
}

/// Returns what was counted last, and its serial number.
#[expect(clippy::panic, reason = "a helper of tests")]
async fn counted(storage: &Storage) -> (u64, i64) {
    let matchers = vec![Matcher::equal("__name__", "counted")];
    let selector = Selector { matchers, range: TimeRange::ALL };
    let limits = ScanLimits { series_max: 10, bytes_max: 64 << 20 };
    let view = storage.reader().view();
    let found = view.select(&TenantId::default_tenant(), &[selector], limits).await;
    let mut last = (i64::MIN, 0.0);
    for mut selection in found.expect("selects") {
        let mut slices = Vec::new();
        for _ in &selection.series {
            assert!(selection.cursor.next(&mut slices).await.expect("reads"));
            for slice in &slices {
                let Samples::Floats(values) = &slice.samples else { panic!("floats") };
                for (time, value) in slice.times().iter().zip(values.iter()) {
                    last = if *time >= last.0 { (*time, *value) } else { last };
                }
            }
        }
    }
    if last.0 == i64::MIN { (0, 0) } else { (last.1 as u64, last.0 - base_ms()) }
}

/// Counts spans from where the last life ended, and commits now and then; until the log fails, or
/// everything up to `until` is counted and committed.
#[expect(clippy::panic, reason = "a helper of tests")]
async fn count(storage: &Storage, chance: &SimRng, until: Option<Lsn>) {
    let (mut total, mut serial) = counted(storage).await;
    let mut follower = follow(storage, &[Signal::Traces]);
    loop {
        let next = tokio::time::timeout(Duration::from_millis(20), follower.next()).await;
        match next {
            Ok(Some(Followed::Rows(batch))) => total += ids(&batch).len() as u64,
            Ok(Some(Followed::Lagged { from, to })) => panic!("lagged from {from:?} to {to:?}"),
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(_) if until.is_none() => return,
            Err(_) => {}
        }
        let end = until.is_some_and(|until| follower.position() >= until);
        if end || chance.chance(300) {
            serial += 1;
            if !commit(storage, total, serial, follower.position()).await || end {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_follower_takes_in_each_row_once_whenever_the_power_fails() {
    let slow = std::env::var_os("TARN_TEST_SLOW").is_some();
    let mut cut_in_the_middle = 0;
    for seed in 0..if slow { 200 } else { 5 } {
        let (disk, chance) = (SimDisk::new(seed), SimRng::new(seed + 77));
        let tenant = TenantId::default_tenant();
        for life in 0..3_u64 {
            let node = Node::open_with(disk.clone(), named_options(ByteSize::gib(1))).await;
            let storage = &node.storage;
            disk.cut_power_after(20 + chance.below(260));
            let write = async {
                for request in 0..30 {
                    let first = seed << 20 | life << 12 | request << 4;
                    let stored = try_spans(storage, &tenant, first..first + 1 + chance.below(9));
                    if stored.await.is_err() {
                        return 1;
                    }
                    if chance.chance(150) {
                        // It fails when the power does.
                        drop(storage.flush().await);
                    }
                }
                0
            };
            let (failed, ()) = tokio::join!(write, count(storage, &chance, None));
            cut_in_the_middle += failed;
            node.crash().await;
        }
        let node = Node::open_with(disk.clone(), named_options(ByteSize::gib(1))).await;
        let last = spans(&node.storage, &tenant, 0..1).await;
        count(&node.storage, &chance, Some(last)).await;
        node.storage.flush().await.expect("flushes");
        let view = node.storage.reader().view();
        let blocks = view.catalog().all_blocks().filter(|block| block.signal == "traces");
        let stored: u64 = blocks.map(|block| block.rows).sum();
        assert_eq!(counted(&node.storage).await.0, stored, "seed {seed}");
        node.close().await;
    }
    assert!(cut_in_the_middle > 2, "{cut_in_the_middle}");
}

/// Pulls until `until`.
async fn pull(follower: &mut Follower, until: Lsn) -> (BTreeMap<Lsn, Told>, Vec<(Lsn, Lsn)>) {
    let (mut all, mut lagged) = (BTreeMap::new(), Vec::new());
    while follower.position() < until {
        match follower.next().await.expect("open") {
            Followed::Lagged { from, to } => lagged.push((from, to)),
            Followed::Cut(_) => {}
            next => {
                let (lsn, told) = told(&next);
                assert!(all.insert(lsn, told).is_none(), "{lsn:?} twice");
            }
        }
    }
    (all, lagged)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_come_back_from_the_log_with_their_labels() {
    let (disk, tenant) = (SimDisk::new(5), TenantId::default_tenant());
    let node = Node::open_with(disk.clone(), named_options(ByteSize::gib(1))).await;
    let mut wanted = BTreeMap::new();
    for number in 0..40_u32 {
        let n = 1 + number % 7;
        let lsn = samples(&node.storage, &tenant, n, f64::from(number)).await;
        let told = (0..n).map(|n| (n.to_string(), f64::from(number))).collect();
        wanted.insert(lsn, Told::Samples(told));
        if number % 12 == 11 {
            node.storage.flush().await.expect("flushes");
        }
    }
    // In the middle of a definition period that is in blocks already.
    assert!(commit(&node.storage, 0, 1, Lsn(17)).await);
    node.crash().await;
    let node = Node::open_with(disk.clone(), named_options(ByteSize::gib(1))).await;
    let last = spans(&node.storage, &tenant, 7..9).await;
    wanted.insert(last, Told::Spans(vec![7, 8]));
    let mut follower = follow(&node.storage, &[]);
    let (mut all, lagged) = pull(&mut follower, last).await;
    // The one that acknowledged.
    assert!(all.remove(&Lsn(41)).is_some());
    assert_eq!(all, wanted.split_off(&Lsn(18)));
    assert_eq!(lagged, []);
    node.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_its_bound_the_log_goes_and_the_follower_is_told() {
    let (disk, tenant) = (SimDisk::new(6), TenantId::default_tenant());
    let node = Node::open_with(disk.clone(), named_options(ByteSize::kib(64))).await;
    assert!(commit(&node.storage, 0, 1, Lsn(0)).await);
    let mut last = Lsn(0);
    for request in 0..300 {
        last = spans(&node.storage, &tenant, request * 4..request * 4 + 4).await;
    }
    node.storage.flush().await.expect("flushes");
    assert!(commit(&node.storage, 0, 2, Lsn(3)).await);
    node.crash().await;
    let node = Node::open_with(disk.clone(), named_options(ByteSize::kib(64))).await;
    let mut follower = follow(&node.storage, &[Signal::Traces]);
    let (all, lagged) = pull(&mut follower, last).await;
    // Segments go while it reads: what is told in several pieces is one stretch.
    assert!(lagged.windows(2).all(|pair| pair[0].1.next() == pair[1].0), "{lagged:?}");
    let (from, to) = (lagged[0].0, lagged[lagged.len() - 1].1);
    assert_eq!(from, Lsn(4));
    assert!(to > Lsn(50) && to < last, "{to:?}");
    let rest: Vec<Lsn> = (to.0 + 1..=last.0).map(Lsn).collect();
    assert_eq!(all.into_keys().collect::<Vec<_>>(), rest);
    node.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_list_had_no_room_for_is_read_from_the_log() {
    let disk = SimDisk::new(8);
    // Two percent of it: some 20 KiB.
    let mut options = named_options(ByteSize::gib(1));
    options.limits.memory_budget = ByteSize::mib(1);
    let node = Node::open_with(disk, options).await;
    let tenant = TenantId::default_tenant();
    let mut follower = follow(&node.storage, &[]);
    let first = samples(&node.storage, &tenant, 2, 0.5).await;
    pull(&mut follower, first).await;
    let mut last = first;
    for number in 0..100 {
        last = samples(&node.storage, &tenant, 10, f64::from(number)).await;
    }
    let (all, lagged) = pull(&mut follower, last).await;
    assert_eq!((all.len(), lagged), (100, Vec::new()));
    node.close().await;
}
