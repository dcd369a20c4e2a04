//! OTLP behind both of its doors: what happens to a body that was read.
//!
//! Decompress, look whether it is a resend, decode, append, answer. A request that came in whole is
//! taken to its end also when its sender leaves: the sender will send it again, and must then find
//! it stored or not stored, not on its way (IDM-1).

use std::sync::Arc;

use bytes::Bytes;
use tarn_model::error::{Error, Result};
use tarn_model::limits::{Limit, Limits};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_storage::wal::ReplyCounts;
use tokio::sync::oneshot;

use self::decode::{Decoded, Rows, decode};
use crate::admit::Permit;
use crate::body::{self, Encoding};
use crate::decode::otlp::Report;
use crate::idempotency::{Turn, request_hash};
use crate::reply::otlp::Outcome;
use crate::{Inner, limits_hit, log_refusal};

mod decode;

/// Compressed bytes up to which a body is decompressed and decoded in place: compressed 10 : 1 this
/// is 0.1 ms of work; handing over costs some 10 µs.
const INLINE_BYTES_MAX: usize = 8 << 10;

/// All signals.
pub const SIGNALS: [Signal; 3] = [Signal::Logs, Signal::Traces, Signal::Metrics];

/// Returns the name of a signal's service in gRPC.
pub fn service(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "opentelemetry.proto.collector.logs.v1.LogsService",
        Signal::Traces => "opentelemetry.proto.collector.trace.v1.TraceService",
        Signal::Metrics => "opentelemetry.proto.collector.metrics.v1.MetricsService",
    }
}

/// Returns the path of a signal, by which requests of different signals are told apart.
fn route(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "/v1/logs",
        Signal::Traces => "/v1/traces",
        Signal::Metrics => "/v1/metrics",
    }
}

/// Returns what OTLP calls the rows of a signal where it counts those that were rejected.
pub(crate) fn rows(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "LogRecords",
        Signal::Traces => "Spans",
        Signal::Metrics => "DataPoints",
    }
}

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Http,
    Grpc,
}

impl Door {
    /// Returns the value of the `protocol` label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "otlp_http",
            Self::Grpc => "otlp_grpc",
        }
    }
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Protobuf,
    Json,
}

/// A request that came in whole.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) door: Door,
    pub(crate) signal: Signal,
    pub(crate) format: Format,
    pub(crate) encoding: Encoding,
    pub(crate) tenant: TenantId,
    /// Those of the tenant.
    pub(crate) limits: Arc<Limits>,
    /// Compressed as `encoding` says.
    pub(crate) body: Bytes,
    /// Holds the body, and grows with what is made of it.
    pub(crate) permit: Permit,
}

/// Begins a request: nothing is read while nothing could be stored.
///
/// # Errors
/// `Unavailable` while storage takes no writes.
pub(crate) fn begin(inner: &Inner) -> Result<Permit> {
    inner.writer.ready()?;
    Ok(inner.admission.permit())
}

/// Takes a request to its end.
///
/// # Errors
/// `Invalid` where it is undecodable, `LimitExceeded` and `Unavailable` as the limits and storage
/// say; nothing is stored then.
pub(crate) async fn take(inner: &Arc<Inner>, request: Request) -> Result<Outcome> {
    let tenant = request.tenant.clone();
    let (sender, done) = oneshot::channel();
    let work = store(Arc::clone(inner), request);
    // Where the sender has left, nobody is told.
    inner.tasks.spawn("export", Box::pin(async move { drop(sender.send(work.await)) }));
    let done = done.await.unwrap_or_else(|e| Err(bug(e)));
    if let Err(error) = &done {
        log_refusal(inner, &tenant, error);
    }
    done
}

/// The work ended without a result: a panic, or the stop.
fn bug(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("take an export").with_source(error)
}

async fn store(inner: Arc<Inner>, request: Request) -> Result<Outcome> {
    let large = request.body.len() > INLINE_BYTES_MAX;
    let (inner, request) = on_thread(large, move || {
        let request = unpack(&inner, request)?;
        Ok((inner, request))
    })
    .await?;
    let Request { door, signal, ref tenant, ref body, .. } = request;
    inner.metrics.bytes(signal.as_str(), door.as_str(), body.len());
    let hash = request_hash(tenant, route(signal), body);
    let stored = |hash| inner.writer.stored(hash);
    let turn = match inner.inflight.turn(hash, stored).await {
        Turn::Stored(counts) => {
            inner.metrics.duplicate(signal.as_str(), door.as_str());
            return Ok(again(counts));
        }
        Turn::Mine(turn) => turn,
    };
    let large = body.len() > INLINE_BYTES_MAX;
    let (inner, decoded) = on_thread(large, move || {
        let decoded = decode(&inner, request, hash)?;
        Ok((inner, decoded))
    })
    .await?;
    let outcome = commit(&inner, signal, door, decoded).await;
    drop(turn);
    outcome
}

/// Decompresses the body of a request, and takes it from the rate of its tenant.
fn unpack(inner: &Inner, request: Request) -> Result<Request> {
    let Request { encoding, ref tenant, ref limits, body, mut permit, .. } = request;
    let body = body::decompress(body, encoding, limits.otlp_bytes_max, limits, &mut permit)
        .inspect_err(|error| limits_hit(limits, Limit::OtlpBytes, error))?;
    inner.rates.take(tenant, body.len(), limits)?;
    Ok(Request { encoding: Encoding::Identity, body, permit, ..request })
}

/// Runs work on a thread for it where there is much, else at once.
async fn on_thread<T: Send + 'static>(
    large: bool,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if !large {
        return work();
    }
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(bug(e)))
}

/// Makes what was decoded durable and visible.
async fn commit(inner: &Inner, signal: Signal, door: Door, decoded: Decoded) -> Result<Outcome> {
    let Decoded { rows, mut report, tenant, unknown, .. } = decoded;
    match rows {
        Rows::Encoded(rows) => {
            rows.commit().await?;
        }
        Rows::Samples(appender, learned) => {
            appender.commit().await?;
            learned.keep(&inner.memory);
        }
    }
    let now_ms = inner.clock.now().as_millis();
    inner.sources.note(&tenant, (signal, false), &report.take_sources(), now_ms);
    let (signal, rejected) = (signal.as_str(), report.problems.rejected());
    inner.metrics.rows(signal, door.as_str(), report.accepted, rejected);
    inner.metrics.mended(signal, report.truncated, report.repaired);
    if report.rejected > 0 {
        tracing::debug!(signal, rows = report.rejected, "rows of an export rejected");
    }
    Ok(outcome(&report, &unknown))
}

/// Tells what was rejected, and which names in JSON nobody knows.
fn outcome(report: &Report, unknown: &[String]) -> Outcome {
    let mut message = match report.rejected {
        0 => String::new(),
        _ => report.problems.text(report.accepted),
    };
    if !unknown.is_empty() {
        let line = if message.is_empty() { "" } else { "\n" };
        message.push_str(&format!("{line}unknown fields were left out: {}", unknown.join(", ")));
    }
    Outcome { rejected: report.rejected, message }
}

/// Answers a request that was stored before as it was answered then, but for the details.
fn again(counts: ReplyCounts) -> Outcome {
    let rejected = u64::from(counts.rejected);
    let message = match rejected {
        0 => String::new(),
        _ => format!("{rejected} rows rejected when the same request was stored before"),
    };
    Outcome { rejected, message }
}
