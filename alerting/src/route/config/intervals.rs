//! The sections `time_intervals` and `mute_time_intervals`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::super::interval::{TimeInterval, Unit, parse_minute, parse_range};
use super::section::Section;

/// Reads the named intervals below a key.
pub(super) fn read(
    file: &mut Section<'_>,
    key: &'static str,
    into: &mut BTreeMap<Arc<str>, Vec<TimeInterval>>,
) {
    for mut section in file.sections(key) {
        let name = section.text_or("name", "");
        if name.is_empty() {
            section.error(format!("missing name in {key}"));
        } else if into.contains_key(name.as_str()) {
            section.error(format!("time interval {name:?} is not unique"));
        }
        let intervals = section.sections("time_intervals").into_iter().map(interval).collect();
        into.insert(name.into(), intervals);
        section.finish();
    }
}

fn interval(mut section: Section<'_>) -> TimeInterval {
    let times = section.sections("times").into_iter().filter_map(times).collect();
    let mut ranges = |key, unit| {
        let mut found = Vec::new();
        for (at, text) in section.texts(key).unwrap_or_default() {
            match parse_range(unit, &text) {
                Ok(range) => found.push(range),
                Err(mistake) => section.context.error(at, format!("{key}: {mistake}")),
            }
        }
        found
    };
    let weekdays = ranges("weekdays", Unit::Weekday);
    let days_of_month = ranges("days_of_month", Unit::DayOfMonth);
    let months = ranges("months", Unit::Month);
    let years = ranges("years", Unit::Year);
    let zone = section.text("location").and_then(|name| zone(&section, &name));
    section.finish();
    TimeInterval { times, weekdays, days_of_month, months, years, zone }
}

fn times(mut section: Section<'_>) -> Option<(u16, u16)> {
    let mut minute = |key| {
        let at = section.place(key);
        let text = section.text_or(key, "");
        parse_minute(&text)
            .map_err(|mistake| section.context.error(at, format!("{key}: {mistake}")))
    };
    let (start, end) = (minute("start_time"), minute("end_time"));
    let at = section.at;
    let context = section.context;
    section.finish();
    let (start, end) = (start.ok()?, end.ok()?);
    if start >= end {
        context.error(at, "start_time cannot be equal or greater than end_time");
        return None;
    }
    Some((start, end))
}

fn zone(section: &Section<'_>, name: &str) -> Option<TimeZone> {
    match name {
        "Local" => return Some(TimeZone::system()),
        "" | "UTC" => return Some(TimeZone::UTC),
        _ => {}
    }
    match TimeZone::get(name) {
        Ok(zone) => Some(zone),
        Err(_) => {
            let at = section.place("location");
            let text = format!("unknown time zone {name:?}, expected a name such as Europe/Berlin");
            section.context.error(at, text);
            None
        }
    }
}
