//! A small HTTP client for tests: one request, the whole answer.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Talks to one server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Http {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// Returns the body as text, with a mark where it is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Parses the body.
    ///
    /// # Errors
    /// Where it is not JSON; the message holds the body.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("answer {}", self.text()))
    }
}

impl Http {
    /// Makes a client of `http://{address}`.
    pub fn new(address: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { base: format!("http://{address}"), client }
    }

    /// Sends any request.
    ///
    /// # Errors
    /// Where no whole answer came.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into()))?;
        let (parts, body) = self.client.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// GETs a path with query parameters.
    ///
    /// # Errors
    /// As [`Http::send`].
    pub async fn get(&self, path: &str, params: &[(&str, &str)]) -> Result<Answer> {
        let query = encode(params);
        self.send(Method::GET, &format!("{path}?{query}"), &[], Bytes::new()).await
    }

    /// POSTs a form.
    ///
    /// # Errors
    /// As [`Http::send`].
    pub async fn post_form(&self, path: &str, params: &[(&str, &str)]) -> Result<Answer> {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, path, &kind, encode(params)).await
    }

    /// Asks an instant query and returns `data`.
    ///
    /// # Errors
    /// Where the answer is not a success.
    pub async fn instant(&self, query: &str, time: &str) -> Result<Value> {
        let answer = self.post_form("/api/v1/query", &[("query", query), ("time", time)]).await?;
        data_of(&answer).with_context(|| format!("query {query} at {time}"))
    }
}

/// Returns `data` of a successful answer of the Prometheus API.
///
/// # Errors
/// Where the answer is not a success; the message holds it.
pub fn data_of(answer: &Answer) -> Result<Value> {
    let mut json = answer.json()?;
    anyhow::ensure!(json["status"] == "success", "status {}: {}", answer.status, answer.text());
    Ok(json["data"].take())
}

fn encode(params: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(params);
    form.finish()
}
