//! Which rules of a group may be evaluated together. Pure.
//!
//! A rule that reads what an earlier one of its group writes sees the result of the same slot: it is
//! a level further down, and a level begins when what the one above wrote is visible. A rule that
//! reads what a later one writes sees the result of the slot before, as if the rules ran in order:
//! the later one is never on a level above it. What reads series without naming them may read
//! anything, so such a group is evaluated rule by rule.

use std::sync::Arc;

use tarn_model::labels::METRIC_NAME;
use tarn_query::promql::ast::{Expr, VectorSelector};

use crate::rules::{Rule, RuleKind};

/// What alerting rules write.
const ALERT_SERIES: [&str; 2] = ["ALERTS", "ALERTS_FOR_STATE"];

/// Returns the places of the rules, level by level, in order within a level.
pub(super) fn levels(rules: &[Arc<Rule>]) -> Vec<Vec<usize>> {
    let reads: Vec<Vec<&VectorSelector>> = rules.iter().map(|rule| selectors(&rule.expr)).collect();
    let unnamed = |s: &&VectorSelector| !s.matchers.iter().any(|m| &*m.name == METRIC_NAME);
    if reads.iter().flatten().any(unnamed) {
        return (0..rules.len()).map(|place| vec![place]).collect();
    }
    let mut level = vec![0; rules.len()];
    for place in 0..rules.len() {
        for earlier in 0..place {
            if is_read(&rules[earlier], &reads[place]) {
                level[place] = level[place].max(level[earlier] + 1);
            } else if is_read(&rules[place], &reads[earlier]) {
                level[place] = level[place].max(level[earlier]);
            }
        }
    }
    let depth = level.iter().max().map_or(0, |deepest| deepest + 1);
    let mut levels = vec![Vec::new(); depth];
    for (place, level) in level.into_iter().enumerate() {
        levels[level].push(place);
    }
    levels
}

fn selectors(expr: &Expr) -> Vec<&VectorSelector> {
    let mut found = Vec::new();
    expr.walk(&mut |expr| match expr {
        Expr::Vector(selector) => found.push(selector),
        Expr::Matrix(matrix) => found.push(&matrix.selector),
        _ => {}
    });
    found
}

/// Returns whether any of the selectors may select what the rule writes.
fn is_read(rule: &Rule, selectors: &[&VectorSelector]) -> bool {
    let selects = |selector: &&VectorSelector, label: &str, value: &str| {
        selector.matchers.iter().filter(|m| &*m.name == label).all(|m| m.matches(value))
    };
    selectors.iter().any(|selector| match &rule.kind {
        RuleKind::Recording => selects(selector, METRIC_NAME, &rule.name),
        RuleKind::Alerting(_) => {
            ALERT_SERIES.iter().any(|name| selects(selector, METRIC_NAME, name))
                && selects(selector, "alertname", &rule.name)
        }
    })
}

#[cfg(test)]
mod tests;
