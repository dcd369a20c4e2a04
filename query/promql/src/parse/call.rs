//! Aggregations and function calls.

use super::{Node, Parser};
use crate::ast::{Aggregate, AggregateOp, Call, Expr, Span};
use crate::functions::signature::Signature;
use crate::lex::{Keyword, Token, TokenKind};
use crate::parse::ParseError;
use crate::print::quote::quote;

/// `by` or `without`, and the labels.
#[derive(Default)]
struct Grouping {
    without: bool,
    labels: Vec<std::sync::Arc<str>>,
}

impl Parser<'_> {
    /// Parses an aggregation whose operator was taken.
    pub(super) fn aggregate(&mut self, op: AggregateOp, name: Token<'_>) -> Result<Node, ParseError> {
        self.aggregations += 1;
        let before = self.grouping()?;
        let args = self.arguments()?;
        self.aggregations -= 1;
        let grouping = match before {
            Some(grouping) => grouping,
            None => self.grouping()?.unwrap_or_default(),
        };
        let span = Span::new(name.span.start, self.last_end);
        self.aggregate_node(op, grouping, args, span)
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, ParseError> {
        let without = match self.peek()?.kind {
            TokenKind::Keyword(Keyword::By) => false,
            TokenKind::Keyword(Keyword::Without) => true,
            _ => return Ok(None),
        };
        self.bump()?;
        Ok(Some(Grouping { without, labels: self.grouping_labels()? }))
    }

    fn aggregate_node(
        &self,
        op: AggregateOp,
        grouping: Grouping,
        args: Vec<Node>,
        span: Span,
    ) -> Result<Node, ParseError> {
        if args.is_empty() {
            return Err(self.error("no arguments for aggregate expression provided", span));
        }
        if op.is_experimental() && !self.options.experimental_functions {
            let message = format!(
                "{}() is experimental and must be enabled with \
                 --enable-feature=promql-experimental-functions",
                op.as_str()
            );
            return Err(self.error(message, span));
        }
        let wanted = if op.param_type().is_some() { 2 } else { 1 };
        let given = args.len();
        let height = args.iter().map(|arg| arg.height).max().unwrap_or_default();
        let mut args = args.into_iter();
        let param = if wanted == 2 { args.next() } else { None };
        match (args.next(), args.next()) {
            (Some(expr), None) => {
                let expr = Aggregate {
                    op,
                    without: grouping.without,
                    grouping: grouping.labels,
                    param: param.map(|param| param.expr),
                    expr: expr.expr,
                    span,
                };
                self.above(height, Expr::Aggregate(expr))
            }
            _ => {
                let message = format!(
                    "wrong number of arguments for aggregate expression provided, \
                     expected {wanted}, got {given}"
                );
                Err(self.error(message, span))
            }
        }
    }

    /// Parses the call of a function whose name was taken.
    pub(super) fn call(&mut self, name: Token<'_>) -> Result<Node, ParseError> {
        let args = self.arguments()?;
        let span = Span::new(name.span.start, self.last_end);
        let Some(function) = Signature::of(name.text) else {
            let message = format!("unknown function with name {}", quote(name.text));
            return Err(self.error(message, name.span));
        };
        if function.experimental && !self.options.experimental_functions {
            let message = format!("function {} is not enabled", quote(name.text));
            return Err(self.error(message, name.span));
        }
        let height = args.iter().map(|arg| arg.height).max().unwrap_or_default();
        let args = args.into_iter().map(|arg| *arg.expr).collect();
        self.above(height, Expr::Call(Call { function, args, span }))
    }

    fn arguments(&mut self) -> Result<Vec<Node>, ParseError> {
        self.expect(TokenKind::LeftParen)?;
        let mut args = Vec::new();
        if self.accept(TokenKind::RightParen)?.is_some() {
            return Ok(args);
        }
        loop {
            args.push(self.expression(0)?);
            let Some(comma) = self.accept(TokenKind::Comma)? else { break };
            if !self.is_at_expression()? {
                let message = "trailing commas not allowed in function call args";
                return Err(self.error(message, comma.span));
            }
        }
        self.expect(TokenKind::RightParen)?;
        Ok(args)
    }
}
