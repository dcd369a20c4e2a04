//! Rows as aligned columns, and as CSV.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use tarn_query::api::prometheus::time::format_rfc3339;

use super::answer::Rows;
use crate::cli::terminal::printable;

/// Lays the rows out for people: time and labels to the left, the value to the right.
pub(super) fn aligned(rows: &Rows) -> String {
    if rows.rows.is_empty() {
        return "no data".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Disabled);
    // Labels are data, and data must not command a terminal.
    table.set_header(header(rows).iter().map(|name| printable(name)));
    for row in &rows.rows {
        let time = (!rows.instant).then(|| Cell::new(format_rfc3339(row.time_ms)));
        let labels = row.labels.iter().map(|l| Cell::new(printable(l)));
        let value = Cell::new(printable(&row.value)).set_alignment(CellAlignment::Right);
        table.add_row(time.into_iter().chain(labels).chain([value]));
    }
    table.trim_fmt()
}

/// Writes the rows after RFC 4180, times as RFC 3339.
pub(super) fn csv(rows: &Rows) -> String {
    let mut out = String::new();
    line(&mut out, header(rows).iter().map(String::as_str));
    for row in &rows.rows {
        let time = format_rfc3339(row.time_ms);
        let time = (!rows.instant).then_some(time.as_str());
        let labels = row.labels.iter().map(String::as_str);
        line(&mut out, time.into_iter().chain(labels).chain([row.value.as_str()]));
    }
    out
}

fn header(rows: &Rows) -> Vec<String> {
    let time = (!rows.instant).then(|| "time".to_owned());
    time.into_iter().chain(rows.labels.iter().cloned()).chain(["value".to_owned()]).collect()
}

/// Appends a line of CSV.
pub(super) fn line<'a>(out: &mut String, fields: impl Iterator<Item = &'a str>) {
    for (i, field) in fields.enumerate() {
        if i > 0 {
            out.push(',');
        }
        if field.contains(['"', ',', '\n', '\r']) {
            out.push('"');
            out.push_str(&field.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(field);
        }
    }
    out.push_str("\r\n");
}
