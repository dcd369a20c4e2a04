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
pub(crate) type ScalarPlan = Scalar<Box<Plan>>;

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

/// One operator and the steps at which it is evaluated.
pub(crate) struct Plan {
    pub(crate) grid: Grid,
    pub(crate) node: Node,
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

/// The operators.
pub(crate) enum Node {
    Select { slot: usize, spec: WindowSpec, pick: Pick },
    Range { input: RangePlan, spec: WindowSpec, function: &'static Signature, args: Vec<ScalarPlan> },
    Map { child: Box<Plan>, kind: MapKind, args: Vec<ScalarPlan> },
    FromScalar(ScalarPlan),
    Repeat(Box<Plan>),
    Absent { child: Box<Plan>, labels: LabelSet },
    Relabel { child: Box<Plan>, change: Relabel },
    Sort { child: Box<Plan>, by: SortBy, descending: bool },
    Histogram { child: Box<Plan>, kind: HistogramKind, name: &'static str, args: Vec<ScalarPlan> },
    Aggregate { child: Box<Plan>, op: AggregateOp, grouping: Grouping, param: Option<ScalarPlan> },
    Top { child: Box<Plan>, grouping: Grouping, k: ScalarPlan, largest: bool, ranked: bool },
    CountValues { child: Box<Plan>, grouping: Grouping, label: Arc<str> },
    Join { lhs: Box<Plan>, rhs: Box<Plan>, operation: Operation, matching: VectorMatching },
    Set { lhs: Box<Plan>, rhs: Box<Plan>, op: BinaryOp, matching: Matching },
    Merge { child: Box<Plan>, rule: MergeRule },
}
