//! Exceptions of spans: which failures are the same.
//!
//! The group is a hash of the exception's type and of the [frames](tarn_model::text::frames) next
//! to its place, without line numbers and addresses, so that it survives releases and restarts.

use tarn_model::limits::Limits;
use tarn_model::text::frames;
use xxhash_rust::xxh3::xxh3_64;

use crate::decode::otlp::attributes::Attributes;
use crate::decode::otlp::row::attribute_text;

/// Name of the events that are exceptions.
pub(super) const EVENT: &str = "exception";

/// Returns the group of an exception, `None` where it has neither type nor stack trace.
pub(super) fn group(attributes: &Attributes<'_>, limits: &Limits) -> Option<i64> {
    let (mut kind, mut stack) = (String::new(), String::new());
    let kind = attribute_text(attributes, "exception.type", limits, &mut kind);
    let stack = attribute_text(attributes, "exception.stacktrace", limits, &mut stack);
    if kind.is_none() && stack.is_none() {
        return None;
    }
    let mut key = kind.unwrap_or_default().to_owned();
    for frame in frames(stack.unwrap_or_default()) {
        key.push('\n');
        key.push_str(&frame);
    }
    Some(xxh3_64(key.as_bytes()) as i64)
}
