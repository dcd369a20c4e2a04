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
