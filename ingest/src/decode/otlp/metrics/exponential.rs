//! `ExponentialHistogramDataPoint` → native histogram.
//!
//! Bucket `i` of OTLP covers (base^i, base^(i+1)], bucket `i` of Prometheus (base^(i-1), base^i], so
//! indexes move by one. A scale above 8 is finer than is stored: buckets are merged by twos until it
//! is 8, which loses resolution and no observation.

use tarn_model::error::Result;
use tarn_model::sample::{Counts, Histogram};

use super::labels::{Family, Part, PointLabels};
use super::native::{self, Buckets, invalid};
use super::point::{Capped, Common};
use super::{Walk, exemplar};
use crate::batch::RowSink;
use crate::decode::wire::{DEPTH_MAX, Reader, WireError};
use crate::validate::Invalid;

/// Coarsest and finest scale that is stored.
const SCALE_MIN: i32 = -4;
const SCALE_MAX: i32 = 8;

/// Width of the zero bucket where the sender tells none: as good as zero.
const ZERO_THRESHOLD: f64 = 1e-128;

/// A point but for its buckets.
#[derive(Debug, Default)]
struct Exponential<'a> {
    common: Common<'a>,
    count: u64,
    sum: f64,
    scale: i32,
    zero: u64,
    zero_threshold: f64,
}

/// The buckets of a point; they live from point to point.
#[derive(Debug, Default)]
pub(super) struct ExponentialScratch {
    positive: Side,
    negative: Side,
}

/// The positive or the negative buckets.
#[derive(Debug, Default)]
struct Side {
    offset: i32,
    counts: Capped<u64>,
}

impl Side {
    fn clear(&mut self) {
        self.offset = 0;
        self.counts.clear();
    }

    /// Walks over `Buckets`: 1 offset, 2 counts.
    fn merge(&mut self, mut message: Reader<'_>) -> Result<(), WireError> {
        while !message.is_empty() {
            let (number, wire) = message.tag()?;
            match number {
                1 => self.offset = message.sint32(wire)?,
                2 => message.each_varint(wire, |count| self.counts.push(count))?,
                _ => message.skip(number, wire, DEPTH_MAX)?,
            }
        }
        Ok(())
    }

    fn buckets(&self, merged: u32) -> Result<Buckets, Invalid> {
        let mut buckets = Buckets::default();
        for (index, count) in (i64::from(self.offset)..).zip(&self.counts.kept) {
            buckets.add((index >> merged) + 1, *count)?;
        }
        Ok(buckets)
    }
}

impl ExponentialScratch {
    /// Makes room for points of up to `max` buckets on each side.
    pub(super) fn new(max: usize) -> Self {
        let side = || Side { offset: 0, counts: Capped::new(max) };
        Self { positive: side(), negative: side() }
    }

    /// Walks over a point: 1 attributes, 2 start, 3 time, 4 count, 5 sum, 6 scale, 7 zero count,
    /// 8 positive and 9 negative buckets, 10 flags, 11 exemplars, 14 zero threshold.
    fn survey<'a>(&mut self, mut message: Reader<'a>) -> Result<Exponential<'a>, WireError> {
        self.positive.clear();
        self.negative.clear();
        let mut point = Exponential::default();
        while !message.is_empty() {
            let before = message;
            let (number, wire) = message.tag()?;
            match number {
                1 => point.common.attributes.add(before, wire, &mut message)?,
                2 => point.common.start = message.fixed64(wire)?,
                3 => point.common.time = message.fixed64(wire)?,
                4 => point.count = message.fixed64(wire)?,
                5 => point.sum = message.double(wire)?,
                6 => point.scale = message.sint32(wire)?,
                7 => point.zero = message.fixed64(wire)?,
                8 => self.positive.merge(message.message(wire)?)?,
                9 => self.negative.merge(message.message(wire)?)?,
                10 => point.common.flags = message.uint32(wire)?,
                11 => point.common.exemplar(message.message(wire)?),
                14 => point.zero_threshold = message.double(wire)?,
                _ => message.skip(number, wire, DEPTH_MAX)?,
            }
        }
        Ok(point)
    }

    fn native(&self, family: &Family<'_>, point: &Exponential<'_>) -> Result<Histogram, Invalid> {
        if point.common.is_stale() {
            return Ok(native::stale(0, family.metric));
        }
        let (positive, negative) = (&self.positive.counts, &self.negative.counts);
        let (total, max) = (positive.total.saturating_add(negative.total), positive.max());
        if total > max {
            return Err(native::too_many(total, max));
        }
        if point.scale < SCALE_MIN {
            return Err(invalid(format!("scale is {}, the least is {SCALE_MIN}", point.scale)));
        }
        // A NaN is no width either.
        if point.zero_threshold.is_nan() || point.zero_threshold < 0.0 {
            return Err(invalid(format!("zero threshold is {}", point.zero_threshold)));
        }
        // Shifts by more than 63 are none; all is in one bucket long before.
        let merged = point.scale.saturating_sub(SCALE_MAX).clamp(0, 63).unsigned_abs();
        let positive = self.positive.buckets(merged)?;
        let negative = self.negative.buckets(merged)?;
        let buckets = [positive.counts, negative.counts].concat();
        native::check_count(point.count, point.zero, point.sum, &buckets)?;
        let told = point.zero_threshold > 0.0;
        Ok(Histogram {
            schema: point.scale.min(SCALE_MAX),
            bounds: Vec::new(),
            zero_threshold: if told { point.zero_threshold } else { ZERO_THRESHOLD },
            sum: point.sum,
            positive: positive.indexes,
            negative: negative.indexes,
            counts: Counts::Int { count: point.count, zero: point.zero, buckets },
            reset_hint: native::reset_hint(family.metric),
        })
    }
}

/// Pushes a point of an exponential histogram.
pub(super) fn push<S: RowSink>(
    walk: &mut Walk<'_, '_, S>,
    family: &Family<'_>,
    message: Reader<'_>,
) -> Result<()> {
    let point = walk.exponential.survey(message)?;
    let Some(time_ms) = walk.time_ms(family, &point.common) else { return Ok(()) };
    let value = match walk.exponential.native(family, &point) {
        Ok(value) => value,
        Err(invalid) => {
            walk.reject(family, &invalid);
            return Ok(());
        }
    };
    let key = point.common.attributes.key(&walk.batch.space);
    let labels = PointLabels::new(family, &point.common.attributes, key, Part::Whole);
    let exemplars = exemplar::collect(&point.common.exemplars, time_ms, &[])?;
    let start_ms = point.common.start_ms(family.metric, time_ms);
    walk.native(&labels, (time_ms, start_ms), value, &exemplars)
}
