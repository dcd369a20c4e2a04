//! HTML: every value is escaped for the place where it stands.
//!
//! The [`Escaper`] reads along what the template writes, like a browser would: text, tags, attributes,
//! and the languages inside of them: JavaScript, CSS, URLs. A value is escaped for the state in which
//! it is met, so that it stays a value: it ends no attribute and no string, begins no element, names
//! no script as a link. The state follows what was really written, not the branches of the template;
//! so a template whose branches end differently, which Go refuses, is still escaped rightly.
//!
//! What the author wrote stays, but for comments. What cannot be made safe becomes `ZgotmplZ`, as in Go.

use std::borrow::Cow;

use crate::format;
use crate::value::{Safe, Value};

mod css;
mod js;
mod scan;
mod url;

/// What a value becomes that is not safe where it stands.
const UNSAFE: &str = "ZgotmplZ";

/// Where in HTML something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between tags.
    Text,
    /// Inside of an element whose content is no HTML.
    Raw(Element),
    /// In a comment.
    Comment,
    /// In a tag, before the name of an attribute.
    Tag,
    /// In the name of an attribute.
    AttributeName,
    /// Behind the name of an attribute.
    AfterName,
    /// Behind the `=` of an attribute.
    BeforeValue,
    /// In the value of an attribute.
    Value(Delimiter),
}

/// Elements whose content is no HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Script,
    Style,
    Textarea,
    Title,
}

impl Element {
    fn of(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "script" => Self::Script,
            "style" => Self::Style,
            "textarea" => Self::Textarea,
            "title" => Self::Title,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Style => "style",
            Self::Textarea => "textarea",
            Self::Title => "title",
        }
    }
}

/// What ends the value of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    Double,
    Single,
    /// A space or the end of the tag.
    Bare,
}

/// What the value of an attribute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Url,
    UrlSet,
    Script,
    Style,
}

/// Follows the HTML that is written.
#[derive(Debug)]
pub struct Escaper {
    state: State,
    /// The name of the tag or attribute that is being read.
    name: String,
    /// The element whose tag is being read, where its content is no HTML.
    element: Option<Element>,
    kind: Kind,
    script: js::Scanner,
    style: css::Scanner,
    url: url::Part,
}

impl Default for Escaper {
    fn default() -> Self {
        Self::new()
    }
}

impl Escaper {
    /// Starts between tags.
    pub fn new() -> Self {
        Self {
            state: State::Text,
            name: String::new(),
            element: None,
            kind: Kind::Plain,
            script: js::Scanner::default(),
            style: css::Scanner::default(),
            url: url::Part::Start,
        }
    }

    /// Reads text of the template and returns what of it is written: all but comments.
    pub(crate) fn text<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        let mut out = Cow::Borrowed(text);
        let mut rest = text;
        let mut dropped = false;
        let mut kept = String::new();
        while !rest.is_empty() {
            let (read, keep) = self.scan(rest);
            // Every scan reads something: the text ends.
            let read = read.clamp(1, rest.len());
            let Some((head, tail)) = rest.split_at_checked(read) else { break };
            match keep {
                true => kept.push_str(head),
                false => dropped = true,
            }
            rest = tail;
        }
        if dropped {
            out = Cow::Owned(kept);
        }
        out
    }

    /// Escapes a value for the place where it stands. `escaped` says that the template has escaped it
    /// for HTML already.
    ///
    /// # Errors
    /// The value is too long to be printed.
    pub(crate) fn value(&mut self, value: &Value, escaped: bool) -> Result<String, String> {
        self.settle();
        let text = match value {
            Value::Nil => String::new(),
            Value::Text(text) | Value::Safe(_, text) => text.as_ref().to_owned(),
            value => format::print(std::slice::from_ref(value))?,
        };
        let safe = match value {
            Value::Safe(safe, _) => Some(*safe),
            _ => None,
        };
        Ok(match self.state {
            State::Text if escaped || safe == Some(Safe::Html) => text,
            State::Text => encode(&text, false),
            State::Comment => String::new(),
            State::Tag | State::AttributeName | State::AfterName | State::BeforeValue => {
                self.attribute_name(&text)
            }
            State::Raw(Element::Script) => self.script.value(value, &text),
            State::Raw(Element::Style) => self.style.value(&text),
            State::Raw(Element::Textarea | Element::Title) => {
                encode(&text, escaped || safe == Some(Safe::Html))
            }
            State::Value(delimiter) => {
                let text = match self.kind {
                    Kind::Plain if safe == Some(Safe::Html) => scan::without_tags(&text),
                    Kind::Plain => text,
                    Kind::Url => self.url.value(&text, safe == Some(Safe::Url)),
                    Kind::UrlSet => url::set(&text),
                    Kind::Script => self.script.value(value, &text),
                    Kind::Style => self.style.value(&text),
                };
                let normal = self.kind == Kind::Plain && (escaped || safe == Some(Safe::Html));
                match delimiter {
                    Delimiter::Bare => encode_bare(&text, normal),
                    _ => encode(&text, normal),
                }
            }
        })
    }

    /// A value that stands where a name or a quote is expected begins one.
    fn settle(&mut self) {
        match self.state {
            State::Tag | State::AfterName => {
                self.state = State::AttributeName;
                self.name.clear();
            }
            State::BeforeValue => self.begin_value(Delimiter::Bare),
            _ => {}
        }
    }

    fn begin_value(&mut self, delimiter: Delimiter) {
        self.state = State::Value(delimiter);
        self.kind = scan::kind_of(&self.name);
        self.script = js::Scanner::default();
        self.style = css::Scanner::default();
        self.url = url::Part::Start;
    }

    /// Names of attributes: only such whose values mean nothing.
    fn attribute_name(&mut self, text: &str) -> String {
        let plain =
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let full = format!("{}{}", self.name, text.to_ascii_lowercase());
        if !plain || scan::kind_of(&full) != Kind::Plain {
            return UNSAFE.to_owned();
        }
        self.name = full;
        text.to_owned()
    }
}

/// Escapes for text and quoted values. What is escaped already keeps its `&`.
fn encode(text: &str, escaped: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '+' => out.push_str("&#43;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' if !escaped => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

/// Escapes for values without quotes, where a space would end them.
fn encode_bare(text: &str, escaped: bool) -> String {
    if text.is_empty() {
        return UNSAFE.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ' | '=' | '`' => {
                out.push_str(&format!("&#{};", u32::from(c)));
            }
            c => out.push_str(&encode(c.encode_utf8(&mut [0; 4]), escaped)),
        }
    }
    out
}

#[cfg(test)]
mod tests;
