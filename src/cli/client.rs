//! A small HTTP client for commands that ask a running server.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use http::header::AUTHORIZATION;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use url::Url;

use crate::cli::connect::Connector;
use crate::cli::terminal::printable;
use crate::cli::trust::Trust;
use crate::tls::words;

/// Answers beyond this are not what commands ask for.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// Of a refusal this much is shown.
const SENTENCE_CHARS_MAX: usize = 500;

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
    #[command(flatten)]
    pub(crate) trust: Trust,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Server {
    /// Sends a request and reads the whole answer, whatever its status; but that we may not ask is an
    /// error.
    ///
    /// # Errors
    /// Where the server cannot be reached or the answer is not complete in time, and where it asks who
    /// we are or does not allow it.
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
        if let Some(shown) = self.trust.authorization()? {
            request = request.header(AUTHORIZATION, shown);
        }
        let request = request.body(Full::new(body.into())).context("build the request")?;
        let client = self.client()?;
        let exchange = async {
            let response = client.request(request).await.map_err(|e| unreachable(&self.url, e))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|e| anyhow::anyhow!("read the answer: {e}"))?.to_bytes();
            anyhow::Ok(Answer { status, body })
        };
        let limit = Duration::from_secs(self.timeout);
        match tokio::time::timeout(limit, exchange).await {
            Ok(answer) => allowed(&self.url, answer?),
            Err(_) => bail!("{} did not answer within {} s", self.url, self.timeout),
        }
    }

    /// Returns a client that believes the server and shows it what was given on the command line.
    ///
    /// # Errors
    /// Where a file of these cannot be used.
    pub(crate) fn client(&self) -> anyhow::Result<Client<Connector, Full<Bytes>>> {
        let tls = (self.url.scheme() == "https").then(|| self.trust.config()).transpose()?;
        Ok(client(tls))
    }
}

/// Returns a client of this configuration.
pub(crate) fn client(tls: Option<ClientConfig>) -> Client<Connector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build(Connector::new(tls))
}

/// Says why a server could not be asked, and what to do.
pub(crate) fn unreachable(url: &Url, error: ClientError) -> anyhow::Error {
    if let Some(tls) = words::found_in(&error) {
        return anyhow::anyhow!(words::explain(tls, url.host_str().unwrap_or_default()));
    }
    if url.scheme() == "https" && words::ended_early(&error) {
        let message = "the server ended the connection before TLS was set up; is it http:// there?";
        return anyhow::Error::new(error).context(format!("{url}: {message}"));
    }
    anyhow::Error::new(error)
        .context(format!("no server answers at {url}; is `tarn` running there? see --url"))
}

/// Makes errors of the answers to those who may not ask.
fn allowed(url: &Url, answer: Answer) -> anyhow::Result<Answer> {
    match answer.status {
        StatusCode::UNAUTHORIZED => bail!(
            "{url} asks who you are: --token or TARN_TOKEN shows a key, `tarn access keys create` \
             makes one; it answered: {}",
            answer.sentence()
        ),
        StatusCode::FORBIDDEN => bail!("{url} does not allow it: {}", answer.sentence()),
        StatusCode::BAD_REQUEST
            if url.scheme() == "http" && answer.body == "this port speaks https\n" =>
        {
            bail!("{url}: this port speaks https; begin the address with https://")
        }
        _ => Ok(answer),
    }
}

impl Answer {
    /// Returns what the server says, out of its envelope where it has one.
    fn sentence(&self) -> String {
        let json = serde_json::from_slice::<serde_json::Value>(&self.body).ok();
        let said = json.as_ref().and_then(|json| json["error"].as_str());
        let text = said.map_or_else(|| String::from_utf8_lossy(&self.body), Cow::Borrowed);
        printable(text.trim()).chars().take(SENTENCE_CHARS_MAX).collect()
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
