//! `traces/{id}`, `traces/{id}/spans/{span_id}` and `traces/stored`: traces by their ids.

use http::StatusCode;

use super::Call;
use super::run::Answer;
use crate::api::frame;
use crate::api::json;
use crate::api::json::object::Object;
use crate::api::reply::{Failure, Gone, Sink};
use crate::search::plan;
use crate::traces::assemble::{Trace, write_alone};
use crate::traces::read;
use crate::traces::span::{Detail, Span};

/// Spans that are shown of one trace: more bars than anyone scrolls through. Of a larger one those
/// nearest to the root are shown, and how many are missing.
const SPANS_MAX: usize = 100_000;

/// Traces that one request asks about: a page of rows that link to them.
const STORED_MAX: usize = 200;

/// A trace by its id.
pub(super) async fn by_id(call: &Call, path: &str, sink: Sink) -> Result<(), Gone> {
    let detail = if call.wants_frame { Detail::Drawn } else { Detail::Full };
    match open(call, path, detail).await {
        Ok((trace_id, answer)) if call.wants_frame => draw(call, sink, &trace_id, answer).await,
        Ok((trace_id, answer)) => write(call, sink, &trace_id, answer).await,
        Err(failure) => sink.fail(&failure).await,
    }
}

async fn write(
    call: &Call,
    mut sink: Sink,
    trace_id: &[u8; 16],
    mut answer: Answer<Trace>,
) -> Result<(), Gone> {
    let mut remarks = answer.remarks(call, &mut sink);
    let trace = &answer.value;
    remarks.warnings.extend(trace.remarks());
    sink.open();
    let tables = trace.write_head(&mut sink.out, trace_id);
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
    answer.stats(&mut sink, rows);
    sink.close(&remarks).await
}

/// Answers in columns.
async fn draw(
    call: &Call,
    mut sink: Sink,
    trace_id: &[u8; 16],
    mut answer: Answer<Trace>,
) -> Result<(), Gone> {
    let mut remarks = answer.remarks(call, &mut sink);
    remarks.warnings.extend(answer.value.remarks());
    if let Err(failure) = answer.hold(answer.value.drawn_bytes()) {
        return sink.fail(&failure).await;
    }
    sink.content_type(frame::CONTENT_TYPE);
    let mut drawing = answer.value.draw(trace_id);
    let rows = answer.value.spans().count();
    drawing.head.members(|object| {
        json::strings(object.member("warnings"), &remarks.warnings);
        answer.stats_member(object, rows);
    });
    sink.out = drawing.head.finish();
    for part in drawing.values.chunks(64 << 10) {
        sink.send_full().await?;
        sink.out.extend_from_slice(part);
    }
    sink.end().await
}

async fn open(
    call: &Call,
    path: &str,
    detail: Detail,
) -> Result<([u8; 16], Answer<Trace>), Failure> {
    let text = path.rsplit('/').next().unwrap_or_default();
    let trace_id = id(text)?;
    let range = call.range()?;
    let run = call.begin().await?;
    let mut scanner = run.scanner();
    let result = read::run(&mut scanner, trace_id, range, detail).await;
    let cost = scanner.cost();
    let mut answer = run.end(text, cost, result)?;
    if answer.value.spans().next().is_none() && answer.is_whole() {
        return Err(not_found(format!("no span of trace {text} is stored")));
    }
    answer.value.keep_nearest(SPANS_MAX);
    Ok((trace_id, answer))
}

fn id(text: &str) -> Result<[u8; 16], Failure> {
    plan::trace_id(text).ok_or_else(|| {
        Failure::bad_data(format!("invalid trace id: {text:?} is not of up to 32 hex digits"))
    })
}

fn not_found(message: String) -> Failure {
    Failure::of(StatusCode::NOT_FOUND, "not_found", message)
}

/// One span, with all that was sent of it.
pub(super) async fn span(call: &Call, path: &str, mut sink: Sink) -> Result<(), Gone> {
    let mut answer = match one(call, path).await {
        Ok(answer) => answer,
        Err(failure) => return sink.fail(&failure).await,
    };
    let remarks = answer.remarks(call, &mut sink);
    sink.open();
    sink.out.extend_from_slice(b"{\"spans\":[");
    for (i, span) in answer.value.iter().enumerate() {
        if i > 0 {
            sink.out.push(b',');
        }
        write_alone(&mut sink.out, span);
        sink.send_full().await?;
    }
    sink.out.extend_from_slice(b"]}");
    answer.stats(&mut sink, answer.value.len());
    sink.close(&remarks).await
}

async fn one(call: &Call, path: &str) -> Result<Answer<Vec<Span>>, Failure> {
    let mut parts = path.rsplit('/');
    let span_text = parts.next().unwrap_or_default();
    let trace_text = parts.nth(1).unwrap_or_default();
    let trace_id = id(trace_text)?;
    let span_id = plan::span_id(span_text).ok_or_else(|| {
        Failure::bad_data(format!("invalid span id: {span_text:?} is not of up to 16 hex digits"))
    })?;
    let range = call.range()?;
    let run = call.begin().await?;
    let mut scanner = run.scanner();
    let result = read::span(&mut scanner, trace_id, span_id, range).await;
    let cost = scanner.cost();
    let answer = run.end(span_text, cost, result)?;
    if answer.value.is_empty() && answer.is_whole() {
        let message = format!("no span {span_text} of trace {trace_text} is stored");
        return Err(not_found(message));
    }
    Ok(answer)
}

/// Which of some traces have spans in the store: only to those does a link lead anywhere.
pub(super) async fn stored(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let mut answer = match look(call).await {
        Ok(answer) => answer,
        Err(failure) => return sink.fail(&failure).await,
    };
    let remarks = answer.remarks(call, &mut sink);
    sink.open();
    let mut data = Object::new(&mut sink.out);
    json::strings(data.member("stored"), &answer.value);
    data.close();
    answer.stats(&mut sink, answer.value.len());
    sink.close(&remarks).await
}

/// Returns the ids that are stored, as they were asked for.
async fn look(call: &Call) -> Result<Answer<Vec<String>>, Failure> {
    let texts = call.params.all("id");
    if texts.len() > STORED_MAX {
        let message = format!("{} ids are named, limit is {STORED_MAX}", texts.len());
        return Err(Failure::parameter("id", message));
    }
    let ids: Vec<[u8; 16]> = texts.iter().map(|text| id(text)).collect::<Result<_, _>>()?;
    let range = call.range()?;
    let run = call.begin().await?;
    let mut scanner = run.scanner();
    let result = read::stored(&mut scanner, &ids, range).await;
    let cost = scanner.cost();
    let named = result.map(|(found, end)| {
        let named = ids.iter().zip(&texts).filter(|(id, _)| found.contains(*id));
        (named.map(|(_, text)| (*text).to_owned()).collect(), end)
    });
    run.end("traces/stored", cost, named)
}
