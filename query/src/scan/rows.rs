//! The tables `logs` and `spans` as DataFusion sees them: a table provider over `View::rows`.
//!
//! Reading is storage's: which blocks, which pages, checksums, caches, filters before the other
//! columns. What this module adds is the translation. A projection becomes the columns of a scan;
//! conditions become [`filter`]s that storage calls with batches, so they hold exactly and nothing
//! is filtered twice; what they say about time, service, severity, kind, status, name and trace ids
//! becomes a [`prune`] hint. [`exec`] is the leaf of the plan.
//!
//! A table has, beside the columns that are always there, those that the query names: an attribute
//! (`attributes['k']`) or the own column of a promoted one (`ai_http.status`).

pub(crate) mod exec;
pub(crate) mod filter;
mod prune;

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use tarn_model::tenant::TenantId;
use tarn_storage::schema::tables::Table;
use tarn_storage::view::View;
use tarn_storage::view::rows::{RowColumn, RowScan};

use self::exec::{RowExec, RowSpec};
use super::Context;
use crate::sql::error::external;

/// A table of rows, of one tenant, in one view.
#[derive(Debug)]
pub(crate) struct RowTable {
    view: Arc<View>,
    tenant: TenantId,
    table: Table,
    columns: Vec<RowColumn>,
    schema: SchemaRef,
    context: Arc<Context>,
}

impl RowTable {
    /// Makes the table with its own columns, then `extra` ones.
    pub(crate) fn new(
        view: Arc<View>,
        tenant: TenantId,
        table: Table,
        extra: &[RowColumn],
        context: Arc<Context>,
    ) -> Result<Self> {
        let mut columns = base_columns(table);
        columns.extend(extra.iter().filter(|c| !columns.contains(c)).cloned().collect::<Vec<_>>());
        let schema = schema(table, &columns)?;
        Ok(Self { view, tenant, table, columns, schema, context })
    }

    fn filters(
        &self,
        state: &dyn Session,
        filters: &[Expr],
    ) -> Result<(Vec<tarn_storage::view::rows::RowFilter>, Vec<String>)> {
        let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
        let mut compiled = Vec::new();
        for expr in filters.iter().flat_map(split_conjunction) {
            let physical = state.create_physical_expr(expr.clone(), &schema)?;
            compiled.push(filter::Compiled::new(&physical, &self.schema, &self.columns)?);
        }
        // Cheap columns first: storage decodes the next filter's columns only for rows that passed.
        compiled.sort_by_key(filter::Compiled::cost);
        Ok(compiled.into_iter().map(filter::Compiled::into_parts).unzip())
    }
}

/// Returns the columns of a table that are there in every query.
pub(crate) fn base_columns(table: Table) -> Vec<RowColumn> {
    use tarn_storage::schema::tables::column::{ATTRIBUTE_KINDS, ATTRIBUTES};
    let schema = table.schema();
    let column = |field: &Arc<Field>| match field.name().as_str() {
        ATTRIBUTES => RowColumn::Attributes,
        ATTRIBUTE_KINDS => RowColumn::AttributeKinds,
        name => RowColumn::Stored(name.into()),
    };
    schema.fields().iter().map(column).collect()
}

/// Returns the schema of columns; what the table never leaves empty is not nullable.
fn schema(table: Table, columns: &[RowColumn]) -> Result<SchemaRef> {
    let stored = table.schema();
    let field = |column: &RowColumn| {
        let field = tarn_storage::view::rows::field(table, column).map_err(external)?;
        let nullable = stored.field_with_name(field.name()).map_or(true, Field::is_nullable);
        Ok(field.with_nullable(nullable))
    };
    let fields: Result<Vec<Field>> = columns.iter().map(field).collect();
    Ok(Arc::new(Schema::new(fields?)))
}

#[async_trait]
impl TableProvider for RowTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let one = |expr: &&Expr| {
            if self.context.pushdown && filter::is_pushable(expr) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(one).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize>;
        let indices = match projection {
            Some(indices) => indices,
            None => {
                all = (0..self.columns.len()).collect();
                &all
            }
        };
        let schema = Arc::new(self.schema.project(indices)?);
        let columns = indices.iter().map(|i| self.columns[*i].clone()).collect();
        let mut scan = RowScan::new(self.table, columns);
        scan.prune = prune::hints(self.table, filters);
        let (filters, texts) = self.filters(state, filters)?;
        scan.filters = filters;
        let known =
            self.view.row_schema(&self.tenant, self.table, scan.prune.start_us, scan.prune.end_us);
        let spec = RowSpec {
            view: Arc::clone(&self.view),
            tenant: self.tenant.clone(),
            scan,
            filters: texts,
            schema,
            rows: known.rows,
            context: Arc::clone(&self.context),
        };
        Ok(Arc::new(RowExec::new(Arc::new(spec), limit)))
    }
}
