//! CSS: strings, comments and `url()` are followed; elsewhere only values pass that name a colour, a
//! size or a word.

use super::{UNSAFE, url};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Code,
    Quoted(char),
    /// In `url(`, with the quote that ends it.
    Url(Option<char>),
    LineComment,
    BlockComment,
}

/// Follows a style.
#[derive(Debug, Clone)]
pub(super) struct Scanner {
    state: State,
    escaped: bool,
    /// The last characters of code, to see `url(`.
    last: String,
    part: url::Part,
}

impl Default for Scanner {
    fn default() -> Self {
        let last = String::new();
        Self { state: State::Code, escaped: false, last, part: url::Part::Start }
    }
}

impl Scanner {
    pub(super) fn text(&mut self, text: &str) {
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if std::mem::take(&mut self.escaped) {
                continue;
            }
            match self.state {
                State::Code => match (c, chars.peek()) {
                    ('/', Some('*')) => self.state = State::BlockComment,
                    ('/', Some('/')) => self.state = State::LineComment,
                    ('"' | '\'', _) => self.state = State::Quoted(c),
                    ('(', _) if self.last.ends_with("url") => self.begin_url(&mut chars),
                    _ => self.remember(c),
                },
                _ if c == '\\' => self.escaped = true,
                State::Quoted(quote) if c == quote || c == '\n' => self.state = State::Code,
                State::Url(Some(quote)) if c == quote => self.state = State::Code,
                State::Url(None) if c == ')' || c.is_whitespace() => self.state = State::Code,
                State::Url(_) => self.part = self.part.after(c.encode_utf8(&mut [0; 4])),
                State::LineComment if c == '\n' => self.state = State::Code,
                State::BlockComment if c == '*' && chars.peek() == Some(&'/') => {
                    chars.next();
                    self.state = State::Code;
                }
                State::Quoted(_) | State::LineComment | State::BlockComment => {}
            }
        }
    }

    fn begin_url(&mut self, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        self.state = State::Url(chars.next_if(|c| matches!(c, '"' | '\'')));
        self.part = url::Part::Start;
        self.last.clear();
    }

    fn remember(&mut self, c: char) {
        if self.last.len() > 64 {
            self.last.clear();
        }
        self.last.push(c.to_ascii_lowercase());
    }

    /// Returns a value for the place where the style stands.
    pub(super) fn value(&self, text: &str) -> String {
        match self.state {
            State::Code => filtered(text),
            State::Quoted(_) => escape(text),
            State::Url(_) => {
                let url = self.part.value(text, false);
                // Quotes and brackets would end it; percent signs stand for them.
                url.replace('\'', "%27").replace('(', "%28").replace(')', "%29")
            }
            State::LineComment | State::BlockComment => String::new(),
        }
    }
}

/// Lets words, numbers, colours and lists of them pass, but no expression and no binding.
fn filtered(text: &str) -> String {
    let odd = |c: char| c.is_control() || "\0\"'()/;@[\\]`{}<>".contains(c);
    let word: String =
        text.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let runs = ["expression", "mozbinding", "javascript"].iter().any(|bad| word.contains(bad));
    match text.contains(odd) || text.contains("--") || runs {
        true => UNSAFE.to_owned(),
        false => text.to_owned(),
    }
}

/// Escapes for a string.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii_alphanumeric() || c == ' ' || c == '-' || c == '_' || !c.is_ascii() {
            true => out.push(c),
            // The space ends the number of the character.
            false => out.push_str(&format!("\\{:x} ", u32::from(c))),
        }
    }
    out
}
