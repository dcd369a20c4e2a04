//! Characters to tokens.
//!
//! The lexer runs on demand, because what a character means depends on what stands before it: behind
//! an operator everything up to a space is the value, `key:10:30` included, while in front of one a
//! word ends at the operator. Words keep their text as written; [`resolve`] takes the escapes out.

use super::ast::{Glob, Op};
use super::{SearchError, Span};

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Open,
    Close,
    /// `-` right before what it excludes.
    Minus,
    /// A word as written, escapes and wildcards in it.
    Word,
    /// A text in quotes, escapes resolved.
    Phrase(String),
    /// A regular expression, without its slashes.
    Regex(String),
    End,
}

/// Walks over the text of a search.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

type Result<T> = std::result::Result<T, SearchError>;

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns the next token of a term's beginning, and where it stands.
    ///
    /// # Errors
    /// What stands there begins no term.
    pub(crate) fn next(&mut self) -> Result<(Token, Span)> {
        self.skip_spaces();
        let start = self.at;
        let Some(c) = self.peek() else { return Ok((Token::End, Span::new(start, start))) };
        let token = match c {
            '(' | ')' => {
                self.take();
                if c == '(' { Token::Open } else { Token::Close }
            }
            '"' => self.phrase()?,
            '/' => self.regex()?,
            '-' => self.minus()?,
            _ => self.word()?,
        };
        Ok((token, Span::new(start, self.at)))
    }

    /// Returns the operator that stands right here.
    pub(crate) fn operator(&mut self) -> Option<(Op, Span)> {
        let rest = self.rest();
        let op = Op::ALL.into_iter().find(|op| rest.starts_with(op.as_str()))?;
        let start = self.at;
        self.at += op.as_str().len();
        Some((op, Span::new(start, self.at)))
    }

    /// Returns whether an operator stands right here.
    pub(crate) fn is_at_operator(&self) -> bool {
        let rest = self.rest();
        Op::ALL.into_iter().any(|op| rest.starts_with(op.as_str()))
    }

    /// Returns the value that stands right behind an operator.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn value(&mut self, op: Op) -> Result<(Token, Span)> {
        let start = self.at;
        let token = match self.peek() {
            Some('"') => self.phrase()?,
            Some('/') => self.regex()?,
            Some('<' | '>' | '=') if op == Op::Is => {
                let message = "write key>5, key>=5, key<5 or key=5, without ':'";
                return Err(SearchError::new(message, self.here()));
            }
            c if c.is_none_or(ends_value) => {
                let message = format!("expected a value right after '{}'", op.as_str());
                return Err(SearchError::new(message, self.here()));
            }
            _ => {
                self.skip_word(ends_value)?;
                Token::Word
            }
        };
        Ok((token, Span::new(start, self.at)))
    }

    /// Returns a part of the text.
    pub(crate) fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    fn word(&mut self) -> Result<Token> {
        let start = self.at;
        self.skip_word(|c| ends_value(c) || matches!(c, ':' | '=' | '<' | '>' | '!'))?;
        // An exclamation mark belongs to the word unless it begins `!=`.
        while self.peek() == Some('!') && !self.rest().starts_with("!=") {
            self.take();
            self.skip_word(|c| ends_value(c) || matches!(c, ':' | '=' | '<' | '>' | '!'))?;
        }
        if self.at > start {
            return Ok(Token::Word);
        }
        let found = self.operator().map_or("", |(op, _)| op.as_str());
        let message = format!("'{found}' stands right behind a key, as in key{found}5");
        Err(SearchError::new(message, Span::new(start, self.at)))
    }

    fn minus(&mut self) -> Result<Token> {
        let start = self.at;
        self.take();
        if self.peek().is_none_or(|c| c.is_whitespace() || c == ')') {
            let message = "'-' stands right before what it excludes; a dash goes in quotes";
            return Err(SearchError::new(message, Span::new(start, self.at)));
        }
        Ok(Token::Minus)
    }

    fn phrase(&mut self) -> Result<Token> {
        let start = self.at;
        self.take();
        let mut text = String::new();
        loop {
            let at = self.at;
            match self.take() {
                Some('"') => return Ok(Token::Phrase(text)),
                Some('\\') => {
                    let c = self.take();
                    let Some(c) = c.and_then(unescape) else {
                        let message = "unknown escape; known are \\\" \\\\ \\n \\r \\t";
                        return Err(SearchError::new(message, Span::new(at, self.at)));
                    };
                    text.push(c);
                }
                Some(c) => text.push(c),
                None => {
                    let span = Span::new(start, self.at);
                    return Err(SearchError::new("the quote is not closed", span));
                }
            }
        }
    }

    fn regex(&mut self) -> Result<Token> {
        let start = self.at;
        self.take();
        let mut text = String::new();
        loop {
            match self.take() {
                Some('/') => break,
                // The slash needs no escape for the expression itself.
                Some('\\') => match self.take() {
                    Some('/') => text.push('/'),
                    Some(c) => text.extend(['\\', c]),
                    None => text.push('\\'),
                },
                Some(c) => text.push(c),
                None => {
                    let message =
                        "the regular expression is not closed by '/'; a path goes in quotes";
                    return Err(SearchError::new(message, Span::new(start, self.at)));
                }
            }
        }
        if text.is_empty() {
            let message = "the regular expression is empty; a text with slashes goes in quotes";
            return Err(SearchError::new(message, Span::new(start, self.at)));
        }
        if self.peek().is_some_and(|c| !ends_value(c)) {
            let message = "a regular expression ends at '/'; a path goes in quotes";
            return Err(SearchError::new(message, self.here()));
        }
        Ok(Token::Regex(text))
    }

    /// Takes characters up to one that `ends` a word and is not escaped.
    fn skip_word(&mut self, ends: impl Fn(char) -> bool) -> Result<()> {
        while let Some(c) = self.peek().filter(|c| !ends(*c)) {
            let start = self.at;
            self.take();
            if c == '\\' && self.take().is_none() {
                let message = "nothing stands behind '\\'";
                return Err(SearchError::new(message, Span::new(start, self.at)));
            }
        }
        Ok(())
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Returns the span of the next character, for messages about it.
    fn here(&self) -> Span {
        Span::new(self.at, self.at + self.peek().map_or(0, char::len_utf8))
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

fn ends_value(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '"')
}

fn unescape(c: char) -> Option<char> {
    match c {
        '"' | '\\' => Some(c),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        _ => None,
    }
}

/// Takes the escapes out of a word; what is a wildcard separates pieces.
pub(crate) fn resolve(word: &str) -> Glob {
    let mut pieces = vec![String::new()];
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '*' => {
                pieces.push(String::new());
                continue;
            }
            '\\' => chars.next().unwrap_or('\\'),
            c => c,
        };
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    Glob::new(pieces)
}
