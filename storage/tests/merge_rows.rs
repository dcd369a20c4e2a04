//! VIS-3 for log records and spans: whatever neighbours are merged, in whatever steps, the outputs
//! hold the rows that one flush of everything would have, in its order and with its trees.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{BooleanArray, RecordBatch};
use tarn_model::matcher::{MatchOp, Matcher};
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;
use tarn_storage::block::BlockMeta;
use tarn_storage::block::seal::NewBlock;
use tarn_storage::compact::classes::lifetime;
use tarn_storage::options::{Retention, RetentionRule};
use tarn_storage::retain::erase::Tombstone;
use tarn_storage::schema::tables::{Table, column};
use tarn_testkit::sim::SimRng;

#[path = "support/merging.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod merging;
#[path = "support/tables.rs"]
mod tables;

use merging::World;

use tables::{DAY_NS, Logical, build, file_rows, logical, logs, spans};

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
        days.entry(meta.day.clone()).or_default().extend(file_rows(&world.file(meta)));
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

/// What the rules below say of a row.
fn class_days(row: &Logical) -> Option<u64> {
    let attribute = |key: &str| row.get(&format!("attr:{key}")).and_then(|v| v.split_once(':'));
    let is_cached = attribute("cached").is_some_and(|(_, text)| text == "true");
    if row[column::SERVICE_NAME] == "service-1" || is_cached {
        Some(7)
    } else if row[column::RESOURCE].contains("\"h3\"") || row[column::RESOURCE].contains("\"h33\"")
    {
        Some(30)
    } else {
        None
    }
}

fn rules() -> Retention {
    let rule = |matcher: &Matcher, days: u64| RetentionRule {
        tenant: None,
        signal: None,
        matchers: vec![matcher.clone()],
        keep: Duration::from_secs(days * 86_400),
    };
    let hosts = Matcher::new("host", MatchOp::Regex, "h3|h33").unwrap();
    let service = Matcher::equal(column::SERVICE_NAME, "service-1");
    let cached = Matcher::equal("cached", "true");
    let rules = vec![rule(&service, 7), rule(&cached, 7), rule(&hosts, 30)];
    Retention { rules, ..Retention::default() }
}

#[test]
fn rows_of_different_lives_are_in_different_blocks() {
    for table in [Table::Logs, Table::Spans] {
        let mut world = World::new(2);
        world.retention = rules();
        let rng = SimRng::new(2);
        let all: Vec<RecordBatch> = (0..4).map(|_| random(table, &rng, 500, 1)).collect();
        let flushed: Vec<Arc<BlockMeta>> =
            all.iter().flat_map(|batch| world.flush(table, std::slice::from_ref(batch))).collect();
        let merged = world.merge(table, 1, &flushed);
        let again: Vec<Arc<BlockMeta>> =
            merged.iter().map(|block| Arc::new(block.meta.clone())).collect();
        for blocks in [&merged, &world.merge(table, 2, &again)] {
            let mut rows = Vec::new();
            assert_eq!(blocks.len(), 3);
            for block in blocks {
                let class = &block.meta.class;
                let tenant = TenantId::default_tenant();
                let life = lifetime(&world.retention, &tenant, table.signal(), class);
                let days = life.map(|life| life.as_secs() / 86_400);
                let own = file_rows(&block.bytes);
                assert!(own.iter().all(|row| class_days(row) == days), "{class}");
                rows.extend(own);
            }
            let expected: Vec<Logical> = expected(table, &all).into_values().flatten().collect();
            assert_same(&sorted(rows), &sorted(expected), "all classes");
        }
    }
}

/// Rows without what their neighbours in the block decide.
fn sorted(mut rows: Vec<Logical>) -> Vec<Logical> {
    for row in &mut rows {
        for name in [column::PARENT_BACK, column::SUBTREE, column::PROBLEMS] {
            row.remove(name);
        }
    }
    rows.sort();
    rows
}

#[test]
fn erased_rows_are_left_out() {
    for table in [Table::Logs, Table::Spans] {
        let mut world = World::new(3);
        let rng = SimRng::new(3);
        let all: Vec<RecordBatch> = (0..3).map(|_| random(table, &rng, 500, 1)).collect();
        let flushed: Vec<Arc<BlockMeta>> =
            all.iter().flat_map(|batch| world.flush(table, std::slice::from_ref(batch))).collect();
        let start_ms = tables::BASE_NS / 1_000_000 + 6 * 3_600_000;
        let end_ms = start_ms + 12 * 3_600_000;
        let tombstone = Arc::new(Tombstone {
            id: "0a".to_owned(),
            tenant: "default".to_owned(),
            signal: table.signal().to_string(),
            matchers: vec!["http.route=\"/cart\"".to_owned()],
            start_ms,
            end_ms,
            positions: Vec::new(),
            time_ms: 0,
        });
        // It was set between the second flush and the third.
        let erased = vec![vec![Arc::clone(&tombstone)], vec![tombstone], Vec::new()];
        let merged = world.merge_without(table, 1, &flushed, erased);
        let route = |batch: &RecordBatch| -> Vec<bool> {
            let is = |row: &Logical| row.get("attr:http.route").is_some_and(|v| v == "1:/cart");
            logical(batch).iter().map(is).collect()
        };
        let kept = all.iter().enumerate().flat_map(|(number, batch)| {
            let routes = route(batch);
            filtered(std::slice::from_ref(batch), move |batch, row| {
                let times = batch.column_by_name(table.time_column()).unwrap();
                let us = times.as_primitive::<TimestampMicrosecondType>().value(row);
                let inside = (start_ms..=end_ms).contains(&us.div_euclid(1000));
                !(number < 2 && routes[row] && inside)
            })
        });
        let kept: Vec<RecordBatch> = kept.collect();
        let rows: usize = kept.iter().map(RecordBatch::num_rows).sum();
        assert!(rows < 1400, "{rows}");
        let expected: Vec<Logical> = expected(table, &kept).into_values().flatten().collect();
        assert_same(&rows_of(&merged[0]), &expected, "what stays");
    }
}

#[test]
fn large_outputs_are_cut() {
    for table in [Table::Logs, Table::Spans] {
        let mut world = World::new(4);
        let rng = SimRng::new(4);
        let all: Vec<RecordBatch> = (0..3).map(|_| random(table, &rng, 9_000, 1)).collect();
        let flushed: Vec<Arc<BlockMeta>> =
            all.iter().flat_map(|batch| world.flush(table, std::slice::from_ref(batch))).collect();
        let bytes: u64 = flushed.iter().map(|meta| meta.bytes).sum();
        world.block_bytes = ByteSize(bytes / 4);
        let merged = world.merge(table, 2, &flushed);
        assert!((3..=5).contains(&merged.len()), "{}", merged.len());
        let rows: Vec<Logical> = merged.iter().flat_map(rows_of).collect();
        let expected: Vec<Logical> = expected(table, &all).into_values().flatten().collect();
        match table {
            // By trace start: their order goes on from block to block, and no trace is torn.
            Table::Spans => assert_same(&rows, &expected, "in order"),
            // By hours.
            Table::Logs => {
                let times = merged.iter().map(|b| (b.meta.time_min_ms, b.meta.time_max_ms));
                let times: Vec<(i64, i64)> = times.collect();
                assert!(times.windows(2).all(|w| w[0].1 <= w[1].0 + 1), "{times:?}");
                assert_same(&sorted(rows), &sorted(expected), "all");
            }
        }
    }
}

/// The same text in another kind, keys in one input's columns and another's map: nothing is lost, and
/// columns come and go by what all inputs hold and by what is asked for.
#[test]
fn attributes_are_the_same_wherever_inputs_keep_them() {
    let mut world = World::new(5);
    let rng = SimRng::new(5);
    let mut all = Vec::new();
    let mut flushed = Vec::new();
    for days in 0..4 {
        let batch = attributes_of(&rng, days);
        flushed.extend(world.flush(Table::Logs, std::slice::from_ref(&batch)));
        all.push(batch);
    }
    let names = |meta: &BlockMeta| -> Vec<String> {
        meta.attributes.iter().map(|own| own.name.clone()).collect()
    };
    assert!(names(&flushed[0]).contains(&"ai_changing".to_owned()));
    assert!(names(&flushed[1]).contains(&"a_changing".to_owned()));
    let expected: Vec<Logical> = expected(Table::Logs, &all).into_values().flatten().collect();
    let merged = world.merge(Table::Logs, 1, &flushed);
    assert_same(&rows_of(&merged[0]), &expected, "merged");
    // No type has nearly all of its values.
    assert!(!names(&merged[0].meta).iter().any(|name| name.ends_with("_changing")));
    // On one row in a thousand now: too rare to get a column, not rare enough to lose it.
    assert!(names(&merged[0].meta).contains(&"a_fading".to_owned()));
    assert!(!names(&merged[0].meta).contains(&"ai_asked".to_owned()));
    world.usage.asked(&TenantId::default_tenant(), Table::Logs.signal(), "asked");
    let merged = world.merge(Table::Logs, 1, &flushed);
    assert_same(&rows_of(&merged[0]), &expected, "merged with a wish");
    assert!(names(&merged[0].meta).contains(&"ai_asked".to_owned()));
}

fn attributes_of(rng: &SimRng, number: usize) -> RecordBatch {
    use tarn_model::attributes::ValueKind;
    use tarn_storage::append::rows::{LogRow, LogRows, TableRows};
    let mut rows = LogRows::default();
    let (resource, scope) = (rows.resource("{}", "shop"), rows.scope("{}"));
    for at in 0..1000 {
        let kind = if number == 1 { ValueKind::Text } else { ValueKind::Int };
        rows.attribute("changing", kind, &rng.below(5).to_string());
        if number == 0 && at < 6 {
            rows.attribute("fading", ValueKind::Text, "x");
        }
        if at == 5 {
            rows.attribute("asked", ValueKind::Int, "5");
        }
        let time_ns = tables::BASE_NS + rng.below(1 << 40) as i64;
        rows.push(&LogRow { body: Some("text"), ..tables::log_row(resource, scope, time_ns) });
    }
    TableRows::Logs(rows).into_batch().unwrap()
}
