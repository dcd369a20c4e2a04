//! Who is at the other end of a connection, and who sent a request over it.
//!
//! [`Peer`] is what the socket and the handshake say, and cannot be forged. [`Client`] is who is behind
//! a proxy: `X-Forwarded-For` and `X-Forwarded-Proto` are believed when the peer is one of
//! `http.trusted_proxies`, and from nobody else. Both are in the extensions of every request.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderMap;
use tarn_alerting::egress::network::Network;

/// Whom a proxy has spoken to, each adding its own peer at the end.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// How its client spoke to a proxy.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Whether the connection is encrypted.
    pub(crate) tls: bool,
    /// What it showed, checked against `listen.tls.client_ca`.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
}

/// A certificate that proves who the peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientCertificate {
    /// Its alternative names: URIs, DNS names and e-mail addresses.
    pub(crate) names: Vec<String>,
    /// The name of its subject, for people.
    pub(crate) subject: String,
    /// SHA-256 of the whole certificate, hexadecimal.
    pub(crate) fingerprint: String,
}

/// Who sent a request, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) ip: IpAddr,
    /// Whether nobody on the way could read along: TLS here or at a trusted proxy, or a peer on this
    /// machine that is no proxy.
    pub(crate) secure: bool,
}

/// Networks whose members say the truth about their own clients.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies(Arc<[Network]>);

impl Peer {
    /// Returns the peer of a connection without TLS.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, tls: false, certificate: None }
    }
}

impl Proxies {
    /// Parses `10.0.0.0/8` or single addresses.
    ///
    /// # Errors
    /// The entry that is neither.
    pub(crate) fn parse(entries: &[String]) -> Result<Self, String> {
        let network = |entry: &String| {
            Network::parse(entry).ok_or_else(|| {
                format!("{entry:?} is neither a network (10.0.0.0/8) nor an address")
            })
        };
        entries.iter().map(network).collect::<Result<_, _>>().map(Self)
    }

    /// Returns whether there is any.
    pub(crate) fn is_some(&self) -> bool {
        !self.0.is_empty()
    }

    /// Returns whether an address is one of them.
    pub(super) fn trusts(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(ip))
    }
}

impl Client {
    /// Finds out who sent a request.
    pub(crate) fn of(peer: &Peer, headers: &HeaderMap, proxies: &Proxies) -> Self {
        // A socket for both families shows IPv4 inside IPv6.
        let ip = peer.address.ip().to_canonical();
        if !proxies.trusts(ip) {
            return Self { ip, secure: peer.tls || ip.is_loopback() };
        }
        let ip = forwarded_for(ip, headers, proxies);
        Self { ip, secure: is_https(headers) }
    }
}

/// Goes from the nearest proxy outwards, to the first that is none of ours: what stands left of it was
/// written by somebody who may lie.
fn forwarded_for(peer: IpAddr, headers: &HeaderMap, proxies: &Proxies) -> IpAddr {
    let mut found = peer;
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
    for line in lines.into_iter().rev() {
        let Ok(text) = line.to_str() else { return found };
        for entry in text.rsplit(',') {
            let Some(ip) = address(entry.trim()) else { return found };
            found = ip;
            if !proxies.trusts(ip) {
                return found;
            }
        }
    }
    found
}

/// Reads an address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse::<IpAddr>().ok();
    ip.or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip())).map(|ip| ip.to_canonical())
}

/// The last value is the nearest proxy's, which is the one that is trusted.
fn is_https(headers: &HeaderMap) -> bool {
    let last = headers.get_all(FORWARDED_PROTO).iter().next_back().and_then(|v| v.to_str().ok());
    let nearest = last.and_then(|text| text.rsplit(',').next());
    nearest.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}

#[cfg(test)]
mod tests;
