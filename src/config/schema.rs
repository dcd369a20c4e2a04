//! The JSON schema of `tarn.yaml`, from the table of settings.
//!
//! Printed by `tarn config schema`, for editors and for programs that write the file. It is closed: a name that the
//! table does not have is wrong. The Helm chart holds a copy without what the chart itself decides, so that a wrong
//! value is refused before anything is sent to a cluster; a test keeps the two equal.

use serde_json::{Map, Value, json};
use tarn_model::limits::Limits;

use super::keys::{KEYS, Key};
use super::secret;

/// What [`tarn_model::units::parse_duration`] takes, without the order of its units.
const DURATION: &str = "^([0-9]+(ms|[ywdhms]))+$";
/// What [`tarn_model::units::ByteSize`] takes.
const BYTES: &str = "^ *[0-9]+(\\.[0-9]+)? *(B|[KMGT]iB|[kKMGT]B)? *$";
/// Takes one of its words, or a whole list of filters.
const FILTER: &str = "log.level";

/// Returns the schema of the whole file, without the settings that `left_out` says.
pub(crate) fn schema(left_out: fn(&str) -> bool) -> Value {
    let mut top = section();
    for key in KEYS.iter().filter(|key| !left_out(key.name)) {
        insert(&mut top, key.name, setting(key));
    }
    top
}

fn section() -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": {}})
}

/// Puts a setting below the sections that its name says.
fn insert(above: &mut Value, name: &str, value: Value) {
    let (own, rest) = name.split_once('.').map_or((name, None), |(own, rest)| (own, Some(rest)));
    let place = &mut above["properties"][own];
    match rest {
        None => *place = value,
        Some(rest) => {
            if place.is_null() {
                *place = section();
            }
            insert(place, rest, value);
        }
    }
}

fn setting(key: &Key) -> Value {
    let default = (key.default)(&Limits::default());
    let mut schema = takes(key, default.is_empty());
    schema.insert("description".to_owned(), json!(key.help));
    if !default.is_empty() {
        let text = || json!(default);
        let typed = match schema.get("type").and_then(Value::as_str) {
            Some("boolean") => default.parse::<bool>().map_or_else(|_| text(), Value::from),
            Some("integer") => default.parse::<u64>().map_or_else(|_| text(), Value::from),
            _ => text(),
        };
        schema.insert("default".to_owned(), typed);
    }
    Value::Object(schema)
}

/// Reads what people are told that a setting takes: kinds and words, with `or` and commas between.
fn takes(key: &Key, may_be_empty: bool) -> Map<String, Value> {
    let text = key.takes;
    if text == "true|false" {
        return object(json!({"type": "boolean"}));
    }
    if text.contains('|') {
        return object(words(key.name, text.split('|').map(Value::from).collect()));
    }
    if text.starts_with("list") {
        let items = json!({"type": "array", "items": {"type": "string"}});
        return object(json!({"anyOf": [items, {"type": "string"}]}));
    }
    let parts: Vec<&str> = text.split(" or ").flat_map(|part| part.split(", ")).collect();
    let mut forms: Vec<Value> = parts.iter().flat_map(|part| kind(part, parts.len() > 1)).collect();
    if may_be_empty && text != secret::TAKES && !forms.iter().any(is_any_text) {
        forms.push(json!({"const": ""}));
    }
    match <[Value; 1]>::try_from(forms) {
        Ok([only]) => object(only),
        Err(forms) => object(json!({ "anyOf": forms })),
    }
}

/// One of some words; `true` among them is also YAML's own.
fn words(name: &str, mut words: Vec<Value>) -> Value {
    if name == FILTER {
        return json!({"type": "string", "examples": words});
    }
    let truths = [("true", true), ("false", false)];
    let own = truths.into_iter().filter(|(word, _)| words.contains(&json!(word)));
    let own: Vec<Value> = own.map(|(_, truth)| Value::Bool(truth)).collect();
    words.extend(own);
    json!({"enum": words})
}

/// Returns the forms of a kind of value; among several kinds, an unknown one is a word such as `off`.
fn kind(name: &str, among_others: bool) -> Vec<Value> {
    match name {
        "number" => vec![json!({"type": "integer", "minimum": 0})],
        "percent" => vec![json!({"type": "integer", "minimum": 1, "maximum": 100})],
        "duration" => vec![json!({"type": "string", "pattern": DURATION}), json!({"const": 0})],
        "bytes" | "size" => {
            vec![
                json!({"type": "string", "pattern": BYTES}),
                json!({"type": "integer", "minimum": 0}),
            ]
        }
        secret::TAKES => secret_forms(),
        "auto" | "off" | "on" | "forever" if among_others => vec![json!({"const": name})],
        _ => vec![json!({"type": "string"})],
    }
}

/// A secret is named, not written down: the file is no place for it, and a `ConfigMap` even less.
fn secret_forms() -> Vec<Value> {
    let sources = secret::SOURCES;
    let named =
        sources.map(|source| (source.to_owned(), json!({"type": "string", "minLength": 1})));
    let map = json!({
        "type": "object",
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": Map::from_iter(named),
    });
    let text = format!("^(({}):.+)?$", sources.join("|"));
    vec![map, json!({"type": "string", "pattern": text})]
}

fn is_any_text(form: &Value) -> bool {
    *form == json!({"type": "string"})
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => Map::from_iter([("const".to_owned(), other)]),
    }
}
