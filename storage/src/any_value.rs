//! OTel values as text: a disk form.
//!
//! Attributes and bodies are kept as text plus a [`ValueKind`](tarn_model::attributes::ValueKind). Text is itself; booleans, integers
//! and doubles are as in JSON (`NaN`, `Infinity` and `-Infinity` besides); everything else is
//! *canonical JSON*, in which a value has one form and a form is one value:
//! - integers have no point, doubles always have a point or an exponent;
//! - bytes are `{"bytesValue":"<base64>"}`, NaN and infinities `{"doubleValue":"NaN"}`;
//! - a map that would read as one of these is wrapped: `{"kvlistValue":{…}}`;
//! - members keep their order; of a key that repeats, the last value counts.
//!
//! `ingest` writes these forms straight from the wire with the `write_*` functions, `query` reads
//! them back. AnyValue → JSON → AnyValue is the identity up to [`LEVELS_MAX`] (but for the payload
//! of a NaN), and so is AnyValue → text and kind → AnyValue.

use std::fmt::Write as _;

use tarn_model::attributes::AnyValue;

mod base64;
mod origin;
mod read;

pub use base64::{decode as decode_base64, encode as write_base64};
pub use origin::{EntityRef, Origin, member};
pub use read::{from_json, from_text};

/// Containers inside each other that are written; what lies deeper becomes `null`.
pub const LEVELS_MAX: usize = 32;

/// Keys that alone in an object say that it is not a map.
const BYTES: &str = "bytesValue";
const DOUBLE: &str = "doubleValue";
const MAP: &str = "kvlistValue";
/// What stands before a map that is wrapped; `}` stands behind it.
pub const WRAPPER: &str = "{\"kvlistValue\":";

/// Returns whether a map with this key and no other must be wrapped in [`WRAPPER`].
pub fn is_reserved(key: &str) -> bool {
    matches!(key, BYTES | DOUBLE | MAP)
}

/// Returns the text form of a value, to be kept with its [kind](AnyValue::kind).
pub fn to_text(value: &AnyValue) -> String {
    let mut out = String::new();
    match value {
        AnyValue::Text(text) => out.push_str(text),
        AnyValue::Double(double) => write_double_text(&mut out, *double),
        other => write_json(&mut out, other),
    }
    out
}

/// Returns the canonical JSON of a value.
pub fn to_json(value: &AnyValue) -> String {
    let mut out = String::new();
    write_json(&mut out, value);
    out
}

/// Writes the canonical JSON of a value.
pub fn write_json(out: &mut String, value: &AnyValue) {
    write_level(out, value, LEVELS_MAX);
}

fn write_level(out: &mut String, value: &AnyValue, levels: usize) {
    match value {
        AnyValue::Empty => out.push_str("null"),
        AnyValue::Text(text) => write_string(out, text),
        AnyValue::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        AnyValue::Int(int) => write_int(out, *int),
        AnyValue::Double(double) => write_double(out, *double),
        AnyValue::Bytes(bytes) => write_bytes(out, bytes),
        AnyValue::Array(_) | AnyValue::Map(_) if levels == 0 => out.push_str("null"),
        AnyValue::Array(values) => {
            out.push('[');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_level(out, value, levels - 1);
            }
            out.push(']');
        }
        AnyValue::Map(entries) => write_map(out, entries, levels),
    }
}

fn write_map(out: &mut String, entries: &[(String, AnyValue)], levels: usize) {
    let last = last_of_each(entries);
    let wrapped = matches!(last.as_slice(), [(key, _)] if is_reserved(key));
    if wrapped {
        out.push_str(WRAPPER);
    }
    let mut object = ObjectWriter::new(out);
    for (key, value) in last {
        write_level(object.member(key), value, levels - 1);
    }
    object.finish();
    if wrapped {
        out.push('}');
    }
}

/// Returns each key once, in order of first appearance, with its last value.
fn last_of_each(entries: &[(String, AnyValue)]) -> Vec<(&str, &AnyValue)> {
    let mut kept: Vec<(&str, &AnyValue)> = Vec::with_capacity(entries.len());
    let mut places = tarn_model::map::HashMap::default();
    for (key, value) in entries {
        let place = *places.entry(key.as_str()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(known) => known.1 = value,
            None => kept.push((key, value)),
        }
    }
    kept
}

/// Writes a JSON object member by member.
#[derive(Debug)]
pub struct ObjectWriter<'o> {
    out: &'o mut String,
    first: bool,
}

impl<'o> ObjectWriter<'o> {
    /// Opens an object.
    pub fn new(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    /// Writes a key; the caller writes its value.
    pub fn member(&mut self, key: &str) -> &mut String {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        write_string(self.out, key);
        self.out.push(':');
        self.out
    }

    /// Closes the object.
    pub fn finish(self) {
        self.out.push('}');
    }
}

/// Writes a JSON string.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_escaped) {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = tail.chars();
        match chars.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some('\u{8}') => out.push_str("\\b"),
            Some('\u{c}') => out.push_str("\\f"),
            other => push(out, format_args!("\\u{:04x}", other.map_or(0, u32::from))),
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// Returns whether a byte of a text cannot stand in a JSON string as it is.
pub fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\')
}

/// Writes an integer.
pub fn write_int(out: &mut String, int: i64) {
    push(out, format_args!("{int}"));
}

/// Writes a double as canonical JSON.
pub fn write_double(out: &mut String, double: f64) {
    if double.is_finite() {
        return write_double_text(out, double);
    }
    let mut object = ObjectWriter::new(out);
    let out = object.member(DOUBLE);
    out.push('"');
    write_double_text(out, double);
    out.push('"');
    object.finish();
}

/// Writes the text form of a double: the shortest that reads back as the same bits.
pub fn write_double_text(out: &mut String, double: f64) {
    if double.is_nan() {
        out.push_str("NaN");
    } else if double.is_infinite() {
        out.push_str(if double > 0.0 { "Infinity" } else { "-Infinity" });
    } else {
        push(out, format_args!("{double:?}"));
    }
}

/// Writes bytes as canonical JSON.
pub fn write_bytes(out: &mut String, bytes: &[u8]) {
    let mut object = ObjectWriter::new(out);
    let out = object.member(BYTES);
    out.push('"');
    write_base64(out, bytes);
    out.push('"');
    object.finish();
}

/// Returns the double that has no form as a JSON number.
fn double_of(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests;
