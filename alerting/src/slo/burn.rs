//! Burn rates: how fast a budget is used up, over which windows that is looked at, and when it pages.
//!
//! The multi-window tables are those of the SRE workbook ("Alerting on SLOs", chapter 5), as Sloth
//! uses them: a tier fires while the share of bad events exceeds `factor × (1 − target)` in a long
//! window, which tells that it matters, and in a short one, which tells that it goes on. In front of
//! them stands an outage tier of ours: at 99.9 % the fastest of the workbook needs 52 s for a total
//! outage, which is too late for a page within 30 s.

use std::time::Duration;

/// Which rule of an objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Wakes somebody.
    Page,
    /// Can wait for the morning.
    Ticket,
}

/// A pair of windows and the burn rate at which they fire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tier {
    /// Name in annotations and in the API.
    pub name: &'static str,
    /// Which alert it belongs to.
    pub severity: Severity,
    /// Tells that it matters.
    pub long: Duration,
    /// Tells that it goes on.
    pub short: Duration,
    /// How many times faster than sustainable.
    pub factor: f64,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Share of the budget, severity, long and short window, name: of the workbook.
const WORKBOOK: [(f64, Severity, u64, u64, &str); 4] = [
    (0.02, Severity::Page, HOUR, 5 * MINUTE, "quick"),
    (0.05, Severity::Page, 6 * HOUR, 30 * MINUTE, "slow"),
    (0.10, Severity::Ticket, DAY, 2 * HOUR, "quick"),
    (0.10, Severity::Ticket, 3 * DAY, 6 * HOUR, "slow"),
];

/// Name of the tier in front of those of the workbook.
pub const OUTAGE_TIER: &str = "outage";
/// Windows of the outage tier: as short as a share of events can be judged.
const OUTAGE: (u64, u64) = (2 * MINUTE, 30);
/// The outage tier fires when half of all events are bad, at most: a share cannot exceed one.
const OUTAGE_SHARE: f64 = 0.5;
/// And at this burn rate for strict targets, whose half would be reached too late.
const OUTAGE_FACTOR_MAX: f64 = 100.0;

/// Returns the tiers for a target (0.999) over a period, the fastest first.
pub fn tiers(target: f64, period: Duration) -> Vec<Tier> {
    let budget = 1.0 - target;
    let factor = (OUTAGE_SHARE / budget).min(OUTAGE_FACTOR_MAX);
    let (long, short) = OUTAGE;
    let outage = Tier {
        name: OUTAGE_TIER,
        severity: Severity::Page,
        long: Duration::from_secs(long),
        short: Duration::from_secs(short),
        factor,
    };
    let of_workbook = WORKBOOK.into_iter().map(|(share, severity, long, short, name)| Tier {
        name,
        severity,
        long: Duration::from_secs(long),
        short: Duration::from_secs(short),
        factor: share * period.as_secs_f64() / long as f64,
    });
    std::iter::once(outage).chain(of_workbook).collect()
}

impl Tier {
    /// Returns the share of bad events above which the tier fires.
    pub fn threshold(&self, target: f64) -> f64 {
        self.factor * (1.0 - target)
    }

    /// Returns how long a constant share of bad events takes to fire the tier at even traffic, or
    /// `None` where it never does.
    pub fn time_to_fire(&self, target: f64, share: f64) -> Option<Duration> {
        let threshold = self.threshold(target);
        (share > threshold).then(|| self.long.max(self.short).mul_f64(threshold / share))
    }
}

/// 95 % of a normal distribution lie within so many standard deviations.
pub const CONFIDENCE_Z: f64 = 1.96;

/// Returns the least share of bad events that `bad` of `valid` speak for: the lower bound of
/// Wilson's score interval ("Probable inference", 1927) at 95 %. With few events it is far below
/// the ratio, so that two failures of three at night page nobody, where the target is loose.
pub fn wilson_lower(bad: f64, valid: f64) -> f64 {
    if valid <= 0.0 {
        return 0.0;
    }
    let (z2, p) = (CONFIDENCE_Z * CONFIDENCE_Z, bad / valid);
    let spread = CONFIDENCE_Z * ((p * (1.0 - p) + z2 / (4.0 * valid)) / valid).sqrt();
    ((p + z2 / (2.0 * valid) - spread) / (1.0 + z2 / valid)).max(0.0)
}

/// What is left of a budget: 1 untouched, 0 used up, negative beyond.
pub fn budget_left(target: f64, good: f64, valid: f64) -> f64 {
    if valid <= 0.0 {
        return 1.0;
    }
    1.0 - (valid - good) / valid / (1.0 - target)
}

#[cfg(test)]
mod tests;
