//! Times and durations as the HTTP API takes them, and RFC 3339.
//!
//! A time is a number of seconds or RFC 3339; a duration is a number of seconds or Prometheus' own
//! form. Both become whole milliseconds. Dates are computed with the algorithm of Howard Hinnant's
//! "chrono-compatible low-level date algorithms": years begin in March, so that the leap day is the
//! last of its year, and 400 years are one cycle.

use tarn_model::units::parse_duration;

const DAY_MS: i64 = 86_400_000;
const CYCLE_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;

/// What upstream's clients send for "from the beginning" and "to the end".
const MIN_TIME: &str = "-292273086-05-16T16:47:06Z";
const MAX_TIME: &str = "292277025-08-18T07:12:54.999999999Z";

/// Parses a time parameter into ms since the Unix epoch.
///
/// # Errors
/// The text of the API for it.
pub fn parse_time(text: &str) -> Result<i64, String> {
    let bad = || format!("cannot parse \"{text}\" to a valid timestamp");
    match text {
        MIN_TIME => return Ok(i64::MIN),
        MAX_TIME => return Ok(i64::MAX),
        _ => {}
    }
    match text.parse::<f64>() {
        Ok(seconds) => {
            // Whole and fractional part apart: their product would lose the last digit.
            let (whole, fraction) = (seconds.trunc() * 1000.0, seconds.fract() * 1000.0);
            let ms = whole + fraction.round();
            if ms.is_finite() && ms.abs() < i64::MAX as f64 { Ok(ms as i64) } else { Err(bad()) }
        }
        Err(_) => parse_rfc3339(text).ok_or_else(bad),
    }
}

/// Parses a duration parameter into ms, rounded towards zero.
///
/// # Errors
/// The text of the API for it.
pub fn parse_step(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        // Upstream counts nanoseconds; beyond them nothing fits.
        let nanos = seconds * 1e9;
        if nanos.is_nan() || nanos.abs() > i64::MAX as f64 {
            return Err(format!("cannot parse \"{text}\" to a valid duration. It overflows int64"));
        }
        return Ok((nanos / 1e6) as i64);
    }
    let bad = |_| format!("cannot parse \"{text}\" to a valid duration");
    let (sign, positive) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let duration = parse_duration(positive).map_err(bad)?;
    Ok(sign * i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

fn parse_rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| -> Option<i64> {
        let part = bytes.get(from..to)?;
        let all = part.iter().all(u8::is_ascii_digit);
        all.then(|| part.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
    };
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, byte)| bytes.get(*at) != Some(byte)) {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    if hour > 23 || minute > 59 || second > 59 || !(1..=12).contains(&month) {
        return None;
    }
    if day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let mut at = 19;
    let mut ms = 0;
    if bytes.get(at) == Some(&b'.') {
        let fraction = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        let digit = |i: usize| bytes.get(at + 1 + i).filter(|_| i < fraction).map_or(0, |b| b - 48);
        ms = i64::from(digit(0)) * 100 + i64::from(digit(1)) * 10 + i64::from(digit(2));
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    let zone_ms = match bytes.get(at..)? {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (digits(at + 1, at + 3)?, digits(at + 4, at + 6)?);
            if hours > 24 || minutes > 60 {
                return None;
            }
            let offset = (hours * 60 + minutes) * 60_000;
            if *sign == b'+' { offset } else { -offset }
        }
        _ => return None,
    };
    let seconds = (hour * 60 + minute) * 60 + second;
    Some(days_from_civil(year, month, day) * DAY_MS + seconds * 1000 + ms - zone_ms)
}

/// Prints a time as RFC 3339 in UTC: `2026-01-02T03:04:05.678Z`, without ms where they are zero.
pub fn format_rfc3339(time_ms: i64) -> String {
    let (year, month, day) = civil_from_days(time_ms.div_euclid(DAY_MS));
    let ms = time_ms.rem_euclid(DAY_MS);
    let (seconds, fraction) = (ms / 1000, ms % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let date = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction == 0 { format!("{date}Z") } else { format!("{date}.{fraction:03}Z") }
}

/// Prints a time in ns as RFC 3339 in UTC, always with nine digits behind the point.
pub fn format_rfc3339_ns(time_ns: i64) -> String {
    const SECOND_NS: i64 = 1_000_000_000;
    let mut text = format_rfc3339(time_ns.div_euclid(SECOND_NS) * 1000);
    text.truncate(text.len() - 1);
    format!("{text}.{:09}Z", time_ns.rem_euclid(SECOND_NS))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (cycle, year_of_cycle) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    cycle * CYCLE_DAYS + day_of_cycle - EPOCH_DAYS
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH_DAYS;
    let (cycle, day_of_cycle) = (days.div_euclid(CYCLE_DAYS), days.rem_euclid(CYCLE_DAYS));
    let leaps = day_of_cycle / 1460 - day_of_cycle / 36_524 + day_of_cycle / 146_096;
    let year_of_cycle = (day_of_cycle - leaps) / 365;
    let before = 365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100;
    let day_of_year = day_of_cycle - before;
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_cycle + cycle * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests;
