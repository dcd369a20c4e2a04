//! What is expected against what is there.

use tarn_model::labels::LabelSet;
use tarn_model::sample::{Histogram, ResetHint};
use tarn_query::promql::notation::Value as Point;
use tarn_query::promql::print;
use tarn_query::promql::query::SampleValue;

use super::run::time;
use super::{AlertTest, ExprTest, Failure};
use crate::state::{Active, Sample};

/// Compares alerts as sets of labels and annotations.
pub(super) fn alerts(
    test: &AlertTest,
    firing: &[&Active],
    pending: &[String],
    known: bool,
) -> Option<Failure> {
    let mut got: Vec<(LabelSet, LabelSet)> =
        firing.iter().map(|alert| (alert.labels.clone(), alert.annotations.clone())).collect();
    let what = format!("alert {} at {}", test.name, time(test.at_ms));
    let mut failure = compare(&test.expected, &mut got, |a, b| a == b, shown_alert, shown_alert)?;
    failure.line = test.line;
    failure.what = what;
    if !known {
        let of = test.group.as_ref().map_or(String::new(), |group| format!(" in group {group:?}"));
        failure.note = Some(format!("no rule{of} has an alert of this name"));
    } else if !pending.is_empty() {
        failure.note = Some(pending.join("; "));
    }
    Some(failure)
}

fn shown_alert(alert: &(LabelSet, LabelSet)) -> String {
    let (labels, annotations) = alert;
    match annotations.is_empty() {
        true => labels.to_string(),
        false => format!("{labels}  annotations {annotations}"),
    }
}

/// Compares the answer to an expression.
pub(super) fn samples(
    test: &ExprTest,
    got: Result<Vec<Sample>, String>,
    fuzzy: bool,
) -> Option<Failure> {
    let what = format!("expr {:?} at {}", test.expr, time(test.at_ms));
    let mut got = match got {
        Ok(got) => got,
        Err(why) => {
            let what = format!("{what}: {why}");
            return Some(Failure { line: test.line, what, ..Failure::default() });
        }
    };
    let same = |expected: &(LabelSet, Point), got: &Sample| {
        expected.0 == got.labels && values_equal(&expected.1, &got.value, fuzzy)
    };
    let expected = |sample: &(LabelSet, Point)| format!("{} {}", sample.0, point(&sample.1));
    let shown = |sample: &Sample| format!("{} {}", sample.labels, value(&sample.value));
    let failure = compare(&test.expected, &mut got, same, expected, shown)?;
    Some(Failure { line: test.line, what, ..failure })
}

/// Matches two lists regardless of order; nothing where all of both match.
fn compare<E, G>(
    expected: &[E],
    got: &mut Vec<G>,
    same: impl Fn(&E, &G) -> bool,
    shown_expected: impl Fn(&E) -> String,
    shown_got: impl Fn(&G) -> String,
) -> Option<Failure> {
    let mut failure = Failure::default();
    for one in expected {
        match got.iter().position(|other| same(one, other)) {
            Some(at) => {
                got.swap_remove(at);
                failure.matching.push(shown_expected(one));
            }
            None => failure.missing.push(shown_expected(one)),
        }
    }
    failure.unexpected = got.iter().map(shown_got).collect();
    failure.unexpected.sort();
    (!failure.missing.is_empty() || !failure.unexpected.is_empty()).then_some(failure)
}

fn point(point: &Point) -> String {
    match point {
        Point::Float(value) => print::value(*value),
        Point::Histogram { histogram, .. } => print::histogram(histogram),
    }
}

fn value(value: &SampleValue) -> String {
    match value {
        SampleValue::Float(value) => print::value(*value),
        SampleValue::Histogram(histogram) => print::histogram(histogram),
    }
}

fn values_equal(expected: &Point, got: &SampleValue, fuzzy: bool) -> bool {
    match (expected, got) {
        (Point::Float(a), SampleValue::Float(b)) => floats_equal(*a, *b, fuzzy),
        (Point::Histogram { histogram, hint_given }, SampleValue::Histogram(got)) => {
            let hints = !hint_given || hint(histogram) == hint(got);
            hints && histograms_equal(histogram, got, fuzzy)
        }
        _ => false,
    }
}

fn hint(histogram: &Histogram) -> ResetHint {
    histogram.reset_hint
}

/// Two NaN are equal: otherwise nobody could expect one.
fn floats_equal(a: f64, b: f64, fuzzy: bool) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (fuzzy && (a.next_down() == b || a.next_up() == b))
}

fn histograms_equal(a: &Histogram, b: &Histogram, fuzzy: bool) -> bool {
    let buckets = |h: &Histogram| -> Vec<(bool, i32, f64)> {
        let positive = h.positive.iter().map(|index| (true, *index));
        let sides = positive.chain(h.negative.iter().map(|index| (false, *index)));
        let counts = sides.enumerate().map(|(at, (side, index))| (side, index, h.bucket(at)));
        counts.filter(|(.., count)| *count != 0.0).collect()
    };
    let (left, right) = (buckets(a), buckets(b));
    let same = |x: f64, y: f64| floats_equal(x, y, fuzzy);
    a.schema == b.schema
        && a.bounds == b.bounds
        && same(a.zero_threshold, b.zero_threshold)
        && same(a.count(), b.count())
        && same(a.sum, b.sum)
        && same(a.zero_count(), b.zero_count())
        && left.len() == right.len()
        && left.iter().zip(&right).all(|(l, r)| (l.0, l.1) == (r.0, r.1) && same(l.2, r.2))
}
