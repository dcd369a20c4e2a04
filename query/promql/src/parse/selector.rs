//! Vector selectors, and the brackets that make ranges and subqueries.

use tarn_model::labels::METRIC_NAME;
use tarn_model::matcher::{MatchOp, Matcher};

use super::{Node, Parser, Place, literal};
use crate::ast::{DurationExpr, Expr, MatrixSelector, Span, Subquery, TimeShift, VectorSelector};
use crate::lex::{Token, TokenKind};
use crate::parse::Fail;
use crate::print::quote::quote_bytes;

const MATCHING: &str = "label matching";
const STRING: Place = Place { context: MATCHING, expected: "string" };
const OPERATOR: Place = Place { context: MATCHING, expected: "label matching operator" };
const NAME: Place = Place { context: MATCHING, expected: "identifier or \"}\"" };
const SEPARATOR: Place = Place { context: MATCHING, expected: "\",\" or \"}\"" };

const RANGE: Place = Place {
    context: "subquery or range selector",
    expected: "number, duration, step(), or range()",
};
const RANGE_END: Place = Place { context: "subquery or range", expected: "\":\" or \"]\"" };
const STEP: Place =
    Place { context: "subquery selector", expected: "number, duration, step(), range(), or \"]\"" };
const STEP_END: Place = Place { context: "subquery selector", expected: "\"]\"" };

impl Parser<'_> {
    /// Parses a selector whose name, if it has one, was taken.
    pub(super) fn vector_selector(&mut self, name: Option<Token<'_>>) -> Result<Node, Fail> {
        self.selector(name).map(|selector| Node::leaf(Expr::Vector(selector)))
    }

    /// Parses a selector and nothing else.
    pub(super) fn bare_selector(&mut self) -> Result<VectorSelector, Fail> {
        let token = self.peek()?;
        if token.kind.is_metric_name() {
            self.bump()?;
            return self.selector(Some(token));
        }
        if token.kind == TokenKind::LeftBrace {
            return self.selector(None);
        }
        Err(self.unexpected_in_expression())
    }

    fn selector(&mut self, name: Option<Token<'_>>) -> Result<VectorSelector, Fail> {
        let start = match name {
            Some(token) => token.span.start,
            None => self.peek()?.span.start,
        };
        let mut matchers = Vec::new();
        if name.is_none() || self.peek()?.kind == TokenKind::LeftBrace {
            matchers = self.matchers()?;
        }
        if let Some(token) = name {
            matchers.push(Matcher::equal(METRIC_NAME, token.text));
        }
        Ok(VectorSelector {
            name: name.map(|token| token.text.into()),
            matchers,
            shift: TimeShift::default(),
            extended: None,
            is_info_filter: false,
            span: Span::new(start, self.last_end),
        })
    }

    /// Parses the matchers in braces; a comma may end the list.
    fn matchers(&mut self) -> Result<Vec<Matcher>, Fail> {
        self.expect(TokenKind::LeftBrace)?;
        let mut matchers = Vec::new();
        while self.accept(TokenKind::RightBrace)?.is_none() {
            matchers.push(self.matcher()?);
            if self.accept(TokenKind::Comma)?.is_none() {
                self.expect_in(TokenKind::RightBrace, SEPARATOR)?;
                break;
            }
        }
        Ok(matchers)
    }

    fn matcher(&mut self) -> Result<Matcher, Fail> {
        let token = self.peek()?;
        if !matches!(token.kind, TokenKind::Identifier | TokenKind::String) {
            return Err(self.unexpected(NAME));
        }
        self.bump()?;
        let is_quoted = token.kind == TokenKind::String;
        let name = if is_quoted { self.utf8(token)? } else { token.text.to_owned() };
        let op = match self.peek()?.kind {
            TokenKind::Assign => MatchOp::Equal,
            TokenKind::Binary(crate::ast::BinaryOp::NotEqual) => MatchOp::NotEqual,
            TokenKind::RegexMatch => MatchOp::Regex,
            TokenKind::RegexNoMatch => MatchOp::NotRegex,
            // A lone string is the name of the metric.
            _ if is_quoted => return Ok(Matcher::equal(METRIC_NAME, &name)),
            _ => return Err(self.unexpected(OPERATOR)),
        };
        self.bump()?;
        let value = self.expect_in(TokenKind::String, STRING)?;
        let text = self.utf8(value)?;
        let span = token.span.to(value.span);
        let matcher =
            Matcher::new(&name, op, &text).map_err(|error| self.error(error.message(), span))?;
        if matcher.is_compiled() {
            let (left, limit) = self.regexes;
            let Some(left) = left.checked_sub(1) else {
                let message = format!("too many regular expressions, limit is {limit}");
                return Err(self.error(message, span));
            };
            self.regexes = (left, limit);
        }
        Ok(matcher)
    }

    /// Unquotes the name or value of a label. Stored labels are UTF-8, so nothing else can match.
    fn utf8(&self, token: Token<'_>) -> Result<String, Fail> {
        String::from_utf8(literal::unquote(token.text)).map_err(|error| {
            let bytes = quote_bytes(error.as_bytes());
            self.error(format!("invalid UTF-8 in label matching: {bytes}"), token.span)
        })
    }

    /// Parses the brackets behind an expression.
    pub(super) fn brackets(&mut self, node: Node) -> Result<Node, Fail> {
        let open = self.bump()?;
        let range = self.positive_duration(RANGE)?;
        match self.peek()?.kind {
            TokenKind::RightBracket => {
                let close = self.bump()?;
                self.matrix(node, range, open.span.to(close.span))
            }
            TokenKind::Colon => {
                self.bump()?;
                self.subquery(node, range)
            }
            _ => Err(self.unexpected(RANGE_END)),
        }
    }

    fn matrix(&self, node: Node, range: DurationExpr, brackets: Span) -> Result<Node, Fail> {
        let Expr::Vector(selector) = *node.expr else {
            return Err(self.error("ranges only allowed for vector selectors", brackets));
        };
        if selector.shift.offset.is_some() {
            return Err(self.error("no offset modifiers allowed before range", brackets));
        }
        if selector.shift.at.is_some() {
            return Err(self.error("no @ modifiers allowed before range", brackets));
        }
        let span = selector.span.to(brackets);
        Ok(Node::leaf(Expr::Matrix(MatrixSelector { selector, range, span })))
    }

    fn subquery(&mut self, node: Node, range: DurationExpr) -> Result<Node, Fail> {
        let mut step = None;
        if self.peek()?.kind != TokenKind::RightBracket {
            step = Some(self.positive_duration(STEP)?);
        }
        let close = self.expect_in(TokenKind::RightBracket, STEP_END)?;
        let span = node.expr.span().to(close.span);
        let shift = TimeShift::default();
        let expr = Subquery { expr: node.expr, range, step, shift, span };
        self.above(node.height, Expr::Subquery(expr))
    }
}
