//! Lists with weights, as browsers and scrapers send them.

use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderMap, HeaderValue};

use super::{Encoding, encoding, wants_html};

const ALL: [Encoding; 3] = [Encoding::Br, Encoding::Gzip, Encoding::Identity];

#[test]
fn the_best_encoding_that_there_is_and_that_is_taken() {
    for (accepts, there_are, expected) in [
        ("gzip, deflate, br, zstd", &ALL[..], Encoding::Br),
        ("gzip, deflate, br", &ALL[1..], Encoding::Gzip),
        ("gzip, deflate, br", &ALL[2..], Encoding::Identity),
        ("br;q=0, gzip", &ALL, Encoding::Gzip),
        ("br;q=0.5, gzip;q=0.8", &ALL, Encoding::Gzip),
        ("br;q=0.000, gzip;q=0", &ALL, Encoding::Identity),
        ("BR ; Q=1.0", &ALL, Encoding::Br),
        ("*", &ALL, Encoding::Br),
        ("*;q=0.1, gzip;q=0.2", &ALL, Encoding::Gzip),
        ("identity, br;q=0.9", &ALL, Encoding::Identity),
        ("identity;q=0, *;q=0", &ALL, Encoding::Identity),
        ("xbr, brotli, br2", &ALL, Encoding::Identity),
        ("br;q=2, gzip;q=x", &ALL, Encoding::Identity),
        (",, ;q=1,", &ALL, Encoding::Identity),
        ("", &ALL, Encoding::Identity),
    ] {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(accepts))]);
        assert_eq!(encoding(&headers, there_are), expected, "{accepts}");
    }
    assert_eq!(encoding(&HeaderMap::new(), &ALL), Encoding::Identity);
    let mut twice = HeaderMap::new();
    twice.append(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    twice.append(ACCEPT_ENCODING, HeaderValue::from_static("br"));
    assert_eq!(encoding(&twice, &ALL), Encoding::Br, "a header may stand several times");
}

#[test]
fn only_who_names_html_is_a_browser() {
    for (accepts, expected) in [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
        ("Text/HTML", true),
        ("*/*", false),
        ("text/*", false),
        ("text/html;q=0, */*", false),
        ("application/json", false),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            false,
        ),
    ] {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accepts))]);
        assert_eq!(wants_html(&headers), expected, "{accepts}");
    }
    assert!(!wants_html(&HeaderMap::new()));
}
