//! Tree to plan: expressions over the columns of a table, and bounds that prune.
//!
//! The expressions are those of the SQL engine and name columns as its tables do (stored columns,
//! `attributes['k']`), so a search can stand in any plan over them. They are two-valued: what a row
//! does not have is not found in it, and what is excluded is everything else. The list of conditions
//! is sorted by what it costs to read their columns, because a scan reads the next only for rows
//! that passed.
//!
//! Intrinsics come before attributes of the same name: `service:checkout` must be able to prune by
//! service without looking at the attributes of every row. `@attr.service` reaches the others.

mod bounds;
mod field;
mod intrinsic;
mod text;

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, lit};
use tarn_storage::schema::tables::Table;
use tarn_storage::view::rows::RowPrune;

pub(crate) use self::field::literal;
pub(crate) use self::intrinsic::{Intrinsic, code, levels};
use super::SearchError;
use super::ast::{Query, Term, TermKind};
use super::filter;
use super::matcher::REGEX_BYTES_MAX;

/// Regular expressions of one search, each of which may take [`REGEX_BYTES_MAX`].
const REGEXES_MAX: usize = 100;

/// A search over one table. The default finds everything.
#[derive(Debug, Default)]
pub struct Plan {
    /// All must hold; cheap ones first.
    pub conditions: Vec<Expr>,
    /// What cannot match: by service, severity, kind, status, name and trace. Time is left open.
    pub prune: RowPrune,
}

type Result<T> = std::result::Result<T, SearchError>;

/// Plans a search.
///
/// # Errors
/// A value that its key does not take, or a regular expression that cannot be compiled.
pub fn plan(query: &Query, table: Table) -> Result<Plan> {
    let planner = Planner { table, regexes: std::cell::Cell::new(0) };
    let mut conditions = match query {
        Query::And(list) => list.iter().map(|q| planner.query(q)).collect::<Result<Vec<_>>>()?,
        Query::All => Vec::new(),
        other => vec![planner.query(other)?],
    };
    conditions.sort_by_key(cost);
    let prune = bounds::Bounds::of(query, table).into_prune();
    Ok(Plan { conditions, prune })
}

/// Reads a trace id from hex digits; left out zeros in front are zeros.
pub(crate) fn trace_id(text: &str) -> Option<[u8; 16]> {
    intrinsic::id(text, 16)?.try_into().ok()
}

/// Reads a span id from hex digits; left out zeros in front are zeros.
pub(crate) fn span_id(text: &str) -> Option<[u8; 8]> {
    intrinsic::id(text, 8)?.try_into().ok()
}

/// Reads an id of `width` bytes from hex digits, and writes it with all of them.
pub(crate) fn id_text(text: &str, width: usize) -> Option<String> {
    let bytes = intrinsic::id(text, width)?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

struct Planner {
    table: Table,
    regexes: std::cell::Cell<usize>,
}

impl Planner {
    fn query(&self, query: &Query) -> Result<Expr> {
        match query {
            Query::All => Ok(lit(true)),
            Query::And(list) => self.list(list, Expr::and, true),
            Query::Or(list) => self.list(list, Expr::or, false),
            Query::Not(inner) => Ok(Expr::Not(Box::new(self.query(inner)?))),
            Query::Term(term) => self.term(term),
        }
    }

    /// Joins the members pairwise: a list of a thousand becomes ten levels deep, not a thousand.
    fn list(&self, list: &[Query], join: impl Fn(Expr, Expr) -> Expr, empty: bool) -> Result<Expr> {
        let mut level: Vec<Expr> = list.iter().map(|q| self.query(q)).collect::<Result<_>>()?;
        while level.len() > 1 {
            let mut next = Vec::with_capacity(level.len().div_ceil(2));
            let mut members = level.into_iter();
            while let Some(first) = members.next() {
                next.push(match members.next() {
                    Some(second) => join(first, second),
                    None => first,
                });
            }
            level = next;
        }
        Ok(level.pop().unwrap_or_else(|| lit(empty)))
    }

    fn term(&self, term: &Term) -> Result<Expr> {
        match &term.kind {
            TermKind::Text(value) => self.text(value, term.span),
            TermKind::Exists(key) => Ok(self.exists(key)),
            TermKind::Field { key, op, value, value_span } => {
                self.field(key, *op, value, *value_span)
            }
        }
    }

    fn regex(&self, pattern: &str, span: super::Span) -> Result<regex::Regex> {
        self.regexes.set(self.regexes.get() + 1);
        if self.regexes.get() > REGEXES_MAX {
            let message = format!("the search has too many patterns, limit is {REGEXES_MAX}");
            return Err(SearchError::new(message, span));
        }
        let built = regex::RegexBuilder::new(pattern)
            .size_limit(REGEX_BYTES_MAX)
            .dfa_size_limit(REGEX_BYTES_MAX)
            .build();
        built.map_err(|e| SearchError::new(regex_message(&e), span))
    }
}

/// Says in one line what is wrong with a regular expression.
fn regex_message(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(max) => {
            format!("the regular expression is too large, limit is {max} bytes when compiled")
        }
        other => {
            let text = other.to_string();
            let reason = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
            format!("not a regular expression: {}", reason.unwrap_or(&text))
        }
    }
}

/// Names a column without parsing the name.
fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// Returns how much has to be read to decide a condition.
fn cost(expr: &Expr) -> u32 {
    expr.column_refs().iter().map(|column| filter::column_cost(&column.name)).sum()
}

#[cfg(test)]
mod tests;
