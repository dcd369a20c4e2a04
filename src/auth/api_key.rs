//! API keys as their owners hold them: `tarn_<id>_<secret>`.
//!
//! The id is 64 random bits and says which key it is; it may stand in lists and logs. The secret is 256
//! random bits; only the SHA-256 of the whole token is kept, which is enough for what nobody can guess.
//! Both are written in hexadecimal, so that `tarn_[0-9a-f]{16}_[0-9a-f]{64}` finds tokens in places
//! where they should not be, and a double click selects all of one.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tarn_model::error::{Error, Result};

/// How tokens begin.
const PREFIX: &str = "tarn_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// SHA-256 of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Takes it of a token.
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Reads 64 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return None;
        }
        let digit = |b: u8| char::from(b).to_digit(16);
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let [high, low] = pair else { return None };
            *byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
        }
        Some(Self(bytes))
    }

    /// Writes 64 hexadecimal digits.
    pub(crate) fn to_hex(self) -> String {
        hex(&self.0)
    }

    /// Compares without telling by its time where the first difference is.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// A new key.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) id: String,
    /// The whole of it. It is shown once and kept nowhere.
    pub(crate) text: String,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Token {
    /// Makes one of the operating system's randomness.
    ///
    /// # Errors
    /// Where the system has none.
    pub(crate) fn generate() -> Result<Self> {
        let mut bytes = [0; ID_BYTES + SECRET_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|e| Error::internal(format!("the operating system has no randomness: {e}")))?;
        let (id, secret) = bytes.split_at(ID_BYTES);
        let id = hex(id);
        let text = format!("{PREFIX}{id}_{}", hex(secret));
        Ok(Self { id, text })
    }
}

/// Returns the id of a token that is written as Tarn writes them.
pub(crate) fn id_of(token: &str) -> Option<&str> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    let is_hex =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let whole = id.len() == 2 * ID_BYTES && secret.len() == 2 * SECRET_BYTES;
    (whole && is_hex(id) && is_hex(secret)).then_some(id)
}

/// Returns whether a text is an id of a key.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 2 * ID_BYTES && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn hex(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    halves.filter_map(|half| char::from_digit(u32::from(half), 16)).collect()
}

#[cfg(test)]
mod tests;
