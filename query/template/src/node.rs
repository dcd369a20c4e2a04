//! The tree of a template. Nodes print as Go prints them, since errors quote them.

use std::fmt;
use std::sync::Arc;

use crate::format::quote;

/// One template: what it is called, where its text came from, what it does.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) name: Arc<str>,
    /// The name of the text in which it was defined.
    pub(crate) parse_name: Arc<str>,
    pub(crate) text: Arc<str>,
    pub(crate) root: Vec<Node>,
}

#[derive(Debug)]
pub(crate) enum Node {
    Text { text: Arc<str> },
    Action { pos: usize, pipe: Pipe },
    If(Branch),
    With(Branch),
    Range(Branch),
    Template { pos: usize, name: Arc<str>, pipe: Option<Pipe> },
    Break,
    Continue,
}

#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pipe: Pipe,
    pub(crate) list: Vec<Node>,
    pub(crate) other: Option<Vec<Node>>,
}

#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: usize,
    /// `=` rather than `:=`.
    pub(crate) assign: bool,
    pub(crate) declared: Vec<Arc<str>>,
    pub(crate) commands: Vec<Command>,
}

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) pos: usize,
    pub(crate) args: Vec<Expr>,
}

#[derive(Debug)]
pub(crate) enum Expr {
    Dot {
        pos: usize,
    },
    Nil {
        pos: usize,
    },
    Bool {
        pos: usize,
        value: bool,
    },
    Number {
        pos: usize,
        number: Number,
    },
    Text {
        pos: usize,
        quoted: Arc<str>,
        text: Arc<str>,
    },
    Function {
        pos: usize,
        name: Arc<str>,
    },
    Field {
        pos: usize,
        names: Vec<Arc<str>>,
    },
    /// The first name is that of the variable, with its `$`.
    Variable {
        pos: usize,
        names: Vec<Arc<str>>,
    },
    Chain {
        pos: usize,
        of: Box<Expr>,
        names: Vec<Arc<str>>,
    },
    Pipe(Pipe),
}

/// A number as written, and what it can be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Number {
    pub(crate) text: Arc<str>,
    pub(crate) int: Option<i64>,
    /// Fits an unsigned integer.
    pub(crate) unsigned: bool,
    pub(crate) float: Option<f64>,
    /// The imaginary part, where it was written with an `i`.
    pub(crate) complex: Option<(f64, f64)>,
}

impl Expr {
    pub(crate) fn pos(&self) -> usize {
        match self {
            Self::Dot { pos }
            | Self::Nil { pos }
            | Self::Bool { pos, .. }
            | Self::Number { pos, .. }
            | Self::Text { pos, .. }
            | Self::Function { pos, .. }
            | Self::Field { pos, .. }
            | Self::Variable { pos, .. }
            | Self::Chain { pos, .. } => *pos,
            Self::Pipe(pipe) => pipe.pos,
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dot { .. } => f.write_str("."),
            Self::Nil { .. } => f.write_str("nil"),
            Self::Bool { value, .. } => write!(f, "{value}"),
            Self::Number { number, .. } => f.write_str(&number.text),
            Self::Text { quoted, .. } => f.write_str(quoted),
            Self::Function { name, .. } => f.write_str(name),
            Self::Field { names, .. } => names.iter().try_for_each(|name| write!(f, ".{name}")),
            Self::Variable { names, .. } => f.write_str(&names.join(".")),
            Self::Chain { of, names, .. } => {
                match &**of {
                    Self::Pipe(pipe) => write!(f, "({pipe})")?,
                    other => write!(f, "{other}")?,
                }
                names.iter().try_for_each(|name| write!(f, ".{name}"))
            }
            Self::Pipe(pipe) => write!(f, "{pipe}"),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            match arg {
                Expr::Pipe(pipe) => write!(f, "({pipe})")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.declared.is_empty() {
            let sign = if self.assign { "=" } else { ":=" };
            write!(f, "{} {sign} ", self.declared.join(", "))?;
        }
        for (i, command) in self.commands.iter().enumerate() {
            if i > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{command}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Node {
    /// Prints actions and calls of templates; errors quote no other node.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action { pipe, .. } => write!(f, "{{{{{pipe}}}}}"),
            Self::Template { name, pipe: None, .. } => {
                write!(f, "{{{{template {}}}}}", quote(name))
            }
            Self::Template { name, pipe: Some(pipe), .. } => {
                write!(f, "{{{{template {} {pipe}}}}}", quote(name))
            }
            Self::Text { text } => f.write_str(text),
            Self::If(_) => f.write_str("{{if}}"),
            Self::With(_) => f.write_str("{{with}}"),
            Self::Range(_) => f.write_str("{{range}}"),
            Self::Break => f.write_str("{{break}}"),
            Self::Continue => f.write_str("{{continue}}"),
        }
    }
}

/// Returns whether nothing but spaces would come out: such a definition yields to another one.
pub(crate) fn is_blank(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| matches!(node, Node::Text { text } if text.trim().is_empty()))
}
