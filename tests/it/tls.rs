//! TLS from outside: what the commands say to a server that speaks it, and a server whose files change.

#![expect(clippy::disallowed_methods, reason = "the test writes the files of an operator")]

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tarn_testkit::certificates::{Authority, Pair, self_signed};
use tarn_testkit::grpc::frame;
use tarn_testkit::otlp;
use tarn_testkit::process::Tarn;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{TARN, data_folder, now_ms};

/// How long a change may take to count. It is told by a signal; a bad file is looked at twice.
const SOON: Duration = Duration::from_secs(20);

/// What a command printed, and whether it succeeded.
fn run(args: &[&str], variables: &[(&str, &str)]) -> Result<(bool, String)> {
    let mut command = Command::new(TARN);
    for name in ["TARN_URL", "TARN_TOKEN", "TARN_CACERT", "SSL_CERT_FILE"] {
        command.env_remove(name);
    }
    let Output { status, stdout, stderr } =
        command.args(args).envs(variables.iter().copied()).output()?;
    let text = [stdout, stderr].concat();
    Ok((status.success(), String::from_utf8_lossy(&text).into_owned()))
}

struct Server {
    tarn: Tarn,
    url: String,
    cacert: String,
}

impl Server {
    /// Starts it with a certificate in a folder.
    async fn start(
        folder: &Path,
        authority: &Authority,
        pair: &Pair,
        more: &[&str],
    ) -> Result<Self> {
        let (certificate, key) = pair.write(folder)?;
        let cacert = folder.join("ca.crt");
        std::fs::write(&cacert, authority.pem())?;
        let (certificate, key) = (certificate.to_string_lossy(), key.to_string_lossy());
        let tls = ["--listen.tls.certificate", &certificate, "--listen.tls.key", &key];
        let tarn = Tarn::spawn(TARN, &folder.join("data"), &[&tls[..], more].concat())?;
        let url = format!("https://{}", tarn.address);
        let server = Self { tarn, url, cacert: cacert.to_string_lossy().into_owned() };
        let well = || {
            let (ok, said) = run(&["healthcheck", "--ready", "--url", &server.url], &[])?;
            Ok(ok || said.contains("asks for a certificate"))
        };
        server.until("well", well).await?;
        Ok(server)
    }

    async fn until(&self, what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
        let begin = Instant::now();
        while !is_so()? {
            let log = self.tarn.log_text();
            ensure!(begin.elapsed() < SOON, "not {what} after {SOON:?}; the log:\n{log}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Flushes with these flags.
    fn flush(&self, url: &str, more: &[&str]) -> Result<(bool, String)> {
        run(&[&["flush", "--url", url][..], more].concat(), &[])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_say_what_is_wrong_with_a_certificate() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new("authority")?;
    let pair = authority.sign(&["127.0.0.1"])?;
    let server = Server::start(folder.path(), &authority, &pair, &[]).await?;
    let (url, cacert) = (server.url.clone(), ["--cacert", server.cacert.as_str()]);

    let (ok, said) = server.flush(&url, &cacert)?;
    ensure!(ok, "{said}");
    let by_variable = [("TARN_CACERT", cacert[1]), ("TARN_URL", url.as_str())];
    let (ok, said) = run(&["flush"], &by_variable)?;
    ensure!(ok, "{said}");
    let elsewhere = url.replace("127.0.0.1", "localhost");
    let plain = url.replace("https", "http");
    let gone = folder.path().join("gone").to_string_lossy().into_owned();
    for (url, flags, words) in [
        (url.as_str(), &[][..], "nobody known has signed it"),
        (elsewhere.as_str(), &cacert, "is made out to"),
        (plain.as_str(), &[], "this port speaks https"),
        (url.as_str(), &["--cacert", gone.as_str()], "gone"),
        (url.as_str(), &["--token", &format!("file:{gone}")], "gone"),
    ] {
        let (ok, said) = server.flush(url, flags)?;
        ensure!(!ok && said.contains(words), "{url} {flags:?}: {said}");
        ensure!(said.trim_end().lines().count() == 1, "one line: {said}");
    }
    // A server on this machine is asked over whatever it speaks, and whoever it is.
    for flags in [&["--url", plain.as_str()][..], &["--url", url.as_str(), "--ready"]] {
        let (ok, said) = run(&[&["healthcheck"][..], flags].concat(), &[])?;
        ensure!(ok && said.contains("ok") && said.lines().count() == 1, "{flags:?}: {said}");
    }
    Ok(())
}

/// Files are read again on SIGHUP; what cannot be used changes nothing but the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_has_the_files_read_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new("authority")?;
    let pair = authority.sign(&["127.0.0.1"])?;
    let server = Server::start(folder.path(), &authority, &pair, &[]).await?;
    let url = server.url.clone();

    // As `openssl req -x509` makes them: its own authority, believed because it is named itself.
    let own = self_signed(&["127.0.0.1"])?;
    let (certificate, key) = own.write(folder.path())?;
    let certificate = certificate.to_string_lossy().into_owned();
    server.tarn.signal("HUP")?;
    let itself = ["--cacert", certificate.as_str()];
    server.until("renewed", || Ok(server.flush(&url, &itself)?.0)).await?;
    let (ok, said) = server.flush(&url, &[])?;
    ensure!(!ok && said.contains("it vouches for itself"), "{said}");
    let (ok, said) = server.flush(&url.replace("127.0.0.1", "localhost"), &itself)?;
    ensure!(!ok && said.contains("made out to another name"), "{said}");

    std::fs::write(key, "no key")?;
    server.tarn.signal("HUP")?;
    let log = || server.tarn.log_text();
    server.until("told", || Ok(log().contains("the old ones stay in force"))).await?;
    ensure!(log().contains("listen.tls.key") && log().contains("holds no private key"));
    ensure!(server.flush(&url, &itself)?.0, "the old certificate is in force");

    authority.sign_until(&["127.0.0.1"], 2020)?.write(folder.path())?;
    server.tarn.signal("HUP")?;
    server.until("told", || Ok(log().contains("has expired"))).await?;
    let (ok, said) = server.flush(&url, &["--cacert", &server.cacert])?;
    ensure!(!ok && said.contains("it has expired"), "{said}");
    let (ok, said) = run(&["healthcheck", "--url", &url], &[])?;
    ensure!(ok, "{said}");
    ensure!(server.tarn.stop().await?.code() == Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_asked_for_their_certificate() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new("authority")?;
    let pair = authority.sign(&["127.0.0.1"])?;
    let ca = folder.path().join("ca.crt").to_string_lossy().into_owned();
    let flags = ["--listen.tls.client-ca", &ca, "--listen.tls.client-auth", "required"];
    let server = Server::start(folder.path(), &authority, &pair, &flags).await?;
    let write = |name: &str, pair: Pair| -> Result<[String; 2]> {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder)?;
        let (certificate, key) = pair.write(&folder)?;
        Ok([certificate, key].map(|path| path.to_string_lossy().into_owned()))
    };
    let good = write("good", authority.sign(&["spiffe://prod/collector"])?)?;
    let stranger = write("stranger", Authority::new("other")?.sign(&["spiffe://prod/collector"])?)?;
    let expired = write("expired", authority.sign_until(&["spiffe://prod/collector"], 2020)?)?;
    let flush = |own: Option<&[String; 2]>| {
        let mut flags = vec!["--cacert", server.cacert.as_str()];
        if let Some([certificate, key]) = own {
            flags.extend(["--client-cert", certificate.as_str(), "--client-key", key.as_str()]);
        }
        server.flush(&server.url, &flags)
    };
    // Whoever may not ask cannot know when all of it is ready.
    server.until("let in", || Ok(flush(Some(&good))?.0)).await?;
    for (own, words) in [
        (None, "asks for a certificate"),
        (Some(&stranger), "does not trust the certificate of --client-cert"),
        (Some(&expired), "has expired"),
    ] {
        let (ok, said) = flush(own)?;
        ensure!(!ok && said.contains(words), "{own:?}: {said}");
    }
    let (ok, said) = run(&["healthcheck", "--url", &server.url], &[])?;
    ensure!(ok && said.contains("asks for a certificate"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_ports_and_wrong_settings_are_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&folder), &[]).await?;
    let (ok, said) = run(&["flush", "--url", &format!("https://{}", tarn.address)], &[])?;
    ensure!(!ok && said.contains("is it http:// there?"), "{said}");

    let authority = Authority::new("authority")?;
    let (certificate, _) = authority.sign(&["127.0.0.1"])?.write(folder.path())?;
    let other = folder.path().join("other");
    std::fs::create_dir(&other)?;
    let (_, key) = authority.sign(&["127.0.0.1"])?.write(&other)?;
    let (certificate, key) = (certificate.to_string_lossy(), key.to_string_lossy());
    for (flags, words) in [
        (vec!["--listen.tls.certificate", &*certificate], "needs listen.tls.key"),
        (
            vec!["--listen.tls.certificate", &*certificate, "--listen.tls.key", &*key],
            "is not the key of the first certificate",
        ),
        (vec!["--listen.tls.client-auth", "maybe"], "none of off, optional, required"),
        (vec!["--http.trusted-proxies", "10.0.0.0/33"], "10.0.0.0/33"),
    ] {
        let (ok, said) = run(&[&["check"][..], &flags].concat(), &[])?;
        ensure!(!ok && said.contains(words), "{flags:?}: {said}");
    }
    Ok(())
}

/// Sends a request of HTTP/2 over TLS; returns its headers and trailers together.
async fn call(
    address: &str,
    authority: &Authority,
    request: Request<Full<Bytes>>,
) -> Result<HeaderMap> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(authority.pem().as_bytes()) {
        roots.add(root?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("127.0.0.1")?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let serving = tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    ensure!(parts.status == 200, "{parts:?}");
    let mut headers = parts.headers;
    headers.extend(body.collect().await?.trailers().cloned().unwrap_or_default());
    drop(sender);
    serving.await??;
    Ok(headers)
}

/// SDKs speak gRPC and HTTP to their ports as before, over TLS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telemetry_comes_over_tls() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new("authority")?;
    let pair = authority.sign(&["127.0.0.1"])?;
    let server = Server::start(folder.path(), &authority, &pair, &[]).await?;
    let at_ns = u64::try_from(now_ms())? * 1_000_000;
    let logs = otlp::logs("secret", vec![otlp::record(at_ns, "over TLS", vec![])]).encode_to_vec();
    let path = "opentelemetry.proto.collector.logs.v1.LogsService/Export";
    for (address, path, kind, body) in [
        (server.tarn.otlp_grpc(), path, "application/grpc", frame(false, &logs)),
        (server.tarn.otlp_http(), "v1/logs", "application/x-protobuf", logs.clone()),
        (server.tarn.address.as_str(), "v1/logs", "application/x-protobuf", logs.clone()),
    ] {
        let request =
            Request::post(format!("https://{address}/{path}")).header("content-type", kind);
        let request = request.header("te", "trailers").body(Full::new(Bytes::from(body)))?;
        let headers = call(address, &authority, request).await.with_context(|| kind.to_owned())?;
        let is_call = kind == "application/grpc";
        ensure!(!is_call || headers.get("grpc-status").is_some_and(|s| s == "0"), "{headers:?}");
        ensure!(is_call || headers.contains_key("strict-transport-security"), "{headers:?}");
    }
    let flags = ["logs", "service:secret", "--url", &server.url, "--cacert", &server.cacert];
    let (ok, said) = run(&flags, &[])?;
    ensure!(ok && said.contains("over TLS"), "{said}");
    Ok(())
}

#[test]
fn shells_and_man_are_served() -> Result<()> {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (ok, said) = run(&["completions", shell], &[])?;
        ensure!(ok && said.contains("healthcheck"), "{shell}: {said}");
    }
    let (ok, said) = run(&["man", "block", "repair"], &[])?;
    ensure!(ok && said.contains(".TH"), "{said}");
    let (ok, said) = run(&["man", "nonsense"], &[])?;
    ensure!(!ok && said.contains("there is no command `tarn nonsense`"), "{said}");
    let folder = tempfile::tempdir()?;
    let (ok, said) = run(&["man", "--dir", &folder.path().to_string_lossy()], &[])?;
    ensure!(ok, "{said}");
    let page = std::fs::read_to_string(folder.path().join("tarn-query.1")).context("a page")?;
    ensure!(page.contains("PromQL"), "{page}");
    // A secret of the environment is not part of any help.
    let (ok, said) = run(&["flush", "--help"], &[("TARN_TOKEN", "tarn_not_to_be_shown")])?;
    ensure!(ok && !said.contains("not_to_be_shown"), "{said}");
    Ok(())
}
