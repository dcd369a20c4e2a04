use tarn_model::attributes::ValueKind;

use super::*;
use crate::append::rows::{LogRow, LogRows, TableRows};

/// A request of `rows` records whose bodies count on from `from`.
fn request(from: usize, rows: usize) -> TableBatch {
    let mut logs = LogRows::default();
    for number in from..from + rows {
        let service = ["cart", "pay", "ship"][number % 3];
        let resource = logs.resource(&format!("{{\"attributes\":{{\"s\":{number}}}}}"), service);
        let scope = logs.scope("{}");
        if !number.is_multiple_of(4) {
            logs.attribute(&format!("key{}", number % 5), ValueKind::Text, "v");
            logs.attribute("n", ValueKind::Int, &number.to_string());
        }
        logs.push(&LogRow {
            resource,
            scope,
            time_ns: number as i64 * 1_001,
            observed_ns: 0,
            severity_number: 0,
            severity_text: if number.is_multiple_of(2) { "INFO" } else { "" },
            body: Some(&format!("line {number}")),
            body_kind: ValueKind::Text,
            trace_id: None,
            span_id: None,
            flags: 0,
            event_name: "",
            dropped_attributes: 0,
        });
    }
    TableBatch::new(Table::Logs, TableRows::Logs(logs).into_batch().unwrap()).unwrap()
}

/// All rows in order, dictionaries spelt out.
fn text(batches: &[Arc<TableBatch>]) -> Vec<String> {
    let options = Default::default();
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .rows
            .columns()
            .iter()
            .map(|c| arrow_cast::display::ArrayFormatter::try_new(c.as_ref(), &options).unwrap())
            .collect();
        for row in 0..batch.rows.num_rows() {
            let cells: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            lines.push(cells.join("|"));
        }
    }
    lines
}

/// VIS-2: what was taken stays as it was; and whatever the sizes of the requests, few batches hold
/// all rows in their order.
#[test]
fn neighbours_are_laid_together_behind_snapshots() {
    let patterns: [&[usize]; 5] = [&[1], &[1, 5000], &[7, 1, 300], &[4096], &[2000]];
    for sizes in patterns {
        let tables = TenantTables::default();
        let (mut rows, mut expected, mut bytes) = (0, Vec::new(), 0);
        let mut early = None;
        for (request_number, size) in sizes.iter().cycle().enumerate() {
            let batch = request(rows, *size);
            expected.extend(text(&[Arc::new(batch.clone())]));
            rows += size;
            bytes += tables.insert(TableBatch { lsn: Lsn(request_number as u64), ..batch });
            if early.is_none() && rows > 5_000 {
                early = Some((rows, tables.snapshot()));
            }
            if rows > 9_000 {
                break;
            }
        }
        let snapshot = tables.snapshot();
        let batches = snapshot.of(Table::Logs);
        assert_eq!(text(batches), expected, "{sizes:?}");
        assert!(batches.len() < 2 * rows / ROWS_FULL + 100, "{sizes:?}: {}", batches.len());
        assert!(batches.iter().all(|b| b.rows.num_rows() <= 2 * ROWS_FULL));
        assert!(batches.is_sorted_by_key(|b| b.lsn));
        assert!(batches.is_sorted_by_key(|b| (b.time_min_us, b.time_max_us)));
        assert_eq!(bytes, batches.iter().map(|b| b.bytes as i64).sum::<i64>());
        let (rows, early) = early.unwrap();
        assert_eq!(text(early.of(Table::Logs)), expected[..rows], "{sizes:?}");
    }
}

/// A text stands once in the dictionary of a merged batch.
#[test]
fn dictionaries_unite() {
    let tables = TenantTables::default();
    for number in 0..1024 {
        tables.insert(request(number, 1));
    }
    let snapshot = tables.snapshot();
    let [batch] = snapshot.of(Table::Logs) else { panic!("one batch of 32 times 32") };
    let services = batch.rows.column_by_name("service_name").unwrap();
    assert_eq!(services.as_dictionary::<arrow_array::types::Int32Type>().values().len(), 3);
    let keys = batch.rows.column_by_name("attributes").unwrap().as_map().keys();
    assert_eq!(keys.as_dictionary::<arrow_array::types::Int32Type>().values().len(), 6);
}
