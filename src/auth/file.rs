//! Keys, certificates and groups of `auth.file`, for those who configure by files.
//!
//! ```yaml
//! keys:
//!   - name: collector
//!     token: file:/run/secrets/collector   # or sha256: <hex of the whole token>
//!     grants: [{role: ingest, tenants: [team-a]}]
//!     expires: 2027-01-01T00:00:00Z
//! certificates:
//!   - san: spiffe://prod/collector
//!     grants: [{role: ingest, tenants: ["*"]}]
//! groups:
//!   - name: sre
//!     grants: [{role: admin, tenants: ["*"]}]
//! ```
//!
//! The file is read again every ten seconds and compared by what it says, the tokens in other files
//! included: Kubernetes swaps links and leaves dates as they like. One that cannot be read changes
//! nothing, but for the log and a counter.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use tarn_model::map::HashMap;

use super::api_key::Fingerprint;
use super::keys::Entry;
use super::principal::{Grant, How, Principal};
use crate::config::secret;

/// Shorter tokens can be guessed: 32 characters of base64 are 192 bits.
const TOKEN_CHARS_MIN: usize = 32;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Written {
    keys: Vec<WrittenKey>,
    certificates: Vec<WrittenCertificate>,
    groups: Vec<WrittenGroup>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    name: String,
    token: Option<String>,
    sha256: Option<String>,
    grants: Vec<Grant>,
    expires: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCertificate {
    san: String,
    grants: Vec<Grant>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenGroup {
    name: String,
    grants: Vec<Grant>,
}

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct AuthFile {
    pub(super) keys: HashMap<Fingerprint, Arc<Entry>>,
    /// By alternative name.
    pub(super) certificates: HashMap<String, Arc<Principal>>,
    /// Groups of the OIDC provider, with what they are granted.
    pub(crate) groups: HashMap<String, Vec<Grant>>,
}

impl PartialEq for AuthFile {
    fn eq(&self, other: &Self) -> bool {
        let same = |(print, entry): (&Fingerprint, &Arc<Entry>)| {
            other.keys.get(print).is_some_and(|there| there.says_the_same(entry))
        };
        self.keys.len() == other.keys.len()
            && self.keys.iter().all(same)
            && self.certificates == other.certificates
            && self.groups == other.groups
    }
}

/// Reads the file, and the files that it names.
///
/// # Errors
/// What is wrong, without any token.
pub(crate) fn read(path: &Path) -> Result<AuthFile, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot be read: {e}"))?;
    parse(&text)
}

fn parse(text: &str) -> Result<AuthFile, String> {
    // A snippet would show tokens that stand in the file.
    let written: Option<Written> =
        serde_saphyr::from_str(text).map_err(|e| e.without_snippet().to_string())?;
    let written = written.unwrap_or_default();
    let mut file = AuthFile::default();
    for (at, key) in written.keys.into_iter().enumerate() {
        let name = key.name.clone();
        let wrong = |message: String| format!("key {:?} (number {}): {message}", name, at + 1);
        let (fingerprint, entry) = entry(key).map_err(wrong)?;
        if file.keys.insert(fingerprint, Arc::new(entry)).is_some() {
            return Err(wrong("its token is that of another key".to_owned()));
        }
    }
    for WrittenCertificate { san, grants } in written.certificates {
        granted(&grants).map_err(|message| format!("certificate {san:?}: {message}"))?;
        let (name, how, id) = (san.clone(), How::Certificate, san.clone());
        let principal = Arc::new(Principal { name, how, id, grants });
        if file.certificates.insert(san.clone(), principal).is_some() {
            return Err(format!("certificate {san:?} stands twice"));
        }
    }
    for WrittenGroup { name, grants } in written.groups {
        granted(&grants).map_err(|message| format!("group {name:?}: {message}"))?;
        if file.groups.insert(name.clone(), grants).is_some() {
            return Err(format!("group {name:?} stands twice"));
        }
    }
    Ok(file)
}

fn granted(grants: &[Grant]) -> Result<(), String> {
    if grants.is_empty() { Err("grants are missing".to_owned()) } else { Ok(()) }
}

fn entry(key: WrittenKey) -> Result<(Fingerprint, Entry), String> {
    let WrittenKey { name, token, sha256, grants, expires } = key;
    if name.is_empty() {
        return Err("its name is empty".to_owned());
    }
    granted(&grants)?;
    let fingerprint = match (token, sha256) {
        (Some(token), None) => of_token(&token)?,
        (None, Some(hash)) => Fingerprint::parse(&hash)
            .ok_or("sha256 is not 64 hexadecimal digits; sha256sum prints them".to_owned())?,
        _ => return Err("takes one of token and sha256".to_owned()),
    };
    // Tells two keys of one name apart, and nothing about the token.
    let id: String = fingerprint.to_hex().chars().take(16).collect();
    let principal = Principal { name, how: How::Key, id, grants };
    let expires_ms = expires.map(Timestamp::as_millisecond);
    Ok((fingerprint, Entry::of_file(Arc::new(principal), fingerprint, expires_ms)))
}

fn of_token(place: &str) -> Result<Fingerprint, String> {
    let secret = secret::parse(place).ok_or("its token is empty".to_owned())?;
    let token = secret.read().map_err(|e| e.message())?;
    let visible = token.bytes().all(|b| b.is_ascii_graphic());
    if token.len() < TOKEN_CHARS_MIN || !visible {
        return Err(format!(
            "its token is shorter than {TOKEN_CHARS_MIN} characters or has others than visible ASCII; \
             `tarn access keys generate` makes one"
        ));
    }
    Ok(Fingerprint::of(&token))
}

#[cfg(test)]
mod tests;
