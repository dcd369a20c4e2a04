//! Groups, rules and alerts in Prometheus' JSON.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use tarn_model::labels::LabelSet;

use super::filter::Filter;
use crate::alert::pairs;
use crate::api::time_text;
use crate::evaluate::{CellView, GroupView};
use crate::state::{Active, Value};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    name: Arc<str>,
    file: Arc<str>,
    rules: Vec<Rule>,
    #[serde(serialize_with = "seconds")]
    interval: Duration,
    limit: usize,
    #[serde(serialize_with = "seconds")]
    evaluation_time: Duration,
    last_evaluation: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    name: Arc<str>,
    query: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_seconds")]
    duration: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_seconds")]
    keep_firing_for: Option<Duration>,
    labels: BTreeMap<Arc<str>, Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<Arc<str>, Arc<str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alerts: Option<Vec<Alert>>,
    health: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    #[serde(serialize_with = "seconds")]
    evaluation_time: Duration,
    last_evaluation: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    #[serde(with = "pairs")]
    labels: LabelSet,
    #[serde(with = "pairs")]
    annotations: LabelSet,
    state: &'static str,
    active_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_firing_since: Option<String>,
    value: String,
}

impl Group {
    pub(super) fn of(group: &GroupView, filter: &Filter) -> Self {
        let rules = group.rules.iter().filter(|cell| filter.takes_rule(&cell.rule));
        Self {
            name: Arc::clone(&group.name),
            file: Arc::clone(&group.file),
            rules: rules.map(|cell| Rule::of(cell, filter)).collect(),
            interval: group.interval,
            limit: group.limit,
            evaluation_time: group.took,
            last_evaluation: time_text(group.evaluated_ms),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl Rule {
    fn of(cell: &CellView, filter: &Filter) -> Self {
        let alerting = cell.rule.alerting();
        let state = match cell.evaluated_ms {
            _ if !cell.alerts.alerts.is_empty() => cell.alerts.state().as_str(),
            None => "unknown",
            Some(_) => cell.alerts.state().as_str(),
        };
        let alerts = || {
            let active = cell.alerts.active().map(Alert::of);
            if filter.without_alerts { Vec::new() } else { active.collect() }
        };
        Self {
            state: alerting.map(|_| state),
            name: Arc::clone(&cell.rule.name),
            query: Arc::clone(&cell.rule.query),
            duration: alerting.map(|alerting| alerting.hold),
            keep_firing_for: alerting.map(|alerting| alerting.keep_firing_for),
            labels: cell.rule.labels.iter().cloned().collect(),
            annotations: alerting.map(|a| a.annotations.iter().cloned().collect()),
            alerts: alerting.map(|_| alerts()),
            health: cell.health.as_str(),
            last_error: cell.error.clone(),
            evaluation_time: cell.took,
            last_evaluation: time_text(cell.evaluated_ms),
            kind: if alerting.is_some() { "alerting" } else { "recording" },
        }
    }
}

impl Alert {
    pub(super) fn of(active: &Active) -> Self {
        Self {
            labels: active.labels.clone(),
            annotations: active.annotations.clone(),
            state: active.state.as_str(),
            active_at: time_text(Some(active.active_ms)),
            keep_firing_since: active.keep_firing_since_ms.map(|ms| time_text(Some(ms))),
            value: match &active.value {
                Value::Float(value) => scientific(*value),
                Value::Histogram(text) => text.clone(),
            },
        }
    }
}

/// Go's shortest `%e`: `1e+00`.
fn scientific(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

fn seconds<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    // Whole numbers without a point, as Go writes them.
    if duration.subsec_nanos() == 0 {
        to.serialize_u64(duration.as_secs())
    } else {
        to.serialize_f64(duration.as_secs_f64())
    }
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn some_seconds<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    seconds(&duration.unwrap_or_default(), to)
}

#[cfg(test)]
mod tests {
    use super::scientific;

    #[test]
    fn values_are_written_as_go_does() {
        for (value, expected) in [
            (1.0, "1e+00"),
            (0.0, "0e+00"),
            (-12.5, "-1.25e+01"),
            (0.001, "1e-03"),
            (1e100, "1e+100"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(scientific(value), expected);
        }
    }
}
