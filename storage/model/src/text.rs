//! What texts say: the severity of a log record, the frames of a stack trace.
//!
//! Pure rules over text, applied at ingest and good for any text. They look at a bounded beginning
//! and would rather find nothing than guess: a word deep in a sentence ("0 errors") says nothing
//! about its record.

mod exception;

pub use exception::{FRAMES, frames};

/// Bytes of a body in which a level word may begin.
const LEVEL_BYTES: usize = 64;
/// Bytes of a body in which a level field may begin.
const FIELD_BYTES: usize = 1024;
/// Letters of the longest level word.
const WORD_BYTES_MAX: usize = 13;

/// Names of the fields that hold a level.
const FIELDS: [&str; 3] = ["level", "lvl", "severity"];

/// Returns the OTel severity number of a severity text: OTel's own short names, and the words of
/// syslog, of Windows and of the common libraries, in any case.
pub fn severity_of_text(text: &str) -> Option<u8> {
    let mut buffer = [0; WORD_BYTES_MAX];
    let word = lower(text.trim(), &mut buffer)?;
    if let Some(number) = severity_of_word(word) {
        return Some(number);
    }
    let number = match word {
        b"v" | b"t" | b"verbose" | b"finest" => 1,
        b"d" | b"finer" => 5,
        b"fine" => 6,
        b"config" => 7,
        b"i" | b"inf" => 9,
        b"w" | b"wrn" => 13,
        b"e" => 17,
        b"c" | b"dpanic" => 18,
        b"a" => 19,
        b"f" | b"ftl" => 21,
        _ => return numbered(word),
    };
    Some(number)
}

/// Returns the number of a word that nobody uses for anything but a level.
fn severity_of_word(lower: &[u8]) -> Option<u8> {
    let number = match lower {
        b"trace" => 1,
        b"debug" | b"dbg" => 5,
        b"info" | b"information" | b"informational" => 9,
        b"notice" => 10,
        b"warn" | b"warning" => 13,
        b"error" | b"err" | b"severe" => 17,
        b"critical" | b"crit" => 18,
        b"alert" => 19,
        b"fatal" | b"emerg" | b"emergency" | b"panic" => 21,
        _ => return None,
    };
    Some(number)
}

/// Reads the second to fourth step of a level, as in `ERROR3`.
fn numbered(lower: &[u8]) -> Option<u8> {
    let (digit @ b'2'..=b'4', word) = lower.split_last()? else { return None };
    let first = match word {
        b"trace" => 1,
        b"debug" => 5,
        b"info" => 9,
        b"warn" => 13,
        b"error" => 17,
        b"fatal" => 21,
        _ => return None,
    };
    Some(first + (digit - b'1'))
}

fn lower<'b>(word: &str, buffer: &'b mut [u8; WORD_BYTES_MAX]) -> Option<&'b [u8]> {
    let buffer = buffer.get_mut(..word.len())?;
    buffer.copy_from_slice(word.as_bytes());
    buffer.make_ascii_lowercase();
    Some(buffer)
}

/// Returns the OTel severity number that a body states: in a JSON or logfmt field `level`, `lvl` or
/// `severity`, else in a level word that is bracketed or leads the text.
pub fn severity_of_body(body: &str) -> Option<u8> {
    let body = body.trim_start();
    let head = body.split_at(body.floor_char_boundary(FIELD_BYTES)).0;
    if head.starts_with('{') {
        return json_field(head);
    }
    logfmt_field(head).or_else(|| {
        let head = head.split_at(head.floor_char_boundary(LEVEL_BYTES)).0;
        google_log(head).or_else(|| level_word(head))
    })
}

/// Finds a level among the members of a JSON object, not in the objects inside it.
fn json_field(head: &str) -> Option<u8> {
    let mut depth = 0;
    let mut at = 0;
    let bytes = head.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let text = json_string(head.get(at + 1..)?)?;
                at += text.len() + 1;
                let rest = head.get(at + 1..)?.trim_start();
                if depth == 1
                    && is_field(text)
                    && let Some(value) = rest.strip_prefix(':')
                    && let Some(value) = value.trim_start().strip_prefix('"')
                {
                    return severity_of_text(json_string(value)?);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Returns a JSON string up to its closing quote, escapes as they are.
fn json_string(text: &str) -> Option<&str> {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    text.get(..end)
}

fn is_field(name: &str) -> bool {
    FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name))
}

/// Finds `level=info`, also quoted.
fn logfmt_field(head: &str) -> Option<u8> {
    head.match_indices('=').find_map(|(at, _)| {
        let before = head.get(..at)?;
        let name = before.rsplit([' ', '\t', ',']).next()?;
        if !is_field(name) {
            return None;
        }
        let value = head.get(at + 1..)?.trim_start_matches('"');
        severity_of_text(value.split([' ', '\t', ',', '"', '\n']).next()?)
    })
}

/// Reads the header of Google's loggers: `E0102 15:04:05.678901`.
fn google_log(head: &str) -> Option<u8> {
    let (letter, rest) = head.split_at_checked(1)?;
    let shape = b"0000 00:00:00";
    let fits = |(byte, shape): (u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        _ => byte == *shape,
    };
    let is_header = rest.len() >= shape.len() && rest.bytes().zip(shape).all(fits);
    (is_header && matches!(letter, "I" | "W" | "E" | "F")).then(|| severity_of_text(letter))?
}

/// Finds a level word: in brackets, or after nothing but times, numbers and punctuation and then
/// in capitals or before a colon.
fn level_word(head: &str) -> Option<u8> {
    let brackets = head.bytes().any(|byte| matches!(byte, b'[' | b'<' | b'(' | b'|'));
    let mut leading = true;
    let mut at = 0;
    while let Some(rest) = head.get(at..).filter(|rest| !rest.is_empty()) {
        if !leading && !brackets {
            return None;
        }
        let word = rest.split(|c: char| !c.is_alphabetic()).next().unwrap_or("");
        if word.is_empty() {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let before = at.checked_sub(1).and_then(|i| head.as_bytes().get(i)).copied();
        let after = head.as_bytes().get(at + word.len()).copied();
        let mut buffer = [0; WORD_BYTES_MAX];
        let number = lower(word, &mut buffer).and_then(severity_of_word);
        let stands_alone = !before.is_some_and(glued) && !after.is_some_and(glued);
        let says = leading && (after == Some(b':') || word.bytes().all(|b| b.is_ascii_uppercase()));
        let says = says && head.get(..at).is_some_and(is_time);
        if number.is_some() && stands_alone && (says || is_bracketed(before, after)) {
            return number;
        }
        leading = leading && (before.is_some_and(|b| b.is_ascii_digit()) || is_time_word(word));
        at += word.len();
    }
    None
}

/// Returns whether a byte beside a word makes it part of a longer one.
fn glued(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'\\' | b'=' | b'\'')
}

fn is_bracketed(before: Option<u8>, after: Option<u8>) -> bool {
    matches!((before, after), (Some(b'['), Some(b']')) | (Some(b'<'), Some(b'>')))
        || matches!((before, after), (Some(b'('), Some(b')')) | (Some(b'|'), Some(b'|')))
}

/// Returns whether what stands before a word may be a time: a number alone counts something.
fn is_time(before: &str) -> bool {
    before.contains(':') || !before.bytes().any(|byte| byte.is_ascii_digit())
}

/// Returns whether a word is part of a written time: `T`, `Z`, a zone, a day or a month.
fn is_time_word(word: &str) -> bool {
    const WORDS: [&str; 27] = [
        "T", "Z", "UTC", "GMT", "AM", "PM", "am", "pm", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat",
        "Sun", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    WORDS.contains(&word)
}

#[cfg(test)]
mod tests;
