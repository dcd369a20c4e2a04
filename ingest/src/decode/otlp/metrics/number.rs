//! `NumberDataPoint`: one float sample.

use tarn_model::error::Result;

use super::labels::{Family, Part, PointLabels};
use super::point::Common;
use super::{Walk, exemplar};
use crate::batch::{Float, RowSink};
use crate::decode::wire::{DEPTH_MAX, Reader, WireError};
use crate::validate::{Invalid, Reason};

/// Walks over a point: 2 start, 3 time, 4 double, 5 exemplars, 6 integer, 7 attributes, 8 flags.
fn survey<'a>(mut message: Reader<'a>) -> Result<(Common<'a>, Option<f64>), WireError> {
    let (mut point, mut value) = (Common::default(), None);
    while !message.is_empty() {
        let before = message;
        let (number, wire) = message.tag()?;
        match number {
            2 => point.start = message.fixed64(wire)?,
            3 => point.time = message.fixed64(wire)?,
            4 => value = Some(message.double(wire)?),
            5 => point.exemplar(message.message(wire)?),
            6 => value = Some(message.fixed64(wire)?.cast_signed() as f64),
            7 => point.attributes.add(before, wire, &mut message)?,
            8 => point.flags = message.uint32(wire)?,
            _ => message.skip(number, wire, DEPTH_MAX)?,
        }
    }
    Ok((point, value))
}

/// Pushes a point of a gauge or sum.
pub(super) fn push<S: RowSink>(
    walk: &mut Walk<'_, '_, S>,
    family: &Family<'_>,
    message: Reader<'_>,
) -> Result<()> {
    let (point, value) = survey(message)?;
    let Some(time_ms) = walk.time_ms(family, &point) else { return Ok(()) };
    if value.is_none() && !point.is_stale() {
        walk.reject(family, &Invalid::new(Reason::NoSamples, "no value is set"));
        return Ok(());
    }
    let row = Float {
        time_ms,
        value: point.value(value.unwrap_or_default()),
        start_ms: point.start_ms(family.metric, time_ms),
    };
    let key = point.attributes.key(&walk.batch.space);
    let labels = PointLabels::new(family, &point.attributes, key, Part::Whole);
    if point.exemplars.is_empty() {
        return walk.float(&labels, row);
    }
    let exemplars = exemplar::collect(&point.exemplars, time_ms, &[])?;
    walk.float_with_exemplars(&labels, row, &exemplars)
}
