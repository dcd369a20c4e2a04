//! The session of one query: its tables, functions, memory and time, and nothing else.
//!
//! DataFusion's own sessions read files, know object stores and keep settings; this one is built
//! from parts and has none of that. Its catalog has the tenant's tables over one pinned view, an
//! information schema of four tables, no object stores and no temporary files. A session lives as
//! long as its query.

mod catalog;
pub(crate) mod memory;

use std::sync::Arc;

use datafusion::common::{Column, Result};
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::config::SessionConfig;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;
use tarn_model::tenant::TenantId;
use tarn_model::time::UnixNanos;
use tarn_storage::view::{ScanLimits, View};

use self::catalog::Catalogs;
use crate::scan::Context;
use crate::sql::error::internal;
use crate::sql::functions::planner::CappedPlanner;
use crate::sql::rewrite::Extra;
use crate::sql::{functions, guard};

/// The schema in which the tables are.
pub(crate) const SCHEMA: &str = "public";

/// The catalog in which the schema is.
pub(crate) const CATALOG: &str = "tarn";

/// Rows of one batch.
const BATCH_ROWS: usize = tarn_storage::view::rows::BATCH_ROWS;

/// What a session is made of.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) view: Arc<View>,
    pub(crate) tenant: TenantId,
    pub(crate) context: Arc<Context>,
    pub(crate) pool: Arc<dyn MemoryPool>,
    /// What `now()` is.
    pub(crate) now: UnixNanos,
    pub(crate) scan_limits: ScanLimits,
    /// Whether joins without a condition are answered.
    pub(crate) cross_joins: bool,
    /// Names of labels, for `SELECT *` over samples.
    pub(crate) labels: Arc<[String]>,
}

/// The session of one query.
#[derive(Debug)]
pub(crate) struct Session {
    parts: Parts,
    state: SessionState,
}

impl Session {
    /// Builds a session whose tables have `extra` columns beside their own.
    pub(crate) fn new(parts: Parts, extra: &Extra) -> Result<Self> {
        let catalogs = Arc::new(Catalogs::new(&parts, extra)?);
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&parts.pool))
            .with_disk_manager_builder(disk)
            .with_object_store_registry(Arc::new(catalog::NoStores))
            .build_arc()?;
        let mut planners: Vec<Arc<dyn datafusion::logical_expr::planner::ExprPlanner>> =
            vec![Arc::new(CappedPlanner::new())];
        planners.extend(SessionStateDefaults::default_expr_planners());
        let state = SessionStateBuilder::new()
            .with_session_id(String::new())
            .with_config(config(parts.context.partitions))
            .with_runtime_env(runtime)
            .with_catalog_list(catalogs)
            .with_expr_planners(planners)
            .with_scalar_functions(functions::scalars())
            .with_aggregate_functions(functions::aggregates())
            .with_window_functions(functions::windows())
            .with_execution_props(props(parts.now)?)
            .build();
        Ok(Self { parts, state })
    }

    /// Returns DataFusion's part of it.
    pub(crate) fn state(&self) -> &SessionState {
        &self.state
    }

    /// Makes a plan that can be run.
    ///
    /// # Errors
    /// What the guards refuse, and what is wrong with the query.
    pub(crate) async fn physical(&self, plan: &LogicalPlan) -> Result<Planned> {
        guard::plan(plan)?;
        let optimized = self.state.optimize(plan)?;
        if !self.parts.cross_joins {
            guard::joins(&optimized)?;
        }
        let plan = self.state.query_planner().create_physical_plan(&optimized, &self.state).await?;
        Ok(Planned { plan, task: self.state.task_ctx() })
    }
}

/// A plan that can be run, with what it runs in.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) task: Arc<TaskContext>,
}

/// Returns a column by its exact name.
pub(crate) fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

fn config(partitions: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions.max(1))
        .with_batch_size(BATCH_ROWS)
        .with_information_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    // What `now()` returns has the type of the times in the tables.
    options.execution.time_zone = Some("UTC".to_owned());
    // Places of mistakes.
    options.sql_parser.collect_spans = true;
    // Clients of Arrow IPC know the plain types everywhere.
    options.optimizer.expand_views_at_output = true;
    config
}

fn props(now: UnixNanos) -> Result<ExecutionProps> {
    let time = arrow_array::temporal_conversions::timestamp_ns_to_datetime(now.0);
    let time = time.ok_or_else(|| internal(format!("the clock says {} ns", now.0)))?;
    Ok(ExecutionProps::new().with_query_execution_start_time(time.and_utc()))
}
