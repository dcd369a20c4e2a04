//! JSON, token by token, where it lies.
//!
//! A parser of our own, because three things are needed that a parser into Rust types does not give:
//! the digits of a number as they stand (a double must be the nearest to them), strings with half of
//! a surrogate pair (JavaScript writes them where it cut a text) as U+FFFD, and values nested however
//! deep skipped without a stack.

use std::borrow::Cow;

use tarn_model::error::Error;

/// A position in a JSON text.
#[derive(Debug)]
pub(super) struct Tokens<'j> {
    bytes: &'j [u8],
    at: usize,
}

/// What a value begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Object,
    Array,
    Text,
    Number,
    True,
    False,
    Null,
}

impl<'j> Tokens<'j> {
    pub(super) fn new(bytes: &'j [u8]) -> Self {
        // A byte order mark is not JSON, but nothing else either.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        Self { bytes, at: 0 }
    }

    /// Returns an error about the current place.
    pub(super) fn error(&self, what: impl std::fmt::Display) -> Error {
        let before = self.bytes.get(..self.at).unwrap_or(self.bytes);
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let column = before.len() - start + 1;
        Error::invalid(format!("json is broken at line {line} column {column}: {what}"))
    }

    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    /// Consumes a byte of punctuation, where it is the next.
    fn take(&mut self, wanted: u8) -> bool {
        self.space();
        let found = self.byte() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Returns what the next value begins as.
    pub(super) fn peek(&mut self) -> Result<Token, Error> {
        self.space();
        match self.byte() {
            Some(b'{') => Ok(Token::Object),
            Some(b'[') => Ok(Token::Array),
            Some(b'"') => Ok(Token::Text),
            Some(b'-' | b'0'..=b'9') => Ok(Token::Number),
            Some(b't') => Ok(Token::True),
            Some(b'f') => Ok(Token::False),
            Some(b'n') => Ok(Token::Null),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the text ends where a value should be")),
        }
    }

    /// Opens an object or an array.
    pub(super) fn open(&mut self) {
        self.space();
        self.at += 1;
    }

    /// Steps to the next member of an object that was opened, and returns its key; `None` at its
    /// end. `first` is set to false.
    pub(super) fn member(&mut self, first: &mut bool) -> Result<Option<Cow<'j, [u8]>>, Error> {
        if self.take(b'}') {
            return Ok(None);
        }
        if !*first && !self.take(b',') {
            return Err(self.error("expected ',' or '}'"));
        }
        *first = false;
        self.space();
        if self.byte() != Some(b'"') {
            return Err(self.error("expected a name in quotes"));
        }
        let key = self.string()?;
        if !self.take(b':') {
            return Err(self.error("expected ':'"));
        }
        Ok(Some(key))
    }

    /// Steps to the next value of an array that was opened. Returns whether there is one.
    pub(super) fn item(&mut self, first: &mut bool) -> Result<bool, Error> {
        if self.take(b']') {
            return Ok(false);
        }
        if !*first && !self.take(b',') {
            return Err(self.error("expected ',' or ']'"));
        }
        *first = false;
        Ok(true)
    }

    /// Consumes `true`, `false` or `null`.
    pub(super) fn word(&mut self, token: Token) -> Result<(), Error> {
        let word: &[u8] = match token {
            Token::True => b"true",
            Token::False => b"false",
            _ => b"null",
        };
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Consumes a number and returns its digits.
    pub(super) fn number(&mut self) -> Result<&'j str, Error> {
        self.space();
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        let zero = self.byte() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (zero && whole > 1) {
            return Err(self.error("expected a number"));
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.error("expected digits behind the point"));
            }
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.error("expected digits of an exponent"));
            }
        }
        let digits = self.bytes.get(start..self.at).unwrap_or_default();
        std::str::from_utf8(digits).map_err(|_| self.error("expected a number"))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        self.at - start
    }

    /// Consumes a string. UTF-8 is not checked here.
    pub(super) fn string(&mut self) -> Result<Cow<'j, [u8]>, Error> {
        self.space();
        self.at += 1;
        let plain = self.plain()?;
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_vec();
        while self.byte() == Some(b'\\') {
            self.escape(&mut text)?;
            text.extend_from_slice(self.plain()?);
        }
        self.at += 1;
        Ok(Cow::Owned(text))
    }

    /// Consumes a string up to the next escape or to its end.
    fn plain(&mut self) -> Result<&'j [u8], Error> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let ends = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < 0x20;
        let len = rest.iter().position(ends).unwrap_or(rest.len());
        self.at += len;
        match self.byte() {
            Some(b'"' | b'\\') => Ok(rest.get(..len).unwrap_or_default()),
            Some(_) => Err(self.error("a control character in a string")),
            None => Err(self.error("the text ends inside a string")),
        }
    }

    /// Consumes an escape.
    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), Error> {
        let Some(byte) = self.bytes.get(self.at + 1).copied() else {
            return Err(self.error("the text ends inside a string"));
        };
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            b'u' => {
                let char = self.code_point()?;
                text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(self.error("an unknown escape in a string")),
        };
        self.at += 2;
        text.push(plain);
        Ok(())
    }

    /// Consumes one `\u` escape, or two that are a surrogate pair.
    fn code_point(&mut self) -> Result<char, Error> {
        let first = self.unit().ok_or_else(|| self.error("expected four hex digits"))?;
        self.at += 6;
        if let Some(char) = char::from_u32(first) {
            return Ok(char);
        }
        let second = self.unit().filter(|unit| (0xDC00..0xE000).contains(unit));
        match (first, second) {
            (0xD800..0xDC00, Some(second)) => {
                self.at += 6;
                let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            _ => Ok(char::REPLACEMENT_CHARACTER),
        }
    }

    /// Reads the number of a `\u` escape, if the next six bytes are one.
    fn unit(&self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
    }

    /// Consumes a value, whatever it is, without following it into depth.
    pub(super) fn skip(&mut self) -> Result<(), Error> {
        // Brackets that are open; one bit each would do, but hostile depth is bounded by the body.
        let mut open = Vec::new();
        loop {
            match self.peek()? {
                token @ (Token::Object | Token::Array) => {
                    self.open();
                    open.push((token, true));
                }
                Token::Text => drop(self.string()?),
                Token::Number => drop(self.number()?),
                token => self.word(token)?,
            }
            // Up to the next value, over what ends here.
            loop {
                let Some((token, first)) = open.last_mut() else { return Ok(()) };
                let more = match token {
                    Token::Object => self.member(first)?.is_some(),
                    _ => self.item(first)?,
                };
                if more {
                    break;
                }
                open.pop();
            }
        }
    }

    /// Checks that nothing follows.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        self.space();
        match self.byte() {
            None => Ok(()),
            Some(_) => Err(self.error("expected the end of the text")),
        }
    }
}
