//! Rules evaluated as rows arrive: a page need not wait for the next slot.
//!
//! A rule that looks at single series is watched sample by sample ([`Trigger`]): where a sample
//! changes what the rule would say about its series, or may do so, the rule is evaluated at once, by
//! the same engine and the same step as at its slots. So an evaluation on arrival cannot differ from
//! one at a slot; what is decided here is only *when*. While nothing changes, a sample costs one load
//! and one comparison, and nothing is evaluated.
//!
//! - class A: `selector > 3`, also with arithmetic on constants: a flip of the comparison triggers;
//! - class A with a window: `rate(selector[5m]) > 3` and its like: every sample may trigger, within a
//!   share of time that is set apart for it;
//! - class C: everything else waits for its slot.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tarn_model::labels::{LabelSet, METRIC_NAME};
use tarn_model::map::HashMap;
use tarn_model::matcher::{MatchOp, Matcher};
use tarn_query::promql::ast::{BinaryOp, Expr, TimeShift, VectorSelector};
use tarn_storage::head::follow::{BySeries, SampleBatch, Value};

use crate::rules::{Rule, RuleGroup};

/// What may change the answer of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// A flip of a comparison over the last value of a series.
    Flip {
        /// Which series.
        matchers: Vec<Matcher>,
        /// The comparison; its one selector stands for the value.
        test: Arc<Expr>,
    },
    /// Any sample of these series.
    Any {
        /// Which series.
        matchers: Vec<Matcher>,
    },
}

/// Functions of one window of one series whose answers a sample can change.
const WINDOWED: [&str; 16] = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "last_over_time",
    "predict_linear",
    "quantile_over_time",
];

/// Returns what triggers a rule; `None` for those that wait for their slot.
pub fn trigger(rule: &Rule) -> Option<Trigger> {
    rule.alerting()?;
    let Expr::Binary(comparison) = rule.expr.unwrapped() else { return None };
    if !comparison.op.is_comparison() || comparison.return_bool {
        return None;
    }
    let mut selectors = Vec::new();
    let windowed = looks_at(&rule.expr, &mut selectors)?;
    let [selector] = selectors.as_slice() else { return None };
    if selector.shift != TimeShift::default() || selector.extended.is_some() {
        return None;
    }
    let matchers = selector.matchers.clone();
    Some(match windowed {
        true => Trigger::Any { matchers },
        false => Trigger::Flip { matchers, test: Arc::clone(&rule.expr) },
    })
}

/// Collects the selectors of an expression without operations across series; returns whether one of
/// them has a window.
fn looks_at<'a>(expr: &'a Expr, into: &mut Vec<&'a VectorSelector>) -> Option<bool> {
    match expr.unwrapped() {
        Expr::Number(_) => Some(false),
        Expr::Vector(selector) => {
            into.push(selector);
            Some(false)
        }
        Expr::Binary(pair) if is_plain(pair.op) => {
            let (left, right) = (looks_at(&pair.lhs, into)?, looks_at(&pair.rhs, into)?);
            Some(left || right)
        }
        Expr::Call(call) if WINDOWED.contains(&call.function.name) => {
            for argument in &call.args {
                match argument.unwrapped() {
                    Expr::Matrix(window) => into.push(&window.selector),
                    Expr::Number(_) => {}
                    _ => return None,
                }
            }
            Some(true)
        }
        _ => None,
    }
}

fn is_plain(op: BinaryOp) -> bool {
    use BinaryOp::{Add, Div, Mul, Sub};
    matches!(op, Add | Sub | Mul | Div) || op.is_comparison()
}

/// Returns the value of an expression whose selector has this value. A comparison below the top
/// filters, so that nothing is left where it does not hold.
fn value_at(expr: &Expr, value: f64) -> Option<f64> {
    match expr.unwrapped() {
        Expr::Number(number) => Some(number.value),
        Expr::Vector(_) => Some(value),
        Expr::Binary(pair) => {
            let (left, right) = (value_at(&pair.lhs, value)?, value_at(&pair.rhs, value)?);
            let kept = |holds: bool| holds.then_some(left);
            match pair.op {
                BinaryOp::Add => Some(left + right),
                BinaryOp::Sub => Some(left - right),
                BinaryOp::Mul => Some(left * right),
                BinaryOp::Div => Some(left / right),
                BinaryOp::Equal => kept(left == right),
                BinaryOp::NotEqual => kept(left != right),
                BinaryOp::Greater => kept(left > right),
                BinaryOp::Less => kept(left < right),
                BinaryOp::GreaterEqual => kept(left >= right),
                BinaryOp::LessEqual => kept(left <= right),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A rule of a running group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Number of the group.
    pub group: usize,
    /// Number of the rule in it.
    pub rule: usize,
}

/// Finds the rules that a sample concerns.
#[derive(Debug, Default)]
pub struct Index {
    watched: Vec<(Place, Trigger)>,
    /// Places in `watched` of those that name their metric.
    by_name: HashMap<Arc<str>, Vec<usize>>,
    /// Of all others.
    unnamed: Vec<usize>,
    series: BySeries<Option<Box<[Watch]>>>,
}

/// A rule that looks at a series.
#[derive(Debug, Clone, Copy)]
struct Watch {
    /// Place in [`Index::watched`].
    at: usize,
    /// Whether the comparison held at the last sample.
    held: bool,
}

/// What a request may have changed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Touched {
    /// A comparison has flipped.
    pub flipped: BTreeSet<Place>,
    /// A sample has come into a window.
    pub fed: BTreeSet<Place>,
}

impl Index {
    /// Makes the index of groups, each with how far it looks back, those that wait for their slots
    /// left out.
    pub fn new<'a>(groups: impl IntoIterator<Item = (&'a RuleGroup, Duration)>) -> Self {
        let mut watched = Vec::new();
        for (group, (of_group, offset)) in groups.into_iter().enumerate() {
            // Who looks at the past on purpose does not want the newest rows.
            if of_group.on_arrival == Some(false) || !offset.is_zero() {
                continue;
            }
            // What an earlier rule of the group records is there at slots only.
            let recorded: BTreeSet<&str> = of_group
                .rules
                .iter()
                .filter(|rule| rule.alerting().is_none())
                .map(|rule| &*rule.name)
                .collect();
            for (rule, of_rule) in of_group.rules.iter().enumerate() {
                if let Some(trigger) = trigger(of_rule).filter(|t| !t.names_any(&recorded)) {
                    watched.push((Place { group, rule }, trigger));
                }
            }
        }
        let mut index = Self { watched, ..Self::default() };
        for (at, (_, trigger)) in index.watched.iter().enumerate() {
            let names = trigger.matchers().iter().filter(|m| *m.name == *METRIC_NAME);
            match names.filter(|m| m.op == MatchOp::Equal).map(|m| &m.value).next() {
                Some(name) => index.by_name.entry(Arc::clone(name)).or_default().push(at),
                None => index.unnamed.push(at),
            }
        }
        index
    }

    /// Returns whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// Looks at the samples of one request.
    pub fn look(&mut self, batch: &SampleBatch, touched: &mut Touched) {
        for sample in batch.samples() {
            let Self { watched, by_name, unnamed, series } = self;
            let find = || {
                let labels = batch.labels(sample.series)?;
                let named = by_name.get(labels.metric()).into_iter().flatten();
                watches(watched, named.chain(unnamed.iter()), &labels)
            };
            let Some(watches) = series.get_or_insert_with(sample.series, find) else {
                continue;
            };
            for watch in watches.iter_mut() {
                let (place, trigger) = &watched[watch.at];
                match trigger {
                    Trigger::Any { .. } => {
                        touched.fed.insert(*place);
                    }
                    Trigger::Flip { test, .. } => {
                        let holds = match sample.value {
                            Value::Float(value) => value_at(test, value).is_some(),
                            Value::Histogram(_) => false,
                        };
                        if std::mem::replace(&mut watch.held, holds) != holds {
                            touched.flipped.insert(*place);
                        }
                    }
                }
            }
        }
    }
}

impl Trigger {
    fn matchers(&self) -> &[Matcher] {
        match self {
            Self::Flip { matchers, .. } | Self::Any { matchers } => matchers,
        }
    }

    /// Returns whether series of one of these names are looked at.
    fn names_any(&self, names: &BTreeSet<&str>) -> bool {
        let of_name = self.matchers().iter().filter(|m| *m.name == *METRIC_NAME);
        let of_name: Vec<&Matcher> = of_name.collect();
        names.iter().any(|name| of_name.iter().all(|matcher| matcher.matches(name)))
    }
}

/// Finds the rules that look at a series, among those that may.
fn watches<'a>(
    watched: &[(Place, Trigger)],
    candidates: impl Iterator<Item = &'a usize>,
    labels: &LabelSet,
) -> Option<Box<[Watch]>> {
    let matches = |at: &&usize| {
        let matchers = watched.get(**at).map_or(&[][..], |(_, trigger)| trigger.matchers());
        matchers.iter().all(|matcher| matcher.matches_labels(labels))
    };
    let found: Box<[Watch]> =
        candidates.filter(matches).map(|at| Watch { at: *at, held: false }).collect();
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests;
