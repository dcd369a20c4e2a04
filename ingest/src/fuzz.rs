//! The decoders as plain functions of bytes, for fuzzing and for comparison with an oracle.
//!
//! Each takes arbitrary bytes and must return, whatever they are. What a body decodes to is
//! [`Recorded`]: rows with their labels, in the order they were pushed, so that a test can compare
//! it with what another decoder makes of the same bytes.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use tarn_model::error::Error;
use tarn_model::labels::LabelSet;
use tarn_model::limits::Limits;
use tarn_model::sample::{Exemplar, Histogram, Metadata};
use tarn_model::tenant::TenantId;
use tarn_model::time::{Clock, Sleep, UnixNanos};
use tarn_model::units::ByteSize;
use tarn_storage::append::{Rejection, SeriesRef};

use crate::OtlpMetrics;
use crate::admit::Admission;
use crate::batch::{Batch, BatchContext, Float, Memory, Protocol, RowSink};
use crate::body;
use crate::decode::key_cache::{KeyCache, KeySpace};
use crate::decode::otlp::{Report, metrics};
use crate::receive::remote_write::decode;
use crate::reply::Written;

pub mod otlp;

/// Decodes a body twice: with every series new, then with every series known.
///
/// # Panics
/// Where that makes a difference.
pub fn remote_write(version: Version, bytes: &[u8]) {
    let decoder = Decoder::new(Limits::default());
    let (new, known) = (decoder.plain(version, bytes), decoder.plain(version, bytes));
    let told = |result: &Result<Recorded, Error>| match result {
        // Metadata that was stored is not stored again.
        Ok(r) => format!("{:?} {:?} {:?}", r.rows, r.rejected, r.problems),
        Err(error) => error.message(),
    };
    assert_eq!(told(&new), told(&known));
}

/// Decodes OTLP metrics twice: with every series new, then with every series known; as classic and
/// as native histograms.
///
/// # Panics
/// Where that makes a difference.
pub fn otlp_metrics(bytes: &[u8]) {
    for native_histograms in [false, true] {
        let decoder = Decoder::new(Limits::default());
        let options = OtlpMetrics { native_histograms, ..OtlpMetrics::default() };
        let [new, known] = [(); 2].map(|()| decoder.otlp_metrics(&options, bytes));
        let told = |result: &Result<Recorded, Error>| match result {
            Ok(r) => format!("{:?} {:?} {:?} {:?}", r.rows, r.rejected, r.problems, r.points),
            Err(error) => error.message(),
        };
        assert_eq!(told(&new), told(&known));
    }
}

/// Decompresses and decodes a body.
pub fn snappy(version: Version, bytes: &[u8]) {
    let limits = Limits { memory_budget: ByteSize::mib(64), ..Limits::default() };
    // Any verdict will do.
    drop(Decoder::new(limits).compressed(version, bytes));
}

/// Decompresses a body in each encoding that a header can name.
pub fn compressed(bytes: &[u8]) {
    let limits = Limits { memory_budget: ByteSize::mib(64), ..Limits::default() };
    for name in ["identity", "gzip", "deflate", "zstd"] {
        let Some(encoding) = body::Encoding::parse(name) else { continue };
        let clock = Arc::new(HandClock::default());
        let mut permit = Admission::within(&limits, clock, Gauge::default()).permit();
        let bytes = bytes::Bytes::copy_from_slice(bytes);
        // Any verdict will do.
        drop(body::decompress(bytes, encoding, ByteSize::mib(4), &limits, &mut permit));
    }
}

/// Version of remote write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 1.0, `prometheus.WriteRequest`.
    One,
    /// 2.0, `io.prometheus.write.v2.Request`.
    Two,
}

/// What a body decoded to.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Series in the order of first sight.
    pub series: Vec<LabelSet>,
    /// Rows with the position of their series.
    pub rows: Vec<(usize, Row)>,
    /// Metadata of families.
    pub families: Vec<(String, Metadata)>,
    /// Rows taken.
    pub written: Written,
    /// Rejected rows by reason.
    pub rejected: Vec<(&'static str, u64)>,
    /// The text for the sender, where the request fails.
    pub problems: Option<String>,
    /// Data points of OTLP that were accepted and rejected.
    pub points: (u64, u64),
}

/// One row. Values as bits, because NaNs differ.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// A float sample.
    Float {
        /// Time.
        time_ms: i64,
        /// Bits of the value.
        bits: u64,
        /// Start, 0 where unknown.
        start_ms: i64,
    },
    /// A native histogram sample.
    Histogram {
        /// Time.
        time_ms: i64,
        /// The histogram.
        value: Arc<Histogram>,
        /// Start, 0 where unknown.
        start_ms: i64,
    },
    /// An exemplar.
    Exemplar(Exemplar),
}

/// Decodes bodies as one process would, one after the other: what the first taught the key cache
/// holds for the second.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    memory: Memory,
    admission: Arc<Admission>,
    tenant: TenantId,
    series: Mutex<Vec<LabelSet>>,
}

impl Decoder {
    /// Makes a decoder with these limits.
    pub fn new(limits: Limits) -> Self {
        let inflight = limits.memory_share(limits.inflight_memory_percent);
        Self {
            limits,
            memory: Memory {
                seed: 1,
                series: KeyCache::new(1 << 20),
                families: KeyCache::new(1 << 20),
            },
            admission: Admission::new(inflight, Arc::new(HandClock::default()), Gauge::default()),
            tenant: TenantId::default_tenant(),
            series: Mutex::new(Vec::new()),
        }
    }

    /// Decodes a body as it comes in, compressed.
    ///
    /// # Errors
    /// `Invalid` where it is undecodable.
    pub fn compressed(&self, version: Version, bytes: &[u8]) -> Result<Recorded, Error> {
        let max = self.limits.remote_write_bytes_max;
        let len = body::snappy_len(bytes, max, &self.limits)?;
        self.plain(version, &body::snappy(bytes, len)?)
    }

    /// Decodes a body that is decompressed.
    ///
    /// # Errors
    /// `Invalid` where it is undecodable; as [`crate::admit::Permit::grow`] where it would take more
    /// memory than there is.
    pub fn plain(&self, version: Version, bytes: &[u8]) -> Result<Recorded, Error> {
        let protocol = match version {
            Version::One => Protocol::RemoteWrite1,
            Version::Two => Protocol::RemoteWrite2,
        };
        self.record(protocol, |batch| decode(bytes, protocol, batch))
    }

    /// Decodes an `ExportMetricsServiceRequest`.
    ///
    /// # Errors
    /// As [`Decoder::plain`].
    pub fn otlp_metrics(&self, options: &OtlpMetrics, bytes: &[u8]) -> Result<Recorded, Error> {
        let mut report = Report::default();
        let mut recorded = self.record(Protocol::Otlp, |batch| {
            report = metrics::decode(bytes, options, batch)?;
            Ok(())
        })?;
        let problems = &report.problems;
        recorded.rejected = problems.rejected().to_vec();
        recorded.problems = problems.fail().then(|| problems.text(report.accepted));
        recorded.points = (report.accepted, report.rejected);
        Ok(recorded)
    }

    fn record(
        &self,
        protocol: Protocol,
        decode: impl FnOnce(&mut Batch<'_, Recorder<'_>>) -> Result<(), Error>,
    ) -> Result<Recorded, Error> {
        let mut permit = self.admission.permit();
        let context = BatchContext {
            limits: &self.limits,
            memory: &self.memory,
            permit: &mut permit,
            space: KeySpace::new(self.memory.seed, &self.tenant, protocol.as_str()),
            protocol,
            now: Duration::ZERO,
        };
        let mut series = self.series.lock();
        let recorder = Recorder { series: &mut series, recorded: Recorded::default() };
        let mut batch = Batch::new(recorder, context);
        decode(&mut batch)?;
        let mut recorded = std::mem::take(&mut batch.sink.recorded);
        recorded.series.clone_from(batch.sink.series);
        recorded.written = batch.written;
        recorded.rejected = batch.problems.rejected().to_vec();
        recorded.problems =
            batch.problems.fail().then(|| batch.problems.text(batch.written.rows()));
        batch.learned.keep(&self.memory);
        Ok(recorded)
    }
}

/// A sink that writes down what it is given.
struct Recorder<'a> {
    series: &'a mut Vec<LabelSet>,
    recorded: Recorded,
}

impl Recorder<'_> {
    fn row(&mut self, series: SeriesRef, row: Row) -> Result<(), Rejection> {
        self.recorded.rows.push((series.index as usize, row));
        Ok(())
    }
}

impl RowSink for Recorder<'_> {
    fn series(&mut self, labels: &LabelSet) -> Result<SeriesRef, Rejection> {
        let known = self.series.iter().position(|l| l == labels);
        let index = known.unwrap_or_else(|| {
            self.series.push(labels.clone());
            self.series.len() - 1
        });
        Ok(SeriesRef { index: u32::try_from(index).unwrap_or(u32::MAX), epoch: 0 })
    }

    fn float(&mut self, series: SeriesRef, row: Float) -> Result<(), Rejection> {
        let Float { time_ms, value, start_ms } = row;
        self.row(series, Row::Float { time_ms, bits: value.to_bits(), start_ms })
    }

    fn histogram(
        &mut self,
        series: SeriesRef,
        time_ms: i64,
        value: Arc<Histogram>,
        start_ms: i64,
    ) -> Result<(), Rejection> {
        self.row(series, Row::Histogram { time_ms, value, start_ms })
    }

    fn exemplar(&mut self, series: SeriesRef, exemplar: Exemplar) -> Result<(), Rejection> {
        self.row(series, Row::Exemplar(exemplar))
    }

    fn metadata(&mut self, family: &str, metadata: &Metadata) {
        self.recorded.families.push((family.to_owned(), metadata.clone()));
    }
}

/// A clock that moves by hand; decoders ask it for nothing but a coarse now.
#[derive(Debug, Default)]
pub(crate) struct HandClock {
    now: Mutex<Duration>,
    impatient: std::sync::atomic::AtomicBool,
}

#[cfg(test)]
impl HandClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.now.lock() += by;
    }

    pub(crate) fn sleeps_end_at_once(&self) {
        self.impatient.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> UnixNanos {
        UnixNanos(0)
    }

    fn monotonic(&self) -> Duration {
        *self.now.lock()
    }

    fn sleep(&self, _: Duration) -> Sleep {
        if self.impatient.load(std::sync::atomic::Ordering::Relaxed) {
            return Box::pin(std::future::ready(()));
        }
        Box::pin(std::future::pending())
    }
}
