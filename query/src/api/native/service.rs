//! `services/{name}` and `services/graph`: one service, and all of them as they call each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use tarn_model::error::Result as Read;
use tarn_model::map::HashMap;
use tarn_storage::schema::tables::Table;

use super::Call;
use super::services::{nanos, range_of, series, totals};
use super::within::{Notes, Ready};
use crate::api::json::object::Object;

use crate::api::reply::{Failure, Gone, Sink};
use crate::records;
use crate::search::ast;
use crate::search::scan::{End, Range, Scanner};
use crate::services::SERVICES_MAX;
use crate::services::edges::{self, Edge, Figures, Operation};
use crate::services::errors::{self, Failing};
use crate::services::red::{self, Red};
use crate::services::rows::{self, Budget, Resources};
use crate::services::window::Window;

/// Steps of the charts of one service.
const POINTS: usize = 120;

/// Operations, edges and instances that are told: what a page lists.
const LIST_MAX: usize = 500;

/// Edges of a whole graph.
const EDGES_MAX: usize = 5_000;

/// Messages of errors.
const ERRORS_MAX: usize = 20;

/// Rows that are looked at for versions and instances.
const ROWS: u64 = 5_000_000;

/// Failed spans whose messages are counted.
const FAILED_ROWS: u64 = 200_000;

/// How far before the range versions are looked for at least: one that was there before was not
/// deployed in it.
const BEFORE_MS: i64 = 3_600_000;

/// All that a page about a service tells.
struct Service {
    red: Option<Red>,
    operations: Vec<Operation>,
    edges: Vec<Edge>,
    resources: Resources,
    failing: Vec<Failing>,
}

/// The services at the ends of an edge: this one, the other one.
type Ends = fn(&Edge) -> (&str, &str);

/// One service.
pub(super) async fn one(call: &Call, path: &str, sink: Sink) -> Result<(), Gone> {
    let begun = call.engine.clock().monotonic();
    match Box::pin(find(call, path)).await {
        Ok(ready) => call.send(sink, &ready.data, ready.rows, ready.notes, begun).await,
        Err(failure) => sink.fail(&failure).await,
    }
}

async fn find(call: &Call, path: &str) -> Result<Ready, Failure> {
    let name = name_of(path)?;
    let window = call.window(POINTS)?;
    let mut notes = Notes::default();
    let mut asker = call.asker()?;
    let matcher = format!("service={}", crate::services::ask::quoted(&name));
    let mut red = Box::pin(red::read(&mut asker, &window, &matcher)).await?;
    let operations = Box::pin(edges::operations(&mut asker, &window, &name)).await?;
    let edges = Box::pin(edges::edges(&mut asker, &window, Some(&name))).await?;
    notes.partial(asker.partial.take());
    let running = call.admit().await?;
    let account = running.account();
    let view = call.engine.view();
    let mut scanner = Scanner::new(&view, &call.tenant, &running, &account);
    let result = from_rows(&mut scanner, &name, &window, &mut notes).await;
    notes.partial(view.partial());
    let cost = scanner.cost();
    let (resources, failing) = call.finished(running, &name, cost, result, &mut notes)?;
    let service = Service { red: red.remove(&name), operations, edges, resources, failing };
    let mut data = Vec::new();
    write(&mut data, &name, &service, &window);
    Ok(Ready { data, rows: 1, notes, _account: Some(account) })
}

/// Reads the name out of the path, where it stands percent-encoded.
fn name_of(path: &str) -> Result<String, Failure> {
    let text = path.rsplit('/').next().unwrap_or_default();
    // A form decodes `+` too, which is no escape in a path.
    let pair = format!("n={}", text.replace('+', "%2B"));
    let decoded = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, name)| name);
    match decoded {
        Some(name) if !name.is_empty() => Ok(name.into_owned()),
        _ => Err(Failure::bad_data("the path names no service")),
    }
}

async fn from_rows(
    scanner: &mut Scanner<'_>,
    name: &str,
    window: &Window,
    notes: &mut Notes,
) -> Read<((Resources, Vec<Failing>), End)> {
    let quoted = ast::Value::Phrase(name.to_owned());
    let of_service = format!("service:{quoted}");
    let range = range_of(window);
    let before_ms = window.end_ms.saturating_sub(window.start_ms).max(BEFORE_MS);
    let start_us = range.start_us.saturating_sub(before_ms.saturating_mul(1000));
    let wide = Range { start_us, ..range };
    let mut ends = Vec::new();
    let mut resources = Resources::default();
    for table in [Table::Spans, Table::Logs] {
        let wanted = rows::planned(&of_service, table)?;
        let budget = Budget { table, range: wide, rows: ROWS };
        let (found, end) = rows::resources(scanner, &wanted, budget).await?;
        scanner.keep();
        ends.push(end);
        resources = found;
        if !resources.seen.is_empty() {
            break;
        }
    }
    if resources.is_cut {
        let message = format!("versions and instances are those of the newest {ROWS} rows");
        notes.warnings.push(message);
    }
    let wanted = rows::planned(&format!("{of_service} status:error"), Table::Spans)?;
    let budget = Budget { table: Table::Spans, range, rows: FAILED_ROWS };
    let (failing, is_cut, end) = errors::top(scanner, &wanted, budget, ERRORS_MAX).await?;
    ends.push(end);
    if is_cut {
        notes.warnings.push(format!("errors are those of the newest {FAILED_ROWS} failed spans"));
    }
    let is_whole = ends.iter().all(|end| *end == End::Whole);
    let end = if is_whole { End::Whole } else { End::OutOfTime };
    Ok(((resources, failing), end))
}

fn write(out: &mut Vec<u8>, name: &str, service: &Service, window: &Window) {
    let mut data = Object::new(out);
    data.text("name", name);
    totals(&mut data, service.red.as_ref());
    match &service.red {
        Some(red) => series(data.member("series"), red, window),
        None => data.member("series").extend_from_slice(b"null"),
    }
    list(data.member("operations"), service.operations.iter().take(LIST_MAX), |object, one| {
        object.text("name", &one.name);
        object.text("kind", &kind(&one.kind));
        figures(object, &one.figures);
    });
    let sides: [(&str, Ends); 2] = [
        ("upstream", |edge| (&edge.server, &edge.client)),
        ("downstream", |edge| (&edge.client, &edge.server)),
    ];
    for (member, ends) in sides {
        let edges = service.edges.iter().filter(|edge| ends(edge).0 == name).take(LIST_MAX);
        list(data.member(member), edges, |object, edge| {
            object.text("service", ends(edge).1);
            object.text("connection_type", &edge.connection_type);
            figures(object, &edge.figures);
        });
    }
    from_resources(&mut data, &service.resources, window);
    list(data.member("top_errors"), service.failing.iter(), |object, failing| {
        object.text("message", &failing.message);
        object.count("count", failing.count);
        records::hex(object.member("trace_id"), &failing.trace_id);
        records::hex(object.member("span_id"), &failing.span_id);
        object.int("last_seen_ms", failing.last_us.div_euclid(1000));
    });
    data.close();
}

/// Writes deploys, instances, and what all of them have in common.
fn from_resources(data: &mut Object<'_>, resources: &Resources, window: &Window) {
    let mut versions: BTreeMap<String, (i64, i64, u64)> = BTreeMap::new();
    let mut common: Option<Map<String, Value>> = None;
    let mut instances = Vec::new();
    let mut seen: Vec<_> = resources.seen.iter().collect();
    seen.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.last_us));
    for (resource, seen) in seen {
        let attributes = rows::attributes(resource);
        let text = |key: &str| attributes.get(key).and_then(Value::as_str);
        if let Some(version) = text("service.version") {
            let known = versions.entry(version.to_owned());
            let (first, last, rows) = known.or_insert((i64::MAX, i64::MIN, 0));
            *first = seen.first_us.min(*first);
            *last = seen.last_us.max(*last);
            *rows += seen.rows;
        }
        let names = ["service.instance.id", "k8s.pod.name", "host.name", "container.id"];
        if let Some(id) = names.iter().find_map(|key| text(key))
            && seen.last_us >= window.start_ms.saturating_mul(1000)
        {
            instances.push(json!({
                "id": id,
                "host": text("host.name"),
                "pod": text("k8s.pod.name"),
                "version": text("service.version"),
                "first_seen_ms": seen.first_us.div_euclid(1000),
                "last_seen_ms": seen.last_us.div_euclid(1000),
                "rows": seen.rows,
            }));
        }
        common = Some(match common.take() {
            None => attributes,
            Some(mut common) => {
                common.retain(|key, value| attributes.get(key) == Some(value));
                common
            }
        });
    }
    instances.truncate(LIST_MAX);
    let mut deploys: Vec<_> = versions.into_iter().collect();
    deploys.sort_by_key(|(_, (first, ..))| *first);
    list(data.member("deploys"), deploys.iter(), |object, (version, (first, last, rows))| {
        object.text("version", version);
        object.int("first_seen_ms", first.div_euclid(1000));
        object.int("last_seen_ms", last.div_euclid(1000));
        object.bool("before_start", *first < window.start_ms.saturating_mul(1000));
        object.count("rows", *rows);
    });
    let common = Value::Object(common.unwrap_or_default());
    data.member("instances").extend(Value::Array(instances).to_string().bytes());
    data.member("resource").extend(common.to_string().bytes());
}

/// Writes a list of objects.
fn list<T>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Object<'_>, T),
) {
    out.push(b'[');
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let mut object = Object::new(out);
        write(&mut object, item);
        object.close();
    }
    out.push(b']');
}

/// Writes what is told of operations and edges.
fn figures(object: &mut Object<'_>, Figures { rates, latency }: &Figures) {
    let (rate, errors) = rates.total();
    object.float("spans_per_second", rate);
    object.float("errors_ratio", errors);
    object.float("p50_ns", nanos(latency.total(0.5)));
    object.float("p99_ns", nanos(latency.total(0.99)));
}

/// Returns the word for a kind that stands in a label as OTel names it.
fn kind(label: &str) -> String {
    label.strip_prefix("SPAN_KIND_").unwrap_or(label).to_ascii_lowercase()
}

/// All services, and who calls whom.
pub(super) async fn graph(call: &Call, sink: Sink) -> Result<(), Gone> {
    let begun = call.engine.clock().monotonic();
    match Box::pin(connect(call)).await {
        Ok(ready) => call.send(sink, &ready.data, ready.rows, ready.notes, begun).await,
        Err(failure) => sink.fail(&failure).await,
    }
}

async fn connect(call: &Call) -> Result<Ready, Failure> {
    let window = call.window(POINTS / 10)?;
    let mut notes = Notes::default();
    let mut asker = call.asker()?;
    let services = Box::pin(red::read(&mut asker, &window, "")).await?;
    let mut edges = Box::pin(edges::edges(&mut asker, &window, None)).await?;
    notes.partial(asker.partial.take());
    if edges.len() > EDGES_MAX {
        let all = edges.len();
        notes.warnings.push(format!("there are {all} edges; these are the busiest {EDGES_MAX}"));
        edges.truncate(EDGES_MAX);
    }
    let mut data = Vec::new();
    let rows = write_graph(&mut data, &services, &edges, &mut notes);
    Ok(Ready { data, rows, notes, _account: None })
}

fn write_graph(
    out: &mut Vec<u8>,
    services: &HashMap<String, Red>,
    edges: &[Edge],
    notes: &mut Notes,
) -> usize {
    let ends = edges.iter().flat_map(|edge| [edge.client.as_str(), edge.server.as_str()]);
    let mut names: BTreeSet<&str> = ends.collect();
    names.extend(services.keys().map(String::as_str).take(SERVICES_MAX));
    if services.len() > SERVICES_MAX {
        let all = services.len();
        notes.warnings.push(format!("of {all} services {SERVICES_MAX} are told that have no edge"));
    }
    let mut kinds: HashMap<&str, &'static str> = HashMap::default();
    for edge in edges {
        kinds.entry(&edge.client).or_insert(if edge.client == "user" {
            "user"
        } else {
            "external"
        });
        let server = kinds.entry(&edge.server).or_insert("external");
        if edge.connection_type == "database" {
            *server = "database";
        }
        // Both ends of an edge without a type, or through a queue, sent spans.
        if matches!(edge.connection_type.as_str(), "" | "messaging_system") {
            kinds.insert(&edge.client, "service");
            kinds.insert(&edge.server, "service");
        }
    }
    let mut data = Object::new(out);
    list(data.member("nodes"), names.iter(), |object, name| {
        let red = services.get(*name);
        let kind = match red {
            Some(_) => "service",
            None => kinds.get(name).copied().unwrap_or("service"),
        };
        object.text("name", name);
        object.text("kind", kind);
        totals(object, red);
    });
    list(data.member("edges"), edges.iter(), |object, edge| {
        object.text("client", &edge.client);
        object.text("server", &edge.server);
        object.text("connection_type", &edge.connection_type);
        let (rate, errors) = edge.figures.rates.total();
        object.float("per_second", rate);
        object.float("errors_ratio", errors);
        object.float("p50_ns", nanos(edge.figures.latency.total(0.5)));
        object.float("p99_ns", nanos(edge.figures.latency.total(0.99)));
    });
    data.close();
    names.len()
}
