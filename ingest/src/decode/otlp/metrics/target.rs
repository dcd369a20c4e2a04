//! `target_info`: the attributes of a resource as labels of one series with the value 1, to be
//! joined by `job` and `instance`.
//!
//! It is written for the time that the points of the resource span in this request: at the first
//! and the last, and between them so often that every instant query finds one.

use tarn_model::error::Result;
use tarn_model::labels::METRIC_NAME;
use tarn_model::limits::Limits;
use tarn_model::sample::{Metadata, MetricType};

use super::labels::{
    Built, Fault, Labels, Names, SERVICE_INSTANCE, SERVICE_NAME, SERVICE_NAMESPACE,
};
use super::{Options, Walk};
use crate::batch::{Float, RawLabels, RowSink};
use crate::decode::key_cache::KeySpace;
use crate::decode::otlp::frame::Resource;
use crate::validate::Invalid;

const TARGET_INFO: &str = "target_info";
const HELP: &str = "Attributes of the resource that job and instance stand for.";

/// Samples per resource and request. One request normally spans seconds; this covers hours, and
/// points of year 1 and of today in one request cost no more.
const SAMPLES_MAX: usize = 100;

/// What the set of times that were written holds for one, in a table that doubles when full.
const TIME_BYTES: usize = 64;

/// Stands at the end of a value that was cut.
const CUT: &str = "…";
/// `job`, `instance` and the name.
const OWN_LABELS: usize = 3;

/// What `job` and `instance` are made of.
const IDENTIFYING: [&str; 3] = [SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE];

/// The series of a resource.
#[derive(Debug)]
struct Target<'t> {
    options: &'t Options,
    limits: &'t Limits,
    resource: &'t Resource<'t>,
    key: u128,
    built: Built,
}

impl Target<'_> {
    /// Returns whether there is something to join by, and something to join.
    fn is_useful(&self) -> bool {
        let has = |key: &str| self.resource.attributes.get(key).is_some();
        let identifying = IDENTIFYING.iter().filter(|key| has(key)).count();
        let joins = has(SERVICE_NAME) || has(SERVICE_INSTANCE);
        joins && self.resource.attributes.len() > identifying
    }

    fn build(&self) -> Result<Labels, Fault> {
        let mut labels = Names::new(self.options, self.limits);
        let identifying = |key: &[u8]| IDENTIFYING.iter().any(|name| name.as_bytes() == key);
        let keep = |key: &[u8]| self.options.keep_identifying || !identifying(key);
        let named = |key: &[u8]| keep(key) && labels.name(key).is_ok();
        let attributes = self.resource.attributes.iter().filter(|(key, _)| named(key)).collect();
        labels.join(attributes)?;
        fit(&mut labels.made, self.limits);
        labels.target(self.resource)?;
        labels.set(METRIC_NAME, TARGET_INFO.to_owned());
        Ok(labels.made)
    }
}

/// Cuts what is beyond the limits of labels: a command line of 5 KB must not cost the whole series.
fn fit(labels: &mut Labels, limits: &Limits) {
    labels.retain(|name, _| name.len() <= limits.label_name_bytes_max);
    for value in labels.values_mut().filter(|value| value.len() > limits.label_value_bytes_max) {
        let room = limits.label_value_bytes_max.saturating_sub(CUT.len());
        value.truncate(value.floor_char_boundary(room));
        value.push_str(CUT);
    }
    while labels.len() > limits.labels_max.saturating_sub(OWN_LABELS) {
        labels.pop_last();
    }
}

impl RawLabels for Target<'_> {
    fn key(&self, space: &KeySpace) -> u128 {
        space.key(&[TARGET_INFO.as_bytes(), &self.key.to_le_bytes()].concat())
    }

    fn each<'b>(&'b self, pair: &mut dyn FnMut(&'b [u8], &'b [u8])) -> Result<()> {
        self.built.each(|| self.build(), pair)
    }

    fn check(&self) -> Result<(), Invalid> {
        self.built.check(|| self.build())
    }
}

/// Pushes the series of a resource, points of which were seen. What is not taken of it rejects no
/// data point.
pub(super) fn push<S: RowSink>(
    walk: &mut Walk<'_, '_, S>,
    resource: &Resource<'_>,
    key: u128,
) -> Result<()> {
    let Some((first_ms, last_ms)) = walk.span else { return Ok(()) };
    let (options, limits) = (walk.options, walk.batch.limits);
    let target = Target { options, limits, resource, key, built: Built::default() };
    if !target.is_useful() {
        return Ok(());
    }
    let every_ms = i64::try_from(walk.options.target_info_every.as_millis()).unwrap_or(i64::MAX);
    let span_max = every_ms.saturating_mul(SAMPLES_MAX as i64);
    let first_ms = first_ms.max(last_ms.saturating_sub(span_max));
    let between = (first_ms..last_ms).step_by(usize::try_from(every_ms.max(1)).unwrap_or(1));
    let number = usize::try_from(walk.points).unwrap_or(usize::MAX);
    let mut open = walk.batch.open(&target, number, 1)?;
    for time_ms in between.chain([last_ms]) {
        walk.batch.charge(TIME_BYTES)?;
        if walk.targets.insert((key, time_ms)) {
            walk.batch.float(&mut open, Float { time_ms, value: 1.0, start_ms: 0 })?;
        }
    }
    let metadata =
        || Metadata { metric_type: MetricType::Gauge, unit: "".into(), help: HELP.into() };
    let content = walk.batch.space.part(HELP.as_bytes());
    walk.batch
        .metadata(TARGET_INFO.as_bytes(), content, |_| Ok((TARGET_INFO.to_owned(), metadata())))
}
