//! How long rows are kept: the text of the rules, and their order.
//!
//! `retention.rules` are asked first, in their order; then the life of the row's signal, then
//! `retention.default`. A rule is written `logs{service_name="debug"}=7d`, with the tenant in front
//! where it is for one only: `team-a/metrics{job="batch"}=90d`; `*` stands for every signal.

use std::time::Duration;

use tarn_model::matcher::parse_selector;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::units::parse_duration;
use tarn_storage::options::RetentionRule;

/// Signals in the order of [`Retention::signals`].
pub(crate) const SIGNALS: [Signal; 3] = [Signal::Metrics, Signal::Logs, Signal::Traces];
/// A life shorter than this is a slip: rows would go before they are seen.
const KEEP_MIN: Duration = Duration::from_secs(3600);
/// A life that never ends: a thousand years.
const FOREVER: Duration = Duration::from_secs(86_400 * 365_000);
/// A history shorter than this would take objects away from running queries.
const HISTORY_MIN: Duration = Duration::from_secs(3600);

/// What was said about retention; `None` = for ever.
#[derive(Debug, Clone, Default)]
pub(crate) struct Retention {
    pub(crate) all: Option<Duration>,
    /// Of metrics, logs, traces: as `all` unless said.
    pub(crate) signals: [Option<Life>; 3],
    pub(crate) rules: Vec<RetentionRule>,
}

/// How long a signal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Forever,
    For(Duration),
}

impl Retention {
    /// Returns all rules in the order in which they are asked.
    pub(crate) fn rules(&self) -> Vec<RetentionRule> {
        let plain =
            |signal, keep| RetentionRule { tenant: None, signal, matchers: Vec::new(), keep };
        let mut rules = self.rules.clone();
        for (signal, life) in SIGNALS.into_iter().zip(self.signals) {
            rules.extend(match life {
                Some(Life::For(keep)) => Some(plain(Some(signal), keep)),
                // A rule for ever: it hides the one for all signals.
                Some(Life::Forever) if self.all.is_some() => Some(plain(Some(signal), FOREVER)),
                _ => None,
            });
        }
        rules.extend(self.all.map(|keep| plain(None, keep)));
        rules
    }
}

/// Reads a life: `forever`, or a duration.
pub(crate) fn life(text: &str) -> Result<Life, String> {
    match text.trim() {
        "forever" | "off" => Ok(Life::Forever),
        text => keep(text).map(Life::For),
    }
}

/// Reads the life of a signal; empty: that of all.
pub(crate) fn life_of_signal(text: &str) -> Result<Option<Life>, String> {
    if text.trim().is_empty() { Ok(None) } else { life(text).map(Some) }
}

/// Reads `retention.default`.
pub(crate) fn life_of_all(text: &str) -> Result<Option<Duration>, String> {
    Ok(match life(text)? {
        Life::Forever => None,
        Life::For(keep) => Some(keep),
    })
}

/// Reads `retention.history`.
pub(crate) fn history(text: &str) -> Result<Duration, String> {
    let history = parse_duration(text).map_err(|e| e.message())?;
    if history < HISTORY_MIN {
        return Err("must be at least 1h: queries run on the past that it keeps".to_owned());
    }
    Ok(history)
}

fn keep(text: &str) -> Result<Duration, String> {
    let keep = parse_duration(text)
        .map_err(|_| format!("{text:?} is neither a duration such as 30d nor forever"))?;
    if keep < KEEP_MIN {
        return Err(format!("{text} is too short: rows are kept for at least 1h"));
    }
    Ok(keep)
}

/// Reads `retention.rules`; a mistake names its rule.
pub(crate) fn rules(text: &str) -> Result<Vec<RetentionRule>, String> {
    let entries = split(text);
    let entries = entries.iter().map(|entry| entry.trim()).filter(|entry| !entry.is_empty());
    entries.map(|entry| rule(entry).map_err(|e| format!("rule {entry:?}: {e}"))).collect()
}

fn rule(text: &str) -> Result<RetentionRule, String> {
    let form = "is not written as logs{service_name=\"x\"}=7d";
    let (stream, life_text) = text.rsplit_once('=').ok_or(form)?;
    let keep = match life(life_text)? {
        Life::Forever => FOREVER,
        Life::For(keep) => keep,
    };
    let stream = stream.trim();
    let (head, selector) = stream.split_at(stream.find('{').unwrap_or(stream.len()));
    let (tenant, signal) = match head.trim().rsplit_once('/') {
        Some((tenant, signal)) => (Some(TenantId::parse(tenant).map_err(|e| e.message())?), signal),
        None => (None, head.trim()),
    };
    let signal = match signal {
        "*" => None,
        name => Some(Signal::parse(name).ok_or_else(|| {
            format!("{name:?} is no signal: metrics, logs, traces, or * for all of them")
        })?),
    };
    let matchers = match selector {
        "" => Vec::new(),
        selector => parse_selector(selector).map_err(|e| e.message())?,
    };
    Ok(RetentionRule { tenant, signal, matchers, keep })
}

/// Splits a list at commas and semicolons that stand outside of braces and quotes.
fn split(text: &str) -> Vec<String> {
    let mut entries = vec![String::new()];
    let (mut depth, mut quote, mut escaped) = (0_u32, None, false);
    for c in text.chars() {
        match (c, quote) {
            (_, Some(open)) => {
                if c == open && !escaped {
                    quote = None;
                }
                escaped = c == '\\' && open != '`' && !escaped;
            }
            ('"' | '\'' | '`', None) => quote = Some(c),
            ('{', None) => depth += 1,
            ('}', None) => depth = depth.saturating_sub(1),
            (',' | ';', None) if depth == 0 => {
                entries.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(entry) = entries.last_mut() {
            entry.push(c);
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn print(rule: &RetentionRule) -> String {
        let tenant = rule.tenant.as_ref().map_or("*", |tenant| tenant.as_str());
        let signal = rule.signal.map_or("*", Signal::as_str);
        let matchers: Vec<String> = rule.matchers.iter().map(ToString::to_string).collect();
        let days = rule.keep.as_secs() / DAY.as_secs();
        format!("{tenant}/{signal}{{{}}} {days}", matchers.join(","))
    }

    #[test]
    fn rules_are_read_in_their_order() {
        let text =
            r#"logs{service_name="a,b;}",level=~"x|y"}=7d, team-a/traces=14d; *{env='dev'}=1w"#;
        let read: Vec<String> = rules(text).unwrap().iter().map(print).collect();
        let expected = [
            r#"*/logs{service_name="a,b;}",level=~"x|y"} 7"#,
            "team-a/traces{} 14",
            r#"*/*{env="dev"} 7"#,
        ];
        assert_eq!(read, expected);
        assert!(rules("").unwrap().is_empty());
    }

    #[test]
    fn a_mistake_names_its_rule() {
        for (text, expected) in [
            ("logs", "rule \"logs\": is not written as"),
            ("traces=14d,dogs=7d", "rule \"dogs=7d\": \"dogs\" is no signal"),
            ("logs{a}=7d", "rule \"logs{a}=7d\": selector"),
            ("logs=7 days", "is neither a duration such as 30d nor forever"),
            ("logs=5m", "too short"),
            ("a b/logs=7d", "rule \"a b/logs=7d\": "),
        ] {
            let error = rules(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(history("30m").is_err());
    }

    #[test]
    fn what_is_special_is_asked_first() {
        let retention = Retention {
            all: Some(30 * DAY),
            signals: [Some(Life::Forever), Some(Life::For(7 * DAY)), None],
            rules: rules("traces{a=\"b\"}=2d").unwrap(),
        };
        let all: Vec<String> = retention.rules().iter().map(print).collect();
        let forever = FOREVER.as_secs() / DAY.as_secs();
        let metrics = format!("*/metrics{{}} {forever}");
        assert_eq!(all, [r#"*/traces{a="b"} 2"#, &metrics, "*/logs{} 7", "*/*{} 30"]);
        assert!(Retention::default().rules().is_empty(), "nothing is ever deleted");
    }
}
