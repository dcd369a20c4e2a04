//! The task around the ledger: follows rows, counts them, stores the totals each second.
//!
//! The totals and the position up to which they count are stored in one record under the name of
//! the follower, so after a crash counting goes on exactly behind them. A start reads the totals
//! back, and writes them again over the time in which nothing was counted: a window that begins in
//! there would else begin at nothing.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use futures::future::{Either, select};
use tarn_model::error::{Error, Result};
use tarn_model::labels::{Label, LabelSet, METRIC_NAME};
use tarn_model::map::HashMap;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_query::promql::query::{QueryValue, SampleValue};
use tarn_query::{Engine, QueryOptions};
use tarn_storage::append::{Appender, Writer};
use tarn_storage::head::follow::{FollowOptions, Followed, Follower, RowBatch};
use tarn_storage::view::Reader;
use tarn_storage::wal::Lsn;
use tokio::sync::watch;

use super::super::compile::{GOOD, VALID, selector};
use super::super::spec::{Objective, Sli};
use super::{Entry, Last, Ledger, Stored};

/// The name under which positions are kept.
pub const FOLLOWER: &str = "slo_ledger";
/// Totals are stored so often: the shortest window of the outage tier is half a minute.
const TICK: Duration = Duration::from_secs(1);
/// Rows that wait to be counted, in bytes; beyond, they are counted at once.
const ROWS_BYTES_MAX: usize = 16 << 20;
/// A gap is written over at steps below the lookback of queries.
const FILL_MS: i64 = 240_000;
/// Of a longer gap only the last part is: rules look back no further than a quarter.
const FILL_MAX: i64 = 32_000;
/// Totals are looked for so far back at first, and at this step.
const RECENT_MS: i64 = 86_400_000;
const RECENT_STEP_MS: i64 = 60_000;
/// If there are none, over the longest window of the objective at this one.
const FAR_STEP_MS: i64 = 3_600_000;

/// What the task works with.
#[derive(Debug, Clone)]
pub struct Handles {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Answers what was stored before, and conditions on rows.
    pub engine: Engine,
    /// Follows rows.
    pub reader: Reader,
    /// Stores totals.
    pub writer: Writer,
    /// Whose objectives they are.
    pub tenant: TenantId,
}

/// Counts until the store is closed, or nobody holds the other end of `stop`.
pub async fn run(objectives: Vec<Arc<Objective>>, handles: Handles, mut stop: watch::Receiver<()>) {
    let counting = std::pin::pin!(follow(&objectives, handles));
    // Either there is nothing more to count, or nobody wants it counted.
    match select(counting, std::pin::pin!(stop.changed())).await {
        Either::Left(((), _)) | Either::Right(_) => {}
    }
}

async fn follow(objectives: &[Arc<Objective>], handles: Handles) {
    let options = FollowOptions {
        name: Some(FOLLOWER),
        tenants: Some(vec![handles.tenant.clone()]),
        ..FollowOptions::default()
    };
    let follower = handles.reader.follow(options);
    let mut task =
        Task { ledger: Ledger::default(), follower, rows: Vec::new(), bytes: 0, handles };
    while let Err(error) = task.begin(objectives).await {
        tracing::warn!(%error, "the ledger of objectives cannot begin yet");
        task.handles.clock.sleep(TICK).await;
    }
    task.count().await;
}

impl Handles {
    /// Reads what the store has of the counters: the samples of the last minutes, and where there
    /// are none, the newest one of the last day.
    async fn counters_of(
        &self,
        objective: &Objective,
        now_ms: i64,
        stored: &mut HashMap<LabelSet, Stored>,
    ) -> Result<()> {
        let Sli::Counters { part, valid, .. } = &objective.sli else { return Ok(()) };
        for term in part.terms.iter().chain(&valid.terms) {
            let matchers: Vec<String> = term.matchers.iter().map(ToString::to_string).collect();
            let selector = format!("{{{}}}", matchers.join(","));
            let day = self.ask(&format!("last_over_time({selector}[1d])"), now_ms).await?;
            if let QueryValue::Vector { samples, .. } = day {
                for sample in samples {
                    let last = match sample.value {
                        SampleValue::Float(value) => Last::Float(value),
                        SampleValue::Histogram(histogram) => Last::Histogram(histogram),
                    };
                    // Its time is not told; whatever was told again is among the newer ones.
                    stored.insert(sample.labels, vec![(i64::MIN, last)]);
                }
            }
            let minutes = self.ask(&format!("{selector}[15m]"), now_ms).await?;
            let QueryValue::Matrix(series) = minutes else { continue };
            for series in series {
                let floats = series.floats.into_iter().map(|(at, value)| (at, Last::Float(value)));
                let histograms = series.histograms.into_iter();
                let histograms = histograms.map(|(at, value)| (at, Last::Histogram(value)));
                let mut samples: Stored = floats.chain(histograms).collect();
                samples.sort_by_key(|(at, _)| *at);
                stored.insert(series.labels, samples);
            }
        }
        Ok(())
    }

    async fn ask(&self, query: &str, now_ms: i64) -> Result<QueryValue> {
        let Self { engine, tenant, .. } = self;
        let answer = engine.instant(tenant, query, now_ms, QueryOptions::default()).await;
        let answer = answer.map_err(|e| Error::unavailable(e.to_string(), TICK))?;
        match answer.partial {
            Some(why) => Err(Error::unavailable(why, TICK)),
            None => Ok(answer.value),
        }
    }

    /// Reads the newest stored totals, with about the time from which on they are missing.
    async fn totals_of(
        &self,
        objective: &Objective,
        metric: &str,
        now_ms: i64,
    ) -> Result<HashMap<LabelSet, (i64, f64)>> {
        let series = format!("{metric}{}", selector(objective));
        let recent = self.newest(&series, (now_ms - RECENT_MS, now_ms, RECENT_STEP_MS)).await?;
        if !recent.is_empty() {
            return Ok(recent);
        }
        let window_ms = i64::try_from(objective.window.as_millis()).unwrap_or(RECENT_MS);
        let query = format!("last_over_time({series}[1h])");
        self.newest(&query, (now_ms - window_ms, now_ms, FAR_STEP_MS)).await
    }

    async fn newest(
        &self,
        query: &str,
        range: (i64, i64, i64),
    ) -> Result<HashMap<LabelSet, (i64, f64)>> {
        let Self { engine, tenant, .. } = self;
        let answer = engine.range(tenant, query, range, QueryOptions::default()).await;
        let answer = answer.map_err(|e| Error::unavailable(e.to_string(), TICK))?;
        if let Some(why) = answer.partial {
            return Err(Error::unavailable(why, TICK));
        }
        let QueryValue::Matrix(series) = answer.value else { return Ok(HashMap::default()) };
        let of = |series: tarn_query::promql::query::MatrixSeries| {
            let newest = *series.floats.last()?;
            Some((series.labels.filtered(|l| *l.name != *METRIC_NAME), newest))
        };
        Ok(series.into_iter().filter_map(of).collect())
    }

    /// Writes totals over the time in which nothing was counted, up to `position`; returns the record.
    async fn fill(
        &self,
        gaps: Vec<(i64, LabelSet, f64, f64)>,
        now_ms: i64,
        position: Lsn,
    ) -> Result<Lsn> {
        let mut appender = self.writer.appender(&self.tenant)?;
        for (since_ms, labels, good, valid) in gaps {
            let steps = ((now_ms - since_ms) / FILL_MS).min(FILL_MAX);
            for step in (0..steps).rev() {
                let time_ms = now_ms - (step + 1) * FILL_MS;
                for (metric, value) in [(GOOD, good), (VALID, valid)] {
                    let entry = Entry { labels: labels.with(METRIC_NAME, metric), value };
                    put(&mut appender, &entry, time_ms);
                }
            }
        }
        appender.acknowledge(FOLLOWER, position);
        appender.commit().await
    }
}

struct Task {
    ledger: Ledger,
    follower: Follower,
    /// Rows that wait to be counted.
    rows: Vec<Arc<RowBatch>>,
    bytes: usize,
    handles: Handles,
}

impl Task {
    /// Takes up what was stored before, and counts what was told since then and not counted.
    async fn begin(&mut self, objectives: &[Arc<Objective>]) -> Result<()> {
        let handles = self.handles.clone();
        let now_ms = handles.clock.now().as_millis();
        let mut ledger = Ledger::new(objectives.to_vec());
        let mut gaps = Vec::new();
        for (at, objective) in objectives.iter().enumerate() {
            let good = handles.totals_of(objective, GOOD, now_ms).await?;
            let mut valid = handles.totals_of(objective, VALID, now_ms).await?;
            for (labels, (time_ms, good)) in good {
                if let Some((_, valid)) = valid.remove(&labels) {
                    ledger.resume(at, &labels, (good, valid));
                    gaps.push((time_ms, labels, good, valid));
                }
            }
        }
        self.ledger = ledger;
        let reached = handles.fill(gaps, now_ms, self.follower.position()).await?;
        // Whatever was stored before this record is told before it, too.
        while self.follower.position() < reached {
            match self.follower.next().await {
                Some(followed) => self.take(followed).await,
                None => return Err(Error::unavailable("the store was closed", TICK)),
            }
        }
        let (now_ms, mut stored) = (handles.clock.now().as_millis(), HashMap::default());
        for objective in objectives {
            handles.counters_of(objective, now_ms, &mut stored).await?;
        }
        self.ledger.learn(stored);
        Ok(())
    }

    async fn count(mut self) {
        let clock = Arc::clone(&self.handles.clock);
        let mut tick = clock.sleep(TICK);
        loop {
            let woken = match select(std::pin::pin!(self.follower.next()), tick).await {
                Either::Left((None, _)) => return,
                Either::Left((Some(followed), rest)) => {
                    tick = rest;
                    Some(followed)
                }
                Either::Right(((), _)) => {
                    tick = clock.sleep(TICK);
                    None
                }
            };
            match woken {
                Some(followed) => self.take(followed).await,
                None => {
                    self.count_rows().await;
                    self.store().await;
                }
            }
        }
    }

    async fn take(&mut self, followed: Followed) {
        match followed {
            Followed::Samples(batch) => self.ledger.samples(&batch),
            Followed::Rows(rows) => {
                self.bytes += rows.rows().get_array_memory_size();
                self.rows.push(rows);
                if self.bytes > ROWS_BYTES_MAX {
                    self.count_rows().await;
                }
            }
            Followed::Lagged { from, to } => {
                tracing::warn!(
                    from = from.0,
                    to = to.0,
                    "the ledger of objectives was too slow: events of these records do not count"
                );
            }
            Followed::Cut(_) => {}
        }
    }

    /// Counts the rows that wait, with one query per objective over nothing but them.
    async fn count_rows(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        if rows.is_empty() {
            return;
        }
        let objectives = self.ledger.objectives().to_vec();
        for (at, objective) in objectives.iter().enumerate() {
            let Some(query) = query_of(objective) else { continue };
            let Handles { engine, tenant, .. } = &self.handles;
            match engine.sql_over(tenant, &rows, &query).await {
                Ok(answer) => {
                    for batch in &answer.batches {
                        self.add(at, objective, batch);
                    }
                }
                Err(error) => {
                    tracing::warn!(slo = %objective.name, %error, "events cannot be counted");
                }
            }
        }
    }

    fn add(&mut self, at: usize, objective: &Objective, batch: &RecordBatch) {
        let groups = objective.group_by.len();
        let number = |column: usize, row: usize| -> f64 {
            let column = batch.column(column);
            if column.is_null(row) {
                return 0.0;
            }
            match column.as_primitive_opt::<Float64Type>() {
                Some(values) => values.value(row),
                None => column
                    .as_primitive_opt::<Int64Type>()
                    .map_or(0.0, |values| values.value(row) as f64),
            }
        };
        for row in 0..batch.num_rows() {
            let label = |column: usize| {
                let value = text_at(batch.column(column), row)?;
                Some(Label::new(objective.group_by[column].as_str(), value))
            };
            let group: LabelSet = (0..groups).filter_map(label).collect();
            let (good, valid) = (number(groups, row), number(groups + 1, row));
            self.ledger.events(at, &group, good, valid);
        }
    }

    /// Stores what changed. What cannot be stored now is stored with the next tick.
    async fn store(&mut self) {
        let now_ms = self.handles.clock.now().as_millis();
        let due = self.ledger.due(now_ms);
        if due.is_empty() {
            return;
        }
        let (position, handles) = (self.follower.position(), &self.handles);
        let stored = async {
            let mut appender = handles.writer.appender(&handles.tenant)?;
            for entry in &due {
                put(&mut appender, entry, now_ms);
            }
            appender.acknowledge(FOLLOWER, position);
            appender.commit().await
        };
        match stored.await {
            Ok(_) => self.ledger.stored(now_ms),
            Err(error) => tracing::debug!(%error, "totals of objectives wait for the log"),
        }
    }
}

/// Returns the text in a column, whichever way it is laid out.
fn text_at(column: &dyn Array, row: usize) -> Option<&str> {
    if column.is_null(row) {
        return None;
    }
    let plain = column.as_string_opt::<i32>().map(|values| values.value(row));
    plain.or_else(|| column.as_string_view_opt().map(|values| values.value(row)))
}

/// Adds one total; what the store rejects (a limit of series) is told, and counted there.
fn put(appender: &mut Appender, entry: &Entry, time_ms: i64) {
    let put = appender
        .series(&entry.labels)
        .and_then(|series| appender.float(series, time_ms, entry.value, 0));
    if let Err(rejection) = put {
        tracing::warn!(series = %entry.labels, ?rejection, "a total of an objective is rejected");
    }
}

/// Returns the query that counts rows: groups, good ones, all. A span stands for as many as its
/// weight says.
fn query_of(objective: &Objective) -> Option<String> {
    let Sli::Events { table, valid, good } = &objective.sli else { return None };
    let one = if table == "spans" { "coalesce(weight, 1.0)" } else { "1.0" };
    let groups: String = objective
        .group_by
        .iter()
        .map(|name| format!("CAST(\"{}\" AS VARCHAR), ", name.replace('"', "\"\"")))
        .collect();
    let condition = if valid.is_empty() { "true" } else { valid };
    let by: Vec<String> = (1..=objective.group_by.len()).map(|n| n.to_string()).collect();
    let by = if by.is_empty() { String::new() } else { format!(" GROUP BY {}", by.join(", ")) };
    Some(format!(
        "SELECT {groups}sum({one}) FILTER (WHERE {good}), sum({one}) FROM {table} \
         WHERE ({condition}){by}"
    ))
}
