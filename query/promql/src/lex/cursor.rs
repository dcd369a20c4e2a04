//! A position in the text, with the start of the token that is being read.

use crate::ast::Span;

/// Walks over the characters of a text.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    source: &'a str,
    start: usize,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, start: 0, at: 0 }
    }

    /// Returns the whole text.
    pub(super) fn source(&self) -> &'a str {
        self.source
    }

    /// Returns the text of the current token so far.
    pub(super) fn text(&self) -> &'a str {
        self.source.get(self.start..self.at).unwrap_or_default()
    }

    /// Returns where the current token stands.
    pub(super) fn span(&self) -> Span {
        Span::new(self.start, self.at)
    }

    /// Starts a token here.
    pub(super) fn begin(&mut self) {
        self.start = self.at;
    }

    /// Returns to the start of the token.
    pub(super) fn back_to_start(&mut self) {
        self.at = self.start;
    }

    /// Returns the next character without taking it.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Returns the next character that is no space, without taking anything.
    pub(super) fn peek_after_spaces(&self) -> Option<char> {
        self.rest().chars().find(|c| !is_space(*c))
    }

    /// Takes the next character.
    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Takes the next character if it is `c`.
    pub(super) fn accept(&mut self, c: char) -> bool {
        self.accept_if(|next| next == c)
    }

    /// Takes the next character if `fits` says so.
    pub(super) fn accept_if(&mut self, fits: impl Fn(char) -> bool) -> bool {
        let taken = self.peek().is_some_and(fits);
        if taken {
            self.next();
        }
        taken
    }

    /// Takes characters as long as they fit.
    pub(super) fn skip_while(&mut self, fits: impl Fn(char) -> bool) {
        while self.accept_if(&fits) {}
    }

    pub(super) fn skip_spaces(&mut self) {
        self.skip_while(is_space);
    }

    pub(super) fn skip_spaces_and_comments(&mut self) {
        self.skip_spaces();
        while self.accept('#') {
            self.skip_while(|c| c != '\n' && c != '\r');
            self.skip_spaces();
        }
    }

    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }
}

/// Returns whether PromQL takes the character for white space.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Returns whether a name may start with the character.
pub(super) fn is_alpha(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

/// Returns whether a name may go on with the character.
pub(super) fn is_alphanumeric(c: char) -> bool {
    is_alpha(c) || c.is_ascii_digit()
}
