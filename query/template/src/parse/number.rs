//! Go's number literals: a number as written may be an integer, a float, or both.

use std::sync::Arc;

use crate::format::quote;
use crate::lex::Tok;
use crate::node::Number;
use crate::parse::unquote;

/// Parses what the lexer took for a number.
pub(crate) fn parse(text: &str, kind: Tok) -> Result<Number, String> {
    let whole = |value: i64| Number {
        text: Arc::from(text),
        int: Some(value),
        unsigned: value >= 0,
        float: Some(value as f64),
        complex: None,
    };
    let illegal = || format!("illegal number syntax: {}", quote(text));
    match kind {
        Tok::CharConstant => {
            let malformed = || format!("malformed character constant: {text}");
            unquote::character(text).map(|c| whole(i64::from(c))).ok_or_else(malformed)
        }
        Tok::Complex => {
            let split = text.rfind(['+', '-']).filter(|at| *at > 0).ok_or_else(illegal)?;
            let (re, im) = text.split_at(split);
            let im = im.strip_suffix('i').and_then(float).ok_or_else(illegal)?;
            Ok(complex(text, float(re).ok_or_else(illegal)?, im))
        }
        _ if text.ends_with('i') => {
            let im = text.strip_suffix('i').and_then(float).ok_or_else(illegal)?;
            Ok(complex(text, 0.0, im))
        }
        _ => match integer(text) {
            Integer::Fits(value) => Ok(whole(value)),
            Integer::Unsigned(value) => {
                Ok(Number { int: None, float: Some(value as f64), unsigned: true, ..whole(0) })
            }
            Integer::TooLarge => Err(format!("integer overflow: {}", quote(text))),
            Integer::No => {
                let value = float(text).ok_or_else(illegal)?;
                // As in `08`: Go takes what is no float by its looks for an integer.
                if !text.contains(['.', 'e', 'E', 'p', 'P']) {
                    return Err(format!("integer overflow: {}", quote(text)));
                }
                // The largest power of two below is exact; above it no i64 is.
                let fits = value.fract() == 0.0 && value.abs() < 9.2e18;
                let int = fits.then_some(value as i64);
                let unsigned = fits && value >= 0.0;
                Ok(Number { int, unsigned, float: Some(value), ..whole(0) })
            }
        },
    }
}

fn complex(text: &str, re: f64, im: f64) -> Number {
    let float = (im == 0.0).then_some(re);
    let int = float.filter(|f| f.fract() == 0.0 && f.abs() < 9.2e18).map(|f| f as i64);
    Number { text: Arc::from(text), int, unsigned: false, float, complex: Some((re, im)) }
}

enum Integer {
    Fits(i64),
    Unsigned(u64),
    TooLarge,
    No,
}

/// Parses an integer with an optional prefix of its base; `0` alone in front means octal.
fn integer(text: &str) -> Integer {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, body) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, lower.get(2..)),
        [b'0', b'o', ..] => (8, lower.get(2..)),
        [b'0', b'b', ..] => (2, lower.get(2..)),
        [b'0', _, ..] => (8, lower.get(1..)),
        _ => (10, Some(lower.as_str())),
    };
    let Some(body) = body.and_then(|body| without_underscores(body, base != 10)) else {
        return Integer::No;
    };
    if body.is_empty() || !body.chars().all(|c| c.is_digit(base)) {
        return Integer::No;
    }
    match (u64::from_str_radix(&body, base), negative) {
        (Err(_), _) => Integer::TooLarge,
        (Ok(value), false) => i64::try_from(value).map_or(Integer::Unsigned(value), Integer::Fits),
        (Ok(value), true) => {
            i64::try_from(-i128::from(value)).map_or(Integer::TooLarge, Integer::Fits)
        }
    }
}

/// Removes underscores that stand between digits, or between the prefix of a base and a digit.
fn without_underscores(digits: &str, prefixed: bool) -> Option<String> {
    let odd =
        digits.contains("__") || digits.ends_with('_') || (digits.starts_with('_') && !prefixed);
    (!odd).then(|| digits.replace('_', ""))
}

/// Parses a float as Go's `ParseFloat` does, hexadecimal ones included.
fn float(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let (sign, body) = match lower.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, lower.strip_prefix('+').unwrap_or(&lower)),
    };
    if let Some(hex) = body.strip_prefix("0x") {
        return hex_float(hex).map(|value| sign * value);
    }
    let digits = without_underscores(body, false)?;
    let plain = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let value: f64 = digits.parse().ok().filter(|_| plain)?;
    value.is_finite().then_some(sign * value)
}

/// Parses mantissa and binary exponent. More than 52 bits of mantissa are rounded by the additions,
/// which is what somebody who writes such a number in a template gets.
fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let exponent: i32 = exponent.replace('_', "").parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut value = 0.0;
    let mut scale = exponent;
    for c in whole.chars().filter(|c| *c != '_') {
        value = value * 16.0 + f64::from(c.to_digit(16)?);
    }
    for c in fraction.chars().filter(|c| *c != '_') {
        value = value * 16.0 + f64::from(c.to_digit(16)?);
        scale = scale.checked_sub(4)?;
    }
    let value = value * 2f64.powi(scale);
    value.is_finite().then_some(value)
}
