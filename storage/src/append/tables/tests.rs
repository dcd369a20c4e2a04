use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use tarn_model::attributes::ValueKind;

use super::*;
use crate::append::rows::{LogRow, LogRows, SpanEvent, SpanLink, SpanRow, SpanRows, TableRows};

fn batch(rows: TableRows) -> TableBatch {
    TableBatch::new(rows.table(), rows.into_batch().unwrap()).unwrap()
}

/// Records that use every column, `fill` of them their optional ones.
fn logs(count: usize, fill: usize) -> TableBatch {
    let mut rows = LogRows::default();
    let scope = rows.scope("{\"name\":\"s\"}");
    for number in 0..count {
        let resource = rows.resource(&format!("{{\"r\":{}}}", number % 3), "shop");
        let full = number < fill;
        if full {
            rows.attribute("http.route", ValueKind::Text, "/cart/ä");
            rows.attribute("n", ValueKind::Int, &number.to_string());
        }
        rows.push(&LogRow {
            resource,
            scope,
            time_ns: 1_795_262_400_000_000_000 + number as i64 * i64::from(full),
            observed_ns: i64::from(full) * 1_795_262_400_005_000_000,
            severity_number: if full { 9 } else { 0 },
            severity_text: if full { "INFO" } else { "" },
            body: full.then_some("a body"),
            body_kind: if full { ValueKind::Map } else { ValueKind::Text },
            trace_id: full.then_some([7; 16]),
            span_id: full.then_some([8; 8]),
            flags: u32::from(full),
            event_name: if full { "event" } else { "" },
            dropped_attributes: u32::from(full),
        });
    }
    batch(TableRows::Logs(rows))
}

fn spans(count: usize, fill: usize) -> TableBatch {
    let mut rows = SpanRows::default();
    let (resource, scope) = (rows.resource("{}", "shop"), rows.scope("{}"));
    for number in 0..count {
        let full = number < fill;
        if full {
            rows.attribute("peer", ValueKind::Text, "db");
            rows.event_attribute("exception.type", ValueKind::Text, "Oops");
            rows.event(&SpanEvent { offset_ns: 5, name: "exception", dropped: 1 });
            rows.link_attribute("why", ValueKind::Bool, "true");
            let (trace_id, span_id) = ([1; 16], [2; 8]);
            rows.link(&SpanLink { trace_id, span_id, trace_state: "a=b", dropped: 0, flags: 1 });
        }
        rows.push(&SpanRow {
            resource,
            scope,
            trace_id: [number as u8; 16],
            span_id: [number as u8; 8],
            parent_span_id: full.then_some([1; 8]),
            start_ns: 1_795_262_400_000_000_000 + i64::from(full),
            duration_ns: -5,
            name: "GET /",
            kind: 2,
            status: 1,
            status_message: if full { "fine" } else { "" },
            trace_state: if full { "x=y" } else { "" },
            flags: u32::from(full),
            dropped_attributes: u32::from(full),
            dropped_events: u32::from(full),
            dropped_links: u32::from(full),
            weight: full.then_some(2.5),
            exception_group: full.then_some(-1),
            problems: i32::from(full),
        });
    }
    batch(TableRows::Spans(rows))
}

/// The sizes at which messages are packed, and columns are left out or not.
#[test]
fn batches_come_back() {
    for (count, fill) in [(1, 0), (1, 1), (5, 2), (2000, 0), (2000, 2000), (3000, 10)] {
        for batch in [logs(count, fill), spans(count, fill)] {
            let payload = encode(&batch).unwrap();
            let read = decode(&payload.bytes, batch.table).unwrap();
            assert_eq!(read.rows, batch.rows);
            let times = |b: &TableBatch| (b.time_min_us, b.time_max_us);
            assert_eq!(times(&read), times(&batch));
            assert_eq!(read.bytes, batch.bytes, "{count} {fill}");
        }
    }
}

/// The head counts what a batch holds; after a start that must not be more.
#[test]
fn a_large_batch_does_not_hold_its_message() {
    for batch in [logs(5000, 5000), spans(4500, 2000)] {
        let payload = encode(&batch).unwrap();
        let read = decode(&payload.bytes, batch.table).unwrap();
        assert_eq!(read.rows, batch.rows);
        let held = read.rows.get_array_memory_size();
        assert!(held < batch.bytes * 5 / 4 + 20_000, "{held} bytes held, {} counted", batch.bytes);
    }
}

#[test]
fn packing_and_missing_columns_keep_the_log_small() {
    let one = encode(&logs(1, 0)).unwrap().bytes.len();
    let many = encode(&logs(2000, 2000)).unwrap().bytes.len();
    assert!(one < 1500, "{one} bytes for one record");
    assert!(many < 2000 * 60, "{many} bytes for 2000 records");
}

#[test]
fn what_is_no_batch_is_corrupt() {
    let payload = encode(&logs(3, 1)).unwrap().bytes;
    for cut in 0..payload.len() {
        match decode(&payload[..cut], Table::Logs) {
            Err(error) => assert!(error.to_string().contains("payload of logs"), "{error}"),
            // What pads the end is not missed.
            Ok(read) => {
                assert!(cut + 64 > payload.len(), "cut at {cut}");
                assert_eq!(read.rows, logs(3, 1).rows);
            }
        }
    }
    assert!(decode(&payload, Table::Spans).is_err());
    assert!(decode(&[0; 64], Table::Logs).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    /// COR-1: whatever bytes a checksum let pass, decoding answers and does not panic, and what it
    /// takes for rows can be walked through.
    #[test]
    fn changed_bytes_do_not_panic(
        which in 0usize..6,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        static PAYLOADS: LazyLock<Vec<(Table, Bytes)>> = LazyLock::new(|| {
            let all =
                [logs(3, 1), logs(500, 500), spans(3, 2), spans(300, 250), logs(1, 0), spans(1, 0)];
            all.iter().map(|batch| (batch.table, encode(batch).unwrap().bytes)).collect()
        });
        let (table, payload) = &PAYLOADS[which];
        let mut bytes = payload.to_vec();
        // Half of the changes go where the lengths are.
        let early = bytes.len().min(3000);
        for (nth, (at, byte)) in changes.iter().enumerate() {
            let within = if nth.is_multiple_of(2) { early } else { bytes.len() };
            bytes[at.index(within)] = *byte;
        }
        let decoded = catch_unwind(AssertUnwindSafe(|| decode(&bytes, *table).map(|batch| {
            let options = Default::default();
            for column in batch.rows.columns() {
                let cells = arrow_cast::display::ArrayFormatter::try_new(column.as_ref(), &options);
                let cells = cells.unwrap();
                (0..batch.rows.num_rows()).for_each(|row| drop(cells.value(row).to_string()));
            }
        })));
        prop_assert!(decoded.is_ok());
    }
}
