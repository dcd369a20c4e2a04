//! What log records and spans have in common: attributes, times, ids, memory.

use tarn_model::attributes::ValueKind;
use tarn_model::error::Result;
use tarn_model::limits::Limits;

use super::Context;
use super::attributes::Attributes;
use super::frame::TRUNCATED;
use super::value::{Caps, Changes, RawValue, text};
use crate::decode::wire::WireError;

/// The attribute that keeps a time which was replaced because it lies in the future.
pub(super) const ORIGINAL_TIME: &str = "tarn.original_time";

/// Buffers for texts that do not stand in the body as they are stored.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    key: String,
    value: String,
}

/// An attribute of ours that says what was done to a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark {
    /// `tarn.original_time`.
    OriginalTime(u64),
    /// `tarn.severity_from`.
    SeverityFrom(&'static str),
}

impl Mark {
    /// The attribute that says where a severity number comes from.
    const SEVERITY_FROM: &'static str = "tarn.severity_from";

    fn key(self) -> &'static str {
        match self {
            Self::OriginalTime(_) => ORIGINAL_TIME,
            Self::SeverityFrom(_) => Self::SEVERITY_FROM,
        }
    }
}

/// Hands over attributes as text. Marks come last, in place of attributes of the same name; so does
/// the mark of what was cut, here or, as `changes` tell, in the row before.
pub(super) fn attributes(
    attributes: &Attributes<'_>,
    marks: &[Option<Mark>],
    limits: &Limits,
    buffers: &mut Buffers,
    changes: &mut Changes,
    mut push: impl FnMut(&str, ValueKind, &str),
) -> Result<(), WireError> {
    let caps = Caps::attribute(limits);
    let mut truncated = None;
    for (key, value) in attributes.iter() {
        if key.starts_with(b"tarn.") {
            if key == TRUNCATED.as_bytes() {
                truncated = Some(value);
                continue;
            }
            if marks.iter().flatten().any(|mark| mark.key().as_bytes() == key) {
                continue;
            }
        }
        let key = text(key, usize::MAX, &mut buffers.key, changes);
        push(key, value.kind(), value.text(caps, &mut buffers.value, changes)?);
    }
    for mark in marks.iter().flatten() {
        match mark {
            Mark::OriginalTime(time) => push_number(mark.key(), *time, &mut push),
            Mark::SeverityFrom(source) => push(mark.key(), ValueKind::Text, source),
        }
    }
    if changes.cut_bytes > 0 {
        push_number(TRUNCATED, changes.cut_bytes, &mut push);
    } else if let Some(value) = truncated {
        push(TRUNCATED, value.kind(), value.text(caps, &mut buffers.value, changes)?);
    }
    Ok(())
}

/// Pushes a number, as text where an attribute cannot hold it.
fn push_number(key: &str, number: u64, push: &mut impl FnMut(&str, ValueKind, &str)) {
    let kind = match i64::try_from(number) {
        Ok(_) => ValueKind::Int,
        Err(_) => ValueKind::Text,
    };
    push(key, kind, &number.to_string());
}

/// Returns the time that a row is stored under: its own, unless it lies in the future, and then the
/// mark of the original. `None` for no time.
pub(super) fn time(ns: u64, context: &Context<'_>) -> (Option<i64>, Option<Mark>) {
    if ns == 0 {
        return (None, None);
    }
    let ahead = i64::try_from(context.limits.future_max.as_nanos()).unwrap_or(i64::MAX);
    let newest = context.now.0.saturating_add(ahead);
    match i64::try_from(ns) {
        Ok(time) if time <= newest => (Some(time), None),
        _ => (Some(context.now.0), Some(Mark::OriginalTime(ns))),
    }
}

/// Returns an id, `None` where it has another length or is all zeros.
pub(super) fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let id: [u8; N] = bytes.try_into().ok()?;
    (id != [0; N]).then_some(id)
}

/// Returns a short text of a row: a name, a state.
pub(super) fn short<'s>(
    bytes: &'s [u8],
    limits: &Limits,
    buffer: &'s mut String,
    changes: &mut Changes,
) -> &'s str {
    text(bytes, limits.attribute_value_bytes_max.as_usize(), buffer, changes)
}

/// Returns the text of an attribute, where it has one.
pub(super) fn attribute_text<'s, 'a: 's>(
    attributes: &Attributes<'a>,
    key: &str,
    limits: &Limits,
    buffer: &'s mut String,
) -> Option<&'s str> {
    match attributes.get(key) {
        Some(RawValue::Text(bytes)) => Some(short(bytes, limits, buffer, &mut Changes::default())),
        _ => None,
    }
}

/// Accounts for the memory of rows while they are decoded: before a row what its bytes could at
/// least need, after it what it did need. Buffers double, so everything counts twice.
#[derive(Debug)]
pub(super) struct Account {
    held: usize,
}

impl Account {
    pub(super) fn new() -> Self {
        Self { held: 0 }
    }

    /// Charges the bytes of a row that is about to be decoded.
    pub(super) fn before(&self, wire: usize, context: &mut Context<'_>) -> Result<()> {
        context.charge(2 * wire)
    }

    /// Charges what the rows hold now, the advance for the last one taken off.
    pub(super) fn after(
        &mut self,
        wire: usize,
        held: usize,
        context: &mut Context<'_>,
    ) -> Result<()> {
        context.refund(2 * wire);
        let more = held.saturating_sub(self.held);
        self.held = held;
        context.charge(2 * more)
    }
}
