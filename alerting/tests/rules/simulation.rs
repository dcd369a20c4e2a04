//! A server that is only a clock: samples in a store, groups evaluated at slots, alerts sent as they
//! fall due.

use std::collections::BTreeSet;
use std::sync::Arc;

use tarn_alerting::alert::Alert;
use tarn_alerting::rules::{ParseOptions, Rule, RuleGroup, RuleKind, parse};
use tarn_alerting::state::{Active, RuleState, Sample, due_to_send, record, samples_of, step};
use tarn_model::labels::LabelSet;
use tarn_model::sample::stale_nan;
use tarn_query::promql;
use tarn_query::promql::notation::{Value, parse_series_line};
use tarn_query::promql::query::{QueryParams, QueryValue, SampleValue};
use tarn_query::promql::script::block_on;
use tarn_query::promql::script::store::{MemoryStore, Point};

/// How often an alert that still fires is sent again.
const RESEND_MS: i64 = 60_000;

struct Running {
    rule: Arc<Rule>,
    limit: usize,
    interval_ms: i64,
    state: RuleState,
    series: BTreeSet<LabelSet>,
    /// Why the last evaluation failed.
    error: Option<String>,
}

/// A store and groups of rules over it.
pub(crate) struct Simulation {
    store: MemoryStore,
    rules: Vec<Running>,
}

impl Simulation {
    /// Makes a server with a rule file.
    pub(crate) fn of(rules: &str) -> Self {
        let parsed = parse("rules.yaml", rules, &ParseOptions::default());
        assert_eq!(parsed.problems, []);
        let running = parsed.groups.iter().flat_map(|group: &RuleGroup| {
            group.rules.iter().map(|rule| Running {
                rule: Arc::clone(rule),
                limit: group.limit,
                interval_ms: group.interval.map_or(60_000, |d| d.as_millis() as i64),
                state: RuleState::default(),
                series: BTreeSet::new(),
                error: None,
            })
        });
        Self { rules: running.collect(), store: MemoryStore::default() }
    }

    /// Stores series, one point every `interval_ms` from zero on.
    pub(crate) fn load(&mut self, interval_ms: i64, lines: &[&str]) {
        for line in lines {
            let line = parse_series_line(line).unwrap();
            for (at, value) in line.values.iter().enumerate() {
                let point = match value {
                    None => continue,
                    Some(Value::Float(value)) => Point::Float(*value),
                    Some(Value::Histogram { histogram, .. }) => {
                        Point::Histogram(Arc::clone(histogram))
                    }
                };
                self.store.insert(&line.labels, at as i64 * interval_ms, 0, point);
            }
        }
    }

    /// Evaluates all rules at a time, in order, and returns what is sent.
    pub(crate) fn tick(&mut self, ts_ms: i64) -> Vec<Alert> {
        let mut sent = Vec::new();
        let mut rules = std::mem::take(&mut self.rules);
        for running in &mut rules {
            running.error = self.evaluate(running, ts_ms).err();
            // What failed sends nothing.
            if running.error.is_none() {
                let interval_ms = running.interval_ms;
                sent.extend(due_to_send(&mut running.state, ts_ms, RESEND_MS, interval_ms));
            }
        }
        self.rules = rules;
        sent
    }

    fn evaluate(&mut self, running: &mut Running, ts_ms: i64) -> Result<(), String> {
        let result = samples_of(self.ask(&running.rule.expr, ts_ms)?)?;
        let written: Vec<(LabelSet, SampleValue)> = match &running.rule.kind {
            RuleKind::Recording => {
                let step = record(&running.rule, running.limit, &running.series, result);
                let step = step.map_err(|e| e.to_string())?;
                running.series = step.series;
                let ended = step.stale.into_iter();
                let ended = ended.map(|labels| (labels, SampleValue::Float(stale_nan())));
                step.samples.into_iter().map(|s| (s.labels, s.value)).chain(ended).collect()
            }
            RuleKind::Alerting(_) => {
                let state = &running.state;
                let mut expand = expand;
                let step = step(&running.rule, running.limit, state, ts_ms, result, &mut expand);
                let step = step.map_err(|e| {
                    if e.drops_state() {
                        running.state = RuleState::default();
                    }
                    e.to_string()
                })?;
                running.state = step.next;
                step.series.into_iter().map(|(l, v)| (l, SampleValue::Float(v))).collect()
            }
        };
        for (labels, value) in written {
            let point = match value {
                SampleValue::Float(value) => Point::Float(value),
                SampleValue::Histogram(histogram) => Point::Histogram(histogram),
            };
            self.store.insert(&labels, ts_ms, 0, point);
        }
        Ok(())
    }

    fn ask(&self, expr: &promql::ast::Expr, ts_ms: i64) -> Result<QueryValue, String> {
        let result = block_on(promql::eval(&self.store, expr, &QueryParams::instant(ts_ms)));
        result.map(|result| result.value).map_err(|e| e.to_string())
    }

    /// Answers a query, as `labels value` lines in order.
    pub(crate) fn answer(&self, query: &str, ts_ms: i64) -> Vec<String> {
        let options = promql::ast::ParseOptions::ALL;
        let limits = promql::parse::ParseLimits::default();
        let expr = promql::parse::parse(query, &options, limits).unwrap();
        let samples = samples_of(self.ask(&expr, ts_ms).unwrap()).unwrap();
        let mut lines: Vec<String> = samples
            .iter()
            .map(|Sample { labels, value }| match value {
                SampleValue::Float(value) => format!("{labels} {value}"),
                SampleValue::Histogram(h) => format!("{labels} {}", promql::print::histogram(h)),
            })
            .collect();
        lines.sort();
        lines
    }

    /// Returns the alerts of a rule that are pending or firing.
    pub(crate) fn active(&self, name: &str) -> Vec<&Active> {
        let rules = self.rules.iter().filter(|running| *running.rule.name == *name);
        rules.flat_map(|running| running.state.active()).collect()
    }

    /// Returns why the last evaluation of a rule failed.
    pub(crate) fn error(&self, name: &str) -> Option<&str> {
        let mut rules = self.rules.iter().filter(|running| *running.rule.name == *name);
        rules.find_map(|running| running.error.as_deref())
    }
}

/// Replaces `$name` by the value of a label: these cases are not about templates.
fn expand(text: &str, sample: &Sample) -> String {
    match text.strip_prefix('$') {
        Some(name) => sample.labels.value(name).to_owned(),
        None => text.to_owned(),
    }
}
