//! Straight lines and smoothed trends through the samples of a window.

use super::sum::Sum;

/// A straight line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// Per second.
    pub(crate) slope: f64,
    /// At the time that was asked for.
    pub(crate) intercept: f64,
}

/// Fits a line by least squares; x counts seconds from `origin_ms`.
pub(crate) fn linear_regression(times: &[i64], values: &[f64], origin_ms: i64) -> Line {
    let first = values[0];
    if values.iter().all(|v| *v == first) {
        // A constant is exact, and an infinite one has no slope.
        let flat = if first.is_infinite() { f64::NAN } else { 0.0 };
        return Line { slope: flat, intercept: first + flat };
    }
    let (mut x, mut y) = (Sum::default(), Sum::default());
    let (mut xy, mut xx) = (Sum::default(), Sum::default());
    for (time, value) in times.iter().zip(values) {
        let at = (time - origin_ms) as f64 / 1e3;
        x.add(at);
        y.add(*value);
        xy.add(at * value);
        xx.add(at * at);
    }
    let full = |sum: Sum| sum.sum + sum.low;
    let (n, x, y, xy, xx) = (values.len() as f64, full(x), full(y), full(xy), full(xx));
    let slope = (xy - x * y / n) / (xx - x * x / n);
    Line { slope, intercept: y / n - slope * x / n }
}

/// Returns the last value of the series smoothed by Holt's double exponential smoothing.
pub(crate) fn smooth(values: &[f64], smoothing: f64, trend_factor: f64) -> f64 {
    let (mut before, mut current) = (0.0, values[0]);
    let mut trend = values[1] - values[0];
    for (at, value) in values.iter().enumerate().skip(1) {
        if at > 1 {
            trend = trend_factor * (current - before) + (1.0 - trend_factor) * trend;
        }
        let next = smoothing * value + (1.0 - smoothing) * (current + trend);
        (before, current) = (current, next);
    }
    current
}
