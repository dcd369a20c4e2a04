//! The ledger: good and valid events of every objective, counted as rows become durable.
//!
//! A follower of the store sees every sample and every row once, in the order of the log. What
//! counters grow by, and how many rows meet the conditions, is added to two totals per objective and
//! group; each second the totals that changed are stored as ordinary series. They only ever grow, so
//! that the growth over any window is the difference of two points. Events count when they become
//! durable: rows that come late are counted late, never lost.
//!
//! This file is the pure part; [`run`] is the task around it.

use std::sync::Arc;

use tarn_model::labels::{Label, LabelSet, METRIC_NAME};
use tarn_model::map::HashMap;
use tarn_model::sample::Histogram;
use tarn_query::promql::functions::histogram_fraction;
use tarn_storage::append::SeriesRef;
use tarn_storage::head::follow::{BySeries, SampleBatch, Value};

use super::compile::{GOOD, SERVICE, SLO, VALID};
use super::spec::{Counter, Objective, Sli, Term};

pub mod run;

/// Groups of one objective that are counted apart; the rest is counted together.
const GROUPS_MAX: usize = 1000;
/// The value of the labels of that rest.
const OTHER: &str = "<other>";
/// A total is stored again after so long without a change, so that it stays within the lookback of
/// queries.
const HEARTBEAT_MS: i64 = 10_000;
/// The label of series whose values are growth, not totals.
const TEMPORALITY: &str = "__temporality__";

/// Totals of all objectives of a tenant.
#[derive(Debug, Default)]
pub struct Ledger {
    objectives: Vec<Arc<Objective>>,
    totals: Totals,
    series: BySeries<Option<Box<Watched>>>,
    /// Values of counters before the ledger saw them, by labels.
    before: HashMap<LabelSet, Last>,
    /// Where samples are told that were told before a crash: the series that have such.
    told_again: Option<Vec<SeriesRef>>,
}

/// Totals by number of the objective and group.
#[derive(Debug, Default)]
struct Totals {
    of: HashMap<(usize, LabelSet), Total>,
    /// How many groups each objective has.
    groups: Vec<usize>,
}

/// Totals of one objective and group.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Total {
    /// Good events, or bad ones where the objective counts those.
    part: f64,
    valid: f64,
    /// What was stored last, good and valid.
    stored: Option<(f64, f64)>,
    stored_ms: i64,
}

/// A series that objectives look at.
#[derive(Debug)]
struct Watched {
    uses: Vec<Use>,
    last: Option<Last>,
    /// Its values are growth already.
    is_delta: bool,
    labels: LabelSet,
    /// Samples that were told again and wait for what was before them.
    waiting: Vec<(i64, Last)>,
}

/// Samples of a counter that the store has, oldest first: time in ms and value.
pub type Stored = Vec<(i64, Last)>;

/// For what a series counts.
#[derive(Debug, Clone)]
struct Use {
    objective: usize,
    group: LabelSet,
    is_valid: bool,
    sign: f64,
    below: Option<f64>,
}

/// The last value of a counter.
#[derive(Debug, Clone)]
pub enum Last {
    /// Of a counter.
    Float(f64),
    /// Of a native histogram.
    Histogram(Arc<Histogram>),
}

/// A total to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Labels of the series, the name included.
    pub labels: LabelSet,
    /// The total.
    pub value: f64,
}

impl Ledger {
    /// Makes a ledger of objectives. Until [`Ledger::learn`] samples wait: their growth depends on
    /// what was before them.
    pub fn new(objectives: Vec<Arc<Objective>>) -> Self {
        let totals = Totals { groups: vec![0; objectives.len()], ..Totals::default() };
        Self { objectives, totals, told_again: Some(Vec::new()), ..Self::default() }
    }

    /// Takes what the store has of the counters, by labels, and counts the samples that waited. Those
    /// are in the store as well: what was before is the newest one that is not among them.
    pub fn learn(&mut self, mut stored: HashMap<LabelSet, Stored>) {
        let newest = |samples: &Stored, waiting: &[(i64, Last)]| {
            let is_new = |at: i64| waiting.iter().any(|(time_ms, _)| *time_ms == at);
            samples.iter().rev().find(|(at, _)| !is_new(*at)).map(|(_, last)| last.clone())
        };
        for series in self.told_again.take().unwrap_or_default() {
            let Some(Some(watched)) = self.series.get_mut(series) else { continue };
            let waiting = std::mem::take(&mut watched.waiting);
            watched.last =
                stored.remove(&watched.labels).and_then(|samples| newest(&samples, &waiting));
            for (_, now) in waiting {
                self.totals.count(watched, now);
            }
        }
        let rest = stored.into_iter();
        let rest = rest.filter_map(|(labels, samples)| Some((labels, newest(&samples, &[])?)));
        self.before = rest.collect();
    }

    /// Returns the objectives.
    pub fn objectives(&self) -> &[Arc<Objective>] {
        &self.objectives
    }

    /// Goes on from totals that were stored before. `labels` are those of the stored series.
    pub fn resume(&mut self, objective: usize, labels: &LabelSet, (good, valid): (f64, f64)) {
        let own = |label: &Label| !matches!(&*label.name, METRIC_NAME | SLO | SERVICE);
        let group = labels.filtered(own);
        let part = if self.counts_bad(objective) { valid - good } else { good };
        let stored = Some((good, valid));
        self.totals.groups[objective] += 1;
        let total = Total { part, valid, stored, stored_ms: 0 };
        self.totals.of.insert((objective, group), total);
    }

    /// Counts the samples of one request.
    pub fn samples(&mut self, batch: &SampleBatch) {
        let Self { objectives, totals, series, before, told_again } = self;
        for sample in batch.samples() {
            let make = || watch(objectives, before, batch, sample.series);
            let Some(watched) = series.get_or_insert_with(sample.series, make) else {
                continue;
            };
            let Some(now) = value_of(sample.value) else { continue };
            match told_again {
                Some(again) => {
                    if watched.waiting.is_empty() {
                        again.push(sample.series);
                    }
                    watched.waiting.push((sample.time_ms, now));
                }
                None => totals.count(watched, now),
            }
        }
    }

    /// Adds rows that were counted.
    pub fn events(&mut self, objective: usize, group: &LabelSet, good: f64, valid: f64) {
        let total = self.totals.entry(objective, group);
        total.part += good;
        total.valid += valid;
    }

    /// Returns what has to be stored now; [`Ledger::stored`] says that it was.
    pub fn due(&self, now_ms: i64) -> Vec<Entry> {
        let mut entries = Vec::new();
        for ((objective, group), total) in &self.totals.of {
            let (good, valid) = self.shown(*objective, total);
            if total.stored != Some((good, valid)) || now_ms - total.stored_ms >= HEARTBEAT_MS {
                let of = &self.objectives[*objective];
                entries.push(Entry { labels: labels(GOOD, of, group), value: good });
                entries.push(Entry { labels: labels(VALID, of, group), value: valid });
            }
        }
        entries
    }

    /// Notes that what was due is stored.
    pub fn stored(&mut self, now_ms: i64) {
        let shown: Vec<(f64, f64)> =
            self.totals.of.iter().map(|((objective, _), t)| self.shown(*objective, t)).collect();
        for (total, shown) in self.totals.of.values_mut().zip(shown) {
            if total.stored != Some(shown) || now_ms - total.stored_ms >= HEARTBEAT_MS {
                (total.stored, total.stored_ms) = (Some(shown), now_ms);
            }
        }
    }

    /// Good and valid events as they are stored: never less than before, and never more good ones
    /// than valid ones. The two counters of an objective may come in different requests.
    fn shown(&self, objective: usize, total: &Total) -> (f64, f64) {
        let (good, valid) = total.stored.unwrap_or_default();
        let valid = total.valid.max(valid);
        let is_good =
            if self.counts_bad(objective) { total.valid - total.part } else { total.part };
        (is_good.min(valid).max(good), valid)
    }

    fn counts_bad(&self, objective: usize) -> bool {
        matches!(self.objectives[objective].sli, Sli::Counters { is_bad: true, .. })
    }
}

impl Totals {
    /// Adds what a counter grew by.
    fn count(&mut self, watched: &mut Watched, now: Last) {
        let last = if watched.is_delta { None } else { watched.last.take() };
        for used in &watched.uses {
            let grown = used.sign * growth(&now, last.as_ref(), used.below);
            let total = self.entry(used.objective, &used.group);
            match used.is_valid {
                true => total.valid += grown,
                false => total.part += grown,
            }
        }
        watched.last = Some(now);
    }

    /// Returns the total of a group, or of the rest where there are too many.
    fn entry(&mut self, objective: usize, group: &LabelSet) -> &mut Total {
        let mut key = (objective, group.clone());
        if !self.of.contains_key(&key) {
            if self.groups[objective] < GROUPS_MAX {
                self.groups[objective] += 1;
            } else {
                let rest = group.iter().map(|label| Label::new(Arc::clone(&label.name), OTHER));
                key.1 = rest.collect();
            }
        }
        self.of.entry(key).or_default()
    }
}

/// Finds out what a series that is seen for the first time counts for.
fn watch(
    objectives: &[Arc<Objective>],
    before: &mut HashMap<LabelSet, Last>,
    batch: &SampleBatch,
    series: SeriesRef,
) -> Option<Box<Watched>> {
    let labels = batch.labels(series)?;
    let mut uses = Vec::new();
    for (at, objective) in objectives.iter().enumerate() {
        let Sli::Counters { part, valid, .. } = &objective.sli else { continue };
        let group = labels.filtered(|l| objective.group_by.iter().any(|g| **g == *l.name));
        for (counter, is_valid) in [(part, false), (valid, true)] {
            uses.extend(terms(counter, &labels).map(|term| Use {
                objective: at,
                group: group.clone(),
                is_valid,
                sign: if term.negative { -1.0 } else { 1.0 },
                below: term.below,
            }));
        }
    }
    let last = before.remove(&labels);
    let is_delta = labels.value(TEMPORALITY) == "delta";
    let is_watched = !uses.is_empty();
    let watched = || Box::new(Watched { uses, last, is_delta, labels, waiting: Vec::new() });
    is_watched.then(watched)
}

fn terms<'a>(counter: &'a Counter, labels: &'a LabelSet) -> impl Iterator<Item = &'a Term> {
    counter.terms.iter().filter(|term| term.matchers.iter().all(|m| m.matches_labels(labels)))
}

/// Returns a value that counts; `None` for marks of staleness.
fn value_of(value: Value<'_>) -> Option<Last> {
    match value {
        Value::Float(value) if value.is_nan() => None,
        Value::Float(value) => Some(Last::Float(value)),
        Value::Histogram(histogram) if histogram.is_stale() => None,
        Value::Histogram(histogram) => Some(Last::Histogram(Arc::clone(histogram))),
    }
}

/// Returns what a counter grew by; after a reset that is its whole value.
fn growth(now: &Last, last: Option<&Last>, below: Option<f64>) -> f64 {
    let count = |value: &Last| match (value, below) {
        (Last::Float(value), _) => *value,
        (Last::Histogram(histogram), None) => histogram.count(),
        (Last::Histogram(histogram), Some(_)) if histogram.count() == 0.0 => 0.0,
        (Last::Histogram(histogram), Some(below)) => {
            histogram_fraction(f64::NEG_INFINITY, below, histogram) * histogram.count()
        }
    };
    let whole = |value: &Last| match value {
        Last::Float(value) => *value,
        Last::Histogram(histogram) => histogram.count(),
    };
    match last {
        Some(last) if whole(now) >= whole(last) => (count(now) - count(last)).max(0.0),
        _ => count(now),
    }
}

/// Returns the labels under which a total is stored.
fn labels(metric: &str, objective: &Objective, group: &LabelSet) -> LabelSet {
    let own = [(METRIC_NAME, metric), (SLO, &*objective.name), (SERVICE, &*objective.service)];
    let own = own.into_iter().map(|(name, value)| Label::new(name, value));
    group.iter().cloned().chain(own).collect()
}
