//! The headers that keep a browser honest: telemetry is hostile text, and a page that shows it must not
//! run it.
//!
//! A page may load and call this origin only. Its scripts are files of ours, never text in the page;
//! styles that code makes at run time carry a nonce that is new in every answer; markup out of strings is
//! refused by the browser itself (Trusted Types). What is no page may do nothing at all.

use http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

#[cfg(test)]
mod tests;

/// Headers of every answer.
const ALWAYS: [(HeaderName, &str); 3] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (REFERRER_POLICY, "same-origin"),
];

/// Headers of pages.
const OF_PAGES: [(HeaderName, &str); 3] = [
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    // for browsers that do not know frame-ancestors
    (X_FRAME_OPTIONS, "DENY"),
];

/// What an answer may do that is no page: nothing, also where a browser shows it as one.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'";

/// Puts on any answer what it does not carry yet.
pub fn harmless(headers: &mut HeaderMap) {
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NO_PAGE));
}

/// Puts on a page what it needs; the nonce is plain letters and digits.
pub(crate) fn page(headers: &mut HeaderMap, nonce: &str) {
    for (name, value) in OF_PAGES {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = policy(nonce);
    // Without its policy a page would be free to do anything, so one that cannot be written is none.
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static(NO_PAGE));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    harmless(headers);
}

fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
         base-uri 'self'; form-action 'self'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'"
    )
}
