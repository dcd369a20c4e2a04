//! A rule with what is known of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tarn_model::labels::LabelSet;

use crate::rules::Rule;
use crate::state::RuleState;
use crate::store::RuleKey;

/// Whether a rule's last evaluation succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// There was none yet.
    #[default]
    Unknown,
    /// It did.
    Ok,
    /// It did not.
    Err,
}

impl Health {
    /// Returns the name that interfaces use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Err => "err",
        }
    }
}

/// A rule of a running group.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) key: RuleKey,
    pub(crate) rule: Arc<Rule>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Shared with steps and views under way.
    alerts: Arc<RuleState>,
    /// What a recording rule wrote last.
    recorded: BTreeSet<LabelSet>,
    health: Health,
    error: Option<String>,
    evaluated_ms: Option<i64>,
    took: Duration,
}

/// How a rule does, for interfaces.
#[derive(Debug, Clone)]
pub(crate) struct CellView {
    pub(crate) rule: Arc<Rule>,
    pub(crate) alerts: Arc<RuleState>,
    pub(crate) health: Health,
    pub(crate) error: Option<String>,
    pub(crate) evaluated_ms: Option<i64>,
    pub(crate) took: Duration,
}

impl Cell {
    pub(crate) fn new(
        key: RuleKey,
        rule: Arc<Rule>,
        alerts: RuleState,
        recorded: BTreeSet<LabelSet>,
    ) -> Self {
        let inner = Inner { alerts: Arc::new(alerts), recorded, ..Inner::default() };
        Self { key, rule, inner: Mutex::new(inner) }
    }

    /// Returns how the rule does.
    pub(crate) fn view(&self) -> CellView {
        let inner = self.inner.lock();
        CellView {
            rule: Arc::clone(&self.rule),
            alerts: Arc::clone(&inner.alerts),
            health: inner.health,
            error: inner.error.clone(),
            evaluated_ms: inner.evaluated_ms,
            took: inner.took,
        }
    }

    pub(crate) fn alerts(&self) -> Arc<RuleState> {
        Arc::clone(&self.inner.lock().alerts)
    }

    pub(crate) fn error(&self) -> Option<String> {
        self.inner.lock().error.clone()
    }

    /// Changes the alerts; the caller hands in the records of it.
    pub(crate) fn with_alerts<T>(&self, change: impl FnOnce(&mut RuleState) -> T) -> T {
        change(Arc::make_mut(&mut self.inner.lock().alerts))
    }

    pub(crate) fn recorded(&self) -> BTreeSet<LabelSet> {
        self.inner.lock().recorded.clone()
    }

    pub(crate) fn set_recorded(&self, recorded: BTreeSet<LabelSet>) {
        self.inner.lock().recorded = recorded;
    }

    /// Notes how an evaluation went.
    pub(crate) fn note(&self, evaluated_ms: i64, took: Duration, error: Option<String>) {
        let mut inner = self.inner.lock();
        inner.health = if error.is_some() { Health::Err } else { Health::Ok };
        inner.error = error;
        inner.evaluated_ms = Some(evaluated_ms);
        inner.took = took;
    }

    /// Notes that not all samples of an evaluation could be stored.
    pub(crate) fn note_refused(&self, error: String) {
        let mut inner = self.inner.lock();
        inner.health = Health::Err;
        inner.error = Some(error);
    }
}
