//! Numbers: Go's `strconv.FormatFloat`, and `fmt`'s signs, zeros and bases around it.
//!
//! The standard library finds the shortest digits and rounds to a precision; what differs is where
//! the point goes, when an exponent is written, and how.

use super::Printer;
use crate::value::Value;

/// No float has more digits behind its point; more of them are zeros. The standard library takes no
/// precision above 65,535.
const MAX_DIGITS: usize = 1_100;

/// Decimal digits of a number without sign: `0.d1d2d3… × 10^point`. Zero has no digits.
struct Digits {
    digits: String,
    point: i32,
}

impl Digits {
    fn of(number: f64, count: Option<usize>) -> Self {
        let written = match count {
            None => format!("{:e}", number.abs()),
            Some(count) => format!("{:.*e}", count.clamp(1, MAX_DIGITS) - 1, number.abs()),
        };
        let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
        let digits = mantissa.replace('.', "");
        let digits = digits.trim_end_matches('0').to_owned();
        let point = match digits.is_empty() {
            true => 0,
            false => exponent.parse::<i32>().unwrap_or(0) + 1,
        };
        Self { digits, point }
    }

    fn len(&self) -> i32 {
        i32::try_from(self.digits.len()).unwrap_or(i32::MAX)
    }

    /// Writes `d.ddde±dd` with as many digits behind the point.
    fn exponent(&self, behind: usize, sign: char) -> String {
        let mut digits = self.digits.chars();
        let mut out = String::new();
        out.push(digits.next().unwrap_or('0'));
        if behind > 0 {
            out.push('.');
            out.extend(digits.chain(std::iter::repeat('0')).take(behind));
        }
        let exponent = if self.digits.is_empty() { 0 } else { self.point - 1 };
        let minus = if exponent < 0 { '-' } else { '+' };
        out.push_str(&format!("{sign}{minus}{:02}", exponent.unsigned_abs()));
        out
    }

    /// Writes all digits without exponent.
    fn plain(&self) -> String {
        let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
        if self.point <= 0 {
            let fraction = match self.digits.is_empty() {
                true => String::new(),
                false => format!(".{}{}", zeros(-self.point), self.digits),
            };
            return format!("0{fraction}");
        }
        let whole = usize::try_from(self.point).unwrap_or(0);
        match (self.digits.get(..whole), self.digits.get(whole..)) {
            (Some(before), Some(behind)) if !behind.is_empty() => format!("{before}.{behind}"),
            _ => format!("{}{}", self.digits, zeros(self.point - self.len())),
        }
    }
}

/// Formats as Go does for the verbs `e`, `f`, `g`, `x`, `b` and their capitals; no precision means as
/// many digits as tell the number from its neighbours. Negative numbers have a sign, `+Inf` has one.
pub fn float(number: f64, verb: char, precision: Option<usize>) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let text = match verb {
        'e' | 'E' => {
            let digits = Digits::of(number, precision.map(|p| p + 1));
            digits.exponent(precision.unwrap_or(digits.digits.len().max(1) - 1), verb)
        }
        'f' | 'F' => fixed(number, precision),
        'x' | 'X' => hexadecimal(number, precision, verb == 'X'),
        'b' => binary(number),
        _ => general(number, precision, if verb == 'G' { 'E' } else { 'e' }),
    };
    format!("{sign}{text}")
}

fn fixed(number: f64, precision: Option<usize>) -> String {
    let Some(precision) = precision else { return Digits::of(number, None).plain() };
    let zeros = precision.saturating_sub(MAX_DIGITS);
    let text = format!("{:.*}", precision.min(MAX_DIGITS), number.abs());
    format!("{text}{}", "0".repeat(zeros))
}

/// `%g`: with an exponent where it is below -4, or not below the precision (6 where there is none).
fn general(number: f64, precision: Option<usize>, sign: char) -> String {
    let precision = precision.map(|p| p.max(1));
    let digits = Digits::of(number, precision);
    let wanted = precision.and_then(|p| i32::try_from(p).ok());
    let threshold = match wanted {
        None => 6,
        Some(p) if p > digits.len() && digits.len() >= digits.point => digits.len(),
        Some(p) => p,
    };
    let exponent = digits.point - 1;
    if exponent < -4 || exponent >= threshold {
        return digits.exponent(digits.digits.len().max(1) - 1, sign);
    }
    digits.plain()
}

/// Splits a number into mantissa and exponent of two.
fn parts(number: f64) -> (u64, i32) {
    let bits = number.to_bits();
    let exponent = i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
    let fraction = bits & ((1 << 52) - 1);
    match exponent {
        0 => (fraction, -1074),
        _ => (fraction | (1 << 52), exponent - 1075),
    }
}

fn binary(number: f64) -> String {
    let (mantissa, exponent) = parts(number);
    format!("{mantissa}p{exponent:+}")
}

/// `%x`: `0x1.hhhp±dd`.
fn hexadecimal(number: f64, precision: Option<usize>, upper: bool) -> String {
    let (mut mantissa, mut exponent) = parts(number);
    if mantissa == 0 {
        exponent = 0;
    } else {
        let shift = mantissa.leading_zeros() - 11;
        mantissa <<= shift;
        exponent += 52 - i32::try_from(shift).unwrap_or(0);
    }
    if let Some(digits) = precision.filter(|p| *p < 13) {
        let cut = 52 - 4 * u32::try_from(digits).unwrap_or(0);
        let (half, odd) = (1u64 << (cut - 1), (mantissa >> cut) & 1);
        let rest = mantissa & ((1 << cut) - 1);
        mantissa = (mantissa >> cut) << cut;
        if rest > half || (rest == half && odd == 1) {
            mantissa += 1 << cut;
        }
        if mantissa >> 53 == 1 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let fraction = format!("{:013x}", mantissa & ((1 << 52) - 1));
    let fraction = match precision {
        None => fraction.trim_end_matches('0').to_owned(),
        Some(digits) => {
            fraction.chars().chain(std::iter::repeat('0')).take(digits.min(MAX_DIGITS)).collect()
        }
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let minus = if exponent < 0 { '-' } else { '+' };
    let text =
        format!("0x{}{point}{fraction}p{minus}{:02}", mantissa >> 52, exponent.unsigned_abs());
    if upper { text.to_ascii_uppercase() } else { text }
}

impl Printer {
    pub(super) fn float(&mut self, number: f64, value: &Value, verb: char) {
        let text = match verb {
            'v' => float(number, 'g', None),
            'g' | 'G' | 'b' | 'x' | 'X' => float(number, verb, self.flags.precision),
            'e' | 'E' | 'f' | 'F' => float(number, verb, Some(self.flags.precision.unwrap_or(6))),
            _ => return self.bad_verb(value, verb),
        };
        self.signed(&text);
    }

    /// Writes a number with its sign, zeros between them where they were asked for.
    fn signed(&mut self, text: &str) {
        let (mut sign, body) = match text.strip_prefix(['-', '+']) {
            Some(body) if text.starts_with('-') => ("-", body),
            Some(body) => ("+", body),
            None if self.flags.plus => ("+", text),
            None if self.flags.space => (" ", text),
            None => ("", text),
        };
        if sign == "+" && self.flags.space && !self.flags.plus {
            sign = " ";
        }
        let word = body.starts_with(['I', 'N']);
        if word {
            self.flags.zero = false;
        }
        let width = self.flags.width.unwrap_or(0);
        let missing = width.saturating_sub(sign.len() + body.len());
        if self.flags.zero && !self.flags.minus && missing > 0 && !sign.is_empty() {
            self.put(sign);
            self.flags.width = Some(width - sign.len());
            self.pad(body);
            self.flags.width = Some(width);
            return;
        }
        self.pad(&format!("{sign}{body}"));
    }

    pub(super) fn complex(&mut self, (re, im): (f64, f64), value: &Value, verb: char) {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            return self.bad_verb(value, verb);
        }
        let plus = self.flags.plus;
        self.put("(");
        self.float(re, value, verb);
        self.flags.plus = true;
        self.float(im, value, verb);
        self.flags.plus = plus;
        self.put("i)");
    }

    pub(super) fn int(&mut self, number: i64, value: &Value, verb: char) {
        let magnitude = number.unsigned_abs();
        let (digits, prefix) = match verb {
            'v' | 'd' => (magnitude.to_string(), ""),
            'b' => (format!("{magnitude:b}"), "0b"),
            'o' => (format!("{magnitude:o}"), "0"),
            'O' => (format!("{magnitude:o}"), "0o"),
            'x' => (format!("{magnitude:x}"), "0x"),
            'X' => (format!("{magnitude:X}"), "0X"),
            'c' | 'q' | 'U' => return self.character(number, verb),
            _ => return self.bad_verb(value, verb),
        };
        let sign = match (number < 0, self.flags.plus, self.flags.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        if self.flags.precision == Some(0) && number == 0 {
            self.flags.zero = false;
            return self.pad("");
        }
        let fill = self.flags.zero && !self.flags.minus;
        let least = match (self.flags.precision, self.flags.width) {
            (Some(precision), _) => precision,
            (None, Some(width)) if fill => width.saturating_sub(sign.len()),
            _ => 0,
        };
        let zeros = "0".repeat(least.saturating_sub(digits.len()));
        let prefix = match (verb, self.flags.sharp) {
            ('O', _) => prefix,
            ('o', true) if digits.starts_with('0') || !zeros.is_empty() => "",
            (_, true) => prefix,
            _ => "",
        };
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(&format!("{sign}{prefix}{zeros}{digits}"));
        self.flags.zero = zero;
    }
}
