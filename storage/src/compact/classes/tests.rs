use super::*;

const DAY: Duration = Duration::from_secs(DAY_S);

fn rule(
    tenant: Option<&str>,
    signal: Option<Signal>,
    job: Option<&str>,
    days: u32,
) -> RetentionRule {
    RetentionRule {
        tenant: tenant.map(|tenant| TenantId::parse(tenant).unwrap()),
        signal,
        matchers: job.map(|job| Matcher::equal("job", job)).into_iter().collect(),
        keep: DAY * days,
    }
}

fn classes(rules: &[RetentionRule]) -> Classes {
    let retention = Retention { rules: rules.to_vec(), ..Retention::default() };
    Classes::new(&retention, &TenantId::default_tenant(), Signal::Metrics)
}

fn class(rules: &[RetentionRule], job: &str) -> String {
    let retention = Retention { rules: rules.to_vec(), ..Retention::default() };
    of_series(&retention, &TenantId::default_tenant(), &LabelSet::from_pairs(&[("job", job)]))
}

fn life(rules: &[RetentionRule], class: &str) -> Option<u64> {
    let retention = Retention { rules: rules.to_vec(), ..Retention::default() };
    let life = lifetime(&retention, &TenantId::default_tenant(), Signal::Metrics, class);
    life.map(|life| life.as_secs() / DAY_S)
}

#[test]
fn the_first_rule_that_is_satisfied_decides() {
    let rules = [
        rule(Some("other"), None, None, 1),
        rule(None, Some(Signal::Logs), None, 2),
        rule(None, None, Some("a"), 90),
        rule(None, Some(Signal::Metrics), Some("b"), 90),
        rule(None, None, Some("a"), 3),
        rule(None, None, None, 30),
        rule(None, None, Some("c"), 4),
    ];
    for (job, life_days) in [("a", 90), ("b", 90), ("c", 30), ("", 30)] {
        let class = class(&rules, job);
        assert!(class.starts_with(&format!("{life_days}d-")), "{job}: {class}");
        assert_eq!(life(&rules, &class), Some(life_days), "{job}");
    }
    assert_eq!(class(&rules, "a"), class(&rules, "b"), "neighbours of one life are one class");
    assert_eq!(classes(&rules).count(), 4);
}

#[test]
fn without_a_rule_rows_live_for_ever() {
    let rules = [rule(None, None, Some("a"), 7)];
    assert_eq!(class(&rules, "b"), "");
    assert_eq!(life(&rules, ""), None);
    assert_eq!((class(&[], "b"), life(&[], "")), (String::new(), None));
    assert_eq!(classes(&[]).only(), Some(0));
    assert_eq!(classes(&rules).only(), None);
    assert_eq!(classes(&[rule(None, None, None, 1)]).only(), Some(0));
}

#[test]
fn blocks_of_unknown_class_live_as_long_as_any_rule_asks() {
    let rules = [rule(None, None, Some("a"), 90), rule(None, None, None, 30)];
    assert_eq!(life(&rules, ""), Some(90));
    assert_eq!(life(&rules, "12d-00000000"), Some(90));
    assert_eq!(life(&rules[..1], "12d-00000000"), None);
}

#[test]
fn a_rule_with_another_life_rules_the_blocks_that_are_there() {
    let before = [rule(None, None, Some("a"), 90), rule(None, None, None, 30)];
    let after = [rule(None, None, Some("a"), 60), rule(None, None, None, 14)];
    assert_eq!(life(&after, &class(&before, "a")), Some(60));
    assert_eq!(life(&after, &class(&before, "b")), Some(14));
    // A new rule in front may be about any row behind it.
    let more = [rule(None, None, Some("b"), 365), before[0].clone(), before[1].clone()];
    assert_eq!(life(&more, &class(&before, "b")), Some(365));
    // One behind is not.
    let behind = [before[0].clone(), rule(None, None, Some("b"), 365), before[1].clone()];
    assert_eq!(life(&behind, &class(&before, "a")), Some(90));
}

#[test]
fn lives_are_named_in_the_largest_unit_that_fits() {
    for (keep, expected) in [
        (DAY * 30, "30d-"),
        (DAY / 2, "12h-"),
        (Duration::from_secs(90), "90s-"),
        (Duration::from_millis(1500), "1500ms-"),
    ] {
        let mut rule = rule(None, None, None, 1);
        rule.keep = keep;
        let name = class(&[rule], "a");
        assert!(name.starts_with(expected), "{name}");
    }
}
