//! What log records cost in the head and in the log: bytes beside those of their texts, and the time
//! of laying out, encoding and inserting them.
#![expect(clippy::disallowed_methods, reason = "real time is what is measured")]

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use object_store::memory::InMemory;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tarn_model::attributes::ValueKind;
use tarn_model::error::Result;
use tarn_model::limits::Limits;
use tarn_model::tenant::TenantId;
use tarn_storage::append::rows::{LogRow, LogRows, TableRows};
use tarn_storage::append::{Batch, Log, RequestMark, Writer};
use tarn_storage::block::reader::Blocks;
use tarn_storage::head::Head;
use tarn_storage::head::sink::HeadSink;
use tarn_storage::object::Objects;
use tarn_storage::view::ViewCell;
use tarn_storage::wal::{Lsn, RecordBuilder, Sink};
use tarn_testkit::clock::RealClock;
use tarn_testkit::sim::SimRng;

const RECORDS: usize = 8_000;

/// A log that only counts bytes.
#[derive(Debug)]
struct Counted(Mutex<(HeadSink, u64, usize)>);

impl Log for Counted {
    fn ready(&self) -> Result<()> {
        Ok(())
    }

    fn append(&self, mut batch: Batch) -> BoxFuture<'static, Result<Lsn>> {
        let mut guard = self.0.lock();
        let (sink, last, bytes) = &mut *guard;
        *last += 1;
        let mut record = RecordBuilder::default();
        sink.frame(Lsn(*last), &mut batch, &mut record);
        *bytes += record.payloads.iter().map(|payload| payload.bytes.len()).sum::<usize>();
        let lsn = sink.apply(Lsn(*last), batch);
        Box::pin(std::future::ready(Ok(lsn)))
    }
}

/// Records of 24 services: a body of 90 bytes, four attributes, a resource of 12. Returns the bytes
/// of their texts, the resource once per request.
fn request(from: usize, records: usize) -> (TableRows, usize) {
    let mut rows = LogRows::default();
    let service = format!("service-{}", from / 100 % 24);
    let attributes: Vec<String> =
        (0..12).map(|n| format!("\"k8s.key.{n}\":\"value-{n}\"")).collect();
    let resource_json = format!("{{\"attributes\":{{{}}}}}", attributes.join(","));
    let resource = rows.resource(&resource_json, &service);
    let scope = rows.scope("{\"name\":\"logger\"}");
    let mut bytes = resource_json.len();
    for number in from..from + records {
        let body = format!(
            "{number:08} request from 10.0.{}.{} to /api/v1/items/{number} took {} ms, status 200 OK, retries 0",
            number % 7,
            number % 251,
            number % 977
        );
        let user = format!("user-{}", number * 7919 % 100_000);
        let pairs = [
            ("http.route", "/api/v1/items/{id}"),
            ("http.method", "GET"),
            ("enduser.id", user.as_str()),
            ("thread.name", "worker-3"),
        ];
        for (key, value) in pairs {
            rows.attribute(key, ValueKind::Text, value);
            bytes += key.len() + value.len();
        }
        bytes += body.len();
        rows.push(&LogRow {
            resource,
            scope,
            time_ns: 1_795_262_400_000_000_000 + number as i64 * 1_234_567,
            observed_ns: 1_795_262_400_000_000_000 + number as i64 * 1_234_567 + 3_000_000,
            severity_number: 9,
            severity_text: "INFO",
            body: Some(&body),
            body_kind: ValueKind::Text,
            trace_id: Some((number as u128).to_be_bytes()),
            span_id: Some((number as u64).to_be_bytes()),
            flags: 1,
            event_name: "",
            dropped_attributes: 0,
        });
    }
    (TableRows::Logs(rows), bytes)
}

#[test]
fn log_records_cost_at_most_twice_their_text() {
    let tenant = TenantId::default_tenant();
    for per_request in [10, 100, 1000, 8000] {
        let head = Head::new(Limits::default(), Arc::new(RealClock::default()));
        let (clock, rng) = (Arc::new(RealClock::default()), Arc::new(SimRng::new(1)));
        let store = Arc::new(InMemory::new());
        let objects = Objects::new(store, clock, rng, &mut Registry::default());
        let view = ViewCell::new(Arc::clone(&head), Blocks::new(objects), Arc::default());
        let generation = head.generation(Lsn(1));
        view.update(|view| view.with_generation(Arc::clone(&generation)));
        let sink = HeadSink::new(Arc::clone(&head), Arc::clone(&generation), view);
        let log = Arc::new(Counted(Mutex::new((sink, 0, 0))));
        let writer = Writer::new(Arc::clone(&head), Arc::clone(&log) as _);
        let (mut text, mut pushed, mut appended) = (0, Duration::ZERO, Duration::ZERO);
        for from in (0..RECORDS).step_by(per_request) {
            let begun = std::time::Instant::now();
            let (rows, bytes) = request(from, per_request.min(RECORDS - from));
            pushed += begun.elapsed();
            text += bytes;
            let begun = std::time::Instant::now();
            let append = writer.append_rows(&tenant, rows, RequestMark::default());
            futures::executor::block_on(append).expect("appended");
            appended += begun.elapsed();
        }
        assert_eq!(generation.rows(), RECORDS as u64);
        let held = generation.bytes() as usize;
        println!(
            "{per_request} records per request: {} bytes of text, {} in the head, {} in the log per \
             record; {} ns to fill rows, {} ns to encode and insert in this build profile",
            text / RECORDS,
            held / RECORDS,
            log.0.lock().2 / RECORDS,
            pushed.as_nanos() / RECORDS as u128,
            appended.as_nanos() / RECORDS as u128,
        );
        assert!(held <= 2 * text, "{held} bytes for {text} bytes of text");
    }
}
