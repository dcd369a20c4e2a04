//! What notification templates see: the group, its alerts, and what they have in common.

use std::sync::Arc;

use tarn_model::labels::LabelSet;
use tarn_template::{Function, Kind, Map, Object, Struct, Underlying, Value};

use crate::alert::Alert;
use crate::route::Flush;
use crate::template::functions::shared;
use crate::template::time::Time;

/// Go's name of a set of labels.
const KV: &str = "template.KV";

/// One alert of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertData {
    /// `firing` or `resolved`.
    pub status: &'static str,
    /// Labels.
    pub labels: LabelSet,
    /// Annotations.
    pub annotations: LabelSet,
    /// When it began, ms.
    pub starts_ms: i64,
    /// When it ended, ms; nothing while it fires.
    pub ends_ms: Option<i64>,
    /// Where the expression can be looked at.
    pub generator_url: String,
    /// 16 hexadecimal digits.
    pub fingerprint: String,
}

/// What a notification is about.
#[derive(Debug, Clone)]
pub struct Data {
    /// Name of the receiver, quoted for use in a regular expression, as upstream does.
    pub receiver: String,
    /// `firing` while any alert fires, else `resolved`.
    pub status: &'static str,
    /// The alerts, in the order of the flush.
    pub alerts: Vec<AlertData>,
    /// Why this is sent.
    pub reason: String,
    /// What the alerts were grouped by.
    pub group_labels: LabelSet,
    /// Labels of the route.
    pub route_labels: LabelSet,
    /// Labels that all alerts have alike.
    pub common_labels: LabelSet,
    /// Annotations that all alerts have alike.
    pub common_annotations: LabelSet,
    /// Where people reach this server.
    pub external_url: String,
    value: Value,
}

const FIRING: &str = "firing";
const RESOLVED: &str = "resolved";

impl Data {
    /// Makes the data of a flush. What had ended when it was decided is resolved.
    pub fn of(flush: &Flush, external_url: &str) -> Self {
        let alerts: Vec<_> = flush.alerts.iter().map(|a| AlertData::of(a, flush.at_ms)).collect();
        let fires = alerts.iter().any(|alert| alert.status == FIRING);
        let mut data = Self {
            receiver: regex::escape(&flush.receiver),
            status: if fires { FIRING } else { RESOLVED },
            reason: flush.reason.as_str().to_owned(),
            group_labels: flush.group_labels.clone(),
            route_labels: flush.route_labels.clone(),
            common_labels: common(alerts.iter().map(|alert| &alert.labels)),
            common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
            external_url: external_url.to_owned(),
            alerts,
            value: Value::Nil,
        };
        data.value = data.make_value();
        data
    }

    /// Returns it as templates see it.
    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    fn make_value(&self) -> Value {
        let alerts: Vec<Value> = self.alerts.iter().map(AlertData::value).collect();
        Value::object(Struct::new(
            "template.Data",
            vec![
                ("Receiver", self.receiver.as_str().into()),
                ("Status", self.status.into()),
                ("Alerts", Value::object(Alerts(Value::list("template.Alerts", alerts)))),
                ("NotificationReason", self.reason.as_str().into()),
                ("GroupLabels", Kv::of(&self.group_labels)),
                ("CommonLabels", Kv::of(&self.common_labels)),
                ("CommonAnnotations", Kv::of(&self.common_annotations)),
                ("RouteLabels", Kv::of(&self.route_labels)),
                ("ExternalURL", self.external_url.as_str().into()),
            ],
        ))
    }
}

/// Returns the labels that all sets have alike.
fn common<'a>(mut sets: impl Iterator<Item = &'a LabelSet>) -> LabelSet {
    let Some(first) = sets.next() else { return LabelSet::default() };
    sets.fold(first.clone(), |common, set| {
        common.filtered(|label| set.get(&label.name) == Some(&label.value))
    })
}

impl AlertData {
    fn of(alert: &Alert, at_ms: i64) -> Self {
        let resolved = alert.is_resolved(at_ms);
        Self {
            status: if resolved { RESOLVED } else { FIRING },
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            starts_ms: alert.starts_ms,
            ends_ms: resolved.then_some(alert.ends_ms),
            generator_url: alert.generator_url.clone(),
            fingerprint: alert.fingerprint().to_string(),
        }
    }

    fn value(&self) -> Value {
        Value::object(Struct::new(
            "template.Alert",
            vec![
                ("Status", self.status.into()),
                ("Labels", Kv::of(&self.labels)),
                ("Annotations", Kv::of(&self.annotations)),
                ("StartsAt", Time::of_ms(self.starts_ms).value()),
                ("EndsAt", self.ends_ms.map_or_else(Time::zero, Time::of_ms).value()),
                ("GeneratorURL", self.generator_url.as_str().into()),
                ("Fingerprint", self.fingerprint.as_str().into()),
            ],
        ))
    }
}

/// `template.Alerts`.
#[derive(Debug)]
struct Alerts(Value);

impl Alerts {
    fn with_status(&self, status: &str) -> Function {
        let has = |alert: &Value| {
            let field = alert.downcast::<Struct>().and_then(|alert| alert.field("Status"));
            field.and_then(Value::as_text) == Some(status)
        };
        let alerts = self.0.items().into_iter().filter(has).collect();
        Function::constant(Value::list("[]template.Alert", alerts))
    }
}

impl Object for Alerts {
    fn type_name(&self) -> &'static str {
        "template.Alerts"
    }

    fn method(&self, name: &str) -> Option<Function> {
        match name {
            "Firing" => Some(self.with_status(FIRING)),
            "Resolved" => Some(self.with_status(RESOLVED)),
            _ => None,
        }
    }

    fn underlying(&self) -> Underlying<'_> {
        Underlying::Plain(self.0.clone())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// `template.KV`: a set of labels.
#[derive(Debug, Clone)]
struct Kv(Map);

impl Kv {
    fn of(labels: &LabelSet) -> Value {
        let pairs = labels.iter().map(|label| (Arc::clone(&label.name), shared(&label.value)));
        Value::object(Self(Map::new("map[string]string", pairs.collect())))
    }

    /// The pairs, `alertname` first.
    fn sorted(&self) -> Pairs {
        let pairs = self.0.entries().iter().map(|(name, value)| (Arc::clone(name), value.clone()));
        let (first, rest): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| &**name == "alertname");
        Pairs(first.into_iter().chain(rest).collect())
    }

    fn without(&self, names: &[Value]) -> Value {
        let gone = |name: &str| names.iter().any(|other| other.as_text() == Some(name));
        let kept = self.0.entries().iter().filter(|(name, _)| !gone(name));
        let kept = kept.map(|(name, value)| (Arc::clone(name), value.clone()));
        Value::object(Self(Map::new("map[string]string", kept.collect())))
    }
}

impl Object for Kv {
    fn type_name(&self) -> &'static str {
        KV
    }

    fn method(&self, name: &str) -> Option<Function> {
        match name {
            "SortedPairs" => Some(Function::constant(Value::object(self.sorted()))),
            "Remove" => {
                let labels = self.clone();
                Some(Function::new(&[Kind::Type("[]string")], move |arguments| {
                    let names = arguments.first().map(Value::items).unwrap_or_default();
                    Ok(labels.without(&names))
                }))
            }
            name => self.sorted().method(name),
        }
    }

    fn underlying(&self) -> Underlying<'_> {
        Underlying::Plain(Value::Map(self.0.clone()))
    }

    fn text(&self) -> Option<String> {
        self.sorted().text()
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// `template.Pairs`.
#[derive(Debug)]
struct Pairs(Vec<(Arc<str>, Value)>);

impl Object for Pairs {
    fn type_name(&self) -> &'static str {
        "template.Pairs"
    }

    fn method(&self, name: &str) -> Option<Function> {
        let value = match name {
            "Names" => Value::texts(self.0.iter().map(|(name, _)| Arc::clone(name))),
            "Values" => {
                Value::list("[]string", self.0.iter().map(|(_, value)| value.clone()).collect())
            }
            "String" => self.text()?.into(),
            _ => return None,
        };
        Some(Function::constant(value))
    }

    fn underlying(&self) -> Underlying<'_> {
        let pair = |(name, value): &(Arc<str>, Value)| {
            let fields = vec![("Name", shared(name)), ("Value", value.clone())];
            Value::object(Struct::new("template.Pair", fields))
        };
        Underlying::Plain(Value::list("[]template.Pair", self.0.iter().map(pair).collect()))
    }

    fn text(&self) -> Option<String> {
        let pairs = self.0.iter();
        let texts =
            pairs.map(|(name, value)| format!("{name}={}", value.as_text().unwrap_or_default()));
        Some(texts.collect::<Vec<_>>().join(", "))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
