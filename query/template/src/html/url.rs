//! URLs: which part of one is written, and what a value may say there.

use super::UNSAFE;
use crate::escape::percent_small;

/// Where in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// At the beginning: a value may name the scheme.
    Start,
    /// Before the query.
    Path,
    /// In query or fragment: a value is one parameter.
    Query,
}

impl Part {
    /// Returns the part after a text of the template.
    pub(super) fn after(self, text: &str) -> Self {
        match self {
            Self::Query => self,
            _ if text.contains(['?', '#']) => Self::Query,
            Self::Start if text.trim().is_empty() => self,
            _ => Self::Path,
        }
    }

    /// Returns a value as this part of a URL.
    pub(super) fn value(self, text: &str, safe: bool) -> String {
        match self {
            Self::Start if !safe && !is_safe(text) => format!("#{UNSAFE}"),
            Self::Start | Self::Path => normalize(text),
            Self::Query if safe => normalize(text),
            Self::Query => {
                percent_small(text, |b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
            }
        }
    }
}

/// A scheme that runs nothing, or none.
fn is_safe(text: &str) -> bool {
    match text.split_once(':') {
        Some((scheme, _)) if !scheme.contains('/') => {
            ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        }
        _ => true,
    }
}

/// Escapes what no URL contains, and leaves what is escaped.
fn normalize(text: &str) -> String {
    const RESERVED: &[u8] = b"!#$&*+,/:;=?@[]-._~";
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    for (i, c) in text.char_indices() {
        let escape = bytes.get(i + 1..i + 3).is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit));
        match c {
            '%' if escape => out.push(c),
            c => out.push_str(&percent_small(c.encode_utf8(&mut [0; 4]), |b| {
                b.is_ascii_alphanumeric() || RESERVED.contains(&b)
            })),
        }
    }
    out
}

/// A list of URLs with sizes behind them.
pub(super) fn set(text: &str) -> String {
    let parts = text.split(',').map(|part| {
        let (url, size) = part.trim().split_once(' ').unwrap_or((part.trim(), ""));
        let plain = size.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b' ');
        match is_safe(url) && plain {
            true if size.is_empty() => normalize(url).replace(',', "%2c"),
            true => format!("{} {size}", normalize(url).replace(',', "%2c")),
            false => format!("#{UNSAFE}"),
        }
    });
    parts.collect::<Vec<_>>().join(",")
}
