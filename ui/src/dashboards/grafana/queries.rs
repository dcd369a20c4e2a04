//! Targets of panels, and whom they ask.
//!
//! The tenant decides what is asked, so data sources are only told apart by kind: Prometheus and what
//! speaks its language is answered; Loki's and Tempo's queries are kept and say what they are; others
//! are out of reach. A source is named by a type, a name, a variable or an input of the export.

use serde_json::{Map, Value, json};

use super::read::{Tree, flag, list, text, text_at};
use super::{Import, QueryLine};
use crate::dashboards::check::{self, Language};

/// Kinds of data sources that answer PromQL.
const PROMETHEUS: [&str; 6] = [
    "prometheus",
    "victoriametrics-metrics-datasource",
    "mimir",
    "cortex",
    "thanos",
    "amazonprometheus",
];

/// Whom a target asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Prometheus,
    Loki,
    Tempo,
    /// Queries of another panel, by its number.
    Panel(u64),
    Other(String),
}

/// The queries of a panel.
#[derive(Debug, Default)]
pub(super) struct Queries {
    pub(super) made: Vec<Value>,
    /// Letters of the targets, in the order of `made`.
    pub(super) letters: Vec<String>,
    pub(super) reasons: Vec<String>,
    /// Sources that are out of reach.
    pub(super) unknown: Vec<String>,
    /// Whether all that ask Prometheus ask at one time.
    pub(super) instant: bool,
}

impl Import<'_> {
    /// Imports the targets of a panel.
    pub(super) fn queries(&mut self, panel: &Tree, title: &str) -> Queries {
        let mut queries = Queries::default();
        let mut instant = true;
        self.targets(panel, title, &mut queries, &mut instant, true);
        queries.instant = instant && !queries.made.is_empty();
        queries
    }

    fn targets(
        &mut self,
        panel: &Tree,
        title: &str,
        queries: &mut Queries,
        instant: &mut bool,
        follow: bool,
    ) {
        for target in list(panel, "targets").iter().filter_map(Value::as_object) {
            match self.source(target, panel) {
                Source::Prometheus => {
                    let Some(expr) = text(target, "expr").filter(|expr| !expr.trim().is_empty())
                    else {
                        continue;
                    };
                    *instant &= flag(target, "instant") && !flag(target, "range");
                    self.query_line(title, target, Some(Language::Promql), expr);
                    queries.add(target, prometheus(target, expr));
                }
                Source::Loki => {
                    let expr = text(target, "expr").unwrap_or_default();
                    self.query_line(title, target, Some(Language::Logql), expr);
                    let spec = json!({ "query": expr, "language": "logql" });
                    queries.add(target, plugin("LogQuery", "TarnLogQuery", &spec));
                    queries.say("LogQL is kept, and not answered yet");
                }
                Source::Tempo => {
                    let query = text(target, "query").unwrap_or_default();
                    self.query_line(title, target, None, query);
                    let spec = json!({ "query": query, "language": "traceql" });
                    queries.add(target, plugin("TraceQuery", "TarnTraceQuery", &spec));
                    queries.say("TraceQL is kept, and not answered yet");
                }
                Source::Panel(id) => {
                    // One step only: a panel that shows itself would go on for ever.
                    let other = find(self.board, id).filter(|_| follow);
                    match other {
                        Some(other) => self.targets(other, title, queries, instant, false),
                        None => queries.unknown.push(format!("queries of panel {id}")),
                    }
                }
                Source::Other(name) => {
                    let query = target.get("rawSql").or_else(|| target.get("query"));
                    let query = query.and_then(Value::as_str).unwrap_or_default();
                    self.query_line(title, target, None, query);
                    queries.unknown.push(name);
                }
            }
        }
    }

    /// Writes down whether a query can be answered.
    pub(super) fn query_line(
        &mut self,
        of: &str,
        target: &Tree,
        language: Option<Language>,
        query: &str,
    ) {
        let checked = match language {
            Some(Language::Logql) => Err(check::Mistake {
                message: "LogQL is kept, and not answered yet".to_owned(),
                span: None,
            }),
            Some(language) => check::check(self.checker, language, query),
            None => Err(check::Mistake {
                message: "a query language that is not known here".to_owned(),
                span: None,
            }),
        };
        let mistake = checked.err();
        self.report.queries.push(QueryLine {
            of: of.to_owned(),
            reference: text(target, "refId").unwrap_or_default().to_owned(),
            language,
            text: query.to_owned(),
            parsed: mistake.is_none(),
            span: mistake.as_ref().and_then(|m| m.span.as_ref()).map(|s| (s.start, s.end)),
            message: mistake.map(|mistake| mistake.message),
        });
    }

    /// Returns whom a target asks.
    pub(super) fn source(&self, target: &Tree, panel: &Tree) -> Source {
        let own = target.get("datasource").filter(|source| !source.is_null());
        let named = own.or_else(|| panel.get("datasource"));
        let kind = self.source_kind(named);
        if kind == "-- Dashboard --" || kind == "datasource" && target.contains_key("panelId") {
            let id = target.get("panelId").and_then(Value::as_u64);
            return id.map_or(Source::Other("another panel".to_owned()), Source::Panel);
        }
        let lower = kind.to_ascii_lowercase();
        if PROMETHEUS.contains(&&*lower) {
            return Source::Prometheus;
        }
        if lower.contains("loki") {
            return Source::Loki;
        }
        if lower.contains("tempo") {
            return Source::Tempo;
        }
        // A source that only its name is known of: what it is asked tells.
        let unnamed = kind.is_empty() || kind.starts_with('$') || kind.starts_with("-- Mixed");
        match text(target, "expr") {
            Some(_) if unnamed && text(panel, "type") == Some("logs") => Source::Loki,
            Some(expr) if unnamed || self.is_free_name(&kind) => {
                if is_logql(expr) {
                    Source::Loki
                } else {
                    Source::Prometheus
                }
            }
            // A target that asks nothing: `-- Mixed --` without more.
            None if unnamed && !target.contains_key("rawSql") => Source::Prometheus,
            _ => Source::Other(kind),
        }
    }

    /// Whether a name is just what somebody called a source, and no type of one.
    fn is_free_name(&self, kind: &str) -> bool {
        let types = ["influxdb", "elasticsearch", "graphite", "mysql", "postgres", "cloudwatch"];
        !types.iter().any(|known| kind.contains(known)) && !kind.contains("infinity")
    }

    /// Returns type or name of a data source, variables and inputs resolved.
    fn source_kind(&self, source: Option<&Value>) -> String {
        let name = match source {
            None | Some(Value::Null) => return String::new(),
            Some(Value::String(name)) => name.as_str(),
            Some(object) => {
                let kind = object.get("type").and_then(Value::as_str);
                let uid = object.get("uid").and_then(Value::as_str).unwrap_or_default();
                // The source of Grafana itself shows other panels.
                if uid == "-- Dashboard --" {
                    return uid.to_owned();
                }
                kind.unwrap_or(uid)
            }
        };
        let trimmed = name.trim_start_matches(['$', '{']).trim_end_matches('}');
        if trimmed.len() == name.len() {
            return name.to_owned();
        }
        self.input(trimmed)
            .or_else(|| self.variable_source(trimmed))
            .unwrap_or_else(|| name.to_owned())
    }

    fn input(&self, name: &str) -> Option<String> {
        let inputs = list(self.board, "__inputs").iter().filter_map(Value::as_object);
        let mut named = inputs.filter(|input| text(input, "name") == Some(name));
        named.next().and_then(|input| text(input, "pluginId")).map(str::to_owned)
    }

    fn variable_source(&self, name: &str) -> Option<String> {
        let all = self.board.get("templating").and_then(Value::as_object)?;
        let variables = list(all, "list").iter().filter_map(Value::as_object);
        let mut named = variables.filter(|variable| {
            text(variable, "name") == Some(name) && text(variable, "type") == Some("datasource")
        });
        named.next().and_then(|variable| text(variable, "query")).map(str::to_owned)
    }
}

impl Queries {
    fn add(&mut self, target: &Tree, made: Value) {
        self.letters.push(text(target, "refId").unwrap_or_default().to_owned());
        self.made.push(made);
    }

    fn say(&mut self, reason: &str) {
        if !self.reasons.iter().any(|known| known == reason) {
            self.reasons.push(reason.to_owned());
        }
    }
}

fn plugin(kind: &str, plugin: &str, spec: &Value) -> Value {
    json!({ "kind": kind, "spec": { "plugin": { "kind": plugin, "spec": spec } } })
}

fn prometheus(target: &Tree, expr: &str) -> Value {
    let mut spec = Map::new();
    spec.insert("query".into(), expr.into());
    let name = text(target, "legendFormat").filter(|name| !name.is_empty() && *name != "__auto");
    if let Some(name) = name {
        spec.insert("seriesNameFormat".into(), name.into());
    }
    if let Some(step) = text(target, "interval").filter(|step| !step.is_empty()) {
        spec.insert("minStep".into(), step.into());
    }
    // Ours, beside what Perses has.
    if flag(target, "instant") && !flag(target, "range") {
        spec.insert("instant".into(), true.into());
    }
    if flag(target, "hide") {
        spec.insert("hidden".into(), true.into());
    }
    if let Some(letter) = text(target, "refId") {
        spec.insert("refId".into(), letter.into());
    }
    plugin("TimeSeriesQuery", "PrometheusTimeSeriesQuery", &spec.into())
}

/// Guesses: a selector followed by a filter or a parser, which PromQL does not have.
fn is_logql(expr: &str) -> bool {
    ["|=", "|~", "!=", "| json", "| logfmt", "|json", "|logfmt"].iter().any(|sign| {
        expr.split(sign)
            .next()
            .is_some_and(|before| expr.len() > before.len() && before.trim_end().ends_with('}'))
    })
}

/// Finds a panel by its number, in rows, too.
fn find(board: &Tree, id: u64) -> Option<&Tree> {
    let outer = list(board, "panels").iter().chain(
        list(board, "rows").iter().filter_map(Value::as_object).flat_map(|row| list(row, "panels")),
    );
    let all = outer.filter_map(Value::as_object).flat_map(|panel| {
        let inner = list(panel, "panels").iter().filter_map(Value::as_object);
        std::iter::once(panel).chain(inner)
    });
    let mut all = all.filter(|panel| panel.get("id").and_then(Value::as_u64) == Some(id));
    all.next()
}

/// Returns the title of a panel, which many leave empty.
pub(super) fn title(panel: &Tree) -> &str {
    text_at(panel, "title").unwrap_or_default()
}
