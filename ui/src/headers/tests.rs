//! The set of headers, as a whole: one that goes missing is seen here.

use http::HeaderMap;

use super::{harmless, page};

fn lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_page_may_use_its_own_origin_and_nothing_else() {
    let mut headers = HeaderMap::new();
    page(&mut headers, "abc123");
    let policy = "content-security-policy: default-src 'none'; script-src 'self'; \
                  style-src 'self' 'nonce-abc123'; img-src 'self' data:; font-src 'self'; \
                  connect-src 'self'; manifest-src 'self'; base-uri 'self'; form-action 'self'; \
                  frame-ancestors 'none'; require-trusted-types-for 'script'";
    assert_eq!(
        lines(&headers),
        [
            policy,
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "permissions-policy: camera=(), microphone=(), geolocation=()",
            "referrer-policy: same-origin",
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
        ]
    );
    let before = lines(&headers);
    harmless(&mut headers);
    assert_eq!(lines(&headers), before, "what is set stays");
}

#[test]
fn what_is_no_page_may_do_nothing() {
    let mut headers = HeaderMap::new();
    harmless(&mut headers);
    assert_eq!(
        lines(&headers),
        [
            "content-security-policy: default-src 'none'; frame-ancestors 'none'",
            "cross-origin-resource-policy: same-origin",
            "referrer-policy: same-origin",
            "x-content-type-options: nosniff",
        ]
    );
}

#[test]
fn a_nonce_that_no_header_can_carry_leaves_a_page_that_may_do_nothing() {
    let mut headers = HeaderMap::new();
    page(&mut headers, "a\nb");
    assert_eq!(headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
}
