//! The state of groups: one row of numbers per group and quantity, one number per step.
//!
//! Rows lie in flat vectors, so adding a series is a loop over two slices; for a series without
//! gaps it has no branch and vectorises. Where a lane starts from NaN or 0, the first sample needs
//! no case of its own.

use crate::ast::AggregateOp;
use crate::exec::context::Context;
use crate::exec::steps::{Bits, Steps};
use crate::functions::quantile::quantile;
use crate::functions::range::Numbers;
use crate::functions::sum::Sum;
use crate::query::Result;

/// The groups of one aggregation.
pub(crate) struct Accumulator {
    steps: usize,
    present: Vec<Bits>,
    state: State,
}

enum State {
    Sum { sum: Vec<f64>, low: Vec<f64> },
    Mean(Means),
    Extreme { best: Vec<f64>, largest: bool },
    Count(Vec<f64>),
    Group,
    Variance { count: Vec<f64>, mean: Vec<f64>, squares: Vec<f64>, root: bool },
    Quantile { input: Vec<Vec<Steps>>, q: Numbers },
}

impl Accumulator {
    pub(crate) fn new(op: AggregateOp, groups: usize, steps: usize, param: Numbers) -> Self {
        let lane = |value: f64| vec![value; groups * steps];
        let state = match op {
            AggregateOp::Avg => State::Mean(Means {
                sum: lane(0.0),
                low: lane(0.0),
                count: lane(0.0),
                incremental: vec![Bits::default(); groups],
            }),
            AggregateOp::Min => State::Extreme { best: lane(f64::NAN), largest: false },
            AggregateOp::Max => State::Extreme { best: lane(f64::NAN), largest: true },
            AggregateOp::Count => State::Count(lane(0.0)),
            AggregateOp::Group => State::Group,
            AggregateOp::Stddev | AggregateOp::Stdvar => State::Variance {
                count: lane(0.0),
                mean: lane(0.0),
                squares: lane(0.0),
                root: op == AggregateOp::Stddev,
            },
            AggregateOp::Quantile => State::Quantile { input: vec![Vec::new(); groups], q: param },
            // Starts from the negative zero, so that a sum of negative zeros stays one.
            _ => State::Sum { sum: lane(-0.0), low: lane(0.0) },
        };
        Self { steps, present: vec![Bits::new(steps); groups], state }
    }

    /// Returns how many numbers per group and step the state of an operator takes.
    pub(crate) fn lanes(op: AggregateOp) -> usize {
        match op {
            AggregateOp::Group | AggregateOp::Quantile => 0,
            AggregateOp::Min | AggregateOp::Max | AggregateOp::Count => 1,
            AggregateOp::Sum => 2,
            _ => 3,
        }
    }

    /// Returns whether every series that is added is held.
    pub(crate) fn holds_input(&self) -> bool {
        matches!(self.state, State::Quantile { .. })
    }

    /// Adds a series to a group.
    pub(crate) fn add(&mut self, group: usize, series: &Steps) {
        self.present[group].union(&series.valid);
        let base = group * self.steps;
        let values = &series.values;
        match &mut self.state {
            State::Group => {}
            State::Mean(means) => means.add(group, base, series),
            State::Quantile { input, .. } => input[group].push(series.clone()),
            State::Sum { sum, low } => series.valid.for_each_run(|run| {
                let to = base + run.start..base + run.end;
                add_sums(&mut sum[to.clone()], &mut low[to], &values[run]);
            }),
            State::Extreme { best, largest } => series.valid.for_each_run(|run| {
                let to = best[base + run.start..base + run.end].iter_mut().zip(&values[run]);
                if *largest {
                    to.for_each(|(b, v)| *b = if *v > *b || b.is_nan() { *v } else { *b });
                } else {
                    to.for_each(|(b, v)| *b = if *v < *b || b.is_nan() { *v } else { *b });
                }
            }),
            State::Count(count) => series.valid.for_each_run(|run| {
                count[base + run.start..base + run.end].iter_mut().for_each(|c| *c += 1.0);
            }),
            State::Variance { count, mean, squares, .. } => {
                for step in series.valid.iter() {
                    let (at, value) = (base + step, values[step]);
                    count[at] += 1.0;
                    let delta = value - mean[at];
                    mean[at] += delta / count[at];
                    squares[at] += delta * (value - mean[at]);
                }
            }
        }
    }

    /// Writes the result of a group into `out`, which is empty.
    ///
    /// # Errors
    /// The query must stop.
    pub(crate) fn finish(&mut self, group: usize, out: &mut Steps, cx: &Context) -> Result<()> {
        std::mem::swap(&mut out.valid, &mut self.present[group]);
        let row = group * self.steps..(group + 1) * self.steps;
        let to = out.values.iter_mut();
        match &mut self.state {
            State::Sum { sum, low } => {
                let pairs = sum[row.clone()].iter().zip(&low[row]);
                to.zip(pairs).for_each(|(to, (s, l))| *to = Sum { sum: *s, low: *l }.total());
            }
            State::Mean(means) => to.zip(row).for_each(|(to, at)| *to = means.mean(group, at)),
            State::Extreme { best, .. } => out.values.copy_from_slice(&best[row]),
            State::Count(count) => out.values.copy_from_slice(&count[row]),
            State::Group => out.values.fill(1.0),
            State::Variance { count, squares, root, .. } => {
                for (to, at) in to.zip(row) {
                    let variance = squares[at] / count[at];
                    *to = if *root { variance.sqrt() } else { variance };
                }
            }
            State::Quantile { input, q } => {
                let input = std::mem::take(&mut input[group]);
                let mut column = Vec::with_capacity(input.len());
                for step in out.valid.iter() {
                    cx.work(input.len())?;
                    column.clear();
                    let present = input.iter().filter(|s| s.valid.get(step));
                    column.extend(present.map(|s| s.values[step]));
                    out.values[step] = quantile(q.get(step), &mut column);
                }
            }
        }
        Ok(())
    }
}

/// Adds values to compensated sums; the loop is [`Sum::add`] without branches.
fn add_sums(sums: &mut [f64], lows: &mut [f64], values: &[f64]) {
    for ((sum, low), value) in sums.iter_mut().zip(lows).zip(values) {
        let mut pair = Sum { sum: *sum, low: *low };
        pair.add(*value);
        (*sum, *low) = (pair.sum, pair.low);
    }
}

/// Running means; see [`crate::functions::sum::Mean`] for the switch to the incremental one.
struct Means {
    sum: Vec<f64>,
    low: Vec<f64>,
    count: Vec<f64>,
    /// Steps of each group that switched; of length 0 where none did.
    incremental: Vec<Bits>,
}

impl Means {
    fn add(&mut self, group: usize, base: usize, series: &Steps) {
        let Self { sum, low, count, incremental } = self;
        let switched = &mut incremental[group];
        series.valid.for_each_run(|run| {
            let values = &series.values[run.clone()];
            let to = base + run.start..base + run.end;
            let sums = &mut sum[to.clone()];
            let finite = sums.iter().zip(values).all(|(s, v)| !(s + v).is_infinite());
            if finite && *switched == Bits::default() {
                add_sums(sums, &mut low[to.clone()], values);
                count[to].iter_mut().for_each(|c| *c += 1.0);
                return;
            }
            if *switched == Bits::default() {
                *switched = Bits::new(series.values.len());
            }
            for (value, step) in values.iter().zip(run) {
                let at = base + step;
                let mut one = Sum { sum: sum[at], low: low[at] };
                count[at] += 1.0;
                add_one(&mut one, count[at], *value, switched, step);
                (sum[at], low[at]) = (one.sum, one.low);
            }
        });
    }

    fn mean(&self, group: usize, at: usize) -> f64 {
        let (sum, low, count) = (self.sum[at], self.low[at], self.count[at]);
        let switched = &self.incremental[group];
        if *switched != Bits::default()
            && switched.get(at % (self.sum.len() / self.incremental.len()))
        {
            sum + low
        } else {
            sum / count + low / count
        }
    }
}

/// Adds one value to the mean of `count` values, this one included.
fn add_one(sum: &mut Sum, count: f64, value: f64, switched: &mut Bits, step: usize) {
    if count == 1.0 {
        sum.sum = value;
        return;
    }
    if !switched.get(step) {
        let mut next = *sum;
        next.add(value);
        if !next.sum.is_infinite() {
            *sum = next;
            return;
        }
        switched.set(step);
        *sum = Sum { sum: sum.sum / (count - 1.0), low: sum.low / (count - 1.0) };
    }
    let weight = (count - 1.0) / count;
    *sum = Sum { sum: weight * sum.sum, low: weight * sum.low };
    sum.add(value / count);
}

#[cfg(test)]
mod tests;
