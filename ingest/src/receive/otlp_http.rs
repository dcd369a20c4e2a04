//! OTLP over HTTP: the content type decides between protobuf and JSON, and the answer comes in the
//! form of the request.

use std::sync::Arc;

use axum::body::Body;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;
use tarn_model::error::{Direction, Error, Result};
use tarn_model::limits::Limit;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use super::otlp::{self, Door, Format, Request};
use crate::body::{self, Encoding};
use crate::reply::otlp::{Code, Outcome, Status};
use crate::{Ingest, Inner, limits_hit, log_refusal};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// Answers one export: `POST /v1/{logs,traces,metrics}`.
///
/// The reply is sent when the rows are durable and visible. 200: stored, but for the rows that
/// `partial_success` counts. 400: undecodable. 413, 415, 429, 503: nothing stored.
pub async fn otlp_http(
    ingest: &Ingest,
    signal: Signal,
    tenant: Result<TenantId>,
    headers: &HeaderMap,
    body: Body,
) -> Response<Body> {
    let inner = &ingest.inner;
    let (format, negotiated) = negotiate(headers);
    let response = match negotiated {
        Err(message) => {
            let status = Status::new(Code::UNIMPLEMENTED, message);
            refuse(format, StatusCode::UNSUPPORTED_MEDIA_TYPE, &status)
        }
        Ok(encoding) => match take(inner, signal, format, encoding, tenant, headers, body).await {
            Ok(outcome) => stored(format, signal, &outcome),
            Err(error) => failed(inner, format, &error),
        },
    };
    inner.metrics.reply(signal.as_str(), Door::Http.as_str(), response.status().as_u16());
    response
}

async fn take(
    inner: &Arc<Inner>,
    signal: Signal,
    format: Format,
    encoding: Encoding,
    tenant: Result<TenantId>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Outcome> {
    let tenant = tenant?;
    let refused = |error: &Error| log_refusal(inner, &tenant, error);
    let mut permit = otlp::begin(inner).inspect_err(refused)?;
    let limits = inner.limits.for_tenant(&tenant);
    let max = limits.otlp_bytes_max;
    let body = body::read(body, headers, max, &mut permit, &*inner.clock).await;
    let counted = |error: &Error| limits_hit(&limits, Limit::OtlpBytes, error);
    let body = body.inspect_err(counted).inspect_err(refused)?;
    let door = Door::Http;
    let request = Request { door, signal, format, encoding, tenant, limits, body, permit };
    otlp::take(inner, request).await
}

/// Finds the form in the headers, which the answer takes also when the rest is not supported.
fn negotiate(headers: &HeaderMap) -> (Format, Result<Encoding, String>) {
    let kind = header(headers, &CONTENT_TYPE);
    let media = kind.split(';').next().unwrap_or_default().trim();
    let format = if media.eq_ignore_ascii_case(PROTOBUF) {
        Format::Protobuf
    } else if media.eq_ignore_ascii_case(JSON) {
        Format::Json
    } else {
        let message =
            format!("content type {media:?} is not supported, expected {PROTOBUF} or {JSON}");
        return (Format::Json, Err(message));
    };
    let name = header(headers, &CONTENT_ENCODING);
    let encoding = Encoding::parse(name).ok_or_else(|| {
        format!("content encoding {name:?} is not supported, expected gzip, zstd or deflate")
    });
    (format, encoding)
}

/// Returns a header's value, empty where it is missing.
fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> &'h str {
    headers.get(name).map_or("", |value| value.to_str().unwrap_or("?")).trim()
}

fn stored(format: Format, signal: Signal, outcome: &Outcome) -> Response<Body> {
    match format {
        Format::Protobuf => with_body(StatusCode::OK, PROTOBUF, outcome.to_wire()),
        Format::Json => with_json(StatusCode::OK, &outcome.to_json(otlp::rows(signal))),
    }
}

fn failed(inner: &Inner, format: Format, error: &Error) -> Response<Body> {
    let http = error.reply(Direction::Write).http;
    let code = StatusCode::from_u16(http).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    refuse(format, code, &Status::of(error, &*inner.rng))
}

fn refuse(format: Format, code: StatusCode, status: &Status) -> Response<Body> {
    let mut response = match format {
        Format::Protobuf => with_body(code, PROTOBUF, status.to_wire()),
        Format::Json => with_json(code, &status.to_json()),
    };
    if let Some(after) = status.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs()));
    }
    response
}

fn with_json(code: StatusCode, json: &Value) -> Response<Body> {
    with_body(code, JSON, json.to_string().into_bytes())
}

fn with_body(code: StatusCode, kind: &'static str, bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(kind: Option<&'static str>, encoding: Option<&'static str>) -> HeaderMap {
        let pairs = [(CONTENT_TYPE, kind), (CONTENT_ENCODING, encoding)];
        let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
        pairs.map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn form_and_encoding_follow_from_the_headers() {
        for (kind, encoding, expected) in [
            (PROTOBUF, None, (Format::Protobuf, Encoding::Identity)),
            (
                "Application/X-Protobuf; charset=utf-8",
                Some("GZIP"),
                (Format::Protobuf, Encoding::Gzip),
            ),
            ("application/json;charset=utf-8", Some("zstd"), (Format::Json, Encoding::Zstd)),
            (JSON, Some("deflate"), (Format::Json, Encoding::Deflate)),
            (JSON, Some("identity"), (Format::Json, Encoding::Identity)),
        ] {
            let (format, encoding) = negotiate(&headers(Some(kind), encoding));
            assert_eq!((format, encoding.expect(kind)), expected, "{kind}");
        }
    }

    #[test]
    fn other_types_and_encodings_are_named() {
        for (kind, encoding, format, message) in [
            (None, None, Format::Json, "content type \"\" is not supported"),
            (Some("text/plain"), None, Format::Json, "content type \"text/plain\" is not"),
            (Some("application/grpc"), None, Format::Json, "content type \"application/grpc\""),
            (Some(PROTOBUF), Some("br"), Format::Protobuf, "content encoding \"br\" is not"),
            (Some(JSON), Some("gzip, gzip"), Format::Json, "content encoding \"gzip, gzip\""),
        ] {
            let (found, text) = negotiate(&headers(kind, encoding));
            let text = text.expect_err(message);
            assert!(found == format && text.starts_with(message), "{found:?}: {text}");
        }
    }
}
