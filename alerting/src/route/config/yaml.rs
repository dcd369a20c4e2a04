//! YAML as a tree of text with positions.
//!
//! Numbers stay as they were written: a routing key of digits only is text to us.

use std::fmt;
use std::fmt::Write as _;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// Line and column, from 1; 0 where they are not known.
pub(super) type At = (u32, u32);

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) at: At,
    pub(super) node: Node,
}

/// What stands there.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Null,
    /// A number or a truth value, as written.
    Plain(String),
    /// Any other scalar.
    Text(String),
    List(Vec<Value>),
    Map(Vec<(Key, Value)>),
}

/// A key and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) at: At,
    pub(super) name: String,
}

impl Value {
    /// Returns the text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.node {
            Node::Plain(text) | Node::Text(text) => Some(text),
            Node::Null | Node::List(_) | Node::Map(_) => None,
        }
    }

    /// Returns what it is, for people.
    pub(super) fn what(&self) -> &'static str {
        match self.node {
            Node::Null => "nothing",
            Node::Plain(_) | Node::Text(_) => "a text",
            Node::List(_) => "a list",
            Node::Map(_) => "a section",
        }
    }

    /// Returns it as JSON; texts stay texts.
    pub(super) fn json(&self) -> serde_json::Value {
        match &self.node {
            Node::Null => serde_json::Value::Null,
            Node::Plain(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into())
            }
            Node::Text(text) => text.as_str().into(),
            Node::List(items) => items.iter().map(Self::json).collect(),
            Node::Map(entries) => {
                entries.iter().map(|(key, value)| (key.name.clone(), value.json())).collect()
            }
        }
    }

    /// Writes it as YAML; `hidden` says what to show instead of secrets.
    pub(super) fn render(&self, hidden: &dyn Fn(At) -> Option<String>) -> String {
        let mut out = String::new();
        self.write(&mut out, 0, hidden);
        out
    }

    fn write(&self, out: &mut String, depth: usize, hidden: &dyn Fn(At) -> Option<String>) {
        let indent = "  ".repeat(depth);
        match &self.node {
            Node::List(items) if !items.is_empty() => {
                for item in items {
                    // Writing to a string cannot fail.
                    write!(out, "{indent}-").ok();
                    item.write_after(out, depth + 1, hidden);
                }
            }
            Node::Map(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    write!(out, "{indent}{}:", quote(&key.name)).ok();
                    value.write_after(out, depth + 1, hidden);
                }
            }
            _ => self.write_after(out, depth, hidden),
        }
    }

    /// Writes it after the key or the dash that it belongs to.
    fn write_after(&self, out: &mut String, depth: usize, hidden: &dyn Fn(At) -> Option<String>) {
        let text = match &self.node {
            Node::List(items) if !items.is_empty() => {
                out.push('\n');
                return self.write(out, depth, hidden);
            }
            Node::Map(entries) if !entries.is_empty() => {
                out.push('\n');
                return self.write(out, depth, hidden);
            }
            Node::List(_) => "[]".to_owned(),
            Node::Map(_) => "{}".to_owned(),
            Node::Null => "null".to_owned(),
            Node::Plain(text) => hidden(self.at).map_or_else(|| text.clone(), |mask| quote(&mask)),
            Node::Text(text) => quote(hidden(self.at).as_ref().unwrap_or(text)),
        };
        // Writing to a string cannot fail.
        writeln!(out, " {text}").ok();
    }
}

/// Texts that are words stand as they are, others in the quotes of JSON, which are YAML's, too.
fn quote(text: &str) -> String {
    let mut letters = text.bytes();
    let word = letters.next().is_some_and(|b| b.is_ascii_alphabetic())
        && letters.all(|b| b.is_ascii_alphanumeric() || b"_-/.".contains(&b));
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if word && !reserved.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

/// Parses a text.
///
/// # Errors
/// The place and the mistake.
pub(super) fn parse(text: &str) -> Result<Value, (At, String)> {
    let options = serde_saphyr::options! { strict_booleans: true };
    let parsed: Option<Spanned<Raw>> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let error = error.without_snippet();
            let at = error.location().map_or((0, 0), at);
            (at, error.to_string())
        })?;
    Ok(parsed.map_or(Value { at: (1, 1), node: Node::Null }, |raw| value(raw, text)))
}

fn at(location: serde_saphyr::Location) -> At {
    let small = |n: u64| u32::try_from(n).unwrap_or(0);
    (small(location.line()), small(location.column()))
}

/// The tree as serde hands it over.
#[derive(Debug)]
enum Raw {
    Null,
    Plain(String),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn value(raw: Spanned<Raw>, source: &str) -> Value {
    let span = raw.defined.span();
    let place = at(raw.referenced);
    let node = match raw.value {
        Raw::Null => Node::Null,
        Raw::Plain(text) => {
            let written = span.byte_offset().zip(span.byte_len()).and_then(|(from, len)| {
                let from = usize::try_from(from).ok()?;
                source.get(from..from.checked_add(usize::try_from(len).ok()?)?)
            });
            Node::Plain(
                written.map(str::trim).filter(|t| !t.is_empty()).unwrap_or(&text).to_owned(),
            )
        }
        Raw::Text(text) => Node::Text(text),
        Raw::List(items) => Node::List(items.into_iter().map(|item| value(item, source)).collect()),
        Raw::Map(entries) => {
            let entry = |(key, item): (Spanned<String>, Spanned<Raw>)| {
                (Key { at: at(key.referenced), name: key.value }, value(item, source))
            };
            Node::Map(entries.into_iter().map(entry).collect())
        }
    };
    Value { at: place, node }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a section")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
