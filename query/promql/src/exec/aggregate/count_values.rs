//! `count_values`: how often each value occurs.
//!
//! The one aggregation whose output series are not known from labels: values become labels. So it
//! reads everything before it can tell its series.

use std::sync::Arc;

use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;

use super::Grouping;
use crate::exec::context::{Context, Reservation};
use crate::exec::operator::{Operator, Pull, Series};
use crate::exec::steps::Steps;
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
        let (groups, labels) = self.grouping.groups(&series);
        let mut outputs: HashMap<LabelSet, usize> = HashMap::default();
        let mut known: HashMap<(u32, u64), usize> = HashMap::default();
        let mut order = Vec::new();
        let mut steps = Steps::default();
        let mut at = 0;
        while self.child.next(cx, &mut steps).await? {
            steps.floats_only("count_values")?;
            let group = groups[at];
            at += 1;
            for step in steps.valid.iter() {
                let value = steps.values[step];
                // All NaN print the same.
                let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
                let output = match known.get(&(group, bits)) {
                    Some(output) => *output,
                    None => {
                        let base = &labels[group as usize];
                        let labels = match &self.label {
                            Some(label) => base.with(label, &fixed(value)),
                            None => base.clone(),
                        };
                        let next = order.len();
                        let output = *outputs.entry(labels.clone()).or_insert(next);
                        if output == next {
                            self.held.push(cx.reserve_samples(self.steps)?);
                            let mut counts = Steps::default();
                            counts.reset(self.steps);
                            self.counts.push(counts);
                            order.push(Series::new(labels));
                        }
                        known.insert((group, bits), output);
                        output
                    }
                };
                let counts = &mut self.counts[output];
                let before = if counts.valid.get(step) { counts.values[step] } else { 0.0 };
                counts.set(step, before + 1.0);
            }
        }
        Ok(order)
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
