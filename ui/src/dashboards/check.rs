//! Looks at the queries of a board before anybody opens it.
//!
//! The languages are not ours: the binary gives a [`CheckQuery`]. Queries of boards have variables and
//! macros in them (`$job`, `${job:regex}`, `[[job]]`, `$__rate_interval`), which the page fills in when
//! it asks. Here each is replaced by something of the kind that fits its place, and offsets are carried
//! back to the text as it stands on the board.

use std::ops::Range;

use serde::Serialize;

use super::model::{Dashboard, Problem, Query};

mod stand_in;

#[cfg(test)]
mod tests;

pub use stand_in::{Standing, stand_in};

/// What a query is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Prometheus'.
    Promql,
    /// SQL.
    Sql,
    /// The search language, over log records.
    Logs,
    /// The search language, over spans.
    Traces,
    /// Loki's. Kept, not answered yet.
    Logql,
}

/// Why a text is no query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong.
    pub message: String,
    /// Which bytes of the text.
    pub span: Option<Range<usize>>,
}

/// Says whether a text is a query. No I/O.
pub trait CheckQuery {
    /// Checks a text without variables.
    ///
    /// # Errors
    /// The first mistake.
    fn check(&self, language: Language, text: &str) -> Result<(), Mistake>;
}

/// Returns the language of a query; `None` for a kind that is not known.
pub fn language(query: &Query<'_>) -> Option<Language> {
    match query.kind {
        "TarnLogQuery" if query.language == Some("logql") => Some(Language::Logql),
        "PrometheusTimeSeriesQuery" | "PrometheusPromQLVariable" => Some(Language::Promql),
        "TarnSqlQuery" => Some(Language::Sql),
        "TarnLogQuery" => Some(Language::Logs),
        "TarnTraceQuery" => Some(Language::Traces),
        _ => None,
    }
}

/// Checks a query of a board, variables and all.
///
/// # Errors
/// The first mistake, with its place in the text as given.
pub fn check(checker: &dyn CheckQuery, language: Language, text: &str) -> Result<(), Mistake> {
    let mut first: Option<Mistake> = None;
    // What a variable outside of quotes and brackets stands for shows only in trying.
    for free in ["x", "1", "5m"] {
        let standing = stand_in(text, free);
        match checker.check(language, &standing.text) {
            Ok(()) => return Ok(()),
            Err(mistake) => {
                let span = mistake.span.map(|span| standing.back(&span));
                first.get_or_insert(Mistake { span, ..mistake });
            }
        }
        if !standing.has_free {
            break;
        }
    }
    first.map_or(Ok(()), Err)
}

/// Returns what is wrong with the queries of a board. What this server cannot answer is a warning:
/// other panels work.
pub fn lint(board: &Dashboard, checker: &dyn CheckQuery) -> Vec<Problem> {
    let mut problems = Vec::new();
    for query in board.queries() {
        match language(&query) {
            None => {
                let message = format!("queries of kind {} are kept, not run", query.kind);
                problems.push(Problem::warning(query.path, message));
            }
            Some(Language::Logql) => {
                let message = "LogQL is kept, and not answered yet";
                problems.push(Problem::warning(query.path, message));
            }
            Some(language) => {
                if let Err(Mistake { message, span }) = check(checker, language, query.text) {
                    let at = span.map(|span| format!(" (bytes {}–{})", span.start, span.end));
                    let message = format!("{message}{}", at.unwrap_or_default());
                    problems.push(Problem::error(query.path, message));
                }
            }
        }
    }
    problems
}
