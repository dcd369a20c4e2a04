//! From a place inside a scalar's value to its place in the file.

use super::{Kind, Node, Style};

/// Returns line and column, from 1, of byte `offset` of a scalar's value in the text of the file.
///
/// Blocks are indented, folded and stripped, plain text may go over lines: all of that changes
/// white space only. So the place is behind as many visible characters of the scalar's source as
/// there are before it in the value. Escapes change more; there it is the start of the scalar.
pub(crate) fn place_inside(file: &str, node: &Node, offset: usize) -> (u32, u32) {
    let start = (node.line, node.column);
    let Kind::Scalar(scalar) = &node.kind else { return start };
    let Some(source) = file.get(node.bytes.0..) else { return start };
    let skipped = match scalar.style {
        Style::Plain => 0,
        // The quote.
        Style::Quoted => 1,
        // The header line with `|` or `>`.
        Style::Block if source.starts_with(['|', '>']) => source.find('\n').map_or(0, |at| at + 1),
        Style::Block => 0,
    };
    let Some(source) = source.get(skipped..) else { return start };
    let before = scalar.text.get(..offset).unwrap_or(&scalar.text);
    let mut wanted = before.chars().filter(|c| !c.is_whitespace());
    let mut at = node.bytes.0 + skipped;
    let mut chars = source.chars();
    for expected in wanted.by_ref() {
        let Some(found) = skip_to_visible(&mut chars, &mut at) else { return start };
        if found != expected {
            return start;
        }
        at += found.len_utf8();
    }
    // The next visible character is meant, unless the value ends here.
    let mut ahead = chars.clone();
    let mut next = at;
    let more = scalar.text.get(offset..).is_some_and(|rest| !rest.trim().is_empty());
    if more && skip_to_visible(&mut ahead, &mut next).is_some() {
        at = next;
    }
    line_and_column(file, at)
}

fn skip_to_visible(chars: &mut std::str::Chars<'_>, at: &mut usize) -> Option<char> {
    for c in chars {
        if !c.is_whitespace() {
            return Some(c);
        }
        *at += c.len_utf8();
    }
    None
}

fn line_and_column(file: &str, at: usize) -> (u32, u32) {
    let before = file.get(..at).unwrap_or(file);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (super::number(line), super::number(column))
}
