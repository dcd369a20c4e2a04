//! A small gRPC client for tests: one message, one answer, over HTTP/2 without TLS. The frames are
//! the caller's, so that they can be wrong.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Talks to one server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Grpc {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// How a call ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Status code of HTTP.
    pub http: u16,
    /// Head and trailers.
    pub headers: HeaderMap,
    /// The frames of the answer.
    pub body: Bytes,
}

impl Ended {
    /// Returns the status of gRPC; -1 where there is none.
    pub fn code(&self) -> i32 {
        self.text("grpc-status").parse().unwrap_or(-1)
    }

    /// Returns a header or trailer, empty where it is missing.
    pub fn text(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Grpc {
    /// Makes a client of `http://{address}`.
    pub fn new(address: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        Self { base: format!("http://{address}"), client }
    }

    /// Calls a method with frames.
    ///
    /// # Errors
    /// Where no whole answer came.
    pub async fn call(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        frames: impl Into<Bytes>,
    ) -> Result<Ended> {
        let mut request = Request::post(format!("{}{path}", self.base))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(frames.into()))?;
        let answer = self.client.request(request).await.context("call")?;
        let (parts, body) = answer.into_parts();
        let collected = body.collect().await.context("read the answer")?;
        let mut headers = parts.headers;
        headers.extend(collected.trailers().cloned().unwrap_or_default());
        Ok(Ended { http: parts.status.as_u16(), headers, body: collected.to_bytes() })
    }
}

/// Puts the head of gRPC in front of a message.
pub fn frame(compressed: bool, message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[u8::from(compressed)][..], &len.to_be_bytes(), message].concat()
}
