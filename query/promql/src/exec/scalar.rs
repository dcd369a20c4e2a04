//! Scalars: one number per step, known before any series of their consumer is read.

use super::arithmetic::compute;
use super::context::Context;
use super::operator::{Operator, Pull};
use super::steps::{Grid, Steps};
use crate::ast::BinaryOp;
use crate::functions::math::{go_max, go_min};
use crate::functions::range::Numbers;
use crate::query::Result;

/// A scalar expression over vectors that are planned, or running.
pub(crate) enum Scalar<V> {
    /// A number.
    Const(f64),
    /// `time()`: the time of the step in seconds.
    Time(Grid),
    /// `-x`
    Negate(Box<Self>),
    /// `a + b`
    Binary(BinaryOp, Box<Self>, Box<Self>),
    /// `max_of(a, b)`, `min_of(a, b)`
    Extreme(Box<Self>, Box<Self>, bool),
    /// `scalar(v)`: the only element of a vector, else NaN.
    OnlyElement(V, Grid),
}

/// A running scalar expression.
pub(crate) type ScalarOperator = Scalar<Box<dyn Operator>>;

impl<V> Scalar<V> {
    /// Returns the expression with its vectors turned into something else.
    pub(crate) fn map<W>(self, f: &mut dyn FnMut(V) -> Result<W>) -> Result<Scalar<W>> {
        Ok(match self {
            Self::Const(value) => Scalar::Const(value),
            Self::Time(grid) => Scalar::Time(grid),
            Self::Negate(inner) => Scalar::Negate(Box::new(inner.map(f)?)),
            Self::Binary(op, lhs, rhs) => {
                Scalar::Binary(op, Box::new(lhs.map(f)?), Box::new(rhs.map(f)?))
            }
            Self::Extreme(lhs, rhs, largest) => {
                Scalar::Extreme(Box::new(lhs.map(f)?), Box::new(rhs.map(f)?), largest)
            }
            Self::OnlyElement(vector, grid) => Scalar::OnlyElement(f(vector)?, grid),
        })
    }
}

impl ScalarOperator {
    /// Computes the scalar at all steps.
    pub(crate) fn evaluate<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Numbers> {
        Box::pin(async move {
            Ok(match self {
                Self::Const(value) => Numbers::Const(*value),
                Self::Time(grid) => {
                    Numbers::Each(grid.times().map(|t| t as f64 / 1000.0).collect())
                }
                Self::Negate(inner) => each(inner.evaluate(cx).await?, |v| -v),
                Self::Binary(op, lhs, rhs) => {
                    let (lhs, rhs) = (lhs.evaluate(cx).await?, rhs.evaluate(cx).await?);
                    zip(&lhs, &rhs, |a, b| compute(*op, a, b))
                }
                Self::Extreme(lhs, rhs, largest) => {
                    let (lhs, rhs) = (lhs.evaluate(cx).await?, rhs.evaluate(cx).await?);
                    zip(&lhs, &rhs, |a, b| if *largest { go_max(a, b) } else { go_min(a, b) })
                }
                Self::OnlyElement(child, grid) => only_element(child.as_mut(), *grid, cx).await?,
            })
        })
    }
}

fn each(numbers: Numbers, f: impl Fn(f64) -> f64) -> Numbers {
    match numbers {
        Numbers::Const(value) => Numbers::Const(f(value)),
        Numbers::Each(values) => Numbers::Each(values.into_iter().map(f).collect()),
    }
}

fn zip(lhs: &Numbers, rhs: &Numbers, f: impl Fn(f64, f64) -> f64) -> Numbers {
    let steps = match (lhs, rhs) {
        (Numbers::Const(a), Numbers::Const(b)) => return Numbers::Const(f(*a, *b)),
        (Numbers::Each(values), _) | (_, Numbers::Each(values)) => values.len(),
    };
    Numbers::Each((0..steps).map(|step| f(lhs.get(step), rhs.get(step))).collect())
}

async fn only_element(child: &mut dyn Operator, grid: Grid, cx: &Context) -> Result<Numbers> {
    let _held = cx.reserve_samples(grid.steps)?;
    let mut elements = vec![0_u32; grid.steps];
    let mut values = vec![f64::NAN; grid.steps];
    let mut steps = Steps::default();
    child.open(cx).await?;
    while child.next(cx, &mut steps).await? {
        // Histograms are no candidates.
        for step in steps.valid.iter() {
            elements[step] += 1;
            values[step] = if elements[step] == 1 { steps.values[step] } else { f64::NAN };
        }
    }
    Ok(Numbers::Each(values))
}
