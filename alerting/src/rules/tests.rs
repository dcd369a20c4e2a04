use std::time::Duration;

use super::{NoData, ParseOptions, Parsed, duplicates, parse};

fn read(text: &str) -> Parsed {
    parse("r.yaml", text, &ParseOptions::default())
}

fn told(text: &str) -> Vec<String> {
    read(text).problems.iter().map(ToString::to_string).collect()
}

const GOOD: &str = r#"
groups:
- name: api
  interval: 15s
  query_offset: 30s
  limit: 010
  labels: {team: core, severity: page}
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
    labels: {source: rules}
  - alert: Down
    expr: |
      up
        == 0
    for: 5m
    keep_firing_for: 1m
    labels:
      severity: 1e3
      empty:
    annotations:
      summary: '{{ $labels.job }} is down'
    no_data: keep
- name: other
  rules:
"#;

#[test]
fn a_file_is_read_whole() {
    let Parsed { groups, problems } = read(GOOD);
    assert_eq!(problems, []);
    let [api, other] = &groups[..] else { panic!("{groups:?}") };
    assert_eq!((api.key().as_str(), other.rules.len()), ("r.yaml;api", 0));
    assert_eq!((api.interval, api.limit), (Some(Duration::from_secs(15)), 8));
    assert_eq!(api.query_offset, Some(Duration::from_secs(30)));
    let [record, alert] = &api.rules[..] else { panic!("{api:?}") };
    let pairs = |labels: &[(std::sync::Arc<str>, std::sync::Arc<str>)]| {
        labels.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(",")
    };
    assert_eq!(pairs(&record.labels), "severity=page,source=rules,team=core");
    assert_eq!(pairs(&alert.labels), "empty=,severity=1e3,team=core");
    assert_eq!((&*alert.query, alert.line, alert.column), ("up == 0", 12, 5));
    let only = alert.alerting().unwrap();
    assert_eq!((only.hold, only.no_data), (Duration::from_secs(300), NoData::Keep));
    assert_eq!(pairs(&only.annotations), "summary={{ $labels.job }} is down");
    for nothing in ["", "groups:", "groups: []", "# no rules\n"] {
        assert_eq!(read(nothing), Parsed::default(), "{nothing:?}");
    }
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let text = "\
groups:
- name: a
  intervall: 15s
  limit: many
  rules:
  - record: x{y}
    expr: up
    annotations: {a: b}
  - alert: Bad
    expr: |
      sum by (job) (
        up ==
      )
    for: 5
  - expr: up
  - record: both
    alert: both
    expr: up
  - alert: NoExpr
- name: a
- rules: 3
";
    assert_eq!(
        told(text),
        [
            "r.yaml:3:3: \"intervall\" is no key of a group; did you mean \"interval\"?",
            "r.yaml:4:10: group \"a\": limit must be a whole number, is \"many\"",
            "r.yaml:6:13: group \"a\", rule 1, \"x{y}\": record \"x{y}\" holds braces: should it be the expr?",
            "r.yaml:8:18: group \"a\", rule 1, \"x{y}\": a recording rule has no \"annotations\"",
            "r.yaml:13:7: group \"a\", rule 2, \"Bad\": expr cannot be parsed: unexpected \")\" in aggregation",
            "r.yaml:14:10: group \"a\", rule 2, \"Bad\": for must be a duration such as 1h30m, is \"5\"; it needs a unit, such as 30s",
            "r.yaml:15:5: group \"a\", rule 3: one of record and alert must be set",
            "r.yaml:16:5: group \"a\", rule 4, \"both\": only one of record and alert may be set",
            "r.yaml:19:5: group \"a\", rule 5, \"NoExpr\": expr must be set",
            "r.yaml:20:3: group name \"a\" is already there in line 2",
            "r.yaml:21:3: a group needs a name",
            "r.yaml:21:10: group \"\": rules must be a list, is \"3\"",
        ]
    );
    assert_eq!(read(text).groups, []);
}

#[test]
fn one_mistake_each() {
    for (rule, at, message) in [
        ("{alert: A, expr: up, labels: {__name__: x}}", "__name__", "__name__ cannot be set"),
        ("{alert: A, expr: up, labels: {'': x}}", "''", "must not be empty"),
        ("{alert: A, expr: up, labels: {a: [x]}}", "[x]", "must be a text, is a list"),
        ("{alert: A, expr: up, annotations: [a]}", "[a]", "must be a map, is a list"),
        ("{record: a, expr: up, for: 1m}", "1m", "has no \"for\""),
        ("{record: a, expr: 'up{'}", "'}", "expr cannot be parsed"),
        ("{record: a, expr: ''}", "''", "expr must be set"),
        ("{alert: A, expr: up, for: 5m, keep: 6m}", "keep", "no key of a rule"),
        ("{alert: A, expr: up, no_data: maybe}", "maybe", "resolve, keep, alert"),
        ("{alert: A, expr: up, match: x}", "match", "\"match\" is no key of a rule"),
        ("text", "text", "must be a map"),
    ] {
        let line = format!("  - {rule}");
        let column = line.find(at).unwrap() + 1;
        let told = told(&format!("groups:\n- name: g\n  rules:\n{line}\n"));
        let place = format!("r.yaml:4:{column}: ");
        assert!(
            told.iter().any(|t| t.starts_with(&place) && t.contains(message)),
            "{rule}: {place}: {told:?}"
        );
    }
    for good in [
        "{record: a, expr: up, for: 0s}",
        "{record: 'größe.bytes', expr: up, labels: {'http.status': x}}",
        "{alert: 'Mit Leerzeichen', expr: 5, for: }",
        "{alert: A, expr: up, labels: {a: yes, b: 010, c: ~}}",
    ] {
        let text = format!("groups:\n- name: g\n  rules:\n  - {good}\n");
        assert_eq!(told(&text), [""; 0], "{good}");
    }
}

#[test]
fn options_refuse_or_admit() {
    let text = "groups:\n- name: g\n  lang: promql\n  on_arrival: no\n  rules:\n  \
                - {alert: A, expr: up, labels: {a.b: '{{ bad'}, no_data: keep, more: 1}\n";
    let count = |options: &ParseOptions<'_>| parse("f", text, options).problems.len();
    let plain = ParseOptions { ignore_unknown: true, ..ParseOptions::default() };
    assert_eq!(count(&plain), 0);
    assert_eq!(count(&ParseOptions::default()), 1);
    assert_eq!(count(&ParseOptions { strict: true, ..plain }), 3);
    assert_eq!(count(&ParseOptions { legacy_names: true, ..plain }), 1);
    let check = |text: &str| match text.contains("bad") {
        true => Err("1:4: no such thing".to_owned()),
        false => Ok(()),
    };
    let problems = parse("f", text, &ParseOptions { check: &check, ..plain }).problems;
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["f:6:44: group \"g\", rule 1, \"A\": label \"a.b\": no such thing"]);
    for lang in ["sql", "klingon"] {
        let text = format!("groups: [{{name: g, lang: {lang}}}]");
        assert_eq!(self::told(&text).len(), 1, "{lang}");
    }
}

#[test]
fn what_only_warns_keeps_the_groups() {
    let text = format!("{GOOD}---\nnonsense: true\n");
    let parsed = read(&text);
    assert_eq!(parsed.groups.len(), 2);
    assert_eq!(parsed.problems.len(), 1);
    assert!(parsed.problems[0].warning);
    let twice =
        "groups:\n- name: g\n  rules:\n  - {record: a, expr: up}\n  - {record: a, expr: 1}\n";
    assert_eq!(
        duplicates(&read(twice).groups).iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["r.yaml:5:5: group \"g\": \"a\" with the same labels is already there in line 4"]
    );
}

proptest::proptest! {
    /// Whatever is written, the answer is groups or problems.
    #[test]
    fn no_text_makes_it_panic(text in "[ \\-:\\[\\]{}|>&*'\"a-z0-9\n\t<#!%@,?]{0,80}") {
        read(&text);
        read(&format!("groups:\n- name: g\n  rules:\n  - expr: {text}\n"));
    }
}
