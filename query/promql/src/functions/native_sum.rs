//! Sums and means of native histograms, as careful as those of floats.
//!
//! A histogram is a layout and a list of numbers (count, zero bucket, sum, buckets). Each number has
//! a running total of its own. Histograms of the same schema, zero threshold and bounds only differ
//! in which buckets they have, and missing ones count as zero; anything else goes through
//! [`crate::histogram::add`], which rearranges buckets, and starts new totals there.

use std::sync::Arc;

use tarn_model::sample::{Counts, Histogram};

use super::sum::{Mean, Sum};
use crate::histogram::{Incompatible, add, combined_hint};

/// A number that is added up.
#[derive(Debug, Clone, Copy)]
enum Running {
    Sum(Sum),
    Mean(Mean),
}

impl Running {
    /// Returns the state after `count` zeros.
    fn zeros(mean: bool, count: usize) -> Self {
        if mean { Self::Mean(Mean::of_zeros(count)) } else { Self::Sum(Sum::default()) }
    }

    fn add(&mut self, value: f64) {
        match self {
            Self::Sum(sum) => sum.add(value),
            Self::Mean(mean) => mean.add(value),
        }
    }

    fn finish(self) -> f64 {
        match self {
            Self::Sum(sum) => sum.total(),
            Self::Mean(mean) => mean.mean(),
        }
    }
}

/// Histograms that are added one by one.
#[derive(Debug, Clone)]
pub(crate) struct HistogramSum {
    /// The layout; its numbers are not looked at.
    layout: Histogram,
    /// Count, zero bucket and sum.
    totals: [Running; 3],
    /// The buckets of the layout.
    buckets: Vec<Running>,
    mean: bool,
    added: usize,
}

impl HistogramSum {
    /// Starts a sum, or a mean, with one histogram.
    pub(crate) fn new(mean: bool, first: &Histogram) -> Self {
        let zero = Running::zeros(mean, 0);
        let mut sum = Self {
            layout: first.clone(),
            totals: [zero; 3],
            buckets: vec![zero; first.bucket_count()],
            mean,
            added: 0,
        };
        sum.add_numbers(first);
        sum
    }

    /// Adds a histogram.
    pub(crate) fn add(&mut self, histogram: &Histogram) -> Result<(), Incompatible> {
        let layout = &self.layout;
        let same = layout.schema == histogram.schema
            && layout.bounds == histogram.bounds
            && layout.zero_threshold == histogram.zero_threshold;
        if !same {
            return self.add_rearranged(histogram);
        }
        if layout.positive != histogram.positive || layout.negative != histogram.negative {
            self.take_buckets_of(histogram);
        }
        self.layout.reset_hint = combined_hint(self.layout.reset_hint, histogram.reset_hint).0;
        self.add_numbers(histogram);
        Ok(())
    }

    /// Adds the numbers of a histogram whose buckets the layout has.
    fn add_numbers(&mut self, histogram: &Histogram) {
        let numbers = [histogram.count(), histogram.zero_count(), histogram.sum];
        self.totals.iter_mut().zip(numbers).for_each(|(total, v)| total.add(v));
        let positive = self.layout.positive.len();
        let (ours, theirs) = (&self.layout, histogram);
        for (at, bucket) in self.buckets.iter_mut().enumerate() {
            let found = if at < positive {
                theirs.positive.binary_search(&ours.positive[at]).ok()
            } else {
                let index = ours.negative[at - positive];
                theirs.negative.binary_search(&index).ok().map(|at| theirs.positive.len() + at)
            };
            bucket.add(found.map_or(0.0, |at| theirs.bucket(at)));
        }
        self.added += 1;
    }

    /// Extends the layout by the buckets that a histogram has besides.
    fn take_buckets_of(&mut self, histogram: &Histogram) {
        let zeros = Running::zeros(self.mean, self.added);
        let mut buckets = std::mem::take(&mut self.buckets).into_iter();
        let mut joined = Vec::new();
        for (ours, theirs) in [
            (&mut self.layout.positive, &histogram.positive),
            (&mut self.layout.negative, &histogram.negative),
        ] {
            let mut all: Vec<i32> = ours.iter().chain(theirs).copied().collect();
            all.sort_unstable();
            all.dedup();
            for index in &all {
                let known = ours.binary_search(index).is_ok();
                joined.push(if known { buckets.next().unwrap_or(zeros) } else { zeros });
            }
            *ours = all;
        }
        self.buckets = joined;
    }

    fn add_rearranged(&mut self, histogram: &Histogram) -> Result<(), Incompatible> {
        let count = self.added as f64;
        let so_far = self.clone().result();
        // A mean so far stands for as many histograms as it was made of.
        let factor = if self.mean { count } else { 1.0 };
        let weighed = super::native::scaled(&so_far, factor);
        let sum = add(&weighed, histogram)?.histogram;
        let added = self.added + 1;
        let sum = if self.mean { super::native::divided(&sum, added as f64) } else { sum };
        // The same histogram as often as were added has the same mean.
        *self = Self::new(self.mean, &sum);
        for _ in 1..if self.mean { added } else { 1 } {
            self.add_numbers(&sum);
        }
        self.added = added;
        Ok(())
    }

    fn result(self) -> Histogram {
        let [count, zero, sum] = self.totals.map(Running::finish);
        let buckets = self.buckets.into_iter().map(Running::finish).collect();
        Histogram { sum, counts: Counts::Float { count, zero, buckets }, ..self.layout }
    }

    /// Returns the sum, or the mean.
    pub(crate) fn finish(self) -> Arc<Histogram> {
        Arc::new(self.result())
    }
}

#[cfg(test)]
mod tests {
    use super::HistogramSum;
    use crate::notation::{Value, parse_series_line};

    fn run(mean: bool, line: &str) -> String {
        let line = parse_series_line(line).expect("notation");
        let mut histograms = line.values.iter().flatten().map(|value| match value {
            Value::Histogram { histogram, .. } => histogram,
            Value::Float(_) => unreachable!("only histograms are written"),
        });
        let mut sum = HistogramSum::new(mean, histograms.next().expect("one at least"));
        histograms.for_each(|h| sum.add(h).expect("layouts combine"));
        let h = sum.finish();
        let buckets: Vec<f64> = (0..h.bucket_count()).map(|at| h.bucket(at)).collect();
        format!("{} {} {:?} {buckets:?}", h.count(), h.sum, h.positive)
    }

    #[test]
    fn sums_are_compensated_and_layouts_joined() {
        for (mean, line, expected) in [
            (
                false,
                "h {{sum:1 count:1}} {{sum:1e100 count:1}} {{sum:1 count:1}} {{sum:-1e100 count:1}}",
                "4 2 [] []",
            ),
            (true, "h {{sum:1e15 count:1}} {{sum:3e15 count:3}}", "2 2000000000000000 [] []"),
            (
                false,
                "h {{count:1 buckets:[1]}} {{count:2 buckets:[2] offset:2}}",
                "3 0 [0, 2] [1.0, 2.0]",
            ),
            (
                true,
                "h {{count:1 buckets:[1]}} {{count:3 buckets:[3] offset:2}}",
                "2 0 [0, 2] [0.5, 1.5]",
            ),
            (
                true,
                "h {{schema:1 count:2 buckets:[2]}} {{count:2 buckets:[2]}} {{count:5 buckets:[5]}}",
                "3 0 [0] [3.0]",
            ),
        ] {
            assert_eq!(run(mean, line), expected, "{line}");
        }
    }
}
