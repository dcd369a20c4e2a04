//! What the ledger asks the store: totals and counters from before, and how many rows count.
//!
//! It is a trait so that tests can let it fail; [`FromEngine`] is the one that runs. An answer that
//! may lack rows is an error: who counts from it would count twice, or not at all.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use async_trait::async_trait;
use tarn_model::error::{Error, Result};
use tarn_model::labels::{Label, LabelSet, METRIC_NAME};
use tarn_model::map::HashMap;
use tarn_model::tenant::TenantId;
use tarn_query::promql::query::{MatrixSeries, QueryValue, SampleValue};
use tarn_query::{Engine, QueryOptions, SqlError};
use tarn_storage::head::follow::RowBatch;

use super::super::{Last, Stored};
use crate::slo::compile::selector;
use crate::slo::spec::{Objective, Sli};

/// When to ask again.
const RETRY: Duration = Duration::from_secs(1);
/// Totals are looked for so far back at first, and at this step.
const RECENT_MS: i64 = 86_400_000;
const RECENT_STEP_MS: i64 = 60_000;
/// If there are none, over the longest window of the objective at this one.
const FAR_STEP_MS: i64 = 3_600_000;

/// Totals by the labels of their series, each with the time of its last point.
pub type Totals = HashMap<LabelSet, (i64, f64)>;

/// Rows that meet the conditions of an objective.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// Of which group.
    pub group: LabelSet,
    /// Good ones.
    pub good: f64,
    /// All.
    pub valid: f64,
}

/// Answers the ledger.
#[async_trait]
pub trait Source: std::fmt::Debug + Send + Sync {
    /// Reads the newest stored totals, with about the time from which on they are missing.
    ///
    /// # Errors
    /// `Unavailable` where the store cannot answer wholly.
    async fn totals(&self, objective: &Objective, metric: &str, now_ms: i64) -> Result<Totals>;

    /// Reads what the store has of the counters: the samples of the last minutes, and where there
    /// are none, the newest one of the last day.
    ///
    /// # Errors
    /// `Unavailable` where the store cannot answer wholly.
    async fn counters(
        &self,
        objective: &Objective,
        now_ms: i64,
        stored: &mut HashMap<LabelSet, Stored>,
    ) -> Result<()>;

    /// Counts rows, and nothing but them.
    ///
    /// # Errors
    /// Those of the query.
    async fn count(
        &self,
        objective: &Objective,
        rows: &[Arc<RowBatch>],
    ) -> std::result::Result<Vec<Counted>, SqlError>;
}

/// Asks the engine that people use.
#[derive(Debug, Clone)]
pub struct FromEngine {
    /// The engine.
    pub engine: Engine,
    /// Whose objectives they are.
    pub tenant: TenantId,
}

#[async_trait]
impl Source for FromEngine {
    async fn totals(&self, objective: &Objective, metric: &str, now_ms: i64) -> Result<Totals> {
        let series = format!("{metric}{}", selector(objective));
        let recent = self.newest(&series, (now_ms - RECENT_MS, now_ms, RECENT_STEP_MS)).await?;
        if !recent.is_empty() {
            return Ok(recent);
        }
        let window_ms = i64::try_from(objective.window.as_millis()).unwrap_or(RECENT_MS);
        let query = format!("last_over_time({series}[1h])");
        self.newest(&query, (now_ms - window_ms, now_ms, FAR_STEP_MS)).await
    }

    async fn counters(
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

    async fn count(
        &self,
        objective: &Objective,
        rows: &[Arc<RowBatch>],
    ) -> std::result::Result<Vec<Counted>, SqlError> {
        let Some(query) = query_of(objective) else { return Ok(Vec::new()) };
        let answer = self.engine.sql_over(&self.tenant, rows, &query).await?;
        Ok(answer.batches.iter().flat_map(|batch| counted(objective, batch)).collect())
    }
}

impl FromEngine {
    async fn ask(&self, query: &str, now_ms: i64) -> Result<QueryValue> {
        let Self { engine, tenant, .. } = self;
        let answer = engine.instant(tenant, query, now_ms, QueryOptions::default()).await;
        let answer = answer.map_err(|e| Error::unavailable(e.to_string(), RETRY))?;
        match answer.partial {
            Some(why) => Err(Error::unavailable(why, RETRY)),
            None => Ok(answer.value),
        }
    }

    async fn newest(&self, query: &str, range: (i64, i64, i64)) -> Result<Totals> {
        let Self { engine, tenant, .. } = self;
        let answer = engine.range(tenant, query, range, QueryOptions::default()).await;
        let answer = answer.map_err(|e| Error::unavailable(e.to_string(), RETRY))?;
        if let Some(why) = answer.partial {
            return Err(Error::unavailable(why, RETRY));
        }
        let QueryValue::Matrix(series) = answer.value else { return Ok(HashMap::default()) };
        let of = |series: MatrixSeries| {
            let newest = *series.floats.last()?;
            Some((series.labels.filtered(|l| *l.name != *METRIC_NAME), newest))
        };
        Ok(series.into_iter().filter_map(of).collect())
    }
}

/// Reads the answer to [`query_of`].
fn counted(objective: &Objective, batch: &RecordBatch) -> Vec<Counted> {
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
    let of_row = |row: usize| {
        let label = |column: usize| {
            let value = text_at(batch.column(column), row)?;
            Some(Label::new(objective.group_by[column].as_str(), value))
        };
        let group = (0..groups).filter_map(label).collect();
        Counted { group, good: number(groups, row), valid: number(groups + 1, row) }
    };
    (0..batch.num_rows()).map(of_row).collect()
}

/// Returns the text in a column, whichever way it is laid out.
fn text_at(column: &dyn Array, row: usize) -> Option<&str> {
    if column.is_null(row) {
        return None;
    }
    let plain = column.as_string_opt::<i32>().map(|values| values.value(row));
    plain.or_else(|| column.as_string_view_opt().map(|values| values.value(row)))
}

/// Returns the query that counts rows: groups, good ones, all. A span stands for as many as its
/// weight says.
pub(crate) fn query_of(objective: &Objective) -> Option<String> {
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
