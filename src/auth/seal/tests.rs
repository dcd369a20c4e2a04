use super::*;

#[test]
fn only_the_key_and_the_purpose_that_sealed_open() {
    let (key, other) = (Key::random().unwrap(), Key::random().unwrap());
    let sealed = key.seal(Purpose::Session, &("ada", 7)).unwrap();
    assert_eq!(key.open(Purpose::Session, &sealed), Some(("ada".to_owned(), 7)));
    assert_eq!(other.open::<(String, i32)>(Purpose::Session, &sealed), None);
    assert_eq!(key.open::<(String, i32)>(Purpose::Oidc, &sealed), None);
    let again = Key::from_text(&key.to_text()).unwrap();
    assert_eq!(again.open(Purpose::Session, &sealed), Some(("ada".to_owned(), 7)));
    assert_eq!(Key::from_text("c2hvcnQ"), None);
    assert_eq!(format!("{key:?}"), "Key(<secret>)");
}

/// Every single change of a byte is noticed.
#[test]
fn nothing_tampered_with_opens() {
    let key = Key::random().unwrap();
    let sealed = key.seal(Purpose::Session, &"ada").unwrap();
    for at in 0..sealed.len() {
        let mut bytes = sealed.clone().into_bytes();
        for other in [b'A', b'B', b'.', b'=', 0xff] {
            if bytes[at] == other {
                continue;
            }
            let kept = std::mem::replace(&mut bytes[at], other);
            if let Ok(text) = std::str::from_utf8(&bytes) {
                assert_eq!(key.open::<String>(Purpose::Session, text), None, "{at} {other}");
            }
            bytes[at] = kept;
        }
    }
    let long = "x".repeat(BYTES_MAX + 1);
    let (cut_front, cut_back) = (sealed.get(1..).unwrap(), sealed.get(..sealed.len() - 1).unwrap());
    for wrong in ["", ".", "a", "a.b", "..", cut_front, cut_back, &long] {
        assert_eq!(key.open::<String>(Purpose::Session, wrong), None, "{wrong:?}");
    }
}

#[test]
fn what_a_browser_would_not_keep_is_not_sealed() {
    let key = Key::random().unwrap();
    assert!(key.seal(Purpose::Session, &"x".repeat(BYTES_MAX)).is_err());
}

#[test]
fn tokens_belong_to_their_text() {
    let key = Key::random().unwrap();
    let token = key.token(Purpose::Csrf, "one");
    assert!(key.is_token(Purpose::Csrf, "one", token.as_bytes()));
    assert!(!key.is_token(Purpose::Csrf, "two", token.as_bytes()));
    assert!(!key.is_token(Purpose::Session, "one", token.as_bytes()));
    for wrong in [&b""[..], b"AAAA", &token.as_bytes()[1..], b"\xff\xfe"] {
        assert!(!key.is_token(Purpose::Csrf, "one", wrong));
    }
}
