//! What the specification for alert generators demands, on a simulated clock: states over time,
//! what is sent and when, the series that tell of it, order within a group.

use tarn_alerting::alert::Alert;
use tarn_alerting::state::State;

use crate::simulation::Simulation;

/// The distance of evaluations and samples.
const STEP_MS: i64 = 15_000;

/// Runs steps from zero; calls `look` after each with what was sent.
fn run(
    simulation: &mut Simulation,
    steps: i64,
    mut look: impl FnMut(i64, &Simulation, Vec<Alert>),
) {
    for step in 0..=steps {
        let now = step * STEP_MS;
        let sent = simulation.tick(now);
        look(step, simulation, sent);
    }
}

fn state(simulation: &Simulation, name: &str) -> String {
    let states: Vec<&str> = simulation.active(name).iter().map(|a| a.state.as_str()).collect();
    if states.is_empty() { "inactive".to_owned() } else { states.join(",") }
}

/// Pending, firing, inactive: at the evaluation at which it must be, neither sooner nor later.
#[test]
fn pending_then_firing_then_resolved() {
    let mut simulation = Simulation::of(
        "groups:\n- name: g\n  interval: 15s\n  rules:\n  \
         - {alert: A, expr: m > 10, for: 45s, labels: {l: x}, annotations: {t: y}}\n",
    );
    // Above from step 4 to step 19.
    simulation.load(STEP_MS, &["m{i=\"1\"} 5x3 15x15 5x120"]);
    let mut sent_at = Vec::new();
    run(&mut simulation, 100, |step, simulation, sent| {
        let expected = match step {
            4..=6 => "pending",
            7..=19 => "firing",
            _ => "inactive",
        };
        assert_eq!(state(simulation, "A"), expected, "step {step}");
        for alert in sent {
            let now = step * STEP_MS;
            assert_eq!(alert.labels.to_string(), r#"{alertname="A", i="1", l="x"}"#);
            assert_eq!(alert.annotations.to_string(), r#"{t="y"}"#);
            assert_eq!(alert.starts_ms, 7 * STEP_MS);
            let resolved = alert.is_resolved(now);
            // While it fires: four times the longer of interval and resend delay ahead.
            let ends = if resolved { 20 * STEP_MS } else { now + 240_000 };
            assert_eq!(alert.ends_ms, ends, "step {step}");
            sent_at.push((step, resolved));
        }
        let now = step * STEP_MS;
        let shown = simulation.answer("ALERTS", now);
        let line = |state| {
            format!("ALERTS{{alertname=\"A\", alertstate=\"{state}\", i=\"1\", l=\"x\"}} 1")
        };
        match expected {
            "inactive" => assert_eq!(shown, [""; 0], "step {step}"),
            state => assert_eq!(shown, [line(state)], "step {step}"),
        }
        let since = simulation.answer("ALERTS_FOR_STATE", now);
        assert_eq!(since.len(), usize::from(expected != "inactive"), "step {step}");
        assert!(since.iter().all(|line| line.ends_with(" 60")), "{since:?}");
    });
    // At once, then whenever more than a minute has passed; ended for 15 minutes: 20 to 80.
    let firing: Vec<i64> = sent_at.iter().filter(|s| !s.1).map(|s| s.0).collect();
    let ended: Vec<i64> = sent_at.iter().filter(|s| s.1).map(|s| s.0).collect();
    assert_eq!(firing, [7, 12, 17]);
    assert_eq!(ended, (20..=80).step_by(5).collect::<Vec<_>>());
}

/// An alert that never fired is never sent, whatever happens to it.
#[test]
fn pending_then_inactive_is_never_sent() {
    let mut simulation = Simulation::of(
        "groups:\n- name: g\n  interval: 15s\n  rules:\n  - {alert: A, expr: m > 10, for: 5m}\n",
    );
    simulation.load(STEP_MS, &["m 5x3 15x10 5x40 15x5 5x20"]);
    run(&mut simulation, 70, |step, simulation, sent| {
        assert_eq!(sent.len(), 0, "step {step}");
        let expected = if matches!(step, 4..=14 | 56..=61) { "pending" } else { "inactive" };
        assert_eq!(state(simulation, "A"), expected, "step {step}");
    });
}

/// Without `for` the first evaluation fires; with one shorter than the interval the second does.
#[test]
fn zero_for_fires_at_once_small_for_at_the_next() {
    let mut simulation = Simulation::of(
        "groups:\n- name: g\n  interval: 15s\n  rules:\n  \
         - {alert: Zero, expr: m > 10}\n  - {alert: Small, expr: m > 10, for: 5s}\n",
    );
    simulation.load(STEP_MS, &["m 5x3 15x10 5x10"]);
    run(&mut simulation, 20, |step, simulation, sent| {
        let (zero, small) = match step {
            4 => ("firing", "pending"),
            5..=14 => ("firing", "firing"),
            _ => ("inactive", "inactive"),
        };
        assert_eq!(state(simulation, "Zero"), zero, "step {step}");
        assert_eq!(state(simulation, "Small"), small, "step {step}");
        let names: Vec<&str> = sent.iter().map(Alert::name).collect();
        match step {
            4 => assert_eq!(names, ["Zero"]),
            5 => assert_eq!(names, ["Small"]),
            15 => assert_eq!(names, ["Zero", "Small"]),
            _ => {}
        }
    });
}

/// Rules of a group run in order, and a later one sees what an earlier one wrote in the same
/// evaluation: a recorded series, and ALERTS.
#[test]
fn later_rules_see_what_earlier_ones_wrote() {
    let mut simulation = Simulation::of(
        "groups:\n- name: g\n  interval: 15s\n  rules:\n  \
         - {record: r, expr: m * 2}\n  \
         - {alert: First, expr: r > 20}\n  \
         - {alert: Second, expr: 'ALERTS{alertname=\"First\",alertstate=\"firing\"}'}\n  \
         - {alert: Early, expr: 'late > 20'}\n  \
         - {record: late, expr: r}\n",
    );
    simulation.load(STEP_MS, &["m 5x3 15x10 5x10"]);
    run(&mut simulation, 20, |step, simulation, _| {
        let on = matches!(step, 4..=14);
        let expected = if on { "firing" } else { "inactive" };
        assert_eq!(state(simulation, "First"), expected, "step {step}");
        assert_eq!(state(simulation, "Second"), expected, "step {step}");
        // What a later rule writes is seen one evaluation later.
        let early = if matches!(step, 5..=15) { "firing" } else { "inactive" };
        assert_eq!(state(simulation, "Early"), early, "step {step}");
    });
    let second = simulation.answer("last_over_time(ALERTS{alertname=\"Second\"}[5m])", 300_000);
    // The label alertstate of what it looked at is overridden.
    assert_eq!(second, ["ALERTS{alertname=\"Second\", alertstate=\"firing\"} 1"]);
}

/// Alerts of a rule live on their own: one that comes later fires later, and one that goes does not
/// touch the others.
#[test]
fn alerts_of_a_rule_are_independent() {
    let mut simulation = Simulation::of(
        "groups:\n- name: g\n  interval: 15s\n  rules:\n  - {alert: A, expr: m > 10, for: 30s}\n",
    );
    simulation.load(
        STEP_MS,
        &["m{i=\"1\"} 15x20", "m{i=\"2\"} 5x4 15x5 5x20", "m{i=\"3\"} _x8 15x3 stale"],
    );
    run(&mut simulation, 20, |step, simulation, _| {
        let of = |i: &str| {
            let active = simulation.active("A");
            let found = active.iter().find(|alert| alert.labels.value("i") == i);
            found.map_or(State::Inactive, |alert| alert.state)
        };
        let pick = |pending: bool, firing: bool| match (pending, firing) {
            (true, _) => State::Pending,
            (_, true) => State::Firing,
            _ => State::Inactive,
        };
        assert_eq!(of("1"), pick(step < 2, step >= 2), "step {step}");
        assert_eq!(of("2"), pick((5..7).contains(&step), (7..=10).contains(&step)), "step {step}");
        assert_eq!(of("3"), pick((8..10).contains(&step), (10..12).contains(&step)), "step {step}");
    });
}

/// A flapping expression with `keep_firing_for` stays one episode.
#[test]
fn keep_firing_for_makes_one_episode() {
    let mut simulation = Simulation::of(
        "groups:\n- name: g\n  interval: 15s\n  rules:\n  \
         - {alert: A, expr: m > 10, keep_firing_for: 45s}\n",
    );
    simulation.load(STEP_MS, &["m 15 5 5 15 5 15 5x20"]);
    let mut starts = Vec::new();
    run(&mut simulation, 12, |step, simulation, sent| {
        let expected = if step < 9 { "firing" } else { "inactive" };
        assert_eq!(state(simulation, "A"), expected, "step {step}");
        starts.extend(sent.iter().map(|alert| alert.starts_ms));
    });
    assert!(!starts.is_empty() && starts.iter().all(|ms| *ms == 0), "{starts:?}");
}

/// Labels: the rule overrides the sample, an empty one deletes, the name of the alert cannot be
/// changed; two samples that become one alert fail the rule and change nothing.
#[test]
fn labels_are_overridden_deleted_and_unique() {
    let mut simulation = Simulation::of(
        "groups:\n- name: g\n  interval: 15s\n  rules:\n  \
         - {alert: A, expr: m > 10, labels: {a: x, b: '', alertname: other, from: $c}}\n  \
         - {alert: Same, expr: m > 10, labels: {c: ''}}\n  \
         - {alert: Few, expr: m > 10}\n",
    );
    simulation.load(
        STEP_MS,
        &["m{a=\"1\",b=\"2\",c=\"3\"} 15x10", "m{a=\"1\",b=\"2\",c=\"4\"} 5x3 15x6"],
    );
    run(&mut simulation, 6, |step, simulation, _| {
        let both = step >= 4;
        let labels: Vec<String> =
            simulation.active("A").iter().map(|alert| alert.labels.to_string()).collect();
        let first = r#"{a="x", alertname="A", c="3", from="3"}"#;
        assert!(labels.contains(&first.to_owned()), "{labels:?}");
        assert_eq!(labels.len(), if both { 2 } else { 1 });
        assert_eq!(simulation.error("Same").is_some(), both, "step {step}");
        // The state of a rule that fails stays what it was.
        assert_eq!(state(simulation, "Same"), "firing");
        assert_eq!(simulation.active("Few").len(), labels.len());
    });
}

/// More alerts than the limit of the group: an error, and no alert at all.
#[test]
fn a_limit_drops_all_alerts_of_the_rule() {
    let mut simulation = Simulation::of(
        "groups:\n- name: g\n  interval: 15s\n  limit: 1\n  rules:\n  \
         - {alert: A, expr: m > 10}\n  - {record: r, expr: m > 10}\n",
    );
    simulation.load(STEP_MS, &["m{i=\"1\"} 15x10", "m{i=\"2\"} 5x2 15x2 5x10"]);
    run(&mut simulation, 8, |step, simulation, sent| {
        let over = matches!(step, 3..=5);
        assert_eq!(simulation.error("A").is_some(), over, "step {step}");
        assert_eq!(simulation.error("r").is_some(), over, "step {step}");
        assert_eq!(state(simulation, "A"), if over { "inactive" } else { "firing" }, "step {step}");
        if over {
            assert_eq!(sent.len(), 0);
            assert_eq!(simulation.error("A"), Some("exceeded limit of 1 with 2 alerts"));
        }
    });
}

/// A recorded series ends where it vanishes, with a marker, not five minutes later.
#[test]
fn recorded_series_end_at_once() {
    let mut simulation = Simulation::of(
        "groups:\n- name: g\n  interval: 15s\n  rules:\n  - {record: r, expr: m > 10}\n",
    );
    simulation.load(STEP_MS, &["m{i=\"1\"} 15x3 5x3 15x10"]);
    run(&mut simulation, 12, |step, simulation, _| {
        let expected = usize::from(matches!(step, 0..=3 | 8..));
        let shown = simulation.answer("r", step * STEP_MS);
        assert_eq!(shown.len(), expected, "step {step}");
    });
}
