//! Links to Prometheus' own page, as they stand in old alerts and messages: `/graph?g0.expr=…` leads to
//! the metrics page with the same expression over the same time. Of several panels the first is shown.

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

use crate::base::BasePath;

#[cfg(test)]
mod tests;

/// What a link without a range shows.
const RANGE_SECONDS: i64 = 3600;

/// Units of a duration as Prometheus writes it, in milliseconds. `ms` stands before `m` and `s`.
const UNITS: [(&str, i64); 7] = [
    ("ms", 1),
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
];

/// Returns where a link leads, from its query string.
pub fn location(base: &BasePath, query: &str) -> String {
    let (mut expression, mut range, mut end) = (None, None, None);
    for (name, value) in pairs(query) {
        match name.as_str() {
            "g0.expr" => expression = Some(value),
            "g0.range_input" => range = milliseconds(&value),
            "g0.end_input" | "g0.moment_input" => end = end.or_else(|| instant(&value)),
            _ => {}
        }
    }
    let mut parameters = Vec::new();
    if let Some(expression) = expression.filter(|e| !e.is_empty()) {
        parameters.push(format!("q={}", escape(&expression)));
    }
    match (end, range) {
        (Some(end), range) => {
            let range = SignedDuration::from_millis(range.unwrap_or(RANGE_SECONDS * 1000));
            if let Ok(start) = end.checked_sub(range) {
                parameters.push(format!("from={start:.0}&to={end:.0}"));
            }
        }
        (None, Some(range)) => parameters.push(format!("from=now-{}s&to=now", range / 1000)),
        (None, None) => {}
    }
    let mark = if parameters.is_empty() { "" } else { "?" };
    format!("{base}metrics{mark}{}", parameters.join("&"))
}

/// Yields the decoded pairs of a query string.
fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (unescape(name), unescape(value))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair)
}

/// Decodes a value of a form; a `%` that begins no escape stays, as browsers do it.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let escaped = digit(at + 1).zip(digit(at + 2)).filter(|_| *byte == b'%');
        match (escaped, byte) {
            (Some((high, low)), _) => {
                decoded.push((high * 16 + low) as u8);
                at += 2;
            }
            (None, b'+') => decoded.push(b' '),
            (None, byte) => decoded.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Reads `1h30m`, or seconds. Nothing where it is no positive duration.
fn milliseconds(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1000).filter(|ms| *ms > 0);
    }
    let (mut rest, mut sum) = (text, 0_i64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let (name, ms) = UNITS.iter().find(|(name, _)| unit.starts_with(name))?;
        sum = sum.checked_add(number.parse::<i64>().ok()?.checked_mul(*ms)?)?;
        rest = unit.strip_prefix(name)?;
    }
    (sum > 0).then_some(sum)
}

/// Reads an instant as Prometheus' page writes it (`2026-01-31 23:59:59`, in UTC), or in RFC 3339.
fn instant(text: &str) -> Option<Timestamp> {
    let civil = || {
        let civil: DateTime = text.parse().ok()?;
        civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    text.parse().ok().or_else(civil)
}
