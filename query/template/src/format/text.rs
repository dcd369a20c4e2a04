//! Strings under `%s`, `%q`, `%x`, and characters under `%c`, `%q`, `%U`.

use std::fmt::Write as _;

use super::Printer;
use crate::value::Value;

impl Printer {
    pub(super) fn text(&mut self, text: &str, value: &Value, verb: char) {
        let cut = |text: &str| match self.flags.precision {
            Some(precision) => text.chars().take(precision).collect(),
            None => text.to_owned(),
        };
        match verb {
            'v' if self.flags.sharp_v => self.pad(&quote(text)),
            'v' | 's' => self.pad(&cut(text)),
            'q' => {
                let text = cut(text);
                let raw = self.flags.sharp && can_backquote(&text);
                let quoted =
                    if raw { format!("`{text}`") } else { quoted(&text, '"', self.flags.plus) };
                self.pad(&quoted);
            }
            'x' | 'X' => {
                let hex = self.hex(text.as_bytes(), verb == 'X');
                self.pad(&hex);
            }
            _ => self.bad_verb(value, verb),
        }
    }

    fn hex(&self, bytes: &[u8], upper: bool) -> String {
        let count = self.flags.precision.unwrap_or(bytes.len()).min(bytes.len());
        let prefix = match (self.flags.sharp, upper) {
            (false, _) => "",
            (true, false) => "0x",
            (true, true) => "0X",
        };
        let mut out = String::new();
        for (i, byte) in bytes.iter().take(count).enumerate() {
            if i > 0 && self.flags.space {
                out.push(' ');
            }
            if i == 0 || self.flags.space {
                out.push_str(prefix);
            }
            push_hex(&mut out, u32::from(*byte), 2, upper);
        }
        out
    }

    /// `%c`, `%q` and `%U` of an integer.
    pub(super) fn character(&mut self, code: i64, verb: char) {
        let c = u32::try_from(code).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
        match verb {
            'c' => self.pad(c.encode_utf8(&mut [0; 4])),
            'q' => self.pad(&quoted(c.encode_utf8(&mut [0; 4]), '\'', self.flags.plus)),
            _ => {
                let digits = self.flags.precision.unwrap_or(4).clamp(4, 64);
                let mut text = format!("U+{code:0digits$X}");
                if self.flags.sharp && printable(c) {
                    text.push_str(&format!(" '{c}'"));
                }
                self.flags.zero = false;
                self.pad(&text);
            }
        }
    }
}

fn push_hex(out: &mut String, value: u32, digits: usize, upper: bool) {
    let written = match upper {
        true => write!(out, "{value:0digits$X}"),
        false => write!(out, "{value:0digits$x}"),
    };
    written.expect("writing to a string does not fail");
}

/// Returns a string as Go quotes it.
pub fn quote(text: &str) -> String {
    quoted(text, '"', false)
}

fn quoted(text: &str, quote: char, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if printable(c) && (c.is_ascii() || !ascii) => out.push(c),
            c => {
                let code = u32::from(c);
                let (sign, digits) = match code {
                    0..=0x7f => ("\\x", 2),
                    0x80..=0xffff => ("\\u", 4),
                    _ => ("\\U", 8),
                };
                out.push_str(sign);
                push_hex(&mut out, code, digits, false);
            }
        }
    }
    out.push(quote);
    out
}

/// Returns whether Go takes a character for printable: letters, marks, numbers, punctuation, symbols,
/// and the ASCII space. Marks are escaped by the standard library only where they begin a text.
fn printable(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    !['a', c].iter().collect::<String>().escape_debug().any(|c| c == '\\')
}

fn can_backquote(text: &str) -> bool {
    let odd = |c: char| (c.is_control() && c != '\t') || c == '`' || c == '\u{feff}';
    !text.contains(odd)
}
