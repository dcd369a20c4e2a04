//! Operators that turn one series into one: functions of a sample, arithmetic with a scalar.

use std::sync::Arc;

use tarn_model::sample::Histogram;

use super::arithmetic::{Operation, drop_untrimmed, histograms_with_numbers, with_numbers};
use super::context::Context;
use super::operator::{Operator, Pull, Series};
use super::scalar::ScalarOperator;
use super::steps::{Grid, Steps};
use crate::functions::native::scaled;
use crate::functions::native_quantile;
use crate::functions::range::Numbers;
use crate::functions::signature::{Function, Signature};
use crate::functions::{math, time};
use crate::query::Result;

/// What happens to each series.
pub(crate) enum MapKind {
    /// A function of one sample.
    Call(&'static Signature),
    /// `-v`
    Negate,
    /// Only the name goes.
    DropName,
    /// `v + 1`, or with `numbers_left` `1 + v`.
    Arithmetic {
        /// What is computed.
        operation: Operation,
        /// The scalar is on the left-hand side.
        numbers_left: bool,
    },
}

/// One series in, one out.
pub(crate) struct Map {
    child: Box<dyn Operator>,
    kind: MapKind,
    args: Vec<ScalarOperator>,
    params: Vec<Numbers>,
    grid: Grid,
}

impl Map {
    pub(crate) fn new(
        child: Box<dyn Operator>,
        kind: MapKind,
        args: Vec<ScalarOperator>,
        grid: Grid,
    ) -> Self {
        Self { child, kind, args, params: Vec::new(), grid }
    }

    async fn begin(&mut self, cx: &Context) -> Result<Vec<Series>> {
        for arg in &mut self.args {
            self.params.push(arg.evaluate(cx).await?);
        }
        let mut series = self.child.open(cx).await?;
        let drops = match &self.kind {
            MapKind::Arithmetic { operation, .. } => operation.drops_name(),
            MapKind::Call(_) | MapKind::Negate | MapKind::DropName => true,
        };
        if drops {
            series.iter_mut().for_each(|s| s.drop_name(cx.delayed_names()));
        }
        Ok(series)
    }

    async fn pull(&mut self, cx: &Context, out: &mut Steps) -> Result<bool> {
        if !self.child.next(cx, out).await? {
            return Ok(false);
        }
        cx.work(out.values.len())?;
        match &self.kind {
            MapKind::DropName => {}
            MapKind::Call(signature) => self.call(signature, out)?,
            MapKind::Negate => {
                out.values.iter_mut().for_each(|v| *v = -*v);
                for (_, histogram) in &mut out.histograms {
                    *histogram = Arc::new(scaled(histogram, -1.0));
                }
            }
            MapKind::Arithmetic { operation, numbers_left } => {
                drop_untrimmed(operation.op, out, cx);
                with_numbers(*operation, out, &self.params[0], *numbers_left);
                if !out.histograms.is_empty() {
                    let numbers = &self.params[0];
                    histograms_with_numbers(*operation, out, numbers, *numbers_left, cx);
                }
            }
        }
        Ok(true)
    }

    fn call(&self, signature: &Signature, out: &mut Steps) -> Result<()> {
        let function = signature.function;
        if function == Function::Timestamp {
            // Directly on a selector the sample's own time is picked there.
            out.valid = out.present();
            for step in 0..self.grid.steps {
                out.values[step] = self.grid.time(step) as f64 / 1000.0;
            }
            out.histograms.clear();
        } else if function == Function::StartTimestamp {
            // What was computed began nowhere.
            out.reset(self.grid.steps);
        } else if math::apply(function, out, &self.params) || time::apply(function, out) {
            // Functions of numbers have no result for histograms, and nobody is told, as upstream.
            out.histograms.clear();
        } else {
            return self.of_histograms(signature, out);
        }
        Ok(())
    }

    /// Takes a number out of each histogram; floats have no result.
    fn of_histograms(&self, signature: &Signature, out: &mut Steps) -> Result<()> {
        let number: fn(&Histogram) -> f64 = match signature.function {
            Function::HistogramCount => Histogram::count,
            Function::HistogramSum => |h| h.sum,
            Function::HistogramAvg => |h| h.sum / h.count(),
            Function::HistogramStdvar => native_quantile::variance,
            Function::HistogramStddev => |h| native_quantile::variance(h).sqrt(),
            _ => {
                out.floats_only(&format!("{}()", signature.name))?;
                |_| f64::NAN
            }
        };
        let histograms = std::mem::take(&mut out.histograms);
        out.reset(self.grid.steps);
        histograms.iter().for_each(|(step, h)| out.set(*step as usize, number(h)));
        Ok(())
    }
}

impl Operator for Map {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(self.begin(cx))
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(self.pull(cx, out))
    }
}
