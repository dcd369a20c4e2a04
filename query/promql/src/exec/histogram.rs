//! Functions of histograms. Native ones come as samples; the buckets of a classic one come as series
//! with a label `le`.
//!
//! Series that differ only in `le` make one histogram. Their counts are held as a matrix of buckets
//! × steps per histogram, sorted by bound once; each step then takes one column.

use std::sync::Arc;

use tarn_model::labels::{LE, LabelSet};
use tarn_model::map::HashMap;
use tarn_model::sample::Histogram;

use super::context::{Context, Reservation};
use super::operator::{Operator, Pull, Series};
use super::scalar::ScalarOperator;
use super::steps::Steps;
use crate::functions::buckets::{Bucket, fraction, quantile};
use crate::functions::native_quantile;
use crate::functions::number::open_metrics;
use crate::functions::range::Numbers;
use crate::query::Result;

/// What is computed of each histogram.
#[derive(Debug, Clone)]
pub(crate) enum HistogramKind {
    /// `histogram_quantile(q, v)`
    Quantile,
    /// `histogram_fraction(lower, upper, v)`
    Fraction,
    /// `histogram_quantiles(v, "label", q…)`: one series per quantile, named by the label.
    Quantiles(Arc<str>),
}

/// Told where a series of numbers is no bucket.
const BAD_BOUND: &str = "bucket label \"le\" is missing or has a malformed value";

/// A function of histograms.
pub(crate) struct HistogramCall {
    child: Box<dyn Operator>,
    kind: HistogramKind,
    name: &'static str,
    args: Vec<ScalarOperator>,
    params: Vec<Numbers>,
    steps: usize,
    /// The histogram of each input series, and the bound where the series is a bucket.
    inputs: Vec<(usize, Option<f64>)>,
    histograms: Vec<Vec<(f64, Steps)>>,
    /// Native histograms that came as samples, by step.
    natives: Vec<Vec<(u32, Arc<Histogram>)>>,
    read: bool,
    emitted: usize,
    held: Vec<Reservation>,
}

impl HistogramCall {
    pub(crate) fn new(
        child: Box<dyn Operator>,
        kind: HistogramKind,
        name: &'static str,
        args: Vec<ScalarOperator>,
        steps: usize,
    ) -> Self {
        Self {
            child,
            kind,
            name,
            args,
            params: Vec::new(),
            steps,
            inputs: Vec::new(),
            histograms: Vec::new(),
            natives: Vec::new(),
            read: false,
            emitted: 0,
            held: Vec::new(),
        }
    }

    async fn begin(&mut self, cx: &Context) -> Result<Vec<Series>> {
        for arg in &mut self.args {
            self.params.push(arg.evaluate(cx).await?);
        }
        let mut ids: HashMap<LabelSet, usize> = HashMap::default();
        let mut series = Vec::new();
        for one in self.child.open(cx).await? {
            let bound = one.value(LE).parse::<f64>().ok();
            let labels = if bound.is_some() { one.shown().with(LE, "") } else { one.shown() };
            let next = series.len();
            let id = *ids.entry(labels.clone()).or_insert(next);
            if id == next {
                let mut histogram = one.relabelled(labels);
                histogram.drop_name(cx.delayed_names());
                series.push(histogram);
            }
            self.inputs.push((id, bound));
        }
        self.natives.resize_with(series.len(), Vec::new);
        self.histograms.resize_with(series.len(), Vec::new);
        Ok(match &self.kind {
            HistogramKind::Quantiles(label) => self.named_quantiles(&series, label),
            _ => series,
        })
    }

    fn named_quantiles(&self, series: &[Series], label: &str) -> Vec<Series> {
        let named = |one: &Series, q: &Numbers| {
            one.relabelled(one.shown().with(label, &open_metrics(q.get(0))))
        };
        let all = series.iter().flat_map(|one| self.params.iter().map(move |q| named(one, q)));
        all.collect()
    }

    async fn read_buckets(&mut self, cx: &Context) -> Result<()> {
        let mut steps = Steps::default();
        let mut at = 0;
        while self.child.next(cx, &mut steps).await? {
            cx.work(self.steps)?;
            let (histogram, bound) = self.inputs[at];
            match bound {
                Some(bound) if steps.valid.any() => {
                    self.held.push(cx.reserve_samples(self.steps)?);
                    self.histograms[histogram].push((bound, steps.clone()));
                }
                None if steps.valid.any() => cx.warn(BAD_BOUND),
                _ => {}
            }
            if bound.is_some() {
                // A native histogram has no bound; both at once is nothing that anybody writes.
                steps.floats_only(&format!("{}() with a label le", self.name))?;
            }
            let bytes: usize = steps.histograms.iter().map(|(_, h)| h.bytes()).sum();
            self.held.push(cx.reserve_bytes(bytes)?);
            self.natives[histogram].append(&mut steps.histograms);
            at += 1;
        }
        for histogram in &mut self.histograms {
            histogram.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        }
        Ok(())
    }

    fn classic(&self, histogram: usize, q: usize, out: &mut Steps, cx: &Context) -> Result<()> {
        let mut column = Vec::new();
        for step in 0..self.steps {
            cx.work(self.histograms[histogram].len())?;
            column.clear();
            let rows = self.histograms[histogram].iter().filter(|(_, s)| s.valid.get(step));
            column.extend(rows.map(|(bound, s)| Bucket { bound: *bound, count: s.values[step] }));
            if column.is_empty() {
                continue;
            }
            let param = |at: usize| self.params[at].get(step);
            let value = match self.kind {
                HistogramKind::Fraction => fraction(param(0), param(1), &mut column),
                HistogramKind::Quantile | HistogramKind::Quantiles(_) => {
                    quantile(param(q), &mut column)
                }
            };
            out.set(step, value);
        }
        Ok(())
    }

    /// Adds the native histograms; a step that has a classic one as well has no result.
    fn native(&self, histogram: usize, q: usize, out: &mut Steps, cx: &Context) {
        for (step, native) in &self.natives[histogram] {
            let step = *step as usize;
            if out.valid.get(step) {
                out.valid.unset(step);
                cx.warn("vector contains a mix of classic and native histograms");
                continue;
            }
            let param = |at: usize| self.params[at].get(step);
            let value = match self.kind {
                HistogramKind::Fraction => native_quantile::fraction(param(0), param(1), native),
                HistogramKind::Quantile | HistogramKind::Quantiles(_) => {
                    native_quantile::quantile(param(q), native)
                }
            };
            out.set(step, value);
        }
    }

    async fn pull(&mut self, cx: &Context, out: &mut Steps) -> Result<bool> {
        if !std::mem::replace(&mut self.read, true) {
            self.read_buckets(cx).await?;
        }
        let per_histogram = match self.kind {
            HistogramKind::Quantiles(_) => self.params.len(),
            _ => 1,
        };
        let histogram = self.emitted / per_histogram;
        if histogram == self.histograms.len() {
            return Ok(false);
        }
        out.reset(self.steps);
        self.classic(histogram, self.emitted % per_histogram, out, cx)?;
        self.native(histogram, self.emitted % per_histogram, out, cx);
        self.emitted += 1;
        Ok(true)
    }
}

impl Operator for HistogramCall {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(self.begin(cx))
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(self.pull(cx, out))
    }
}
