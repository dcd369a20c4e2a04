//! Types: proves that every operator and function gets what it works on.
//!
//! Runs once over the finished tree, children before parents, arguments in order, so that of
//! several errors the one is reported that Prometheus reports. It also settles what only types
//! decide: whether a binary operator matches vectors at all, and that set operators match many to
//! many.

use tarn_model::labels::METRIC_NAME;

use crate::ast::{Binary, Call, Cardinality, Expr, Span, ValueType, VectorSelector};
use crate::functions::signature::{Arity, Function};
use crate::parse::{Fail, ParseError};
use crate::print::quote::quote;

/// Proves the types of a tree that was parsed from `source`.
pub(crate) fn check(expr: &mut Expr, source: &str) -> Result<(), Fail> {
    Checker { source }.expr(expr).map(|_| ())
}

struct Checker<'a> {
    source: &'a str,
}

impl Checker<'_> {
    /// The only recursive function, kept small because trees are deep.
    fn expr(&self, expr: &mut Expr) -> Result<ValueType, Fail> {
        self.before_children(expr)?;
        let mut types = [ValueType::Scalar; 2];
        let mut at = 0;
        while let Some(child) = child_mut(expr, at) {
            let got = self.expr(child)?;
            self.child(expr, at, got)?;
            if let Some(slot) = types.get_mut(at) {
                *slot = got;
            }
            at += 1;
        }
        self.after_children(expr, types)
    }

    fn before_children(&self, expr: &mut Expr) -> Result<(), Fail> {
        match expr {
            Expr::Vector(selector) => self.selector(selector),
            Expr::Matrix(matrix) => self.selector(&matrix.selector),
            Expr::Call(call) => self.call(call),
            _ => Ok(()),
        }
    }

    /// Compares the type of a child with what its parent wants.
    fn child(&self, parent: &mut Expr, at: usize, got: ValueType) -> Result<(), Fail> {
        let want = match parent {
            Expr::Aggregate(_) if at == 0 => Some(ValueType::Vector),
            Expr::Aggregate(aggregate) => aggregate.op.param_type(),
            // More arguments than types: the last type repeats.
            Expr::Call(call) => call.function.args.get(at).or(call.function.args.last()).copied(),
            _ => None,
        };
        let Some(want) = want.filter(|want| *want != got) else { return Ok(()) };
        let context = match parent {
            Expr::Call(call) => format!("call to function {}", quote(call.function.name)),
            _ if at == 0 => "aggregation expression".to_owned(),
            _ => "aggregation parameter".to_owned(),
        };
        let span = child_mut(parent, at).map(|child| child.span()).unwrap_or_default();
        let (want, got) = (want.documented(), got.documented());
        self.fail(format!("expected type {want} in {context}, got {got}"), span)
    }

    /// Checks what depends on the types of the first two children; returns the type of the whole.
    fn after_children(&self, expr: &mut Expr, types: [ValueType; 2]) -> Result<ValueType, Fail> {
        let [first, second] = types;
        match expr {
            Expr::Number(_) => Ok(ValueType::Scalar),
            Expr::String(_) => Ok(ValueType::String),
            Expr::Vector(_) | Expr::Aggregate(_) => Ok(ValueType::Vector),
            Expr::Matrix(_) => Ok(ValueType::Matrix),
            Expr::Call(call) => Ok(call.function.returns),
            Expr::Paren(_) => Ok(first),
            Expr::Unary(unary) => {
                if is_numeric(first) {
                    return Ok(first);
                }
                let message = format!(
                    "unary expression only allowed on expressions of type scalar or instant \
                     vector, got {}",
                    quote(first.documented())
                );
                self.fail(message, unary.span)
            }
            Expr::Subquery(subquery) => {
                if first == ValueType::Vector {
                    return Ok(ValueType::Matrix);
                }
                let message = format!(
                    "subquery is only allowed on instant vector, got {} instead",
                    first.as_str()
                );
                self.fail(message, subquery.span)
            }
            Expr::Binary(binary) => {
                self.binary(binary, first, second)?;
                let scalars = first == ValueType::Scalar && second == ValueType::Scalar;
                Ok(if scalars { ValueType::Scalar } else { ValueType::Vector })
            }
        }
    }

    fn selector(&self, selector: &VectorSelector) -> Result<(), Fail> {
        let matchers = &selector.matchers;
        if let Some(name) = &selector.name {
            // The last matcher is the name itself.
            let others = matchers.iter().rev().skip(1).rev();
            if let Some(second) = others.into_iter().find(|m| &*m.name == METRIC_NAME) {
                let message = format!(
                    "metric name must not be set twice: {} or {}",
                    quote(name),
                    quote(&second.value)
                );
                return self.fail(message, selector.span);
            }
        } else if !selector.is_info_filter && matchers.iter().all(|m| m.matches_empty()) {
            // Otherwise a typo would select everything there is.
            let message = "vector selector must contain at least one non-empty matcher";
            return self.fail(message, selector.span);
        }
        Ok(())
    }

    fn binary(&self, binary: &mut Binary, lhs: ValueType, rhs: ValueType) -> Result<(), Fail> {
        let op = binary.op;
        if binary.return_bool && !op.is_comparison() {
            let message = "bool modifier can only be used on comparison operators";
            return self.fail(message, self.operator_span(binary));
        }
        let scalars = lhs == ValueType::Scalar && rhs == ValueType::Scalar;
        if op.is_comparison() && !binary.return_bool && scalars {
            let message = "comparisons between scalars must use BOOL modifier";
            return self.fail(message, self.operator_span(binary));
        }
        self.matching_labels(binary)?;
        for (side, expr) in [(lhs, &binary.lhs), (rhs, &binary.rhs)] {
            if !is_numeric(side) {
                let message = "binary expression must contain only scalar and instant vector types";
                return self.fail(message, expr.span());
            }
        }
        if lhs == ValueType::Vector && rhs == ValueType::Vector {
            return self.vector_matching(binary);
        }
        self.no_matching(binary)
    }

    fn matching_labels(&self, binary: &Binary) -> Result<(), Fail> {
        let Some(matching) = binary.matching.as_ref().filter(|matching| matching.on) else {
            return Ok(());
        };
        match matching.labels.iter().find(|label| matching.include.contains(label)) {
            None => Ok(()),
            Some(label) => {
                let label = quote(label);
                let message =
                    format!("label {label} must not occur in ON and GROUP clause at once");
                self.fail(message, self.operator_span(binary))
            }
        }
    }

    /// Checks an operator between two vectors.
    fn vector_matching(&self, binary: &mut Binary) -> Result<(), Fail> {
        let op = binary.op;
        let span = binary.span;
        let matching = binary.matching.get_or_insert_default();
        if !op.is_set() {
            return Ok(());
        }
        if matching.cardinality != Cardinality::OneToOne {
            let message = format!("no grouping allowed for {} operation", quote(op.as_str()));
            return self.fail(message, span);
        }
        if matching.fill.left.is_some() || matching.fill.right.is_some() {
            let message = "filling in missing series not allowed for set operators";
            return self.fail(message, span);
        }
        matching.cardinality = Cardinality::ManyToMany;
        Ok(())
    }

    /// Checks an operator of which at least one side is a scalar.
    fn no_matching(&self, binary: &mut Binary) -> Result<(), Fail> {
        if let Some(matching) = binary.matching.take() {
            if !matching.labels.is_empty() {
                let message = "vector matching only allowed between instant vectors";
                return self.fail(message, binary.span);
            }
            if matching.fill.left.is_some() || matching.fill.right.is_some() {
                let message = "filling in missing series only allowed between instant vectors";
                return self.fail(message, binary.span);
            }
        }
        if binary.op.is_set() {
            let op = quote(binary.op.as_str());
            let message = format!("set operator {op} not allowed in binary scalar expression");
            return self.fail(message, binary.span);
        }
        Ok(())
    }

    fn call(&self, call: &mut Call) -> Result<(), Fail> {
        self.argument_count(call)?;
        if call.function.function == Function::Info {
            self.info_filter(call)?;
        }
        Ok(())
    }

    fn argument_count(&self, call: &Call) -> Result<(), Fail> {
        let function = call.function;
        let given = call.args.len();
        let (least, most) = (function.args_min(), function.args_max());
        let expected = match most {
            _ if given < least && function.arity != Arity::Exact => format!("at least {least}"),
            Some(most) if given > most && function.arity != Arity::Exact => {
                format!("at most {most}")
            }
            _ if given < least || most.is_some_and(|most| given > most) => least.to_string(),
            _ => return Ok(()),
        };
        let name = quote(function.name);
        let message = format!("expected {expected} argument(s) in call to {name}, got {given}");
        self.fail(message, call.span)
    }

    /// The second argument of `info` is a list of matchers that only looks like a selector.
    fn info_filter(&self, call: &mut Call) -> Result<(), Fail> {
        let Some(filter) = call.args.get_mut(1) else { return Ok(()) };
        let got = filter.value_type();
        if got != ValueType::Vector {
            let message = format!(
                "expected type instant vector in call to function \"info\", got {}",
                got.documented()
            );
            return self.fail(message, call.span);
        }
        match filter {
            Expr::Vector(selector) if selector.name.is_none() => {
                selector.is_info_filter = true;
                Ok(())
            }
            Expr::Vector(selector) => self
                .fail("expected label selectors only, got vector selector instead", selector.span),
            other => self.fail("expected label selectors only", other.span()),
        }
    }

    /// Returns where the operator stands: between the two sides, without the space around it.
    fn operator_span(&self, binary: &Binary) -> Span {
        let (from, to) = (binary.lhs.span().end, binary.rhs.span().start);
        let between = self.source.get(from..to).unwrap_or_default();
        let start = from + (between.len() - between.trim_start().len());
        Span::new(start, (from + between.trim_end().len()).max(start))
    }

    fn fail<T>(&self, message: impl Into<String>, span: Span) -> Result<T, Fail> {
        Err(Box::new(ParseError::new(message, span, self.source)))
    }
}

/// Returns child `at`, in the order in which children are checked.
fn child_mut(expr: &mut Expr, at: usize) -> Option<&mut Expr> {
    match (expr, at) {
        (Expr::Call(e), at) => e.args.get_mut(at),
        (Expr::Subquery(e), 0) => Some(&mut e.expr),
        (Expr::Unary(e), 0) => Some(&mut e.expr),
        (Expr::Paren(e), 0) => Some(&mut e.expr),
        (Expr::Aggregate(e), 0) => Some(&mut e.expr),
        (Expr::Aggregate(e), 1) => e.param.as_deref_mut(),
        (Expr::Binary(e), 0) => Some(&mut e.lhs),
        (Expr::Binary(e), 1) => Some(&mut e.rhs),
        _ => None,
    }
}

fn is_numeric(value_type: ValueType) -> bool {
    matches!(value_type, ValueType::Scalar | ValueType::Vector)
}

#[cfg(test)]
mod tests;
