//! Unit tests of rules, in promtool's format: series in, alerts and answers out.
//!
//! [`parse`] reads a test file, [`run`] runs its tests. A test has a store of its own in memory and
//! a simulated clock: at every step the samples up to it appear in the store, then every group is
//! evaluated with [`crate::state::step`] and [`crate::state::record`], and what they write is in the
//! store before the next rule reads. Expected alerts are compared with what fires at the last
//! evaluation at or before their time, expected samples with the answer of the engine at theirs.
//! The server takes the same steps; what differs is only where samples come from. Pure: files are
//! read, and results printed, by whoever calls.

use std::fmt;
use std::sync::Arc;

use tarn_model::labels::LabelSet;
use tarn_query::promql::notation::Value as Point;

use super::ParseOptions;
use crate::state::Sample;

mod file;
mod filter;
mod run;
mod templates;
mod verdict;
mod world;

pub use file::parse;
pub use filter::Filter;
pub use run::run;
pub use templates::expand;

/// A test file.
#[derive(Debug, Clone, PartialEq)]
pub struct TestFile {
    /// Its name as it was given.
    pub file: Arc<str>,
    /// Names or globs of rule files, relative to the test file.
    pub rule_files: Vec<String>,
    /// The distance of evaluations.
    pub interval_ms: i64,
    /// Groups that are evaluated in this order; the others come with the first of them.
    pub group_order: Vec<String>,
    /// Floats may differ in the last bit.
    pub fuzzy: bool,
    /// The tests.
    pub tests: Vec<Test>,
}

/// One test: what goes in and what must come out.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// Its name; without one its number, as `#1`.
    pub name: String,
    /// Where it begins in the file.
    pub line: u32,
    /// The distance of samples.
    pub interval_ms: i64,
    /// When it begins.
    pub start_ms: i64,
    /// Series and their points, one per interval.
    pub series: Vec<(LabelSet, Vec<Option<Point>>)>,
    /// Expected alerts.
    pub alerts: Vec<AlertTest>,
    /// Expected answers.
    pub exprs: Vec<ExprTest>,
    /// What templates see as `$externalLabels`.
    pub external_labels: LabelSet,
    /// What templates see as `$externalURL`.
    pub external_url: String,
}

/// What must fire at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertTest {
    /// Where it stands in the file.
    pub line: u32,
    /// When, from the start of the test.
    pub at_ms: i64,
    /// The name of the alert.
    pub name: String,
    /// Only alerts of this group count; `None`: of any.
    pub group: Option<String>,
    /// Labels, `alertname` included, and annotations.
    pub expected: Vec<(LabelSet, LabelSet)>,
}

/// What an expression must answer at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct ExprTest {
    /// Where it stands in the file.
    pub line: u32,
    /// When, from the start of the test.
    pub at_ms: i64,
    /// The expression.
    pub expr: String,
    /// Labels and values.
    pub expected: Vec<(LabelSet, Point)>,
}

/// What a template of a rule sees, apart from its text.
pub struct Surroundings<'a> {
    /// Name of the alert.
    pub alert: &'a str,
    /// The sample it is written out for.
    pub sample: &'a Sample,
    /// `$externalLabels`.
    pub external_labels: &'a LabelSet,
    /// `$externalURL`.
    pub external_url: &'a str,
    /// The time of the evaluation.
    pub now_ms: i64,
    /// Answers `query`.
    pub query: &'a dyn Fn(&str) -> Result<Vec<Sample>, String>,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("sample", self.sample).finish_non_exhaustive()
    }
}

/// Writes out a template.
pub type Expand<'a> = dyn Fn(&str, &Surroundings<'_>) -> Result<String, String> + 'a;

/// How tests are run.
#[derive(Clone, Copy)]
pub struct RunOptions<'a> {
    /// How rule files are read.
    pub rules: ParseOptions<'a>,
    /// Writes out templates.
    pub expand: &'a Expand<'a>,
    /// Keep a record of what happened.
    pub debug: bool,
}

impl fmt::Debug for RunOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rules, expand: _, debug } = self;
        f.debug_struct("RunOptions")
            .field("rules", rules)
            .field("debug", debug)
            .finish_non_exhaustive()
    }
}

/// What became of a test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What is not as expected; nothing: the test passed.
    pub failures: Vec<Failure>,
    /// What happened, line by line, where it was asked for.
    pub record: Vec<String>,
}

/// Something that is not as expected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// Where in the test file.
    pub line: u32,
    /// What was looked at, and when.
    pub what: String,
    /// What was expected and is there.
    pub matching: Vec<String>,
    /// What was expected and is not there.
    pub missing: Vec<String>,
    /// What is there and was not expected.
    pub unexpected: Vec<String>,
    /// What else there is to know.
    pub note: Option<String>,
}
