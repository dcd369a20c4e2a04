use std::collections::BTreeMap;

use tarn_template::Map;

use super::*;

#[test]
fn values_are_written_as_go_writes_them() {
    let map = BTreeMap::from([("b".into(), Value::Int(1)), ("a".into(), Value::Nil)]);
    let cases = [
        (
            Value::from("<a href=\"x\">&\u{1}\u{2028}é\n"),
            r#""\u003ca href=\"x\"\u003e\u0026\u0001\u2028é\n""#,
        ),
        (Value::Map(Map::new("map[string]interface {}", map)), r#"{"a":null,"b":1}"#),
        (Value::texts(["x", "y"]), r#"["x","y"]"#),
        (Value::Float(1e21), "1e+21"),
        (Value::Float(1e20), "100000000000000000000"),
        (Value::Float(1e-7), "1e-7"),
        (Value::Float(-0.5), "-0.5"),
        (Value::Bool(true), "true"),
        (Time::of_ms(1_500).value(), r#""1970-01-01T00:00:01.5Z""#),
    ];
    for (value, want) in cases {
        assert_eq!(encode(&value).as_deref(), Ok(want));
    }
    assert_eq!(encode(&Value::Float(f64::NAN)), Err("json: unsupported value: NaN".to_owned()));
}
