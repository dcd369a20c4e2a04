//! OTLP over gRPC: one message, one answer, the status in trailers.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, Response};
use tarn_model::error::{Error, Result};
use tarn_model::limits::Limit;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use super::grpc;
use super::otlp::{self, Door, Format, Request};
use crate::reply::otlp::{Code, Outcome, Status};
use crate::{Ingest, Inner, log_refusal};

/// Answers one call of `Export`.
///
/// The reply is sent when the rows are durable and visible. OK: stored, but for the rows that
/// `partial_success` counts. Any other status: nothing stored.
pub async fn otlp_grpc(
    ingest: &Ingest,
    signal: Signal,
    tenant: Result<TenantId>,
    headers: &HeaderMap,
    body: Body,
) -> Response<Body> {
    let inner = &ingest.inner;
    let (code, response) = match take(inner, signal, tenant, headers, body).await {
        Ok(outcome) => (Code::OK, grpc::answer(&outcome.to_wire())),
        Err(status) => (status.code, grpc::refuse(&status)),
    };
    let code = u16::try_from(code.0).unwrap_or(u16::MAX);
    inner.metrics.reply(signal.as_str(), Door::Grpc.as_str(), code);
    response
}

async fn take(
    inner: &Arc<Inner>,
    signal: Signal,
    tenant: Result<TenantId>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Outcome, Status> {
    let failed = |error| Status::of(&error, &*inner.rng);
    let tenant = tenant.map_err(failed)?;
    let refused = |error: &Error| log_refusal(inner, &tenant, error);
    let mut permit = otlp::begin(inner).inspect_err(refused).map_err(failed)?;
    let limits = inner.limits.for_tenant(&tenant);
    let max = limits.otlp_bytes_max;
    let message =
        grpc::read(inner, headers, body, max, &mut permit).await.inspect_err(|status| {
            if status.code == Code::RESOURCE_EXHAUSTED && status.retry_after.is_none() {
                limits.hit(Limit::OtlpBytes);
            }
        })?;
    let (body, encoding) = (message.bytes, message.encoding);
    let (door, format) = (Door::Grpc, Format::Protobuf);
    let request = Request { door, signal, format, encoding, tenant, limits, body, permit };
    otlp::take(inner, request).await.map_err(failed)
}
