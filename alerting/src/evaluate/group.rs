//! A running group: waits for its slots, evaluates, hands on what follows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use parking_lot::Mutex;
use tarn_model::labels::LabelSet;
use tarn_query::promql::query::SampleValue;
use tokio::sync::watch;
use tracing::{Instrument as _, Span, info, info_span};

use super::cell::{Cell, CellView};
use super::expand::{Surroundings, step_expanded};
use super::levels::levels;
use super::query::{Asked, ask};
use super::recorder::{self, Row};
use crate::metrics::{GroupMetrics, observe};
use crate::rules::{RuleGroup, RuleKind};
use crate::schedule::{Due, Slots, WAIT_MAX};
use crate::shell::Shared;
use crate::shell::tenant::Tenant;
use crate::state::{RuleState, Sample, Step, StepError, Transition, record, without_data};

/// Series that a rule may make alerts or samples of, whatever its own `limit`: an alert holds some
/// two KiB, and who is paged for more than this is paged for a mistake.
const ANSWER_MAX: usize = 200_000;
/// Rules of a level that are evaluated at once.
const TOGETHER: usize = 4;

/// A group of rules with its state.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) key: Arc<str>,
    pub(crate) rules: RuleGroup,
    pub(crate) interval: Duration,
    pub(crate) query_offset: Duration,
    pub(crate) cells: Vec<Cell>,
    levels: Vec<Vec<usize>>,
    metrics: GroupMetrics,
    status: Mutex<Status>,
    /// Held while the group is evaluated.
    running: tokio::sync::Mutex<()>,
    /// Time of the last evaluation, ms: the next one is not before it.
    newest_ms: AtomicI64,
    stop: watch::Sender<bool>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Status {
    evaluated_ms: Option<i64>,
    took: Duration,
}

/// How a group does, for interfaces.
#[derive(Debug, Clone)]
pub(crate) struct GroupView {
    pub(crate) file: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) interval: Duration,
    pub(crate) limit: usize,
    pub(crate) evaluated_ms: Option<i64>,
    pub(crate) took: Duration,
    pub(crate) rules: Vec<CellView>,
}

/// What an evaluation means for the alerts of a rule.
#[derive(Debug)]
pub(crate) struct Change {
    /// Place of the rule.
    pub(crate) rule: usize,
    /// The alerts from now on; `None`: as they were.
    pub(crate) next: Option<RuleState>,
    pub(crate) transitions: Vec<Transition>,
}

/// What the evaluation of a rule came to.
#[derive(Debug)]
struct Outcome {
    rule: usize,
    rows: Vec<Row>,
    recorded: Option<BTreeSet<LabelSet>>,
    change: Option<Change>,
    samples: usize,
    error: Option<String>,
    took: Duration,
}

impl Group {
    /// Makes a group that does not run yet. `cells` are its rules in order.
    pub(crate) fn new(rules: RuleGroup, cells: Vec<Cell>, shared: &Shared) -> Self {
        let key: Arc<str> = rules.key().into();
        let metrics = shared.metrics.group(&key);
        let interval = rules.interval.unwrap_or(shared.options.evaluation_interval);
        metrics.interval.set(interval.as_secs_f64());
        metrics.rules.set(rules.rules.len() as f64);
        // States are taken over before a group is made, all of them at once.
        metrics.last_restore.set(shared.restore_seconds());
        Self {
            key,
            interval,
            query_offset: rules.query_offset.unwrap_or(shared.options.rule_query_offset),
            levels: levels(&rules.rules),
            cells,
            metrics,
            status: Mutex::default(),
            running: tokio::sync::Mutex::new(()),
            newest_ms: AtomicI64::new(i64::MIN),
            stop: watch::Sender::new(false),
            rules,
        }
    }

    /// Ends the group and waits for an evaluation that is under way.
    pub(crate) async fn stop(&self) {
        self.stop.send_replace(true);
        drop(self.running.lock().await);
    }

    /// Evaluates at every slot until the group is stopped.
    pub(crate) async fn run(self: Arc<Self>, shared: Arc<Shared>, tenant: Arc<Tenant>) {
        let now_ms = || shared.clock.now().as_millis();
        let mut slots = Slots::new(&self.key, self.interval, now_ms());
        let mut stop = self.stop.subscribe();
        while !*stop.borrow_and_update() {
            let Some(due) = slots.due(now_ms()) else {
                let wait = Duration::from_millis(slots.wait_ms(now_ms())).min(WAIT_MAX);
                let sleep = shared.clock.sleep(wait);
                // Either the time is over or the stop came; the loop looks which.
                drop(futures::future::select(sleep, Box::pin(stop.changed())).await);
                continue;
            };
            let running = self.running.lock().await;
            if *stop.borrow() {
                return;
            }
            Box::pin(self.slot(&shared, &tenant, due)).await;
            drop(running);
        }
    }

    async fn slot(&self, shared: &Arc<Shared>, tenant: &Arc<Tenant>, due: Due) {
        let metrics = &self.metrics;
        metrics.iterations.inc_by(due.missed.saturating_add(1));
        if due.missed > 0 {
            metrics.missed.inc_by(due.missed);
            info!(group = &*self.key, missed = due.missed, "slots of a rule group were missed");
        }
        let late = shared.clock.now().as_millis().saturating_sub(due.slot_ms);
        let late = Duration::from_millis(u64::try_from(late).unwrap_or(0));
        observe(&shared.metrics.stages.wait, late);
        let span = if shared.is_traced(shared.clock.now().as_millis()) {
            info_span!("evaluate rules", group = &*self.key, rules = self.cells.len() as u64)
        } else {
            Span::none()
        };
        self.evaluate(shared, tenant, self.not_back(due.slot_ms)).instrument(span).await;
    }

    /// Evaluates some of the rules between slots: rows have come that concern them.
    pub(crate) async fn arrive(&self, shared: &Arc<Shared>, tenant: &Arc<Tenant>, rules: &[usize]) {
        let _running = self.running.lock().await;
        if *self.stop.borrow() {
            return;
        }
        let now_ms = self.not_back(shared.clock.now().as_millis());
        let outcomes: Vec<Outcome> = stream::iter(rules.iter().copied())
            .map(|rule| self.rule(shared, tenant, rule, now_ms))
            .buffered(TOGETHER)
            .collect()
            .await;
        Box::pin(self.settle(shared, tenant, now_ms, outcomes)).await;
    }

    /// Returns the time of an evaluation: a slot that comes to its turn behind an evaluation on
    /// arrival does not take states back to before it.
    fn not_back(&self, time_ms: i64) -> i64 {
        time_ms.max(self.newest_ms.fetch_max(time_ms, Ordering::AcqRel))
    }

    /// Evaluates all rules at the time of a slot.
    pub(crate) async fn evaluate(&self, shared: &Arc<Shared>, tenant: &Arc<Tenant>, slot_ms: i64) {
        let begin = shared.clock.monotonic();
        let (mut samples, mut rules) = (0, Duration::ZERO);
        for level in &self.levels {
            let outcomes: Vec<Outcome> = stream::iter(level.iter().copied())
                .map(|rule| self.rule(shared, tenant, rule, slot_ms))
                .buffered(TOGETHER)
                .collect()
                .await;
            let asked = shared.clock.monotonic().saturating_sub(begin);
            observe(&shared.metrics.stages.evaluate, asked);
            samples += outcomes.iter().map(|outcome| outcome.samples).sum::<usize>();
            rules += outcomes.iter().map(|outcome| outcome.took).sum::<Duration>();
            Box::pin(self.settle(shared, tenant, slot_ms, outcomes)).await;
        }
        let took = shared.clock.monotonic().saturating_sub(begin);
        observe(&shared.metrics.group_duration, took);
        self.metrics.last_duration.set(took.as_secs_f64());
        self.metrics.last_rule_duration_sum.set(rules.as_secs_f64());
        self.metrics.last_samples.set(samples as f64);
        self.metrics.last_evaluation.set(slot_ms as f64 / 1000.0);
        *self.status.lock() = Status { evaluated_ms: Some(slot_ms), took };
    }

    /// Evaluates one rule; nothing is changed yet.
    async fn rule(&self, shared: &Shared, tenant: &Tenant, rule: usize, slot_ms: i64) -> Outcome {
        let begin = shared.clock.monotonic();
        let made = Box::pin(self.made(shared, tenant, rule, slot_ms)).await;
        let took = shared.clock.monotonic().saturating_sub(begin);
        self.metrics.evaluations.inc();
        observe(&shared.metrics.evaluation, took);
        match made {
            Ok(outcome) => Outcome { took, ..outcome },
            Err(error) => Outcome { took, error: Some(error), ..Outcome::of(rule) },
        }
    }

    async fn made(
        &self,
        shared: &Shared,
        tenant: &Tenant,
        place: usize,
        slot_ms: i64,
    ) -> Result<Outcome, String> {
        let cell = self.cells.get(place).ok_or("rule is not of this group")?;
        let query_ms = slot_ms.saturating_sub(millis(self.query_offset));
        let _slot = shared.slots.acquire().await.map_err(|e| e.to_string())?;
        let Asked { samples, no_data } =
            ask(&shared.engine, &tenant.id, &cell.rule.query, query_ms).await?;
        let count = samples.len();
        if count > ANSWER_MAX {
            return Err(format!("expression answers {count} series, limit is {ANSWER_MAX}"));
        }
        let outcome = Outcome { samples: count, ..Outcome::of(place) };
        if matches!(cell.rule.kind, RuleKind::Recording) {
            return self.recorded(cell, samples, query_ms, outcome);
        }
        let samples = if no_data && samples.is_empty() {
            match without_data(&cell.rule) {
                Some(samples) => samples,
                None => return Ok(outcome),
            }
        } else {
            samples
        };
        let previous = cell.alerts();
        let made = Box::pin(step_expanded(
            (&shared.engine, &tenant.id),
            self.surroundings(shared, slot_ms),
            &cell.rule,
            self.rules.limit,
            &previous,
            (slot_ms, query_ms),
            samples,
        ));
        Ok(outcome.stepped(made.await, query_ms))
    }

    /// What templates see beside a sample.
    fn surroundings<'a>(&self, shared: &'a Shared, slot_ms: i64) -> Surroundings<'a> {
        Surroundings {
            external_labels: &shared.external_labels,
            external_url: &shared.external_url,
            group_id: xxhash_rust::xxh3::xxh3_64(self.key.as_bytes()),
            interval: self.interval,
            now_ms: slot_ms,
        }
    }

    /// What a recording rule came to.
    fn recorded(
        &self,
        cell: &Cell,
        samples: Vec<Sample>,
        time_ms: i64,
        mut outcome: Outcome,
    ) -> Result<Outcome, String> {
        let made = record(&cell.rule, self.rules.limit, &cell.recorded(), samples);
        let made = made.map_err(|e| e.to_string())?;
        let rule = outcome.rule;
        let rows = made.samples.into_iter();
        let rows = rows.map(|Sample { labels, value }| Row { labels, time_ms, value, rule });
        let stale = made.stale.into_iter().map(|labels| Row::stale(labels, time_ms, rule));
        outcome.rows = rows.chain(stale).collect();
        outcome.recorded = Some(made.series);
        Ok(outcome)
    }

    /// Writes and decides what a level came to.
    async fn settle(
        &self,
        shared: &Arc<Shared>,
        tenant: &Arc<Tenant>,
        slot_ms: i64,
        outcomes: Vec<Outcome>,
    ) {
        let (mut rows, mut changes) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            let Outcome { rule, error, took, change, .. } = outcome;
            let Some(cell) = self.cells.get(rule) else { continue };
            if let Some(error) = &error {
                self.metrics.failures.inc();
                tenant.failed(shared, &self.key, cell, error);
            }
            cell.note(slot_ms, took, error);
            if let Some(recorded) = outcome.recorded {
                cell.set_recorded(recorded);
            }
            rows.extend(outcome.rows);
            // Alerts of a rule that failed are told again, too, or they would end by themselves.
            let unchanged = || Change { rule, next: None, transitions: Vec::new() };
            if cell.rule.alerting().is_some() {
                changes.push(change.unwrap_or_else(unchanged));
            }
        }
        let written = recorder::write(&shared.writer, &tenant.id, &rows);
        let decided = Box::pin(tenant.decide(shared, self, slot_ms, changes));
        let (written, ()) = futures::future::join(written, decided).await;
        match written {
            Ok(refused) => {
                for (rule, why) in refused {
                    if let Some(cell) = self.cells.get(rule) {
                        cell.note_refused(why);
                    }
                }
            }
            Err(error) => {
                let rules: BTreeSet<usize> = rows.iter().map(|row| row.rule).collect();
                for cell in rules.into_iter().filter_map(|rule| self.cells.get(rule)) {
                    cell.note_refused(format!("samples were not stored: {}", error.message()));
                }
            }
        }
    }

    /// Returns how the group does.
    pub(crate) fn view(&self) -> GroupView {
        let Status { evaluated_ms, took } = *self.status.lock();
        GroupView {
            file: Arc::clone(&self.rules.file),
            name: Arc::clone(&self.rules.name),
            interval: self.interval,
            limit: self.rules.limit,
            evaluated_ms,
            took,
            rules: self.cells.iter().map(Cell::view).collect(),
        }
    }
}

impl Outcome {
    fn of(rule: usize) -> Self {
        Self {
            rule,
            rows: Vec::new(),
            recorded: None,
            change: None,
            samples: 0,
            error: None,
            took: Duration::ZERO,
        }
    }

    /// Adds what the step of an alerting rule says.
    fn stepped(mut self, step: Result<Step, StepError>, time_ms: i64) -> Self {
        let rule = self.rule;
        let (next, transitions) = match step {
            Ok(step) => {
                let rows = step.series.into_iter().map(|(labels, value)| Row {
                    labels,
                    time_ms,
                    value: SampleValue::Float(value),
                    rule,
                });
                self.rows = rows.collect();
                (Some(step.next), step.transitions)
            }
            Err(error) => {
                self.error = Some(error.to_string());
                (error.drops_state().then(RuleState::default), Vec::new())
            }
        };
        self.change = Some(Change { rule, next, transitions });
        self
    }
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
