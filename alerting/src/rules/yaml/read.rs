//! Asks a tree for what a file should hold, and collects what it does not.
//!
//! Scalars are read as Go's YAML reads them into fields of a type: a string takes any scalar as it
//! was written (`severity: 1e3` is the text `1e3`), an integer takes `0x10` and `010` (eight) but
//! nothing quoted, a boolean takes `yes` and `off`, nothing at all is the default of the field.

use std::time::Duration;

use tarn_model::units::parse_duration;

use super::{Kind, Node};
use crate::problem::Problem;

/// Collects problems of one file.
#[derive(Debug)]
pub(crate) struct Reader {
    file: String,
    ignore_unknown: bool,
    /// What messages begin with: `group "g", rule 2, "Name": `.
    pub(crate) context: String,
    pub(crate) problems: Vec<Problem>,
}

/// The entries of a map whose keys are known.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'n>(Vec<(&'n str, &'n Node)>);

impl<'n> Fields<'n> {
    /// Returns the value of a key, unless nothing was written there.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.0.iter().find(|(name, node)| *name == key && !node.is_null()).map(|(_, node)| *node)
    }
}

impl Reader {
    pub(crate) fn new(file: &str, ignore_unknown: bool) -> Self {
        let (file, context) = (file.to_owned(), String::new());
        Self { file, ignore_unknown, context, problems: Vec::new() }
    }

    /// Notes a mistake at a node.
    pub(crate) fn error(&mut self, at: &Node, message: impl AsRef<str>) {
        self.error_at(at.line, at.column, message);
    }

    /// Notes a mistake at a place.
    pub(crate) fn error_at(&mut self, line: u32, column: u32, message: impl AsRef<str>) {
        let message = format!("{}{}", self.context, message.as_ref());
        let file = self.file.clone();
        self.problems.push(Problem { file, line, column, message, warning: false });
    }

    /// Notes what is probably wrong.
    pub(crate) fn warn_at(&mut self, line: u32, column: u32, message: impl AsRef<str>) {
        let message = format!("{}{}", self.context, message.as_ref());
        let file = self.file.clone();
        self.problems.push(Problem { file, line, column, message, warning: true });
    }

    /// Returns the fields of a map; keys that are not in the list are mistakes.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, what: &str, keys: &[&str]) -> Fields<'n> {
        let mut fields: Vec<(&'n str, &'n Node)> = Vec::new();
        for (key, value) in self.entries(node, what) {
            let Some(name) = key.text() else {
                self.error(key, format!("{} is no key of {what}", key.describe()));
                continue;
            };
            if !keys.contains(&name) {
                if !self.ignore_unknown {
                    let known = nearest(name, keys);
                    self.error(key, format!("{name:?} is no key of {what}; {known}"));
                }
                continue;
            }
            fields.push((name, value));
        }
        Fields(fields)
    }

    /// Returns the entries of a map; a key that is there twice is a mistake.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(&'n Node, &'n Node)> {
        let entries = match &node.kind {
            Kind::Map(entries) => entries,
            _ if node.is_null() => return Vec::new(),
            _ => {
                self.error(node, format!("{what} must be a map, is {}", node.describe()));
                return Vec::new();
            }
        };
        let mut kept: Vec<(&Node, &Node)> = Vec::with_capacity(entries.len());
        let mut seen: std::collections::BTreeMap<&str, u32> = std::collections::BTreeMap::new();
        for (key, value) in entries {
            if let Some(text) = key.text()
                && let Some(line) = seen.insert(text, key.line)
            {
                self.error(key, format!("key {text:?} is already there in line {line}"));
                continue;
            }
            kept.push((key, value));
        }
        kept
    }

    /// Returns the items of a list; nothing at all is an empty list, and an item that is nothing at
    /// all is none.
    pub(crate) fn list<'n>(&mut self, node: Option<&'n Node>, what: &str) -> Vec<&'n Node> {
        match node.map(|node| (node, &node.kind)) {
            Some((_, Kind::List(items))) => items.iter().filter(|item| !item.is_null()).collect(),
            None => Vec::new(),
            Some((node, _)) => {
                self.error(node, format!("{what} must be a list, is {}", node.describe()));
                Vec::new()
            }
        }
    }

    /// Returns a text; nothing at all is the empty text.
    pub(crate) fn text<'n>(&mut self, node: Option<&'n Node>, what: &str) -> &'n str {
        let Some(node) = node else { return "" };
        match node.text() {
            _ if node.is_null() => "",
            Some(text) => text,
            None => {
                self.error(node, format!("{what} must be a text, is {}", node.describe()));
                ""
            }
        }
    }

    /// Returns a duration such as `1h30m`.
    pub(crate) fn duration(&mut self, node: Option<&Node>, what: &str) -> Option<Duration> {
        let node = node?;
        let text = node.text().filter(|_| !node.is_null());
        match text.map(parse_duration) {
            Some(Ok(duration)) => Some(duration),
            _ => {
                let hint = match text.is_some_and(|text| text.parse::<f64>().is_ok()) {
                    true => "; it needs a unit, such as 30s",
                    false => "",
                };
                let got = node.describe();
                self.error(
                    node,
                    format!("{what} must be a duration such as 1h30m, is {got}{hint}"),
                );
                None
            }
        }
    }

    /// Returns a whole number.
    pub(crate) fn integer(&mut self, node: Option<&Node>, what: &str) -> Option<i64> {
        let node = node?;
        let value = node.plain().and_then(integer);
        if value.is_none() {
            let got = node.describe();
            self.error(node, format!("{what} must be a whole number, is {got}"));
        }
        value
    }

    /// Returns a number; text that is a number counts.
    pub(crate) fn float(&mut self, node: Option<&Node>, what: &str) -> Option<f64> {
        let node = node?;
        let value = node.plain().and_then(float);
        if value.is_none() {
            self.error(node, format!("{what} must be a number, is {}", node.describe()));
        }
        value
    }

    /// Returns yes or no.
    pub(crate) fn boolean(&mut self, node: Option<&Node>, what: &str) -> Option<bool> {
        let node = node?;
        match node.plain().map(str::to_ascii_lowercase).as_deref() {
            Some("true" | "yes" | "on" | "y") => Some(true),
            Some("false" | "no" | "off" | "n") => Some(false),
            _ => {
                self.error(node, format!("{what} must be true or false, is {}", node.describe()));
                None
            }
        }
    }

    /// Returns texts by name, with the place of each.
    pub(crate) fn texts<'n>(
        &mut self,
        node: Option<&'n Node>,
        what: &str,
    ) -> Vec<(&'n Node, &'n str, &'n Node)> {
        let Some(node) = node else { return Vec::new() };
        let mut texts = Vec::new();
        for (key, value) in self.entries(node, what) {
            let name = key.text().unwrap_or_default();
            let text = self.text(Some(value), &format!("{what}: {name}"));
            texts.push((key, text, value));
        }
        texts
    }
}

/// Reads an integer as Go's YAML does: bases by prefix, a leading zero is octal, underscores are
/// nothing, a float loses its fraction.
fn integer(text: &str) -> Option<i64> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let of_base = |digits: &str, base| {
        let plain = digits.bytes().all(|b| b.is_ascii_alphanumeric());
        plain.then(|| i64::from_str_radix(digits, base).ok()).flatten().map(|v| sign * v)
    };
    let prefixed = [("0x", 16), ("0X", 16), ("0b", 2), ("0B", 2), ("0o", 8), ("0O", 8)];
    for (prefix, base) in prefixed {
        if let Some(digits) = digits.strip_prefix(prefix) {
            return of_base(digits, base);
        }
    }
    if digits.len() > 1
        && digits.starts_with('0')
        && let Some(value) = of_base(digits, 8)
    {
        return Some(value);
    }
    of_base(digits, 10).or_else(|| {
        let value = float(text)?;
        (value.abs() < 9e18).then_some(value as i64)
    })
}

fn float(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        _ => {
            let number = text.replace('_', "");
            let starts = number.trim_start_matches(['+', '-', '.']);
            let is_number = starts.starts_with(|c: char| c.is_ascii_digit());
            if is_number { number.parse().ok() } else { None }
        }
    }
}

/// Says which key was probably meant, or which there are.
fn nearest(name: &str, keys: &[&str]) -> String {
    let simple = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let likely = keys.iter().find(|key| {
        let (a, b) = (simple(name), simple(key));
        a == b || distance(&a, &b) <= 1 + b.len() / 6
    });
    match likely {
        Some(key) => format!("did you mean {key:?}?"),
        None => format!("its keys are {}", keys.join(", ")),
    }
}

/// How many letters differ, are missing or too many.
fn distance(a: &str, b: &str) -> usize {
    // Keys are short; a name of the file may be of any length.
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
