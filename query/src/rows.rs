//! The way of SQL: a query that answers rows.
//!
//! [`Engine::sql`] waits for a slot, pins a view, plans on a thread with a deep stack and starts
//! the streams; [`Rows`] hands out batches. It keeps the slot, the deadline and the account with the
//! memory pool until it is dropped, and counts the query by how it ended. Both must run on the query
//! runtime: the streams start tasks of their own there.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use tarn_model::error::Error;
use tarn_model::limits::{Limit, Limits};
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_storage::head::follow::RowBatch;
use tarn_storage::view::View;
use tokio::sync::oneshot;

use crate::engine::{Engine, names_outcome, shorter};
use crate::govern::memory::Account;
use crate::govern::metrics::{Language, Outcome};
use crate::govern::{Cancel, Report, Running};
use crate::scan::Context;
use crate::scan::rows::exec::counters;
use crate::session::memory::QueryPool;
use crate::session::{Parts, Planned};
use crate::sql;
use crate::sql::error::SqlError;
use crate::task::Task;

/// Planning recurses over syntax trees and plans. The guards bound their depth; this holds that
/// depth many times over, also where nothing is inlined.
const PLAN_STACK_BYTES: usize = 16 << 20;

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct RowsRequest {
    pub(crate) tenant: TenantId,
    /// The query, or what stands for it in the log.
    pub(crate) text: String,
    pub(crate) language: Language,
    /// Shortens the time limit.
    pub(crate) timeout: Option<Duration>,
    /// Whether conditions are given to storage; tests switch it off to compare.
    pub(crate) pushdown: bool,
    /// What is asked; `None`: the newest view.
    pub(crate) over: Option<Arc<View>>,
}

/// What a query has cost so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowStats {
    /// Blocks that could hold rows.
    pub blocks: u64,
    /// Blocks left out by what the catalog knows.
    pub blocks_pruned: u64,
    /// Pages of row ranges read.
    pub pages: u64,
    /// Such pages left out.
    pub pages_pruned: u64,
    /// Bytes read from the store.
    pub bytes: u64,
    /// Reads from the store.
    pub reads: u64,
    /// Rows that conditions looked at.
    pub rows_scanned: u64,
    /// Rows answered.
    pub rows: u64,
}

/// The rows of an answer, batch by batch.
pub(crate) struct Rows {
    schema: SchemaRef,
    stream: SendableRecordBatchStream,
    context: Arc<Context>,
    pool: Arc<QueryPool>,
    view: Arc<View>,
    running: Option<Running>,
    /// From the request to its end, once it has ended.
    elapsed: Duration,
    request: RowsRequest,
    rows: u64,
    bytes: u64,
    limits: Arc<Limits>,
}

impl Engine {
    /// Answers SQL.
    pub(crate) async fn sql(&self, request: RowsRequest, cancel: Cancel) -> Result<Rows, SqlError> {
        let (text, limits) = (request.text.clone(), self.limits_of(&request.tenant));
        let plan = move |parts| {
            futures::executor::block_on(async {
                let (session, plan) = sql::plan(&text, &limits, parts).await?;
                Ok(session.physical(&plan).await?)
            })
        };
        self.start(request, cancel, plan).await
    }

    async fn start(
        &self,
        request: RowsRequest,
        cancel: Cancel,
        plan: impl FnOnce(Parts) -> Result<Planned, SqlError> + Send + 'static,
    ) -> Result<Rows, SqlError> {
        let limits = self.limits_of(&request.tenant);
        let timeout = shorter(request.timeout, limits.sql_timeout.min(limits.query_timeout));
        let admitted = self.admit(request.language, timeout, cancel).await;
        let running = admitted.map_err(SqlError::from)?;
        running.describe(&request.tenant, &request.text);
        let opened = tokio::select! {
            biased;
            () = running.expired() => Err(SqlError::Timeout),
            opened = self.open(&request, &running, plan), if !running.is_over() => opened,
        };
        match opened {
            Ok(Opened { stream, context, pool, view }) => Ok(Rows {
                schema: stream.schema(),
                stream,
                context,
                pool,
                view,
                running: Some(running),
                elapsed: Duration::ZERO,
                request,
                rows: 0,
                bytes: 0,
                limits,
            }),
            Err(error) => {
                count(&error, &limits);
                let text = &request.text;
                let tenant = &request.tenant;
                let report = Report { tenant, text, series: 0, samples: 0, bytes_peak: 0 };
                running.finish(outcome(&error), &report);
                Err(error)
            }
        }
    }

    async fn open(
        &self,
        request: &RowsRequest,
        running: &Running,
        plan: impl FnOnce(Parts) -> Result<Planned, SqlError> + Send + 'static,
    ) -> Result<Opened, SqlError> {
        let account: Arc<Account> = Arc::new(running.account());
        let pool = Arc::new(QueryPool::new(Arc::clone(&account), running.memory_bytes_max()));
        let partitions = std::thread::available_parallelism().map_or(1, usize::from);
        let context = Arc::new(Context::new(account, partitions, request.pushdown));
        // All scans of a query see the same rows, however often it names a table (VIS-2).
        let view = match &request.over {
            Some(view) => Arc::clone(view),
            None => self.view().pinned(&request.tenant),
        };
        let parts = Parts {
            labels: self.labels(request, &view).await?,
            view: Arc::clone(&view),
            tenant: request.tenant.clone(),
            context: Arc::clone(&context),
            pool: Arc::clone(&pool) as Arc<_>,
            now: self.clock().now(),
            scan_limits: self.scan_limits(&request.tenant),
            cross_joins: self.options().sql_cross_joins,
        };
        let Planned { plan, task } = on_deep_stack(move || plan(parts)).await?;
        let stream = execute_stream(plan, task)?;
        Ok(Opened { stream, context, pool, view })
    }

    /// Returns the names of labels, where the query may read metrics.
    async fn labels(
        &self,
        request: &RowsRequest,
        view: &Arc<View>,
    ) -> Result<Arc<[String]>, SqlError> {
        let text = request.text.to_ascii_lowercase();
        let asked = ["samples", "slices", "information_schema"].iter().any(|t| text.contains(t));
        if request.language != Language::Sql || !asked {
            return Ok(Arc::default());
        }
        let limits = self.scan_limits(&request.tenant);
        let names = view.label_names(&request.tenant, &[], TimeRange::ALL, limits).await?;
        Ok(names.into())
    }
}

struct Opened {
    stream: SendableRecordBatchStream,
    context: Arc<Context>,
    pool: Arc<QueryPool>,
    view: Arc<View>,
}

/// Runs work on a thread of its own. The work itself is bounded by the guards; where nobody waits
/// for it any more it ends by itself.
async fn on_deep_stack<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SqlError> + Send + 'static,
) -> Result<T, SqlError> {
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        // The receiver is gone where the query was canceled.
        sender.send(work()).ok();
    };
    std::thread::Builder::new()
        .name("tarn-plan".to_owned())
        .stack_size(PLAN_STACK_BYTES)
        .spawn(run)
        .map_err(|e| {
            let message = format!("start a thread for planning: {e}");
            SqlError::Source(Error::unavailable(message, Duration::from_secs(1)))
        })?;
    receiver.await.unwrap_or_else(|_| {
        Err(SqlError::Source(Error::internal("planning of the query panicked")))
    })
}

impl Rows {
    /// Returns the columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns why rows may be missing, or `None` where none are (PAR-1).
    pub(crate) fn partial(&self) -> Option<String> {
        self.view.partial()
    }

    /// Returns what the query has cost so far.
    pub(crate) fn stats(&self) -> RowStats {
        let mut sum = RowStats { rows: self.rows, ..RowStats::default() };
        for scan in self.context.scans() {
            let [blocks, blocks_pruned, pages, pages_pruned, bytes, reads, scanned, _] =
                counters(&scan).map(|(_, value)| value);
            sum.blocks += blocks;
            sum.blocks_pruned += blocks_pruned;
            sum.pages += pages;
            sum.pages_pruned += pages_pruned;
            sum.bytes += bytes;
            sum.reads += reads;
            sum.rows_scanned += scanned;
        }
        sum
    }

    /// Returns the time since the request arrived, or how long it took where it has ended.
    pub(crate) fn elapsed(&self) -> Duration {
        self.running.as_ref().map_or(self.elapsed, |r| r.elapsed().0)
    }

    /// Returns the next rows; `None` after the last.
    ///
    /// # Errors
    /// Why there are no more, after which there are none.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>, SqlError> {
        let Some(running) = &self.running else { return Ok(None) };
        let next = tokio::select! {
            biased;
            () = running.expired() => Err(SqlError::Timeout),
            next = self.stream.next(), if !running.is_over() => {
                next.transpose().map_err(|e| self.pool.explain(e))
            }
        };
        match next.and_then(|batch| self.count(batch)) {
            Ok(Some(batch)) => Ok(Some(batch)),
            Ok(None) => {
                self.finish(Outcome::Ok);
                Ok(None)
            }
            Err(error) => {
                count(&error, &self.limits);
                self.finish(outcome(&error));
                Err(error)
            }
        }
    }

    /// Keeps the answer within its limits.
    fn count(&mut self, batch: Option<RecordBatch>) -> Result<Option<RecordBatch>, SqlError> {
        let Some(batch) = batch else { return Ok(None) };
        self.rows += batch.num_rows() as u64;
        self.bytes += bytes_of(&batch);
        let max = self.limits.sql_rows_max;
        if self.rows > max {
            self.limits.hit(Limit::SqlRows);
            let message = format!(
                "answer has more than {max} rows (query.sql_rows_max); use LIMIT, or aggregate"
            );
            return Err(SqlError::limit(message));
        }
        let max = self.limits.sql_result_bytes_max;
        if self.bytes > max.0 {
            self.limits.hit(Limit::SqlResultBytes);
            let message = format!(
                "answer has more than {max} (query.sql_result_bytes_max); use LIMIT, or fewer columns"
            );
            return Err(SqlError::limit(message));
        }
        Ok(Some(batch))
    }

    fn finish(&mut self, outcome: Outcome) {
        let Some(running) = self.running.take() else { return };
        self.elapsed = running.elapsed().0;
        let report = Report {
            tenant: &self.request.tenant,
            text: &self.request.text,
            series: 0,
            samples: 0,
            bytes_peak: self.pool.peak(),
        };
        running.finish(outcome, &report);
    }
}

/// Returns the bytes of a batch's own rows: slices share the buffers that they were cut from.
fn bytes_of(batch: &RecordBatch) -> u64 {
    let bytes = |column: &arrow_array::ArrayRef| {
        column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
    };
    batch.columns().iter().map(bytes).sum::<usize>() as u64
}

/// Counts the limit that ended a query, where it is not counted where it was seen.
fn count(error: &SqlError, limits: &Limits) {
    match error {
        SqlError::Timeout => limits.hit(Limit::SqlTimeout),
        SqlError::Source(error) => error.count_in(&limits.hits),
        _ => {}
    }
}

fn outcome(error: &SqlError) -> Outcome {
    match error {
        SqlError::Invalid { .. } | SqlError::Limit { .. } => Outcome::Refused,
        SqlError::Timeout => Outcome::Timeout,
        SqlError::Canceled => Outcome::Canceled,
        SqlError::Source(error) => names_outcome(error),
    }
}

/// An answer, whole: for callers outside the query runtime.
#[derive(Debug)]
pub struct SqlAnswer {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// What it cost.
    pub stats: RowStats,
    /// Why rows may be missing, or `None` where none are (PAR-1).
    pub partial: Option<String>,
}

impl Engine {
    /// Answers SQL with all rows at once. `pushdown: false` leaves all conditions to DataFusion,
    /// which must not change any answer.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn sql_whole(
        &self,
        tenant: &TenantId,
        text: &str,
        pushdown: bool,
    ) -> Result<SqlAnswer, SqlError> {
        self.whole(RowsRequest {
            tenant: tenant.clone(),
            text: text.to_owned(),
            language: Language::Sql,
            timeout: None,
            pushdown,
            over: None,
        })
        .await
    }

    /// Answers SQL over rows that were followed, as if there were no others.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn sql_over(
        &self,
        tenant: &TenantId,
        rows: &[Arc<RowBatch>],
        text: &str,
    ) -> Result<SqlAnswer, SqlError> {
        self.whole(RowsRequest {
            tenant: tenant.clone(),
            text: text.to_owned(),
            language: Language::Sql,
            timeout: None,
            pushdown: true,
            over: Some(self.view().of_rows(tenant, rows)),
        })
        .await
    }

    async fn whole(&self, request: RowsRequest) -> Result<SqlAnswer, SqlError> {
        let cancel = Cancel::default();
        let (engine, own) = (self.clone(), cancel.clone());
        let work = async move {
            let mut rows = engine.sql(request, own).await?;
            let (mut batches, schema) = (Vec::new(), Arc::clone(rows.schema()));
            while let Some(batch) = rows.next().await? {
                batches.push(batch);
            }
            let partial = rows.partial();
            Ok(SqlAnswer { schema, batches, stats: rows.stats(), partial })
        };
        let answer = Task::spawn(self.runtime(), cancel, work).join().await;
        answer.unwrap_or(Err(SqlError::Canceled))
    }
}
