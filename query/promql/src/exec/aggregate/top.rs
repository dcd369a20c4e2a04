//! `topk` and `bottomk`: per step and group, the k best samples in a heap.
//!
//! What passes keeps its own labels, so the output has the series of the input with gaps. In an
//! instant query the order of the result is the ranking, which is known only after everything was
//! read.

use std::cmp::Ordering;

use super::Grouping;
use crate::exec::context::{Context, LABELS_WORK, Reservation};
use crate::exec::operator::{Operator, Pull, Series};
use crate::exec::scalar::ScalarOperator;
use crate::exec::steps::Steps;
use crate::functions::range::Numbers;
use crate::query::{QueryError, Result};

/// `topk` or `bottomk`.
pub(crate) struct Top {
    child: Box<dyn Operator>,
    grouping: Grouping,
    k: ScalarOperator,
    largest: bool,
    steps: usize,
    /// The ranking is the order of the output.
    ranked: bool,
    /// Samples that passed, of each output series.
    passed: Option<Vec<Vec<(u32, f64)>>>,
    groups: Vec<u32>,
    group_count: usize,
    limits: Numbers,
    emitted: usize,
    held: Vec<Reservation>,
}

/// A sample in a heap.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    value: f64,
    series: u32,
}

impl Top {
    pub(crate) fn new(
        child: Box<dyn Operator>,
        grouping: Grouping,
        k: ScalarOperator,
        largest: bool,
        (steps, ranked): (usize, bool),
    ) -> Self {
        Self {
            child,
            grouping,
            k,
            largest,
            steps,
            ranked,
            passed: None,
            groups: Vec::new(),
            group_count: 0,
            limits: Numbers::Const(0.0),
            emitted: 0,
            held: Vec::new(),
        }
    }

    async fn begin(&mut self, cx: &Context) -> Result<Vec<Series>> {
        self.limits = self.k.evaluate(cx).await?;
        check_limits(&self.limits)?;
        let series = self.child.open(cx).await?;
        let (groups, labels) = self.grouping.groups(&series, cx)?;
        self.groups = groups;
        self.group_count = labels.len();
        if !self.ranked {
            return Ok(series);
        }
        let heaps = self.fill(cx).await?;
        let mut passed = Vec::new();
        let mut order = Vec::new();
        for heap in heaps {
            cx.work(heap.len() * LABELS_WORK)?;
            for candidate in self.sorted(heap) {
                order.push(series[candidate.series as usize].clone());
                passed.push(vec![(0, candidate.value)]);
            }
        }
        self.passed = Some(passed);
        Ok(order)
    }

    /// Returns the heaps of all groups and steps, groups first.
    async fn fill(&mut self, cx: &Context) -> Result<Vec<Vec<Candidate>>> {
        let count = self.group_count * self.steps;
        self.held.push(cx.reserve_bytes(count * size_of::<Vec<Candidate>>())?);
        let mut heaps: Vec<Vec<Candidate>> = vec![Vec::new(); count];
        let mut steps = Steps::default();
        let mut series = 0;
        let mut candidates = 0;
        while self.child.next(cx, &mut steps).await? {
            cx.work(self.steps)?;
            if !steps.histograms.is_empty() {
                let name = if self.largest { "topk" } else { "bottomk" };
                cx.inform(&format!("ignored histogram in {name} aggregation"));
            }
            let base = self.groups[series] as usize * self.steps;
            for step in steps.valid.iter() {
                let value = steps.values[step];
                let limit = self.limits.get(step);
                let candidate = Candidate { value, series: series as u32 };
                candidates += usize::from(self.offer(&mut heaps[base + step], candidate, limit));
            }
            series += 1;
            self.held.push(cx.reserve_samples(candidates * 2)?);
            candidates = 0;
        }
        Ok(heaps)
    }

    /// Offers a sample to a heap whose first element is the worst; `true` if the heap grew.
    fn offer(&self, heap: &mut Vec<Candidate>, candidate: Candidate, limit: f64) -> bool {
        if (heap.len() as f64) < limit.trunc() {
            heap.push(candidate);
            let mut at = heap.len() - 1;
            while at > 0 && self.rank(&heap[at], &heap[(at - 1) / 2]) == Ordering::Less {
                heap.swap(at, (at - 1) / 2);
                at = (at - 1) / 2;
            }
            return true;
        }
        let Some(worst) = heap.first().copied() else { return false };
        if self.rank(&worst, &candidate) == Ordering::Less {
            heap[0] = candidate;
            self.sink(heap);
        }
        false
    }

    fn sink(&self, heap: &mut [Candidate]) {
        let mut at = 0;
        loop {
            let children = [2 * at + 1, 2 * at + 2];
            let worst = children
                .into_iter()
                .filter(|child| *child < heap.len())
                .min_by(|a, b| self.rank(&heap[*a], &heap[*b]));
            match worst {
                Some(child) if self.rank(&heap[child], &heap[at]) == Ordering::Less => {
                    heap.swap(at, child);
                    at = child;
                }
                _ => return,
            }
        }
    }

    /// Orders candidates from worst to best. NaN is worst, and of equals the later one.
    fn rank(&self, a: &Candidate, b: &Candidate) -> Ordering {
        let by_value = match (a.value.is_nan(), b.value.is_nan()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // Neither is NaN, so there is an order; 0 and -0 are equal.
            (false, false) => a.value.partial_cmp(&b.value).unwrap_or(Ordering::Equal),
        };
        let nan = a.value.is_nan() || b.value.is_nan();
        let by_value = if self.largest || nan { by_value } else { by_value.reverse() };
        by_value.then_with(|| b.series.cmp(&a.series))
    }

    fn sorted(&self, mut heap: Vec<Candidate>) -> Vec<Candidate> {
        heap.sort_by(|a, b| self.rank(b, a));
        heap
    }

    async fn pull(&mut self, cx: &Context, out: &mut Steps) -> Result<bool> {
        if self.passed.is_none() {
            let heaps = self.fill(cx).await?;
            let mut passed = vec![Vec::new(); self.groups.len()];
            for (at, heap) in heaps.into_iter().enumerate() {
                cx.work(heap.len())?;
                let step = (at % self.steps) as u32;
                heap.iter().for_each(|c| passed[c.series as usize].push((step, c.value)));
            }
            self.passed = Some(passed);
        }
        let samples = self.passed.as_mut().and_then(|passed| passed.get_mut(self.emitted));
        let Some(samples) = samples else { return Ok(false) };
        self.emitted += 1;
        out.reset(self.steps);
        std::mem::take(samples).iter().for_each(|(step, value)| out.set(*step as usize, *value));
        Ok(true)
    }
}

/// Fails where a number of series is none.
pub(super) fn check_limits(limits: &Numbers) -> Result<()> {
    if limits.values().iter().any(|k| k.is_nan()) {
        return Err(QueryError::execution("Parameter value is NaN"));
    }
    for k in limits.values() {
        if *k <= i64::MIN as f64 {
            return Err(QueryError::execution(format!("Scalar value {k} underflows int64")));
        }
        if *k >= i64::MAX as f64 {
            return Err(QueryError::execution(format!("Scalar value {k} overflows int64")));
        }
    }
    Ok(())
}

impl Operator for Top {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(self.begin(cx))
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(self.pull(cx, out))
    }
}
