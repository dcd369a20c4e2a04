use super::*;

fn headers(content_type: Option<&str>, encoding: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [(CONTENT_TYPE, content_type), (CONTENT_ENCODING, encoding)] {
        if let Some(value) = value {
            headers.insert(name, value.parse().expect("header value"));
        }
    }
    headers
}

#[test]
fn the_version_follows_from_the_headers() {
    use Protocol::{RemoteWrite1 as One, RemoteWrite2 as Two};
    for (content_type, encoding, protocol) in [
        (None, None, One),
        (Some(""), Some(""), One),
        (Some("application/x-protobuf"), Some("snappy"), One),
        (Some("Application/X-Protobuf; charset=utf-8"), Some("Snappy"), One),
        (Some("application/x-protobuf;proto=prometheus.WriteRequest"), None, One),
        (Some("application/x-protobuf;proto=io.prometheus.write.v2.Request"), Some("snappy"), Two),
        (Some("application/x-protobuf; proto=\"io.prometheus.write.v2.Request\""), None, Two),
    ] {
        assert_eq!(negotiate(&headers(content_type, encoding)), Ok(protocol), "{content_type:?}");
    }
}

#[test]
fn other_types_and_encodings_are_named() {
    let protobuf = Some("application/x-protobuf");
    for (content_type, encoding, message) in [
        (Some("application/json"), None, "content type \"application/json\" is not supported"),
        (Some("image/png"), Some("snappy"), "content type \"image/png\" is not supported"),
        (Some("application/x-protobuf;proto=a.B"), None, "message \"a.B\" is not supported"),
        (protobuf, Some("gzip"), "content encoding \"gzip\" is not supported"),
        (protobuf, Some("deflate"), "content encoding \"deflate\" is not supported"),
        (protobuf, Some("snappy, gzip"), "content encoding \"snappy, gzip\" is not supported"),
    ] {
        let text = negotiate(&headers(content_type, encoding)).expect_err(message);
        assert!(text.starts_with(message), "{text}");
    }
    let mut binary = HeaderMap::new();
    binary.insert(CONTENT_TYPE, http::HeaderValue::from_bytes(b"\xff").expect("opaque"));
    assert!(negotiate(&binary).is_err());
}
