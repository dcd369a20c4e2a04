//! Plan → operators: each node becomes the operator that runs it, each slot its leaf.
//!
//! Building recurses as deep as the query is nested. Each operator is therefore made in a function
//! of its own, so that no stack frame has room for all of them.

use super::aggregate::{Aggregate, CountValues, Limit, Top};
use super::context::{Context, Reservation};
use super::histogram::HistogramCall;
use super::join::{SetJoin, VectorJoin};
use super::map::Map;
use super::operator::Operator;
use super::range::{RangeCall, RangeInput};
use super::relabel::{RelabelSeries, Sort};
use super::scalar::ScalarOperator;
use super::select::{Leaf, Select};
use super::shape::{Absent, FromScalar, Merge, Repeat, SAME_LABELS};
use super::steps::Grid;
use crate::ast::Cardinality;
use crate::plan::{
    AbsentNode, AggregateNode, CountValuesNode, HistogramNode, JoinNode, LimitNode, MapNode,
    MergeNode, MergeRule, Node, Plan, RangeNode, RangePlan, RelabelNode, ScalarPlan, SelectNode,
    SetNode, SortNode, TopNode,
};
use crate::query::{QueryError, Result};

/// Makes operators; hands out each leaf once.
pub(crate) struct Builder<'a> {
    leaves: Vec<Option<Leaf>>,
    cx: &'a Context,
    /// Every operator has one step vector of its own.
    held: Vec<Reservation>,
}

type Built = Result<Box<dyn Operator>>;

impl<'a> Builder<'a> {
    pub(crate) fn new(leaves: Vec<Option<Leaf>>, cx: &'a Context) -> Self {
        Self { leaves, cx, held: Vec::new() }
    }

    /// Makes the operator of a plan and of all below it.
    pub(crate) fn operator(&mut self, plan: Plan) -> Built {
        let Plan { grid, node, .. } = plan;
        self.hold(grid)?;
        match node {
            Node::Merge(node) => self.merge(*node),
            Node::Map(node) => self.map(*node, grid),
            Node::Join(node) => self.join(*node, grid),
            Node::Set(node) => self.set(*node, grid),
            Node::Repeat(_) | Node::Absent(_) | Node::Relabel(_) | Node::Sort(_) => {
                self.shape(node, grid)
            }
            other => self.reader(other, grid),
        }
    }

    fn hold(&mut self, grid: Grid) -> Result<()> {
        self.held.push(self.cx.reserve_samples(grid.steps)?);
        Ok(())
    }

    fn shape(&mut self, node: Node, grid: Grid) -> Built {
        match node {
            Node::Repeat(child) => self.repeat(*child, grid),
            Node::Absent(node) => self.absent(*node, grid),
            Node::Relabel(node) => self.relabel(*node),
            Node::Sort(node) => self.sort(*node),
            other => self.reader(other, grid),
        }
    }

    fn reader(&mut self, node: Node, grid: Grid) -> Built {
        match node {
            Node::Select(node) => self.select(&node),
            Node::Range(node) => self.call(*node),
            Node::FromScalar(scalar) => self.scalar_vector(*scalar, grid),
            Node::Histogram(node) => self.histogram(*node, grid),
            Node::Aggregate(node) => self.aggregate(*node, grid),
            Node::Top(node) => self.top(*node, grid),
            Node::Limit(node) => self.limit(*node, grid),
            Node::CountValues(node) => self.count_values(*node, grid),
            Node::Merge(_)
            | Node::Map(_)
            | Node::Join(_)
            | Node::Set(_)
            | Node::Repeat(_)
            | Node::Absent(_)
            | Node::Relabel(_)
            | Node::Sort(_) => Err(QueryError::execution("operator was built out of turn")),
        }
    }

    fn merge(&mut self, node: MergeNode) -> Built {
        let one_to_one = match &node.child.node {
            Node::Join(join) => join.matching.cardinality == Cardinality::OneToOne,
            _ => false,
        };
        let child = self.operator(node.child)?;
        Ok(Box::new(match node.rule {
            MergeRule::Names => Merge::names(child),
            MergeRule::Last => Merge::last(child),
            MergeRule::Labels => Merge::new(child, SAME_LABELS),
            MergeRule::Join => Merge::new(child, VectorJoin::overlap_error(one_to_one)),
        }))
    }

    fn repeat(&mut self, child: Plan, grid: Grid) -> Built {
        let child = self.operator(child)?;
        Ok(Box::new(Repeat::new(child, grid.steps)))
    }

    fn select(&mut self, node: &SelectNode) -> Built {
        Ok(Box::new(Select::new(self.leaf(node.slot)?, node.spec, node.pick)))
    }

    fn call(&mut self, node: RangeNode) -> Built {
        let args = self.scalars(node.args)?;
        let input = self.range(node.input)?;
        Ok(Box::new(RangeCall::new(input, node.spec, node.function, args)))
    }

    fn map(&mut self, node: MapNode, grid: Grid) -> Built {
        let child = self.operator(node.child)?;
        Ok(Box::new(Map::new(child, node.kind, self.scalars(node.args)?, grid)))
    }

    fn scalar_vector(&mut self, scalar: ScalarPlan, grid: Grid) -> Built {
        let scalar = self.scalar(scalar)?;
        Ok(Box::new(FromScalar::new(scalar, grid.steps)))
    }

    fn absent(&mut self, node: AbsentNode, grid: Grid) -> Built {
        let child = self.operator(node.child)?;
        Ok(Box::new(Absent::new(child, node.labels, grid.steps)))
    }

    fn relabel(&mut self, node: RelabelNode) -> Built {
        let child = self.operator(node.child)?;
        Ok(Box::new(RelabelSeries::new(child, node.change)))
    }

    fn sort(&mut self, node: SortNode) -> Built {
        let child = self.operator(node.child)?;
        Ok(Box::new(Sort::new(child, node.by, node.descending)))
    }

    fn histogram(&mut self, node: HistogramNode, grid: Grid) -> Built {
        let child = self.operator(node.child)?;
        let args = self.scalars(node.args)?;
        Ok(Box::new(HistogramCall::new(child, node.kind, node.name, args, grid.steps)))
    }

    fn aggregate(&mut self, node: AggregateNode, grid: Grid) -> Built {
        let child = self.operator(node.child)?;
        let param = node.param.map(|param| self.scalar(param)).transpose()?;
        Ok(Box::new(Aggregate::new(child, node.op, node.grouping, param, grid.steps)))
    }

    fn top(&mut self, node: TopNode, grid: Grid) -> Built {
        let child = self.operator(node.child)?;
        let (k, shape) = (self.scalar(node.k)?, (grid.steps, node.ranked));
        Ok(Box::new(Top::new(child, node.grouping, k, node.largest, shape)))
    }

    fn limit(&mut self, node: LimitNode, grid: Grid) -> Built {
        let child = self.operator(node.child)?;
        let param = self.scalar(node.param)?;
        Ok(Box::new(Limit::new(child, node.grouping, param, node.ratio, grid.steps)))
    }

    fn count_values(&mut self, node: CountValuesNode, grid: Grid) -> Built {
        let child = self.operator(node.child)?;
        Ok(Box::new(CountValues::new(child, node.grouping, &node.label, grid.steps)))
    }

    fn join(&mut self, node: JoinNode, grid: Grid) -> Built {
        let (lhs, rhs) = (self.operator(node.lhs)?, self.operator(node.rhs)?);
        Ok(Box::new(VectorJoin::new(lhs, rhs, node.operation, &node.matching, grid.steps)))
    }

    fn set(&mut self, node: SetNode, grid: Grid) -> Built {
        let (lhs, rhs) = (self.operator(node.lhs)?, self.operator(node.rhs)?);
        Ok(Box::new(SetJoin::new(lhs, rhs, node.op, node.matching, grid.steps)))
    }

    /// Makes a scalar expression.
    pub(crate) fn scalar(&mut self, scalar: ScalarPlan) -> Result<ScalarOperator> {
        scalar.map(&mut |plan| self.operator(plan))
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
