//! `HistogramDataPoint`: buckets with bounds of their own.
//!
//! As classic series: a cumulative count per bound, the last one of everything, sum and count. Or as
//! one native histogram with the same bounds.

use tarn_model::error::Result;
use tarn_model::sample::{CUSTOM_SCHEMA, Counts, Histogram};

use super::labels::{Family, Part, PointLabels};
use super::native::{self, Buckets, invalid};
use super::point::{Capped, Common};
use super::{Walk, exemplar};
use crate::batch::{Float, RowSink};
use crate::decode::wire::{DEPTH_MAX, Reader, WireError};
use crate::validate::Invalid;

/// A point. Its lists live from point to point.
#[derive(Debug, Default)]
struct Explicit<'a> {
    common: Common<'a>,
    count: u64,
    sum: Option<f64>,
}

/// Bounds and counts of a point.
#[derive(Debug, Default)]
pub(super) struct ExplicitScratch {
    bounds: Capped<f64>,
    counts: Capped<u64>,
}

impl ExplicitScratch {
    /// Makes room for points of up to `max` bounds.
    pub(super) fn new(max: usize) -> Self {
        Self { bounds: Capped::new(max), counts: Capped::new(max.saturating_add(1)) }
    }

    /// Walks over a point: 2 start, 3 time, 4 count, 5 sum, 6 counts, 7 bounds, 8 exemplars,
    /// 9 attributes, 10 flags.
    fn survey<'a>(&mut self, mut message: Reader<'a>) -> Result<Explicit<'a>, WireError> {
        self.bounds.clear();
        self.counts.clear();
        let mut point = Explicit::default();
        while !message.is_empty() {
            let before = message;
            let (number, wire) = message.tag()?;
            match number {
                2 => point.common.start = message.fixed64(wire)?,
                3 => point.common.time = message.fixed64(wire)?,
                4 => point.count = message.fixed64(wire)?,
                5 => point.sum = Some(message.double(wire)?),
                6 => message.each_double(wire, |bits| self.counts.push(bits.to_bits()))?,
                7 => message.each_double(wire, |bound| self.bounds.push(bound))?,
                8 => point.common.exemplar(message.message(wire)?),
                9 => point.common.attributes.add(before, wire, &mut message)?,
                10 => point.common.flags = message.uint32(wire)?,
                _ => message.skip(number, wire, DEPTH_MAX)?,
            }
        }
        Ok(point)
    }

    fn check(&self, stale: bool) -> Result<(), Invalid> {
        let (bounds, counts) = (self.bounds.total, self.counts.total);
        if bounds > self.bounds.kept.len() || counts > self.counts.kept.len() {
            return Err(native::too_many(bounds.max(counts), self.bounds.max()));
        }
        if !stale && counts != bounds + 1 && (counts, bounds) != (0, 0) {
            return Err(invalid(format!("{counts} bucket counts for {bounds} bounds")));
        }
        match self.bounds.kept.iter().any(|bound| bound.is_nan()) {
            true => Err(invalid("a bucket's bound is NaN".to_owned())),
            false => Ok(()),
        }
    }

    /// Makes a native histogram with custom bounds.
    fn native(&self, family: &Family<'_>, point: &Explicit<'_>) -> Result<Histogram, Invalid> {
        if point.common.is_stale() {
            return Ok(native::stale(CUSTOM_SCHEMA, family.metric));
        }
        let bounds = &self.bounds.kept;
        if !bounds.array_windows().all(|[a, b]| a < b) || bounds.last() == Some(&f64::INFINITY) {
            let message = "bounds must ascend and leave out +Inf";
            return Err(invalid(message.to_owned()));
        }
        let mut buckets = Buckets::default();
        match self.counts.kept.as_slice() {
            [] => buckets.add(0, point.count)?,
            counts => {
                for (index, count) in (0i64..).zip(counts) {
                    buckets.add(index, *count)?;
                }
            }
        }
        let sum = point.sum.unwrap_or_default();
        native::check_count(point.count, 0, sum, &buckets.counts)?;
        let Buckets { indexes, counts } = buckets;
        Ok(Histogram {
            schema: CUSTOM_SCHEMA,
            bounds: bounds.clone(),
            zero_threshold: 0.0,
            sum,
            positive: indexes,
            negative: Vec::new(),
            counts: Counts::Int { count: point.count, zero: 0, buckets: counts },
            reset_hint: native::reset_hint(family.metric),
        })
    }
}

/// Pushes a point of a histogram.
pub(super) fn push<S: RowSink>(
    walk: &mut Walk<'_, '_, S>,
    family: &Family<'_>,
    message: Reader<'_>,
) -> Result<()> {
    let mut scratch = std::mem::take(&mut walk.explicit);
    let point = scratch.survey(message)?;
    let pushed = match scratch.check(point.common.is_stale()) {
        Ok(()) if walk.options.native_histograms => custom(walk, family, &point, &scratch),
        Ok(()) => classic(walk, family, &point, &scratch),
        Err(invalid) => {
            walk.reject(family, &invalid);
            Ok(())
        }
    };
    walk.explicit = scratch;
    pushed
}

fn custom<S: RowSink>(
    walk: &mut Walk<'_, '_, S>,
    family: &Family<'_>,
    point: &Explicit<'_>,
    scratch: &ExplicitScratch,
) -> Result<()> {
    let Some(time_ms) = walk.time_ms(family, &point.common) else { return Ok(()) };
    let value = match scratch.native(family, point) {
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

fn classic<S: RowSink>(
    walk: &mut Walk<'_, '_, S>,
    family: &Family<'_>,
    point: &Explicit<'_>,
    scratch: &ExplicitScratch,
) -> Result<()> {
    let Explicit { common, count, sum } = point;
    let Some(time_ms) = walk.time_ms(family, common) else { return Ok(()) };
    let start_ms = common.start_ms(family.metric, time_ms);
    let key = common.attributes.key(&walk.batch.space);
    let labels = |part| PointLabels::new(family, &common.attributes, key, part);
    let row = |value: f64| Float { time_ms, value: common.value(value), start_ms };
    let exemplars = exemplar::collect(&common.exemplars, time_ms, &scratch.bounds.kept)?;
    let mut exemplars = exemplars.as_slice();
    let mut below = 0u64;
    let counts = scratch.counts.kept.iter().copied().chain(std::iter::repeat(0));
    // A bound at +Inf is the bucket of everything, which comes last in any case.
    let bounds = scratch.bounds.kept.iter().copied().filter(|bound| *bound != f64::INFINITY);
    for (at, (bound, inside)) in bounds.zip(counts).enumerate() {
        below = below.saturating_add(inside);
        let (mine, others) =
            exemplars.split_at(exemplars.partition_point(|exemplar| exemplar.bucket <= at));
        exemplars = others;
        walk.float_with_exemplars(&labels(Part::Bucket(bound)), row(below as f64), mine)?;
    }
    let all = labels(Part::Bucket(f64::INFINITY));
    walk.float_with_exemplars(&all, row(*count as f64), exemplars)?;
    if let Some(sum) = sum {
        walk.float(&labels(Part::Sum), row(*sum))?;
    }
    walk.float(&labels(Part::Count), row(*count as f64))
}
