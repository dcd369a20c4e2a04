//! VIS-3 for log records and spans: whatever neighbours are merged, in whatever steps, the outputs
//! hold the rows that one flush of everything would have, in its order and with its trees.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{BooleanArray, RecordBatch};
use bytes::Bytes;
use futures::future::BoxFuture;
use object_store::memory::InMemory;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tarn_model::error::Result;
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;
use tarn_storage::block::BlockMeta;
use tarn_storage::block::reader::Blocks;
use tarn_storage::block::seal::NewBlock;
use tarn_storage::compact::merge::{MergeContext, MergeJob, Outputs, Progress, merge};
use tarn_storage::object::Objects;
use tarn_storage::options::Retention;
use tarn_storage::retain::erase::Tombstone;
use tarn_storage::schema::tables::Table;
use tarn_storage::usage::Usage;
use tarn_testkit::clock::RealClock;
use tarn_testkit::sim::SimRng;

#[path = "support/tables.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod tables;

use tables::{DAY_NS, Logical, build, file_rows, logs, spans};

/// A store with blocks, and what merges need.
struct World {
    runtime: tokio::runtime::Runtime,
    blocks: Arc<Blocks>,
    objects: Objects,
    rng: SimRng,
    retention: Retention,
    usage: Usage,
    block_bytes: ByteSize,
    memory_max: ByteSize,
    files: Mutex<BTreeMap<String, Bytes>>,
    stored: u64,
}

/// Collects what a merge hands over.
struct Collected<'a> {
    objects: &'a Objects,
    blocks: Mutex<Vec<NewBlock>>,
}

impl Outputs for Collected<'_> {
    fn put(&self, block: NewBlock) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.objects.create(&block.meta.object, &block.bytes).await.unwrap();
            self.blocks.lock().push(block);
            Ok(())
        })
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let (clock, rng) = (Arc::new(RealClock::default()), Arc::new(SimRng::new(seed)));
        let store = Arc::new(InMemory::new());
        let objects = Objects::new(store, clock, rng, &mut Registry::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        Self {
            runtime: runtime.unwrap(),
            blocks: Blocks::new(objects.clone()),
            objects,
            rng: SimRng::new(seed),
            retention: Retention::default(),
            usage: Usage::default(),
            block_bytes: ByteSize::mib(128),
            memory_max: ByteSize::mib(512),
            files: Mutex::default(),
            stored: 0,
        }
    }

    /// Flushes batches; the blocks come in the order of their partitions.
    fn flush(&mut self, table: Table, batches: &[RecordBatch]) -> Vec<Arc<BlockMeta>> {
        let stored = build(table, batches).into_iter().map(|mut block| {
            self.stored += 1;
            block.meta.seq = self.stored;
            // Every flush here has the same names.
            block.meta.object = format!("{}-{}", block.meta.object, self.stored);
            let create = self.objects.create(&block.meta.object, &block.bytes);
            self.runtime.block_on(create).unwrap();
            self.files.lock().insert(block.meta.object.clone(), block.bytes);
            Arc::new(block.meta)
        });
        stored.collect()
    }

    fn merge(&self, table: Table, level: u8, inputs: &[Arc<BlockMeta>]) -> Vec<NewBlock> {
        self.merge_without(table, level, inputs, vec![Vec::new(); inputs.len()])
    }

    fn merge_without(
        &self,
        table: Table,
        level: u8,
        inputs: &[Arc<BlockMeta>],
        erased: Vec<Vec<Arc<Tombstone>>>,
    ) -> Vec<NewBlock> {
        let job = MergeJob {
            tenant: TenantId::default_tenant(),
            signal: table.signal(),
            kind: table.as_str().to_owned(),
            level,
            inputs: inputs.to_vec(),
            erased,
        };
        let outputs = Collected { objects: &self.objects, blocks: Mutex::default() };
        let progress = Progress::default();
        let context = MergeContext {
            blocks: &self.blocks,
            outputs: &outputs,
            rng: &self.rng,
            epoch: 3,
            retention: &self.retention,
            usage: &self.usage,
            block_bytes: self.block_bytes,
            memory_max: self.memory_max,
            progress: &progress,
        };
        self.runtime.block_on(merge(&job, &context)).unwrap();
        let blocks = outputs.blocks.into_inner();
        for block in &blocks {
            self.files.lock().insert(block.meta.object.clone(), block.bytes.clone());
            assert_eq!(block.meta.rows, file_rows(&block.bytes).len() as u64);
            assert_eq!(block.meta.level, level);
            assert_eq!(block.meta.seq, inputs.iter().map(|meta| meta.seq).max().unwrap());
        }
        blocks
    }

    fn rows(&self, meta: &BlockMeta) -> Vec<Logical> {
        file_rows(&self.files.lock()[&meta.object])
    }
}

fn random(table: Table, rng: &SimRng, rows: usize, days: i64) -> RecordBatch {
    match table {
        Table::Logs => logs(rng, rows, days),
        Table::Spans => spans(rng, rows, days),
    }
}

/// Keeps some rows of batches.
fn filtered(
    batches: &[RecordBatch],
    keep: impl Fn(&RecordBatch, usize) -> bool,
) -> Vec<RecordBatch> {
    let filtered = batches.iter().map(|batch| {
        let mask: BooleanArray = (0..batch.num_rows()).map(|row| Some(keep(batch, row))).collect();
        arrow_select::filter::filter_record_batch(batch, &mask).unwrap()
    });
    filtered.collect()
}

fn day_of(table: Table, batch: &RecordBatch, row: usize) -> i64 {
    let times = batch.column_by_name(table.time_column()).unwrap();
    let times = times.as_primitive::<TimestampMicrosecondType>();
    times.value(row).div_euclid(DAY_NS / 1000)
}

/// Returns the rows that a flush of everything has, by day.
fn expected(table: Table, batches: &[RecordBatch]) -> BTreeMap<String, Vec<Logical>> {
    let days = batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(move |row| day_of(table, batch, row)));
    let days: std::collections::BTreeSet<i64> = days.collect();
    let mut expected = BTreeMap::new();
    for day in days {
        let own = filtered(batches, |batch, row| day_of(table, batch, row) == day);
        let block = build(table, &own).remove(0);
        expected.insert(block.meta.day.clone(), rows_of(&block));
    }
    expected
}

fn rows_of(block: &NewBlock) -> Vec<Logical> {
    file_rows(&block.bytes)
}

fn by_day(world: &World, blocks: &[Arc<BlockMeta>]) -> BTreeMap<String, Vec<Logical>> {
    let mut days: BTreeMap<String, Vec<Logical>> = BTreeMap::new();
    for meta in blocks {
        days.entry(meta.day.clone()).or_default().extend(world.rows(meta));
    }
    days
}

fn assert_same(found: &[Logical], expected: &[Logical], what: &str) {
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found, expected, "{what}, row {at}");
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

/// Merges neighbours of each partition in random steps until one block is left.
fn merge_all(
    world: &mut World,
    table: Table,
    flushed: Vec<Vec<Arc<BlockMeta>>>,
) -> Vec<Arc<BlockMeta>> {
    let mut partitions: BTreeMap<String, Vec<Arc<BlockMeta>>> = BTreeMap::new();
    for meta in flushed.into_iter().flatten() {
        partitions.entry(meta.day.clone()).or_default().push(meta);
    }
    let mut done = Vec::new();
    for (day, mut blocks) in partitions {
        if day == "late" {
            let merged = world.merge(table, 1, &blocks);
            done.extend(merged.into_iter().map(|block| Arc::new(block.meta)));
            continue;
        }
        while blocks.len() > 1 || blocks[0].level == 0 {
            let from = world.rng.below(blocks.len() as u64) as usize;
            let most = (blocks.len() - from) as u64;
            let count = 1 + world.rng.below(most) as usize;
            let level = 1 + world.rng.below(2) as u8;
            let merged = world.merge(table, level, &blocks[from..from + count]);
            assert_eq!(merged.len(), 1);
            let merged = merged.into_iter().map(|block| Arc::new(block.meta));
            blocks.splice(from..from + count, merged);
        }
        done.extend(blocks);
    }
    done
}

#[test]
fn merges_hold_what_one_flush_would() {
    for seed in 0..10 {
        for table in [Table::Logs, Table::Spans] {
            let mut world = World::new(seed);
            let rng = SimRng::new(seed);
            if rng.chance(300) {
                world.memory_max = ByteSize::mib(1);
            }
            let days = [1, 2, 5][rng.below(3) as usize];
            let mut all = Vec::new();
            let flushed = (0..1 + rng.below(6)).map(|_| {
                let rows = 1 + rng.below(300) as usize;
                let batches: Vec<_> =
                    (0..1 + rng.below(3)).map(|_| random(table, &rng, rows, days)).collect();
                let flushed = world.flush(table, &batches);
                all.extend(batches);
                flushed
            });
            let flushed = flushed.collect();
            let merged = merge_all(&mut world, table, flushed);
            let found = by_day(&world, &merged);
            for (day, rows) in expected(table, &all) {
                assert_same(&found[&day], &rows, &format!("{table:?} {day} of seed {seed}"));
            }
        }
    }
}

#[test]
fn late_blocks_are_taken_apart_by_day() {
    for table in [Table::Logs, Table::Spans] {
        let mut world = World::new(1);
        let rng = SimRng::new(1);
        let all: Vec<RecordBatch> = (0..5).map(|_| random(table, &rng, 400, 12)).collect();
        let flushed: Vec<_> =
            all.iter().map(|batch| world.flush(table, std::slice::from_ref(batch))).collect();
        let late: Vec<Arc<BlockMeta>> =
            flushed.iter().map(|blocks| Arc::clone(&blocks[0])).collect();
        assert!(late.iter().all(|meta| meta.day == "late" && meta.days.len() == 4));
        let merged = world.merge(table, 1, &late);
        let days: Vec<&str> = merged.iter().map(|block| block.meta.day.as_str()).collect();
        assert_eq!(days.len(), 4);
        let expected = expected(table, &all);
        for block in &merged {
            assert!(block.meta.days.is_empty());
            assert_same(&rows_of(block), &expected[&block.meta.day], &block.meta.day);
        }
        let shards: Vec<u32> = merged.iter().map(|block| block.meta.shard).collect();
        assert_eq!(shards, [0, 1, 2, 3]);
    }
}
