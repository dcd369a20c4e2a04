//! The shapes of the bodies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tarn_model::labels::{Label, LabelSet};
use tarn_model::matcher::{MatchOp, Matcher as Condition};

use super::ALERT_BYTES_MAX;
use crate::alert::{self, pairs};
use crate::route::{self, AlertView, GroupView, SilenceState};

/// A time as clients expect it, with milliseconds.
fn time(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

/// Reads a time; the first day of the first year stands for none, as in Go.
fn parse_time(text: &str) -> Result<Option<i64>, String> {
    if text.is_empty() || text.starts_with("0001-01-01T") {
        return Ok(None);
    }
    let parsed = text.parse::<Timestamp>();
    parsed.map(|at| Some(at.as_millisecond())).map_err(|_| format!("{text:?} is not a time"))
}

/// `GET /status`. There is no cluster: who owns what is decided elsewhere.
pub(super) fn status(config: &str, started_ms: i64) -> serde_json::Value {
    let version = env!("CARGO_PKG_VERSION");
    serde_json::json!({
        "cluster": { "name": "", "peers": [], "status": "disabled" },
        "config": { "original": config },
        "uptime": time(started_ms),
        "versionInfo": {
            "branch": "", "buildDate": "", "buildUser": "", "goVersion": "", "revision": "",
            "version": format!("tarn {version}"),
        },
    })
}

#[derive(Debug, Serialize)]
pub(super) struct Receiver {
    pub(super) name: Arc<str>,
}

/// A condition of a silence.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Matcher {
    name: String,
    value: String,
    #[serde(default)]
    is_regex: bool,
    /// Absent before 0.22.
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

impl Matcher {
    fn of(condition: &Condition) -> Self {
        Self {
            name: condition.name.to_string(),
            value: condition.value.to_string(),
            is_regex: matches!(condition.op, MatchOp::Regex | MatchOp::NotRegex),
            is_equal: matches!(condition.op, MatchOp::Equal | MatchOp::Regex),
        }
    }

    fn condition(&self) -> Result<Condition, String> {
        let op = match (self.is_regex, self.is_equal) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        };
        Condition::new(&self.name, op, &self.value).map_err(|error| error.message())
    }
}

/// A silence as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Silence {
    id: String,
    status: BTreeMap<&'static str, String>,
    updated_at: String,
    comment: String,
    created_by: String,
    ends_at: String,
    starts_at: String,
    /// The first set; who knows of sets looks at those.
    matchers: Vec<Matcher>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    matcher_sets: Vec<Vec<Matcher>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

impl Silence {
    pub(super) fn of(silence: &route::Silence, now_ms: i64) -> Self {
        let set = |set: &Vec<Condition>| set.iter().map(Matcher::of).collect::<Vec<_>>();
        let sets = &silence.matcher_sets;
        Self {
            id: silence.id.clone(),
            status: BTreeMap::from([("state", silence.state(now_ms).to_string())]),
            updated_at: time(silence.updated_ms),
            comment: silence.comment.clone(),
            created_by: silence.created_by.clone(),
            ends_at: time(silence.ends_ms),
            starts_at: time(silence.starts_ms),
            matchers: sets.first().map(set).unwrap_or_default(),
            matcher_sets: if sets.len() > 1 { sets.iter().map(set).collect() } else { Vec::new() },
            annotations: silence.annotations.clone(),
        }
    }
}

/// Active ones first, those that end soonest; then pending ones by their start; then those that are
/// over, the latest first.
pub(super) fn silence_order(silence: &route::Silence, now_ms: i64) -> (SilenceState, i64, String) {
    let state = silence.state(now_ms);
    let time = match state {
        SilenceState::Active => silence.ends_ms,
        SilenceState::Pending => silence.starts_ms,
        SilenceState::Expired => -silence.ends_ms,
    };
    (state, time, silence.id.clone())
}

/// Returns whether the values in the conditions of a silence satisfy a filter.
pub(super) fn has_matchers(silence: &route::Silence, filter: &[Condition]) -> bool {
    let value = |name: &str| {
        let mut conditions = silence.matcher_sets.iter().flatten();
        conditions.find(|one| &*one.name == name).map_or("", |one| &*one.value)
    };
    filter.iter().all(|condition| condition.matches(value(&condition.name)))
}

/// A silence as it is sent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostedSilence {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    matchers: Vec<Matcher>,
    #[serde(default)]
    matcher_sets: Vec<Vec<Matcher>>,
    starts_at: String,
    ends_at: String,
    created_by: String,
    comment: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl PostedSilence {
    pub(super) fn silence(self) -> Result<route::Silence, String> {
        let sets =
            if self.matcher_sets.is_empty() { vec![self.matchers] } else { self.matcher_sets };
        let set = |set: &Vec<Matcher>| set.iter().map(Matcher::condition).collect();
        let at = |text: &str, what: &str| {
            parse_time(text)?.ok_or_else(|| format!("invalid zero {what} timestamp"))
        };
        Ok(route::Silence {
            id: self.id.unwrap_or_default(),
            matcher_sets: sets.iter().map(set).collect::<Result<_, String>>()?,
            starts_ms: at(&self.starts_at, "start")?,
            ends_ms: at(&self.ends_at, "end")?,
            updated_ms: 0,
            created_by: self.created_by,
            comment: self.comment,
            annotations: self.annotations,
        })
    }
}

/// An alert as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    #[serde(with = "pairs")]
    annotations: LabelSet,
    ends_at: String,
    fingerprint: String,
    receivers: Vec<Receiver>,
    starts_at: String,
    status: Status,
    updated_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    generator_url: String,
    #[serde(with = "pairs")]
    labels: LabelSet,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    inhibited_by: Vec<String>,
    muted_by: Vec<Arc<str>>,
    silenced_by: Vec<String>,
    state: &'static str,
}

impl Alert {
    pub(super) fn of(view: &AlertView) -> Self {
        let AlertView { fingerprint, alert, receivers, status } = view;
        let receiver = |name: &Arc<str>| Receiver { name: Arc::clone(name) };
        Self {
            annotations: alert.annotations.clone(),
            ends_at: time(alert.ends_ms),
            fingerprint: fingerprint.to_string(),
            receivers: receivers.iter().map(receiver).collect(),
            starts_at: time(alert.starts_ms),
            status: Status {
                inhibited_by: status.inhibited_by.iter().map(ToString::to_string).collect(),
                muted_by: status.muted_by.clone(),
                silenced_by: status.silenced_by.clone(),
                state: status.state.as_str(),
            },
            updated_at: time(alert.updated_ms),
            generator_url: alert.generator_url.clone(),
            labels: alert.labels.clone(),
        }
    }
}

/// A group as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    alerts: Vec<Alert>,
    #[serde(with = "pairs")]
    labels: LabelSet,
    receiver: Receiver,
}

impl Group {
    pub(super) fn of(view: &GroupView) -> Self {
        Self {
            alerts: view.alerts.iter().map(Alert::of).collect(),
            labels: view.labels.clone(),
            receiver: Receiver { name: Arc::clone(&view.receiver) },
        }
    }
}

/// An alert as it is sent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostedAlert {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(default, rename = "generatorURL")]
    generator_url: Option<String>,
}

impl PostedAlert {
    /// Returns the alert, with the times that were left out.
    pub(super) fn alert(
        self,
        resolve_timeout: Duration,
        now_ms: i64,
    ) -> Result<alert::Alert, String> {
        let set = |map: BTreeMap<String, String>| -> LabelSet {
            map.into_iter().map(|(name, value)| Label::new(name, value)).collect()
        };
        let texts = self.labels.iter().chain(&self.annotations);
        let bytes: usize = texts.map(|(name, value)| name.len() + value.len()).sum();
        let bytes = bytes + self.generator_url.as_ref().map_or(0, String::len);
        if bytes > ALERT_BYTES_MAX {
            return Err(format!("an alert of {bytes} bytes, limit is {ALERT_BYTES_MAX}"));
        }
        let labels = set(self.labels);
        if labels.is_empty() {
            return Err("at least one label pair required".to_owned());
        }
        if labels.iter().any(|label| label.name.is_empty()) {
            return Err(format!("{labels}: invalid label name \"\""));
        }
        let starts = parse_time(self.starts_at.as_deref().unwrap_or_default())?;
        let ends = parse_time(self.ends_at.as_deref().unwrap_or_default())?;
        let timeout_ms = i64::try_from(resolve_timeout.as_millis()).unwrap_or(i64::MAX);
        let starts_ms = starts.or(ends).unwrap_or(now_ms);
        let ends_ms = ends.unwrap_or_else(|| now_ms.saturating_add(timeout_ms));
        if ends_ms < starts_ms {
            return Err(format!("{labels}: start time must be before end time"));
        }
        Ok(alert::Alert {
            labels,
            annotations: set(self.annotations),
            starts_ms,
            ends_ms,
            timeout: ends.is_none(),
            updated_ms: now_ms,
            generator_url: self.generator_url.unwrap_or_default(),
        })
    }
}
