//! Something to stand in the place of variables and macros.

use std::ops::Range;

/// A text whose variables are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The text.
    pub text: String,
    /// Whether a variable stood where its kind cannot be told.
    pub has_free: bool,
    /// What was replaced: bytes of the new text, bytes of the old.
    replaced: Vec<(Range<usize>, Range<usize>)>,
}

impl Standing {
    /// Returns which bytes of the old text some of the new are.
    pub fn back(&self, span: &Range<usize>) -> Range<usize> {
        self.offset(span.start, false)..self.offset(span.end, true)
    }

    fn offset(&self, at: usize, end: bool) -> usize {
        let mut shift = (0, 0);
        for (new, old) in &self.replaced {
            if at >= new.end {
                shift = (new.end, old.end);
            } else if at > new.start {
                return if end { old.end } else { old.start };
            } else {
                break;
            }
        }
        at - shift.0 + shift.1
    }
}

/// Replaces the variables of a text; `free` is what one becomes that stands neither in quotes nor in
/// brackets.
pub fn stand_in(text: &str, free: &str) -> Standing {
    let mut standing = Standing { text: String::new(), has_free: false, replaced: Vec::new() };
    let (mut quote, mut brackets) = (None, 0_usize);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let at = text.len() - rest.len();
        if let Some((name, length)) = variable(rest) {
            let value = match of_macro(name) {
                Some(value) => value,
                None if quote.is_some() => "x",
                None if brackets > 0 || is_offset(&standing.text) => "5m",
                None => {
                    standing.has_free = true;
                    free
                }
            };
            let start = standing.text.len();
            standing.text.push_str(value);
            standing.replaced.push((start..standing.text.len(), at..at + length));
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        let mut length = c.len_utf8();
        match (quote, c) {
            // What is escaped does not end a text.
            (Some('"' | '\''), '\\') => {
                length += rest.chars().nth(1).map_or(0, char::len_utf8);
            }
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '[') => brackets += 1,
            (None, ']') => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        standing.text.push_str(rest.get(..length).unwrap_or_default());
        rest = rest.get(length..).unwrap_or_default();
    }
    standing
}

fn is_offset(before: &str) -> bool {
    before.trim_end().trim_end_matches('-').trim_end().ends_with("offset")
}

/// Returns what the macros of Grafana are, when they are asked.
fn of_macro(name: &str) -> Option<&'static str> {
    match name {
        "__rate_interval" | "__interval" | "__range" | "__auto" | "__auto_interval" => Some("5m"),
        "__interval_ms" | "__range_ms" | "__rate_interval_ms" => Some("300000"),
        "__range_s" | "__from" | "__to" => Some("300"),
        _ => None,
    }
}

/// Returns the name of a variable at the start of a text, and how many bytes it takes.
fn variable(text: &str) -> Option<(&str, usize)> {
    if let Some(inner) = text.strip_prefix("${") {
        let end = inner.find('}')?;
        let inner = inner.get(..end)?;
        let name = inner.split([':', '.']).next()?;
        return is_name(name).then_some((name, end + 3));
    }
    if let Some(inner) = text.strip_prefix("[[") {
        let end = inner.find("]]")?;
        let name = inner.get(..end)?.split(':').next()?;
        return is_name(name).then_some((name, end + 4));
    }
    let inner = text.strip_prefix('$')?;
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    let name = inner.get(..end)?;
    // `$1` is a group of a regular expression.
    (is_name(name) && !name.starts_with(|c: char| c.is_ascii_digit())).then_some((name, end + 1))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
