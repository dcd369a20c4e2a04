//! Authorities and certificates for tests of TLS: made on the spot, thrown away afterwards.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};

/// Who signs.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, with those that signed it where there are any between it and the authority.
    pub certificate: String,
    /// Its key, PKCS#8.
    pub key: String,
}

impl Authority {
    /// Makes one.
    ///
    /// # Errors
    /// Where no key can be made.
    pub fn new(name: &str) -> Result<Self> {
        let params = params(name, &[], authority());
        Ok(Self(CertifiedIssuer::self_signed(params?, KeyPair::generate()?)?))
    }

    /// Makes one that another one vouches for.
    ///
    /// # Errors
    /// As [`Authority::new`].
    pub fn below(&self, name: &str) -> Result<Self> {
        let params = params(name, &[], authority());
        Ok(Self(CertifiedIssuer::signed_by(params?, KeyPair::generate()?, &self.0)?))
    }

    /// Returns its certificate, as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Signs a certificate for these names: addresses, URIs, e-mail addresses or host names.
    ///
    /// # Errors
    /// Where one of them is none of these.
    pub fn sign(&self, names: &[&str]) -> Result<Pair> {
        self.sign_until(names, 4000)
    }

    /// As [`Authority::sign`], good until the start of a year.
    ///
    /// # Errors
    /// As [`Authority::sign`].
    pub fn sign_until(&self, names: &[&str], year: i32) -> Result<Pair> {
        let mut params = params("tarn", names, IsCa::NoCa)?;
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?.pem();
        Ok(Pair { certificate, key: key.serialize_pem() })
    }
}

/// Makes a certificate that nobody else vouches for, as `openssl req -x509` does: it calls itself an
/// authority.
///
/// # Errors
/// As [`Authority::sign`].
pub fn self_signed(names: &[&str]) -> Result<Pair> {
    let key = KeyPair::generate()?;
    let certificate = params("tarn", names, authority())?.self_signed(&key)?.pem();
    Ok(Pair { certificate, key: key.serialize_pem() })
}

impl Pair {
    /// Writes `tls.crt` and `tls.key` into a folder, and returns their paths.
    ///
    /// # Errors
    /// Where they cannot be written.
    #[expect(clippy::disallowed_methods, reason = "the files of an operator")]
    pub fn write(&self, folder: &Path) -> Result<(PathBuf, PathBuf)> {
        let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
        std::fs::write(&certificate, &self.certificate).context("write the certificate")?;
        std::fs::write(&key, &self.key).context("write the key")?;
        Ok((certificate, key))
    }
}

fn authority() -> IsCa {
    IsCa::Ca(BasicConstraints::Unconstrained)
}

fn params(common_name: &str, names: &[&str], is_ca: IsCa) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = is_ca;
    for name in names {
        params.subject_alt_names.push(match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) if name.contains("://") => SanType::URI((*name).try_into()?),
            Err(_) if name.contains('@') => SanType::Rfc822Name((*name).try_into()?),
            Err(_) => SanType::DnsName((*name).try_into()?),
        });
    }
    Ok(params)
}
