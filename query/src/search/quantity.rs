//! Numbers with units: `5`, `1.5s`, `1h30m`, `10KiB`.
//!
//! Times become ns and sizes bytes, so that quantities of one dimension compare. A number without a
//! unit has no dimension: compared with a time it counts as ns, with a size as bytes. Integers stay
//! exact; everything else is a double.

use std::cmp::Ordering;

/// What a quantity measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dimension {
    Number,
    Time,
    Size,
}

/// A number in the smallest unit of its dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quantity {
    pub(crate) number: Number,
    pub(crate) dimension: Dimension,
}

/// An integer as long as it is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

/// Units of time, in ns. Where one begins like another, the longer comes first.
const TIMES: [(&str, i64); 10] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];

/// Units of size, in bytes.
const SIZES: [(&str, i64); 11] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("kiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl Quantity {
    /// Reads a quantity; `None` where the text is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
            return None;
        }
        if let Some(number) = Number::parse(text) {
            return Some(Self { number, dimension: Dimension::Number });
        }
        let (sign, positive) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let (number, unit) = split(positive)?;
        if let Some(factor) = factor(&SIZES, unit) {
            let number = Number::parse(number)?.times(factor).times(sign);
            return Some(Self { number, dimension: Dimension::Size });
        }
        let number = time(positive)?.times(sign);
        Some(Self { number, dimension: Dimension::Time })
    }

    /// Compares a text with this quantity; `None` where it is not a number, or of another dimension.
    pub(crate) fn compare(self, text: &str) -> Option<Ordering> {
        let found = Self::parse(text.trim())?;
        let fits = found.dimension == self.dimension || found.dimension == Dimension::Number;
        if fits { found.number.compare(self.number) } else { None }
    }
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(int) = text.parse() {
            return Some(Self::Int(int));
        }
        let float: f64 = text.parse().ok()?;
        // `inf` and `nan` are words, and a number too large to hold is not infinity.
        float.is_finite().then_some(Self::Float(float))
    }

    pub(crate) fn times(self, factor: i64) -> Self {
        match self {
            Self::Int(int) => {
                int.checked_mul(factor).map_or(Self::Float(int as f64 * factor as f64), Self::Int)
            }
            Self::Float(float) => {
                let product = float * factor as f64;
                // Within 2^53 a whole double is exactly that integer: 1.5s is 1,500,000,000 ns.
                let is_exact = product.fract() == 0.0 && product.abs() < (1_i64 << 53) as f64;
                if is_exact { Self::Int(product as i64) } else { Self::Float(product) }
            }
        }
    }

    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => {
                a.checked_add(b).map_or(Self::Float(a as f64 + b as f64), Self::Int)
            }
            (a, b) => Self::Float(a.as_f64() + b.as_f64()),
        }
    }

    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.as_f64().partial_cmp(&b.as_f64()),
        }
    }

    fn as_f64(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }
}

/// Adds up the parts of a time: `1h30m`.
fn time(text: &str) -> Option<Number> {
    let mut sum = Number::Int(0);
    let mut rest = text;
    while !rest.is_empty() {
        let (number, behind) = split(rest)?;
        let end = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(end);
        sum = sum.plus(Number::parse(number)?.times(factor(&TIMES, unit)?));
        rest = next;
    }
    Some(sum)
}

/// Splits behind the digits.
fn split(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    (end > 0).then(|| text.split_at(end))
}

fn factor(units: &[(&str, i64)], unit: &str) -> Option<i64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}
