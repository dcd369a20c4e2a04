//! The same verdict as `promtool check rules`, over generated files.

use std::process::Command;

use tarn_alerting::problem::any_error;
use tarn_alerting::rules::{ParseOptions, parse};

use crate::{has_promtool, write};

/// Values that fields get in turn: right ones, wrong ones, and those that YAML reads in its own way.
const VALUES: &[&str] = &[
    "5m",
    "5",
    "\"5m\"",
    "'5'",
    "''",
    "",
    "~",
    "null",
    "[]",
    "[a]",
    "{}",
    "{a: b}",
    "yes",
    "True",
    "010",
    "0x10",
    "1e3",
    "1_000",
    "-5m",
    "1.5h",
    "1h30m",
    "30m1h",
    "0",
    "0s",
    ".inf",
    "-1",
    "up",
    "'up == 0'",
    "sum(",
    "\"a\\nb\"",
    "|\n        up\n          > 1",
    ">-\n        up\n        > 1",
    "'{{ $labels.job }}'",
    "'{{ $labels.job'",
    "'{{ nosuch }}'",
    "'{{ if true }}x{{ end }}'",
    "größe",
    "a b",
    "a-b",
    "2020-01-01",
    "!!str 5",
    "99999999999999999999y",
];

/// A file in which one key of a rule has one value.
fn in_rule(kind: &str, key: &str, value: &str) -> String {
    let own = if key == kind { value } else { "a_name" };
    let expr = if key == "expr" { value } else { "up" };
    let more = match key {
        "for" | "keep_firing_for" | "labels" | "annotations" => format!("      {key}: {value}\n"),
        "label" => format!("      labels:\n        a: {value}\n"),
        "annotation" => format!("      annotations:\n        a: {value}\n"),
        "label_name" => format!("      labels:\n        {value}: x\n"),
        "annotation_name" => format!("      annotations:\n        {value}: x\n"),
        _ => String::new(),
    };
    format!("groups:\n  - name: g\n    rules:\n    - {kind}: {own}\n      expr: {expr}\n{more}")
}

/// Files that no generator thinks of.
const OTHERS: &[&str] = &[
    "",
    "# nothing\n",
    "groups:\n",
    "groups: []\n",
    "groups: {}\n",
    "groups: text\n",
    "group: []\n",
    "- a\n",
    "groups:\n- name: a\n",
    "groups:\n- rules: []\n",
    "groups:\n- name: a\n- name: a\n",
    "groups:\n- name: a\n  rules:\n  - expr: up\n",
    "groups:\n- name: a\n  rules:\n  - record: r\n",
    "groups:\n- name: a\n  rules:\n  - {record: r, alert: A, expr: up}\n",
    "groups:\n- name: a\n  rules:\n  - {record: r, expr: up, wrong: 1}\n",
    "groups:\n- name: a\n  wrong: 1\n",
    "wrong: 1\n",
    "groups:\n- name: a\n  name: b\n",
    "groups:\n- name: a\n  rules:\n  - {alert: A, expr: up, labels: {a: b, a: c}}\n",
    "groups:\n- name: a\n  rules:\n  - {alert: A, expr: up, labels: {__name__: b}}\n",
    "groups:\n- &g\n  name: a\n- <<: *g\n  name: b\n",
    "groups:\n- name: a\n  rules: &r\n  - {record: r, expr: up}\n- {name: b, rules: *r}\n",
    "groups:\n\t- name: a\n",
    "groups: [\n",
    "groups:\n- name: a\n  rules:\n  - {record: r, expr: \"up\n}\n",
    "groups:\n- name: *nobody\n",
    "%YAML 1.1\n---\ngroups: []\n",
    "---\ngroups: []\n...\n",
    "{\"groups\": [{\"name\": \"a\", \"rules\": [{\"record\": \"r\", \"expr\": \"up\"}]}]}\n",
    "groups:\n- name: a\n  rules:\n  - record: r\n    expr: up\n    for: 0s\n",
    "groups:\n- name: a\n  rules:\n  -\n",
];

/// What promtool 2 judges differently from 3, and so from us.
fn known(field: &str, value: &str) -> bool {
    let key = field.split_once('.').map_or(field, |(_, key)| key);
    match key {
        // As a key these are no texts.
        "label_name" | "annotation_name" => {
            matches!(value, "" | "~" | "null" | "[]" | "[a]" | "{}" | "{a: b}")
        }
        // Nothing at all was the text "null".
        "record" | "alert" => matches!(value, "~" | "null"),
        // Durations were no numbers, and numbers had no underscores.
        "expr" => {
            matches!(value, "~" | "null" | "5m" | "\"5m\"" | "-5m" | "1h30m" | "0s" | "1_000")
        }
        _ => false,
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "half of it is a list")]
fn verdicts_are_those_of_promtool() {
    if !has_promtool() {
        return;
    }
    let fields = [
        "record.name",
        "record.interval",
        "record.limit",
        "record.record",
        "record.expr",
        "record.for",
        "record.labels",
        "record.label",
        "record.annotations",
        "alert.alert",
        "alert.expr",
        "alert.for",
        "alert.keep_firing_for",
        "alert.labels",
        "alert.label",
        "alert.label_name",
        "alert.annotations",
        "alert.annotation",
        "alert.annotation_name",
    ];
    let mut files: Vec<(String, String)> =
        OTHERS.iter().map(|text| (format!("{text:?}"), (*text).to_owned())).collect();
    for field in fields {
        let places = VALUES.iter().filter(|value| !known(field, value));
        let (kind, key) = field.split_once('.').unwrap();
        let of_group = ["name", "interval", "limit"].contains(&key);
        files.extend(places.map(|value| {
            let text = if of_group { in_group(key, value) } else { in_rule(kind, key, value) };
            (format!("{field}: {value}"), text)
        }));
    }
    let options = ParseOptions {
        legacy_names: true,
        check: &tarn_alerting::template::rule::check,
        ..ParseOptions::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |at: usize| folder.path().join(format!("{at}.yaml"));
    files.iter().enumerate().for_each(|(at, (_, text))| write(&path(at), text));
    // All files in one call: a process each would take a minute.
    let paths: Vec<_> = (0..files.len()).map(path).collect();
    let output = Command::new("promtool")
        .args(["check", "rules", "--lint=none"])
        .args(&paths)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut content = vec![false; files.len()];
    for part in said.split("Checking ").skip(1) {
        let (file, rest) = part.split_once('\n').unwrap();
        let at = paths.iter().position(|path| path.to_str() == Some(file)).unwrap();
        content[at] = rest.trim_start().starts_with("SUCCESS");
    }
    let (mut good, mut differences) = (0, Vec::new());
    for ((what, text), expected) in files.iter().zip(content) {
        let parsed = parse("r.yaml", text, &options);
        let ours = !any_error(&parsed.problems);
        good += usize::from(expected);
        if ours != expected {
            differences
                .push(format!("{what}\n  promtool: {expected}\n  ours: {:?}", parsed.problems));
        }
        if !ours {
            let placed = parsed.problems.iter().all(|p| p.line > 0 && p.column > 0);
            assert!(placed, "{what}: {:?}", parsed.problems);
        }
    }
    println!("{} files, {good} of them good, {} differ", files.len(), differences.len());
    assert!(good > 100 && files.len() - good > 100, "the files are of one kind");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// A file in which one key of the group has one value.
fn in_group(key: &str, value: &str) -> String {
    let name = if key == "name" { value } else { "g" };
    let more = if key == "name" { String::new() } else { format!("    {key}: {value}\n") };
    format!("groups:\n  - name: {name}\n{more}    rules:\n    - {{record: r, expr: up}}\n")
}
