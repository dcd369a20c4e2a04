//! Requests of log records and spans, made of a number, and what a query sees of them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_cast::display::ArrayFormatter;
use futures::TryStreamExt;
use tarn_model::attributes::ValueKind;
use tarn_model::error::Result;
use tarn_model::tenant::TenantId;
use tarn_storage::append::rows::{
    LogRow, LogRows, SpanEvent, SpanLink, SpanRow, SpanRows, TableRows,
};
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::View;
use tarn_storage::view::rows::{RowColumn, RowScan};

/// Half an hour before a midnight: a day ends within a thousand requests.
const BASE_NS: i64 = 1_795_303_800_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

/// Rows as text, sorted; of equal rows each counts.
pub(crate) type Lines = Vec<String>;

/// Makes the request with a number: log records where it is even, spans where it is odd.
pub(crate) fn request(number: u64) -> TableRows {
    if number.is_multiple_of(2) { logs(number) } else { spans(number) }
}

/// From this number on requests are so large that the log packs them.
pub(crate) const LARGE_FROM: u64 = 1_000_000;

/// Rows of a request: mostly few, sometimes many.
fn rows_of(number: u64) -> u64 {
    if number >= LARGE_FROM {
        return 450;
    }
    if number % 11 == 10 { 40 } else { 1 + number % 4 }
}

fn logs(number: u64) -> TableRows {
    let mut rows = LogRows::default();
    let service = ["cart", "pay", "ship"][number as usize % 3];
    let resource =
        rows.resource(&format!("{{\"attributes\":{{\"pod\":\"{}\"}}}}", number % 5), service);
    let scope = rows.scope("{\"name\":\"lib\"}");
    for row in 0..rows_of(number) {
        if row % 3 != 2 {
            rows.attribute("http.route", ValueKind::Text, ["/a", "/b"][row as usize % 2]);
        }
        if row % 4 == 1 {
            rows.attribute("user", ValueKind::Text, &format!("u{number}"));
        } else if row % 4 == 2 {
            rows.attribute("n", ValueKind::Int, "42");
        }
        let traced = row.is_multiple_of(2);
        rows.push(&LogRow {
            resource,
            scope,
            time_ns: BASE_NS + number as i64 * 2 * SECOND_NS + row as i64 * 7,
            observed_ns: 0,
            severity_number: (row % 24) as i32,
            severity_text: if traced { "INFO" } else { "" },
            body: (row % 5 != 4).then_some(&format!("request {number} row {row} ☃")),
            body_kind: ValueKind::Text,
            trace_id: traced.then_some([1 + number as u8; 16]),
            span_id: traced.then_some([2; 8]),
            flags: u32::from(traced),
            event_name: "",
            dropped_attributes: 0,
        });
    }
    TableRows::Logs(rows)
}

fn spans(number: u64) -> TableRows {
    let mut rows = SpanRows::default();
    let resource = rows.resource("{\"attributes\":{\"pod\":\"x\"}}", "gateway");
    let scope = rows.scope("{}");
    let id = |row: u64| (number << 8 | row | 1 << 63).to_be_bytes();
    for row in 0..rows_of(number) {
        if row.is_multiple_of(2) {
            rows.attribute("http.status", ValueKind::Int, &(200 + row).to_string());
            rows.event_attribute("exception.type", ValueKind::Text, "Oops");
            rows.event(&SpanEvent { offset_ns: 5, name: "exception", dropped: 0 });
        } else {
            let trace_id = [9; 16];
            rows.link(&SpanLink {
                trace_id,
                span_id: [1; 8],
                trace_state: "",
                dropped: 0,
                flags: 1,
            });
        }
        rows.push(&SpanRow {
            resource,
            scope,
            trace_id: u128::from(number << 32 | 5).to_be_bytes(),
            span_id: id(row),
            parent_span_id: row.checked_sub(1).map(id),
            start_ns: BASE_NS + number as i64 * 2 * SECOND_NS + row as i64 * 13,
            duration_ns: 1_000_000 * row as i64,
            name: ["GET /", "SELECT"][row as usize % 2],
            kind: 1 + (row % 5) as i32,
            status: (row % 3) as i32,
            status_message: "",
            trace_state: "",
            flags: 1,
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
            weight: None,
            exception_group: None,
            problems: 0,
        });
    }
    TableRows::Spans(rows)
}

/// What a query sees once exactly these requests are stored.
pub(crate) fn expected(table: Table, requests: Range<u64>) -> Lines {
    let mut lines = Lines::new();
    for rows in requests.map(request).filter(|rows| rows.table() == table) {
        print(table, &rows.into_batch().expect("columns fit"), &mut lines);
    }
    lines.sort_unstable();
    lines
}

/// Everything that a query of the view sees of a table.
pub(crate) async fn read(view: &Arc<View>, table: Table) -> Result<Lines> {
    let schema = table.schema();
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        column::ATTRIBUTES => RowColumn::Attributes,
        column::ATTRIBUTE_KINDS => RowColumn::AttributeKinds,
        name => RowColumn::Stored(name.into()),
    });
    let scan = RowScan::new(table, columns.collect());
    let mut lines = Lines::new();
    for part in view.rows(&TenantId::default_tenant(), scan)?.parts {
        let mut batches = part.read();
        while let Some(batch) = batches.try_next().await? {
            print(table, &batch, &mut lines);
        }
    }
    lines.sort_unstable();
    Ok(lines)
}

/// Prints rows, attributes in the order of their keys: a column of its own loses their order.
fn print(table: Table, batch: &RecordBatch, lines: &mut Lines) {
    let options = Default::default();
    let schema = table.schema();
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).expect("prints"))
        .collect();
    for row in 0..batch.num_rows() {
        let mut line = String::new();
        for (field, cells) in schema.fields().iter().zip(&columns) {
            let mut cell = cells.value(row).to_string();
            if field.name() == column::ATTRIBUTES {
                let mut entries: Vec<&str> = cell.trim_matches(['{', '}']).split(", ").collect();
                entries.sort_unstable();
                cell = entries.join(", ");
            }
            // Kinds follow that order; the one number that they tell is in the text.
            if field.name() != column::ATTRIBUTE_KINDS {
                line.push_str(&cell);
            }
            line.push('|');
        }
        lines.push(line);
    }
}
