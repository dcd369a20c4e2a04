//! gRPC for calls of one message and one answer, over whatever serves HTTP/2.
//!
//! A message is five bytes (whether it is compressed, and its length) and its bytes; the status
//! follows in trailers, or, where there is no answer, stands in the head. Doing this ourselves keeps
//! what every other door keeps: the length is checked and memory admitted before anything is
//! buffered, and decompression is capped.

use std::fmt;
use std::future::ready;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tarn_model::error::Error;
use tarn_model::rng::Rng;
use tarn_model::units::ByteSize;

use crate::admit::Permit;
use crate::body::{Buffer, Encoding, Pieces};
use crate::reply::cut;
use crate::reply::otlp::{Code, Status};
use crate::{Ingest, Inner};

/// Bytes in front of a message.
pub(crate) const HEAD_BYTES: usize = 5;
/// A question about health names one service.
const HEALTH_BYTES_MAX: ByteSize = ByteSize::kib(4);
/// Bytes of a message for people: three times as many when encoded, and clients take 8 KiB of
/// headers.
const MESSAGE_BYTES_MAX: usize = 1024;

const APPLICATION_GRPC: &str = "application/grpc";
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// What messages may be compressed with.
const ENCODINGS: &str = "identity,gzip,zstd,deflate";

/// Returns whether a request is a call, by its content type.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let Some(rest) = kind.strip_prefix(APPLICATION_GRPC) else { return false };
    matches!(rest.as_bytes().first(), None | Some(b';' | b'+' | b' '))
}

/// Answers a call of a method that is not there.
pub fn unknown_method(path: &str) -> Response<Body> {
    refuse(&Status::new(Code::UNIMPLEMENTED, format!("method {path} is not known")))
}

/// Answers a call that hit a bug before anything was stored: the sender should come again.
pub fn bug(rng: &dyn Rng) -> Response<Body> {
    refuse(&Status::of(&Error::internal("the request hit a bug, see the log"), rng))
}

/// Refuses a call whose tenant is unknown or that may not be made.
pub fn refused(error: &Error, rng: &dyn Rng) -> Response<Body> {
    refuse(&Status::of(error, rng))
}

/// Answers `grpc.health.v1.Health/Check`: for the whole server, and for the services that are here.
pub async fn health(
    ingest: &Ingest,
    serving: bool,
    services: &[&str],
    headers: &HeaderMap,
    body: Body,
) -> Response<Body> {
    let inner = &ingest.inner;
    let mut permit = inner.admission.permit();
    let message = match read(inner, headers, body, HEALTH_BYTES_MAX, &mut permit).await {
        Ok(message) => message,
        Err(status) => return refuse(&status),
    };
    let limits = &inner.limits;
    let Message { bytes, encoding } = message;
    let max = HEALTH_BYTES_MAX;
    let bytes = match crate::body::decompress(bytes, encoding, max, limits, &mut permit) {
        Ok(bytes) => bytes,
        Err(e) => return refuse(&Status::of(&e, &*inner.rng)),
    };
    // HealthCheckRequest { string service = 1 }, short enough for a length of one byte.
    let service = match &*bytes {
        [] => Some(""),
        [0x0a, len, service @ ..] if service.len() == usize::from(*len) => {
            std::str::from_utf8(service).ok()
        }
        _ => None,
    };
    match service {
        Some(name) if name.is_empty() || services.contains(&name) => {
            // HealthCheckResponse { ServingStatus status = 1 }: 1 serving, 2 not.
            answer(&[0x08, if serving { 1 } else { 2 }])
        }
        _ => refuse(&Status::new(Code::NOT_FOUND, "service is not known")),
    }
}

/// A message as it was sent.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) bytes: Bytes,
    pub(crate) encoding: Encoding,
}

/// Reads the one message of a call, of at most `max` bytes.
pub(crate) async fn read(
    inner: &Inner,
    headers: &HeaderMap,
    body: Body,
    max: ByteSize,
    permit: &mut Permit,
) -> Result<Message, Status> {
    let encoding = encoding(headers)?;
    let failed = |e: Error| Status::of(&e, &*inner.rng);
    let mut pieces = Pieces::new(body, &*inner.clock);
    let mut rest = Bytes::new();
    let mut head = Vec::with_capacity(HEAD_BYTES);
    while head.len() < HEAD_BYTES {
        let Some(piece) = pieces.next().await.map_err(failed)? else {
            return Err(broken(format_args!(
                "message ends after {} bytes of its head",
                head.len()
            )));
        };
        rest = piece;
        head.extend_from_slice(&rest.split_to(rest.len().min(HEAD_BYTES - head.len())));
    }
    let (compressed, len) = parse_head(&head)?;
    if len as u64 > max.0 {
        let message = format!("message is {len} bytes, limit is {max}");
        return Err(Status::new(Code::RESOURCE_EXHAUSTED, message));
    }
    let mut buffer = Buffer::default();
    buffer.expect(len, permit).map_err(failed)?;
    loop {
        if buffer.bytes.len() + rest.len() > len {
            return Err(broken(format_args!("more than one message of {len} bytes came")));
        }
        buffer.push(&rest, permit).map_err(failed)?;
        match pieces.next().await.map_err(failed)? {
            Some(piece) => rest = piece,
            None if buffer.bytes.len() < len => {
                let got = buffer.bytes.len();
                return Err(broken(format_args!("message of {len} bytes ends after {got}")));
            }
            None => break,
        }
    }
    let encoding = match (compressed, encoding) {
        (false, _) => Encoding::Identity,
        (true, Encoding::Identity) => {
            return Err(broken(format_args!("message is compressed, grpc-encoding is missing")));
        }
        (true, encoding) => encoding,
    };
    Ok(Message { bytes: buffer.bytes.into(), encoding })
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Status> {
    let name = headers.get(ENCODING).map_or(Ok(""), |v| v.to_str()).unwrap_or("?");
    Encoding::parse(name).ok_or_else(|| {
        let message = format!("grpc-encoding {name:?} is not supported, expected {ENCODINGS}");
        Status::new(Code::UNIMPLEMENTED, message)
    })
}

/// Returns whether a message is compressed, and its length.
fn parse_head(head: &[u8]) -> Result<(bool, usize), Status> {
    match *head {
        [flag @ (0 | 1), a, b, c, d] => Ok((flag == 1, u32::from_be_bytes([a, b, c, d]) as usize)),
        _ => Err(broken(format_args!("message begins with {head:?}, expected 0 or 1"))),
    }
}

/// The frames are not gRPC: a bug of the client, which must not send the same again.
fn broken(what: fmt::Arguments<'_>) -> Status {
    Status::new(Code::INTERNAL, what.to_string())
}

/// Answers a call with a message.
pub(crate) fn answer(message: &[u8]) -> Response<Body> {
    let mut frame = Vec::with_capacity(HEAD_BYTES + message.len());
    frame.push(0);
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend_from_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, HeaderValue::from(Code::OK.0));
    let body = Full::new(Bytes::from(frame)).with_trailers(ready(Some(Ok(trailers))));
    with_head(Body::new(body))
}

/// Answers a call with a status alone.
pub(crate) fn refuse(status: &Status) -> Response<Body> {
    let mut response = with_head(Body::empty());
    let headers = response.headers_mut();
    headers.insert(STATUS, HeaderValue::from(status.code.0));
    let mut short = Status { message: status.message.clone(), ..*status };
    cut(&mut short.message, MESSAGE_BYTES_MAX);
    if let Ok(text) = HeaderValue::from_str(&percent_encode(&short.message)) {
        headers.insert(MESSAGE, text);
    }
    if short.retry_after.is_some()
        && let Ok(details) = HeaderValue::from_str(&base64(&short.to_wire()))
    {
        headers.insert(DETAILS, details);
    }
    response
}

fn with_head(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(APPLICATION_GRPC));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(ENCODINGS));
    response
}

/// Encodes a message for people as gRPC asks: printable ASCII stands for itself.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | ..b' ' | 0x7f.. => encoded.push_str(&format!("%{byte:02X}")),
            _ => encoded.push(char::from(byte)),
        }
    }
    encoded
}

/// Encodes bytes for a header whose name ends in `-bin`: base64 without padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|at| u32::from(three.get(at).copied().unwrap_or(0)));
        let bits = a << 16 | b << 8 | c;
        for at in 0..=three.len() {
            let digit = bits >> (18 - 6 * at) & 63;
            text.push(char::from(DIGITS[digit as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_percent_encoded() {
        for (text, expected) in [
            ("plain text", "plain text"),
            ("100 %", "100 %25"),
            ("two\nlines", "two%0Alines"),
            ("käse", "k%C3%A4se"),
            ("\u{7f}", "%7F"),
        ] {
            assert_eq!(percent_encode(text), expected);
        }
    }

    #[test]
    fn details_are_base64_without_padding() {
        // The vectors of RFC 4648.
        for (text, expected) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8");
    }

    #[test]
    fn calls_are_told_by_their_content_type() {
        for (kind, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc; charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            assert_eq!(is_grpc(&headers), expected, "{kind}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
