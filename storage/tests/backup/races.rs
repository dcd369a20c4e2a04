//! Backups beside a store that writes, flushes, merges and sweeps at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tarn_storage::compact::plan::Which;
use tarn_storage::operate::backup::{CreateOptions, Progress, Silent, create, find, prune, verify};

use super::kit::{back_up, bring_back, content, elsewhere, fill, handles, place, vault};
use super::world::{DAY, HOUR, Open, World, read};

/// Does something in the middle of a backup: when the version is loaded and nothing is copied yet.
struct Meddler<F> {
    times: AtomicU64,
    lines: Mutex<Vec<String>>,
    work: F,
}

impl<F> std::fmt::Debug for Meddler<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meddler")
    }
}

impl<F> Meddler<F> {
    fn new(times: u64, work: F) -> Self {
        Self { times: AtomicU64::new(times), lines: Mutex::default(), work }
    }
}

impl<F: AsyncFn() + Send + Sync> Progress for Meddler<F> {
    fn total(&self, _bytes: u64) {
        let left = self.times.load(Ordering::SeqCst);
        if left > 0 {
            self.times.store(left - 1, Ordering::SeqCst);
            let here = tokio::runtime::Handle::current();
            tokio::task::block_in_place(|| here.block_on((self.work)()));
        }
    }

    fn advance(&self, _bytes: u64) {}

    fn say(&self, line: &str) {
        self.lines.lock().push(line.to_owned());
    }
}

async fn merge_and_sweep(store: &Open) {
    store.storage.compact(&Which::default()).await.expect("merges");
    store.look_for(2 * DAY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_are_swept_while_they_are_copied_cost_another_round() {
    let world = World::new(31);
    let store = world.open().await;
    fill(&world, &store, 0..4).await;
    let before = content(&world, &store).await;
    let keep = place();
    let meddler = Meddler::new(1, async || merge_and_sweep(&store).await);
    let (from, vault) = (world.objects(), vault(&world, &keep));
    let options = CreateOptions::default();
    let created = create(&from, &vault, &options, &handles(&world), &meddler).await;
    let created = created.expect("backs up");
    assert_eq!(created.rounds, 2, "the blocks of the first version are deleted");
    assert!(meddler.lines.lock()[0].contains("went while it was copied"));
    let (_, verified) = verify(&vault, None, &Silent).await.expect("reads");
    assert_eq!(verified.damaged, []);
    let other = elsewhere(&world, 32);
    bring_back(&world, &keep, &other).await.expect("restores");
    let again = other.open().await;
    assert_eq!(content(&other, &again).await, before);
    again.close().await;
    store.close().await;
}

/// Within the history everything that a version names stays: a sweep does not disturb a backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merges_within_the_history_cost_nothing() {
    let world = World::new(33);
    let store = world.open().await;
    fill(&world, &store, 0..4).await;
    let version = store.storage.catalog().version();
    let meddler = Meddler::new(1, async || {
        store.storage.compact(&Which::default()).await.expect("merges");
        store.look_for(20 * HOUR).await;
    });
    let (keep, from) = (place(), world.objects());
    let vault = vault(&world, &keep);
    let options = CreateOptions::default();
    let created = create(&from, &vault, &options, &handles(&world), &meddler).await;
    let created = created.expect("backs up");
    assert_eq!((created.rounds, created.index.manifest), (1, version));
    let (_, verified) = verify(&vault, None, &Silent).await.expect("reads");
    assert_eq!(verified.damaged, []);
    store.close().await;
}

/// An object that is gone for good is damage, and no backup pretends to be whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cor_1_what_is_gone_or_damaged_in_the_store_makes_no_backup() {
    let world = World::new(35);
    let store = world.open().await;
    fill(&world, &store, 0..2).await;
    let block = store.storage.catalog().all_blocks().next().expect("a block").object.clone();
    let (objects, keep) = (world.objects(), place());
    let whole = objects.get(&block).await.expect("reads").bytes;
    let mut flipped = whole.to_vec();
    flipped[whole.len() / 2] ^= 4;
    objects.overwrite(&block, &flipped.into()).await.expect("writes");
    let refused = back_up(&world, &keep).await.expect_err("damaged");
    assert_eq!(refused.kind(), tarn_model::error::ErrorKind::Corrupt);
    assert!(refused.message().contains(&block), "{refused}");
    objects.delete(&block).await.expect("deletes");
    let refused = back_up(&world, &keep).await.expect_err("gone");
    assert_eq!(refused.kind(), tarn_model::error::ErrorKind::Corrupt);
    assert!(refused.message().contains(&block), "{refused}");
    assert!(find(&vault(&world, &keep), None).await.is_err(), "there is no index");
    // It is not for ever: once the block is back, what was copied counts.
    objects.create(&block, &whole).await.expect("creates");
    back_up(&world, &keep).await.expect("backs up");
    store.close().await;
}

/// Every row that was flushed before a backup began is in it, whatever runs beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_backups_beside_writes_flushes_merges_and_sweeps_hold_what_was_flushed_before() {
    let world = Arc::new(World::new(37));
    let store = Arc::new(world.open().await);
    let (stop, flushed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let work = {
        let (store, stop, flushed) = (Arc::clone(&store), Arc::clone(&stop), Arc::clone(&flushed));
        async move {
            let mut round = 0;
            while !stop.load(Ordering::SeqCst) {
                // The value of the newest sample tells how far the store is.
                round += 1;
                store.write(&["a", "b"], store.clock.wall_ms(), round as f64).await;
                store.flush().await;
                flushed.store(round, Ordering::SeqCst);
                if round % 3 == 0 {
                    store.storage.compact(&Which::default()).await.expect("merges");
                }
                // Sweeps delete what was merged two rounds ago.
                store.look_for(HOUR * 9).await;
            }
            round
        }
    };
    let working = tokio::spawn(work);
    let keep = place();
    let mut rounds = 0;
    for turn in 0..8 {
        let before = flushed.load(Ordering::SeqCst);
        let created = back_up(&world, &keep).await.expect("backs up");
        rounds += created.rounds;
        let vault = vault(&world, &keep);
        let (_, verified) = verify(&vault, None, &Silent).await.expect("reads");
        assert_eq!(verified.damaged, [], "turn {turn}");
        if turn % 3 == 2 {
            prune(&vault, 2, &handles(&world), &Silent).await.expect("prunes");
        }
        let other = elsewhere(&world, 100 + turn);
        bring_back(&world, &keep, &other).await.expect("restores");
        let again = other.open().await;
        let rows = read(&again.storage.reader()).await;
        for n in ["a", "b"] {
            let values: Vec<u64> =
                rows.get(n).into_iter().flatten().map(|(_, v)| *v as u64).collect();
            let expected: Vec<u64> = (1..=values.len() as u64).collect();
            assert_eq!(values, expected, "turn {turn}: each row once, none left out");
            assert!(values.len() as u64 >= before, "turn {turn}: {values:?}, flushed {before}");
        }
        again.close().await;
    }
    stop.store(true, Ordering::SeqCst);
    let written = working.await.expect("works");
    println!("8 backups in {rounds} rounds beside {written} flushes");
    let store = Arc::into_inner(store).expect("nobody else has it");
    store.close().await;
}
