//! `traces/search` and `traces/histogram`.

use tarn_storage::schema::tables::Table;

use super::Call;
use super::counts::integers;
use super::run::Answer;
use crate::api::json;
use crate::api::json::object::Object;
use crate::api::prometheus::time::format_rfc3339_ns;
use crate::api::reply::{Failure, Gone, Sink};
use crate::records;
use crate::traces::histogram::{self, Histogram};
use crate::traces::search::{self, Found};

/// Buckets of time, unless a request says otherwise: columns of a heatmap a dozen pixels wide.
const BUCKETS: usize = 60;

/// Buckets of time at most: more than a screen has pixels to tell apart.
const BUCKETS_MAX: usize = 2000;

/// Traces with a span that a search finds, newest first.
pub(super) async fn search(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let mut answer = match find(call).await {
        Ok(answer) => answer,
        Err(failure) => return sink.fail(&failure).await,
    };
    let remarks = answer.remarks(call, &mut sink);
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
    answer.stats(&mut sink, answer.value.len());
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
    object.count("matched_count", *matched);
    object.close();
}

async fn find(call: &Call) -> Result<Answer<Vec<Found>>, Failure> {
    let asked = call.asked(Table::Spans)?;
    let run = call.begin().await?;
    let mut scanner = run.scanner();
    let result = search::run(&mut scanner, &asked.plan, asked.range, asked.limit).await;
    let cost = scanner.cost();
    run.end(&asked.text, cost, result)
}

/// How many spans that a search finds there are when, by duration.
pub(super) async fn histogram(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let mut answer = match count(call).await {
        Ok(answer) => answer,
        Err(failure) => return sink.fail(&failure).await,
    };
    let remarks = answer.remarks(call, &mut sink);
    sink.open();
    write_histogram(&mut sink.out, &answer.value);
    answer.stats(&mut sink, answer.value.grid.len);
    sink.close(&remarks).await
}

fn write_histogram(out: &mut Vec<u8>, histogram: &Histogram) {
    let (bounds, counts) = histogram.heatmap();
    let mut data = Object::new(out);
    data.int("start_ms", histogram.grid.start_ms);
    data.int("step_ms", histogram.grid.step_ms);
    integers(data.member("bounds_ns"), bounds.into_iter());
    let rows = data.member("counts");
    rows.push(b'[');
    for (i, row) in counts.into_iter().enumerate() {
        if i > 0 {
            rows.push(b',');
        }
        integers(rows, row.into_iter());
    }
    rows.push(b']');
    integers(data.member("spans"), histogram.spans());
    integers(data.member("errors"), histogram.errors());
    for (member, q) in [("p50_ns", 0.5), ("p99_ns", 0.99)] {
        json::floats_or_null(data.member(member), histogram.quantiles(q));
    }
    data.count("total", histogram.spans().sum());
    data.close();
}

async fn count(call: &Call) -> Result<Answer<Histogram>, Failure> {
    let asked = call.asked(Table::Spans)?;
    let buckets = call.number("buckets", BUCKETS, 1..=BUCKETS_MAX)?;
    let run = call.begin().await?;
    let mut scanner = run.scanner();
    let result = histogram::run(&mut scanner, &asked.plan, asked.range, buckets).await;
    let cost = scanner.cost();
    run.end(&asked.text, cost, result)
}
