//! The listener against rude clients, over real sockets of the loopback.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use http::header::STRICT_TRANSPORT_SECURITY;
use http::{Request, StatusCode};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;

use super::guard::{Guard, HttpMetrics, OnPanic, check, count, harmless};
use super::linger::Linger;
use super::peer::{Peer, Proxies};
use super::{Bounds, Listener, Port, bind, serve};
use crate::telemetry::exposition::open_metrics;

const TIMEOUT: Duration = Duration::from_millis(300);

async fn refuse(request: Request<Body>) -> StatusCode {
    drop(request.map(Linger::new));
    std::future::ready(StatusCode::PAYLOAD_TOO_LARGE).await
}

async fn broken() -> StatusCode {
    std::future::ready(()).await;
    panic!("as a bug would")
}

async fn slow() -> &'static str {
    tokio::time::sleep(TIMEOUT).await;
    "done"
}

async fn start(connections_max: usize, registry: &mut Registry) -> Listener {
    let metrics = HttpMetrics::register(registry);
    let guard = Guard { hosts: [].into(), uri_bytes_max: 1000, metrics: metrics.clone() };
    let router = Router::new()
        .route("/slow", get(slow))
        .route("/broken", get(broken))
        .route("/refuse", post(refuse))
        .layer(from_fn_with_state(guard.clone(), check))
        .layer(CatchPanicLayer::custom(OnPanic::of_http(metrics)))
        .layer(from_fn_with_state(guard, count));
    let listener = bind(Port::Http, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let bound = (Port::Http, listener, address);
    let bounds = Bounds {
        connections_max,
        header_bytes_max: 8192,
        header_timeout: TIMEOUT,
        http2_streams_max: 256,
        proxies: Proxies::default(),
    };
    serve(bound, router, bounds, None, Gauge::default())
}

/// Sends bytes and returns what comes back until the server closes.
async fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn get_request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn clients_that_send_nothing_or_half_a_head_are_left() {
    let server = start(10, &mut Registry::default()).await;
    for bytes in ["", "GET /slow HT", "GET /slow HTTP/1.1\r\nHost: local"] {
        let begin = Instant::now();
        let answer = talk(server.address(), bytes.as_bytes()).await;
        assert!(begin.elapsed() < 10 * TIMEOUT, "{bytes:?}: {answer}");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{bytes:?}: {answer}");
    }
}

#[tokio::test]
async fn heads_and_addresses_are_bounded() {
    let server = start(10, &mut Registry::default()).await;
    let long = format!("GET /slow HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(9000));
    assert!(talk(server.address(), long.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let address = get_request(&format!("/slow?{}", "x".repeat(1000)));
    assert!(talk(server.address(), address.as_bytes()).await.starts_with("HTTP/1.1 414"));
    let nonsense = talk(server.address(), b"\0\x01\x02 nonsense\r\n\r\n").await;
    assert!(nonsense.is_empty() || nonsense.starts_with("HTTP/1.1 400"), "{nonsense}");
}

#[tokio::test]
async fn a_panic_is_answered_and_counted() {
    let mut registry = Registry::default();
    let server = start(10, &mut registry).await;
    let answer = talk(server.address(), get_request("/broken").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("\"internal\""), "{answer}");
    let text = open_metrics(&registry).unwrap();
    assert!(text.contains("tarn_http_panics_total 1\n"), "{text}");
    assert!(text.contains("{route=\"/broken\",code=\"500\"} 1\n"), "{text}");
}

#[tokio::test]
async fn only_answers_over_tls_ask_for_tls() {
    let router = Router::new().route("/", get(slow)).layer(from_fn(harmless));
    for tls in [false, true] {
        let peer = Peer { tls, ..Peer::plain(SocketAddr::from(([192, 0, 2, 1], 1))) };
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(peer);
        let response = router.clone().oneshot(request).await.unwrap();
        let told = response.headers().get(STRICT_TRANSPORT_SECURITY);
        assert_eq!(told.is_some_and(|value| value == "max-age=31536000"), tls);
    }
}

#[tokio::test]
async fn further_connections_wait_for_their_turn() {
    let server = start(1, &mut Registry::default()).await;
    let (request, address) = (get_request("/slow"), server.address());
    let begin = Instant::now();
    let talks = (0..3).map(|_| talk(address, request.as_bytes()));
    for answer in futures_of(talks).await {
        assert!(answer.ends_with("done"), "{answer}");
    }
    assert!(begin.elapsed() >= 3 * TIMEOUT, "{:?}", begin.elapsed());
}

/// Awaits all, at once.
async fn futures_of<F: Future<Output = String>>(all: impl Iterator<Item = F>) -> Vec<String> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        all.retain_mut(|f| match f.as_mut().poll(context) {
            std::task::Poll::Ready(text) => {
                done.push(text);
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

#[tokio::test]
async fn a_drain_finishes_what_was_begun_and_takes_nothing_new() {
    let server = start(10, &mut Registry::default()).await;
    let address = server.address();
    let begun = tokio::spawn(async move { talk(address, get_request("/slow").as_bytes()).await });
    tokio::time::sleep(TIMEOUT / 3).await;
    server.drain(Duration::from_secs(5)).await;
    assert!(begun.await.unwrap().ends_with("done"));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_still_sends() {
    let server = start(10, &mut Registry::default()).await;
    let bytes = 8 << 20;
    let mut request =
        format!("POST /refuse HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n")
            .into_bytes();
    request.resize(request.len() + bytes, b'x');
    let answer = talk(server.address(), &request).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_taken_port_is_named_with_advice() {
    let server = start(10, &mut Registry::default()).await;
    for (port, advice) in [
        (Port::Http, "--listen.http 127."),
        (Port::OtlpGrpc, "--listen.otlp-grpc off"),
        (Port::OtlpHttp, "--listen.otlp-http off"),
    ] {
        let error = bind(port, server.address()).await.unwrap_err().message();
        assert!(error.contains(&server.address().to_string()), "{error}");
        assert!(error.contains(advice), "{error}");
    }
}
