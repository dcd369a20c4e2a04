//! Conditions of a plan as filters of a scan.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::error::DataFusionError;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::create_physical_expr;
use tarn_model::error::{Error, Result};
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::{RowColumn, RowFilter, RowScan};

use crate::scan::rows::filter::Compiled;

/// Returns the filter of a condition.
///
/// # Errors
/// `Invalid` where it names a column that the table does not have, or does not fit its type.
pub(crate) fn row_filter(table: Table, condition: &Expr) -> Result<RowFilter> {
    let mut names: Vec<String> =
        condition.column_refs().iter().map(|column| column.name.clone()).collect();
    names.sort_unstable();
    if names.is_empty() {
        names.push(table.time_column().to_owned());
    }
    let columns: Vec<RowColumn> = names.iter().map(|name| row_column(name)).collect();
    let schema = RowScan::new(table, columns.clone()).schema()?;
    let compile = || {
        let schema = DFSchema::try_from(Arc::clone(&schema))?;
        let context = PhysicalPlanningContext::default();
        create_physical_expr(condition, &schema, &ExecutionProps::new(), &context)
    };
    let compiled = compile().and_then(|expr| Compiled::new(&expr, &schema, &columns));
    Ok(compiled.map_err(failed)?.into_parts().0)
}

/// Returns the logical column of a column's name.
fn row_column(name: &str) -> RowColumn {
    let key = name.strip_prefix("attributes['").and_then(|rest| rest.strip_suffix("']"));
    match (key, name) {
        (Some(key), _) => RowColumn::Attribute(key.into()),
        (None, column::ATTRIBUTES) => RowColumn::Attributes,
        (None, column::ATTRIBUTE_KINDS) => RowColumn::AttributeKinds,
        (None, name) => RowColumn::Stored(name.into()),
    }
}

/// Returns what reading a column costs, as weights: codes and small numbers before ids, resources
/// whose JSON is read, texts, attributes that may be in a map, and lists.
pub(crate) fn column_cost(name: &str) -> u32 {
    match name {
        column::RESOURCE | column::SCOPE => 4,
        column::TRACE_ID | column::SPAN_ID | column::PARENT_SPAN_ID => 8,
        column::BODY => 30,
        column::EVENTS | column::LINKS => 60,
        name if name.starts_with("attributes") => 20,
        _ => 1,
    }
}

fn failed(error: DataFusionError) -> Error {
    Error::internal("compile a condition of a search").with_source(error)
}
