//! Which rules a client asks for.

use std::sync::Arc;

use tarn_model::labels::{Label, LabelSet};
use tarn_model::map::HashSet;
use tarn_model::matcher::Matcher;
use tarn_query::promql::parse::{ParseLimits, parse_selector};

use crate::evaluate::GroupView;
use crate::rules::{Rule, RuleKind};

/// The parameters of `/api/v1/rules`.
#[derive(Debug, Default)]
pub(super) struct Filter {
    kind: Option<Kind>,
    rules: HashSet<String>,
    groups: HashSet<String>,
    files: HashSet<String>,
    matchers: Vec<Vec<Matcher>>,
    pub(super) without_alerts: bool,
    pub(super) limit: Option<usize>,
    pub(super) next_token: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Alert,
    Record,
}

impl Filter {
    /// Reads a query string.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut filter = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            filter.take(&name, value.into_owned())?;
        }
        if filter.next_token.is_some() && filter.limit.is_none() {
            return Err(
                "group_limit needs to be specified in order to paginate over the groups".to_owned()
            );
        }
        Ok(filter)
    }

    fn take(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "type" => self.kind = kind(&value)?,
            "rule_name[]" => drop(self.rules.insert(value)),
            "rule_group[]" => drop(self.groups.insert(value)),
            "file[]" => drop(self.files.insert(value)),
            "match[]" => {
                let matchers = parse_selector(&value, ParseLimits::default());
                self.matchers.push(matchers.map_err(|e| e.to_string())?);
            }
            "exclude_alerts" => self.without_alerts = boolean(&value)?,
            "group_limit" => self.limit = limit(&value)?,
            "group_next_token" => self.next_token = Some(value).filter(|v| !v.is_empty()),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn takes_group(&self, group: &GroupView) -> bool {
        (self.files.is_empty() || self.files.contains(&*group.file))
            && (self.groups.is_empty() || self.groups.contains(&*group.name))
    }

    pub(super) fn takes_rule(&self, rule: &Rule) -> bool {
        let kind = match rule.kind {
            RuleKind::Alerting(_) => Kind::Alert,
            RuleKind::Recording => Kind::Record,
        };
        (self.rules.is_empty() || self.rules.contains(&*rule.name))
            && self.kind.is_none_or(|asked| asked == kind)
            && self.matches(rule)
    }

    /// Labels are compared as they are written, templates and all.
    fn matches(&self, rule: &Rule) -> bool {
        if self.matchers.is_empty() {
            return true;
        }
        let labels = rule.labels.iter().map(|(n, v)| Label::new(Arc::clone(n), Arc::clone(v)));
        let labels: LabelSet = labels.collect();
        self.matchers.iter().any(|all| all.iter().all(|one| one.matches_labels(&labels)))
    }
}

fn kind(text: &str) -> Result<Option<Kind>, String> {
    match text.to_lowercase().as_str() {
        "" => Ok(None),
        "alert" => Ok(Some(Kind::Alert)),
        "record" => Ok(Some(Kind::Record)),
        _ => Err(format!("not supported value {text:?}")),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        _ => Err(format!("error converting exclude_alerts: {text:?} is neither true nor false")),
    }
}

fn limit(text: &str) -> Result<Option<usize>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<i64>() {
        Ok(limit) if limit <= 0 => Err("group_limit needs to be greater than 0".to_owned()),
        Ok(limit) => Ok(usize::try_from(limit).ok()),
        Err(_) => Err(format!("group_limit needs to be a valid number, not {text:?}")),
    }
}
