//! Requests to the server, as an exporter sends them: protobuf over HTTP, the same bytes again where
//! the server is away or busy, and never faster than it answers.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use url::Url;

use crate::cli::client::Server;
use crate::cli::connect::Connector;
use crate::cli::print;
use crate::generate::demo::write::Batch;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Pauses between attempts: doubled from the first to the last.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Of an answer no more than this is of interest.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What was acknowledged.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    pub(super) spans: u64,
    pub(super) logs: u64,
    pub(super) points: u64,
}

/// Sends to one server.
#[derive(Debug)]
pub(super) struct Sender {
    url: Url,
    tenant: Option<String>,
    authorization: Option<HeaderValue>,
    client: Client<Connector, Full<Bytes>>,
    sent: Sent,
}

/// What became of an attempt.
enum Attempt {
    Taken,
    /// It may work later: why not now.
    Later(String),
}

impl Sender {
    /// Makes a sender to an address that is the server's, or speaks for it.
    ///
    /// # Errors
    /// Where what is shown to the server, or who it must be, cannot be read.
    pub(super) fn new(server: &Server, otlp: Option<&Url>) -> anyhow::Result<Self> {
        let url = otlp.unwrap_or(&server.url).clone();
        let server = Server { url: url.clone(), ..server.clone() };
        let authorization = server.trust.authorization()?;
        let client = server.client()?;
        Ok(Self { url, tenant: server.tenant, authorization, client, sent: Sent::default() })
    }

    /// Returns what was acknowledged so far.
    pub(super) fn sent(&self) -> Sent {
        self.sent
    }

    /// Waits until a server is there and takes writes.
    ///
    /// # Errors
    /// Where its address cannot be asked at all.
    pub(super) async fn wait_until_ready(&self, server: &Server) -> anyhow::Result<()> {
        let (mut pause, mut told) = (PAUSE_MIN, false);
        loop {
            let why = match server.send(Method::GET, "/readyz", None, Bytes::new()).await {
                Ok(answer) if answer.status == StatusCode::OK => return Ok(()),
                Ok(answer) => String::from_utf8_lossy(&answer.body).trim().to_owned(),
                Err(error) => error.to_string(),
            };
            if !told {
                print(format_args!("waiting for the server: {why}"));
                told = true;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Sends everything of a batch; the signals at once, the requests of one in their order.
    ///
    /// # Errors
    /// Where the server refuses for good.
    pub(super) async fn send(&mut self, batch: Batch) -> anyhow::Result<Batch> {
        let Batch { spans, logs, metrics, visits } = batch;
        let (sent_spans, sent_logs) = (spans.1, logs.1);
        let points: u64 = metrics.iter().map(|(_, points)| points).sum();
        let in_order = async {
            for (body, points) in metrics {
                self.post("/v1/metrics", body, points).await?;
            }
            anyhow::Ok(())
        };
        tokio::try_join!(
            self.post("/v1/traces", spans.0, spans.1),
            self.post("/v1/logs", logs.0, logs.1),
            in_order
        )?;
        self.sent.spans += sent_spans;
        self.sent.logs += sent_logs;
        self.sent.points += points;
        Ok(Batch { visits, ..Batch::default() })
    }

    async fn post(&self, path: &str, body: Vec<u8>, rows: u64) -> anyhow::Result<()> {
        if rows == 0 {
            return Ok(());
        }
        let (body, mut pause, mut told) = (Bytes::from(body), PAUSE_MIN, false);
        loop {
            match self.attempt(path, &body).await? {
                Attempt::Taken if told => {
                    print("the server is back");
                    return Ok(());
                }
                Attempt::Taken => return Ok(()),
                Attempt::Later(why) => {
                    if !told && pause > PAUSE_MIN {
                        print(format_args!("the server is away, trying again: {why}"));
                        told = true;
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn attempt(&self, path: &str, body: &Bytes) -> anyhow::Result<Attempt> {
        let url = self.url.join(path).with_context(|| format!("join {} and {path}", self.url))?;
        let mut request = Request::builder().method(Method::POST).uri(url.as_str());
        request = request.header("Content-Type", "application/x-protobuf");
        if let Some(tenant) = &self.tenant {
            request = request.header("X-Scope-OrgID", tenant);
        }
        if let Some(shown) = &self.authorization {
            request = request.header(AUTHORIZATION, shown);
        }
        let request = request.body(Full::new(body.clone())).context("build the request")?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|e| e.to_string())?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok::<_, String>((status, body.map_err(|e| e.to_string())?.to_bytes()))
        };
        let (status, answer) = match tokio::time::timeout(TIMEOUT, exchange).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(why)) => return Ok(Attempt::Later(why)),
            Err(_) => return Ok(Attempt::Later(format!("no answer within {TIMEOUT:?}"))),
        };
        // An empty message says that all rows were taken; anything else names those that were not.
        if status == StatusCode::OK && answer.is_empty() {
            return Ok(Attempt::Taken);
        }
        let text = String::from_utf8_lossy(&answer);
        let text: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Ok(Attempt::Later(format!("{status}: {text}")));
        }
        if status == StatusCode::OK {
            print(format_args!("{path}: not all rows were taken: {text}"));
            return Ok(Attempt::Taken);
        }
        bail!("{path} answered {status}: {text}")
    }
}
