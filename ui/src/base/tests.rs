//! Prefixes that are taken, refused and stripped.

use super::BasePath;

#[test]
fn a_prefix_needs_no_escaping() {
    for (text, expected) in [
        ("/", Some("/")),
        ("/tarn", Some("/tarn/")),
        ("/tarn/", Some("/tarn/")),
        ("/a/b-c_d.e~f", Some("/a/b-c_d.e~f/")),
        ("", None),
        ("tarn", None),
        ("//", None),
        ("//evil.example.org", None),
        ("/a//b", None),
        ("/a/../b", None),
        ("/a\"><script>", None),
        ("/a b", None),
        ("/ä", None),
        ("/a?b", None),
    ] {
        let base = BasePath::parse(text);
        assert_eq!(base.as_ref().ok().map(ToString::to_string).as_deref(), expected, "{text}");
    }
}

#[test]
fn whole_segments_are_stripped() {
    let base = BasePath::parse("/tarn").unwrap();
    for (path, expected) in [
        ("/tarn/logs", Some("/logs")),
        ("/tarn/", Some("/")),
        ("/tarn", Some("/")),
        ("/tarnished", None),
        ("/logs", None),
    ] {
        assert_eq!(base.strip(path), expected, "{path}");
    }
    assert_eq!(BasePath::default().strip("/logs"), None);
}
