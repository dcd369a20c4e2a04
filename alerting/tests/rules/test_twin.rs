//! The same verdict as `promtool test rules`: what our runner computes, over random series and
//! rules, is written down as expectations, and promtool must agree with every one of them.

use std::fmt::Write as _;
use std::path::Path;

use tarn_alerting::rules::unit_test::{self, Failure, RunOptions, Surroundings, Verdict};
use tarn_alerting::rules::{ParseOptions, RuleGroup, parse};
use tarn_model::labels::METRIC_NAME;
use tarn_query::promql::notation::parse_series_line;

use crate::{has_promtool, promtool, write};

/// Minutes that a test lasts.
const MINUTES: u64 = 40;

/// What is asked after every few minutes.
const QUERIES: &[&str] =
    &["ALERTS", "ALERTS_FOR_STATE", "rec", "rec:double", "count(m) or vector(0)"];

/// A sequence of numbers that is the same at every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
}

fn rules(chance: &mut Chance) -> String {
    let mut text = "groups:\n- name: first\n  rules:\n".to_owned();
    text.push_str("  - {record: rec, expr: sum by (job) (m), labels: {kind: sum}}\n");
    text.push_str("  - {record: 'rec:double', expr: rec * 2}\n");
    for at in 0..4 {
        let expr = chance.pick(&[
            "m > 10",
            "rec > 15",
            "sum(m) > 30",
            "m",
            "absent(m{i=\"0\"})",
            "rate(m[5m]) > 0",
            "changes(m[4m]) > 1",
            "rec:double > rec",
        ]);
        writeln!(text, "  - alert: A{at}\n    expr: '{expr}'").unwrap();
        let hold = chance.pick(&["0s", "1m", "2m", "90s", "5m"]);
        let keep = chance.pick(&["0s", "1m", "3m"]);
        writeln!(text, "    for: {hold}\n    keep_firing_for: {keep}").unwrap();
        // Without i alerts can become the same, which ends a test.
        match chance.below(24) {
            0 => text.push_str("    labels: {severity: page, i: ''}\n"),
            1..=12 => text.push_str("    labels: {severity: page}\n"),
            _ => {}
        }
        text.push_str("    annotations: {summary: plain text}\n");
    }
    text.push_str("- name: second\n  limit: 4\n  rules:\n");
    text.push_str("  - {alert: Meta, expr: 'count by (severity) (ALERTS{alertstate=\"firing\",alertname!=\"Meta\"}) > 1', for: 1m}\n");
    text
}

fn series(chance: &mut Chance) -> String {
    let mut text = String::new();
    for i in 0..3 {
        // A sample that is exactly as old as a window is long belongs to it in promtool 2, no longer
        // in 3: no sample stands at the time of an evaluation.
        let mut values = "_ ".to_owned();
        for _ in 0..chance.below(12) + 3 {
            let run = chance.below(6);
            let value = chance.pick(&["5", "15", "20", "_", "stale", "7.25", "1+2"]);
            let item = match value {
                "stale" => "stale ".to_owned(),
                value => format!("{value}x{} ", run + 1),
            };
            values.push_str(&item);
        }
        writeln!(text, "  - series: 'm{{i=\"{i}\",job=\"{}\"}}'\n    values: '{values}'", i % 2)
            .unwrap();
    }
    text
}

/// What a test asks, and what must come of it; without expectations nothing may.
fn test_file(series: &str, answers: Option<&[Vec<String>]>) -> String {
    let mut text =
        "rule_files: [rules.yaml]\nevaluation_interval: 1m\ngroup_eval_order: [first, second]\n\
                    tests:\n- interval: 61s\n  input_series:\n"
            .to_owned();
    text.push_str(series);
    text.push_str("  promql_expr_test:\n");
    let asked = (0..=MINUTES).step_by(3).flat_map(|m| QUERIES.iter().map(move |q| (m, q)));
    for (at, (minute, query)) in asked.enumerate() {
        writeln!(text, "  - expr: '{query}'\n    eval_time: {minute}m\n    exp_samples:").unwrap();
        for line in answers.map_or(&[][..], |answers| &answers[at][..]) {
            let (labels, value) = line.rsplit_once(' ').unwrap();
            writeln!(text, "    - labels: '{labels}'\n      value: {value}").unwrap();
        }
    }
    text
}

/// The tests of alerts that follow from the answers to `ALERTS`.
fn alert_tests(answers: &[Vec<String>]) -> String {
    let mut text = "  alert_rule_test:\n".to_owned();
    let of_alerts = (0..=MINUTES).step_by(3).zip(answers.iter().step_by(QUERIES.len()));
    for (minute, lines) in of_alerts {
        for name in ["A0", "A1", "A2", "A3", "Meta"] {
            // Half a minute later the last evaluation is still this one.
            writeln!(text, "  - alertname: {name}\n    eval_time: {minute}m30s\n    exp_alerts:")
                .unwrap();
            for line in lines {
                let (labels, _) = line.rsplit_once(' ').unwrap();
                let labels = parse_series_line(labels).unwrap().labels;
                let firing = labels.value("alertstate") == "firing";
                if !firing || labels.value("alertname") != name {
                    continue;
                }
                let own = labels.with(METRIC_NAME, "").with("alertstate", "").with("alertname", "");
                let pairs: Vec<String> =
                    own.iter().map(|label| format!("{}: '{}'", label.name, label.value)).collect();
                writeln!(text, "    - exp_labels: {{{}}}", pairs.join(", ")).unwrap();
                if name != "Meta" {
                    text.push_str("      exp_annotations: {summary: plain text}\n");
                }
            }
        }
    }
    text
}

fn run(groups: &[RuleGroup], text: &str) -> Verdict {
    let (file, problems) = unit_test::parse("test.yaml", text, false);
    assert_eq!(problems, []);
    let file = file.unwrap();
    let expand = |text: &str, _: &Surroundings<'_>| Ok(text.to_owned());
    let options = RunOptions { rules: ParseOptions::default(), expand: &expand, debug: false };
    unit_test::run(&file, &file.tests[0], groups, &options)
}

#[test]
fn promtool_agrees_with_every_value() {
    if !has_promtool() {
        return;
    }
    let mut chance = Chance(7);
    let folder = tempfile::tempdir().unwrap();
    let (rule_path, test_path) =
        (folder.path().join("rules.yaml"), folder.path().join("test.yaml"));
    let (mut expectations, mut broken) = (0, 0);
    for round in 0..24 {
        let rule_text = rules(&mut chance);
        let groups = parse("rules.yaml", &rule_text, &ParseOptions::default());
        assert_eq!(groups.problems, []);
        let series = series(&mut chance);
        write(&rule_path, &rule_text);
        let asked = test_file(&series, None);
        let failures = run(&groups.groups, &asked).failures;
        let shown = format!("round {round}\n{rule_text}\n{series}");
        if failures.iter().any(|failure| failure.what.starts_with("rule ")) {
            // A rule fails: promtool must end the test, too.
            broken += 1;
            expect(&test_path, &asked, false, &shown);
            continue;
        }
        let answers = answers(&asked, &failures);
        expectations += answers.iter().map(Vec::len).sum::<usize>();
        let right = test_file(&series, Some(&answers)) + &alert_tests(&answers);
        let verdict = run(&groups.groups, &right);
        assert_eq!(verdict.failures, [], "{shown}");
        expect(&test_path, &right, true, &shown);
        // One value off, and both refuse.
        let mut wrong = answers;
        let at = chance.below(wrong.len() as u64) as usize;
        wrong[at].push("made_up{x=\"y\"} 1".to_owned());
        let wrong = test_file(&series, Some(&wrong));
        assert_eq!(run(&groups.groups, &wrong).failures.len(), 1, "{shown}");
        expect(&test_path, &wrong, false, &shown);
    }
    println!("{expectations} values agree, {broken} tests end early in both");
    assert!(expectations > 2_000 && broken < 12, "{expectations} values, {broken} broken");
}

/// Returns what every expression of a test without expectations answered.
fn answers(asked: &str, failures: &[Failure]) -> Vec<Vec<String>> {
    let (file, _) = unit_test::parse("test.yaml", asked, false);
    let of_line = |line: u32| {
        let failure = failures.iter().find(|failure| failure.line == line);
        failure.map_or(Vec::new(), |failure| failure.unexpected.clone())
    };
    file.unwrap().tests[0].exprs.iter().map(|test| of_line(test.line)).collect()
}

fn expect(path: &Path, text: &str, passes: bool, shown: &str) {
    write(path, text);
    let (passed, said) = promtool(&["test", "rules"], path);
    assert_eq!(passed, passes, "{shown}\n{text}\npromtool: {said}");
}

#[test]
fn failures_say_what_is_missing_and_what_is_pending() {
    let rules = "groups:\n- name: g\n  rules:\n  - {alert: A, expr: m > 1, for: 5m}\n";
    let groups = parse("rules.yaml", rules, &ParseOptions::default()).groups;
    let text = "tests:\n- interval: 1m\n  input_series: [{series: 'm{i=\"1\"}', values: '2x20'}]\n  \
                alert_rule_test:\n  - {eval_time: 4m, alertname: A, exp_alerts: [{exp_labels: {i: 1}}]}\n  \
                - {eval_time: 5m, alertname: A, exp_alerts: [{exp_labels: {i: 2}}]}\n  \
                - {eval_time: 5m, alertname: B, exp_alerts: [{}]}\n  \
                promql_expr_test:\n  - {expr: m, eval_time: 3m, exp_samples: [{labels: m, value: 2}]}\n";
    let failures = run(&groups, text).failures;
    let shown: Vec<String> = failures
        .iter()
        .map(|f| {
            format!("{}: {} -{:?} +{:?} {:?}", f.line, f.what, f.missing, f.unexpected, f.note)
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#"5: alert A at 4m -["{alertname=\"A\", i=\"1\"}"] +[] Some("pending since 0s: {alertname=\"A\", i=\"1\"}")"#,
            r#"6: alert A at 5m -["{alertname=\"A\", i=\"2\"}"] +["{alertname=\"A\", i=\"1\"}"] None"#,
            r#"7: alert B at 5m -["{alertname=\"B\"}"] +[] Some("no rule has an alert of this name")"#,
            r#"9: expr "m" at 3m -["m 2"] +["m{i=\"1\"} 2"] None"#,
        ]
    );
}
