//! Planning of function calls: which arguments are vectors, numbers or texts, and who computes.

use std::sync::Arc;

use tarn_model::labels::{LabelSet, METRIC_NAME};
use tarn_model::matcher::{MatchOp, Matcher};

use super::{Node, Plan, Planner, absent, map, merged, unsupported};
use crate::ast::{Call, Expr, StringLiteral, ValueType};
use crate::exec::histogram::HistogramKind;
use crate::exec::map::MapKind;
use crate::exec::relabel::SortBy;
use crate::exec::scalar::Scalar;
use crate::exec::select::Pick;
use crate::exec::steps::Grid;
use crate::functions::label::Relabel;
use crate::functions::signature::Function;
use crate::functions::time::is_date;
use crate::plan::node::{MergeRule, ScalarPlan};
use crate::query::{QueryError, Result};

impl Planner<'_> {
    pub(super) fn call(&mut self, call: &Call, grid: Grid) -> Result<Plan> {
        let function = call.function.function;
        match (function, &call.args[..]) {
            (Function::Vector, [scalar]) => {
                let scalar = self.scalar(scalar, grid)?;
                Ok(Plan { grid, node: Node::FromScalar(scalar) })
            }
            (Function::Absent, [vector]) => {
                let child = self.vector(vector, grid)?;
                Ok(absent(child, absent_labels(vector)))
            }
            (Function::AbsentOverTime, [matrix]) => {
                let child = self.range_call(call, grid)?;
                Ok(absent(child, absent_labels(matrix)))
            }
            (Function::Timestamp, [vector]) => self.timestamp(call, vector, grid),
            (Function::Info | Function::StartTimestamp, _) => {
                Err(unsupported(&format!("{}()", call.function.name)))
            }
            (Function::LabelReplace | Function::LabelJoin, [vector, texts @ ..]) => {
                let change = relabel(function, texts)?;
                let child = Box::new(self.vector(vector, grid)?);
                let plan = Plan { grid, node: Node::Relabel { child, change } };
                Ok(merged(plan, MergeRule::Labels))
            }
            (
                Function::Sort
                | Function::SortDesc
                | Function::SortByLabel
                | Function::SortByLabelDesc,
                [vector, labels @ ..],
            ) => self.sort(function, vector, labels, grid),
            (
                Function::HistogramQuantile
                | Function::HistogramFraction
                | Function::HistogramQuantiles,
                _,
            ) => self.histogram(call, grid),
            (function, []) if is_date(function) => {
                let now = Plan { grid, node: Node::FromScalar(Scalar::Time(grid)) };
                Ok(map(now, MapKind::Call(call.function), Vec::new()))
            }
            (_, args) if args.iter().any(|a| a.value_type() == ValueType::Matrix) => {
                let plan = self.range_call(call, grid)?;
                Ok(merged(plan, MergeRule::Names))
            }
            (_, [vector, scalars @ ..]) => {
                let child = self.vector(vector, grid)?;
                let args = self.scalars(scalars, grid)?;
                Ok(map(child, MapKind::Call(call.function), args))
            }
            _ => Err(unsupported(&format!("{}()", call.function.name))),
        }
    }

    fn scalars(&mut self, args: &[Expr], grid: Grid) -> Result<Vec<ScalarPlan>> {
        args.iter().map(|arg| self.scalar(arg, grid)).collect()
    }

    /// Plans a function over a range; its other arguments are numbers.
    fn range_call(&mut self, call: &Call, grid: Grid) -> Result<Plan> {
        let mut range = None;
        let mut args = Vec::new();
        for arg in &call.args {
            if arg.value_type() == ValueType::Matrix {
                range = Some(self.range(arg, grid)?);
            } else {
                args.push(self.scalar(arg, grid)?);
            }
        }
        let Some((input, spec)) = range else {
            return Err(QueryError::BadData(format!(
                "{}() takes a range vector",
                call.function.name
            )));
        };
        Ok(Plan { grid, node: Node::Range { input, spec, function: call.function, args } })
    }

    /// Directly on a selector, `timestamp` returns the time of the sample; elsewhere the step's.
    fn timestamp(&mut self, call: &Call, vector: &Expr, grid: Grid) -> Result<Plan> {
        if let Expr::Vector(selector) = vector.unwrapped() {
            let child = self.select(selector, grid, Pick::Time)?;
            return Ok(map(child, MapKind::DropName, Vec::new()));
        }
        let child = self.vector(vector, grid)?;
        Ok(map(child, MapKind::Call(call.function), Vec::new()))
    }

    fn sort(
        &mut self,
        function: Function,
        vector: &Expr,
        labels: &[Expr],
        grid: Grid,
    ) -> Result<Plan> {
        let child = self.vector(vector, grid)?;
        if !self.params.is_instant() || grid.steps != 1 {
            return Ok(child);
        }
        let by = match function {
            Function::Sort | Function::SortDesc => SortBy::Value,
            _ => SortBy::Labels(labels.iter().map(text).collect::<Result<_>>()?),
        };
        let descending = matches!(function, Function::SortDesc | Function::SortByLabelDesc);
        Ok(Plan { grid, node: Node::Sort { child: Box::new(child), by, descending } })
    }

    fn histogram(&mut self, call: &Call, grid: Grid) -> Result<Plan> {
        let (kind, vector, numbers) = match (call.function.function, &call.args[..]) {
            (Function::HistogramQuantile, [q, vector]) => {
                (HistogramKind::Quantile, vector, std::slice::from_ref(q))
            }
            (Function::HistogramFraction, [bounds @ .., vector]) => {
                (HistogramKind::Fraction, vector, bounds)
            }
            (_, [vector, label, numbers @ ..]) => {
                (HistogramKind::Quantiles(text(label)?), vector, numbers)
            }
            _ => return Err(unsupported(&format!("{}()", call.function.name))),
        };
        let child = Box::new(self.vector(vector, grid)?);
        let args = self.scalars(numbers, grid)?;
        let node = Node::Histogram { child, kind, name: call.function.name, args };
        Ok(merged(Plan { grid, node }, MergeRule::Labels))
    }
}

fn literal(expr: &Expr) -> Result<&StringLiteral> {
    match expr.unwrapped() {
        Expr::String(literal) => Ok(literal),
        other => Err(QueryError::BadData(format!(
            "expected a string, got a {}",
            other.value_type().documented()
        ))),
    }
}

fn text(expr: &Expr) -> Result<Arc<str>> {
    Ok(Arc::clone(&literal(expr)?.value))
}

/// Returns the label that an argument names.
///
/// # Errors
/// It is empty or not UTF-8.
pub(super) fn label_name(expr: &Expr) -> Result<Arc<str>> {
    let literal = literal(expr)?;
    if literal.raw.is_none() && !literal.value.is_empty() {
        return Ok(Arc::clone(&literal.value));
    }
    let bytes = literal.raw.as_deref().unwrap_or_default();
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        shown.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
    }
    Err(QueryError::execution(format!("invalid label name \"{shown}\"")))
}

fn relabel(function: Function, texts: &[Expr]) -> Result<Relabel> {
    let texts: Vec<Arc<str>> = texts.iter().map(text).collect::<Result<_>>()?;
    let wrong = |_| QueryError::BadData("label_replace() takes four strings".to_owned());
    if function == Function::LabelReplace {
        return Relabel::replace(texts.try_into().map_err(wrong)?);
    }
    match &texts[..] {
        [target, separator, sources @ ..] => {
            Relabel::join(Arc::clone(target), Arc::clone(separator), sources.to_vec())
        }
        _ => Err(QueryError::BadData("label_join() takes a label and a separator".to_owned())),
    }
}

/// Returns the labels that a missing series would have, as far as the selector tells: those with one
/// matcher, `=`. What follows on the same label takes it away again, as upstream does. An
/// expression that is not a selector tells nothing.
fn absent_labels(expr: &Expr) -> LabelSet {
    let matchers: &[Matcher] = match expr.unwrapped() {
        Expr::Vector(selector) => &selector.matchers,
        Expr::Matrix(matrix) => &matrix.selector.matchers,
        _ => &[],
    };
    let mut labels = LabelSet::default();
    let mut set_once: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|m| &*m.name != METRIC_NAME) {
        if matcher.op == MatchOp::Equal && !set_once.contains(&&*matcher.name) {
            labels = labels.with(&matcher.name, &matcher.value);
            set_once.push(&matcher.name);
        } else {
            labels = labels.with(&matcher.name, "");
        }
    }
    labels
}
