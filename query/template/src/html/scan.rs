//! Reads HTML as a browser does: tags, attributes, and where the languages in them begin and end.

use super::{Delimiter, Element, Escaper, Kind, State, js};

const SPACES: [char; 5] = [' ', '\t', '\n', '\u{c}', '\r'];

impl Escaper {
    /// Reads one part of the text; returns its length and whether it is kept.
    pub(super) fn scan(&mut self, text: &str) -> (usize, bool) {
        match self.state {
            State::Text => self.between_tags(text),
            State::Comment => match text.find("-->") {
                Some(end) => {
                    self.state = State::Text;
                    (end + 3, false)
                }
                None => (text.len(), false),
            },
            State::Raw(element) => (self.raw(text, element), true),
            State::Tag => (self.tag(text), true),
            State::AttributeName => (self.attribute(text), true),
            State::AfterName => (self.after_name(text), true),
            State::BeforeValue => (self.before_value(text), true),
            State::Value(delimiter) => (self.in_value(text, delimiter), true),
        }
    }

    fn between_tags(&mut self, text: &str) -> (usize, bool) {
        let Some(start) = text.find('<') else { return (text.len(), true) };
        let after = text.get(start + 1..).unwrap_or_default();
        if start > 0 {
            return (start, true);
        }
        if after.starts_with("!--") {
            self.state = State::Comment;
            return (4, false);
        }
        let slash = usize::from(after.starts_with('/'));
        let name = after.get(slash..).unwrap_or_default();
        let length = name.find(|c: char| !c.is_ascii_alphanumeric() && c != ':' && c != '-');
        let length = length.unwrap_or(name.len());
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return (1, true);
        }
        self.state = State::Tag;
        self.element = match slash {
            0 => Element::of(name.get(..length).unwrap_or_default()),
            _ => None,
        };
        (1 + slash + length, true)
    }

    /// Content of an element that is no HTML, up to its end tag.
    fn raw(&mut self, text: &str, element: Element) -> usize {
        let end = end_tag(text, element);
        let content = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
        match element {
            Element::Script => self.script.text(content),
            Element::Style => self.style.text(content),
            Element::Textarea | Element::Title => {}
        }
        if end == Some(0) {
            self.state = State::Tag;
            self.element = None;
            return 2 + element.name().len();
        }
        content.len()
    }

    fn tag(&mut self, text: &str) -> usize {
        let trimmed = text.trim_start_matches(SPACES);
        let spaces = text.len() - trimmed.len();
        if trimmed.starts_with('>') {
            self.state = match self.element.take() {
                None => State::Text,
                Some(element) => {
                    self.script = js::Scanner::default();
                    self.style = super::css::Scanner::default();
                    State::Raw(element)
                }
            };
            return spaces + 1;
        }
        if trimmed.starts_with(['/', '"', '\'']) {
            return spaces + 1;
        }
        if !trimmed.is_empty() {
            self.state = State::AttributeName;
            self.name.clear();
        }
        spaces
    }

    fn attribute(&mut self, text: &str) -> usize {
        let end = text.find(|c: char| SPACES.contains(&c) || "=/>".contains(c));
        let name = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
        self.name.push_str(&name.to_ascii_lowercase());
        match end {
            None => text.len(),
            // A sign alone is the name of an attribute, as browsers see it.
            Some(0) if self.name.is_empty() && !text.starts_with(['/', '>']) => {
                self.name.push('=');
                1
            }
            Some(end) => {
                self.state = State::AfterName;
                // Nothing was read where a value was the whole name: the next scan reads on.
                if end == 0 { self.after_name(text) } else { end }
            }
        }
    }

    fn after_name(&mut self, text: &str) -> usize {
        let trimmed = text.trim_start_matches(SPACES);
        let spaces = text.len() - trimmed.len();
        if trimmed.starts_with('=') {
            self.state = State::BeforeValue;
            return spaces + 1;
        }
        if trimmed.is_empty() {
            return spaces;
        }
        self.state = State::Tag;
        spaces + self.tag(trimmed)
    }

    fn before_value(&mut self, text: &str) -> usize {
        let trimmed = text.trim_start_matches(SPACES);
        let spaces = text.len() - trimmed.len();
        match trimmed.chars().next() {
            None => return spaces,
            Some('"') => self.begin_value(Delimiter::Double),
            Some('\'') => self.begin_value(Delimiter::Single),
            Some('>') => {
                self.state = State::Tag;
                return spaces + self.tag(trimmed);
            }
            Some(_) => {
                self.begin_value(Delimiter::Bare);
                return spaces + self.in_value(trimmed, Delimiter::Bare);
            }
        }
        spaces + 1
    }

    fn in_value(&mut self, text: &str, delimiter: Delimiter) -> usize {
        let end = match delimiter {
            Delimiter::Double => text.find('"'),
            Delimiter::Single => text.find('\''),
            Delimiter::Bare => text.find(|c: char| SPACES.contains(&c) || c == '>'),
        };
        let content = decode(text.get(..end.unwrap_or(text.len())).unwrap_or_default());
        match self.kind {
            Kind::Plain | Kind::UrlSet => {}
            Kind::Url => self.url = self.url.after(&content),
            Kind::Script => self.script.text(&content),
            Kind::Style => self.style.text(&content),
        }
        let Some(end) = end else { return text.len() };
        self.state = State::Tag;
        match delimiter {
            Delimiter::Bare => end + self.tag(text.get(end..).unwrap_or_default()),
            _ => end + 1,
        }
    }
}

/// Returns where the end tag of an element begins.
fn end_tag(text: &str, element: Element) -> Option<usize> {
    let name = element.name();
    text.match_indices("</").map(|(at, _)| at).find(|at| {
        let head = text.get(at + 2..at + 2 + name.len());
        let after = text.get(at + 2 + name.len()..).and_then(|rest| rest.chars().next());
        let ends = after.is_none_or(|c| SPACES.contains(&c) || c == '/' || c == '>');
        head.is_some_and(|head| head.eq_ignore_ascii_case(name)) && ends
    })
}

/// Decodes the references that matter for following a language inside of an attribute.
fn decode(text: &str) -> String {
    let pairs = [
        ("&#34;", "\""),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&apos;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Returns what the value of an attribute is.
pub(super) fn kind_of(name: &str) -> Kind {
    const URLS: [&str; 18] = [
        "action",
        "archive",
        "background",
        "cite",
        "classid",
        "codebase",
        "data",
        "formaction",
        "href",
        "icon",
        "longdesc",
        "manifest",
        "poster",
        "profile",
        "src",
        "usemap",
        "xmlns",
        "ping",
    ];
    let name = name.strip_prefix("data-").unwrap_or(name);
    let name = match name.split_once(':') {
        Some(("xmlns", _)) => return Kind::Url,
        Some((_, local)) => local,
        None => name,
    };
    match name {
        "style" => Kind::Style,
        "srcset" => Kind::UrlSet,
        name if name.starts_with("on") => Kind::Script,
        // A document of its own: nothing that comes from outside may stand in it.
        "srcdoc" => Kind::Script,
        name if URLS.contains(&name) => Kind::Url,
        name if ["src", "uri", "url"].iter().any(|part| name.contains(part)) => Kind::Url,
        _ => Kind::Plain,
    }
}

/// Removes tags from HTML, for places where only text can stand.
pub(super) fn without_tags(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        out.push_str(rest.get(..start).unwrap_or_default());
        let tag = rest.get(start..).unwrap_or_default();
        rest = tag.find('>').and_then(|end| tag.get(end + 1..)).unwrap_or_default();
    }
    out.push_str(rest);
    out
}
