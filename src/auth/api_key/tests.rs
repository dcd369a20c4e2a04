use proptest::prelude::*;

use super::*;

#[test]
fn tokens_are_read_as_they_are_made_and_never_repeat() {
    let (a, b) = (Token::generate().unwrap(), Token::generate().unwrap());
    assert_eq!(id_of(&a.text), Some(a.id.as_str()));
    assert_eq!(a.text.len(), "tarn_".len() + 16 + 1 + 64);
    assert!(a.text != b.text && a.id != b.id && is_id(&a.id));
    assert!(!format!("{a:?}").contains(&a.text));
}

#[test]
fn only_whole_tokens_have_an_id() {
    let token = format!("tarn_{}_{}", "0f".repeat(8), "a1".repeat(32));
    assert_eq!(id_of(&token), Some("0f0f0f0f0f0f0f0f"));
    let long = format!("{token}0");
    let (upper, spaced) = (token.to_uppercase(), format!(" {token}"));
    let swapped = token.replacen("_a", "-a", 1);
    let (short, _) = token.split_at(80);
    let (_, bare) = token.split_at(5);
    for wrong in ["", "tarn_", "tarn__", short, &long, &upper, &spaced, &swapped, bare] {
        assert_eq!(id_of(wrong), None, "{wrong}");
    }
}

#[test]
fn a_fingerprint_is_that_of_the_whole_token() {
    // As `printf abc | sha256sum` prints it.
    let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(Fingerprint::of("abc").to_hex(), known);
    let parsed = Fingerprint::parse(known).unwrap();
    assert!(parsed.is(&Fingerprint::of("abc")) && !parsed.is(&Fingerprint::of("abd")));
    assert_eq!(Fingerprint::parse(&known.to_uppercase()), Some(parsed));
    for wrong in ["", "ba", known.trim_start_matches('b'), &known.replace('b', "g")] {
        assert_eq!(Fingerprint::parse(wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in ".{0,90}", tail in "[0-9a-f_]{0,90}") {
        prop_assert!(Fingerprint::parse(&text).is_none_or(|_| text.len() == 64));
        prop_assert!(id_of(&text).is_none_or(|id| id.len() == 16));
        prop_assert!(id_of(&["tarn_", &tail].concat()).is_none_or(|id| id.len() == 16));
    }
}
