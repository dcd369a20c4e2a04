use super::*;

#[test]
fn timestamps_are_seconds() {
    for (ms, expected) in [
        (0, "0"),
        (1, "0.001"),
        (10, "0.010"),
        (1000, "1"),
        (1_435_781_451_781, "1435781451.781"),
        (1_435_781_460_000, "1435781460"),
        (-1, "-0.001"),
        (-1500, "-1.500"),
        (i64::MAX, "9223372036854775.807"),
        (i64::MIN, "-9223372036854775.808"),
    ] {
        let mut out = Vec::new();
        timestamp(&mut out, ms);
        assert_eq!(String::from_utf8(out).expect("ascii"), expected);
    }
}

#[test]
fn strings_are_escaped_as_serde_escapes_them() {
    for text in ["", "plain", "say \"hi\"\\\n\r\t", "\u{1}\u{1f}\u{7f}", "größe 🦀", "\u{8}x"] {
        let mut out = Vec::new();
        string(&mut out, text);
        let back: String = serde_json::from_slice(&out).expect("valid json");
        assert_eq!(back, text);
    }
}

#[test]
fn labels_are_an_object_in_name_order() {
    let set = LabelSet::from_pairs(&[("z", "1"), ("__name__", "up"), ("a", "q\"")]);
    let mut out = Vec::new();
    labels(&mut out, &set);
    assert_eq!(String::from_utf8(out).expect("ascii"), r#"{"__name__":"up","a":"q\"","z":"1"}"#);
}
