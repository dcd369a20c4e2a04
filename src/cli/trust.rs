//! Who a server must prove to be, and what we show it.
//!
//! Over https a server is believed that one of the system's authorities vouches for, or one of
//! `--cacert`; a certificate that stands in that file itself is believed too, also where it is signed by
//! nobody but itself. Nothing turns this off.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use http::HeaderValue;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tarn_model::secret::Secret;

use crate::config::secret;
use crate::tls::{names, provider};

/// Where systems keep the authorities that they trust; the first that is there counts.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/opt/homebrew/etc/ca-certificates/cert.pem",
];
/// The variable that names another one, as for other programs.
const BUNDLE_VARIABLE: &str = "SSL_CERT_FILE";

/// What a command shows and whom it believes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Trust {
    /// Key to show the server, made by `tarn access keys create`; file:/path or env:NAME say where
    /// it stands.
    #[arg(
        long,
        env = "TARN_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        value_parser = token
    )]
    pub(crate) token: Option<Secret>,
    /// PEM file with the authority of the server's certificate, or the certificate itself.
    #[arg(long, env = "TARN_CACERT", value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,
    /// PEM file with a certificate to show the server.
    #[arg(long, env = "TARN_CLIENT_CERT", value_name = "FILE", requires = "client_key")]
    pub(crate) client_cert: Option<PathBuf>,
    /// PEM file with the key of that certificate.
    #[arg(long, env = "TARN_CLIENT_KEY", value_name = "FILE", requires = "client_cert")]
    pub(crate) client_key: Option<PathBuf>,
}

fn token(text: &str) -> Result<Secret, String> {
    secret::parse(text).ok_or_else(|| "is empty".to_owned())
}

impl Trust {
    /// Returns the header that shows the key, where there is one.
    ///
    /// # Errors
    /// Where the key cannot be read, or cannot be sent.
    pub(crate) fn authorization(&self) -> anyhow::Result<Option<HeaderValue>> {
        let Some(token) = &self.token else { return Ok(None) };
        let token = token.read().context("read --token")?;
        let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        // What it is must not be in the message.
        let mut value = value.map_err(|_| anyhow::anyhow!("--token cannot be part of a header"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// Returns what a connection to a server begins with.
    ///
    /// # Errors
    /// Where a file cannot be used.
    pub(crate) fn config(&self) -> anyhow::Result<ClientConfig> {
        self.with(Arc::new(Known::new(self.cacert.as_deref())?))
    }

    /// As [`Trust::config`], for a server on this machine that is asked nothing but whether it is
    /// there: nobody is told anything, so anybody may answer.
    ///
    /// # Errors
    /// As [`Trust::config`].
    pub(crate) fn config_of_loopback(&self) -> anyhow::Result<ClientConfig> {
        match &self.cacert {
            Some(_) => self.config(),
            None => self.with(Arc::new(Known { usual: None, named: Named::Anybody })),
        }
    }

    fn with(&self, known: Arc<Known>) -> anyhow::Result<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .context("set up TLS")?
            .dangerous()
            .with_custom_certificate_verifier(known);
        let (Some(certificate), Some(key)) = (&self.client_cert, &self.client_key) else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&read(key)?)
            .map_err(|e| anyhow::anyhow!("{} holds no key: {e}", key.display()))?;
        builder.with_client_auth_cert(chain, key).context("use --client-cert with --client-key")
    }
}

/// Whom we believe.
#[derive(Debug)]
struct Known {
    usual: Option<Arc<WebPkiServerVerifier>>,
    named: Named,
}

/// Who is believed without anybody vouching.
#[derive(Debug)]
enum Named {
    /// Those that prove to hold the key of one of these.
    These(Vec<CertificateDer<'static>>),
    Anybody,
}

impl Known {
    fn new(cacert: Option<&Path>) -> anyhow::Result<Self> {
        let own = cacert.map(certificates).transpose()?;
        let mut roots = RootCertStore::empty();
        match &own {
            Some(own) => {
                roots.add_parsable_certificates(own.iter().cloned());
            }
            None => {
                roots.add_parsable_certificates(of_the_system()?);
            }
        }
        let usual = if roots.is_empty() {
            None
        } else {
            let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
            Some(usual.build().context("set up the authorities of TLS")?)
        };
        Ok(Self { usual, named: Named::These(own.unwrap_or_default()) })
    }
}

/// Returns the authorities that the system trusts; none where it names none.
fn of_the_system() -> anyhow::Result<Vec<CertificateDer<'static>>> {
    if let Some(named) = std::env::var_os(BUNDLE_VARIABLE) {
        return certificates(Path::new(&named)).context("read what SSL_CERT_FILE names");
    }
    match BUNDLES.iter().map(Path::new).find(|path| path.is_file()) {
        Some(bundle) => certificates(bundle),
        None => Ok(Vec::new()),
    }
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = found.map_err(|e| anyhow::anyhow!("{} is not PEM: {e}", path.display()))?;
    if found.is_empty() {
        bail!("{} holds no certificate", path.display());
    }
    Ok(found)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let read: io::Result<_> = std::fs::read(path);
    read.with_context(|| format!("read {}", path.display()))
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let is_named = match &self.named {
            Named::Anybody => return Ok(ServerCertVerified::assertion()),
            Named::These(these) => these.iter().any(|certificate| certificate == end_entity),
        };
        if is_named {
            return valid_for(end_entity, server_name, now);
        }
        let Some(usual) = &self.usual else { return Err(CertificateError::UnknownIssuer.into()) };
        usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &algorithms().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &algorithms().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().signature_verification_algorithms.supported_schemes()
    }
}

fn algorithms() -> Arc<CryptoProvider> {
    provider()
}

/// What remains to be checked of a certificate that was named itself: its time and its name.
fn valid_for(
    certificate: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, rustls::Error> {
    let (not_before_s, not_after_s) =
        names::validity_s(certificate).ok_or(CertificateError::BadEncoding)?;
    let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now_s > not_after_s {
        return Err(CertificateError::Expired.into());
    }
    if now_s < not_before_s {
        return Err(CertificateError::NotValidYet.into());
    }
    let parsed = webpki::EndEntityCert::try_from(certificate);
    let parsed = parsed.map_err(|_| CertificateError::BadEncoding)?;
    match parsed.verify_is_valid_for_subject_name(server_name) {
        Ok(()) => Ok(ServerCertVerified::assertion()),
        Err(_) => Err(CertificateError::NotValidForName.into()),
    }
}
