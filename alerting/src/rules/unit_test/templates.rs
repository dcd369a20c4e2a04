//! Templates of rules, written out while a test runs: queries are answered at once.

use super::Surroundings;
use crate::template::rule::{More, RuleData, expand as write_out};

/// Writes out a template as the server does.
///
/// # Errors
/// The template fails.
pub fn expand(text: &str, around: &Surroundings<'_>) -> Result<String, String> {
    let data = RuleData {
        alert: around.alert,
        labels: &around.sample.labels,
        external_labels: around.external_labels,
        external_url: around.external_url,
        value: &around.sample.value,
        more: More::default(),
    };
    let mut query = |text: &str| (around.query)(text);
    write_out(text, &data, &mut query, around.now_ms).map_err(|e| e.to_string())
}
