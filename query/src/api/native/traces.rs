//! `traces/search` and `traces/{id}`.

use std::time::Duration;

use http::StatusCode;
use tarn_storage::schema::tables::Table;

use super::{Call, stats};
use crate::api::json::object::Object;
use crate::api::prometheus::time::format_rfc3339_ns;
use crate::api::reply::{Failure, Gone, Sink};
use crate::govern::memory::Account;
use crate::records;
use crate::search::scan::{Cost, End, Scanner};
use crate::traces::assemble::Trace;
use crate::traces::search::Found;
use crate::traces::{read, search};

/// What was found, what it took, and the memory that it holds until it is sent.
struct Answer<T> {
    value: T,
    end: End,
    cost: Cost,
    partial: Option<String>,
    elapsed: Duration,
    _account: Account,
}

/// Traces with a span that a search finds, newest first.
pub(super) async fn search(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let answer = match find(call).await {
        Ok(answer) => answer,
        Err(failure) => return sink.fail(&failure).await,
    };
    let remarks = call.remarks(answer.partial, answer.end, &mut sink);
    sink.open();
    sink.out.extend_from_slice(b"{\"traces\":[");
    for (i, found) in answer.value.iter().enumerate() {
        if i > 0 {
            sink.out.push(b',');
        }
        write(&mut sink.out, found);
        sink.send_full().await?;
    }
    sink.out.extend_from_slice(b"]}");
    stats(&mut sink.out, answer.value.len(), answer.cost, answer.elapsed);
    sink.close(&remarks).await
}

fn write(out: &mut Vec<u8>, found: &Found) {
    let Found { trace_id, summary, matched } = found;
    let mut object = Object::new(out);
    records::hex(object.member("trace_id"), trace_id);
    object.text("start", &format_rfc3339_ns(summary.start_ns));
    object.quoted_int("start_unix_nano", summary.start_ns);
    object.int("duration_ns", summary.duration_ns);
    summary.write(&mut object);
    object.int("matched_count", i64::try_from(*matched).unwrap_or(i64::MAX));
    object.close();
}

async fn find(call: &Call) -> Result<Answer<Vec<Found>>, Failure> {
    let asked = call.asked(Table::Spans)?;
    let running = call.admit().await?;
    let account = running.account();
    let view = call.engine.view();
    let mut scanner = Scanner::new(&view, &call.tenant, &running, &account);
    let result = search::run(&mut scanner, &asked.plan, asked.range, asked.limit).await;
    let partial = view.partial();
    let cost = scanner.cost();
    let (elapsed, _) = running.elapsed();
    call.finish(running, &asked.text, cost, &result);
    let (value, end) = result?;
    Ok(Answer { value, end, cost, partial, elapsed, _account: account })
}

/// A trace by its id.
pub(super) async fn by_id(call: &Call, path: &str, mut sink: Sink) -> Result<(), Gone> {
    let (trace_id, answer) = match open(call, path).await {
        Ok(found) => found,
        Err(failure) => return sink.fail(&failure).await,
    };
    let trace = &answer.value;
    let mut remarks = call.remarks(answer.partial, answer.end, &mut sink);
    remarks.warnings.extend(trace.remarks());
    sink.open();
    let tables = trace.write_head(&mut sink.out, &trace_id);
    sink.out.extend_from_slice(b",\"spans\":[");
    let start_ns = trace.start_ns();
    let mut rows = 0;
    for (span, place) in trace.spans() {
        if rows > 0 {
            sink.out.push(b',');
        }
        rows += 1;
        tables.write(&mut sink.out, span, place, start_ns);
        sink.send_full().await?;
    }
    sink.out.extend_from_slice(b"]}");
    stats(&mut sink.out, rows, answer.cost, answer.elapsed);
    sink.close(&remarks).await
}

async fn open(call: &Call, path: &str) -> Result<([u8; 16], Answer<Trace>), Failure> {
    let text = path.rsplit('/').next().unwrap_or_default();
    let trace_id = crate::search::plan::trace_id(text).ok_or_else(|| {
        Failure::bad_data(format!("invalid trace id: {text:?} is not of up to 32 hex digits"))
    })?;
    let range = call.range()?;
    let running = call.admit().await?;
    let account = running.account();
    let view = call.engine.view();
    let mut scanner = Scanner::new(&view, &call.tenant, &running, &account);
    let result = read::run(&mut scanner, trace_id, range).await;
    let partial = view.partial();
    let cost = scanner.cost();
    let (elapsed, _) = running.elapsed();
    call.finish(running, text, cost, &result);
    let (value, end) = result?;
    if value.spans().next().is_none() && end == End::Whole && partial.is_none() {
        let message = format!("no span of trace {text} is stored");
        return Err(Failure::of(StatusCode::NOT_FOUND, "not_found", message));
    }
    Ok((trace_id, Answer { value, end, cost, partial, elapsed, _account: account }))
}
