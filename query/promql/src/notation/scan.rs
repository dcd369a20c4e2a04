//! A position in a line of series notation, and the small things that are read there.

use super::POINTS_MAX;
use crate::ast::Span;
use crate::parse::ParseError;
use crate::parse::literal::{duration_seconds, number};

/// Reads numbers, durations and repetitions.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    start: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at, start: at }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// Starts an item here, for error messages.
    pub(super) fn begin(&mut self) {
        self.start = self.at;
    }

    /// Skips spaces; returns whether there were any.
    pub(super) fn skip_spaces(&mut self) -> bool {
        let rest = self.rest();
        let spaces = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.at += spaces;
        spaces > 0
    }

    pub(super) fn is_at(&self, token: &str) -> bool {
        self.rest().starts_with(token)
    }

    /// Takes `token` if it comes next.
    pub(super) fn accept(&mut self, token: &str) -> bool {
        let found = self.is_at(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Takes `word` if it comes next and ends there.
    pub(super) fn accept_word(&mut self, word: &str) -> bool {
        let after = self.rest().strip_prefix(word);
        after.is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_alphanumeric()))
            && self.accept(word)
    }

    /// Takes the longest run of characters that fit.
    pub(super) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        let (taken, _) = rest.split_at(length);
        self.at += length;
        taken
    }

    fn sign(&mut self) -> f64 {
        if self.accept("-") {
            -1.0
        } else {
            self.accept("+");
            1.0
        }
    }

    /// Takes a number with or without a sign.
    pub(super) fn signed_number(&mut self) -> Result<f64, ParseError> {
        let sign = self.sign();
        Ok(sign * self.number()?)
    }

    /// Takes the signed number that directly follows another one.
    pub(super) fn increment(&mut self) -> Result<Option<f64>, ParseError> {
        if self.is_at("+") || self.is_at("-") {
            return self.signed_number().map(Some);
        }
        Ok(None)
    }

    /// Takes a number. There are no hexadecimal ones: `0x5` is a zero and five more of it.
    fn number(&mut self) -> Result<f64, ParseError> {
        let from = self.at;
        for (word, value) in [("inf", f64::INFINITY), ("nan", f64::NAN)] {
            let found = self.rest().get(..word.len());
            if found.is_some_and(|found| found.eq_ignore_ascii_case(word)) {
                self.at += word.len();
                return Ok(value);
            }
        }
        self.take_while(|c| c.is_ascii_digit() || matches!(c, '.' | '_'));
        let mut exponent = Scanner::new(self.text, self.at);
        if exponent.accept("e") || exponent.accept("E") {
            exponent.sign();
            if !exponent.take_while(|c| c.is_ascii_digit()).is_empty() {
                self.at = exponent.at;
            }
        }
        let unit = self.rest().starts_with(['s', 'm', 'h', 'd', 'w', 'y']);
        if unit {
            self.take_while(|c| c.is_ascii_digit() || "smhdwy".contains(c));
        }
        let digits = self.text.get(from..self.at).unwrap_or_default();
        if digits.is_empty() {
            return self.fail("expected a number, stale, _ or a histogram");
        }
        let value = if unit { duration_seconds(digits) } else { number(digits) };
        value.or_else(|message| self.fail(message))
    }

    /// Takes an integer with or without a minus.
    pub(super) fn integer(&mut self) -> Result<i32, ParseError> {
        let from = self.at;
        self.accept("-");
        self.take_while(|c| c.is_ascii_digit());
        let digits = self.text.get(from..self.at).unwrap_or_default();
        digits.parse().or_else(|_| self.fail("expected an integer of 32 bits"))
    }

    /// Takes a duration of one number and one unit, `0` without, with or without a sign.
    pub(super) fn signed_duration_ms(&mut self) -> Result<i64, ParseError> {
        let sign = self.sign();
        let from = self.at;
        self.take_while(|c| c.is_ascii_digit());
        self.take_while(|c| "smhdwy".contains(c));
        match self.text.get(from..self.at).unwrap_or_default() {
            "0" => Ok(0),
            "" => self.fail("expected a duration or _"),
            text => match duration_seconds(text) {
                Ok(seconds) => Ok((sign * seconds * 1000.0).round() as i64),
                Err(message) => self.fail(message),
            },
        }
    }

    /// Takes a repetition `xN`, if there is one. With the `held` points that the line has already,
    /// it must stay below the limit.
    pub(super) fn times(&mut self, held: usize) -> Result<Option<usize>, ParseError> {
        if !self.accept("x") {
            return Ok(None);
        }
        let digits = self.take_while(|c| c.is_ascii_digit());
        match digits.parse::<usize>() {
            Ok(times) if times < POINTS_MAX - held.min(POINTS_MAX) => Ok(Some(times)),
            Ok(_) => self.fail(format!("a series may have {POINTS_MAX} points")),
            Err(_) => self.fail("invalid repetition in series values"),
        }
    }

    /// Fails at the current item.
    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Result<T, ParseError> {
        let end = self.at.max(self.start);
        Err(ParseError::new(message, Span::new(self.start, end), self.text))
    }
}
