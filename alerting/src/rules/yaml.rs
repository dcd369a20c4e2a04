//! YAML as a tree in which every value knows its place.
//!
//! serde would stop at the first mistake, would not know which key a value belonged to, and would
//! turn `010` into a number before anybody could ask what was written. This tree keeps the text of
//! scalars and how they were quoted; `read` asks it for strings, numbers and durations as Go's YAML
//! answers. Aliases are expanded and merge keys merged, within bounds: a file of a few lines can
//! stand for more nodes than there is memory.

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use tarn_model::map::HashMap;

mod place;
mod print;
mod read;

pub(crate) use place::place_inside;
pub(crate) use read::{Fields, Reader};

/// Nodes a document may have once its aliases are expanded; a rule has some ten.
const NODES_MAX: usize = 2_000_000;

/// Levels of nesting; rule files have six.
const DEPTH_MAX: usize = 64;

/// A value and where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// From 1.
    pub(crate) line: u32,
    /// From 1, in characters.
    pub(crate) column: u32,
    /// Bytes of the text that it covers.
    pub(crate) bytes: (usize, usize),
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// Text, and what is known of its type.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
    /// Marked as text: quoted, a block, or tagged so.
    pub(crate) is_text: bool,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    Block,
}

/// The first document of a text.
#[derive(Debug)]
pub(crate) struct Document {
    /// `None`: the text holds no document.
    pub(crate) root: Option<Node>,
    /// Where a second document begins, which nobody reads.
    pub(crate) second_line: Option<u32>,
}

/// A text that is not YAML, or not within bounds.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) message: String,
}

/// Parses the first document of a text.
pub(crate) fn parse(text: &str) -> Result<Document, Unreadable> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|e| Unreadable {
            line: number(e.marker().line()),
            column: number(e.marker().col() + 1),
            message: format!("not YAML: {}", e.info()),
        })?;
        match event {
            Event::DocumentEnd => break,
            event => builder.event(event, &span)?,
        }
    }
    // A broken second document is none of ours: it is not read at all.
    let second_line = match parser.next_event() {
        Some(Ok((Event::DocumentStart(..), span))) => Some(number(span.start.line())),
        _ => None,
    };
    Ok(Document { root: builder.root, second_line })
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[derive(Default)]
struct Builder {
    root: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

/// A list or map whose end has not come.
struct Open {
    node: Node,
    anchor: usize,
    /// Nodes before it, to know its size.
    nodes_before: usize,
    /// The key that waits for its value.
    key: Option<Node>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Unreadable> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let kind = Kind::Scalar(scalar(text.into_owned(), style, tag.as_deref()));
                let node = make(span, kind);
                self.count(1, span)?;
                self.finished(node, anchor, 1, span)
            }
            Event::SequenceStart(_, anchor, _) => self.open(Kind::List(Vec::new()), anchor, span),
            Event::MappingStart(_, anchor, _) => self.open(Kind::Map(Vec::new()), anchor, span),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(mut open) = self.open.pop() else { return Ok(()) };
                open.node.bytes.1 = span.end.byte_offset().unwrap_or(open.node.bytes.1);
                if let Kind::Map(entries) = &mut open.node.kind {
                    merge(entries)?;
                }
                let size = self.nodes - open.nodes_before;
                self.finished(open.node, open.anchor, size, span)
            }
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id).cloned() else {
                    return Err(unreadable(span, "alias of a value that contains it".to_owned()));
                };
                self.count(size, span)?;
                self.finished(node, 0, size, span)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, kind: Kind, anchor: usize, span: &Span) -> Result<(), Unreadable> {
        if self.open.len() >= DEPTH_MAX {
            let message = format!("nested more than {DEPTH_MAX} levels deep");
            return Err(unreadable(span, message));
        }
        let nodes_before = self.nodes;
        self.count(1, span)?;
        self.open.push(Open { node: make(span, kind), anchor, nodes_before, key: None });
        Ok(())
    }

    fn count(&mut self, nodes: usize, span: &Span) -> Result<(), Unreadable> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            let message = format!("the document stands for more than {NODES_MAX} values");
            return Err(unreadable(span, message));
        }
        Ok(())
    }

    fn finished(
        &mut self,
        node: Node,
        anchor: usize,
        size: usize,
        span: &Span,
    ) -> Result<(), Unreadable> {
        if anchor != 0 {
            // The copy takes memory, too.
            self.count(size, span)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.kind {
            Kind::List(items) => items.push(node),
            Kind::Map(entries) => match open.key.take() {
                None => open.key = Some(node),
                Some(key) => entries.push((key, node)),
            },
            Kind::Scalar(_) => {}
        }
        Ok(())
    }
}

fn make(span: &Span, kind: Kind) -> Node {
    let (start, end) = (span.start.byte_offset(), span.end.byte_offset());
    Node {
        line: number(span.start.line()),
        column: number(span.start.col() + 1),
        bytes: (start.unwrap_or(0), end.unwrap_or(0)),
        kind,
    }
}

fn unreadable(span: &Span, message: String) -> Unreadable {
    let start = span.start;
    Unreadable { line: number(start.line()), column: number(start.col() + 1), message }
}

fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>) -> Scalar {
    let style = match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    };
    let is_text = style != Style::Plain || tag.is_some_and(|tag| tag.suffix() == "str");
    Scalar { text, style, is_text }
}

/// Replaces `<<` by the entries of the maps it names; what is written beside it wins.
fn merge(entries: &mut Vec<(Node, Node)>) -> Result<(), Unreadable> {
    let is_merge = |key: &Node| matches!(key.plain(), Some("<<"));
    if !entries.iter().any(|(key, _)| is_merge(key)) {
        return Ok(());
    }
    let (merges, mut kept): (Vec<_>, Vec<_>) =
        std::mem::take(entries).into_iter().partition(|(key, _)| is_merge(key));
    for (key, value) in merges {
        let wrong = || Unreadable {
            line: key.line,
            column: key.column,
            message: "`<<` takes a map or a list of maps".to_owned(),
        };
        let maps = match value.kind {
            Kind::List(items) => items,
            _ => vec![value],
        };
        for map in maps {
            let Kind::Map(more) = map.kind else { return Err(wrong()) };
            for (key, value) in more {
                let known = kept.iter().any(|(k, _)| k.text() == key.text());
                if !known {
                    kept.push((key, value));
                }
            }
        }
    }
    *entries = kept;
    Ok(())
}

impl Node {
    /// Returns the text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(&scalar.text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// Returns the text of a scalar that is not marked as text.
    fn plain(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(scalar) if !scalar.is_text => Some(&scalar.text),
            _ => None,
        }
    }

    /// Returns whether nothing was written, or a word for nothing.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.plain(), Some("" | "~" | "null" | "Null" | "NULL"))
    }

    /// Returns whether it is a map without entries.
    pub(crate) fn is_empty_map(&self) -> bool {
        matches!(&self.kind, Kind::Map(entries) if entries.is_empty())
    }

    /// Returns what it is, for messages.
    fn describe(&self) -> String {
        match &self.kind {
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
            Kind::Scalar(scalar) => format!("{:?}", scalar.text),
        }
    }
}

#[cfg(test)]
mod tests;
