//! What Tarn says about itself: its log lines, spans and metrics, and all of them into itself.
//!
//! - [`logs`]: the subscriber, and the logfmt form
//! - [`registry`]: the one registry, with process and allocator metrics
//! - [`exposition`]: the registry as text for scrapers, and as rows
//! - [`feed`]: own and host metrics into the store every few seconds, by the ordinary path
//! - [`capture`] → [`own`]: own log lines and spans into the store likewise; [`trace_parent`]: the
//!   trace that a request belongs to

use tarn_model::labels::{Label, LabelSet, METRIC_NAME};
use tarn_model::sample::{Metadata, MetricType};

pub(crate) mod capture;
pub(crate) mod exposition;
pub(crate) mod feed;
pub(crate) mod logs;
pub(crate) mod own;
pub(crate) mod registry;
pub(crate) mod trace_parent;

/// One value of Tarn or of the machine, to be stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OwnRow {
    pub(crate) labels: LabelSet,
    pub(crate) metadata: Metadata,
    pub(crate) value: f64,
}

impl OwnRow {
    /// Makes a row of a counter.
    pub(crate) fn counter(name: &str, labels: &[(&str, &str)], value: f64) -> Self {
        Self::of(MetricType::Counter, name, labels, value)
    }

    /// Makes a row of a gauge.
    pub(crate) fn gauge(name: &str, labels: &[(&str, &str)], value: f64) -> Self {
        Self::of(MetricType::Gauge, name, labels, value)
    }

    fn of(kind: MetricType, name: &str, labels: &[(&str, &str)], value: f64) -> Self {
        let name = std::iter::once((METRIC_NAME, name));
        let all = name.chain(labels.iter().copied()).map(|(n, v)| Label::new(n, v));
        let metadata = Metadata { metric_type: kind, unit: "".into(), help: "".into() };
        Self { labels: LabelSet::new(all.collect()), metadata, value }
    }
}
