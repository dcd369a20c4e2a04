//! Conditions of a query as storage runs them.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use tarn_storage::view::rows::{RowColumn, RowFilter, RowTest};

use crate::sql::error::internal;

/// Returns whether a condition gives the same answer wherever it runs: no subqueries, nothing that
/// changes from call to call.
pub(super) fn is_pushable(expr: &Expr) -> bool {
    let mut pushable = true;
    let walked = expr.apply(|e| {
        let stays = match e {
            Expr::ScalarFunction(f) => f.func.signature().volatility == Volatility::Volatile,
            Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::ScalarSubquery(_)
            | Expr::OuterReferenceColumn(..)
            | Expr::AggregateFunction(_)
            | Expr::WindowFunction(_)
            | Expr::Unnest(_)
            | Expr::Placeholder(_) => true,
            _ => false,
        };
        pushable &= !stays;
        Ok(if stays { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.is_ok() && pushable
}

/// A condition, compiled against its own columns.
#[derive(Debug)]
pub(crate) struct Compiled {
    filter: RowFilter,
    text: String,
    cost: u8,
}

impl Compiled {
    pub(crate) fn new(
        expr: &Arc<dyn PhysicalExpr>,
        schema: &SchemaRef,
        columns: &[RowColumn],
    ) -> Result<Self> {
        let mut indices: Vec<usize> = collect_columns(expr).iter().map(|c| c.index()).collect();
        indices.sort_unstable();
        indices.dedup();
        if indices.is_empty() && !columns.is_empty() {
            // A condition about nothing still says yes or no for each row of a batch.
            indices.push(0);
        }
        let own: Schema = schema.project(&indices)?;
        let read: Vec<RowColumn> = indices.iter().map(|i| columns[*i].clone()).collect();
        let cost = own.fields().iter().zip(&read).map(|(f, c)| cost(f.data_type(), c)).max();
        let text = expr.to_string();
        let expr = reassign_expr_columns(Arc::clone(expr), &own)?;
        let test = ExprTest { expr, schema: Arc::new(own) };
        let filter = RowFilter { columns: read, test: Arc::new(test) };
        Ok(Self { filter, text, cost: cost.unwrap_or(0) })
    }

    pub(super) fn cost(&self) -> u8 {
        self.cost
    }

    pub(crate) fn into_parts(self) -> (RowFilter, String) {
        (self.filter, self.text)
    }
}

/// What it costs to decode and look at a column: codes, numbers, ids, attributes, texts, maps.
fn cost(kind: &DataType, column: &RowColumn) -> u8 {
    match (column, kind) {
        (RowColumn::Attribute(_), _) => 4,
        (RowColumn::Attributes | RowColumn::AttributeKinds, _) => 6,
        (RowColumn::Stored(_), DataType::Dictionary(..)) => 0,
        (RowColumn::Stored(_), DataType::Utf8) => 5,
        (RowColumn::Stored(_), DataType::FixedSizeBinary(_)) => 2,
        (RowColumn::Stored(_), kind) if kind.is_nested() => 7,
        (RowColumn::Stored(_), _) => 1,
    }
}

struct ExprTest {
    expr: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
}

impl fmt::Debug for ExprTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expr)
    }
}

impl ExprTest {
    fn evaluate(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let rows = batch.num_rows();
        let array = super::exec::with_schema(batch, &self.schema)
            .and_then(|batch| self.expr.evaluate(&batch))?
            .into_array(rows)?;
        if *array.data_type() == DataType::Null {
            return Ok(BooleanArray::from(vec![false; rows]));
        }
        let kind = array.data_type().clone();
        let mask = array.as_boolean_opt().cloned();
        mask.ok_or_else(|| internal(format!("condition {} is {kind}, not boolean", self.expr)))
    }
}

impl RowTest for ExprTest {
    fn test(&self, batch: &RecordBatch) -> tarn_model::error::Result<BooleanArray> {
        self.evaluate(batch).map_err(crate::sql::error::into_model)
    }
}
