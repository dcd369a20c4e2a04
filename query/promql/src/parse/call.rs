//! Aggregations and function calls.

use super::{Node, Parser};
use crate::ast::{Aggregate, AggregateOp, Call, Expr, Span};
use crate::functions::signature::Signature;
use crate::lex::{Keyword, Token, TokenKind};
use crate::parse::Fail;
use crate::print::quote::quote;

/// `by` or `without`, and the labels.
#[derive(Default)]
struct Grouping {
    without: bool,
    labels: Vec<std::sync::Arc<str>>,
}

impl Parser<'_> {
    /// Parses an aggregation whose operator was taken.
    pub(super) fn aggregate(&mut self, op: AggregateOp, start: usize) -> Result<Node, Fail> {
        self.aggregations += 1;
        let before = self.grouping()?;
        let args = self.arguments()?;
        self.aggregations -= 1;
        self.aggregate_rest(op, start, before, args)
    }

    fn aggregate_rest(
        &mut self,
        op: AggregateOp,
        start: usize,
        before: Option<Grouping>,
        args: Vec<Node>,
    ) -> Result<Node, Fail> {
        let grouping = match before {
            Some(grouping) => grouping,
            None => self.grouping()?.unwrap_or_default(),
        };
        self.aggregate_node(op, grouping, args, Span::new(start, self.last_end))
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, Fail> {
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
    ) -> Result<Node, Fail> {
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
    pub(super) fn call(&mut self, name: Token<'_>) -> Result<Node, Fail> {
        let args = self.arguments()?;
        self.call_node(name, args)
    }

    fn call_node(&self, name: Token<'_>, args: Vec<Node>) -> Result<Node, Fail> {
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

    fn arguments(&mut self) -> Result<Vec<Node>, Fail> {
        let mut args = Vec::new();
        let mut is_open = self.open_arguments()?;
        while is_open {
            args.push(self.expression(0)?);
            is_open = self.next_argument()?;
        }
        Ok(args)
    }

    /// Returns whether there is an argument.
    fn open_arguments(&mut self) -> Result<bool, Fail> {
        self.expect(TokenKind::LeftParen)?;
        Ok(self.accept(TokenKind::RightParen)?.is_none())
    }

    /// Returns whether there is another argument.
    fn next_argument(&mut self) -> Result<bool, Fail> {
        let Some(comma) = self.accept(TokenKind::Comma)? else {
            self.expect(TokenKind::RightParen)?;
            return Ok(false);
        };
        if self.is_at_expression()? {
            return Ok(true);
        }
        Err(self.error("trailing commas not allowed in function call args", comma.span))
    }
}
