//! The states of alerts: one pure step per evaluation.
//!
//! [`step`] takes what was and what the expression answered, and returns what is: states,
//! transitions, and the series `ALERTS` and `ALERTS_FOR_STATE`. It follows upstream's order exactly,
//! because people know what `for`, `keep_firing_for` and `limit` do to the second: labels first,
//! duplicates before anything changes, then samples, then known alerts one by one, the limit last.
//! [`due_to_send`] says who must hear of it; [`record`] is the step of a recording rule; [`carry`]
//! takes states over a reload and [`restore`] those of a server that did not keep them. The server,
//! unit tests and replays run the same functions.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tarn_model::labels::{LabelSet, METRIC_NAME};
use tarn_query::promql::query::{QueryValue, SampleValue};

use crate::alert::{Alert, Fingerprint, pairs};
use crate::rules::{Alerting, NoData, Rule};

mod carry;
mod record;
mod restore;
mod value;

pub use carry::{Carried, carry};
pub use record::{RecordError, RecordStep, record};
pub use restore::{Remembered, RestoreOptions, restore};
pub use value::Value;

/// How long an alert that ended is kept, so that its end can be told again to whoever missed it.
pub const RESOLVED_KEPT_MS: i64 = 15 * 60_000;

/// The label that holds the name of an alert.
pub const ALERT_NAME: &str = "alertname";

/// One sample of the answer to an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Labels, `__name__` included where the expression kept it.
    pub labels: LabelSet,
    /// The value.
    pub value: SampleValue,
}

/// Where an alert is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It ended, or never was.
    Inactive,
    /// The expression answers, not yet for long enough.
    Pending,
    /// It fires.
    Firing,
}

impl State {
    /// Returns the name that interfaces and `alertstate` use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An alert of a rule, and when what happened to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Active {
    /// Identity, `alertname` included.
    #[serde(with = "pairs")]
    pub labels: LabelSet,
    /// Text for people, as of the last evaluation.
    #[serde(with = "pairs")]
    pub annotations: LabelSet,
    /// What the expression answered last.
    pub value: Value,
    /// Where it is in its life.
    pub state: State,
    /// When the expression first answered.
    pub active_ms: i64,
    /// When it began to fire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired_ms: Option<i64>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_ms: Option<i64>,
    /// When it was told last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sent_ms: Option<i64>,
    /// Since when it fires without a sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_firing_since_ms: Option<i64>,
}

/// All alerts of a rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleState {
    /// By identity.
    pub alerts: BTreeMap<Fingerprint, Active>,
}

impl RuleState {
    /// Returns the state of the rule: the highest of its alerts.
    pub fn state(&self) -> State {
        self.alerts.values().map(|alert| alert.state).max().unwrap_or(State::Inactive)
    }

    /// Iterates over the alerts that are pending or firing.
    pub fn active(&self) -> impl Iterator<Item = &Active> {
        self.alerts.values().filter(|alert| alert.state != State::Inactive)
    }
}

/// A change of an alert's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// What it was; a new alert was inactive.
    pub from: State,
    /// What it is.
    pub to: State,
    /// The alert as it is now.
    pub active: Active,
}

/// What follows from an evaluation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// The alerts from now on.
    pub next: RuleState,
    /// Who changed, in the order of identities.
    pub transitions: Vec<Transition>,
    /// `ALERTS` and `ALERTS_FOR_STATE`; staleness markers for those that are gone come last.
    pub series: Vec<(LabelSet, f64)>,
}

/// Why an evaluation has no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepError {
    /// Two samples became the same alert; nothing changed.
    Duplicate(LabelSet),
    /// More alerts than allowed: **all state of the rule is to be dropped**, as upstream does.
    Limit {
        /// What is allowed.
        limit: usize,
        /// How many there were.
        count: usize,
    },
}

impl StepError {
    /// Returns whether the state of the rule is lost with it.
    pub fn drops_state(&self) -> bool {
        matches!(self, Self::Limit { .. })
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(labels) => write!(
                f,
                "vector contains metrics with the same labelset after applying alert labels: \
                 {labels}"
            ),
            Self::Limit { limit, count } => {
                write!(f, "exceeded limit of {limit} with {count} alerts")
            }
        }
    }
}

impl std::error::Error for StepError {}

/// Writes out a template for a sample. A template that fails becomes
/// `<error expanding template: …>`, which does not fail the rule.
pub type Expand<'a> = dyn FnMut(&str, &Sample) -> String + 'a;

/// Takes one evaluation of an alerting rule. For a recording rule nothing follows.
///
/// # Errors
/// Two samples became the same alert, or there are more than `limit` (0: any number).
pub fn step(
    rule: &Rule,
    limit: usize,
    previous: &RuleState,
    ts_ms: i64,
    result: Vec<Sample>,
    expand: &mut Expand<'_>,
) -> Result<Step, StepError> {
    let Some(alerting) = rule.alerting() else { return Ok(Step::default()) };
    let mut found = alerts_of(rule, alerting, ts_ms, result, expand)?;
    let mut next = BTreeMap::new();
    let mut transitions = Vec::new();
    for (fingerprint, old) in &previous.alerts {
        let sample = found.remove(fingerprint);
        let now = match sample {
            Some(sample) => Some(seen(alerting, old, sample, ts_ms)),
            None => unseen(alerting, old, ts_ms),
        };
        note(&mut transitions, Some(old), now.as_ref(), ts_ms);
        next.extend(now.map(|now| (*fingerprint, now)));
    }
    for (fingerprint, mut new) in found {
        advance(alerting, &mut new, ts_ms);
        note(&mut transitions, None, Some(&new), ts_ms);
        next.insert(fingerprint, new);
    }
    let next = RuleState { alerts: next };
    let count = next.active().count();
    if limit > 0 && count > limit {
        return Err(StepError::Limit { limit, count });
    }
    transitions.sort_by(|a, b| a.active.labels.cmp(&b.active.labels));
    let series = series(rule, previous, &next);
    Ok(Step { next, transitions, series })
}

/// Returns what a query's answer is to a rule: a vector, or a scalar as a sample without labels.
///
/// # Errors
/// It is of another kind.
pub fn samples_of(value: QueryValue) -> Result<Vec<Sample>, String> {
    match value {
        QueryValue::Vector { samples, .. } => {
            Ok(samples.into_iter().map(|s| Sample { labels: s.labels, value: s.value }).collect())
        }
        QueryValue::Scalar { value, .. } => {
            Ok(vec![Sample { labels: LabelSet::default(), value: SampleValue::Float(value) }])
        }
        QueryValue::String { .. } | QueryValue::Matrix(_) => {
            Err("rule result is not a vector or scalar".to_owned())
        }
    }
}

/// Returns what to step with where the selectors of the expression matched no series at all;
/// `None` where nothing may change.
pub fn without_data(rule: &Rule) -> Option<Vec<Sample>> {
    match rule.alerting().map(|alerting| alerting.no_data) {
        Some(NoData::Keep) => None,
        Some(NoData::Alert) => {
            Some(vec![Sample { labels: LabelSet::default(), value: SampleValue::Float(f64::NAN) }])
        }
        Some(NoData::Resolve) | None => Some(Vec::new()),
    }
}

/// Returns the alerts that must be told now, and notes that they were: those that ended since they
/// were told last, and those that fire and were not told for `resend_ms`.
pub fn due_to_send(
    state: &mut RuleState,
    ts_ms: i64,
    resend_ms: i64,
    interval_ms: i64,
) -> Vec<Alert> {
    let mut due = Vec::new();
    for alert in state.alerts.values_mut() {
        if !alert.needs_sending(ts_ms, resend_ms) {
            continue;
        }
        alert.last_sent_ms = Some(ts_ms);
        let ahead = 4_i64.saturating_mul(interval_ms.max(resend_ms));
        due.push(Alert {
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            starts_ms: alert.fired_ms.unwrap_or(alert.active_ms),
            ends_ms: alert.resolved_ms.unwrap_or(ts_ms.saturating_add(ahead)),
            timeout: false,
            updated_ms: ts_ms,
            generator_url: String::new(),
        });
    }
    due
}

impl Active {
    fn needs_sending(&self, ts_ms: i64, resend_ms: i64) -> bool {
        if self.state == State::Pending {
            return false;
        }
        match (self.resolved_ms, self.last_sent_ms) {
            (_, None) => true,
            (Some(resolved), Some(sent)) if resolved > sent => true,
            (_, Some(sent)) => sent.saturating_add(resend_ms) < ts_ms,
        }
    }
}

/// Makes an alert of every sample, before anything changes.
fn alerts_of(
    rule: &Rule,
    alerting: &Alerting,
    ts_ms: i64,
    result: Vec<Sample>,
    expand: &mut Expand<'_>,
) -> Result<BTreeMap<Fingerprint, Active>, StepError> {
    let mut alerts = BTreeMap::new();
    for sample in result {
        let mut labels = sample.labels.with(METRIC_NAME, "");
        for (name, template) in &rule.labels {
            labels = labels.with(name, &expand(template, &sample));
        }
        labels = labels.with(ALERT_NAME, &rule.name);
        let texts = alerting.annotations.iter();
        let annotations = texts.map(|(name, template)| {
            tarn_model::labels::Label::new(Clone::clone(name), expand(template, &sample))
        });
        let active = Active {
            annotations: annotations.collect(),
            value: Value::of(&sample.value),
            state: State::Pending,
            active_ms: ts_ms,
            fired_ms: None,
            resolved_ms: None,
            last_sent_ms: None,
            keep_firing_since_ms: None,
            labels,
        };
        let fingerprint = Fingerprint::of(&active.labels);
        if let Some(twin) = alerts.insert(fingerprint, active) {
            return Err(StepError::Duplicate(twin.labels));
        }
    }
    Ok(alerts)
}

/// A known alert whose sample is there.
fn seen(alerting: &Alerting, old: &Active, sample: Active, ts_ms: i64) -> Active {
    let mut now = match old.state {
        State::Inactive => sample,
        State::Pending | State::Firing => Active {
            value: sample.value,
            annotations: sample.annotations,
            keep_firing_since_ms: None,
            ..old.clone()
        },
    };
    advance(alerting, &mut now, ts_ms);
    now
}

/// A known alert whose sample is not there; `None` where it is forgotten.
fn unseen(alerting: &Alerting, old: &Active, ts_ms: i64) -> Option<Active> {
    match old.state {
        State::Pending => None,
        State::Inactive => {
            let since = ts_ms.saturating_sub(old.resolved_ms.unwrap_or(ts_ms));
            (since <= RESOLVED_KEPT_MS).then(|| old.clone())
        }
        State::Firing => {
            let mut now = old.clone();
            let keep = millis(alerting.keep_firing_for);
            if keep > 0 {
                let since = *now.keep_firing_since_ms.get_or_insert(ts_ms);
                if ts_ms.saturating_sub(since) < keep {
                    advance(alerting, &mut now, ts_ms);
                    return Some(now);
                }
            }
            now.state = State::Inactive;
            now.resolved_ms = Some(ts_ms);
            Some(now)
        }
    }
}

/// Lets an active alert fire once it was pending for long enough, and no longer where a reload
/// raised the `for`.
fn advance(alerting: &Alerting, alert: &mut Active, ts_ms: i64) {
    let held = ts_ms.saturating_sub(alert.active_ms) >= millis(alerting.hold);
    match alert.state {
        State::Pending if held => {
            alert.state = State::Firing;
            alert.fired_ms = Some(ts_ms);
        }
        State::Firing if !held => {
            alert.state = State::Pending;
            alert.fired_ms = None;
            alert.last_sent_ms = None;
            alert.keep_firing_since_ms = None;
        }
        State::Pending | State::Firing | State::Inactive => {}
    }
}

fn note(into: &mut Vec<Transition>, old: Option<&Active>, now: Option<&Active>, ts_ms: i64) {
    let from = old.map_or(State::Inactive, |old| old.state);
    let to = now.map_or(State::Inactive, |now| now.state);
    if from == to {
        return;
    }
    let active = match (now, old) {
        (Some(now), _) => now.clone(),
        (None, Some(old)) => {
            Active { state: State::Inactive, resolved_ms: Some(ts_ms), ..old.clone() }
        }
        (None, None) => return,
    };
    into.push(Transition { from, to, active });
}

/// The series that tell of alerts: those that are, then staleness markers of those that were.
fn series(rule: &Rule, previous: &RuleState, next: &RuleState) -> Vec<(LabelSet, f64)> {
    let mut series = Vec::new();
    for alert in next.active() {
        let [alerts, for_state] = alert.series(rule);
        series.push((alerts, 1.0));
        series.push((for_state, alert.active_ms.div_euclid(1000) as f64));
    }
    for (fingerprint, old) in &previous.alerts {
        if old.state == State::Inactive {
            continue;
        }
        let now = next.alerts.get(fingerprint).map_or(State::Inactive, |now| now.state);
        let [alerts, for_state] = old.series(rule);
        if now != old.state {
            series.push((alerts, tarn_model::sample::stale_nan()));
        }
        if now == State::Inactive {
            series.push((for_state, tarn_model::sample::stale_nan()));
        }
    }
    series
}

impl Active {
    /// Returns the labels of the series `ALERTS` and `ALERTS_FOR_STATE` of this alert.
    pub fn series(&self, rule: &Rule) -> [LabelSet; 2] {
        let named = self.labels.with(ALERT_NAME, &rule.name);
        [
            named.with(METRIC_NAME, "ALERTS").with("alertstate", self.state.as_str()),
            named.with(METRIC_NAME, "ALERTS_FOR_STATE"),
        ]
    }
}

pub(crate) fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
