//! Alerts that keep others quiet.
//!
//! Sources are found by the values of the labels that both sides must share, so asking costs the
//! number of rules, not of alerts. A source may itself be silenced or kept quiet.

use std::collections::BTreeSet;
use std::sync::Arc;

use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;
use tarn_model::matcher::Matcher;

use super::config::InhibitRule;
use crate::alert::Fingerprint;

/// The rules, and which alerts may keep others quiet.
#[derive(Debug)]
pub struct Inhibitor {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    target: Vec<Matcher>,
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    matchers: Vec<Matcher>,
    equal: Vec<Arc<str>>,
    /// By the values of `equal`; an absent label is an empty one.
    alerts: HashMap<Vec<Arc<str>>, BTreeSet<Fingerprint>>,
}

fn all_match(matchers: &[Matcher], labels: &LabelSet) -> bool {
    matchers.iter().all(|matcher| matcher.matches_labels(labels))
}

impl Inhibitor {
    /// Makes one that knows no alert.
    pub fn new(rules: &[InhibitRule]) -> Self {
        let source = |source: &super::config::InhibitSource| Source {
            matchers: source.matchers.clone(),
            equal: source.equal.clone(),
            alerts: HashMap::default(),
        };
        let rule = |rule: &InhibitRule| Rule {
            target: rule.target.clone(),
            sources: rule.sources.iter().map(source).collect(),
        };
        Self { rules: rules.iter().map(rule).collect() }
    }

    /// Takes note of an alert.
    pub fn insert(&mut self, alert: Fingerprint, labels: &LabelSet) {
        for source in self.rules.iter_mut().flat_map(|rule| &mut rule.sources) {
            if all_match(&source.matchers, labels) {
                source.alerts.entry(key(&source.equal, labels)).or_default().insert(alert);
            }
        }
    }

    /// Forgets an alert.
    pub fn remove(&mut self, alert: Fingerprint, labels: &LabelSet) {
        for source in self.rules.iter_mut().flat_map(|rule| &mut rule.sources) {
            let key = key(&source.equal, labels);
            if let Some(alerts) = source.alerts.get_mut(&key) {
                alerts.remove(&alert);
                if alerts.is_empty() {
                    source.alerts.remove(&key);
                }
            }
        }
    }

    /// Returns who keeps an alert with these labels quiet: the sources of the first rule that does.
    /// `firing` returns the labels of an alert that still fires.
    pub fn inhibited_by(
        &self,
        labels: &LabelSet,
        firing: impl Fn(Fingerprint) -> Option<LabelSet>,
    ) -> Vec<Fingerprint> {
        for rule in self.rules.iter().filter(|rule| all_match(&rule.target, labels)) {
            let found = rule.sources.iter().map(|source| rule.source_of(source, labels, &firing));
            if let Some(found) = found.collect::<Option<Vec<_>>>()
                && !found.is_empty()
            {
                return found;
            }
        }
        Vec::new()
    }
}

impl Rule {
    fn source_of(
        &self,
        source: &Source,
        labels: &LabelSet,
        firing: &impl Fn(Fingerprint) -> Option<LabelSet>,
    ) -> Option<Fingerprint> {
        let alerts = source.alerts.get(&key(&source.equal, labels))?;
        // Who is on both sides is not kept quiet by others who are, itself among them.
        let both_sides = all_match(&source.matchers, labels);
        alerts.iter().copied().find(|alert| {
            firing(*alert).is_some_and(|source| !both_sides || !all_match(&self.target, &source))
        })
    }
}

fn key(equal: &[Arc<str>], labels: &LabelSet) -> Vec<Arc<str>> {
    equal.iter().map(|name| Arc::from(labels.value(name))).collect()
}

#[cfg(test)]
mod tests;
