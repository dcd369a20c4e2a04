//! Compensated sums: Kahan's algorithm in Neumaier's form.
//!
//! `sum` and `avg` must survive `1e100 + 1 - 1e100`. The compensation of a sum that became infinite
//! is meaningless and is dropped, or it would turn the infinity into NaN.
//! (Neumaier 1974, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen".)

/// A running sum.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    pub(crate) sum: f64,
    pub(crate) low: f64,
}

impl Sum {
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        let total = self.sum + value;
        let (big, small) =
            if self.sum.abs() >= value.abs() { (self.sum, value) } else { (value, self.sum) };
        let low = self.low + ((big - total) + small);
        self.low = if total.is_infinite() { 0.0 } else { low };
        self.sum = total;
    }

    pub(crate) fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.low }
    }
}

/// A running mean: the sum over the count, until the sum overflows; from there on the incremental
/// mean, which is less exact but does not overflow.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mean {
    sum: Sum,
    count: f64,
    incremental: bool,
}

impl Mean {
    /// Returns the mean of so many zeros, to go on from.
    pub(crate) fn of_zeros(count: usize) -> Self {
        Self { count: count as f64, ..Self::default() }
    }

    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.sum.sum = value;
            return;
        }
        if !self.incremental {
            let mut next = self.sum;
            next.add(value);
            if !next.sum.is_infinite() {
                self.sum = next;
                return;
            }
            self.incremental = true;
            let before = self.count - 1.0;
            self.sum = Sum { sum: self.sum.sum / before, low: self.sum.low / before };
        }
        let weight = (self.count - 1.0) / self.count;
        self.sum = Sum { sum: weight * self.sum.sum, low: weight * self.sum.low };
        self.sum.add(value / self.count);
    }

    pub(crate) fn mean(self) -> f64 {
        if self.incremental {
            self.sum.sum + self.sum.low
        } else {
            self.sum.sum / self.count + self.sum.low / self.count
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Mean, Sum};

    fn sum(values: &[f64]) -> f64 {
        let mut sum = Sum::default();
        values.iter().for_each(|v| sum.add(*v));
        sum.total()
    }

    fn mean(values: &[f64]) -> f64 {
        let mut mean = Mean::default();
        values.iter().for_each(|v| mean.add(*v));
        mean.mean()
    }

    #[test]
    fn sums_keep_what_large_values_hide() {
        assert_eq!(sum(&[2.0, 8.0, 1e100, -1e100]), 10.0);
        assert_eq!(sum(&[1.0, f64::INFINITY, 2.0]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(sum(&[1.0, f64::NAN]).is_nan());
    }

    #[test]
    fn means_survive_an_overflow() {
        let big = 1.5e308;
        assert_eq!(mean(&[big, big, big, big]), big);
        assert_eq!(mean(&[-big, big]), 0.0);
        assert_eq!(mean(&[f64::INFINITY, 0.0, f64::INFINITY]), f64::INFINITY);
        assert!(mean(&[f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(mean(&[52.0; 12]), 52.0);
    }
}
