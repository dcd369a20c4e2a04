//! Canonical JSON and text forms → values.
//!
//! Objects and arrays are taken apart level by level into slices of the text, so that numbers are
//! parsed from their own digits: what was written as double comes back bit by bit.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tarn_model::attributes::{AnyValue, ValueKind};
use tarn_model::error::{Error, Result};

use super::{BYTES, DOUBLE, MAP, decode_base64, double_of};

/// Levels of JSON that are read: twice the levels that are written, as each may be wrapped.
const JSON_LEVELS_MAX: usize = 4 * super::LEVELS_MAX;

/// Bytes of a text that a message shows.
const SHOWN_BYTES: usize = 80;

/// Reads canonical JSON. Other JSON is read too, as the value it looks like.
///
/// # Errors
/// `Corrupt` where it is no JSON, or nested deeper than anything that is written.
pub fn from_json(json: &str) -> Result<AnyValue> {
    value(json, JSON_LEVELS_MAX)
}

/// Reads the text form of a value of a kind.
///
/// # Errors
/// `Corrupt` where the text is no value of that kind.
pub fn from_text(kind: ValueKind, text: &str) -> Result<AnyValue> {
    let bad = || Error::corrupt(format!("read a value of kind {kind:?} from {:?}", shown(text)));
    let found = match kind {
        ValueKind::Text => AnyValue::Text(text.to_owned()),
        ValueKind::Double => match double_of(text) {
            Some(double) => AnyValue::Double(double),
            None => AnyValue::Double(text.parse().map_err(|_| bad())?),
        },
        ValueKind::Int => AnyValue::Int(text.parse().map_err(|_| bad())?),
        _ => from_json(text)?,
    };
    if found.kind() == kind { Ok(found) } else { Err(bad()) }
}

fn value(json: &str, levels: usize) -> Result<AnyValue> {
    let json = json.trim_matches([' ', '\n', '\r', '\t']);
    let bad = || Error::corrupt(format!("read canonical JSON from {:?}", shown(json)));
    match json.bytes().next() {
        Some(b'{' | b'[') if levels == 0 => {
            Err(Error::corrupt("canonical JSON is nested too deep"))
        }
        Some(b'{') => object(&parse(json)?, levels - 1),
        Some(b'[') => {
            let items: Vec<&RawValue> = parse(json)?;
            let items = items.iter().map(|item| value(item.get(), levels - 1));
            Ok(AnyValue::Array(items.collect::<Result<_>>()?))
        }
        Some(b'"') => Ok(AnyValue::Text(parse(json)?)),
        Some(b't' | b'f') => Ok(AnyValue::Bool(parse(json)?)),
        Some(b'n') => parse::<()>(json).map(|()| AnyValue::Empty),
        Some(_) => number(json).ok_or_else(bad),
        None => Err(bad()),
    }
}

pub(super) fn parse<'j, T: Deserialize<'j>>(json: &'j str) -> Result<T> {
    serde_json::from_str(json).map_err(|e| {
        Error::corrupt(format!("read canonical JSON from {:?}", shown(json))).with_source(e)
    })
}

/// Returns as much of a text as a message shows.
fn shown(text: &str) -> &str {
    text.split_at(text.floor_char_boundary(SHOWN_BYTES)).0
}

fn number(json: &str) -> Option<AnyValue> {
    if !json.bytes().all(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
        return None;
    }
    match json.parse() {
        Ok(int) => Some(AnyValue::Int(int)),
        Err(_) => json.parse().ok().map(AnyValue::Double),
    }
}

/// Reads an object: a map, unless its only member says otherwise.
fn object(members: &Members<'_>, levels: usize) -> Result<AnyValue> {
    if let [(key, inner)] = members.0.as_slice() {
        let text = || parse::<String>(inner.get()).ok();
        let special = match key.as_ref() {
            BYTES => text().and_then(|text| decode_base64(&text)).map(AnyValue::Bytes),
            DOUBLE => text().and_then(|text| double_of(&text)).map(AnyValue::Double),
            MAP if inner.get().starts_with('{') => {
                Some(AnyValue::Map(entries(&parse(inner.get())?, levels)?))
            }
            _ => None,
        };
        if let Some(value) = special {
            return Ok(value);
        }
    }
    Ok(AnyValue::Map(entries(members, levels)?))
}

/// Reads the members of a map.
fn entries(members: &Members<'_>, levels: usize) -> Result<Vec<(String, AnyValue)>> {
    let entry = |(key, inner): &(Cow<'_, str>, &RawValue)| {
        Ok((key.clone().into_owned(), value(inner.get(), levels)?))
    };
    members.0.iter().map(entry).collect()
}

/// Reads a map whose place says that it is one, as the attributes of a resource.
pub(super) fn map(json: &str) -> Result<Vec<(String, AnyValue)>> {
    entries(&parse(json)?, JSON_LEVELS_MAX)
}

/// The members of an object, in order.
pub(super) struct Members<'j>(pub(super) Vec<(Cow<'j, str>, &'j RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(entry) = map.next_entry()? {
            members.push(entry);
        }
        Ok(Members(members))
    }
}
