//! Operators, signs and operands.
//!
//! Precedence climbing: [`Parser::expression`] takes an operand and then every operator that binds
//! at least as tightly as its caller asks, with the right side parsed one level tighter (or on the
//! same level for `^`, which groups to the right). A sign binds like `*`: looser than `^`, so that
//! `-1^2` is `-(1^2)`.

use super::matching::Modifiers;
use super::{Node, Parser};
use crate::ast::{
    Binary, BinaryOp, Expr, NumberLiteral, Paren, Sign, Span, StringLiteral, Unary,
};
use crate::lex::{Keyword, TokenKind};
use crate::parse::ParseError;

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
    pub(super) fn expression(&mut self, min: u8) -> Result<Node, ParseError> {
        self.enter()?;
        let mut lhs = self.signed_operand()?;
        while let TokenKind::Binary(op) = self.peek()?.kind {
            if precedence(op) < min {
                break;
            }
            self.bump()?;
            let modifiers = self.modifiers()?;
            let rhs = self.expression(right_precedence(op))?;
            lhs = self.binary(op, modifiers, lhs, rhs)?;
        }
        self.leave();
        Ok(lhs)
    }

    fn binary(
        &self,
        op: BinaryOp,
        modifiers: Box<Modifiers>,
        lhs: Node,
        rhs: Node,
    ) -> Result<Node, ParseError> {
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

    fn signed_operand(&mut self) -> Result<Node, ParseError> {
        let Some(first) = self.sign()? else { return self.operand() };
        let mut signs = vec![first];
        while let Some(sign) = self.sign()? {
            signs.push(sign);
        }
        let mut node = self.expression(POWER)?;
        while let Some((sign, span)) = signs.pop() {
            node = self.apply_sign(sign, span, node)?;
        }
        Ok(node)
    }

    /// Takes a sign.
    pub(super) fn sign(&mut self) -> Result<Option<(Sign, Span)>, ParseError> {
        let sign = match self.peek()?.kind {
            TokenKind::Binary(BinaryOp::Add) => Sign::Plus,
            TokenKind::Binary(BinaryOp::Sub) => Sign::Minus,
            _ => return Ok(None),
        };
        Ok(Some((sign, self.bump()?.span)))
    }

    /// Puts a sign before an expression. That of a number becomes part of it.
    fn apply_sign(&self, sign: Sign, span: Span, mut node: Node) -> Result<Node, ParseError> {
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
    fn operand(&mut self) -> Result<Node, ParseError> {
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

    fn bare_operand(&mut self) -> Result<Node, ParseError> {
        let token = self.peek()?;
        match token.kind {
            TokenKind::Number | TokenKind::Duration => self.number_literal(),
            TokenKind::String => self.string_literal(),
            TokenKind::LeftParen => self.parenthesised(),
            TokenKind::Aggregate(op) => {
                self.bump()?;
                match self.peek()?.kind {
                    TokenKind::LeftParen | TokenKind::Keyword(Keyword::By | Keyword::Without) => {
                        self.aggregate(op, token)
                    }
                    _ => self.vector_selector(Some(token)),
                }
            }
            TokenKind::Identifier | TokenKind::Preprocessor(_) => {
                self.bump()?;
                if self.peek()?.kind == TokenKind::LeftParen {
                    self.call(token)
                } else {
                    self.vector_selector(Some(token))
                }
            }
            kind if kind.is_metric_name() => {
                self.bump()?;
                self.vector_selector(Some(token))
            }
            TokenKind::LeftBrace => self.vector_selector(None),
            _ => Err(self.unexpected_in_expression()),
        }
    }

    /// Returns whether an expression can start with the next token.
    pub(super) fn is_at_expression(&mut self) -> Result<bool, ParseError> {
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

    fn number_literal(&mut self) -> Result<Node, ParseError> {
        let (value, is_duration, span) = self.number_or_duration()?;
        Ok(Node::leaf(Expr::Number(NumberLiteral { value, is_duration, span })))
    }

    fn string_literal(&mut self) -> Result<Node, ParseError> {
        let token = self.bump()?;
        let (value, raw) = super::literal::text_of(super::literal::unquote(token.text));
        Ok(Node::leaf(Expr::String(StringLiteral { value, raw, span: token.span })))
    }

    fn parenthesised(&mut self) -> Result<Node, ParseError> {
        let open = self.bump()?;
        let node = self.expression(0)?;
        let close = self.expect(TokenKind::RightParen)?;
        let span = open.span.to(close.span);
        self.above(node.height, Expr::Paren(Paren { expr: node.expr, span }))
    }
}
