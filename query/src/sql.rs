//! SQL: from text to a plan.
//!
//! 1. [`guard`] parses the text, within its limits, and refuses what is no query.
//! 2. [`rewrite`] turns attributes in the syntax tree into columns of tables.
//! 3. A `Session` is built that has these tables, and plans.
//! 4. [`guard`] looks at the plan: node kinds, [`functions`], joins.
//!
//! All of it runs on a thread of its own with a deep stack, because parser, planner and optimizer
//! recurse, and what they recurse over is dropped there too.

pub(crate) mod error;
pub(crate) mod functions;
pub(crate) mod guard;
pub(crate) mod rewrite;

use datafusion::logical_expr::LogicalPlan;
use tarn_model::limits::Limits;
use tarn_storage::schema::tables::Table;

use self::error::SqlError;
use self::rewrite::Known;
use crate::session::{Parts, Session};

/// The promoted columns of both tables.
#[derive(Debug)]
struct Promoted {
    logs: Vec<String>,
    spans: Vec<String>,
}

impl Promoted {
    fn new(parts: &Parts) -> Self {
        let of = |table| parts.view.row_schema(&parts.tenant, table, i64::MIN, i64::MAX).promoted;
        Self { logs: of(Table::Logs), spans: of(Table::Spans) }
    }
}

impl Known for Promoted {
    fn promoted(&self, table: Table) -> &[String] {
        match table {
            Table::Logs => &self.logs,
            Table::Spans => &self.spans,
        }
    }
}

/// Returns the session of a query, and its plan.
///
/// # Errors
/// What is wrong with the text.
pub(crate) async fn plan(
    text: &str,
    limits: &Limits,
    parts: Parts,
) -> Result<(Session, LogicalPlan), SqlError> {
    let mut statement = guard::parse(text, limits)?;
    let extra = rewrite::rewrite(guard::query_of(&mut statement)?, &Promoted::new(&parts))?;
    let session = Session::new(parts, &extra)?;
    let plan = session.state().statement_to_plan(statement).await?;
    Ok((session, plan))
}
