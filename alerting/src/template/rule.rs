//! Labels and annotations of alerting rules: Prometheus' variables and functions, and vmalert's.
//!
//! Every text is prefixed with the declarations of `$labels`, `$value` and the like, as upstream does,
//! so that errors name the same columns; vmalert's are declared only where a text uses one of them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use tarn_model::labels::LabelSet;
use tarn_model::units;
use tarn_query::promql::print;
use tarn_query::promql::query::SampleValue;
use tarn_template::{
    Error, Functions, Kind, Map, MissingKey, Object, Options, Safe, Set, Signature, Struct,
    Underlying, Value, escape,
};

use super::functions::{self, Table, argument, find, number, text};
use super::time::{Duration, Time, layout};

/// One sample of the answer to a query inside of a template.
pub type QuerySample = crate::state::Sample;

/// Answers a query inside of a template, as of the evaluation.
pub type Query<'a> = dyn FnMut(&str) -> Result<Vec<QuerySample>, String> + 'a;

/// What a template of a rule sees.
#[derive(Debug, Clone)]
pub struct RuleData<'a> {
    /// Name of the alert: names the template in errors.
    pub alert: &'a str,
    /// Labels of the sample.
    pub labels: &'a LabelSet,
    /// Those of the server.
    pub external_labels: &'a LabelSet,
    /// Where people reach the server.
    pub external_url: &'a str,
    /// Value of the sample.
    pub value: &'a SampleValue,
    /// What vmalert knows beside.
    pub more: More<'a>,
}

/// vmalert's variables.
#[derive(Debug, Clone, Default)]
pub struct More<'a> {
    /// The expression (`$expr`).
    pub expr: &'a str,
    /// Identity of the alert (`$alertID`).
    pub alert_id: u64,
    /// Identity of the group (`$groupID`).
    pub group_id: u64,
    /// When it became active, ms (`$activeAt`).
    pub active_ms: Option<i64>,
    /// `for` (`$for`).
    pub hold: std::time::Duration,
    /// Interval of the group (`$interval`).
    pub interval: std::time::Duration,
    /// The answer may lack data (`$isPartial`).
    pub partial: bool,
}

const PREFIX: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
    {{$externalURL := .ExternalURL}}{{$value := .Value}}";
const MORE_PREFIX: &str = "{{$activeAt := .ActiveAt}}{{$type := .Type}}{{$alertID := .AlertID}}\
    {{$groupID := .GroupID}}{{$expr := .Expr}}{{$for := .For}}{{$interval := .Interval}}\
    {{$isPartial := .IsPartial}}";
const MORE_NAMES: [&str; 8] =
    ["$activeAt", "$type", "$alertID", "$groupID", "$expr", "$for", "$interval", "$isPartial"];

/// Go's name of the type of the data: it has none but its fields.
const DATA: &str = "struct { Labels map[string]string; ExternalLabels map[string]string; \
    ExternalURL string; Value interface {} }";
const SAMPLE: Kind = Kind::Type("*template.sample");
const VECTOR: Kind = Kind::Type("template.queryResult");

const TABLE: Table = &[
    ("query", &[Kind::Text], None),
    ("first", &[VECTOR], None),
    ("label", &[Kind::Text, SAMPLE], None),
    ("value", &[SAMPLE], None),
    ("strvalue", &[SAMPLE], None),
    ("args", &[], Some(Kind::Any)),
    ("reReplaceAll", &[Kind::Text, Kind::Text, Kind::Text], None),
    ("safeHtml", &[Kind::Text], None),
    ("match", &[Kind::Text, Kind::Text], None),
    ("title", &[Kind::Text], None),
    ("toUpper", &[Kind::Text], None),
    ("toLower", &[Kind::Text], None),
    ("graphLink", &[Kind::Text], None),
    ("tableLink", &[Kind::Text], None),
    ("sortByLabel", &[Kind::Text, VECTOR], None),
    ("stripPort", &[Kind::Text], None),
    ("stripDomain", &[Kind::Text], None),
    ("humanize", &[Kind::Any], None),
    ("humanize1024", &[Kind::Any], None),
    ("humanizeDuration", &[Kind::Any], None),
    ("humanizePercentage", &[Kind::Any], None),
    ("humanizeTimestamp", &[Kind::Any], None),
    ("toTime", &[Kind::Any], None),
    ("toDuration", &[Kind::Any], None),
    ("now", &[], None),
    ("pathPrefix", &[], None),
    ("externalURL", &[], None),
    ("parseDuration", &[Kind::Text], None),
    ("urlQueryEscape", &[Kind::Text], None),
    // vmalert's
    ("htmlEscape", &[Kind::Text], None),
    ("jsonEscape", &[Kind::Text], None),
    ("quotesEscape", &[Kind::Text], None),
    ("crlfEscape", &[Kind::Text], None),
    ("queryEscape", &[Kind::Text], None),
    ("pathEscape", &[Kind::Text], None),
    ("parseDurationTime", &[Kind::Text], None),
    ("formatTime", &[Kind::Text, Kind::Any], None),
];

/// Checks that a text is a template with known functions and variables.
///
/// # Errors
/// `line:column: what is wrong`, in the text as it was given.
pub fn check(text: &str) -> Result<(), String> {
    let (name, prefix) = ("", prefix(text));
    let mut set = Set::new();
    let parsed = set.parse(name, &format!("{prefix}{text}"), &|name| find(TABLE, name).is_some());
    parsed.map_err(|error| {
        let shift = if error.line == 1 { u32::try_from(prefix.len()).unwrap_or(0) } else { 0 };
        format!("{}:{}: {}", error.line, error.column.saturating_sub(shift).max(1), error.reason)
    })
}

fn prefix(text: &str) -> String {
    match MORE_NAMES.iter().any(|name| text.contains(name)) {
        true => format!("{PREFIX}{MORE_PREFIX}"),
        false => PREFIX.to_owned(),
    }
}

/// Expands a text. `query` is asked by the function of that name.
///
/// # Errors
/// What went wrong, worded as upstream words it.
pub fn expand(
    text: &str,
    data: &RuleData<'_>,
    query: &mut Query<'_>,
    now_ms: i64,
) -> Result<String, Error> {
    // Most texts are no templates.
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    let name = format!("__alert_{}", data.alert);
    let prefix = prefix(text);
    let mut set = Set::new();
    let worded = |what: &str, error: Error| Error {
        message: format!("error {what} template {name}: {}", error.message),
        ..error
    };
    set.parse(&name, &format!("{prefix}{text}"), &|name| find(TABLE, name).is_some())
        .map_err(|error| worded("parsing", error))?;
    let options = Options { missing_key: MissingKey::Zero, ..Options::default() };
    let mut functions = RuleFunctions { query, now_ms, external_url: data.external_url };
    set.execute(&name, &data.value(), &mut functions, options)
        .map_err(|error| worded("executing", error))
}

/// Expands a text; a mistake becomes the text, as upstream shows it to people.
pub fn expand_or_tell(
    text: &str,
    data: &RuleData<'_>,
    query: &mut Query<'_>,
    now_ms: i64,
) -> String {
    expand(text, data, query, now_ms)
        .unwrap_or_else(|error| format!("<error expanding template: {error}>"))
}

impl RuleData<'_> {
    fn value(&self) -> Value {
        let text = |text: &str| Value::text(text);
        let duration = |of: std::time::Duration| {
            Value::object(Duration(i64::try_from(of.as_nanos()).unwrap_or(i64::MAX)))
        };
        let id = |id: u64| Value::from(id.to_string());
        Value::object(Struct::new(
            DATA,
            vec![
                ("Labels", map_of(self.labels)),
                ("ExternalLabels", map_of(self.external_labels)),
                ("ExternalURL", text(self.external_url)),
                ("Value", sample_value(self.value)),
                ("ActiveAt", self.more.active_ms.map_or_else(Time::zero, Time::of_ms).value()),
                ("Type", text("prometheus")),
                ("AlertID", id(self.more.alert_id)),
                ("GroupID", id(self.more.group_id)),
                ("Expr", text(self.more.expr)),
                ("For", duration(self.more.hold)),
                ("Interval", duration(self.more.interval)),
                ("IsPartial", Value::Bool(self.more.partial)),
            ],
        ))
    }
}

fn map_of(labels: &LabelSet) -> Value {
    let pairs = labels.iter().map(|label| (Arc::clone(&label.name), Arc::clone(&label.value)));
    Value::Map(Map::of_texts(pairs))
}

fn sample_value(value: &SampleValue) -> Value {
    match value {
        SampleValue::Float(number) => Value::Float(*number),
        SampleValue::Histogram(histogram) => Value::object(Histogram(print::histogram(histogram))),
    }
}

/// A native histogram: nothing but its text.
#[derive(Debug)]
struct Histogram(String);

impl Object for Histogram {
    fn type_name(&self) -> &'static str {
        "*histogram.FloatHistogram"
    }

    fn underlying(&self) -> Underlying<'_> {
        Underlying::Struct(&[])
    }

    fn text(&self) -> Option<String> {
        Some(self.0.clone())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

struct RuleFunctions<'a, 'q> {
    query: &'a mut Query<'q>,
    now_ms: i64,
    external_url: &'a str,
}

impl Functions for RuleFunctions<'_, '_> {
    fn signature(&self, name: &str) -> Option<Signature> {
        find(TABLE, name)
    }

    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        let first = text(arguments, 0);
        match name {
            "query" => {
                let samples = (self.query)(first)?;
                Ok(Value::list("template.queryResult", samples.iter().map(sample).collect()))
            }
            "now" => Ok(Value::Float(self.now_ms as f64 / 1000.0)),
            "externalURL" => Ok(Value::text(self.external_url)),
            "pathPrefix" => {
                let url = url::Url::parse(self.external_url);
                let path = url.map(|url| url.path().trim_end_matches('/').to_owned());
                Ok(Value::from(path.unwrap_or_default()))
            }
            _ => pure(name, arguments),
        }
    }
}

fn sample(sample: &QuerySample) -> Value {
    let fields = vec![("Labels", map_of(&sample.labels)), ("Value", sample_value(&sample.value))];
    Value::object(Struct::new("*template.sample", fields))
}

fn sample_label(sample: &Value, name: &str) -> Value {
    match sample.downcast::<Struct>().and_then(|sample| sample.field("Labels")) {
        Some(Value::Map(labels)) => {
            labels.entries().get(name).cloned().unwrap_or_else(|| "".into())
        }
        _ => "".into(),
    }
}

/// The functions of samples and numbers.
fn pure(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let first = argument(arguments, 0);
    match name {
        "first" => {
            let none = || "first() called on vector with no elements".to_owned();
            first.items().into_iter().next().ok_or_else(none)
        }
        "label" => Ok(sample_label(argument(arguments, 1), text(arguments, 0))),
        "strvalue" => Ok(sample_label(first, "__value__")),
        "value" => {
            let value = first.downcast::<Struct>().and_then(|sample| sample.field("Value"));
            Ok(value.cloned().unwrap_or_default())
        }
        "sortByLabel" => {
            let mut samples = argument(arguments, 1).items();
            samples.sort_by_cached_key(|sample| {
                sample_label(sample, text(arguments, 0)).as_text().unwrap_or_default().to_owned()
            });
            Ok(Value::list("template.queryResult", samples))
        }
        "args" => {
            let named = arguments.iter().enumerate();
            let entries = named.map(|(i, value)| (format!("arg{i}").into(), value.clone()));
            Ok(Value::Map(Map::new("map[string]interface {}", entries.collect::<BTreeMap<_, _>>())))
        }
        "humanize" => number(first).map(|n| functions::humanize(n).into()),
        "humanize1024" => number(first).map(|n| functions::humanize_1024(n).into()),
        "humanizeDuration" => number(first).map(|n| functions::humanize_duration(n).into()),
        "humanizePercentage" => number(first).map(|n| functions::humanize_percentage(n).into()),
        "humanizeTimestamp" => {
            let seconds = number(first)?;
            if !seconds.is_finite() {
                return Ok(functions::humanize(seconds).into());
            }
            moment(seconds).map(|time| Value::from(layout::string(&time.0)))
        }
        "toTime" => moment(number(first)?).map(Time::value),
        "toDuration" => {
            let nanos = nanoseconds(number(first)?, "duration")?;
            Ok(Value::object(Duration(nanos)))
        }
        "formatTime" => {
            let time = moment(number(argument(arguments, 1))?)?;
            Ok(Value::from(layout::format(&time.0, text(arguments, 0))))
        }
        _ => texts(name, arguments),
    }
}

/// The functions of texts.
fn texts(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let first = text(arguments, 0);
    let second = text(arguments, 1);
    Ok(match name {
        "reReplaceAll" => return functions::replace_all(first, second, text(arguments, 2)),
        "match" => return functions::matches(first, second),
        "safeHtml" => Value::Safe(Safe::Html, first.into()),
        "title" => functions::title(first, false).into(),
        "toUpper" => first.to_uppercase().into(),
        "toLower" => first.to_lowercase().into(),
        "graphLink" => link(first, 0),
        "tableLink" => link(first, 1),
        "stripPort" => split_port(first).map_or(first, |(host, _)| host).into(),
        "stripDomain" => strip_domain(first).into(),
        "parseDuration" => Value::Float(seconds(first)?),
        "parseDurationTime" => Value::object(Duration(nanoseconds(seconds(first)?, "duration")?)),
        "urlQueryEscape" | "queryEscape" => escape::url_query(first).into(),
        "pathEscape" => escape::url_path(first).into(),
        "htmlEscape" => escape::html(first).into(),
        "jsonEscape" => super::json::encode(argument(arguments, 0))?.into(),
        "quotesEscape" => {
            let quoted = super::json::encode(argument(arguments, 0))?;
            let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            inner.unwrap_or_default().into()
        }
        "crlfEscape" => first.replace('\n', "\\n").replace('\r', "\\r").into(),
        _ => return Err(format!("function {name} not defined")),
    })
}

fn link(expression: &str, tab: u8) -> Value {
    // Tab 0 shows the graph.
    format!("/graph?g0.expr={}&g0.tab={tab}", escape::url_query(expression)).into()
}

fn seconds(text: &str) -> Result<f64, String> {
    let quoted = tarn_template::format::quote(text);
    let parsed = units::parse_duration(text);
    parsed.map(|d| d.as_secs_f64()).map_err(|_| format!("not a valid duration string: {quoted}"))
}

fn nanoseconds(seconds: f64, what: &str) -> Result<i64, String> {
    let shown = tarn_template::format::number::float(seconds, 'g', None);
    if !seconds.is_finite() {
        return Err("value is NaN or Inf".to_owned());
    }
    let nanos = seconds * 1e9;
    match nanos.abs() < 9.223_372_036_854_775e18 {
        true => Ok(nanos as i64),
        false => Err(format!(
            "{shown} cannot be represented as a nanoseconds {what} since it overflows int64"
        )),
    }
}

/// A moment in whole milliseconds, as upstream keeps it.
fn moment(seconds: f64) -> Result<Time, String> {
    nanoseconds(seconds, "timestamp").map(|nanos| Time::of_ms(nanos / 1_000_000))
}

/// Splits `host:port` and `[host]:port`.
fn split_port(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        return port.strip_prefix(':').map(|port| (host, port));
    }
    text.split_once(':').filter(|(_, port)| !port.contains([':', ']', '[']))
}

/// Keeps the first part of a host's name; addresses stay whole.
fn strip_domain(text: &str) -> String {
    let (host, port) = split_port(text).unwrap_or((text, ""));
    if host.parse::<IpAddr>().is_ok() {
        return text.to_owned();
    }
    let name = host.split('.').next().unwrap_or_default();
    match port {
        "" => name.to_owned(),
        port => format!("{name}:{port}"),
    }
}

#[cfg(test)]
mod tests;
