//! Plans over made-up catalogs, with a merge that only moves names.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::block::LsnRange;
use crate::catalog::format::{Manifest, WriterState, WriterUpdate};
use crate::retain::erase::Tombstone;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// Noon of some day; blocks lie on it and on the days before.
const NOW_MS: i64 = 20_000 * DAY_MS + 12 * HOUR_MS;
const KINDS: &[&str] = &["slices", "logs"];
const WRITERS: [&str; 2] = ["a", "b"];

/// A catalog, and which cuts of each day are in which block.
struct World {
    state: State,
    content: BTreeMap<String, BTreeMap<String, BTreeSet<(u64, u64)>>>,
    /// Next log position of each writer: that of the second is far ahead.
    next: [u64; 2],
    objects: u64,
}

impl World {
    fn new() -> Self {
        let update = |id: &&str| WriterUpdate {
            id: (*id).to_owned(),
            state: WriterState::Live,
            epoch: 1,
            label: String::new(),
        };
        let writers = WRITERS.iter().map(update).collect();
        let mut world =
            Self { state: State::default(), content: BTreeMap::new(), next: [1, 1], objects: 0 };
        world.commit(Manifest { writers, ..Manifest::default() });
        // The second writer is far ahead of the first.
        world.flush(1, &[&[]]);
        world
    }

    fn commit(&mut self, manifest: Manifest) {
        let number = self.state.version() + 1;
        let predecessor = self.state.nonce().unwrap_or_default().to_owned();
        let manifest = Manifest { number, nonce: format!("n{number}"), predecessor, ..manifest };
        self.state = self.state.apply(&manifest, None).unwrap();
    }

    fn name(&mut self) -> String {
        self.objects += 1;
        format!("object-{:04}", self.objects)
    }

    /// Commits cuts of one writer; each is a list of blocks.
    fn flush(&mut self, writer: usize, cuts: &[&[Block]]) {
        let number = self.state.version() + 1;
        let (mut ranges, mut added) = (Vec::new(), Vec::new());
        for blocks in cuts {
            let lo = self.next[writer];
            let hi = lo + if lo == 1 && writer == 1 { 999 } else { 9 };
            self.next[writer] = hi + 1;
            let lsn = LsnRange { writer: WRITERS[writer].to_owned(), epoch: 1, lo, hi };
            ranges.push(lsn.clone());
            for block in *blocks {
                let object = self.name();
                let content = block.days().into_iter().map(|d| (d, [(number, hi)].into()));
                self.content.insert(object.clone(), content.collect());
                added.push(Arc::new(BlockMeta { lsn: vec![lsn.clone()], ..block.meta(object) }));
            }
        }
        self.commit(Manifest { cuts: ranges, added, ..Manifest::default() });
    }

    /// Puts one block per day in the place of the inputs.
    fn merge(&mut self, planned: &Planned) {
        let job = &planned.job;
        let mut days: BTreeMap<String, BTreeSet<(u64, u64)>> = BTreeMap::new();
        for input in &job.inputs {
            for (day, cuts) in self.content.remove(&input.object).unwrap() {
                days.entry(day).or_default().extend(cuts);
            }
        }
        let lsn: Vec<LsnRange> = job.inputs.iter().flat_map(|b| b.lsn.clone()).collect();
        let erased: BTreeSet<String> = job.erased.iter().flatten().map(|t| t.id.clone()).collect();
        let mut added = Vec::new();
        for (day, cuts) in days {
            let object = self.name();
            self.content.insert(object.clone(), BTreeMap::from([(day.clone(), cuts)]));
            added.push(Arc::new(BlockMeta {
                object,
                bytes: planned.bytes,
                day,
                days: Vec::new(),
                level: job.level,
                seq: job.inputs.iter().map(|b| b.seq).max().unwrap(),
                lsn: lsn.clone(),
                erased: erased.iter().cloned().collect(),
                ..(*job.inputs[0]).clone()
            }));
        }
        let removed = job.inputs.iter().map(|b| b.object.clone()).collect();
        self.commit(Manifest { added, removed, ..Manifest::default() });
    }

    /// ORD-1: per day and kind the blocks, in the order in which they rank, hold the cuts in the
    /// order in which they were committed.
    fn check_order(&self) {
        let mut held: BTreeMap<(&str, &str), Vec<_>> = BTreeMap::new();
        for block in self.state.all_blocks() {
            for (day, cuts) in &self.content[&block.object] {
                held.entry((&block.kind, day)).or_default().push((rank(block), cuts));
            }
        }
        for ((kind, day), mut blocks) in held {
            blocks.sort_by_key(|(rank, _)| *rank);
            for pair in blocks.windows(2) {
                let ((a, before), (b, after)) = (&pair[0], &pair[1]);
                assert!(a == b || before.last() < after.first(), "{kind} of {day}: {blocks:?}");
            }
        }
    }

    /// Plans and merges until nothing is left.
    fn settle(&mut self, planner: &Planner<'_>) -> Vec<(Reason, usize)> {
        let mut done = Vec::new();
        for _ in 0..20 {
            let jobs = planner.plan(&self.state);
            if jobs.is_empty() {
                return done;
            }
            let mut taken = BTreeSet::new();
            for planned in &jobs {
                assert!(!planned.job.inputs.is_empty());
                assert_eq!(planned.job.inputs.len(), planned.job.erased.len());
                for input in &planned.job.inputs {
                    assert!(taken.insert(input.object.clone()), "in two jobs: {jobs:?}");
                    assert!(input.level <= planned.job.level);
                }
            }
            for planned in &jobs {
                self.merge(planned);
                self.check_order();
                done.push((planned.reason, planned.job.inputs.len()));
            }
        }
        panic!("twenty plans, and no end: {done:?}");
    }

    fn levels(&self) -> Vec<(String, u8)> {
        self.state.all_blocks().map(|b| (b.day.clone(), b.level)).collect()
    }
}

/// A block to be flushed: how many days ago its rows are; several days make a late one.
#[derive(Debug, Clone)]
struct Block {
    kind: &'static str,
    ago: Vec<i64>,
    bytes: u64,
}

impl Block {
    fn of(ago: i64) -> Self {
        Self { kind: "slices", ago: vec![ago], bytes: 1000 }
    }

    fn days(&self) -> Vec<String> {
        self.ago.iter().map(|ago| day_name(day_of(NOW_MS) - ago)).collect()
    }

    fn meta(&self, object: String) -> BlockMeta {
        let late = self.ago.len() > 1;
        let days = self.days();
        let time_ms = NOW_MS - self.ago[0] * DAY_MS - HOUR_MS;
        BlockMeta {
            object,
            offset: 0,
            bytes: self.bytes,
            tail_bytes: 0,
            tail_crc: 0,
            block_crc: 0,
            format: format!("{}/1", self.kind),
            kind: self.kind.to_owned(),
            tenant: "default".to_owned(),
            signal: if self.kind == "logs" { "logs" } else { "metrics" }.to_owned(),
            day: if late { LATE.to_owned() } else { days[0].clone() },
            days: if late { days } else { Vec::new() },
            class: String::new(),
            level: 0,
            shard: 0,
            lsn: Vec::new(),
            seq: 0,
            erased: Vec::new(),
            rows: 1,
            samples: 1,
            series: 1,
            time_min_ms: time_ms,
            time_max_ms: time_ms,
            overlaps: false,
            labels: Vec::new(),
            attributes: Vec::new(),
            values: Vec::new(),
        }
    }
}

fn by_time(block: &BlockMeta) -> i64 {
    block.time_max_ms
}

fn planner<'a>(options: &'a Compaction, asked: Option<&'a Which>) -> Planner<'a> {
    Planner { options, now_ms: NOW_MS, arrived: &by_time, asked, kinds: KINDS }
}

#[test]
fn flushed_neighbours_are_merged_when_there_are_enough_or_they_are_old() {
    let options = Compaction::default();
    // Blocks of today, an hour old: age does not matter yet.
    let mut world = World::new();
    for _ in 0..7 {
        world.flush(0, &[&[Block::of(0)]]);
    }
    assert_eq!(world.settle(&planner(&options, None)), []);
    let later = Planner { now_ms: NOW_MS + 2 * HOUR_MS, ..planner(&options, None) };
    assert_eq!(later.plan(&world.state)[0].reason, Reason::Age);
    world.flush(0, &[&[Block::of(0)]]);
    assert_eq!(world.settle(&planner(&options, None)), [(Reason::Count, 8)]);
    // What is merged is no neighbour of what is flushed.
    world.flush(0, &[&[Block::of(0)]]);
    assert_eq!(later.plan(&world.state).len(), 0);
}

#[test]
fn a_day_that_is_over_is_merged_once_and_again_when_much_comes_late() {
    let options = Compaction::default();
    let mut world = World::new();
    for _ in 0..10 {
        world.flush(0, &[&[Block::of(1)]]);
    }
    assert_eq!(world.settle(&planner(&options, None)), [(Reason::DayOver, 10)]);
    let late = |bytes| Block { bytes, ..Block::of(1) };
    world.flush(0, &[&[late(900)]]);
    assert_eq!(world.settle(&planner(&options, None)), []);
    world.flush(0, &[&[late(900)]]);
    // Rows of an old day that have just come: more may follow.
    let fresh = |block: &BlockMeta| if block.level == 0 { NOW_MS } else { block.time_max_ms };
    let just_now = Planner { arrived: &fresh, ..planner(&options, None) };
    assert_eq!(just_now.plan(&world.state).len(), 0);
    assert_eq!(world.settle(&planner(&options, None)), [(Reason::LateData, 3)]);
    // So many files that they first become fewer.
    for _ in 0..130 {
        world.flush(0, &[&[late(1)]]);
    }
    let done = world.settle(&just_now);
    // Then they are few, and little against the whole.
    assert_eq!(done, [(Reason::LateData, 64), (Reason::LateData, 64), (Reason::LateData, 2)]);
}

#[test]
fn no_merge_jumps_over_a_late_block() {
    let options = Compaction { level1_blocks: 3, ..Compaction::default() };
    let mut world = World::new();
    let late = Block { ago: vec![0, 12], ..Block::of(0) };
    for blocks in [[Block::of(0), late.clone()], [Block::of(0), late]] {
        world.flush(0, &[&blocks[..1]]);
        world.flush(0, &[&blocks[1..]]);
    }
    world.flush(0, &[&[Block::of(0)]]);
    world.flush(0, &[&[Block::of(0)]]);
    // Between the first block and the other two lies a late one; the late ones have one between.
    assert_eq!(world.settle(&planner(&options, None)), []);
    let which = Which::default();
    let done = world.settle(&planner(&options, Some(&which)));
    assert_eq!(done[..2], [(Reason::Asked, 1), (Reason::Asked, 1)]);
    let days = [day_name(day_of(NOW_MS) - 12), day_name(day_of(NOW_MS))];
    assert_eq!(world.levels(), days.map(|day| (day, 2)));
}

#[test]
fn erased_blocks_are_rewritten_once() {
    let options = Compaction::default();
    let mut world = World::new();
    world.flush(0, &[&[Block::of(0)]]);
    let tombstone = Tombstone {
        id: "t".to_owned(),
        tenant: "default".to_owned(),
        signal: "metrics".to_owned(),
        matchers: Vec::new(),
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        positions: vec![("a".to_owned(), 10)],
        time_ms: NOW_MS - 60_000,
    };
    world.commit(Manifest { erased: vec![Arc::new(tombstone)], ..Manifest::default() });
    assert_eq!(world.settle(&planner(&options, None)), []);
    let later = Planner { now_ms: NOW_MS + HOUR_MS, ..planner(&options, None) };
    let jobs = later.plan(&world.state);
    assert_eq!((jobs.len(), jobs[0].reason, jobs[0].job.level), (1, Reason::Erased, 1));
    assert_eq!(jobs[0].job.erased[0].len(), 1);
    assert_eq!(world.settle(&later), [(Reason::Erased, 1)]);
}

#[test]
fn inputs_are_bounded_by_bytes() {
    let options = Compaction { level1_blocks: 4, ..Compaction::default() };
    let mut world = World::new();
    for _ in 0..5 {
        world.flush(0, &[&[Block { bytes: 200 << 20, ..Block::of(0) }]]);
    }
    // Two fit; the last waits for more.
    let done = world.settle(&planner(&options, None));
    assert_eq!(done, [(Reason::Count, 2), (Reason::Count, 2)]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the figure is told, nothing depends on it")]
fn thousands_of_small_jobs_are_planned_quickly() {
    let options = Compaction::default();
    let mut world = World::new();
    let tenants = 3000;
    let mut added = Vec::new();
    for tenant in 0..tenants {
        for n in 0..8 {
            let meta = Block::of(0).meta(format!("{tenant}-{n}"));
            added.push(Arc::new(BlockMeta { tenant: format!("t{tenant}"), ..meta }));
        }
    }
    world.commit(Manifest { added, ..Manifest::default() });
    let started = Instant::now();
    let jobs = planner(&options, None).plan(&world.state);
    let taken = started.elapsed();
    assert_eq!(jobs.len(), tenants);
    println!("planned {tenants} jobs in {taken:?}: {:.0}/s", tenants as f64 / taken.as_secs_f64());
}

#[test]
fn tenants_take_turns() {
    let options = Compaction { level1_blocks: 2, ..Compaction::default() };
    let mut world = World::new();
    let block = |tenant: &str, ago, n: u32| {
        let meta = Block::of(ago).meta(format!("{tenant}-{ago}-{n}"));
        Arc::new(BlockMeta { tenant: tenant.to_owned(), ..meta })
    };
    let large = (0..3).flat_map(|ago| [block("large", ago, 0), block("large", ago, 1)]);
    let added = large.chain([block("small", 0, 0), block("small", 0, 1)]).collect();
    world.commit(Manifest { added, ..Manifest::default() });
    let jobs = planner(&options, None).plan(&world.state);
    let tenants: Vec<_> = jobs.iter().map(|p| (p.job.tenant.as_str(), p.reason)).collect();
    let (first, over) = (Reason::Count, Reason::DayOver);
    let expected = [("large", first), ("small", first), ("large", over), ("large", over)];
    assert_eq!(tenants, expected);
}

#[derive(Debug, Clone)]
enum Step {
    Flush {
        writer: usize,
        cuts: Vec<Vec<Block>>,
    },
    /// Some of the jobs of a plan are done.
    Merge {
        asked: bool,
        some: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = proptest::sample::select(KINDS.to_vec());
    let day = (kind.clone(), 0_i64..4, 1_u64..2000);
    let day = day.prop_map(|(kind, ago, bytes)| Block { kind, ago: vec![ago], bytes });
    let late = (kind, proptest::collection::btree_set(0_i64..6, 2..4), 1_u64..2000);
    let late =
        late.prop_map(|(kind, ago, bytes)| Block { kind, ago: ago.into_iter().collect(), bytes });
    // A cut has at most one block of a kind for a day.
    let cut = proptest::collection::vec(prop_oneof![4 => day, 1 => late], 1..4);
    let cut = cut.prop_map(|blocks| {
        let mut held = BTreeSet::new();
        let mut kept: Vec<Block> = Vec::new();
        for block in blocks {
            if block.ago.iter().all(|ago| !held.contains(&(block.kind, *ago))) {
                held.extend(block.ago.iter().map(|ago| (block.kind, *ago)));
                kept.push(block);
            }
        }
        kept
    });
    let flush = (0_usize..2, proptest::collection::vec(cut, 1..3));
    let flush = flush.prop_map(|(writer, cuts)| Step::Flush { writer, cuts });
    let merge = (any::<bool>(), 1_usize..5).prop_map(|(asked, some)| Step::Merge { asked, some });
    proptest::collection::vec(prop_oneof![5 => flush, 1 => merge], 1..40)
}

#[test]
fn vis_3_any_history_of_flushes_and_merges_keeps_the_order_of_commits_and_comes_to_rest() {
    let cases = if std::env::var_os("TARN_TEST_SLOW").is_some() { 5000 } else { 200 };
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let which = Which::default();
    let hour = Duration::from_secs(3600);
    let options = Compaction { level1_blocks: 3, level1_age: hour * 4, ..Compaction::default() };
    let outcome = runner.run(&steps(), |steps| {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Flush { writer, cuts } => {
                    let cuts: Vec<&[Block]> = cuts.iter().map(Vec::as_slice).collect();
                    world.flush(writer, &cuts);
                }
                Step::Merge { asked, some } => {
                    let planner = planner(&options, asked.then_some(&which));
                    for planned in planner.plan(&world.state).iter().take(some) {
                        world.merge(planned);
                    }
                }
            }
            world.check_order();
        }
        world.settle(&planner(&options, None));
        world.settle(&planner(&options, Some(&which)));
        prop_assert!(world.levels().iter().all(|(day, level)| day != LATE && *level == 2));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// The table of traces must fit into the memory that a merge has, however many bytes the spans take.
#[test]
fn spans_count_by_the_memory_that_their_merge_needs() {
    let meta = Block::of(0).meta("x".to_owned());
    let spans = BlockMeta { kind: "spans".to_owned(), rows: 1_000_000, bytes: 40 << 20, ..meta };
    assert_eq!(load(&spans, 512 << 20), 480_000_000);
    assert_eq!(load(&spans, 64 << 20), 8 * 480_000_000);
    let logs = BlockMeta { kind: "logs".to_owned(), ..spans.clone() };
    assert_eq!(load(&logs, 64 << 20), 40 << 20);
    let chunks_of = |meta: &BlockMeta| {
        let commit = |seq| Arc::new(BlockMeta { seq, ..meta.clone() });
        let blocks: Vec<Arc<BlockMeta>> = (1..5).map(commit).collect();
        chunks(&blocks.iter().collect::<Vec<_>>(), 512 << 20).len()
    };
    assert_eq!((chunks_of(&spans), chunks_of(&logs)), (4, 1));
}
