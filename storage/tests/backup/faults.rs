//! Backups and restores through stores that fail, lie and lag, and processes that are killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use prometheus_client::registry::Registry;
use tarn_model::rng::Rng as _;
use tarn_storage::object::Objects;
use tarn_storage::operate::backup::{
    CreateOptions, Origin, Progress, Silent, Target, Vault, create, find, ids, prune, restore,
    verify,
};
use tarn_testkit::fault_store::{FaultPlan, FaultStore};
use tarn_testkit::sim::SimRng;
use tokio::sync::Notify;

use super::kit::{back_up, bring_back, content, elsewhere, fill, handles, place, vault};
use super::world::{DAY, World};

const BAD: FaultPlan = FaultPlan {
    before: 150,
    after: 100,
    exists: 50,
    late: 0,
    stall: 0,
    stall_max: Duration::ZERO,
    latency_max: Duration::ZERO,
    stale_list: 0,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_weather_at_every_step_leaves_whole_backups_and_stores() {
    for seed in 60..66 {
        let world = World::new(seed);
        let store = world.open().await;
        fill(&world, &store, 0..2).await;
        let before = content(&world, &store).await;
        let rng = SimRng::new(seed);
        let clock = Arc::clone(&world.clock) as Arc<dyn tarn_model::time::Clock>;
        let stormy = |inner: &Arc<dyn ObjectStore>| {
            FaultStore::new(Arc::clone(inner), Arc::clone(&clock), rng.clone(), BAD)
        };
        let (keep, handles) = (place(), handles(&world));
        let (from, to) = (stormy(&world.bucket), stormy(&keep));
        let objects = |store: &FaultStore| {
            let registry = &mut Registry::default();
            let (clock, rng) = (Arc::clone(&clock), Arc::new(rng.clone()));
            Objects::new(Arc::new(store.clone()), clock, rng, registry)
        };
        let vault = Vault::new(Arc::new(to.clone()), &handles);
        let options = CreateOptions::default();
        let mut tries = 0;
        while create(&objects(&from), &vault, &options, &handles, &Silent).await.is_err() {
            tries += 1;
            assert!(tries < 50, "seed {seed}");
        }
        let other = elsewhere(&world, seed + 100);
        let place = stormy(&other.bucket);
        // Which of several is restored is the same in every try.
        let index = loop {
            if let Ok(index) = find(&vault, None).await {
                break index;
            }
        };
        loop {
            let target = Target::new(Arc::new(place.clone()), "the place", &handles);
            let origin = Origin::Backup(&vault, &index);
            match restore(origin, &target, &handles, &Silent).await {
                Ok(_) => break,
                // The commit was made and its reply was lost.
                Err(error) if error.message().contains("holds a store already") => break,
                Err(_) => tries += 1,
            }
            assert!(tries < 100, "seed {seed}");
        }
        for storm in [&from, &to, &place] {
            storm.set_plan(FaultPlan::default());
        }
        let (_, verified) = verify(&vault, None, &Silent).await.expect("reads");
        assert_eq!(verified.damaged, [], "seed {seed}");
        let again = other.open().await;
        assert_eq!(content(&other, &again).await, before, "seed {seed}");
        again.close().await;
        store.close().await;
    }
}

/// Tells when so many bytes are done.
#[derive(Debug)]
struct Until {
    left: AtomicU64,
    reached: Notify,
}

impl Progress for Until {
    fn total(&self, _bytes: u64) {}
    fn advance(&self, bytes: u64) {
        let before = self.left.load(Ordering::SeqCst);
        self.left.store(before.saturating_sub(bytes), Ordering::SeqCst);
        if before <= bytes {
            self.reached.notify_one();
        }
    }
    fn say(&self, _line: &str) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_half_way_both_go_on_where_they_were() {
    let world = World::new(71);
    let store = world.open().await;
    fill(&world, &store, 0..8).await;
    let before = content(&world, &store).await;
    let all: u64 = store.storage.catalog().all_blocks().map(|block| block.bytes).sum();
    let (keep, from, handles) = (place(), world.objects(), handles(&world));
    let vault = vault(&world, &keep);
    let options = CreateOptions { jobs: 1, ..CreateOptions::default() };
    let until = || Until { left: AtomicU64::new(all / 2), reached: Notify::new() };

    let half = until();
    tokio::select! {
        biased;
        () = half.reached.notified() => {}
        created = create(&from, &vault, &options, &handles, &half) => panic!("{created:?}"),
    }
    assert_eq!(ids(&vault).await.expect("lists").len(), 0, "no index, no backup");
    let created = create(&from, &vault, &options, &handles, &Silent).await.expect("backs up");
    let blocks: u64 = created.index.objects.len() as u64;
    assert!(created.copied_bytes < all * 3 / 4, "{} of {all} again", created.copied_bytes);
    assert!(created.copied < blocks);

    // The mark of the one that was killed holds a prune up for a day, not for ever.
    let busy = prune(&vault, 1, &handles, &Silent).await.expect_err("waits");
    assert!(busy.message().contains("a backup is being made there"), "{busy}");
    world.clock.pass(2 * DAY);
    prune(&vault, 1, &handles, &Silent).await.expect("prunes");

    let other = elsewhere(&world, 72);
    let half = until();
    let slow = FaultPlan { latency_max: Duration::from_millis(100), ..FaultPlan::default() };
    let clock = Arc::clone(&world.clock) as Arc<dyn tarn_model::time::Clock>;
    let slowed = FaultStore::new(Arc::clone(&other.bucket), clock, SimRng::new(71), slow);
    let target = Target::new(Arc::new(slowed), "the place", &handles);
    let origin = Origin::Backup(&vault, &created.index);
    tokio::select! {
        biased;
        () = half.reached.notified() => {}
        restored = restore(origin, &target, &handles, &half) => panic!("{restored:?}"),
    }
    assert!(other.keys("catalog").await.iter().all(|key| !key.ends_with(".manifest")));
    let restored = restore(origin, &target, &handles, &Silent).await.expect("restores");
    assert!(restored.found > 0 && restored.found < restored.objects, "{restored:?}");
    let again = other.open().await;
    assert_eq!(content(&other, &again).await, before);
    again.close().await;
    store.close().await;
}

/// Two backups and a prune at once: whatever is listed afterwards is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_and_prunes_at_once_leave_whole_backups() {
    let world = World::new(81);
    let store = world.open().await;
    let keep: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let rng = SimRng::new(81);
    let (mut made, mut pruned) = (0, 0);
    for round in 0..12 {
        fill(&world, &store, round..round + 1).await;
        let slow = FaultPlan { latency_max: Duration::from_millis(20), ..FaultPlan::default() };
        let clock = Arc::clone(&world.clock) as Arc<dyn tarn_model::time::Clock>;
        let seed = SimRng::new(rng.next_u64());
        let slowed: Arc<dyn ObjectStore> =
            Arc::new(FaultStore::new(Arc::clone(&keep), clock, seed, slow));
        let of = handles(&world);
        let vault = vault(&world, &slowed);
        let (a, b, c) = tokio::join!(
            back_up(&world, &slowed),
            async {
                tokio::time::sleep(Duration::from_millis(rng.below(4))).await;
                back_up(&world, &slowed).await
            },
            async {
                tokio::time::sleep(Duration::from_millis(rng.below(8))).await;
                prune(&vault, 2, &of, &Silent).await
            }
        );
        made += u32::from(a.is_ok()) + u32::from(b.is_ok());
        pruned += u32::from(c.is_ok());
        for id in ids(&vault).await.expect("lists") {
            let (_, verified) = verify(&vault, Some(&id), &Silent).await.expect("reads");
            assert_eq!(verified.damaged, [], "round {round}, backup {id}");
        }
        world.clock.pass(Duration::from_secs(60));
    }
    println!("{made} of 24 backups and {pruned} of 12 prunes were made");
    assert!(made > 0);
    let other = elsewhere(&world, 82);
    bring_back(&world, &keep, &other).await.expect("restores");
    store.close().await;
}
