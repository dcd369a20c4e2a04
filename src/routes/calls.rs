//! The bridges to OTLP, over HTTP and over gRPC, and what is answered to calls that miss.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Version};
use tarn_ingest::receive::grpc::{self, is_grpc};
use tarn_ingest::receive::otlp::{SIGNALS, service};
use tarn_ingest::receive::otlp_grpc::otlp_grpc as receive_grpc;
use tarn_ingest::receive::otlp_http::otlp_http as receive_http;
use tarn_model::error::Result;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use crate::app::App;
use crate::clock::SystemRng;
use crate::listen::Port;
use crate::listen::guard::{HttpMetrics, OnPanic, is_call};

/// OTLP over HTTP. Without a tenant the answer says why.
pub(super) async fn otlp_http(
    app: &App,
    signal: Signal,
    tenant: Result<TenantId>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    receive_http(&app.ingest, signal, tenant, &parts.headers, body).await
}

/// OTLP over gRPC. Without a tenant the answer says why.
pub(super) async fn otlp_grpc(
    app: &App,
    signal: Signal,
    tenant: Result<TenantId>,
    request: Request,
) -> Response {
    if !is_call(&request) {
        return no_call(app.config.listen.otlp_http.is_some(), &request);
    }
    let (parts, body) = request.into_parts();
    receive_grpc(&app.ingest, signal, tenant, &parts.headers, body).await
}

/// `grpc.health.v1.Health/Check`.
pub(super) async fn health(app: &App, request: Request) -> Response {
    if !is_call(&request) {
        return no_call(app.config.listen.otlp_http.is_some(), &request);
    }
    let serving = app.readiness().ingest.is_none();
    let services = SIGNALS.map(service);
    let (parts, body) = request.into_parts();
    grpc::health(&app.ingest, serving, &services, &parts.headers, body).await
}

/// What stands on no route of the port for gRPC: another method, or another protocol.
pub(super) async fn unknown(port: Port, request: Request) -> Response {
    std::future::ready(if is_call(&request) {
        grpc::unknown_method(request.uri().path())
    } else {
        no_call(port == Port::OtlpGrpc, &request)
    })
    .await
}

/// Answers who came to gRPC with something else; most mean OTLP over HTTP.
fn no_call(own_port: bool, request: &Request) -> Response {
    if is_grpc(request.headers()) && request.version() != Version::HTTP_2 {
        let text = "gRPC needs HTTP/2\n";
        return (StatusCode::HTTP_VERSION_NOT_SUPPORTED, text).into_response();
    }
    let place = if own_port { "listen.otlp_http (by default port 4318)" } else { "/v1/…" };
    let text = format!("this is gRPC; OTLP over HTTP is taken at {place}\n");
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response()
}

/// Makes the panic handler of the port for gRPC: the sender comes again, nothing was stored.
pub(super) fn on_panic(metrics: HttpMetrics) -> OnPanic {
    let rng = SystemRng::new();
    OnPanic(metrics, Arc::new(move || grpc::bug(&rng)))
}
