//! VIS-3, VIS-1, VIS-2, ORD-1: while blocks of all signals are flushed and merged as fast as can be,
//! in a bucket that misbehaves, through kills and stops, readers see every acknowledged row exactly
//! once and of each time the last value.
#![expect(clippy::print_stdout, reason = "the figures are what the test is for")]
#![expect(clippy::disallowed_methods, reason = "real time and real tasks: the parts are real")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "support/table_requests.rs"]
mod support;
#[path = "compaction/world.rs"]
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tarn_storage::Storage;
use tarn_storage::compact::jobs::{JobState, Jobs};
use tarn_storage::compact::plan::Which;
use tokio::task::JoinSet;
use world::{End, Ledger, World, is_weather};

/// How long one life of the store lasts, at least,
const LIFE: Duration = Duration::from_millis(500);
/// until so many merges have ended,
const MERGES: usize = 6;
/// and at most.
const LIFE_MAX: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);
const READERS: usize = 2;

#[derive(Default)]
struct Counts {
    reads: AtomicU64,
    merged: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    fn add(&self, jobs: &Jobs) {
        for job in &jobs.ended {
            let counter = match job.state {
                JobState::Failed => &self.failed,
                JobState::Dropped => &self.dropped,
                _ => &self.merged,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Flushes, and now and then asks for all merges.
async fn disturb(storage: Arc<Storage>) {
    for turn in 0_u64.. {
        tokio::time::sleep(Duration::from_millis(15)).await;
        if let Err(error) = storage.flush().await {
            assert!(is_weather(&error), "{error:?}");
        }
        if turn % 4 == 3 {
            match storage.compact(&Which::default()).await {
                Ok(report) => assert_eq!(report.failed, 0),
                Err(error) => assert!(is_weather(&error), "{error:?}"),
            }
        }
    }
}

async fn life(world: &Arc<World>, ledger: &Arc<Ledger>, counts: &Arc<Counts>, how: End) {
    let open = world.open().await;
    ledger.begin();
    let writer = {
        let (world, storage, ledger) =
            (Arc::clone(world), Arc::clone(&open.storage), Arc::clone(ledger));
        tokio::spawn(async move { world.write(storage, ledger).await })
    };
    let mut others = JoinSet::new();
    others.spawn(disturb(Arc::clone(&open.storage)));
    for _ in 0..READERS {
        let (world, reader, ledger) =
            (Arc::clone(world), open.storage.reader(), Arc::clone(ledger));
        let counts = Arc::clone(counts);
        others.spawn(async move {
            loop {
                match world.check(&reader, &ledger).await {
                    Ok(()) => counts.reads.fetch_add(1, Ordering::Relaxed),
                    Err(error) => {
                        assert!(is_weather(&error), "{error:?}");
                        0
                    }
                };
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    // On a busy machine merges, which stand behind all others, need longer.
    let begun = Instant::now();
    while begun.elapsed() < LIFE
        || (open.storage.jobs().ended.len() < MERGES && begun.elapsed() < LIFE_MAX)
    {
        tokio::time::sleep(PAUSE).await;
    }
    ledger.end();
    writer.await.unwrap();
    others.abort_all();
    while let Some(ended) = others.join_next().await {
        if let Err(error) = ended {
            assert!(error.is_cancelled(), "{error}");
        }
    }
    counts.add(&open.storage.jobs());
    open.end(how).await;
}

async fn run(seed: u64, lives: u64) {
    let world = Arc::new(World::new(seed));
    let (ledger, counts) = (Arc::new(Ledger::default()), Arc::new(Counts::default()));
    for number in 0..lives {
        world.set_weather(number % 3 != 0);
        let how = if number % 2 == 0 { End::Kill } else { End::Stop };
        life(&world, &ledger, &counts, how).await;
    }
    world.set_weather(false);
    let open = world.open().await;
    world.check(&open.storage.reader(), &ledger).await.unwrap();
    open.storage.flush().await.unwrap();
    let report = open.storage.compact(&Which::default()).await.unwrap();
    assert_eq!((report.failed, report.dropped), (0, 0), "{report:?}");
    world.check(&open.storage.reader(), &ledger).await.unwrap();
    for block in open.storage.catalog().all_blocks() {
        assert!(block.level == 2 && block.day != "late", "{block:?}");
    }
    let stats = open.storage.stats();
    let (requests, reads) = (ledger.acknowledged(), counts.reads.load(Ordering::Relaxed));
    let merged = counts.merged.load(Ordering::Relaxed);
    println!(
        "seed {seed}: {requests} requests, {reads} reads, {merged} merges, {} failed, {} dropped, \
         {} blocks left",
        counts.failed.load(Ordering::Relaxed),
        counts.dropped.load(Ordering::Relaxed),
        stats.blocks
    );
    assert!(requests > lives && reads > lives && merged > 0, "too little happened");
    open.end(End::Stop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn vis_3_merges_change_nothing_that_a_query_sees() {
    let slow = std::env::var_os("TARN_TEST_SLOW").is_some();
    let lives = if slow { 60 } else { 6 };
    for seed in 1..=if slow { 5 } else { 2 } {
        run(seed, lives).await;
    }
}
