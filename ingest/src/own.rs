//! Rows of this process: own telemetry, the host's. No bytes and no socket, but the same cache,
//! checks, limits and commit as everybody's.

use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_model::sample::Metadata;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_storage::append::RequestMark;
use tarn_storage::append::rows::{LogRows, SpanRows, TableRows};

use crate::batch::{Batch, BatchContext, Float, Protocol, RawLabels, RowSink};
use crate::decode::key_cache::KeySpace;
use crate::reply::Written;
use crate::{Ingest, Inner};

/// Name of this process among the sources.
const OWN_SOURCE: &str = "tarn";

/// Samples of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Labels, `__name__` among them.
    pub labels: LabelSet,
    /// Times in ms since the Unix epoch, and values.
    pub samples: Vec<(i64, f64)>,
    /// What is known of the metric. Its family is the metric name.
    pub metadata: Metadata,
}

/// What became of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Rows that are durable and visible.
    pub written: Written,
    /// Rows that were rejected.
    pub rejected: u64,
    /// The first problems, where there are any.
    pub problems: Option<String>,
}

impl Ingest {
    /// Stores rows of this process.
    ///
    /// # Errors
    /// `Unavailable` where there is no memory or storage does not take writes. Then nothing is
    /// stored.
    pub async fn accept(&self, tenant: &TenantId, rows: Vec<Series>) -> Result<Accepted> {
        let inner = &self.inner;
        let protocol = Protocol::Own;
        let limits = inner.limits.for_tenant(tenant);
        let mut permit = inner.admission.permit();
        let space = KeySpace::new(inner.memory.seed, tenant, protocol.as_str());
        let context = BatchContext {
            limits: &limits,
            memory: &inner.memory,
            permit: &mut permit,
            space,
            protocol,
            now: inner.clock.monotonic(),
        };
        let mut batch = Batch::new(inner.writer.appender(tenant)?, context);
        for (number, series) in rows.iter().enumerate() {
            push(&mut batch, number, series)?;
        }
        let Batch { sink: appender, learned, written, problems, misses, .. } = batch;
        inner.metrics.misses(misses);
        appender.commit().await?;
        learned.keep(&inner.memory);
        inner.metrics.rows("metrics", protocol.as_str(), written.rows(), problems.rejected());
        inner.note_own(tenant, Signal::Metrics, written.rows());
        let text = problems.fail().then(|| problems.text(written.rows()));
        Ok(Accepted { written, rejected: problems.failing_rows(), problems: text })
    }
}

impl Ingest {
    /// Stores log records of this process.
    ///
    /// # Errors
    /// As [`Ingest::accept`].
    pub async fn accept_logs(&self, tenant: &TenantId, rows: LogRows) -> Result<()> {
        self.accept_rows(tenant, Signal::Logs, TableRows::Logs(rows)).await
    }

    /// Stores spans of this process.
    ///
    /// # Errors
    /// As [`Ingest::accept`].
    pub async fn accept_spans(&self, tenant: &TenantId, rows: SpanRows) -> Result<()> {
        self.accept_rows(tenant, Signal::Traces, TableRows::Spans(rows)).await
    }

    async fn accept_rows(&self, tenant: &TenantId, signal: Signal, rows: TableRows) -> Result<()> {
        let inner = &self.inner;
        inner.writer.ready()?;
        let count = rows.len() as u64;
        inner.writer.append_rows(tenant, rows, RequestMark::default()).await?;
        inner.metrics.rows(signal.as_str(), Protocol::Own.as_str(), count, &[]);
        inner.note_own(tenant, signal, count);
        Ok(())
    }
}

impl Inner {
    /// Notes this process among the sources.
    fn note_own(&self, tenant: &TenantId, signal: Signal, rows: u64) {
        let noted = [(OWN_SOURCE.to_owned(), rows)];
        self.sources.note(tenant, (signal, true), &noted, self.clock.now().as_millis());
    }
}

fn push<S: RowSink>(batch: &mut Batch<'_, S>, number: usize, series: &Series) -> Result<()> {
    let labels = Labels(&series.labels);
    let mut open = batch.open(&labels, number, series.samples.len() as u64)?;
    for (time_ms, value) in &series.samples {
        batch.float(&mut open, Float { time_ms: *time_ms, value: *value, start_ms: 0 })?;
    }
    let metadata = &series.metadata;
    if *metadata == Metadata::default() {
        return Ok(());
    }
    let kind = metadata.metric_type.as_str().as_bytes();
    let content = [kind, metadata.unit.as_bytes(), metadata.help.as_bytes()]
        .iter()
        .fold(0u64, |hash, part| hash.rotate_left(21) ^ batch.space.part(part));
    let family = series.labels.metric();
    batch.metadata(family.as_bytes(), content, |_| Ok((family.to_owned(), metadata.clone())))
}

struct Labels<'a>(&'a LabelSet);

impl RawLabels for Labels<'_> {
    fn key(&self, space: &KeySpace) -> u128 {
        space.key(&self.0.series_id().0.to_le_bytes())
    }

    fn each<'b>(&'b self, pair: &mut dyn FnMut(&'b [u8], &'b [u8])) -> Result<()> {
        for label in self.0.iter() {
            pair(label.name.as_bytes(), label.value.as_bytes());
        }
        Ok(())
    }
}
