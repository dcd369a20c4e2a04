//! Functions over a range: one number per window.
//!
//! Sums are compensated and computed per window in time order, as upstream does, so that results do
//! not depend on how windows overlap. Smallest and largest values slide over the series in a
//! monotonic queue, because there any order gives the same result.

use std::collections::VecDeque;

use super::quantile::{SortedWindow, quantile};
use super::range::{RangeView, Window};
use super::regression::{linear_regression, smooth};
use super::signature::Function;
use super::sum::{Mean, Sum};
use crate::exec::steps::Steps;
use crate::query::{QueryError, Result};

/// Windows with fewer samples than this are scanned; the queue pays off above.
const SLIDE_SAMPLES_MIN: usize = 16;

/// Computes a function over all windows of a series.
///
/// # Errors
/// A parameter out of its range; a function that is not one over a range; the query must stop.
pub(crate) fn apply(function: Function, view: &RangeView<'_>, out: &mut Steps) -> Result<()> {
    let param = |at: usize, step: usize| view.params[at].get(step);
    match function {
        Function::AvgOverTime => view.each(1, out, |w| Some(average(w.values))),
        Function::SumOverTime => view.each(1, out, |w| Some(sum(w.values))),
        Function::CountOverTime => view.each(1, out, |w| Some(w.values.len() as f64)),
        Function::MinOverTime => extremes(view, out, |a, b| a < b),
        Function::MaxOverTime => extremes(view, out, |a, b| a > b),
        Function::StddevOverTime => view.each(1, out, |w| Some(variance(w.values).sqrt())),
        Function::StdvarOverTime => view.each(1, out, |w| Some(variance(w.values))),
        Function::LastOverTime => view.each(1, out, |w| w.values.last().copied()),
        Function::FirstOverTime => view.each(1, out, |w| w.values.first().copied()),
        Function::PresentOverTime | Function::AbsentOverTime => view.each(1, out, |_| Some(1.0)),
        Function::QuantileOverTime => {
            let mut sorted = SortedWindow::default();
            for (step, range) in view.windows.iter().enumerate() {
                sorted.move_to(view.values, range, view.cx)?;
                if let Some(value) = sorted.quantile(param(0, step)) {
                    out.set(step, value);
                }
            }
            Ok(())
        }
        Function::MadOverTime => view.each(1, out, |w| Some(median_deviation(w.values))),
        Function::Changes => view.each(1, out, |w| Some(changes(w.values))),
        Function::Resets => view.each(1, out, |w| Some(resets(w.values))),
        Function::Irate => view.each(2, out, |w| instant_difference(w, true)),
        Function::Idelta => view.each(2, out, |w| instant_difference(w, false)),
        Function::Deriv => {
            view.each(2, out, |w| Some(linear_regression(w.times, w.values, w.times[0]).slope))
        }
        Function::PredictLinear => view.each(2, out, |w| {
            let line = linear_regression(w.times, w.values, view.spec.grid.time(w.step));
            Some(line.slope * param(0, w.step) + line.intercept)
        }),
        Function::DoubleExponentialSmoothing => smoothed(view, out),
        Function::TsOfFirstOverTime => view.each(1, out, |w| w.times.first().map(seconds)),
        Function::TsOfLastOverTime => view.each(1, out, |w| w.times.last().map(seconds)),
        Function::TsOfMinOverTime => view.each(1, out, |w| time_of(w, |v, best| v <= best)),
        Function::TsOfMaxOverTime => view.each(1, out, |w| time_of(w, |v, best| v >= best)),
        other => Err(QueryError::Unsupported(format!(
            "function {other:?} over a range is not answered yet"
        ))),
    }
}

fn seconds(ms: &i64) -> f64 {
    *ms as f64 / 1000.0
}

fn sum(values: &[f64]) -> f64 {
    let mut sum = Sum::default();
    values.iter().for_each(|v| sum.add(*v));
    sum.total()
}

fn average(values: &[f64]) -> f64 {
    let mut sum = Sum::default();
    values.iter().for_each(|v| sum.add(*v));
    if sum.sum.is_finite() {
        let count = values.len() as f64;
        return sum.sum / count + sum.low / count;
    }
    // Once infinite a sum never becomes finite again, so only these need the careful way.
    let mut mean = Mean::default();
    values.iter().for_each(|v| mean.add(*v));
    mean.mean()
}

/// Welford's algorithm with compensated sums.
fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut squares, mut count) = (Sum::default(), Sum::default(), 0.0);
    for value in values {
        count += 1.0;
        let delta = value - (mean.sum + mean.low);
        mean.add(delta / count);
        squares.add(delta * (value - (mean.sum + mean.low)));
    }
    (squares.sum + squares.low) / count
}

fn median_deviation(values: &[f64]) -> f64 {
    if values.iter().any(|v| v.is_nan()) {
        return f64::NAN;
    }
    let mut scratch = values.to_vec();
    let median = quantile(0.5, &mut scratch);
    scratch.iter_mut().for_each(|v| *v = (*v - median).abs());
    quantile(0.5, &mut scratch)
}

fn changes(values: &[f64]) -> f64 {
    let changed = |w: &&[f64]| w[0] != w[1] && !(w[0].is_nan() && w[1].is_nan());
    values.windows(2).filter(changed).count() as f64
}

fn resets(values: &[f64]) -> f64 {
    values.windows(2).filter(|w| w[1] < w[0]).count() as f64
}

fn instant_difference(window: Window<'_>, rate: bool) -> Option<f64> {
    let at = window.values.len() - 1;
    let (before, last) = (window.values[at - 1], window.values[at]);
    let interval_ms = window.times[at] - window.times[at - 1];
    if !rate {
        return Some(last - before);
    }
    let difference = if last < before { last } else { last - before };
    Some(difference / (interval_ms as f64 / 1000.0))
}

/// Returns when the last best value was; NaN is worse than anything.
fn time_of(window: Window<'_>, better: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let mut best = 0;
    for (at, value) in window.values.iter().enumerate() {
        if better(*value, window.values[best]) || window.values[best].is_nan() {
            best = at;
        }
    }
    window.times.get(best).map(seconds)
}

fn smoothed(view: &RangeView<'_>, out: &mut Steps) -> Result<()> {
    for (at, name) in [(0, "smoothing"), (1, "trend")] {
        if let Some(bad) = view.params[at].values().iter().find(|v| !(**v > 0.0 && **v < 1.0)) {
            return Err(QueryError::Execution(format!(
                "invalid {name} factor. Expected: 0 < {}f < 1, got: {bad:.6}",
                if at == 0 { "s" } else { "t" },
            )));
        }
    }
    view.each(2, out, |w| {
        Some(smooth(w.values, view.params[0].get(w.step), view.params[1].get(w.step)))
    })
}

/// The best value of every window; NaN counts only where there is nothing else.
fn extremes(
    view: &RangeView<'_>,
    out: &mut Steps,
    better: impl Fn(f64, f64) -> bool,
) -> Result<()> {
    let widest = view.windows.iter().map(|w| w.len()).max().unwrap_or(0);
    if widest < SLIDE_SAMPLES_MIN {
        return view.each(1, out, |w| {
            let first = f64::NAN;
            let pick =
                |best: f64, v: &f64| if better(*v, best) || best.is_nan() { *v } else { best };
            Some(w.values.iter().fold(first, pick))
        });
    }
    // The queue holds indices of values that may still become the best: each is better than all
    // behind it (Lemire 2006, "Streaming maximum-minimum filter").
    let mut queue: VecDeque<usize> = VecDeque::new();
    let mut next = 0;
    for (step, range) in view.windows.iter().enumerate() {
        next = next.max(range.start);
        view.cx.work(range.end.saturating_sub(next))?;
        while next < range.end {
            let value = view.values[next];
            if !value.is_nan() {
                while queue.back().is_some_and(|at| !better(view.values[*at], value)) {
                    queue.pop_back();
                }
                queue.push_back(next);
            }
            next += 1;
        }
        while queue.front().is_some_and(|at| *at < range.start) {
            queue.pop_front();
        }
        if !range.is_empty() {
            out.set(step, queue.front().map_or(f64::NAN, |at| view.values[*at]));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
