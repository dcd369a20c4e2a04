//! JSON as Prometheus writes it, rendered by hand.
//!
//! A point of a range query costs 10 to 15 ns to compute; a general serializer would spend ten
//! times that on writing it. So everything that repeats is rendered once: the labels of a series,
//! and the `[timestamp,"` in front of each step, which all series of an answer share. What is left
//! per point is the number.
//!
//! Functions here append to a byte buffer. Who sends the buffer, and when, is the business of
//! [`crate::api::reply`].

pub(crate) mod answer;
pub(crate) mod histogram;
pub(crate) mod number;
pub(crate) mod object;

use tarn_model::labels::LabelSet;

/// Appends a string in quotes.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut plain_from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && !matches!(byte, b'"' | b'\\') {
            continue;
        }
        out.extend_from_slice(&bytes[plain_from..at]);
        plain_from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[plain_from..]);
    out.push(b'"');
}

/// Appends labels as an object, in name order.
pub(crate) fn labels(out: &mut Vec<u8>, labels: &LabelSet) {
    out.push(b'{');
    for (i, label) in labels.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        string(out, &label.name);
        out.push(b':');
        string(out, &label.value);
    }
    out.push(b'}');
}

/// Appends a list of strings.
pub(crate) fn strings<T: AsRef<str>>(out: &mut Vec<u8>, list: &[T]) {
    out.push(b'[');
    for (i, text) in list.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        string(out, text.as_ref());
    }
    out.push(b']');
}

/// Appends a float as JSON has it; what it has no number for is null.
pub(crate) fn float_or_null(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        number::float(out, value);
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Appends a list of floats.
pub(crate) fn floats_or_null(out: &mut Vec<u8>, list: impl Iterator<Item = f64>) {
    out.push(b'[');
    for (i, value) in list.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        float_or_null(out, value);
    }
    out.push(b']');
}

/// Appends a time in seconds: `s`, or `s.mmm` where it is not whole.
pub(crate) fn timestamp(out: &mut Vec<u8>, time_ms: i64) {
    if time_ms < 0 {
        out.push(b'-');
    }
    let ms = time_ms.unsigned_abs();
    number::integer(out, ms / 1000);
    let fraction = (ms % 1000) as u32;
    if fraction != 0 {
        let digit = |n: u32| b'0' + (n % 10) as u8;
        out.extend_from_slice(&[
            b'.',
            digit(fraction / 100),
            digit(fraction / 10),
            digit(fraction),
        ]);
    }
}

#[cfg(test)]
mod tests;
