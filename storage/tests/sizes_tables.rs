//! How many bytes a log record and a span take after flush and after all merges, everything of the
//! block included, on the records of the corpus generators. Prints the figures and holds their ceilings; skipped where
//! there is no corpus. `TARN_ROWS` asks for another number of rows: more rows make smaller records.
#![expect(clippy::disallowed_methods, reason = "real time, and a corpus outside any data folder")]
#![expect(clippy::print_stdout, reason = "the figures are what the test is for")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use serde_json::{Value, json};
use tarn_model::attributes::{AnyValue, ValueKind};
use tarn_storage::any_value::to_text;
use tarn_storage::append::rows::{LogRow, LogRows, SpanEvent, SpanRow, SpanRows, TableRows};
use tarn_storage::block::BlockMeta;
use tarn_storage::block::seal::NewBlock;
use tarn_storage::schema::tables::Table;

#[path = "support/merging.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod merging;
#[path = "support/tables.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod tables;

use merging::World;
use tables::{build, log_row, span_row};

/// Rows measured where nothing else is asked for: an unoptimised build takes seconds for them.
const ROWS: usize = 150_000;
/// Rows of a request.
const BATCH_ROWS: usize = 1000;
/// Attributes of the resource: the generator of logs writes them beside those of the record.
const RESOURCE: [&str; 20] = [
    "service.name",
    "service.namespace",
    "service.version",
    "service.instance.id",
    "deployment.environment.name",
    "host.name",
    "host.id",
    "k8s.cluster.name",
    "k8s.namespace.name",
    "k8s.node.name",
    "k8s.pod.name",
    "k8s.pod.uid",
    "k8s.deployment.name",
    "k8s.container.name",
    "cloud.provider",
    "cloud.region",
    "cloud.availability_zone",
    "os.type",
    "telemetry.sdk.name",
    "telemetry.sdk.language",
];

fn rows() -> usize {
    let asked = std::env::var_os("TARN_ROWS");
    asked.and_then(|n| n.to_str()?.parse().ok()).unwrap_or(ROWS)
}

fn corpus() -> Option<PathBuf> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus");
    let root = std::env::var_os("TARN_CORPUS").map_or_else(|| own.into(), PathBuf::from);
    root.join("generators").is_dir().then_some(root)
}

/// Builds a generator from a copy of its source and returns the program.
fn generator(corpus: &Path, folder: &str, program: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generators").join(program);
    for part in ["logs", "traces"] {
        let (from, to) = (corpus.join("generators").join(part), own.join(part));
        std::fs::create_dir_all(to.join("src")).unwrap();
        std::fs::copy(from.join("Cargo.toml"), to.join("Cargo.toml")).unwrap();
        for file in std::fs::read_dir(from.join("src")).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), to.join("src").join(file.file_name())).unwrap();
        }
    }
    let target = own.join("target");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--quiet", "--bin", program, "--target-dir"]).arg(&target);
    let built = cargo.current_dir(own.join(folder)).env_remove("CARGO_TARGET_DIR").status();
    let there = built.is_ok_and(|status| status.success());
    there.then(|| target.join("release").join(program))
}

/// Runs a generator and hands its first lines over.
fn each_line(program: &Path, args: &[&str], lines: usize, mut each: impl FnMut(Value)) {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = command.spawn().unwrap();
    let output = BufReader::new(running.stdout.take().unwrap());
    for line in output.lines().take(lines) {
        each(serde_json::from_str(&line.unwrap()).unwrap());
    }
    // It has more to say than we listen to.
    running.kill().unwrap();
    running.wait().unwrap();
}

fn value(value: &Value) -> (ValueKind, String) {
    let any = match value {
        Value::Bool(bool) => AnyValue::Bool(*bool),
        Value::Number(n) => match n.as_i64() {
            Some(int) => AnyValue::Int(int),
            None => AnyValue::Double(n.as_f64().unwrap()),
        },
        other => AnyValue::Text(other.as_str().unwrap_or_default().to_owned()),
    };
    (any.kind(), to_text(&any))
}

fn id<const N: usize>(value: &Value) -> Option<[u8; N]> {
    let text = value.as_str().filter(|text| text.len() == 2 * N)?;
    let byte = |i: usize| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..N).map(byte).collect();
    bytes?.try_into().ok()
}

fn add_log(rows: &mut LogRows, record: &Value) {
    let fields = record.as_object().unwrap();
    let text = |name: &str| record[name].as_str().unwrap_or_default();
    let number = |name: &str| record[name].as_i64().unwrap_or_default();
    let own = |key: &str| RESOURCE.contains(&key);
    let resource: BTreeMap<&String, &Value> = fields.iter().filter(|(k, _)| own(k)).collect();
    let resource =
        rows.resource(&json!({ "attributes": resource }).to_string(), text("service.name"));
    let scope = rows.scope(&json!({ "name": text("scope") }).to_string());
    let fixed = [
        "_time",
        "observed",
        "severity",
        "severity_number",
        "_msg",
        "scope",
        "trace_id",
        "span_id",
    ];
    for (key, attribute) in fields.iter().filter(|(k, _)| !own(k) && !fixed.contains(&k.as_str())) {
        let (kind, text) = value(attribute);
        rows.attribute(key, kind, &text);
    }
    rows.push(&LogRow {
        observed_ns: number("observed"),
        severity_number: number("severity_number") as i32,
        severity_text: text("severity"),
        body: Some(text("_msg")),
        trace_id: id(&record["trace_id"]),
        span_id: id(&record["span_id"]),
        flags: u32::from(record["trace_id"].is_string()),
        ..log_row(resource, scope, number("_time"))
    });
}

fn add_span(rows: &mut SpanRows, span: &Value) {
    let text = |name: &str| span[name].as_str().unwrap_or_default();
    let number = |name: &str| span[name].as_i64().unwrap_or_default();
    let service = span["resource"]["service.name"].as_str().unwrap_or_default();
    let resource = rows.resource(&json!({ "attributes": span["resource"] }).to_string(), service);
    let scope = rows.scope(&json!({ "name": text("scope") }).to_string());
    for (key, attribute) in span["attributes"].as_object().unwrap() {
        let (kind, text) = value(attribute);
        rows.attribute(key, kind, &text);
    }
    for event in span["events"].as_array().unwrap() {
        for (key, attribute) in event["attributes"].as_object().unwrap() {
            let (kind, text) = value(attribute);
            rows.event_attribute(key, kind, &text);
        }
        let offset_ns = event["ts"].as_i64().unwrap() - number("start");
        rows.event(&SpanEvent { offset_ns, name: event["name"].as_str().unwrap(), dropped: 0 });
    }
    rows.push(&SpanRow {
        trace_id: id(&span["trace_id"]).unwrap(),
        span_id: id(&span["span_id"]).unwrap(),
        parent_span_id: id(&span["parent_span_id"]),
        duration_ns: number("duration"),
        name: text("name"),
        kind: number("kind") as i32,
        status: number("status") as i32,
        status_message: text("status_message"),
        flags: 1,
        ..span_row(resource, scope, number("start"))
    });
}

/// Flushes that become one block of level 1, and such blocks that become one of level 2.
const FLUSHES: usize = 8;
const MERGED: usize = 2;

/// Prints what a block's bytes are, and returns the bytes of a row after flush and after all merges.
fn figures(table: Table, batches: &[RecordBatch]) -> (f64, f64) {
    let mut world = World::new(1);
    let each = batches.len().div_ceil(FLUSHES * MERGED).max(1);
    let flushed: Vec<Vec<Arc<BlockMeta>>> =
        batches.chunks(each).map(|some| world.flush(table, some)).collect();
    let whole = build(table, batches);
    let flushed: Vec<Arc<BlockMeta>> = flushed.into_iter().flatten().collect();
    let begun = Instant::now();
    let first: Vec<Arc<BlockMeta>> = by_day(&flushed)
        .flat_map(|blocks| blocks.chunks(FLUSHES).map(<[_]>::to_vec).collect::<Vec<_>>())
        .flat_map(|run| world.merge(table, 1, &run))
        .map(|block| Arc::new(block.meta))
        .collect();
    let level1 = begun.elapsed();
    let begun = Instant::now();
    let last: Vec<NewBlock> =
        by_day(&first).flat_map(|blocks| world.merge(table, 2, &blocks)).collect();
    let level2 = begun.elapsed();
    println!("merged in {level1:?} and {level2:?} in this build profile");
    (figure("in one flush", table, &whole), figure("after all merges", table, &last))
}

fn by_day(blocks: &[Arc<BlockMeta>]) -> impl Iterator<Item = Vec<Arc<BlockMeta>>> {
    let mut days: BTreeMap<String, Vec<Arc<BlockMeta>>> = BTreeMap::new();
    for meta in blocks {
        days.entry(meta.day.clone()).or_default().push(Arc::clone(meta));
    }
    days.into_values()
}

fn figure(what: &str, table: Table, blocks: &[NewBlock]) -> f64 {
    let rows: u64 = blocks.iter().map(|block| block.meta.rows).sum();
    let meta = |block: &NewBlock| serde_json::to_vec(&block.meta).unwrap().len();
    let bytes: usize = blocks.iter().map(|block| block.bytes.len() + meta(block)).sum();
    let per_row = bytes as f64 / rows as f64;
    println!(
        "{} {what}: {rows} rows in {} blocks: {per_row:.2} bytes per row, {} promoted columns",
        table.as_str(),
        blocks.len(),
        blocks[0].meta.attributes.len(),
    );
    print_columns(blocks, rows);
    per_row
}

fn print_columns(blocks: &[NewBlock], rows: u64) {
    let mut columns: BTreeMap<String, i64> = BTreeMap::new();
    let (mut tails, mut column_indexes, mut offset_indexes) = (0, 0, 0);
    for block in blocks {
        tails += block.meta.tail_bytes;
        let file = SerializedFileReader::new(block.bytes.clone()).unwrap();
        for column in file.metadata().row_groups().iter().flat_map(|group| group.columns()) {
            *columns.entry(column.column_path().string()).or_default() += column.compressed_size();
            column_indexes += column.column_index_length().unwrap_or(0);
            offset_indexes += column.offset_index_length().unwrap_or(0);
        }
    }
    let kb = |bytes: f64| bytes / rows as f64 * 1e3;
    println!(
        "  tails: {:.0} KB per million rows, of it {:.0} statistics of pages, {:.0} places of pages",
        kb(tails as f64),
        kb(f64::from(column_indexes)),
        kb(f64::from(offset_indexes)),
    );
    let mut columns: Vec<(String, i64)> = columns.into_iter().collect();
    columns.sort_by_key(|(_, bytes)| -bytes);
    for (name, bytes) in columns.iter().take(20) {
        println!("  {:6.2}  {name}", *bytes as f64 / rows as f64);
    }
}

#[test]
fn bytes_per_log_record() {
    let Some(corpus) = corpus() else {
        println!("skipped: no corpus");
        return;
    };
    let Some(program) = generator(&corpus, "logs", "loggen") else {
        println!("skipped: the generator cannot be built here");
        return;
    };
    let lines = corpus.join("logs/loghub");
    let mut batches = Vec::new();
    let mut batch = LogRows::default();
    // As dense as the 24 million records of a day of which these are the first.
    each_line(&program, &[lines.to_str().unwrap(), "24000000", "--json"], rows(), |record| {
        add_log(&mut batch, &record);
        if batch.len() == BATCH_ROWS {
            let full = TableRows::Logs(std::mem::take(&mut batch));
            batches.push(full.into_batch().unwrap());
        }
    });
    let (flushed, merged) = figures(Table::Logs, &batches);
    assert!(flushed <= 44.0, "{flushed} bytes per log record");
    assert!(merged <= 40.0, "{merged} bytes per merged log record");
}

#[test]
fn bytes_per_span() {
    let Some(corpus) = corpus() else {
        println!("skipped: no corpus");
        return;
    };
    let Some(program) = generator(&corpus, "traces", "tracegen") else {
        println!("skipped: the generator cannot be built here");
        return;
    };
    let mut batches = Vec::new();
    let mut batch = SpanRows::default();
    each_line(&program, &["400000", "--json"], rows(), |span| {
        add_span(&mut batch, &span);
        if batch.len() == BATCH_ROWS {
            let full = TableRows::Spans(std::mem::take(&mut batch));
            batches.push(full.into_batch().unwrap());
        }
    });
    let (flushed, merged) = figures(Table::Spans, &batches);
    assert!(flushed <= 46.0, "{flushed} bytes per span");
    assert!(merged <= 40.0, "{merged} bytes per merged span");
}
