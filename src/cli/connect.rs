//! Connections of commands to a server, over TLS where its address says https.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::tls::wire::Wire;

type Error = Box<dyn StdError + Send + Sync>;

/// Opens connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    /// `None`: https is not spoken.
    tls: Option<Arc<ClientConfig>>,
}

impl Connector {
    /// Makes one; without a configuration it reaches plain addresses only.
    pub(crate) fn new(tls: Option<ClientConfig>) -> Self {
        Self { tls: tls.map(Arc::new) }
    }

    async fn connect(self, uri: Uri) -> Result<TokioIo<Wire>, Error> {
        let host = uri.host().ok_or("the address names no host")?;
        // IPv6 addresses stand in brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        stream.set_nodelay(true)?;
        if !is_https {
            return Ok(TokioIo::new(Wire::Plain(stream)));
        }
        let tls = self.tls.ok_or("https is not spoken here")?;
        let name = ServerName::try_from(host)?;
        let stream = TlsConnector::from(tls).connect(name, stream).await?;
        Ok(TokioIo::new(Wire::Tls(Box::new(TlsStream::Client(stream)))))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
