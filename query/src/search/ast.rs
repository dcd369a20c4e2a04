//! The tree of a search.

use super::Span;

/// What rows are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// All of them.
    All,
    /// Those that all of these want.
    And(Vec<Query>),
    /// Those that one of these wants.
    Or(Vec<Query>),
    /// Those that this does not want.
    Not(Box<Query>),
    /// Those in which something is found.
    Term(Term),
}

/// One thing to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// What.
    pub kind: TermKind,
    /// Where the term stands in the text.
    pub span: Span,
}

/// What a term looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TermKind {
    /// Something in the text of the row.
    Text(Value),
    /// A key that the row has.
    Exists(Key),
    /// A key with a value.
    Field {
        /// The key.
        key: Key,
        /// How key and value compare.
        op: Op,
        /// The value.
        value: Value,
        /// Where the value stands.
        value_span: Span,
    },
}

/// A key, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Whose.
    pub owner: Owner,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

/// Who has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Intrinsic, attribute or resource, in this order.
    Any,
    /// The row's attributes.
    Attribute,
    /// The row's resource.
    Resource,
    /// The row's scope.
    Scope,
}

impl Owner {
    /// Those that can be named.
    pub const NAMED: [Self; 3] = [Self::Attribute, Self::Resource, Self::Scope];

    /// Returns what stands before the name.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Attribute => "@attr.",
            Self::Resource => "@resource.",
            Self::Scope => "@scope.",
        }
    }
}

/// How key and value compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// `:`, as text.
    Is,
    /// `=`, as numbers where both are.
    Equal,
    /// `!=`, has the key and is not equal.
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
}

impl Op {
    /// All of them; where one begins like another, the longer comes first.
    pub const ALL: [Self; 7] = [
        Self::Is,
        Self::NotEqual,
        Self::GreaterEqual,
        Self::LessEqual,
        Self::Equal,
        Self::Greater,
        Self::Less,
    ];

    /// Returns how it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Is => ":",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Less => "<",
            Self::LessEqual => "<=",
        }
    }

    /// Returns whether it asks for more or less, not for the same.
    pub fn is_order(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterEqual | Self::Less | Self::LessEqual)
    }
}

/// What a text is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A word, maybe with wildcards.
    Word(Glob),
    /// A text in quotes, as it is.
    Phrase(String),
    /// A regular expression.
    Regex(String),
}

/// Pieces of text with a wildcard between each two: `a*` is `a` and the empty text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    pieces: Vec<String>,
}

impl Glob {
    /// Makes a text without wildcards.
    pub fn literal(text: impl Into<String>) -> Self {
        Self { pieces: vec![text.into()] }
    }

    /// Makes one of the texts between wildcards. Of wildcards with nothing between them, one stays;
    /// without pieces it is the empty text.
    pub fn new(pieces: Vec<String>) -> Self {
        let last = pieces.len().saturating_sub(1);
        let keep = |(i, piece): (usize, String)| {
            let is_inner = i > 0 && i < last;
            (!is_inner || !piece.is_empty()).then_some(piece)
        };
        let pieces: Vec<String> = pieces.into_iter().enumerate().filter_map(keep).collect();
        if pieces.is_empty() { Self::literal("") } else { Self { pieces } }
    }

    /// Returns the texts between wildcards; never none.
    pub fn pieces(&self) -> &[String] {
        &self.pieces
    }

    /// Returns the text, where there is no wildcard.
    pub fn as_literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [text] => Some(text),
            _ => None,
        }
    }

    /// Returns whether it is nothing but a wildcard.
    pub fn is_any(&self) -> bool {
        self.pieces.len() > 1 && self.pieces.iter().all(String::is_empty)
    }
}
