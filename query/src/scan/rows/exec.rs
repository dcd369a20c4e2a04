//! The leaf of a plan that reads rows.
//!
//! Storage plans the scan when the first stream is polled, so explaining a query reads nothing. Its
//! parts wait in one queue that all streams take from: who is done first takes the next one. Between
//! batches a stream asks whether the query must stop.
//!
//! `ORDER BY time DESC LIMIT n` arrives here twice. The sort is offered to the leaf, which cannot
//! sort but reads newest parts first. And the sort's threshold arrives as a dynamic filter: once n
//! rows are known, nothing older than the oldest of them matters, and that time becomes the floor
//! of the scan, below which storage skips parts and pages.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, ScalarValue, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, DynamicFilterPhysicalExpr, Literal,
};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::metrics::{Count, Metric, MetricValue, MetricsSet};
use datafusion::physical_plan::sort_pushdown::SortOrderPushdownResult;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning,
    PlanProperties, ReplaceChildrenOptions,
};
use futures::StreamExt;
use futures::stream::{BoxStream, try_unfold};
use parking_lot::Mutex;
use tarn_model::tenant::TenantId;
use tarn_storage::view::View;
use tarn_storage::view::rows::{RowOrder, RowPart, RowPrune, RowScan, ScanStats};

use crate::scan::Context;
use crate::sql::error::external;

/// What is read.
#[derive(Debug)]
pub(super) struct RowSpec {
    pub(super) view: Arc<View>,
    pub(super) tenant: TenantId,
    pub(super) scan: RowScan,
    /// The filters, for people.
    pub(super) filters: Vec<String>,
    pub(super) schema: SchemaRef,
    /// Rows before filters, as far as the catalog knows.
    pub(super) rows: u64,
    pub(super) context: Arc<Context>,
}

/// Reads rows of one table.
#[derive(Debug)]
pub(crate) struct RowExec {
    spec: Arc<RowSpec>,
    newest_first: bool,
    limit: Option<usize>,
    /// Thresholds of sorts above; they tighten while the query runs.
    thresholds: Vec<Arc<dyn PhysicalExpr>>,
    properties: Arc<PlanProperties>,
    run: Arc<Run>,
}

/// One execution, shared by its streams.
#[derive(Debug)]
struct Run {
    parts: Mutex<Parts>,
    delivered: AtomicU64,
    /// Rows before this time (µs) are not needed any more.
    floor_us: Arc<AtomicI64>,
}

impl Run {
    fn new() -> Arc<Self> {
        let floor_us = Arc::new(AtomicI64::new(i64::MIN));
        Arc::new(Self { parts: Mutex::default(), delivered: AtomicU64::new(0), floor_us })
    }
}

#[derive(Debug, Default)]
enum Parts {
    #[default]
    Unplanned,
    Planned {
        queue: VecDeque<RowPart>,
        stats: Arc<ScanStats>,
    },
}

impl RowExec {
    pub(super) fn new(spec: Arc<RowSpec>, limit: Option<usize>) -> Self {
        let partitions = Partitioning::UnknownPartitioning(spec.context.partitions.max(1));
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&spec.schema)),
            partitions,
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            spec,
            newest_first: false,
            limit,
            thresholds: Vec::new(),
            properties: Arc::new(properties),
            run: Run::new(),
        }
    }

    /// Returns the same leaf, not yet executed.
    fn fresh(&self) -> Self {
        Self {
            spec: Arc::clone(&self.spec),
            newest_first: self.newest_first,
            limit: self.limit,
            thresholds: self.thresholds.clone(),
            properties: Arc::clone(&self.properties),
            run: Run::new(),
        }
    }

    fn time_column(&self) -> &'static str {
        self.spec.scan.table.time_column()
    }
}

impl DisplayAs for RowExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            self.spec.schema.fields().iter().map(|x| x.name().as_str()).collect();
        let table = self.spec.scan.table.as_str();
        write!(f, "RowExec: table={table}, columns=[{}]", names.join(", "))?;
        if !self.spec.filters.is_empty() {
            write!(f, ", filters=[{}]", self.spec.filters.join(", "))?;
        }
        write_hints(f, &self.spec.scan.prune)?;
        if self.newest_first {
            write!(f, ", newest first")?;
        }
        if let Some(limit) = self.limit {
            write!(f, ", limit={limit}")?;
        }
        Ok(())
    }
}

fn write_hints(f: &mut fmt::Formatter<'_>, prune: &RowPrune) -> fmt::Result {
    let mut hints = Vec::new();
    if prune.start_us > i64::MIN || prune.end_us < i64::MAX {
        hints.push("time".to_owned());
    }
    let lists = [
        ("services", prune.services.as_ref().map(Vec::len)),
        ("kinds", prune.kinds.as_ref().map(Vec::len)),
        ("statuses", prune.statuses.as_ref().map(Vec::len)),
        ("names", prune.names.as_ref().map(Vec::len)),
        ("trace ids", prune.trace_ids.as_ref().map(Vec::len)),
    ];
    hints.extend(lists.iter().filter_map(|(name, n)| n.map(|n| format!("{n} {name}"))));
    if prune.severity.is_some() {
        hints.push("severity".to_owned());
    }
    if hints.is_empty() { Ok(()) } else { write!(f, ", pruned by=[{}]", hints.join(", ")) }
}

impl ExecutionPlan for RowExec {
    fn name(&self) -> &'static str {
        "RowExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for expr in &self.thresholds {
            if f(expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(self.fresh()))
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let reading = Reading {
            spec: Arc::clone(&self.spec),
            run: Arc::clone(&self.run),
            newest_first: self.newest_first,
            limit: self.limit.map(|n| n as u64),
            thresholds: self.thresholds.clone(),
            time_column: self.time_column(),
            part: None,
        };
        let stream = try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|batch| (batch, reading)))
        });
        let adapter = RecordBatchStreamAdapter::new(Arc::clone(&self.spec.schema), stream.boxed());
        Ok(Box::pin(cooperative(adapter)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let Parts::Planned { stats, .. } = &*self.run.parts.lock() else { return None };
        let mut set = MetricsSet::new();
        let rows = Count::new();
        rows.add(stats.rows.load(Ordering::Relaxed) as usize);
        set.push(Arc::new(Metric::new(MetricValue::OutputRows(rows), None)));
        for (name, value) in counters(stats) {
            let count = Count::new();
            count.add(value as usize);
            let value = MetricValue::Count { name: name.into(), count };
            set.push(Arc::new(Metric::new(value, None)));
        }
        Some(set)
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.spec.schema);
        statistics.num_rows = Precision::Inexact(self.spec.rows as usize);
        Ok(Arc::new(statistics))
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self { limit, ..self.fresh() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        asked: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let dynamic: Vec<Arc<dyn PhysicalExpr>> = asked
            .parent_filters
            .iter()
            .map(|f| Arc::clone(&f.filter))
            .filter(|f| f.is::<DynamicFilterPhysicalExpr>())
            .collect();
        // They are used, but nobody may rely on it: whoever made them keeps its own check.
        let answer = FilterPushdownPropagation::all_unsupported(asked);
        if dynamic.is_empty() || phase != FilterPushdownPhase::Post {
            return Ok(answer);
        }
        let mut next = self.fresh();
        next.thresholds.extend(dynamic);
        Ok(answer.with_updated_node(Arc::new(next)))
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
    ) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        let newest = order.first().is_some_and(|first| {
            let column = first.expr.downcast_ref::<Column>();
            first.options.descending && column.is_some_and(|c| c.name() == self.time_column())
        });
        if !newest {
            return Ok(SortOrderPushdownResult::Unsupported);
        }
        let inner = Arc::new(Self { newest_first: true, ..self.fresh() });
        Ok(SortOrderPushdownResult::Inexact { inner })
    }
}

/// Returns the counters of a scan under the names of `EXPLAIN ANALYZE`.
pub(crate) fn counters(stats: &ScanStats) -> [(&'static str, u64); 8] {
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    [
        ("blocks", get(&stats.blocks)),
        ("blocks_pruned", get(&stats.blocks_pruned)),
        ("pages", get(&stats.pages)),
        ("pages_pruned", get(&stats.pages_pruned)),
        ("bytes", get(&stats.bytes)),
        ("reads", get(&stats.reads)),
        ("rows_scanned", get(&stats.rows_scanned)),
        ("rows", get(&stats.rows)),
    ]
}

/// One stream.
struct Reading {
    spec: Arc<RowSpec>,
    run: Arc<Run>,
    newest_first: bool,
    limit: Option<u64>,
    thresholds: Vec<Arc<dyn PhysicalExpr>>,
    time_column: &'static str,
    part: Option<BoxStream<'static, tarn_model::error::Result<RecordBatch>>>,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            self.spec.context.check()?;
            if self.is_full() {
                return Ok(None);
            }
            self.raise_floor();
            if self.part.is_none() {
                let Some(part) = self.next_part()? else { return Ok(None) };
                self.part = Some(part.read());
            }
            let Some(part) = &mut self.part else { continue };
            match part.next().await {
                None => self.part = None,
                Some(Err(e)) => return Err(external(e)),
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => {
                    self.run.delivered.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                    return with_schema(&batch, &self.spec.schema).map(Some);
                }
            }
        }
    }

    fn is_full(&self) -> bool {
        self.limit.is_some_and(|n| self.run.delivered.load(Ordering::Relaxed) >= n)
    }

    /// Takes the next part, planning the scan first where nobody has.
    fn next_part(&self) -> Result<Option<RowPart>> {
        let mut parts = self.run.parts.lock();
        if let Parts::Unplanned = &*parts {
            let mut scan = self.spec.scan.clone();
            scan.order = if self.newest_first { RowOrder::NewestFirst } else { RowOrder::Any };
            scan.floor_us = Arc::clone(&self.run.floor_us);
            let source = self.spec.view.rows(&self.spec.tenant, scan).map_err(external)?;
            self.spec.context.began(&source.stats);
            *parts = Parts::Planned { queue: source.parts.into(), stats: source.stats };
        }
        let Parts::Planned { queue, .. } = &mut *parts else { return Ok(None) };
        while let Some(part) = queue.pop_front() {
            if part.is_needed() {
                return Ok(Some(part));
            }
        }
        Ok(None)
    }

    /// Tells storage which rows are not needed any more.
    fn raise_floor(&self) {
        for threshold in &self.thresholds {
            let Some(dynamic) = threshold.downcast_ref::<DynamicFilterPhysicalExpr>() else {
                continue;
            };
            if let Ok(current) = dynamic.current()
                && let Some(us) = lower_bound(&current, self.time_column)
            {
                self.run.floor_us.fetch_max(us, Ordering::Relaxed);
            }
        }
    }
}

/// Returns the earliest time (µs) that a row may have to pass `expr`, where that can be said.
fn lower_bound(expr: &Arc<dyn PhysicalExpr>, time_column: &str) -> Option<i64> {
    let expr = expr.downcast_ref::<BinaryExpr>()?;
    let side = |side| lower_bound(side, time_column);
    match expr.op() {
        // The time is never NULL, so the first half of `time IS NULL OR time > x` is no way out.
        Operator::Or if is_null_test(expr.left(), time_column) => side(expr.right()),
        Operator::Or => Some(side(expr.left())?.min(side(expr.right())?)),
        Operator::And => side(expr.left()).max(side(expr.right())),
        Operator::Gt | Operator::GtEq | Operator::Eq => {
            let column = expr.left().downcast_ref::<Column>()?;
            let literal = expr.right().downcast_ref::<Literal>()?;
            match literal.value() {
                ScalarValue::TimestampMicrosecond(us, _) if column.name() == time_column => *us,
                _ => None,
            }
        }
        _ => None,
    }
}

fn is_null_test(expr: &Arc<dyn PhysicalExpr>, time_column: &str) -> bool {
    use datafusion::physical_expr::expressions::IsNullExpr;
    expr.downcast_ref::<IsNullExpr>()
        .and_then(|e| e.arg().downcast_ref::<Column>())
        .is_some_and(|c| c.name() == time_column)
}

/// Returns the batch under another schema of the same types: storage calls every column nullable.
pub(super) fn with_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns().to_vec();
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
