//! Why a bucket refuses, in words that tell an operator what to change.
//!
//! The client gives a few kinds and, for most refusals, the provider's own answer as text: XML with
//! a code and a message. Codes are stable where messages are not, so the code decides.

use std::error::Error as StdError;
use std::fmt::Display;

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    List,
    Write,
    CreateAgain,
    Delete,
}

/// Why it did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// No answer in time.
    Silent,
    /// No connection, or an answer that may be another next time.
    Away(String),
    /// The bucket does not exist.
    Absent,
    /// Nobody says who we are.
    NoCredentials(String),
    /// Who we say we are is not believed.
    Unknown(String),
    /// We are known, and may not.
    Denied(String),
    /// The clocks differ.
    Clock,
    /// The bucket is in another region.
    Region(Option<String>),
    /// The request is not understood.
    Unsupported(String),
}

/// Codes of S3 and Azure for credentials that are wrong.
const UNKNOWN: [&str; 8] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "NotSignedUp",
    "InvalidToken",
    "InvalidSecurity",
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "Unauthenticated",
];

impl Reason {
    /// Finds the reason in what the client says.
    pub(super) fn of(error: &object_store::Error) -> Self {
        let text = chain(error);
        let code = between(&text, "<Code>", "</Code>").unwrap_or_default();
        let said = || match between(&text, "<Message>", "</Message>") {
            Some(message) if !code.is_empty() => format!("{code}: {}", first_line(message)),
            _ => first_line(&text).to_owned(),
        };
        let region = between(&text, "is in region \"", "\"")
            .or_else(|| between(&text, "<Region>", "</Region>"));
        match code {
            "NoSuchBucket" | "ContainerNotFound" => return Self::Absent,
            "RequestTimeTooSkewed" => return Self::Clock,
            // A token of the identity that will be fetched anew.
            "ExpiredToken" | "TokenRefreshRequired" => return Self::Away(said()),
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "IllegalLocationConstraintException" => {
                return Self::Region(region.map(str::to_owned));
            }
            "NotImplemented" | "InvalidArgument" | "UnsupportedHeader" => {
                return Self::Unsupported(said());
            }
            _ if UNKNOWN.contains(&code) => return Self::Unknown(said()),
            _ => {}
        }
        let metadata = ["169.254.169.254", "169.254.170.", "metadata.google.internal"];
        if metadata.iter().any(|host| text.contains(host)) {
            return Self::NoCredentials(first_line(&text).to_owned());
        }
        if region.is_some() || text.contains("redirect without LOCATION") {
            return Self::Region(region.map(str::to_owned));
        }
        match error {
            object_store::Error::NotFound { .. } => Self::Absent,
            object_store::Error::PermissionDenied { .. } => Self::Denied(said()),
            object_store::Error::Unauthenticated { .. } => Self::Unknown(said()),
            object_store::Error::NotSupported { .. }
            | object_store::Error::NotImplemented { .. } => Self::Unsupported(said()),
            // Listings are refused without a kind of their own.
            _ if text.contains("status code: 404") => Self::Absent,
            _ if text.contains("status code: 403") => Self::Denied(said()),
            _ if text.contains("status code: 401") => Self::Unknown(said()),
            _ if text.contains("status code: 501") => Self::Unsupported(said()),
            _ => Self::Away(said()),
        }
    }

    /// Returns whether trying again cannot help.
    pub(super) fn is_final(&self) -> bool {
        !matches!(self, Self::Silent | Self::Away(_) | Self::Clock)
    }

    /// Says what, where and what to do.
    pub(super) fn tell(&self, doing: Doing, bucket: &dyn Display) -> String {
        match self {
            Self::Silent => format!(
                "{bucket} does not answer: check the network, storage.endpoint and storage.region"
            ),
            Self::Away(said) => format!(
                "{bucket} cannot be reached: check the network, storage.endpoint and \
                 storage.region ({said})"
            ),
            Self::Absent => format!(
                "{bucket} does not exist: create the bucket, or correct storage.url and \
                 storage.endpoint"
            ),
            Self::NoCredentials(said) => format!(
                "there are no credentials for {bucket}: set storage.access_key_id and \
                 storage.secret_access_key or the variables of the provider, or give this machine \
                 an identity ({said})"
            ),
            Self::Unknown(said) => format!(
                "{bucket} does not accept the credentials: check storage.access_key_id and \
                 storage.secret_access_key, or the variables of the provider ({said})"
            ),
            Self::Denied(said) => denied(doing, bucket, said),
            Self::Clock => format!(
                "the clock of this machine and that of {bucket} are too far apart for signed \
                 requests: set the clock"
            ),
            Self::Region(Some(region)) => {
                format!("{bucket} is in another region: set storage.region to {region}")
            }
            Self::Region(None) => {
                format!("{bucket} is in another region, which it does not name: set storage.region")
            }
            Self::Unsupported(said) if doing == Doing::List => format!(
                "{bucket} cannot list objects: check storage.endpoint and storage.addressing \
                 ({said})"
            ),
            Self::Unsupported(said) => format!(
                "{bucket} does not support conditional writes, on which the catalog rests: use a \
                 store that supports If-None-Match: * on PUT ({said})"
            ),
        }
    }
}

fn denied(doing: Doing, bucket: &dyn Display, said: &str) -> String {
    match doing {
        Doing::List => format!(
            "{bucket} may not be listed: grant the identity to list, read, write and delete there, \
             at Amazon s3:ListBucket on the bucket and s3:GetObject, s3:PutObject, s3:DeleteObject \
             below the prefix; or the credentials are those of somebody else ({said})"
        ),
        Doing::Write | Doing::CreateAgain => format!(
            "{bucket} can be read and not be written: grant the identity to write there, at Amazon \
             s3:PutObject and s3:DeleteObject below the prefix; to read it without a server, run \
             tarn query --data {bucket} ({said})"
        ),
        Doing::Delete => format!("objects of {bucket} may not be deleted ({said})"),
    }
}

/// Returns what an error and its causes say.
fn chain(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = error.source();
    }
    text
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(begin)?;
    after.split_once(end).map(|(inner, _)| inner)
}

/// Messages of providers may go on with what the request looked like.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Reason {
        let source = std::io::Error::other(text.to_owned());
        Reason::of(&object_store::Error::Generic { store: "S3", source: source.into() })
    }

    fn xml(code: &str) -> String {
        format!(
            "status code: 403 Forbidden: <Error><Code>{code}</Code><Message>m</Message></Error>"
        )
    }

    #[test]
    fn codes_decide() {
        assert_eq!(reason(&xml("NoSuchBucket")), Reason::Absent);
        assert_eq!(reason(&xml("RequestTimeTooSkewed")), Reason::Clock);
        let unknown = Reason::Unknown("InvalidAccessKeyId: m".to_owned());
        assert_eq!(reason(&xml("InvalidAccessKeyId")), unknown);
        assert_eq!(reason(&xml("AccessDenied")), Reason::Denied("AccessDenied: m".to_owned()));
        assert!(!reason(&xml("ExpiredToken")).is_final());
        assert!(!reason("connection refused").is_final());
        let region = "<Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region>";
        assert_eq!(reason(region), Reason::Region(Some("eu-west-1".to_owned())));
        assert_eq!(
            reason("HTTP error: the bucket is in region \"eu-west-3\""),
            Reason::Region(Some("eu-west-3".to_owned()))
        );
        let bare = "Received redirect without LOCATION, this normally indicates";
        assert_eq!(reason(bare), Reason::Region(None));
        let metadata = reason("error sending PUT http://169.254.169.254/latest/api/token");
        assert!(matches!(metadata, Reason::NoCredentials(_)), "{metadata:?}");
    }
}
