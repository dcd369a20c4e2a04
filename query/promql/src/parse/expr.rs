//! Operators, signs and operands.
//!
//! Precedence climbing: [`Parser::expression`] takes an operand and then every operator that binds
//! at least as tightly as its caller asks, with the right side parsed one level tighter (or on the
//! same level for `^`, which groups to the right). A sign binds like `*`: looser than `^`, so that
//! `-1^2` is `-(1^2)`.

use super::matching::Modifiers;
use super::{Node, Parser};
use crate::ast::{Binary, BinaryOp, Expr, NumberLiteral, Paren, Sign, Span, StringLiteral, Unary};
use crate::lex::{Keyword, Token, TokenKind};
use crate::parse::Fail;

/// How tightly `^` binds; what a sign applies to binds at least so.
pub(super) const POWER: u8 = 6;

/// Returns how tightly the operator binds.
pub(super) fn precedence(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And | BinaryOp::Unless => 2,
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Greater
        | BinaryOp::Less
        | BinaryOp::GreaterEqual
        | BinaryOp::LessEqual
        | BinaryOp::TrimUpper
        | BinaryOp::TrimLower => 3,
        BinaryOp::Add | BinaryOp::Sub => 4,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod | BinaryOp::Atan2 => 5,
        BinaryOp::Pow => POWER,
    }
}

/// Returns how tightly operators on the right side must bind to belong to it.
pub(super) fn right_precedence(op: BinaryOp) -> u8 {
    if op == BinaryOp::Pow { POWER } else { precedence(op) + 1 }
}

impl Parser<'_> {
    /// Parses an expression whose operators bind at least as tightly as `min`.
    pub(super) fn expression(&mut self, min: u8) -> Result<Node, Fail> {
        self.enter()?;
        let mut lhs = self.signed_operand()?;
        while let Some(op) = self.operator(min)? {
            let modifiers = self.modifiers()?;
            let rhs = self.expression(right_precedence(op))?;
            lhs = self.binary(op, modifiers, lhs, rhs)?;
        }
        self.leave();
        Ok(lhs)
    }

    /// Takes an operator that binds at least as tightly as `min`.
    fn operator(&mut self, min: u8) -> Result<Option<BinaryOp>, Fail> {
        match self.peek()?.kind {
            TokenKind::Binary(op) if precedence(op) >= min => {
                self.bump()?;
                Ok(Some(op))
            }
            _ => Ok(None),
        }
    }

    fn binary(
        &self,
        op: BinaryOp,
        modifiers: Modifiers,
        lhs: Node,
        rhs: Node,
    ) -> Result<Node, Fail> {
        let span = lhs.expr.span().to(rhs.expr.span());
        let fill = modifiers.matching.fill;
        if !self.options.fill && (fill.left.is_some() || fill.right.is_some()) {
            return Err(self.error("binop fill modifiers are experimental and not enabled", span));
        }
        let height = lhs.height.max(rhs.height);
        let expr = Binary {
            op,
            return_bool: modifiers.return_bool,
            matching: Some(modifiers.matching),
            lhs: lhs.expr,
            rhs: rhs.expr,
            span,
        };
        self.above(height, Expr::Binary(expr))
    }

    fn signed_operand(&mut self) -> Result<Node, Fail> {
        let mut signs = self.signs()?;
        if signs.is_empty() {
            return self.operand();
        }
        let mut node = self.expression(POWER)?;
        while let Some((sign, span)) = signs.pop() {
            node = self.apply_sign(sign, span, node)?;
        }
        Ok(node)
    }

    /// Takes all signs.
    pub(super) fn signs(&mut self) -> Result<Vec<(Sign, Span)>, Fail> {
        let mut signs = Vec::new();
        while let Some(sign) = self.sign()? {
            signs.push(sign);
        }
        Ok(signs)
    }

    /// Takes a sign.
    pub(super) fn sign(&mut self) -> Result<Option<(Sign, Span)>, Fail> {
        let sign = match self.peek()?.kind {
            TokenKind::Binary(BinaryOp::Add) => Sign::Plus,
            TokenKind::Binary(BinaryOp::Sub) => Sign::Minus,
            _ => return Ok(None),
        };
        Ok(Some((sign, self.bump()?.span)))
    }

    /// Puts a sign before an expression. That of a number becomes part of it.
    fn apply_sign(&self, sign: Sign, span: Span, mut node: Node) -> Result<Node, Fail> {
        if let Expr::Number(number) = &mut *node.expr {
            if sign == Sign::Minus {
                number.value = -number.value;
            }
            number.span.start = span.start;
            return Ok(node);
        }
        let span = span.to(node.expr.span());
        self.above(node.height, Expr::Unary(Unary { sign, expr: node.expr, span }))
    }

    /// Parses an operand and the modifiers behind it.
    fn operand(&mut self) -> Result<Node, Fail> {
        let mut node = self.bare_operand()?;
        loop {
            match self.peek()?.kind {
                TokenKind::LeftBracket => node = self.brackets(node)?,
                TokenKind::Keyword(Keyword::Offset) => self.offset(&mut node.expr)?,
                TokenKind::At => self.at(&mut node.expr)?,
                TokenKind::Keyword(word @ (Keyword::Anchored | Keyword::Smoothed)) => {
                    self.extended(word, &mut node.expr)?;
                }
                _ => return Ok(node),
            }
        }
    }

    fn bare_operand(&mut self) -> Result<Node, Fail> {
        let token = self.peek()?;
        match token.kind {
            TokenKind::Number | TokenKind::Duration => self.number_literal(),
            TokenKind::String => self.string_literal(),
            TokenKind::LeftParen => self.parenthesised(),
            TokenKind::LeftBrace => self.vector_selector(None),
            kind if kind.is_metric_name() => self.named_operand(token),
            _ => Err(self.unexpected_in_expression()),
        }
    }

    /// Parses what starts with a word: an aggregation, a call, or else a selector.
    fn named_operand(&mut self, name: Token<'_>) -> Result<Node, Fail> {
        self.bump()?;
        match (name.kind, self.peek()?.kind) {
            (
                TokenKind::Aggregate(op),
                TokenKind::LeftParen | TokenKind::Keyword(Keyword::By | Keyword::Without),
            ) => self.aggregate(op, name.span.start),
            (TokenKind::Identifier | TokenKind::Preprocessor(_), TokenKind::LeftParen) => {
                self.call(name)
            }
            _ => self.vector_selector(Some(name)),
        }
    }

    /// Returns whether an expression can start with the next token.
    pub(super) fn is_at_expression(&mut self) -> Result<bool, Fail> {
        Ok(match self.peek()?.kind {
            TokenKind::Number
            | TokenKind::Duration
            | TokenKind::String
            | TokenKind::LeftParen
            | TokenKind::LeftBrace
            | TokenKind::Binary(BinaryOp::Add | BinaryOp::Sub) => true,
            kind => kind.is_metric_name(),
        })
    }

    fn number_literal(&mut self) -> Result<Node, Fail> {
        let (value, is_duration, span) = self.number_or_duration()?;
        Ok(Node::leaf(Expr::Number(NumberLiteral { value, is_duration, span })))
    }

    fn string_literal(&mut self) -> Result<Node, Fail> {
        let token = self.bump()?;
        let (value, raw) = super::literal::text_of(super::literal::unquote(token.text));
        Ok(Node::leaf(Expr::String(StringLiteral { value, raw, span: token.span })))
    }

    fn parenthesised(&mut self) -> Result<Node, Fail> {
        let start = self.bump()?.span.start;
        let node = self.expression(0)?;
        self.expect(TokenKind::RightParen)?;
        self.paren(node, start)
    }

    fn paren(&self, node: Node, start: usize) -> Result<Node, Fail> {
        let span = Span::new(start, self.last_end);
        self.above(node.height, Expr::Paren(Paren { expr: node.expr, span }))
    }
}
