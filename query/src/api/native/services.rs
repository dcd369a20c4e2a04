//! `services`.

use tarn_model::map::HashMap;
use tarn_storage::schema::tables::Table;
use tarn_storage::view::rows::RowPrune;

use super::Call;
use super::within::{Notes, Ready};
use crate::api::json;
use crate::api::json::object::Object;
use crate::api::reply::{Failure, Gone, Sink};
use crate::search::plan::Plan;
use crate::search::scan::{End, Range, Scanner};
use crate::services::SERVICES_MAX;
use crate::services::red::{self, Red};
use crate::services::rows::{self, Budget};
use crate::services::window::Window;

/// Steps of the small charts of a list.
const POINTS: usize = 60;

/// Rows that are looked at for the versions of services and for who logs: some ms of work, and of
/// many services the newest rows of each.
const ROWS: u64 = 1_000_000;

/// Log records of errors that are counted.
const ERRORS: u64 = 2_000_000;

/// What is told of a service.
#[derive(Debug, Default)]
struct Service {
    red: Option<Red>,
    log_errors: u64,
    versions: Vec<String>,
}

/// All services of a range, the busiest first.
pub(super) async fn list(call: &Call, sink: Sink) -> Result<(), Gone> {
    let begun = call.engine.clock().monotonic();
    match Box::pin(find(call)).await {
        Ok(ready) => call.send(sink, &ready.data, ready.rows, ready.notes, begun).await,
        Err(failure) => sink.fail(&failure).await,
    }
}

async fn find(call: &Call) -> Result<Ready, Failure> {
    let window = call.window(POINTS)?;
    let mut asker = call.asker()?;
    let red = Box::pin(red::read(&mut asker, &window, "")).await?;
    let mut notes = Notes::default();
    notes.partial(asker.partial.take());
    let mut services: HashMap<String, Service> = HashMap::default();
    for (name, red) in red {
        services.entry(name).or_default().red = Some(red);
    }
    let running = call.admit().await?;
    let account = running.account();
    let view = call.engine.view();
    let mut scanner = Scanner::new(&view, &call.tenant, &running, &account);
    let result = from_rows(&mut scanner, &window, &mut services, &mut notes).await;
    notes.partial(view.partial());
    let cost = scanner.cost();
    call.finished(running, "services", cost, result.map(|end| ((), end)), &mut notes)?;
    let list = ranked(services, &mut notes);
    let mut data = Vec::new();
    write(&mut data, &list, &window);
    Ok(Ready { data, rows: list.len(), notes, _account: Some(account) })
}

/// Adds what rows tell: versions, errors in logs, and services that only log.
async fn from_rows(
    scanner: &mut Scanner<'_>,
    window: &Window,
    services: &mut HashMap<String, Service>,
    notes: &mut Notes,
) -> tarn_model::error::Result<End> {
    let range = range_of(window);
    let all = || Plan { conditions: Vec::new(), prune: RowPrune::default() };
    let budget = |table, rows| Budget { table, range, rows };
    let (found, first) = rows::resources(scanner, &all(), budget(Table::Spans, ROWS)).await?;
    if services.is_empty() && !found.seen.is_empty() {
        notes.warnings.push(
            "spans are stored, but no series were made of them in this range; \
             see the setting span_metrics.enabled"
                .to_owned(),
        );
    }
    let mut newest: Vec<_> = found.seen.iter().collect();
    newest.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.last_us));
    for (resource, seen) in newest {
        let service = services.entry(seen.service.to_string()).or_default();
        let attributes = rows::attributes(resource);
        let version = attributes.get("service.version").and_then(|version| version.as_str());
        if let Some(version) =
            version.filter(|version| !service.versions.iter().any(|v| v == version))
        {
            service.versions.push(version.to_owned());
        }
    }
    drop(found);
    let logs = budget(Table::Logs, ROWS);
    let (names, _, second) = rows::count_by_service(scanner, &all(), logs).await?;
    for (name, _) in names {
        services.entry(name).or_default();
    }
    let wanted = rows::planned("level>=error", Table::Logs)?;
    let logs = budget(Table::Logs, ERRORS);
    let (errors, is_cut, third) = rows::count_by_service(scanner, &wanted, logs).await?;
    for (name, count) in errors {
        services.entry(name).or_default().log_errors = count;
    }
    if is_cut {
        notes.warnings.push(format!("errors in logs are those among the newest {ERRORS}"));
    }
    let is_whole = [first, second, third].iter().all(|end| *end == End::Whole);
    Ok(if is_whole { End::Whole } else { End::OutOfTime })
}

/// Returns the range of a window as scans take it.
pub(super) fn range_of(window: &Window) -> Range {
    let start_us = window.start_ms.saturating_mul(1000);
    Range { start_us, end_us: window.end_ms.saturating_mul(1000).saturating_sub(1) }
}

/// Puts the busiest first, and cuts.
fn ranked(services: HashMap<String, Service>, notes: &mut Notes) -> Vec<(String, Service)> {
    let mut list: Vec<(String, Service)> = services.into_iter().collect();
    let busy = |service: &Service| service.red.as_ref().map_or(0.0, |red| red.rates.total().0);
    list.sort_by(|(a, one), (b, other)| {
        busy(other).total_cmp(&busy(one)).then(other.log_errors.cmp(&one.log_errors)).then(a.cmp(b))
    });
    if list.len() > SERVICES_MAX {
        let all = list.len();
        list.truncate(SERVICES_MAX);
        notes
            .warnings
            .push(format!("there are {all} services; these are the busiest {SERVICES_MAX}"));
    }
    list
}

fn write(out: &mut Vec<u8>, list: &[(String, Service)], window: &Window) {
    let mut data = Object::new(out);
    let out = data.member("services");
    out.push(b'[');
    for (i, (name, service)) in list.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let mut object = Object::new(out);
        object.text("name", name);
        totals(&mut object, service.red.as_ref());
        object.int("log_errors", i64::try_from(service.log_errors).unwrap_or(i64::MAX));
        json::strings(object.member("versions"), &service.versions);
        match &service.red {
            Some(red) => series(object.member("series"), red, window),
            None => object.member("series").extend_from_slice(b"null"),
        }
        object.close();
    }
    out.push(b']');
    data.close();
}

/// Writes the figures of a whole range; all null where there are no spans.
pub(super) fn totals(object: &mut Object<'_>, red: Option<&Red>) {
    let (rate, errors) = red.map_or((f64::NAN, f64::NAN), |red| red.rates.total());
    object.float("spans_per_second", rate);
    object.float("errors_ratio", errors);
    for (member, q) in [("p50_ns", 0.5), ("p99_ns", 0.99)] {
        object.float(member, nanos(red.map_or(f64::NAN, |red| red.latency.total(q))));
    }
    match red {
        Some(red) => {
            object.text("measured_by", if red.by_entry { "entry_spans" } else { "all_spans" });
        }
        None => object.member("measured_by").extend_from_slice(b"null"),
    }
}

/// Writes the figures step by step.
pub(super) fn series(out: &mut Vec<u8>, red: &Red, window: &Window) {
    let mut object = Object::new(out);
    object.int("start_ms", window.start_ms);
    object.int("step_ms", window.step_ms);
    json::floats_or_null(object.member("rate"), red.rates.rate.iter().copied());
    json::floats_or_null(object.member("errors"), red.rates.errors.iter().copied());
    json::floats_or_null(object.member("p50_ns"), red.latency.p50.iter().map(|s| nanos(*s)));
    json::floats_or_null(object.member("p99_ns"), red.latency.p99.iter().map(|s| nanos(*s)));
    object.close();
}

/// Returns whole ns of seconds.
pub(super) fn nanos(seconds: f64) -> f64 {
    (seconds * 1e9).round()
}
