use super::*;
use crate::slo::burn::{OUTAGE_TIER, wilson_lower};
use crate::slo::parse;

fn objective(more: &str) -> Objective {
    let text = format!("slos:\n- name: shop\n  service: shop\n  objective: 99\n{more}");
    let (objectives, problems) = parse("slos.yaml", &text);
    assert_eq!(problems, []);
    objectives.into_iter().next().unwrap()
}

const RATIO: &str = "  sli: {ratio: {bad: 'bad_total', valid: 'all_total'}}\n";

#[test]
fn two_failures_of_three_burn_nothing_where_the_rules_stay_silent() {
    let objective = objective(RATIO);
    let tiers = compile::tiers(&objective);
    let of = |bad: f64, valid: f64| {
        burning(&tiers, objective.target, |_| Some(wilson_lower(bad, valid)))
    };
    // Half of all events are the threshold of the outage tier; two of three are more, and speak
    // for a fifth.
    let named = |burning: Vec<Burning>| burning.iter().map(|b| b.tier).collect::<Vec<_>>();
    assert!(!named(of(2.0, 3.0)).contains(&OUTAGE_TIER));
    assert!(named(of(200.0, 300.0)).contains(&OUTAGE_TIER));
    assert_eq!(named(of(0.0, 300.0)), Vec::<&str>::new());
}

#[test]
fn only_tiers_that_rules_look_at_burn() {
    let names = |more: &str| -> Vec<(&str, &str)> {
        let objective = objective(more);
        let burning = burning(&compile::tiers(&objective), objective.target, |_| Some(1.0));
        burning.into_iter().map(|b| (b.severity, b.tier)).collect()
    };
    let all = [
        ("page", "outage"),
        ("page", "quick"),
        ("page", "slow"),
        ("ticket", "quick"),
        ("ticket", "slow"),
    ];
    assert_eq!(names(RATIO), all);
    assert_eq!(names(&format!("{RATIO}  alerting: {{outage: false}}\n")), all[1..]);
    let no_pages = format!("{RATIO}  alerting: {{page: {{disable: true}}}}\n");
    assert_eq!(names(&no_pages), all[3..]);
}
