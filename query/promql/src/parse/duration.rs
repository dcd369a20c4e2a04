//! Durations in brackets and behind `offset`.
//!
//! Inside brackets arithmetic is free. Behind `offset` only what is in parentheses, or a single
//! term with or without a sign, belongs to the duration: `foo offset 5m - 2` subtracts 2 from the
//! selected samples.

use super::expr::{POWER, precedence, right_precedence};
use super::{Parser, Place};
use crate::ast::{BinaryOp, DurationExpr, DurationKind, DurationOp, Sign, Span};
use crate::lex::{Preprocessor, TokenKind};
use crate::parse::Fail;

const OFFSET: Place = Place { context: "offset", expected: "number, duration, step(), or range()" };

/// Upstream keeps durations as nanoseconds in 64 bits.
const SECONDS_MAX: f64 = 9_223_372_036.854_776;

/// A duration and the height of its tree.
struct Term {
    duration: Box<DurationExpr>,
    height: usize,
}

impl Term {
    fn leaf(kind: DurationKind, span: Span) -> Self {
        Self { duration: Box::new(DurationExpr { kind, span }), height: 1 }
    }
}

impl Parser<'_> {
    /// Parses the duration of a range or step.
    pub(super) fn positive_duration(&mut self, place: Place) -> Result<DurationExpr, Fail> {
        let duration = *self.duration(0, place)?.duration;
        if duration.as_millis().is_some_and(|ms| ms <= 0) {
            return Err(self.error("duration must be greater than 0", duration.span));
        }
        Ok(duration)
    }

    /// Parses the duration of an offset.
    pub(super) fn offset_duration(&mut self) -> Result<DurationExpr, Fail> {
        let mut signs = self.signs()?;
        let sign = signs.first().map(|(_, span)| *span);
        let mut term = match self.peek()?.kind {
            TokenKind::LeftParen if sign.is_none() => self.duration(0, OFFSET)?,
            TokenKind::LeftParen => {
                let (inner, span) = self.enclosed_duration(OFFSET)?;
                self.parenthesise(inner, span)?
            }
            TokenKind::Preprocessor(word) => self.duration_function(word, sign, OFFSET)?,
            _ => self.duration_operand(OFFSET)?,
        };
        while let Some((sign, span)) = signs.pop() {
            term = self.negate_if(sign, span, term)?;
        }
        Ok(*term.duration)
    }

    /// Parses a duration whose operators bind at least as tightly as `min`.
    fn duration(&mut self, min: u8, place: Place) -> Result<Term, Fail> {
        self.enter()?;
        let lhs = self.signed_duration(place)?;
        let term = self.duration_operators(lhs, min, place)?;
        self.leave();
        Ok(term)
    }

    fn duration_operators(&mut self, mut lhs: Term, min: u8, place: Place) -> Result<Term, Fail> {
        loop {
            let token = self.peek()?;
            let Some((binary, op)) = duration_op(token.kind) else { return Ok(lhs) };
            if precedence(binary) < min {
                return Ok(lhs);
            }
            self.bump()?;
            let rhs = self.duration(right_precedence(binary), place)?;
            self.check_duration_expressions(lhs.duration.span)?;
            if is_zero(&rhs.duration) {
                match op {
                    DurationOp::Div => return Err(self.error("division by zero", token.span)),
                    DurationOp::Mod => return Err(self.error("modulo by zero", token.span)),
                    _ => {}
                }
            }
            let span = lhs.duration.span.to(rhs.duration.span);
            let height = lhs.height.max(rhs.height);
            let kind = DurationKind::Binary(op, lhs.duration, rhs.duration);
            lhs = self.term_above(height, kind, span)?;
        }
    }

    fn signed_duration(&mut self, place: Place) -> Result<Term, Fail> {
        let mut signs = self.signs()?;
        if signs.is_empty() {
            return self.duration_operand(place);
        }
        let mut term = self.duration(POWER, place)?;
        while let Some((sign, span)) = signs.pop() {
            term = self.negate_if(sign, span, term)?;
        }
        Ok(term)
    }

    /// Applies a sign. That of a number becomes part of it, a plus says nothing.
    fn negate_if(&self, sign: Sign, span: Span, mut term: Term) -> Result<Term, Fail> {
        if let DurationKind::Literal { seconds, .. } = &mut term.duration.kind {
            if sign == Sign::Minus {
                *seconds = -*seconds;
            }
            term.duration.span.start = span.start;
            return Ok(term);
        }
        if sign == Sign::Plus {
            return Ok(term);
        }
        let span = span.to(term.duration.span);
        self.term_above(term.height, DurationKind::Minus(term.duration), span)
    }

    fn duration_operand(&mut self, place: Place) -> Result<Term, Fail> {
        match self.peek()?.kind {
            TokenKind::Number | TokenKind::Duration => {
                let (seconds, is_duration, span) = self.number_or_duration()?;
                if seconds.is_nan() || seconds.abs() > SECONDS_MAX {
                    return Err(self.error("duration out of range", span));
                }
                Ok(Term::leaf(DurationKind::Literal { seconds, is_duration }, span))
            }
            TokenKind::LeftParen => {
                let (inner, span) = self.enclosed_duration(place)?;
                self.check_duration_expressions(inner.duration.span)?;
                self.parenthesise(inner, span)
            }
            TokenKind::Preprocessor(word) => self.duration_function(word, None, place),
            _ => Err(self.unexpected(place)),
        }
    }

    fn enclosed_duration(&mut self, place: Place) -> Result<(Term, Span), Fail> {
        let open = self.bump()?;
        let inner = self.duration(0, place)?;
        let close = self.expect_in(TokenKind::RightParen, place)?;
        Ok((inner, open.span.to(close.span)))
    }

    /// Puts parentheses around a duration; several pairs are as good as one.
    fn parenthesise(&self, inner: Term, span: Span) -> Result<Term, Fail> {
        if matches!(inner.duration.kind, DurationKind::Paren(_)) {
            return Ok(inner);
        }
        self.term_above(inner.height, DurationKind::Paren(inner.duration), span)
    }

    /// Parses `step()`, `range()`, `min_of(a, b)` or `max_of(a, b)`. The sign before it, where
    /// given, is where a complaint points.
    fn duration_function(
        &mut self,
        word: Preprocessor,
        sign: Option<Span>,
        place: Place,
    ) -> Result<Term, Fail> {
        let op = match word {
            Preprocessor::Start | Preprocessor::End => return Err(self.unexpected(place)),
            Preprocessor::Step | Preprocessor::Range => None,
            Preprocessor::MinOf => Some(DurationOp::MinOf),
            Preprocessor::MaxOf => Some(DurationOp::MaxOf),
        };
        let name = self.bump()?;
        self.expect_in(TokenKind::LeftParen, place)?;
        let (kind, height) = match op {
            None if word == Preprocessor::Step => (DurationKind::Step, 0),
            None => (DurationKind::Range, 0),
            Some(op) => {
                let lhs = self.duration(0, place)?;
                self.expect_in(TokenKind::Comma, place)?;
                let rhs = self.duration(0, place)?;
                let height = lhs.height.max(rhs.height);
                (DurationKind::Binary(op, lhs.duration, rhs.duration), height)
            }
        };
        let close = self.expect_in(TokenKind::RightParen, place)?;
        self.check_duration_expressions(sign.unwrap_or(name.span))?;
        self.term_above(height, kind, name.span.to(close.span))
    }

    fn check_duration_expressions(&self, span: Span) -> Result<(), Fail> {
        if self.options.duration_expressions {
            return Ok(());
        }
        Err(self.error("experimental duration expression is not enabled", span))
    }

    fn term_above(&self, height: usize, kind: DurationKind, span: Span) -> Result<Term, Fail> {
        self.check_height(height + 1)?;
        Ok(Term { duration: Box::new(DurationExpr { kind, span }), height: height + 1 })
    }
}

fn duration_op(kind: TokenKind) -> Option<(BinaryOp, DurationOp)> {
    let TokenKind::Binary(binary) = kind else { return None };
    let op = match binary {
        BinaryOp::Add => DurationOp::Add,
        BinaryOp::Sub => DurationOp::Sub,
        BinaryOp::Mul => DurationOp::Mul,
        BinaryOp::Div => DurationOp::Div,
        BinaryOp::Mod => DurationOp::Mod,
        BinaryOp::Pow => DurationOp::Pow,
        _ => return None,
    };
    Some((binary, op))
}

fn is_zero(duration: &DurationExpr) -> bool {
    matches!(duration.kind, DurationKind::Literal { seconds: 0.0, .. })
}
