//! DuckDB and pyarrow read blocks of logs and spans: maps, lists of structs and ids of fixed width,
//! with the parents of spans by a plain column. Skipped where Python lacks them.
#![expect(clippy::disallowed_methods, reason = "the folder is DuckDB's, not a data folder")]
#![expect(clippy::print_stdout, reason = "who skips a test says so")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow_array::RecordBatch;
use tarn_storage::block::BlockMeta;
use tarn_storage::block::seal::NewBlock;
use tarn_storage::schema::tables::{Table, column};
use tarn_testkit::sim::SimRng;

#[path = "support/merging.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod merging;
#[path = "support/tables.rs"]
mod tables;

use merging::World;

use tables::{Logical, build, file_rows, logical, logs, spans};

const SCRIPT: &str = r#"
import sys
try:
    import duckdb, pyarrow.parquet as pq
except ImportError as e:
    print("missing", e); sys.exit(0)
logs, spans = sys.argv[1] + "/logs*.parquet", sys.argv[1] + "/spans*.parquet"
c = duckdb.connect()
def show(name, sql):
    for row in c.execute(sql).fetchall():
        print(name, *row, sep="\t")
c.execute(f"CREATE VIEW logs AS SELECT * FROM read_parquet('{logs}', union_by_name = true, filename = true, file_row_number = true)")
c.execute(f"CREATE VIEW spans AS SELECT * FROM read_parquet('{spans}', union_by_name = true, filename = true, file_row_number = true)")
show("logs", "SELECT count(*), sum(length(body)), count(DISTINCT trace_id), sum(coalesce(timestamp_ns, 0)) FROM logs")
show("route", """SELECT coalesce("a_http.route", attributes['http.route']) AS route, count(*)
    FROM logs WHERE route IS NOT NULL GROUP BY 1""")
show("status", """SELECT coalesce("ai_http.status"::VARCHAR, attributes['http.status']) AS status, count(*)
    FROM logs WHERE status IS NOT NULL GROUP BY 1""")
own = [row[0] for row in c.execute("DESCRIBE logs").fetchall() if row[0].startswith("a_rare.")]
own = "".join(f' OR "{name}" IS NOT NULL' for name in own)
show("rare", f"SELECT count(*) FROM logs WHERE len(list_filter(map_keys(attributes), lambda k: k LIKE 'rare.%')) > 0{own}")
show("spans", "SELECT count(*), sum(duration_ns), count(DISTINCT trace_id), count(DISTINCT span_id) FROM spans")
show("events", "SELECT count(*), sum(e.offset_ns), sum(len(map_keys(e.attributes))) FROM (SELECT unnest(events) AS e FROM spans)")
show("links", "SELECT count(*), count(DISTINCT l.trace_id), sum(len(map_keys(l.attributes))) FROM (SELECT unnest(links) AS l FROM spans)")
show("parents", """SELECT count(*), count(*) FILTER (p.span_id = s.parent_span_id AND p.trace_id = s.trace_id)
    FROM spans s JOIN spans p ON p.filename = s.filename AND p.file_row_number = s.file_row_number - s.parent_back
    WHERE s.parent_back > 0""")
show("subtrees", """SELECT count(*) FROM spans s JOIN spans d ON d.filename = s.filename
    AND d.file_row_number > s.file_row_number AND d.file_row_number <= s.file_row_number + s.subtree
    WHERE d.trace_id != s.trace_id""")
import glob
for name, pattern in [("logs", logs), ("spans", spans)]:
    rows = entries = 0
    for f in sorted(glob.glob(pattern)):
        t = pq.read_table(f)
        assert "ARROW:schema" not in str(t.schema.metadata or {})
        for field in t.schema:
            assert field.metadata[b"PARQUET:field_id"], field
        rows += t.num_rows
        for row in t.to_pylist():
            kinds = row.get("attribute_kinds")
            assert kinds is None or len(kinds) == len(row["attributes"])
            entries += len(row["attributes"])
            entries += sum(1 for k, v in row.items() if k.split("_")[0] in ("a", "ai", "ad", "ab") and v is not None)
    print("pyarrow", name, rows, entries, sep="\t")
"#;

fn store(folder: &Path, table: Table, blocks: Vec<NewBlock>) -> Vec<Logical> {
    let mut rows = Vec::new();
    for (i, block) in blocks.into_iter().enumerate() {
        let name = format!("{}-{i}.parquet", table.as_str());
        std::fs::write(folder.join(name), &block.bytes).unwrap();
        rows.extend(file_rows(&block.bytes));
    }
    rows
}

fn attributes(row: &Logical) -> impl Iterator<Item = (&str, &str)> {
    row.iter().filter_map(|(k, v)| Some((k.strip_prefix("attr:")?, v.split_once(':')?.1)))
}

fn count_by(rows: &[Logical], key: &str) -> BTreeMap<String, String> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (_, value) in rows.iter().flat_map(attributes).filter(|(k, _)| *k == key) {
        *counts.entry(value.to_owned()).or_default() += 1;
    }
    counts.into_iter().map(|(value, count)| (value, count.to_string())).collect()
}

fn distinct(rows: &[Logical], name: &str) -> usize {
    rows.iter().filter_map(|row| row.get(name)).collect::<std::collections::BTreeSet<_>>().len()
}

fn sum(rows: &[Logical], name: &str) -> i64 {
    rows.iter().filter_map(|row| row.get(name)).map(|text| text.parse::<i64>().unwrap()).sum()
}

/// What the batches themselves say: one line per fact.
fn expected(logs: &[Logical], spans: &[Logical], lists: [[i64; 3]; 2]) -> Vec<String> {
    let bodies = logs.iter().filter_map(|row| row.get(column::BODY));
    let bodies: usize = bodies.map(|body| body.chars().count()).sum();
    let rare = |row: &&Logical| attributes(row).any(|(key, _)| key.starts_with("rare."));
    let entries = |rows: &[Logical]| rows.iter().map(|row| attributes(row).count()).sum::<usize>();
    let parents = spans.iter().filter_map(|row| row.get(column::PARENT_BACK));
    let parents = parents.filter(|back| *back != "0").count();
    let [[events, offsets, event_attributes], [links, linked, link_attributes]] = lists;
    let mut lines = vec![
        format!(
            "logs\t{}\t{bodies}\t{}\t{}",
            logs.len(),
            distinct(logs, column::TRACE_ID),
            sum(logs, column::TIMESTAMP_NS)
        ),
        format!("rare\t{}", logs.iter().filter(rare).count()),
        format!(
            "spans\t{}\t{}\t{}\t{}",
            spans.len(),
            sum(spans, column::DURATION_NS),
            distinct(spans, column::TRACE_ID),
            distinct(spans, column::SPAN_ID)
        ),
        format!("events\t{events}\t{offsets}\t{event_attributes}"),
        format!("links\t{links}\t{linked}\t{link_attributes}"),
        format!("parents\t{parents}\t{parents}"),
        "subtrees\t0".to_owned(),
        format!("pyarrow\tlogs\t{}\t{}", logs.len(), entries(logs)),
        format!("pyarrow\tspans\t{}\t{}", spans.len(), entries(spans)),
    ];
    for (name, key) in [("route", "http.route"), ("status", "http.status")] {
        let counts = count_by(logs, key).into_iter();
        lines.extend(counts.map(|(value, count)| format!("{name}\t{value}\t{count}")));
    }
    lines.sort();
    lines
}

/// Counts the items of a list column, sums or counts its first field, and counts its attributes.
fn lists(batches: &[RecordBatch], name: &str) -> [i64; 3] {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    let (mut count, mut sum, mut entries) = (0, 0, 0);
    let mut ids = std::collections::BTreeSet::new();
    for batch in batches {
        let items = batch.column_by_name(name).unwrap().as_list::<i32>().values();
        let items = items.as_struct();
        count += items.len() as i64;
        entries += items.column_by_name(column::ATTRIBUTES).unwrap().as_map().keys().len() as i64;
        match items.column_by_name(column::OFFSET_NS) {
            Some(offsets) => {
                let offsets = offsets.as_primitive::<arrow_array::types::Int64Type>();
                sum += offsets.values().iter().sum::<i64>();
            }
            None => {
                let traces = items.column_by_name(column::TRACE_ID).unwrap();
                let traces = traces.as_fixed_size_binary();
                ids.extend((0..traces.len()).map(|i| traces.value(i).to_vec()));
            }
        }
    }
    [count, sum + ids.len() as i64, entries]
}

/// Flushes every batch by itself and merges the blocks of each day.
fn merged(table: Table, batches: &[RecordBatch]) -> Vec<NewBlock> {
    let mut world = World::new(1);
    let mut days: BTreeMap<String, Vec<Arc<BlockMeta>>> = BTreeMap::new();
    for batch in batches {
        for meta in world.flush(table, std::slice::from_ref(batch)) {
            days.entry(meta.day.clone()).or_default().push(meta);
        }
    }
    days.into_values().flat_map(|blocks| world.merge(table, 2, &blocks)).collect()
}

#[test]
fn duckdb_and_pyarrow_read_logs_and_spans() {
    read_by_others(build);
}

#[test]
fn duckdb_and_pyarrow_read_merged_logs_and_spans() {
    read_by_others(merged);
}

fn read_by_others(blocks: impl Fn(Table, &[RecordBatch]) -> Vec<NewBlock>) {
    let rng = SimRng::new(21);
    let folder = tempfile::tempdir().unwrap();
    let log_batches: Vec<_> = (0..4).map(|_| logs(&rng, 700, 2)).collect();
    let span_batches: Vec<_> = (0..4).map(|_| spans(&rng, 700, 2)).collect();
    store(folder.path(), Table::Logs, blocks(Table::Logs, &log_batches));
    let span_rows = store(folder.path(), Table::Spans, blocks(Table::Spans, &span_batches));
    let python = std::env::var_os("TARN_PYTHON").unwrap_or_else(|| "python3".into());
    let output = Command::new(python).arg("-c").arg(SCRIPT).arg(folder.path()).output();
    let Ok(output) = output else {
        println!("skipped: no python");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    if text.starts_with("missing") {
        println!("skipped: {text}");
        return;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sent: Vec<Logical> = log_batches.iter().flat_map(logical).collect();
    let lists = [lists(&span_batches, column::EVENTS), lists(&span_batches, column::LINKS)];
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, expected(&sent, &span_rows, lists));
}
