//! Runs a planned query: operators pull series from each other and the root collects the answer.
//!
//! A query goes through here in four steps: it is planned ([`crate::plan`]); all its selectors are
//! resolved at once by the source; the plan becomes operators ([`build`]), each selector's stream
//! handed to its leaf; the root operator is pulled dry. The only awaits are those on the source.
//! Kernels (windows, functions, sums, joins) are plain loops over step vectors.

use std::sync::Arc;

use tarn_model::sample::Histogram;

use crate::ast::Expr;
use crate::plan::{self, RangePlan, Root};
use crate::query::{
    MatrixSeries, QueryError, QueryParams, QueryResult, QueryValue, Result, SampleValue,
    VectorSample,
};
use crate::source::{Select as Selection, Source};

pub(crate) mod aggregate;
pub(crate) mod arithmetic;
mod build;
pub(crate) mod context;
pub(crate) mod histogram;
pub(crate) mod join;
pub(crate) mod map;
pub(crate) mod operator;
pub(crate) mod range;
pub(crate) mod relabel;
pub(crate) mod samples;
pub(crate) mod scalar;
pub(crate) mod select;
pub(crate) mod shape;
pub(crate) mod steps;
pub(crate) mod window;

use build::Builder;
use context::Context;
use operator::{Operator, Series};
use samples::SeriesSamples;
use select::{Leaf, StreamFeed};
use steps::{Grid, Steps};
use window::WindowSpec;

/// Bytes of one point of a result.
const POINT_BYTES: usize = size_of::<(i64, f64)>();

/// Evaluates an expression over a source.
///
/// # Errors
/// The query cannot be answered: its type does not fit, a limit is reached, it was interrupted,
/// reading failed, or the evaluation itself fails, as where two series get the same labels.
pub async fn eval<S>(source: &S, expr: &Expr, params: &QueryParams) -> Result<QueryResult>
where
    S: Source,
    S::Stream: 'static,
{
    let planned = plan::plan(expr, params)?;
    let mut cx = Context::new(params);
    let mut leaves = Vec::with_capacity(planned.selects.len());
    if !planned.selects.is_empty() {
        // All selectors at once: they must see the same view.
        let selected = source.select(&planned.selects).await?;
        if selected.len() != planned.selects.len() {
            let error = tarn_model::error::Error::internal("source answered too few selectors");
            return Err(QueryError::Source(error));
        }
        for (selection, selected) in planned.selects.iter().zip(selected) {
            cx.matched(selector_text(selection), selected.series.len() as u64)?;
            let series = selected.series.iter().map(|s| Series::new(s.labels.clone())).collect();
            leaves.push(Some(Leaf::new(series, Box::new(StreamFeed(selected.stream)))));
        }
    }
    let value = run(planned.root, planned.grid, leaves, &cx).await?;
    Ok(QueryResult { value, annotations: cx.annotations(), stats: cx.stats() })
}

fn selector_text(selection: &Selection) -> String {
    let matchers: Vec<String> = selection.matchers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", matchers.join(","))
}

async fn run(
    root: Root,
    grid: Grid,
    leaves: Vec<Option<Leaf>>,
    cx: &Context,
) -> Result<QueryValue> {
    let time_ms = grid.start_ms;
    let mut builder = Builder::new(leaves, cx);
    match root {
        Root::Text(value) => Ok(QueryValue::String { time_ms, value }),
        Root::Scalar(scalar) => {
            let mut scalar = builder.scalar(scalar)?;
            let numbers = scalar.evaluate(cx).await?;
            if cx.params.is_instant() {
                return Ok(QueryValue::Scalar { time_ms, value: numbers.get(0) });
            }
            let _held = cx.reserve_samples(grid.steps)?;
            let floats = (0..grid.steps).map(|step| (grid.time(step), numbers.get(step)));
            let series = MatrixSeries { floats: floats.collect(), ..MatrixSeries::default() };
            Ok(QueryValue::Matrix(vec![series]))
        }
        Root::Vector { plan, ordered } => {
            let mut operator = builder.operator(plan)?;
            if cx.params.is_instant() {
                let samples = collect_vector(operator.as_mut(), time_ms, cx).await?;
                return Ok(QueryValue::Vector { samples, ordered });
            }
            Ok(QueryValue::Matrix(collect_matrix(operator.as_mut(), grid, cx).await?))
        }
        Root::Samples(input, spec) => collect_samples(&mut builder, input, &spec, cx).await,
    }
}

async fn collect_vector(
    operator: &mut dyn Operator,
    time_ms: i64,
    cx: &Context,
) -> Result<Vec<VectorSample>> {
    let series = operator.open(cx).await?;
    let _held = cx.reserve_bytes(series.len() * size_of::<VectorSample>())?;
    let mut samples = Vec::new();
    let mut steps = Steps::default();
    let mut series = series.into_iter();
    while operator.next(cx, &mut steps).await? {
        let Some(one) = series.next() else { break };
        let value = match steps.histograms.first() {
            Some((_, histogram)) => SampleValue::Histogram(Arc::clone(histogram)),
            None if steps.valid.any() => SampleValue::Float(steps.values[0]),
            None => continue,
        };
        samples.push(VectorSample { labels: one.result_labels(), time_ms, value });
    }
    Ok(samples)
}

async fn collect_matrix(
    operator: &mut dyn Operator,
    grid: Grid,
    cx: &Context,
) -> Result<Vec<MatrixSeries>> {
    let mut series = operator.open(cx).await?.into_iter();
    let mut matrix = Vec::new();
    let mut held = Vec::new();
    let mut steps = Steps::default();
    while operator.next(cx, &mut steps).await? {
        let Some(one) = series.next() else { break };
        cx.work(steps.values.len())?;
        if steps.is_empty() {
            continue;
        }
        let points = steps.valid.count() + steps.histograms.len();
        held.push(cx.reserve_samples(points)?);
        held.push(cx.reserve_bytes(points * POINT_BYTES)?);
        let floats = steps.valid.iter().map(|step| (grid.time(step), steps.values[step]));
        let histograms = steps.histograms.iter();
        let histograms = histograms.map(|(step, h)| (grid.time(*step as usize), Arc::clone(h)));
        matrix.push(MatrixSeries {
            labels: one.result_labels(),
            floats: floats.collect(),
            histograms: histograms.collect(),
        });
    }
    matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(matrix)
}

/// Collects the samples of a range as they are.
async fn collect_samples(
    builder: &mut Builder<'_>,
    input: RangePlan,
    spec: &WindowSpec,
    cx: &Context,
) -> Result<QueryValue> {
    let mut input = builder.range(input)?;
    let mut series = input.open(cx).await?.into_iter();
    let mut samples = SeriesSamples::default();
    let mut matrix = Vec::new();
    let mut held = Vec::new();
    let inside = |time: &i64| *time > spec.start(0) && *time <= spec.end(0);
    while input.next(cx, &mut samples).await? {
        let Some(one) = series.next() else { break };
        let floats = samples.times().iter().copied().zip(samples.values().iter().copied());
        let floats: Vec<(i64, f64)> = floats.filter(|(time, _)| inside(time)).collect();
        let histograms = samples.histograms.iter().filter(|(time, _)| inside(time));
        let histograms: Vec<(i64, Arc<Histogram>)> = histograms.cloned().collect();
        let points = floats.len() + histograms.len();
        if points > 0 {
            held.push(cx.reserve_samples(points)?);
            held.push(cx.reserve_bytes(points * POINT_BYTES)?);
            matrix.push(MatrixSeries { labels: one.result_labels(), floats, histograms });
        }
    }
    matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(QueryValue::Matrix(matrix))
}
