//! The rules that come with Tarn: they are valid, each has a test and a runbook, the tests pass here
//! and in promtool, and they ask for no metric of Tarn that there is not.

use tarn_alerting::rules::unit_test::{self, RunOptions};
use tarn_alerting::rules::{ParseOptions, RuleGroup, duplicates, parse, shipped};
use tarn_model::labels::METRIC_NAME;
use tarn_model::metrics;
use tarn_query::promql::ast::Expr;

use crate::{has_promtool, promtool};

const RUNBOOKS: &str = include_str!("../../runbooks.md");

fn options() -> ParseOptions<'static> {
    let check = &tarn_alerting::template::rule::check;
    ParseOptions { strict: true, legacy_names: true, check, ..ParseOptions::default() }
}

fn groups(name: &str, text: &str) -> Vec<RuleGroup> {
    let parsed = parse(name, text, &options());
    assert_eq!(parsed.problems, [], "{name}");
    assert_eq!(duplicates(&parsed.groups), [], "{name}");
    parsed.groups
}

/// Returns the test file of a file of rules, which stands beside it.
fn test_text(name: &str) -> (std::path::PathBuf, String) {
    let file = name.strip_prefix("shipped/").unwrap();
    let path = tarn_testkit::tree::own_folder().join("rules/tests").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

#[test]
fn every_alert_has_a_test_that_passes_and_a_runbook() {
    let with_promtool = has_promtool();
    for (name, text) in shipped::FILES {
        let groups = groups(name, text);
        let (path, test_text) = test_text(name);
        let (file, problems) = unit_test::parse(name, &test_text, false);
        assert_eq!(problems, []);
        let file = file.unwrap();
        for rule in groups.iter().flat_map(|group| &group.rules) {
            let Some(alerting) = rule.alerting() else { continue };
            let fires =
                |test: &unit_test::AlertTest| *test.name == *rule.name && !test.expected.is_empty();
            let tested = file.tests.iter().flat_map(|test| &test.alerts).any(fires);
            assert!(tested, "{} has no test in which it fires", rule.name);
            let anchor = format!("alerting/runbooks.md#{}", rule.name.to_lowercase());
            let told =
                alerting.annotations.iter().any(|(n, v)| &**n == "runbook" && **v == *anchor);
            let written = RUNBOOKS.lines().any(|line| line == format!("### {}", rule.name));
            assert!(told && written, "{} has no runbook", rule.name);
        }
        let expand = unit_test::expand;
        let options = RunOptions { rules: options(), expand: &expand, debug: false };
        for test in &file.tests {
            let verdict = unit_test::run(&file, test, &groups, &options);
            assert_eq!(verdict.failures, [], "{name}: {}", test.name);
        }
        if with_promtool {
            let (passed, said) = promtool(&["test", "rules"], &path);
            assert!(passed, "{name}: {said}");
        }
    }
}

#[test]
fn metrics_of_tarn_are_those_there_are() {
    let mut asked = 0;
    for (name, text) in shipped::FILES {
        for rule in groups(name, text).iter().flat_map(|group| &group.rules) {
            rule.expr.walk(&mut |expr| {
                let selector = match expr {
                    Expr::Vector(selector) => selector,
                    Expr::Matrix(matrix) => &matrix.selector,
                    _ => return,
                };
                let of_name = selector.matchers.iter().find(|m| &*m.name == METRIC_NAME);
                let metric = of_name.map(|m| m.value.to_string()).unwrap_or_default();
                if metric.starts_with("tarn_") {
                    asked += 1;
                    let base = metric.strip_suffix("_total").unwrap_or(&metric);
                    let known = metrics::ALL.iter().any(|m| m.name == base);
                    assert!(known, "{}: there is no {metric}", rule.name);
                }
            });
        }
    }
    assert!(asked >= 8, "{asked} metrics of Tarn");
}
