//! JSON, token by token, where it lies.
//!
//! A parser of our own, because three things are needed that a parser into Rust types does not give:
//! the digits of a number as they stand (a double must be the nearest to them), strings with half of
//! a surrogate pair (JavaScript writes them where it cut a text) as U+FFFD, and values nested however
//! deep skipped without a stack.

use std::borrow::Cow;

use tarn_model::error::Error;

/// Brackets inside each other that are skipped; each takes two bytes meanwhile.
const SKIP_LEVELS_MAX: usize = 1 << 20;

/// A string between its quotes, escapes as they stand, which are known to be good.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'j> {
    bytes: &'j [u8],
    escaped: bool,
}

impl<'j> Raw<'j> {
    /// Returns how many bytes it is at most.
    pub(super) fn len(self) -> usize {
        self.bytes.len()
    }

    /// Returns the text. UTF-8 is not checked here.
    pub(super) fn text(self) -> Cow<'j, [u8]> {
        if !self.escaped {
            return Cow::Borrowed(self.bytes);
        }
        let mut text = Vec::with_capacity(self.bytes.len());
        self.write(&mut text);
        Cow::Owned(text)
    }

    /// Appends the text.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let mut rest = self.bytes;
        while let Some(at) = memchr::memchr(b'\\', rest) {
            let (plain, escape) = rest.split_at(at);
            out.extend_from_slice(plain);
            let len = write_escape(escape, out);
            rest = escape.get(len..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
    }
}

/// Appends the character of the escape at the beginning of `bytes`. Returns how long the escape is.
fn write_escape(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    let plain = match bytes.get(1) {
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(b'u') => {
            let (char, len) = code_point(bytes);
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            return len;
        }
        other => other.copied().unwrap_or_default(),
    };
    out.push(plain);
    2
}

/// Reads one `\u` escape, or two that are a surrogate pair, and how long they are.
fn code_point(bytes: &[u8]) -> (char, usize) {
    let first = unit(bytes).unwrap_or_default();
    if let Some(char) = char::from_u32(first) {
        return (char, 6);
    }
    let second = bytes.get(6..).and_then(unit).filter(|unit| (0xDC00..0xE000).contains(unit));
    match (first, second) {
        (0xD800..0xDC00, Some(second)) => {
            let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
        }
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}

/// Reads the number of a `\u` escape, if the next six bytes are one.
fn unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.get(..6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

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
    pub(super) fn member(&mut self, first: &mut bool) -> Result<Option<Raw<'j>>, Error> {
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

    /// Consumes a string.
    pub(super) fn string(&mut self) -> Result<Raw<'j>, Error> {
        self.space();
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let ends = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < 0x20;
            self.at += rest.iter().position(ends).unwrap_or(rest.len());
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.error("a control character in a string")),
                None => return Err(self.error("the text ends inside a string")),
            }
        }
        let bytes = self.bytes.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Raw { bytes, escaped })
    }

    /// Checks and steps over an escape.
    fn escape(&mut self) -> Result<(), Error> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match rest.get(1) {
            Some(b'"' | b'\\' | b'/' | b'n' | b'r' | b't' | b'b' | b'f') => self.at += 2,
            Some(b'u') if unit(rest).is_some() => self.at += 6,
            Some(b'u') => return Err(self.error("expected four hex digits")),
            Some(_) => return Err(self.error("an unknown escape in a string")),
            None => return Err(self.error("the text ends inside a string")),
        }
        Ok(())
    }

    /// Consumes a value, whatever it is, without following it into depth.
    pub(super) fn skip(&mut self) -> Result<(), Error> {
        let mut open = Vec::new();
        loop {
            match self.peek()? {
                token @ (Token::Object | Token::Array) => {
                    if open.len() >= SKIP_LEVELS_MAX {
                        return Err(self.error("brackets are nested too deep"));
                    }
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
