//! The names under which receivers know groups.

use sha2::{Digest as _, Sha256};
use tarn_model::labels::LabelSet;
use tarn_model::matcher::Matcher;

/// Returns the part of a route's path that its own matchers make: `{a="b",c=~"d"}`. Matchers are
/// sorted by name, value, operator.
pub fn matchers_key(matchers: &[Matcher]) -> String {
    let mut sorted: Vec<&Matcher> = matchers.iter().collect();
    sorted.sort_by(|a, b| (&a.name, &a.value, a.op).cmp(&(&b.name, &b.value, b.op)));
    let texts: Vec<String> = sorted.iter().map(|matcher| matcher.to_string()).collect();
    format!("{{{}}}", texts.join(","))
}

/// Returns the key of a group: `{matchers of the route path, joined by /}:{group labels}`.
pub fn group_key(route: &str, labels: &LabelSet) -> String {
    // A set that is printed without braces is one of a metric name only.
    let text = labels.iter().map(|label| {
        let value = tarn_model::labels::Quoted(&label.value);
        if tarn_model::labels::is_legacy_label_name(&label.name) {
            format!("{}={value}", label.name)
        } else {
            format!("{}={value}", tarn_model::labels::Quoted(&label.name))
        }
    });
    format!("{route}:{{{}}}", text.collect::<Vec<_>>().join(", "))
}

/// Returns the key as receivers take it that want a short one: PagerDuty's `dedup_key`, Opsgenie's
/// `alias`. Hex of SHA-256.
pub fn short_key(group_key: &str) -> String {
    use std::fmt::Write as _;

    Sha256::digest(group_key.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        write!(hex, "{byte:02x}").ok();
        hex
    })
}

#[cfg(test)]
mod tests;
