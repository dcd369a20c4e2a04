//! The syntax tree: what a query says, where it says it, and of which type it is.
//!
//! The parser builds it, `check.rs` proves its types, [`crate::print`] writes it back as text
//! and the planner turns it into operators. Every node carries the [`Span`] of bytes it was written
//! in: errors and annotations point there. A tree is never deeper than the parser's depth limit, so
//! walking it by recursion is safe. Nothing is rewritten while parsing: parentheses, unary plus and
//! both ways to write a duration survive, because the printer must give them back.

use std::sync::Arc;

use tarn_model::matcher::Matcher;

use crate::functions::signature::Signature;

mod duration;
mod operator;
mod span;

pub(crate) use duration::whole_millis;
pub use duration::{DurationContext, DurationExpr, DurationKind, DurationOp};
pub use operator::{AggregateOp, BinaryOp};
pub use span::{Position, Span};

/// The type of an expression's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One number per step.
    Scalar,
    /// One sample per series and step.
    Vector,
    /// A window of samples per series and step.
    Matrix,
    /// Text.
    String,
}

impl ValueType {
    /// Returns the name that the HTTP API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::String => "string",
        }
    }

    /// Returns the name that error messages use.
    pub fn documented(self) -> &'static str {
        match self {
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            other => other.as_str(),
        }
    }
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// `1.5`, `0x1f`, `5m`, `Inf`
    Number(NumberLiteral),
    /// `"text"`
    String(StringLiteral),
    /// `up{job="x"}`
    Vector(VectorSelector),
    /// `up{job="x"}[5m]`
    Matrix(MatrixSelector),
    /// `expr[1h:5m]`
    Subquery(Subquery),
    /// `-expr`, `+expr`
    Unary(Unary),
    /// `a + b`
    Binary(Binary),
    /// `sum by (job) (expr)`
    Aggregate(Aggregate),
    /// `rate(expr)`
    Call(Call),
    /// `(expr)`
    Paren(Paren),
}

/// A number.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberLiteral {
    /// The value; of a duration its seconds.
    pub value: f64,
    /// Written as a duration (`5m`), and printed as one.
    pub is_duration: bool,
    /// Where it was written.
    pub span: Span,
}

/// A string.
#[derive(Debug, Clone, PartialEq)]
pub struct StringLiteral {
    /// The text, unescaped. Escapes can write bytes that are not UTF-8 (`"\xff"`); those stand here
    /// as U+FFFD.
    pub value: Arc<str>,
    /// The exact bytes where they are not UTF-8.
    pub raw: Option<Arc<[u8]>>,
    /// Where it was written.
    pub span: Span,
}

/// A selection of series, one sample each.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSelector {
    /// The metric name where it was written in front of the braces.
    /// [`VectorSelector::matchers`] holds it as well, as the last one.
    pub name: Option<Arc<str>>,
    /// Everything that series must match, the metric name included.
    pub matchers: Vec<Matcher>,
    /// `offset` and `@`.
    pub shift: TimeShift,
    /// `anchored` or `smoothed`.
    pub extended: Option<Extended>,
    /// The second argument of `info`: a list of matchers, allowed to match everything.
    pub is_info_filter: bool,
    /// Where it was written, modifiers included.
    pub span: Span,
}

/// How a selector moves in time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TimeShift {
    /// `offset 5m`; positive looks into the past.
    pub offset: Option<DurationExpr>,
    /// `@ 1609746000`, `@ start()`
    pub at: Option<At>,
}

/// A fixed evaluation time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Milliseconds since the Unix epoch.
    Timestamp(i64),
    /// `start()`: the start of the query.
    Start,
    /// `end()`: the end of the query.
    End,
}

/// How a selector treats the borders of its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extended {
    /// Includes the sample before the window.
    Anchored,
    /// Interpolates at both borders.
    Smoothed,
}

/// A selection of series, a window of samples each.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixSelector {
    /// What is selected; it carries the offset, `@` and the extension of the whole.
    pub selector: VectorSelector,
    /// The length of the window.
    pub range: DurationExpr,
    /// Where it was written.
    pub span: Span,
}

/// An expression evaluated at several times, which yields a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Box<Expr>,
    /// The length of the window.
    pub range: DurationExpr,
    /// The distance of its points; `None`: the default of the engine.
    pub step: Option<DurationExpr>,
    /// `offset` and `@`.
    pub shift: TimeShift,
    /// Where it was written.
    pub span: Span,
}

/// The sign of a unary expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sign {
    /// `+`, which changes nothing but drops no name either.
    Plus,
    /// `-`
    Minus,
}

/// A sign before an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Unary {
    /// The sign.
    pub sign: Sign,
    /// What it applies to.
    pub expr: Box<Expr>,
    /// Where it was written.
    pub span: Span,
}

/// Two expressions joined by an operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// `bool`: a comparison yields 0 and 1 instead of filtering.
    pub return_bool: bool,
    /// How elements of the two sides find each other; present exactly where both are vectors.
    pub matching: Option<VectorMatching>,
    /// Left-hand side.
    pub lhs: Box<Expr>,
    /// Right-hand side.
    pub rhs: Box<Expr>,
    /// Where it was written: from the start of the left to the end of the right side.
    pub span: Span,
}

/// How many elements of one side may match one of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Cardinality {
    /// One each.
    #[default]
    OneToOne,
    /// `group_left`: several on the left.
    ManyToOne,
    /// `group_right`: several on the right.
    OneToMany,
    /// Set operators.
    ManyToMany,
}

/// How elements of two vectors find each other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VectorMatching {
    /// How many may match one.
    pub cardinality: Cardinality,
    /// `on`: only [`VectorMatching::labels`] count; otherwise (`ignoring`) all others do.
    pub on: bool,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<Arc<str>>,
    /// Labels that the "one" side adds to the result.
    pub include: Vec<Arc<str>>,
    /// What stands in for an absent side.
    pub fill: Fill,
}

/// Values that stand in for a missing element.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Fill {
    /// Used where the left side is missing.
    pub left: Option<f64>,
    /// Used where the right side is missing.
    pub right: Option<f64>,
}

/// An aggregation over the elements of a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// The operator.
    pub op: AggregateOp,
    /// `without`: group by all labels but [`Aggregate::grouping`]; otherwise by exactly those.
    pub without: bool,
    /// The labels of `by` or `without`.
    pub grouping: Vec<Arc<str>>,
    /// The parameter of `topk`, `quantile`, `count_values`, …
    pub param: Option<Box<Expr>>,
    /// What is aggregated.
    pub expr: Box<Expr>,
    /// Where it was written.
    pub span: Span,
}

/// A function call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The function.
    pub function: &'static Signature,
    /// Its arguments, proven to fit.
    pub args: Vec<Expr>,
    /// Where it was written.
    pub span: Span,
}

/// An expression in parentheses.
#[derive(Debug, Clone, PartialEq)]
pub struct Paren {
    /// What stands inside.
    pub expr: Box<Expr>,
    /// Where it was written, parentheses included.
    pub span: Span,
}

impl Expr {
    /// Returns where the expression was written.
    pub fn span(&self) -> Span {
        match self {
            Self::Number(e) => e.span,
            Self::String(e) => e.span,
            Self::Vector(e) => e.span,
            Self::Matrix(e) => e.span,
            Self::Subquery(e) => e.span,
            Self::Unary(e) => e.span,
            Self::Binary(e) => e.span,
            Self::Aggregate(e) => e.span,
            Self::Call(e) => e.span,
            Self::Paren(e) => e.span,
        }
    }

    /// Returns the type of the expression's value.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Number(_) => ValueType::Scalar,
            Self::String(_) => ValueType::String,
            Self::Vector(_) | Self::Aggregate(_) => ValueType::Vector,
            Self::Matrix(_) | Self::Subquery(_) => ValueType::Matrix,
            Self::Unary(e) => e.expr.value_type(),
            Self::Paren(e) => e.expr.value_type(),
            Self::Call(e) => e.function.returns,
            Self::Binary(e) => {
                let scalar = |side: &Self| side.value_type() == ValueType::Scalar;
                if scalar(&e.lhs) && scalar(&e.rhs) { ValueType::Scalar } else { ValueType::Vector }
            }
        }
    }

    /// Returns the direct children in the order in which upstream visits them: of an aggregation
    /// the expression before the parameter. The selector inside a [`MatrixSelector`] is not an
    /// expression of its own.
    pub fn children(&self) -> Vec<&Self> {
        match self {
            Self::Number(_) | Self::String(_) | Self::Vector(_) | Self::Matrix(_) => Vec::new(),
            Self::Subquery(e) => vec![&e.expr],
            Self::Unary(e) => vec![&e.expr],
            Self::Paren(e) => vec![&e.expr],
            Self::Binary(e) => vec![&e.lhs, &e.rhs],
            Self::Aggregate(e) => std::iter::once(&*e.expr).chain(e.param.as_deref()).collect(),
            Self::Call(e) => e.args.iter().collect(),
        }
    }

    /// Returns the direct children for change, in the order of [`Expr::children`].
    pub fn children_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Number(_) | Self::String(_) | Self::Vector(_) | Self::Matrix(_) => Vec::new(),
            Self::Subquery(e) => vec![&mut e.expr],
            Self::Unary(e) => vec![&mut e.expr],
            Self::Paren(e) => vec![&mut e.expr],
            Self::Binary(e) => vec![&mut e.lhs, &mut e.rhs],
            Self::Aggregate(e) => {
                std::iter::once(&mut *e.expr).chain(e.param.as_deref_mut()).collect()
            }
            Self::Call(e) => e.args.iter_mut().collect(),
        }
    }

    /// Calls `visit` for this expression and all below, parents first.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        for child in self.children() {
            child.walk(visit);
        }
    }

    /// Returns the expression without the parentheses around it.
    pub fn unwrapped(&self) -> &Self {
        let mut expr = self;
        while let Self::Paren(paren) = expr {
            expr = &paren.expr;
        }
        expr
    }
}

/// Which parts of the language are enabled beyond its stable core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseOptions {
    /// The functions marked experimental, `limitk` and `limit_ratio`.
    pub experimental_functions: bool,
    /// Arithmetic in `[..]` and `offset`.
    pub duration_expressions: bool,
    /// `anchored` and `smoothed`.
    pub extended_selectors: bool,
    /// `fill`, `fill_left`, `fill_right`.
    pub fill: bool,
}

impl ParseOptions {
    /// Everything enabled.
    pub const ALL: Self = Self {
        experimental_functions: true,
        duration_expressions: true,
        extended_selectors: true,
        fill: true,
    };

    /// Nothing enabled beyond the stable core.
    pub const NONE: Self = Self {
        experimental_functions: false,
        duration_expressions: false,
        extended_selectors: false,
        fill: false,
    };
}

impl Default for ParseOptions {
    /// What a Prometheus 3.14 server ships: duration expressions only.
    fn default() -> Self {
        Self { duration_expressions: true, ..Self::NONE }
    }
}
