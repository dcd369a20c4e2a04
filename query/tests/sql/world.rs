//! A store with rows of all signals: the older half in blocks, the newer half in the head.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use tarn_model::attributes::ValueKind;
use tarn_model::labels::LabelSet;
use tarn_model::limits::Limits;
use tarn_model::tenant::TenantId;
use tarn_model::time::{Clock, Sleep, UnixNanos};
use tarn_model::units::ByteSize;
use tarn_query::{Engine, EngineOptions, Handles};
use tarn_storage::append::RequestMark;
use tarn_storage::append::rows::{
    LogRow, LogRows, SpanEvent, SpanLink, SpanRow, SpanRows, TableRows,
};
use tarn_storage::file::RealDisk;
use tarn_storage::{Options, Storage, WalSync};
use tarn_testkit::sim::SimRng;
use tarn_testkit::tasks::RealTasks;
use tempfile::TempDir;
use tokio::runtime::Handle;

/// 2023-11-14T22:13:20Z, the time of every test.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

/// Rows of each table; one a second, the last one at [`NOW_MS`].
pub(crate) const ROWS: i64 = 600;

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) tenant: TenantId,
    storage: Storage,
    _folder: TempDir,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let limits = Limits { memory_budget: ByteSize::mib(512), ..Limits::default() };
        Self::with(EngineOptions { limits, ..EngineOptions::default() }).await
    }

    pub(crate) async fn with(engine: EngineOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::default();
        let clock: Arc<dyn Clock> = Arc::new(TestClock(Instant::now()));
        let handles = tarn_storage::Handles {
            clock: Arc::clone(&clock),
            rng: Arc::new(SimRng::new(1)),
            tasks: Arc::new(RealTasks::current()),
            disk: Arc::new(RealDisk),
        };
        let options = Options {
            label: "test".to_owned(),
            flush_age: Duration::from_secs(3600),
            flush_bytes: ByteSize::mib(256),
            wal_sync: WalSync::None,
            wal_segment_bytes: ByteSize::mib(4),
            wal_bytes_max: ByteSize::mib(64),
            limits: engine.limits.clone(),
            ..Options::new(folder.path())
        };
        let opening = Box::pin(Storage::open(options, handles, &mut registry));
        let storage = opening.await.unwrap();
        storage.replayed().await.unwrap();
        let handles = Handles { clock, query_runtime: Handle::current() };
        let engine = Engine::new(engine, storage.reader(), handles, &mut registry);
        let tenant = TenantId::default_tenant();
        Box::pin(fill(&storage, &tenant)).await;
        Self { engine, tenant, storage, _folder: folder }
    }

    /// Appends log records, one request for each.
    pub(crate) async fn append_logs(&self, from: i64, to: i64) {
        let writer = self.storage.writer();
        for i in from..to {
            let rows = TableRows::Logs(logs(i, i + 1));
            writer.append_rows(&self.tenant, rows, RequestMark::default()).await.unwrap();
        }
    }

    /// Asks over HTTP, the query as the body.
    pub(crate) async fn ask(&self, sql: &str, format: &str) -> Answer {
        let request = Request::post(format!("/api/v1/sql?format={format}"))
            .header("content-type", "text/plain")
            .body(Body::from(sql.to_owned()))
            .unwrap();
        self.send(request).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response =
            tarn_query::api::sql::handle(&self.engine, self.tenant.clone(), request).await;
        let (parts, body) = response.into_parts();
        let content_type = parts.headers["content-type"].to_str().unwrap().to_owned();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, content_type, body }
    }

    /// Returns the rows as texts, or the message of the error.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>, String> {
        let answer = self.ask(sql, "json").await.json();
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        let value = |v: &serde_json::Value| match v {
            serde_json::Value::Null => "NULL".to_owned(),
            serde_json::Value::String(s) if s.is_empty() => "(empty)".to_owned(),
            serde_json::Value::String(s) => s.clone(),
            other => other.to_string(),
        };
        let row = |row: &serde_json::Value| row.as_array().unwrap().iter().map(value).collect();
        Ok(answer["data"]["rows"].as_array().unwrap().iter().map(row).collect())
    }

    /// Returns the rows, which there must be.
    pub(crate) async fn must(&self, sql: &str) -> Vec<Vec<String>> {
        self.rows(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }
}

async fn fill(storage: &Storage, tenant: &TenantId) {
    let writer = storage.writer();
    for (from, to) in [(0, ROWS / 2), (ROWS / 2, ROWS)] {
        let rows = [TableRows::Logs(logs(from, to)), TableRows::Spans(spans(from, to))];
        for rows in rows {
            writer.append_rows(tenant, rows, RequestMark::default()).await.unwrap();
        }
        let mut appender = writer.appender(tenant).unwrap();
        for (job, factor) in [("api", 1.0), ("db", 10.0)] {
            let labels = [("__name__", "up_total"), ("job", job), ("instance", "a:1")];
            let series = appender.series(&LabelSet::from_pairs(&labels)).unwrap();
            for i in (from..to).step_by(10) {
                let value = i as f64 * factor;
                appender.float(series, NOW_MS - (ROWS - 1 - i) * 1000, value, 0).unwrap();
            }
        }
        appender.commit().await.unwrap();
        if from == 0 {
            storage.flush().await.unwrap();
        }
    }
}

const SERVICES: [&str; 3] = ["cart", "checkout", "web"];

fn resource(service: &str) -> String {
    format!(
        "{{\"attributes\":{{\"service.name\":\"{service}\",\"k8s.pod.name\":\"{service}-1\",\"port\":8080}}}}"
    )
}

fn time_ns(i: i64) -> i64 {
    (NOW_MS - (ROWS - 1 - i) * 1000) * 1_000_000 + 7
}

fn trace_id(i: i64) -> [u8; 16] {
    (0x1000 + i as u128 / 4).to_be_bytes()
}

fn logs(from: i64, to: i64) -> LogRows {
    let mut rows = LogRows::default();
    let resources = SERVICES.map(|s| rows.resource(&resource(s), s));
    let scope = rows.scope("{\"name\":\"lib\",\"version\":\"1.2\"}");
    for i in from..to {
        let status = [200, 404, 500][(i % 3) as usize].to_string();
        rows.attribute("http.status", ValueKind::Int, &status);
        rows.attribute("http.route", ValueKind::Text, if i % 2 == 0 { "/cart" } else { "/pay" });
        if i % 50 == 0 {
            rows.attribute("rare", ValueKind::Text, &format!("r{i}"));
        }
        let body = format!("request {i} took {} ms", i % 17);
        rows.push(&LogRow {
            resource: resources[(i % 3) as usize],
            scope,
            time_ns: time_ns(i),
            observed_ns: 0,
            severity_number: if i % 10 == 0 { 17 } else { 9 },
            severity_text: if i % 10 == 0 { "ERROR" } else { "INFO" },
            body: Some(&body),
            body_kind: ValueKind::Text,
            trace_id: (i % 2 == 0).then(|| trace_id(i)),
            span_id: None,
            flags: 0,
            event_name: "",
            dropped_attributes: 0,
        });
    }
    rows
}

fn spans(from: i64, to: i64) -> SpanRows {
    let mut rows = SpanRows::default();
    let resources = SERVICES.map(|s| rows.resource(&resource(s), s));
    let scope = rows.scope("{\"name\":\"lib\"}");
    for i in from..to {
        rows.attribute("http.route", ValueKind::Text, if i % 2 == 0 { "/cart" } else { "/pay" });
        if i % 4 == 0 {
            rows.event_attribute("exception.type", ValueKind::Text, "Oops");
            rows.event(&SpanEvent { offset_ns: 5_000_000, name: "exception", dropped: 0 });
            rows.link(&SpanLink {
                trace_id: trace_id(i + 400),
                span_id: [9; 8],
                trace_state: "",
                dropped: 0,
                flags: 0,
            });
        }
        let root = i % 4 == 0;
        rows.push(&SpanRow {
            resource: resources[(i % 3) as usize],
            scope,
            trace_id: trace_id(i),
            span_id: (i as u64 + 1).to_be_bytes(),
            parent_span_id: (!root).then(|| (i as u64 / 4 * 4 + 1).to_be_bytes()),
            start_ns: time_ns(i),
            duration_ns: (i % 100) * 1_000_000,
            name: if root { "GET /" } else { "query" },
            kind: if root { 2 } else { 3 },
            status: if i % 20 == 0 { 2 } else { 0 },
            status_message: "",
            trace_state: "",
            flags: 0,
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
            weight: None,
            exception_group: None,
            problems: 0,
        });
    }
    rows
}

#[derive(Debug)]
struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> UnixNanos {
        UnixNanos(NOW_MS * 1_000_000)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}
