//! A store in a temporary folder, an engine over it, and requests without a socket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use tarn_model::labels::LabelSet;
use tarn_model::limits::Limits;
use tarn_model::sample::{Histogram, Metadata};
use tarn_model::tasks::Tasks;
use tarn_model::tenant::TenantId;
use tarn_model::time::{Clock, Sleep, UnixNanos};
use tarn_model::units::ByteSize;
use tarn_query::api::native;
use tarn_query::api::prometheus::{Endpoint, handle};
use tarn_query::{Engine, EngineOptions, Handles};
use tarn_storage::append::rows::TableRows;
use tarn_storage::append::{Appender, RequestMark};
use tarn_storage::file::RealDisk;
use tarn_storage::{Options, Storage, WalSync};
use tarn_testkit::sim::SimRng;
use tarn_testkit::tasks::RealTasks;
use tempfile::TempDir;
use tokio::runtime::Handle;

/// 2023-11-14T22:13:20Z, the time of every test.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The status and the body, for golden rows.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.status.as_u16(), self.body)
    }
}

/// A store, an engine, a tenant.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) registry: Registry,
    pub(crate) tenant: TenantId,
    pub(crate) storage: Storage,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let world = Self::open(limits, Arc::new(RealTasks::current())).await;
        world.storage.replayed().await.unwrap();
        world
    }

    /// Opens a store, whose log replays when `tasks` run.
    pub(crate) async fn open(limits: Limits, tasks: Arc<dyn Tasks>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::default();
        let clock: Arc<dyn Clock> = Arc::new(TestClock(Instant::now()));
        let handles = tarn_storage::Handles {
            clock: Arc::clone(&clock),
            rng: Arc::new(SimRng::new(1)),
            tasks,
            disk: Arc::new(RealDisk),
        };
        let options = Options {
            label: "test".to_owned(),
            flush_age: Duration::from_secs(3600),
            flush_bytes: ByteSize::mib(256),
            wal_sync: WalSync::None,
            wal_segment_bytes: ByteSize::mib(4),
            wal_bytes_max: ByteSize::mib(64),
            limits: limits.clone(),
            ..Options::new(folder.path())
        };
        let storage = Storage::open(options, handles, &mut registry).await.unwrap();
        let options = EngineOptions {
            limits,
            version: "0.1.0".to_owned(),
            revision: "abc".to_owned(),
            ..EngineOptions::default()
        };
        let handles = Handles { clock, query_runtime: Handle::current() };
        let engine = Engine::new(options, storage.reader(), handles, &mut registry);
        let tenant = TenantId::default_tenant();
        Self { engine, registry, tenant, storage, _folder: folder }
    }

    /// Writes rows as one request.
    pub(crate) async fn write(&self, fill: impl FnOnce(&mut Appender)) {
        let mut appender = self.storage.writer().appender(&self.tenant).unwrap();
        fill(&mut appender);
        appender.commit().await.unwrap();
    }

    /// Turns what is in memory into blocks.
    pub(crate) async fn flush(&self) {
        self.storage.flush().await.unwrap();
    }

    pub(crate) async fn get(&self, path_and_query: &str) -> Answer {
        read(self.send(Method::GET, path_and_query, &[], Body::empty()).await).await
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Answer {
        let form_type = [("content-type", "application/x-www-form-urlencoded")];
        read(self.send(Method::POST, path, &form_type, Body::from(form.to_owned())).await).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path_and_query: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Response<Body> {
        let endpoint = endpoint(path_and_query);
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path_and_query}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).unwrap();
        handle(&self.engine, endpoint, self.tenant.clone(), request).await
    }

    /// Asks Tarn's own API.
    pub(crate) async fn native(&self, path_and_query: &str) -> Answer {
        let path = path_and_query.split('?').next().unwrap();
        let endpoint = native_endpoint(path);
        let uri = format!("/api/v1{path_and_query}");
        let request = Request::get(uri).body(Body::empty()).unwrap();
        read(native::handle(&self.engine, endpoint, self.tenant.clone(), request).await).await
    }

    /// Asks Tarn's own API for columns; returns the header of the frame, and its columns by name.
    pub(crate) async fn frame(&self, path_and_query: &str) -> Frame {
        let endpoint = native_endpoint(path_and_query.split('?').next().unwrap());
        let request = Request::get(format!("/api/v1{path_and_query}"))
            .header("accept", FRAME)
            .body(Body::empty())
            .unwrap();
        let tenant = self.tenant.clone();
        Frame::read(native::handle(&self.engine, endpoint, tenant, request).await).await
    }

    /// Asks Tarn's own API with a form.
    pub(crate) async fn native_form(&self, path: &str, form: &str) -> Answer {
        let endpoint = native::Endpoint::ALL.into_iter().find(|e| e.path() == path).unwrap();
        let request = Request::post(format!("/api/v1{path}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        read(native::handle(&self.engine, endpoint, self.tenant.clone(), request).await).await
    }

    /// Stores log records or spans as one request.
    pub(crate) async fn rows(&self, rows: TableRows) {
        let mark = RequestMark::default();
        self.storage.writer().append_rows(&self.tenant, rows, mark).await.unwrap();
    }

    /// Returns whether the metrics hold a line.
    pub(crate) fn has_metric(&self, line: &str) -> bool {
        self.metrics("").lines().any(|l| l == line)
    }

    /// Returns the lines of the metrics whose names begin with `prefix`.
    pub(crate) fn metrics(&self, prefix: &str) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text.lines().filter(|l| l.starts_with(prefix)).fold(String::new(), |all, l| all + l + "\n")
    }
}

/// The media type of frames.
pub(crate) const FRAME: &str = "application/vnd.tarn.frame";

/// A frame, read as the layout is published.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) header: serde_json::Value,
    pub(crate) bytes: usize,
    values: Vec<f64>,
}

impl Frame {
    pub(crate) async fn read(response: Response<Body>) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), FRAME);
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let length = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
        assert_eq!((length + 4) % 8, 0, "columns are aligned");
        let header = serde_json::from_slice(&bytes[4..4 + length]).unwrap();
        let values = bytes[4 + length..].chunks_exact(8);
        let values = values.map(|value| f64::from_le_bytes(value.try_into().unwrap())).collect();
        Self { header, bytes: bytes.len(), values }
    }

    /// Returns a column by its number.
    pub(crate) fn column(&self, at: usize) -> &[f64] {
        let column = &self.header["columns"][at];
        let number = |member: &str| column[member].as_u64().unwrap() as usize;
        let from = number("offset") / 8;
        &self.values[from..from + number("length")]
    }

    /// Returns a column by its name.
    pub(crate) fn named(&self, name: &str) -> &[f64] {
        let columns = self.header["columns"].as_array().unwrap();
        self.column(columns.iter().position(|column| column["name"] == name).unwrap())
    }
}

pub(crate) async fn read(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    let json = "application/json";
    assert_eq!(parts.headers.get(header::CONTENT_TYPE).unwrap(), json);
    let bytes = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(bytes.to_vec()).unwrap();
    Answer { status: parts.status, body }
}

/// Returns the endpoint whose path fits; one without a placeholder wins.
fn native_endpoint(path: &str) -> native::Endpoint {
    let fits = |pattern: &str| {
        let parts = |text: &'_ str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        let (pattern, path) = (parts(pattern), parts(path));
        let same = |(a, b): (&String, &String)| a == b || a.starts_with('{');
        pattern.len() == path.len() && pattern.iter().zip(&path).all(same)
    };
    let mut fitting: Vec<_> =
        native::Endpoint::ALL.into_iter().filter(|e| fits(e.path())).collect();
    fitting.sort_by_key(|e| e.path().matches('{').count());
    fitting[0]
}

fn endpoint(path_and_query: &str) -> Endpoint {
    let path = path_and_query.split('?').next().unwrap();
    if path.starts_with("/label/") {
        return Endpoint::LabelValues;
    }
    Endpoint::ALL.into_iter().find(|e| e.path() == path).unwrap()
}

pub(crate) fn float(appender: &mut Appender, labels: &[(&str, &str)], samples: &[(i64, f64)]) {
    let series = appender.series(&LabelSet::from_pairs(labels)).unwrap();
    for (time_ms, value) in samples {
        appender.float(series, *time_ms, *value, 0).unwrap();
    }
}

pub(crate) fn histogram(
    appender: &mut Appender,
    labels: &[(&str, &str)],
    at_ms: i64,
    value: Histogram,
) {
    let series = appender.series(&LabelSet::from_pairs(labels)).unwrap();
    appender.histogram(series, at_ms, Arc::new(value), 0).unwrap();
}

pub(crate) fn metadata(appender: &mut Appender, family: &str, kind: &str, help: &str) {
    let metric_type = tarn_model::sample::MetricType::parse(kind);
    appender.metadata(family, &Metadata { metric_type, unit: "".into(), help: help.into() });
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
