//! Functions over a range that take samples as they are: floats and native histograms alike.

use std::ops::Range;
use std::sync::Arc;

use tarn_model::sample::Histogram;

use super::native::equal;
use super::native_sum::HistogramSum;
use super::signature::Function;
use super::starts::Starts;
use crate::exec::arithmetic::MIXED_LAYOUTS;
use crate::exec::context::{Context, HISTOGRAM_WORK};
use crate::exec::steps::Steps;
use crate::exec::window::WindowSpec;
use crate::histogram::is_reset;
use crate::query::Result;

/// Returns whether the function counts, picks or dates samples without looking inside.
pub(crate) fn takes_any(function: Function) -> bool {
    matches!(
        function,
        Function::CountOverTime
            | Function::PresentOverTime
            | Function::AbsentOverTime
            | Function::FirstOverTime
            | Function::LastOverTime
            | Function::TsOfFirstOverTime
            | Function::TsOfLastOverTime
    )
}

/// Told where floats and histograms meet in a window.
pub(crate) const MIXED_KINDS: &str = "encountered a mix of histograms and floats";

/// The samples of a series that has histograms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MixedView<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) values: &'a [f64],
    pub(crate) histograms: &'a [(i64, Arc<Histogram>)],
    /// Told of the work of each window.
    pub(crate) cx: &'a Context,
}

/// A sample of either kind.
enum Picked<'a> {
    Float(i64, f64),
    Histogram(i64, &'a Arc<Histogram>),
}

impl Picked<'_> {
    fn time(&self) -> i64 {
        match self {
            Self::Float(time, _) | Self::Histogram(time, _) => *time,
        }
    }
}

/// Computes a function that takes any sample over all windows of a series.
pub(crate) fn apply(function: Function, view: MixedView<'_>, spec: &WindowSpec, out: &mut Steps) {
    let histogram_times: Vec<i64> = view.histograms.iter().map(|(time, _)| *time).collect();
    let (floats, histograms) = (spec.windows(view.times), spec.windows(&histogram_times));
    for (step, (floats, histograms)) in floats.iter().zip(histograms.iter()).enumerate() {
        if floats.is_empty() && histograms.is_empty() {
            continue;
        }
        out.valid.unset(step);
        let seconds = |picked: Option<Picked<'_>>| picked.map_or(0.0, |p| p.time() as f64 / 1000.0);
        let value = match function {
            Function::CountOverTime => (floats.len() + histograms.len()) as f64,
            Function::TsOfFirstOverTime => seconds(view.pick(floats, histograms, false)),
            Function::TsOfLastOverTime => seconds(view.pick(floats, histograms, true)),
            Function::FirstOverTime | Function::LastOverTime => {
                let newest = function == Function::LastOverTime;
                match view.pick(floats, histograms, newest) {
                    Some(Picked::Float(_, value)) => value,
                    Some(Picked::Histogram(_, histogram)) => {
                        out.histograms.push((step as u32, Arc::clone(histogram)));
                        continue;
                    }
                    None => continue,
                }
            }
            _ => 1.0,
        };
        out.set(step, value);
    }
}

/// Adds the sums or means of histograms to the result of the float lane. A window with both kinds
/// has no result. Returns what the user is told.
pub(crate) fn add_histograms(
    mean: bool,
    view: MixedView<'_>,
    spec: &WindowSpec,
    out: &mut Steps,
) -> Result<Option<&'static str>> {
    let histogram_times: Vec<i64> = view.histograms.iter().map(|(time, _)| *time).collect();
    let mut told = None;
    for (step, window) in spec.windows(&histogram_times).iter().enumerate() {
        view.cx.work(window.len() * HISTOGRAM_WORK)?;
        let Some(((_, first), rest)) = view.histograms[window].split_first() else { continue };
        if out.valid.get(step) {
            out.valid.unset(step);
            told = Some(MIXED_KINDS);
            continue;
        }
        let mut sum = HistogramSum::new(mean, first);
        if rest.iter().any(|(_, histogram)| sum.add(histogram).is_err()) {
            told = Some(MIXED_LAYOUTS);
            continue;
        }
        out.histograms.push((step as u32, sum.finish()));
    }
    Ok(told)
}

/// Computes `changes` or `resets`: a change of kind is a change, and a reset.
pub(crate) fn transitions(
    changes: bool,
    view: MixedView<'_>,
    starts: [Starts<'_>; 2],
    spec: &WindowSpec,
    out: &mut Steps,
) -> Result<()> {
    let since = |starts: Starts<'_>, at: usize| starts.ms.get(at).copied().unwrap_or(0);
    let floats = view.times.iter().zip(view.values).enumerate();
    let floats = floats.map(|(at, (t, v))| (Picked::Float(*t, *v), since(starts[0], at)));
    let histograms = view.histograms.iter().enumerate();
    let histograms =
        histograms.map(|(at, (t, h))| (Picked::Histogram(*t, h), since(starts[1], at)));
    let mut samples: Vec<(Picked<'_>, i64)> = floats.chain(histograms).collect();
    samples.sort_by_key(|(picked, _)| picked.time());
    let times: Vec<i64> = samples.iter().map(|(picked, _)| picked.time()).collect();
    let counts = |pair: &&[(Picked<'_>, i64)]| match (&pair[0].0, &pair[1].0) {
        (Picked::Float(_, a), Picked::Float(_, b)) if changes => {
            a != b && !(a.is_nan() && b.is_nan())
        }
        (Picked::Float(_, a), Picked::Float(_, b)) if b < a => true,
        (Picked::Histogram(_, a), Picked::Histogram(_, b)) if changes => !equal(a, b),
        (Picked::Histogram(_, a), Picked::Histogram(_, b)) if is_reset(a, b) => true,
        (Picked::Float(..), Picked::Float(..)) | (Picked::Histogram(..), Picked::Histogram(..)) => {
            let starts = Starts { ms: &[pair[0].1, pair[1].1], delta: starts[0].delta };
            starts.is_reset(1, pair[0].0.time(), pair[1].0.time())
        }
        _ => true,
    };
    for (step, window) in spec.windows(&times).iter().enumerate() {
        if !window.is_empty() {
            view.cx.work(window.len() * HISTOGRAM_WORK)?;
            out.set(step, samples[window].windows(2).filter(counts).count() as f64);
        }
    }
    Ok(())
}

impl MixedView<'_> {
    /// Returns whether some window has samples of both kinds.
    pub(crate) fn is_mixed(&self, spec: &WindowSpec) -> bool {
        let histogram_times: Vec<i64> = self.histograms.iter().map(|(time, _)| *time).collect();
        let (floats, histograms) = (spec.windows(self.times), spec.windows(&histogram_times));
        floats.iter().zip(histograms.iter()).any(|(f, h)| !f.is_empty() && !h.is_empty())
    }

    /// Returns the oldest or the newest sample of a window.
    fn pick(
        &self,
        floats: Range<usize>,
        histograms: Range<usize>,
        newest: bool,
    ) -> Option<Picked<'_>> {
        let end = |range: Range<usize>| match (range.is_empty(), newest) {
            (true, _) => None,
            (false, true) => Some(range.end - 1),
            (false, false) => Some(range.start),
        };
        let float = end(floats).map(|at| Picked::Float(self.times[at], self.values[at]));
        let histogram = end(histograms).map(|at| {
            let (time, histogram) = &self.histograms[at];
            Picked::Histogram(*time, histogram)
        });
        match (float, histogram) {
            (Some(a), Some(b)) => Some(if (a.time() > b.time()) == newest { a } else { b }),
            (a, b) => a.or(b),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tarn_model::sample::{Counts, Histogram, ResetHint};

    use super::{Context, Function, MixedView, apply};
    use crate::exec::steps::{Grid, Steps};
    use crate::exec::window::WindowSpec;
    use crate::query::QueryParams;

    #[test]
    fn samples_of_both_kinds_count() {
        let histogram = Arc::new(Histogram {
            schema: 0,
            bounds: Vec::new(),
            zero_threshold: 0.0,
            sum: 1.0,
            positive: Vec::new(),
            negative: Vec::new(),
            counts: Counts::Float { count: 1.0, zero: 0.0, buckets: Vec::new() },
            reset_hint: ResetHint::Unknown,
        });
        let histograms = [(2000, Arc::clone(&histogram)), (4000, histogram)];
        let cx = Context::new(&QueryParams::instant(0));
        let view = MixedView {
            times: &[1000, 3000],
            values: &[5.0, 6.0],
            histograms: &histograms,
            cx: &cx,
        };
        let grid = Grid::until(1000, 7000, 1000);
        let spec = WindowSpec { grid, range_ms: 2000, offset_ms: 0, at_ms: None };
        let floats = |function| {
            let mut out = Steps::default();
            out.reset(grid.steps);
            apply(function, view, &spec, &mut out);
            let steps = 0..grid.steps;
            let text = steps.map(|step| match out.valid.get(step) {
                true => out.values[step].to_string(),
                false if out.histograms.iter().any(|(at, _)| *at as usize == step) => "h".into(),
                false => "_".into(),
            });
            text.collect::<Vec<String>>().join(" ")
        };
        for (function, expected) in [
            (Function::CountOverTime, "1 2 2 2 1 _ _"),
            (Function::PresentOverTime, "1 1 1 1 1 _ _"),
            (Function::LastOverTime, "5 h 6 h h _ _"),
            (Function::FirstOverTime, "5 5 h 6 h _ _"),
            (Function::TsOfLastOverTime, "1 2 3 4 4 _ _"),
            (Function::TsOfFirstOverTime, "1 1 2 3 4 _ _"),
        ] {
            assert_eq!(floats(function), expected, "{function:?}");
        }
    }
}
