//! Strings in double quotes, escaped as Go does: unprintable characters and bytes that are not
//! UTF-8 become escapes, everything else stays readable.

use std::fmt::Write as _;

/// Quotes a text.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        escape(&mut out, c, '"');
    }
    out.push('"');
    out
}

/// Quotes bytes that may not be UTF-8.
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            escape(&mut out, c, '"');
        }
        for byte in chunk.invalid() {
            hex(&mut out, u32::from(*byte));
        }
    }
    out.push('"');
    out
}

/// Quotes a character in single quotes; the end of a text is shown as U+FFFD.
pub(crate) fn quote_char(c: Option<char>) -> String {
    let mut out = String::from("'");
    escape(&mut out, c.unwrap_or(char::REPLACEMENT_CHARACTER), '\'');
    out.push('\'');
    out
}

fn escape(out: &mut String, c: char, quote: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if c == quote => {
            out.push('\\');
            out.push(c);
        }
        c if is_printable(c) => out.push(c),
        c if c.is_ascii() => hex(out, u32::from(c)),
        c if u32::from(c) < 0x1_0000 => write_hex(out, 'u', u32::from(c), 4),
        c => write_hex(out, 'U', u32::from(c), 8),
    }
}

fn hex(out: &mut String, byte: u32) {
    write_hex(out, 'x', byte, 2);
}

fn write_hex(out: &mut String, letter: char, value: u32, width: usize) {
    // Writing into a string cannot fail.
    write!(out, "\\{letter}{value:0width$x}").unwrap_or_default();
}

/// Returns whether Go would print the character as it is: everything but controls, unassigned code
/// points and white space other than U+0020.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    // The standard library keeps its table private, but `escape_debug` asks it. The letter in
    // front matters: a combining mark is escaped at the start of a string only.
    let mut probe = String::with_capacity(5);
    probe.push('a');
    probe.push(c);
    probe.escape_debug().nth(1) != Some('\\')
}

#[cfg(test)]
mod tests {
    use super::{quote, quote_bytes, quote_char};

    #[test]
    fn unprintable_characters_are_escaped() {
        for (text, quoted) in [
            ("plain", r#""plain""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\u{7}\u{8}\u{c}\n\r\t\u{b}", r#""\a\b\f\n\r\t\v""#),
            ("\0\u{7f}", r#""\x00\x7f""#),
            ("grün ☺ e\u{301}", "\"grün ☺ e\u{301}\""),
            ("\u{a0}\u{200b}\u{e0001}", r#""\u00a0\u200b\U000e0001""#),
        ] {
            assert_eq!(quote(text), quoted);
        }
        assert_eq!(quote_bytes(b"a\xff\xc5z"), r#""a\xff\xc5z""#);
        assert_eq!(quote_char(Some('\'')), r"'\''");
        assert_eq!(quote_char(Some('"')), "'\"'");
    }
}
