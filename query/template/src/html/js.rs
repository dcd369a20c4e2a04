//! JavaScript: strings, comments and regular expressions are followed, so that a value becomes a
//! literal where an expression is expected, and text of a string inside of one.

use crate::escape::push_unicode;
use crate::format::number::float;
use crate::value::{Underlying, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Code,
    Quoted(char),
    Regex {
        class: bool,
    },
    LineComment,
    BlockComment,
}

/// Follows a script.
#[derive(Debug, Clone, Default)]
pub(super) struct Scanner {
    state: State,
    /// A backslash stands before the next character.
    escaped: bool,
    /// The last characters of code that are no spaces: they tell whether `/` divides.
    last: String,
}

impl Scanner {
    pub(super) fn text(&mut self, text: &str) {
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if std::mem::take(&mut self.escaped) {
                continue;
            }
            match self.state {
                State::Code => match (c, chars.peek()) {
                    ('"' | '\'' | '`', _) => self.state = State::Quoted(c),
                    ('/', Some('/')) => {
                        chars.next();
                        self.state = State::LineComment;
                    }
                    ('/', Some('*')) => {
                        chars.next();
                        self.state = State::BlockComment;
                    }
                    ('/', _) if self.expects_value() => self.state = State::Regex { class: false },
                    _ => self.remember(c),
                },
                State::Quoted(_) | State::Regex { .. } if c == '\\' => self.escaped = true,
                State::Quoted(quote) if c == quote => self.end_value(),
                State::Quoted('"' | '\'') if c == '\n' => self.end_value(),
                State::Regex { class } => match (c, class) {
                    ('[', false) => self.state = State::Regex { class: true },
                    (']', true) => self.state = State::Regex { class: false },
                    ('/', false) | ('\n', _) => self.end_value(),
                    _ => {}
                },
                State::LineComment if matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}') => {
                    self.state = State::Code;
                }
                State::BlockComment if c == '*' && chars.peek() == Some(&'/') => {
                    chars.next();
                    self.state = State::Code;
                }
                State::Quoted(_) | State::LineComment | State::BlockComment => {}
            }
        }
    }

    fn end_value(&mut self) {
        self.state = State::Code;
        self.remember(')');
    }

    fn remember(&mut self, c: char) {
        if c.is_whitespace() {
            // A word ends; it still tells what may follow.
            if !self.last.ends_with(' ') {
                self.last.push(' ');
            }
            return;
        }
        let joins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
        if !self.last.ends_with(joins) || !joins(c) {
            self.last.clear();
        }
        // Keywords are short; what is longer is a name.
        if self.last.len() < 64 {
            self.last.push(c);
        }
    }

    /// Returns whether a value is expected, so that `/` begins a regular expression.
    fn expects_value(&self) -> bool {
        const KEYWORDS: [&str; 12] = [
            "break",
            "case",
            "continue",
            "delete",
            "do",
            "else",
            "finally",
            "in",
            "instanceof",
            "return",
            "throw",
            "typeof",
        ];
        let last = self.last.trim_end();
        match last.chars().last() {
            None => true,
            Some(')' | ']') => false,
            Some(c) if c.is_alphanumeric() || matches!(c, '_' | '$' | '.') => {
                KEYWORDS.contains(&last) || ["try", "void"].contains(&last)
            }
            Some(_) => true,
        }
    }

    /// Returns a value for the place where the script stands.
    pub(super) fn value(&mut self, value: &Value, text: &str) -> String {
        match self.state {
            State::Code => {
                self.end_value();
                let mut out = String::new();
                literal(&mut out, value);
                // Spaces keep numbers and words apart from what stands beside them.
                match out.starts_with(['"', '[', '{']) {
                    true => out,
                    false => format!(" {out} "),
                }
            }
            State::Quoted(_) => escape(text),
            State::Regex { .. } if text.is_empty() => "(?:)".to_owned(),
            State::Regex { .. } => escape_all(text),
            State::LineComment | State::BlockComment => String::new(),
        }
    }
}

/// Escapes for a string of any kind, also inside of HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' | '\'' | '`' | '&' | '<' | '>' | '+' | '$' | '{' | '}' | '\u{2028}'
            | '\u{2029}' => {
                push_unicode(&mut out, c);
            }
            c if c.is_control() => push_unicode(&mut out, c),
            c => out.push(c),
        }
    }
    out
}

/// Escapes all that is no letter or digit.
fn escape_all(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_alphanumeric() {
            true => out.push(c),
            false => push_unicode(&mut out, c),
        }
    }
    out
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' | '\'' | '&' | '<' | '>' | '`' | '/' | '\u{2028}' | '\u{2029}' => {
                push_unicode(out, c);
            }
            c if c.is_control() => push_unicode(out, c),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Writes a value as a literal.
fn literal(out: &mut String, value: &Value) {
    // Values nest no deeper than a limit, but may refer to one another many times.
    if out.len() > crate::format::MAX_BYTES {
        return;
    }
    match value {
        Value::Nil | Value::Complex(..) | Value::Function(_) => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Float(number) if number.is_finite() => out.push_str(&float(*number, 'g', None)),
        Value::Float(_) => out.push_str("null"),
        Value::Text(text) | Value::Safe(_, text) => quoted(out, text),
        Value::List(list) => sequence(out, ('[', ']'), list.items(), literal),
        Value::Map(map) => sequence(out, ('{', '}'), map.entries(), |out, (name, entry)| {
            quoted(out, name);
            out.push(':');
            literal(out, entry);
        }),
        Value::Object(object) => match (object.text(), object.underlying()) {
            (Some(text), _) => quoted(out, &text),
            (None, Underlying::Plain(plain)) => literal(out, &plain),
            (None, Underlying::Struct(fields)) => {
                sequence(out, ('{', '}'), fields, |out, (name, field)| {
                    quoted(out, name);
                    out.push(':');
                    literal(out, field);
                });
            }
        },
    }
}

fn sequence<T>(
    out: &mut String,
    (open, close): (char, char),
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    out.push(open);
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(close);
}
