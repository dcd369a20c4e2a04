//! What the files of TLS must hold. Whoever wrote them is told the setting, the file, and what is wrong
//! with it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

use super::{ClientAuth, Options, names, provider};

pub(super) const CERTIFICATE: &str = "listen.tls.certificate";
pub(super) const KEY: &str = "listen.tls.key";
pub(super) const CLIENT_CA: &str = "listen.tls.client_ca";

/// The files of a large organisation are some hundred KiB.
const BYTES_MAX: u64 = 4 << 20;

/// What all files held together.
pub(super) type Digest = [u8; 32];

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The setting that names it.
    pub(crate) key: &'static str,
    /// What is wrong, with the file.
    pub(crate) message: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// What the files became.
#[derive(Debug)]
pub(super) struct Loaded {
    /// For ports that speak HTTP of any version.
    pub(super) web: Arc<ServerConfig>,
    /// For the port of gRPC, which is HTTP/2 only.
    pub(super) grpc: Arc<ServerConfig>,
    /// The certificate is good from and until, in seconds since the epoch.
    pub(super) valid_s: (i64, i64),
}

/// A file that is there.
struct File<'a> {
    key: &'static str,
    path: &'a Path,
    bytes: Vec<u8>,
}

/// Says what is wrong with the files, if anything is.
pub(crate) fn check(options: &Options) -> Option<Wrong> {
    read(options).1.err()
}

/// Reads all files, and returns what they held beside what became of it.
pub(super) fn read(options: &Options) -> (Digest, Result<Loaded, Wrong>) {
    let named = [
        (CERTIFICATE, options.certificate.as_deref()),
        (KEY, options.key.as_deref()),
        (CLIENT_CA, options.client_ca.as_deref()),
    ];
    let mut hash = Sha256::new();
    let mut files = Vec::new();
    let mut first_wrong = None;
    for (key, path) in named.into_iter().filter_map(|(key, path)| Some((key, path?))) {
        let file = File::read(key, path);
        // Lengths keep the end of one from passing for the start of the next.
        let text = file.as_ref().map_or_else(|wrong| wrong.message.as_bytes(), |f| &f.bytes);
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
        match file {
            Ok(file) => files.push(file),
            Err(wrong) => first_wrong = first_wrong.or(Some(wrong)),
        }
    }
    let loaded = match first_wrong {
        Some(wrong) => Err(wrong),
        None => load(&files, options.client_auth),
    };
    (hash.finalize().into(), loaded)
}

fn load(files: &[File<'_>], client_auth: ClientAuth) -> Result<Loaded, Wrong> {
    let of = |key| files.iter().find(|file| file.key == key);
    let missing = |key| Wrong { key, message: "names no file".to_owned() };
    let certificate = of(CERTIFICATE).ok_or_else(|| missing(CERTIFICATE))?;
    let key = of(KEY).ok_or_else(|| missing(KEY))?;
    let provider = provider();
    let (certified, valid_s) = pair(certificate, key, &provider)?;
    let clients = match (client_auth, of(CLIENT_CA)) {
        (ClientAuth::Off, _) => WebPkiClientVerifier::no_client_auth(),
        (_, Some(authority)) => verifier(authority, client_auth, &provider)?,
        (_, None) => return Err(missing(CLIENT_CA)),
    };
    let mut web = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|e| certificate.wrong(format_args!("cannot be used: {e}")))?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    let mut grpc = web.clone();
    web.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    grpc.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Loaded { web: Arc::new(web), grpc: Arc::new(grpc), valid_s })
}

/// Takes a chain and its key, which must belong together.
fn pair(
    certificate: &File<'_>,
    key: &File<'_>,
    provider: &CryptoProvider,
) -> Result<(CertifiedKey, (i64, i64)), Wrong> {
    let chain = certificate.certificates()?;
    let valid_s = chain.first().and_then(names::validity_s).ok_or_else(|| {
        certificate.wrong(format_args!("begins with a certificate that cannot be read"))
    })?;
    let certified = CertifiedKey::from_der(chain, key.private_key()?, provider);
    let certified = certified.map_err(|e| match e {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => key.wrong(format_args!(
            "is not the key of the first certificate in {}",
            certificate.path.display()
        )),
        rustls::Error::InvalidCertificate(e) => {
            certificate.wrong(format_args!("begins with a certificate that cannot be used: {e}"))
        }
        other => key.wrong(format_args!("holds a key that cannot be used: {other}")),
    })?;
    Ok((certified, valid_s))
}

fn verifier(
    authority: &File<'_>,
    client_auth: ClientAuth,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Wrong> {
    let roots = roots(authority)?;
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    if client_auth == ClientAuth::Optional {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|e| authority.wrong(format_args!("cannot be used: {e}")))
}

fn roots(authority: &File<'_>) -> Result<RootCertStore, Wrong> {
    let mut roots = RootCertStore::empty();
    for (number, certificate) in authority.certificates()?.into_iter().enumerate() {
        roots.add(certificate).map_err(|e| {
            authority.wrong(format_args!("certificate {} cannot be used: {e}", number + 1))
        })?;
    }
    Ok(roots)
}

impl<'a> File<'a> {
    fn read(key: &'static str, path: &'a Path) -> Result<Self, Wrong> {
        let wrong = |message: String| Wrong { key, message };
        let cannot = |e| wrong(format!("{} cannot be read: {e}", path.display()));
        let bytes = std::fs::metadata(path).map_err(cannot)?.len();
        if bytes > BYTES_MAX {
            let message = format!("{} is {bytes} bytes, limit is {BYTES_MAX}", path.display());
            return Err(wrong(message));
        }
        let bytes = std::fs::read(path).map_err(cannot)?;
        Ok(Self { key, path, bytes })
    }

    fn wrong(&self, what: fmt::Arguments<'_>) -> Wrong {
        Wrong { key: self.key, message: format!("{} {what}", self.path.display()) }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Wrong> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        match found {
            Ok(found) if found.is_empty() => Err(self.wrong(format_args!(
                "holds no certificate: there is no line -----BEGIN CERTIFICATE-----"
            ))),
            Ok(found) => Ok(found),
            Err(e) => Err(self.wrong(format_args!("is not PEM: {e}"))),
        }
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, Wrong> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|e| {
            let text = String::from_utf8_lossy(&self.bytes);
            match e {
                _ if text.contains("ENCRYPTED") => self.wrong(format_args!(
                    "holds an encrypted key; `openssl pkey -in FILE -out FILE` decrypts it"
                )),
                rustls_pki_types::pem::Error::NoItemsFound => {
                    self.wrong(format_args!("holds no private key"))
                }
                other => self.wrong(format_args!("is not PEM: {other}")),
            }
        })
    }
}
