//! Runs a test: evaluates all groups step by step and looks at what fires.

use std::collections::BTreeSet;

use tarn_model::labels::LabelSet;
use tarn_model::sample::stale_nan;
use tarn_model::units::format_duration;
use tarn_query::promql::query::SampleValue;

use super::verdict;
use super::world::World;
use super::{AlertTest, Failure, RunOptions, Surroundings, Test, TestFile, Verdict};
use crate::rules::{Rule, RuleGroup, RuleKind};
use crate::state::{Active, RuleState, Sample, State, record, samples_of, step};

/// Runs one test of a file over groups of rules.
pub fn run(
    file: &TestFile,
    test: &Test,
    groups: &[RuleGroup],
    options: &RunOptions<'_>,
) -> Verdict {
    let world = match World::new(test, file.interval_ms) {
        Ok(world) => world,
        Err(why) => {
            let failure = Failure { line: test.line, what: why, ..Failure::default() };
            return Verdict { failures: vec![failure], record: Vec::new() };
        }
    };
    // Those that the order does not name come with the first one.
    let place = |group: &RuleGroup| file.group_order.iter().position(|n| **n == *group.name);
    let mut ordered: Vec<&RuleGroup> = groups.iter().collect();
    ordered.sort_by_key(|group| place(group).unwrap_or(0));
    let rules = ordered.iter().flat_map(|group| group.rules.iter().map(move |rule| (*group, rule)));
    let rules = rules.map(|(group, rule)| Running {
        group,
        rule,
        state: RuleState::default(),
        series: BTreeSet::new(),
    });
    let rules = rules.collect();
    let mut run = Run { file, test, options, world, rules, verdict: Verdict::default() };
    run.evaluate();
    run.verdict
}

/// A rule and what it remembers.
struct Running<'a> {
    group: &'a RuleGroup,
    rule: &'a Rule,
    state: RuleState,
    series: BTreeSet<LabelSet>,
}

struct Run<'a> {
    file: &'a TestFile,
    test: &'a Test,
    options: &'a RunOptions<'a>,
    world: World,
    rules: Vec<Running<'a>>,
    verdict: Verdict,
}

impl Run<'_> {
    fn evaluate(&mut self) {
        let alerts = self.test.alerts.iter().map(|test| test.at_ms);
        let last = alerts.chain(self.test.exprs.iter().map(|test| test.at_ms)).max().unwrap_or(0);
        let step_ms = self.file.interval_ms.max(1);
        for offset in (0..=last / step_ms).map(|at| at * step_ms) {
            let ts_ms = self.test.start_ms.saturating_add(offset);
            self.world.advance(ts_ms);
            if !self.step(ts_ms, offset) {
                return;
            }
            let due: Vec<&AlertTest> = self
                .test
                .alerts
                .iter()
                .filter(|test| (offset..offset + step_ms).contains(&test.at_ms))
                .collect();
            for test in due {
                self.compare(test);
            }
        }
        for test in &self.test.exprs {
            let at_ms = self.test.start_ms.saturating_add(test.at_ms);
            let got = self.world.ask_text(&test.expr, at_ms);
            self.verdict.failures.extend(verdict::samples(test, got, self.file.fuzzy));
        }
        if self.options.debug {
            let queries = self.world.queries.get();
            self.note(last, &format!("{queries} queries"));
        }
    }

    /// Evaluates every rule once; `false` where one of them failed, which ends the test.
    fn step(&mut self, ts_ms: i64, offset: i64) -> bool {
        let mut rules = std::mem::take(&mut self.rules);
        let mut all_well = true;
        for running in &mut rules {
            if let Err(why) = self.rule(running, ts_ms) {
                all_well = false;
                let (rule, at) = (&running.rule.name, time(offset));
                self.verdict.failures.push(Failure {
                    line: self.test.line,
                    what: format!("rule {rule} at {at}: {why}"),
                    note: Some("a rule that fails ends the test".to_owned()),
                    ..Failure::default()
                });
            }
        }
        self.rules = rules;
        all_well
    }

    fn rule(&mut self, running: &mut Running<'_>, ts_ms: i64) -> Result<(), String> {
        let group = running.group;
        let behind = group.query_offset.map_or(0, crate::state::millis);
        let at_ms = ts_ms.saturating_sub(behind);
        let result = samples_of(self.world.ask(&running.rule.expr, at_ms)?)?;
        match &running.rule.kind {
            RuleKind::Recording => self.record(running, at_ms, result),
            RuleKind::Alerting(_) => self.alert(running, ts_ms, at_ms, result),
        }
    }

    fn record(
        &mut self,
        running: &mut Running<'_>,
        at_ms: i64,
        result: Vec<Sample>,
    ) -> Result<(), String> {
        let limit = running.group.limit;
        let step =
            record(running.rule, limit, &running.series, result).map_err(|e| e.to_string())?;
        running.series = step.series;
        for sample in step.samples {
            self.world.write(&sample.labels, at_ms, sample.value)?;
        }
        for labels in step.stale {
            self.world.write(&labels, at_ms, SampleValue::Float(stale_nan()))?;
        }
        Ok(())
    }

    fn alert(
        &mut self,
        running: &mut Running<'_>,
        ts_ms: i64,
        at_ms: i64,
        result: Vec<Sample>,
    ) -> Result<(), String> {
        let (world, test, options) = (&self.world, self.test, self.options);
        let query = |text: &str| world.ask_text(text, at_ms);
        let mut expand = |text: &str, sample: &Sample| {
            let surroundings = Surroundings {
                alert: &running.rule.name,
                sample,
                external_labels: &test.external_labels,
                external_url: &test.external_url,
                now_ms: ts_ms,
                query: &query,
            };
            (options.expand)(text, &surroundings)
                .unwrap_or_else(|why| format!("<error expanding template: {why}>"))
        };
        let limit = running.group.limit;
        let step = step(running.rule, limit, &running.state, ts_ms, result, &mut expand);
        let step = step.inspect_err(|e| {
            if e.drops_state() {
                running.state = RuleState::default();
            }
        });
        let step = step.map_err(|e| e.to_string())?;
        running.state = step.next;
        if options.debug {
            for t in &step.transitions {
                let text = format!("{} → {}: {}", t.from, t.to, t.active.labels);
                self.note(ts_ms - test.start_ms, &text);
            }
        }
        for (labels, value) in step.series {
            self.world.write(&labels, at_ms, SampleValue::Float(value))?;
        }
        Ok(())
    }

    /// Compares what fires now with what a test expects.
    fn compare(&mut self, test: &AlertTest) {
        let of_group = |group: &RuleGroup| test.group.as_ref().is_none_or(|g| **g == *group.name);
        let rules = self.rules.iter().filter(|running| {
            running.rule.alerting().is_some()
                && *running.rule.name == *test.name
                && of_group(running.group)
        });
        let mut known = false;
        let mut active: Vec<&Active> = Vec::new();
        for running in rules {
            known = true;
            active.extend(running.state.active());
        }
        let (firing, pending): (Vec<&Active>, Vec<&Active>) =
            active.into_iter().partition(|alert| alert.state == State::Firing);
        let pending: Vec<String> = pending
            .iter()
            .map(|alert| {
                let since = time(alert.active_ms.saturating_sub(self.test.start_ms));
                format!("pending since {since}: {}", alert.labels)
            })
            .collect();
        self.verdict.failures.extend(verdict::alerts(test, &firing, &pending, known));
    }

    fn note(&mut self, offset: i64, text: &str) {
        self.verdict.record.push(format!("{:>8}  {text}", time(offset)));
    }
}

/// Prints a time from the start of a test.
pub(super) fn time(offset_ms: i64) -> String {
    let size = format_duration(std::time::Duration::from_millis(offset_ms.unsigned_abs()));
    if offset_ms < 0 { format!("-{size}") } else { size }
}
