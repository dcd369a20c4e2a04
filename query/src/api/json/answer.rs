//! The value of a PromQL query as JSON, streamed.
//!
//! `resultType` comes before `result`: clients that read as a stream (Grafana) must know the shape
//! before the first row. Rows are written one after the other and leave the process while later
//! ones are rendered, so an answer never exists twice in memory.

use std::sync::Arc;

use tarn_model::sample::Histogram;
use tarn_promql::query::{MatrixSeries, QueryValue, SampleValue, VectorSample};

use super::{histogram, labels, number, string, timestamp};
use crate::api::reply::{Gone, Sink};

/// Points are rendered in runs of this many before the sink may send: about 20 KiB of text, so
/// that a chunk stays near its size without asking at every point.
const RUN: usize = 1024;

/// Histograms are two orders of magnitude larger than floats.
const HISTOGRAM_RUN: usize = 16;

/// The steps of a query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    /// The first one.
    pub(crate) start_ms: i64,
    /// The last one, at most.
    pub(crate) end_ms: i64,
    /// Their distance; 0 for an instant query.
    pub(crate) step_ms: i64,
}

/// Writes `"resultType":…,"result":…`.
pub(crate) async fn value(sink: &mut Sink, value: &QueryValue, steps: Steps) -> Result<(), Gone> {
    match value {
        QueryValue::Scalar { time_ms, value } => {
            sink.out.extend_from_slice(b"\"resultType\":\"scalar\",\"result\":");
            float_point(&mut sink.out, *time_ms, *value);
            Ok(())
        }
        QueryValue::String { time_ms, value } => {
            sink.out.extend_from_slice(b"\"resultType\":\"string\",\"result\":[");
            timestamp(&mut sink.out, *time_ms);
            sink.out.push(b',');
            string(&mut sink.out, value);
            sink.out.push(b']');
            Ok(())
        }
        QueryValue::Vector { samples, .. } => vector(sink, samples).await,
        QueryValue::Matrix(series) => matrix(sink, series, steps).await,
    }
}

async fn vector(sink: &mut Sink, samples: &[VectorSample]) -> Result<(), Gone> {
    sink.out.extend_from_slice(b"\"resultType\":\"vector\",\"result\":[");
    for (i, sample) in samples.iter().enumerate() {
        if i > 0 {
            sink.out.push(b',');
        }
        sink.out.extend_from_slice(b"{\"metric\":");
        labels(&mut sink.out, &sample.labels);
        match &sample.value {
            SampleValue::Float(value) => {
                sink.out.extend_from_slice(b",\"value\":");
                float_point(&mut sink.out, sample.time_ms, *value);
            }
            SampleValue::Histogram(value) => {
                sink.out.extend_from_slice(b",\"histogram\":");
                histogram_point(&mut sink.out, sample.time_ms, value);
            }
        }
        sink.out.push(b'}');
        sink.send_full().await?;
    }
    sink.out.push(b']');
    Ok(())
}

async fn matrix(sink: &mut Sink, series: &[MatrixSeries], steps: Steps) -> Result<(), Gone> {
    let prefixes = Prefixes::new(steps);
    sink.out.extend_from_slice(b"\"resultType\":\"matrix\",\"result\":[");
    for (i, one) in series.iter().enumerate() {
        if i > 0 {
            sink.out.push(b',');
        }
        sink.out.extend_from_slice(b"{\"metric\":");
        labels(&mut sink.out, &one.labels);
        if !one.floats.is_empty() {
            sink.out.extend_from_slice(b",\"values\":[");
            for (r, run) in one.floats.chunks(RUN).enumerate() {
                floats(&mut sink.out, run, &prefixes, r > 0);
                sink.send_full().await?;
            }
            sink.out.push(b']');
        }
        if !one.histograms.is_empty() {
            sink.out.extend_from_slice(b",\"histograms\":[");
            for (r, run) in one.histograms.chunks(HISTOGRAM_RUN).enumerate() {
                histograms(&mut sink.out, run, r > 0);
                sink.send_full().await?;
            }
            sink.out.push(b']');
        }
        sink.out.push(b'}');
        sink.send_full().await?;
    }
    sink.out.push(b']');
    Ok(())
}

fn floats(out: &mut Vec<u8>, run: &[(i64, f64)], prefixes: &Prefixes, mut comma: bool) {
    for (time_ms, value) in run {
        if comma {
            out.push(b',');
        }
        comma = true;
        prefixes.write(out, *time_ms);
        number::float(out, *value);
        out.extend_from_slice(b"\"]");
    }
}

fn histograms(out: &mut Vec<u8>, run: &[(i64, Arc<Histogram>)], mut comma: bool) {
    for (time_ms, value) in run {
        if comma {
            out.push(b',');
        }
        comma = true;
        histogram_point(out, *time_ms, value);
    }
}

fn float_point(out: &mut Vec<u8>, time_ms: i64, value: f64) {
    open_point(out, time_ms);
    number::float(out, value);
    out.extend_from_slice(b"\"]");
}

fn histogram_point(out: &mut Vec<u8>, time_ms: i64, value: &Histogram) {
    out.push(b'[');
    timestamp(out, time_ms);
    out.push(b',');
    histogram::histogram(out, value);
    out.push(b']');
}

fn open_point(out: &mut Vec<u8>, time_ms: i64) {
    out.push(b'[');
    timestamp(out, time_ms);
    out.extend_from_slice(b",\"");
}

/// `[timestamp,"` of every step, rendered once.
struct Prefixes {
    steps: Steps,
    text: Vec<u8>,
    /// Where the text of step `i` ends.
    ends: Vec<usize>,
}

impl Prefixes {
    /// More steps than a range query may have are not worth preparing: the points are then samples
    /// as stored, whose times are no grid.
    const STEPS_MAX: i128 = 100_000;

    fn new(steps: Steps) -> Self {
        let mut prefixes = Self { steps, text: Vec::new(), ends: Vec::new() };
        let span = i128::from(steps.end_ms) - i128::from(steps.start_ms);
        if steps.step_ms > 0 && span / i128::from(steps.step_ms) < Self::STEPS_MAX {
            let mut next = Some(steps.start_ms);
            while let Some(time_ms) = next.filter(|t| *t <= steps.end_ms) {
                open_point(&mut prefixes.text, time_ms);
                prefixes.ends.push(prefixes.text.len());
                next = time_ms.checked_add(steps.step_ms);
            }
        }
        prefixes
    }

    fn write(&self, out: &mut Vec<u8>, time_ms: i64) {
        match self.at(time_ms) {
            Some(prefix) => out.extend_from_slice(prefix),
            None => open_point(out, time_ms),
        }
    }

    fn at(&self, time_ms: i64) -> Option<&[u8]> {
        let since = time_ms.checked_sub(self.steps.start_ms)?;
        if self.steps.step_ms <= 0 || since % self.steps.step_ms != 0 {
            return None;
        }
        let step = usize::try_from(since / self.steps.step_ms).ok()?;
        let end = *self.ends.get(step)?;
        let start = if step == 0 { 0 } else { self.ends[step - 1] };
        self.text.get(start..end)
    }
}
