//! Text to tokens. Comments vanish here, and trim markers take the spaces beside them away.
//!
//! The whole text is cut at once; what is not a token ends the list with an [`Tok::Bad`] that says why,
//! as Go's scanner does.

use crate::format::quote;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tok {
    Bad,
    Eof,
    /// Text outside of actions.
    Text,
    Left,
    Right,
    LeftParen,
    RightParen,
    Space,
    Pipe,
    /// `=`.
    Assign,
    /// `:=`.
    Declare,
    /// Any other printable ASCII character.
    Char,
    Bool,
    Number,
    Complex,
    CharConstant,
    String,
    RawString,
    Field,
    Identifier,
    Variable,
    Dot,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

/// A token: its text is that of the template from `start` to `end`, but for [`Tok::Bad`].
#[derive(Debug, Clone)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Tok,
    pub(crate) pos: usize,
    pub(crate) text: &'a str,
    /// What is wrong, of [`Tok::Bad`].
    pub(crate) error: String,
}

const KEYWORDS: [(&str, Tok); 11] = [
    ("block", Tok::Block),
    ("break", Tok::Break),
    ("continue", Tok::Continue),
    ("define", Tok::Define),
    ("else", Tok::Else),
    ("end", Tok::End),
    ("if", Tok::If),
    ("nil", Tok::Nil),
    ("range", Tok::Range),
    ("template", Tok::Template),
    ("with", Tok::With),
];

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const TRIMMED: [char; 4] = [' ', '\t', '\r', '\n'];

impl std::fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keyword = self.kind == Tok::Dot || KEYWORDS.iter().any(|(_, kind)| *kind == self.kind);
        match self.kind {
            Tok::Eof => f.write_str("EOF"),
            Tok::Bad => f.write_str(&self.error),
            _ if keyword => write!(f, "<{}>", self.text),
            _ if self.text.len() > 10 => {
                write!(f, "{}...", quote(&self.text.chars().take(10).collect::<String>()))
            }
            _ => f.write_str(&quote(self.text)),
        }
    }
}

/// Cuts a text into tokens. The last one is [`Tok::Eof`] or [`Tok::Bad`].
pub(crate) fn lex(input: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { input, pos: 0, tokens: Vec::new(), parens: 0 };
    if let Err(error) = lexer.run() {
        lexer.tokens.push(Token { kind: Tok::Bad, pos: lexer.pos, text: "", error });
    }
    lexer.tokens
}

struct Lexer<'a> {
    input: &'a str,
    pos: usize,
    tokens: Vec<Token<'a>>,
    parens: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.input.get(self.pos..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn emit(&mut self, kind: Tok, start: usize) {
        let text = self.input.get(start..self.pos).unwrap_or_default();
        self.tokens.push(Token { kind, pos: start, text, error: String::new() });
    }

    /// Text and actions in turn. A right trim marker takes the spaces in front of the next text.
    fn run(&mut self) -> Result<(), String> {
        let mut trim = false;
        loop {
            if trim {
                self.pos = self.input.len() - self.rest().trim_start_matches(TRIMMED).len();
            }
            let start = self.pos;
            let Some(length) = self.rest().find(LEFT) else {
                self.pos = self.input.len();
                if self.pos > start {
                    self.emit(Tok::Text, start);
                }
                self.emit(Tok::Eof, self.pos);
                return Ok(());
            };
            let delimiter = start + length;
            let after = self.input.get(delimiter + LEFT.len()..).unwrap_or_default();
            let trims =
                after.starts_with('-') && after.get(1..).is_some_and(|r| r.starts_with(TRIMMED));
            let text = self.rest().get(..length).unwrap_or_default();
            let kept = if trims { text.trim_end_matches(TRIMMED) } else { text };
            self.pos = start + kept.len();
            if !kept.is_empty() {
                self.emit(Tok::Text, start);
            }
            self.pos = delimiter + LEFT.len();
            let marker = if trims { 2 } else { 0 };
            if after.get(marker..).is_some_and(|r| r.starts_with("/*")) {
                self.pos += marker;
                trim = self.comment()?;
                continue;
            }
            self.emit(Tok::Left, delimiter);
            self.pos += marker;
            trim = self.action()?;
        }
    }

    /// Skips a comment; returns whether what follows is trimmed.
    fn comment(&mut self) -> Result<bool, String> {
        let Some(length) = self.rest().get(2..).and_then(|r| r.find("*/")) else {
            return Err("unclosed comment".into());
        };
        self.pos += 2 + length + 2;
        let Some(trim) = self.at_right() else {
            return Err("comment ends before closing delimiter".into());
        };
        self.pos += if trim { 2 } else { 0 } + RIGHT.len();
        Ok(trim)
    }

    /// Returns whether the action ends here, and if so, whether what follows is trimmed.
    fn at_right(&self) -> Option<bool> {
        let rest = self.rest();
        if rest.starts_with(RIGHT) {
            return Some(false);
        }
        let marked = rest.strip_prefix(TRIMMED)?.strip_prefix('-')?;
        marked.starts_with(RIGHT).then_some(true)
    }

    /// The tokens of an action; returns whether what follows is trimmed.
    fn action(&mut self) -> Result<bool, String> {
        self.parens = 0;
        loop {
            if let Some(trim) = self.at_right() {
                if self.parens > 0 {
                    return Err("unclosed left paren".into());
                }
                self.pos += if trim { 2 } else { 0 };
                let start = self.pos;
                self.pos += RIGHT.len();
                self.emit(Tok::Right, start);
                return Ok(trim);
            }
            self.token()?;
        }
    }

    fn token(&mut self) -> Result<(), String> {
        let start = self.pos;
        let Some(c) = self.next() else { return Err("unclosed action".into()) };
        match c {
            c if TRIMMED.contains(&c) => {
                while self.at_right().is_none() && self.peek().is_some_and(|c| TRIMMED.contains(&c))
                {
                    self.next();
                }
                self.emit(Tok::Space, start);
            }
            '=' => self.emit(Tok::Assign, start),
            ':' => match self.next() {
                Some('=') => self.emit(Tok::Declare, start),
                _ => return Err("expected :=".into()),
            },
            '|' => self.emit(Tok::Pipe, start),
            '"' => self.quoted('"', Tok::String, "unterminated quoted string", start)?,
            '\'' => {
                self.quoted('\'', Tok::CharConstant, "unterminated character constant", start)?
            }
            '`' => {
                while self.next().ok_or("unterminated raw quoted string")? != '`' {}
                self.emit(Tok::RawString, start);
            }
            '$' => self.name(Tok::Variable, Tok::Variable, start)?,
            '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => {
                self.name(Tok::Field, Tok::Dot, start)?;
            }
            '.' | '+' | '-' | '0'..='9' => self.number(start)?,
            c if is_alphanumeric(c) => self.word(start)?,
            '(' => {
                self.parens += 1;
                self.emit(Tok::LeftParen, start);
            }
            ')' => {
                self.parens = self.parens.checked_sub(1).ok_or("unexpected right paren")?;
                self.emit(Tok::RightParen, start);
            }
            c if c.is_ascii_graphic() => self.emit(Tok::Char, start),
            c => return Err(format!("unrecognized character in action: {}", unicode(c))),
        }
        Ok(())
    }

    fn quoted(&mut self, end: char, kind: Tok, open: &str, start: usize) -> Result<(), String> {
        loop {
            match self.next() {
                Some('\\') if !matches!(self.peek(), None | Some('\n')) => {
                    self.next();
                }
                None | Some('\\' | '\n') => return Err(open.to_owned()),
                Some(c) if c == end => break,
                Some(_) => {}
            }
        }
        self.emit(kind, start);
        Ok(())
    }

    fn skip_word(&mut self) {
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
    }

    /// A field or variable, whose sign has been read; `alone` is what the sign is by itself.
    fn name(&mut self, kind: Tok, alone: Tok, start: usize) -> Result<(), String> {
        if self.at_terminator() {
            self.emit(alone, start);
            return Ok(());
        }
        self.skip_word();
        self.terminated()?;
        self.emit(kind, start);
        Ok(())
    }

    fn word(&mut self, start: usize) -> Result<(), String> {
        self.skip_word();
        self.terminated()?;
        let word = self.input.get(start..self.pos).unwrap_or_default();
        let keyword = KEYWORDS.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind);
        let kind = match word {
            "true" | "false" => Tok::Bool,
            _ => keyword.unwrap_or(Tok::Identifier),
        };
        self.emit(kind, start);
        Ok(())
    }

    fn terminated(&self) -> Result<(), String> {
        match self.peek() {
            Some(c) if !self.at_terminator() => Err(format!("bad character {}", unicode(c))),
            _ => Ok(()),
        }
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => TRIMMED.contains(&c) || self.rest().starts_with(RIGHT),
        }
    }

    fn number(&mut self, start: usize) -> Result<(), String> {
        self.pos = start;
        let mut kind = Tok::Number;
        let mut fits = self.scan_number();
        if fits && matches!(self.peek(), Some('+' | '-')) {
            kind = Tok::Complex;
            fits = self.scan_number() && self.input.as_bytes().get(self.pos - 1) == Some(&b'i');
        }
        if !fits {
            let text = self.input.get(start..self.pos).unwrap_or_default();
            return Err(format!("bad number syntax: {}", quote(text)));
        }
        self.emit(kind, start);
        Ok(())
    }

    fn accept(&mut self, set: &str) -> bool {
        let fits = self.peek().is_some_and(|c| set.contains(c));
        if fits {
            self.next();
        }
        fits
    }

    fn accept_run(&mut self, set: &str) {
        while self.accept(set) {}
    }

    fn scan_number(&mut self) -> bool {
        const DECIMAL: &str = "0123456789_";
        const HEX: &str = "0123456789abcdefABCDEF_";
        self.accept("+-");
        let mut digits = DECIMAL;
        if self.accept("0") {
            if self.accept("xX") {
                digits = HEX;
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if (digits == DECIMAL && self.accept("eE")) || (digits == HEX && self.accept("pP")) {
            self.accept("+-");
            self.accept_run(DECIMAL);
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Prints a character as Go's `%#U` does.
fn unicode(c: char) -> String {
    match c.is_control() {
        true => format!("U+{:04X}", c as u32),
        false => format!("U+{:04X} '{c}'", c as u32),
    }
}
