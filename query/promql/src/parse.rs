//! Tokens to tree: a recursive-descent parser with operator precedences, one token of lookahead.
//!
//! [`parse`] builds the tree and then lets `check.rs` prove its types. The first error ends
//! the work; it points at a span, and its text is that of Prometheus, which people know and which
//! tools match on. Two limits hold before anything else does: the length of the text, and the depth
//! of the tree, so that neither this parser nor whoever walks the tree can run out of stack.

use std::fmt;

use tarn_model::error::Error;
use tarn_model::limits::Limits;
use tarn_model::matcher::Matcher;

use crate::ast::{Expr, ParseOptions, Position, Span};
use crate::check;
use crate::lex::{Lexer, Token, TokenKind};

mod call;
mod duration;
mod expr;
pub(crate) mod literal;
mod matching;
mod postfix;
mod selector;

/// How much text and how much nesting are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseLimits {
    /// Bytes of text.
    pub bytes_max: usize,
    /// Height of the tree. A chain of operators is a tree as high as the chain is long.
    pub depth_max: usize,
    /// Regular expressions that need a compiled program.
    pub regexes_max: usize,
}

impl From<&Limits> for ParseLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            bytes_max: limits.promql_bytes_max.as_usize(),
            depth_max: limits.promql_depth_max,
            regexes_max: limits.promql_regexes_max,
        }
    }
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}

/// Why a text is not a query. Prints as `line:column: parse error: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Where, as people count; `None` for an empty text.
    pub position: Option<Position>,
}

impl ParseError {
    pub(crate) fn new(message: impl Into<String>, span: Span, source: &str) -> Self {
        let position = (!source.is_empty()).then(|| span.position(source));
        Self { message: message.into(), span, position }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "{position}: parse error: {}", self.message),
            None => write!(f, "unknown position: parse error: {}", self.message),
        }
    }
}

impl std::error::Error for ParseError {}

/// An error on its way up. A box keeps the frames of recursive functions small.
pub(crate) type Fail = Box<ParseError>;

impl From<Fail> for ParseError {
    fn from(error: Fail) -> Self {
        *error
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Parses a query and proves its types.
///
/// # Errors
/// The text is too long, nested too deeply, no query, or a query that cannot be evaluated.
pub fn parse(text: &str, options: &ParseOptions, limits: ParseLimits) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(text, options, limits)?;
    if parser.peek()?.kind == TokenKind::Eof {
        return Err(*parser.error("no expression found in input", Span::default()));
    }
    let node = parser.expression(0)?;
    parser.expect_end()?;
    let mut expr = *node.expr;
    check::check(&mut expr, text)?;
    Ok(expr)
}

/// Parses a metric selector such as `up{job="x"}`, as the parameters `match[]` hold it.
///
/// # Errors
/// The text is too long, or anything but one selector without modifiers.
pub fn parse_selector(text: &str, limits: ParseLimits) -> Result<Vec<Matcher>, ParseError> {
    let mut parser = Parser::new(text, &ParseOptions::NONE, limits)?;
    let selector = parser.bare_selector()?;
    parser.expect_end()?;
    Ok(selector.matchers)
}

/// A parsed expression and the height of its tree.
struct Node {
    expr: Box<Expr>,
    height: usize,
}

impl Node {
    fn leaf(expr: Expr) -> Self {
        Self { expr: Box::new(expr), height: 1 }
    }
}

/// The state of parsing: what was read, what may come.
struct Parser<'a> {
    source: &'a str,
    lexer: Lexer<'a>,
    peeked: Option<Token<'a>>,
    options: ParseOptions,
    depth_max: usize,
    /// How many calls of [`Parser::expression`] and the like are under way.
    depth: usize,
    /// How many of the enclosing parentheses are those of an aggregation: unexpected tokens are
    /// reported as part of it.
    aggregations: usize,
    /// The end of the last token taken.
    last_end: usize,
    /// How many compiled regular expressions the query may still have, and might have at all.
    regexes: (usize, usize),
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, options: &ParseOptions, limits: ParseLimits) -> Result<Self, Fail> {
        if source.len() > limits.bytes_max {
            let message = format!(
                "query of {} bytes exceeds the limit of {}",
                source.len(),
                limits.bytes_max
            );
            return Err(Box::new(ParseError::new(message, Span::new(0, source.len()), source)));
        }
        Ok(Self {
            source,
            lexer: Lexer::new(source),
            peeked: None,
            options: *options,
            depth_max: limits.depth_max,
            depth: 0,
            aggregations: 0,
            last_end: 0,
            regexes: (limits.regexes_max, limits.regexes_max),
        })
    }

    /// Returns the next token without taking it.
    fn peek(&mut self) -> Result<Token<'a>, Fail> {
        match self.peeked {
            Some(token) => Ok(token),
            None => {
                let token = self.lexer.next()?;
                self.peeked = Some(token);
                Ok(token)
            }
        }
    }

    /// Takes the next token.
    fn bump(&mut self) -> Result<Token<'a>, Fail> {
        let token = self.peek()?;
        self.peeked = None;
        self.last_end = token.span.end;
        Ok(token)
    }

    /// Takes the next token if it is of the kind.
    fn accept(&mut self, kind: TokenKind) -> Result<Option<Token<'a>>, Fail> {
        if self.peek()?.kind == kind { self.bump().map(Some) } else { Ok(None) }
    }

    /// Takes a token of the kind, or fails as part of an expression.
    fn expect(&mut self, kind: TokenKind) -> Result<Token<'a>, Fail> {
        match self.accept(kind)? {
            Some(token) => Ok(token),
            None => Err(self.unexpected_in_expression()),
        }
    }

    /// Takes a token of the kind, or fails with the names of the construct and of what may stand
    /// here.
    fn expect_in(&mut self, kind: TokenKind, place: Place) -> Result<Token<'a>, Fail> {
        match self.accept(kind)? {
            Some(token) => Ok(token),
            None => Err(self.unexpected(place)),
        }
    }

    fn expect_end(&mut self) -> Result<(), Fail> {
        self.expect(TokenKind::Eof).map(|_| ())
    }

    /// Makes the error for the next token where an expression stops making sense.
    fn unexpected_in_expression(&mut self) -> Fail {
        let context = if self.aggregations > 0 { "aggregation" } else { "" };
        self.unexpected(Place { context, expected: "" })
    }

    /// Makes the error for the next token.
    fn unexpected(&mut self, place: Place) -> Fail {
        let token = match self.peek() {
            Ok(token) => token,
            Err(error) => return error,
        };
        let mut message = format!("unexpected {}", token.describe());
        if !place.context.is_empty() {
            message.push_str(" in ");
            message.push_str(place.context);
        }
        if !place.expected.is_empty() {
            message.push_str(", expected ");
            message.push_str(place.expected);
        }
        self.error(message, token.span)
    }

    fn error(&self, message: impl Into<String>, span: Span) -> Fail {
        Box::new(ParseError::new(message, span, self.source))
    }

    /// Goes one level deeper. Every level is left again, except by an error that ends the work.
    fn enter(&mut self) -> Result<(), Fail> {
        self.depth += 1;
        self.check_height(self.depth)
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Refuses a tree of this height.
    fn check_height(&self, height: usize) -> Result<(), Fail> {
        if height > self.depth_max {
            let message = format!("expression is nested more than {} levels deep", self.depth_max);
            return Err(self.error(message, Span::new(self.last_end, self.last_end)));
        }
        Ok(())
    }

    /// Makes a node above others of which the highest has `height`.
    fn above(&self, height: usize, expr: Expr) -> Result<Node, Fail> {
        self.check_height(height + 1)?;
        Ok(Node { expr: Box::new(expr), height: height + 1 })
    }
}

/// The construct that is being parsed and what may come next, for error messages.
#[derive(Debug, Clone, Copy)]
struct Place {
    context: &'static str,
    expected: &'static str,
}

#[cfg(test)]
mod tests;
