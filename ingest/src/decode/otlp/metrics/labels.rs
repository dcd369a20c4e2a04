//! From bytes on the wire to labels, where the key cache does not know them.
//!
//! A [`Family`] is what the points of a metric share, a [`PointLabels`] one series of one point. Its
//! key is made of hashes that are already there. Its labels are built when they are asked for, later
//! ones over earlier ones: attributes of the point, promoted attributes of the resource where the
//! name is free, scope, `job` and `instance`, type, unit and temporality, the name and `le` or
//! `quantile`.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tarn_model::error::Result;
use tarn_model::labels::{LE, METRIC_NAME};
use tarn_model::limits::Limits;
use tarn_model::otel_names::{LabelRules, metric_name, unit_name};
use tarn_storage::any_value::write_base64;

use super::Options;
use super::metric::Metric;
use super::point::Run;
use crate::batch::{Batch, RawLabels, RowSink};
use crate::decode::key_cache::KeySpace;
use crate::decode::otlp::frame::{Resource, Scope};
use crate::decode::otlp::value::{Caps, Changes, RawValue, text};
use crate::decode::prometheus::family_metadata;
use crate::decode::wire::WireError;
use crate::validate::{Invalid, Reason, shown};

/// The label of the series whose samples count since the one before; PromQL knows it.
const TEMPORALITY: (&str, &str) = ("__temporality__", "delta");

/// Resource attributes with a meaning of their own.
pub(super) const SERVICE_NAME: &str = "service.name";
pub(super) const SERVICE_NAMESPACE: &str = "service.namespace";
pub(super) const SERVICE_INSTANCE: &str = "service.instance.id";

/// What the points of a metric share.
#[derive(Debug)]
pub(super) struct Family<'a> {
    pub(super) options: &'a Options,
    pub(super) limits: &'a Limits,
    pub(super) resource: &'a Resource<'a>,
    pub(super) scope: &'a Scope<'a>,
    pub(super) metric: &'a Metric<'a>,
    /// Hash of resource, scope and metric.
    pub(super) key: u128,
}

impl Family<'_> {
    /// Pushes type, unit and help, unless the same were stored last.
    pub(super) fn push_metadata<S: RowSink>(&self, batch: &mut Batch<'_, S>) -> Result<()> {
        let mut identity = Vec::with_capacity(128);
        self.metric.write_identity(&mut identity);
        let content = batch.space.part(self.metric.description);
        batch.metadata(&identity, content, |limits| {
            let family = self.name("")?;
            let kind = self.metric.metric_type();
            let max = limits.label_value_bytes_max;
            let help = lossy(self.metric.description, max);
            let unit = unit_name(&lossy(self.metric.unit, max));
            family_metadata(family.as_bytes(), kind, help.as_bytes(), unit.as_bytes(), limits)
        })
    }

    /// Returns the name of the family with a suffix.
    fn name(&self, suffix: &str) -> Result<String, Invalid> {
        let (metric, max) = (self.metric, self.limits.label_value_bytes_max);
        let (name, unit) = (lossy(metric.name, max), lossy(metric.unit, max));
        let mut name = metric_name(&name, &unit, metric.instrument(), self.options.translation)
            .map_err(|e| Invalid::new(Reason::InvalidName, e.to_string()))?;
        name.push_str(suffix);
        Ok(name)
    }
}

/// Which of a point's series it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// The only one.
    Whole,
    /// The classic bucket that ends here.
    Bucket(f64),
    /// The sum of a histogram or summary.
    Sum,
    /// The count of a histogram or summary.
    Count,
    /// This quantile of a summary.
    Quantile(f64),
}

impl Part {
    /// Returns what tells it from the other parts of the point.
    fn identity(self) -> (u8, u64) {
        match self {
            Self::Whole => (0, 0),
            Self::Bucket(bound) => (1, bound.to_bits()),
            Self::Sum => (2, 0),
            Self::Count => (3, 0),
            Self::Quantile(quantile) => (4, quantile.to_bits()),
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Whole | Self::Quantile(_) => "",
            Self::Bucket(_) => "_bucket",
            Self::Sum => "_sum",
            Self::Count => "_count",
        }
    }

    fn label(self) -> Option<(&'static str, String)> {
        match self {
            Self::Bucket(bound) => Some((LE, bound_text(bound))),
            Self::Quantile(quantile) => Some(("quantile", bound_text(quantile))),
            Self::Whole | Self::Sum | Self::Count => None,
        }
    }
}

/// One series of one point.
#[derive(Debug)]
pub(super) struct PointLabels<'f> {
    family: &'f Family<'f>,
    attributes: &'f Run<'f>,
    /// Hash of the attributes.
    attributes_key: u128,
    part: Part,
    built: Built,
}

impl<'f> PointLabels<'f> {
    pub(super) fn new(
        family: &'f Family<'f>,
        attributes: &'f Run<'f>,
        attributes_key: u128,
        part: Part,
    ) -> Self {
        Self { family, attributes, attributes_key, part, built: Built::default() }
    }

    fn build(&self) -> Result<Labels, Fault> {
        // Where there are no labels the message cannot show them.
        self.try_build().map_err(|fault| match fault {
            Fault::Invalid(Invalid { reason, message }) => {
                let metric = shown(self.family.metric.name);
                Invalid::new(reason, format!("{message} (metric {metric})")).into()
            }
            wire @ Fault::Wire(_) => wire,
        })
    }

    fn try_build(&self) -> Result<Labels, Fault> {
        let Family { options, limits, resource, scope, metric, .. } = *self.family;
        let mut labels = Names::new(options, limits);
        let mut attributes = Vec::new();
        let mut total = 0;
        self.attributes.each(|key, value| {
            total += 1;
            if total <= limits.labels_max {
                attributes.push((key, value));
            }
        })?;
        if total > limits.labels_max {
            let message = format!("{total} attributes, limit is {} labels", limits.labels_max);
            return Err(Invalid::new(Reason::TooManyLabels, message).into());
        }
        labels.join(attributes)?;
        if !options.promote.is_nothing() {
            labels.promote(resource, &options.promote)?;
        }
        if options.scope_labels && !scope.name.is_empty() {
            labels.scope(scope)?;
        }
        labels.target(resource)?;
        if options.type_and_unit_labels {
            labels.set("__type__", metric.metric_type().as_str().to_owned());
            let unit = lossy(metric.unit, limits.label_value_bytes_max);
            labels.set("__unit__", unit_name(&unit));
        }
        if metric.is_delta() {
            labels.set(TEMPORALITY.0, TEMPORALITY.1.to_owned());
        }
        if let Some((name, value)) = self.part.label() {
            labels.set(name, value);
        }
        labels.set(METRIC_NAME, self.family.name(self.part.suffix())?);
        Ok(labels.made)
    }
}

impl RawLabels for PointLabels<'_> {
    fn key(&self, space: &KeySpace) -> u128 {
        let (part, bits) = self.part.identity();
        let part = u128::from(bits) << 8 | u128::from(part);
        let identity = [self.family.key, self.attributes_key, part].map(u128::to_le_bytes);
        space.key(identity.as_flattened())
    }

    fn each<'b>(&'b self, pair: &mut dyn FnMut(&'b [u8], &'b [u8])) -> Result<()> {
        self.built.each(|| self.build(), pair)
    }

    fn check(&self) -> Result<(), Invalid> {
        self.built.check(|| self.build())
    }
}

/// Label names and values.
pub(super) type Labels = BTreeMap<String, String>;

/// Why there are no labels.
#[derive(Debug)]
pub(super) enum Fault {
    Wire(WireError),
    Invalid(Invalid),
}

impl From<WireError> for Fault {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl From<Invalid> for Fault {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// Labels that are built when they are first asked for.
#[derive(Debug, Default)]
pub(super) struct Built(OnceCell<Result<Labels, Fault>>);

impl Built {
    /// Hands over each label; none where there is something wrong with them.
    pub(super) fn each<'b>(
        &'b self,
        build: impl FnOnce() -> Result<Labels, Fault>,
        pair: &mut dyn FnMut(&'b [u8], &'b [u8]),
    ) -> Result<()> {
        match self.0.get_or_init(build) {
            Ok(labels) => labels.iter().for_each(|(n, v)| pair(n.as_bytes(), v.as_bytes())),
            Err(Fault::Wire(error)) => return Err((*error).into()),
            Err(Fault::Invalid(_)) => {}
        }
        Ok(())
    }

    /// Returns what is wrong with the labels.
    pub(super) fn check(
        &self,
        build: impl FnOnce() -> Result<Labels, Fault>,
    ) -> Result<(), Invalid> {
        match self.0.get_or_init(build) {
            Err(Fault::Invalid(invalid)) => Err(invalid.clone()),
            Ok(_) | Err(Fault::Wire(_)) => Ok(()),
        }
    }
}

/// Labels under construction.
pub(super) struct Names<'o> {
    rules: LabelRules,
    limits: &'o Limits,
    pub(super) made: Labels,
}

impl<'o> Names<'o> {
    pub(super) fn new(options: &Options, limits: &'o Limits) -> Self {
        let escape = options.translation.escapes();
        let rules = LabelRules { escape, ..options.label_rules };
        Self { rules, limits, made: Labels::new() }
    }

    /// Adds attributes. Values whose keys become the same name are joined, in the order of the keys;
    /// of a key that repeats the last value counts.
    pub(super) fn join(&mut self, mut attributes: Vec<(&[u8], RawValue<'_>)>) -> Result<(), Fault> {
        attributes.sort_by_key(|(key, _)| *key);
        for (at, (key, value)) in attributes.iter().enumerate() {
            if attributes.get(at + 1).is_some_and(|(next, _)| next == key) {
                continue;
            }
            let (name, value) = (self.name(key)?, self.value(value)?);
            match self.made.entry(name) {
                Entry::Vacant(free) => drop(free.insert(value)),
                Entry::Occupied(mut taken) => {
                    taken.get_mut().push(';');
                    taken.get_mut().push_str(&value);
                }
            }
        }
        Ok(())
    }

    fn promote(&mut self, resource: &Resource<'_>, promote: &super::Promote) -> Result<(), Fault> {
        let mut attributes: Vec<_> = resource.attributes.iter().collect();
        attributes.sort_by_key(|(key, _)| *key);
        for (key, value) in attributes.into_iter().filter(|(key, _)| promote.takes(key)) {
            let (name, value) = (self.name(key)?, self.value(&value)?);
            self.made.entry(name).or_insert(value);
        }
        Ok(())
    }

    fn scope(&mut self, scope: &Scope<'_>) -> Result<(), Fault> {
        let max = self.limits.label_value_bytes_max;
        self.set("otel_scope_name", lossy(scope.name, max));
        self.set("otel_scope_version", lossy(scope.version, max));
        self.set("otel_scope_schema_url", lossy(scope.schema_url, max));
        for (key, value) in scope.attributes.iter() {
            let key = [b"otel_scope_", key].concat();
            let (name, value) = (self.name(&key)?, self.value(&value)?);
            self.made.insert(name, value);
        }
        Ok(())
    }

    /// Sets `job` and `instance`.
    pub(super) fn target(&mut self, resource: &Resource<'_>) -> Result<(), Fault> {
        if let Some(service) = resource.attributes.get(SERVICE_NAME) {
            let mut job = self.value(service)?;
            if let Some(namespace) = resource.attributes.get(SERVICE_NAMESPACE) {
                job = format!("{}/{job}", self.value(namespace)?);
            }
            self.set("job", job);
        }
        if let Some(instance) = resource.attributes.get(SERVICE_INSTANCE) {
            let instance = self.value(instance)?;
            self.set("instance", instance);
        }
        Ok(())
    }

    pub(super) fn set(&mut self, name: &str, value: String) {
        self.made.insert(name.to_owned(), value);
    }

    /// Makes a label name.
    pub(super) fn name(&self, key: &[u8]) -> Result<String, Invalid> {
        let key = lossy(key, self.limits.label_name_bytes_max);
        let name = self.rules.name(&key);
        let name =
            name.map_err(|e| Invalid::new(Reason::InvalidName, format!("attribute: {e}")))?;
        Ok(name.into_owned())
    }

    fn value(&self, value: &RawValue<'_>) -> Result<String, WireError> {
        let max = self.limits.label_value_bytes_max;
        match *value {
            RawValue::Empty => Ok(String::new()),
            RawValue::Text(bytes) => Ok(lossy(bytes, max)),
            RawValue::Double(double) => Ok(double_text(double)),
            RawValue::Bytes(bytes) => {
                let mut out = String::new();
                write_base64(&mut out, bytes.get(..max).unwrap_or(bytes));
                Ok(out)
            }
            _ => {
                let mut scratch = String::new();
                let caps = Caps { bytes: beyond(max), ..Caps::attribute(self.limits) };
                value.text(caps, &mut scratch, &mut Changes::default()).map(str::to_owned)
            }
        }
    }
}

/// Text that is longer than allowed is cut behind the limit, so that it is still seen to be longer
/// and costs no more than that.
fn beyond(max: usize) -> usize {
    max.saturating_add(4)
}

/// Returns a text of the wire with what is not UTF-8 replaced.
pub(super) fn lossy(bytes: &[u8], max: usize) -> String {
    let mut scratch = String::new();
    text(bytes, beyond(max), &mut scratch, &mut Changes::default()).to_owned()
}

/// Returns a bucket's bound or a quantile as Prometheus spells it.
fn bound_text(bound: f64) -> String {
    match bound {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        bound => bound.to_string(),
    }
}

/// Returns a double as the attribute of a series: very large and very small ones with an exponent.
fn double_text(double: f64) -> String {
    let size = double.abs();
    if !double.is_finite() || size == 0.0 || (1e-6..1e21).contains(&size) {
        return bound_text(double);
    }
    let text = format!("{double:e}");
    match text.split_once('e') {
        Some((digits, power)) if !power.starts_with('-') => format!("{digits}e+{power}"),
        _ => text,
    }
}
