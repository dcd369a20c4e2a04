//! What is learnt of the rows of a block on their way into it: the rows of each metric, the values
//! of the labels that blocks are pruned by, times and counts.
//!
//! Rows come in the order of the block, so a series or metric is new where it differs from the one
//! before it; nothing is remembered per series.

use std::sync::Arc;

use tarn_model::error::{Error, Result};
use tarn_model::labels::METRIC_NAME;
use tarn_model::map::{HashMap, HashSet};

use crate::block::ValueSummary;
use crate::block::columns::LabelColumns;
use crate::block::directory::MetricRows;
use crate::block::seal::Content;
use crate::block::summary::Values;
use crate::block::table::{SeriesInfo, SliceRow, SliceTable};
use crate::schema::{CLASS_1, CLASS_2, SORT_NAME, kind};

/// How many series use each label name, and whether any has a unit: what decides on the columns.
#[derive(Debug, Default)]
pub(crate) struct LabelUse {
    pub(crate) used: HashMap<Arc<str>, u64>,
    pub(crate) unit: bool,
}

impl LabelUse {
    /// Counts over all series of a table.
    pub(crate) fn of(table: &SliceTable<'_>) -> Self {
        let mut counted = Self::default();
        let mut last = None;
        for row in table.rows {
            if last != Some(row.series) {
                counted.add(&(table.series)(row.series));
                last = Some(row.series);
            }
        }
        counted
    }

    /// Counts one series.
    pub(crate) fn add(&mut self, info: &SeriesInfo) {
        self.unit |= !info.unit.is_empty();
        for label in info.labels.iter() {
            match self.used.get_mut(&label.name) {
                Some(count) => *count += 1,
                None => {
                    self.used.insert(Arc::clone(&label.name), 1);
                }
            }
        }
    }
}

/// One pass over the rows.
#[derive(Debug)]
pub(crate) struct Survey {
    names: HashSet<Arc<str>>,
    metrics: Vec<MetricRows>,
    values: Vec<(&'static str, Values)>,
    last: Option<u32>,
    /// Number of the next row.
    next: u32,
    series: u64,
    samples: u64,
    time_min_ms: i64,
    time_max_ms: i64,
}

impl Survey {
    /// Begins behind the rows of the timelines.
    pub(crate) fn new(timelines: u32) -> Self {
        let summed = [METRIC_NAME].iter().chain(CLASS_1).chain(CLASS_2);
        Self {
            names: HashSet::default(),
            metrics: Vec::new(),
            values: summed.map(|name| (*name, Values::default())).collect(),
            last: None,
            next: timelines,
            series: 0,
            samples: 0,
            time_min_ms: i64::MAX,
            time_max_ms: i64::MIN,
        }
    }

    /// Returns the number of the next row.
    pub(crate) fn next_row(&self) -> u32 {
        self.next
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// `Internal` where its staleness marker has no tick: a bug.
    pub(crate) fn add(
        &mut self,
        row: &SliceRow,
        info: &SeriesInfo,
        timelines: &[Arc<[i64]>],
    ) -> Result<()> {
        let mut latest = row.ts_last;
        if row.stale {
            let marker = (row.ts_offset + row.n) as usize;
            let ticks = timelines.get(row.timeline as usize);
            latest = ticks
                .and_then(|ticks| ticks.get(marker).copied())
                .ok_or_else(|| Error::internal("a staleness marker has no tick"))?;
        }
        self.time_min_ms = self.time_min_ms.min(row.ts_first);
        self.time_max_ms = self.time_max_ms.max(latest);
        self.samples += u64::from(row.n);
        let at = self.next;
        self.next += 1;
        if self.last.replace(row.series) != Some(row.series) {
            self.add_series(info, at);
        } else if let Some(metric) = self.metrics.last_mut() {
            metric.rows.end = at + 1;
        }
        Ok(())
    }

    fn add_series(&mut self, info: &SeriesInfo, at: u32) {
        self.series += 1;
        for label in info.labels.iter() {
            if !self.names.contains(&label.name) {
                self.names.insert(Arc::clone(&label.name));
            }
        }
        for (name, values) in &mut self.values {
            let label = info.labels.iter().find(|l| *l.name == **name);
            values.add(label.map(|l| &l.value));
        }
        let metric = info.labels.metric();
        match self.metrics.last_mut() {
            Some(last) if last.metric == metric => last.rows.end = at + 1,
            _ => self.metrics.push(MetricRows { metric: metric.to_owned(), rows: at..at + 1 }),
        }
    }

    /// Returns whether a label has come.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Returns the rows of each metric, in row order.
    pub(crate) fn metrics(&self) -> &[MetricRows] {
        &self.metrics
    }

    fn summaries(&self) -> Vec<ValueSummary> {
        self.values.iter().filter_map(|(name, values)| values.summary(name)).collect()
    }

    /// Returns what the catalog will know.
    pub(crate) fn content(&self, labels: LabelColumns) -> Content {
        Content {
            kind: kind::SLICES,
            sort: Some(SORT_NAME),
            rows: u64::from(self.next),
            samples: self.samples,
            series: self.series,
            time_min_ms: self.time_min_ms,
            time_max_ms: self.time_max_ms,
            values: self.summaries(),
            labels,
            ..Content::default()
        }
    }
}
