//! OTLP/JSON → OTLP protobuf.
//!
//! The text is walked once and written as wire bytes by the table of [`fields`](super::fields), so
//! that there is one decoder for what a row means. Accepted is what protobuf's JSON allows: numbers
//! as numbers or as text, `NaN` and the infinities, enums by name or number, names in camel or snake
//! case, base64 of either alphabet, `null` for what is not set; and OTLP's own rule, ids as hex.
//! Names that the protocol does not have are skipped and told. Nesting beyond [`DEPTH_MAX`] is not
//! followed: values are cut at a smaller depth anyway.

use std::borrow::Cow;

use tarn_model::error::{Error, Result};
use tarn_model::signal::Signal;
use tarn_storage::any_value::decode_base64;

use super::fields::{self, Field, Kind, Message};
use crate::admit::Permit;
use tokens::{Raw, Token, Tokens};

mod tokens;

/// Messages inside each other that are followed. A map inside a map is three messages, and 32 of
/// those may be kept.
const DEPTH_MAX: usize = 128;
/// Unknown names that are told, and bytes of each.
const UNKNOWN_MAX: usize = 16;
const UNKNOWN_BYTES_MAX: usize = 200;
/// Names and numbers written as text are shorter than this.
const SHORT_BYTES_MAX: usize = 512;
/// Memory that the output begins with, and grows by at least.
const GROW_BYTES: usize = 4096;

/// A request as protobuf.
#[derive(Debug)]
pub(crate) struct Transcoded {
    /// The bytes.
    pub(crate) wire: Vec<u8>,
    /// Names that the protocol does not have, as paths: the first few, each once.
    pub(crate) unknown: Vec<String>,
}

/// Rewrites a request. Memory of the result is taken from `permit`.
///
/// # Errors
/// `Invalid` with line and column where the text is no such request; as [`Permit::grow`].
pub(crate) fn to_wire(signal: Signal, body: &[u8], permit: &mut Permit) -> Result<Transcoded> {
    let message = match signal {
        Signal::Logs => &fields::LOGS,
        Signal::Traces => &fields::TRACES,
        Signal::Metrics => &fields::METRICS,
    };
    let mut transcoder = Transcoder {
        tokens: Tokens::new(body),
        wire: Vec::new(),
        permit,
        path: Vec::new(),
        unknown: Vec::new(),
    };
    transcoder.message(message)?;
    transcoder.tokens.end()?;
    Ok(Transcoded { wire: transcoder.wire, unknown: transcoder.unknown })
}

struct Transcoder<'j, 'p> {
    tokens: Tokens<'j>,
    wire: Vec<u8>,
    permit: &'p mut Permit,
    /// Names of the fields that lead here.
    path: Vec<&'static str>,
    unknown: Vec<String>,
}

/// Wire types.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LEN: u32 = 2;
const FIXED32: u32 = 5;

impl<'j> Transcoder<'j, '_> {
    /// Writes the fields of a message.
    fn message(&mut self, message: &Message) -> Result<()> {
        if self.tokens.peek()? != Token::Object {
            return Err(self.tokens.error("expected an object"));
        }
        if self.path.len() >= DEPTH_MAX {
            return self.tokens.skip();
        }
        self.tokens.open();
        let mut first = true;
        while let Some(key) = self.tokens.member(&mut first)? {
            let key = self.short(key);
            match message.field(&key) {
                Some(field) => {
                    self.path.push(field.name);
                    self.field(field)?;
                    self.path.pop();
                }
                None => {
                    self.tell_unknown(&key);
                    self.tokens.skip()?;
                }
            }
        }
        Ok(())
    }

    /// Remembers a name that the protocol does not have.
    fn tell_unknown(&mut self, key: &[u8]) {
        if self.unknown.len() >= UNKNOWN_MAX {
            return;
        }
        let mut path = self.path.join(".");
        if !path.is_empty() {
            path.push('.');
        }
        let key = key.get(..UNKNOWN_BYTES_MAX).unwrap_or(key);
        path.push_str(&String::from_utf8_lossy(key));
        path.truncate(path.floor_char_boundary(UNKNOWN_BYTES_MAX));
        if !self.unknown.contains(&path) {
            self.unknown.push(path);
        }
    }

    fn field(&mut self, field: &Field) -> Result<()> {
        match self.tokens.peek()? {
            Token::Null => self.tokens.word(Token::Null),
            Token::Array if field.many => {
                self.tokens.open();
                let mut first = true;
                while self.tokens.item(&mut first)? {
                    self.item(field)?;
                }
                Ok(())
            }
            _ if field.many => Err(self.wrong("a list")),
            _ => self.value(field),
        }
    }

    /// Writes an item of a list, in which `null` is an empty message.
    fn item(&mut self, field: &Field) -> Result<()> {
        match (self.tokens.peek()?, field.kind) {
            (Token::Null, Kind::Message(_)) => {
                self.tokens.word(Token::Null)?;
                self.len_field(field.number, &[])
            }
            _ => self.value(field),
        }
    }

    fn value(&mut self, field: &Field) -> Result<()> {
        let number = field.number;
        match field.kind {
            Kind::Message(message) => self.nested(number, message),
            Kind::Text => {
                let raw = self.text("text")?;
                self.text_field(number, raw)
            }
            Kind::Bytes => {
                let raw = self.text("base64")?;
                self.decoded_field(number, raw, "base64", |text| decode_base64(utf8(text)?))
            }
            Kind::Id => {
                let raw = self.text("hex")?;
                self.decoded_field(number, raw, "hex", hex)
            }
            Kind::Bool => {
                let token = self.tokens.peek()?;
                if !matches!(token, Token::True | Token::False) {
                    return Err(self.wrong("true or false"));
                }
                self.tokens.word(token)?;
                self.varint_field(number, u64::from(token == Token::True))
            }
            Kind::Double => {
                let double = self.double()?;
                self.fixed_field(number, FIXED64, &double.to_le_bytes())
            }
            Kind::Enum(names) => self.enum_value(number, names),
            _ => self.integer(field),
        }
    }

    /// Writes a message field.
    fn nested(&mut self, number: u32, message: &Message) -> Result<()> {
        let start = self.open(number)?;
        self.message(message)?;
        self.close(start)
    }

    /// Writes a text field.
    fn text_field(&mut self, number: u32, raw: Raw<'_>) -> Result<()> {
        let start = self.open(number)?;
        self.room(raw.len())?;
        raw.write(&mut self.wire);
        self.close(start)
    }

    /// Writes a field of bytes that are text in JSON.
    fn decoded_field(
        &mut self,
        number: u32,
        raw: Raw<'_>,
        what: &str,
        decode: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<()> {
        // The text without escapes, and what it says, both for as long as it takes.
        let held = 2 * raw.len();
        self.permit.grow(held)?;
        let bytes = decode(&raw.text()).ok_or_else(|| self.wrong(what))?;
        self.len_field(number, &bytes)?;
        drop(bytes);
        self.permit.shrink(held);
        Ok(())
    }

    /// Begins a field whose length is not known yet.
    fn open(&mut self, number: u32) -> Result<usize> {
        self.room(2 * MAX_VARINT)?;
        push_varint(&mut self.wire, tag(number, LEN));
        self.wire.push(0);
        Ok(self.wire.len())
    }

    /// Puts in the length of a field that began before `start`. Most are shorter than 128 bytes, and
    /// then nothing moves.
    fn close(&mut self, start: usize) -> Result<()> {
        let len = self.wire.len() - start;
        if let (Ok(len @ 0..0x80), Some(place)) = (u8::try_from(len), self.wire.get_mut(start - 1))
        {
            *place = len;
            return Ok(());
        }
        let mut prefix = Vec::new();
        push_varint(&mut prefix, len as u64);
        self.room(prefix.len())?;
        self.wire.splice(start - 1..start, prefix);
        Ok(())
    }

    /// Consumes a string.
    fn text(&mut self, what: &str) -> Result<Raw<'j>> {
        match self.tokens.peek()? {
            Token::Text => self.tokens.string(),
            _ => Err(self.wrong(what)),
        }
    }

    /// Returns a string that is a name or a number, or what is too long for either.
    fn short(&self, raw: Raw<'j>) -> Cow<'j, [u8]> {
        if raw.len() > SHORT_BYTES_MAX { Cow::Borrowed(b"...") } else { raw.text() }
    }

    /// Consumes the digits of a number, written as number or as text.
    fn digits(&mut self, what: &str) -> Result<Cow<'j, [u8]>> {
        match self.tokens.peek()? {
            Token::Number => self.tokens.number().map(|digits| Cow::Borrowed(digits.as_bytes())),
            _ => self.text(what).map(|raw| self.short(raw)),
        }
    }

    fn double(&mut self) -> Result<f64> {
        let digits = self.digits("a number")?;
        let double = match utf8(&digits) {
            Some("NaN") => Some(f64::NAN),
            Some("Infinity") => Some(f64::INFINITY),
            Some("-Infinity") => Some(f64::NEG_INFINITY),
            // Rust would also read `inf` and `nan`, and make an infinity of what is too large.
            Some(digits) if is_decimal(digits) => {
                digits.parse().ok().filter(|double: &f64| double.is_finite())
            }
            _ => None,
        };
        double.ok_or_else(|| self.wrong("a number"))
    }

    fn enum_value(&mut self, number: u32, names: &[(&str, i32)]) -> Result<()> {
        if self.tokens.peek()? == Token::Text {
            let text = self.text("a name").map(|raw| self.short(raw))?;
            if let Some((_, value)) = names.iter().find(|(name, _)| name.as_bytes() == &*text) {
                return self.varint_field(number, sign_extended(*value));
            }
            let Some(value) = integer(&text).and_then(|n| i32::try_from(n).ok()) else {
                self.tell_unknown(&text);
                return Ok(());
            };
            return self.varint_field(number, sign_extended(value));
        }
        let digits = self.digits("the name or number of an enum")?;
        let value = integer(&digits).and_then(|n| i32::try_from(n).ok());
        let value = value.ok_or_else(|| self.wrong("the name or number of an enum"))?;
        self.varint_field(number, sign_extended(value))
    }

    fn integer(&mut self, field: &Field) -> Result<()> {
        let digits = self.digits("an integer")?;
        let value = integer(&digits).ok_or_else(|| self.wrong("an integer"))?;
        let range = |_| self.tokens.error(format!("{value} is out of range of {}", field.name));
        let number = field.number;
        match field.kind {
            Kind::Int32 => {
                let value = i32::try_from(value).map_err(range)?;
                self.varint_field(number, sign_extended(value))
            }
            Kind::Int64 => {
                let value = i64::try_from(value).map_err(range)?;
                self.varint_field(number, u64::from_le_bytes(value.to_le_bytes()))
            }
            Kind::Uint32 => {
                let value = u32::try_from(value).map_err(range)?;
                self.varint_field(number, u64::from(value))
            }
            Kind::Uint64 => {
                let value = u64::try_from(value).map_err(range)?;
                self.varint_field(number, value)
            }
            Kind::Sint32 => {
                let value = i32::try_from(value).map_err(range)?;
                let zigzag = (value << 1) ^ (value >> 31);
                self.varint_field(number, u64::from(u32::from_le_bytes(zigzag.to_le_bytes())))
            }
            Kind::Fixed32 => {
                let value = u32::try_from(value).map_err(range)?;
                self.fixed_field(number, FIXED32, &value.to_le_bytes())
            }
            Kind::Sfixed64 => {
                let value = i64::try_from(value).map_err(range)?;
                self.fixed_field(number, FIXED64, &value.to_le_bytes())
            }
            _ => {
                let value = u64::try_from(value).map_err(range)?;
                self.fixed_field(number, FIXED64, &value.to_le_bytes())
            }
        }
    }

    fn wrong(&self, wanted: &str) -> Error {
        let field = self.path.last().copied().unwrap_or_default();
        self.tokens.error(format!("expected {wanted} as {field}"))
    }

    fn varint_field(&mut self, number: u32, value: u64) -> Result<()> {
        self.room(2 * MAX_VARINT)?;
        push_varint(&mut self.wire, tag(number, VARINT));
        push_varint(&mut self.wire, value);
        Ok(())
    }

    fn fixed_field(&mut self, number: u32, wire: u32, bytes: &[u8]) -> Result<()> {
        self.room(MAX_VARINT + bytes.len())?;
        push_varint(&mut self.wire, tag(number, wire));
        self.wire.extend_from_slice(bytes);
        Ok(())
    }

    fn len_field(&mut self, number: u32, bytes: &[u8]) -> Result<()> {
        self.room(2 * MAX_VARINT + bytes.len())?;
        push_varint(&mut self.wire, tag(number, LEN));
        push_varint(&mut self.wire, bytes.len() as u64);
        self.wire.extend_from_slice(bytes);
        Ok(())
    }

    /// Makes room for `more` bytes, asked of the permit before it is taken.
    fn room(&mut self, more: usize) -> Result<()> {
        if self.wire.capacity() - self.wire.len() < more {
            let grown = more.max(self.wire.capacity() / 2).max(GROW_BYTES);
            self.permit.grow(grown)?;
            self.wire.reserve_exact(grown);
        }
        Ok(())
    }
}

/// Bytes of the longest varint.
const MAX_VARINT: usize = 10;

fn tag(number: u32, wire: u32) -> u64 {
    u64::from(number << 3 | wire)
}

fn push_varint(wire: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        let [low, ..] = value.to_le_bytes();
        wire.push(low | 0x80);
        value >>= 7;
    }
    let [low, ..] = value.to_le_bytes();
    wire.push(low);
}

fn sign_extended(value: i32) -> u64 {
    u64::from_le_bytes(i64::from(value).to_le_bytes())
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn is_decimal(digits: &str) -> bool {
    digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
}

/// Reads an integer: digits, or another decimal form of a whole number, as `1e3` and `1.0`.
fn integer(digits: &[u8]) -> Option<i128> {
    let digits = utf8(digits)?;
    if let Ok(value) = digits.parse() {
        return (!digits.starts_with('+')).then_some(value);
    }
    if !is_decimal(digits) {
        return None;
    }
    let value: f64 = digits.parse().ok()?;
    // Up to here a double is a whole number exactly.
    let exact = 9_007_199_254_740_992.0;
    (value.fract() == 0.0 && value.abs() <= exact).then(|| whole(value))
}

#[expect(clippy::cast_possible_truncation, reason = "the caller checked that it is a whole number")]
fn whole(value: f64) -> i128 {
    value as i128
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests;
