//! Blocks of logs and spans that were released open forever: by Tarn, and as files by Parquet's own
//! reader. `TARN_WRITE_GOLDEN` writes the files of this version.
#![expect(clippy::disallowed_methods, reason = "files of the repository, not of a data folder")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::path::PathBuf;

use arrow_array::RecordBatch;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectStoreExt, PutPayload};
use tarn_model::attributes::ValueKind;
use tarn_model::tenant::TenantId;
use tarn_storage::append::rows::{LogRow, LogRows, SpanRow, SpanRows, TableRows};
use tarn_storage::block::BlockMeta;
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::{RowColumn, RowScan};
use tarn_testkit::sim::SimRng;
use tarn_testkit::store::Store;

#[path = "support/tables.rs"]
mod tables;

use tables::{BASE_NS, Logical, build, file_rows, log_row, logical, logs, span_row, spans};

const TABLES: [Table; 2] = [Table::Logs, Table::Spans];

fn golden(name: &str) -> PathBuf {
    tarn_testkit::tree::own_folder().join("../tests/compat/v1/tables").join(name)
}

fn file(table: Table, ending: &str) -> PathBuf {
    golden(&format!("{}.{ending}", table.as_str()))
}

/// What random rows leave out: columns that are rarely set, values at their limits.
fn rare(table: Table) -> RecordBatch {
    match table {
        Table::Logs => {
            let mut rows = LogRows::default();
            let (resource, scope) = (rows.resource("{}", "unknown_service"), rows.scope("{}"));
            rows.attribute("", ValueKind::Text, "no key");
            rows.attribute("http.status", ValueKind::Int, &i64::MIN.to_string());
            rows.attribute("bytes", ValueKind::Bytes, "{\"bytesValue\":\"AAE=\"}");
            rows.push(&LogRow {
                severity_number: 24,
                event_name: "session.start",
                body: Some("\u{0}NUL, 💥 and \"quotes\"\n"),
                trace_id: Some([255; 16]),
                flags: 1,
                dropped_attributes: 5,
                ..log_row(resource, scope, BASE_NS + 1)
            });
            rows.push(&log_row(resource, scope, BASE_NS + 86_399_999_999_999));
            TableRows::Logs(rows).into_batch().unwrap()
        }
        Table::Spans => {
            let mut rows = SpanRows::default();
            let (resource, scope) = (rows.resource("{}", "unknown_service"), rows.scope("{}"));
            let longest = SpanRow { duration_ns: i64::MAX, ..span_row(resource, scope, BASE_NS) };
            rows.push(&longest);
            rows.push(&longest);
            let (span_id, parent) = ([2; 8], Some([2; 8]));
            let own = span_row(resource, scope, BASE_NS + 999);
            rows.push(&SpanRow {
                span_id,
                parent_span_id: parent,
                dropped_links: 3,
                dropped_attributes: 5,
                ..own
            });
            rows.push(&SpanRow { duration_ns: i64::MIN, problems: 1, ..own });
            TableRows::Spans(rows).into_batch().unwrap()
        }
    }
}

fn write() {
    std::fs::create_dir_all(golden("")).unwrap();
    for table in TABLES {
        let rng = SimRng::new(4);
        let rows = match table {
            Table::Logs => logs(&rng, 100, 1),
            Table::Spans => spans(&rng, 100, 1),
        };
        let block = build(table, &[rows, rare(table)]).remove(0);
        std::fs::write(file(table, "parquet"), &block.bytes).unwrap();
        std::fs::write(file(table, "json"), serde_json::to_vec_pretty(&block.meta).unwrap())
            .unwrap();
        std::fs::write(file(table, "txt"), render(&file_rows(&block.bytes))).unwrap();
    }
}

fn render(rows: &[Logical]) -> String {
    rows.iter().map(|row| format!("{row:?}\n")).collect()
}

#[test]
fn golden_blocks_of_version_1_open() {
    if std::env::var_os("TARN_WRITE_GOLDEN").is_some() {
        write();
    }
    for table in TABLES {
        let bytes = Bytes::from(std::fs::read(file(table, "parquet")).unwrap());
        let meta: BlockMeta =
            serde_json::from_slice(&std::fs::read(file(table, "json")).unwrap()).unwrap();
        assert_eq!(meta.bytes, bytes.len() as u64);
        assert_eq!(meta.block_crc, crc32c::crc32c(&bytes));
        assert_eq!(meta.tail_crc, crc32c::crc32c(&bytes[bytes.len() - meta.tail_bytes as usize..]));
        let expected = std::fs::read_to_string(file(table, "txt")).unwrap();
        assert_eq!(render(&file_rows(&bytes)), expected);
    }
}

/// Reads a golden block as queries do.
async fn scan(table: Table) -> Vec<Logical> {
    let store = Store::open(5).await.unwrap();
    let meta: BlockMeta =
        serde_json::from_slice(&std::fs::read(file(table, "json")).unwrap()).unwrap();
    let bytes = std::fs::read(file(table, "parquet")).unwrap();
    let path = object_store::path::Path::from(meta.object.as_str());
    store.bucket.put(&path, PutPayload::from(bytes)).await.unwrap();
    let view = store.view_of(vec![meta]).unwrap();
    let added = [column::PARENT_BACK, column::SUBTREE];
    let schema = table.schema();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let names = names.chain(added.into_iter().filter(|_| table == Table::Spans));
    let columns = names.map(|name| match name {
        column::ATTRIBUTES => RowColumn::Attributes,
        column::ATTRIBUTE_KINDS => RowColumn::AttributeKinds,
        name => RowColumn::Stored(name.into()),
    });
    let scan = RowScan::new(table, columns.collect());
    let source = view.rows(&TenantId::default_tenant(), scan).unwrap();
    let mut rows = Vec::new();
    for part in source.parts {
        let batches: Vec<RecordBatch> = part.read().try_collect().await.unwrap();
        rows.extend(batches.iter().flat_map(logical));
    }
    store.end().await;
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn tarn_reads_golden_blocks_of_version_1() {
    for table in TABLES {
        let expected = std::fs::read_to_string(file(table, "txt")).unwrap();
        assert_eq!(render(&scan(table).await), expected);
    }
}

/// What golden blocks are for: every column and every kind of value is in them.
#[test]
fn golden_blocks_have_every_column() {
    for table in TABLES {
        let bytes = Bytes::from(std::fs::read(file(table, "parquet")).unwrap());
        let rows = file_rows(&bytes);
        for field in table.schema().fields() {
            let name = field.name();
            let own = [column::ATTRIBUTES, column::ATTRIBUTE_KINDS].contains(&name.as_str());
            assert!(own || rows.iter().any(|row| row.contains_key(name)), "{name}");
        }
        for kind in [0, 1, 2, 3, 4, 5, 6] {
            let prefix = format!("{kind}:");
            let has = |row: &Logical| {
                row.iter()
                    .any(|(key, value)| key.starts_with("attr:") && value.starts_with(&prefix))
            };
            assert!(rows.iter().any(has), "kind {kind}");
        }
    }
}
