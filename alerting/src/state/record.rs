//! The step of a recording rule: what is written, and what ends.

use std::collections::BTreeSet;
use std::fmt;

use tarn_model::labels::{LabelSet, METRIC_NAME};

use super::Sample;
use crate::rules::Rule;

/// What follows from an evaluation of a recording rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecordStep {
    /// What is written, in the order of the answer, under the labels of the rule.
    pub samples: Vec<Sample>,
    /// The series that were there at the evaluation before and are not now: they get a staleness
    /// marker.
    pub stale: Vec<LabelSet>,
    /// The series that are there now: `previous` of the next evaluation.
    pub series: BTreeSet<LabelSet>,
}

/// Why nothing is written. The series of the evaluation before do not end either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordError {
    /// Two samples became the same series.
    Duplicate(LabelSet),
    /// More series than allowed.
    Limit {
        /// What is allowed.
        limit: usize,
        /// How many there were.
        count: usize,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(labels) => write!(
                f,
                "vector contains metrics with the same labelset after applying rule labels: \
                 {labels}"
            ),
            Self::Limit { limit, count } => {
                write!(f, "exceeded limit of {limit} with {count} series")
            }
        }
    }
}

impl std::error::Error for RecordError {}

/// Takes one evaluation of a recording rule: gives the samples their name and the labels of the
/// rule.
///
/// # Errors
/// Two samples became the same series, or there are more than `limit` (0: any number).
pub fn record(
    rule: &Rule,
    limit: usize,
    previous: &BTreeSet<LabelSet>,
    result: Vec<Sample>,
) -> Result<RecordStep, RecordError> {
    let mut series = BTreeSet::new();
    let mut samples = Vec::with_capacity(result.len());
    for sample in result {
        let mut labels = sample.labels.with(METRIC_NAME, &rule.name);
        for (name, value) in &rule.labels {
            labels = labels.with(name, value);
        }
        if !series.insert(labels.clone()) {
            return Err(RecordError::Duplicate(labels));
        }
        samples.push(Sample { labels, value: sample.value });
    }
    let count = samples.len();
    if limit > 0 && count > limit {
        return Err(RecordError::Limit { limit, count });
    }
    let stale = previous.difference(&series).cloned().collect();
    Ok(RecordStep { samples, stale, series })
}
