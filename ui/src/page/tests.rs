//! The page that is in this binary, app or not.

#![expect(clippy::string_slice, reason = "places that `find` told are between characters")]

use super::{BASE, NONCE, Page};
use crate::base::BasePath;

fn text(page: &Page) -> String {
    String::from_utf8(page.with("abc123").into_body().to_vec()).unwrap()
}

#[test]
fn nonce_and_base_stand_in_the_page_and_the_nonce_in_the_policy() {
    let page = Page::new(&BasePath::parse("/some/where").unwrap());
    let answer = page.with("abc123");
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("style-src 'self' 'nonce-abc123'"), "{policy}");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let text = text(&page);
    assert!(text.contains(&format!("{NONCE}abc123\"")), "{text}");
    assert!(text.contains(&format!("{BASE}/some/where/\"")), "{text}");
    let drawn = || page.answer().unwrap().into_body();
    assert_ne!(drawn(), drawn(), "a nonce is new in every answer");
}

#[test]
fn the_base_comes_before_every_address_and_no_address_is_absolute() {
    let text = text(&Page::new(&BasePath::default()));
    let base = text.find(&format!("{BASE}/\"")).unwrap();
    let addresses =
        ["src=\"", "href=\""].map(|a| text.match_indices(a).collect::<Vec<_>>()).concat();
    for (at, mark) in addresses {
        let address = text[at + mark.len()..].split('"').next().unwrap();
        if text[..at].ends_with("<base ") {
            continue;
        }
        assert!(at > base && address.starts_with("./"), "{address}");
    }
}

#[test]
fn nothing_in_the_page_needs_what_the_policy_forbids() {
    let text = text(&Page::new(&BasePath::default()));
    assert!(!text.contains("<style") && !text.contains(" style="), "{text}");
    for script in text.split("<script").skip(1) {
        let (attributes, rest) = script.split_once('>').unwrap();
        assert!(attributes.contains("src=\"./assets/"), "{attributes}");
        assert!(rest.starts_with("</script>"), "a script of its own text");
    }
}

#[test]
fn a_page_without_the_marks_is_answered_as_it_is() {
    let page = Page::of("<p>é", &BasePath::default());
    assert_eq!(text(&page), "<p>é");
}
