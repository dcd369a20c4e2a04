//! A tree as YAML again: what interfaces show of what was set through them.
//!
//! Scalars stay as they were written, so that a number is a number and a quoted text a text. Comments
//! and anchors are not part of the tree.

use super::{Kind, Node, Style};

/// Spaces of one level.
const INDENT: usize = 2;

impl Node {
    /// Writes the value out, in lines that begin with so many spaces.
    pub(crate) fn print(&self, indent: usize, to: &mut String) {
        match &self.kind {
            Kind::Scalar(_) => {
                to.push_str(&" ".repeat(indent));
                self.print_inline(indent, to);
            }
            Kind::List(items) => {
                for item in items {
                    to.push_str(&format!("{:indent$}- ", ""));
                    item.print_behind(indent + INDENT, to);
                }
            }
            Kind::Map(entries) => {
                for (key, value) in entries {
                    to.push_str(&" ".repeat(indent));
                    print_entry(key, value, indent, to);
                }
            }
        }
    }

    /// Writes the value behind a dash, its first line in the same line.
    fn print_behind(&self, indent: usize, to: &mut String) {
        match &self.kind {
            Kind::Map(entries) if !entries.is_empty() => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    if at > 0 {
                        to.push_str(&" ".repeat(indent));
                    }
                    print_entry(key, value, indent, to);
                }
            }
            Kind::List(items) if !items.is_empty() => {
                to.push('\n');
                self.print(indent, to);
            }
            _ => self.print_inline(indent, to),
        }
    }

    /// Writes a scalar, or something empty, and ends the line.
    fn print_inline(&self, indent: usize, to: &mut String) {
        match &self.kind {
            Kind::List(_) => to.push_str("[]\n"),
            Kind::Map(_) => to.push_str("{}\n"),
            Kind::Scalar(scalar) if scalar.is_text || scalar.style != Style::Plain => {
                to.push_str(&text(&scalar.text, indent));
                to.push('\n');
            }
            Kind::Scalar(scalar) => {
                // A plain scalar over several lines was folded into one.
                to.push_str(&scalar.text);
                to.push('\n');
            }
        }
    }
}

fn print_entry(key: &Node, value: &Node, indent: usize, to: &mut String) {
    let mut name = String::new();
    key.print_inline(indent, &mut name);
    to.push_str(name.trim_end());
    to.push(':');
    match &value.kind {
        Kind::List(items) if !items.is_empty() => {
            to.push('\n');
            value.print(indent, to);
        }
        Kind::Map(entries) if !entries.is_empty() => {
            to.push('\n');
            value.print(indent + INDENT, to);
        }
        _ => {
            to.push(' ');
            value.print_inline(indent + INDENT, to);
        }
    }
}

/// A text that YAML reads back as it is: quoted as JSON, or a block where that loses nothing.
fn text(text: &str, indent: usize) -> String {
    let plain_lines = |line: &str| !line.ends_with(' ') && !line.chars().any(char::is_control);
    let is_block = text.contains('\n')
        && !text.starts_with([' ', '\n'])
        && !text.ends_with('\n')
        && text.split('\n').all(plain_lines);
    if !is_block {
        return serde_json::Value::from(text).to_string();
    }
    let line = |line: &str| match line {
        "" => "\n".to_owned(),
        line => format!("\n{:indent$}{line}", ""),
    };
    format!("|-{}", text.split('\n').map(line).collect::<String>())
}
