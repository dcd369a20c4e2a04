//! Functions that rules and notifications have in common, and the helpers of both.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use tarn_template::format::number::float;
use tarn_template::{Kind, Signature, Value};

use super::time::Duration;

/// A compiled regular expression takes no more than this.
const REGEX_BYTES: usize = 1 << 20;
/// No text that a function makes is longer.
const TEXT_BYTES: usize = 1 << 20;

/// Names and signatures; a last parameter that may repeat stands apart.
pub(super) type Table = &'static [(&'static str, &'static [Kind], Option<Kind>)];

pub(super) fn find(table: Table, name: &str) -> Option<Signature> {
    let (_, params, variadic) = table.iter().find(|(known, ..)| *known == name)?;
    Some(Signature { params, variadic: *variadic })
}

/// The text of an argument whose type has been checked.
pub(super) fn text(arguments: &[Value], at: usize) -> &str {
    arguments.get(at).and_then(Value::as_text).unwrap_or_default()
}

pub(super) fn argument(arguments: &[Value], at: usize) -> &Value {
    arguments.get(at).unwrap_or(&Value::Nil)
}

fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build().map_err(|error| {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        format!("error parsing regexp: {why}: `{pattern}`")
    })
}

pub(super) fn matches(pattern: &str, text: &str) -> Result<Value, String> {
    Ok(Value::Bool(regex(pattern)?.is_match(text)))
}

/// Replaces all matches. The result grows match by match, so that a long replacement of every
/// character ends early.
pub(super) fn replace_all(pattern: &str, by: &str, text: &str) -> Result<Value, String> {
    let regex = regex(pattern)?;
    let mut out = String::new();
    let mut end = 0;
    for captures in regex.captures_iter(text) {
        let Some(found) = captures.get(0) else { continue };
        out.push_str(text.get(end..found.start()).unwrap_or_default());
        captures.expand(by, &mut out);
        end = found.end();
        if out.len() > TEXT_BYTES {
            return Err(format!("text longer than {TEXT_BYTES} bytes"));
        }
    }
    out.push_str(text.get(end..).unwrap_or_default());
    Ok(Value::from(out))
}

/// Joins texts.
pub(super) fn join(separator: &str, items: &[Value]) -> Result<Value, String> {
    let texts: Vec<&str> = items.iter().filter_map(Value::as_text).collect();
    let length = texts.iter().map(|text| text.len()).sum::<usize>() + separator.len() * texts.len();
    match length > TEXT_BYTES {
        true => Err(format!("text longer than {TEXT_BYTES} bytes")),
        false => Ok(Value::from(texts.join(separator))),
    }
}

/// Returns an argument as a number, as humanizing functions take it: numbers, texts of numbers,
/// durations as seconds.
pub(super) fn number(value: &Value) -> Result<f64, String> {
    if let Some(duration) = value.downcast::<Duration>() {
        return Ok(duration.seconds());
    }
    match value {
        Value::Float(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        Value::Text(text) => parse_float(text),
        other => {
            let name = match other {
                Value::Nil => "<nil>",
                other => other.type_name(),
            };
            Err(format!("can't convert {name} to float"))
        }
    }
}

fn parse_float(text: &str) -> Result<f64, String> {
    let plain = text.strip_prefix(['+', '-']).unwrap_or(text);
    let word = ["inf", "infinity", "nan"].contains(&plain.to_ascii_lowercase().as_str());
    let fits = word || plain.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let parsed = text.parse::<f64>().ok().filter(|_| fits);
    let invalid = || {
        let text = tarn_template::format::quote(text);
        format!("strconv.ParseFloat: parsing {text}: invalid syntax")
    };
    parsed.ok_or_else(invalid)
}

fn short(number: f64) -> String {
    float(number, 'g', Some(4))
}

/// Writes a number with a decimal prefix: `1.234k`.
pub(super) fn humanize(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return short(number);
    }
    if number.abs() >= 1.0 {
        return scaled(number, 1000.0, &["k", "M", "G", "T", "P", "E", "Z", "Y"]);
    }
    let (number, prefix) = small(number);
    format!("{}{prefix}", short(number))
}

fn scaled(mut number: f64, base: f64, prefixes: &[&str]) -> String {
    let mut prefix = "";
    for next in prefixes {
        if number.abs() < base {
            break;
        }
        prefix = next;
        number /= base;
    }
    format!("{}{prefix}", short(number))
}

fn small(mut number: f64) -> (f64, &'static str) {
    let mut prefix = "";
    for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if number.abs() >= 1.0 {
            break;
        }
        prefix = next;
        number *= 1000.0;
    }
    (number, prefix)
}

/// Writes a number with a binary prefix: `1.5Mi`.
pub(super) fn humanize_1024(number: f64) -> String {
    if number.abs() <= 1.0 || !number.is_finite() {
        return short(number);
    }
    scaled(number, 1024.0, &["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"])
}

/// Writes seconds as days, hours, minutes and seconds; less than one with a prefix.
pub(super) fn humanize_duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return short(seconds);
    }
    if seconds == 0.0 {
        return format!("{}s", short(seconds));
    }
    if seconds.abs() < 1.0 {
        let (seconds, prefix) = small(seconds);
        return format!("{}{prefix}s", short(seconds));
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let seconds = seconds.abs();
    let whole = seconds as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60);
    let rest = whole % 60;
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", short(seconds)),
        (0, 0, _) => format!("{sign}{minutes}m {rest}s"),
        (0, ..) => format!("{sign}{hours}h {minutes}m {rest}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {rest}s"),
    }
}

pub(super) fn humanize_percentage(ratio: f64) -> String {
    format!("{}%", short(ratio * 100.0))
}

/// Capitalises words. `lower` makes the rest of each small, and keeps apostrophes inside of words.
pub(super) fn title(text: &str, lower: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        let part =
            c.is_alphanumeric() || c == '_' || (lower && inside && matches!(c, '\'' | '\u{2019}'));
        match (part, inside) {
            (true, false) => out.extend(c.to_uppercase()),
            (true, true) if lower => out.extend(c.to_lowercase()),
            _ => out.push(c),
        }
        inside = part;
    }
    out
}

/// A list of anything.
pub(super) fn any_list(items: Vec<Value>) -> Value {
    Value::list("[]interface {}", items)
}

/// A shared text as a value.
pub(super) fn shared(text: &Arc<str>) -> Value {
    Value::Text(Arc::clone(text))
}

#[cfg(test)]
mod tests;
