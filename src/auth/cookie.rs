//! Cookies of ours, read and written.
//!
//! `__Host-` makes browsers refuse the name from anything but this host over a secure connection, for
//! all paths: neither a neighbouring subdomain nor a page in the clear can plant one.

use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use tarn_model::error::{Error, Result};

use super::seal::BYTES_MAX;

/// A login.
pub(crate) const SESSION: &str = "__Host-tarn";
/// A login at an OIDC provider that has begun.
pub(crate) const OIDC: &str = "__Host-tarn-oidc";

/// Returns the value of a cookie. One that is there twice is not believed: a browser has one only.
pub(crate) fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = None;
    for line in headers.get_all(COOKIE) {
        let Ok(line) = line.to_str() else { continue };
        for pair in line.split(';') {
            let Some((own, value)) = pair.trim().split_once('=') else { continue };
            if own != name || value.len() > BYTES_MAX {
                continue;
            }
            if found.is_some() {
                return None;
            }
            found = Some(value);
        }
    }
    found
}

/// Returns whether a request shows a cookie of the name at all.
pub(crate) fn is_shown(headers: &HeaderMap, name: &str) -> bool {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';'));
    pairs.any(|pair| pair.trim().split_once('=').is_some_and(|(own, _)| own == name))
}

/// Returns the value of `Set-Cookie`.
///
/// # Errors
/// `Internal` where the value is none that a header can carry.
pub(crate) fn set(name: &str, value: &str, age: Duration) -> Result<HeaderValue> {
    let seconds = age.as_secs();
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax");
    let mut value = HeaderValue::try_from(text)
        .map_err(|e| Error::internal("write a cookie").with_source(e))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Returns the `Set-Cookie` that takes a cookie away.
///
/// # Errors
/// As [`set`].
pub(crate) fn clear(name: &str) -> Result<HeaderValue> {
    set(name, "", Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&'static [u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        value(&headers, SESSION).map(str::to_owned)
    }

    #[test]
    fn a_cookie_is_found_where_it_stands_once() {
        let cases: [(&[&[u8]], Option<&str>); 9] = [
            (&[], None),
            (&[b"__Host-tarn=a.b"], Some("a.b")),
            (&[b"x=1; __Host-tarn=a.b; y=2"], Some("a.b")),
            (&[b"x=1", b"__Host-tarn=a.b"], Some("a.b")),
            (&[b"x=1;__Host-tarn=a=b"], Some("a=b")),
            (&[b"__Host-tarn=a; __Host-tarn=b"], None),
            (&[b"__Host-tarn=a", b"__Host-tarn=b"], None),
            (&[b"__host-tarn=a; __Host-tarn-oidc=b; tarn=c"], None),
            (&[b"x=\xff\xfe; __Host-tarn=a"], None),
        ];
        for (lines, expected) in cases {
            let lines: Vec<&'static [u8]> = lines.to_vec();
            assert_eq!(of(&lines).as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn scripts_and_other_sites_get_nothing() {
        let set = set(SESSION, "a.b", Duration::from_secs(60)).unwrap();
        let text = "__Host-tarn=a.b; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax";
        assert_eq!(set, text);
        assert!(set.is_sensitive());
        let gone = clear(SESSION).unwrap();
        assert_eq!(gone, "__Host-tarn=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax");
    }
}
