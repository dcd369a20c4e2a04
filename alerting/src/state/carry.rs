//! States over a reload: which rule of the new file continues which of the old one.
//!
//! Upstream matches by name and labels, in order, within the same file and group; everything else
//! begins anew, and nobody is told that alerts of a removed rule ended. Here a rule that was renamed
//! or got other labels is found by its expression, too, its alerts are known under the new labels,
//! and what is left without a rule is handed back, so that its end can be told.

use std::sync::Arc;

use super::{ALERT_NAME, Active, RuleState, State};
use crate::alert::Fingerprint;
use crate::rules::Rule;

/// What becomes of the states of a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Carried {
    /// The states of the new rules, in their order.
    pub states: Vec<RuleState>,
    /// Alerts that were told to fire and have no rule any more: inactive, ended at the reload.
    pub ended: Vec<Active>,
}

/// Takes states over from the rules of a group to those of the same group after a reload. With
/// `compat` only name and labels count, and nothing is handed back.
pub fn carry(
    old: &[(Arc<Rule>, RuleState)],
    new: &[Arc<Rule>],
    ts_ms: i64,
    compat: bool,
) -> Carried {
    let mut left: Vec<Option<&(Arc<Rule>, RuleState)>> = old.iter().map(Some).collect();
    let mut take = |fits: &dyn Fn(&Rule) -> bool| {
        let found = left.iter_mut().find(|slot| slot.is_some_and(|(rule, _)| fits(rule)));
        found.and_then(Option::take)
    };
    let same = |a: &Rule, b: &Rule| {
        a.name == b.name && a.labels == b.labels && a.alerting().is_some() == b.alerting().is_some()
    };
    let mut states: Vec<Option<RuleState>> = new
        .iter()
        .map(|rule| take(&|old| same(old, rule)).map(|(_, state)| state.clone()))
        .collect();
    let mut ended = Vec::new();
    if !compat {
        for (rule, state) in new.iter().zip(&mut states) {
            if state.is_some() || rule.alerting().is_none() {
                continue;
            }
            let alike = |old: &Rule| old.alerting().is_some() && old.query == rule.query;
            if let Some((before, kept)) = take(&alike) {
                *state = Some(relabelled(before, rule, kept));
                // Under their old names the alerts end.
                ended.extend(ends(kept, ts_ms));
            }
        }
        ended.extend(left.into_iter().flatten().flat_map(|(_, state)| ends(state, ts_ms)));
    }
    let states: Vec<RuleState> = states.into_iter().map(Option::unwrap_or_default).collect();
    // A name that another rule took over has not ended.
    ended.retain(|alert| {
        let fingerprint = Fingerprint::of(&alert.labels);
        !states.iter().any(|state| state.alerts.contains_key(&fingerprint))
    });
    Carried { states, ended }
}

fn ends(state: &RuleState, ts_ms: i64) -> impl Iterator<Item = Active> {
    let told = state.alerts.values().filter(|alert| alert.state == State::Firing);
    told.map(move |alert| Active {
        state: State::Inactive,
        resolved_ms: Some(ts_ms),
        ..alert.clone()
    })
}

/// The same alerts under the labels of another rule. A label whose text is a template is not known
/// before the next evaluation, which will end the alert where the guess was wrong.
fn relabelled(old: &Rule, new: &Rule, state: &RuleState) -> RuleState {
    let alerts = state.alerts.values().filter(|alert| alert.state != State::Inactive);
    let alerts = alerts.map(|alert| {
        let mut labels = alert.labels.clone();
        for (name, _) in old.labels.iter().filter(|label| !new.labels.contains(label)) {
            labels = labels.with(name, "");
        }
        for (name, value) in new.labels.iter().filter(|(_, value)| !value.contains("{{")) {
            labels = labels.with(name, value);
        }
        labels = labels.with(ALERT_NAME, &new.name);
        let alert = Active { labels, last_sent_ms: None, ..alert.clone() };
        (Fingerprint::of(&alert.labels), alert)
    });
    RuleState { alerts: alerts.collect() }
}
