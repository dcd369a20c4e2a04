//! Planning of function calls: which arguments are vectors, numbers or texts, and who computes.

use std::sync::Arc;

use tarn_model::labels::{LabelSet, METRIC_NAME};
use tarn_model::matcher::{MatchOp, Matcher};

use super::{
    HistogramNode, Node, Plan, Planner, RangeNode, RelabelNode, SortNode, absent, map, merged,
    unsupported, without_names,
};
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
        match call.function.function {
            Function::Vector => self.scalar_vector(call, grid),
            Function::Absent | Function::AbsentOverTime => self.absent(call, grid),
            Function::Timestamp | Function::StartTimestamp => self.timestamp(call, grid),
            Function::LabelReplace | Function::LabelJoin => self.relabel(call, grid),
            Function::Sort
            | Function::SortDesc
            | Function::SortByLabel
            | Function::SortByLabelDesc => self.sort(call, grid),
            Function::HistogramQuantile
            | Function::HistogramFraction
            | Function::HistogramQuantiles => self.histogram(call, grid),
            Function::Info => Err(unsupported(&format!("{}()", call.function.name))),
            function if is_date(function) && call.args.is_empty() => Ok(date_of_now(call, grid)),
            _ if call.args.iter().any(|a| a.value_type() == ValueType::Matrix) => {
                self.over_range(call, grid)
            }
            _ => self.of_sample(call, grid),
        }
    }

    fn scalar_vector(&mut self, call: &Call, grid: Grid) -> Result<Plan> {
        let scalar = self.scalar(arg(call, 0)?, grid)?;
        Ok(Plan::new(grid, Node::FromScalar(Box::new(scalar))))
    }

    fn absent(&mut self, call: &Call, grid: Grid) -> Result<Plan> {
        let child = match call.function.function {
            Function::AbsentOverTime => self.range_call(call, grid)?,
            _ => self.vector(arg(call, 0)?, grid)?,
        };
        Ok(absent(child, absent_labels(arg(call, 0)?)))
    }

    fn relabel(&mut self, call: &Call, grid: Grid) -> Result<Plan> {
        let child = self.vector(arg(call, 0)?, grid)?;
        let change = relabel(call.function.function, &call.args[1..])?;
        let node = Node::Relabel(Box::new(RelabelNode { child, change }));
        Ok(merged(Plan::new(grid, node), MergeRule::Labels))
    }

    fn over_range(&mut self, call: &Call, grid: Grid) -> Result<Plan> {
        let plan = self.range_call(call, grid)?;
        let function = call.function.function;
        let keeps = matches!(function, Function::LastOverTime | Function::FirstOverTime);
        Ok(without_names(plan, !keeps, false))
    }

    fn of_sample(&mut self, call: &Call, grid: Grid) -> Result<Plan> {
        let child = self.vector(arg(call, 0)?, grid)?;
        let args = self.scalars(&call.args[1..], grid)?;
        Ok(map(child, MapKind::Call(call.function), args))
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
        let node = RangeNode { input, spec, function: call.function, args };
        Ok(Plan::new(grid, Node::Range(Box::new(node))))
    }

    /// Directly on a selector, `timestamp` returns the time of the sample; elsewhere the step's.
    /// `start_timestamp` returns when the sample began to count, and elsewhere nothing.
    fn timestamp(&mut self, call: &Call, grid: Grid) -> Result<Plan> {
        let vector = arg(call, 0)?;
        if let Expr::Vector(selector) = vector.unwrapped() {
            let starts = call.function.function == Function::StartTimestamp;
            let pick = if starts { Pick::Start } else { Pick::Time };
            let child = self.select(selector, grid, pick)?;
            return Ok(map(child, MapKind::DropName, Vec::new()));
        }
        let child = self.vector(vector, grid)?;
        Ok(map(child, MapKind::Call(call.function), Vec::new()))
    }

    fn sort(&mut self, call: &Call, grid: Grid) -> Result<Plan> {
        let child = self.vector(arg(call, 0)?, grid)?;
        if !self.params.is_instant() || grid.steps != 1 {
            return Ok(child);
        }
        let function = call.function.function;
        let labels = &call.args[1..];
        let by = match function {
            Function::Sort | Function::SortDesc => SortBy::Value,
            _ => SortBy::Labels(labels.iter().map(text).collect::<Result<_>>()?),
        };
        let descending = matches!(function, Function::SortDesc | Function::SortByLabelDesc);
        Ok(Plan::new(grid, Node::Sort(Box::new(SortNode { child, by, descending }))))
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
        let child = self.vector(vector, grid)?;
        let args = self.scalars(numbers, grid)?;
        let node = HistogramNode { child, kind, name: call.function.name, args };
        let node = Node::Histogram(Box::new(node));
        Ok(merged(Plan::new(grid, node), MergeRule::Labels))
    }
}

/// Returns an argument; the parser has counted them.
fn arg(call: &Call, at: usize) -> Result<&Expr> {
    call.args.get(at).ok_or_else(|| {
        QueryError::BadData(format!("{}() lacks argument {}", call.function.name, at + 1))
    })
}

/// A part of the date of the step.
fn date_of_now(call: &Call, grid: Grid) -> Plan {
    let now = Plan::new(grid, Node::FromScalar(Box::new(Scalar::Time(grid))));
    map(now, MapKind::Call(call.function), Vec::new())
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
