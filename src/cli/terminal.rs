//! Text from data on a terminal: harmless, and coloured where somebody looks.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

/// Colours of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Yellow,
    Cyan,
    Dim,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) coloured: bool,
}

impl Style {
    /// Returns the style for the standard output: colours where it is a terminal, unless `NO_COLOR`
    /// is set.
    pub(crate) fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { coloured: io::stdout().is_terminal() && !refused }
    }

    /// Returns a text in a colour.
    pub(crate) fn paint(self, colour: Colour, text: &str) -> String {
        if !self.coloured || text.is_empty() {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Red => 31,
            Colour::Yellow => 33,
            Colour::Cyan => 36,
            Colour::Dim => 2,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Makes the bar of a long job that counts bytes: drawn on the standard error output where that is a
/// terminal, silent elsewhere.
pub(crate) fn byte_bar(bytes: u64) -> ProgressBar {
    let shape = "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    let style =
        ProgressStyle::with_template(shape).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style)
}

/// Writes what a terminal would obey as an escape: control characters, and those that turn the
/// direction of the text or cannot be seen.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || is_hidden(c) => {
                // Writing to a string does not fail.
                write!(out, "\\u{{{:x}}}", u32::from(c)).ok();
            }
            c => out.push(c),
        }
    }
    out
}

fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// Cuts a text to a number of characters; the last then is `…`.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        short.push('…');
    }
    short
}

/// Prints a time span as people read it: three digits and a unit.
pub(crate) fn duration(ns: i64) -> String {
    let units = [("s", 1e9), ("ms", 1e6), ("µs", 1e3)];
    let number = ns as f64;
    let Some((unit, size)) = units.iter().find(|(_, size)| number.abs() >= *size) else {
        return format!("{ns}ns");
    };
    let number = number / size;
    let digits = if number.abs() >= 100.0 {
        0
    } else if number.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{number:.digits$}{unit}")
}

/// Writes to the standard output. Whoever reads may have seen enough, as `head` has.
///
/// # Errors
/// Where it cannot be written to.
pub(crate) fn write_out(text: &str) -> anyhow::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write to the standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_command_the_terminal() {
        assert_eq!(printable("füße ok"), "füße ok");
        assert_eq!(printable("a\x1b[2Jb\u{9b}31m\u{7f}\0"), "a\\u{1b}[2Jb\\u{9b}31m\\u{7f}\\u{0}");
        assert_eq!(printable("two\nlines\tand\r"), "two\\nlines\\tand\\r");
        assert_eq!(printable("abc\u{202e}fed\u{200b}"), "abc\\u{202e}fed\\u{200b}");
    }

    #[test]
    fn durations_have_three_digits() {
        let rows = [
            (0, "0ns"),
            (999, "999ns"),
            (1_500, "1.50µs"),
            (12_345_678, "12.3ms"),
            (999_000_000, "999ms"),
            (-5_000_000_000, "-5.00s"),
        ];
        for (ns, text) in rows {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn colours_only_where_wanted() {
        assert_eq!(Style { coloured: false }.paint(Colour::Red, "x"), "x");
        assert_eq!(Style { coloured: true }.paint(Colour::Red, "x"), "\x1b[31mx\x1b[0m");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abc", 3), "abc");
    }
}
