//! `query`, `query_range` and `format_query`.

use std::time::Duration;

use tarn_promql::query::QueryValue;

use super::params::Params;
use super::{Call, columns};
use crate::api::json;
use crate::api::json::answer::{self, Steps};
use crate::api::reply::{Failure, Gone, Remarks, Sink};
use crate::engine::{Answer, QueryOptions, Request};

const TRUNCATED: &str = "results truncated due to limit";

/// Evaluates an expression at one time.
pub(super) async fn instant(call: Call, sink: Sink) -> Result<(), Gone> {
    let now_ms = call.engine.clock().now().as_millis();
    let asked = Asked::read(&call.params, |params| {
        let time_ms = params.time_or("time", now_ms)?;
        Ok((time_ms, time_ms, 0))
    });
    respond(call, asked, sink).await
}

/// Evaluates an expression at every step of a range.
pub(super) async fn range(call: Call, sink: Sink) -> Result<(), Gone> {
    let points_max = call.engine.limits_of(&call.tenant).query_points_max;
    let asked = Asked::read(&call.params, |params| params.steps(points_max));
    respond(call, asked, sink).await
}

/// Lays out an expression.
pub(super) async fn format(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let limits = call.engine.limits_of(&call.tenant);
    match call.engine.parse(call.params.get("query"), &limits) {
        Ok(expr) => {
            sink.open();
            json::string(&mut sink.out, &tarn_promql::print::pretty(&expr));
            sink.close(&Remarks::default()).await
        }
        Err(error) => sink.fail(&error.into()).await,
    }
}

/// The parameters of a query.
struct Asked {
    steps: Steps,
    limit: Option<usize>,
    options: QueryOptions,
    stats: Stats,
}

/// Whether the answer tells what it took.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stats {
    No,
    Yes,
    /// As `Yes`, for a value that does not exist.
    Odd,
}

impl Asked {
    fn read(
        params: &Params,
        steps: impl FnOnce(&Params) -> Result<(i64, i64, i64), Failure>,
    ) -> Result<Self, Failure> {
        let limit = params.limit()?;
        let (start_ms, end_ms, step_ms) = steps(params)?;
        let options = QueryOptions { timeout: params.timeout()?, lookback: params.lookback()? };
        let stats = match params.get("stats") {
            "" => Stats::No,
            "true" | "all" => Stats::Yes,
            _ => Stats::Odd,
        };
        Ok(Self { steps: Steps { start_ms, end_ms, step_ms }, limit, options, stats })
    }
}

async fn respond(call: Call, asked: Result<Asked, Failure>, sink: Sink) -> Result<(), Gone> {
    let asked = match asked {
        Ok(asked) => asked,
        Err(failure) => return sink.fail(&failure).await,
    };
    let request = Request {
        tenant: call.tenant,
        text: call.params.get("query").to_owned(),
        start_ms: asked.steps.start_ms,
        end_ms: asked.steps.end_ms,
        step_ms: asked.steps.step_ms,
        options: asked.options,
    };
    match call.engine.query(request, call.cancel).await {
        Ok(answer) => write(answer, &asked, call.wants_frame, sink).await,
        Err(error) => sink.fail(&error.into()).await,
    }
}

async fn write(
    mut answer: Answer,
    asked: &Asked,
    wants_frame: bool,
    mut sink: Sink,
) -> Result<(), Gone> {
    let mut remarks = Remarks::of(&answer.annotations);
    if asked.stats == Stats::Odd {
        remarks.warnings.push("unknown value of parameter \"stats\", use true or all".to_owned());
    }
    if asked.limit.is_some_and(|limit| truncate(&mut answer.value, limit)) {
        remarks.warnings.push(TRUNCATED.to_owned());
    }
    if let Some(why) = &answer.partial {
        remarks.warnings.push(why.clone());
        sink.mark_partial();
    }
    if let QueryValue::Matrix(series) = &answer.value
        && wants_frame
        && asked.steps.step_ms > 0
    {
        return columns::write(&answer, series, asked.steps, remarks, sink).await;
    }
    sink.open();
    sink.out.push(b'{');
    answer::value(&mut sink, &answer.value, asked.steps).await?;
    if asked.stats != Stats::No {
        stats(&mut sink.out, &answer);
    }
    sink.out.push(b'}');
    sink.close(&remarks).await
}

fn truncate(value: &mut QueryValue, limit: usize) -> bool {
    match value {
        QueryValue::Vector { samples, .. } if samples.len() > limit => samples.truncate(limit),
        QueryValue::Matrix(series) if series.len() > limit => series.truncate(limit),
        _ => return false,
    }
    true
}

/// What a query took, under the names that Grafana's inspector shows.
fn stats(out: &mut Vec<u8>, answer: &Answer) {
    let running = answer.elapsed.saturating_sub(answer.waited);
    let timings = [
        ("evalTotalTime", running),
        ("resultSortTime", Duration::ZERO),
        ("queryPreparationTime", Duration::ZERO),
        ("innerEvalTime", running),
        ("execQueueTime", answer.waited),
        ("execTotalTime", answer.elapsed),
    ];
    out.extend_from_slice(b",\"stats\":{\"timings\":{");
    for (i, (name, time)) in timings.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        json::string(out, name);
        out.push(b':');
        json::number::float(out, time.as_secs_f64());
    }
    let stats = &answer.stats;
    let (samples, peak) = (stats.samples, stats.samples_peak);
    let text = format!(
        "}},\"samples\":{{\"totalQueryableSamples\":{samples},\"samplesRead\":{samples},\
         \"peakSamples\":{peak}}}}}"
    );
    out.extend_from_slice(text.as_bytes());
}
