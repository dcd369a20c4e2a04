//! `tarn healthcheck`: whether a server answers, for container images that hold nothing else.
//!
//! It needs no key, says one line and takes two seconds at most. A server on this machine is asked over
//! whichever of http and https it speaks, and its certificate is not looked at there (`--cacert` makes
//! it count): the question is whether our own process answers, and nothing is told to it.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::bail;
use bytes::Bytes;
use clap::Args;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use rustls::{AlertDescription, ClientConfig};
use url::{Host, Url};

use crate::cli::client::{client, unreachable};
use crate::cli::print;
use crate::cli::terminal::printable;
use crate::cli::trust::Trust;
use crate::tls::words;

/// Longer than this is as bad as no answer.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// The answers of probes are a few lines.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// What a port of TLS answers those who speak plain HTTP to it.
const SPEAKS_HTTPS: &str = "this port speaks https";

/// Ask a running server whether it is well.
#[derive(Debug, Clone, Args)]
pub(crate) struct HealthcheckArgs {
    /// Address of the running server.
    #[arg(long, env = "TARN_URL", value_name = "URL", default_value = "http://127.0.0.1:4320")]
    url: Url,
    /// Ask whether it takes writes and answers questions, and not only whether it lives.
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    trust: Trust,
}

/// What a probe said.
struct Said {
    status: StatusCode,
    text: String,
}

/// Asks, and prints one line.
///
/// # Errors
/// Why the server is not well.
pub(crate) async fn run(args: HealthcheckArgs) -> anyhow::Result<()> {
    match tokio::time::timeout(WAIT_MAX, Box::pin(args.ask())).await {
        Ok(said) => print(said?),
        Err(_) => bail!("{} did not answer within {} s", args.url, WAIT_MAX.as_secs()),
    }
    Ok(())
}

impl HealthcheckArgs {
    async fn ask(&self) -> anyhow::Result<String> {
        let mut url = self.url.join(if self.ready { "/readyz?verbose" } else { "/livez" })?;
        let mut said = self.get(&url).await?;
        if said.status == StatusCode::BAD_REQUEST && said.text == SPEAKS_HTTPS && is_loopback(&url)
        {
            // No scheme has another port here, so this cannot fail.
            if url.set_scheme("https").is_ok() {
                said = self.get(&url).await?;
            }
        }
        if !said.status.is_success() {
            bail!("{} answered {}: {}", self.url, said.status, said.text);
        }
        Ok(said.text)
    }

    async fn get(&self, url: &Url) -> anyhow::Result<Said> {
        let request = Request::builder().method(Method::GET).uri(url.as_str());
        let request = request.body(Full::new(Bytes::new()))?;
        let response = match client(self.tls(url)?).request(request).await {
            Ok(response) => response,
            Err(error) => {
                // A server that wants to know who asks is there; it cannot be asked more.
                let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
                if words::found_in(&error) == Some(&alert) && !self.ready {
                    let text = "ok, and it asks for a certificate".to_owned();
                    return Ok(Said { status: StatusCode::OK, text });
                }
                return Err(unreachable(&self.url, error));
            }
        };
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|e| anyhow::anyhow!("read the answer: {e}"))?.to_bytes();
        let text = String::from_utf8_lossy(&body).trim().replace('\n', "; ");
        Ok(Said { status, text: printable(&text) })
    }

    fn tls(&self, url: &Url) -> anyhow::Result<Option<ClientConfig>> {
        Ok(match url.scheme() {
            "https" if is_loopback(url) => Some(self.trust.config_of_loopback()?),
            "https" => Some(self.trust.config()?),
            _ => None,
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}
