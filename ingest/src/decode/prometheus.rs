//! Prometheus remote write, 1.0 and 2.0: the body, decompressed, → rows.
//!
//! One pass per series and message. A series is first surveyed: where its labels stand and which
//! rows follow; then its raw labels are looked up; then each row is decoded and pushed. Nothing is
//! kept of a series that is done. The two versions differ in how labels, exemplars and metadata are
//! written ([`v1`], [`v2`]); samples and [`histogram`]s are the same messages.
//!
//! Bytes that are no such message make the whole request undecodable. All else that is wrong with a
//! series or row is a problem of that series or row.

use std::sync::Arc;

use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_model::limits::Limits;
use tarn_model::sample::{Exemplar, Metadata, MetricType};

use super::wire::{DEPTH_MAX, Reader, WireError};
use crate::batch::{Batch, Float, Open, RawLabels, RowSink};
use crate::validate::{BadText, Invalid, Reason, shown, text};
use histogram::RawHistogram;

pub(crate) mod histogram;
pub(crate) mod v1;
pub(crate) mod v2;

/// How much deeper groups may nest in the fields of a request, of a series or family, of a row or
/// label, and of what stands in those.
const IN_REQUEST: u32 = DEPTH_MAX;
const IN_SERIES: u32 = DEPTH_MAX - 1;
const IN_ROW: u32 = DEPTH_MAX - 2;
const IN_PART: u32 = DEPTH_MAX - 3;

/// Decodes a sample: 1 value, 2 time, and in 2.0 3 start.
#[inline]
fn sample(mut message: Reader<'_>, with_start: bool) -> Result<Float, WireError> {
    let mut row = Float::default();
    // What every sender writes: the double, then the time.
    if let Some(&[0x09, a, b, c, d, e, f, g, h, 0x10]) = message.rest().first_chunk::<10>() {
        row.value = f64::from_bits(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
        message.advance(10)?;
        row.time_ms = message.varint()? as i64;
    }
    while !message.is_empty() {
        let (number, wire) = message.tag()?;
        match number {
            1 => row.value = message.double(wire)?,
            2 => row.time_ms = message.int64(wire)?,
            3 if with_start => row.start_ms = message.int64(wire)?,
            _ => message.skip(number, wire, IN_ROW)?,
        }
    }
    Ok(row)
}

/// Pushes a histogram sample, or reports why not.
fn push_histogram<S: RowSink, R: RawLabels>(
    batch: &mut Batch<'_, S>,
    open: &mut Open<'_, R>,
    raw: &RawHistogram,
) -> Result<()> {
    match raw.build(batch.limits) {
        Ok(value) => batch.histogram(open, raw.time_ms, value, raw.start_ms),
        Err(invalid) => {
            batch.reject_row(open, &invalid);
            Ok(())
        }
    }
}

/// An exemplar but for its labels, which the versions write differently.
#[derive(Debug, Clone, Copy, Default)]
struct RawExemplar {
    value: f64,
    time_ms: i64,
}

/// Pushes an exemplar, or counts why not.
fn push_exemplar<S: RowSink, R: RawLabels>(
    batch: &mut Batch<'_, S>,
    open: &mut Open<'_, R>,
    labels: Result<LabelSet, Invalid>,
    raw: RawExemplar,
) -> Result<()> {
    match labels {
        Ok(labels) => {
            let exemplar = Exemplar { labels, value: raw.value, time_ms: raw.time_ms };
            batch.exemplar(open, &exemplar)
        }
        Err(invalid) => {
            batch.reject_exemplar(open, &invalid);
            Ok(())
        }
    }
}

/// Translates the number of a metric type, the same in both versions. Unknown numbers are unknown
/// types: a newer sender may have more of them.
fn metric_type(number: u32) -> MetricType {
    match number {
        1 => MetricType::Counter,
        2 => MetricType::Gauge,
        3 => MetricType::Histogram,
        4 => MetricType::GaugeHistogram,
        5 => MetricType::Summary,
        6 => MetricType::Info,
        7 => MetricType::StateSet,
        _ => MetricType::Unknown,
    }
}

/// Checks metadata. Help beyond the limit of a label value is cut: it is prose.
pub(in crate::decode) fn family_metadata(
    family: &[u8],
    metric_type: MetricType,
    help: &[u8],
    unit: &[u8],
    limits: &Limits,
) -> Result<(String, Metadata), Invalid> {
    let max = limits.label_value_bytes_max;
    let invalid = |what: &str| {
        Invalid::new(Reason::InvalidMetadata, format!("{what} (metric family {})", shown(family)))
    };
    if family.is_empty() || family.len() > max || unit.len() > max {
        return Err(invalid(&format!(
            "name is empty, or it or the unit is longer than {max} bytes"
        )));
    }
    let bad = |_: BadText| invalid("name, unit or help is not UTF-8 or contains NUL");
    let family = text(family).map_err(bad)?.to_owned();
    let unit: Arc<str> = text(unit).map_err(bad)?.into();
    let help = text(help).map_err(bad)?;
    let (help, _) = help.split_at(help.floor_char_boundary(max));
    Ok((family, Metadata { metric_type, unit, help: help.into() }))
}

#[cfg(test)]
mod tests;
