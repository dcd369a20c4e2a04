//! Plan → operators: each node becomes the operator that runs it, each slot its leaf.

use super::aggregate::{Aggregate, CountValues, Top};
use super::context::{Context, Reservation};
use super::histogram::HistogramCall;
use super::join::{SetJoin, VectorJoin};
use super::map::Map;
use super::operator::{Operator, Pull, Series};
use super::range::{RangeCall, RangeInput};
use super::relabel::{RelabelSeries, Sort};
use super::scalar::ScalarOperator;
use super::select::{Leaf, Select};
use super::shape::{Absent, FromScalar, Merge, Repeat, SAME_LABELS};
use super::steps::Steps;
use crate::plan::{MergeRule, Node, Plan, RangePlan, ScalarPlan};
use crate::query::{QueryError, Result};

/// Makes operators; hands out each leaf once.
pub(crate) struct Builder<'a> {
    leaves: Vec<Option<Leaf>>,
    cx: &'a Context,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(leaves: Vec<Option<Leaf>>, cx: &'a Context) -> Self {
        Self { leaves, cx }
    }

    /// Makes the operator of a plan and of all below it.
    pub(crate) fn operator(&mut self, plan: Plan) -> Result<Box<dyn Operator>> {
        let grid = plan.grid;
        let steps = grid.steps;
        // Every operator has one step vector of its own.
        let held = self.cx.reserve_samples(steps)?;
        let operator: Box<dyn Operator> = match plan.node {
            Node::Select { slot, spec, pick } => Box::new(Select::new(self.leaf(slot)?, spec, pick)),
            Node::Range { input, spec, function, args } => {
                let input = self.range(input)?;
                Box::new(RangeCall::new(input, spec, function, self.scalars(args)?))
            }
            Node::Map { child, kind, args } => {
                let child = self.operator(*child)?;
                Box::new(Map::new(child, kind, self.scalars(args)?, grid))
            }
            Node::FromScalar(scalar) => Box::new(FromScalar::new(self.scalar(scalar)?, steps)),
            Node::Repeat(child) => Box::new(Repeat::new(self.operator(*child)?, steps)),
            Node::Absent { child, labels } => {
                Box::new(Absent::new(self.operator(*child)?, labels, steps))
            }
            Node::Relabel { child, change } => {
                Box::new(RelabelSeries::new(self.operator(*child)?, change))
            }
            Node::Sort { child, by, descending } => {
                Box::new(Sort::new(self.operator(*child)?, by, descending))
            }
            Node::Histogram { child, kind, name, args } => {
                let child = self.operator(*child)?;
                Box::new(HistogramCall::new(child, kind, name, self.scalars(args)?, steps))
            }
            Node::Aggregate { child, op, grouping, param } => {
                let child = self.operator(*child)?;
                let param = param.map(|param| self.scalar(param)).transpose()?;
                Box::new(Aggregate::new(child, op, grouping, param, steps))
            }
            Node::Top { child, grouping, k, largest, ranked } => {
                let (child, k) = (self.operator(*child)?, self.scalar(k)?);
                Box::new(Top::new(child, grouping, k, largest, (steps, ranked)))
            }
            Node::CountValues { child, grouping, label } => {
                Box::new(CountValues::new(self.operator(*child)?, grouping, &label, steps))
            }
            Node::Join { lhs, rhs, operation, matching } => {
                let (lhs, rhs) = (self.operator(*lhs)?, self.operator(*rhs)?);
                Box::new(VectorJoin::new(lhs, rhs, operation, &matching, steps))
            }
            Node::Set { lhs, rhs, op, matching } => {
                let (lhs, rhs) = (self.operator(*lhs)?, self.operator(*rhs)?);
                Box::new(SetJoin::new(lhs, rhs, op, matching, steps))
            }
            Node::Merge { child, rule } => self.merge(*child, rule)?,
        };
        Ok(Box::new(Held { operator, _held: held }))
    }

    fn merge(&mut self, child: Plan, rule: MergeRule) -> Result<Box<dyn Operator>> {
        let one_to_one = match &child.node {
            Node::Join { matching, .. } => {
                matching.cardinality == crate::ast::Cardinality::OneToOne
            }
            _ => false,
        };
        let child = self.operator(child)?;
        Ok(Box::new(match rule {
            MergeRule::Names => Merge::names(child),
            MergeRule::Last => Merge::last(child),
            MergeRule::Labels => Merge::new(child, SAME_LABELS),
            MergeRule::Join => Merge::new(child, VectorJoin::overlap_error(one_to_one)),
        }))
    }

    /// Makes a scalar expression.
    pub(crate) fn scalar(&mut self, scalar: ScalarPlan) -> Result<ScalarOperator> {
        scalar.map(&mut |plan: Box<Plan>| self.operator(*plan))
    }

    fn scalars(&mut self, scalars: Vec<ScalarPlan>) -> Result<Vec<ScalarOperator>> {
        scalars.into_iter().map(|scalar| self.scalar(scalar)).collect()
    }

    /// Makes the input of a function over a range.
    pub(crate) fn range(&mut self, range: RangePlan) -> Result<RangeInput> {
        Ok(match range {
            RangePlan::Stored(slot) => RangeInput::Stored(self.leaf(slot)?),
            RangePlan::Computed(plan) => {
                let grid = plan.grid;
                RangeInput::computed(self.operator(*plan)?, grid)
            }
        })
    }

    fn leaf(&mut self, slot: usize) -> Result<Leaf> {
        let leaf = self.leaves.get_mut(slot).and_then(Option::take);
        leaf.ok_or_else(|| QueryError::execution(format!("selector {slot} was used twice")))
    }
}

/// An operator and the memory of its step vector.
struct Held {
    operator: Box<dyn Operator>,
    _held: Reservation,
}

impl Operator for Held {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        self.operator.open(cx)
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        self.operator.next(cx, out)
    }
}
