//! What rules of a test see: samples up to now, and what rules wrote.

use std::cell::Cell;
use std::sync::Arc;

use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;
use tarn_query::promql::ast::{Expr, ParseOptions};
use tarn_query::promql::eval;
use tarn_query::promql::notation::Value;
use tarn_query::promql::parse::{ParseLimits, parse};
use tarn_query::promql::query::{QueryParams, QueryValue, SampleValue};
use tarn_query::promql::script::block_on;
use tarn_query::promql::script::store::{MemoryStore, Point};

use super::Test;
use crate::state::{Sample, samples_of};

/// Samples a test may have altogether, some GB in the store.
const SAMPLES_MAX: usize = 20_000_000;

/// A store, and the samples that are not in it yet.
#[derive(Debug)]
pub(super) struct World {
    store: MemoryStore,
    /// In descending order of time: the next one is the last.
    ahead: Vec<(i64, usize, Point)>,
    labels: Vec<LabelSet>,
    /// The last sample of every series that rules write.
    written: HashMap<LabelSet, (i64, SampleValue)>,
    evaluation_ms: i64,
    /// Queries that were asked, for the record.
    pub(super) queries: Cell<usize>,
}

impl World {
    /// Makes the world of a test at its start.
    pub(super) fn new(test: &Test, evaluation_ms: i64) -> Result<Self, String> {
        let mut ahead = Vec::new();
        let mut labels = Vec::new();
        for (set, values) in &test.series {
            labels.push(set.clone());
            for (at, value) in values.iter().enumerate() {
                let time_ms = (at as i64)
                    .checked_mul(test.interval_ms)
                    .and_then(|offset| test.start_ms.checked_add(offset));
                let (Some(value), Some(time_ms)) = (value, time_ms) else { continue };
                let point = match value {
                    Value::Float(value) => Point::Float(*value),
                    Value::Histogram { histogram, .. } => Point::Histogram(Arc::clone(histogram)),
                };
                ahead.push((time_ms, labels.len() - 1, point));
            }
            if ahead.len() > SAMPLES_MAX {
                return Err(format!("the series hold more than {SAMPLES_MAX} samples"));
            }
        }
        // Of equal times the series that was written first comes first.
        ahead.sort_by_key(|(time_ms, series, _)| std::cmp::Reverse((*time_ms, *series)));
        Ok(Self {
            store: MemoryStore::default(),
            ahead,
            labels,
            written: HashMap::default(),
            evaluation_ms,
            queries: Cell::new(0),
        })
    }

    /// Lets the samples up to a time appear.
    pub(super) fn advance(&mut self, ts_ms: i64) {
        while let Some((time_ms, series, point)) = self.ahead.pop_if(|next| next.0 <= ts_ms) {
            self.store.insert(&self.labels[series], time_ms, 0, point);
        }
    }

    /// Evaluates an expression.
    pub(super) fn ask(&self, expr: &Expr, at_ms: i64) -> Result<QueryValue, String> {
        let mut params = QueryParams::instant(at_ms);
        params.options.no_step_subquery_interval_ms = self.evaluation_ms;
        self.queries.set(self.queries.get() + 1);
        let result = block_on(eval(&self.store, expr, &params));
        result.map(|result| result.value).map_err(|e| e.to_string())
    }

    /// Evaluates the text of an expression, as vector.
    pub(super) fn ask_text(&self, text: &str, at_ms: i64) -> Result<Vec<Sample>, String> {
        let expr = parse(text, &ParseOptions::ALL, ParseLimits::default());
        samples_of(self.ask(&expr.map_err(|e| e.to_string())?, at_ms)?)
    }

    /// Writes a sample of a rule. One at the time of another, or before it, is refused as a store
    /// refuses it.
    pub(super) fn write(
        &mut self,
        labels: &LabelSet,
        at_ms: i64,
        value: SampleValue,
    ) -> Result<(), String> {
        if let Some((last_ms, last)) = self.written.get(labels) {
            let same = last_ms == &at_ms && same_bits(last, &value);
            if at_ms < *last_ms {
                return Err(format!("out of order sample of {labels}"));
            }
            if at_ms == *last_ms && !same {
                return Err(format!("duplicate sample for timestamp of {labels}"));
            }
        }
        self.written.insert(labels.clone(), (at_ms, value.clone()));
        let point = match value {
            SampleValue::Float(value) => Point::Float(value),
            SampleValue::Histogram(histogram) => Point::Histogram(histogram),
        };
        self.store.insert(labels, at_ms, 0, point);
        Ok(())
    }
}

fn same_bits(a: &SampleValue, b: &SampleValue) -> bool {
    match (a, b) {
        (SampleValue::Float(a), SampleValue::Float(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}
