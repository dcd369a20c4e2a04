//! Tree to text that parses to the same tree.

use std::fmt::{self, Write as _};

use super::ast::{Glob, Key, Owner, Query, Term, TermKind, Value};

/// Characters that end a word or mean something in it.
fn is_special(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '"' | ':' | '=' | '<' | '>' | '!' | '*' | '\\')
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_char('*'),
            Self::Term(term) => write!(f, "{term}"),
            Self::And(list) => joined(f, list, " "),
            Self::Or(list) => joined(f, list, " OR "),
            Self::Not(inner) => {
                f.write_char('-')?;
                grouped(f, inner)
            }
        }
    }
}

/// Prints what a list holds. OR inside AND needs parentheses; the others have them too, so that a
/// list inside a list stays one.
fn joined(f: &mut fmt::Formatter<'_>, list: &[Query], separator: &str) -> fmt::Result {
    for (i, query) in list.iter().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        grouped(f, query)?;
    }
    Ok(())
}

fn grouped(f: &mut fmt::Formatter<'_>, query: &Query) -> fmt::Result {
    match query {
        Query::And(_) | Query::Or(_) => write!(f, "({query})"),
        _ => write!(f, "{query}"),
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            TermKind::Text(Value::Word(glob)) => word(f, glob),
            TermKind::Text(value) => write!(f, "{value}"),
            TermKind::Exists(key) => write!(f, "{key}:*"),
            TermKind::Field { key, op, value, .. } => {
                write!(f, "{key}{}", op.as_str())?;
                write!(f, "{value}")
            }
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.owner.prefix())?;
        let is_first = self.owner == Owner::Any;
        for (i, c) in self.name.chars().enumerate() {
            escaped(f, c, is_first && i == 0 && is_special_first(c))?;
        }
        Ok(())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(glob) => pieces(f, glob, |i, c| i == 0 && c == '/'),
            Self::Phrase(text) => {
                f.write_char('"')?;
                for c in text.chars() {
                    match c {
                        '"' | '\\' => write!(f, "\\{c}")?,
                        '\n' => f.write_str("\\n")?,
                        '\r' => f.write_str("\\r")?,
                        '\t' => f.write_str("\\t")?,
                        c => f.write_char(c)?,
                    }
                }
                f.write_char('"')
            }
            Self::Regex(text) => regex(f, text),
        }
    }
}

fn regex(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('/')?;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '/' => f.write_str("\\/")?,
            '\\' => {
                f.write_char(c)?;
                if let Some(next) = chars.next() {
                    f.write_char(next)?;
                }
            }
            c => f.write_char(c)?,
        }
    }
    f.write_char('/')
}

/// Prints a word that stands alone: what would be an operator or begin something else is escaped.
fn word(f: &mut fmt::Formatter<'_>, glob: &Glob) -> fmt::Result {
    if let Some(keyword @ ("AND" | "OR" | "NOT")) = glob.as_literal() {
        f.write_char('\\')?;
        return f.write_str(keyword);
    }
    pieces(f, glob, |i, c| i == 0 && is_special_first(c))
}

fn is_special_first(c: char) -> bool {
    matches!(c, '-' | '/' | '@')
}

fn pieces(
    f: &mut fmt::Formatter<'_>,
    glob: &Glob,
    escape_too: impl Fn(usize, char) -> bool,
) -> fmt::Result {
    let mut printed = 0;
    for (i, piece) in glob.pieces().iter().enumerate() {
        if i > 0 {
            f.write_char('*')?;
            printed += 1;
        }
        for c in piece.chars() {
            escaped(f, c, escape_too(printed, c))?;
            printed += 1;
        }
    }
    Ok(())
}

fn escaped(f: &mut fmt::Formatter<'_>, c: char, always: bool) -> fmt::Result {
    if always || is_special(c) {
        f.write_char('\\')?;
    }
    f.write_char(c)
}
