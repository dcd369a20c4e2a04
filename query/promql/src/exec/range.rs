//! Functions over ranges: windows over stored samples or over the points of a subquery.

use std::sync::Arc;

use super::context::{Context, Reservation};
use super::operator::{Operator, Pull, Series};
use super::samples::SeriesSamples;
use super::scalar::ScalarOperator;
use super::select::Leaf;
use super::steps::{Bits, Grid, Steps};
use super::window::{Shared, WindowSpec, Windows};
use crate::functions::mixed::{self, MixedView, takes_any, takes_floats};
use crate::functions::over_time;
use crate::functions::range::{Numbers, RangeView};
use crate::functions::rate::{RateKind, RateShape};
use crate::functions::signature::{Function, Signature};
use crate::query::{QueryError, Result};

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
        self.refuse_unanswered(cx)?;
        self.compute(cx, out)?;
        Ok(true)
    }

    fn compute(&mut self, cx: &Context, out: &mut Steps) -> Result<()> {
        let spec = self.spec;
        let kind = match self.signature.function {
            Function::Rate => Some(RateKind::RATE),
            Function::Increase => Some(RateKind::INCREASE),
            Function::Delta => Some(RateKind::DELTA),
            _ => None,
        };
        let (times, values) = (self.samples.times(), self.samples.values());
        if let Some(kind) = kind {
            let shape = self.shape.get(&self.samples, |times, shape| shape.fill(times, &spec));
            shape.apply(kind, spec.range_ms, values, &mut self.resets, out);
            return Ok(());
        }
        let histograms = &self.samples.histograms;
        let mixed = MixedView { times, values, histograms };
        let function = self.signature.function;
        if !histograms.is_empty() && takes_any(function) {
            mixed::apply(function, mixed, &spec, out);
            return Ok(());
        }
        let windows = self.windows.get(&self.samples, |times, to| spec.fill(times, to));
        let view = RangeView { times, values, windows, spec: &self.spec, params: &self.params };
        over_time::apply(function, &view, out)?;
        if !histograms.is_empty() {
            if let Some(warning) = match function {
                Function::SumOverTime => mixed::add_histograms(false, mixed, &spec, out),
                Function::AvgOverTime => mixed::add_histograms(true, mixed, &spec, out),
                _ => None,
            } {
                cx.warn(warning);
            } else if takes_floats(function) && mixed.is_mixed(&spec) {
                cx.inform("ignored histograms in a range containing both floats and histograms");
            }
        }
        Ok(())
    }

    /// Fails where an answer would need what is not computed yet: histograms inside a window of a
    /// function that looks into them, or start timestamps where they count.
    fn refuse_unanswered(&self, cx: &Context) -> Result<()> {
        let name = self.signature.name;
        let function = self.signature.function;
        let takes = takes_any(function)
            || takes_floats(function)
            || matches!(function, Function::SumOverTime | Function::AvgOverTime);
        if !self.samples.histograms.is_empty() && !takes {
            let times: Vec<i64> = self.samples.histograms.iter().map(|(t, _)| *t).collect();
            if self.spec.windows(&times).iter().any(|window| !window.is_empty()) {
                return Err(QueryError::histograms(&format!("{name}()")));
            }
        }
        let counts = matches!(
            self.signature.function,
            Function::Rate | Function::Increase | Function::Irate | Function::Resets
        );
        if counts && self.samples.has_starts && cx.params.options.use_start_timestamps {
            return Err(QueryError::Unsupported(format!(
                "start timestamps in {name}() are not answered yet"
            )));
        }
        Ok(())
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
