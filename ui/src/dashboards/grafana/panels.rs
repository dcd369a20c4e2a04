//! Panels: sixteen kinds become eleven; everything else becomes a placeholder that keeps its JSON.

use serde_json::{Map, Value, json};

use super::options::{
    Overrides, default_format, format, mappings, old_thresholds, overrides, thresholds,
};
use super::queries::{Queries, title};
use super::read::{Tree, at, flag, list, number_at, plain, text, text_at};
use super::{Import, Line, Outcome, transforms};

mod graph;
mod numbers;

/// A panel on its way.
struct Made {
    kind: &'static str,
    spec: Value,
    reasons: Vec<String>,
    lost: Vec<String>,
    /// Whether the kind itself is another one.
    approximated: bool,
}

impl Made {
    fn of(kind: &'static str) -> Self {
        let (reasons, lost) = (Vec::new(), Vec::new());
        Self { kind, spec: json!({}), reasons, lost, approximated: false }
    }

    /// Puts something where it is anything.
    fn put(&mut self, key: &str, value: Option<Value>) {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            self.spec[key] = value;
        }
    }

    fn approximate(mut self, reason: &str) -> Self {
        self.approximated = true;
        self.reasons.push(reason.to_owned());
        self
    }
}

/// The placeholder.
const PLACEHOLDER: &str = "TarnPlaceholder";

impl Import<'_> {
    /// Imports a panel; returns its key.
    pub(super) fn panel(&mut self, panel: &Tree) -> String {
        let key = self.key(panel);
        let from = text(panel, "type").unwrap_or("unknown").to_owned();
        let queries = self.queries(panel, title(panel));
        let mut made = match (self.convert(panel, &from, &queries), queries.unknown.first()) {
            (Some(made), None) => made,
            (Some(mut made), Some(_)) if !queries.made.is_empty() => {
                let unknown = queries.unknown.iter();
                made.lost.extend(unknown.map(|name| format!("a query of {name} is out of reach")));
                made
            }
            (Some(_), Some(name)) => placeholder(panel, &format!("asks {name}, out of reach")),
            (None, _) => placeholder(panel, &format!("there is no panel like {from}")),
        };
        made.reasons.extend(queries.reasons.iter().cloned());
        own_range(panel, &mut made);
        self.panels.insert(key.clone(), finished(panel, &made, queries));
        self.line(panel, from, made);
        key
    }

    fn line(&mut self, panel: &Tree, from: String, made: Made) {
        let outcome = match made.kind {
            PLACEHOLDER => Outcome::Placeholder,
            _ if made.reasons.is_empty() && made.lost.is_empty() => Outcome::Exact,
            _ => Outcome::Approximated,
        };
        self.report.panels.push(Line {
            name: title(panel).to_owned(),
            from,
            becomes: made.kind.to_owned(),
            outcome,
            reasons: made.reasons,
            lost: made.lost,
        });
    }

    /// Names of panels: their numbers, which are stable in Git.
    fn key(&self, panel: &Tree) -> String {
        let id = panel.get("id").and_then(Value::as_u64);
        let mut key = format!("p{}", id.unwrap_or(self.panels.len() as u64 + 1));
        let mut more = 1;
        while self.panels.contains_key(&key) {
            more += 1;
            key = format!("p{}_{more}", id.unwrap_or(0));
        }
        key
    }

    fn convert(&self, panel: &Tree, kind: &str, queries: &Queries) -> Option<Made> {
        let made = match kind {
            "timeseries" => graph::timeseries(panel, queries),
            "graph" => graph::graph(panel, queries),
            "stat" => numbers::stat(panel),
            "singlestat" => numbers::singlestat(panel),
            "gauge" => numbers::gauge(panel),
            "bargauge" => numbers::bars(panel).approximate("bars without limits of their own"),
            "barchart" => numbers::bars(panel).approximate("one bar for each series"),
            "piechart" | "grafana-piechart-panel" => numbers::pie(panel),
            "table" | "table-old" => table(panel, queries),
            "text" => markdown(panel),
            "logs" => logs(panel),
            "histogram" => numbers::histogram(panel),
            "heatmap" => numbers::heatmap(panel),
            "status-history" => numbers::states(panel),
            "state-timeline" => {
                numbers::states(panel).approximate("states are shown at equal steps")
            }
            _ => return None,
        };
        Some(made)
    }
}

fn placeholder(panel: &Tree, why: &str) -> Made {
    let mut made = Made::of(PLACEHOLDER);
    made.spec = json!({ "why": why, "original": panel });
    made.reasons.push(why.to_owned());
    made
}

/// A panel with a range of its own shows that of the board.
fn own_range(panel: &Tree, made: &mut Made) {
    for key in ["timeFrom", "timeShift"] {
        if let Some(range) = text(panel, key).filter(|range| !range.is_empty()) {
            made.reasons.push(format!("{key} {range}: shows the range of the board"));
        }
    }
    if !list(panel, "links").is_empty() && made.kind == PLACEHOLDER {
        made.reasons.push("links are inside the original".to_owned());
    }
}

fn finished(panel: &Tree, made: &Made, queries: Queries) -> Value {
    let mut display = json!({ "name": title(panel) });
    if let Some(about) = text(panel, "description").filter(|about| !about.is_empty()) {
        display["description"] = about.into();
    }
    let mut spec = json!({
        "display": display,
        "plugin": { "kind": made.kind, "spec": made.spec },
    });
    // The original of a placeholder has its queries.
    if made.kind != PLACEHOLDER {
        spec["queries"] = queries.made.into();
        let links: Vec<Value> = list(panel, "links").iter().filter_map(link).collect();
        if !links.is_empty() {
            spec["links"] = links.into();
        }
    }
    json!({ "kind": "Panel", "spec": spec })
}

fn link(link: &Value) -> Option<Value> {
    let link = link.as_object()?;
    let url = text(link, "url")?;
    let new = flag(link, "targetBlank");
    Some(json!({ "name": text(link, "title").unwrap_or(url), "url": url, "targetBlank": new }))
}

/// Adds overrides to a panel.
fn with_overrides(made: &mut Made, panel: &Tree, letters: &[String]) {
    let Overrides { made: all, unknown } = overrides(panel, letters, &mut made.reasons);
    if !all.is_empty() {
        made.spec["overrides"] = all.into();
    }
    if !unknown.is_empty() {
        made.reasons.push(format!("overrides of {} are passed over", unknown.join(", ")));
    }
}

/// Adds transformations.
fn with_transforms(made: &mut Made, panel: &Tree) {
    let (kept, lost) = transforms::of(panel);
    if !kept.is_empty() {
        made.spec["transforms"] = kept.into();
    }
    made.lost.extend(lost);
}

/// Adds texts for values.
fn with_mappings(made: &mut Made, panel: &Tree) {
    let all = mappings(panel);
    if !all.is_empty() {
        made.spec["mappings"] = all.into();
    }
}

fn table(panel: &Tree, queries: &Queries) -> Made {
    let (kept, _) = transforms::of(panel);
    // Series over time without a table made of them are lines with small charts.
    let as_table = |query: &&Value| {
        let spec = query.pointer("/spec/plugin/spec");
        spec.and_then(|spec| spec.get("instant")) == Some(&Value::Bool(true))
    };
    let formats = list(panel, "targets").iter().filter_map(Value::as_object);
    let mut formats = formats.filter_map(|target| text(target, "format"));
    let tabular = formats.any(|format| format == "table")
        || queries.made.iter().any(|query| as_table(&query))
        || !kept.is_empty();
    let mut made = Made::of(if tabular { "Table" } else { "TimeSeriesTable" });
    let format = default_format(panel, &mut made.reasons);
    made.put("format", format);
    made.put("thresholds", thresholds(panel));
    with_mappings(&mut made, panel);
    with_transforms(&mut made, panel);
    with_overrides(&mut made, panel, &queries.letters);
    columns(&mut made, panel);
    if let Some(sort) = at(panel, "options.sortBy.0").or_else(|| at(panel, "options.sortBy")) {
        let first = sort.as_array().and_then(|all| all.first()).unwrap_or(sort);
        if let Some(name) = first.get("displayName").and_then(Value::as_str) {
            let down = first.get("desc").and_then(Value::as_bool).unwrap_or(false);
            made.spec["sort"] = json!({ "column": name, "descending": down });
        }
    }
    made
}

/// Columns of tables before 2020 had `styles`.
fn columns(made: &mut Made, panel: &Tree) {
    let mut settings = Vec::new();
    for style in list(panel, "styles").iter().filter_map(Value::as_object) {
        let Some(pattern) = text(style, "pattern") else { continue };
        let mut column = json!({ "name": pattern });
        if let Some(header) = text(style, "alias").filter(|alias| !alias.is_empty()) {
            column["header"] = header.into();
        }
        if text(style, "type") == Some("hidden") {
            column["hide"] = true.into();
        }
        let format = format(text(style, "unit"), number_at(style, "decimals"), &mut made.reasons);
        if let Some(format) = format {
            column["format"] = format;
        }
        settings.push(column);
    }
    if !settings.is_empty() {
        made.spec["columnSettings"] = settings.into();
    }
}

fn markdown(panel: &Tree) -> Made {
    let mut made = Made::of("Markdown");
    let content = text_at(panel, "options.content").or_else(|| text(panel, "content"));
    let mode = text_at(panel, "options.mode").or_else(|| text(panel, "mode"));
    made.spec = json!({ "text": content.unwrap_or_default() });
    if mode == Some("html") {
        made = made.approximate("HTML is shown as text without its tags");
        made.spec["html"] = true.into();
    }
    made
}

fn logs(panel: &Tree) -> Made {
    let mut made = Made::of("LogsTable");
    made.spec = json!({
        "showTime": at(panel, "options.showTime").cloned().unwrap_or(Value::Bool(true)),
        "allowWrap": at(panel, "options.wrapLogMessage").cloned().unwrap_or(Value::Bool(false)),
    });
    made
}

/// Returns how a series becomes one number.
fn calculation(calc: &str, reasons: &mut Vec<String>) -> &'static str {
    match calc {
        "lastNotNull" | "current" | "" => "last-number",
        "last" => "last",
        "firstNotNull" => "first-number",
        "first" => "first",
        "mean" | "avg" => "mean",
        "min" => "min",
        "max" => "max",
        "sum" | "total" => "sum",
        "count" => "count",
        "range" => "range",
        "delta" | "diff" => "delta",
        other => {
            reasons.push(format!("calculation {other}: the last value is shown"));
            "last-number"
        }
    }
}

/// Returns the first calculation of a panel.
fn first_calculation(panel: &Tree, reasons: &mut Vec<String>) -> &'static str {
    let calcs = at(panel, "options.reduceOptions.calcs").and_then(Value::as_array);
    let first = calcs.and_then(|all| all.first()).and_then(Value::as_str);
    calculation(first.unwrap_or_default(), reasons)
}

/// Returns the legend of a panel; `None` where there is none.
fn legend(panel: &Tree) -> Option<Value> {
    let new = at(panel, "options.legend").and_then(Value::as_object);
    if let Some(legend) = new {
        let hidden = legend.get("showLegend") == Some(&Value::Bool(false));
        if hidden || text(legend, "displayMode") == Some("hidden") {
            return None;
        }
        let mut silent = Vec::new();
        let calcs = list(legend, "calcs").iter().filter_map(Value::as_str);
        let values: Vec<&str> = calcs.map(|calc| calculation(calc, &mut silent)).collect();
        return Some(json!({
            "position": text(legend, "placement").unwrap_or("bottom"),
            "mode": if text(legend, "displayMode") == Some("table") { "table" } else { "list" },
            "values": values,
        }));
    }
    let Some(old) = panel.get("legend").and_then(Value::as_object) else {
        // Who says nothing has one.
        return Some(json!({ "position": "bottom", "mode": "list", "values": [] }));
    };
    if old.get("show") == Some(&Value::Bool(false)) {
        return None;
    }
    let mut silent = Vec::new();
    let known = ["current", "avg", "min", "max", "total"].into_iter();
    let shown = known.filter(|name| flag(old, name) && flag(old, "values"));
    let values: Vec<&str> = shown.map(|name| calculation(name, &mut silent)).collect();
    Some(json!({
        "position": if flag(old, "rightSide") { "right" } else { "bottom" },
        "mode": if flag(old, "alignAsTable") { "table" } else { "list" },
        "values": values,
    }))
}

/// Puts a number where there is one.
fn limit(made: &mut Map<String, Value>, key: &str, value: Option<f64>) {
    if let Some(value) = value {
        made.insert(key.to_owned(), plain(value));
    }
}

/// Returns thresholds, new or old.
fn any_thresholds(panel: &Tree) -> Option<Value> {
    thresholds(panel).or_else(|| old_thresholds(panel))
}
