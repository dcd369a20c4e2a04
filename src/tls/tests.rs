//! What the files may be, how they are renewed, and who is let in: with certificates made on the spot,
//! over sockets of the loopback.

#![expect(clippy::disallowed_methods, reason = "the tests write the files of an operator")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use prometheus_client::registry::Registry;
use rcgen::{KeyPair, PKCS_ED25519};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tarn_testkit::certificates::{Authority, Pair, self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::clock::SystemClock;
use crate::listen::peer::{Client, Peer, Proxies};
use crate::listen::{Bounds, Listener, bind, serve};
use crate::telemetry::exposition::open_metrics;

const LIMIT: Duration = Duration::from_millis(500);

fn options(folder: &Path, pair: &Pair) -> Options {
    let (certificate, key) = pair.write(folder).unwrap();
    Options { certificate: Some(certificate), key: Some(key), ..Options::default() }
}

fn with_clients(folder: &Path, pair: &Pair, authority: &Authority, auth: ClientAuth) -> Options {
    let path = folder.join("ca.crt");
    std::fs::write(&path, authority.pem()).unwrap();
    Options { client_ca: Some(path), client_auth: auth, ..options(folder, pair) }
}

/// Answers with what is known of the peer.
async fn whoami(request: Request) -> String {
    let peer = request.extensions().get::<Peer>().unwrap();
    let client = request.extensions().get::<Client>().unwrap();
    let names = peer.certificate.as_ref().map(|certificate| certificate.names.join(" "));
    std::future::ready(format!("tls={} secure={} names={names:?}", peer.tls, client.secure)).await
}

struct Server {
    listener: Listener,
    tls: Tls,
    registry: Registry,
}

impl Server {
    async fn start(port: Port, options: &Options) -> Self {
        let mut registry = Registry::default();
        let tls = Tls::open(options, &SystemClock::new(), &mut registry).await.unwrap().unwrap();
        let listener = bind(port, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let bounds = Bounds {
            connections_max: 8,
            header_bytes_max: 8192,
            header_timeout: LIMIT,
            http2_streams_max: 16,
            proxies: Proxies::default(),
        };
        let router = Router::new().route("/", get(whoami));
        let bound = (port, listener, address);
        let listener = serve(bound, router, bounds, Some(tls.clone()), Gauge::default());
        Self { listener, tls, registry }
    }

    fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    fn metric(&self, name: &str) -> f64 {
        let text = open_metrics(&self.registry).unwrap();
        let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

fn client(authority: &str, own: Option<&Pair>, alpn: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let chain = CertificateDer::pem_slice_iter(own.certificate.as_bytes());
            let chain = chain.collect::<std::result::Result<_, _>>().unwrap();
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

async fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await
}

async fn ask(address: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<String> {
    let mut stream = connect(address, config).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    // An end without a farewell is an error that comes after the answer.
    match stream.read_to_string(&mut answer).await {
        Err(e) if answer.is_empty() => Err(e),
        _ => Ok(answer),
    }
}

#[test]
fn settings_that_contradict_themselves_are_named() {
    let some = |text: &str| Some(PathBuf::from(text));
    let all = Options {
        certificate: some("c"),
        key: some("k"),
        client_ca: some("a"),
        client_auth: ClientAuth::Required,
    };
    assert_eq!(all.contradictions(), []);
    assert_eq!(Options::default().contradictions(), []);
    for (options, key) in [
        (Options { key: None, ..all.clone() }, "listen.tls.certificate"),
        (Options { certificate: None, ..all.clone() }, "listen.tls.key"),
        (Options { client_ca: None, ..all.clone() }, "listen.tls.client_auth"),
        (Options { client_auth: ClientAuth::Off, ..all.clone() }, "listen.tls.client_ca"),
        (Options { certificate: None, key: None, ..all.clone() }, "listen.tls.client_auth"),
    ] {
        assert_eq!(options.contradictions().first().unwrap().key, key);
    }
    assert!(ClientAuth::parse("maybe").unwrap_err().contains("optional"));
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority").unwrap();
    let good = authority.sign(&["localhost"]).unwrap();
    let other = authority.sign(&["localhost"]).unwrap();
    let text = |certificate: &str, key: &str| Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
    };
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let broken = good.certificate.replacen("MII", "AAA", 1);
    for (pair, key, words) in [
        (text("", &good.key), files::CERTIFICATE, "holds no certificate"),
        (text(&good.key, &good.key), files::CERTIFICATE, "holds no certificate"),
        (text("-----BEGIN CERTIFICATE-----\nMII", &good.key), files::CERTIFICATE, "is not PEM"),
        (text(&broken, &good.key), files::CERTIFICATE, "cannot be read"),
        (text(&good.certificate, ""), files::KEY, "holds no private key"),
        (text(&good.certificate, encrypted), files::KEY, "encrypted"),
        (text(&good.certificate, &other.key), files::KEY, "is not the key of the first"),
    ] {
        let wrong = files::check(&options(folder.path(), &pair)).unwrap();
        assert_eq!(wrong.key, key, "{wrong}");
        assert!(wrong.message.contains(words), "{wrong}");
        let file = if key == files::KEY { "tls.key" } else { "tls.crt" };
        assert!(wrong.message.contains(file), "{wrong}");
        // No key is ever part of a message.
        assert!(!wrong.message.contains(good.key.lines().nth(1).unwrap()), "{wrong}");
    }
    let gone = Options { key: Some(folder.path().join("gone")), ..options(folder.path(), &good) };
    let wrong = files::check(&gone).unwrap();
    assert!(wrong.message.contains("gone cannot be read"), "{wrong}");
    assert_eq!(files::check(&options(folder.path(), &good)), None);
}

#[test]
fn keys_of_other_kinds_and_chains_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let pair = Pair { certificate, key: key.serialize_pem() };
    assert_eq!(files::check(&options(folder.path(), &pair)), None);
    let root = Authority::new("root").unwrap();
    let between = root.below("between").unwrap();
    let mut pair = between.sign(&["localhost"]).unwrap();
    pair.certificate.push_str(&between.pem());
    assert_eq!(files::check(&options(folder.path(), &pair)), None);
}

#[tokio::test]
async fn each_port_offers_what_it_speaks() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority").unwrap();
    let options = options(folder.path(), &authority.sign(&["localhost"]).unwrap());
    let server = Server::start(Port::Http, &options).await;
    let answer = ask(server.address(), &client(&authority.pem(), None, &[])).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("tls=true secure=true names=None"), "{answer}");
    for (port, offered, chosen) in [
        (Port::Http, vec!["h2", "http/1.1"], Some("h2")),
        (Port::Http, vec!["http/1.1"], Some("http/1.1")),
        (Port::OtlpHttp, vec!["h2", "http/1.1"], Some("h2")),
        (Port::OtlpGrpc, vec!["h2"], Some("h2")),
        (Port::OtlpGrpc, vec!["http/1.1"], None),
    ] {
        let server = Server::start(port, &options).await;
        let config = client(&authority.pem(), None, &offered);
        let got = match connect(server.address(), &config).await {
            Ok(stream) => stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec),
            Err(_) => None,
        };
        assert_eq!(got.as_deref(), chosen.map(str::as_bytes), "{port:?} {offered:?}");
    }
}

#[tokio::test]
async fn a_port_of_tls_tells_plain_clients_and_leaves_silent_ones() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority").unwrap();
    let options = options(folder.path(), &authority.sign(&["localhost"]).unwrap());
    let server = Server::start(Port::Http, &options).await;
    let plain = talk(server.address(), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(plain.starts_with("HTTP/1.1 400"), "{plain}");
    assert!(plain.ends_with("\r\n\r\nthis port speaks https\n"), "{plain}");
    let begin = std::time::Instant::now();
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00", b"\x16\x03\x01\x00\x05hello", b"\x80\x2e\x01"]
    {
        let answer = talk(server.address(), bytes).await;
        assert!(!answer.starts_with("HTTP"), "{answer}");
    }
    assert!(begin.elapsed() < 8 * LIMIT, "{:?}", begin.elapsed());
    assert!(server.metric("tarn_tls_handshake_failures_total") >= 1.0);
    ask(server.address(), &client(&authority.pem(), None, &[])).await.unwrap();
}

/// Handshakes that are never finished hold no more than the connections that are allowed, and none for
/// longer than a head may take.
#[tokio::test]
async fn half_open_handshakes_end_and_make_room() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority").unwrap();
    let options = options(folder.path(), &authority.sign(&["localhost"]).unwrap());
    let server = Server::start(Port::Http, &options).await;
    let mut held = Vec::new();
    for _ in 0..16 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
        held.push(stream);
    }
    let config = client(&authority.pem(), None, &[]);
    let asked = tokio::time::timeout(10 * LIMIT, ask(server.address(), &config)).await;
    assert!(asked.unwrap().unwrap().starts_with("HTTP/1.1 200"));
    drop(held);
}

async fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // The other end may reset what it does not want.
    stream.read_to_end(&mut answer).await.ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn only_clients_with_a_good_certificate_are_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new("ours"), Authority::new("theirs"));
    let (authority, stranger) = (authority.unwrap(), stranger.unwrap());
    let own = authority.sign(&["localhost"]).unwrap();
    let names = ["spiffe://prod/collector", "collector.example", "ops@example.org"];
    let good = authority.sign(&names).unwrap();
    let bad = [
        ("of another authority", stranger.sign(&names).unwrap()),
        ("expired", authority.sign_until(&names, 2020).unwrap()),
        ("self-signed", self_signed(&names).unwrap()),
    ];
    for auth in [ClientAuth::Optional, ClientAuth::Required] {
        let options = with_clients(folder.path(), &own, &authority, auth);
        let server = Server::start(Port::Http, &options).await;
        let address = server.address();
        let ask = |own| {
            let config = client(&authority.pem(), own, &[]);
            async move { ask(address, &config).await }
        };
        let answer = ask(Some(&good)).await.unwrap();
        let expected = format!("names=Some({:?})", names.join(" "));
        assert!(answer.ends_with(&expected), "{answer}");
        let anonymous = ask(None).await;
        assert_eq!(anonymous.is_ok(), auth == ClientAuth::Optional, "{anonymous:?}");
        for (why, pair) in &bad {
            let refused = ask(Some(pair)).await;
            assert!(refused.is_err(), "{why}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn new_files_count_for_the_next_connection_and_bad_ones_never() {
    let folder = tempfile::tempdir().unwrap();
    let clock = SystemClock::new();
    let (first, second) = (Authority::new("first").unwrap(), Authority::new("second").unwrap());
    let pair = first.sign_until(&["localhost"], 3000).unwrap();
    let server = Server::start(Port::Http, &options(folder.path(), &pair)).await;
    let address = server.address();
    let (old, new) = (client(&first.pem(), None, &[]), client(&second.pem(), None, &[]));
    ask(address, &old).await.unwrap();
    let expiry = server.metric("tarn_tls_certificate_expiry_timestamp_seconds");
    assert_eq!(expiry, 32_503_680_000.0);
    // Somebody stays connected over the change.
    let mut stays = connect(address, &old).await.unwrap();

    let other = second.sign(&["localhost"]).unwrap();
    std::fs::write(folder.path().join("tls.key"), &other.key).unwrap();
    server.tls.look(&clock).await;
    assert_eq!(server.metric("tarn_tls_reload_failures_total"), 1.0);
    ask(address, &old).await.unwrap();
    // What was told once is not told again.
    server.tls.look(&clock).await;
    assert_eq!(server.metric("tarn_tls_reload_failures_total"), 1.0);

    other.write(folder.path()).unwrap();
    server.tls.look(&clock).await;
    ask(address, &new).await.unwrap();
    ask(address, &old).await.unwrap_err();
    assert_ne!(server.metric("tarn_tls_certificate_expiry_timestamp_seconds"), expiry);
    stays
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stays.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    std::fs::remove_file(folder.path().join("tls.crt")).unwrap();
    server.tls.look(&clock).await;
    assert_eq!(server.metric("tarn_tls_reload_failures_total"), 2.0);
    ask(address, &new).await.unwrap();
}

#[tokio::test]
async fn the_authority_of_clients_is_renewed_too() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Authority::new("first").unwrap(), Authority::new("second").unwrap());
    let own = first.sign(&["localhost"]).unwrap();
    let options = with_clients(folder.path(), &own, &first, ClientAuth::Required);
    let server = Server::start(Port::Http, &options).await;
    let (old, new) = (first.sign(&["a.example"]).unwrap(), second.sign(&["a.example"]).unwrap());
    let old = client(&first.pem(), Some(&old), &[]);
    let new = client(&first.pem(), Some(&new), &[]);
    ask(server.address(), &old).await.unwrap();
    ask(server.address(), &new).await.unwrap_err();
    std::fs::write(folder.path().join("ca.crt"), second.pem()).unwrap();
    server.tls.look(&SystemClock::new()).await;
    ask(server.address(), &new).await.unwrap();
    // The session that the old one had before does not open the door either.
    ask(server.address(), &old).await.unwrap_err();
}

/// Kubernetes keeps files of a secret behind a link to a folder, and swaps that link.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_handshake_fails_while_links_are_swapped() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority").unwrap();
    let (data, next) = (folder.path().join("..data"), folder.path().join("..next"));
    let publish = |number: usize| {
        let version = folder.path().join(format!("..{number}"));
        std::fs::create_dir(&version).unwrap();
        authority.sign(&["localhost"]).unwrap().write(&version).unwrap();
        std::os::unix::fs::symlink(&version, &next).unwrap();
        std::fs::rename(&next, &data).unwrap();
    };
    publish(0);
    for name in ["tls.crt", "tls.key"] {
        std::os::unix::fs::symlink(data.join(name), folder.path().join(name)).unwrap();
    }
    let options = Options {
        certificate: Some(folder.path().join("tls.crt")),
        key: Some(folder.path().join("tls.key")),
        ..Options::default()
    };
    let server = Server::start(Port::Http, &options).await;
    let (stop, good) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, good) = (Arc::clone(&stop), Arc::clone(&good));
            let (address, pem) = (server.address(), authority.pem());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    // A new configuration each: nothing is resumed.
                    ask(address, &client(&pem, None, &[])).await.unwrap();
                    good.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let clock = SystemClock::new();
    for number in 1..=20 {
        publish(number);
        server.tls.look(&clock).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let good = good.load(Ordering::Relaxed);
    println!("{good} handshakes over 20 renewals, none failed");
    assert!(good > 20, "{good}");
    assert_eq!(server.metric("tarn_tls_reload_failures_total"), 0.0);
    assert_eq!(server.metric("tarn_tls_handshake_failures_total"), 0.0);
}
