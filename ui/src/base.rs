//! Where the server stands for browsers: `/`, or a folder of a host that others share. The prefix goes
//! into `<base href>`, and every address of the app is relative to it.

use std::fmt;

#[cfg(test)]
mod tests;

/// A prefix of paths, `/` at both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasePath(String);

impl Default for BasePath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl BasePath {
    /// Reads a prefix; a `/` at its end is optional.
    ///
    /// # Errors
    /// Where it does not begin with `/`, or has characters that would have to be escaped: it stands in
    /// HTML, in headers and in addresses as it is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        if text == "/" {
            return Ok(Self::default());
        }
        let inner = text.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        let fine =
            |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(plain);
        match inner {
            Some(inner) if inner.split('/').all(fine) => Ok(Self(format!("/{inner}/"))),
            _ => Err(format!(
                "{text:?} is no path such as /tarn/, of letters, digits, \"-\", \".\", \"_\" and \"~\""
            )),
        }
    }

    /// Returns whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// Returns a path without the prefix, where it has it: what stands in front may have taken it away.
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        let prefix = self.0.strip_suffix('/').filter(|prefix| !prefix.is_empty())?;
        match path.strip_prefix(prefix)? {
            "" => Some("/"),
            rest if rest.starts_with('/') => Some(rest),
            _ => None,
        }
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
