//! Prometheus remote write, 1.0 and 2.0: step 1 of a request, and the order of all others.
//!
//! The content type decides the version, the encoding is always snappy's block format. Reading and
//! committing wait, so they are async; decompressing and decoding work, so large bodies do that on
//! a thread for blocking work and leave the threads of the runtime to others.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Response};
use tarn_model::error::{Error, Result};
use tarn_model::limits::{Limit, Limits};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_storage::append::Appender;

use crate::admit::Permit;
use crate::batch::{Batch, BatchContext, Learned, Protocol, RowSink};
use crate::decode::key_cache::KeySpace;
use crate::decode::prometheus::{v1, v2};
use crate::reply::{Problems, Written};
use crate::{Ingest, Inner, body, limits_hit, log_refusal, reply};

/// Decompressed bytes up to which decoding is done in place: at 130 bytes and at most 0.4 µs for a
/// known series this is 0.1 ms; handing over costs some 10 µs.
const INLINE_BYTES_MAX: usize = 32 << 10;

/// The `signal` label of everything here.
const SIGNAL: &str = "metrics";

/// Media type of both versions.
const PROTOBUF: &str = "application/x-protobuf";

/// Answers one write request: `POST /api/v1/write`.
///
/// The reply is sent when the rows are durable and visible. 204: all stored. 400: undecodable, or
/// some rows rejected and the others stored. 413, 415, 429, 503: nothing stored.
pub async fn remote_write(
    ingest: &Ingest,
    tenant: TenantId,
    headers: &HeaderMap,
    body: Body,
) -> Response<Body> {
    let inner = &ingest.inner;
    let protocol = match negotiate(headers) {
        Ok(protocol) => protocol,
        Err(message) => {
            let response = reply::unsupported(message);
            inner.metrics.reply(SIGNAL, "unknown", response.status().as_u16());
            return response;
        }
    };
    let counted = protocol == Protocol::RemoteWrite2;
    let response = match take(inner, protocol, &tenant, headers, body).await {
        Ok((written, problems)) => {
            inner.metrics.rows(SIGNAL, protocol.as_str(), written.rows(), problems.rejected());
            if problems.fail() {
                let rows = problems.failing_rows();
                tracing::debug!(%tenant, rows, "rows of a write request rejected");
            }
            reply::stored(written, &problems, counted)
        }
        Err(error) => {
            log_refusal(inner, &tenant, &error);
            reply::refused(&error, counted, &*inner.rng)
        }
    };
    inner.metrics.reply(SIGNAL, protocol.as_str(), response.status().as_u16());
    response
}

/// Finds the version in the headers, or says what is not supported.
fn negotiate(headers: &HeaderMap) -> Result<Protocol, String> {
    let encoding = header(headers, &CONTENT_ENCODING)?;
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("snappy") {
        return Err(format!("content encoding {encoding:?} is not supported, expected snappy"));
    }
    let content_type = header(headers, &CONTENT_TYPE)?;
    let mut parts = content_type.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    if !media.is_empty() && !media.eq_ignore_ascii_case(PROTOBUF) {
        return Err(format!("content type {media:?} is not supported, expected {PROTOBUF}"));
    }
    let proto = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("proto").then(|| value.trim().trim_matches('"'))
    });
    match proto {
        None | Some("prometheus.WriteRequest") => Ok(Protocol::RemoteWrite1),
        Some("io.prometheus.write.v2.Request") => Ok(Protocol::RemoteWrite2),
        Some(other) => Err(format!(
            "message {other:?} is not supported, expected prometheus.WriteRequest or \
             io.prometheus.write.v2.Request"
        )),
    }
}

/// Returns a header's value, empty where it is missing.
fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, String> {
    let Some(value) = headers.get(name) else { return Ok("") };
    value.to_str().map(str::trim).map_err(|_| format!("header {name} is not text"))
}

/// Takes a request in, from its first byte to the commit.
async fn take(
    inner: &Arc<Inner>,
    protocol: Protocol,
    tenant: &TenantId,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Written, Problems)> {
    let limits = inner.limits.for_tenant(tenant);
    let max = limits.remote_write_bytes_max;
    let counted = |error: &Error| limits_hit(&limits, Limit::RemoteWriteBytes, error);
    let mut permit = inner.admission.permit();
    let compressed = body::read(body, headers, max, &mut permit, &*inner.clock).await;
    let compressed = compressed.inspect_err(counted)?;
    let bytes = body::snappy_len(&compressed, max, &limits).inspect_err(counted)?;
    permit.grow(bytes)?;
    inner.rates.take(tenant, bytes, &limits)?;
    inner.metrics.bytes(SIGNAL, protocol.as_str(), bytes);
    let appender = inner.writer.appender(tenant)?;
    let space = KeySpace::new(inner.memory.seed, tenant, protocol.as_str());
    let work =
        Work { inner: Arc::clone(inner), limits, protocol, space, compressed, bytes, permit };
    let decoded = if bytes <= INLINE_BYTES_MAX {
        work.run(appender)?
    } else {
        tokio::task::spawn_blocking(move || work.run(appender))
            .await
            .map_err(|e| Error::internal("decode a write request").with_source(e))??
    };
    inner.metrics.misses(decoded.misses);
    decoded.appender.commit().await?;
    decoded.learned.keep(&inner.memory);
    let noted = [(decoded.job.unwrap_or_else(|| UNKNOWN_JOB.to_owned()), decoded.written.rows())];
    let now_ms = inner.clock.now().as_millis();
    inner.sources.note(tenant, (Signal::Metrics, false), &noted, now_ms);
    Ok((decoded.written, decoded.problems))
}

/// Name of a sender whose series have no job.
const UNKNOWN_JOB: &str = "unknown";

/// Decompressing and decoding, on whatever thread.
struct Work {
    inner: Arc<Inner>,
    /// Those of the tenant.
    limits: Arc<Limits>,
    protocol: Protocol,
    space: KeySpace,
    compressed: Bytes,
    bytes: usize,
    permit: Permit,
}

/// A request whose rows wait for the commit.
struct Decoded {
    appender: Appender,
    learned: Learned,
    written: Written,
    problems: Problems,
    misses: u64,
    job: Option<String>,
    /// Held until the rows have left the appender.
    _permit: Permit,
}

impl Work {
    fn run(self, appender: Appender) -> Result<Decoded> {
        let Self { inner, limits, protocol, space, compressed, bytes, mut permit } = self;
        let body = body::snappy(&compressed, bytes)?;
        permit.shrink(compressed.len());
        drop(compressed);
        let context = BatchContext {
            limits: &limits,
            memory: &inner.memory,
            permit: &mut permit,
            space,
            protocol,
            now: inner.clock.monotonic(),
        };
        let mut batch = Batch::new(appender, context);
        decode(&body, protocol, &mut batch)?;
        let Batch { sink: appender, learned, written, problems, misses, job, .. } = batch;
        Ok(Decoded { appender, learned, written, problems, misses, job, _permit: permit })
    }
}

/// Decodes a body of either version.
pub(crate) fn decode<S: RowSink>(
    body: &[u8],
    protocol: Protocol,
    batch: &mut Batch<'_, S>,
) -> Result<()> {
    match protocol {
        Protocol::RemoteWrite2 => v2::decode(body, batch),
        Protocol::RemoteWrite1 | Protocol::Otlp | Protocol::Own => v1::decode(body, batch),
    }
    .map_err(|e| e.context("decode remote write request"))
}

#[cfg(test)]
mod tests;
