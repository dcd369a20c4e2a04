//! Native histograms in aggregations: `sum` and `avg` add them, `count` and `group` count them, the
//! others leave them out and tell the user.

use std::collections::BTreeMap;

use tarn_model::map::HashMap;

use crate::ast::AggregateOp;
use crate::exec::arithmetic::MIXED_LAYOUTS;
use crate::exec::context::Context;
use crate::exec::steps::Steps;
use crate::functions::native_sum::HistogramSum;

/// The histograms of each group, by step. Empty where there are none, which is nearly always.
#[derive(Debug, Default)]
pub(super) struct HistogramGroups {
    sums: HashMap<u32, BTreeMap<u32, Added>>,
}

/// What a step of a group has come to; `None`: layouts that do not combine, so no result.
type Added = Option<Box<HistogramSum>>;

impl HistogramGroups {
    /// Adds the histograms of a series to its group, or turns them into what the float lane takes.
    /// Returns the bytes that are held from now on.
    pub(super) fn add(
        &mut self,
        op: AggregateOp,
        group: u32,
        series: &mut Steps,
        cx: &Context,
    ) -> usize {
        let mut bytes = 0;
        match op {
            AggregateOp::Count | AggregateOp::Group => series.valid = series.present(),
            AggregateOp::Sum | AggregateOp::Avg => {
                let sums = self.sums.entry(group).or_default();
                for (step, histogram) in series.histograms.drain(..) {
                    let Some(added) = sums.get_mut(&step) else {
                        bytes += histogram.bytes();
                        let sum = HistogramSum::new(op == AggregateOp::Avg, &histogram);
                        sums.insert(step, Some(Box::new(sum)));
                        continue;
                    };
                    if let Some(sum) = added
                        && sum.add(&histogram).is_err()
                    {
                        cx.warn(MIXED_LAYOUTS);
                        *added = None;
                    }
                }
            }
            _ => cx.inform(&format!("ignored histogram in {} aggregation", op.as_str())),
        }
        series.histograms.clear();
        bytes
    }

    /// Adds the histograms of a group to its result. A step with both kinds has none.
    pub(super) fn finish(&mut self, group: u32, out: &mut Steps, cx: &Context) {
        for (step, added) in self.sums.remove(&group).unwrap_or_default() {
            if out.valid.get(step as usize) {
                out.valid.unset(step as usize);
                cx.warn("encountered a mix of histograms and floats for aggregation");
            } else if let Some(sum) = added {
                out.histograms.push((step, sum.finish()));
            }
        }
    }
}
