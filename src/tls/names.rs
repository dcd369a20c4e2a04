//! Who a certificate is made out to, and for how long.

use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use crate::listen::peer::ClientCertificate;

/// Returns from and until when a certificate is good, in seconds since the epoch; `None` where it is
/// no certificate.
pub(crate) fn validity_s(certificate: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let validity = parsed.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

/// Reads a certificate whose signature was checked; `None` where it is no certificate.
pub(crate) fn of_client(certificate: &CertificateDer<'_>) -> Option<ClientCertificate> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let extension = parsed.subject_alternative_name().ok()?;
    let names = extension
        .map_or_else(Vec::new, |found| found.value.general_names.iter().filter_map(name).collect());
    let digest = Sha256::digest(certificate);
    let fingerprint = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(ClientCertificate { names, subject: parsed.subject().to_string(), fingerprint })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(text) | GeneralName::DNSName(text) | GeneralName::RFC822Name(text) => {
            Some((*text).to_owned())
        }
        _ => None,
    }
}
