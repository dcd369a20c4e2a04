//! Joins of two vectors: arithmetic, comparisons, and the set operators.
//!
//! Elements match if they agree on the labels of `on`, or on all but those of `ignoring`. This
//! signature becomes an integer per series before any sample is read. One side is read first and
//! held, one step vector per signature (or a set of steps, for set operators); the other streams by.

use std::sync::Arc;

use tarn_model::map::HashMap;

use super::context::{Context, LABELS_WORK};
use super::operator::{Series, is_metadata};
use crate::ast::VectorMatching;
use crate::query::Result;

mod set;
mod vector;

pub(crate) use set::SetJoin;
pub(crate) use vector::VectorJoin;

/// The labels on which elements must agree.
#[derive(Debug, Clone)]
pub(crate) struct Matching {
    pub(crate) on: bool,
    /// The labels of `on` or `ignoring`, sorted.
    pub(crate) labels: Vec<Arc<str>>,
}

impl Matching {
    pub(crate) fn new(matching: &VectorMatching) -> Self {
        let mut labels = matching.labels.clone();
        labels.sort();
        labels.dedup();
        Self { on: matching.on, labels }
    }

    pub(crate) fn names(&self, name: &str) -> bool {
        self.labels.binary_search_by(|l| (**l).cmp(name)).is_ok()
    }

    fn counts(&self, name: &str) -> bool {
        if self.on { self.names(name) } else { name != "__name__" && !self.names(name) }
    }

    /// Returns the signature of a series as bytes.
    fn signature(&self, series: &Series, key: &mut Vec<u8>) {
        key.clear();
        for label in series.iter().filter(|l| self.counts(&l.name)) {
            // No label contains 0xff, which is not UTF-8.
            key.extend_from_slice(label.name.as_bytes());
            key.push(0xff);
            key.extend_from_slice(label.value.as_bytes());
            key.push(0xff);
        }
    }

    /// Returns the match group of a series as error messages show it.
    fn group_text(&self, series: &Series) -> String {
        let labels = series.iter().filter(|l| {
            if self.on {
                self.names(&l.name)
            } else {
                !is_metadata(&l.name) && !self.names(&l.name)
            }
        });
        braces(labels.map(|l| (&*l.name, &*l.value)))
    }
}

/// Prints labels as error messages show them, the metric name as a label.
fn braces<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let parts: Vec<String> = labels
        .map(|(name, value)| format!("{name}={}", tarn_model::labels::Quoted(value)))
        .collect();
    format!("{{{}}}", parts.join(", "))
}

/// Signatures as integers, the same for both sides.
#[derive(Debug, Default)]
struct Signatures {
    ids: HashMap<Vec<u8>, u32>,
    key: Vec<u8>,
}

impl Signatures {
    fn of_all(&mut self, matching: &Matching, series: &[Series], cx: &Context) -> Result<Vec<u32>> {
        let signature = |one| cx.work(LABELS_WORK).map(|()| self.of(matching, one));
        series.iter().map(signature).collect()
    }

    fn of(&mut self, matching: &Matching, series: &Series) -> u32 {
        matching.signature(series, &mut self.key);
        if let Some(id) = self.ids.get(&self.key) {
            return *id;
        }
        let id = self.ids.len() as u32;
        self.ids.insert(self.key.clone(), id);
        id
    }

    fn len(&self) -> usize {
        self.ids.len()
    }
}
