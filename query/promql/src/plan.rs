//! Tree → plan: what is computed from what, at which steps, and what must be read for it.
//!
//! Planning walks the syntax tree once. Every node gets its own grid of steps: subqueries make new
//! ones, and what does not depend on the step (`@`-fixed selectors and functions of them) is planned
//! for one step and repeated. The selectors of the whole query are collected, with the time range
//! that each needs, so that the source can resolve all of them from one view.

use std::sync::Arc;

use tarn_model::labels::LabelSet;
use tarn_model::time::TimeRange;

use crate::ast::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Expr, MatrixSelector, Sign, Subquery,
    TimeShift, Unary, ValueType, VectorSelector,
};
use crate::ast::{DurationContext, DurationExpr};
use crate::exec::aggregate::Grouping;
use crate::exec::arithmetic::{Operation, is_trim};
use crate::exec::context::too_many_samples;
use crate::exec::join::Matching;
use crate::exec::map::MapKind;
use crate::exec::scalar::Scalar;
use crate::exec::select::Pick;
use crate::exec::steps::Grid;
use crate::exec::window::WindowSpec;
use crate::functions::signature::Function;
use crate::query::{QueryError, QueryParams, Result};
use crate::source::Select;

mod call;
mod invariant;
mod node;

pub(crate) use invariant::depends_on_step;
pub(crate) use node::{
    AbsentNode, AggregateNode, CountValuesNode, HistogramNode, JoinNode, LimitNode, MapNode,
    MergeNode, MergeRule, Node, Plan, RangeNode, RangePlan, RelabelNode, Root, ScalarPlan,
    SelectNode, SetNode, SortNode, TopNode,
};

/// The plan of a query and what it reads.
pub(crate) struct Planned {
    pub(crate) root: Root,
    /// The selectors, in the order of their slots.
    pub(crate) selects: Vec<Select>,
    /// The steps of the query.
    pub(crate) grid: Grid,
}

/// Plans a query.
///
/// # Errors
/// The expression is of a type that the query cannot have, a duration makes no sense, or a
/// construct is not answered.
pub(crate) fn plan(expr: &Expr, params: &QueryParams) -> Result<Planned> {
    let grid = if params.is_instant() {
        Grid::once(params.start_ms)
    } else {
        Grid::until(params.start_ms, params.end_ms, params.step_ms)
    };
    if grid.steps as u64 > params.limits.points_max {
        let max = params.limits.points_max;
        return Err(QueryError::BadData(format!(
            "exceeded maximum resolution of {max} points per timeseries. Try decreasing the query \
             resolution (?step=XX)"
        )));
    }
    let mut planner = Planner { params, selects: Vec::new() };
    let root = planner.root(expr, grid)?;
    Ok(Planned { root, selects: planner.selects, grid })
}

struct Planner<'a> {
    params: &'a QueryParams,
    selects: Vec<Select>,
}

impl Planner<'_> {
    fn root(&mut self, expr: &Expr, grid: Grid) -> Result<Root> {
        let of_type = expr.value_type();
        let fits = matches!(of_type, ValueType::Scalar | ValueType::Vector);
        if !self.params.is_instant() && !fits {
            return Err(QueryError::BadData(format!(
                "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
                of_type.documented()
            )));
        }
        Ok(match (of_type, expr.unwrapped()) {
            (ValueType::Scalar, _) => Root::Scalar(self.scalar(expr, grid)?),
            (ValueType::String, Expr::String(text)) => Root::Text(Arc::clone(&text.value)),
            (ValueType::Matrix, _) => {
                let (input, spec) = self.range(expr, grid)?;
                Root::Samples(input, spec)
            }
            _ => {
                let plan = self.vector(expr, grid)?;
                // Names that were dropped at once are merged where they were dropped.
                let late = self.params.options.delayed_name_removal;
                let plan = if late { merged(plan, MergeRule::Last) } else { plan };
                Root::Vector { plan, ordered: self.params.is_instant() && is_ordered(expr) }
            }
        })
    }

    /// Plans an expression of type vector. Recurses as deep as the query is nested, so what happens
    /// at each level is done in functions of their own: their frames do not stay on the stack.
    fn vector(&mut self, expr: &Expr, grid: Grid) -> Result<Plan> {
        if grid.steps > 1 && invariant::is_invariant(expr) {
            return self.repeat(expr, grid);
        }
        match expr {
            Expr::Paren(paren) => self.vector(&paren.expr, grid),
            Expr::Vector(selector) => self.select(selector, grid, Pick::Value),
            Expr::Unary(unary) => self.unary(unary, grid),
            Expr::Binary(binary) => self.binary(binary, grid),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, grid),
            Expr::Call(call) => self.call(call, grid),
            other => Err(wrong_type("an instant vector", other)),
        }
    }

    fn repeat(&mut self, expr: &Expr, grid: Grid) -> Result<Plan> {
        let once = self.vector(expr, Grid::once(grid.start_ms))?;
        let nameless = once.nameless;
        Ok(Plan { nameless, ..Plan::new(grid, Node::Repeat(Box::new(once))) })
    }

    fn unary(&mut self, unary: &Unary, grid: Grid) -> Result<Plan> {
        let child = self.vector(&unary.expr, grid)?;
        Ok(match unary.sign {
            Sign::Plus => child,
            Sign::Minus => map(child, MapKind::Negate, Vec::new()),
        })
    }

    /// Plans an expression of type scalar.
    fn scalar(&mut self, expr: &Expr, grid: Grid) -> Result<ScalarPlan> {
        Ok(match expr {
            Expr::Number(number) => Scalar::Const(number.value),
            Expr::Paren(paren) => self.scalar(&paren.expr, grid)?,
            Expr::Unary(unary) => {
                let inner = self.scalar(&unary.expr, grid)?;
                match unary.sign {
                    Sign::Plus => inner,
                    Sign::Minus => Scalar::Negate(Box::new(inner)),
                }
            }
            Expr::Binary(binary) => {
                if is_trim(binary.op) {
                    return Err(unsupported("trimming of scalars"));
                }
                let lhs = Box::new(self.scalar(&binary.lhs, grid)?);
                Scalar::Binary(binary.op, lhs, Box::new(self.scalar(&binary.rhs, grid)?))
            }
            Expr::Call(call) => self.scalar_call(call, grid)?,
            other => return Err(wrong_type("a scalar", other)),
        })
    }

    fn scalar_call(&mut self, call: &Call, grid: Grid) -> Result<ScalarPlan> {
        let seconds = |ms: i64| Scalar::Const(ms as f64 / 1000.0);
        Ok(match (call.function.function, &call.args[..]) {
            (Function::Time, _) => Scalar::Time(grid),
            (Function::Pi, _) => Scalar::Const(std::f64::consts::PI),
            (Function::Start, _) => seconds(self.params.start_ms),
            (Function::End, _) => seconds(self.params.end_ms),
            (Function::Step, _) => seconds(self.params.step_ms),
            (Function::Range, _) => seconds(self.params.end_ms - self.params.start_ms),
            (Function::Scalar, [vector]) => Scalar::OnlyElement(self.vector(vector, grid)?, grid),
            (function @ (Function::MaxOf | Function::MinOf), [lhs, rhs]) => Scalar::Extreme(
                Box::new(self.scalar(lhs, grid)?),
                Box::new(self.scalar(rhs, grid)?),
                function == Function::MaxOf,
            ),
            _ => return Err(unsupported(&format!("{}()", call.function.name))),
        })
    }

    fn binary(&mut self, binary: &Binary, grid: Grid) -> Result<Plan> {
        let scalar = |side: &Expr| side.value_type() == ValueType::Scalar;
        if scalar(&binary.lhs) {
            return self.with_numbers(binary, (&binary.rhs, &binary.lhs), true, grid);
        }
        if scalar(&binary.rhs) {
            return self.with_numbers(binary, (&binary.lhs, &binary.rhs), false, grid);
        }
        let lhs = self.vector(&binary.lhs, grid)?;
        let rhs = self.vector(&binary.rhs, grid)?;
        Ok(join(binary, lhs, rhs))
    }

    fn with_numbers(
        &mut self,
        binary: &Binary,
        (vector, numbers): (&Expr, &Expr),
        numbers_left: bool,
        grid: Grid,
    ) -> Result<Plan> {
        let numbers = self.scalar(numbers, grid)?;
        let child = self.vector(vector, grid)?;
        let operation = Operation { op: binary.op, return_bool: binary.return_bool };
        Ok(map(child, MapKind::Arithmetic { operation, numbers_left }, vec![numbers]))
    }

    fn aggregate(&mut self, aggregate: &Aggregate, grid: Grid) -> Result<Plan> {
        let child = self.vector(&aggregate.expr, grid)?;
        self.grouped(aggregate, child)
    }

    fn grouped(&mut self, aggregate: &Aggregate, child: Plan) -> Result<Plan> {
        let (op, grid) = (aggregate.op, child.grid);
        let grouping = Grouping::new(aggregate.without, &aggregate.grouping);
        let node = match (op, aggregate.param.as_deref()) {
            (AggregateOp::Limitk | AggregateOp::LimitRatio, Some(param)) => {
                let param = self.scalar(param, grid)?;
                let ratio = op == AggregateOp::LimitRatio;
                Node::Limit(Box::new(LimitNode { child, grouping, param, ratio }))
            }
            (AggregateOp::CountValues, Some(param)) => {
                let label = call::label_name(param)?;
                Node::CountValues(Box::new(CountValuesNode { child, grouping, label }))
            }
            (AggregateOp::Topk | AggregateOp::Bottomk, Some(param)) => {
                let k = self.scalar(param, grid)?;
                let largest = op == AggregateOp::Topk;
                let ranked = self.params.is_instant() && grid.steps == 1;
                Node::Top(Box::new(TopNode { child, grouping, k, largest, ranked }))
            }
            (_, param) => {
                let param = param.map(|param| self.scalar(param, grid)).transpose()?;
                Node::Aggregate(Box::new(AggregateNode { child, op, grouping, param }))
            }
        };
        Ok(Plan::new(grid, node))
    }

    fn select(&mut self, selector: &VectorSelector, grid: Grid, pick: Pick) -> Result<Plan> {
        let spec = self.spec(&selector.shift, self.params.lookback_ms, grid)?;
        let slot = self.slot(selector, &spec)?;
        Ok(Plan::new(grid, Node::Select(Box::new(SelectNode { slot, spec, pick }))))
    }

    /// Plans an expression of type matrix and the windows over it.
    fn range(&mut self, expr: &Expr, grid: Grid) -> Result<(RangePlan, WindowSpec)> {
        match expr.unwrapped() {
            Expr::Matrix(MatrixSelector { selector, range, .. }) => {
                let range_ms = self.positive(range)?;
                let spec = self.spec(&selector.shift, range_ms, grid)?;
                Ok((RangePlan::Stored(self.slot(selector, &spec)?), spec))
            }
            Expr::Subquery(subquery) => self.subquery(subquery, grid),
            other => Err(wrong_type("a range vector", other)),
        }
    }

    fn subquery(&mut self, subquery: &Subquery, grid: Grid) -> Result<(RangePlan, WindowSpec)> {
        let range_ms = self.positive(&subquery.range)?;
        let spec = self.spec(&subquery.shift, range_ms, grid)?;
        let step_ms = match &subquery.step {
            Some(step) => self.positive(step)?,
            None => self.params.options.no_step_subquery_interval_ms,
        };
        // Points lie on multiples of the step, whatever the query's start, so that windows of
        // neighbouring steps and of later queries see the same points.
        let open_start = spec.start(0);
        let mut start_ms = open_start / step_ms * step_ms;
        if start_ms <= open_start {
            start_ms += step_ms;
        }
        let end_ms = spec.end(grid.steps.saturating_sub(1));
        let points = Grid::until(start_ms, end_ms, step_ms);
        if points.steps as u64 > self.params.limits.samples_max {
            return Err(too_many_samples());
        }
        let child = self.vector(&subquery.expr, points)?;
        Ok((RangePlan::Computed(Box::new(child)), spec))
    }

    fn spec(&self, shift: &TimeShift, range_ms: i64, grid: Grid) -> Result<WindowSpec> {
        let offset_ms = match &shift.offset {
            Some(offset) => offset.resolve(self.durations()).map_err(QueryError::BadData)?,
            None => 0,
        };
        let at_ms = shift.at.map(|at| match at {
            At::Timestamp(ms) => ms,
            At::Start => self.params.start_ms,
            At::End => self.params.end_ms,
        });
        Ok(WindowSpec { grid, range_ms, offset_ms, at_ms })
    }

    /// Registers a selector and returns its place among the query's.
    fn slot(&mut self, selector: &VectorSelector, spec: &WindowSpec) -> Result<usize> {
        if selector.extended.is_some() {
            return Err(unsupported("anchored and smoothed selectors"));
        }
        let last = spec.grid.steps.saturating_sub(1);
        let (start_ms, end_ms) = (spec.start(0).saturating_add(1), spec.end(last));
        let matchers = selector.matchers.clone();
        self.selects.push(Select { matchers, range: TimeRange { start_ms, end_ms } });
        Ok(self.selects.len() - 1)
    }

    fn positive(&self, duration: &DurationExpr) -> Result<i64> {
        duration.resolve_positive(self.durations()).map_err(QueryError::BadData)
    }

    fn durations(&self) -> DurationContext {
        DurationContext {
            step_ms: self.params.step_ms,
            range_ms: self.params.end_ms - self.params.start_ms,
        }
    }
}

/// Joins two vectors.
fn join(binary: &Binary, lhs: Plan, rhs: Plan) -> Plan {
    let (op, grid) = (binary.op, lhs.grid);
    let matching = binary.matching.clone().unwrap_or_default();
    if op.is_set() {
        let matching = Matching::new(&matching);
        let plan = Plan::new(grid, Node::Set(Box::new(SetNode { lhs, rhs, op, matching })));
        return if op == BinaryOp::Or { merged(plan, MergeRule::Labels) } else { plan };
    }
    let operation = Operation { op, return_bool: binary.return_bool };
    let node = JoinNode { lhs, rhs, operation, matching };
    merged(Plan::new(grid, Node::Join(Box::new(node))), MergeRule::Join)
}

/// Wraps a plan so that series with the same labels become one.
fn merged(child: Plan, rule: MergeRule) -> Plan {
    Plan::new(child.grid, Node::Merge(Box::new(MergeNode { child, rule })))
}

/// Plans a change of each series that drops its name.
fn map(child: Plan, kind: MapKind, args: Vec<ScalarPlan>) -> Plan {
    let drops = match &kind {
        MapKind::Arithmetic { operation, .. } => operation.drops_name(),
        MapKind::Call(_) | MapKind::Negate | MapKind::DropName => true,
    };
    let nameless = child.nameless;
    let plan = Plan::new(child.grid, Node::Map(Box::new(MapNode { child, kind, args })));
    without_names(plan, drops, nameless)
}

/// Merges what an operator that drops names has made equal. Where there were no names before, or
/// none were dropped, nothing can be.
fn without_names(plan: Plan, drops: bool, nameless_before: bool) -> Plan {
    if nameless_before || !drops {
        return Plan { nameless: nameless_before, ..plan };
    }
    Plan { nameless: true, ..merged(plan, MergeRule::Names) }
}

fn absent(child: Plan, labels: LabelSet) -> Plan {
    Plan::new(child.grid, Node::Absent(Box::new(AbsentNode { child, labels })))
}

fn wrong_type(expected: &str, got: &Expr) -> QueryError {
    let got = got.value_type().documented();
    QueryError::BadData(format!("expected {expected}, got a {got}"))
}

fn unsupported(construct: &str) -> QueryError {
    QueryError::Unsupported(format!("not answered yet: {construct}"))
}

/// Returns whether the order of an instant result is part of the answer.
fn is_ordered(expr: &Expr) -> bool {
    match expr.unwrapped() {
        Expr::Aggregate(e) => matches!(e.op, AggregateOp::Topk | AggregateOp::Bottomk),
        Expr::Call(e) => matches!(
            e.function.function,
            Function::Sort | Function::SortDesc | Function::SortByLabel | Function::SortByLabelDesc
        ),
        _ => false,
    }
}
