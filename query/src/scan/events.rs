//! Events and links of spans, one row each: views over `spans` that unnest its lists.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::catalog::TableProvider;
use datafusion::catalog::default_table_source::provider_as_source;
use datafusion::common::Result;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use tarn_storage::schema::tables::{column as name, time_type};

use crate::session::column;

/// What stands beside each event and link.
const OF_THE_SPAN: [&str; 3] = [name::TRACE_ID, name::SPAN_ID, name::SERVICE_NAME];

/// Returns the view of events: when, what, attributes.
pub(crate) fn events(spans: Arc<dyn TableProvider>) -> Result<LogicalPlan> {
    // The time of an event is stored as its distance from the start of the span.
    let us = |e: Expr| cast(e, DataType::Int64);
    let offset = || get_field(column(name::EVENTS), name::OFFSET_NS);
    let time = cast(us(column(name::START)) + offset() / lit(1000_i64), time_type());
    let columns = vec![
        time.alias(name::TIMESTAMP),
        offset().alias(name::OFFSET_NS),
        get_field(column(name::EVENTS), name::NAME).alias(name::NAME),
        get_field(column(name::EVENTS), name::ATTRIBUTES).alias(name::ATTRIBUTES),
        get_field(column(name::EVENTS), name::ATTRIBUTE_KINDS).alias(name::ATTRIBUTE_KINDS),
        get_field(column(name::EVENTS), name::DROPPED).alias(name::DROPPED_ATTRIBUTES),
        column(name::NAME).alias("span_name"),
        column(name::START).alias("span_start"),
    ];
    unnest(spans, name::EVENTS, columns)
}

/// Returns the view of links: to which span, attributes.
pub(crate) fn links(spans: Arc<dyn TableProvider>) -> Result<LogicalPlan> {
    let field = |f: &str| get_field(column(name::LINKS), f);
    let columns = vec![
        field(name::TRACE_ID).alias("linked_trace_id"),
        field(name::SPAN_ID).alias("linked_span_id"),
        field(name::TRACE_STATE).alias(name::TRACE_STATE),
        field(name::ATTRIBUTES).alias(name::ATTRIBUTES),
        field(name::ATTRIBUTE_KINDS).alias(name::ATTRIBUTE_KINDS),
        field(name::DROPPED).alias(name::DROPPED_ATTRIBUTES),
        field(name::FLAGS).alias(name::FLAGS),
        column(name::NAME).alias("span_name"),
        column(name::START).alias(name::START),
    ];
    unnest(spans, name::LINKS, columns)
}

fn unnest(
    spans: Arc<dyn TableProvider>,
    list: &'static str,
    columns: Vec<Expr>,
) -> Result<LogicalPlan> {
    let read = OF_THE_SPAN.into_iter().chain([name::NAME, name::START, list]).map(column);
    LogicalPlanBuilder::scan("spans", provider_as_source(spans), None)?
        .project(read)?
        .filter(column(list).is_not_null())?
        .unnest_column(list)?
        .project(OF_THE_SPAN.into_iter().map(column).chain(columns))?
        .build()
}
