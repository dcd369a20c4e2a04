//! Times of the week, the month and the year in which routes are mute or active.

/// One set of conditions on a point in time. All of them must hold; one that is empty always does.
#[derive(Debug, Clone, Default)]
pub struct TimeInterval {
    /// Minutes of the day, from and (excluded) to.
    pub times: Vec<(u16, u16)>,
    /// Days of the week, Sunday is 0, first and last.
    pub weekdays: Vec<(i16, i16)>,
    /// Days of the month, from 1, or from -1 backwards from its end, first and last.
    pub days_of_month: Vec<(i16, i16)>,
    /// Months, January is 1, first and last.
    pub months: Vec<(i16, i16)>,
    /// Years, first and last.
    pub years: Vec<(i16, i16)>,
    /// Where; UTC where nothing is said.
    pub zone: Option<jiff::tz::TimeZone>,
}

impl TimeInterval {
    /// Returns whether the point in time lies within.
    pub fn contains(&self, time_ms: i64) -> bool {
        let Ok(at) = jiff::Timestamp::from_millisecond(time_ms) else { return false };
        let at = at.to_zoned(self.zone.clone().unwrap_or(jiff::tz::TimeZone::UTC));
        let minute = i32::from(at.hour()) * 60 + i32::from(at.minute());
        let days = i16::from(at.days_in_month());
        let month_day = i16::from(at.day());
        let holds = |ranges: &[(i16, i16)], value: i16| {
            ranges.is_empty()
                || ranges.iter().any(|(first, last)| (*first..=*last).contains(&value))
        };
        let in_times = self.times.is_empty()
            || self
                .times
                .iter()
                .any(|(from, to)| (i32::from(*from)..i32::from(*to)).contains(&minute));
        let in_days = self.days_of_month.is_empty()
            || self.days_of_month.iter().any(|range| in_days(*range, month_day, days));
        in_times
            && in_days
            && holds(&self.weekdays, i16::from(at.weekday().to_sunday_zero_offset()))
            && holds(&self.months, i16::from(at.month()))
            && holds(&self.years, at.year())
    }
}

/// Days are counted from the end of the month where they are negative; what lies beyond the month is
/// cut off, and a range that begins beyond it is empty.
fn in_days((first, last): (i16, i16), day: i16, days: i16) -> bool {
    let from_end = |at: i16| if at < 0 { days + at + 1 } else { at };
    let (first, last) = (from_end(first), from_end(last));
    first <= days && (first.max(1)..=last.min(days)).contains(&day)
}

/// Reads `HH:MM`, up to `24:00`, as minutes of the day.
///
/// # Errors
/// With the text.
pub fn parse_minute(text: &str) -> Result<u16, String> {
    let bad = || format!("{text:?} is not a time of day such as 17:00");
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    if hour.len() != 2 || minute.len() != 2 {
        return Err(bad());
    }
    let hour: u16 = hour.parse().map_err(|_| bad())?;
    let minute: u16 = minute.parse().map_err(|_| bad())?;
    let fits = (hour < 24 && minute < 60) || (hour == 24 && minute == 0);
    fits.then_some(hour * 60 + minute).ok_or_else(bad)
}

const WEEKDAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// What a range is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// `monday`.
    Weekday,
    /// `1`, `-1`.
    DayOfMonth,
    /// `may`, `5`.
    Month,
    /// `2026`.
    Year,
}

/// Reads `first:last`, or one of it.
///
/// # Errors
/// With the text and what is wrong.
pub fn parse_range(unit: Unit, text: &str) -> Result<(i16, i16), String> {
    let text = text.to_lowercase();
    let (first, last) = text.split_once(':').unwrap_or((&text, &text));
    let (first, last) = (one(unit, first)?, one(unit, last)?);
    if unit == Unit::DayOfMonth && first < 0 && last > 0 {
        return Err(format!("{text:?}: the end must be negative if the start is"));
    }
    // In a month of 28 days, whether `-3:30` is empty is known only then; of one sign it is known.
    if first > last && (unit != Unit::DayOfMonth || (first < 0) == (last < 0)) {
        return Err(format!("{text:?}: the start must not be after the end"));
    }
    Ok((first, last))
}

fn one(unit: Unit, text: &str) -> Result<i16, String> {
    let named = |names: &[&str], from: i16| {
        names.iter().zip(from..).find(|(name, _)| **name == text).map(|(_, at)| at)
    };
    let number = text.parse::<i16>().ok();
    let found = match unit {
        Unit::Weekday => named(&WEEKDAYS, 0),
        Unit::Month => {
            named(&MONTHS, 1).or_else(|| number.filter(|number| (1..=12).contains(number)))
        }
        Unit::DayOfMonth => number.filter(|day| (1..=31).contains(&day.abs())),
        Unit::Year => number.filter(|year| *year > 0),
    };
    found.ok_or_else(|| {
        let what = match unit {
            Unit::Weekday => "a day of the week such as monday",
            Unit::Month => "a month such as may or 5",
            Unit::DayOfMonth => "a day of the month, 1 to 31 or -1 to -31",
            Unit::Year => "a year",
        };
        format!("{text:?} is not {what}")
    })
}

#[cfg(test)]
mod tests;
