use super::*;
use crate::rules::{ParseOptions, parse};

fn levels_of(rules: &str) -> Vec<Vec<usize>> {
    let text = format!("groups:\n- name: g\n  rules:\n{rules}");
    let parsed = parse("rules.yml", &text, &ParseOptions::default());
    assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
    levels(&parsed.groups[0].rules)
}

#[test]
fn rules_wait_for_what_they_read_and_for_nothing_else() {
    let cases: [(&str, &[&[usize]]); 6] = [
        ("  - {record: a, expr: x}\n  - {record: b, expr: y}\n", &[&[0, 1]]),
        (
            "  - {record: a, expr: x}\n  - {record: b, expr: a + y}\n  - {record: c, expr: y}\n",
            &[&[0, 2], &[1]],
        ),
        ("  - {record: b, expr: 'rate(a[5m])'}\n  - {record: a, expr: x}\n", &[&[0, 1]]),
        ("  - {record: a, expr: x}\n  - {record: b, expr: '{job=\"j\"}'}\n", &[&[0], &[1]]),
        (
            "  - {alert: A, expr: x}\n  - {record: b, expr: 'ALERTS{alertname=\"A\"}'}\n  - {record: c, expr: 'ALERTS{alertname=\"B\"}'}\n",
            &[&[0, 2], &[1]],
        ),
        (
            "  - {record: 'job:a', expr: x}\n  - {record: b, expr: '{__name__=~\"job:.*\"}'}\n",
            &[&[0], &[1]],
        ),
    ];
    for (rules, expected) in cases {
        assert_eq!(levels_of(rules), expected, "{rules}");
    }
}
