//! Floats as Go prints them: the shortest digits that read back to the same bits.
//!
//! Most telemetry is whole numbers, which are printed as integers without asking for shortest
//! digits. The others come from `zmij`, and are rewritten where Go puts the decimal point or the
//! exponent elsewhere: Go writes an exponent below 1e-6 and from 1e21 on, with a sign and at least
//! two digits.

use std::ops::Range;

/// Whole numbers below this are exact in a double.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Numbers with a fraction in this range have no exponent, here nor there, and nothing to rewrite:
/// the common case is told by comparing instead of reading the text again.
const PLAIN: Range<f64> = 1e-3..1e15;

/// What Go prints without an exponent.
const FIXED: Range<f64> = 1e-6..1e21;

/// `00`, `01`, … `99`.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut i = 0;
    while i < 100 {
        pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    pairs
};

/// Appends an integer.
pub(crate) fn integer(out: &mut Vec<u8>, mut n: u64) {
    // 20 digits hold every u64.
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    while n >= 100 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[(n % 100) as usize]);
        n /= 100;
    }
    if n >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[n as usize]);
    } else {
        at -= 1;
        digits[at] = b'0' + n as u8;
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a float as `strconv.FormatFloat(v, 'f' or 'e', -1, 64)` would, without quotes.
pub(crate) fn float(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    if magnitude < EXACT_MAX && magnitude.trunc() == magnitude {
        if value.is_sign_negative() {
            out.push(b'-');
        }
        integer(out, magnitude as u64);
    } else if value.is_finite() {
        shortest(out, value);
    } else if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
}

fn shortest(out: &mut Vec<u8>, value: f64) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    if PLAIN.contains(&value.abs()) {
        out.extend_from_slice(text);
    } else if text.contains(&b'e') {
        rewritten(out, text, value.abs());
    } else {
        // Without an exponent the text is what Go prints, but for the `.0` of whole numbers.
        out.extend_from_slice(text.strip_suffix(b".0").unwrap_or(text));
    }
}

/// Takes `-d.ddde±x` apart and puts it together as Go does.
fn rewritten(out: &mut Vec<u8>, text: &[u8], magnitude: f64) {
    let text = match text.strip_prefix(b"-") {
        Some(rest) => {
            out.push(b'-');
            rest
        }
        None => text,
    };
    let e = text.iter().position(|b| *b == b'e').unwrap_or(text.len());
    let (mantissa, exponent) = (&text[..e], parse_exponent(text.get(e + 1..).unwrap_or(b"0")));
    let digits: Vec<u8> = mantissa.iter().copied().filter(|b| *b != b'.').collect();
    let end = digits.iter().rposition(|b| *b != b'0').map_or(1, |last| last + 1);
    let digits = &digits[..end];
    if !FIXED.contains(&magnitude) {
        scientific(out, digits, exponent);
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        zeros(out, exponent.unsigned_abs() as usize - 1);
        out.extend_from_slice(digits);
    } else {
        let whole = exponent as usize + 1;
        let split = whole.min(digits.len());
        out.extend_from_slice(&digits[..split]);
        zeros(out, whole - split);
        if split < digits.len() {
            out.push(b'.');
            out.extend_from_slice(&digits[split..]);
        }
    }
}

fn scientific(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    if exponent.unsigned_abs() < 10 {
        out.push(b'0');
    }
    integer(out, u64::from(exponent.unsigned_abs()));
}

fn zeros(out: &mut Vec<u8>, count: usize) {
    out.resize(out.len() + count, b'0');
}

fn parse_exponent(text: &[u8]) -> i32 {
    let negative = text.first() == Some(&b'-');
    let digits = text.iter().filter(|b| b.is_ascii_digit());
    let value = digits.fold(0, |n, b| n * 10 + i32::from(b - b'0'));
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests;
