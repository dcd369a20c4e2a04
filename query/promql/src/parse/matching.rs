//! What stands between an operator and its right side: `bool`, `on`, `group_left`, `fill`.

use std::sync::Arc;

use tarn_model::labels::is_legacy_label_name;

use super::{Parser, Place};
use crate::ast::{BinaryOp, Cardinality, Sign, VectorMatching};
use crate::lex::{Keyword, Token, TokenKind};
use crate::parse::Fail;

/// The modifiers of a binary operator.
pub(super) struct Modifiers {
    pub(super) return_bool: bool,
    pub(super) matching: VectorMatching,
}

impl Parser<'_> {
    pub(super) fn modifiers(&mut self) -> Result<Modifiers, Fail> {
        let return_bool = self.accept(TokenKind::Keyword(Keyword::Bool))?.is_some();
        let mut matching = VectorMatching::default();
        let on = self.accept(TokenKind::Keyword(Keyword::On))?.is_some();
        if on || self.accept(TokenKind::Keyword(Keyword::Ignoring))?.is_some() {
            matching.on = on;
            matching.labels = self.grouping_labels()?;
            self.group_side(&mut matching)?;
        }
        self.fills(&mut matching)?;
        Ok(Modifiers { return_bool, matching })
    }

    fn group_side(&mut self, matching: &mut VectorMatching) -> Result<(), Fail> {
        matching.cardinality = match self.peek()?.kind {
            TokenKind::Keyword(Keyword::GroupLeft) => Cardinality::ManyToOne,
            TokenKind::Keyword(Keyword::GroupRight) => Cardinality::OneToMany,
            _ => return Ok(()),
        };
        self.bump()?;
        if self.peek()?.kind == TokenKind::LeftParen {
            matching.include = self.grouping_labels()?;
        }
        Ok(())
    }

    /// Parses `fill(x)`, or one or both of `fill_left(x)` and `fill_right(x)`. Without parentheses
    /// the words are names of metrics.
    fn fills(&mut self, matching: &mut VectorMatching) -> Result<(), Fail> {
        let fill = &mut matching.fill;
        loop {
            let TokenKind::Keyword(word) = self.peek()?.kind else { return Ok(()) };
            let is_free = match word {
                Keyword::Fill => fill.left.is_none() && fill.right.is_none(),
                Keyword::FillLeft => fill.left.is_none(),
                Keyword::FillRight => fill.right.is_none(),
                _ => false,
            };
            if !is_free || !self.lexer.is_followed_by('(') {
                return Ok(());
            }
            self.bump()?;
            let value = Some(self.fill_value()?);
            if word != Keyword::FillRight {
                fill.left = value;
            }
            if word != Keyword::FillLeft {
                fill.right = value;
            }
        }
    }

    fn fill_value(&mut self) -> Result<f64, Fail> {
        self.expect(TokenKind::LeftParen)?;
        let sign = self.sign()?;
        if !matches!(self.peek()?.kind, TokenKind::Number | TokenKind::Duration) {
            return Err(self.unexpected_in_expression());
        }
        let (value, ..) = self.number_or_duration()?;
        self.expect(TokenKind::RightParen)?;
        Ok(if matches!(sign, Some((Sign::Minus, _))) { -value } else { value })
    }

    /// Parses a list of label names in parentheses; a comma may end it.
    pub(super) fn grouping_labels(&mut self) -> Result<Vec<Arc<str>>, Fail> {
        const PLACE: &str = "grouping opts";
        let open = Place { context: PLACE, expected: "\"(\"" };
        let separator = Place { context: PLACE, expected: "\",\" or \")\"" };
        self.expect_in(TokenKind::LeftParen, open)?;
        let mut labels = Vec::new();
        while self.accept(TokenKind::RightParen)?.is_none() {
            labels.push(self.grouping_label()?);
            if self.accept(TokenKind::Comma)?.is_none() {
                self.expect_in(TokenKind::RightParen, separator)?;
                break;
            }
        }
        Ok(labels)
    }

    fn grouping_label(&mut self) -> Result<Arc<str>, Fail> {
        let token = self.peek()?;
        match token.kind {
            TokenKind::String => {
                self.bump()?;
                let name = super::literal::unquote(token.text);
                match String::from_utf8(name) {
                    Ok(name) if !name.is_empty() => Ok(name.into()),
                    Ok(_) => Err(self.error("invalid label name for grouping: \"\"", token.span)),
                    Err(error) => {
                        let name = crate::print::quote::quote_bytes(error.as_bytes());
                        let message = format!("invalid label name for grouping: {name}");
                        Err(self.error(message, token.span))
                    }
                }
            }
            _ if is_label_name(token) => {
                self.bump()?;
                Ok(token.text.into())
            }
            _ => Err(self.unexpected(Place { context: "grouping opts", expected: "label" })),
        }
    }
}

/// Returns whether a label in a grouping may have the token as its name. No word is reserved here;
/// the lexer takes `inf` and `nan` for numbers.
fn is_label_name(token: Token<'_>) -> bool {
    match token.kind {
        TokenKind::Number => is_legacy_label_name(token.text),
        TokenKind::Identifier
        | TokenKind::MetricIdentifier
        | TokenKind::Aggregate(_)
        | TokenKind::Preprocessor(_)
        | TokenKind::Keyword(_) => true,
        TokenKind::Binary(op) => {
            matches!(op, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless | BinaryOp::Atan2)
        }
        _ => false,
    }
}
