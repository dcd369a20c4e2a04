use super::super::config::InhibitSource;
use super::*;

fn matchers(pairs: &[(&str, &str)]) -> Vec<Matcher> {
    pairs.iter().map(|(name, value)| Matcher::equal(name, value)).collect()
}

fn rule(sources: &[&[(&str, &str)]], target: &[(&str, &str)], equal: &[&str]) -> InhibitRule {
    let equal: Vec<Arc<str>> = equal.iter().map(|name| (*name).into()).collect();
    let source =
        |pairs: &&[(&str, &str)]| InhibitSource { matchers: matchers(pairs), equal: equal.clone() };
    InhibitRule {
        name: String::new(),
        sources: sources.iter().map(source).collect(),
        target: matchers(target),
    }
}

fn quiet(rules: &[InhibitRule], sources: &[&[(&str, &str)]], target: &[(&str, &str)]) -> bool {
    let mut inhibitor = Inhibitor::new(rules);
    let sources: Vec<LabelSet> = sources.iter().map(|pairs| LabelSet::from_pairs(pairs)).collect();
    for labels in &sources {
        inhibitor.insert(Fingerprint::of(labels), labels);
    }
    let labels = LabelSet::from_pairs(target);
    let find = |alert| sources.iter().find(|labels| Fingerprint::of(labels) == alert).cloned();
    let found = !inhibitor.inhibited_by(&labels, find).is_empty();
    for labels in &sources {
        inhibitor.remove(Fingerprint::of(labels), labels);
    }
    assert!(inhibitor.inhibited_by(&labels, find).is_empty(), "removed sources count no more");
    found
}

#[test]
fn who_keeps_whom_quiet() {
    let down = rule(&[&[("s", "critical")]], &[("s", "warning")], &["cluster"]);
    let rules = [down];
    let warning: &[(&str, &str)] = &[("s", "warning"), ("cluster", "a")];
    assert!(quiet(&rules, &[&[("s", "critical"), ("cluster", "a")]], warning));
    assert!(!quiet(&rules, &[&[("s", "critical"), ("cluster", "b")]], warning));
    assert!(!quiet(&rules, &[&[("s", "info"), ("cluster", "a")]], warning));
    assert!(!quiet(&rules, &[], warning));
    // Absent on both sides is equal.
    assert!(quiet(&rules, &[&[("s", "critical")]], &[("s", "warning")]));
    assert!(!quiet(&rules, &[&[("s", "critical")]], warning));
}

#[test]
fn both_sides_are_not_kept_quiet_by_their_like() {
    let rules = [rule(&[&[("a", "1")]], &[("b", "1")], &[])];
    let both: &[(&str, &str)] = &[("a", "1"), ("b", "1")];
    assert!(!quiet(&rules, &[both], both), "not by itself");
    assert!(!quiet(&rules, &[&[("a", "1"), ("b", "1"), ("c", "1")]], both));
    assert!(quiet(&rules, &[&[("a", "1")]], both), "a source that is no target does");
    assert!(quiet(&rules, &[both], &[("b", "1")]), "and both sides keep a mere target quiet");
}

#[test]
fn all_sources_of_a_rule_must_be_there() {
    let rules = [rule(&[&[("a", "1")], &[("b", "1")]], &[("t", "1")], &["c"])];
    assert!(!quiet(&rules, &[&[("a", "1")]], &[("t", "1")]));
    assert!(quiet(&rules, &[&[("a", "1")], &[("b", "1")]], &[("t", "1")]));
}
