//! `SummaryDataPoint`: sum, count and one sample per quantile.

use tarn_model::error::Result;

use super::Walk;
use super::labels::{Family, Part, PointLabels};
use super::point::Common;
use crate::batch::{Float, RowSink};
use crate::decode::wire::{DEPTH_MAX, Reader, WireError};

/// A point but for its quantiles, which are read as they are pushed.
#[derive(Debug, Default)]
struct Summary<'a> {
    common: Common<'a>,
    count: u64,
    sum: f64,
}

/// Walks over a point: 2 start, 3 time, 4 count, 5 sum, 6 quantiles, 7 attributes, 8 flags.
fn survey(mut message: Reader<'_>) -> Result<Summary<'_>, WireError> {
    let mut point = Summary::default();
    while !message.is_empty() {
        let before = message;
        let (number, wire) = message.tag()?;
        match number {
            2 => point.common.start = message.fixed64(wire)?,
            3 => point.common.time = message.fixed64(wire)?,
            4 => point.count = message.fixed64(wire)?,
            5 => point.sum = message.double(wire)?,
            6 => drop(message.message(wire)?),
            7 => point.common.attributes.add(before, wire, &mut message)?,
            8 => point.common.flags = message.uint32(wire)?,
            _ => message.skip(number, wire, DEPTH_MAX)?,
        }
    }
    Ok(point)
}

/// Walks over a `ValueAtQuantile`: 1 quantile, 2 value.
fn quantile(mut message: Reader<'_>) -> Result<(f64, f64), WireError> {
    let (mut quantile, mut value) = (0.0, 0.0);
    while !message.is_empty() {
        let (number, wire) = message.tag()?;
        match number {
            1 => quantile = message.double(wire)?,
            2 => value = message.double(wire)?,
            _ => message.skip(number, wire, DEPTH_MAX)?,
        }
    }
    Ok((quantile, value))
}

/// Pushes a point of a summary.
pub(super) fn push<S: RowSink>(
    walk: &mut Walk<'_, '_, S>,
    family: &Family<'_>,
    message: Reader<'_>,
) -> Result<()> {
    let Summary { common, count, sum } = survey(message)?;
    let Some(time_ms) = walk.time_ms(family, &common) else { return Ok(()) };
    let start_ms = common.start_ms(family.metric, time_ms);
    let key = common.attributes.key(&walk.batch.space);
    let mut row = |part: Part, value: f64| {
        let labels = PointLabels::new(family, &common.attributes, key, part);
        walk.float(&labels, Float { time_ms, value: common.value(value), start_ms })
    };
    row(Part::Sum, sum)?;
    row(Part::Count, count as f64)?;
    super::each(message, 6, |message| {
        let (at, value) = quantile(message)?;
        row(Part::Quantile(at), value)
    })
}
