//! Reads the keys of a section, and remembers which ones it was asked for: those left over are
//! unknown.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tarn_model::error::Error;
use tarn_model::map::{HashMap, HashSet};
use tarn_model::secret::Secret;
use tarn_model::units::parse_duration;

use super::yaml::{At, Key, Node, Value};
use crate::problem::Problem;

/// What all sections of a file share.
#[derive(Debug)]
pub(super) struct Context {
    file: String,
    problems: RefCell<Vec<Problem>>,
    /// Where secrets stand, and what is shown instead.
    secrets: RefCell<HashMap<At, String>>,
}

impl Context {
    pub(super) fn new(file: &str) -> Self {
        let (problems, secrets) = (RefCell::default(), RefCell::default());
        Self { file: file.to_owned(), problems, secrets }
    }

    pub(super) fn error(&self, at: At, message: impl Into<String>) {
        self.tell(at, message.into(), false);
    }

    pub(super) fn warn(&self, at: At, message: impl Into<String>) {
        self.tell(at, message.into(), true);
    }

    fn tell(&self, (line, column): At, message: String, warning: bool) {
        let file = self.file.clone();
        self.problems.borrow_mut().push(Problem { file, line, column, message, warning });
    }

    /// Returns the problems by place.
    pub(super) fn problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }

    fn is_secret(&self, at: At) -> bool {
        self.secrets.borrow().contains_key(&at)
    }

    /// Returns what is shown instead of a secret.
    pub(super) fn mask(&self, at: At) -> Option<String> {
        self.secrets.borrow().get(&at).cloned()
    }

    pub(super) fn hide(&self, at: At) {
        self.hide_as(at, "<secret>".to_owned());
    }

    fn hide_as(&self, at: At, mask: String) {
        self.secrets.borrow_mut().insert(at, mask);
    }

    /// Returns a path as the file means it: beside itself.
    pub(super) fn beside(&self, path: &str) -> PathBuf {
        let folder = Path::new(&self.file).parent().unwrap_or(Path::new(""));
        folder.join(path)
    }
}

/// A section that is being read.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) context: &'a Context,
    /// For people: `route`, `slack_configs`.
    pub(super) name: String,
    pub(super) at: At,
    entries: &'a [(Key, Value)],
    used: HashSet<&'static str>,
}

impl<'a> Section<'a> {
    /// Opens a value that should be a section; `None` with a problem where it is not.
    pub(super) fn open(
        context: &'a Context,
        name: impl Into<String>,
        value: &'a Value,
    ) -> Option<Self> {
        let name = name.into();
        let entries: &[(Key, Value)] = match &value.node {
            Node::Map(entries) => entries,
            Node::Null => &[],
            _ => {
                context.error(value.at, format!("{name} must be a section, not {}", value.what()));
                return None;
            }
        };
        Some(Self { context, name, at: value.at, entries, used: HashSet::default() })
    }

    /// Returns the value of a key; nothing where it is not written, or has none.
    pub(super) fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        self.used.insert(key);
        let found = self.entries.iter().find(|(have, _)| have.name == key);
        found.map(|(_, value)| value).filter(|value| !matches!(value.node, Node::Null))
    }

    /// Returns whether a key has a value, without reading it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(have, value)| {
            have.name == key
                && !matches!(value.node, Node::Null)
                && value.text().is_none_or(|text| !text.is_empty())
        })
    }

    /// Tells a mistake of the section as a whole.
    pub(super) fn error(&self, message: impl Into<String>) {
        self.context.error(self.at, message);
    }

    /// Returns where a key stands, or the section.
    pub(super) fn place(&self, key: &str) -> At {
        let found = self.entries.iter().find(|(have, _)| have.name == key);
        found.map_or(self.at, |(key, _)| key.at)
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.get(key)?;
        let text = value.text();
        if text.is_none() {
            self.expected(value, key, "a text");
        }
        text.map(str::to_owned)
    }

    pub(super) fn text_or(&mut self, key: &'static str, default: &str) -> String {
        self.text(key).unwrap_or_else(|| default.to_owned())
    }

    fn expected(&self, value: &Value, key: &str, what: &str) {
        let found = match value.text() {
            Some(text) if !self.context.is_secret(value.at) => format!("{text:?}"),
            _ => value.what().to_owned(),
        };
        self.context.error(value.at, format!("{key} must be {what}, not {found}"));
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        // As YAML 1.1 has it, which upstream reads.
        match value.text().map(str::to_ascii_lowercase).as_deref() {
            Some("true" | "yes" | "on" | "y") => Some(true),
            Some("false" | "no" | "off" | "n") => Some(false),
            _ => {
                self.expected(value, key, "true or false");
                None
            }
        }
    }

    pub(super) fn number(&mut self, key: &'static str) -> Option<i64> {
        let value = self.get(key)?;
        let number = value.text().and_then(|text| text.parse().ok());
        if number.is_none() {
            self.expected(value, key, "a whole number");
        }
        number
    }

    pub(super) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        let value = self.get(key)?;
        let parsed = value.text().map(parse_duration);
        match parsed {
            Some(Ok(duration)) => Some(duration),
            Some(Err(error)) => {
                self.context.error(value.at, format!("{key}: {}", error.message()));
                None
            }
            None => {
                self.expected(value, key, "a duration such as 1h30m");
                None
            }
        }
    }

    /// Reads a URL with scheme and host.
    pub(super) fn url(&mut self, key: &'static str) -> Option<String> {
        let value = self.get(key)?;
        let text = self.text(key)?;
        self.check_url(value, key, &text).then_some(text)
    }

    fn check_url(&self, value: &Value, key: &str, text: &str) -> bool {
        // The text is not repeated: it may hold a password.
        let mistake = match url::Url::parse(text) {
            Err(error) => format!("{key} is not a URL: {error}"),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                format!("{key}: unsupported scheme {:?}, expected http or https", url.scheme())
            }
            Ok(url) if url.host_str().is_none_or(str::is_empty) => format!("{key}: missing host"),
            Ok(_) => return true,
        };
        self.context.error(value.at, mistake);
        false
    }

    /// Reads a secret: `key`, or what is in the file that `file_key` names. Not both.
    pub(super) fn secret(&mut self, key: &'static str, file_key: &'static str) -> Option<Secret> {
        let inline = self.get(key);
        if let Some(inline) = inline {
            self.context.hide(inline.at);
        }
        let inline = self.text(key).filter(|text| !text.is_empty());
        let in_file = self.text(file_key).filter(|text| !text.is_empty());
        match (inline, in_file) {
            (Some(_), Some(_)) => {
                let at = self.place(file_key);
                let text = format!("at most one of {key} & {file_key} must be configured");
                self.context.error(at, text);
                None
            }
            (Some(inline), None) => Some(Secret::fixed(format!("{}.{key}", self.name), inline)),
            (None, Some(path)) => Some(self.secret_in(&path)),
            (None, None) => None,
        }
    }

    /// Reads a secret that is a URL.
    pub(super) fn secret_url(
        &mut self,
        key: &'static str,
        file_key: &'static str,
    ) -> Option<Secret> {
        let secret = self.secret(key, file_key);
        // Whose URL it is may be seen, and older clients want to see a URL.
        if let Some(value) = self.get(key)
            && let Ok(url) = url::Url::parse(value.text().unwrap_or_default())
            && let Some(host) = url.host_str()
        {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            self.context.hide_as(value.at, format!("{}://{host}{port}/<secret>", url.scheme()));
        }
        if let Some(value) = self.get(key)
            && let Some(text) = value.text()
            && !text.is_empty()
            // What the API shows can be read back in.
            && text != "<secret>"
            && !self.check_url(value, key, text)
        {
            return None;
        }
        secret
    }

    /// Reads a secret that can only be in a file.
    pub(super) fn secret_file(&mut self, file_key: &'static str) -> Option<Secret> {
        let path = self.text(file_key).filter(|text| !text.is_empty())?;
        Some(self.secret_in(&path))
    }

    /// Returns the secret in a file; it is read when it is asked for.
    pub(super) fn secret_in(&self, path: &str) -> Secret {
        let path = self.context.beside(path);
        Secret::new(format!("file:{}", path.display()), move || {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| Error::invalid(format!("read {}: {error}", path.display())))?;
            Ok(text.trim().to_owned())
        })
    }

    pub(super) fn list(&mut self, key: &'static str) -> Option<&'a [Value]> {
        let value = self.get(key)?;
        match &value.node {
            Node::List(items) => Some(items),
            _ => {
                self.expected(value, key, "a list");
                None
            }
        }
    }

    /// Reads a list of texts; a single text counts as a list of one, as upstream has it.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<(At, String)>> {
        let value = self.get(key)?;
        if let Some(text) = value.text() {
            return Some(vec![(value.at, text.to_owned())]);
        }
        let mut texts = Vec::new();
        for item in self.list(key)? {
            match item.text() {
                Some(text) => texts.push((item.at, text.to_owned())),
                None => self.expected(item, key, "a list of texts"),
            }
        }
        Some(texts)
    }

    pub(super) fn section(&mut self, key: &'static str) -> Option<Self> {
        let value = self.get(key)?;
        Section::open(self.context, key, value)
    }

    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Self> {
        let context = self.context;
        let items = self.list(key).unwrap_or_default();
        items.iter().filter_map(|item| Section::open(context, key, item)).collect()
    }

    /// Returns names and values of a section with any keys.
    pub(super) fn map(&mut self, key: &'static str) -> Vec<(&'a Key, &'a Value)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        match &value.node {
            Node::Map(entries) => entries.iter().map(|(key, value)| (key, value)).collect(),
            _ => {
                self.expected(value, key, "a section");
                Vec::new()
            }
        }
    }

    /// Returns names and texts of a section with any keys.
    pub(super) fn text_map(&mut self, key: &'static str) -> Vec<(At, String, String)> {
        let mut found = Vec::new();
        for (name, value) in self.map(key) {
            match value.text() {
                Some(text) => found.push((name.at, name.name.clone(), text.to_owned())),
                None if matches!(value.node, Node::Null) => {
                    found.push((name.at, name.name.clone(), String::new()));
                }
                None => self.expected(value, &name.name, "a text"),
            }
        }
        found
    }

    /// Tells which keys nobody asked for.
    pub(super) fn finish(self) {
        for (key, _) in self.entries {
            if !self.used.contains(key.name.as_str()) {
                let near = nearest(&key.name, self.used.iter().copied());
                let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                let text = format!("unknown field {} in {}{hint}", key.name, self.name);
                self.context.error(key.at, text);
            }
        }
    }
}

/// Returns the known key that is one or two slips of the finger away.
fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let scored = known.map(|key| (distance(name, key), key));
    scored.filter(|(slips, _)| *slips <= 2).min().map(|(_, key)| key)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = usize::from(x != *y);
            let next = (diagonal + cost).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}
