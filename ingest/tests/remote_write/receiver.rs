//! A receiver over a real store in a temporary folder: what the tests send with and read back from.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use prometheus_client::registry::Registry;
use prost::Message as _;
use tarn_ingest::receive::remote_write::remote_write;
use tarn_ingest::{Ingest, OtlpMetrics};
use tarn_model::limits::Limits;
use tarn_model::matcher::{MatchOp, Matcher};
use tarn_model::sample::{Histogram as ModelHistogram, Metadata, STALE_NAN_BITS};
use tarn_model::slice::Samples;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_model::units::ByteSize;
use tarn_storage::file::Disk;
use tarn_storage::view::{ScanLimits, Selector};
use tarn_storage::{Handles, Options, Storage};
use tarn_testkit::sim::{SimClock, SimRng};
use tarn_testkit::tasks::RealTasks;

use super::oracle::{
    Exemplar1, Exemplar2, Histogram, Label, Metadata2, Request, Sample1, Sample2, TimeSeries1,
    TimeSeries2, WriteRequest,
};

/// The wall time of the simulated clock, which stands still.
pub(crate) const NOW_MS: i64 = 1_795_262_400_000;

/// A store and the way into it.
pub(crate) struct Receiver {
    pub(crate) ingest: Ingest,
    pub(crate) clock: SimClock,
    pub(crate) registry: Registry,
    storage: Storage,
    tasks: RealTasks,
    _folder: tempfile::TempDir,
}

/// What the sender is told.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    /// Samples, histograms, exemplars, from the headers of 2.0.
    pub(crate) written: Option<[u64; 3]>,
    pub(crate) retry_after: Option<u64>,
}

impl Receiver {
    pub(crate) async fn start(limits: Limits, disk: Arc<dyn Disk>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (clock, mut registry) = (SimClock::default(), Registry::default());
        let tasks = RealTasks::current();
        let handles = Handles {
            clock: Arc::new(clock.clone()),
            rng: Arc::new(SimRng::new(1)),
            tasks: Arc::new(tasks.clone()),
            disk,
        };
        let options = Options {
            label: "test".to_owned(),
            wal_segment_bytes: ByteSize::mib(4),
            wal_bytes_max: ByteSize::mib(256),
            limits: limits.clone(),
            ..Options::new(folder.path().join("data"))
        };
        let storage = Storage::open(options, handles, &mut registry).await.expect("opens");
        storage.replayed().await.expect("replays nothing");
        let handles = tarn_ingest::Handles {
            clock: Arc::new(clock.clone()),
            rng: Arc::new(SimRng::new(2)),
            tasks: Arc::new(tasks.clone()),
        };
        let otlp = OtlpMetrics::default();
        let ingest = Ingest::new(limits, otlp, storage.writer(), handles, &mut registry);
        Self { ingest, clock, registry, storage, tasks, _folder: folder }
    }

    /// Stops the store. A test that fails before it leaves the threads to the end of the process.
    pub(crate) async fn stop(self) {
        let Self { ingest, storage, tasks, .. } = self;
        drop(ingest);
        storage.close().await.expect("closes");
        tokio::task::spawn_blocking(move || tasks.stop()).await.expect("stops");
    }

    /// Sends a body as it is.
    pub(crate) async fn send(&self, tenant: &str, headers: &[(&str, &str)], body: Body) -> Answer {
        let tenant = TenantId::parse(tenant).expect("a tenant");
        let pair = |(name, value): &(&str, &str)| {
            let name: http::HeaderName = name.parse().expect("a header name");
            (name, value.parse().expect("a header value"))
        };
        let headers: HeaderMap = headers.iter().map(pair).collect();
        answer(remote_write(&self.ingest, tenant, &headers, body).await).await
    }

    /// Sends a request of version 1.0.
    pub(crate) async fn send1(&self, timeseries: Vec<TimeSeries1>) -> Answer {
        let request = WriteRequest { timeseries, metadata: Vec::new() };
        self.send("default", &[], compressed(&request.encode_to_vec()).into()).await
    }

    /// Sends a request of version 2.0.
    pub(crate) async fn send2(&self, request: Request) -> Answer {
        let headers = [
            (CONTENT_TYPE.as_str(), "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
            (CONTENT_ENCODING.as_str(), "snappy"),
        ];
        self.send("default", &headers, compressed(&request.encode_to_vec()).into()).await
    }

    /// Reads all series of a tenant: labels → times and bits of values, staleness included.
    pub(crate) async fn read(&self, tenant: &str) -> Rows {
        let mut rows = Rows::default();
        let view = self.storage.reader().view();
        let tenant = TenantId::parse(tenant).expect("a tenant");
        let all = Matcher::new("__name__", MatchOp::NotEqual, "").expect("a matcher");
        let selector = Selector { matchers: vec![all], range: TimeRange::ALL };
        let limits = ScanLimits { series_max: 1 << 20, bytes_max: 1 << 30 };
        let found = view.select(&tenant, &[selector], limits).await.expect("selects");
        for mut selection in found {
            let mut slices = Vec::new();
            for series in &selection.series {
                assert!(selection.cursor.next(&mut slices).await.expect("reads"));
                let name = series.labels.to_string();
                for slice in &slices {
                    let starts = slice.starts.clone().unwrap_or(vec![0; slice.samples.len()]);
                    match &slice.samples {
                        Samples::Floats(values) => {
                            let floats = rows.floats.entry(name.clone()).or_default();
                            let bits = values.iter().map(|v| v.to_bits());
                            floats.extend(slice.times().iter().copied().zip(bits));
                            let stale = slice.stale_at.map(|at| (at, STALE_NAN_BITS));
                            floats.extend(stale);
                        }
                        Samples::Histograms(values) => {
                            let times = slice.times().iter().copied();
                            let rows = rows.histograms.entry(name.clone()).or_default();
                            rows.extend(times.zip(values.iter().map(|h| (**h).clone())));
                        }
                    }
                    rows.starts.entry(name.clone()).or_default().extend(starts);
                }
            }
        }
        rows
    }

    pub(crate) async fn families(&self) -> BTreeMap<String, Metadata> {
        let view = self.storage.reader().view();
        let found = view.families(&TenantId::default_tenant()).await.expect("reads");
        found.into_iter().collect()
    }

    /// Returns the lines of `/metrics` that begin with a name.
    pub(crate) fn metrics(&self, name: &str) -> Vec<String> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("encodes");
        text.lines().filter(|l| l.starts_with(name)).map(str::to_owned).collect()
    }
}

/// What is stored.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Rows {
    pub(crate) floats: BTreeMap<String, Vec<(i64, u64)>>,
    pub(crate) histograms: BTreeMap<String, Vec<(i64, ModelHistogram)>>,
    pub(crate) starts: BTreeMap<String, Vec<i64>>,
}

async fn answer(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    let number = |name: &str| parts.headers.get(name)?.to_str().ok()?.parse().ok();
    let counts = ["samples", "histograms", "exemplars"]
        .map(|kind| number(&format!("x-prometheus-remote-write-{kind}-written")));
    let written = match counts {
        [Some(samples), Some(histograms), Some(exemplars)] => {
            Some([samples, histograms, exemplars])
        }
        none => {
            assert_eq!(none, [None; 3], "all headers or none");
            None
        }
    };
    let retry_after = number(RETRY_AFTER.as_str());
    let bytes = body.collect().await.expect("a body").to_bytes();
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    assert!(text.len() <= 4097, "{} bytes", text.len());
    Answer { status: parts.status.as_u16(), text, written, retry_after }
}

pub(crate) fn compressed(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).expect("compresses")
}

pub(crate) fn series1(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> TimeSeries1 {
    let label = |(name, value): &(&str, &str)| Label {
        name: name.as_bytes().to_vec(),
        value: value.as_bytes().to_vec(),
    };
    let sample = |(timestamp, value): &(i64, f64)| Sample1 { value: *value, timestamp: *timestamp };
    TimeSeries1 {
        labels: labels.iter().map(label).collect(),
        samples: samples.iter().map(sample).collect(),
        ..TimeSeries1::default()
    }
}

pub(crate) fn exemplar1(trace_id: &str, value: f64, timestamp: i64) -> Exemplar1 {
    let label = Label { name: b"trace_id".to_vec(), value: trace_id.as_bytes().to_vec() };
    Exemplar1 { labels: vec![label], value, timestamp }
}

/// Builds a request of version 2.0 with its symbols.
#[derive(Debug)]
pub(crate) struct Builder(pub(crate) Request);

impl Builder {
    pub(crate) fn new() -> Self {
        Self(Request { symbols: vec![Vec::new()], timeseries: Vec::new() })
    }

    fn symbol(&mut self, text: &str) -> u32 {
        let symbols = &mut self.0.symbols;
        let at = symbols.iter().position(|s| s == text.as_bytes()).unwrap_or_else(|| {
            symbols.push(text.as_bytes().to_vec());
            symbols.len() - 1
        });
        u32::try_from(at).expect("few symbols")
    }

    fn refs(&mut self, labels: &[(&str, &str)]) -> Vec<u32> {
        labels.iter().flat_map(|(n, v)| [*n, *v]).map(|text| self.symbol(text)).collect()
    }

    /// Adds a series; what follows adds to it.
    pub(crate) fn series(mut self, labels: &[(&str, &str)]) -> Self {
        let labels_refs = self.refs(labels);
        self.0.timeseries.push(TimeSeries2 { labels_refs, ..TimeSeries2::default() });
        self
    }

    fn last(&mut self) -> &mut TimeSeries2 {
        self.0.timeseries.last_mut().expect("a series")
    }

    pub(crate) fn sample(mut self, timestamp: i64, value: f64, start_timestamp: i64) -> Self {
        self.last().samples.push(Sample2 { value, timestamp, start_timestamp });
        self
    }

    pub(crate) fn histogram(mut self, histogram: Histogram) -> Self {
        self.last().histograms.push(histogram);
        self
    }

    pub(crate) fn exemplar(mut self, trace_id: &str, value: f64, timestamp: i64) -> Self {
        let labels_refs = self.refs(&[("trace_id", trace_id)]);
        self.last().exemplars.push(Exemplar2 { labels_refs, value, timestamp });
        self
    }

    pub(crate) fn metadata(mut self, kind: i32, help: &str, unit: &str) -> Self {
        let (help_ref, unit_ref) = (self.symbol(help), self.symbol(unit));
        self.last().metadata = Some(Metadata2 { kind, help_ref, unit_ref });
        self
    }
}
