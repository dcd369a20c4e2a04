//! Results against expectations, with the tolerance of the script language.

use std::sync::Arc;

use tarn_model::sample::{Histogram, is_stale};

use super::command::Expected;
use crate::notation::{SeriesLine, Value};
use crate::query::{MatrixSeries, QueryValue, SampleValue, VectorSample};

/// Relative tolerance of floats.
const TOLERANCE: f64 = 1e-6;

/// Returns whether two floats are equal enough.
pub(super) fn floats_equal(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

fn histograms_equal(a: &Histogram, b: &Histogram) -> bool {
    let buckets = |h: &Histogram| -> Vec<(bool, i32, f64)> {
        let indexes =
            h.positive.iter().map(|i| (true, *i)).chain(h.negative.iter().map(|i| (false, *i)));
        let counted = indexes.enumerate().map(|(at, (side, index))| (side, index, h.bucket(at)));
        counted.filter(|(.., count)| *count != 0.0).collect()
    };
    let (left, right) = (buckets(a), buckets(b));
    a.schema == b.schema
        && a.bounds == b.bounds
        && a.zero_threshold == b.zero_threshold
        && floats_equal(a.count(), b.count())
        && floats_equal(a.sum, b.sum)
        && floats_equal(a.zero_count(), b.zero_count())
        && left.len() == right.len()
        && left.iter().zip(&right).all(|(l, r)| (l.0, l.1) == (r.0, r.1) && floats_equal(l.2, r.2))
}

fn values_equal(got: &SampleValue, expected: &Value) -> bool {
    match (got, expected) {
        (SampleValue::Float(got), Value::Float(expected)) => floats_equal(*got, *expected),
        (SampleValue::Histogram(got), Value::Histogram { histogram, .. }) => {
            histograms_equal(got, histogram)
        }
        _ => false,
    }
}

/// Compares the result of an instant query.
pub(super) fn instant(got: &QueryValue, expected: &Expected, ordered: bool) -> Result<(), String> {
    match (got, expected) {
        (QueryValue::Scalar { value, .. }, Expected::Scalar(expected)) => scalar(*value, *expected),
        (QueryValue::String { value, .. }, Expected::Text(expected)) => {
            if **value == **expected {
                Ok(())
            } else {
                Err(format!("expected {expected:?}, got {value:?}"))
            }
        }
        (QueryValue::Vector { samples, .. }, Expected::Series(lines)) => {
            vector(samples, lines, ordered)
        }
        (QueryValue::Matrix(matrix), Expected::Matrix { start_ms, end_ms, step_ms, series }) => {
            let times = |at: usize| start_ms + at as i64 * step_ms;
            let steps = (end_ms - start_ms) / step_ms + 1;
            range(matrix, series, &times, steps as usize)
        }
        (got, _) => Err(format!("result is of another kind: {got:?}")),
    }
}

/// Compares a scalar.
pub(super) fn scalar(got: f64, expected: f64) -> Result<(), String> {
    if floats_equal(got, expected) {
        Ok(())
    } else {
        Err(format!("expected {expected}, got {got}"))
    }
}

/// Compares the elements of an instant vector.
pub(super) fn vector(
    samples: &[VectorSample],
    lines: &[SeriesLine],
    ordered: bool,
) -> Result<(), String> {
    if samples.len() != lines.len() {
        return Err(format!("expected {} elements, got {samples:?}", lines.len()));
    }
    for (at, line) in lines.iter().enumerate() {
        let found = samples.iter().position(|s| s.labels == line.labels);
        let Some(found) = found else {
            return Err(format!("{} is missing in {samples:?}", line.labels));
        };
        if ordered && found != at {
            return Err(format!("{} is at position {found}, expected {at}", line.labels));
        }
        let expected = line.values.first().and_then(Option::as_ref);
        if !expected.is_some_and(|expected| values_equal(&samples[found].value, expected)) {
            let got = &samples[found].value;
            return Err(format!("{}: expected {expected:?}, got {got:?}", line.labels));
        }
    }
    Ok(())
}

/// Compares a matrix; value `i` of a line belongs to the time `times(i)`.
pub(super) fn range(
    matrix: &[MatrixSeries],
    lines: &[SeriesLine],
    times: &dyn Fn(usize) -> i64,
    steps: usize,
) -> Result<(), String> {
    if !matrix.is_sorted_by(|a, b| a.labels < b.labels) {
        return Err("series are not sorted by labels".to_owned());
    }
    let expected_series = lines.iter().filter(|l| l.values.iter().any(Option::is_some)).count();
    if matrix.len() != expected_series {
        return Err(format!("expected {expected_series} series, got {matrix:?}"));
    }
    for line in lines {
        if line.values.len() > steps {
            return Err(format!("{} has more values than steps", line.labels));
        }
        let expected: Vec<(i64, &Value)> = line
            .values
            .iter()
            .enumerate()
            .filter_map(|(at, value)| Some((times(at), value.as_ref()?)))
            .collect();
        if expected.is_empty() {
            continue;
        }
        let Some(series) = matrix.iter().find(|s| s.labels == line.labels) else {
            return Err(format!("{} is missing in {matrix:?}", line.labels));
        };
        let got = points(series);
        let same = got.len() == expected.len()
            && got.iter().zip(&expected).all(|(g, e)| g.0 == e.0 && values_equal(&g.1, e.1));
        if !same {
            return Err(format!("{}: expected {expected:?}, got {got:?}", line.labels));
        }
    }
    Ok(())
}

/// Returns all points of a series in time order.
pub(super) fn points(series: &MatrixSeries) -> Vec<(i64, SampleValue)> {
    let floats = series.floats.iter().map(|(t, v)| (*t, SampleValue::Float(*v)));
    let histograms = series.histograms.iter();
    let histograms = histograms.map(|(t, h)| (*t, SampleValue::Histogram(Arc::clone(h))));
    let mut points: Vec<_> = floats.chain(histograms).collect();
    points.sort_by_key(|(time, _)| *time);
    points
}
