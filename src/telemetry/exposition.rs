//! The registry as text: for scrapers in the form they ask for, and read back as rows for the feed.
//!
//! Reading back what `/metrics` serves keeps one truth: what Tarn stores of itself is what a scraper
//! would have seen.

use std::fmt;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tarn_model::labels::{Label, LabelSet, METRIC_NAME};
use tarn_model::sample::{Metadata, MetricType};

use super::OwnRow;

/// Content type of OpenMetrics.
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Content type of the older text format.
pub(crate) const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Encodes the registry as OpenMetrics.
///
/// # Errors
/// Where a collector fails.
pub(crate) fn open_metrics(registry: &Registry) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(text)
}

/// Turns OpenMetrics text into the older format: there a counter's family has `_total` in its name,
/// and neither units nor the end are marked.
pub(crate) fn plain(open_metrics: &str) -> String {
    let counters: Vec<&str> = open_metrics
        .lines()
        .filter_map(|l| l.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let described = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        match described.and_then(|rest| rest.split_once(' ')) {
            Some((name, rest)) if counters.contains(&name) => {
                let keyword = if line.starts_with("# HELP") { "HELP" } else { "TYPE" };
                text.push_str(&format!("# {keyword} {name}_total {rest}\n"));
            }
            None if line == "# EOF" || line.starts_with("# UNIT ") => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

/// Reads back text of [`open_metrics`]. It is not a parser for other people's text: lines that it
/// does not understand are left out.
pub(crate) fn parse(text: &str) -> Vec<OwnRow> {
    let mut rows = Vec::new();
    let mut help = "";
    let mut kind = MetricType::Unknown;
    for line in text.lines() {
        if let Some((_, rest)) = line.strip_prefix("# HELP ").and_then(|r| r.split_once(' ')) {
            help = rest;
        } else if let Some((_, rest)) = line.strip_prefix("# TYPE ").and_then(|r| r.split_once(' '))
        {
            kind = MetricType::parse(rest);
        } else if !line.starts_with('#') {
            rows.extend(row(line, kind, help));
        }
    }
    rows
}

fn row(line: &str, kind: MetricType, help: &str) -> Option<OwnRow> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = vec![Label::new(METRIC_NAME, name)];
    if let Some(inner) = rest.strip_prefix('{') {
        rest = pairs(inner, &mut labels)?;
    }
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    let metadata = Metadata { metric_type: kind, unit: "".into(), help: help.into() };
    // The parts of a histogram are no families of their own.
    let metadata = if kind == MetricType::Histogram { Metadata::default() } else { metadata };
    Some(OwnRow { labels: LabelSet::new(labels), metadata, value })
}

/// Reads `a="b",c="d"}` and returns what follows.
fn pairs<'a>(mut text: &'a str, labels: &mut Vec<Label>) -> Option<&'a str> {
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return Some(rest);
        }
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = rest.chars();
        loop {
            match letters.next()? {
                '"' => break,
                '\\' => value.push(match letters.next()? {
                    'n' => '\n',
                    other => other,
                }),
                other => value.push(other),
            }
        }
        labels.push(Label::new(name, value));
        let rest = letters.as_str();
        text = rest.strip_prefix(',').unwrap_or(rest);
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::histogram::Histogram;

    use super::*;

    fn sample_text() -> String {
        let mut registry = Registry::default();
        let family: Family<Vec<(String, String)>, Counter> = Family::default();
        family.get_or_create(&vec![("who".to_owned(), "a\"b\\c\nd,}".to_owned())]).inc_by(3);
        registry.register("tarn_things", "Things that were done", family);
        let histogram = Histogram::new([0.5]);
        histogram.observe(0.25);
        registry.register("tarn_seconds", "Time of things", histogram);
        open_metrics(&registry).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let rows = parse(&sample_text());
        let texts: Vec<String> = rows.iter().map(|r| format!("{} {}", r.labels, r.value)).collect();
        assert_eq!(
            texts,
            [
                "tarn_things_total{who=\"a\\\"b\\\\c\\nd,}\"} 3",
                "tarn_seconds_sum 0.25",
                "tarn_seconds_count 1",
                "tarn_seconds_bucket{le=\"0.5\"} 1",
                "tarn_seconds_bucket{le=\"+Inf\"} 1",
            ]
        );
        let kinds: Vec<&str> = rows.iter().map(|r| r.metadata.metric_type.as_str()).collect();
        assert_eq!(kinds, ["counter", "unknown", "unknown", "unknown", "unknown"]);
        assert_eq!(&*rows[0].metadata.help, "Things that were done.");
    }

    #[test]
    fn the_older_format_names_counters_in_full() {
        let text = plain(&sample_text());
        assert!(text.contains("# TYPE tarn_things_total counter\n"), "{text}");
        assert!(text.contains("# TYPE tarn_seconds histogram\n"), "{text}");
        assert!(!text.contains("# EOF"), "{text}");
    }
}
