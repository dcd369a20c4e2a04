//! The unit of evaluation: one series over all steps of a query.
//!
//! A step vector has a float lane, dense with a bitmap of valid steps, and a sparse histogram lane.
//! A step is never in both. Values at invalid steps are arbitrary, so that arithmetic can run over
//! the whole vector without looking at the bitmap.

use std::sync::Arc;

use tarn_model::sample::Histogram;

use crate::query::{QueryError, Result};

/// The times at which an expression is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) start_ms: i64,
    pub(crate) step_ms: i64,
    pub(crate) steps: usize,
}

impl Grid {
    /// Returns the grid with the one step `time_ms`.
    pub(crate) fn once(time_ms: i64) -> Self {
        Self { start_ms: time_ms, step_ms: 1, steps: 1 }
    }

    /// Returns all times `start + i × step` up to `end`.
    pub(crate) fn until(start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        let span = end_ms.saturating_sub(start_ms);
        let steps = if span < 0 { 0 } else { span / step_ms + 1 };
        Self { start_ms, step_ms, steps: usize::try_from(steps).unwrap_or(usize::MAX) }
    }

    pub(crate) fn time(&self, step: usize) -> i64 {
        self.start_ms.saturating_add((step as i64).saturating_mul(self.step_ms))
    }

    pub(crate) fn times(&self) -> impl Iterator<Item = i64> + '_ {
        (0..self.steps).map(|i| self.time(i))
    }
}

/// A set of steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    pub(crate) fn new(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    /// Makes the set empty, over `len` steps.
    pub(crate) fn reset(&mut self, len: usize) {
        self.words.clear();
        self.words.resize(len.div_ceil(64), 0);
        self.len = len;
    }

    /// Puts all steps into the set.
    pub(crate) fn fill(&mut self) {
        self.words.fill(u64::MAX);
        let tail = self.len % 64;
        if let Some(last) = self.words.last_mut().filter(|_| tail > 0) {
            *last = (1 << tail) - 1;
        }
    }

    pub(crate) fn get(&self, at: usize) -> bool {
        self.words[at / 64] >> (at % 64) & 1 == 1
    }

    pub(crate) fn set(&mut self, at: usize) {
        self.words[at / 64] |= 1 << (at % 64);
    }

    pub(crate) fn unset(&mut self, at: usize) {
        self.words[at / 64] &= !(1 << (at % 64));
    }

    pub(crate) fn any(&self) -> bool {
        self.words.iter().any(|w| *w != 0)
    }

    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    pub(crate) fn union(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a |= b);
    }

    pub(crate) fn intersect(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= b);
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= !b);
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }

    /// Iterates over the steps of the set in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    at * 64 + bit
                })
            })
        })
    }

    /// Calls `run` for the set as few ranges of consecutive steps: kernels are loops over slices.
    pub(crate) fn for_each_run(&self, mut run: impl FnMut(std::ops::Range<usize>)) {
        let mut start = None;
        for (at, word) in self.words.iter().enumerate() {
            let base = at * 64;
            match (*word, start) {
                (u64::MAX, None) => start = Some(base),
                (u64::MAX, Some(_)) | (0, None) => {}
                (word, _) => {
                    for bit in 0..64.min(self.len - base) {
                        match (word >> bit & 1 == 1, start) {
                            (true, None) => start = Some(base + bit),
                            (false, Some(first)) => {
                                run(first..base + bit);
                                start = None;
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
        if let Some(first) = start {
            run(first..self.len);
        }
    }
}

/// One series over all steps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps {
    /// Floats, one per step.
    pub(crate) values: Vec<f64>,
    /// Steps with a float.
    pub(crate) valid: Bits,
    /// Steps with a histogram, in order.
    pub(crate) histograms: Vec<(u32, Arc<Histogram>)>,
}

/// Bytes of one step of a series: the value and its bit.
pub(crate) const STEP_BYTES: u64 = 9;

impl Steps {
    /// Makes the vector empty, over `steps` steps.
    pub(crate) fn reset(&mut self, steps: usize) {
        // Values at invalid steps may be anything, so old ones need not be cleared.
        self.values.resize(steps, 0.0);
        self.valid.reset(steps);
        self.histograms.clear();
    }

    pub(crate) fn set(&mut self, step: usize, value: f64) {
        self.values[step] = value;
        self.valid.set(step);
    }

    /// Returns whether no step has a sample.
    pub(crate) fn is_empty(&self) -> bool {
        self.histograms.is_empty() && !self.valid.any()
    }

    /// Returns the steps that have a sample of either kind.
    pub(crate) fn present(&self) -> Bits {
        let mut bits = self.valid.clone();
        self.histograms.iter().for_each(|(step, _)| bits.set(*step as usize));
        bits
    }

    /// Keeps only the samples at the given steps.
    pub(crate) fn keep(&mut self, steps: &Bits) {
        self.valid.intersect(steps);
        self.histograms.retain(|(step, _)| steps.get(*step as usize));
    }

    /// Fails where there is a histogram: `construct` cannot answer for it.
    pub(crate) fn floats_only(&self, construct: &str) -> Result<()> {
        if self.histograms.is_empty() { Ok(()) } else { Err(QueryError::histograms(construct)) }
    }

    /// Adds the samples of a series that shares no step with this one; `false` if they overlap.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        if self.present().overlaps(&other.present()) {
            return false;
        }
        for step in other.valid.iter() {
            self.set(step, other.values[step]);
        }
        self.histograms.extend(other.histograms.iter().cloned());
        self.histograms.sort_by_key(|(step, _)| *step);
        true
    }
}

#[cfg(test)]
mod tests;
