//! The tables `samples` and `slices` as DataFusion sees them: metrics, one row per sample or per
//! slice.
//!
//! The same cursor that PromQL reads from delivers the slices, merged per series; `samples` unfolds
//! them. A label is a column `l_<name>`, NULL where the series lacks it. Conditions on labels and on
//! time select series before anything is read; they are hints only, and DataFusion checks them
//! again, so that SQL's rules for NULL hold. Native histograms have rows in `slices` alone.

mod batch;
mod exec;
mod matchers;

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use tarn_storage::schema::tables::{attributes_type, text_type, time_type};

use self::exec::{MetricsExec, MetricsSpec};
use crate::session::Parts;
use crate::sql::rewrite::LABEL;

/// Labels that are columns; those beyond are in `labels_more`. Blocks have the same bound.
const LABEL_COLUMNS: usize = 200;

/// Which of the two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One row per sample.
    Samples,
    /// One row per slice.
    Slices,
}

/// Metrics of one tenant in one view.
#[derive(Debug)]
pub(crate) struct MetricsTable {
    parts: Parts,
    shape: Shape,
    schema: SchemaRef,
}

impl MetricsTable {
    /// Makes the table with a column for each known label, then for `named` ones.
    pub(crate) fn new(parts: &Parts, shape: Shape, named: &[String]) -> Self {
        let labels = label_columns(&parts.labels, named);
        Self { parts: parts.clone(), shape, schema: schema(shape, &labels) }
    }
}

/// Returns the columns of labels: those that are known, then those that the query names.
fn label_columns(known: &[String], named: &[String]) -> Vec<String> {
    let known = known.iter().filter(|l| l.as_str() != tarn_model::labels::METRIC_NAME);
    let mut columns: Vec<String> =
        known.take(LABEL_COLUMNS).map(|label| format!("{LABEL}{label}")).collect();
    for name in named {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    columns
}

fn schema(shape: Shape, labels: &[String]) -> SchemaRef {
    let ms = || DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let mut fields = vec![Field::new("metric", text_type(), true)];
    fields.extend(labels.iter().map(|name| Field::new(name, text_type(), true)));
    fields.push(Field::new("labels_more", attributes_type(), true));
    fields.push(Field::new("type", text_type(), true));
    match shape {
        Shape::Samples => {
            fields.push(Field::new("ts", ms(), false));
            fields.push(Field::new("value", DataType::Float64, false));
        }
        Shape::Slices => fields.push(Field::new("n", DataType::Int64, false)),
    }
    fields.push(Field::new("ts_first", time_type(), false));
    fields.push(Field::new("ts_last", time_type(), false));
    match shape {
        Shape::Samples => fields.push(Field::new("start_ts", time_type(), true)),
        Shape::Slices => {
            fields.push(Field::new("stale", DataType::Boolean, false));
            fields.push(Field::new("histograms", DataType::Boolean, false));
            let stats = batch::STATISTICS.iter();
            fields.extend(stats.map(|name| Field::new(*name, DataType::Float64, true)));
            fields.push(Field::new("stat_has_nan", DataType::Boolean, true));
            fields.push(Field::new("stat_gap_ms_max", DataType::Int32, true));
        }
    }
    Arc::new(Schema::new(fields))
}

#[async_trait]
impl TableProvider for MetricsTable {
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
        let inexact = |_| TableProviderFilterPushDown::Inexact;
        Ok(filters.iter().map(inexact).collect())
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(indices) => Arc::new(self.schema.project(indices)?),
            None => Arc::clone(&self.schema),
        };
        let filters = if self.parts.context.pushdown { filters } else { &[] };
        let spec = MetricsSpec {
            view: Arc::clone(&self.parts.view),
            tenant: self.parts.tenant.clone(),
            selector: matchers::selector(filters),
            limits: self.parts.scan_limits,
            shape: self.shape,
            labels: self.schema.fields().iter().filter_map(|f| label(f.name())).collect(),
            schema,
            context: Arc::clone(&self.parts.context),
        };
        Ok(Arc::new(MetricsExec::new(Arc::new(spec), limit)))
    }
}

/// Returns the label of a column.
fn label(column: &str) -> Option<String> {
    column.strip_prefix(LABEL).map(str::to_owned)
}
