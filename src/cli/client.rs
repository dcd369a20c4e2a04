//! A small HTTP client for commands that ask a running server.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use url::Url;

/// Answers beyond this are not what commands ask for.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Which server, and as whom.
#[derive(Debug, Clone, Args)]
pub(crate) struct Server {
    /// Address of the running server.
    #[arg(
        long,
        visible_alias = "server",
        env = "TARN_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:4320"
    )]
    pub(crate) url: Url,
    /// Tenant to ask for; without it the server decides.
    #[arg(long, env = "TARN_TENANT", value_name = "ID")]
    pub(crate) tenant: Option<String>,
    /// How long to wait for the answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) timeout: u64,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Server {
    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// Where the server cannot be reached or the answer is not complete in time.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Answer> {
        let url = self.url.join(path).with_context(|| format!("join {} and {path}", self.url))?;
        let mut request = Request::builder().method(method).uri(url.as_str());
        if let Some(tenant) = &self.tenant {
            request = request.header("X-Scope-OrgID", tenant);
        }
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        let request = request.body(Full::new(body.into())).context("build the request")?;
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        let exchange = async {
            let response = client.request(request).await.with_context(|| {
                format!("no server answers at {}; is `tarn` running there? see --url", self.url)
            })?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|e| anyhow::anyhow!("read the answer: {e}"))?.to_bytes();
            Ok(Answer { status, body })
        };
        let limit = Duration::from_secs(self.timeout);
        match tokio::time::timeout(limit, exchange).await {
            Ok(answer) => answer,
            Err(_) => bail!("{} did not answer within {} s", self.url, self.timeout),
        }
    }
}

/// Runs the future of a command.
///
/// # Errors
/// The command's.
pub(crate) fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("start a runtime")?.block_on(future)
}
