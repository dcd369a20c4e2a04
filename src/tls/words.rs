//! What a failed handshake means to the person at the client's end.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, OtherError};

/// Finds out why a connection over TLS failed, somewhere in the causes of an error.
pub(crate) fn found_in<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An error of a socket does not count what it carries among its causes.
        let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match carried {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    None
}

/// Returns whether the other end closed the connection.
pub(crate) fn ended_early(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(of_socket) = error.downcast_ref::<io::Error>() {
            let kind = of_socket.kind();
            return matches!(kind, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset);
        }
        cause = error.source();
    }
    false
}

/// Says what to do about it.
pub(crate) fn explain(error: &rustls::Error, host: &str) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => format!(
            "the certificate of {host} is not trusted: {}",
            of_certificate(why).unwrap_or_else(|| why.to_string())
        ),
        rustls::Error::AlertReceived(alert) => of_alert(*alert, host),
        rustls::Error::InvalidMessage(_) => {
            format!("{host} does not speak TLS on this port; is it http:// there?")
        }
        other => format!("no TLS with {host}: {other}"),
    }
}

fn of_certificate(error: &CertificateError) -> Option<String> {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, Other, UnknownIssuer,
    };
    Some(match error {
        UnknownIssuer => "nobody known has signed it; --cacert FILE (TARN_CACERT) names the \
             authority that did, or the certificate itself"
            .to_owned(),
        NotValidForName => "it is made out to another name".to_owned(),
        NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "it is made out to no name (it needs subjectAltName)".to_owned()
        }
        NotValidForNameContext { presented, .. } => {
            format!("it is made out to {}", presented.join(", "))
        }
        Expired | ExpiredContext { .. } => "it has expired".to_owned(),
        NotValidYet | NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        Other(OtherError(other)) if vouches_for_itself(&**other) => {
            "it vouches for itself; --cacert FILE (TARN_CACERT) names it, if it is to be believed"
                .to_owned()
        }
        _ => return None,
    })
}

/// `openssl req -x509` makes certificates that call themselves authorities.
fn vouches_for_itself(error: &(dyn StdError + Send + Sync + 'static)) -> bool {
    matches!(error.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
}

fn of_alert(alert: AlertDescription, host: &str) -> String {
    use AlertDescription as A;
    match alert {
        A::CertificateRequired => format!(
            "{host} asks for a certificate of the client: --client-cert FILE --client-key FILE"
        ),
        A::UnknownCA | A::BadCertificate | A::CertificateUnknown | A::DecryptError => {
            format!("{host} does not trust the certificate of --client-cert")
        }
        A::CertificateExpired => format!("{host}: the certificate of --client-cert has expired"),
        A::NoApplicationProtocol => format!("{host} speaks gRPC only on this port"),
        A::ProtocolVersion => format!("{host} speaks no version of TLS that is safe"),
        other => format!("{host} refused TLS: {other:?}"),
    }
}
