//! Boards of Grafana, made into ours, with an account of what was lost.
//!
//! A pure function: text in, board and [`Report`] out. Classic boards of every schema version are read
//! as they are, without Grafana's migrations: old and new spellings of one thing (`rows`, `graph`,
//! `singlestat`, thresholds as text) are told apart where they stand. What has no counterpart becomes a
//! placeholder that keeps the original JSON, so that nothing is gone and a later version may do better.
//!
//! Macros (`$__rate_interval`, `$__interval`, `$__range`) stay in the queries: the page fills them in,
//! because only it knows the width of a panel and the range that is looked at.
//!
//! - `grid`: rows of both kinds, places, repeats; `panels`: one function per kind of panel
//! - `queries`: targets and their data sources; `variables`: the seven kinds
//! - `options`: units, thresholds, mappings, colours, overrides; `transforms`: the fourteen

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::check::{CheckQuery, Language};
use super::model::{Dashboard, Problem, name_of};

mod grid;
mod options;
mod panels;
mod queries;
mod read;
mod transforms;
mod variables;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;

use read::{flag, list, text};

/// How well something came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It says the same.
    Exact,
    /// It shows the same data in another way; reasons say how.
    Approximated,
    /// It is kept as it was and shows nothing.
    Placeholder,
}

/// What became of a panel, a variable or an annotation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Its title or name.
    pub name: String,
    /// What it was.
    pub from: String,
    /// What it is now.
    pub becomes: String,
    /// How well.
    pub outcome: Outcome,
    /// What is other than it was, and why.
    pub reasons: Vec<String>,
    /// What of it is missing now: the board is not whole.
    pub lost: Vec<String>,
}

/// What became of a query.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueryLine {
    /// Title of the panel, or name of the variable.
    pub of: String,
    /// Its letter.
    pub reference: String,
    /// What it is written in; `None`: a language that is not known here.
    pub language: Option<Language>,
    /// Its text.
    pub text: String,
    /// Whether it can be answered.
    pub parsed: bool,
    /// Why not.
    pub message: Option<String>,
    /// Which bytes of the text are wrong.
    pub span: Option<(usize, usize)>,
}

/// What an import kept, and what it did not.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The board's title.
    pub title: String,
    /// Grafana's `schemaVersion`.
    pub schema_version: u64,
    /// Panels, rows apart.
    pub panels: Vec<Line>,
    /// Variables.
    pub variables: Vec<Line>,
    /// Annotations, without the built-in one.
    pub annotations: Vec<Line>,
    /// Queries of panels and variables.
    pub queries: Vec<QueryLine>,
    /// Whether nothing is missing: no placeholder, nothing lost.
    pub whole: bool,
}

impl Report {
    /// Counts panels and variables that are more than placeholders, and how many there are.
    pub fn coverage(lines: &[Line]) -> (usize, usize) {
        let kept = lines.iter().filter(|line| line.outcome != Outcome::Placeholder);
        (kept.count(), lines.len())
    }
}

/// What the parts of an import share.
struct Import<'a> {
    checker: &'a dyn CheckQuery,
    board: &'a Map<String, Value>,
    report: Report,
    panels: Map<String, Value>,
}

/// Makes a board.
///
/// # Errors
/// The tree is no board of Grafana's, or one in a format of its later versions.
pub fn import(tree: &Value, checker: &dyn CheckQuery) -> Result<(Dashboard, Report), Problem> {
    let board = classic(tree)?;
    let title = text(board, "title").unwrap_or("Imported board").to_owned();
    let report = Report {
        title: title.clone(),
        schema_version: board.get("schemaVersion").and_then(Value::as_u64).unwrap_or(0),
        ..Report::default()
    };
    let mut import = Import { checker, board, report, panels: Map::new() };
    let variables = import.variables();
    let layouts = import.layouts();
    let annotations = import.annotations();
    let mut spec = Map::new();
    let mut display = json!({ "name": title });
    if let Some(about) = text(board, "description").filter(|about| !about.is_empty()) {
        display["description"] = about.into();
    }
    spec.insert("display".into(), display);
    spec.insert("duration".into(), duration(board).into());
    if let Some(every) = text(board, "refresh").filter(|every| !every.is_empty()) {
        spec.insert("refreshInterval".into(), every.into());
    }
    spec.insert("variables".into(), variables.into());
    spec.insert("panels".into(), std::mem::take(&mut import.panels).into());
    spec.insert("layouts".into(), layouts.into());
    if !annotations.is_empty() {
        spec.insert("annotations".into(), annotations.into());
    }
    let mut report = import.report;
    let lines = [&report.panels, &report.variables, &report.annotations].into_iter().flatten();
    let whole = |line: &Line| line.outcome != Outcome::Placeholder && line.lost.is_empty();
    report.whole = lines.into_iter().all(whole);
    let tags: Vec<&str> = list(board, "tags").iter().filter_map(Value::as_str).collect();
    let made = json!({
        "kind": "Dashboard",
        "metadata": { "name": name_of(&title), "tags": tags },
        "spec": spec,
    });
    let board = Dashboard::of(made).map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        Problem::error("", format!("the board cannot be said in our format: {first}"))
    })?;
    Ok((board, report))
}

/// Returns the board itself, out of what an export may have around it.
fn classic(tree: &Value) -> Result<&Map<String, Value>, Problem> {
    let not_one = || Problem::error("", "not a board of Grafana: neither panels nor rows");
    let mut board = tree.as_object().ok_or_else(not_one)?;
    let version = text(board, "apiVersion").unwrap_or_default();
    if version.starts_with("dashboard.grafana.app/v2") {
        let message = "the V2 format of Grafana is not read: export the board as classic JSON";
        return Err(Problem::error("apiVersion", message));
    }
    for around in ["dashboard", "spec"] {
        if let Some(Value::Object(inner)) = board.get(around) {
            board = inner;
        }
    }
    let one = ["panels", "rows"].iter().any(|key| matches!(board.get(*key), Some(Value::Array(_))));
    if one { Ok(board) } else { Err(not_one()) }
}

/// Returns the range that the board opens with: `now-6h` is `6h`.
fn duration(board: &Map<String, Value>) -> String {
    let from = board.get("time").and_then(|time| time.get("from")).and_then(Value::as_str);
    let range = from.and_then(|from| from.strip_prefix("now-"));
    let plain = |range: &&str| {
        let digits = range.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && digits.len() < range.len()
    };
    range.filter(plain).unwrap_or("1h").to_owned()
}

impl Import<'_> {
    /// Keeps annotations, which are not drawn yet; the built-in one says nothing.
    fn annotations(&mut self) -> Vec<Value> {
        let Some(all) = self.board.get("annotations").and_then(Value::as_object) else {
            return Vec::new();
        };
        let mut kept = Vec::new();
        for annotation in list(all, "list").iter().filter_map(Value::as_object) {
            if annotation.get("builtIn").is_some_and(|own| *own != 0 && *own != false)
                || flag(annotation, "builtIn")
            {
                continue;
            }
            self.report.annotations.push(Line {
                name: text(annotation, "name").unwrap_or("annotation").to_owned(),
                from: "annotation".to_owned(),
                becomes: "annotation".to_owned(),
                outcome: Outcome::Approximated,
                reasons: vec!["kept, and not drawn yet".to_owned()],
                lost: Vec::new(),
            });
            kept.push(Value::Object(annotation.clone()));
        }
        kept
    }
}
