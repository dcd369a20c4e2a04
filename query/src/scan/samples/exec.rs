//! The leaf of a plan that reads metrics: one stream, series by series.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{Count, Metric, MetricValue, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning,
    PlanProperties, ReplaceChildrenOptions,
};
use futures::StreamExt;
use futures::stream::try_unfold;
use tarn_model::map::HashSet;
use tarn_model::slice::{Samples, Slice};
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_storage::view::rows::BATCH_ROWS;
use tarn_storage::view::{ScanLimits, SelectedSeries, Selector, SeriesCursor, View};

use super::Shape;
use super::batch::Batch;
use crate::scan::Context;
use crate::sql::error::{external, internal};

/// What is read.
#[derive(Debug)]
pub(super) struct MetricsSpec {
    pub(super) view: Arc<View>,
    pub(super) tenant: TenantId,
    pub(super) selector: Selector,
    pub(super) limits: ScanLimits,
    pub(super) shape: Shape,
    /// Labels that have a column in the table.
    pub(super) labels: HashSet<String>,
    pub(super) schema: SchemaRef,
    pub(super) context: Arc<Context>,
}

/// Reads samples or slices.
#[derive(Debug)]
pub(crate) struct MetricsExec {
    spec: Arc<MetricsSpec>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    series: AtomicU64,
    rows: AtomicU64,
}

impl MetricsExec {
    pub(super) fn new(spec: Arc<MetricsSpec>, limit: Option<usize>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&spec.schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self { spec, limit, properties: Arc::new(properties), counters: Arc::default() }
    }
}

impl DisplayAs for MetricsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            self.spec.schema.fields().iter().map(|x| x.name().as_str()).collect();
        let shape = match self.spec.shape {
            Shape::Samples => "samples",
            Shape::Slices => "slices",
        };
        write!(f, "MetricsExec: table={shape}, columns=[{}]", names.join(", "))?;
        let selector = &self.spec.selector;
        if !selector.matchers.is_empty() {
            let matchers: Vec<String> = selector.matchers.iter().map(ToString::to_string).collect();
            write!(f, ", matchers=[{}]", matchers.join(", "))?;
        }
        if selector.range != TimeRange::ALL {
            write!(f, ", pruned by=[time]")?;
        }
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for MetricsExec {
    fn name(&self) -> &'static str {
        "MetricsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
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

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let reading = Reading {
            labels: Arc::new(self.spec.labels.clone()),
            spec: Arc::clone(&self.spec),
            limit: self.limit,
            counters: Arc::clone(&self.counters),
            open: None,
            delivered: 0,
        };
        let stream = try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|batch| (batch, reading)))
        });
        let adapter = RecordBatchStreamAdapter::new(Arc::clone(&self.spec.schema), stream.boxed());
        Ok(Box::pin(cooperative(adapter)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut set = MetricsSet::new();
        let count = |value: &AtomicU64| {
            let count = Count::new();
            count.add(value.load(Ordering::Relaxed) as usize);
            count
        };
        let rows = MetricValue::OutputRows(count(&self.counters.rows));
        set.push(Arc::new(Metric::new(rows, None)));
        let series =
            MetricValue::Count { name: "series".into(), count: count(&self.counters.series) };
        set.push(Arc::new(Metric::new(series, None)));
        Some(set)
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self::new(Arc::clone(&self.spec), limit)))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }
}

/// The stream.
struct Reading {
    spec: Arc<MetricsSpec>,
    labels: Arc<HashSet<String>>,
    limit: Option<usize>,
    counters: Arc<Counters>,
    open: Option<Open>,
    delivered: usize,
}

/// A selection while it is read.
struct Open {
    series: std::vec::IntoIter<SelectedSeries>,
    cursor: SeriesCursor,
    current: Option<SelectedSeries>,
    slices: Vec<Slice>,
    /// Slice and sample to go on with.
    at: (usize, usize),
    batch: Batch,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.spec.context.check()?;
        let left = self.limit.map_or(usize::MAX, |n| n.saturating_sub(self.delivered));
        if left == 0 {
            return Ok(None);
        }
        let max = left.min(BATCH_ROWS);
        if self.open.is_none() {
            self.open = Some(self.select().await?);
        }
        let Some(open) = &mut self.open else { return Ok(None) };
        if let Some(series) = &open.current {
            open.batch.series(series);
        }
        while open.batch.rows() < max {
            if open.at.0 >= open.slices.len() {
                self.spec.context.check()?;
                if !open.next_series().await? {
                    break;
                }
                self.counters.series.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            open.take(&self.spec, max);
        }
        let rows = open.batch.rows();
        if rows == 0 {
            return Ok(None);
        }
        self.delivered += rows;
        self.counters.rows.fetch_add(rows as u64, Ordering::Relaxed);
        open.batch.finish().map(Some)
    }

    async fn select(&self) -> Result<Open> {
        let spec = &self.spec;
        let selectors = std::slice::from_ref(&spec.selector);
        let selections = spec.view.select(&spec.tenant, selectors, spec.limits).await;
        let selection = selections.map_err(external)?.into_iter().next();
        let selection = selection.ok_or_else(|| internal("one selector has one selection"))?;
        let sizes = selection.series.iter().map(|s| size_of_val(s.labels.as_slice()));
        let bytes = sizes.sum::<usize>() + size_of_val(&*selection.series);
        spec.context.reserve(bytes as u64, "the labels of the series")?;
        Ok(Open {
            series: selection.series.into_iter(),
            cursor: selection.cursor,
            current: None,
            slices: Vec::new(),
            at: (0, 0),
            batch: Batch::new(&spec.schema, &self.labels)?,
        })
    }
}

impl Open {
    async fn next_series(&mut self) -> Result<bool> {
        self.at = (0, 0);
        self.current = self.series.next();
        let Some(series) = &self.current else {
            self.slices.clear();
            return Ok(false);
        };
        self.batch.series(series);
        self.cursor.next(&mut self.slices).await.map_err(external)
    }

    /// Adds rows of the current slice, and goes on to the next where it is used up.
    fn take(&mut self, spec: &MetricsSpec, max: usize) {
        let (Some(slice), Some(series)) = (self.slices.get(self.at.0), &self.current) else {
            return;
        };
        match (spec.shape, &slice.samples) {
            (Shape::Slices, _) => {
                self.batch.slice(series, slice);
                self.at.0 += 1;
            }
            (Shape::Samples, Samples::Histograms(_)) => self.at.0 += 1,
            (Shape::Samples, Samples::Floats(values)) => {
                let room = max - self.batch.rows();
                let end = values.len().min(self.at.1 + room);
                self.batch.samples(series, slice, self.at.1, end);
                self.at = if end == values.len() { (self.at.0 + 1, 0) } else { (self.at.0, end) };
            }
        }
    }
}
