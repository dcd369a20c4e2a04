//! Tree to text.
//!
//! The one-line form ([`Display`] of [`Expr`]) is canonical: it is what
//! Prometheus prints, and parsing it again gives the same tree. Matchers are sorted, labels that
//! need quotes are quoted, durations are written with units. [`pretty()`](fn@pretty) breaks what is
//! longer than a line.
//!
//! The alternate form (`{:#}`) is for an expression in front of an arithmetic operator.

use std::fmt::{self, Display, Formatter};

use tarn_model::labels::{METRIC_NAME, is_legacy_label_name};
use tarn_model::matcher::{MatchOp, Matcher};
use tarn_model::sample::Histogram;

use crate::ast::{
    Aggregate, At, Binary, BinaryOp, Cardinality, DurationExpr, Expr, Extended, MatrixSelector,
    NumberLiteral, Sign, StringLiteral, Subquery, TimeShift, VectorMatching, VectorSelector,
};
use quote::{quote, quote_bytes};

mod duration;
pub(crate) mod number;
mod pretty;
pub(crate) mod quote;

pub use pretty::pretty;

/// Writes a native histogram as upstream shows it: `{count:3, sum:4, (1,2]:3}`.
pub fn histogram(histogram: &Histogram) -> String {
    crate::functions::native::text(histogram)
}

/// Writes a number as upstream shows it: the shortest decimal that reads back equal (Go's `%v`).
pub fn value(value: f64) -> String {
    number::general(value)
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(e) => e.fmt(f),
            Self::String(e) => e.fmt(f),
            Self::Vector(e) => e.fmt(f),
            Self::Matrix(e) => e.fmt(f),
            Self::Subquery(e) => {
                write!(f, "{}", e.expr)?;
                Suffix(e).fmt(f)
            }
            Self::Unary(e) => {
                e.sign.fmt(f)?;
                e.expr.fmt(f)
            }
            Self::Binary(e) => {
                left_side(f, e)?;
                write!(f, " {} ", Operator(e))?;
                e.rhs.fmt(f)
            }
            Self::Aggregate(e) => {
                write!(f, "{}(", Head(e))?;
                if let Some(param) = &e.param {
                    write!(f, "{param}, ")?;
                }
                write!(f, "{})", e.expr)
            }
            Self::Call(e) => {
                write!(f, "{}(", e.function.name)?;
                join(f, ", ", &e.args)?;
                f.write_str(")")
            }
            Self::Paren(e) => write!(f, "({})", e.expr),
        }
    }
}

/// Prints the left side of an operator so that the operator stays out of it.
fn left_side(f: &mut Formatter<'_>, binary: &Binary) -> fmt::Result {
    match &*binary.lhs {
        // `+Inf ^ 2` would read as `+(Inf ^ 2)`.
        Expr::Number(e) if binary.op == BinaryOp::Pow && e.value == f64::INFINITY => {
            f.write_str("Inf")
        }
        lhs if joins_durations(binary.op) => write!(f, "{lhs:#}"),
        lhs => write!(f, "{lhs}"),
    }
}

/// Returns whether the operator behind an offset in parentheses would become part of the offset.
fn joins_durations(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Add
            | BinaryOp::Sub
            | BinaryOp::Mul
            | BinaryOp::Div
            | BinaryOp::Mod
            | BinaryOp::Pow
    )
}

impl Display for NumberLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        duration::seconds(f, self.value, self.is_duration)
    }
}

impl Display for StringLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.raw {
            Some(bytes) => f.write_str(&quote_bytes(bytes)),
            None => f.write_str(&quote(&self.value)),
        }
    }
}

impl Display for VectorSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Series(self), AtSuffix(&self.shift))?;
        extended(f, self.extended)?;
        offset(f, &self.shift)
    }
}

impl Display for MatrixSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let selector = &self.selector;
        write!(f, "{}[{}]", Series(selector), duration::Outermost(&self.range))?;
        extended(f, selector.extended)?;
        write!(f, "{}", AtSuffix(&selector.shift))?;
        offset(f, &selector.shift)
    }
}

impl Display for Sign {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plus => "+",
            Self::Minus => "-",
        })
    }
}

/// The name and matchers of a selector.
struct Series<'a>(&'a VectorSelector);

impl Display for Series<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.0.name.as_deref().unwrap_or_default();
        f.write_str(name)?;
        let is_name = |m: &&Matcher| {
            !name.is_empty()
                && *m.name == *METRIC_NAME
                && m.op == MatchOp::Equal
                && *m.value == *name
        };
        let mut texts: Vec<String> =
            self.0.matchers.iter().filter(|m| !is_name(m)).map(matcher).collect();
        if texts.is_empty() {
            // Only the filter of `info` may be empty; everything else has a name or a matcher.
            return if name.is_empty() { f.write_str("{}") } else { Ok(()) };
        }
        texts.sort();
        write!(f, "{{{}}}", texts.join(","))
    }
}

fn matcher(matcher: &Matcher) -> String {
    format!("{}{}{}", label(&matcher.name), matcher.op.as_str(), quote(&matcher.value))
}

/// Returns a label name, quoted where it must be.
fn label(name: &str) -> String {
    if is_legacy_label_name(name) { name.to_owned() } else { quote(name) }
}

fn labels<S: AsRef<str>>(names: &[S]) -> String {
    names.iter().map(|name| label(name.as_ref())).collect::<Vec<_>>().join(", ")
}

fn join<T: Display>(f: &mut Formatter<'_>, separator: &str, items: &[T]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(separator)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

fn extended(f: &mut Formatter<'_>, extended: Option<Extended>) -> fmt::Result {
    match extended {
        None => Ok(()),
        Some(Extended::Anchored) => f.write_str(" anchored"),
        Some(Extended::Smoothed) => f.write_str(" smoothed"),
    }
}

fn offset(f: &mut Formatter<'_>, shift: &TimeShift) -> fmt::Result {
    match &shift.offset {
        None => Ok(()),
        Some(offset) => {
            f.write_str(" offset ")?;
            duration::offset(f, offset)
        }
    }
}

/// ` @ time`
struct AtSuffix<'a>(&'a TimeShift);

impl Display for AtSuffix<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.at {
            None => Ok(()),
            Some(At::Timestamp(ms)) => write!(f, " @ {:.3}", ms as f64 / 1000.0),
            Some(At::Start) => f.write_str(" @ start()"),
            Some(At::End) => f.write_str(" @ end()"),
        }
    }
}

/// `[range:step]` and the modifiers of a subquery.
struct Suffix<'a>(&'a Subquery);

impl Display for Suffix<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Subquery { range, step, shift, .. } = self.0;
        write!(f, "[{}:", duration::Outermost(range))?;
        if let Some(step) = step {
            write!(f, "{}", duration::Outermost(step))?;
        }
        write!(f, "]{}", AtSuffix(shift))?;
        offset(f, shift)
    }
}

/// The operator of an aggregation with its grouping: `sum by (a) `. Grouping by nothing is not
/// written.
struct Head<'a>(&'a Aggregate);

impl Display for Head<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.op.as_str())?;
        let names = labels(&self.0.grouping);
        if self.0.without {
            write!(f, " without ({names}) ")
        } else if !self.0.grouping.is_empty() {
            write!(f, " by ({names}) ")
        } else {
            Ok(())
        }
    }
}

/// A binary operator with its modifiers.
struct Operator<'a>(&'a Binary);

impl Display for Operator<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.op.as_str())?;
        if self.0.return_bool {
            f.write_str(" bool")?;
        }
        match &self.0.matching {
            Some(matching) => matching.fmt(f),
            None => Ok(()),
        }
    }
}

impl Display for VectorMatching {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let side = match self.cardinality {
            Cardinality::ManyToOne => Some("left"),
            Cardinality::OneToMany => Some("right"),
            Cardinality::OneToOne | Cardinality::ManyToMany => None,
        };
        if !self.labels.is_empty() || self.on || side.is_some() {
            let word = if self.on { "on" } else { "ignoring" };
            write!(f, " {word} ({})", labels(&self.labels))?;
        }
        if let Some(side) = side {
            write!(f, " group_{side} ({})", labels(&self.include))?;
        }
        let (left, right) = (self.fill.left, self.fill.right);
        if let Some(value) = left.filter(|_| left == right) {
            return write!(f, " fill ({})", number::general(value));
        }
        if let Some(value) = left {
            write!(f, " fill_left ({})", number::general(value))?;
        }
        if let Some(value) = right {
            write!(f, " fill_right ({})", number::general(value))?;
        }
        Ok(())
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        duration::Outermost(self).fmt(f)
    }
}

#[cfg(test)]
mod tests;
