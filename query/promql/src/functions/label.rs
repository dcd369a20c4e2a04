//! `label_replace`, `label_join` and the order of `sort_by_label`: functions of labels, not samples.

use std::cmp::Ordering;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use tarn_model::labels::{LabelSet, METRIC_NAME};

use crate::exec::operator::Series;
use crate::query::{QueryError, Result};

/// The compiled program of a `label_replace` may take this much memory, as of a matcher.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// A change of labels.
#[derive(Debug, Clone)]
pub(crate) enum Relabel {
    /// `label_replace`
    Replace {
        /// The label to write.
        target: Arc<str>,
        /// What to write, with `$1`.
        replacement: Arc<str>,
        /// The label to read.
        source: Arc<str>,
        /// What its value must match as a whole.
        pattern: Regex,
    },
    /// `label_join`
    Join {
        /// The label to write.
        target: Arc<str>,
        /// What stands between the values.
        separator: Arc<str>,
        /// The labels to read.
        sources: Vec<Arc<str>>,
    },
}

impl Relabel {
    /// Makes a `label_replace` of its four strings.
    ///
    /// # Errors
    /// The expression does not compile, or there is no target.
    pub(crate) fn replace([target, replacement, source, pattern]: [Arc<str>; 4]) -> Result<Self> {
        let build = |text: &str| {
            RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build().map_err(|_| {
                let text = "invalid regular expression in label_replace()";
                QueryError::execution(format!("{text}: {pattern}"))
            })
        };
        // `a)|(b` is no expression, although it becomes one in the parentheses below.
        build(&pattern)?;
        let pattern = build(&format!("^(?s:{pattern})$"))?;
        if target.is_empty() {
            let text = "invalid destination label name in label_replace(): ";
            return Err(QueryError::execution(text));
        }
        Ok(Self::Replace { target, replacement, source, pattern })
    }

    /// Makes a `label_join` of its strings.
    ///
    /// # Errors
    /// A label name is empty.
    pub(crate) fn join(
        target: Arc<str>,
        separator: Arc<str>,
        sources: Vec<Arc<str>>,
    ) -> Result<Self> {
        if sources.iter().any(|s| s.is_empty()) {
            return Err(QueryError::execution("invalid source label name in label_join(): "));
        }
        if target.is_empty() {
            return Err(QueryError::execution("invalid destination label name in label_join(): "));
        }
        Ok(Self::Join { target, separator, sources })
    }

    /// Returns the series with changed labels. Writing the metric name keeps it from being dropped.
    pub(crate) fn apply(&self, series: &Series) -> Series {
        let labels = match self {
            Self::Replace { target, replacement, source, pattern } => {
                let Some(found) = pattern.captures(series.value(source)) else {
                    return series.clone();
                };
                let mut value = String::new();
                found.expand(replacement, &mut value);
                series.shown().with(target, &value)
            }
            Self::Join { target, separator, sources } => {
                let values: Vec<&str> = sources.iter().map(|s| series.value(s)).collect();
                series.shown().with(target, &values.join(separator))
            }
        };
        let target = match self {
            Self::Replace { target, .. } | Self::Join { target, .. } => target,
        };
        if &**target == METRIC_NAME { Series::new(labels) } else { series.relabelled(labels) }
    }
}

/// Orders label sets by the values of some labels, numbers inside by their value, then as a whole.
pub(crate) fn compare_by(labels: &[Arc<str>], a: &LabelSet, b: &LabelSet) -> Ordering {
    labels
        .iter()
        .map(|label| natural(a.value(label), b.value(label)))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.cmp(b))
}

/// Compares text so that `4m5` comes before `4m600`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a_chunks, mut b_chunks) = (chunks(a), chunks(b));
    loop {
        let (x, y) = match (a_chunks.next(), b_chunks.next()) {
            (Some(x), Some(y)) => (x, y),
            (x, y) => return x.is_some().cmp(&y.is_some()),
        };
        let order = match (x.parse::<u64>(), y.parse::<u64>()) {
            (Ok(x), Ok(y)) => x.cmp(&y),
            _ => x.cmp(y),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Splits text into runs of digits and of other characters.
fn chunks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let digit = rest.chars().next()?.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(rest.len());
        let (chunk, tail) = rest.split_at(end);
        rest = tail;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tarn_model::labels::LabelSet;

    use super::{Relabel, natural};
    use crate::exec::operator::Series;

    fn replace(parts: [&str; 4], labels: &[(&str, &str)]) -> String {
        let change = Relabel::replace(parts.map(Arc::from)).expect("valid");
        change.apply(&Series::new(LabelSet::from_pairs(labels))).shown().to_string()
    }

    #[test]
    fn replacements_expand_groups_of_a_full_match() {
        let labels = [("src", "a-10")];
        for (parts, expected) in [
            (["dst", "v$1", "src", "a-(.*)"], r#"{dst="v10", src="a-10"}"#),
            (["dst", "v$1", "src", "10"], r#"{src="a-10"}"#),
            (["dst", "${1}x$$", "src", "(a).*"], r#"{dst="ax$", src="a-10"}"#),
            (["src", "", "src", ".*"], "{}"),
            (["dst", "v-$1", "none", "(.*)"], r#"{dst="v-", src="a-10"}"#),
        ] {
            assert_eq!(replace(parts, &labels), expected, "{parts:?}");
        }
        for bad in ["(.*", "a)|(b"] {
            let error = Relabel::replace(["d", "", "s", bad].map(Arc::from)).expect_err("fails");
            let expected = format!("invalid regular expression in label_replace(): {bad}");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn numbers_inside_text_are_compared_as_numbers() {
        let mut values = ["4m1000", "4m5", "b", "10", "4m600", "2", "", "1.11.3", "1.2.3"];
        values.sort_by(|a, b| natural(a, b));
        assert_eq!(values, ["", "1.2.3", "1.11.3", "2", "4m5", "4m600", "4m1000", "10", "b"]);
    }
}
