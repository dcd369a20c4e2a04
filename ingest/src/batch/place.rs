//! Which series of a request a message is about: its position, and its labels, cut short.

use super::RawLabels;
use crate::validate::shown;

/// Labels that a message shows.
const SHOWN_LABELS: usize = 5;
/// Bytes of a label name that a message shows.
const SHOWN_NAME_BYTES: usize = 64;

/// Says which series of the request is meant.
pub(super) fn place<R: RawLabels>(number: usize, raw: &R) -> String {
    let mut text = format!("series {number} {{");
    let mut count = 0;
    let walked = raw.each(&mut |name, value| {
        if count > 0 && count <= SHOWN_LABELS {
            text.push_str(", ");
        }
        if count < SHOWN_LABELS {
            text.push_str(&format!("{}={}", String::from_utf8_lossy(name_cut(name)), shown(value)));
        } else if count == SHOWN_LABELS {
            text.push('…');
        }
        count += 1;
    });
    if walked.is_err() {
        text.push('?');
    }
    text.push('}');
    text
}

fn name_cut(name: &[u8]) -> &[u8] {
    name.get(..SHOWN_NAME_BYTES).unwrap_or(name)
}
