//! Functions over ranges: windows over stored samples or over the points of a subquery.

use std::sync::Arc;

use super::context::{Context, Reservation};
use super::operator::{Operator, Pull, Series};
use super::samples::SeriesSamples;
use super::scalar::ScalarOperator;
use super::select::Leaf;
use super::steps::{Bits, Grid, Steps};
use super::window::{Shared, WindowSpec, Windows};
use crate::functions::mixed::{self, MixedView, takes_any};
use crate::functions::native_rate;
use crate::functions::over_time;
use crate::functions::range::{Numbers, RangeView};
use crate::functions::rate::{RateKind, RateShape};
use crate::functions::signature::{Function, Signature};
use crate::functions::starts::{self, OVERLAP, Starts};
use crate::query::Result;

/// Where the samples of a range come from.
pub(crate) enum RangeInput {
    /// A range selector.
    Stored(Leaf),
    /// A subquery.
    Computed(Box<Computed>),
}

/// The points of a subquery as samples.
pub(crate) struct Computed {
    child: Box<dyn Operator>,
    grid: Grid,
    steps: Steps,
    values: Vec<f64>,
    /// The steps at which the last series had points and their times, shared between series with
    /// points at the same steps.
    valid: Bits,
    ticks: Arc<[i64]>,
}

impl RangeInput {
    pub(crate) fn computed(child: Box<dyn Operator>, grid: Grid) -> Self {
        Self::Computed(Box::new(Computed {
            child,
            grid,
            steps: Steps::default(),
            values: Vec::new(),
            valid: Bits::default(),
            ticks: Arc::from([]),
        }))
    }

    pub(crate) async fn open(&mut self, cx: &Context) -> Result<Vec<Series>> {
        match self {
            Self::Stored(leaf) => Ok(std::mem::take(&mut leaf.series)),
            Self::Computed(computed) => computed.child.open(cx).await,
        }
    }

    pub(crate) async fn next(&mut self, cx: &Context, into: &mut SeriesSamples) -> Result<bool> {
        match self {
            Self::Stored(leaf) => leaf.next(cx, into).await,
            Self::Computed(computed) => computed.next(cx, into).await,
        }
    }
}

impl Computed {
    async fn next(&mut self, cx: &Context, into: &mut SeriesSamples) -> Result<bool> {
        if !self.child.next(cx, &mut self.steps).await? {
            return Ok(false);
        }
        cx.work(self.steps.values.len())?;
        if self.valid != self.steps.valid {
            self.valid.clone_from(&self.steps.valid);
            self.ticks = self.valid.iter().map(|step| self.grid.time(step)).collect();
        }
        self.values.clear();
        self.values.extend(self.valid.iter().map(|step| self.steps.values[step]));
        let histograms = self.steps.histograms.drain(..);
        let histograms = histograms.map(|(step, h)| (self.grid.time(step as usize), h)).collect();
        into.set(&self.ticks, &self.values, histograms);
        Ok(true)
    }
}

/// A function over a range.
pub(crate) struct RangeCall {
    input: RangeInput,
    spec: WindowSpec,
    signature: &'static Signature,
    args: Vec<ScalarOperator>,
    params: Vec<Numbers>,
    samples: SeriesSamples,
    windows: Shared<Windows>,
    shape: Shared<RateShape>,
    resets: Vec<u32>,
    /// Which of the series have samples of delta temporality, and how many have been read.
    deltas: Vec<bool>,
    read: usize,
    /// Start timestamps of the floats and of the histograms.
    starts: [Vec<i64>; 2],
    held: Option<Reservation>,
}

/// Bytes per step of what is shared between series: windows and the shape of rates.
const SHARED_BYTES: usize = 48;

impl RangeCall {
    pub(crate) fn new(
        input: RangeInput,
        spec: WindowSpec,
        signature: &'static Signature,
        args: Vec<ScalarOperator>,
    ) -> Self {
        Self {
            input,
            spec,
            signature,
            args,
            params: Vec::new(),
            samples: SeriesSamples::default(),
            windows: Shared::default(),
            shape: Shared::default(),
            resets: Vec::new(),
            deltas: Vec::new(),
            read: 0,
            starts: [Vec::new(), Vec::new()],
            held: None,
        }
    }

    async fn begin(&mut self, cx: &Context) -> Result<Vec<Series>> {
        self.held = Some(cx.reserve_bytes(self.spec.grid.steps * SHARED_BYTES)?);
        for arg in &mut self.args {
            self.params.push(arg.evaluate(cx).await?);
        }
        let mut series = self.input.open(cx).await?;
        // The first and the last sample are samples of the metric itself.
        let function = self.signature.function;
        if starts::counts(function) && matches!(self.input, RangeInput::Stored(_)) {
            self.deltas = series.iter().map(Series::is_delta).collect();
        }
        if !matches!(function, Function::LastOverTime | Function::FirstOverTime) {
            series.iter_mut().for_each(|s| s.drop_name(cx.delayed_names()));
        }
        Ok(series)
    }

    async fn pull(&mut self, cx: &Context, out: &mut Steps) -> Result<bool> {
        if !self.input.next(cx, &mut self.samples).await? {
            return Ok(false);
        }
        out.reset(self.spec.grid.steps);
        let delta = self.deltas.get(self.read).is_some_and(|delta| *delta);
        self.read += 1;
        let use_all = cx.params.options.use_start_timestamps && self.samples.has_starts;
        let counted = starts::counts(self.signature.function) && (delta || use_all);
        self.compute(cx, counted.then_some(delta), out)?;
        Ok(true)
    }

    /// Computes a series. `counted` says whether its samples have delta temporality, where start
    /// timestamps matter.
    fn compute(&mut self, cx: &Context, counted: Option<bool>, out: &mut Steps) -> Result<()> {
        let spec = self.spec;
        let function = self.signature.function;
        let (times, values) = (self.samples.times(), self.samples.values());
        if let (Some(kind), None) = (rate_kind(function), counted) {
            let shape = self.shape.get(&self.samples, |times, shape| shape.fill(times, &spec));
            shape.apply(cx, kind, spec.range_ms, values, &mut self.resets, out)?;
        } else {
            let windows = self.windows.get(&self.samples, |times, to| spec.fill(times, to));
            let (spec, params) = (&self.spec, &self.params);
            let view = RangeView { times, values, windows, spec, params, cx };
            if let Some(delta) = counted {
                let [floats, histograms] = &mut self.starts;
                self.samples.collect_starts(floats, histograms);
                if starts::apply(function, &view, Starts { ms: floats, delta }, out)? {
                    cx.warn(OVERLAP);
                }
            } else {
                over_time::apply(function, &view, out)?;
            }
        }
        if !self.samples.histograms.is_empty() {
            self.add_histograms(cx, counted, out)?;
        }
        Ok(())
    }

    /// Completes the result of the float lane by what histograms contribute.
    fn add_histograms(&self, cx: &Context, counted: Option<bool>, out: &mut Steps) -> Result<()> {
        let (spec, function) = (&self.spec, self.signature.function);
        let view = MixedView {
            times: self.samples.times(),
            values: self.samples.values(),
            histograms: &self.samples.histograms,
            cx,
        };
        let starts = [0, 1].map(|lane: usize| match counted {
            Some(delta) => Starts { ms: &self.starts[lane], delta },
            None => Starts::default(),
        });
        let mut tell = |text: &'static str| cx.warn(text);
        match (function, rate_kind(function)) {
            (_, Some(kind)) => native_rate::add_rates(kind, view, starts[1], spec, out, &mut tell)?,
            (Function::Irate | Function::Idelta, _) => {
                let is_rate = function == Function::Irate;
                native_rate::add_instants(is_rate, view, starts[1], spec, out, &mut tell);
            }
            (Function::Changes | Function::Resets, _) => {
                mixed::transitions(function == Function::Changes, view, starts, spec, out)?;
            }
            (Function::SumOverTime | Function::AvgOverTime, _) => {
                let mean = function == Function::AvgOverTime;
                if let Some(text) = mixed::add_histograms(mean, view, spec, out)? {
                    cx.warn(text);
                }
            }
            _ if takes_any(function) => mixed::apply(function, view, spec, out),
            _ if view.is_mixed(spec) => {
                cx.inform("ignored histograms in a range containing both floats and histograms");
            }
            _ => {}
        }
        Ok(())
    }
}

/// Returns how the function extrapolates, where it does.
fn rate_kind(function: Function) -> Option<RateKind> {
    match function {
        Function::Rate => Some(RateKind::RATE),
        Function::Increase => Some(RateKind::INCREASE),
        Function::Delta => Some(RateKind::DELTA),
        _ => None,
    }
}

impl Operator for RangeCall {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(self.begin(cx))
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(self.pull(cx, out))
    }
}
