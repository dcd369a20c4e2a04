//! The ports: accept, bound and drain connections.
//!
//! Every bound that can be checked before a handler runs is checked here: connections, time and size
//! of the head, time between the parts of a body. What a request passes then is in [`guard`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use prometheus_client::metrics::gauge::Gauge;
use tarn_model::error::{Error, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::{debug, warn};

pub(crate) mod guard;
pub(crate) mod linger;
pub(crate) mod peer;

#[cfg(test)]
mod tests;

use self::peer::{Client, Peer, Proxies};

/// Pause after an accept that failed for want of file descriptors; trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What Tarn listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// Everything that goes over HTTP, and gRPC told by its content type.
    Http,
    /// OTLP over gRPC.
    OtlpGrpc,
    /// OTLP over HTTP.
    OtlpHttp,
}

impl Port {
    /// Returns the setting that names its address.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Http => "listen.http",
            Self::OtlpGrpc => "listen.otlp_grpc",
            Self::OtlpHttp => "listen.otlp_http",
        }
    }

    /// Returns the value of the `listener` label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::OtlpGrpc => "otlp_grpc",
            Self::OtlpHttp => "otlp_http",
        }
    }

    /// Returns the flag that names its address.
    fn flag(self) -> String {
        format!("--{}", self.key().replace('_', "-"))
    }
}

/// What a listener allows.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    pub(crate) connections_max: usize,
    pub(crate) header_bytes_max: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) http2_streams_max: u32,
    /// Who is believed about their own clients.
    pub(crate) proxies: Proxies,
}

/// A bound address that serves until it is drained.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    stop: CancellationToken,
    tracker: TaskTracker,
}

/// Binds an address.
///
/// # Errors
/// `Unavailable` where the port is taken, with what to do; `Invalid` for other refusals.
pub(crate) async fn bind(port: Port, address: SocketAddr) -> Result<TcpListener> {
    let flag = port.flag();
    TcpListener::bind(address).await.map_err(|e| match e.kind() {
        io::ErrorKind::AddrInUse => {
            Error::unavailable(taken(port, address), Duration::from_secs(1))
        }
        _ => Error::invalid(format!("{address} cannot be listened on; see {flag}")).with_source(e),
    })
}

fn taken(port: Port, address: SocketAddr) -> String {
    let flag = port.flag();
    // The ports beside those of OTLP are the next ones of Tarn, too.
    let (who, free) = match port {
        Port::Http => ("another Tarn", 1),
        Port::OtlpGrpc | Port::OtlpHttp => ("an OpenTelemetry Collector", 10),
    };
    let off = if port == Port::Http { String::new() } else { format!(", or {flag} off") };
    format!(
        "{address} is taken by another process, perhaps {who}; stop it, or choose a port with \
         {flag} {}:{}{off}",
        address.ip(),
        address.port().wrapping_add(free)
    )
}

/// Serves a router on a bound listener.
pub(crate) fn serve(
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    bounds: Bounds,
    open: Gauge,
) -> Listener {
    let stop = CancellationToken::new();
    let tracker = TaskTracker::new();
    let acceptor = Acceptor {
        router,
        bounds: Arc::new(bounds),
        open,
        tracker: tracker.clone(),
        stop: stop.clone(),
    };
    tracker.spawn(acceptor.run(listener));
    Listener { address, stop, tracker }
}

impl Listener {
    /// Returns the address that was bound, with its port.
    #[cfg(test)]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting and waits for the requests that are being answered; those that take longer
    /// than `grace` are cut off when the runtime ends.
    pub(crate) async fn drain(self, grace: Duration) {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_err() {
            let (address, connections) = (self.address, self.tracker.len());
            warn!(%address, connections, "connections did not end in time");
        }
    }
}

struct Acceptor {
    router: Router,
    bounds: Arc<Bounds>,
    open: Gauge,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Acceptor {
    async fn run(self, listener: TcpListener) {
        let permits = Arc::new(Semaphore::new(self.bounds.connections_max));
        loop {
            let next = async {
                let permit = Arc::clone(&permits).acquire_owned().await;
                (permit, listener.accept().await)
            };
            let Some((permit, accepted)) = self.stop.run_until_cancelled(next).await else { break };
            match accepted {
                Ok((stream, address)) => {
                    let served = connection(
                        stream,
                        Peer::plain(address),
                        self.router.clone(),
                        Arc::clone(&self.bounds),
                        self.stop.clone(),
                    );
                    let open = self.open.clone();
                    self.tracker.spawn(async move {
                        open.inc();
                        served.await;
                        open.dec();
                        drop(permit);
                    });
                }
                Err(e) => {
                    warn!(error = %e, "connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Serves one connection until its client leaves, or, after the stop, until its request is answered.
async fn connection(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    bounds: Arc<Bounds>,
    stop: CancellationToken,
) {
    // The builder waits for the first bytes to tell the protocol, without a limit of its own.
    let mut byte = [0];
    let first = stop.run_until_cancelled(stream.peek(&mut byte));
    if !matches!(tokio::time::timeout(bounds.header_timeout, first).await, Ok(Some(Ok(1)))) {
        return;
    }
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_timeout)
        .max_buf_size(bounds.header_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.http2_streams_max)
        .max_header_list_size(u32::try_from(bounds.header_bytes_max).unwrap_or(u32::MAX));
    let proxies = bounds.proxies.clone();
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        let client = Client::of(&peer, request.headers(), &proxies);
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(peer.clone());
        router.clone().oneshot(request)
    });
    let served = builder.serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(e) = ended {
        debug!(error = %e, "connection ended early");
    }
}
