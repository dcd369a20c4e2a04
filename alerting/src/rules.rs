//! Rule files: text in, groups of rules or problems with their places out. Pure.
//!
//! A file is read in three steps. `yaml` makes a tree of the text in which every value knows its
//! line and column, with the readings of Go's YAML, because upstream's files are written for it.
//! `parse` walks the tree, collects everything that is wrong, not only the first mistake, and
//! builds [`RuleGroup`]s of what is right. `validate` holds what is asked of names, labels and
//! templates. A file with an error yields no groups: half a file would be half the pages.
//!
//! [`unit_test`] runs promtool's unit tests against the same groups, over the same steps of
//! [`crate::state`] that the server takes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tarn_model::labels::LabelSet;
use tarn_query::promql;
use tarn_query::promql::ast::Expr;

use crate::problem::Problem;

mod parse;
pub mod shipped;
pub mod unit_test;
mod validate;
pub(crate) mod yaml;

pub use parse::{duplicates, parse, parse_group};

/// A group of rules, evaluated together, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleGroup {
    /// Name of the file as it was given.
    pub file: Arc<str>,
    /// Unique within its file.
    pub name: Arc<str>,
    /// How often; `None`: the default of the server.
    pub interval: Option<Duration>,
    /// How far behind its slot the group looks, and stamps; `None`: the default of the server.
    pub query_offset: Option<Duration>,
    /// How many alerts or series a rule may have; 0: any number.
    pub limit: usize,
    /// Labels of all rules; already merged under those of each rule.
    pub labels: LabelSet,
    /// Whether rules are also evaluated as samples arrive; `None`: as the server does.
    pub on_arrival: Option<bool>,
    /// The rules, in order.
    pub rules: Vec<Arc<Rule>>,
}

impl RuleGroup {
    /// Returns what a group is known by: `file;name`.
    pub fn key(&self) -> String {
        format!("{};{}", self.file, self.name)
    }
}

/// A recording or an alerting rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The name of the metric it records, or of the alert.
    pub name: Arc<str>,
    /// What is evaluated.
    pub expr: Arc<Expr>,
    /// The expression in its canonical form, as interfaces show it.
    pub query: Arc<str>,
    /// Labels it sets, sorted by name, those of the group included; templates in alerting rules.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// Recording or alerting.
    pub kind: RuleKind,
    /// The line of the file where the rule begins.
    pub line: u32,
    /// The column where the rule begins, in characters.
    pub column: u32,
}

/// What becomes of a rule's result.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleKind {
    /// It is written as series.
    Recording,
    /// Every sample is an alert.
    Alerting(Alerting),
}

/// What only alerting rules have.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Alerting {
    /// The `for`: how long a sample must be there until the alert fires.
    pub hold: Duration,
    /// How long an alert fires on after its sample is gone.
    pub keep_firing_for: Duration,
    /// Texts for people, sorted by name; templates.
    pub annotations: Vec<(Arc<str>, Arc<str>)>,
    /// What happens where the expression has nothing to look at.
    pub no_data: NoData,
}

/// What happens to alerts where the selectors of an expression match no series at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoData {
    /// Nothing is wrong, as upstream: alerts end.
    #[default]
    Resolve,
    /// Alerts stay as they are.
    Keep,
    /// An alert without labels of series, of value NaN.
    Alert,
}

impl Rule {
    /// Returns what only alerting rules have.
    pub fn alerting(&self) -> Option<&Alerting> {
        match &self.kind {
            RuleKind::Alerting(alerting) => Some(alerting),
            RuleKind::Recording => None,
        }
    }
}

/// What a file becomes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    /// The groups in the order of the file; none where there is an error.
    pub groups: Vec<RuleGroup>,
    /// Everything that is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}

/// How files are read.
#[derive(Clone, Copy)]
pub struct ParseOptions<'a> {
    /// Refuse what upstream does not know.
    pub strict: bool,
    /// Names of metrics and labels are those of old: letters, digits, underscores.
    pub legacy_names: bool,
    /// Keys that are not known are passed over, as `promtool --ignore-unknown-fields` does.
    pub ignore_unknown: bool,
    /// Which parts of PromQL are enabled.
    pub language: promql::ast::ParseOptions,
    /// How much text and nesting an expression may have.
    pub limits: promql::parse::ParseLimits,
    /// Parses a template of a label or an annotation; the text says what is wrong and where.
    pub check: &'a dyn Fn(&str) -> Result<(), String>,
}

impl Default for ParseOptions<'_> {
    fn default() -> Self {
        Self {
            strict: false,
            legacy_names: false,
            ignore_unknown: false,
            language: promql::ast::ParseOptions::default(),
            limits: promql::parse::ParseLimits::default(),
            check: &|_| Ok(()),
        }
    }
}

impl fmt::Debug for ParseOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { strict, legacy_names, ignore_unknown, language, limits, check: _ } = self;
        f.debug_struct("ParseOptions")
            .field("strict", strict)
            .field("legacy_names", legacy_names)
            .field("ignore_unknown", ignore_unknown)
            .field("language", language)
            .field("limits", limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
