//! `count_values`: how often each value occurs.
//!
//! The one aggregation whose output series are not known from labels: values become labels. So it
//! reads everything before it can tell its series.

use std::sync::Arc;

use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;

use super::Grouping;
use crate::exec::context::{Context, LABELS_WORK, Reservation};
use crate::exec::operator::{Operator, Pull, Series};
use crate::exec::steps::Steps;
use crate::functions::native::text as native_text;
use crate::print::number::fixed;
use crate::query::Result;

/// `count_values("label", v)`.
pub(crate) struct CountValues {
    child: Box<dyn Operator>,
    /// Grouping by everything but the label of the values.
    grouping: Grouping,
    /// The label of the values; `None` where `without` names it.
    label: Option<Arc<str>>,
    steps: usize,
    counts: Vec<Steps>,
    emitted: usize,
    held: Vec<Reservation>,
}

impl CountValues {
    pub(crate) fn new(
        child: Box<dyn Operator>,
        mut grouping: Grouping,
        label: &Arc<str>,
        steps: usize,
    ) -> Self {
        let mut shown = Some(Arc::clone(label));
        if grouping.without {
            if grouping.names(label) {
                shown = None;
            } else {
                let labels = [&grouping.labels[..], &[Arc::clone(label)]].concat();
                grouping = Grouping::new(true, &labels);
            }
        } else {
            grouping.labels.retain(|l| l != label);
        }
        let (counts, held) = (Vec::new(), Vec::new());
        Self { child, grouping, label: shown, steps, counts, emitted: 0, held }
    }

    async fn begin(&mut self, cx: &Context) -> Result<Vec<Series>> {
        let series = self.child.open(cx).await?;
        let (groups, labels) = self.grouping.groups(&series, cx)?;
        let mut outputs = Outputs::default();
        let mut steps = Steps::default();
        let mut groups = groups.into_iter();
        while self.child.next(cx, &mut steps).await? {
            let Some(group) = groups.next() else { break };
            cx.work((steps.valid.count() + steps.histograms.len()) * LABELS_WORK)?;
            let named = |text: &str| match &self.label {
                Some(label) => labels[group as usize].with(label, text),
                None => labels[group as usize].clone(),
            };
            let mut counted = Vec::with_capacity(self.steps);
            for step in steps.valid.iter() {
                let value = steps.values[step];
                counted.push((step, outputs.of(group, value, || named(&fixed(value)))));
            }
            for (step, histogram) in &steps.histograms {
                let output = outputs.of_labels(named(&native_text(histogram)));
                counted.push((*step as usize, output));
            }
            self.count(&counted, cx)?;
        }
        Ok(outputs.order.into_iter().map(Series::new).collect())
    }
}

impl CountValues {
    /// Counts samples, given as step and output series.
    fn count(&mut self, samples: &[(usize, usize)], cx: &Context) -> Result<()> {
        for (step, output) in samples {
            if *output == self.counts.len() {
                self.held.push(cx.reserve_samples(self.steps)?);
                let mut counts = Steps::default();
                counts.reset(self.steps);
                self.counts.push(counts);
            }
            let counts = &mut self.counts[*output];
            let before = if counts.valid.get(*step) { counts.values[*step] } else { 0.0 };
            counts.set(*step, before + 1.0);
        }
        Ok(())
    }
}

/// The output series found so far.
#[derive(Default)]
struct Outputs {
    by_value: HashMap<(u32, u64), usize>,
    by_labels: HashMap<LabelSet, usize>,
    order: Vec<LabelSet>,
}

impl Outputs {
    /// Returns the output series of a value in a group.
    fn of(&mut self, group: u32, value: f64, labels: impl FnOnce() -> LabelSet) -> usize {
        // All NaN print the same.
        let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
        if let Some(output) = self.by_value.get(&(group, bits)) {
            return *output;
        }
        let output = self.of_labels(labels());
        self.by_value.insert((group, bits), output);
        output
    }

    /// Returns the output series with these labels.
    fn of_labels(&mut self, labels: LabelSet) -> usize {
        let order = &mut self.order;
        *self.by_labels.entry(labels).or_insert_with_key(|labels| {
            order.push(labels.clone());
            order.len() - 1
        })
    }
}

impl Operator for CountValues {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(self.begin(cx))
    }

    fn next<'a>(&'a mut self, _: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(async move {
            let Some(counts) = self.counts.get_mut(self.emitted) else { return Ok(false) };
            self.emitted += 1;
            *out = std::mem::take(counts);
            Ok(true)
        })
    }
}
