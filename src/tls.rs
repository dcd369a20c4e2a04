//! TLS of all ports: certificate, key and the authority of client certificates, from files that are
//! looked at while the server runs.
//!
//! Every connection begins with the configuration that is in force then, so a renewed certificate
//! counts for the next one and interrupts none. Files are compared by content every ten seconds and on
//! SIGHUP: Kubernetes swaps a link, which leaves dates and watchers of files as they were. What cannot
//! be used is told and counted, and the old stays in force.
//!
//! - [`files`]: what the files must be, in words for whoever wrote them
//! - [`names`]: who a certificate is made out to
//! - [`wire`]: a connection, encrypted or not
//! - [`words`]: what a failed handshake means to a person

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use tarn_model::error::{Error, Result};
use tarn_model::metrics::{TLS_CERTIFICATE_EXPIRY, TLS_HANDSHAKE_FAILURES, TLS_RELOAD_FAILURES};
use tarn_model::time::Clock;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::files::{Digest, Loaded, Wrong};
use crate::listen::Port;

pub(crate) mod files;
pub(crate) mod names;
pub(crate) mod wire;
pub(crate) mod words;

#[cfg(test)]
mod tests;

/// How soon a change of the files is noticed.
const EVERY: Duration = Duration::from_secs(10);
/// A certificate and its key are written one after the other; only what is wrong for this long is.
const SETTLE: Duration = Duration::from_secs(1);
/// Files that change at each look are given up until the next time.
const LOOKS_MAX: usize = 5;
/// A certificate that ends sooner than this is warned about. Automatic renewal has long happened then.
const EXPIRES_SOON_S: i64 = 14 * 24 * 3600;

/// Which files, and what is asked of clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) client_ca: Option<PathBuf>,
    pub(crate) client_auth: ClientAuth,
}

/// Whether clients show a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    #[default]
    Off,
    /// Those that have one; it must be right then.
    Optional,
    Required,
}

impl ClientAuth {
    /// Parses a setting.
    pub(crate) fn parse(text: &str) -> std::result::Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err(format!("{text:?} is none of off, optional, required")),
        }
    }
}

impl Options {
    /// Returns what contradicts itself, as setting and sentence.
    pub(crate) fn contradictions(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let missing = |key, message: &str| Wrong { key, message: message.to_owned() };
        match (&self.certificate, &self.key) {
            (Some(_), None) => wrong.push(missing(files::CERTIFICATE, "needs listen.tls.key")),
            (None, Some(_)) => wrong.push(missing(files::KEY, "needs listen.tls.certificate")),
            _ => {}
        }
        if self.client_auth != ClientAuth::Off && self.client_ca.is_none() {
            let message = "needs listen.tls.client_ca, who signs the certificates of clients";
            wrong.push(missing("listen.tls.client_auth", message));
        }
        if self.client_ca.is_some() && self.client_auth == ClientAuth::Off {
            let message = "is not asked for: listen.tls.client_auth must be optional or required";
            wrong.push(missing(files::CLIENT_CA, message));
        }
        if self.client_auth != ClientAuth::Off && self.certificate.is_none() {
            let message = "needs listen.tls.certificate and listen.tls.key";
            wrong.push(missing("listen.tls.client_auth", message));
        }
        wrong
    }

    /// Returns whether ports speak TLS.
    pub(crate) fn is_on(&self) -> bool {
        self.certificate.is_some() && self.key.is_some()
    }
}

/// The one implementation of cryptography in the process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What new connections begin with. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    current: ArcSwap<Loaded>,
    /// What the files held when they were looked at last, usable or not.
    seen: Mutex<Digest>,
    reload_failures: Counter,
    handshake_failures: Counter,
    expiry: Gauge<f64, AtomicU64>,
}

impl Tls {
    /// Reads the files, where TLS is wanted. Registers the metrics; that of the expiry only then, since
    /// alerts would take its absence for a very old certificate.
    ///
    /// # Errors
    /// Where a file cannot be used, with its setting.
    pub(crate) async fn open(
        options: &Options,
        clock: &dyn Clock,
        registry: &mut Registry,
    ) -> Result<Option<Self>> {
        let (reload_failures, handshake_failures) = (Counter::default(), Counter::default());
        let (name, counter) = (TLS_RELOAD_FAILURES, reload_failures.clone());
        registry.register(name.name, name.help, counter);
        let (name, counter) = (TLS_HANDSHAKE_FAILURES, handshake_failures.clone());
        registry.register(name.name, name.help, counter);
        if !options.is_on() {
            return Ok(None);
        }
        let expiry = Gauge::default();
        let name = TLS_CERTIFICATE_EXPIRY;
        registry.register(name.name, name.help, expiry.clone());
        let (digest, loaded) = read(options).await?;
        let loaded = loaded.map_err(|wrong| Error::invalid(wrong.to_string()))?;
        let tls = Self(Arc::new(Inner {
            options: options.clone(),
            current: ArcSwap::from_pointee(loaded),
            seen: Mutex::new(digest),
            reload_failures,
            handshake_failures,
            expiry,
        }));
        tls.tell(clock);
        Ok(Some(tls))
    }

    /// Returns what a connection to a port begins with now.
    pub(crate) fn config(&self, port: Port) -> Arc<ServerConfig> {
        let current = self.0.current.load();
        Arc::clone(if port == Port::OtlpGrpc { &current.grpc } else { &current.web })
    }

    /// Counts a handshake that came to nothing.
    pub(crate) fn handshake_failed(&self) {
        self.0.handshake_failures.inc();
    }

    /// Looks at the files until the stop.
    pub(crate) async fn watch(self, clock: Arc<dyn Clock>, stop: CancellationToken) {
        while stop.run_until_cancelled(clock.sleep(EVERY)).await.is_some() {
            stop.run_until_cancelled(self.look(&*clock)).await;
        }
    }

    /// Takes over what the files hold, if that is new and can be used.
    pub(crate) async fn look(&self, clock: &dyn Clock) {
        let mut seen = self.0.seen.lock().await;
        let mut failed_with = None;
        for _ in 0..LOOKS_MAX {
            let (digest, loaded) = match read(&self.0.options).await {
                Ok(read) => read,
                Err(error) => return warn!(%error, "the files of TLS could not be looked at"),
            };
            if digest == *seen {
                return;
            }
            match loaded {
                Ok(loaded) => {
                    *seen = digest;
                    self.0.current.store(Arc::new(loaded));
                    info!("the files of TLS are read again, new connections use them");
                    return self.tell(clock);
                }
                Err(wrong) if failed_with == Some(digest) => {
                    *seen = digest;
                    self.0.reload_failures.inc();
                    warn!(%wrong, "the files of TLS cannot be used, the old ones stay in force");
                    return;
                }
                Err(_) => failed_with = Some(digest),
            }
            clock.sleep(SETTLE).await;
        }
        warn!("the files of TLS change at each look, the old ones stay in force");
    }

    /// Says until when the certificate is good.
    fn tell(&self, clock: &dyn Clock) {
        let current = self.0.current.load();
        let (not_before_s, not_after_s) = current.valid_s;
        self.0.expiry.set(not_after_s as f64);
        let now_s = clock.now().0.div_euclid(1_000_000_000);
        let days = (not_after_s - now_s).div_euclid(24 * 3600);
        if not_after_s <= now_s {
            warn!(days_ago = -days, "the certificate of TLS has expired, clients will refuse it");
        } else if not_after_s - now_s < EXPIRES_SOON_S {
            warn!(days, "the certificate of TLS expires soon");
        }
        if now_s < not_before_s {
            warn!("the certificate of TLS is not valid yet, clients will refuse it");
        }
    }
}

/// Reads the files on a thread that may block.
async fn read(options: &Options) -> Result<(Digest, std::result::Result<Loaded, Wrong>)> {
    let options = options.clone();
    let read = tokio::task::spawn_blocking(move || files::read(&options)).await;
    read.map_err(|e| Error::internal("reading the files of TLS ended early").with_source(e))
}
