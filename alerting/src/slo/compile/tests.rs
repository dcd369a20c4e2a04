use serde::Deserialize;

use super::*;
use crate::slo::spec;

#[derive(Debug, Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    #[serde(default)]
    alert: String,
    #[serde(default)]
    record: String,
    expr: String,
    labels: BTreeMap<String, String>,
}

fn compiled(text: &str) -> File {
    let (objectives, problems) = spec::parse("slo.yaml", text);
    assert_eq!(problems, []);
    serde_saphyr::from_str(&rules(&objectives[0])).unwrap()
}

const RATIO: &str = r#"
slos:
- name: a
  service: "the \"shop\""
  objective: 99.9
  labels: {team: t}
  alerting: {name: Burns, page: {labels: {severity: critical}}}
  sli: {ratio: {bad: b, valid: v}}
"#;

#[test]
fn rules_are_rules() {
    let file = compiled(RATIO);
    let names: Vec<&str> = file.groups.iter().map(|g| g.name.as_str()).collect();
    assert_eq!(names, ["slo:a:page", "slo:a:ticket"]);
    for rule in file.groups.iter().flat_map(|g| &g.rules) {
        spec::parsed(&rule.expr).unwrap_or_else(|e| panic!("{e}: {}", rule.expr));
        assert_eq!(rule.labels["slo_service"], "the \"shop\"");
    }
    let page = &file.groups[0].rules[0];
    assert_eq!((page.alert.as_str(), page.labels["severity"].as_str()), ("Burns", "critical"));
    assert_eq!(page.labels["team"], "t");
    assert_eq!(page.expr.matches("\nor\n").count(), 2, "{}", page.expr);
    let ticket = &file.groups[1].rules[0];
    assert_eq!(ticket.labels["severity"], "ticket");
    assert_eq!(ticket.expr.matches("\nor\n").count(), 1);
    let records: Vec<&str> =
        file.groups[1].rules.iter().map(|r| r.record.as_str()).filter(|r| !r.is_empty()).collect();
    for name in ["slo:sli_error:ratio_rate5m", "slo:sli_error:ratio_rate30d", "sloth_slo_info"] {
        assert!(records.contains(&name), "{records:?}");
    }
}

#[test]
fn ratios_run_as_they_are() {
    let text = "version: prometheus/v1\nservice: s\nslos: [{name: r, objective: 95, sli: {raw: {error_ratio_query: 'avg_over_time(x[{{.window}}])'}}}]\n";
    let file = compiled(text);
    let page = &file.groups[0].rules[0];
    assert!(
        page.expr.contains("avg_over_time(x[1h])") && !page.expr.contains("2m"),
        "{}",
        page.expr
    );
    for rule in file.groups.iter().flat_map(|g| &g.rules) {
        spec::parsed(&rule.expr).unwrap_or_else(|e| panic!("{e}: {}", rule.expr));
    }
}
