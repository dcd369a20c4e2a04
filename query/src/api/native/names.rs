//! `names`: names of metrics, labels, attributes, services and spans that begin as somebody has begun
//! to write.

use tarn_model::error::Result as ModelResult;
use tarn_model::labels::METRIC_NAME;
use tarn_model::time::TimeRange;
use tarn_storage::schema::tables::Table;

use super::Call;
use super::run::{Answer, Run};
use crate::api::json::object::Object;
use crate::api::reply::{Failure, Gone, Sink};
use crate::names::{self, Kind, Name};
use crate::search::scan::{Cost, End};

/// Names, unless a request says otherwise.
const NAMES: usize = 200;

/// Names at most.
const NAMES_MAX: usize = 10_000;

/// What was chosen, and whether there is more.
type Chosen = (Vec<Name>, bool);

/// Names that fit what was written.
pub(super) async fn list(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let mut answer = match find(call).await {
        Ok(answer) => answer,
        Err(failure) => return sink.fail(&failure).await,
    };
    let remarks = answer.remarks(call, &mut sink);
    let (names, is_cut) = &answer.value;
    sink.open();
    sink.out.extend_from_slice(b"{\"names\":[");
    for (i, Name { name, count }) in names.iter().enumerate() {
        if i > 0 {
            sink.out.push(b',');
        }
        let mut object = Object::new(&mut sink.out);
        object.text("name", name);
        if let Some(count) = count {
            object.count("count", *count);
        }
        object.close();
        sink.send_full().await?;
    }
    sink.out.push(b']');
    let mut data = Object::within(&mut sink.out);
    data.bool("truncated", *is_cut);
    data.close();
    answer.stats(&mut sink, names.len());
    sink.close(&remarks).await
}

async fn find(call: &Call) -> Result<Answer<Chosen>, Failure> {
    let kind = call.params.get("kind");
    let known = Kind::ALL.into_iter().find(|(name, _)| *name == kind);
    let (_, kind) = known.ok_or_else(|| {
        let known = Kind::ALL.map(|(name, _)| name).join(", ");
        Failure::parameter("kind", format!("{kind:?} is none of {known}"))
    })?;
    let tables: &[Table] = match (call.params.get("signal"), kind) {
        (_, Kind::Metric | Kind::Label) => &[],
        ("" | "traces", Kind::Span) => &[Table::Spans],
        ("", _) => &[Table::Logs, Table::Spans],
        ("logs", Kind::Attribute | Kind::Resource | Kind::Service) => &[Table::Logs],
        ("traces", _) => &[Table::Spans],
        (signal, _) => {
            let message = format!("{signal:?} is not a signal that has such names");
            return Err(Failure::parameter("signal", message));
        }
    };
    let limit = call.number("limit", NAMES, 1..=NAMES_MAX)?;
    let (range, times) = (call.range()?, call.params.range()?);
    let prefix = call.params.get("prefix");
    let run = call.begin().await?;
    let (result, cost) = match kind {
        Kind::Metric | Kind::Label => (of_metrics(call, &run, kind, times).await, Cost::default()),
        _ => {
            let mut scanner = run.scanner();
            let result = names::of_rows(&mut scanner, kind, tables, range).await;
            let cost = scanner.cost();
            (result, cost)
        }
    };
    let result = result.map(|(all, end)| (names::choose(all, prefix, limit), end));
    let answer = run.end(&format!("names {prefix}"), cost, result)?;
    let bytes = |name: &Name| (size_of::<Name>() + name.name.len()) as u64;
    answer.hold(answer.value.0.iter().map(bytes).sum())?;
    Ok(answer)
}

/// Returns all names of metrics or labels, as far as there is time.
async fn of_metrics(
    call: &Call,
    run: &Run<'_>,
    kind: Kind,
    range: TimeRange,
) -> ModelResult<(Vec<Name>, End)> {
    let (view, limits) = (run.view(), call.engine.scan_limits(&call.tenant));
    let look = async {
        match kind {
            Kind::Label => view.label_names(&call.tenant, &[], range, limits).await,
            _ => view.label_values(&call.tenant, METRIC_NAME, &[], range, limits).await,
        }
    };
    let Some(found) = run.in_time(look).await else { return Ok((Vec::new(), End::OutOfTime)) };
    let found = found?;
    Ok((found.into_iter().map(|name| Name { name, count: None }).collect(), End::Whole))
}
