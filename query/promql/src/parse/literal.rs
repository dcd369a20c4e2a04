//! The values of numbers, durations and strings.

use std::sync::Arc;

use super::Parser;
use crate::ast::Span;
use crate::lex::TokenKind;
use crate::parse::Fail;
use crate::print::quote::quote;

impl Parser<'_> {
    /// Takes a number or a duration. Returns its value, whether it was a duration, and its place.
    pub(super) fn number_or_duration(&mut self) -> Result<(f64, bool, Span), Fail> {
        let token = self.bump()?;
        let is_duration = token.kind == TokenKind::Duration;
        let value = if is_duration { duration_seconds(token.text) } else { number(token.text) };
        match value {
            Ok(value) => Ok((value, is_duration, token.span)),
            Err(message) => Err(self.error(message, token.span)),
        }
    }
}

/// Computes the value of a number as Go does: integers with the prefixes `0x` and `0`, everything
/// else and what does not fit into 64 bits as a float. `_` may separate digits.
pub(crate) fn number(text: &str) -> Result<f64, String> {
    let fail = |reason: &str| {
        Err(format!("error parsing number: strconv.ParseFloat: parsing {}: {reason}", quote(text)))
    };
    if !underscores_separate_digits(text) {
        return fail("invalid syntax");
    }
    let digits = text.replace('_', "").to_ascii_lowercase();
    if let Some(value) = integer(&digits) {
        return Ok(value as f64);
    }
    match digits.parse::<f64>() {
        Ok(value) if value.is_infinite() && digits.starts_with(|c: char| c.is_ascii_digit()) => {
            fail("value out of range")
        }
        Ok(value) => Ok(value),
        Err(_) => fail("invalid syntax"),
    }
}

fn integer(digits: &str) -> Option<i64> {
    if let Some(hex) = digits.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok();
    }
    let octal = digits.len() > 1 && digits.starts_with('0');
    i64::from_str_radix(digits, if octal { 8 } else { 10 }).ok()
}

fn underscores_separate_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().filter(|(_, b)| **b == b'_').all(|(at, _)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at + 1);
        before.is_some_and(|b| b.is_ascii_hexdigit() || matches!(b, b'x' | b'X'))
            && after.is_some_and(u8::is_ascii_hexdigit)
    })
}

/// Units from large to small, in nanoseconds. Each may come once, in this order.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000_000_000),
    ("w", 7 * 86_400_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
];

/// Computes the seconds of a duration such as `1h30m`.
pub(crate) fn duration_seconds(text: &str) -> Result<f64, String> {
    let invalid = || format!("not a valid duration string: {}", quote(text));
    let out_of_range = || "duration out of range".to_owned();
    let mut rest = text;
    let mut nanos: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let split = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
        let (digits, tail) = rest.split_at(split);
        let (unit, tail) =
            tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let count: u64 = digits.parse().map_err(|_| invalid())?;
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(format!("unknown unit {} in duration {}", quote(unit), quote(text)));
        }
        let (_, length) = units.find(|(name, _)| *name == unit).ok_or_else(invalid)?;
        nanos = count
            .checked_mul(*length)
            .and_then(|part| nanos.checked_add(part))
            .filter(|nanos| *nanos <= i64::MAX as u64)
            .ok_or_else(out_of_range)?;
        rest = tail;
    }
    Ok((nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9)
}

/// Resolves the quotes and escapes of a string that the lexer has accepted.
pub(crate) fn unquote(text: &str) -> Vec<u8> {
    let mut chars = text.chars();
    let quote = chars.next().unwrap_or_default();
    chars.next_back();
    let body = chars.as_str();
    if quote == '`' || !body.contains('\\') {
        return body.as_bytes().to_vec();
    }
    let mut out = Vec::with_capacity(body.len());
    while let Some(c) = chars.next() {
        if c == '\\' { unescape(&mut chars, &mut out) } else { push(&mut out, c) }
    }
    out
}

fn unescape(chars: &mut std::str::Chars<'_>, out: &mut Vec<u8>) {
    match chars.next() {
        Some('a') => out.push(7),
        Some('b') => out.push(8),
        Some('f') => out.push(12),
        Some('n') => out.push(b'\n'),
        Some('r') => out.push(b'\r'),
        Some('t') => out.push(b'\t'),
        Some('v') => out.push(11),
        Some('x') => out.push(digits(chars, 0, 2, 16) as u8),
        Some('u') => push(out, code_point(digits(chars, 0, 4, 16))),
        Some('U') => push(out, code_point(digits(chars, 0, 8, 16))),
        Some(c @ '0'..='7') => out.push(digits(chars, c.to_digit(8).unwrap_or(0), 2, 8) as u8),
        Some(c) => push(out, c),
        None => {}
    }
}

/// Takes `count` digits, appended to `first`. The lexer has checked that they are digits.
fn digits(chars: &mut std::str::Chars<'_>, first: u32, count: usize, radix: u32) -> u32 {
    let digits = chars.by_ref().take(count).filter_map(|c| c.to_digit(radix));
    digits.fold(first, |value, digit| value.wrapping_mul(radix).wrapping_add(digit))
}

fn code_point(value: u32) -> char {
    char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Returns bytes as text, and the bytes themselves where they are not UTF-8.
pub(crate) fn text_of(bytes: Vec<u8>) -> (Arc<str>, Option<Arc<[u8]>>) {
    match String::from_utf8(bytes) {
        Ok(text) => (text.into(), None),
        Err(error) => {
            let bytes = error.into_bytes();
            (String::from_utf8_lossy(&bytes).into(), Some(bytes.into()))
        }
    }
}
