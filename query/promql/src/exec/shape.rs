//! Operators that move samples without computing: scalars as vectors, values repeated over all
//! steps, series that merge, absence.

use std::sync::Arc;

use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;

use super::context::{Context, Reservation};
use super::operator::{Operator, Pull, Series, same_names};
use super::scalar::ScalarOperator;
use super::steps::{Bits, Steps};
use crate::query::{QueryError, Result};

/// `vector(s)`: the scalar as a series without labels.
pub(crate) struct FromScalar {
    scalar: ScalarOperator,
    steps: usize,
    done: bool,
}

impl FromScalar {
    pub(crate) fn new(scalar: ScalarOperator, steps: usize) -> Self {
        Self { scalar, steps, done: false }
    }
}

impl Operator for FromScalar {
    fn open<'a>(&'a mut self, _: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(async { Ok(vec![Series::new(LabelSet::default())]) })
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(async move {
            if std::mem::replace(&mut self.done, true) {
                return Ok(false);
            }
            let numbers = self.scalar.evaluate(cx).await?;
            out.reset(self.steps);
            out.valid.fill();
            out.values.iter_mut().enumerate().for_each(|(step, v)| *v = numbers.get(step));
            Ok(true)
        })
    }
}

/// A subtree that does not depend on the step: computed once, repeated at every step.
pub(crate) struct Repeat {
    child: Box<dyn Operator>,
    steps: usize,
    once: Steps,
}

impl Repeat {
    pub(crate) fn new(child: Box<dyn Operator>, steps: usize) -> Self {
        Self { child, steps, once: Steps::default() }
    }
}

impl Operator for Repeat {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        self.child.open(cx)
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(async move {
            if !self.child.next(cx, &mut self.once).await? {
                return Ok(false);
            }
            out.reset(self.steps);
            if self.once.valid.any() {
                out.valid.fill();
                out.values.fill(self.once.values[0]);
            }
            if let Some((_, histogram)) = self.once.histograms.first() {
                out.histograms
                    .extend((0..self.steps as u32).map(|step| (step, Arc::clone(histogram))));
            }
            Ok(true)
        })
    }
}

/// `absent(v)`: 1 at the steps at which no series has a sample.
pub(crate) struct Absent {
    child: Box<dyn Operator>,
    labels: LabelSet,
    steps: usize,
    done: bool,
}

impl Absent {
    pub(crate) fn new(child: Box<dyn Operator>, labels: LabelSet, steps: usize) -> Self {
        Self { child, labels, steps, done: false }
    }
}

impl Operator for Absent {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(async move {
            self.child.open(cx).await?;
            Ok(vec![Series::new(self.labels.clone())])
        })
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(async move {
            if std::mem::replace(&mut self.done, true) {
                return Ok(false);
            }
            let mut present = Bits::new(self.steps);
            while self.child.next(cx, out).await? {
                cx.work(self.steps)?;
                present.union(&out.present());
            }
            out.reset(self.steps);
            out.valid.fill();
            out.valid.subtract(&present);
            out.values.fill(1.0);
            Ok(true)
        })
    }
}

/// Error of two samples with the same labels at the same time.
pub(crate) const SAME_LABELS: &str = "vector cannot contain metrics with the same labelset";

/// Merges series that have the same labels after a name or a label changed. Those that never meet
/// in time become one series; two samples at the same step are an error. Nearly always there is
/// nothing to merge, and then series pass through without being held.
pub(crate) struct Merge {
    child: Box<dyn Operator>,
    overlap: &'static str,
    /// Names become final here.
    last: bool,
    /// The child did no more than drop names.
    names_only: bool,
    /// The slot of each series that shares its labels; empty: there is none.
    slots: Vec<Option<usize>>,
    merged: Vec<Steps>,
    held: Vec<Reservation>,
    pulled: usize,
    emitted: usize,
}

impl Merge {
    pub(crate) fn new(child: Box<dyn Operator>, overlap: &'static str) -> Self {
        Self {
            child,
            overlap,
            last: false,
            names_only: false,
            slots: Vec::new(),
            merged: Vec::new(),
            held: Vec::new(),
            pulled: 0,
            emitted: 0,
        }
    }

    /// Makes the operator above one that only drops names.
    pub(crate) fn names(child: Box<dyn Operator>) -> Self {
        Self { names_only: true, ..Self::new(child, SAME_LABELS) }
    }

    /// Makes the operator at the root of a query.
    pub(crate) fn last(child: Box<dyn Operator>) -> Self {
        Self { last: true, ..Self::names(child) }
    }

    /// Finds the series that share their labels. Those that do not come first in the result, since
    /// they need not wait for the others.
    fn plan(&mut self, series: Vec<Series>) -> Vec<Series> {
        let mut seen: HashMap<LabelSet, (usize, usize)> = HashMap::default();
        for (at, one) in series.iter().enumerate() {
            seen.entry(one.shown()).or_insert((at, 0)).1 += 1;
        }
        if seen.len() == series.len() {
            return series;
        }
        let mut slot_of: HashMap<usize, usize> = HashMap::default();
        let (mut single, mut shared) = (Vec::new(), Vec::new());
        for one in series {
            let (first, count) = seen[&one.shown()];
            if count == 1 {
                self.slots.push(None);
                single.push(one);
                continue;
            }
            let slot = *slot_of.entry(first).or_insert_with(|| {
                shared.push(one);
                shared.len() - 1
            });
            self.slots.push(Some(slot));
        }
        self.merged.resize_with(shared.len(), Steps::default);
        single.append(&mut shared);
        single
    }

    async fn pull(&mut self, cx: &Context, out: &mut Steps) -> Result<bool> {
        while self.child.next(cx, out).await? {
            cx.work(out.values.len())?;
            let slot = self.slots.get(self.pulled).copied().flatten();
            self.pulled += 1;
            let Some(slot) = slot else { return Ok(true) };
            let merged = &mut self.merged[slot];
            if merged.values.is_empty() {
                self.held.push(cx.reserve_samples(out.values.len())?);
                *merged = out.clone();
            } else if !merged.merge(out) {
                return Err(QueryError::execution(self.overlap));
            }
        }
        let Some(merged) = self.merged.get_mut(self.emitted) else { return Ok(false) };
        self.emitted += 1;
        *out = std::mem::take(merged);
        Ok(true)
    }
}

impl Operator for Merge {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(async move {
            let mut series = self.child.open(cx).await?;
            if self.last {
                series.iter_mut().for_each(Series::settle);
            }
            if self.names_only && same_names(&series) {
                return Ok(series);
            }
            Ok(self.plan(series))
        })
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        if self.slots.is_empty() {
            // Nothing merges: the child's series are ours.
            return self.child.next(cx, out);
        }
        Box::pin(self.pull(cx, out))
    }
}
