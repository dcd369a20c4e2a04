//! `toJson`: values as Go's `encoding/json` writes them.

use std::fmt::Write as _;

use tarn_template::format::number::float;
use tarn_template::{Underlying, Value};

use super::time::{Time, layout};

/// A longer text is no part of a notification.
const MAX_BYTES: usize = 1 << 20;

/// Writes a value.
///
/// # Errors
/// NaN and infinities, functions, and what would be longer than 1 MiB.
pub(super) fn encode(value: &Value) -> Result<String, String> {
    let mut out = String::new();
    write(&mut out, value)?;
    Ok(out)
}

fn write(out: &mut String, value: &Value) -> Result<(), String> {
    if out.len() > MAX_BYTES {
        return Err(format!("text longer than {MAX_BYTES} bytes"));
    }
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&number_text(*number)?),
        Value::Text(text) | Value::Safe(_, text) => quote(out, text),
        Value::List(list) => sequence(out, ('[', ']'), list.items(), write)?,
        Value::Map(map) => sequence(out, ('{', '}'), map.entries(), |out, (name, entry)| {
            quote(out, name);
            out.push(':');
            write(out, entry)
        })?,
        Value::Object(object) => match value.downcast::<Time>() {
            Some(time) => {
                quote(out, &layout::format(&time.0, "2006-01-02T15:04:05.999999999Z07:00"))
            }
            None => match object.underlying() {
                Underlying::Plain(plain) => write(out, &plain)?,
                Underlying::Struct(fields) => {
                    sequence(out, ('{', '}'), fields, |out, (name, field)| {
                        quote(out, &field_name(object.type_name(), name));
                        out.push(':');
                        write(out, field)
                    })?;
                }
            },
        },
        Value::Complex(..) | Value::Function(_) => {
            return Err(format!("json: unsupported type: {}", value.type_name()));
        }
    }
    Ok(())
}

fn sequence<T>(
    out: &mut String,
    (open, close): (char, char),
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T) -> Result<(), String>,
) -> Result<(), String> {
    out.push(open);
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(out, item)?;
    }
    out.push(close);
    Ok(())
}

/// Returns the name of a field in JSON: that of webhooks.
fn field_name(type_name: &str, name: &str) -> String {
    if !matches!(type_name, "template.Data" | "template.Alert") {
        return name.to_owned();
    }
    if name == "NotificationReason" {
        return "notification_reason".to_owned();
    }
    let mut chars = name.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// Plain notation between 1e-6 and 1e21, an exponent without leading zeros outside.
fn number_text(number: f64) -> Result<String, String> {
    if !number.is_finite() {
        return Err(format!("json: unsupported value: {}", float(number, 'g', None)));
    }
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return Ok(float(number, 'f', None));
    }
    Ok(float(number, 'e', None).replace("e-0", "e-"))
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a string does not fail");
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
