//! What every request passes on its way to a handler: counted, caught when it panics, its address
//! bounded, its `Host` checked; [`is_cross_site`] serves routes that change something.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{HOST, ORIGIN, STRICT_TRANSPORT_SECURITY};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, Version};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tarn_ingest::receive::grpc::is_grpc;
use tarn_model::metrics::{HTTP_CONNECTIONS, HTTP_PANICS, HTTP_REQUESTS};
use tracing::error;

use super::peer::Peer;
use crate::routes::envelope;

/// A browser that was here over TLS comes over TLS for a year. Names below ours may be somebody
/// else's.
const ALWAYS_TLS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What the listener counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    connections: Family<ListenerLabels, Gauge>,
    panics: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: &'static str,
}

impl HttpMetrics {
    /// Makes and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(HTTP_REQUESTS.name, HTTP_REQUESTS.help, metrics.requests.clone());
        registry.register(
            HTTP_CONNECTIONS.name,
            HTTP_CONNECTIONS.help,
            metrics.connections.clone(),
        );
        registry.register(HTTP_PANICS.name, HTTP_PANICS.help, metrics.panics.clone());
        metrics
    }

    /// Returns the gauge of open connections of a listener.
    pub(crate) fn connections(&self, listener: &'static str) -> Gauge {
        self.connections.get_or_create(&ListenerLabels { listener }).clone()
    }

    /// Counts a handler that panicked. The hook of the process has printed where.
    pub(crate) fn panicked(&self, panic: &(dyn Any + Send)) {
        self.panics.inc();
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        error!(
            panic = text.unwrap_or("not a text"),
            "a request's handler panicked; please report it"
        );
    }
}

/// What the checks need to know.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) hosts: Arc<[String]>,
    pub(crate) uri_bytes_max: usize,
    pub(crate) metrics: HttpMetrics,
}

/// Counts a request under its route and code.
pub(crate) async fn count(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map(|p| p.as_str().to_owned());
    let response = next.run(request).await;
    let code = response.status().as_u16();
    let labels = RequestLabels { route: matched.unwrap_or_else(|| "none".to_owned()), code };
    guard.metrics.requests.get_or_create(&labels).inc();
    response
}

/// Refuses what no handler should see.
pub(crate) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    // A call cannot come from a web page that this name was pointed at: no browser speaks HTTP/2 in
    // the clear, and over TLS the certificate is for another name. Clients of gRPC name whatever host
    // they were given.
    if is_call(&request) {
        return next.run(request).await;
    }
    match guard.refusal(request.version(), request.uri(), request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// Returns whether a request is a call of gRPC.
pub(crate) fn is_call(request: &Request) -> bool {
    request.version() == Version::HTTP_2 && is_grpc(request.headers())
}

/// Keeps browsers from guessing another type than the one that was sent, and from running anything that
/// is no page of ours: telemetry is hostile text.
pub(crate) async fn harmless(request: Request, next: Next) -> Response {
    let is_tls = request.extensions().get::<Peer>().is_some_and(|peer| peer.tls);
    let mut response = next.run(request).await;
    tarn_ui::headers::harmless(response.headers_mut());
    if is_tls {
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, ALWAYS_TLS);
    }
    response
}

impl Guard {
    fn refusal(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Option<Response<Body>> {
        let bytes = uri.path_and_query().map_or(0, |p| p.as_str().len());
        if bytes > self.uri_bytes_max {
            let max = self.uri_bytes_max;
            let message = format!("path and query are {bytes} bytes, limit is {max}; use POST");
            return Some(envelope(StatusCode::URI_TOO_LONG, "bad_data", &message));
        }
        if let Some(message) = two_hosts(version, uri, headers) {
            return Some(envelope(StatusCode::BAD_REQUEST, "bad_data", &message));
        }
        if let Some(host) = host_of(uri, headers).filter(|h| !self.answers_to(h)) {
            let message = format!(
                "host {host:?} is not one of http.hosts; a web page could have been pointed here"
            );
            return Some(envelope(StatusCode::MISDIRECTED_REQUEST, "bad_data", &message));
        }
        None
    }

    /// Returns whether a request for this `Host` may be answered: an IP address, a name without a
    /// dot, or a listed name.
    fn answers_to(&self, host: &str) -> bool {
        let name = without_port(host);
        let literal = name.trim_start_matches('[').trim_end_matches(']');
        !name.trim_end_matches('.').contains('.') && !name.contains('[')
            || literal.parse::<IpAddr>().is_ok()
            || self.hosts.iter().any(|h| h.eq_ignore_ascii_case(name))
    }
}

/// Says why it is not plain which host a request is for. Whoever stands in between may have decided by
/// the other name, so neither counts.
fn two_hosts(version: Version, uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let mut named = headers.get_all(HOST).iter();
    let (first, second) = (named.next(), named.next());
    let Some(first) = first else {
        return (version == Version::HTTP_11).then(|| "the request has no Host header".to_owned());
    };
    if second.is_some() {
        return Some("the request has more than one Host header".to_owned());
    }
    let Ok(host) = first.to_str() else { return Some("the Host header is no text".to_owned()) };
    let authority = uri.authority()?.as_str();
    (!authority.eq_ignore_ascii_case(host))
        .then(|| format!("the request is for {authority:?}, and its Host header says {host:?}"))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Returns the host that a request is for: HTTP/2 puts it into the URI.
fn host_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let named = headers.get(HOST).and_then(|h| h.to_str().ok());
    named.or_else(|| uri.authority().map(|a| a.as_str()))
}

/// Returns whether a browser says that a page of another origin made the request. Programs send
/// neither header.
pub(crate) fn is_cross_site(uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return false };
    let origin_host = origin.split_once("://").map_or(origin, |(_, host)| host);
    Some(origin_host) != host_of(uri, headers)
}

/// The panic handler in the form that tower-http asks for: metrics, and the answer.
#[derive(Clone)]
pub(crate) struct OnPanic(
    pub(crate) HttpMetrics,
    pub(crate) Arc<dyn Fn() -> Response + Send + Sync>,
);

impl OnPanic {
    /// Answers as the API of Prometheus does.
    pub(crate) fn of_http(metrics: HttpMetrics) -> Self {
        let message = "the request hit a bug, see the log";
        let answer = move || envelope(StatusCode::INTERNAL_SERVER_ERROR, "internal", message);
        Self(metrics, Arc::new(answer))
    }
}

impl fmt::Debug for OnPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnPanic").finish_non_exhaustive()
    }
}

impl tower_http::catch_panic::ResponseForPanic for OnPanic {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, panic: Box<dyn Any + Send + 'static>) -> http::Response<Body> {
        self.0.panicked(&*panic);
        (self.1)()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (http::HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        headers.iter().map(pair).collect()
    }

    fn status(uri: &str, headers: &[(&'static str, &'static str)]) -> u16 {
        let guard = Guard {
            hosts: ["tarn.example.org".to_owned()].into(),
            uri_bytes_max: 100,
            metrics: HttpMetrics::default(),
        };
        let refusal = guard.refusal(Version::HTTP_2, &uri.parse().unwrap(), &map(headers));
        refusal.map_or(200, |r| r.status().as_u16())
    }

    #[test]
    fn hosts_of_web_pages_are_refused() {
        for (host, expected) in [
            ("127.0.0.1:4320", 200),
            ("[::1]:4320", 200),
            ("[::1]", 200),
            ("localhost:4320", 200),
            ("tarn", 200),
            ("Tarn.Example.org:4320", 200),
            ("evil.example.org", 421),
            ("127.0.0.1.evil.example", 421),
            ("evil.:4320", 200),
        ] {
            assert_eq!(status("/", &[("host", host)]), expected, "{host}");
        }
    }

    #[test]
    fn a_request_is_for_one_host() {
        let host = ("host", "localhost:4320");
        for (version, uri, headers, expected) in [
            (Version::HTTP_11, "/", vec![host], None),
            (Version::HTTP_10, "/", vec![], None),
            (Version::HTTP_2, "http://localhost:4320/", vec![], None),
            (Version::HTTP_2, "http://LOCALHOST:4320/", vec![host], None),
            (Version::HTTP_11, "http://localhost:4320/", vec![host], None),
            (Version::HTTP_11, "/", vec![], Some("no Host")),
            (Version::HTTP_11, "/", vec![host, host], Some("more than one")),
            (Version::HTTP_11, "http://evil.example/", vec![host], Some("evil.example")),
            (Version::HTTP_2, "http://evil.example/", vec![host], Some("evil.example")),
        ] {
            let mut all = HeaderMap::new();
            for (name, value) in headers {
                all.append(name, HeaderValue::from_static(value));
            }
            let found = two_hosts(version, &uri.parse().unwrap(), &all);
            let words = expected.is_none_or(|e| found.as_ref().is_some_and(|f| f.contains(e)));
            assert!(found.is_some() == expected.is_some() && words, "{uri} {all:?}: {found:?}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_recognised() {
        let host = ("host", "localhost:4320");
        for (header, expected) in [
            (("sec-fetch-site", "same-origin"), false),
            (("sec-fetch-site", "none"), false),
            (("sec-fetch-site", "cross-site"), true),
            (("sec-fetch-site", "same-site"), true),
            (("origin", "http://localhost:4320"), false),
            (("origin", "http://localhost:3000"), true),
            (("origin", "null"), true),
            (("user-agent", "curl"), false),
        ] {
            let uri = "/-/flush".parse().unwrap();
            assert_eq!(is_cross_site(&uri, &map(&[host, header])), expected, "{header:?}");
        }
    }

    #[test]
    fn addresses_are_bounded() {
        let long = format!("/api/v1/query?query={}", "x".repeat(100));
        assert_eq!(status(&long, &[]), 414);
    }
}
