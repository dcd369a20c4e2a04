use proptest::collection::vec;
use proptest::prelude::*;
use tarn_model::attributes::ValueKind;

use super::*;

/// Values up to the cap, many of them with the keys that have a meaning in JSON.
fn any_value() -> impl Strategy<Value = AnyValue> {
    let key = prop_oneof![
        2 => Just(BYTES.to_owned()),
        1 => Just(DOUBLE.to_owned()),
        1 => Just(MAP.to_owned()),
        3 => any::<String>(),
    ];
    let text = prop_oneof![
        any::<String>(),
        Just("NaN".to_owned()),
        Just("AAEC".to_owned()),
        "[\\x00-\\x20\"\\\\/é𝄞]{0,8}",
    ];
    let leaf = prop_oneof![
        Just(AnyValue::Empty),
        text.prop_map(AnyValue::Text),
        any::<bool>().prop_map(AnyValue::Bool),
        any::<i64>().prop_map(AnyValue::Int),
        any::<u64>().prop_map(|bits| AnyValue::Double(f64::from_bits(bits))),
        prop_oneof![Just(0.0), Just(-0.0), Just(1e300), Just(5e-324), Just(f64::INFINITY)]
            .prop_map(AnyValue::Double),
        vec(any::<u8>(), 0..20).prop_map(AnyValue::Bytes),
    ];
    leaf.prop_recursive(LEVELS_MAX as u32, 60, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(AnyValue::Array),
            vec((key.clone(), inner), 0..4).prop_map(|mut entries| {
                let mut seen = tarn_model::map::HashSet::default();
                entries.retain(|(key, _)| seen.insert(key.clone()));
                AnyValue::Map(entries)
            }),
        ]
    })
}

/// Compares with all NaNs alike and zeros apart.
fn same(a: &AnyValue, b: &AnyValue) -> bool {
    match (a, b) {
        (AnyValue::Double(a), AnyValue::Double(b)) => {
            a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
        }
        (AnyValue::Array(a), AnyValue::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (AnyValue::Map(a), AnyValue::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1))
        }
        (a, b) => a == b,
    }
}

proptest! {
    #[test]
    fn values_survive_json_and_text(value in any_value()) {
        let json = to_json(&value);
        let back = from_json(&json).unwrap();
        prop_assert!(same(&value, &back), "{json} → {back:?}");
        let text = to_text(&value);
        let back = from_text(value.kind(), &text).unwrap();
        prop_assert!(same(&value, &back), "{text} → {back:?}");
        // Also to those who know nothing of our rules it is JSON.
        prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok(), "{json}");
    }

    #[test]
    fn base64_survives(bytes in vec(any::<u8>(), 0..50)) {
        let mut text = String::new();
        write_base64(&mut text, &bytes);
        prop_assert_eq!(text.len(), bytes.len().div_ceil(3) * 4);
        let url = text.replace('+', "-").replace('/', "_").replace('=', "");
        prop_assert_eq!(decode_base64(&text), Some(bytes.clone()));
        prop_assert_eq!(decode_base64(&url), Some(bytes));
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in ".{0,60}", kind in 0u8..8) {
        drop(from_json(&text));
        drop(from_text(ValueKind::from_number(kind).unwrap(), &text));
        drop(Origin::from_json(&text));
    }
}

fn map(entries: &[(&str, AnyValue)]) -> AnyValue {
    AnyValue::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
}

fn text(text: &str) -> AnyValue {
    AnyValue::Text(text.to_owned())
}

#[test]
fn the_canonical_forms() {
    let rows = [
        (AnyValue::Empty, "null"),
        (text("a\"\\\n\u{0}\u{7f}é"), "\"a\\\"\\\\\\n\\u0000\u{7f}é\""),
        (AnyValue::Int(-7), "-7"),
        (AnyValue::Double(7.0), "7.0"),
        (AnyValue::Double(-0.0), "-0.0"),
        (AnyValue::Double(1e21), "1e21"),
        (AnyValue::Double(0.1), "0.1"),
        (AnyValue::Double(f64::NAN), "{\"doubleValue\":\"NaN\"}"),
        (AnyValue::Double(f64::NEG_INFINITY), "{\"doubleValue\":\"-Infinity\"}"),
        (AnyValue::Bytes(b"\0\xff".to_vec()), "{\"bytesValue\":\"AP8=\"}"),
        (map(&[]), "{}"),
        (map(&[("b", AnyValue::Int(1)), ("a", text(""))]), "{\"b\":1,\"a\":\"\"}"),
        (map(&[("bytesValue", text("x"))]), "{\"kvlistValue\":{\"bytesValue\":\"x\"}}"),
        (
            map(&[("kvlistValue", map(&[("a", AnyValue::Bool(true))]))]),
            "{\"kvlistValue\":{\"kvlistValue\":{\"a\":true}}}",
        ),
        // With a second key nothing is ambiguous.
        (
            map(&[("doubleValue", text("NaN")), ("b", AnyValue::Empty)]),
            "{\"doubleValue\":\"NaN\",\"b\":null}",
        ),
    ];
    for (value, json) in rows {
        assert_eq!(to_json(&value), json);
        assert!(same(&from_json(json).unwrap(), &value), "{json}");
    }
}

#[test]
fn of_a_key_that_repeats_the_last_value_counts() {
    let value = map(&[("a", AnyValue::Int(1)), ("b", AnyValue::Int(2)), ("a", AnyValue::Int(3))]);
    assert_eq!(to_json(&value), "{\"a\":3,\"b\":2}");
}

#[test]
fn deeper_levels_are_cut_and_deep_text_is_refused() {
    let nested = |levels| (0..levels).fold(AnyValue::Int(1), |v, _| AnyValue::Array(vec![v]));
    let at_cap = to_json(&nested(LEVELS_MAX));
    assert_eq!(from_json(&at_cap).unwrap(), nested(LEVELS_MAX));
    let cut = to_json(&nested(LEVELS_MAX + 5));
    assert_eq!(cut, at_cap.replace('1', "null"));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(from_json(&deep).unwrap_err().message().contains("nested too deep"));
}

#[test]
fn wrapped_maps_are_read_at_every_level() {
    let wrapped = |v| AnyValue::Map(vec![(MAP.to_owned(), v)]);
    let value = (0..LEVELS_MAX).fold(text("x"), |v, _| wrapped(v));
    assert_eq!(from_json(&to_json(&value)).unwrap(), value);
}

#[test]
fn an_origin_is_read_back() {
    let json = "{\"name\":\"lib\",\"version\":\"1\",\"attributes\":{\"bytesValue\":\"AAEC\"},\
                \"dropped\":2,\"schema_url\":\"u\",\"entity_refs\":[{\"schema_url\":\"s\",\
                \"type\":\"host\",\"id_keys\":[\"host.id\"],\"description_keys\":[]}],\"new\":1}";
    let origin = Origin::from_json(json).unwrap();
    let entity = EntityRef {
        schema_url: "s".to_owned(),
        entity_type: "host".to_owned(),
        id_keys: vec!["host.id".to_owned()],
        description_keys: Vec::new(),
    };
    let expected = Origin {
        name: "lib".to_owned(),
        version: "1".to_owned(),
        attributes: vec![("bytesValue".to_owned(), text("AAEC"))],
        dropped: 2,
        schema_url: "u".to_owned(),
        entity_refs: vec![entity],
    };
    assert_eq!(origin, expected);
    assert_eq!(Origin::from_json("{}").unwrap(), Origin::default());
}
