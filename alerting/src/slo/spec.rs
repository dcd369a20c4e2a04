//! Files of objectives: ours, and Sloth's first version, told apart by their `version`.
//!
//! ```yaml
//! slos:
//! - name: checkout-availability
//!   service: checkout
//!   objective: 99.9               # per cent
//!   window: 30d                   # rolling
//!   sli:
//!     ratio:
//!       bad:   http_requests_total{job="checkout", code=~"5.."}
//!       valid: http_requests_total{job="checkout"}
//! - name: checkout-latency
//!   service: checkout
//!   objective: 99
//!   sli:
//!     latency: { histogram: 'http_request_duration_seconds{job="checkout"}', below: 300ms }
//! - name: checkout-spans
//!   service: checkout
//!   objective: 99.5
//!   sli:
//!     events: { table: spans, valid: "service_name = 'checkout'", good: "status_code <> 2" }
//! ```
//!
//! Selectors name counters, not rates: the ledger adds up what they grow by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use tarn_model::labels::{LE, METRIC_NAME};
use tarn_model::matcher::{MatchOp, Matcher};
use tarn_model::units::parse_duration;
use tarn_query::promql::ast::{BinaryOp, Expr, ParseOptions, TimeShift};
use tarn_query::promql::parse::{self, ParseLimits};

use super::sloth;
use crate::problem::Problem;

/// What share of which events must be good, and who is told when it is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// Unique among all objectives.
    pub name: Arc<str>,
    /// Whose it is.
    pub service: Arc<str>,
    /// For people.
    pub description: String,
    /// Labels of its alerts.
    pub labels: BTreeMap<String, String>,
    /// Between 0 and 1: 0.999 of the events must be good.
    pub target: f64,
    /// Over which the target holds; rolling.
    pub window: Duration,
    /// What is counted.
    pub sli: Sli,
    /// Labels that are counted apart.
    pub group_by: Vec<String>,
    /// Name, labels and annotations of its alerts.
    pub alerting: Alerting,
    /// Where it was written.
    pub file: Arc<str>,
    /// Line in the file, from 1.
    pub line: u32,
}

/// What is counted.
#[derive(Debug, Clone, PartialEq)]
pub enum Sli {
    /// Growth of counters.
    Counters {
        /// Good events; or, with the flag below, bad ones.
        part: Counter,
        /// Whether `part` counts what is bad.
        is_bad: bool,
        /// All events that count.
        valid: Counter,
    },
    /// Rows of logs or spans.
    Events {
        /// `logs` or `spans`.
        table: String,
        /// Condition in SQL: the row counts.
        valid: String,
        /// Condition in SQL: a row that counts is good.
        good: String,
    },
    /// A share of bad events that a query returns; `{{.window}}` stands for the window. Averages of
    /// such ratios are not weighted by events.
    Ratio {
        /// PromQL.
        query: String,
    },
}

/// A sum of counters.
#[derive(Debug, Clone, PartialEq)]
pub struct Counter {
    /// What is added up.
    pub terms: Vec<Term>,
}

/// One selector of a sum.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// Which series.
    pub matchers: Vec<Matcher>,
    /// Subtracted, not added.
    pub negative: bool,
    /// Of native histograms only the events at or below this value count.
    pub below: Option<f64>,
}

/// Names and texts of an objective's alerts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Alerting {
    /// Name of both alerts; empty: `SloBurn`.
    pub name: String,
    /// Labels of both.
    pub labels: BTreeMap<String, String>,
    /// Annotations of both.
    pub annotations: BTreeMap<String, String>,
    /// What wakes somebody.
    pub page: AlertText,
    /// What can wait.
    pub ticket: AlertText,
    /// Whether the tier in front of the workbook's is left out.
    pub no_outage: bool,
}

/// One of the two alerts.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertText {
    /// Leaves the alert out.
    pub disable: bool,
    /// Labels of this one.
    pub labels: BTreeMap<String, String>,
    /// Annotations of this one.
    pub annotations: BTreeMap<String, String>,
}

/// Targets are kept apart from 1: a budget of nothing cannot burn.
const TARGET_MAX_PERCENT: f64 = 99.9999;
/// Shorter windows have no use for tiers of days.
const WINDOW_MIN: Duration = Duration::from_secs(24 * 3600);
/// Longer ones are beyond what anybody keeps metrics for.
const WINDOW_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// Groups are counted apart up to this many labels.
const GROUP_BY_MAX: usize = 4;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    slos: Vec<Spanned<Item>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    name: Spanned<String>,
    service: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    objective: Spanned<f64>,
    #[serde(default)]
    window: Option<Spanned<String>>,
    sli: Spanned<SliItem>,
    group_by: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    alerting: AlertingItem,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AlertingItem {
    name: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    page: AlertText,
    ticket: AlertText,
    outage: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SliItem {
    ratio: Option<RatioItem>,
    latency: Option<LatencyItem>,
    events: Option<EventsItem>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RatioItem {
    good: Option<Spanned<String>>,
    bad: Option<Spanned<String>>,
    valid: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LatencyItem {
    histogram: Spanned<String>,
    below: Spanned<String>,
    #[serde(default)]
    native: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsItem {
    table: Spanned<String>,
    #[serde(default)]
    valid: String,
    good: String,
}

/// Reads a file of objectives. Whatever is wrong with one of them is told; the others are returned.
pub fn parse(file: &str, text: &str) -> (Vec<Objective>, Vec<Problem>) {
    let version = first_version(text);
    if version.as_deref() == Some(sloth::VERSION) {
        return sloth::parse(file, text);
    }
    if let Some(other) = version {
        let message =
            format!("version {other:?} is not known: leave it out, or {}", sloth::VERSION);
        return (Vec::new(), vec![problem(file, None, message)]);
    }
    let parsed: File = match read(file, text) {
        Ok(parsed) => parsed,
        Err(problem) => return (Vec::new(), vec![problem]),
    };
    let mut found = Found::new(file);
    for item in parsed.slos {
        let at = item.referenced;
        let objective = objective(file, item.value, at);
        found.add(at, objective);
    }
    found.done()
}

/// Objectives of a file, and what is wrong with the rest.
pub(super) struct Found<'a> {
    file: &'a str,
    objectives: Vec<Objective>,
    problems: Vec<Problem>,
}

impl<'a> Found<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self { file, objectives: Vec::new(), problems: Vec::new() }
    }

    pub(super) fn add(&mut self, at: Location, objective: Result<Objective, Mistake>) {
        match objective {
            Ok(new) if self.objectives.iter().any(|o| o.name == new.name) => {
                let message = format!("objective {:?} is there twice", &*new.name);
                self.problems.push(problem(self.file, Some(at), message));
            }
            Ok(new) => self.objectives.push(new),
            Err((place, message)) => {
                self.problems.push(problem(self.file, place.or(Some(at)), message));
            }
        }
    }

    pub(super) fn done(self) -> (Vec<Objective>, Vec<Problem>) {
        (self.objectives, self.problems)
    }
}

/// Where, if more is known than the objective, and what.
pub(super) type Mistake = (Option<Location>, String);

/// Reads YAML.
pub(super) fn read<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, Problem> {
    serde_saphyr::from_str(text).map_err(|e| {
        let e = e.without_snippet();
        let told = e.to_string();
        // The place stands in the problem itself.
        let what = told.rsplit_once(" at line ").map_or(told.as_str(), |(what, _)| what);
        problem(file, e.location(), what.to_owned())
    })
}

/// Makes a problem of a place and a message.
pub(super) fn problem(file: &str, at: Option<Location>, message: String) -> Problem {
    let place = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let (line, column) = at.map_or((0, 0), |at| (place(at.line()), place(at.column())));
    Problem { file: file.to_owned(), line, column, message, warning: false }
}

/// Returns the version that a file declares.
fn first_version(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Version {
        version: Option<String>,
    }
    serde_saphyr::from_str::<Version>(text).ok()?.version
}

fn objective(file: &str, item: Item, at: Location) -> Result<Objective, Mistake> {
    let Item { name, service, description, labels, objective, window, sli, group_by, alerting } =
        item;
    check_name(&name)?;
    let window = match &window {
        Some(text) => window_of(text)?,
        None => Duration::from_secs(30 * 24 * 3600),
    };
    let group_by = group_by.unwrap_or_else(|| Spanned::new(Vec::new(), at, at));
    if group_by.value.len() > GROUP_BY_MAX {
        let message =
            format!("group_by has {} labels, limit is {GROUP_BY_MAX}", group_by.value.len());
        return Err((Some(group_by.referenced), message));
    }
    let AlertingItem { name: alert, labels: more, annotations, page, ticket, outage } = alerting;
    let no_outage = outage == Some(false);
    Ok(Objective {
        name: name.value.into(),
        service: service.into(),
        description,
        labels,
        target: target(objective.value).map_err(|message| (Some(objective.referenced), message))?,
        window,
        sli: sli_of(sli)?,
        group_by: group_by.value,
        alerting: Alerting { name: alert, labels: more, annotations, page, ticket, no_outage },
        file: file.into(),
        line: u32::try_from(at.line()).unwrap_or(0),
    })
}

fn check_name(name: &Spanned<String>) -> Result<(), Mistake> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.value.is_empty() || name.value.len() > 100 || !name.value.chars().all(fine) {
        let message = format!("name {:?} must be 1 to 100 of letters, digits, - _ .", name.value);
        return Err((Some(name.referenced), message));
    }
    Ok(())
}

/// Returns the target of a percentage.
pub(super) fn target(percent: f64) -> Result<f64, String> {
    if percent > 0.0 && percent <= TARGET_MAX_PERCENT {
        // 99.9 / 100 is not 0.999: digits beyond those that anybody writes are noise.
        return Ok((percent * 1e10).round() / 1e12);
    }
    Err(format!("objective {percent} must be above 0 and at most {TARGET_MAX_PERCENT} (per cent)"))
}

fn window_of(text: &Spanned<String>) -> Result<Duration, Mistake> {
    let wrong = |message| (Some(text.referenced), message);
    let window = parse_duration(&text.value).map_err(|e| wrong(e.message()))?;
    if window < WINDOW_MIN || window > WINDOW_MAX {
        return Err(wrong(format!("window {:?} must be between 1d and 366d", text.value)));
    }
    Ok(window)
}

fn sli_of(item: Spanned<SliItem>) -> Result<Sli, Mistake> {
    match item.value {
        SliItem { ratio: Some(ratio), latency: None, events: None } => ratio_of(&ratio),
        SliItem { ratio: None, latency: Some(latency), events: None } => latency_of(&latency),
        SliItem { ratio: None, latency: None, events: Some(events) } => events_of(events),
        _ => {
            let message = "sli must have exactly one of ratio, latency, events".to_owned();
            Err((Some(item.referenced), message))
        }
    }
}

fn ratio_of(ratio: &RatioItem) -> Result<Sli, Mistake> {
    let valid = counter_at(&ratio.valid)?;
    let (part, is_bad) = match (&ratio.good, &ratio.bad) {
        (Some(good), None) => (counter_at(good)?, false),
        (None, Some(bad)) => (counter_at(bad)?, true),
        _ => {
            let message = "ratio must have exactly one of good, bad".to_owned();
            return Err((Some(ratio.valid.referenced), message));
        }
    };
    Ok(Sli::Counters { part, is_bad, valid })
}

fn events_of(events: EventsItem) -> Result<Sli, Mistake> {
    let EventsItem { table, valid, good } = events;
    if !matches!(table.value.as_str(), "logs" | "spans") {
        let message = format!("table {:?} must be logs or spans", table.value);
        return Err((Some(table.referenced), message));
    }
    Ok(Sli::Events { table: table.value, valid, good })
}

/// Good are the events of the bucket, or of a native histogram those at or below the value.
fn latency_of(item: &LatencyItem) -> Result<Sli, Mistake> {
    let wrong = |message| (Some(item.below.referenced), message);
    let below = parse_duration(&item.below.value).map_err(|e| wrong(e.message()))?.as_secs_f64();
    let matchers = selector(&item.histogram.value)
        .map_err(|message| (Some(item.histogram.referenced), message))?;
    let named = matchers.iter().find(|m| *m.name == *METRIC_NAME);
    let Some(name) = named.filter(|m| m.op == MatchOp::Equal).map(|m| Arc::clone(&m.value)) else {
        let message = format!("histogram {:?} must name a metric", item.histogram.value);
        return Err((Some(item.histogram.referenced), message));
    };
    if item.native {
        let term = |below| Counter {
            terms: vec![Term { matchers: matchers.clone(), negative: false, below }],
        };
        let part = term(Some(below));
        return Ok(Sli::Counters { part, is_bad: false, valid: term(None) });
    }
    let renamed = |suffix: &str| -> Vec<Matcher> {
        let metric = format!("{name}{suffix}");
        let rest = matchers.iter().filter(|m| *m.name != *METRIC_NAME);
        rest.cloned().chain([Matcher::equal(METRIC_NAME, &metric)]).collect()
    };
    let mut bucket = renamed("_bucket");
    bucket.push(le(below).map_err(wrong)?);
    let one = |matchers| Counter { terms: vec![Term { matchers, negative: false, below: None }] };
    Ok(Sli::Counters { part: one(bucket), is_bad: false, valid: one(renamed("_count")) })
}

/// Matches a bound in both spellings in use: `1` and `1.0`.
fn le(below: f64) -> Result<Matcher, String> {
    let text = below.to_string();
    let other = if text.contains('.') { text.clone() } else { format!("{text}.0") };
    let pattern = format!("{}|{}", regex::escape(&text), regex::escape(&other));
    Matcher::new(LE, MatchOp::Regex, &pattern).map_err(|e| e.message())
}

fn counter_at(text: &Spanned<String>) -> Result<Counter, Mistake> {
    counter(&text.value).map_err(|message| (Some(text.referenced), message))
}

/// Reads selectors of counters, added and subtracted.
pub(super) fn counter(text: &str) -> Result<Counter, String> {
    let mut terms = Vec::new();
    collect(&parsed(text)?, false, text, &mut terms)?;
    Ok(Counter { terms })
}

fn collect(expr: &Expr, negative: bool, text: &str, into: &mut Vec<Term>) -> Result<(), String> {
    match expr.unwrapped() {
        Expr::Vector(found) if found.shift == TimeShift::default() && found.extended.is_none() => {
            into.push(Term { matchers: found.matchers.clone(), negative, below: None });
            Ok(())
        }
        Expr::Binary(sum) if matches!(sum.op, BinaryOp::Add | BinaryOp::Sub) => {
            collect(&sum.lhs, negative, text, into)?;
            collect(&sum.rhs, negative ^ (sum.op == BinaryOp::Sub), text, into)
        }
        _ => Err(format!("{text:?} must be a selector of counters, or a sum of such")),
    }
}

fn selector(text: &str) -> Result<Vec<Matcher>, String> {
    let counter = counter(text)?;
    match <[Term; 1]>::try_from(counter.terms) {
        Ok([term]) if !term.negative => Ok(term.matchers),
        _ => Err(format!("{text:?} must be one selector")),
    }
}

/// Parses PromQL.
pub(super) fn parsed(text: &str) -> Result<Expr, String> {
    parse::parse(text, &ParseOptions::ALL, ParseLimits::default()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests;
