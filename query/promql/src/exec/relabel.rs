//! Operators on labels and order: `label_replace`, `label_join`, `sort*`.

use std::cmp::Ordering;
use std::sync::Arc;

use super::context::{Context, Reservation};
use super::operator::{Operator, Pull, Series};
use super::steps::Steps;
use crate::functions::label::{Relabel, compare_by};
use crate::query::Result;

/// Changes labels; samples pass through.
pub(crate) struct RelabelSeries {
    child: Box<dyn Operator>,
    change: Relabel,
}

impl RelabelSeries {
    pub(crate) fn new(child: Box<dyn Operator>, change: Relabel) -> Self {
        Self { child, change }
    }
}

impl Operator for RelabelSeries {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(async move {
            let series = self.child.open(cx).await?;
            Ok(series.iter().map(|s| self.change.apply(s)).collect())
        })
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        self.child.next(cx, out)
    }
}

/// What decides the order of an instant vector.
#[derive(Debug, Clone)]
pub(crate) enum SortBy {
    /// `sort`, `sort_desc`
    Value,
    /// `sort_by_label`, `sort_by_label_desc`
    Labels(Vec<Arc<str>>),
}

/// Orders an instant vector. Results of range queries are always ordered by labels, so there the
/// planner leaves the operator out.
pub(crate) struct Sort {
    child: Box<dyn Operator>,
    by: SortBy,
    descending: bool,
    sorted: std::vec::IntoIter<Steps>,
    held: Vec<Reservation>,
}

impl Sort {
    pub(crate) fn new(child: Box<dyn Operator>, by: SortBy, descending: bool) -> Self {
        Self { child, by, descending, sorted: Vec::new().into_iter(), held: Vec::new() }
    }

    async fn begin(&mut self, cx: &Context) -> Result<Vec<Series>> {
        let series = self.child.open(cx).await?;
        let mut rows = Vec::new();
        let mut steps = Steps::default();
        for one in series {
            if !self.child.next(cx, &mut steps).await? {
                break;
            }
            if matches!(self.by, SortBy::Value) {
                // Histograms have no place in an order of values and are left out, as upstream.
                steps.histograms.clear();
            }
            if !steps.is_empty() {
                self.held.push(cx.reserve_samples(1)?);
                rows.push((one, std::mem::take(&mut steps)));
            }
        }
        match &self.by {
            SortBy::Value => {
                rows.sort_by(|(_, a), (_, b)| self.by_value(a.values[0], b.values[0]));
            }
            SortBy::Labels(labels) => rows.sort_by(|(a, _), (b, _)| {
                let order = compare_by(labels, &a.shown(), &b.shown());
                if self.descending { order.reverse() } else { order }
            }),
        }
        let (series, sorted): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        self.sorted = sorted.into_iter();
        Ok(series)
    }

    /// Orders values; NaN is last in both directions.
    fn by_value(&self, a: f64, b: f64) -> Ordering {
        if a.is_nan() || b.is_nan() {
            return a.is_nan().cmp(&b.is_nan());
        }
        let order = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
        if self.descending { order.reverse() } else { order }
    }
}

impl Operator for Sort {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(self.begin(cx))
    }

    fn next<'a>(&'a mut self, _: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(async move {
            let Some(steps) = self.sorted.next() else { return Ok(false) };
            *out = steps;
            Ok(true)
        })
    }
}
