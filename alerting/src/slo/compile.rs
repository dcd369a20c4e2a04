//! From an objective to rules, written in the format of rule files.
//!
//! Every window's share of bad events is the difference of two points of the ledger's counters:
//!
//! ```text
//! n(w) = valid − valid w ago        g(w) = good − good w ago        p(w) = 1 − g(w) / n(w)
//! ```
//!
//! where "ago" is 0 while the ledger is younger than the window. A tier fires while the least share
//! that these events speak for ([`super::burn::wilson_lower`]) is above its threshold, in both of
//! its windows. Tiers of one severity are one alert, so that an incident that grows from one tier
//! into another is one page. Points are read, not ranges, so a rule costs the same whatever its
//! window; page tiers run at slots of a second.
//!
//! Sloth's recorded series are written too, from the same counters: dashboards made for it work.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use tarn_model::units::format_duration;

use super::burn::{self, CONFIDENCE_Z, Severity, Tier};
use super::sloth::in_window;
use super::spec::{AlertText, Objective, Sli};

/// Good events since the objective was defined.
pub const GOOD: &str = "tarn:slo_good_total";
/// Events that count since the objective was defined.
pub const VALID: &str = "tarn:slo_valid_total";
/// Label with the name of the objective.
pub const SLO: &str = "slo";
/// Label with the service of the objective.
pub const SERVICE: &str = "slo_service";

/// Alerts are called so, unless the objective has a name for them.
const ALERT: &str = "SloBurn";
/// Pages are decided every second.
const PAGE_INTERVAL: &str = "1s";
/// Tickets, and what dashboards show, twice a minute.
const TICKET_INTERVAL: &str = "30s";
/// Windows of Sloth's series.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

/// Kinds of groups of an objective.
pub const GROUPS: [&str; 2] = ["page", "ticket"];

/// Returns the name of a group of rules of an objective.
pub fn group_name(objective: &Objective, kind: &str) -> String {
    format!("slo:{}:{kind}", objective.name)
}

/// Returns the tiers that the rules of an objective look at.
pub fn tiers(objective: &Objective) -> Vec<Tier> {
    let alerting = &objective.alerting;
    // Averages of ratios have no events to judge half a minute by.
    let no_outage = alerting.no_outage || matches!(objective.sli, Sli::Ratio { .. });
    let mut tiers = burn::tiers(objective.target, objective.window);
    tiers.retain(|tier| {
        let disabled = match tier.severity {
            Severity::Page => alerting.page.disable,
            Severity::Ticket => alerting.ticket.disable,
        };
        !disabled && (!no_outage || tier.name != burn::OUTAGE_TIER)
    });
    tiers
}

/// Returns the text of a rule file with the rules of an objective.
pub fn rules(objective: &Objective) -> String {
    let tiers = tiers(objective);
    let of = |severity| -> Vec<Tier> {
        tiers.iter().filter(|tier| tier.severity == severity).copied().collect()
    };
    let mut file = Yaml::default();
    file.line(0, "groups:");
    let page = &objective.alerting.page;
    if !page.disable {
        file.group(&group_name(objective, "page"), PAGE_INTERVAL);
        alert(objective, Severity::Page, &of(Severity::Page), page, &mut file);
    }
    file.group(&group_name(objective, "ticket"), TICKET_INTERVAL);
    let ticket = &objective.alerting.ticket;
    if !ticket.disable {
        alert(objective, Severity::Ticket, &of(Severity::Ticket), ticket, &mut file);
    }
    records(objective, &mut file);
    file.0
}

/// Returns the selector of an objective's ledger.
pub fn selector(objective: &Objective) -> String {
    format!("{{{SLO}={},{SERVICE}={}}}", quoted(&objective.name), quoted(&objective.service))
}

/// Returns an expression for the growth of a counter of the ledger over a window.
pub fn growth(counter: &str, selector: &str, window: &str) -> String {
    let now = format!("{counter}{selector}");
    format!("({now} - ({now} offset {window} or {now} * 0))")
}

/// Returns an expression for the share of bad events in a window.
pub fn share(objective: &Objective, window: &str) -> String {
    if let Sli::Ratio { query } = &objective.sli {
        return format!("({})", in_window(query, window));
    }
    let selector = selector(objective);
    let (good, valid) = (growth(GOOD, &selector, window), growth(VALID, &selector, window));
    format!("(1 - {good} / {valid})")
}

/// Returns an expression for the least share of bad events that those of a window speak for.
pub fn least_share(objective: &Objective, window: &str) -> String {
    let p = share(objective, window);
    if matches!(objective.sli, Sli::Ratio { .. }) {
        return p;
    }
    let n = growth(VALID, &selector(objective), window);
    let z2 = CONFIDENCE_Z * CONFIDENCE_Z;
    let (half, quarter) = (z2 / 2.0, z2 / 4.0);
    format!(
        "(({p} + {half} / {n} - {CONFIDENCE_Z} * sqrt(({p} * (1 - {p}) + {quarter} / {n}) / {n})) \
         / (1 + {z2} / {n}))"
    )
}

fn alert(
    objective: &Objective,
    severity: Severity,
    tiers: &[Tier],
    text: &AlertText,
    file: &mut Yaml,
) {
    let name = match objective.alerting.name.as_str() {
        "" => ALERT,
        name => name,
    };
    let conditions: Vec<String> = tiers.iter().map(|tier| condition(objective, tier)).collect();
    file.line(4, &format!("- alert: {}", quoted(name)));
    file.line(6, &format!("expr: {}", quoted(&conditions.join("\nor\n"))));
    let severity = match severity {
        Severity::Page => "page",
        Severity::Ticket => "ticket",
    };
    let mut labels = own_labels(objective);
    // Sloth's names are for its dashboards; in a page they would say everything twice.
    labels.retain(|name, _| !name.starts_with("sloth_"));
    labels.insert("severity".to_owned(), severity.to_owned());
    labels.insert("sloth_severity".to_owned(), severity.to_owned());
    for more in [&objective.labels, &objective.alerting.labels, &text.labels] {
        labels.extend(more.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    let mut annotations = told(objective);
    for more in [&objective.alerting.annotations, &text.annotations] {
        annotations.extend(more.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    file.map(6, "labels", &labels);
    file.map(6, "annotations", &annotations);
}

/// Both windows above the threshold; the value is the burn rate of the long one.
fn condition(objective: &Objective, tier: &Tier) -> String {
    let threshold = tier.threshold(objective.target);
    let (long, short) = (format_duration(tier.long), format_duration(tier.short));
    let budget = 1.0 - objective.target;
    format!(
        "{} / {budget} and {} > {threshold} and {} > {threshold}",
        share(objective, &long),
        least_share(objective, &long),
        least_share(objective, &short),
    )
}

/// What an alert says by itself.
fn told(objective: &Objective) -> BTreeMap<String, String> {
    let percent = objective.target * 100.0;
    let groups: String =
        objective.group_by.iter().map(|g| format!(" {g}={{{{ $labels.{g} }}}}")).collect();
    let summary = format!("{}{groups} burns its error budget", objective.name);
    let description = format!(
        "{{{{ $value | printf \"%.1f\" }}}} times faster than its objective of {percent} % over {} \
         allows. {}",
        format_duration(objective.window),
        objective.description
    );
    let pairs = [("summary", summary), ("description", description.trim().to_owned())];
    pairs.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
}

fn own_labels(objective: &Objective) -> BTreeMap<String, String> {
    let pairs = [
        (SLO, &*objective.name),
        (SERVICE, &*objective.service),
        ("sloth_slo", &*objective.name),
        ("sloth_service", &*objective.service),
        ("sloth_id", &*objective.name),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Sloth's recorded series.
fn records(objective: &Objective, file: &mut Yaml) {
    let labels = own_labels(objective);
    let mut record = |name: &str, expr: &str, window: Option<&str>| {
        let mut labels = labels.clone();
        if let Some(window) = window {
            labels.insert("sloth_window".to_owned(), window.to_owned());
        }
        file.line(4, &format!("- record: {}", quoted(name)));
        file.line(6, &format!("expr: {}", quoted(expr)));
        file.map(6, "labels", &labels);
    };
    for window in WINDOWS {
        let name = format!("slo:sli_error:ratio_rate{window}");
        record(&name, &share(objective, window), Some(window));
    }
    let (target, budget) = (objective.target, 1.0 - objective.target);
    let period = format_duration(objective.window);
    let days = objective.window.as_secs_f64() / 86_400.0;
    let over_period = match &objective.sli {
        Sli::Ratio { .. } => {
            let five = format!("slo:sli_error:ratio_rate5m{}", selector(objective));
            format!("avg_over_time({five}[{period}])")
        }
        _ => share(objective, &period),
    };
    let month = format!("slo:sli_error:ratio_rate{period}");
    record(&month, &over_period, Some(&period));
    record("slo:objective:ratio", &format!("vector({target})"), None);
    record("slo:error_budget:ratio", &format!("vector({budget})"), None);
    record("slo:time_period:days", &format!("vector({days})"), None);
    let current = format!("{} / {budget}", share(objective, "5m"));
    record("slo:current_burn_rate:ratio", &current, None);
    let of_period = format!("{over_period} / {budget}");
    record("slo:period_burn_rate:ratio", &of_period, None);
    let left = format!("1 - {of_period}");
    record("slo:period_error_budget_remaining:ratio", &left, None);
    record("sloth_slo_info", "vector(1)", None);
}

/// A rule file in the making.
#[derive(Debug, Default)]
struct Yaml(String);

impl Yaml {
    fn line(&mut self, indent: usize, text: &str) {
        writeln!(self.0, "{:indent$}{text}", "").expect("a string takes all text");
    }

    fn group(&mut self, name: &str, interval: &str) {
        self.line(0, &format!("- name: {}", quoted(name)));
        self.line(2, &format!("interval: {interval}"));
        self.line(2, "rules:");
    }

    fn map(&mut self, indent: usize, name: &str, pairs: &BTreeMap<String, String>) {
        if pairs.is_empty() {
            return;
        }
        self.line(indent, &format!("{name}:"));
        for (key, value) in pairs {
            self.line(indent + 2, &format!("{}: {}", quoted(key), quoted(value)));
        }
    }
}

/// A string as JSON writes it, which YAML and PromQL read alike.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The longest window that any rule looks back over.
pub fn longest(objective: &Objective) -> Duration {
    let of_tiers = burn::tiers(objective.target, objective.window);
    of_tiers.iter().map(|tier| tier.long).fold(objective.window, Duration::max)
}

#[cfg(test)]
mod tests;
