//! The ports: accept, bound and drain connections.
//!
//! Every bound that can be checked before a handler runs is checked here: connections, time of the
//! handshake, time and size of the head. How a connection begins is in [`transport`], what a request
//! passes then in [`guard`].

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::HeaderValue;
use http::header::{CONNECTION, TRANSFER_ENCODING};
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
mod idle;
pub(crate) mod linger;
pub(crate) mod peer;
mod transport;

#[cfg(test)]
mod tests;

use self::idle::Activity;
use self::peer::{Client, Peer, Proxies};
use crate::tls::Tls;

/// Pause after an accept that failed for want of file descriptors; trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A client of HTTP/2 that is silent for so long is asked whether it is still there.
const PING_AFTER: Duration = Duration::from_secs(60);
/// How long it may take to say so.
const PING_WAIT: Duration = Duration::from_secs(20);
/// A connection that nothing was asked over for so long is ended, in order.
const IDLE_MAX: Duration = Duration::from_secs(300);
/// Streams that a client has opened and reset again before they were looked at. One more closes the
/// connection: opening and resetting costs the client nothing (CVE-2023-44487).
const RESET_STREAMS_MAX: usize = 20;
/// Streams that this end had to reset, for what the client sent on them.
const BROKEN_STREAMS_MAX: usize = 256;

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

/// What all connections of a port share.
#[derive(Debug)]
struct Shared {
    port: Port,
    router: Router,
    bounds: Bounds,
    tls: Option<Tls>,
}

/// A port that is taken and does not serve yet.
pub(crate) type Bound = (Port, TcpListener, SocketAddr);

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

/// Serves a router on a bound listener, over TLS where there is one.
pub(crate) fn serve(
    (port, listener, address): Bound,
    router: Router,
    bounds: Bounds,
    tls: Option<Tls>,
    open: Gauge,
) -> Listener {
    let stop = CancellationToken::new();
    let tracker = TaskTracker::new();
    let acceptor = Acceptor {
        shared: Arc::new(Shared { port, router, bounds, tls }),
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
    shared: Arc<Shared>,
    open: Gauge,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Acceptor {
    async fn run(self, listener: TcpListener) {
        let permits = Arc::new(Semaphore::new(self.shared.bounds.connections_max));
        loop {
            let next = async {
                let permit = Arc::clone(&permits).acquire_owned().await;
                (permit, listener.accept().await)
            };
            let Some((permit, accepted)) = self.stop.run_until_cancelled(next).await else { break };
            match accepted {
                Ok((stream, address)) => {
                    let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
                    let served = connection(stream, Peer::plain(address), shared, stop);
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
async fn connection(stream: TcpStream, peer: Peer, shared: Arc<Shared>, stop: CancellationToken) {
    let limit = shared.bounds.header_timeout;
    let begin = transport::begin(stream, peer, shared.port, shared.tls.as_ref());
    let begun = tokio::time::timeout(limit, stop.run_until_cancelled(Box::pin(begin))).await;
    let Ok(Some(Some((wire, peer)))) = begun else { return };
    let router = shared.router.clone();
    let proxies = shared.bounds.proxies.clone();
    let activity = Arc::new(Activity::default());
    let handled = Arc::clone(&activity);
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        let handling = handled.begin();
        let client = Client::of(&peer, request.headers(), &proxies);
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(peer.clone());
        // A length beside chunks is dropped before it can be seen; a proxy that went by it takes the
        // rest for another client's. So nothing follows chunks that come through a proxy.
        let is_last = proxies.trusts(peer.address.ip().to_canonical())
            && request.headers().contains_key(TRANSFER_ENCODING);
        let answered = router.clone().oneshot(request);
        async move {
            let mut response = answered.await?;
            drop(handling);
            if is_last {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let builder = builder(&shared.bounds);
    let served = builder.serve_connection(TokioIo::new(wire), service);
    let mut served = std::pin::pin!(served);
    let leave = stop.run_until_cancelled(activity.idle(IDLE_MAX));
    let ended = tokio::select! {
        ended = &mut served => ended,
        _ = leave => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(e) = ended {
        debug!(error = %e, "connection ended early");
    }
}

fn builder(bounds: &Bounds) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_timeout)
        .max_buf_size(bounds.header_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_WAIT)
        .max_concurrent_streams(bounds.http2_streams_max)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_local_error_reset_streams(BROKEN_STREAMS_MAX)
        .max_header_list_size(u32::try_from(bounds.header_bytes_max).unwrap_or(u32::MAX));
    builder
}
