//! Parts of dates, in UTC, of samples that count seconds since the Unix epoch.

use super::signature::Function;
use crate::exec::steps::Steps;

/// Computes a part of a date in place; `false` where `function` is none.
pub(crate) fn apply(function: Function, steps: &mut Steps) -> bool {
    if !is_date(function) {
        return false;
    }
    steps.values.iter_mut().for_each(|v| *v = part(function, *v));
    true
}

/// Returns whether the function takes a part of a date.
pub(crate) fn is_date(function: Function) -> bool {
    matches!(
        function,
        Function::DaysInMonth
            | Function::DayOfMonth
            | Function::DayOfWeek
            | Function::DayOfYear
            | Function::Hour
            | Function::Minute
            | Function::Month
            | Function::Year
    )
}

/// The first second of Go's calendar, 1 January -292277022399.
const CALENDAR_START: i128 = -9_223_372_028_715_321_600;

fn part(function: Function, seconds: f64) -> f64 {
    // Go converts numbers that do not fit, also NaN, to the smallest integer; its calendar starts
    // later than that, and what lies before wraps around to the far end.
    let whole = if seconds.is_nan() || seconds.abs() >= i64::MAX as f64 {
        i128::from(i64::MIN)
    } else {
        seconds as i128
    };
    let whole = if whole < CALENDAR_START { whole + (1 << 64) } else { whole };
    // Fits: 2^64 seconds are fewer than 2^48 days.
    let days = whole.div_euclid(86_400) as i64;
    let second = whole.rem_euclid(86_400) as i64;
    let date = Date::of(days);
    let value = match function {
        Function::DaysInMonth => Date::first_of_next(date) - Date::days(date.year, date.month, 1),
        Function::DayOfMonth => date.day,
        // The epoch was a Thursday.
        Function::DayOfWeek => (days + 4).rem_euclid(7),
        Function::DayOfYear => days - Date::days(date.year, 1, 1) + 1,
        Function::Hour => second / 3600,
        Function::Minute => second / 60 % 60,
        Function::Month => date.month,
        _ => date.year,
    };
    value as f64
}

/// A day of the proleptic Gregorian calendar.
#[derive(Debug, Clone, Copy)]
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    /// Returns the date of a day since the epoch, counting in eras of 400 years that start in March
    /// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    fn of(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month, day: day_of_year - (153 * from_march + 2) / 5 + 1 }
    }

    /// Returns the days since the epoch of a date.
    fn days(year: i64, month: i64, day: i64) -> i64 {
        let year = year - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let from_march = (month + 9) % 12;
        let day_of_year = (153 * from_march + 2) / 5 + day - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
            - 719_468
    }

    fn first_of_next(date: Self) -> i64 {
        if date.month == 12 {
            Self::days(date.year + 1, 1, 1)
        } else {
            Self::days(date.year, date.month + 1, 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Function, part};

    #[test]
    fn parts_of_dates() {
        use Function as F;
        for (function, seconds, expected) in [
            (F::Year, 1_136_239_445.0, 2006.0),
            (F::DayOfMonth, 1_136_239_445.0, 2.0),
            (F::DayOfWeek, 1_136_239_445.0, 1.0),
            (F::Hour, 1_136_239_445.0, 22.0),
            (F::Minute, 1_136_239_445.0, 4.0),
            (F::Month, 1_456_790_399.0, 2.0),
            (F::DayOfMonth, 1_456_790_400.0, 1.0),
            (F::DayOfYear, 1_483_191_420.0, 366.0),
            (F::DaysInMonth, 1_454_284_800.0, 29.0),
            (F::DaysInMonth, 1_485_907_200.0, 28.0),
            (F::DaysInMonth, 1_483_191_420.0, 31.0),
            (F::Year, -1.0, 1969.0),
            (F::DayOfWeek, 0.0, 4.0),
            (F::Year, f64::NAN, 292_277_026_596.0),
            (F::Month, f64::NEG_INFINITY, 12.0),
        ] {
            assert_eq!(part(function, seconds), expected, "{function:?} of {seconds}");
        }
    }
}
