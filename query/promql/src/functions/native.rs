//! Arithmetic of native histograms: scaling, comparison, binary operators.

use std::sync::Arc;

use tarn_model::sample::{Counts, Histogram, ResetHint};

use super::native_trim::{Keep, trimmed};
use crate::ast::BinaryOp;
use crate::histogram::{Incompatible, Interval, add, intervals, sub};
use crate::print::number::general;

/// Returns the histogram with all its numbers changed by `f`, as a float histogram.
fn mapped(histogram: &Histogram, f: impl Fn(f64) -> f64) -> Histogram {
    let counts = Counts::Float {
        count: f(histogram.count()),
        zero: f(histogram.zero_count()),
        buckets: (0..histogram.bucket_count()).map(|at| f(histogram.bucket(at))).collect(),
    };
    Histogram { counts, sum: f(histogram.sum), ..histogram.clone() }
}

/// Multiplies. What is negative is no counter any more.
pub(crate) fn scaled(histogram: &Histogram, factor: f64) -> Histogram {
    let mut scaled = mapped(histogram, |v| v * factor);
    if factor < 0.0 {
        scaled.reset_hint = ResetHint::Gauge;
    }
    scaled
}

/// Divides. Dividing by zero leaves no buckets.
pub(crate) fn divided(histogram: &Histogram, divisor: f64) -> Histogram {
    let mut divided = mapped(histogram, |v| v / divisor);
    if divisor < 0.0 {
        divided.reset_hint = ResetHint::Gauge;
    }
    if let Counts::Float { buckets, .. } = &mut divided.counts
        && divisor == 0.0
    {
        buckets.clear();
        divided.positive.clear();
        divided.negative.clear();
    }
    divided
}

/// Prints a histogram as upstream does: `{count:3, sum:4, (0.5,1]:1, (1,2]:2}`.
pub(crate) fn text(histogram: &Histogram) -> String {
    let mut text =
        format!("{{count:{}, sum:{}", general(histogram.count()), general(histogram.sum));
    for Interval { lower, upper, count } in intervals(histogram) {
        let (open, close) = match (lower < 0.0, upper > 0.0) {
            (true, false) => ('[', ')'),
            (true, true) => ('[', ']'),
            _ => ('(', ']'),
        };
        let (lower, upper) = (general(lower), general(upper));
        text.push_str(&format!(", {open}{lower},{upper}{close}:{}", general(count)));
    }
    text + "}"
}

/// Returns the histogram without empty buckets.
pub(crate) fn compacted(mut histogram: Histogram) -> Histogram {
    let Counts::Float { buckets, .. } = &mut histogram.counts else { return histogram };
    let counts = std::mem::take(buckets);
    let positive = histogram.positive.len();
    let keep = |indexes: &mut Vec<i32>, counts: &[f64], kept: &mut Vec<f64>| {
        let mut at = 0;
        indexes.retain(|_| {
            at += 1;
            counts[at - 1] != 0.0
        });
        kept.extend(counts.iter().filter(|count| **count != 0.0));
    };
    keep(&mut histogram.positive, &counts[..positive], buckets);
    keep(&mut histogram.negative, &counts[positive..], buckets);
    histogram
}

/// Returns whether two histograms say the same; empty buckets say nothing.
pub(crate) fn equal(a: &Histogram, b: &Histogram) -> bool {
    let buckets = |h: &Histogram| -> Vec<(bool, i32, u64)> {
        let positive = h.positive.iter().map(|at| (true, *at));
        let negative = h.negative.iter().map(|at| (false, *at));
        let counts = (0..h.bucket_count()).map(|at| h.bucket(at));
        let all = positive.chain(negative).zip(counts);
        all.filter(|(_, count)| *count != 0.0)
            .map(|((side, at), count)| (side, at, count.to_bits()))
            .collect()
    };
    let bits =
        |h: &Histogram| [h.count(), h.sum, h.zero_count(), h.zero_threshold].map(f64::to_bits);
    (a.schema, &a.bounds) == (b.schema, &b.bounds) && bits(a) == bits(b) && buckets(a) == buckets(b)
}

/// An operand or a result.
#[derive(Debug, Clone)]
pub(crate) enum Operand {
    Float(f64),
    Histogram(Arc<Histogram>),
}

impl Operand {
    fn kind(&self) -> &'static str {
        match self {
            Self::Float(_) => "float",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// What comes of two operands of which at least one is a histogram.
#[derive(Debug)]
pub(crate) enum Outcome {
    Value(Operand),
    /// A comparison does not hold.
    Filtered,
    /// There is no such operation; nothing comes out, and the user is told.
    NoSuch(String),
    /// The layouts do not combine; nothing comes out, and the user is told.
    Layouts,
}

/// Computes a binary operator with a histogram.
pub(crate) fn binary(op: BinaryOp, return_bool: bool, lhs: &Operand, rhs: &Operand) -> Outcome {
    use Operand::{Float, Histogram};
    let made = |h| Outcome::Value(Histogram(Arc::new(h)));
    let combined = |result: Result<crate::histogram::Combined, Incompatible>| match result {
        Ok(combined) => made(combined.histogram),
        Err(Incompatible) => Outcome::Layouts,
    };
    match (op, lhs, rhs) {
        (BinaryOp::Add, Histogram(a), Histogram(b)) => combined(add(a, b)),
        (BinaryOp::Sub, Histogram(a), Histogram(b)) => combined(sub(a, b)),
        (BinaryOp::Mul, Histogram(h), Float(v)) | (BinaryOp::Mul, Float(v), Histogram(h)) => {
            made(scaled(h, *v))
        }
        (BinaryOp::Div, Histogram(h), Float(v)) => made(divided(h, *v)),
        (BinaryOp::TrimUpper, Histogram(h), Float(v)) => made(trimmed(h, Keep::Below, *v)),
        (BinaryOp::TrimLower, Histogram(h), Float(v)) => made(trimmed(h, Keep::Above, *v)),
        (BinaryOp::Equal | BinaryOp::NotEqual, Histogram(a), Histogram(b)) => {
            let holds = equal(a, b) == (op == BinaryOp::Equal);
            match (return_bool, holds) {
                (true, _) => Outcome::Value(Float(f64::from(u8::from(holds)))),
                (false, true) => Outcome::Value(lhs.clone()),
                (false, false) => Outcome::Filtered,
            }
        }
        _ => Outcome::NoSuch(format!(
            "incompatible sample types encountered for binary operator \"{}\": {} {} {}",
            op.as_str(),
            lhs.kind(),
            op.as_str(),
            rhs.kind(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Operand, Outcome, binary};
    use crate::ast::BinaryOp;
    use crate::notation::{Value, parse_series_line};

    fn histogram(text: &str) -> Operand {
        let line = parse_series_line(&format!("h {{{{{text}}}}}")).expect("notation");
        match &line.values[..] {
            [Some(Value::Histogram { histogram, .. })] => Operand::Histogram(Arc::clone(histogram)),
            other => unreachable!("{other:?} is no histogram"),
        }
    }

    fn text(outcome: Outcome) -> String {
        match outcome {
            Outcome::Value(Operand::Float(v)) => v.to_string(),
            Outcome::Value(Operand::Histogram(h)) => {
                let buckets: Vec<f64> = (0..h.bucket_count()).map(|at| h.bucket(at)).collect();
                format!("{} {} {buckets:?}", h.count(), h.sum)
            }
            Outcome::Filtered => "filtered".to_owned(),
            Outcome::NoSuch(text) => text,
            Outcome::Layouts => "layouts".to_owned(),
        }
    }

    #[test]
    fn operators_take_histograms() {
        let a = || histogram("schema:0 count:3 sum:4 buckets:[1 2]");
        let b = || histogram("schema:0 count:1 sum:1 buckets:[1]");
        let custom = || histogram("schema:-53 count:1 sum:1 custom_values:[5] buckets:[1]");
        let two = || Operand::Float(2.0);
        for (op, lhs, rhs, expected) in [
            (BinaryOp::Add, a(), b(), "4 5 [2.0, 2.0]"),
            (BinaryOp::Sub, a(), b(), "2 3 [0.0, 2.0]"),
            (BinaryOp::Mul, a(), two(), "6 8 [2.0, 4.0]"),
            (BinaryOp::Mul, two(), a(), "6 8 [2.0, 4.0]"),
            (BinaryOp::Div, a(), two(), "1.5 2 [0.5, 1.0]"),
            (BinaryOp::Div, a(), Operand::Float(0.0), "inf inf []"),
            (BinaryOp::Equal, a(), a(), "3 4 [1.0, 2.0]"),
            (BinaryOp::NotEqual, a(), a(), "filtered"),
            (BinaryOp::Add, a(), custom(), "layouts"),
            (
                BinaryOp::Add,
                a(),
                two(),
                "incompatible sample types encountered for binary operator \"+\": histogram + float",
            ),
        ] {
            assert_eq!(text(binary(op, false, &lhs, &rhs)), expected, "{}", op.as_str());
        }
    }
}
