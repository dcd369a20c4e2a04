//! What every function over a range sees, and the numbers that come with it.

use crate::exec::context::Context;
use crate::exec::steps::Steps;
use crate::exec::window::{WindowSpec, Windows};
use crate::query::Result;

/// A scalar argument over all steps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Numbers {
    /// The same at every step.
    Const(f64),
    /// One per step.
    Each(Vec<f64>),
}

impl Numbers {
    pub(crate) fn get(&self, step: usize) -> f64 {
        match self {
            Self::Const(value) => *value,
            Self::Each(values) => values[step],
        }
    }

    /// Iterates over the different values that occur: all of them, or the constant.
    pub(crate) fn values(&self) -> &[f64] {
        match self {
            Self::Const(value) => std::slice::from_ref(value),
            Self::Each(values) => values,
        }
    }
}

/// The float samples of one series and the windows over them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RangeView<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) values: &'a [f64],
    pub(crate) windows: &'a Windows,
    pub(crate) spec: &'a WindowSpec,
    /// Scalar arguments in the order of the call.
    pub(crate) params: &'a [Numbers],
    /// Told of the work of each window.
    pub(crate) cx: &'a Context,
}

/// The samples of one window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) values: &'a [f64],
    pub(crate) step: usize,
}

impl<'a> RangeView<'a> {
    /// Calls `value` for each window with at least `samples_min` samples.
    ///
    /// # Errors
    /// The query must stop.
    pub(crate) fn each(
        &self,
        samples_min: usize,
        out: &mut Steps,
        mut value: impl FnMut(Window<'a>) -> Option<f64>,
    ) -> Result<()> {
        for (step, range) in self.windows.iter().enumerate() {
            if range.len() < samples_min {
                continue;
            }
            self.cx.work(range.len())?;
            let (times, values) = (&self.times[range.clone()], &self.values[range]);
            if let Some(value) = value(Window { times, values, step }) {
                out.set(step, value);
            }
        }
        Ok(())
    }
}
