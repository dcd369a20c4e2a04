//! Durations in selectors: `5m`, `300`, and arithmetic such as `step() * 2 + 1m`.
//!
//! Most are literals and known when the query is parsed. Those that mention `step()` or `range()`
//! depend on the query's time range, so all are resolved when it is planned. Arithmetic happens on
//! seconds, as upstream's, and the result is cut to whole milliseconds.

use super::Span;

/// A duration as written.
#[derive(Debug, Clone, PartialEq)]
pub struct DurationExpr {
    /// What it says.
    pub kind: DurationKind,
    /// Where it was written.
    pub span: Span,
}

/// The forms of a duration.
#[derive(Debug, Clone, PartialEq)]
pub enum DurationKind {
    /// `5m` or `300`.
    Literal {
        /// Its length.
        seconds: f64,
        /// Written with units, and printed so inside arithmetic.
        is_duration: bool,
    },
    /// `step()`: the step of the query, 0 for an instant query.
    Step,
    /// `range()`: the length of the query's time range, 0 for an instant query.
    Range,
    /// `-d`
    Minus(Box<DurationExpr>),
    /// `a * b`, `min_of(a, b)`
    Binary(DurationOp, Box<DurationExpr>, Box<DurationExpr>),
    /// `(d)`
    Paren(Box<DurationExpr>),
}

/// What joins two durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DurationOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
    /// `min_of(a, b)`
    MinOf,
    /// `max_of(a, b)`
    MaxOf,
}

impl DurationOp {
    /// Returns the operator or function name as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::MinOf => "min_of",
            Self::MaxOf => "max_of",
        }
    }
}

/// What `step()` and `range()` stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DurationContext {
    /// Step of the query; 0 for an instant query.
    pub step_ms: i64,
    /// End minus start of the query; 0 for an instant query.
    pub range_ms: i64,
}

impl DurationExpr {
    /// Makes a literal of whole milliseconds.
    pub fn millis(ms: i64) -> Self {
        let kind = DurationKind::Literal { seconds: ms as f64 / 1000.0, is_duration: true };
        Self { kind, span: Span::default() }
    }

    /// Returns the length in ms where it is a plain literal.
    pub fn as_millis(&self) -> Option<i64> {
        match self.kind {
            DurationKind::Literal { seconds, .. } => Some(whole_millis(seconds)),
            _ => None,
        }
    }

    /// Returns the length in ms of a range or a step, which must be positive.
    ///
    /// # Errors
    /// The message for the user: not positive, out of range, or a division by zero.
    pub fn resolve_positive(&self, context: DurationContext) -> Result<i64, String> {
        let seconds = self.seconds(context)?;
        if seconds <= 0.0 {
            return Err("duration must be greater than 0".to_owned());
        }
        self.to_millis(seconds)
    }

    /// Returns the length in ms of an offset, which may be negative.
    ///
    /// # Errors
    /// The message for the user: out of range, or a division by zero.
    pub fn resolve(&self, context: DurationContext) -> Result<i64, String> {
        let seconds = self.seconds(context)?;
        self.to_millis(seconds)
    }

    fn to_millis(&self, seconds: f64) -> Result<i64, String> {
        // Upstream counts durations as 64 bits of nanoseconds.
        if seconds.is_nan() || seconds.abs() * 1e9 >= i64::MAX as f64 {
            return Err("duration is out of range".to_owned());
        }
        Ok(self.as_millis().unwrap_or((seconds * 1000.0) as i64))
    }

    fn seconds(&self, context: DurationContext) -> Result<f64, String> {
        Ok(match &self.kind {
            DurationKind::Literal { seconds, .. } => *seconds,
            DurationKind::Step => context.step_ms as f64 / 1000.0,
            DurationKind::Range => context.range_ms as f64 / 1000.0,
            DurationKind::Paren(inner) => inner.seconds(context)?,
            DurationKind::Minus(inner) => -inner.seconds(context)?,
            DurationKind::Binary(op, lhs, rhs) => {
                apply(*op, lhs.seconds(context)?, rhs.seconds(context)?)?
            }
        })
    }
}

/// Cuts seconds to whole milliseconds, towards zero.
pub(crate) fn whole_millis(seconds: f64) -> i64 {
    let nanos = (seconds * 1e9).round();
    // Rounded at the nanosecond first, or 4.035 s would lose a millisecond. Beyond 2^53 ns floats
    // are too coarse for that, and the nearest millisecond is the best guess.
    if nanos.abs() < 9e15 { (nanos / 1e6) as i64 } else { (seconds * 1e3).round() as i64 }
}

fn apply(op: DurationOp, lhs: f64, rhs: f64) -> Result<f64, String> {
    Ok(match op {
        DurationOp::Add => lhs + rhs,
        DurationOp::Sub => lhs - rhs,
        DurationOp::Mul => lhs * rhs,
        DurationOp::Div if rhs == 0.0 => return Err("division by zero".to_owned()),
        DurationOp::Div => lhs / rhs,
        DurationOp::Mod if rhs == 0.0 => return Err("modulo by zero".to_owned()),
        DurationOp::Mod => lhs % rhs,
        DurationOp::Pow => lhs.powf(rhs),
        DurationOp::MinOf => lhs.min(rhs),
        DurationOp::MaxOf => lhs.max(rhs),
    })
}

#[cfg(test)]
mod tests {
    use super::{DurationContext, DurationExpr, DurationKind, DurationOp};
    use crate::ast::Span;

    fn expr(kind: DurationKind) -> DurationExpr {
        DurationExpr { kind, span: Span::default() }
    }

    fn binary(op: DurationOp, lhs: DurationExpr, rhs: DurationExpr) -> DurationExpr {
        expr(DurationKind::Binary(op, Box::new(lhs), Box::new(rhs)))
    }

    #[test]
    fn arithmetic_is_resolved_in_milliseconds() {
        let context = DurationContext { step_ms: 15_000, range_ms: 3_600_000 };
        let s = DurationExpr::millis;
        let step = || expr(DurationKind::Step);
        for (duration, expected) in [
            (s(4035), Ok(4035)),
            (step(), Ok(15_000)),
            (binary(DurationOp::Mul, step(), s(2000)), Ok(30_000)),
            (binary(DurationOp::MinOf, step(), s(2000)), Ok(2000)),
            (binary(DurationOp::Sub, expr(DurationKind::Range), step()), Ok(3_585_000)),
            (expr(DurationKind::Minus(Box::new(s(1)))), Err("duration must be greater than 0")),
            (binary(DurationOp::Div, s(1), s(0)), Err("division by zero")),
            (binary(DurationOp::Mod, s(1), s(0)), Err("modulo by zero")),
            (binary(DurationOp::Pow, s(10_000), s(300_000)), Err("duration is out of range")),
        ] {
            let got = duration.resolve_positive(context);
            assert_eq!(got.as_ref().map_err(String::as_str), expected.as_ref().map_err(|e| *e));
        }
    }

    #[test]
    fn offsets_may_be_negative() {
        let minus = expr(DurationKind::Minus(Box::new(DurationExpr::millis(1500))));
        assert_eq!(minus.resolve(DurationContext::default()), Ok(-1500));
    }
}
