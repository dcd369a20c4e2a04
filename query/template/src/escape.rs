//! Escaping of texts for HTML, JavaScript and URLs, as Go's libraries do it.

use std::fmt::Write as _;

/// Escapes what has a meaning in HTML.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Escapes a text for a string of JavaScript, inside of HTML too.
pub fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => push_unicode(&mut out, c),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                push_unicode(&mut out, c)
            }
            c => out.push(c),
        }
    }
    out
}

/// Writes `\uXXXX`, a pair of them where one is not enough.
pub(crate) fn push_unicode(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        write!(out, "\\u{unit:04X}").expect("writing to a string does not fail");
    }
}

/// Escapes a text for a parameter of a URL (Go's `url.QueryEscape`).
pub fn url_query(text: &str) -> String {
    percent(text, |b| b == b' ' || unreserved(b)).replace(' ', "+")
}

/// Escapes a text for a segment of a URL's path (Go's `url.PathEscape`).
pub fn url_path(text: &str) -> String {
    percent(text, |b| unreserved(b) || b"$&+=:@".contains(&b))
}

fn unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_.~".contains(&b)
}

/// Writes every byte as `%XX` that `keep` does not take.
fn percent(text: &str, keep: impl Fn(u8) -> bool) -> String {
    encode_bytes(text, keep, |out, b| write!(out, "%{b:02X}"))
}

/// As [`percent`], but `%xx`: HTML's escaper writes small letters.
pub(crate) fn percent_small(text: &str, keep: impl Fn(u8) -> bool) -> String {
    encode_bytes(text, keep, |out, b| write!(out, "%{b:02x}"))
}

fn encode_bytes(
    text: &str,
    keep: impl Fn(u8) -> bool,
    write: impl Fn(&mut String, u8) -> std::fmt::Result,
) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match keep(b) && b.is_ascii() {
            true => out.push(char::from(b)),
            false => write(&mut out, b).expect("writing to a string does not fail"),
        }
    }
    out
}

/// Reads what [`url_query`] wrote (Go's `url.QueryUnescape`).
///
/// # Errors
/// A `%` that no two hexadecimal digits follow, or bytes that are no text.
pub fn url_unquery(text: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(b) = bytes.get(at) {
        let step = match b {
            b'+' => {
                out.push(b' ');
                1
            }
            b'%' => {
                let digits = bytes.get(at + 1..at + 3).and_then(|d| std::str::from_utf8(d).ok());
                let byte = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
                let Some(byte) = byte.and_then(|d| u8::from_str_radix(d, 16).ok()) else {
                    let end = (at + 3).min(bytes.len());
                    let found = String::from_utf8_lossy(&bytes[at..end]);
                    return Err(format!("invalid URL escape {}", crate::format::quote(&found)));
                };
                out.push(byte);
                3
            }
            b => {
                out.push(*b);
                1
            }
        };
        at += step;
    }
    String::from_utf8(out).map_err(|_| "unescaped URL is no UTF-8".to_owned())
}
