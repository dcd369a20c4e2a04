//! Objectives in Sloth's first format, `version: prometheus/v1`.
//!
//! `sum(rate(counter[{{.window}}]))` and sums or differences of it are recognised: their counters go
//! into the ledger, which counts exactly. Any other query runs as it is, over each window.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use tarn_query::promql::ast::{AggregateOp, BinaryOp, Expr, TimeShift};

use super::spec::{self, AlertText, Alerting, Counter, Found, Mistake, Objective, Sli, Term};
use crate::problem::Problem;

/// What stands behind `version` in such files.
pub(super) const VERSION: &str = "prometheus/v1";

/// Sloth's period, unless its flag says otherwise.
const WINDOW: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "version")]
    _version: String,
    service: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    slos: Vec<Spanned<Item>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    name: String,
    #[serde(default)]
    description: String,
    objective: Spanned<f64>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    sli: Spanned<SliItem>,
    #[serde(default)]
    alerting: AlertingItem,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SliItem {
    events: Option<EventsItem>,
    raw: Option<RawItem>,
    plugin: Option<PluginItem>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsItem {
    error_query: Spanned<String>,
    total_query: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawItem {
    error_ratio_query: Spanned<String>,
}

#[derive(Debug, Deserialize)]
struct PluginItem {
    id: Spanned<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AlertingItem {
    name: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    page_alert: AlertText,
    ticket_alert: AlertText,
}

/// Reads a file.
pub(super) fn parse(file: &str, text: &str) -> (Vec<Objective>, Vec<Problem>) {
    let parsed: File = match spec::read(file, text) {
        Ok(parsed) => parsed,
        Err(problem) => return (Vec::new(), vec![problem]),
    };
    let (service, labels) = (parsed.service, parsed.labels);
    let mut found = Found::new(file);
    for item in parsed.slos {
        let at = item.referenced;
        found.add(at, objective(file, (&service, &labels), item.value, at));
    }
    found.done()
}

fn objective(
    file: &str,
    (service, labels): (&str, &BTreeMap<String, String>),
    item: Item,
    at: Location,
) -> Result<Objective, Mistake> {
    let target = spec::target(item.objective.value)
        .map_err(|message| (Some(item.objective.referenced), message))?;
    let sli = sli(item.sli)?;
    let AlertingItem { name, labels: more, annotations, page_alert, ticket_alert } = item.alerting;
    Ok(Objective {
        // Names are unique within a service only.
        name: format!("{service}-{}", item.name).into(),
        service: service.into(),
        description: item.description,
        labels: labels.iter().chain(&item.labels).map(|(k, v)| (k.clone(), v.clone())).collect(),
        target,
        window: WINDOW,
        sli,
        group_by: Vec::new(),
        alerting: Alerting {
            name,
            labels: more,
            annotations,
            page: page_alert,
            ticket: ticket_alert,
            no_outage: false,
        },
        file: file.into(),
        line: u32::try_from(at.line()).unwrap_or(0),
    })
}

fn sli(item: Spanned<SliItem>) -> Result<Sli, Mistake> {
    match item.value {
        SliItem { events: Some(events), raw: None, plugin: None } => self::events(&events),
        SliItem { events: None, raw: Some(raw), plugin: None } => {
            let query = windowed(&raw.error_ratio_query)?;
            Ok(Sli::Ratio { query })
        }
        SliItem { plugin: Some(plugin), .. } => {
            let id = &plugin.id;
            let message = format!(
                "plugin {:?} is Go code, which does not run here: write its queries out",
                id.value
            );
            Err((Some(id.referenced), message))
        }
        _ => Err((Some(item.referenced), "sli must have one of events, raw, plugin".to_owned())),
    }
}

fn events(events: &EventsItem) -> Result<Sli, Mistake> {
    let (errors, total) = (windowed(&events.error_query)?, windowed(&events.total_query)?);
    if let (Some(part), Some(valid)) = (counters(&errors), counters(&total)) {
        return Ok(Sli::Counters { part, is_bad: true, valid });
    }
    Ok(Sli::Ratio { query: format!("({errors}) / ({total})") })
}

/// Checks that a query parses with a window in it.
fn windowed(text: &Spanned<String>) -> Result<String, Mistake> {
    let query = in_window(&text.value, "5m");
    if query == text.value {
        let message = format!("query {:?} has no {{{{.window}}}}", text.value);
        return Err((Some(text.referenced), message));
    }
    spec::parsed(&query).map_err(|message| (Some(text.referenced), message))?;
    Ok(text.value.trim().to_owned())
}

/// Puts a window in its place.
pub(super) fn in_window(query: &str, window: &str) -> String {
    query.replace("{{.window}}", window).replace("{{ .window }}", window)
}

/// Returns the counters of a sum of rates.
fn counters(query: &str) -> Option<Counter> {
    let expr = spec::parsed(&in_window(query, "5m")).ok()?;
    let mut terms = Vec::new();
    collect(&expr, false, &mut terms).then_some(Counter { terms })
}

fn collect(expr: &Expr, negative: bool, into: &mut Vec<Term>) -> bool {
    match expr.unwrapped() {
        Expr::Aggregate(sum) if sum.op == AggregateOp::Sum && !sum.without => {
            sum.grouping.is_empty() && rate(sum.expr.unwrapped(), negative, into)
        }
        Expr::Binary(sum) if matches!(sum.op, BinaryOp::Add | BinaryOp::Sub) => {
            collect(&sum.lhs, negative, into)
                && collect(&sum.rhs, negative ^ (sum.op == BinaryOp::Sub), into)
        }
        _ => false,
    }
}

fn rate(expr: &Expr, negative: bool, into: &mut Vec<Term>) -> bool {
    let Expr::Call(call) = expr else { return false };
    let Some(Expr::Matrix(range)) = call.args.first() else { return false };
    let selector = &range.selector;
    let plain = selector.shift == TimeShift::default() && selector.extended.is_none();
    if !matches!(call.function.name, "rate" | "increase") || !plain {
        return false;
    }
    into.push(Term { matchers: selector.matchers.clone(), negative, below: None });
    true
}
