//! Both doors of a store in a temporary folder, and what they say.

use std::sync::Arc;

use axum::body::Body;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use prometheus_client::registry::Registry;
use tarn_ingest::receive::otlp_grpc::otlp_grpc;
use tarn_ingest::receive::otlp_http::otlp_http;
use tarn_ingest::{Ingest, OtlpMetrics};
use tarn_model::limits::Limits;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;
use tarn_storage::file::RealDisk;
use tarn_storage::{Handles, Options, Storage};
use tarn_testkit::sim::{SimClock, SimRng};
use tarn_testkit::tasks::RealTasks;

/// The wall time of the simulated clock, which stands still.
pub(crate) const NOW_NS: u64 = 1_795_262_400_000_000_000;

/// A store and its doors.
pub(crate) struct Doors {
    pub(crate) ingest: Ingest,
    registry: Registry,
    storage: Storage,
    tasks: RealTasks,
    folder: tempfile::TempDir,
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Vec<u8>,
}

/// An answer over gRPC.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GrpcAnswer {
    pub(crate) code: String,
    pub(crate) message: String,
    /// Whether details say when to come again.
    pub(crate) details: bool,
    pub(crate) body: Vec<u8>,
}

impl Doors {
    pub(crate) async fn open(limits: Limits) -> Self {
        Self::open_at(limits, tempfile::tempdir().expect("a temporary folder")).await
    }

    async fn open_at(limits: Limits, folder: tempfile::TempDir) -> Self {
        let (clock, mut registry) = (Arc::new(SimClock::default()), Registry::default());
        let tasks = RealTasks::current();
        let handles = Handles {
            clock: Arc::<SimClock>::clone(&clock),
            rng: Arc::new(SimRng::new(1)),
            tasks: Arc::new(tasks.clone()),
            disk: Arc::new(RealDisk),
        };
        let options = Options {
            label: "test".to_owned(),
            wal_segment_bytes: ByteSize::mib(4),
            wal_bytes_max: ByteSize::mib(256),
            limits: limits.clone(),
            ..Options::new(folder.path().join("data"))
        };
        let storage = Storage::open(options, handles, &mut registry).await.expect("opens");
        storage.replayed().await.expect("replays");
        let handles = tarn_ingest::Handles {
            clock,
            rng: Arc::new(SimRng::new(2)),
            tasks: Arc::new(tasks.clone()),
        };
        let metrics = OtlpMetrics::default();
        let ingest = Ingest::new(limits, metrics, storage.writer(), handles, &mut registry);
        Self { ingest, registry, storage, tasks, folder }
    }

    /// Stops, and returns the folder.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        let Self { ingest, storage, tasks, folder, .. } = self;
        drop(ingest);
        storage.close().await.expect("closes");
        tokio::task::spawn_blocking(move || tasks.stop()).await.expect("stops");
        folder
    }

    /// Stops, and opens the same folder again.
    pub(crate) async fn reopen(self) -> Self {
        let folder = self.stop().await;
        Self::open_at(Limits::default(), folder).await
    }

    /// Posts a body.
    pub(crate) async fn http(
        &self,
        signal: Signal,
        headers: &[(&str, &str)],
        body: impl Into<Body> + Send,
    ) -> HttpAnswer {
        let (tenant, headers) = (Ok(TenantId::default_tenant()), map(headers));
        let answer = otlp_http(&self.ingest, signal, tenant, &headers, body.into()).await;
        let (parts, body) = answer.into_parts();
        let header = |name: &str| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
        let kind = header("content-type").expect("a content type");
        let retry_after = header("retry-after").and_then(|text| text.parse().ok());
        let status = parts.status.as_u16();
        let (body, _) = collect(body).await;
        HttpAnswer { status, kind, retry_after, body }
    }

    /// Calls with frames.
    pub(crate) async fn grpc(
        &self,
        signal: Signal,
        headers: &[(&str, &str)],
        body: impl Into<Body> + Send,
    ) -> GrpcAnswer {
        let (tenant, headers) = (Ok(TenantId::default_tenant()), map(headers));
        let answer = otlp_grpc(&self.ingest, signal, tenant, &headers, body.into()).await;
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-type"].as_bytes()),
            (200, &b"application/grpc"[..])
        );
        let mut head = answer.headers().clone();
        let (body, trailers) = collect(answer.into_body()).await;
        assert!(trailers.is_some() != head.contains_key("grpc-status"), "a status, once");
        head.extend(trailers.unwrap_or_default());
        let text = |name: &str| head.get(name).map_or("", |v| v.to_str().expect("text")).to_owned();
        let details = head.contains_key("grpc-status-details-bin");
        GrpcAnswer { code: text("grpc-status"), message: text("grpc-message"), details, body }
    }

    /// Returns the sum of the series of a metric that have all these pairs.
    pub(crate) fn count(&self, name: &str, pairs: &[&str]) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("encodes");
        let lines = text.lines().filter(|l| l.starts_with(name) && !l.starts_with('#'));
        let lines = lines.filter(|line| pairs.iter().all(|pair| line.contains(pair)));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// Returns how many rows were stored.
    pub(crate) fn rows(&self) -> u64 {
        self.count("tarn_ingest_rows_total", &[])
    }
}

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name: http::HeaderName = name.parse().expect("a header name");
        (name, value.parse().expect("a header value"))
    };
    headers.iter().map(pair).collect()
}

async fn collect(body: Body) -> (Vec<u8>, Option<HeaderMap>) {
    let collected = body.collect().await.expect("a body");
    let trailers = collected.trailers().cloned();
    (collected.to_bytes().to_vec(), trailers)
}
