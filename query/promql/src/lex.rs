//! Characters to tokens.
//!
//! The lexer runs one token ahead of the parser and knows no grammar, but three states change what
//! characters mean: inside `{…}` every word is an identifier, directly behind `[` words are refused
//! except those of duration arithmetic, and elsewhere keywords count, in any case. Parentheses and
//! brackets are counted here, so that an unclosed one is reported as such. Every error points at
//! the text that was being read; the messages are those of Prometheus.

use crate::ast::{BinaryOp, Span};
use crate::parse::{Fail, ParseError};
use crate::print::quote::{quote, quote_char};

mod cursor;
mod number;
mod token;

use cursor::{Cursor, is_alpha, is_alphanumeric, is_space};
pub(crate) use token::{Keyword, Preprocessor, Token, TokenKind};

/// Splits a text into tokens.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    cursor: Cursor<'a>,
    paren_depth: usize,
    in_braces: bool,
    in_brackets: bool,
    /// Inside brackets, before the first number: only duration arithmetic is expected.
    in_duration: bool,
    had_operand: bool,
    had_colon: bool,
}

impl<'a> Lexer<'a> {
    /// Starts at the beginning of the text.
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            cursor: Cursor::new(text),
            paren_depth: 0,
            in_braces: false,
            in_brackets: false,
            in_duration: false,
            had_operand: false,
            had_colon: false,
        }
    }

    /// Returns the next token; [`TokenKind::Eof`] at the end, as often as asked.
    ///
    /// # Errors
    /// The text holds something that is no token.
    pub(crate) fn next(&mut self) -> Result<Token<'a>, Fail> {
        if self.in_duration {
            self.cursor.skip_spaces();
            self.cursor.begin();
            return self.duration_token();
        }
        self.cursor.skip_spaces_and_comments();
        self.cursor.begin();
        if self.in_braces { self.brace_token() } else { self.statement_token() }
    }

    /// Returns whether the next character that is no space is `c`.
    pub(crate) fn is_followed_by(&self, c: char) -> bool {
        self.cursor.peek_after_spaces() == Some(c)
    }

    fn statement_token(&mut self) -> Result<Token<'a>, Fail> {
        let Some(c) = self.cursor.next() else { return self.end() };
        let kind = match c {
            '*' => TokenKind::Binary(BinaryOp::Mul),
            '/' => TokenKind::Binary(BinaryOp::Div),
            '%' => TokenKind::Binary(BinaryOp::Mod),
            '+' => TokenKind::Binary(BinaryOp::Add),
            '-' => TokenKind::Binary(BinaryOp::Sub),
            '^' => TokenKind::Binary(BinaryOp::Pow),
            '=' | '!' | '<' | '>' => self.comparison(c)?,
            ',' => TokenKind::Comma,
            '@' => TokenKind::At,
            '(' | ')' => self.parenthesis(c)?,
            '{' => {
                self.in_braces = true;
                TokenKind::LeftBrace
            }
            '[' => self.open_bracket()?,
            ']' => self.close_bracket()?,
            '"' | '\'' | '`' => self.string(c)?,
            c if c.is_ascii_digit() => return self.number(),
            '.' if self.cursor.peek().is_some_and(|c| c.is_ascii_digit()) => return self.number(),
            c if is_alpha(c) || c == ':' => {
                if self.in_brackets {
                    self.word_in_brackets(c)?
                } else {
                    self.word()
                }
            }
            c => return self.fail(format!("unexpected character: {}", quote_char(Some(c)))),
        };
        Ok(self.token(kind))
    }

    fn end(&self) -> Result<Token<'a>, Fail> {
        if self.paren_depth != 0 {
            self.fail("unclosed left parenthesis")
        } else if self.in_brackets {
            self.fail("unclosed left bracket")
        } else {
            Ok(self.token(TokenKind::Eof))
        }
    }

    fn comparison(&mut self, first: char) -> Result<TokenKind, Fail> {
        let second = self.cursor.peek();
        let (kind, length) = match (first, second) {
            ('=', Some('=')) => (TokenKind::Binary(BinaryOp::Equal), 2),
            ('=', Some('~')) => return self.fail("unexpected character after '=': '~'"),
            ('=', _) => (TokenKind::Assign, 1),
            ('!', Some('=')) => (TokenKind::Binary(BinaryOp::NotEqual), 2),
            ('!', other) => {
                let other = quote_char(other);
                return self.fail(format!("unexpected character after '!': {other}"));
            }
            ('<', Some('=')) => (TokenKind::Binary(BinaryOp::LessEqual), 2),
            ('<', Some('/')) => (TokenKind::Binary(BinaryOp::TrimUpper), 2),
            ('<', _) => (TokenKind::Binary(BinaryOp::Less), 1),
            (_, Some('=')) => (TokenKind::Binary(BinaryOp::GreaterEqual), 2),
            (_, Some('/')) => (TokenKind::Binary(BinaryOp::TrimLower), 2),
            _ => (TokenKind::Binary(BinaryOp::Greater), 1),
        };
        if length == 2 {
            self.cursor.next();
        }
        Ok(kind)
    }

    fn parenthesis(&mut self, c: char) -> Result<TokenKind, Fail> {
        if c == '(' {
            self.paren_depth += 1;
            return Ok(TokenKind::LeftParen);
        }
        if self.paren_depth == 0 {
            // Reported behind the parenthesis, as upstream does.
            self.cursor.begin();
            return self.fail("unexpected right parenthesis ')'");
        }
        self.paren_depth -= 1;
        Ok(TokenKind::RightParen)
    }

    fn open_bracket(&mut self) -> Result<TokenKind, Fail> {
        if self.in_brackets {
            return self.fail("unexpected left bracket '['");
        }
        self.in_brackets = true;
        self.in_duration = true;
        self.had_operand = false;
        self.had_colon = false;
        Ok(TokenKind::LeftBracket)
    }

    fn close_bracket(&mut self) -> Result<TokenKind, Fail> {
        if !self.in_brackets {
            return self.fail("unexpected right bracket ']'");
        }
        self.in_brackets = false;
        self.in_duration = false;
        Ok(TokenKind::RightBracket)
    }

    /// Reads a word behind the first number of a pair of brackets.
    fn word_in_brackets(&mut self, first: char) -> Result<TokenKind, Fail> {
        if first == ':' {
            if self.had_colon {
                return self.fail("unexpected colon ':'");
            }
            self.had_colon = true;
            return Ok(TokenKind::Colon);
        }
        match self.duration_word(first) {
            Some(kind) => Ok(kind),
            None => {
                let found = quote_char(Some(first));
                self.fail(format!("unexpected character: {found}, expected ':'"))
            }
        }
    }

    /// Reads the name of a function of duration arithmetic.
    fn duration_word(&mut self, first: char) -> Option<TokenKind> {
        if !matches!(first, 's' | 'S' | 'm' | 'M' | 'r' | 'R') {
            return None;
        }
        self.cursor.skip_while(is_alpha);
        let word = self.cursor.text().to_ascii_lowercase();
        match token::keyword(&word) {
            Some(
                kind @ TokenKind::Preprocessor(
                    Preprocessor::Step
                    | Preprocessor::Range
                    | Preprocessor::MinOf
                    | Preprocessor::MaxOf,
                ),
            ) => Some(kind),
            _ => None,
        }
    }

    fn word(&mut self) -> TokenKind {
        self.cursor.skip_while(|c| is_alphanumeric(c) || c == ':');
        let word = self.cursor.text();
        match token::keyword(&word.to_ascii_lowercase()) {
            Some(kind) => kind,
            None if word.contains(':') => TokenKind::MetricIdentifier,
            None => TokenKind::Identifier,
        }
    }

    fn duration_token(&mut self) -> Result<Token<'a>, Fail> {
        let Some(c) = self.cursor.next() else {
            return self.fail("unexpected end of input in duration expression");
        };
        let kind = match c {
            ']' => self.close_bracket()?,
            ':' => self.duration_colon()?,
            '(' | ')' => self.parenthesis(c)?,
            '+' => TokenKind::Binary(BinaryOp::Add),
            '-' => TokenKind::Binary(BinaryOp::Sub),
            '*' => TokenKind::Binary(BinaryOp::Mul),
            '/' => TokenKind::Binary(BinaryOp::Div),
            '%' => TokenKind::Binary(BinaryOp::Mod),
            '^' => TokenKind::Binary(BinaryOp::Pow),
            ',' => TokenKind::Comma,
            c if c.is_ascii_digit()
                || (c == '.' && self.cursor.peek().is_some_and(|c| c.is_ascii_digit())) =>
            {
                self.had_operand = true;
                self.in_duration = false;
                return self.number();
            }
            c => match self.duration_word(c) {
                Some(kind) => {
                    self.had_operand = true;
                    kind
                }
                None => {
                    let found = quote_char(Some(c));
                    return self
                        .fail(format!("unexpected character in duration expression: {found}"));
                }
            },
        };
        Ok(self.token(kind))
    }

    fn duration_colon(&mut self) -> Result<TokenKind, Fail> {
        if !self.had_operand || self.had_colon {
            // Reported behind the colon, as upstream does.
            self.cursor.begin();
        }
        if !self.had_operand {
            return self.fail("unexpected colon before duration in duration expression");
        }
        if self.had_colon {
            return self.fail("unexpected repeated colon in duration expression");
        }
        self.had_colon = true;
        Ok(TokenKind::Colon)
    }

    fn brace_token(&mut self) -> Result<Token<'a>, Fail> {
        let Some(c) = self.cursor.next() else {
            return self.fail("unexpected end of input inside braces");
        };
        let kind = match c {
            c if is_alpha(c) => {
                self.cursor.skip_while(is_alphanumeric);
                TokenKind::Identifier
            }
            ',' => TokenKind::Comma,
            '"' | '\'' | '`' => self.string(c)?,
            '=' if self.cursor.accept('~') => TokenKind::RegexMatch,
            '=' => TokenKind::Assign,
            '!' if self.cursor.accept('~') => TokenKind::RegexNoMatch,
            '!' if self.cursor.accept('=') => TokenKind::Binary(BinaryOp::NotEqual),
            '!' => {
                let found = quote_char(self.cursor.peek());
                return self.fail(format!("unexpected character after '!' inside braces: {found}"));
            }
            '{' => return self.fail("unexpected left brace '{'"),
            '}' => {
                self.in_braces = false;
                TokenKind::RightBrace
            }
            c => {
                let found = quote_char(Some(c));
                return self.fail(format!("unexpected character inside braces: {found}"));
            }
        };
        Ok(self.token(kind))
    }

    fn number(&mut self) -> Result<Token<'a>, Fail> {
        self.cursor.back_to_start();
        if number::scan_number(&mut self.cursor) {
            return Ok(self.token(TokenKind::Number));
        }
        if number::scan_duration(&mut self.cursor) {
            return Ok(self.token(TokenKind::Duration));
        }
        self.fail(format!("bad number or duration syntax: {}", quote(self.cursor.text())))
    }

    /// Reads a string up to its closing quote; escapes are checked here and resolved by
    /// [`crate::parse`].
    fn string(&mut self, quote: char) -> Result<TokenKind, Fail> {
        let raw = quote == '`';
        loop {
            match self.cursor.next() {
                Some(c) if c == quote => return Ok(TokenKind::String),
                None if raw => return self.fail("unterminated raw string"),
                None => return self.fail("unterminated quoted string"),
                Some('\n') if !raw => return self.fail("unterminated quoted string"),
                Some('\\') if !raw => self.escape(quote)?,
                Some(_) => {}
            }
        }
    }

    fn escape(&mut self, quote: char) -> Result<(), Fail> {
        let (digits, radix, max) = match self.cursor.next() {
            None => return self.fail("escape sequence not terminated"),
            Some(c) if c == quote => return Ok(()),
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => return Ok(()),
            Some(c @ '0'..='7') => {
                return self.escape_digits(c.to_digit(8).unwrap_or(0), 2, 8, 255);
            }
            Some('x') => (2, 16, 255),
            Some('u') => (4, 16, u32::from(char::MAX)),
            Some('U') => (8, 16, u32::from(char::MAX)),
            Some(c) => {
                return self.fail(format!("unknown escape sequence {}", code_point(c)));
            }
        };
        self.escape_digits(0, digits, radix, max)
    }

    fn escape_digits(&mut self, first: u32, digits: u32, radix: u32, max: u32) -> Result<(), Fail> {
        let mut value = u64::from(first);
        for _ in 0..digits {
            let Some(c) = self.cursor.next() else {
                return self.fail("escape sequence not terminated");
            };
            let Some(digit) = c.to_digit(radix) else {
                let found = code_point(c);
                return self.fail(format!("illegal character {found} in escape sequence"));
            };
            value = value * u64::from(radix) + u64::from(digit);
        }
        if value > u64::from(max) || (0xd800..0xe000).contains(&value) {
            return self.fail("escape sequence is an invalid Unicode code point");
        }
        Ok(())
    }

    fn token(&self, kind: TokenKind) -> Token<'a> {
        Token { kind, text: self.cursor.text(), span: self.cursor.span() }
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, Fail> {
        let span = Span::new(self.cursor.span().start, self.cursor.source().len());
        Err(Box::new(ParseError::new(message, span, self.cursor.source())))
    }
}

/// Prints a character as Go's `%#U` does.
fn code_point(c: char) -> String {
    if is_space(c) || !c.is_control() {
        format!("U+{:04X} '{c}'", u32::from(c))
    } else {
        format!("U+{:04X}", u32::from(c))
    }
}

#[cfg(test)]
mod tests;
