//! Functions of one sample: rounding, clamping, logarithms, trigonometry.

use super::range::Numbers;
use super::signature::Function;
use crate::exec::steps::Steps;

/// Returns the larger number; NaN if either is, as Go's `math.Max`.
pub(crate) fn go_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// Returns the smaller number; NaN if either is, as Go's `math.Min`.
pub(crate) fn go_min(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

/// Computes a function of one sample in place; `false` where `function` is none.
pub(crate) fn apply(function: Function, steps: &mut Steps, params: &[Numbers]) -> bool {
    if let Some(f) = unary(function) {
        steps.values.iter_mut().for_each(|v| *v = f(*v));
        return true;
    }
    match function {
        Function::Round => round(steps, params.first()),
        Function::Clamp => clamp(steps, &params[0], &params[1]),
        Function::ClampMin => zip(steps, &params[0], |v, low| go_max(low, v)),
        Function::ClampMax => zip(steps, &params[0], |v, high| go_min(high, v)),
        _ => return false,
    }
    true
}

/// Returns the function of one number, where it is one.
fn unary(function: Function) -> Option<fn(f64) -> f64> {
    Some(match function {
        Function::Abs => f64::abs,
        Function::Ceil => f64::ceil,
        Function::Floor => f64::floor,
        Function::Exp => f64::exp,
        Function::Ln => f64::ln,
        Function::Log2 => f64::log2,
        Function::Log10 => f64::log10,
        Function::Sqrt => f64::sqrt,
        Function::Sgn => |v| if v == 0.0 || v.is_nan() { v } else { v.signum() },
        Function::Sin => f64::sin,
        Function::Cos => f64::cos,
        Function::Tan => f64::tan,
        Function::Asin => f64::asin,
        Function::Acos => f64::acos,
        Function::Atan => f64::atan,
        Function::Sinh => f64::sinh,
        Function::Cosh => f64::cosh,
        Function::Tanh => f64::tanh,
        Function::Asinh => f64::asinh,
        Function::Acosh => f64::acosh,
        Function::Atanh => f64::atanh,
        Function::Deg => |v| v * 180.0 / std::f64::consts::PI,
        Function::Rad => |v| v * std::f64::consts::PI / 180.0,
        _ => return None,
    })
}

fn zip(steps: &mut Steps, numbers: &Numbers, f: impl Fn(f64, f64) -> f64) {
    for (step, value) in steps.values.iter_mut().enumerate() {
        *value = f(*value, numbers.get(step));
    }
}

/// Rounds to the nearest multiple; ties go up.
fn round(steps: &mut Steps, nearest: Option<&Numbers>) {
    for (step, value) in steps.values.iter_mut().enumerate() {
        // Dividing by the inverse is more exact than multiplying by 0.1 and the like.
        let inverse = 1.0 / nearest.map_or(1.0, |n| n.get(step));
        *value = (*value * inverse + 0.5).floor() / inverse;
    }
}

/// Clamps to a range; an empty range has no samples.
fn clamp(steps: &mut Steps, low: &Numbers, high: &Numbers) {
    for step in 0..steps.values.len() {
        let (low, high) = (low.get(step), high.get(step));
        if high < low {
            steps.valid.unset(step);
        }
        steps.values[step] = go_max(low, go_min(high, steps.values[step]));
    }
}

#[cfg(test)]
mod tests {
    use super::{Function, Numbers, apply};
    use crate::exec::steps::Steps;

    fn once(function: Function, value: f64, params: &[f64]) -> Option<f64> {
        let mut steps = Steps::default();
        steps.reset(1);
        steps.set(0, value);
        let params: Vec<Numbers> = params.iter().map(|p| Numbers::Const(*p)).collect();
        assert!(apply(function, &mut steps, &params));
        steps.valid.get(0).then_some(steps.values[0])
    }

    #[test]
    fn functions_of_one_sample() {
        use Function as F;
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let rows: [(Function, f64, &[f64], Option<f64>); 15] = [
            (F::Round, 0.5, &[], Some(1.0)),
            (F::Round, -0.5, &[], Some(0.0)),
            (F::Round, 5.3, &[5.0], Some(5.0)),
            (F::Clamp, 7.0, &[0.0, 5.0], Some(5.0)),
            (F::Clamp, 7.0, &[5.0, 0.0], None),
            (F::Clamp, 7.0, &[0.0, nan], Some(nan)),
            (F::ClampMin, -1.0, &[0.0], Some(0.0)),
            (F::ClampMax, nan, &[0.0], Some(nan)),
            (F::Sgn, -3.0, &[], Some(-1.0)),
            (F::Sgn, nan, &[], Some(nan)),
            (F::Sgn, -inf, &[], Some(-1.0)),
            (F::Ln, 0.0, &[], Some(-inf)),
            (F::Sqrt, -1.0, &[], Some(nan)),
            (F::Deg, std::f64::consts::PI, &[], Some(180.0)),
            (F::Ceil, -0.5, &[], Some(0.0)),
        ];
        for (function, value, params, expected) in rows {
            let got = once(function, value, params);
            let same = match (got, expected) {
                (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()),
                (a, b) => a.is_none() && b.is_none(),
            };
            assert!(same, "{function:?}({value}) = {got:?}, expected {expected:?}");
        }
    }
}
