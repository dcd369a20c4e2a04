//! What people see of an objective: how much of its budget is left, and how fast it goes.
//!
//! Everything is read from the ledger at one time, with the expressions that its rules use.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use serde::Serialize;
use tarn_model::error::{Error, Result};
use tarn_model::labels::{Label, LabelSet};
use tarn_model::tenant::TenantId;
use tarn_model::units::format_duration;
use tarn_query::promql::query::{QueryValue, SampleValue};
use tarn_query::{Engine, QueryOptions};

use super::burn::{self, Severity, Tier};
use super::compile::{self, GOOD, SERVICE, SLO, VALID};
use super::spec::{Objective, Sli};

/// When to ask again where the store could not answer.
const RETRY: Duration = Duration::from_secs(5);

/// An objective with its groups.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub service: String,
    /// For people.
    pub description: String,
    /// Labels of its alerts.
    pub labels: BTreeMap<String, String>,
    /// Between 0 and 1.
    pub target: f64,
    /// In Prometheus' notation.
    pub window: String,
    /// Labels that are counted apart.
    pub group_by: Vec<String>,
    /// Where it was written.
    pub file: String,
    /// Line in that file.
    pub line: u32,
    /// One per group; none before the first event.
    pub budgets: Vec<Budget>,
}

/// The budget of one group.
#[derive(Debug, Clone, Serialize)]
pub struct Budget {
    /// The group; empty where nothing is counted apart.
    #[serde(with = "crate::alert::pairs")]
    pub group: LabelSet,
    /// Good events in the window; `None` where only ratios are known.
    pub good: Option<f64>,
    /// Events in the window; likewise.
    pub valid: Option<f64>,
    /// Share of bad events in the window; `None` without events.
    pub error_ratio: Option<f64>,
    /// 1 untouched, 0 used up, negative beyond; `None` without events: nothing is measured.
    pub budget_left: Option<f64>,
    /// Burn rate by window: 1 uses the budget up exactly at the end of the window of the objective.
    pub burn: BTreeMap<String, f64>,
    /// Tiers that fire.
    pub burning: Vec<Burning>,
}

/// A tier that fires.
#[derive(Debug, Clone, Serialize)]
pub struct Burning {
    /// `outage`, `quick` or `slow`.
    pub tier: &'static str,
    /// `page` or `ticket`.
    pub severity: &'static str,
    /// In Prometheus' notation.
    pub long: String,
    /// Likewise.
    pub short: String,
    /// The burn rate at which it fires.
    pub factor: f64,
}

/// Reads the status of an objective at a time.
///
/// # Errors
/// `Unavailable` where the store cannot answer wholly.
pub async fn status(
    engine: &Engine,
    tenant: &TenantId,
    objective: &Objective,
    now_ms: i64,
) -> Result<Status> {
    let asked = Asked { engine, tenant, now_ms };
    let mut budgets = totals(&asked, objective).await?;
    let budget = 1.0 - objective.target;
    let windows = burn::tiers(objective.target, objective.window);
    let windows = windows.iter().flat_map(|tier| [tier.long, tier.short]);
    let shares = shares(&asked, windows, |window| compile::share(objective, window)).await?;
    for (window, of_window) in &shares {
        for (group, share) in of_window.iter().filter(|(_, share)| share.is_finite()) {
            if let Some(shown) = budgets.get_mut(group) {
                shown.burn.insert(format_duration(*window), share / budget);
            }
        }
    }
    // The bounds that rules go by lie below the shares: mostly there is nothing to ask.
    let above = |tier: &&Tier| {
        let threshold = tier.threshold(objective.target);
        let is_above = |window| of_any(&shares, window, |share| share > threshold);
        is_above(tier.long) && is_above(tier.short)
    };
    let tiers = compile::tiers(objective);
    let tiers: Vec<Tier> = tiers.iter().filter(above).copied().collect();
    let windows = tiers.iter().flat_map(|tier| [tier.long, tier.short]);
    let bounds = self::shares(&asked, windows, |w| compile::least_share(objective, w)).await?;
    for (group, shown) in &mut budgets {
        shown.burning = burning(&tiers, objective.target, |window| {
            bounds.get(&window).and_then(|of_window| of_window.get(group)).copied()
        });
    }
    Ok(Status {
        name: objective.name.to_string(),
        service: objective.service.to_string(),
        description: objective.description.clone(),
        labels: objective.labels.clone(),
        target: objective.target,
        window: format_duration(objective.window),
        group_by: objective.group_by.clone(),
        file: objective.file.to_string(),
        line: objective.line,
        budgets: budgets.into_values().collect(),
    })
}

type Shares = BTreeMap<Duration, BTreeMap<LabelSet, f64>>;

/// Asks for an expression over windows, each once.
async fn shares(
    asked: &Asked<'_>,
    windows: impl Iterator<Item = Duration>,
    expr: impl Fn(&str) -> String,
) -> Result<Shares> {
    let mut shares = Shares::new();
    for window in windows {
        if let Entry::Vacant(vacant) = shares.entry(window) {
            vacant.insert(asked.vector(&expr(&format_duration(window))).await?);
        }
    }
    Ok(shares)
}

fn of_any(shares: &Shares, window: Duration, holds: impl Fn(f64) -> bool) -> bool {
    shares.get(&window).is_some_and(|of_window| of_window.values().any(|share| holds(*share)))
}

/// Returns the tiers that fire for a group: `bound` is the least share of bad events in a window.
fn burning(tiers: &[Tier], target: f64, bound: impl Fn(Duration) -> Option<f64>) -> Vec<Burning> {
    let fires = |tier: &&Tier| {
        let above = |window| bound(window).is_some_and(|share| share > tier.threshold(target));
        above(tier.long) && above(tier.short)
    };
    let shown = |tier: &Tier| Burning {
        tier: tier.name,
        severity: match tier.severity {
            Severity::Page => "page",
            Severity::Ticket => "ticket",
        },
        long: format_duration(tier.long),
        short: format_duration(tier.short),
        factor: tier.factor,
    };
    tiers.iter().filter(fires).map(shown).collect()
}

/// Reads what happened in the window of the objective, by group.
async fn totals(asked: &Asked<'_>, objective: &Objective) -> Result<BTreeMap<LabelSet, Budget>> {
    let window = format_duration(objective.window);
    let mut budgets = BTreeMap::new();
    if matches!(objective.sli, Sli::Ratio { .. }) {
        let five = compile::selector(objective);
        let expr = format!("avg_over_time(slo:sli_error:ratio_rate5m{five}[{window}])");
        for (group, share) in asked.vector(&expr).await? {
            let left = 1.0 - share / (1.0 - objective.target);
            let budget = Budget::of(&group, None, Some(share), Some(left));
            budgets.insert(group, budget);
        }
        return Ok(budgets);
    }
    let selector = compile::selector(objective);
    let good = asked.vector(&compile::growth(GOOD, &selector, &window)).await?;
    let valid = asked.vector(&compile::growth(VALID, &selector, &window)).await?;
    for (group, good) in good {
        let Some(valid) = valid.get(&group).copied() else { continue };
        let measured = valid > 0.0;
        let share = measured.then(|| 1.0 - good / valid);
        let left = measured.then(|| burn::budget_left(objective.target, good, valid));
        let budget = Budget::of(&group, Some((good, valid)), share, left);
        budgets.insert(group, budget);
    }
    Ok(budgets)
}

impl Budget {
    fn of(
        group: &LabelSet,
        counts: Option<(f64, f64)>,
        error_ratio: Option<f64>,
        budget_left: Option<f64>,
    ) -> Self {
        Self {
            group: group.clone(),
            good: counts.map(|(good, _)| good),
            valid: counts.map(|(_, valid)| valid),
            error_ratio,
            budget_left,
            burn: BTreeMap::new(),
            burning: Vec::new(),
        }
    }
}

struct Asked<'a> {
    engine: &'a Engine,
    tenant: &'a TenantId,
    now_ms: i64,
}

impl Asked<'_> {
    /// Asks for a vector, by group.
    async fn vector(&self, expr: &str) -> Result<BTreeMap<LabelSet, f64>> {
        let options = QueryOptions::default();
        let answer = self.engine.instant(self.tenant, expr, self.now_ms, options).await;
        let answer = answer.map_err(|e| Error::unavailable(e.to_string(), RETRY))?;
        if let Some(why) = answer.partial {
            return Err(Error::unavailable(why, RETRY));
        }
        let QueryValue::Vector { samples, .. } = answer.value else {
            return Err(Error::internal(format!("{expr} is no vector")));
        };
        let own = |label: &Label| {
            !matches!(&*label.name, SLO | SERVICE | "__name__") && !label.name.starts_with("sloth_")
        };
        let of = |sample: tarn_query::promql::query::VectorSample| match sample.value {
            SampleValue::Float(value) => Some((sample.labels.filtered(own), value)),
            SampleValue::Histogram(_) => None,
        };
        Ok(samples.into_iter().filter_map(of).collect())
    }
}

#[cfg(test)]
mod tests;
