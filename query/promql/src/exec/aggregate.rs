//! Aggregations: series stream in, each is added to its group, groups stream out.
//!
//! The group of a series is an integer computed from its labels before any sample is read. Memory
//! is groups × steps for sums and the like, and k × groups × steps for `topk`; only `quantile` must
//! hold its input. No aggregation depends on the order of series but for rounding.

use std::sync::Arc;

use tarn_model::labels::{Label, LabelSet};
use tarn_model::map::HashMap;

use super::context::{Context, HISTOGRAM_WORK, LABELS_WORK, Reservation};
use super::operator::{Operator, Pull, Series, is_metadata};
use super::scalar::ScalarOperator;
use super::steps::Steps;
use crate::ast::AggregateOp;
use crate::functions::range::Numbers;
use crate::query::{QueryError, Result};

mod accumulate;
mod count_values;
mod histograms;
mod limit;
mod top;

pub(crate) use count_values::CountValues;
pub(crate) use limit::Limit;
pub(crate) use top::Top;

use accumulate::Accumulator;
use histograms::HistogramGroups;

/// The labels by which series are grouped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grouping {
    /// Group by all labels but these and the metric's name.
    pub(crate) without: bool,
    /// The labels, sorted.
    pub(crate) labels: Vec<Arc<str>>,
}

impl Grouping {
    pub(crate) fn new(without: bool, labels: &[Arc<str>]) -> Self {
        let mut labels = labels.to_vec();
        labels.sort();
        labels.dedup();
        Self { without, labels }
    }

    fn names(&self, name: &str) -> bool {
        self.labels.binary_search_by(|l| (**l).cmp(name)).is_ok()
    }

    fn keeps(&self, label: &Label) -> bool {
        if self.without {
            !is_metadata(&label.name) && !self.names(&label.name)
        } else {
            self.names(&label.name)
        }
    }

    /// Returns the labels of the group of a series.
    pub(crate) fn labels(&self, series: &Series) -> LabelSet {
        LabelSet::from_sorted(series.iter().filter(|l| self.keeps(l)).cloned().collect())
    }

    /// Returns the group of each series, and the labels of each group in order of appearance.
    pub(crate) fn groups(
        &self,
        series: &[Series],
        cx: &Context,
    ) -> Result<(Vec<u32>, Vec<LabelSet>)> {
        let mut ids: HashMap<Vec<u8>, u32> = HashMap::default();
        let (mut groups, mut labels) = (Vec::with_capacity(series.len()), Vec::new());
        let mut key = Vec::new();
        for one in series {
            cx.work(LABELS_WORK)?;
            key.clear();
            for label in one.iter().filter(|l| self.keeps(l)) {
                // No label contains 0xff, which is not UTF-8.
                key.extend_from_slice(label.name.as_bytes());
                key.push(0xff);
                key.extend_from_slice(label.value.as_bytes());
                key.push(0xff);
            }
            let id = match ids.get(&key) {
                Some(id) => *id,
                None => {
                    let id = labels.len() as u32;
                    ids.insert(key.clone(), id);
                    labels.push(self.labels(one));
                    id
                }
            };
            groups.push(id);
        }
        Ok((groups, labels))
    }
}

/// `sum`, `avg`, `min`, `max`, `count`, `group`, `stddev`, `stdvar`, `quantile`.
pub(crate) struct Aggregate {
    child: Box<dyn Operator>,
    op: AggregateOp,
    grouping: Grouping,
    param: Option<ScalarOperator>,
    steps: usize,
    groups: Vec<u32>,
    group_count: usize,
    accumulator: Option<Accumulator>,
    histograms: HistogramGroups,
    emitted: usize,
    held: Vec<Reservation>,
}

impl Aggregate {
    pub(crate) fn new(
        child: Box<dyn Operator>,
        op: AggregateOp,
        grouping: Grouping,
        param: Option<ScalarOperator>,
        steps: usize,
    ) -> Self {
        Self {
            child,
            op,
            grouping,
            param,
            steps,
            groups: Vec::new(),
            group_count: 0,
            accumulator: None,
            histograms: HistogramGroups::default(),
            emitted: 0,
            held: Vec::new(),
        }
    }

    async fn begin(&mut self, cx: &Context) -> Result<Vec<Series>> {
        let param = match &mut self.param {
            Some(param) => param.evaluate(cx).await?,
            None => Numbers::Const(f64::NAN),
        };
        let series = self.child.open(cx).await?;
        let (groups, labels) = self.grouping.groups(&series, cx)?;
        self.groups = groups;
        self.group_count = labels.len();
        let lanes = Accumulator::lanes(self.op);
        self.held.push(cx.reserve_samples(labels.len() * self.steps * lanes)?);
        self.accumulator = Some(Accumulator::new(self.op, labels.len(), self.steps, param));
        Ok(labels.into_iter().map(Series::new).collect())
    }

    async fn consume(&mut self, cx: &Context, out: &mut Steps) -> Result<()> {
        let Some(accumulator) = &mut self.accumulator else {
            return Err(QueryError::execution("aggregation was not opened"));
        };
        let mut at = 0;
        while self.child.next(cx, out).await? {
            cx.work(self.steps + out.histograms.len() * HISTOGRAM_WORK)?;
            if !out.histograms.is_empty() {
                let bytes = self.histograms.add(self.op, self.groups[at], out, cx);
                self.held.push(cx.reserve_bytes(bytes)?);
            }
            if accumulator.holds_input() {
                self.held.push(cx.reserve_samples(self.steps)?);
            }
            accumulator.add(self.groups[at] as usize, out);
            at += 1;
        }
        Ok(())
    }

    async fn pull(&mut self, cx: &Context, out: &mut Steps) -> Result<bool> {
        if self.emitted == 0 {
            self.consume(cx, out).await?;
        }
        if self.emitted == self.group_count {
            return Ok(false);
        }
        cx.work(self.steps)?;
        out.reset(self.steps);
        if let Some(accumulator) = &mut self.accumulator {
            accumulator.finish(self.emitted, out, cx)?;
        }
        self.histograms.finish(self.emitted as u32, out, cx);
        self.emitted += 1;
        Ok(true)
    }
}

impl Operator for Aggregate {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(self.begin(cx))
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(self.pull(cx, out))
    }
}
