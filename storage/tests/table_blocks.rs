//! Blocks of logs and spans hold what the batches held: every column, every kind of value, in the
//! order that the design states, read by Parquet's own reader.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use tarn_storage::append::rows::{LogRow, LogRows, TableRows};
use tarn_storage::schema::tables::{Promoted, Table, column};
use tarn_testkit::sim::SimRng;

#[path = "support/tables.rs"]
mod tables;

use tables::{BASE_NS, Logical, build, file_rows, log_row, logical, logs, read, spans};

/// Columns that only blocks have.
const ADDED: [&str; 3] = [column::PARENT_BACK, column::SUBTREE, column::PROBLEMS];

fn without_added(mut row: Logical) -> Logical {
    ADDED.iter().for_each(|name| drop(row.remove(*name)));
    row
}

fn sorted(mut rows: Vec<Logical>) -> Vec<Logical> {
    rows.sort();
    rows
}

fn check(table: Table, batches: &[RecordBatch]) {
    let sent: Vec<Logical> = batches.iter().flat_map(logical).map(without_added).collect();
    let blocks = build(table, batches);
    let rows: Vec<Logical> = blocks.iter().flat_map(|block| file_rows(&block.bytes)).collect();
    let stored: Vec<Logical> = rows.into_iter().map(without_added).collect();
    let (sent, stored) = (sorted(sent), sorted(stored));
    for (sent, stored) in sent.iter().zip(&stored) {
        assert_eq!(sent, stored);
    }
    assert_eq!(sent.len(), stored.len());
    for block in &blocks {
        assert_eq!(block.meta.kind, table.as_str());
        assert_eq!(block.meta.signal, table.signal().as_str());
        assert_eq!(block.meta.rows, file_rows(&block.bytes).len() as u64);
    }
}

#[test]
fn blocks_hold_what_the_batches_held() {
    for seed in 0..10 {
        let rng = SimRng::new(seed);
        let batches = 1 + rng.below(6);
        let (days, rows) = (1 + rng.below(3) as i64, 1 + rng.below(200) as usize);
        let logs: Vec<_> = (0..batches).map(|_| logs(&rng, rows, days)).collect();
        check(Table::Logs, &logs);
        let spans: Vec<_> = (0..batches).map(|_| spans(&rng, rows, days)).collect();
        check(Table::Spans, &spans);
    }
}

#[test]
fn no_rows_make_no_block() {
    assert!(build(Table::Logs, &[]).is_empty());
    assert!(build(Table::Spans, &[RecordBatch::new_empty(Table::Spans.schema())]).is_empty());
}

#[test]
fn log_records_are_in_order_of_service_and_time() {
    let rng = SimRng::new(5);
    let batches: Vec<_> = (0..5).map(|_| logs(&rng, 5000, 1)).collect();
    let blocks = build(Table::Logs, &batches);
    assert_eq!(blocks.len(), 1);
    let key = |row: &Logical| {
        let number = |name: &str| row.get(name).map_or(0, |text| text.parse::<i64>().unwrap());
        let time = row[column::TIMESTAMP].clone();
        (row[column::SERVICE_NAME].clone(), time, number(column::TIMESTAMP_NS))
    };
    let keys: Vec<_> = file_rows(&blocks[0].bytes).iter().map(key).collect();
    assert!(keys.is_sorted());
}

#[test]
fn days_have_blocks_and_old_ones_share_one() {
    let rng = SimRng::new(6);
    let blocks = build(Table::Logs, &[logs(&rng, 3000, 12)]);
    let days: Vec<&str> = blocks.iter().map(|block| block.meta.day.as_str()).collect();
    assert_eq!(days.len(), 9);
    assert_eq!(days[0], "late");
    assert!(days[1..].is_sorted());
    assert_eq!(blocks[0].meta.days.len(), 4);
    let shards: Vec<u32> = blocks.iter().map(|block| block.meta.shard).collect();
    assert_eq!(shards, (0..9).collect::<Vec<_>>());
    for block in &blocks {
        for row in file_rows(&block.bytes) {
            let day = row[column::TIMESTAMP].split('T').next().unwrap().to_owned();
            let stated = if block.meta.day == "late" {
                &block.meta.days
            } else {
                &vec![block.meta.day.clone()]
            };
            assert!(stated.contains(&day), "{day} in {stated:?}");
        }
    }
}

#[test]
fn promoted_columns_are_stated_and_typed() {
    let rng = SimRng::new(7);
    let block = build(Table::Logs, &[logs(&rng, 5000, 1)]).remove(0);
    let batches = read(&block.bytes);
    let stated: BTreeMap<&str, bool> =
        block.meta.attributes.iter().map(|a| (a.name.as_str(), a.in_map)).collect();
    let in_file: Vec<String> =
        batches[0].schema().fields().iter().map(|f| f.name().clone()).collect();
    let mut promoted: Vec<&str> =
        in_file.iter().map(String::as_str).filter(|name| Promoted::parse(name).is_some()).collect();
    promoted.sort_unstable();
    assert_eq!(promoted, stated.keys().copied().collect::<Vec<_>>());
    for name in ["a_http.route", "ai_http.status", "ad_score", "ab_cached"] {
        assert!(stated.contains_key(name), "{name} of {stated:?}");
    }
    // A key whose values stay in the map now and then says so; all others are never there.
    assert!(stated["ai_http.status"]);
    assert!(!stated["a_http.route"]);
    for batch in &batches {
        let map = batch.column_by_name(column::ATTRIBUTES).unwrap();
        let map = arrow_array::cast::AsArray::as_map(map);
        let keys = arrow_array::cast::AsArray::as_string::<i32>(map.keys());
        for key in keys.iter().flatten() {
            let own = promoted.iter().find(|name| Promoted::parse(name).unwrap().1 == key);
            assert!(own.is_none_or(|name| stated[name]), "{key} is in the map");
        }
    }
    // Columns that nobody fills are not there.
    assert!(!in_file.contains(&column::EVENT_NAME.to_owned()));
    assert!(batches.iter().all(|batch| batch.num_rows() <= 8192));
}

/// Bodies of 256 KiB: row groups end at 64 MiB, whatever their rows.
#[test]
fn row_groups_are_bounded_by_bytes() {
    let mut rows = LogRows::default();
    let (resource, scope) = (rows.resource("{}", "shop"), rows.scope("{}"));
    let body = "all work and no play ".repeat((256 << 10) / 21);
    for i in 0..600 {
        rows.push(&LogRow { body: Some(&body), ..log_row(resource, scope, BASE_NS + i) });
    }
    let batch = TableRows::Logs(rows).into_batch().unwrap();
    let block = build(Table::Logs, &[batch]).remove(0);
    let file = SerializedFileReader::new(block.bytes.clone()).unwrap();
    let groups = file.metadata().row_groups();
    assert_eq!(groups.len(), 3);
    for group in groups {
        assert!(group.num_rows() as usize * body.len() <= 64 << 20);
    }
}

#[test]
fn blocks_can_be_shown() {
    let rng = SimRng::new(8);
    for (table, batch) in [(Table::Logs, logs(&rng, 100, 1)), (Table::Spans, spans(&rng, 100, 1))] {
        let block = build(table, &[batch]).remove(0);
        let mut text = Vec::new();
        tarn_storage::operate::block_show::show(&block.bytes, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let format = format!("{}/1", table.as_str());
        for part in [&format, "all sound", "traces/1", "bytes per row", "a_http.route"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
