//! The plan as data.

use std::sync::Arc;

use tarn_model::labels::LabelSet;

use crate::ast::{AggregateOp, BinaryOp, VectorMatching};
use crate::exec::aggregate::Grouping;
use crate::exec::arithmetic::Operation;
use crate::exec::histogram::HistogramKind;
use crate::exec::join::Matching;
use crate::exec::map::MapKind;
use crate::exec::relabel::SortBy;
use crate::exec::scalar::Scalar;
use crate::exec::select::Pick;
use crate::exec::steps::Grid;
use crate::exec::window::WindowSpec;
use crate::functions::label::Relabel;
use crate::functions::signature::Signature;

/// A planned scalar.
pub(crate) type ScalarPlan = Scalar<Plan>;

/// What a query evaluates to.
pub(crate) enum Root {
    /// A number per step.
    Scalar(ScalarPlan),
    /// A text.
    Text(Arc<str>),
    /// A vector per step.
    Vector {
        /// How it is computed.
        plan: Plan,
        /// Its order is part of the answer.
        ordered: bool,
    },
    /// The samples of one window.
    Samples(RangePlan, WindowSpec),
}

/// One operator and the steps at which it is evaluated. Small, because it is handed up through as
/// many stack frames as the query is deep.
pub(crate) struct Plan {
    pub(crate) grid: Grid,
    pub(crate) node: Node,
    /// No series has a name any more, so dropping names changes nothing.
    pub(crate) nameless: bool,
}

impl Plan {
    pub(crate) fn new(grid: Grid, node: Node) -> Self {
        Self { grid, node, nameless: false }
    }
}

/// Where the samples of a range come from.
pub(crate) enum RangePlan {
    /// The selector in this slot.
    Stored(usize),
    /// The points of a subquery.
    Computed(Box<Plan>),
}

/// Which series may have become equal, and what is wrong where they meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MergeRule {
    /// Names were dropped.
    Names,
    /// Any labels may have changed.
    Labels,
    /// A join made them.
    Join,
    /// The end of the query, where names are dropped that were kept until now.
    Last,
}

/// The operators. Boxed one by one, so that a node is small whatever it says.
pub(crate) enum Node {
    Select(Box<SelectNode>),
    Range(Box<RangeNode>),
    Map(Box<MapNode>),
    FromScalar(Box<ScalarPlan>),
    Repeat(Box<Plan>),
    Absent(Box<AbsentNode>),
    Relabel(Box<RelabelNode>),
    Sort(Box<SortNode>),
    Histogram(Box<HistogramNode>),
    Aggregate(Box<AggregateNode>),
    Top(Box<TopNode>),
    Limit(Box<LimitNode>),
    CountValues(Box<CountValuesNode>),
    Join(Box<JoinNode>),
    Set(Box<SetNode>),
    Merge(Box<MergeNode>),
}

pub(crate) struct SelectNode {
    pub(crate) slot: usize,
    pub(crate) spec: WindowSpec,
    pub(crate) pick: Pick,
}

pub(crate) struct RangeNode {
    pub(crate) input: RangePlan,
    pub(crate) spec: WindowSpec,
    pub(crate) function: &'static Signature,
    pub(crate) args: Vec<ScalarPlan>,
}

pub(crate) struct MapNode {
    pub(crate) child: Plan,
    pub(crate) kind: MapKind,
    pub(crate) args: Vec<ScalarPlan>,
}

pub(crate) struct AbsentNode {
    pub(crate) child: Plan,
    pub(crate) labels: LabelSet,
}

pub(crate) struct RelabelNode {
    pub(crate) child: Plan,
    pub(crate) change: Relabel,
}

pub(crate) struct SortNode {
    pub(crate) child: Plan,
    pub(crate) by: SortBy,
    pub(crate) descending: bool,
}

pub(crate) struct HistogramNode {
    pub(crate) child: Plan,
    pub(crate) kind: HistogramKind,
    pub(crate) name: &'static str,
    pub(crate) args: Vec<ScalarPlan>,
}

pub(crate) struct AggregateNode {
    pub(crate) child: Plan,
    pub(crate) op: AggregateOp,
    pub(crate) grouping: Grouping,
    pub(crate) param: Option<ScalarPlan>,
}

pub(crate) struct TopNode {
    pub(crate) child: Plan,
    pub(crate) grouping: Grouping,
    pub(crate) k: ScalarPlan,
    pub(crate) largest: bool,
    /// The ranking is the order of the output.
    pub(crate) ranked: bool,
}

pub(crate) struct LimitNode {
    pub(crate) child: Plan,
    pub(crate) grouping: Grouping,
    pub(crate) param: ScalarPlan,
    /// `limit_ratio` instead of `limitk`.
    pub(crate) ratio: bool,
}

pub(crate) struct CountValuesNode {
    pub(crate) child: Plan,
    pub(crate) grouping: Grouping,
    pub(crate) label: Arc<str>,
}

pub(crate) struct JoinNode {
    pub(crate) lhs: Plan,
    pub(crate) rhs: Plan,
    pub(crate) operation: Operation,
    pub(crate) matching: VectorMatching,
}

pub(crate) struct SetNode {
    pub(crate) lhs: Plan,
    pub(crate) rhs: Plan,
    pub(crate) op: BinaryOp,
    pub(crate) matching: Matching,
}

pub(crate) struct MergeNode {
    pub(crate) child: Plan,
    pub(crate) rule: MergeRule,
}
