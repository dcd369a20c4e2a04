use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use tarn_model::labels::LabelSet;
use tarn_model::sample::is_stale;
use tarn_query::promql::query::SampleValue;

use super::{
    Active, Remembered, RestoreOptions, RuleState, Sample, State, Step, StepError, Transition,
    Value, carry, due_to_send, record, restore, step, without_data,
};
use crate::alert::Fingerprint;
use crate::rules::{ParseOptions, Rule, parse};

const MINUTE: i64 = 60_000;

fn rule(yaml: &str) -> Arc<Rule> {
    let text = format!("groups:\n- name: g\n  rules:\n  - {yaml}\n");
    let mut parsed = parse("f", &text, &ParseOptions::default());
    assert_eq!(parsed.problems, []);
    parsed.groups.remove(0).rules.remove(0)
}

fn sample(pairs: &[(&str, &str)], value: f64) -> Sample {
    Sample { labels: LabelSet::from_pairs(pairs), value: SampleValue::Float(value) }
}

/// Replaces `$name` by the value of a label, which is all these tests need of templates.
fn expand(text: &str, sample: &Sample) -> String {
    match text.strip_prefix('$') {
        Some(name) => sample.labels.value(name).to_owned(),
        None => text.to_owned(),
    }
}

fn take(rule: &Rule, state: &RuleState, ts_ms: i64, result: Vec<Sample>) -> Step {
    step(rule, 0, state, ts_ms, result, &mut expand).unwrap()
}

/// What happened to alerts, as `instance: from>to`.
fn changes(transitions: &[Transition]) -> Vec<String> {
    let told =
        transitions.iter().map(|t| format!("{}: {}>{}", t.active.labels.value("i"), t.from, t.to));
    told.collect()
}

/// The series of a step, as `name{labels} value`.
fn series(step: &Step) -> Vec<String> {
    let shown = step.series.iter().map(|(labels, value)| {
        let value = if is_stale(*value) { "stale".to_owned() } else { value.to_string() };
        format!("{labels} {value}")
    });
    shown.collect()
}

#[test]
fn labels_come_from_sample_rule_and_name() {
    let rule = rule(
        "{alert: A, expr: up, labels: {gone: '', i: x, new: $job}, annotations: {t: $__name__}}",
    );
    let result = vec![sample(&[("__name__", "up"), ("i", "1"), ("job", "j"), ("gone", "y")], 2.5)];
    let step = take(&rule, &RuleState::default(), 5_000, result);
    let alert = step.next.active().next().unwrap();
    assert_eq!(alert.labels.to_string(), r#"{alertname="A", i="x", job="j", new="j"}"#);
    assert_eq!(alert.annotations.to_string(), r#"{t="up"}"#);
    assert_eq!((alert.value.to_string().as_str(), alert.state), ("2.5", State::Firing));
    assert_eq!(
        series(&step),
        [
            r#"ALERTS{alertname="A", alertstate="firing", i="x", job="j", new="j"} 1"#,
            r#"ALERTS_FOR_STATE{alertname="A", i="x", job="j", new="j"} 5"#,
        ]
    );
}

#[test]
fn an_alert_waits_fires_and_ends() {
    let rule = rule("{alert: A, expr: up, for: 2m}");
    let up = || vec![sample(&[("i", "1")], 1.0)];
    let mut state = RuleState::default();
    let mut seen = Vec::new();
    for (minute, result) in
        [up(), up(), vec![], up(), up(), up(), up(), vec![], up(), vec![]].into_iter().enumerate()
    {
        let step = take(&rule, &state, minute as i64 * MINUTE, result);
        seen.push((minute, changes(&step.transitions).join(" "), step.series.len()));
        state = step.next;
    }
    let expected = [
        (0, "1: inactive>pending", 2),
        (1, "", 2),
        (2, "1: pending>inactive", 2), // both series end
        (3, "1: inactive>pending", 2),
        (4, "", 2),
        (5, "1: pending>firing", 3), // the pending one ends
        (6, "", 2),
        (7, "1: firing>inactive", 2),
        (8, "1: inactive>pending", 2),
        (9, "1: pending>inactive", 2),
    ];
    let expected: Vec<_> = expected.map(|(at, text, n)| (at, text.to_owned(), n)).into();
    assert_eq!(seen, expected);
    assert_eq!(state, RuleState::default());
}

#[test]
fn keep_firing_for_bridges_gaps() {
    let rule = rule("{alert: A, expr: up, keep_firing_for: 2m}");
    let up = || vec![sample(&[("i", "1")], 1.0)];
    let mut state = RuleState::default();
    let mut seen = Vec::new();
    for (minute, result) in
        [up(), vec![], vec![], up(), vec![], vec![], vec![]].into_iter().enumerate()
    {
        let step = take(&rule, &state, minute as i64 * MINUTE, result);
        seen.push(changes(&step.transitions).join(" "));
        state = step.next;
    }
    assert_eq!(seen, ["1: inactive>firing", "", "", "", "", "", "1: firing>inactive"]);
}

#[test]
fn an_ended_alert_is_kept_for_15_minutes() {
    let rule = rule("{alert: A, expr: up}");
    let state = take(&rule, &RuleState::default(), 0, vec![sample(&[], 1.0)]).next;
    let state = take(&rule, &state, MINUTE, vec![]).next;
    assert_eq!(state.state(), State::Inactive);
    assert_eq!(take(&rule, &state, 16 * MINUTE, vec![]).next.alerts.len(), 1);
    let gone = take(&rule, &state, 16 * MINUTE + 1, vec![]);
    assert_eq!((gone.next.alerts.len(), gone.series.len(), gone.transitions.len()), (0, 0, 0));
    // It comes back as a new one.
    let again = take(&rule, &state, 2 * MINUTE, vec![sample(&[], 1.0)]);
    let alert = again.next.active().next().unwrap();
    assert_eq!((alert.active_ms, alert.resolved_ms, alert.last_sent_ms), (2 * MINUTE, None, None));
}

#[test]
fn a_raised_for_makes_it_wait_again() {
    let (short, long) = (rule("{alert: A, expr: up}"), rule("{alert: A, expr: up, for: 5m}"));
    let up = || vec![sample(&[("i", "1")], 1.0)];
    let mut state = take(&short, &RuleState::default(), 0, up()).next;
    due_to_send(&mut state, 0, MINUTE, MINUTE);
    let step = take(&long, &state, MINUTE, up());
    assert_eq!(changes(&step.transitions), ["1: firing>pending"]);
    let alert = step.next.active().next().unwrap();
    assert_eq!((alert.fired_ms, alert.last_sent_ms, alert.active_ms), (None, None, 0));
    let step = take(&long, &step.next, 5 * MINUTE, up());
    assert_eq!(changes(&step.transitions), ["1: pending>firing"]);
}

#[test]
fn duplicates_and_limits_fail_the_rule() {
    let rule = rule("{alert: A, expr: up, labels: {i: ''}}");
    let two = vec![sample(&[("i", "1")], 1.0), sample(&[("i", "2")], 1.0)];
    let error = step(&rule, 0, &RuleState::default(), 0, two, &mut expand).unwrap_err();
    assert!(matches!(&error, StepError::Duplicate(_)) && !error.drops_state(), "{error}");
    let rule = self::rule("{alert: A, expr: up, for: 1m}");
    let two = vec![sample(&[("i", "1")], 1.0), sample(&[("i", "2")], 1.0)];
    assert!(step(&rule, 2, &RuleState::default(), 0, two.clone(), &mut expand).is_ok());
    let error = step(&rule, 1, &RuleState::default(), 0, two, &mut expand).unwrap_err();
    assert_eq!(error.to_string(), "exceeded limit of 1 with 2 alerts");
    assert!(error.drops_state());
}

#[test]
fn alerts_are_told_when_they_fire_again_and_when_they_end() {
    let rule = rule("{alert: A, expr: up, for: 1m}");
    let up = || vec![sample(&[("i", "1")], 1.0)];
    let mut state = RuleState::default();
    let mut told = Vec::new();
    for (minute, result) in [up(), up(), up(), up(), vec![], vec![], vec![]].into_iter().enumerate()
    {
        let now = minute as i64 * MINUTE;
        state = take(&rule, &state, now, result).next;
        for alert in due_to_send(&mut state, now, 90_000, MINUTE) {
            told.push((minute, alert.starts_ms / 1000, alert.ends_ms / 1000));
        }
    }
    // Fired at 1; told again after more than 90 s; ended at 4, and told again after that.
    assert_eq!(told, [(1, 60, 420), (3, 60, 540), (4, 60, 240), (6, 60, 240)]);
}

#[test]
fn no_data_is_what_the_rule_says() {
    let with = |policy: &str| rule(&format!("{{alert: A, expr: up, no_data: {policy}}}"));
    assert_eq!(without_data(&with("resolve")), Some(vec![]));
    assert_eq!(without_data(&with("keep")), None);
    let samples = without_data(&with("alert")).unwrap();
    assert_eq!(take(&with("alert"), &RuleState::default(), 0, samples).next.alerts.len(), 1);
}

#[test]
fn recorded_series_end_when_they_vanish() {
    let rule = rule("{record: r, expr: up, labels: {l: x}}");
    let both = vec![sample(&[("__name__", "up"), ("i", "1")], 1.0), sample(&[("i", "2")], 2.0)];
    let first = record(&rule, 2, &Default::default(), both.clone()).unwrap();
    assert_eq!(first.samples[0].labels.to_string(), r#"r{i="1", l="x"}"#);
    let second = record(&rule, 2, &first.series, both[1..].to_vec()).unwrap();
    assert_eq!(second.stale, [LabelSet::from_pairs(&[("__name__", "r"), ("i", "1"), ("l", "x")])]);
    assert_eq!(record(&rule, 2, &second.series, both[1..].to_vec()).unwrap().stale, []);
    let error = record(&rule, 1, &first.series, both).unwrap_err();
    assert_eq!(error.to_string(), "exceeded limit of 1 with 2 series");
    let same = vec![sample(&[("l", "1")], 1.0), sample(&[("l", "2")], 1.0)];
    let error = record(&rule, 0, &first.series, same).unwrap_err();
    assert!(error.to_string().contains(r#"after applying rule labels: r{l="x"}"#), "{error}");
}

#[test]
fn a_reload_keeps_states() {
    let fire = |rule: &Arc<Rule>, i: &str| {
        let state = take(rule, &RuleState::default(), 0, vec![sample(&[("i", i)], 1.0)]).next;
        (Arc::clone(rule), state)
    };
    let a = rule("{alert: A, expr: a, labels: {s: x}}");
    let b = rule("{alert: B, expr: b}");
    let c = rule("{alert: C, expr: c}");
    let old = [fire(&a, "1"), fire(&b, "2"), fire(&c, "3")];
    // B changes its expression, A is renamed and relabelled, C goes.
    let b2 = rule("{alert: B, expr: b > 1, for: 1m}");
    let a2 = rule("{alert: A2, expr: a, labels: {t: y}}");
    let new = [Arc::clone(&b2), Arc::clone(&a2), rule("{alert: New, expr: n}")];
    let carried = carry(&old, &new, 7, false);
    assert_eq!(carried.states[0], old[1].1);
    let renamed = carried.states[1].active().next().unwrap();
    assert_eq!(renamed.labels.to_string(), r#"{alertname="A2", i="1", t="y"}"#);
    assert_eq!((renamed.state, renamed.last_sent_ms), (State::Firing, None));
    assert_eq!(carried.states[2], RuleState::default());
    let ended: Vec<&str> = carried.ended.iter().map(|a| a.labels.value("alertname")).collect();
    assert_eq!(ended, ["A", "C"]);
    assert!(carried.ended.iter().all(|a| a.resolved_ms == Some(7)));
    let carried = carry(&old, &new, 7, true);
    assert_eq!((carried.states[1].alerts.len(), carried.ended.len()), (0, 0));
    // The same rule twice: in order.
    let twice = [fire(&a, "1"), fire(&a, "2")];
    let carried = carry(&twice, &[Arc::clone(&a), Arc::clone(&a)], 7, false);
    assert_eq!(carried.states, [twice[0].1.clone(), twice[1].1.clone()]);
}

#[test]
fn states_are_restored_as_upstream_does() {
    let rule = rule("{alert: A, expr: up, for: 30m}");
    let options = RestoreOptions::default();
    let now = 100 * MINUTE;
    let labels = LabelSet::from_pairs(&[("alertname", "A")]);
    // Active since, last written, and what comes of it: all in minutes.
    for (active, written, expected) in [
        (10, 60, 10),            // it fired: fires again at the next evaluation
        (55, 80, 100 + 10 - 30), // 5 minutes were left: fires after the grace period
        (75, 80, 75 + 20),       // 25 minutes were left: the time it was down does not count
    ] {
        let mut state = take(&rule, &RuleState::default(), now, vec![sample(&[], 1.0)]).next;
        let last = Remembered {
            labels: labels.clone(),
            time_ms: written * MINUTE,
            active_s: (active * 60) as f64,
        };
        restore(&rule, &mut state, now, std::slice::from_ref(&last), options);
        assert_eq!(state.active().next().unwrap().active_ms, expected * MINUTE);
        let mut state = take(&rule, &RuleState::default(), now, vec![sample(&[], 1.0)]).next;
        let stale = Remembered { active_s: tarn_model::sample::stale_nan(), ..last };
        restore(&rule, &mut state, now, &[stale], options);
        assert_eq!(state.active().next().unwrap().active_ms, now);
    }
}

#[test]
fn states_survive_json() {
    let rule = rule("{alert: A, expr: up, annotations: {t: x}}");
    for value in [1.5, -0.0, f64::NAN, f64::INFINITY, 1e-300, f64::MIN] {
        let state = take(&rule, &RuleState::default(), 3, vec![sample(&[("i", "1")], value)]).next;
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<RuleState>(&text).unwrap(), state, "{text}");
    }
    let text = Value::Histogram("{count:1, sum:2}".to_owned());
    let json = serde_json::to_string(&text).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), text);
}

/// What the expression answers over time: per evaluation the seconds since the one before, and
/// which of four series are there.
fn histories() -> impl Strategy<Value = Vec<(i64, [bool; 4])>> {
    let gap = prop_oneof![Just(60), Just(60), Just(60), 1_i64..2000];
    proptest::collection::vec((gap, any::<[bool; 4]>()), 1..40)
}

/// An alert as the property test sees it.
#[derive(Default)]
struct Life {
    present_since: Option<i64>,
    last_present: Option<i64>,
    firing: bool,
    ends_told: usize,
    episodes: usize,
}

proptest! {
    /// No alert fires that was not there for its `for`; it ends only after `keep_firing_for`
    /// without a sample; every episode is told to end once, as long as nothing is repeated; the
    /// order of samples does not matter; and a state read back from disk goes on the same way.
    #[test]
    fn lives_of_alerts(history in histories(), hold in 0_i64..4, keep in 0_i64..4) {
        let rule = rule(&format!("{{alert: A, expr: up, for: {hold}m, keep_firing_for: {keep}m}}"));
        let (hold, keep) = (hold * MINUTE, keep * MINUTE);
        let mut state = RuleState::default();
        let mut lives: BTreeMap<String, Life> = BTreeMap::new();
        let mut now = 0;
        for (gap, present) in history {
            now += gap * 1000;
            let names = present.iter().enumerate().filter(|(_, there)| **there);
            let result: Vec<Sample> =
                names.map(|(at, _)| sample(&[("i", &at.to_string())], 1.0)).collect();
            let step = take(&rule, &state, now, result.clone());
            let mut backwards = result;
            backwards.reverse();
            let all = |step: Step| (series(&step), step.next, step.transitions);
            let once = all(step.clone());
            assert_eq!(all(take(&rule, &state, now, backwards.clone())), once);
            let text = serde_json::to_string(&state).unwrap();
            let read: RuleState = serde_json::from_str(&text).unwrap();
            assert_eq!(all(take(&rule, &read, now, backwards)), once);
            for (at, there) in present.iter().enumerate() {
                let life = lives.entry(at.to_string()).or_default();
                if *there {
                    life.present_since.get_or_insert(now);
                    life.last_present = Some(now);
                } else if !life.firing {
                    life.present_since = None;
                }
            }
            for t in &step.transitions {
                let life = lives.get_mut(t.active.labels.value("i")).unwrap();
                match (t.from, t.to) {
                    (_, State::Firing) => {
                        assert!(now - life.present_since.unwrap() >= hold);
                        (life.firing, life.episodes) = (true, life.episodes + 1);
                    }
                    (State::Firing, to) => {
                        assert_eq!(to, State::Inactive);
                        assert!(now - life.last_present.unwrap() >= keep);
                        (life.firing, life.present_since) = (false, None);
                    }
                    _ => {}
                }
            }
            state = step.next;
            for alert in due_to_send(&mut state, now, i64::MAX / 4, MINUTE) {
                assert!(alert.starts_ms <= now);
                if alert.is_resolved(now) {
                    lives.get_mut(alert.labels.value("i")).unwrap().ends_told += 1;
                }
            }
            for life in lives.values() {
                assert_eq!(life.ends_told, life.episodes - usize::from(life.firing));
            }
        }
    }

    /// What `ALERTS` shows is what is active, always: series that are not written end.
    #[test]
    fn alerts_show_what_is_active(history in histories(), hold in 0_i64..3) {
        let rule = rule(&format!("{{alert: A, expr: up, for: {hold}m}}"));
        let mut state = RuleState::default();
        let mut shown: BTreeMap<LabelSet, f64> = BTreeMap::new();
        let mut now = 0;
        for (gap, present) in history {
            now += gap * 1000;
            let names = present.iter().enumerate().filter(|(_, there)| **there);
            let result = names.map(|(at, _)| sample(&[("i", &at.to_string())], 1.0)).collect();
            let step = take(&rule, &state, now, result);
            for (labels, value) in &step.series {
                match is_stale(*value) {
                    true => assert!(shown.remove(labels).is_some(), "{labels} was never there"),
                    false => drop(shown.insert(labels.clone(), *value)),
                }
            }
            state = step.next;
            let expected: Vec<LabelSet> = state.active().flat_map(|a| a.series(&rule)).collect();
            assert_eq!(shown.len(), expected.len());
            assert!(expected.iter().all(|labels| shown.contains_key(labels)));
        }
    }
}

#[test]
fn identities_are_those_of_alertmanager() {
    let active = |labels: LabelSet| Active {
        annotations: LabelSet::default(),
        value: Value::Float(1.0),
        state: State::Firing,
        active_ms: 0,
        fired_ms: Some(0),
        resolved_ms: None,
        last_sent_ms: None,
        keep_firing_since_ms: None,
        labels,
    };
    let alert = active(LabelSet::from_pairs(&[("alertname", "A"), ("i", "1")]));
    let mut state = RuleState::default();
    state.alerts.insert(Fingerprint::of(&alert.labels), alert.clone());
    let sent = due_to_send(&mut state, 10, 60, 60);
    assert_eq!(sent[0].fingerprint(), Fingerprint::of(&alert.labels));
}
