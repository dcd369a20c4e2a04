//! Keys that every row of a table has columns for, and the words that their values are called by.

use tarn_storage::schema::tables::{Table, column};

use crate::search::ast::{Key, Owner};

/// Such a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intrinsic {
    /// A column of text.
    Text(&'static str),
    /// The body of a log record.
    Body,
    /// The severity of a log record.
    Level,
    /// An id of so many bytes.
    Id(&'static str, usize),
    /// Names of a span's events.
    Events,
    /// Kind or status of a span.
    Code(&'static str, &'static [(&'static str, i32)]),
    /// The duration of a span.
    Duration,
}

const KINDS: [(&str, i32); 6] = [
    ("unspecified", 0),
    ("internal", 1),
    ("server", 2),
    ("client", 3),
    ("producer", 4),
    ("consumer", 5),
];

const STATUSES: [(&str, i32); 3] = [("unset", 0), ("ok", 1), ("error", 2)];

/// The level of records that have none of the 24 severity numbers.
pub(super) const UNSET: &str = "unset";

/// OTel's severity words and the first of the four numbers of each.
const LEVELS: [(&str, i32); 8] = [
    ("trace", 1),
    ("debug", 5),
    ("info", 9),
    ("information", 9),
    ("warn", 13),
    ("warning", 13),
    ("error", 17),
    ("fatal", 21),
];

impl Intrinsic {
    /// Returns what a key means in a table, `None` where it is an attribute's.
    pub(crate) fn of(table: Table, key: &Key) -> Option<Self> {
        if key.owner != Owner::Any {
            return None;
        }
        let logs = table == Table::Logs;
        Some(match key.name.as_str() {
            "service" | "service.name" => Self::Text(column::SERVICE_NAME),
            "trace" | "trace_id" => Self::Id(column::TRACE_ID, 16),
            "span" | "span_id" => Self::Id(column::SPAN_ID, 8),
            "body" if logs => Self::Body,
            "level" | "severity" if logs => Self::Level,
            "event" | "event_name" if logs => Self::Text(column::EVENT_NAME),
            "event" if !logs => Self::Events,
            "name" if !logs => Self::Text(column::NAME),
            "parent" | "parent_span_id" if !logs => Self::Id(column::PARENT_SPAN_ID, 8),
            "kind" if !logs => Self::Code(column::KIND, &KINDS),
            "status" if !logs => Self::Code(column::STATUS, &STATUSES),
            "duration" if !logs => Self::Duration,
            _ => return None,
        })
    }
}

/// Returns the severity numbers of a word (`error`: 17 to 20; `error2`: 18) or number.
pub(crate) fn levels(text: &str) -> Option<(i32, i32)> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=24).contains(&number).then_some((number, number));
    }
    let word = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = text.strip_prefix(word).unwrap_or_default();
    let (_, first) = LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word))?;
    match digits {
        "" => Some((*first, first + 3)),
        "1" => Some((*first, *first)),
        "2" | "3" | "4" => {
            let number = first + digits.parse::<i32>().ok()? - 1;
            Some((number, number))
        }
        _ => None,
    }
}

/// Returns the number that a word or number means.
pub(crate) fn code(names: &[(&str, i32)], text: &str) -> Option<i32> {
    let named = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    named.map(|(_, number)| *number).or_else(|| text.parse().ok().filter(|n| *n >= 0))
}

/// Reads an id of `width` bytes from hex digits; left out zeros in front are zeros.
pub(super) fn id(text: &str, width: usize) -> Option<Vec<u8>> {
    if text.is_empty() || text.len() > width * 2 {
        return None;
    }
    let mut bytes = vec![0_u8; width];
    for (i, digit) in text.bytes().rev().enumerate() {
        let value = char::from(digit).to_digit(16)? as u8;
        bytes[width - 1 - i / 2] |= value << (4 * (i % 2));
    }
    Some(bytes)
}
