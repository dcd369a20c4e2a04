//! Variables: query, datasource, custom, adhoc, textbox, interval, constant.

use serde_json::{Map, Value, json};

use super::queries::Source;
use super::read::{Tree, flag, list, text};
use super::{Import, Line, Outcome};
use crate::dashboards::check::Language;

mod definition;

use definition::{Definition, definition};

/// What became of a variable; `None` in place of JSON: it is not needed any more.
struct Made {
    value: Option<Value>,
    becomes: &'static str,
    outcome: Outcome,
    reasons: Vec<String>,
}

impl Made {
    fn exact(becomes: &'static str, value: Value) -> Self {
        Self { value: Some(value), becomes, outcome: Outcome::Exact, reasons: Vec::new() }
    }

    fn because(mut self, outcome: Outcome, reason: &str) -> Self {
        self.outcome = outcome;
        self.reasons.push(reason.to_owned());
        self
    }
}

impl Import<'_> {
    /// Imports all variables.
    pub(super) fn variables(&mut self) -> Vec<Value> {
        let Some(all) = self.board.get("templating").and_then(Value::as_object) else {
            return Vec::new();
        };
        let mut kept: Vec<Value> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for variable in list(all, "list").iter().filter_map(Value::as_object) {
            let name = text(variable, "name").unwrap_or_default();
            if name.is_empty() || names.contains(&name) {
                continue;
            }
            names.push(name);
            let made = self.variable(variable, name);
            self.report.variables.push(Line {
                name: name.to_owned(),
                from: text(variable, "type").unwrap_or("unknown").to_owned(),
                becomes: made.becomes.to_owned(),
                outcome: made.outcome,
                reasons: made.reasons,
                lost: Vec::new(),
            });
            kept.extend(made.value);
        }
        kept
    }

    fn variable(&mut self, variable: &Tree, name: &str) -> Made {
        match text(variable, "type").unwrap_or("query") {
            "query" => self.query(variable, name),
            "datasource" => Made {
                value: None,
                becomes: "Tarn itself",
                outcome: Outcome::Exact,
                reasons: Vec::new(),
            },
            "custom" => {
                let values = custom(variable);
                let spec = json!({ "values": values });
                Made::exact("StaticListVariable", listed(variable, "StaticListVariable", &spec))
            }
            "interval" => {
                let made =
                    listed(variable, "StaticListVariable", &json!({ "values": steps(variable) }));
                Made::exact("StaticListVariable", made)
            }
            "textbox" => Made::exact("TextVariable", worded(variable, false)),
            "constant" => Made::exact("TextVariable", worded(variable, true)),
            "adhoc" => {
                let filters = variable.get("filters").cloned().unwrap_or_else(|| json!([]));
                let spec = json!({ "name": name, "filters": filters });
                Made::exact("TarnAdhocFilters", json!({ "kind": "TarnAdhocFilters", "spec": spec }))
                    .because(Outcome::Approximated, "filters are kept, and not applied yet")
            }
            other => Made::exact("TextVariable", worded(variable, false)).because(
                Outcome::Placeholder,
                &format!("variables of type {other} are not known: the value can be typed"),
            ),
        }
    }

    fn query(&mut self, variable: &Tree, name: &str) -> Made {
        let (object, text_query) = match variable.get("query") {
            Some(Value::String(query)) => (None, query.as_str()),
            Some(Value::Object(query)) => (Some(query), text(query, "query").unwrap_or_default()),
            _ => (None, ""),
        };
        let written = if text_query.trim().is_empty() {
            text(variable, "definition").unwrap_or_default()
        } else {
            text_query
        };
        let out = |what: &str| {
            let reason = format!("{what}: the value can be typed");
            Made::exact("TextVariable", worded(variable, false))
                .because(Outcome::Placeholder, &reason)
        };
        // Loki's own way to write them has no text.
        let of_loki = object.is_some_and(|query| query.contains_key("stream"));
        match self.source(&Map::new(), variable) {
            Source::Loki => return out("asks Loki for labels"),
            Source::Other(kind) if !written.contains("label_values(") => {
                return out(&format!("asks {kind}, out of reach"));
            }
            _ if of_loki => return out("asks Loki for labels"),
            _ => {}
        }
        match definition(written) {
            Definition::LabelValues { label, selector } => {
                if !selector.is_empty() {
                    self.query_line(name, &Map::new(), Some(Language::Promql), &selector);
                }
                let matchers: Vec<&str> =
                    Some(selector.as_str()).filter(|s| !s.is_empty()).into_iter().collect();
                let spec = json!({ "labelName": label, "matchers": matchers });
                let kind = "PrometheusLabelValuesVariable";
                Made::exact(kind, listed(variable, kind, &spec))
            }
            Definition::LabelNames { selector } => {
                let matchers: Vec<&str> =
                    Some(selector.as_str()).filter(|s| !s.is_empty()).into_iter().collect();
                let kind = "PrometheusLabelNamesVariable";
                Made::exact(kind, listed(variable, kind, &json!({ "matchers": matchers })))
            }
            Definition::Promql(expr) => {
                self.query_line(name, &Map::new(), Some(Language::Promql), &expr);
                let kind = "PrometheusPromQLVariable";
                // Grafana's text of a whole sample; its expression for a part is kept below.
                let spec = json!({ "expr": expr, "format": "sample" });
                Made::exact(kind, listed(variable, kind, &spec))
            }
            Definition::Nothing => out("asks nothing that is known"),
        }
    }
}

/// Makes a variable that is chosen from a list.
fn listed(variable: &Tree, plugin: &str, plugin_spec: &Value) -> Value {
    let mut spec = named(variable);
    spec.insert("allowMultiple".into(), flag(variable, "multi").into());
    spec.insert("allowAllValue".into(), flag(variable, "includeAll").into());
    if let Some(all) = text(variable, "allValue").filter(|all| !all.is_empty()) {
        spec.insert("customAllValue".into(), all.into());
    }
    if let Some(regex) = text(variable, "regex").filter(|regex| !regex.is_empty()) {
        spec.insert("capturingRegexp".into(), regex.into());
    }
    let sort = match variable.get("sort").and_then(Value::as_u64) {
        Some(1) => "alphabetical-asc",
        Some(2) => "alphabetical-desc",
        Some(3) => "numerical-asc",
        Some(4) => "numerical-desc",
        Some(5 | 7) => "alphabetical-ci-asc",
        Some(6 | 8) => "alphabetical-ci-desc",
        _ => "none",
    };
    spec.insert("sort".into(), sort.into());
    if let Some(value) = chosen(variable) {
        spec.insert("defaultValue".into(), value);
    }
    spec.insert("plugin".into(), json!({ "kind": plugin, "spec": plugin_spec }));
    json!({ "kind": "ListVariable", "spec": spec })
}

/// Makes a variable that is typed.
fn worded(variable: &Tree, constant: bool) -> Value {
    let mut spec = named(variable);
    let query = variable.get("query").and_then(Value::as_str).map(str::to_owned);
    let chosen = chosen(variable).and_then(|value| value.as_str().map(str::to_owned));
    let value = if constant { query.or(chosen) } else { chosen.or(query) };
    spec.insert("value".into(), value.unwrap_or_default().into());
    if constant {
        spec.insert("constant".into(), true.into());
    }
    json!({ "kind": "TextVariable", "spec": spec })
}

fn named(variable: &Tree) -> Map<String, Value> {
    let mut spec = Map::new();
    let name = text(variable, "name").unwrap_or_default();
    spec.insert("name".into(), name.into());
    let label = text(variable, "label").filter(|label| !label.is_empty());
    let mut display = json!({ "name": label.unwrap_or(name) });
    // 2: neither label nor choice.
    if variable.get("hide").and_then(Value::as_u64) == Some(2) {
        display["hidden"] = true.into();
    }
    spec.insert("display".into(), display);
    spec
}

/// Returns what was chosen when the board was exported.
fn chosen(variable: &Tree) -> Option<Value> {
    let value = variable.get("current")?.get("value")?;
    match value {
        Value::String(value) if !value.is_empty() => Some(value.as_str().into()),
        Value::Array(values) if values.len() == 1 && !flag(variable, "multi") => {
            values.first().cloned()
        }
        Value::Array(values) if !values.is_empty() => Some(value.clone()),
        _ => None,
    }
}

/// Returns the choices of a list, as `text : value` or plain.
fn custom(variable: &Tree) -> Vec<Value> {
    let query = text(variable, "query").unwrap_or_default();
    let options = list(variable, "options").iter().filter_map(Value::as_object);
    if query.is_empty() {
        let values = options.filter_map(|option| text(option, "value"));
        return values.filter(|value| *value != "$__all").map(Into::into).collect();
    }
    let choices = query.split(',').map(str::trim).filter(|choice| !choice.is_empty());
    let made = choices.map(|choice| match choice.split_once(" : ") {
        Some((label, value)) => json!({ "label": label.trim(), "value": value.trim() }),
        None => choice.into(),
    });
    made.collect()
}

/// Returns the choices of an interval; `auto` is what a panel needs.
fn steps(variable: &Tree) -> Vec<Value> {
    let mut steps = Vec::new();
    if flag(variable, "auto") {
        steps.push(json!({ "label": "auto", "value": "$__auto_interval" }));
    }
    let query = text(variable, "query").unwrap_or_default();
    let choices = query.split(',').map(str::trim).filter(|choice| !choice.is_empty());
    steps.extend(choices.filter(|choice| *choice != "auto").map(Value::from));
    steps
}
