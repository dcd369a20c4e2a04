//! Small values that are handed to a browser and come back: sealed with HMAC-SHA256, not hidden.
//!
//! `base64url(JSON).base64url(MAC)`. The key is one secret of the whole store; what a value is for goes
//! into the MAC, so that one made for one purpose never passes for another. MACs are compared in
//! constant time, before anything is parsed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tarn_model::error::{Error, Result};

/// Longer values are not looked at: a browser keeps 4,096 bytes of a cookie, its name included.
pub(crate) const BYTES_MAX: usize = 3_900;

/// Bytes of a key, and of whatever must not be guessed.
const SECRET_BYTES: usize = 32;

/// What seals.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key([u8; SECRET_BYTES]);

/// What a value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Session,
    /// The token that a page of ours sends along with what changes something.
    Csrf,
    /// A login at an OIDC provider that has begun.
    Oidc,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Session => b"tarn session v1\0",
            Self::Csrf => b"tarn csrf v1\0",
            Self::Oidc => b"tarn oidc v1\0",
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(<secret>)")
    }
}

impl Key {
    /// Draws a key.
    ///
    /// # Errors
    /// `Internal` where the system gives no random bits.
    pub(crate) fn random() -> Result<Self> {
        random_bytes().map(Self)
    }

    /// Returns the key as text, to be stored.
    pub(crate) fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads what [`Key::to_text`] made.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        Some(Self(URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?))
    }

    /// Seals a value.
    ///
    /// # Errors
    /// `LimitExceeded` where a browser would not keep it.
    pub(crate) fn seal(&self, purpose: Purpose, value: &impl Serialize) -> Result<String> {
        let json = serde_json::to_vec(value);
        let json = json.map_err(|e| Error::internal("seal a value").with_source(e))?;
        let payload = URL_SAFE_NO_PAD.encode(json);
        let tag = URL_SAFE_NO_PAD.encode(self.mac(purpose, &payload).finalize().into_bytes());
        let sealed = format!("{payload}.{tag}");
        if sealed.len() > BYTES_MAX {
            let bytes = sealed.len();
            return Err(Error::limit(format!("a cookie has {bytes} bytes, limit is {BYTES_MAX}")));
        }
        Ok(sealed)
    }

    /// Opens what was sealed for the same purpose with the same key.
    pub(crate) fn open<T: DeserializeOwned>(&self, purpose: Purpose, sealed: &str) -> Option<T> {
        if sealed.len() > BYTES_MAX {
            return None;
        }
        let (payload, tag) = sealed.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        self.mac(purpose, payload).verify_slice(&tag).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }

    /// Returns a token that only the holder of the key can make of a text.
    pub(crate) fn token(&self, purpose: Purpose, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(purpose, text).finalize().into_bytes())
    }

    /// Returns whether a token is that of a text.
    pub(crate) fn is_token(&self, purpose: Purpose, text: &str, token: &[u8]) -> bool {
        let Ok(tag) = URL_SAFE_NO_PAD.decode(token) else { return false };
        self.mac(purpose, text).verify_slice(&tag).is_ok()
    }

    fn mac(&self, purpose: Purpose, text: &str) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0);
        let mut mac = mac.expect("HMAC takes keys of any length");
        mac.update(purpose.label());
        mac.update(text.as_bytes());
        mac
    }
}

/// Draws 256 bits from the system.
fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let filled = getrandom::fill(&mut bytes);
    filled.map_err(|e| Error::internal("draw random bits").with_source(e))?;
    Ok(bytes)
}

/// Returns 256 random bits as text.
///
/// # Errors
/// `Internal` where the system gives none.
pub(crate) fn random_text() -> Result<String> {
    random_bytes::<SECRET_BYTES>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// Returns 128 random bits as text: enough for what must be unique.
///
/// # Errors
/// `Internal` where the system gives none.
pub(crate) fn random_id() -> Result<String> {
    random_bytes::<16>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// Returns the SHA-256 of a text that cannot be guessed, to be stored in its place.
pub(crate) fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests;
