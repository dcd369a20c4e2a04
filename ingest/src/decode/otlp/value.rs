//! Values on the wire (`AnyValue`) → text forms, without a tree between.
//!
//! A [`RawValue`] is where a value stands. Text goes into rows as it is; everything else is written
//! by the rules of [`tarn_storage::any_value`], containers by walking them: at most as deep and as
//! long as the [`Caps`] say, so that neither nesting nor repetition costs more than what is kept.

use std::str;

use tarn_model::attributes::ValueKind;
use tarn_model::limits::Limits;
use tarn_model::map::HashMap;
use tarn_storage::any_value;

use crate::decode::wire::{DEPTH_MAX, Reader, WireError};

/// The shortest member of an object: two quotes, colon, a digit, comma.
const MEMBER_BYTES_MIN: usize = 5;

/// How long and how deep a value may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caps {
    /// Bytes of its text form.
    pub(crate) bytes: usize,
    /// Containers inside each other.
    pub(crate) levels: usize,
}

impl Caps {
    /// Returns the caps of an attribute.
    pub(crate) fn attribute(limits: &Limits) -> Self {
        let bytes = limits.attribute_value_bytes_max.as_usize();
        Self { bytes, levels: limits.any_value_depth_max }
    }

    /// Returns the caps of the body of a log record.
    pub(crate) fn body(limits: &Limits) -> Self {
        Self { bytes: limits.log_body_bytes_max.as_usize(), ..Self::attribute(limits) }
    }
}

/// What had to be changed so that texts could be kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Bytes on the wire of the values that were cut.
    pub(crate) cut_bytes: u64,
    /// Texts with bytes that are not UTF-8.
    pub(crate) repaired: u64,
    /// Whether anything else was cut or dropped.
    pub(crate) dropped: bool,
}

/// Where a value stands in the body.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum RawValue<'a> {
    /// No value was set.
    #[default]
    Empty,
    /// Text, not yet known to be UTF-8.
    Text(&'a [u8]),
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// An `ArrayValue`.
    Array(Reader<'a>),
    /// A `KeyValueList`.
    Map(Reader<'a>),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// Walks over a `KeyValue`: 1 key, 2 value.
#[inline]
pub(crate) fn key_value(mut message: Reader<'_>) -> Result<(&[u8], RawValue<'_>), WireError> {
    let (mut key, mut value) = (&[][..], RawValue::Empty);
    while !message.is_empty() {
        let (number, wire) = message.tag()?;
        match number {
            1 => key = message.bytes(wire)?,
            2 => value.merge(message.message(wire)?)?,
            _ => message.skip(number, wire, DEPTH_MAX)?,
        }
    }
    Ok((key, value))
}

impl<'a> RawValue<'a> {
    /// Walks over an `AnyValue`. Where several fields are set the last counts; where none is set the
    /// value stays as it was, as when messages are merged.
    #[inline]
    pub(crate) fn merge(&mut self, mut message: Reader<'a>) -> Result<(), WireError> {
        while !message.is_empty() {
            let (number, wire) = message.tag()?;
            *self = match number {
                1 => Self::Text(message.bytes(wire)?),
                2 => Self::Bool(message.uint64(wire)? != 0),
                3 => Self::Int(message.int64(wire)?),
                4 => Self::Double(message.double(wire)?),
                5 => Self::Array(message.message(wire)?),
                6 => Self::Map(message.message(wire)?),
                7 => Self::Bytes(message.bytes(wire)?),
                _ => {
                    message.skip(number, wire, DEPTH_MAX)?;
                    continue;
                }
            };
        }
        Ok(())
    }

    /// Returns the kind.
    pub(crate) fn kind(&self) -> ValueKind {
        match self {
            Self::Empty => ValueKind::Empty,
            Self::Text(_) => ValueKind::Text,
            Self::Bool(_) => ValueKind::Bool,
            Self::Int(_) => ValueKind::Int,
            Self::Double(_) => ValueKind::Double,
            Self::Array(_) => ValueKind::Array,
            Self::Map(_) => ValueKind::Map,
            Self::Bytes(_) => ValueKind::Bytes,
        }
    }

    /// Returns the text form, from the body where it stands there, else from `scratch`.
    ///
    /// # Errors
    /// Where a container is no such message.
    pub(crate) fn text<'s>(
        &self,
        caps: Caps,
        scratch: &'s mut String,
        changes: &mut Changes,
    ) -> Result<&'s str, WireError>
    where
        'a: 's,
    {
        if let Self::Text(bytes) = *self {
            return Ok(text(bytes, caps.bytes, scratch, changes));
        }
        scratch.clear();
        match *self {
            Self::Double(double) => any_value::write_double_text(scratch, double),
            _ => self.write_json(caps, scratch, changes)?,
        }
        Ok(scratch)
    }

    /// Appends canonical JSON.
    ///
    /// # Errors
    /// Where a container is no such message.
    pub(crate) fn write_json(
        &self,
        caps: Caps,
        out: &mut String,
        changes: &mut Changes,
    ) -> Result<(), WireError> {
        let end = out.len().saturating_add(caps.bytes);
        let mut json = Json { out, waiting: 0, waiting_max: caps.bytes, repaired: 0, cut: false };
        json.value(self, caps.levels, end)?;
        changes.repaired += json.repaired;
        if json.cut {
            changes.cut_bytes += self.wire_bytes();
        }
        Ok(())
    }

    fn wire_bytes(&self) -> u64 {
        let bytes = match self {
            Self::Text(bytes) | Self::Bytes(bytes) => bytes.len(),
            Self::Array(message) | Self::Map(message) => message.rest().len(),
            _ => 0,
        };
        bytes as u64
    }
}

/// Returns a text of the wire as UTF-8 of at most `max` bytes: from the body where it is that, else
/// repaired in `scratch`.
#[inline]
pub(crate) fn text<'s>(
    bytes: &'s [u8],
    max: usize,
    scratch: &'s mut String,
    changes: &mut Changes,
) -> &'s str {
    match str::from_utf8(bytes) {
        Ok(text) if text.len() <= max => text,
        Ok(text) => {
            changes.cut_bytes += bytes.len() as u64;
            floor(text, max)
        }
        Err(_) => {
            scratch.clear();
            changes.repaired += 1;
            if repair(bytes, max, scratch) {
                changes.cut_bytes += bytes.len() as u64;
            }
            scratch
        }
    }
}

/// Returns the longest beginning of at most `max` bytes.
fn floor(text: &str, max: usize) -> &str {
    text.split_at(text.floor_char_boundary(max)).0
}

/// Appends a text with U+FFFD for what is not UTF-8, up to `max` bytes. Returns whether it was cut.
fn repair(bytes: &[u8], max: usize, out: &mut String) -> bool {
    let end = out.len().saturating_add(max);
    for chunk in bytes.utf8_chunks() {
        let room = end - out.len();
        let valid = floor(chunk.valid(), room);
        out.push_str(valid);
        if valid.len() < chunk.valid().len() {
            return true;
        }
        if !chunk.invalid().is_empty() {
            if end - out.len() < char::REPLACEMENT_CHARACTER.len_utf8() {
                return true;
            }
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
    false
}

/// Canonical JSON under construction.
struct Json<'o> {
    out: &'o mut String,
    /// Entries of maps, on all levels, that were collected and are not done, in bytes that they need
    /// at least; and how many there may be.
    waiting: usize,
    waiting_max: usize,
    repaired: u64,
    /// Whether something was left out.
    cut: bool,
}

impl Json<'_> {
    /// Writes a value that should end at `end`.
    fn value(&mut self, value: &RawValue<'_>, levels: usize, end: usize) -> Result<(), WireError> {
        match *value {
            RawValue::Empty => self.out.push_str("null"),
            RawValue::Text(bytes) => self.string(bytes, end),
            RawValue::Bool(bool) => self.out.push_str(if bool { "true" } else { "false" }),
            RawValue::Int(int) => any_value::write_int(self.out, int),
            RawValue::Double(double) => any_value::write_double(self.out, double),
            RawValue::Bytes(bytes) => {
                let kept = bytes.get(..self.room(end) / 4 * 3);
                self.cut |= kept.is_some_and(|kept| kept.len() < bytes.len());
                any_value::write_bytes(self.out, kept.unwrap_or(bytes));
            }
            RawValue::Array(_) | RawValue::Map(_) if levels == 0 => {
                self.cut = true;
                self.out.push_str("null");
            }
            RawValue::Array(message) => self.array(message, levels - 1, end)?,
            RawValue::Map(message) => self.map(message, levels - 1, end)?,
        }
        Ok(())
    }

    fn room(&self, end: usize) -> usize {
        end.saturating_sub(self.out.len())
    }

    /// Writes a JSON string, cut so that escaping does not carry it beyond `end`.
    fn string(&mut self, bytes: &[u8], end: usize) {
        let room = self.room(end);
        let (mut scratch, mut changes) = (String::new(), Changes::default());
        let mut kept = text(bytes, room, &mut scratch, &mut changes);
        if escaped_len(kept) > room {
            let shorter = floor(kept, room / 6);
            self.cut |= shorter.len() < kept.len();
            kept = shorter;
        }
        self.repaired += changes.repaired;
        self.cut |= changes.cut_bytes > 0;
        any_value::write_string(self.out, kept);
    }

    /// Writes the key of a member. A key is never cut, or it would be another: returns `false` where
    /// it does not fit.
    fn key(&mut self, bytes: &[u8], end: usize) -> bool {
        let (mut scratch, mut changes) = (String::new(), Changes::default());
        // Repair makes no text shorter.
        if bytes.len() > self.room(end) {
            return false;
        }
        let key = text(bytes, usize::MAX, &mut scratch, &mut changes);
        if escaped_len(key) + MEMBER_BYTES_MIN > self.room(end) {
            return false;
        }
        self.repaired += changes.repaired;
        any_value::write_string(self.out, key);
        self.out.push(':');
        true
    }

    /// Writes an `ArrayValue`: 1 values.
    fn array(
        &mut self,
        mut message: Reader<'_>,
        levels: usize,
        end: usize,
    ) -> Result<(), WireError> {
        self.out.push('[');
        let mut first = true;
        while !message.is_empty() {
            let (number, wire) = message.tag()?;
            if number != 1 {
                message.skip(number, wire, DEPTH_MAX)?;
                continue;
            }
            let mut value = RawValue::Empty;
            value.merge(message.message(wire)?)?;
            if self.room(end) == 0 {
                self.cut = true;
                break;
            }
            if !first {
                self.out.push(',');
            }
            first = false;
            self.value(&value, levels, end)?;
        }
        self.out.push(']');
        Ok(())
    }

    /// Writes a `KeyValueList`: 1 values.
    fn map(&mut self, message: Reader<'_>, levels: usize, end: usize) -> Result<(), WireError> {
        // More members than this do not fit, and the maps around this one hold theirs.
        let max = self.waiting_max.saturating_sub(self.waiting) / MEMBER_BYTES_MIN;
        let (entries, cut) = entries(message, max)?;
        self.cut |= cut;
        let reserved = |key: &[u8]| str::from_utf8(key).is_ok_and(any_value::is_reserved);
        let wrapped = matches!(entries.as_slice(), [(key, _)] if reserved(key));
        if wrapped {
            self.out.push_str(any_value::WRAPPER);
        }
        let waiting = entries.len() * MEMBER_BYTES_MIN;
        self.waiting += waiting;
        self.members(&entries, levels, end)?;
        self.waiting -= waiting;
        if wrapped {
            self.out.push('}');
        }
        Ok(())
    }

    fn members(
        &mut self,
        entries: &[Entry<'_>],
        levels: usize,
        end: usize,
    ) -> Result<(), WireError> {
        self.out.push('{');
        for (i, (key, value)) in entries.iter().enumerate() {
            let start = self.out.len();
            if i > 0 {
                self.out.push(',');
            }
            if !self.key(key, end) {
                self.cut = true;
                self.out.truncate(start);
                break;
            }
            self.value(value, levels, end)?;
        }
        self.out.push('}');
        Ok(())
    }
}

/// Returns how long a text is as a JSON string, at most.
fn escaped_len(text: &str) -> usize {
    text.len() + 5 * text.bytes().filter(|byte| any_value::is_escaped(*byte)).count()
}

/// An entry of a map.
type Entry<'a> = (&'a [u8], RawValue<'a>);

/// Collects the entries of a `KeyValueList`, each key once with its last value, up to `max` keys.
/// Returns whether there were more.
fn entries(mut message: Reader<'_>, max: usize) -> Result<(Vec<Entry<'_>>, bool), WireError> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut places = HashMap::default();
    let mut cut = false;
    while !message.is_empty() {
        let (number, wire) = message.tag()?;
        if number != 1 {
            message.skip(number, wire, DEPTH_MAX)?;
            continue;
        }
        let (key, value) = key_value(message.message(wire)?)?;
        let place = places.get(key).copied().unwrap_or(entries.len());
        match entries.get_mut(place) {
            Some(known) => known.1 = value,
            None if place < max => {
                places.insert(key, place);
                entries.push((key, value));
            }
            None => cut = true,
        }
    }
    Ok((entries, cut))
}
