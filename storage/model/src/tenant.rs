//! Whose data it is.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};

/// Longest tenant id in bytes, as in Loki and Mimir.
pub const TENANT_BYTES_MAX: usize = 150;

/// A validated tenant id. It is part of every object key, cache key and query. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// Validates an id as it came in the `X-Scope-OrgID` header.
    ///
    /// # Errors
    /// `Invalid` where it is empty, longer than 150 bytes, `.` or `..`, names several tenants with
    /// `|`, or holds a character other than `[A-Za-z0-9!-_.*'()]`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::invalid("tenant id is empty"));
        }
        if text.len() > TENANT_BYTES_MAX {
            let bytes = text.len();
            let message = format!("tenant id is {bytes} bytes, limit is {TENANT_BYTES_MAX}");
            return Err(Error::invalid(message));
        }
        if text.contains('|') {
            return Err(Error::invalid("queries over several tenants are not answered yet"));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "!-_.*'()".contains(c);
        if let Some(c) = text.chars().find(|c| !allowed(*c)) {
            return Err(Error::invalid(format!("tenant id contains {c:?}")));
        }
        if text == "." || text == ".." {
            return Err(Error::invalid(format!("tenant id {text:?} is reserved")));
        }
        Ok(Self(text.into()))
    }

    /// Returns the tenant of requests without a header in single-tenant mode.
    pub fn default_tenant() -> Self {
        Self("default".into())
    }

    /// Returns the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_validated() {
        for good in ["default", "team-a", "a.b", "x*'()!", "_tarn"] {
            assert!(TenantId::parse(good).is_ok(), "{good}");
        }
        let long = "x".repeat(151);
        for bad in ["", ".", "..", "a/b", "a|b", "a b", "ä", "a\0", &long] {
            assert!(TenantId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
