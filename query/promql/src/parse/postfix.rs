//! The modifiers behind an expression: `offset`, `@`, `anchored`, `smoothed`.

use super::{Parser, Place};
use crate::ast::{At, Expr, Extended, Sign, Span, TimeShift};
use crate::lex::{Keyword, Preprocessor, TokenKind};
use crate::parse::Fail;

const TIMESTAMP: Place = Place { context: "@", expected: "timestamp" };

impl Parser<'_> {
    /// Parses `offset d` and applies it to the expression before.
    pub(super) fn offset(&mut self, expr: &mut Expr) -> Result<(), Fail> {
        self.bump()?;
        let offset = self.offset_duration()?;
        let end = self.last_end;
        let place = expr.span();
        let Some((shift, span)) = time_shift(expr) else {
            return Err(self.misplaced("offset", place));
        };
        if shift.offset.is_some() {
            return Err(self.error("offset may not be set multiple times", place));
        }
        // An offset of zero is none, to the checks as to the printer.
        shift.offset = (offset.as_millis() != Some(0)).then_some(offset);
        span.end = end;
        Ok(())
    }

    /// Parses `@ t` and applies it to the expression before.
    pub(super) fn at(&mut self, expr: &mut Expr) -> Result<(), Fail> {
        self.bump()?;
        let place = expr.span();
        let at = match self.peek()?.kind {
            TokenKind::Preprocessor(Preprocessor::Start) => self.at_word(At::Start)?,
            TokenKind::Preprocessor(Preprocessor::End) => self.at_word(At::End)?,
            _ => self.at_timestamp(place)?,
        };
        let end = self.last_end;
        let Some((shift, span)) = time_shift(expr) else {
            return Err(self.misplaced("@", place));
        };
        if shift.at.is_some() {
            return Err(self.error("@ <timestamp> may not be set multiple times", place));
        }
        shift.at = Some(at);
        span.end = end;
        Ok(())
    }

    fn at_word(&mut self, at: At) -> Result<At, Fail> {
        self.bump()?;
        self.expect_in(TokenKind::LeftParen, TIMESTAMP)?;
        self.expect_in(TokenKind::RightParen, TIMESTAMP)?;
        Ok(at)
    }

    fn at_timestamp(&mut self, place: Span) -> Result<At, Fail> {
        let sign = self.sign()?;
        if !matches!(self.peek()?.kind, TokenKind::Number | TokenKind::Duration) {
            return Err(self.unexpected(TIMESTAMP));
        }
        let (value, ..) = self.number_or_duration()?;
        let seconds = if matches!(sign, Some((Sign::Minus, _))) { -value } else { value };
        if !seconds.is_finite() || seconds.abs() * 1000.0 >= i64::MAX as f64 {
            let text = match seconds {
                s if s.is_nan() => "NaN".to_owned(),
                f64::INFINITY => "+Inf".to_owned(),
                f64::NEG_INFINITY => "-Inf".to_owned(),
                s => format!("{s:.6}"),
            };
            let message = format!("timestamp out of bounds for @ modifier: {text}");
            return Err(self.error(message, place));
        }
        Ok(At::Timestamp((seconds * 1000.0).round() as i64))
    }

    fn misplaced(&self, modifier: &str, place: Span) -> Fail {
        let message = format!(
            "{modifier} modifier must be preceded by an instant vector selector or range vector \
             selector or a subquery"
        );
        self.error(message, place)
    }

    /// Takes `anchored` or `smoothed` and applies it to the expression before.
    pub(super) fn extended(&mut self, word: Keyword, expr: &mut Expr) -> Result<(), Fail> {
        self.bump()?;
        let end = self.last_end;
        let (name, extended) = match word {
            Keyword::Anchored => ("anchored", Extended::Anchored),
            _ => ("smoothed", Extended::Smoothed),
        };
        let place = expr.span();
        let fail = |problem: &str| Err(self.error(format!("{name} modifier {problem}"), place));
        if !self.options.extended_selectors {
            return fail("is experimental and not enabled");
        }
        let (set, span) = match expr {
            Expr::Vector(e) => (&mut e.extended, &mut e.span),
            Expr::Matrix(e) => (&mut e.selector.extended, &mut e.span),
            Expr::Subquery(_) => return fail("is not supported for subqueries"),
            _ => return fail("not implemented"),
        };
        if set.is_some_and(|set| set != extended) {
            let message = "anchored and smoothed modifiers cannot be used together";
            return Err(self.error(message, place));
        }
        *set = Some(extended);
        span.end = end;
        Ok(())
    }
}

/// Returns where `offset` and `@` of an expression are kept, with its span.
fn time_shift(expr: &mut Expr) -> Option<(&mut TimeShift, &mut Span)> {
    match expr {
        Expr::Vector(e) => Some((&mut e.shift, &mut e.span)),
        Expr::Matrix(e) => Some((&mut e.selector.shift, &mut e.span)),
        Expr::Subquery(e) => Some((&mut e.shift, &mut e.span)),
        _ => None,
    }
}
