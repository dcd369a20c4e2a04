//! Names and rules that the log, the blocks and their readers share: columns, field ids, the order
//! of series, the numbers of the log's payloads.
//!
//! A label `job` is the column `l_job`; no column of ours begins with `l_`. Series are ordered by
//! walking the label *names* in a fixed order ([`rank`]): the metric first, then what separates
//! workloads, then what separates their instances, then the rest, and bucket bounds last, so that
//! neighbouring rows are alike. A missing label sorts before any value.

use std::cmp::Ordering;
use std::sync::Arc;

use tarn_model::labels::{Label, LabelSet, METRIC_NAME};

pub mod tables;

/// Column names of blocks of slices. The order of the constants is the order in the file.
pub mod column {
    /// `__name__`.
    pub const METRIC: &str = "metric";
    /// What label columns begin with.
    pub const LABEL_PREFIX: &str = "l_";
    /// Labels without a column of their own.
    pub const LABELS_MORE: &str = "labels_more";
    /// Metric type as told by the sender.
    pub const TYPE: &str = "type";
    /// Metric unit as told by the sender.
    pub const UNIT: &str = "unit";
    /// Row number in the block.
    pub const ROW_ID: &str = "row_id";
    /// Row number of the timeline; NULL marks timeline rows.
    pub const TIMELINE: &str = "timeline";
    /// Tick of the first sample.
    pub const TS_OFFSET: &str = "ts_offset";
    /// Number of samples or ticks.
    pub const N: &str = "n";
    /// Time of the first sample.
    pub const TS_FIRST: &str = "ts_first";
    /// Time of the last sample.
    pub const TS_LAST: &str = "ts_last";
    /// A staleness marker follows the last sample.
    pub const STALE: &str = "stale";
    /// k of mantissa / 10^k.
    pub const SCALE: &str = "scale";
    /// `delta`, or NULL.
    pub const TEMPORALITY: &str = "temporality";
    /// Start timestamp.
    pub const START_TS: &str = "start_ts";
    /// How `start_ts` extends over the samples.
    pub const START_RULE: &str = "start_rule";
    /// Distance of every sample to its start.
    pub const START_LAG_MS: &str = "start_lag_ms";
    /// Ticks of a timeline.
    pub const TS: &str = "ts";
    /// Mantissas.
    pub const VI: &str = "vi";
    /// Doubles.
    pub const VF: &str = "vf";
    /// Histogram schema.
    pub const H_SCHEMA: &str = "h_schema";
    /// Half width of the zero bucket.
    pub const H_ZERO_THRESHOLD: &str = "h_zero_threshold";
    /// Custom bounds.
    pub const H_BOUNDS: &str = "h_bounds";
    /// Indexes of the positive buckets.
    pub const H_POS_INDEX: &str = "h_pos_index";
    /// Indexes of the negative buckets.
    pub const H_NEG_INDEX: &str = "h_neg_index";
    /// The histograms are gauges.
    pub const H_GAUGE: &str = "h_gauge";
    /// Sums.
    pub const H_SUM: &str = "h_sum";
    /// Counts of integer histograms.
    pub const H_COUNT: &str = "h_count";
    /// Zero buckets of integer histograms.
    pub const H_ZERO: &str = "h_zero";
    /// Buckets of integer histograms, bucket-major.
    pub const H_BUCKETS: &str = "h_buckets";
    /// Counts of float histograms.
    pub const H_COUNT_F: &str = "h_count_f";
    /// Zero buckets of float histograms.
    pub const H_ZERO_F: &str = "h_zero_f";
    /// Buckets of float histograms, bucket-major.
    pub const H_BUCKETS_F: &str = "h_buckets_f";
    /// Observed value of an exemplar.
    pub const VALUE: &str = "value";
    /// Trace id of an exemplar, 16 bytes.
    pub const TRACE_ID: &str = "trace_id";
    /// Span id of an exemplar, 8 bytes.
    pub const SPAN_ID: &str = "span_id";
    /// Remaining labels of an exemplar.
    pub const ATTRIBUTES: &str = "attributes";
    /// Help text of a metric family.
    pub const HELP: &str = "help";
    /// When a metric family was first told.
    pub const FIRST_SEEN: &str = "first_seen";
    /// When a metric family was last told.
    pub const LAST_SEEN: &str = "last_seen";
}

/// Numbers of the log's payload schemas; part of the disk format.
pub mod payload {
    /// Labels of the series that the record uses for the first time in its head generation.
    pub const DEFINITIONS: u16 = 1;
    /// Float samples without start timestamps.
    pub const FLOATS: u16 = 2;
    /// Float samples with start timestamps.
    pub const FLOATS_STARTED: u16 = 3;
    /// Native histogram samples.
    pub const HISTOGRAMS: u16 = 4;
    /// Exemplars.
    pub const EXEMPLARS: u16 = 5;
    /// Metadata of metric families.
    pub const FAMILIES: u16 = 6;
    /// How far those who follow the log are with this record.
    pub const ACKNOWLEDGED: u16 = 7;
}

/// Kinds of metric blocks.
pub mod kind {
    /// Slices of series.
    pub const SLICES: &str = "slices";
    /// Exemplars.
    pub const EXEMPLARS: &str = "exemplars";
    /// Metadata of metric families.
    pub const FAMILIES: &str = "families";
    /// Records of the log whose rows could not be written as blocks; no query reads them.
    pub const RAW: &str = "raw";
}

/// Labels that separate workloads.
pub const CLASS_1: &[&str] = &["cluster", "job", "k8s_namespace_name", "namespace", "service_name"];
/// Labels that separate the instances of a workload.
pub const CLASS_2: &[&str] =
    &["host", "host_name", "hostname", "instance", "k8s_pod_name", "node", "pod"];
/// Labels that separate the series of one metric of one instance most finely.
pub const CLASS_4: &[&str] = &["le", "quantile"];

/// What `tarn.sort` says of the order, for outsiders.
pub const SORT_NAME: &str = "labels/1";

/// Returns the place of a label name in the order of names: class, then name.
pub fn rank(name: &str) -> (u8, &str) {
    let class = if name == METRIC_NAME {
        0
    } else if CLASS_1.contains(&name) {
        1
    } else if CLASS_2.contains(&name) {
        2
    } else if CLASS_4.contains(&name) {
        4
    } else {
        3
    };
    (class, name)
}

/// Returns whether the label always has a column of its own.
pub fn is_always_column(name: &str) -> bool {
    rank(name).0 != 3
}

/// The labels of a series in the order in which they are compared. Made once per series, because
/// sorting compares each of them many times.
#[derive(Debug, Clone)]
pub struct SortKey<'a>(Vec<(u8, &'a str, &'a str)>);

impl<'a> SortKey<'a> {
    /// Orders the labels of a series for comparison.
    pub fn new(labels: &'a LabelSet) -> Self {
        let mut pairs: Vec<_> = labels
            .iter()
            .map(|l| {
                let (class, name) = rank(&l.name);
                (class, name, &*l.value)
            })
            .collect();
        pairs.sort_unstable();
        Self(pairs)
    }
}

impl PartialEq for SortKey<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SortKey<'_> {}

impl PartialOrd for SortKey<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SortKey<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        for (mine, theirs) in self.0.iter().zip(&other.0) {
            // Where the names differ, the later name shows that its owner lacks the earlier one.
            let names = (theirs.0, theirs.1).cmp(&(mine.0, mine.1));
            let order = names.then_with(|| mine.2.cmp(theirs.2));
            if order != Ordering::Equal {
                return order;
            }
        }
        self.0.len().cmp(&other.0.len())
    }
}

/// The labels of a series in the order in which they are compared, as [`SortKey`], but owned.
#[derive(Debug, Clone)]
pub(crate) struct SeriesKey(Vec<(u8, Label)>);

impl SeriesKey {
    /// Orders labels, which come with the class of their name.
    pub(crate) fn new(mut labels: Vec<(u8, Label)>) -> Self {
        let place = |(class, label): &(u8, Label)| (*class, Arc::clone(&label.name));
        // Columns come in this order, so that mostly nothing is to be done.
        if !labels.is_sorted_by(|a, b| (a.0, &*a.1.name) < (b.0, &*b.1.name)) {
            labels.sort_by_cached_key(place);
        }
        Self(labels)
    }

    /// Returns the labels.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &Label> {
        self.0.iter().map(|(_, label)| label)
    }

    /// Returns the label set.
    pub(crate) fn label_set(&self) -> LabelSet {
        LabelSet::new(self.labels().cloned().collect())
    }
}

impl PartialEq for SeriesKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SeriesKey {}

impl PartialOrd for SeriesKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SeriesKey {
    fn cmp(&self, other: &Self) -> Ordering {
        // Texts are mostly shared, so that most comparisons end with the pointers.
        let texts = |a: &Arc<str>, b: &Arc<str>| {
            if Arc::ptr_eq(a, b) { Ordering::Equal } else { a.cmp(b) }
        };
        for ((mine_class, mine), (their_class, theirs)) in self.0.iter().zip(&other.0) {
            let names = their_class.cmp(mine_class).then_with(|| texts(&theirs.name, &mine.name));
            let order = names.then_with(|| texts(&mine.value, &theirs.value));
            if order != Ordering::Equal {
                return order;
            }
        }
        self.0.len().cmp(&other.0.len())
    }
}

/// Returns the Parquet field id of a column, from its full path: the same in every block, so that
/// a table format can be laid over any set of them. Iceberg keeps the ids just below 2^31.
pub fn field_id(path: &str) -> i32 {
    1 + (crc32c::crc32c(path.as_bytes()) & ((1 << 30) - 1)) as i32
}

#[cfg(test)]
mod tests;
