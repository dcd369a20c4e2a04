//! What a metric row carries: a float or a native histogram, exemplars, the staleness marker.

use std::sync::Arc;

use crate::labels::LabelSet;

/// The bits of the staleness marker, a NaN with a payload of its own. NaN payloads are data: no
/// code between the wire and the disk may normalise them.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Returns whether the value is the staleness marker.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// Returns the staleness marker.
pub fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// What is known of a counter reset between a histogram and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ResetHint {
    /// Must be detected from the buckets.
    #[default]
    Unknown,
    /// This sample is the first after a reset.
    Reset,
    /// There is no reset before this sample.
    NotReset,
    /// The histogram is a gauge, resets do not apply.
    Gauge,
}

/// The schema number of histograms with custom bucket bounds.
pub const CUSTOM_SCHEMA: i32 = -53;

/// A native histogram: sparse buckets with exponential or custom bounds.
///
/// Bucket `i` of an exponential schema `s` covers `(b^(i-1), b^i]` with `b = 2^(2^-s)`. With
/// [`CUSTOM_SCHEMA`] bucket `i` ends at `bounds[i]`, the last one at +Inf. Counts are absolute.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// -4..=8, or [`CUSTOM_SCHEMA`].
    pub schema: i32,
    /// Upper bounds of custom buckets, ascending, without +Inf; empty otherwise.
    pub bounds: Vec<f64>,
    /// Half width of the zero bucket.
    pub zero_threshold: f64,
    /// Sum of all observations; the staleness marker here makes the whole sample stale.
    pub sum: f64,
    /// Indexes of the positive buckets, strictly ascending.
    pub positive: Vec<i32>,
    /// Indexes of the negative buckets, strictly ascending.
    pub negative: Vec<i32>,
    /// Counts of all observations, of the zero bucket, and of the buckets above.
    pub counts: Counts,
    /// Counter-reset hint; `Gauge` marks gauge histograms.
    pub reset_hint: ResetHint,
}

/// Counts of a histogram, as integers or as floats. `buckets` holds the positive buckets' counts,
/// then the negative ones'.
#[derive(Debug, Clone, PartialEq)]
pub enum Counts {
    /// An integer histogram, as client libraries send it.
    Int {
        /// All observations.
        count: u64,
        /// Observations in the zero bucket.
        zero: u64,
        /// Absolute counts per bucket.
        buckets: Vec<i64>,
    },
    /// A float histogram, as recording rules make it.
    Float {
        /// All observations.
        count: f64,
        /// Observations in the zero bucket.
        zero: f64,
        /// Absolute counts per bucket.
        buckets: Vec<f64>,
    },
}

impl Histogram {
    /// Returns whether the sample is a staleness marker.
    pub fn is_stale(&self) -> bool {
        is_stale(self.sum)
    }

    /// Returns the number of observations.
    pub fn count(&self) -> f64 {
        match &self.counts {
            Counts::Int { count, .. } => *count as f64,
            Counts::Float { count, .. } => *count,
        }
    }

    /// Returns the observations in the zero bucket.
    pub fn zero_count(&self) -> f64 {
        match &self.counts {
            Counts::Int { zero, .. } => *zero as f64,
            Counts::Float { zero, .. } => *zero,
        }
    }

    /// Returns the count of bucket `at` of `positive ++ negative`.
    pub fn bucket(&self, at: usize) -> f64 {
        match &self.counts {
            Counts::Int { buckets, .. } => buckets[at] as f64,
            Counts::Float { buckets, .. } => buckets[at],
        }
    }

    /// Returns how many buckets `counts` must hold.
    pub fn bucket_count(&self) -> usize {
        self.positive.len() + self.negative.len()
    }

    /// Returns the heap bytes that the histogram holds, for budgets.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.bounds.len() * 8 + self.bucket_count() * 12
    }
}

/// What a metric is, as told by the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum MetricType {
    /// Not told.
    #[default]
    Unknown,
    /// Only rises, but for resets.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Classic or native histogram.
    Histogram,
    /// Histogram of current, not accumulated, values.
    GaugeHistogram,
    /// Precomputed quantiles.
    Summary,
    /// Constant 1 with information in labels.
    Info,
    /// One of a set of states.
    StateSet,
}

impl MetricType {
    /// Returns the name that Prometheus uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }

    /// Parses the form of [`MetricType::as_str`]; anything else is `Unknown`.
    pub fn parse(text: &str) -> Self {
        [
            Self::Counter,
            Self::Gauge,
            Self::Histogram,
            Self::GaugeHistogram,
            Self::Summary,
            Self::Info,
            Self::StateSet,
        ]
        .into_iter()
        .find(|t| t.as_str() == text)
        .unwrap_or_default()
    }
}

/// Metadata of a metric family.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// What the metric is.
    pub metric_type: MetricType,
    /// Unit in the sender's spelling, empty where unknown.
    pub unit: Arc<str>,
    /// Help text, empty where unknown.
    pub help: Arc<str>,
}

/// One observation worth remembering, usually with a `trace_id` among its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Labels of the exemplar itself.
    pub labels: LabelSet,
    /// Observed value.
    pub value: f64,
    /// Time of the observation, ms since the Unix epoch.
    pub time_ms: i64,
}
