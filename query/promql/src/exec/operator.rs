//! The interface between operators: labels first, then series by series.
//!
//! An operator tells the labels of all its series before any sample is read, so that its parent
//! computes groups and join partners once per series. Then it yields one step vector per series, in
//! the same order. Nothing is held beyond the current series unless an operator's nature demands it.

use std::future::Future;
use std::pin::Pin;

use tarn_model::labels::{Label, LabelSet, METRIC_NAME};

use super::context::Context;
use super::steps::Steps;
use crate::functions::starts::{DELTA, TEMPORALITY};
use crate::query::Result;

/// A boxed future: operators call each other through trait objects.
pub(crate) type Pull<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A node of the running query.
pub(crate) trait Operator: Send {
    /// Returns the labels of all series. Called once, before [`Operator::next`].
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>>;

    /// Overwrites `out` with the next series; `false` after the last one.
    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool>;
}

/// The identity of a series inside a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Series {
    labels: LabelSet,
    names: Names,
}

/// What happens to the metric name, the type and the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Kept,
    /// They were dropped; kept physically, because copying label sets costs more than skipping.
    Hidden,
    /// They are visible inside the query and dropped from its result.
    DroppedLast,
}

/// The labels that describe the metric.
const METADATA: [&str; 4] = [METRIC_NAME, "__type__", "__unit__", TEMPORALITY];

/// Returns whether the label describes the metric rather than the series: functions and operators
/// drop these.
pub(crate) fn is_metadata(name: &str) -> bool {
    METADATA.contains(&name)
}

impl Series {
    pub(crate) fn new(labels: LabelSet) -> Self {
        Self { labels, names: Names::Kept }
    }

    /// Returns the series with other labels, which are all visible.
    pub(crate) fn relabelled(&self, labels: LabelSet) -> Self {
        let names = if self.names == Names::Hidden { Names::Kept } else { self.names };
        Self { labels, names }
    }

    /// Drops the name, at once or at the end of the query.
    pub(crate) fn drop_name(&mut self, delayed: bool) {
        self.names = if delayed { Names::DroppedLast } else { Names::Hidden };
    }

    /// Iterates over the visible labels.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Label> {
        let hidden = self.names == Names::Hidden;
        self.labels.iter().filter(move |l| !(hidden && is_metadata(&l.name)))
    }

    /// Returns the value of a visible label, or the empty string.
    pub(crate) fn value(&self, name: &str) -> &str {
        if self.names == Names::Hidden && is_metadata(name) { "" } else { self.labels.value(name) }
    }

    /// Returns the visible labels.
    pub(crate) fn shown(&self) -> LabelSet {
        if self.names == Names::Hidden { without_names(&self.labels) } else { self.labels.clone() }
    }

    /// Returns the labels for the result of the query.
    pub(crate) fn result_labels(&self) -> LabelSet {
        if self.names == Names::Kept { self.labels.clone() } else { without_names(&self.labels) }
    }

    /// Makes the name of the result final.
    pub(crate) fn settle(&mut self) {
        if self.names == Names::DroppedLast {
            self.names = Names::Hidden;
        }
    }

    /// Returns whether the samples have delta temporality. Asked before the name is dropped.
    pub(crate) fn is_delta(&self) -> bool {
        self.labels.get(TEMPORALITY) == Some(DELTA)
    }

    /// Returns what is lost when names are dropped.
    fn name_parts(&self) -> (Names, [Option<&str>; METADATA.len()]) {
        (self.names, METADATA.map(|name| self.labels.get(name)))
    }
}

/// Returns the labels without metric name, type and unit.
pub(crate) fn without_names(labels: &LabelSet) -> LabelSet {
    if labels.iter().any(|l| is_metadata(&l.name)) {
        labels.filtered(|l| !is_metadata(&l.name))
    } else {
        labels.clone()
    }
}

/// Returns whether all series have the same name. Where their labels differ they still differ after
/// the name is dropped.
pub(crate) fn same_names(series: &[Series]) -> bool {
    let Some((first, rest)) = series.split_first() else { return true };
    let parts = first.name_parts();
    rest.iter().all(|one| one.name_parts() == parts)
}
