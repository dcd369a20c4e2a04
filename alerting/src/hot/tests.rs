use super::*;
use crate::rules::{ParseOptions, parse};

fn groups(rules: &[&str]) -> Vec<RuleGroup> {
    let mut text = "groups:\n- name: g\n  rules:\n".to_owned();
    for rule in rules {
        text += &format!("  - {rule}\n");
    }
    let parsed = parse("rules.yaml", &text, &ParseOptions::default());
    assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
    parsed.groups
}

fn of(expr: &str) -> Option<Trigger> {
    let groups = groups(&[&format!("{{alert: a, expr: '{expr}'}}")]);
    trigger(&groups[0].rules[0])
}

#[test]
fn single_series_are_watched_and_the_rest_is_not() {
    for flip in ["up == 0", "up{job=\"a\"} < 1", "(x * 100 / 5 - 1) > 3", "3 < x", "x > 1 < 5"] {
        assert!(matches!(of(flip), Some(Trigger::Flip { .. })), "{flip}");
    }
    for any in ["rate(x[5m]) > 1", "100 * increase(x[1m]) >= 5", "predict_linear(x[1h], 3600) < 0"]
    {
        assert!(matches!(of(any), Some(Trigger::Any { .. })), "{any}");
    }
    for slot in [
        "x",
        "sum(x) > 1",
        "x > bool 1",
        "x > y",
        "x offset 5m > 1",
        "x @ 5 > 1",
        "absent(x) > 0",
        "rate(x[5m] offset 1m) > 1",
        "max_over_time(rate(x[1m])[5m:]) > 1",
        "x > 1 and y > 1",
        "label_replace(x, \"a\", \"b\", \"c\", \"d\") > 1",
        "vector(1) > 0",
        "x > scalar(y)",
    ] {
        assert_eq!(of(slot), None, "{slot}");
    }
}

#[test]
fn a_comparison_is_what_the_language_says() {
    for (expr, value, holds) in [
        ("x > 3", 3.0, false),
        ("x > 3", 3.1, true),
        ("3 < x", 3.1, true),
        ("x == 0", 0.0, true),
        ("x != 0", f64::NAN, true),
        ("x > 3", f64::NAN, false),
        ("x * 2 - 1 >= 5", 3.0, true),
        ("x / 0 > 1", 1.0, true),
        ("x > 1 < 5", 7.0, false),
        ("x > 1 < 5", 3.0, true),
    ] {
        let Some(Trigger::Flip { test, .. }) = of(expr) else { panic!("{expr}") };
        assert_eq!(value_at(&test, value).is_some(), holds, "{expr} at {value}");
    }
}

#[test]
fn what_a_group_records_itself_waits_for_its_slots() {
    let groups = groups(&[
        "{record: 'job:x:sum', expr: sum(x)}",
        "{alert: a, expr: 'job:x:sum > 1'}",
        "{alert: b, expr: 'x > 1'}",
        "{alert: c, expr: '{n=\"1\"} > 1'}",
    ]);
    let index = Index::new(groups.iter().map(|group| (group, Duration::ZERO)));
    let places: Vec<usize> = index.watched.iter().map(|(place, _)| place.rule).collect();
    // A selector without a name may look at what is recorded, too.
    assert_eq!(places, [2]);
}

#[test]
fn a_group_that_looks_back_waits_for_its_slots_whoever_said_so() {
    let groups = groups(&["{alert: b, expr: 'x > 1'}"]);
    assert_eq!(groups[0].query_offset, None);
    let behind = Duration::from_secs(30);
    assert!(!Index::new([(&groups[0], Duration::ZERO)]).is_empty());
    assert!(Index::new([(&groups[0], behind)]).is_empty());
}
