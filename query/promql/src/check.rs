//! Types: proves that every operator and function gets what it works on.
//!
//! Runs once over the finished tree, children before parents, arguments in order, so that of several
//! errors the one is reported that Prometheus reports. It also settles what only types decide:
//! whether a binary operator matches vectors at all, and that set operators match many to many.

use crate::ast::{
    Aggregate, Binary, Call, Cardinality, Expr, Span, ValueType, VectorSelector,
};
use crate::functions::signature::{Arity, Function};
use crate::parse::ParseError;
use crate::print::quote::quote;
use tarn_model::labels::METRIC_NAME;

/// Proves the types of a tree that was parsed from `source`.
pub(crate) fn check(expr: &mut Expr, source: &str) -> Result<(), ParseError> {
    Checker { source }.expr(expr).map(|_| ())
}

struct Checker<'a> {
    source: &'a str,
}

impl Checker<'_> {
    fn expr(&self, expr: &mut Expr) -> Result<ValueType, ParseError> {
        match expr {
            Expr::Number(_) | Expr::String(_) => {}
            Expr::Vector(selector) => self.selector(selector)?,
            Expr::Matrix(matrix) => self.selector(&matrix.selector)?,
            Expr::Paren(paren) => return self.expr(&mut paren.expr),
            Expr::Unary(unary) => {
                let operand = self.expr(&mut unary.expr)?;
                if !is_numeric(operand) {
                    let message = format!(
                        "unary expression only allowed on expressions of type scalar or instant \
                         vector, got {}",
                        quote(operand.documented())
                    );
                    return self.fail(message, unary.span);
                }
            }
            Expr::Subquery(subquery) => {
                let inner = self.expr(&mut subquery.expr)?;
                if inner != ValueType::Vector {
                    let message = format!(
                        "subquery is only allowed on instant vector, got {} instead",
                        inner.as_str()
                    );
                    return self.fail(message, subquery.span);
                }
            }
            Expr::Aggregate(aggregate) => self.aggregate(aggregate)?,
            Expr::Binary(binary) => self.binary(binary)?,
            Expr::Call(call) => self.call(call)?,
        }
        Ok(expr.value_type())
    }

    fn expect(&self, expr: &mut Expr, want: ValueType, context: &str) -> Result<(), ParseError> {
        let got = self.expr(expr)?;
        if got == want {
            return Ok(());
        }
        let (want, got) = (want.documented(), got.documented());
        self.fail(format!("expected type {want} in {context}, got {got}"), expr.span())
    }

    fn selector(&self, selector: &VectorSelector) -> Result<(), ParseError> {
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

    fn aggregate(&self, aggregate: &mut Aggregate) -> Result<(), ParseError> {
        self.expect(&mut aggregate.expr, ValueType::Vector, "aggregation expression")?;
        match (&mut aggregate.param, aggregate.op.param_type()) {
            (Some(param), Some(want)) => self.expect(param, want, "aggregation parameter"),
            _ => Ok(()),
        }
    }

    fn binary(&self, binary: &mut Binary) -> Result<(), ParseError> {
        let lhs = self.expr(&mut binary.lhs)?;
        let rhs = self.expr(&mut binary.rhs)?;
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

    fn matching_labels(&self, binary: &Binary) -> Result<(), ParseError> {
        let Some(matching) = binary.matching.as_ref().filter(|matching| matching.on) else {
            return Ok(());
        };
        match matching.labels.iter().find(|label| matching.include.contains(label)) {
            None => Ok(()),
            Some(label) => {
                let label = quote(label);
                let message = format!("label {label} must not occur in ON and GROUP clause at once");
                self.fail(message, self.operator_span(binary))
            }
        }
    }

    /// Checks an operator between two vectors.
    fn vector_matching(&self, binary: &mut Binary) -> Result<(), ParseError> {
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
    fn no_matching(&self, binary: &mut Binary) -> Result<(), ParseError> {
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

    fn call(&self, call: &mut Call) -> Result<(), ParseError> {
        self.argument_count(call)?;
        if call.function.function == Function::Info {
            self.info_filter(call)?;
        }
        let name = quote(call.function.name);
        let types = call.function.args;
        for (at, arg) in call.args.iter_mut().enumerate() {
            // More arguments than types: the last type repeats.
            let Some(want) = types.get(at).or(types.last()) else { break };
            self.expect(arg, *want, &format!("call to function {name}"))?;
        }
        Ok(())
    }

    fn argument_count(&self, call: &Call) -> Result<(), ParseError> {
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
    fn info_filter(&self, call: &mut Call) -> Result<(), ParseError> {
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

    fn fail<T>(&self, message: impl Into<String>, span: Span) -> Result<T, ParseError> {
        Err(ParseError::new(message, span, self.source))
    }
}

fn is_numeric(value_type: ValueType) -> bool {
    matches!(value_type, ValueType::Scalar | ValueType::Vector)
}

#[cfg(test)]
mod tests;
