//! `/api/v1/openapi.json`: what can be asked of Tarn's own API, generated from the table of routes and
//! one sentence for each of them.
//!
//! The APIs of others, which Tarn answers as they do, are documented by them; they are not in it.

use std::sync::LazyLock;

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use serde_json::{Map, Value, json};

use super::{Handler, Methods, ROUTES, Route};
use crate::telemetry::registry::VERSION;

/// The path.
pub(crate) const PATH: &str = "/api/v1/openapi.json";

/// What a route is for: its path, a sentence, its parameters.
type Described = (&'static str, &'static str, &'static [&'static str]);

/// Every route of our own.
#[rustfmt::skip]
const ROUTES_DESCRIBED: &[Described] = &[
    (PATH, "This document.", &[]),
    ("/api/v1/logs/search", "Log records that a search finds, a page at a time, newest or oldest first.", &["q", "start", "end", "limit", "cursor", "direction", "fields", "timeout"]),
    ("/api/v1/logs/histogram", "How many log records a search finds when, by level.", &["q", "start", "end", "buckets", "timeout"]),
    ("/api/v1/logs/facets", "Which values keys have in the log records that a search finds, and in how many.", &["q", "start", "end", "keys", "limit", "timeout"]),
    ("/api/v1/logs/context", "What the same service and resource wrote before and after a log record.", &["at", "service", "q", "before", "after", "start", "end", "fields", "timeout"]),
    ("/api/v1/logs/tail", "Log records that a search finds, as they are stored: an object a line, until the client goes.", &["q", "fields"]),
    ("/api/v1/names", "Names of metrics, labels, attributes, services or spans that begin as somebody has begun to write.", &["kind", "signal", "prefix", "start", "end", "limit", "timeout"]),
    ("/api/v1/sql/of", "The SQL that finds the rows of a search.", &["signal", "q", "start", "end", "limit", "direction"]),
    ("/api/v1/traces/search", "Traces with a span that a search finds, newest first.", &["q", "start", "end", "limit", "timeout"]),
    ("/api/v1/traces/histogram", "How many spans a search finds when, by duration.", &["q", "start", "end", "buckets", "timeout"]),
    ("/api/v1/traces/stored", "Which of some traces are stored.", &["id", "timeout"]),
    ("/api/v1/traces/{id}", "A trace: its spans in their order, with what its time was spent on.", &["start", "end", "timeout"]),
    ("/api/v1/traces/{id}/spans/{span_id}", "One span of a trace.", &["start", "end", "timeout"]),
    ("/api/v1/services", "Services with their rates, errors and durations.", &["start", "end", "points", "timeout"]),
    ("/api/v1/services/graph", "Which service calls which, how often and how fast.", &["start", "end", "timeout"]),
    ("/api/v1/services/{name}", "One service: its operations, neighbours, deployments and errors.", &["start", "end", "points", "timeout"]),
    ("/api/v1/queries", "Queries that run, and slow ones that ran.", &[]),
    ("/api/v1/queries/{id}/cancel", "Ends a query that runs.", &[]),
    ("/api/v1/sql", "The answer to a query in SQL.", &["query", "format", "timeout"]),
    ("/api/v1/dashboards", "The boards that there are.", &[]),
    ("/api/v1/dashboards/{name}", "A board: reads, replaces or deletes it.", &["board_format"]),
    ("/api/v1/dashboards/import", "Makes a board of one of Grafana's, and reports what became of each panel.", &[]),
    ("/api/v1/dashboards/lint", "Says what is wrong with a board.", &[]),
    ("/api/v1/slos", "Objectives with what is left of their budgets.", &[]),
    ("/api/v1/alerting/status", "How alerting is: rules, notifications, what it waits for.", &[]),
    ("/api/v1/alerting/problems", "What keeps alerting from doing all of its work.", &[]),
    ("/api/v1/alerting/deliveries", "Notifications that were tried.", &["limit"]),
    ("/api/v1/alerting/dead_letters", "Notifications that were given up.", &[]),
    ("/api/v1/alerting/replay", "Sends a notification that was given up once more.", &["id"]),
    ("/api/v1/sources", "Who sends, by signal, since the process began.", &["since"]),
    ("/api/v1/nodes", "The processes that write to the store.", &[]),
    ("/api/v1/usage", "What tenants store, and what queries ask for.", &[]),
    ("/api/v1/usage/jobs", "What each job sends.", &[]),
    ("/api/v1/erase", "Erases the rows that a body in JSON names.", &[]),
    ("/api/v1/access/audit", "Who did what, newest first, and where the chain of events ends.", &["q", "start", "end", "limit", "cursor"]),
    ("/api/v1/tombstones", "What was erased.", &[]),
    ("/api/v1/access/me", "Who asks, what they may do, and how people log in here.", &[]),
    ("/api/v1/access/login", "Begins the session of the user whom a body in JSON names, with its password.", &[]),
    ("/api/v1/access/logout", "Ends a session.", &[]),
    ("/api/v1/access/password", "Sets the password of whoever has a link, or knows the old one.", &[]),
    ("/api/v1/access/oidc/start", "Sends a browser to the provider of logins.", &["back"]),
    ("/api/v1/access/oidc/callback", "Takes a browser that comes back from the provider.", &[]),
    ("/api/v1/access/users", "Users with what they may do; makes one, and the link to set a password.", &[]),
    ("/api/v1/access/users/{name}", "Changes what a user may do, or removes the user.", &["name"]),
    ("/api/v1/access/users/{name}/link", "Makes another link to set a password.", &["name"]),
    ("/api/v1/access/keys", "API keys; a body in JSON makes one, whose token is answered once.", &[]),
    ("/api/v1/access/keys/{id}", "Revokes an API key.", &[]),
];

/// Parameters, with what they mean.
#[rustfmt::skip]
const PARAMETERS: &[(&str, &str, &str)] = &[
    ("q", "string", "A search, such as `declined service:checkout level>=warn`; empty: everything."),
    ("query", "string", "One query; parameter `q` does as well."),
    ("since", "string", "Those with a row at this time or later: RFC 3339, or seconds since 1970."),
    ("start", "string", "Rows at this time or later: RFC 3339, or seconds since 1970."),
    ("end", "string", "Rows before this time."),
    ("limit", "integer", "How many at most."),
    ("cursor", "string", "`next_cursor` of the page before; the other parameters stay as they were."),
    ("direction", "string", "`backward`, newest first, or `forward`, oldest first."),
    ("fields", "string", "Members that rows are to have, with commas; `attributes.KEY` is one attribute."),
    ("timeout", "string", "Shortens the time limit, such as `5s`."),
    ("buckets", "integer", "Into how many buckets the range is cut at most."),
    ("keys", "string", "Keys with commas between them; none: those that suit best."),
    ("back", "string", "Where on this server the browser goes after the login."),
    ("at", "string", "The record's time, ns since 1970: `timestamp_unix_nano` of its row."),
    ("service", "string", "The record's service."),
    ("before", "integer", "How many records before it."),
    ("after", "integer", "How many records after it."),
    ("kind", "string", "metric, label, attribute, resource, service or span."),
    ("signal", "string", "logs or traces."),
    ("prefix", "string", "What was written so far."),
    ("points", "integer", "Steps of a series."),
    ("id", "string", "An id."),
    ("span_id", "string", "The id of a span, 16 hex digits."),
    ("name", "string", "A name."),
    ("format", "string", "json, ndjson, csv or arrow."),
    ("board_format", "string", "json or yaml: the board alone, as a file."),
];

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

/// Answers with the document.
pub(super) fn openapi() -> Response<Body> {
    let mut response = Response::new(Body::from(DOCUMENT.as_str()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Returns whether a route is of our own API.
pub(super) fn is_own(route: &Route) -> bool {
    use Handler::{
        Access, AccessKeys, Alerting, Audit, Dashboards, Erase, Native, Nodes, OpenApi, Slos,
        Sources, Sql, Tombstones, Usage, UsageJobs,
    };
    matches!(
        route.handler,
        Native(_)
            | Sql
            | Dashboards(_)
            | Access(_)
            | AccessKeys(_)
            | Slos
            | Alerting(_)
            | Nodes
            | Sources
            | Usage
            | UsageJobs
            | Erase
            | Tombstones
            | OpenApi
            | Audit
    )
}

fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES.iter().filter(|route| is_own(route)) {
        let described = ROUTES_DESCRIBED.iter().find(|(path, ..)| *path == route.path);
        let Some((path, summary, parameters)) = described else { continue };
        let operations = paths.entry(*path).or_insert_with(|| json!({}));
        for method in methods(route.methods) {
            operations[*method] = operation(path, method, summary, parameters);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tarn",
            "version": VERSION,
            "description": "Tarn's own API. Answers are JSON in one envelope: status, data, warnings \
                            where rows may be missing, stats; errors have errorType, error and, for a \
                            mistake in a search, span. X-Scope-OrgID selects a tenant.",
        },
        "paths": paths,
    })
}

fn methods(methods: Methods) -> &'static [&'static str] {
    match methods {
        Methods::Get => &["get"],
        Methods::Post => &["post"],
        Methods::Put => &["put"],
        Methods::PostAndPut => &["post", "put"],
        Methods::GetAndPost => &["get", "post"],
        Methods::Delete => &["delete"],
    }
}

fn operation(path: &str, method: &str, summary: &str, parameters: &[&str]) -> Value {
    let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut listed: Vec<Value> = in_path.map(|name| parameter(name, "path")).collect();
    let mut operation = json!({
        "summary": summary,
        "responses": {
            "200": {"description": "The answer."},
            "4XX": {"description": "What is wrong with the request."},
            "5XX": {"description": "Why there is no answer now."},
        },
    });
    if method == "post" && !parameters.is_empty() {
        let members = parameters.iter().map(|name| {
            let (spelled, kind, description) = meaning(name);
            (spelled.to_owned(), json!({"type": kind, "description": description}))
        });
        let schema = json!({"type": "object", "properties": Map::from_iter(members)});
        let form = json!({"application/x-www-form-urlencoded": {"schema": schema}});
        operation["requestBody"] = json!({"content": form});
    } else {
        listed.extend(parameters.iter().map(|name| parameter(name, "query")));
    }
    operation["parameters"] = Value::from(listed);
    operation
}

fn parameter(name: &str, place: &str) -> Value {
    let (spelled, kind, description) = meaning(name);
    json!({
        "name": spelled,
        "in": place,
        "required": place == "path",
        "description": description,
        "schema": {"type": kind},
    })
}

/// Returns how a parameter is spelled, its type, and what it means.
fn meaning(name: &str) -> (&str, &'static str, &'static str) {
    let known = PARAMETERS.iter().find(|(known, ..)| *known == name);
    let (kind, description) = known.map_or(("string", ""), |(_, kind, text)| (*kind, *text));
    // Two routes call different things by one name.
    (if name == "board_format" { "format" } else { name }, kind, description)
}

#[cfg(test)]
mod tests;
