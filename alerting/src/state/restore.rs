//! States out of `ALERTS_FOR_STATE`, as a server restores them that kept nothing else.
//!
//! Tarn replays its own log and has all of it; this is for series that another server wrote, and for
//! those who want upstream's behaviour to the letter.

use std::time::Duration;

use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;
use tarn_model::sample::is_stale;

use super::{RuleState, millis};
use crate::rules::Rule;

/// How states are restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreOptions {
    /// Rules with a shorter `for` are not restored, and none fires sooner than this after a start.
    pub grace: Duration,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self { grace: Duration::from_secs(10 * 60) }
    }
}

/// The last sample of a series `ALERTS_FOR_STATE`.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// Labels of the alert, without the name of the metric.
    pub labels: LabelSet,
    /// When the server wrote it last, ms.
    pub time_ms: i64,
    /// Since when the alert was active, in seconds; or the staleness marker.
    pub active_s: f64,
}

/// Moves the beginnings of active alerts back to where they were before a restart. Meant to be
/// called once, after the second evaluation of the rule.
pub fn restore(
    rule: &Rule,
    state: &mut RuleState,
    ts_ms: i64,
    remembered: &[Remembered],
    options: RestoreOptions,
) {
    let Some(alerting) = rule.alerting() else { return };
    if alerting.hold < options.grace {
        return;
    }
    let (hold, grace) = (millis(alerting.hold), millis(options.grace));
    let known: HashMap<&LabelSet, &Remembered> =
        remembered.iter().map(|last| (&last.labels, last)).collect();
    for alert in state.alerts.values_mut() {
        let Some(last) = known.get(&alert.labels) else { continue };
        if is_stale(last.active_s) || !last.active_s.is_finite() {
            continue;
        }
        // Whole seconds, as upstream reads them.
        let active_ms = (last.active_s as i64).saturating_mul(1000);
        let remaining = hold.saturating_sub(last.time_ms.saturating_sub(active_ms));
        alert.active_ms = if remaining <= 0 {
            active_ms
        } else if remaining < grace {
            ts_ms.saturating_add(grace).saturating_sub(hold)
        } else {
            active_ms.saturating_add(ts_ms.saturating_sub(last.time_ms))
        };
    }
}
