//! `ExportMetricsServiceRequest` → series and samples, as Prometheus' own OTLP receiver maps them.
//!
//! | data point | becomes |
//! |---|---|
//! | gauge, sum | one float sample |
//! | histogram | `_bucket` per bound, `_sum` where it is set, `_count`; or one native histogram with custom bounds |
//! | exponential histogram | one native histogram; scales above 8 are merged down |
//! | summary | `_sum`, `_count`, one sample per quantile |
//! | no recorded value | staleness markers in the same series |
//! | resource | `job`, `instance`, the attributes that are promoted; all of them in `target_info` |
//! | scope | `otel_scope_name`, `_version`, `_schema_url` and its attributes |
//! | delta temporality | the point as it came, with its start, in a series labelled `__temporality__="delta"` |
//! | exemplar | an exemplar of the series, or of the bucket, that it falls in |
//!
//! The series of a point is found by the hash of the bytes that identify it: resource, scope and
//! metric once each, the attributes of the point, and which of the point's series it is. Names are
//! translated only where that hash is not known ([`labels`]).
//!
//! What the mapping has no place for:
//! - minimum and maximum of histograms;
//! - schema URL, dropped count and entity references of a resource; dropped count of a scope, and
//!   all of a scope without a name;
//! - that a sum is not monotonic: it reads as a gauge;
//! - that a number was an integer, and integers beyond 2⁵³ exactly;
//! - nanoseconds of times and starts; starts of gauges;
//! - metadata attributes of a metric; all but the last description and unit of a family;
//! - attributes of exemplars that have more than 128 characters in all, exemplars without a value,
//!   and those of one point beyond 1024;
//! - types of attributes: labels are text, an empty one is an absent one, what is not UTF-8 is
//!   replaced; values whose keys become one label name are joined with `;`;
//! - in `target_info`, attributes beyond the limits of labels: values are cut and marked with `…`,
//!   the last names in order are left out;
//! - which buckets ended, where a point without a recorded value does not repeat its bounds.

use std::time::Duration;

use tarn_model::error::{Error, Result};
use tarn_model::map::HashSet;
use tarn_model::otel_names::{LabelRules, Translation};

use super::Report;
use super::frame::{RESOURCES, ROWS, Resource, SCOPES, Scope, each};
use super::value::Changes;
use crate::batch::{Batch, Float, RowSink};
use crate::decode::wire::{DEPTH_MAX, Reader, WireError};
use crate::validate::{Invalid, Reason, shown};
use explicit::ExplicitScratch;
use exponential::ExponentialScratch;
use labels::{Family, PointLabels};
use metric::{Kind, Metric};
use point::Common;

mod exemplar;
mod explicit;
mod exponential;
mod labels;
mod metric;
mod native;
mod number;
mod point;
mod summary;
mod target;

/// How OTLP metrics become series. What is not said here is fixed.
#[derive(Debug, Clone)]
pub struct Options {
    /// How names are translated.
    pub translation: Translation,
    /// How attribute keys become label names, where names are escaped.
    pub label_rules: LabelRules,
    /// Explicit histograms become native ones with custom bounds instead of `_bucket` series.
    pub native_histograms: bool,
    /// Resource attributes that become labels of every series.
    pub promote: Promote,
    /// `target_info` repeats the attributes that `job` and `instance` are made of.
    pub keep_identifying: bool,
    /// Name, version, schema URL and attributes of the scope become labels.
    pub scope_labels: bool,
    /// `__type__` and `__unit__` become labels.
    pub type_and_unit_labels: bool,
    /// A request that spans more time has a sample of `target_info` every so often, so that an
    /// instant query finds one anywhere: half of the lookback.
    pub target_info_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            translation: Translation::default(),
            label_rules: LabelRules::default(),
            native_histograms: false,
            promote: Promote::default(),
            keep_identifying: false,
            scope_labels: true,
            type_and_unit_labels: false,
            target_info_every: Duration::from_secs(150),
        }
    }
}

/// Which resource attributes become labels of every series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Promote {
    /// These.
    Only(Vec<String>),
    /// All but these.
    AllBut(Vec<String>),
}

impl Default for Promote {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl Promote {
    fn takes(&self, key: &[u8]) -> bool {
        let listed = |list: &[String]| list.iter().any(|name| name.as_bytes() == key);
        match self {
            Self::Only(list) => listed(list),
            Self::AllBut(list) => !listed(list),
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self::Only(list) if list.is_empty())
    }
}

/// Decodes a request into a batch.
///
/// # Errors
/// `Invalid` with the byte offset where the bytes are not such a request; others as
/// [`Batch::float`].
pub(crate) fn decode<S: RowSink>(
    body: &[u8],
    options: &Options,
    batch: &mut Batch<'_, S>,
) -> Result<Report> {
    let buckets_max = batch.limits.histogram_buckets_max;
    let mut walk = Walk {
        options,
        batch,
        context: Vec::new(),
        explicit: ExplicitScratch::new(buckets_max),
        exponential: ExponentialScratch::new(buckets_max),
        points: 0,
        rejected: 0,
        time_ms: 0,
        span: None,
        targets: HashSet::default(),
        sources: Vec::new(),
    };
    each(Reader::new(body), RESOURCES, |group| walk.resource(group))
        .map_err(|e: Error| e.context("decode OTLP metrics"))?;
    let (accepted, rejected) = (walk.points - walk.rejected, walk.rejected);
    let sources = walk.sources;
    let mut problems = std::mem::take(&mut batch.problems);
    problems.recount(rejected);
    Ok(Report { accepted, rejected, problems, sources, ..Report::default() })
}

/// A request being decoded.
struct Walk<'w, 'c, S> {
    options: &'w Options,
    batch: &'w mut Batch<'c, S>,
    /// The bytes that a family's key is the hash of.
    context: Vec<u8>,
    explicit: ExplicitScratch,
    exponential: ExponentialScratch,
    /// Data points so far, and those of which something was not taken.
    points: u64,
    rejected: u64,
    /// Time of the last point.
    time_ms: i64,
    /// First and last time of the points of this resource that were taken.
    span: Option<(i64, i64)>,
    /// Samples of `target_info` of this request.
    targets: HashSet<(u128, i64)>,
    /// Name of the service of each resource, with the points taken before its own.
    sources: Vec<(String, u64)>,
}

impl<S: RowSink> Walk<'_, '_, S> {
    fn resource(&mut self, group: Reader<'_>) -> Result<()> {
        let resource = Resource::of(group, self.batch.limits)?;
        let (mut scratch, mut changes) = (String::new(), Changes::default());
        let service = resource.service_name(self.batch.limits, &mut scratch, &mut changes)?;
        self.sources.push((service.to_owned(), self.points - self.rejected));
        let key = self.key_of_first_field(group)?;
        self.span = None;
        each(group, SCOPES, |group| self.scope(group, &resource, key))?;
        target::push(self, &resource, key)
    }

    /// Hashes what a group says about itself: 1 resource or scope, 3 schema URL.
    fn key_of_first_field(&self, mut group: Reader<'_>) -> Result<u128, WireError> {
        let mut key = 0u128;
        while !group.is_empty() {
            let (number, wire) = group.tag()?;
            match number {
                1 | 3 => {
                    let part = self.batch.space.key(group.bytes(wire)?);
                    key = key.rotate_left(31) ^ part.wrapping_mul(u128::from(number));
                }
                _ => group.skip(number, wire, DEPTH_MAX)?,
            }
        }
        Ok(key)
    }

    fn scope(&mut self, group: Reader<'_>, resource: &Resource<'_>, key: u128) -> Result<()> {
        let scope = Scope::of(group, self.batch.limits)?;
        let scope_key = self.key_of_first_field(group)?;
        each(group, ROWS, |message| {
            let Some(metric) = Metric::of(message)? else { return Ok(()) };
            self.context.clear();
            self.context.extend_from_slice(&key.to_le_bytes());
            self.context.extend_from_slice(&scope_key.to_le_bytes());
            metric.write_identity(&mut self.context);
            let family = Family {
                options: self.options,
                limits: self.batch.limits,
                resource,
                scope: &scope,
                metric: &metric,
                key: self.batch.space.key(&self.context),
            };
            self.metric(message, &family)
        })
    }

    fn metric(&mut self, message: Reader<'_>, family: &Family<'_>) -> Result<()> {
        let kind = family.metric.kind;
        let counts = family.metric.has_known_temporality();
        let before = self.points - self.rejected;
        each(message, kind.field(), |data| {
            each(data, 1, |point| {
                self.points += 1;
                let known = self.batch.problems.failing_rows();
                if counts {
                    self.point(family, point)?;
                } else {
                    let temporality = family.metric.temporality;
                    let message = format!("aggregation temporality is {temporality}");
                    self.reject(family, &Invalid::new(Reason::InvalidTemporality, message));
                }
                if self.batch.problems.failing_rows() > known {
                    self.rejected += 1;
                } else {
                    let (first, last) = self.span.unwrap_or((self.time_ms, self.time_ms));
                    self.span = Some((first.min(self.time_ms), last.max(self.time_ms)));
                }
                Ok(())
            })
        })?;
        if self.points - self.rejected > before {
            family.push_metadata(self.batch)?;
        }
        Ok(())
    }

    fn point(&mut self, family: &Family<'_>, message: Reader<'_>) -> Result<()> {
        match family.metric.kind {
            Kind::Gauge | Kind::Sum => number::push(self, family, message),
            Kind::Histogram => explicit::push(self, family, message),
            Kind::Exponential => exponential::push(self, family, message),
            Kind::Summary => summary::push(self, family, message),
        }
    }

    /// Reports a data point of which nothing is taken.
    fn reject(&mut self, family: &Family<'_>, invalid: &Invalid) {
        let (number, name) = (self.points, family.metric.name);
        let detail =
            || format!("data point {number} of metric {}: {}", shown(name), invalid.message);
        self.batch.problems.add(invalid.reason.as_str(), 1, detail);
    }

    /// Returns when a point was taken, or reports that nobody knows.
    fn time_ms(&mut self, family: &Family<'_>, point: &Common<'_>) -> Option<i64> {
        if point.time == 0 {
            self.reject(family, &Invalid::new(Reason::MissingTime, "time_unix_nano is not set"));
            return None;
        }
        if point.dropped > 0 {
            self.batch.problems.count(Reason::TooManyExemplars.as_str(), point.dropped);
        }
        self.time_ms = point::millis(point.time);
        Some(self.time_ms)
    }

    /// Pushes a float into one of the series of a point.
    fn float(&mut self, labels: &PointLabels<'_>, row: Float) -> Result<()> {
        let number = usize::try_from(self.points).unwrap_or(usize::MAX);
        let mut open = self.batch.open(labels, number, 1)?;
        self.batch.float(&mut open, row)
    }
}
