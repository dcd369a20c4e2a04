//! What the log of an earlier life says, sorted by tenant.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_model::tenant::TenantId;
use tarn_query::promql;
use tracing::warn;

use crate::notify;
use crate::route::Record;
use crate::rules::{Alerting, Rule, RuleKind};
use crate::state::RuleState;
use crate::store::{Entry, Kind, RuleChange, RuleKey, body_of};

/// All tenants.
pub(super) type Restored = BTreeMap<TenantId, OfTenant>;

/// What was kept of one tenant.
#[derive(Debug, Default)]
pub(super) struct OfTenant {
    pub(super) rules: BTreeMap<RuleKey, RuleState>,
    pub(super) routes: Vec<Record>,
    pub(super) outbox: Vec<notify::Record>,
}

/// Replays records. One that cannot be read is told and passed over: its checksum was right, so that
/// another version has written it.
pub(super) fn of(entries: Vec<Entry>) -> Restored {
    let mut restored = Restored::new();
    let (mut unread, mut first) = (0_u64, None);
    for entry in entries {
        let tenant = restored.entry(entry.tenant.clone()).or_default();
        if let Err(error) = tenant.apply(&entry) {
            unread += 1;
            first.get_or_insert(error);
        }
    }
    if let Some(error) = first {
        warn!(records = unread, error = %error.message(), "records of the alert log are not known");
    }
    restored
}

impl OfTenant {
    fn apply(&mut self, entry: &Entry) -> tarn_model::error::Result<()> {
        match Kind::of(entry.kind) {
            Some(Kind::Rule) => {
                let change: RuleChange = body_of(entry)?;
                let state = self.rules.entry(change.rule.clone()).or_default();
                change.apply(state);
            }
            Some(Kind::RuleGone) => {
                self.rules.remove(&body_of::<RuleKey>(entry)?);
            }
            Some(Kind::Route) => self.routes.push(body_of(entry)?),
            Some(Kind::Outbox) => self.outbox.push(body_of(entry)?),
            None => {
                let message = format!("alert log record has unknown kind {}", entry.kind);
                return Err(tarn_model::error::Error::invalid(message));
            }
        }
        Ok(())
    }
}

/// Makes the rule of a key again, as far as states are taken over by it. `None` where its
/// expression is not one any more.
pub(super) fn rule_of(key: &RuleKey) -> Option<Arc<Rule>> {
    let options = promql::ast::ParseOptions::default();
    let limits = promql::parse::ParseLimits::default();
    let expr = promql::parse::parse(&key.query, &options, limits).ok()?;
    Some(Arc::new(Rule {
        name: Arc::clone(&key.name),
        expr: Arc::new(expr),
        query: Arc::clone(&key.query),
        labels: key.labels.clone(),
        kind: RuleKind::Alerting(Alerting::default()),
        line: 0,
        column: 0,
    }))
}
