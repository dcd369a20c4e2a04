//! Who is believed about whom.

use http::{HeaderName, HeaderValue};

use super::*;

fn proxies() -> Proxies {
    let entries = ["10.0.0.0/8", "fd00::/8", "127.0.0.2"].map(str::to_owned);
    Proxies::parse(&entries).unwrap()
}

fn client(peer: &str, tls: bool, headers: &[(&'static str, &'static str)]) -> (String, bool) {
    let peer = Peer { tls, ..Peer::plain(SocketAddr::new(peer.parse().unwrap(), 1)) };
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let Client { ip, secure } = Client::of(&peer, &map, &proxies());
    (ip.to_string(), secure)
}

#[test]
fn only_trusted_proxies_are_believed() {
    let forged = [(FORWARDED_FOR, "127.0.0.1"), (FORWARDED_PROTO, "https")];
    for (peer, tls, expected) in [
        ("192.0.2.1", false, ("192.0.2.1", false)),
        ("192.0.2.1", true, ("192.0.2.1", true)),
        ("127.0.0.1", false, ("127.0.0.1", true)),
        ("::1", false, ("::1", true)),
        ("::ffff:127.0.0.1", false, ("127.0.0.1", true)),
        ("2001:db8::1", false, ("2001:db8::1", false)),
    ] {
        assert_eq!(client(peer, tls, &forged), (expected.0.to_owned(), expected.1), "{peer}");
    }
}

#[test]
fn the_nearest_that_is_no_proxy_is_the_client() {
    for (lines, expected) in [
        (vec![], "10.0.0.1"),
        (vec!["192.0.2.7"], "192.0.2.7"),
        (vec!["192.0.2.7, 10.1.1.1"], "192.0.2.7"),
        // The client wrote the first two itself.
        (vec!["127.0.0.1, 10.9.9.9, 192.0.2.7, 10.1.1.1"], "192.0.2.7"),
        (vec!["127.0.0.1", "192.0.2.7", "10.1.1.1"], "192.0.2.7"),
        (vec!["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        (vec!["192.0.2.7:4711"], "192.0.2.7"),
        (vec!["[2001:db8::1]:4711"], "2001:db8::1"),
        (vec!["[2001:db8::1]"], "2001:db8::1"),
        (vec!["::ffff:192.0.2.7"], "192.0.2.7"),
        // Beyond what cannot be read nothing is believed.
        (vec!["192.0.2.7, unknown, 10.1.1.1"], "10.1.1.1"),
        (vec!["192.0.2.7, "], "10.0.0.1"),
    ] {
        let headers: Vec<_> = lines.iter().map(|line| (FORWARDED_FOR, *line)).collect();
        assert_eq!(client("10.0.0.1", false, &headers).0, expected, "{lines:?}");
    }
}

#[test]
fn a_proxy_on_this_machine_counts_as_one() {
    assert_eq!(client("127.0.0.2", false, &[]), ("127.0.0.2".to_owned(), false));
    let https = [(FORWARDED_FOR, "192.0.2.7"), (FORWARDED_PROTO, "https")];
    assert_eq!(client("127.0.0.2", false, &https), ("192.0.2.7".to_owned(), true));
}

#[test]
fn the_nearest_proxy_says_how_it_was_spoken_to() {
    for (values, secure) in [
        (vec!["https"], true),
        (vec!["HTTPS"], true),
        (vec!["http"], false),
        (vec!["https, http"], false),
        (vec!["http, https"], true),
        (vec!["https", "http"], false),
        (vec![""], false),
    ] {
        let headers: Vec<_> = values.iter().map(|value| (FORWARDED_PROTO, *value)).collect();
        assert_eq!(client("fd00::7", true, &headers).1, secure, "{values:?}");
    }
}

#[test]
fn an_entry_that_is_no_network_is_named() {
    let error = Proxies::parse(&["10.0.0.0/33".to_owned()]).unwrap_err();
    assert!(error.contains("10.0.0.0/33"), "{error}");
}
