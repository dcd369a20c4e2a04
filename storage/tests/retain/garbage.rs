//! What nothing names is condemned and then deleted; what anything names, or is not ours, stays.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::world::{BEGIN_MS, DAY, HOUR, Open, World, read};
use bytes::Bytes;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_storage::catalog::{CommitError, Draft, Identity};
use tarn_storage::paths;

/// A block's key like ours.
fn key(attempt: u64) -> String {
    let tenant = TenantId::default_tenant();
    let name = paths::flush_block_name("0123456789abcdef", 1, 1, 2, 0, attempt);
    paths::BlockKey {
        tenant: &tenant,
        signal: Signal::Metrics,
        day: "2026-11-21",
        kind: "slices",
        level: 0,
        name: &name,
    }
    .key()
}

fn live(store: &Open) -> BTreeSet<String> {
    store.storage.catalog().all_blocks().map(|block| block.object.clone()).collect()
}

/// Writes days of data, each with its blocks and some manifests.
async fn fill(store: &Open, days: usize) {
    for day in 0..days {
        for i in 0..4 {
            store.write(&["a", "b"], store.clock.wall_ms(), (day * 10 + i) as f64).await;
            store.flush().await;
            store.look_for(6 * HOUR).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_that_went_stay_for_the_history_and_are_deleted_then() {
    let world = World::new(1).rule(None, "{}", 2 * DAY);
    let store = world.open().await;
    store.write(&["a"], BEGIN_MS, 1.0).await;
    store.flush().await;
    let object = live(&store).into_iter().find(|key| key.contains("slices")).expect("a block");
    store.look_for(2 * DAY + HOUR).await;
    assert!(!live(&store).contains(&object), "it went");
    let bucket = || world.keys(paths::BLOCK_PREFIX);
    store.look_for(22 * HOUR).await;
    assert!(bucket().await.contains(&object), "the history keeps it");
    store.look_for(4 * HOUR).await;
    assert!(!bucket().await.contains(&object), "now it is deleted");
    assert!(store.metric("tarn_garbage_objects_deleted_total") >= 1.0);
    assert!(store.metric("tarn_garbage_bytes_deleted_total") > 100.0);
    assert!(store.storage.catalog().is_condemned(&object), "and may not come back");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_between_put_and_commit_leaves_an_orphan_that_goes_after_an_hour() {
    let world = World::new(2);
    let store = world.open().await;
    store.write(&["a"], BEGIN_MS, 1.0).await;
    store.flush().await;
    store.storage.retain().await.expect("looks");
    let objects = world.objects();
    for attempt in 0..3 {
        objects.create(&key(attempt), &Bytes::from(vec![attempt as u8; 10])).await.expect("new");
    }
    store.look_for(HOUR).await;
    assert!(world.keys(paths::BLOCK_PREFIX).await.contains(&key(0)), "too young");
    store.look_for(2 * HOUR).await;
    assert_eq!(world.keys(paths::BLOCK_PREFIX).await, live(&store), "only what is named is left");
    assert_eq!(read(&store.storage.reader()).await["a"].len(), 1);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sweep_against_a_late_commit_of_key_k() {
    let world = World::new(3);
    let store = world.open().await;
    store.write(&["a"], BEGIN_MS, 1.0).await;
    store.flush().await;
    store.look_for(HOUR).await;
    // Whoever wrote these sleeps before the commit.
    let (early, late) = (key(7), key(8));
    let objects = world.objects();
    for key in [&early, &late] {
        objects.create(key, &Bytes::from_static(b"rows")).await.expect("new");
    }
    let named = |object: &str| {
        let block = store.storage.catalog().all_blocks().next().cloned().expect("a block");
        let mut meta = (*block).clone();
        meta.object = object.to_owned();
        meta.seq = 1;
        Arc::new(meta)
    };
    let neighbour = catalog(&world).await;
    let who = Identity { id: store.storage.writer_id().to_owned(), epoch: 1 };
    let add = |block: Arc<_>| Draft { added: vec![block], ..Draft::default() };
    // Seen by one listing.
    store.look_for(HOUR / 2).await;
    // Commit first: the sweep, which does not know of it yet, finds the key named and spares it.
    let block = named(&early);
    let committed = neighbour.commit(&who, |_| Ok(Some(add(Arc::clone(&block))))).await;
    assert!(committed.is_ok(), "{committed:?}");
    store.look_for(3 * HOUR).await;
    let there = world.keys(paths::BLOCK_PREFIX).await;
    assert!(there.contains(&early) && !store.storage.catalog().is_condemned(&early));
    // Sweep first: the commit is refused, and the key names nothing for ever.
    assert!(!there.contains(&late) && store.storage.catalog().is_condemned(&late));
    let late_block = named(&late);
    let refused = neighbour.commit(&who, |_| Ok(Some(add(Arc::clone(&late_block))))).await;
    assert!(matches!(refused, Err(CommitError::Refused(_))), "{refused:?}");
    store.close().await;
}

async fn catalog(world: &World) -> tarn_storage::catalog::Catalog {
    let rng = Arc::new(tarn_testkit::sim::SimRng::new(99));
    let clock = Arc::clone(&world.clock);
    let mut registry = prometheus_client::registry::Registry::default();
    let loaded = tarn_storage::catalog::Catalog::load(world.objects(), clock, rng, &mut registry);
    loaded.await.expect("loads")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_manifests_checkpoints_and_pages_go_and_a_start_needs_none_of_them() {
    let world = World::new(4).rule(None, "{}", 20 * DAY);
    let store = world.open().await;
    fill(&store, 12).await;
    let state = store.storage.catalog();
    let newest = state.version();
    assert!(newest > 150, "a manifest per flush and hour: {newest}");
    let numbers: Vec<u64> = world
        .keys(paths::CATALOG_PREFIX)
        .await
        .iter()
        .filter_map(|key| paths::parse_manifest_key(key))
        .collect();
    let oldest = numbers[0];
    assert!(oldest > 60, "the oldest is {oldest} of {newest}");
    assert!(oldest <= state.checkpoint_number().expect("a checkpoint"));
    assert_eq!(numbers.len() as u64, newest - oldest + 1, "no gap");
    let checkpoints = world.keys(paths::CHECKPOINT_PREFIX).await;
    let of_version = |key: &String| paths::parse_checkpoint_key(key);
    let mut versions: Vec<u64> = checkpoints.iter().filter_map(of_version).collect();
    versions.sort_unstable();
    assert!(versions.len() <= 3, "checkpoints of the history: {versions:?}");
    let pages = checkpoints.iter().filter(|key| paths::is_page_key(key)).count();
    assert!(pages < 60, "pages of the history: {pages}");
    let before = read(&store.storage.reader()).await;
    assert_eq!(before["a"].len(), 48);
    store.crash().await;
    let store = world.open().await;
    assert_eq!(read(&store.storage.reader()).await, before, "a restart from the checkpoint");
    // It goes on: nothing is deleted that is still needed.
    fill(&store, 10).await;
    store.close().await;
    let store = world.open().await;
    let rows = read(&store.storage.reader()).await;
    let kept = rows["a"].len();
    assert!((80..=88).contains(&kept), "20 days are kept, 4 flushes a day: {kept}");
    let there = world.keys(paths::BLOCK_PREFIX).await;
    let named = live(&store);
    assert!(there.is_superset(&named));
    assert!(there.len() - named.len() < 30, "only the history is kept beside");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_objects_are_never_touched() {
    let world = World::new(5).rule(None, "{}", DAY);
    let objects = world.objects();
    let foreign = [
        "blocks/mine.parquet",
        "blocks/tenant=default/notes.txt",
        "blocks/tenant=default/signal=metrics/day=2026-11-21/export.parquet",
        "checkpoints/README",
        "checkpoints/old.checkpoint",
        "catalog/notes.txt",
        "catalog/1.manifest",
        "published/mine.json",
        "backup/blocks/x.parquet",
    ];
    for key in foreign {
        objects.create(key, &Bytes::from_static(b"mine")).await.expect("new");
    }
    let store = world.open().await;
    fill(&store, 6).await;
    store.look_for(5 * DAY).await;
    for key in foreign {
        assert!(objects.head(key).await.expect("asks").is_some(), "{key}");
    }
    assert!(store.metric("tarn_garbage_objects_deleted_total") > 10.0, "others were");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn condemned_keys_are_remembered_until_nobody_can_commit_them() {
    let world = World::new(6);
    let store = world.open().await;
    store.write(&["a"], BEGIN_MS, 1.0).await;
    store.flush().await;
    let orphan = key(1);
    world.objects().create(&orphan, &Bytes::from_static(b"x")).await.expect("new");
    store.look_for(3 * HOUR).await;
    assert!(store.storage.catalog().is_condemned(&orphan));
    for _ in 0..12 {
        store.write(&["a"], store.clock.wall_ms(), 2.0).await;
        store.flush().await;
        store.look_for(HOUR).await;
    }
    assert!(store.storage.catalog().is_condemned(&orphan), "the history has not passed");
    fill(&store, 10).await;
    assert!(!store.storage.catalog().is_condemned(&orphan), "now nobody can commit it");
    assert_eq!(read(&store.storage.reader()).await["a"].len(), 1 + 12 + 40);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_sweep_one_bucket() {
    let world = World::new(7).rule(None, "{}", 2 * DAY);
    let mut neighbour = world.neighbour(8);
    neighbour.rules = world.rules.clone();
    let (store, other) = (world.open().await, neighbour.open().await);
    for i in 0..40 {
        store.write(&["a"], store.clock.wall_ms(), f64::from(i)).await;
        other.write(&["b"], store.clock.wall_ms(), f64::from(i)).await;
        store.flush().await;
        other.flush().await;
        for _ in 0..9 {
            store.clock.pass(Duration::from_secs(1200));
            store.storage.retain().await.expect("looks");
            other.storage.retain().await.expect("looks");
        }
    }
    let named = live(&store);
    let there = world.keys(paths::BLOCK_PREFIX).await;
    assert!(there.is_superset(&named), "what is live is there");
    let deleted = |open: &Open| open.metric("tarn_garbage_objects_deleted_total");
    assert!(deleted(&store) + deleted(&other) > 20.0);
    store.close().await;
    other.close().await;
    let store = world.open().await;
    let rows = read(&store.storage.reader()).await;
    assert!(rows["a"].len() >= 15 && rows["b"].len() >= 15, "{rows:?}");
    store.close().await;
}
