//! Binary operators on floats, over whole step vectors.

use std::sync::Arc;

use crate::ast::BinaryOp;
use crate::exec::context::Context;
use crate::exec::steps::Steps;
use crate::functions::native::{self, Operand, Outcome};
use crate::functions::range::Numbers;

/// Computes an arithmetic operator; comparisons yield 0 and 1.
pub(crate) fn compute(op: BinaryOp, lhs: f64, rhs: f64) -> f64 {
    match op {
        BinaryOp::Add => lhs + rhs,
        BinaryOp::Sub => lhs - rhs,
        BinaryOp::Mul => lhs * rhs,
        BinaryOp::Div => lhs / rhs,
        BinaryOp::Mod => lhs % rhs,
        BinaryOp::Pow => lhs.powf(rhs),
        BinaryOp::Atan2 => lhs.atan2(rhs),
        other => f64::from(u8::from(compare(other, lhs, rhs))),
    }
}

/// Returns whether a comparison holds.
fn compare(op: BinaryOp, lhs: f64, rhs: f64) -> bool {
    match op {
        BinaryOp::Equal => lhs == rhs,
        BinaryOp::NotEqual => lhs != rhs,
        BinaryOp::Greater => lhs > rhs,
        BinaryOp::Less => lhs < rhs,
        BinaryOp::GreaterEqual => lhs >= rhs,
        BinaryOp::LessEqual => lhs <= rhs,
        _ => false,
    }
}

/// Returns whether the operator exists for histograms only.
pub(crate) fn is_trim(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::TrimUpper | BinaryOp::TrimLower)
}

/// Tells that floats cannot be trimmed, where there are any, and drops them.
pub(crate) fn drop_untrimmed(op: BinaryOp, steps: &mut Steps, cx: &Context) {
    if is_trim(op) && steps.valid.any() {
        steps.valid.reset(steps.values.len());
        let op = op.as_str();
        cx.inform(&format!("{NO_SUCH} \"{op}\": float {op} float"));
    }
}

/// Told where an operator does not take the operands.
pub(crate) const NO_SUCH: &str = "incompatible sample types encountered for binary operator";

/// How an operator turns two operands into a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) op: BinaryOp,
    pub(crate) return_bool: bool,
}

impl Operation {
    /// Returns whether the result is another quantity than the operands, so that names go.
    pub(crate) fn drops_name(self) -> bool {
        self.return_bool || self.makes_quantity()
    }

    /// Returns whether values are computed; comparisons and trims choose among what is there.
    pub(crate) fn makes_quantity(self) -> bool {
        !self.op.is_comparison() && !is_trim(self.op)
    }

    fn filters(self) -> bool {
        self.op.is_comparison() && !self.return_bool
    }
}

/// Computes `steps op numbers`, or `numbers op steps`, in place. A comparison keeps the samples of
/// `steps` for which it holds, whichever side they are on.
pub(crate) fn with_numbers(
    operation: Operation,
    steps: &mut Steps,
    numbers: &Numbers,
    numbers_left: bool,
) {
    let Operation { op, .. } = operation;
    if operation.filters() {
        for step in 0..steps.values.len() {
            let (value, number) = (steps.values[step], numbers.get(step));
            let holds =
                if numbers_left { compare(op, number, value) } else { compare(op, value, number) };
            if !holds {
                steps.valid.unset(step);
            }
        }
        return;
    }
    for (step, value) in steps.values.iter_mut().enumerate() {
        let number = numbers.get(step);
        *value =
            if numbers_left { compute(op, number, *value) } else { compute(op, *value, number) };
    }
}

/// Computes `lhs op rhs` into `lhs` at the steps where both have a sample; a comparison keeps the
/// left value. With `swapped`, `lhs` holds the operand from the right-hand side of the operator.
pub(crate) fn with_steps(operation: Operation, lhs: &mut Steps, rhs: &Steps, swapped: bool) {
    let Operation { op, .. } = operation;
    lhs.valid.intersect(&rhs.valid);
    if operation.filters() {
        for step in 0..lhs.values.len() {
            let (a, b) = (lhs.values[step], rhs.values[step]);
            let (left, right) = if swapped { (b, a) } else { (a, b) };
            if !compare(op, left, right) {
                lhs.valid.unset(step);
            }
            lhs.values[step] = left;
        }
        return;
    }
    let pairs = lhs.values.iter_mut().zip(&rhs.values);
    match (op, swapped) {
        // The common ones as loops of their own, which vectorise.
        (BinaryOp::Add, _) => pairs.for_each(|(a, b)| *a += b),
        (BinaryOp::Mul, _) => pairs.for_each(|(a, b)| *a *= b),
        (BinaryOp::Sub, false) => pairs.for_each(|(a, b)| *a -= b),
        (BinaryOp::Div, false) => pairs.for_each(|(a, b)| *a /= b),
        (op, false) => pairs.for_each(|(a, b)| *a = compute(op, *a, *b)),
        (op, true) => pairs.for_each(|(a, b)| *a = compute(op, *b, *a)),
    }
}

/// Returns the sample of a step.
fn operand(steps: &Steps, step: usize) -> Option<Operand> {
    if steps.valid.get(step) {
        return Some(Operand::Float(steps.values[step]));
    }
    let at = steps.histograms.binary_search_by_key(&(step as u32), |(at, _)| *at).ok()?;
    Some(Operand::Histogram(Arc::clone(&steps.histograms[at].1)))
}

/// Stores what comes of two operands, and tells the user where nothing does.
fn store(outcome: Outcome, step: u32, out: &mut Steps, cx: &Context) {
    match outcome {
        Outcome::Value(Operand::Float(value)) => out.set(step as usize, value),
        Outcome::Value(Operand::Histogram(histogram)) => out.histograms.push((step, histogram)),
        Outcome::Filtered => {}
        Outcome::NoSuch(text) => cx.inform(&text),
        Outcome::Layouts => cx.warn(MIXED_LAYOUTS),
    }
}

/// Told where exponential and custom buckets meet.
pub(crate) const MIXED_LAYOUTS: &str =
    "vector contains a mix of histograms with exponential and custom buckets schemas";

/// Computes the histogram lane of [`with_numbers`]; the float lane is computed apart.
pub(crate) fn histograms_with_numbers(
    operation: Operation,
    steps: &mut Steps,
    numbers: &Numbers,
    numbers_left: bool,
    cx: &Context,
) {
    for (step, histogram) in std::mem::take(&mut steps.histograms) {
        let histogram = Operand::Histogram(histogram);
        let number = Operand::Float(numbers.get(step as usize));
        let (lhs, rhs) = if numbers_left { (&number, &histogram) } else { (&histogram, &number) };
        let outcome = native::binary(operation.op, operation.return_bool, lhs, rhs);
        store(outcome, step, steps, cx);
    }
}

/// Computes the steps of a join at which at least one side has a histogram, into `out`, which has
/// the others.
pub(crate) fn histograms_with_steps(
    operation: Operation,
    (many, one): (&Steps, &Steps),
    swapped: bool,
    out: &mut Steps,
    cx: &Context,
) {
    let steps = many.histograms.iter().chain(&one.histograms).map(|(step, _)| *step);
    let mut steps: Vec<u32> = steps.collect();
    steps.sort_unstable();
    steps.dedup();
    for step in steps {
        let (many, one) = (operand(many, step as usize), operand(one, step as usize));
        if let (Some(many), Some(one)) = (many, one) {
            let (lhs, rhs) = if swapped { (&one, &many) } else { (&many, &one) };
            let outcome = native::binary(operation.op, operation.return_bool, lhs, rhs);
            store(outcome, step, out, cx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::compute;
    use crate::ast::BinaryOp;

    #[test]
    fn corner_cases_are_those_of_go() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        for (op, a, b, expected) in [
            (BinaryOp::Mod, -5.0, 3.0, -2.0),
            (BinaryOp::Mod, 5.0, 0.0, nan),
            (BinaryOp::Mod, 5.0, inf, 5.0),
            (BinaryOp::Pow, 1.0, nan, 1.0),
            (BinaryOp::Pow, nan, 0.0, 1.0),
            (BinaryOp::Pow, -1.0, inf, 1.0),
            (BinaryOp::Pow, -8.0, 1.0 / 3.0, nan),
            (BinaryOp::Div, 1.0, 0.0, inf),
            (BinaryOp::Atan2, 1.0, 0.0, std::f64::consts::FRAC_PI_2),
            (BinaryOp::Equal, nan, nan, 0.0),
            (BinaryOp::NotEqual, nan, nan, 1.0),
        ] {
            let got = compute(op, a, b);
            let same = got == expected || (got.is_nan() && expected.is_nan());
            assert!(same, "{a} {} {b} = {got}", op.as_str());
        }
    }
}
