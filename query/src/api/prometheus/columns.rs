//! A range query's answer as a frame: the times of all steps, then a column for each series.
//!
//! Only who asks for it gets it; everybody else is answered as Prometheus does. Histograms have no
//! place in a column of numbers: series of them are left out, and the answer says how many.

use http::StatusCode;
use tarn_promql::query::MatrixSeries;

use crate::api::frame::{self, Column, Head};
use crate::api::json;
use crate::api::json::answer::Steps;
use crate::api::json::object::Object;
use crate::api::reply::{Failure, Gone, Remarks, Sink};
use crate::engine::Answer;

/// Series of one frame: all of its header is put together before anything is sent.
const SERIES_MAX: usize = 50_000;

/// Writes an answer; `series` is its value.
pub(super) async fn write(
    answer: &Answer,
    series: &[MatrixSeries],
    steps: Steps,
    mut remarks: Remarks,
    mut sink: Sink,
) -> Result<(), Gone> {
    let drawn: Vec<&MatrixSeries> = series.iter().filter(|s| !s.floats.is_empty()).collect();
    if drawn.len() > SERIES_MAX {
        let message = format!(
            "the answer has {} series, limit of a frame is {SERIES_MAX}; aggregate, or ask for JSON",
            drawn.len()
        );
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return sink.fail(&Failure::of(status, "execution", message)).await;
    }
    let hidden = series.iter().filter(|s| !s.histograms.is_empty()).count();
    if hidden > 0 {
        let message =
            format!("{hidden} series have histograms, which a frame leaves out; ask for JSON");
        remarks.warnings.push(message);
    }
    let times = times(steps);
    sink.content_type(frame::CONTENT_TYPE);
    sink.out = head(answer, &drawn, times.len(), &remarks);
    frame::values(&mut sink.out, times.iter().map(|ms| *ms as f64));
    let mut values = Vec::new();
    for one in drawn {
        values.clear();
        values.resize(times.len(), f64::NAN);
        for (time_ms, value) in &one.floats {
            let at = time_ms.saturating_sub(steps.start_ms) / steps.step_ms.max(1);
            if let Some(slot) = usize::try_from(at).ok().and_then(|at| values.get_mut(at)) {
                *slot = *value;
            }
        }
        frame::values(&mut sink.out, values.iter().copied());
        sink.send_full().await?;
    }
    sink.end().await
}

/// Returns the times of all steps.
fn times(steps: Steps) -> Vec<i64> {
    let next = |ms: &i64| ms.checked_add(steps.step_ms).filter(|ms| *ms <= steps.end_ms);
    let first = (steps.step_ms > 0 && steps.start_ms <= steps.end_ms).then_some(steps.start_ms);
    std::iter::successors(first, next).collect()
}

fn head(answer: &Answer, drawn: &[&MatrixSeries], length: usize, remarks: &Remarks) -> Vec<u8> {
    let mut head = Head::new();
    head.column(&Column { name: "time", unit: "ms", length, ..Column::default() });
    for one in drawn {
        let (name, labels) = (one.labels.metric(), Some(&one.labels));
        head.column(&Column { name, labels, length, ..Column::default() });
    }
    head.members(|object| {
        for (member, list) in [("warnings", &remarks.warnings), ("infos", &remarks.infos)] {
            json::strings(object.member(member), list);
        }
        let mut stats = Object::new(object.member("stats"));
        stats.count("series", answer.stats.series);
        stats.count("samples", answer.stats.samples);
        stats.count("ms", answer.elapsed.as_millis() as u64);
        stats.close();
    });
    head.finish()
}
