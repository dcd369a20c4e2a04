//! Values that are never printed.
//!
//! A secret is asked for anew whenever it is needed, so that a file that is replaced counts without
//! a restart. Whoever makes one says where it comes from; that is all that `Debug`, `Display` and
//! error messages ever show.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};

/// A password, a key, a token. Cheap to clone.
#[derive(Clone)]
pub struct Secret {
    origin: Arc<str>,
    read: Arc<dyn Fn() -> Result<String> + Send + Sync>,
}

impl Secret {
    /// Makes a secret of unknown age: `read` is asked each time. `origin` says where it comes from,
    /// such as `file:/run/secrets/key`.
    pub fn new(
        origin: impl Into<Arc<str>>,
        read: impl Fn() -> Result<String> + Send + Sync + 'static,
    ) -> Self {
        Self { origin: origin.into(), read: Arc::new(read) }
    }

    /// Makes a secret that never changes.
    pub fn fixed(origin: impl Into<Arc<str>>, value: impl Into<String>) -> Self {
        let value = value.into();
        Self::new(origin, move || Ok(value.clone()))
    }

    /// Returns where it comes from.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the value as it is now.
    ///
    /// # Errors
    /// `Invalid` where it cannot be had; the message names the origin.
    pub fn read(&self) -> Result<String> {
        match (self.read)() {
            Ok(value) if value.is_empty() => Err(Error::invalid(format!("{self} is empty"))),
            Ok(value) => Ok(value),
            Err(error) => Err(error.context(format!("read {self}"))),
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<secret {}>", self.origin)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_origin_is_printed() {
        let secret = Secret::fixed("inline", "hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "<secret inline> <secret inline>");
        assert_eq!(secret.read().expect("reads"), "hunter2");
        let empty = Secret::fixed("env:X", "").read().expect_err("no secret");
        assert_eq!(empty.message(), "<secret env:X> is empty");
        let broken = Secret::new("file:/x", || Err(Error::invalid("no such file")));
        let error = broken.read().expect_err("no file").message();
        assert_eq!(error, "read <secret file:/x>: no such file");
    }
}
