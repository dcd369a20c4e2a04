//! Text forms of durations (Prometheus') and byte sizes (IEC).

use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result};

/// A number of bytes; prints and parses with IEC units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// Returns `n` KiB.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// Returns `n` MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// Returns `n` GiB.
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// Returns the number of bytes as a size in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Parses `1048576`, `64MiB`, `1.5 GiB`, `10GB`; units are B, KiB … TiB and KB … TB.
    ///
    /// # Errors
    /// `Invalid` with the text.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || Error::invalid(format!("{text:?} is not a byte size such as 64MiB"));
        let trimmed = text.trim();
        let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, unit) = trimmed.split_at(digits.unwrap_or(trimmed.len()));
        let number: f64 = number.parse().map_err(|_| bad())?;
        let factor = match unit.trim() {
            "" | "B" => 1.0,
            "KiB" => 1024.0,
            "MiB" => 1024.0 * 1024.0,
            "GiB" => 1024.0 * 1024.0 * 1024.0,
            "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
            "kB" | "KB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            "TB" => 1e12,
            _ => return Err(bad()),
        };
        let bytes = number * factor;
        if bytes < 0.0 || bytes > u64::MAX as f64 {
            return Err(bad());
        }
        Ok(Self(bytes as u64))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        for (unit, shift) in units {
            let whole = 1u64 << shift;
            if self.0 >= whole && self.0.is_multiple_of(whole) {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        for (unit, shift) in units {
            if self.0 >= 1u64 << shift {
                return write!(f, "{:.1}{unit}", self.0 as f64 / (1u64 << shift) as f64);
            }
        }
        write!(f, "{}B", self.0)
    }
}

const DURATION_UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Parses a Prometheus duration: units from large to small, each at most once, as in `1h30m`; `0`
/// needs no unit.
///
/// # Errors
/// `Invalid` with the text.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let bad = || Error::invalid(format!("{text:?} is not a duration such as 1h30m"));
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut total_ms: u64 = 0;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let number: u64 = number.parse().map_err(|_| bad())?;
        let at = DURATION_UNITS.iter().position(|(u, _)| *u == unit).ok_or_else(bad)?;
        if at < next_unit {
            return Err(bad());
        }
        next_unit = at + 1;
        let part = number.checked_mul(DURATION_UNITS[at].1).ok_or_else(bad)?;
        total_ms = total_ms.checked_add(part).ok_or_else(bad)?;
        rest = tail;
    }
    if text.is_empty() || total_ms > i64::MAX as u64 / 1_000_000 {
        return Err(bad());
    }
    Ok(Duration::from_millis(total_ms))
}

/// Prints a duration as Prometheus does: `1h30m`, `15s`, `0s`. Years and weeks are used only where
/// the whole duration is a multiple of them.
pub fn format_duration(duration: Duration) -> String {
    let mut ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, factor) in DURATION_UNITS {
        let whole_only = matches!(unit, "y" | "w" | "d");
        let exact = ms.is_multiple_of(factor);
        if ms >= factor && (!whole_only || exact || unit == "d") {
            text.push_str(&format!("{}{unit}", ms / factor));
            ms %= factor;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_sizes_parse_and_print() {
        for (text, bytes, printed) in [
            ("64MiB", 64 << 20, "64MiB"),
            ("1.5 GiB", 3 << 29, "1536MiB"),
            ("10GB", 10_000_000_000, "9765625KiB"),
            ("10000000001", 10_000_000_001, "9.3GiB"),
            ("17", 17, "17B"),
        ] {
            let size = ByteSize::parse(text).expect("parses");
            assert_eq!((size.0, size.to_string().as_str()), (bytes, printed));
        }
        for bad in ["", "MiB", "1XiB", "-1", "1e400"] {
            assert!(ByteSize::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_parse_and_print() {
        for (text, ms, printed) in [
            ("1h30m", 5_400_000, "1h30m"),
            ("0", 0, "0s"),
            ("90s", 90_000, "1m30s"),
            ("2w", 1_209_600_000, "2w"),
            ("25h", 90_000_000, "1d1h"),
            ("10ms", 10, "10ms"),
        ] {
            let duration = parse_duration(text).expect("parses");
            assert_eq!((duration.as_millis(), format_duration(duration).as_str()), (ms, printed));
        }
        for bad in ["", "5", "m", "1m1h", "1m1m", "1.5h", "99999999999999999999y"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
