//! What a query may be, checked before and after it becomes a plan.
//!
//! Before: its length, the number of its tokens and set operations (the parser builds chains of
//! operators in a loop, so their depth is bounded by tokens, not by the parser's own limit), then
//! its syntax tree: exactly one query, or `EXPLAIN` of one; nodes, depth, joins. The walk ends at
//! the first node that is too deep, so it never recurses deeper than the limit.
//!
//! After: every node of the logical plan is of a kind that reads, every function is one that was let
//! in, patterns are literals of bounded size; and once the optimizer has found the join conditions,
//! no join is left without one.

use std::ops::ControlFlow;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    self, JoinConstraint, JoinOperator, SetExpr, TableFactor, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use tarn_model::limits::Limits;

use super::error::{SqlError, external, limit};
use super::functions;

/// Tokens of a query: four for every node that it may have.
const TOKENS_PER_NODE: usize = 4;

/// Set operations of a query. Each is a level of the plan.
const SET_OPERATIONS_MAX: usize = 32;

/// Named subqueries of a query.
const NAMED_MAX: usize = 32;

/// Bytes of one text in a query: it is repeated for every row that it stands beside.
const LITERAL_BYTES_MAX: usize = 16 << 10;

/// What a compiled regular expression may take.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Parses one query, within the limits.
///
/// # Errors
/// `Invalid` or `Limit`, with the place.
pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Statement, SqlError> {
    let max = limits.sql_bytes_max;
    if text.len() as u64 > max.0 {
        let bytes = text.len();
        return Err(SqlError::limit(format!("query has {bytes} bytes, limit is {max}")));
    }
    tokens(text, limits)?;
    let parser = DFParserBuilder::new(text).with_dialect(&GenericDialect {}).build();
    let statements = parser.and_then(|mut p| p.parse_statements());
    let mut statements = statements.map_err(|e| cut_off(e.into(), text))?;
    let count = statements.len();
    let Some(mut statement) = statements.pop_front() else {
        return Err(SqlError::invalid("query is empty"));
    };
    if count > 1 {
        return Err(SqlError::invalid(format!(
            "there are {count} statements, only one is answered"
        )));
    }
    let mut tree = Tree::new(limits);
    match Visit::visit(&*query_of(&mut statement)?, &mut tree) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(statement),
    }
}

/// Points at the end of the text where the parser found it too early; it names no place then.
fn cut_off(error: SqlError, text: &str) -> SqlError {
    match &error {
        SqlError::Invalid { message, position: None } if message.ends_with("found: EOF") => {
            let text = text.trim_end();
            let last = text.lines().last().unwrap_or("");
            error.at(text.lines().count().max(1) as u64, last.chars().count() as u64 + 1)
        }
        _ => error,
    }
}

/// Returns the query of a statement.
///
/// # Errors
/// `Invalid` where it is no query.
pub(crate) fn query_of(statement: &mut Statement) -> Result<&mut ast::Query, SqlError> {
    let inner = match statement {
        Statement::Explain(explain) => &mut *explain.statement,
        other => other,
    };
    match inner {
        Statement::Statement(statement) => match &mut **statement {
            ast::Statement::Query(query) => Ok(query),
            _ => Err(refused()),
        },
        _ => Err(refused()),
    }
}

fn refused() -> SqlError {
    SqlError::invalid("only queries are answered: SELECT, WITH, VALUES, and EXPLAIN of these")
}

fn tokens(text: &str, limits: &Limits) -> Result<(), SqlError> {
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location();
    let tokens = tokens.map_err(|e| {
        SqlError::invalid(e.message.to_lowercase()).at(e.location.line, e.location.column)
    })?;
    let max = limits.sql_nodes_max.saturating_mul(TOKENS_PER_NODE);
    let (mut count, mut sets) = (0, 0);
    for token in &tokens {
        let at = token.span.start;
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::Word(word) => {
                sets += usize::from(matches!(
                    word.keyword,
                    Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS
                ));
            }
            Token::SingleQuotedString(s)
            | Token::NationalStringLiteral(s)
            | Token::EscapedStringLiteral(s)
            | Token::HexStringLiteral(s)
                if s.len() > LITERAL_BYTES_MAX =>
            {
                let bytes = s.len();
                let message = format!("text has {bytes} bytes, limit is {LITERAL_BYTES_MAX}");
                return Err(SqlError::limit(message).at(at.line, at.column));
            }
            _ => {}
        }
        count += 1;
        if count > max {
            let message = format!("query has more than {max} words and signs");
            return Err(SqlError::limit(message).at(at.line, at.column));
        }
        if sets > SET_OPERATIONS_MAX {
            let message = format!("query has more than {SET_OPERATIONS_MAX} set operations");
            return Err(SqlError::limit(message).at(at.line, at.column));
        }
    }
    Ok(())
}

/// Counts nodes, depth, joins and named subqueries.
struct Tree {
    nodes: usize,
    nodes_max: usize,
    depth: usize,
    depth_max: usize,
    joins: usize,
    joins_max: usize,
    named: usize,
}

impl Tree {
    fn new(limits: &Limits) -> Self {
        Self {
            nodes: 0,
            nodes_max: limits.sql_nodes_max,
            depth: 0,
            depth_max: limits.sql_depth_max,
            joins: 0,
            joins_max: limits.sql_joins_max,
            named: 0,
        }
    }

    fn node(&mut self) -> ControlFlow<SqlError> {
        self.nodes += 1;
        if self.nodes > self.nodes_max {
            let max = self.nodes_max;
            return ControlFlow::Break(SqlError::limit(format!("query has more than {max} parts")));
        }
        ControlFlow::Continue(())
    }

    fn enter(&mut self) -> ControlFlow<SqlError> {
        self.depth += 1;
        if self.depth > self.depth_max {
            let max = self.depth_max;
            let message = format!("query is nested more than {max} deep");
            return ControlFlow::Break(SqlError::limit(message));
        }
        self.node()
    }

    fn leave(&mut self) -> ControlFlow<SqlError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn join(&mut self, joins: usize) -> ControlFlow<SqlError> {
        self.joins += joins;
        if self.joins > self.joins_max {
            let max = self.joins_max;
            return ControlFlow::Break(SqlError::limit(format!("query has more than {max} joins")));
        }
        ControlFlow::Continue(())
    }
}

impl Visitor for Tree {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<SqlError> {
        self.named += query.with.as_ref().map_or(0, |w| w.cte_tables.len());
        if self.named > NAMED_MAX {
            let message = format!("query has more than {NAMED_MAX} named subqueries");
            return ControlFlow::Break(SqlError::limit(message));
        }
        let reads = reads(&query.body) && query.locks.is_empty() && query.pipe_operators.is_empty();
        if !reads {
            return ControlFlow::Break(refused());
        }
        self.enter()
    }

    fn post_visit_query(&mut self, _: &ast::Query) -> ControlFlow<SqlError> {
        self.leave()
    }

    fn pre_visit_select(&mut self, select: &ast::Select) -> ControlFlow<SqlError> {
        if select.into.is_some() {
            return ControlFlow::Break(refused());
        }
        let joins = select.from.iter().map(|f| f.joins.len()).sum::<usize>();
        self.join(joins + select.from.len().saturating_sub(1))?;
        for join in select.from.iter().flat_map(|f| &f.joins) {
            if is_natural(&join.join_operator) {
                let message = "NATURAL JOIN is not answered: name the columns with USING";
                return ControlFlow::Break(SqlError::invalid(message));
            }
        }
        self.node()
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<SqlError> {
        if let TableFactor::NestedJoin { table_with_joins, .. } = table {
            self.join(table_with_joins.joins.len())?;
        }
        self.enter()
    }

    fn post_visit_table_factor(&mut self, _: &TableFactor) -> ControlFlow<SqlError> {
        self.leave()
    }

    fn pre_visit_expr(&mut self, _: &ast::Expr) -> ControlFlow<SqlError> {
        self.enter()
    }

    fn post_visit_expr(&mut self, _: &ast::Expr) -> ControlFlow<SqlError> {
        self.leave()
    }
}

/// Returns whether a query body only reads. The number of set operations is bounded already.
fn reads(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => true,
        SetExpr::SetOperation { left, right, .. } => reads(left) && reads(right),
        _ => false,
    }
}

fn is_natural(operator: &JoinOperator) -> bool {
    matches!(
        operator,
        JoinOperator::Join(JoinConstraint::Natural)
            | JoinOperator::Inner(JoinConstraint::Natural)
            | JoinOperator::Left(JoinConstraint::Natural)
            | JoinOperator::LeftOuter(JoinConstraint::Natural)
            | JoinOperator::Right(JoinConstraint::Natural)
            | JoinOperator::RightOuter(JoinConstraint::Natural)
            | JoinOperator::FullOuter(JoinConstraint::Natural)
    )
}

/// Refuses a plan that does anything but read, or calls what was not let in.
///
/// # Errors
/// What is refused.
pub(crate) fn plan(plan: &LogicalPlan) -> PlanResult<()> {
    plan.apply_with_subqueries(|node| {
        if !is_allowed(node) {
            let kind = node.display().to_string();
            let kind = kind.split([':', ' ']).next().unwrap_or_default().to_owned();
            return Err(invalid(format!("{kind} is not answered")));
        }
        for expr in node.expressions() {
            expr.apply(|e| expression(e).map(|()| TreeNodeRecursion::Continue))?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn is_allowed(node: &LogicalPlan) -> bool {
    matches!(
        node,
        LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::TableScan(_)
            | LogicalPlan::EmptyRelation(_)
            | LogicalPlan::Subquery(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Values(_)
            | LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Unnest(_)
            | LogicalPlan::RecursiveQuery(_)
    )
}

fn expression(expr: &Expr) -> PlanResult<()> {
    match expr {
        Expr::ScalarFunction(call) => {
            let name = call.name();
            if !functions::is_allowed(&call.func) {
                return Err(invalid(format!("function {name} is not available")));
            }
            if name.starts_with("regexp_") {
                pattern(call.args.get(1))?;
            }
            Ok(())
        }
        Expr::BinaryExpr(binary) => match binary.op {
            Operator::RegexMatch
            | Operator::RegexIMatch
            | Operator::RegexNotMatch
            | Operator::RegexNotIMatch => pattern(Some(&binary.right)),
            _ => Ok(()),
        },
        Expr::SimilarTo(like) => pattern(Some(&like.pattern)),
        Expr::ScalarVariable(..) | Expr::Placeholder(_) => {
            Err(invalid("variables and placeholders are not available"))
        }
        _ => Ok(()),
    }
}

/// Wants a regular expression as a text, and small.
fn pattern(expr: Option<&Expr>) -> PlanResult<()> {
    let literal = match expr {
        Some(Expr::Literal(value, _)) => value.try_as_str().flatten(),
        Some(Expr::Cast(cast)) => match &*cast.expr {
            Expr::Literal(value, _) => value.try_as_str().flatten(),
            _ => None,
        },
        _ => None,
    };
    let Some(pattern) = literal else {
        if let Some(Expr::Literal(ScalarValue::Null, _)) = expr {
            return Ok(());
        }
        return Err(invalid("a regular expression must be a text, not computed"));
    };
    match regex::RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build() {
        Ok(_) => Ok(()),
        Err(regex::Error::CompiledTooBig(max)) => {
            Err(limit(format!("regular expression takes more than {max} bytes compiled")))
        }
        Err(e) => Err(invalid(format!("regular expression is wrong: {e}"))),
    }
}

/// Refuses joins that no condition keeps small, in an optimized plan. With one row on a side there
/// is nothing to multiply.
///
/// # Errors
/// `Invalid`.
pub(crate) fn joins(plan: &LogicalPlan) -> PlanResult<()> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = node
            && join.on.is_empty()
            && join.filter.is_none()
            && ![&join.left, &join.right].iter().any(|s| s.max_rows().is_some_and(|n| n <= 1))
        {
            return Err(invalid(
                "a join without a condition multiplies all rows of both sides; name one with ON, or \
                 set query.sql_cross_joins",
            ));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn invalid(message: impl Into<String>) -> datafusion::common::DataFusionError {
    external(tarn_model::error::Error::invalid(message))
}

#[cfg(test)]
mod tests;
