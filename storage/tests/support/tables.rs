//! Rows of logs and spans for tests: random ones, and what any reader must see of them.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tarn_model::attributes::ValueKind;
use tarn_model::tenant::TenantId;
use tarn_storage::append::rows::{
    LogRow, LogRows, ResourceRef, ScopeRef, SpanEvent, SpanLink, SpanRow, SpanRows, TableRows,
};
use tarn_storage::block::LsnRange;
use tarn_storage::block::seal::NewBlock;
use tarn_storage::flush::build::BuildContext;
use tarn_storage::flush::tables::{TableOrigin, build as build_blocks};
use tarn_storage::schema::tables::{Promoted, Table, column};
use tarn_storage::usage::Usage;
use tarn_testkit::sim::SimRng;

/// 2026-11-21T00:00:00Z.
pub(crate) const DAY_NS: i64 = 86_400_000_000_000;
pub(crate) const BASE_NS: i64 = 1_795_219_200_000_000_000;

/// A row as a reader sees it: columns that are not NULL, and `attr:key` for every attribute.
pub(crate) type Logical = BTreeMap<String, String>;

/// Builds the blocks of batches.
pub(crate) fn build(table: Table, batches: &[RecordBatch]) -> Vec<NewBlock> {
    let rng = SimRng::new(11);
    let writer = "0123456789abcdef0123456789abcdef";
    let (now_ms, usage) = (BASE_NS / 1_000_000, Usage::default());
    let context = BuildContext { writer, epoch: 3, rng: &rng, now_ms, usage: &usage };
    let lsn = LsnRange { writer: writer.to_owned(), epoch: 3, lo: 1, hi: 9 };
    let tenant = TenantId::default_tenant();
    let origin = TableOrigin { tenant: &tenant, lsn: &lsn, context: &context };
    build_blocks(table, batches, &origin).unwrap()
}

/// Reads a file with Parquet's own reader.
pub(crate) fn read(bytes: &Bytes) -> Vec<RecordBatch> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap();
    builder.with_batch_size(8192).build().unwrap().map(Result::unwrap).collect()
}

/// Reads the rows of a file.
pub(crate) fn file_rows(bytes: &Bytes) -> Vec<Logical> {
    read(bytes).iter().flat_map(logical).collect()
}

/// Returns the rows of a batch, in memory or from a file.
pub(crate) fn logical(batch: &RecordBatch) -> Vec<Logical> {
    let mut rows = vec![Logical::new(); batch.num_rows()];
    let schema = batch.schema();
    for (field, array) in schema.fields().iter().zip(batch.columns()) {
        match (field.name().as_str(), Promoted::parse(field.name())) {
            (column::ATTRIBUTE_KINDS, _) => {}
            (column::ATTRIBUTES, _) => add_map(batch, array, &mut rows),
            (_, Some((kind, key))) => add_promoted(kind, key, array, &mut rows),
            (name, None) => each_text(array, |row, text| {
                rows[row].insert(name.to_owned(), text);
            }),
        }
    }
    rows
}

fn each_text(array: &ArrayRef, mut each: impl FnMut(usize, String)) {
    let options = FormatOptions::new().with_display_error(false);
    let formatter = ArrayFormatter::try_new(array, &options).unwrap();
    for row in 0..array.len() {
        if array.is_valid(row) {
            each(row, formatter.value(row).to_string());
        }
    }
}

fn insert(row: &mut Logical, key: &str, kind: u8, text: &str) {
    // Keys that repeat are all there.
    let mut name = format!("attr:{key}");
    while row.contains_key(&name) {
        name.push('+');
    }
    row.insert(name, format!("{kind}:{text}"));
}

fn add_promoted(kind: Promoted, key: &str, array: &ArrayRef, rows: &mut [Logical]) {
    let number = match kind {
        Promoted::Text => ValueKind::Text,
        Promoted::Int => ValueKind::Int,
        Promoted::Double => ValueKind::Double,
        Promoted::Bool => ValueKind::Bool,
    };
    if kind == Promoted::Double {
        let doubles = array.as_primitive::<arrow_array::types::Float64Type>();
        for (row, value) in doubles.iter().enumerate().filter_map(|(i, v)| Some((i, v?))) {
            insert(&mut rows[row], key, number as u8, &double_text(value));
        }
        return;
    }
    each_text(array, |row, text| insert(&mut rows[row], key, number as u8, &text));
}

fn add_map(batch: &RecordBatch, array: &ArrayRef, rows: &mut [Logical]) {
    let map = array.as_map();
    let kinds = batch.column_by_name(column::ATTRIBUTE_KINDS).map(|kinds| kinds.as_binary::<i32>());
    let keys = arrow_cast::cast(map.keys(), &arrow_schema::DataType::Utf8).unwrap();
    let (keys, values) = (keys.as_string::<i32>(), map.values().as_string::<i32>());
    for (row, window) in map.value_offsets().windows(2).enumerate() {
        let kinds = kinds.filter(|kinds| kinds.is_valid(row)).map(|kinds| kinds.value(row));
        for (i, entry) in (window[0] as usize..window[1] as usize).enumerate() {
            let kind = kinds.map_or(ValueKind::Text as u8, |kinds| kinds[i]);
            insert(&mut rows[row], keys.value(entry), kind, values.value(entry));
        }
    }
}

/// Returns a double as attributes have it.
pub(crate) fn double_text(value: f64) -> String {
    tarn_storage::any_value::to_text(&tarn_model::attributes::AnyValue::Double(value))
}

/// Calls `add` with random attributes of every kind.
fn attributes(rng: &SimRng, mut add: impl FnMut(&str, ValueKind, &str)) {
    if rng.chance(100) {
        return;
    }
    add("http.route", ValueKind::Text, ["/", "/cart", "/läden/{id}", ""][rng.below(4) as usize]);
    match rng.below(120) {
        0 => add("http.status", ValueKind::Text, "five hundred"),
        // No text of an int, whatever is said of it.
        1 => add("http.status", ValueKind::Int, "0200"),
        _ => add("http.status", ValueKind::Int, &(200 + rng.below(4) * 100).to_string()),
    }
    let score = [0.5, 1e300, -0.0, f64::NAN, f64::NEG_INFINITY, 3.0][rng.below(6) as usize];
    add("score", ValueKind::Double, &double_text(score));
    if rng.chance(500) {
        add("cached", ValueKind::Bool, if rng.chance(500) { "true" } else { "false" });
    }
    if rng.chance(300) {
        add("Cached", ValueKind::Text, "other case");
    }
    for _ in 0..rng.below(3) {
        add("twice", ValueKind::Int, &(rng.below(9) as i64 - 4).to_string());
    }
    match rng.below(8) {
        0 => add(&format!("rare.{}", rng.below(2000)), ValueKind::Text, "x"),
        1 => add("list", ValueKind::Array, "[1,2.0,\"a\"]"),
        2 => add("mixed", ValueKind::Map, "{}"),
        3 => add("mixed", ValueKind::Text, "text"),
        4 => add("empty", ValueKind::Empty, ""),
        _ => {}
    }
}

fn time(rng: &SimRng, days: i64) -> i64 {
    let day = rng.below(days as u64) as i64;
    let within = rng.below(DAY_NS as u64) as i64;
    let coarse = if rng.chance(500) { within / 1000 * 1000 } else { within };
    BASE_NS + day * DAY_NS + coarse
}

fn id<const N: usize>(rng: &SimRng, of: u64) -> [u8; N] {
    let mut id = [0; N];
    id[..8].copy_from_slice(&(1 + rng.below(of)).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    id
}

fn resource(rng: &SimRng) -> (String, String) {
    let n = rng.below(40);
    (format!("{{\"attributes\":{{\"host\":\"h{n}\"}}}}"), format!("service-{}", n % 7))
}

/// Makes random log records.
pub(crate) fn logs(rng: &SimRng, n: usize, days: i64) -> RecordBatch {
    log_rows(rng, n, days).into_batch().unwrap()
}

/// Makes random log records, not laid out yet.
pub(crate) fn log_rows(rng: &SimRng, n: usize, days: i64) -> TableRows {
    let mut rows = LogRows::default();
    for _ in 0..n {
        let (json, service) = resource(rng);
        let resource = rows.resource(&json, &service);
        let scope = rows.scope(["{}", "{\"name\":\"a\"}"][rng.below(2) as usize]);
        attributes(rng, |key, kind, text| rows.attribute(key, kind, text));
        let time_ns = time(rng, days);
        let body = format!("request {} of {service} took {} ms", rng.below(1 << 40), rng.below(90));
        rows.push(&LogRow {
            observed_ns: if rng.chance(300) { 0 } else { time_ns + rng.below(1 << 40) as i64 },
            severity_number: rng.below(25) as i32,
            severity_text: ["", "INFO", "Error"][rng.below(3) as usize],
            body: (!rng.chance(50)).then_some(&body),
            body_kind: if rng.chance(50) { ValueKind::Map } else { ValueKind::Text },
            trace_id: rng.chance(600).then(|| id(rng, 500)),
            span_id: rng.chance(500).then(|| id(rng, 5000)),
            flags: rng.below(2) as u32,
            dropped_attributes: if rng.chance(20) { 7 } else { 0 },
            ..log_row(resource, scope, time_ns)
        });
    }
    TableRows::Logs(rows)
}

/// Returns a log record with nothing but a time.
pub(crate) fn log_row(resource: ResourceRef, scope: ScopeRef, time_ns: i64) -> LogRow<'static> {
    LogRow {
        resource,
        scope,
        time_ns,
        observed_ns: 0,
        severity_number: 0,
        severity_text: "",
        body: None,
        body_kind: ValueKind::Text,
        trace_id: None,
        span_id: None,
        flags: 0,
        event_name: "",
        dropped_attributes: 0,
    }
}

/// Returns a root span with nothing but ids and a start.
pub(crate) fn span_row(resource: ResourceRef, scope: ScopeRef, start_ns: i64) -> SpanRow<'static> {
    SpanRow {
        resource,
        scope,
        trace_id: [1; 16],
        span_id: [1; 8],
        parent_span_id: None,
        start_ns,
        duration_ns: 0,
        name: "",
        kind: 0,
        status: 0,
        status_message: "",
        trace_state: "",
        flags: 0,
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
        weight: None,
        exception_group: None,
        problems: 0,
    }
}

/// Makes random spans: trees with missing parents, circles and ids that repeat.
pub(crate) fn spans(rng: &SimRng, n: usize, days: i64) -> RecordBatch {
    span_rows(rng, n, days).into_batch().unwrap()
}

/// Makes random spans, not laid out yet.
pub(crate) fn span_rows(rng: &SimRng, n: usize, days: i64) -> TableRows {
    let mut rows = SpanRows::default();
    for _ in 0..n {
        let (json, service) = resource(rng);
        let resource = rows.resource(&json, &service);
        let scope = rows.scope("{\"name\":\"lib\",\"version\":\"1.2\"}");
        attributes(rng, |key, kind, text| rows.attribute(key, kind, text));
        for i in 0..rng.below(8).saturating_sub(5) {
            attributes(rng, |key, kind, text| rows.event_attribute(key, kind, text));
            let offset_ns = rng.below(1 << 30) as i64 - (1 << 20);
            rows.event(&SpanEvent { offset_ns, name: "exception", dropped: i as u32 });
        }
        for _ in 0..rng.below(10).saturating_sub(8) {
            rows.link_attribute("why", ValueKind::Text, "because");
            let (trace_id, span_id) = (id(rng, 50), id(rng, 9));
            rows.link(&SpanLink { trace_id, span_id, trace_state: "a=b", dropped: 0, flags: 1 });
        }
        let name = format!("GET /{}", rng.below(60));
        rows.push(&SpanRow {
            trace_id: id(rng, 1 + n as u64 / 10),
            span_id: id(rng, 30),
            parent_span_id: rng.chance(800).then(|| id(rng, 30)),
            duration_ns: rng.below(1 << 32) as i64 - (1 << 16),
            name: &name,
            kind: rng.below(6) as i32,
            status: rng.below(3) as i32,
            status_message: ["", "", "deadline exceeded"][rng.below(3) as usize],
            trace_state: ["", "ot=th:8"][rng.below(2) as usize],
            flags: 1,
            dropped_events: rng.below(2) as u32,
            weight: rng.chance(100).then_some(4.0),
            exception_group: rng.chance(100).then_some(-77),
            ..span_row(resource, scope, time(rng, days))
        });
    }
    TableRows::Spans(rows)
}
