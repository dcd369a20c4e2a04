//! Go's layouts: the way a time is written, shown by how one certain moment would be
//! (`Mon Jan 2 15:04:05 MST 2006`).
//!
//! A layout is cut into parts, the longest that fits at each place; writing and reading follow them.

use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// How Go prints a time that stands alone.
const STRING: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    LongMonth,
    Month,
    MonthNumber {
        zero: bool,
    },
    LongWeekday,
    Weekday,
    Day {
        fill: Option<char>,
    },
    YearDay {
        fill: char,
    },
    Hour24,
    Hour12 {
        zero: bool,
    },
    Minute {
        zero: bool,
    },
    Second {
        zero: bool,
    },
    LongYear,
    Year,
    Noon {
        upper: bool,
    },
    ZoneName,
    /// Seconds of the offset, a colon between, `Z` for none, and how many of hours, minutes, seconds.
    Zone {
        z: bool,
        colon: bool,
        parts: u8,
    },
    /// Digits of a second behind a point or comma; nines drop zeros at the end.
    Fraction {
        sign: char,
        digits: usize,
        trim: bool,
    },
}

/// What is written how. Where one is the beginning of another, the longer one stands first.
const PARTS: &[(&str, Part)] = &[
    ("January", Part::LongMonth),
    ("Jan", Part::Month),
    ("Monday", Part::LongWeekday),
    ("Mon", Part::Weekday),
    ("MST", Part::ZoneName),
    ("2006", Part::LongYear),
    ("__2", Part::YearDay { fill: ' ' }),
    ("_2", Part::Day { fill: Some(' ') }),
    ("002", Part::YearDay { fill: '0' }),
    ("01", Part::MonthNumber { zero: true }),
    ("02", Part::Day { fill: Some('0') }),
    ("03", Part::Hour12 { zero: true }),
    ("04", Part::Minute { zero: true }),
    ("05", Part::Second { zero: true }),
    ("06", Part::Year),
    ("15", Part::Hour24),
    ("1", Part::MonthNumber { zero: false }),
    ("2", Part::Day { fill: None }),
    ("3", Part::Hour12 { zero: false }),
    ("4", Part::Minute { zero: false }),
    ("5", Part::Second { zero: false }),
    ("PM", Part::Noon { upper: true }),
    ("pm", Part::Noon { upper: false }),
    ("-07:00:00", Part::Zone { z: false, colon: true, parts: 3 }),
    ("-070000", Part::Zone { z: false, colon: false, parts: 3 }),
    ("-07:00", Part::Zone { z: false, colon: true, parts: 2 }),
    ("-0700", Part::Zone { z: false, colon: false, parts: 2 }),
    ("-07", Part::Zone { z: false, colon: false, parts: 1 }),
    ("Z07:00:00", Part::Zone { z: true, colon: true, parts: 3 }),
    ("Z070000", Part::Zone { z: true, colon: false, parts: 3 }),
    ("Z07:00", Part::Zone { z: true, colon: true, parts: 2 }),
    ("Z0700", Part::Zone { z: true, colon: false, parts: 2 }),
    ("Z07", Part::Zone { z: true, colon: false, parts: 1 }),
];

/// Cuts the next part off a layout, with the text in front of it.
fn next_part(layout: &str) -> Option<(&str, Part, &str)> {
    for (at, _) in layout.char_indices() {
        let (before, rest) = layout.split_at(at);
        if let Some((part, rest)) = fraction(rest) {
            return Some((before, part, rest));
        }
        for (text, part) in PARTS {
            let Some(rest) = rest.strip_prefix(text) else { continue };
            // `January` is one, `Janet` is not.
            let word = *part == Part::Month || *part == Part::Weekday;
            if word && rest.starts_with(|c: char| c.is_ascii_lowercase()) {
                continue;
            }
            return Some((before, *part, rest));
        }
    }
    None
}

/// `.000`, `,000`, `.999`: digits of one kind that no other digit follows.
fn fraction(text: &str) -> Option<(Part, &str)> {
    let sign = text.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let digits = text.get(1..)?;
    let kind = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let rest = digits.trim_start_matches(kind);
    if rest.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let count = digits.len() - rest.len();
    Some((Part::Fraction { sign, digits: count, trim: kind == '9' }, rest))
}

/// Writes a time as a layout shows.
pub(in crate::template) fn format(time: &Zoned, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while let Some((before, part, after)) = next_part(rest) {
        out.push_str(before);
        out.push_str(&write(time, part));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Writes a time as Go prints it.
pub(in crate::template) fn string(time: &Zoned) -> String {
    format(time, STRING)
}

pub(super) fn weekday(time: &Zoned) -> &'static str {
    let day = usize::try_from(time.weekday().to_sunday_zero_offset()).unwrap_or(0);
    DAYS[day % DAYS.len()]
}

fn padded(number: impl Into<i64>, zero: bool) -> String {
    let number: i64 = number.into();
    if zero { format!("{number:02}") } else { number.to_string() }
}

fn abbreviated(name: &str) -> String {
    name.chars().take(3).collect()
}

fn write(time: &Zoned, part: Part) -> String {
    let month = MONTHS[usize::try_from(time.month() - 1).unwrap_or(0) % MONTHS.len()];
    let hour12 = (time.hour() + 11) % 12 + 1;
    match part {
        Part::LongMonth => month.to_owned(),
        Part::Month => abbreviated(month),
        Part::MonthNumber { zero } => padded(time.month(), zero),
        Part::LongWeekday => weekday(time).to_owned(),
        Part::Weekday => abbreviated(weekday(time)),
        Part::Day { fill: Some(' ') } => format!("{:2}", time.day()),
        Part::Day { fill } => padded(time.day(), fill.is_some()),
        Part::YearDay { fill: ' ' } => format!("{:3}", time.day_of_year()),
        Part::YearDay { .. } => format!("{:03}", time.day_of_year()),
        Part::Hour24 => padded(time.hour(), true),
        Part::Hour12 { zero } => padded(hour12, zero),
        Part::Minute { zero } => padded(time.minute(), zero),
        Part::Second { zero } => padded(time.second(), zero),
        Part::LongYear => format!("{:04}", time.year()),
        Part::Year => format!("{:02}", time.year().rem_euclid(100)),
        Part::Noon { upper } => match (time.hour() >= 12, upper) {
            (false, true) => "AM",
            (true, true) => "PM",
            (false, false) => "am",
            (true, false) => "pm",
        }
        .to_owned(),
        Part::ZoneName => zone_name(time),
        Part::Zone { z: true, .. } if time.offset().seconds() == 0 => "Z".to_owned(),
        Part::Zone { colon, parts, .. } => offset(time.offset(), colon, parts),
        Part::Fraction { sign, digits, trim } => fraction_text(time, sign, digits, trim),
    }
}

fn zone_name(time: &Zoned) -> String {
    let zone = time.time_zone();
    let info = zone.to_offset_info(time.timestamp());
    let name = info.abbreviation();
    // Zones without a name are shown by their offset.
    match name.starts_with(['+', '-']) || (name == "UTC" && time.offset() != Offset::UTC) {
        true => {
            offset(time.offset(), false, if time.offset().seconds() % 3_600 == 0 { 1 } else { 2 })
        }
        false => name.to_owned(),
    }
}

fn offset(offset: Offset, colon: bool, parts: u8) -> String {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let numbers = [seconds / 3_600, seconds / 60 % 60, seconds % 60];
    let texts = numbers.iter().take(usize::from(parts)).map(|n| format!("{n:02}"));
    format!("{sign}{}", texts.collect::<Vec<_>>().join(if colon { ":" } else { "" }))
}

fn fraction_text(time: &Zoned, sign: char, digits: usize, trim: bool) -> String {
    let nanos = format!("{:09}", time.subsec_nanosecond());
    let text: String = nanos.chars().take(digits).collect();
    let text = if trim { text.trim_end_matches('0') } else { &text };
    if text.is_empty() { String::new() } else { format!("{sign}{text}") }
}

/// What has been read of a time.
struct Read {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    afternoon: Option<bool>,
    minute: i8,
    second: i8,
    nanosecond: i32,
    offset: Option<i32>,
}

/// Reads a time that is written as a layout shows; without a zone it is UTC.
///
/// # Errors
/// The text does not follow the layout, or there is no such time.
pub(in crate::template) fn parse(layout: &str, text: &str) -> Result<Zoned, String> {
    let quote = tarn_template::format::quote;
    let bad = |rest: &str, part: &str| {
        let (text, layout) = (quote(text), quote(layout));
        format!("parsing time {text} as {layout}: cannot parse {} as {}", quote(rest), quote(part))
    };
    let mut read = Read {
        year: 0,
        month: 1,
        day: 1,
        hour: 0,
        afternoon: None,
        minute: 0,
        second: 0,
        nanosecond: 0,
        offset: None,
    };
    let (mut rest, mut todo) = (text, layout);
    while let Some((before, part, after)) = next_part(todo) {
        rest = rest.strip_prefix(before).ok_or_else(|| bad(rest, before))?;
        let shown = todo.get(before.len()..todo.len() - after.len()).unwrap_or_default();
        rest = read.take(rest, part).ok_or_else(|| bad(rest, shown))?;
        todo = after;
        // A fraction may follow seconds even where the layout shows none.
        let shown = fraction(todo).is_some();
        if matches!(part, Part::Second { .. }) && !shown {
            rest = read.fraction(rest).unwrap_or(rest);
        }
    }
    rest = rest.strip_prefix(todo).ok_or_else(|| bad(rest, todo))?;
    if !rest.is_empty() {
        return Err(format!("parsing time {}: extra text: {}", quote(text), quote(rest)));
    }
    read.finish().ok_or_else(|| format!("parsing time {}: out of range", quote(text)))
}

/// Reads a number of digits, at most `most`, at least `least` of them.
fn digits(text: &str, least: usize, most: usize) -> Option<(i32, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let number = text.get(..count).filter(|_| count >= least)?.parse().ok()?;
    Some((number, text.get(count..)?))
}

fn named<'t>(text: &'t str, names: &[&str], long: bool) -> Option<(i8, &'t str)> {
    names.iter().enumerate().find_map(|(i, name)| {
        let name = if long { (*name).to_owned() } else { abbreviated(name) };
        let head = text.get(..name.len()).filter(|head| head.eq_ignore_ascii_case(&name))?;
        Some((i8::try_from(i).ok()?, text.get(head.len()..)?))
    })
}

impl Read {
    /// Reads a part, returns what follows.
    fn take<'t>(&mut self, text: &'t str, part: Part) -> Option<&'t str> {
        let small = |number: i32| i8::try_from(number).ok();
        let least = |zero: bool| if zero { 2 } else { 1 };
        let (number, rest) = match part {
            Part::LongMonth | Part::Month => {
                let (month, rest) = named(text, &MONTHS, part == Part::LongMonth)?;
                self.month = month + 1;
                return Some(rest);
            }
            Part::LongWeekday | Part::Weekday => {
                return named(text, &DAYS, part == Part::LongWeekday).map(|(_, rest)| rest);
            }
            Part::Noon { .. } => {
                let head = text.get(..2)?.to_ascii_uppercase();
                self.afternoon = Some(match head.as_str() {
                    "AM" => false,
                    "PM" => true,
                    _ => return None,
                });
                return text.get(2..);
            }
            Part::ZoneName => {
                let length = text.bytes().take_while(u8::is_ascii_uppercase).count();
                return text.get(length..).filter(|_| length >= 3);
            }
            Part::Zone { z, colon, parts } => return self.zone(text, z, colon, parts),
            Part::Fraction { .. } => return self.fraction(text).or(Some(text)),
            Part::LongYear => digits(text, 4, 4)?,
            Part::Day { fill: Some(' ') } => digits(text.strip_prefix(' ').unwrap_or(text), 1, 2)?,
            Part::Day { fill } => digits(text, least(fill.is_some()), 2)?,
            Part::YearDay { .. } => digits(text.trim_start_matches(' '), 1, 3)?,
            Part::MonthNumber { zero }
            | Part::Hour12 { zero }
            | Part::Minute { zero }
            | Part::Second { zero } => digits(text, least(zero), 2)?,
            Part::Year | Part::Hour24 => digits(text, 2, 2)?,
        };
        match part {
            Part::LongYear => self.year = i16::try_from(number).ok()?,
            Part::Year => {
                self.year = i16::try_from(number + if number >= 69 { 1900 } else { 2000 }).ok()?
            }
            Part::MonthNumber { .. } => self.month = small(number)?,
            Part::Day { .. } => self.day = small(number)?,
            Part::Hour24 | Part::Hour12 { .. } => self.hour = small(number)?,
            Part::Minute { .. } => self.minute = small(number)?,
            Part::Second { .. } => self.second = small(number)?,
            _ => {}
        }
        Some(rest)
    }

    fn fraction<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let digits = text.strip_prefix(['.', ','])?;
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        let shown: String = digits.chars().take(count.min(9)).collect();
        self.nanosecond = format!("{shown:0<9}").parse().ok().filter(|_| count > 0)?;
        digits.get(count..)
    }

    fn zone<'t>(&mut self, text: &'t str, z: bool, colon: bool, parts: u8) -> Option<&'t str> {
        if let Some(rest) = text.strip_prefix('Z').filter(|_| z) {
            self.offset = Some(0);
            return Some(rest);
        }
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let mut rest = text.strip_prefix(['+', '-'])?;
        let mut seconds = 0;
        for (i, scale) in [3_600, 60, 1].into_iter().take(usize::from(parts)).enumerate() {
            if colon && i > 0 {
                rest = rest.strip_prefix(':')?;
            }
            let (number, after) = digits(rest, 2, 2)?;
            seconds += number * scale;
            rest = after;
        }
        self.offset = Some(sign * seconds);
        Some(rest)
    }

    fn finish(self) -> Option<Zoned> {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let (minute, second) = (self.minute, self.second);
        let time =
            DateTime::new(self.year, self.month, self.day, hour, minute, second, self.nanosecond);
        let zone = match self.offset {
            None | Some(0) => TimeZone::UTC,
            Some(seconds) => TimeZone::fixed(Offset::from_seconds(seconds).ok()?),
        };
        time.ok()?.to_zoned(zone).ok()
    }
}
