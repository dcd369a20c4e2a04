//! The Perses `Dashboard`, JSON or YAML.
//!
//! A board is kept as the tree that was read: kinds and fields that nobody here knows survive a round
//! trip, because nothing is ever taken out of the tree. [`read`] checks what the page relies on, names
//! everything that is wrong with its path, and bounds size, depth and counts before anything is built.
//! Keys are written in the order of the alphabet, so that two exports of one board are the same bytes.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

mod walk;

#[cfg(test)]
mod tests;

/// Longest text of a board. The largest of Grafana's own boards have a tenth of it.
pub const BYTES_MAX: usize = 5_000_000;
/// Most panels of a board; boards written by hand have up to 200.
pub const PANELS_MAX: usize = 2_000;
/// Most variables of a board.
pub const VARIABLES_MAX: usize = 200;
/// Most queries of one panel.
pub const QUERIES_MAX: usize = 100;
/// Most sections of a board, and most items of one section.
pub const LAYOUTS_MAX: usize = 2_000;
/// Most values of a board, all lists and objects counted.
pub const VALUES_MAX: usize = 1_000_000;
/// How deep a board may be nested.
pub const DEPTH_MAX: usize = 64;
/// Longest name, which is a part of addresses and of file names.
pub const NAME_BYTES_MAX: usize = 75;
/// Columns of a grid.
pub const COLUMNS: u64 = 24;
/// Names that are paths of the API.
const NAMES_TAKEN: [&str; 2] = ["import", "lint"];
/// Problems that are told of one board; more help nobody.
const PROBLEMS_MAX: usize = 50;

/// What is wrong with a board, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where, as `spec.panels.cpu.spec.plugin.kind`; empty for the whole text.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// Whether the board works nevertheless.
    pub warning: bool,
}

impl Problem {
    /// Makes a problem for which a board is refused.
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), warning: false }
    }

    /// Makes a problem with which a board works.
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), warning: true }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(f, "{}{colon}{}", self.path, self.message)
    }
}

/// How the text of a board is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, indented by two.
    Json,
    /// YAML.
    Yaml,
}

impl Format {
    /// Returns the format that the ending of a file name stands for.
    pub fn of_file(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }
}

/// A board that was read and checked. Made by [`read`] and [`Dashboard::of`] only.
#[derive(Debug, Clone, PartialEq)]
pub struct Dashboard {
    tree: Map<String, Value>,
}

/// A query of a panel or of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// Where it stands.
    pub path: String,
    /// Kind of its plugin, as `PrometheusTimeSeriesQuery`.
    pub kind: &'a str,
    /// Its text.
    pub text: &'a str,
    /// What it says that it is written in; imported LogQL does.
    pub language: Option<&'a str>,
}

/// Reads a board.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(text: &str, format: Format) -> Result<Dashboard, Vec<Problem>> {
    Dashboard::of(parse(text, format).map_err(|problem| vec![problem])?)
}

/// Reads a text as a tree, bounded.
///
/// # Errors
/// It is too long, too deep, or not of the format.
pub fn parse(text: &str, format: Format) -> Result<Value, Problem> {
    if text.len() > BYTES_MAX {
        let bytes = text.len();
        return Err(Problem::error("", format!("{bytes} bytes, limit is {BYTES_MAX}")));
    }
    let value: Value = match format {
        Format::Json => {
            serde_json::from_str(text).map_err(|e| Problem::error("", format!("not JSON: {e}")))?
        }
        Format::Yaml => {
            let options = serde_saphyr::options! { strict_booleans: true };
            serde_saphyr::from_str_with_options(text, options)
                .map_err(|e| Problem::error("", format!("not YAML: {}", e.without_snippet())))?
        }
    };
    let (depth, values) = walk::size(&value);
    if depth > DEPTH_MAX {
        return Err(Problem::error("", format!("nested {depth} deep, limit is {DEPTH_MAX}")));
    }
    // YAML's references make much of little.
    if values > VALUES_MAX {
        return Err(Problem::error("", format!("{values} values, limit is {VALUES_MAX}")));
    }
    Ok(value)
}

/// Checks a name: it becomes part of an address.
///
/// # Errors
/// Why it is none.
pub fn check_name(name: &str) -> Result<(), String> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(format!("a name has 1 to {NAME_BYTES_MAX} characters, not {}", name.len()));
    }
    if !name.bytes().all(fine) || name.starts_with('.') {
        return Err(format!("name {name:?} has more than letters, digits, - _ and . in it"));
    }
    if NAMES_TAKEN.contains(&name) {
        return Err(format!("name {name:?} is taken by the API"));
    }
    Ok(())
}

/// Makes a name of a title: `Node Exporter Full` becomes `node-exporter-full`.
pub fn name_of(title: &str) -> String {
    let mut name = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
        if name.len() == NAME_BYTES_MAX - 2 {
            break;
        }
    }
    let name = name.trim_end_matches('-');
    match check_name(name) {
        Ok(()) => name.to_owned(),
        Err(_) => format!("board-{name}").trim_end_matches('-').to_owned(),
    }
}

impl Dashboard {
    /// Checks a tree.
    ///
    /// # Errors
    /// Everything that is wrong with it, the first few where it is much.
    pub fn of(value: Value) -> Result<Self, Vec<Problem>> {
        let Value::Object(tree) = value else {
            return Err(vec![Problem::error("", "a board is an object with kind, metadata, spec")]);
        };
        let mut problems = walk::check(&tree);
        if problems.is_empty() {
            return Ok(Self { tree });
        }
        problems.truncate(PROBLEMS_MAX);
        Err(problems)
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        walk::text(&self.tree, &["metadata", "name"]).unwrap_or_default()
    }

    /// Gives it another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        if let Some(Value::Object(metadata)) = self.tree.get_mut("metadata") {
            metadata.insert("name".to_owned(), name.into());
        }
        self
    }

    /// Returns what people call it.
    pub fn title(&self) -> &str {
        walk::text(&self.tree, &["spec", "display", "name"]).unwrap_or_else(|| self.name())
    }

    /// Returns what it is about, in a sentence; may be empty.
    pub fn description(&self) -> &str {
        walk::text(&self.tree, &["spec", "display", "description"]).unwrap_or_default()
    }

    /// Returns its tags.
    pub fn tags(&self) -> Vec<&str> {
        walk::texts(&self.tree, &["metadata", "tags"])
    }

    /// Returns the metrics of which one must exist for the board to show anything (`metadata.needs`,
    /// ours); none: it is for everybody.
    pub fn needs(&self) -> Vec<&str> {
        walk::texts(&self.tree, &["metadata", "needs"])
    }

    /// Returns how many panels it has.
    pub fn panels(&self) -> usize {
        let panels = walk::at(&self.tree, &["spec", "panels"]).and_then(Value::as_object);
        panels.map_or(0, Map::len)
    }

    /// Returns every query of its panels and variables.
    pub fn queries(&self) -> Vec<Query<'_>> {
        walk::queries(&self.tree)
    }

    /// Returns the tree.
    pub fn tree(&self) -> &Map<String, Value> {
        &self.tree
    }

    /// Returns the tree, to keep.
    pub fn into_value(self) -> Value {
        Value::Object(self.tree)
    }

    /// Writes the board, with keys in a stable order.
    ///
    /// # Errors
    /// A tree that the format cannot say.
    pub fn write(&self, format: Format) -> Result<String, Problem> {
        let failed = |e: String| Problem::error("", format!("cannot be written: {e}"));
        match format {
            Format::Json => serde_json::to_string_pretty(&self.tree)
                .map(|text| text + "\n")
                .map_err(|e| failed(e.to_string())),
            Format::Yaml => serde_saphyr::to_string(&self.tree).map_err(|e| failed(e.to_string())),
        }
    }
}
