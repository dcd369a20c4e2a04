//! Durations. A lone literal is always written with units, even if it was a number; inside
//! arithmetic each keeps its form.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use tarn_model::units::format_duration;

use super::number;
use crate::ast::{DurationExpr, DurationKind, DurationOp, whole_millis};

/// A duration that stands directly in brackets or behind `offset`.
pub(super) struct Outermost<'a>(pub(super) &'a DurationExpr);

impl Display for Outermost<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            DurationKind::Literal { seconds: value, .. } => seconds(f, value, true),
            _ => Inner(self.0).fmt(f),
        }
    }
}

/// Prints the duration of an offset. In the alternate form an arithmetic operator follows, which
/// would join a duration that starts with a parenthesis; a sign in front of it ends the offset.
pub(super) fn offset(f: &mut Formatter<'_>, offset: &DurationExpr) -> fmt::Result {
    if f.alternate() && starts_with_parenthesis(offset) {
        return match offset.kind {
            DurationKind::Paren(_) => write!(f, "+{}", Outermost(offset)),
            _ => write!(f, "+({})", Outermost(offset)),
        };
    }
    write!(f, "{}", Outermost(offset))
}

fn starts_with_parenthesis(duration: &DurationExpr) -> bool {
    match &duration.kind {
        DurationKind::Paren(_) => true,
        DurationKind::Binary(DurationOp::MinOf | DurationOp::MaxOf, ..) => false,
        DurationKind::Binary(_, lhs, _) => starts_with_parenthesis(lhs),
        _ => false,
    }
}

struct Inner<'a>(&'a DurationExpr);

impl Display for Inner<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            DurationKind::Literal { seconds: value, is_duration } => {
                seconds(f, *value, *is_duration)
            }
            DurationKind::Step => f.write_str("step()"),
            DurationKind::Range => f.write_str("range()"),
            DurationKind::Minus(inner) => write!(f, "-{}", Inner(inner)),
            DurationKind::Paren(inner) => write!(f, "({})", Inner(inner)),
            DurationKind::Binary(op @ (DurationOp::MinOf | DurationOp::MaxOf), lhs, rhs) => {
                write!(f, "{}({}, {})", op.as_str(), Inner(lhs), Inner(rhs))
            }
            DurationKind::Binary(op, lhs, rhs) => {
                write!(f, "{} {} {}", Inner(lhs), op.as_str(), Inner(rhs))
            }
        }
    }
}

/// Prints a number, or a number of seconds as a duration.
pub(super) fn seconds(f: &mut Formatter<'_>, value: f64, is_duration: bool) -> fmt::Result {
    if !is_duration {
        return f.write_str(&number::fixed(value));
    }
    if value < 0.0 {
        f.write_str("-")?;
    }
    f.write_str(&format_duration(Duration::from_millis(whole_millis(value).unsigned_abs())))
}
