//! One answer per encoding, each with its tag; the table of this binary.

use http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{FOR_EVER, File, answer, beside_the_page};
use crate::{BUILT, FILES};

const SCRIPT: File = File {
    path: "assets/index-abc.js",
    kind: "text/javascript; charset=utf-8",
    tag: "0123456789abcdef",
    raw: b"raw",
    br: Some(b"br"),
    gz: Some(b"gz"),
};

fn asked(headers: &[(HeaderName, &'static str)]) -> HeaderMap {
    headers.iter().map(|(n, v)| (n.clone(), HeaderValue::from_static(v))).collect()
}

#[test]
fn each_encoding_has_its_bytes_and_its_tag() {
    for (accepts, encoding, tag, body) in [
        ("gzip, br", Some("br"), "\"0123456789abcdef-br\"", "br"),
        ("gzip", Some("gzip"), "\"0123456789abcdef-gzip\"", "gz"),
        ("identity", None, "\"0123456789abcdef\"", "raw"),
    ] {
        let answer = SCRIPT.answer(&asked(&[(ACCEPT_ENCODING, accepts)]));
        let header = |name: &str| answer.headers().get(name).map(|v| v.to_str().unwrap());
        assert_eq!(answer.status(), 200);
        assert_eq!(header("content-encoding"), encoding);
        assert_eq!(header("etag"), Some(tag));
        assert_eq!(header("vary"), Some("accept-encoding"));
        assert_eq!(header("cache-control"), Some(FOR_EVER));
        assert_eq!(header("content-type"), Some(SCRIPT.kind));
        assert_eq!(header("cross-origin-resource-policy"), Some("same-origin"));
        assert_eq!(header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.body().as_ref(), body.as_bytes());
    }
}

#[test]
fn who_has_it_gets_no_body_and_a_tag_counts_for_its_encoding_only() {
    for (accepts, tags, status) in [
        ("br", "\"0123456789abcdef-br\"", 304),
        ("br", "\"x\", W/\"0123456789abcdef-br\"", 304),
        ("br", "*", 304),
        ("gzip", "\"0123456789abcdef-br\"", 200),
        ("br", "\"0123456789abcdef\"", 200),
        ("br", "0123456789abcdef-br", 200),
    ] {
        let answer = SCRIPT.answer(&asked(&[(ACCEPT_ENCODING, accepts), (IF_NONE_MATCH, tags)]));
        assert_eq!(answer.status(), status, "{accepts} {tags}");
        assert_eq!(answer.body().is_empty(), status == 304);
        assert!(answer.headers().contains_key("etag"));
        assert_eq!(answer.headers().contains_key("content-encoding"), status == 200);
    }
}

#[test]
fn what_has_no_hash_in_its_name_is_asked_for_again() {
    let icon = File { path: "favicon.svg", kind: "image/svg+xml", br: None, gz: None, ..SCRIPT };
    let answer = icon.answer(&asked(&[(ACCEPT_ENCODING, "br")]));
    assert_eq!(answer.headers()["cache-control"], "no-cache");
    assert_eq!(answer.headers()["etag"], "\"0123456789abcdef\"");
    assert!(!answer.headers().contains_key("content-encoding"));
}

#[test]
fn the_table_is_sorted_and_every_row_is_found() {
    assert!(FILES.is_sorted_by(|a, b| a.path < b.path));
    for file in FILES {
        let path = format!("/{}", file.path);
        assert!(answer(&path, &HeaderMap::new()).is_some_and(|a| a.body() == file.raw), "{path}");
        assert_ne!(file.kind, "application/octet-stream", "{path}: no media type");
    }
    for path in ["/assets/", "/assets/none.js", "/index.html", "/", "", "/../Cargo.toml"] {
        assert!(answer(path, &HeaderMap::new()).is_none(), "{path}");
    }
    let beside: Vec<String> = beside_the_page().collect();
    assert!(!beside.is_empty() && beside.iter().all(|p| !p.contains("assets")), "{beside:?}");
    let scripts = FILES.iter().filter(|f| f.path.ends_with(".js"));
    assert_eq!(scripts.count() > 0, BUILT, "only the app has scripts");
}
