//! CPU time of queries: `sum by (job) (rate(m[5m]))` per series and step, and JSON per point.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use tarn_model::tenant::TenantId;
use tarn_query::api::prometheus::{Endpoint, handle};
use tarn_query::{Engine, EngineOptions, QueryOptions};
use tokio::runtime::Handle;

use super::lab::Lab;
use super::{Folder, figure};
use crate::generate::series::plain;
use crate::generate::sets;
use crate::telemetry::registry;

const SERIES: usize = 2_000;
/// Two hours every fifteen seconds.
const SAMPLES: usize = 480;
const STEP_MS: i64 = 15_000;
/// The last hour of them, a point for each sample.
const STEPS: i64 = 240;

const RATE: &str = "sum by (job) (rate(bench_metric[5m]))";
const RAW: &str = "bench_metric";

/// Measures from the head, flushes, and measures from blocks.
pub(super) async fn run(folder: &Folder, seconds: u64, query: Handle) -> anyhow::Result<()> {
    let mut lab = Lab::open(&folder.join("promql")).await?;
    let start = 1_700_000_000_000;
    let series = (0..SERIES).map(|at| plain(at, start, STEP_MS, SAMPLES)).collect();
    lab.piece(&mut sets::known(series), i64::MAX).await?;
    let handles = tarn_query::Handles { clock: Arc::clone(&lab.clock), query_runtime: query };
    let engine =
        Engine::new(EngineOptions::default(), lab.storage.reader(), handles, &mut lab.registry);
    let end = start + (SAMPLES as i64 - 1) * STEP_MS;
    let bench = Bench { engine, start: end - (STEPS - 1) * STEP_MS, end, seconds };
    figure("promql_rate_head", bench.range(RATE).await?, "ns/series-step");
    lab.storage.flush().await?;
    figure("promql_rate_blocks", bench.range(RATE).await?, "ns/series-step");
    let (whole, without) = (bench.http(RAW).await?, bench.range(RAW).await?);
    figure("promql_select_blocks", without, "ns/series-step");
    figure("json", (whole - without).max(0.0), "ns/point");
    drop(bench);
    lab.close().await
}

struct Bench {
    engine: Engine,
    start: i64,
    end: i64,
    seconds: u64,
}

impl Bench {
    /// Repeats a range query in process; returns ns of CPU per series and step.
    async fn range(&self, text: &str) -> anyhow::Result<f64> {
        let tenant = TenantId::default_tenant();
        self.repeat(async || {
            let times = (self.start, self.end, STEP_MS);
            let answer = self.engine.range(&tenant, text, times, QueryOptions::default()).await;
            answer.map(drop).map_err(|e| anyhow::anyhow!("{text}: {e:?}"))
        })
        .await
    }

    /// The same through the handler of the HTTP API, to the last byte of JSON.
    async fn http(&self, text: &str) -> anyhow::Result<f64> {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("query", text)
            .append_pair("start", &seconds(self.start).to_string())
            .append_pair("end", &seconds(self.end).to_string())
            .append_pair("step", &seconds(STEP_MS).to_string())
            .finish();
        self.repeat(async || {
            let request = Request::get(format!("/api/v1/query_range?{form}")).body(Body::empty())?;
            let tenant = TenantId::default_tenant();
            let response = handle(&self.engine, Endpoint::QueryRange, tenant, request).await;
            anyhow::ensure!(response.status().is_success(), "{}", response.status());
            response.into_body().collect().await.map(drop).context("read the answer")
        })
        .await
    }

    async fn repeat(&self, once: impl AsyncFn() -> anyhow::Result<()>) -> anyhow::Result<f64> {
        once().await?; // caches and allocator are warm from here on
        let (begin, cpu) = (Instant::now(), registry::usage().cpu_seconds);
        let mut times = 0.0;
        while begin.elapsed() < Duration::from_secs(self.seconds) {
            once().await?;
            times += 1.0;
        }
        let cpu = registry::usage().cpu_seconds - cpu;
        Ok(cpu * 1e9 / times / (SERIES as f64 * STEPS as f64))
    }
}
