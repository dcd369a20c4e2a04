//! Native histograms on Prometheus' wire → `tarn_model::sample::Histogram`.
//!
//! On the wire buckets are spans (a gap, then a run) with counts beside them: integers as deltas
//! from bucket to bucket, floats absolute. Stored are bucket indexes and absolute counts. A count
//! that does not add up, a bucket that is negative or lies nowhere makes the sample invalid; the
//! rules are upstream's. Exponential resolutions finer than we store are merged down, which loses
//! resolution and no observation.

use tarn_model::limits::Limits;
use tarn_model::sample::{CUSTOM_SCHEMA, Counts, Histogram, ResetHint};

use super::IN_ROW;
use crate::decode::wire::{Reader, WireError};
use crate::validate::{Invalid, Reason};

mod buckets;

use buckets::{Capped, Side, merge};

/// Coarsest and finest exponential schema that is stored.
const SCHEMA_MIN: i32 = -4;
const SCHEMA_MAX: i32 = 8;
/// Finest schema that the format reserves; it is merged down on arrival.
const SCHEMA_RESERVED_MAX: i32 = 52;

/// A histogram as it came. Lives as long as its decoder: the buffers go from sample to sample.
#[derive(Debug)]
pub(crate) struct RawHistogram {
    pub(crate) time_ms: i64,
    pub(crate) start_ms: i64,
    count: Option<Number>,
    zero: Option<Number>,
    sum: f64,
    schema: i32,
    zero_threshold: f64,
    reset_hint: u32,
    positive: Side,
    negative: Side,
    bounds: Capped<f64>,
}

/// A count, as an integer histogram or a float one has it.
#[derive(Debug, Clone, Copy)]
enum Number {
    Int(u64),
    Float(f64),
}

impl RawHistogram {
    /// Makes the buffers for samples of up to `buckets_max` buckets.
    pub(crate) fn new(buckets_max: usize) -> Self {
        Self {
            time_ms: 0,
            start_ms: 0,
            count: None,
            zero: None,
            sum: 0.0,
            schema: 0,
            zero_threshold: 0.0,
            reset_hint: 0,
            positive: Side::new(buckets_max),
            negative: Side::new(buckets_max),
            bounds: Capped::new(buckets_max),
        }
    }

    fn clear(&mut self) {
        (self.time_ms, self.start_ms) = (0, 0);
        (self.count, self.zero) = (None, None);
        (self.sum, self.zero_threshold) = (0.0, 0.0);
        (self.schema, self.reset_hint) = (0, 0);
        self.positive.clear();
        self.negative.clear();
        self.bounds.clear();
    }

    /// Decodes a message in place of the one before. The field numbers are those of both versions.
    pub(crate) fn decode(&mut self, mut message: Reader<'_>) -> Result<(), WireError> {
        self.clear();
        while !message.is_empty() {
            let (number, wire) = message.tag()?;
            match number {
                1 => self.count = Some(Number::Int(message.uint64(wire)?)),
                2 => self.count = Some(Number::Float(message.double(wire)?)),
                3 => self.sum = message.double(wire)?,
                4 => self.schema = message.sint32(wire)?,
                5 => self.zero_threshold = message.double(wire)?,
                6 => self.zero = Some(Number::Int(message.uint64(wire)?)),
                7 => self.zero = Some(Number::Float(message.double(wire)?)),
                8..=10 => self.negative.field(number - 8, wire, &mut message)?,
                11..=13 => self.positive.field(number - 11, wire, &mut message)?,
                14 => self.reset_hint = message.uint32(wire)?,
                15 => self.time_ms = message.int64(wire)?,
                16 => message.each_double(wire, |bound| self.bounds.push(bound))?,
                17 => self.start_ms = message.int64(wire)?,
                _ => message.skip(number, wire, IN_ROW)?,
            }
        }
        Ok(())
    }

    /// Checks the sample and makes its stored form.
    ///
    /// # Errors
    /// What is wrong with it, and the limit where there is one.
    pub(crate) fn build(&self, limits: &Limits) -> Result<Histogram, Invalid> {
        self.check_size(limits)?;
        self.check_schema()?;
        let mut histogram = Histogram {
            schema: self.schema,
            bounds: self.bounds.kept.clone(),
            zero_threshold: self.zero_threshold,
            sum: self.sum,
            positive: Vec::new(),
            negative: Vec::new(),
            counts: Counts::Int { count: 0, zero: 0, buckets: Vec::new() },
            reset_hint: match self.reset_hint {
                1 => ResetHint::Reset,
                2 => ResetHint::NotReset,
                3 => ResetHint::Gauge,
                _ => ResetHint::Unknown,
            },
        };
        match self.count.unwrap_or(Number::Int(0)) {
            Number::Int(count) => self.fill_int(count, &mut histogram)?,
            Number::Float(count) => self.fill_float(count, &mut histogram)?,
        }
        Ok(histogram)
    }

    fn check_size(&self, limits: &Limits) -> Result<(), Invalid> {
        let max = limits.histogram_buckets_max;
        let buckets = [&self.positive, &self.negative].map(|s| s.deltas.total.max(s.counts.total));
        let total = buckets.iter().sum::<usize>().max(self.bounds.total);
        let overflows = self.positive.overflows() || self.negative.overflows();
        if total > max || overflows || self.bounds.overflows() {
            let spans = self.positive.spans.total.max(self.negative.spans.total);
            let message =
                format!("histogram has {total} buckets or bounds in {spans} spans, limit is {max}");
            return Err(Invalid::new(Reason::TooManyBuckets, message));
        }
        Ok(())
    }

    fn check_schema(&self) -> Result<(), Invalid> {
        if self.schema == CUSTOM_SCHEMA {
            return self.check_custom();
        }
        if !(SCHEMA_MIN..=SCHEMA_RESERVED_MAX).contains(&self.schema) {
            return invalid(format!(
                "histogram schema {} is neither {SCHEMA_MIN} to {SCHEMA_MAX} nor {CUSTOM_SCHEMA}",
                self.schema
            ));
        }
        if self.bounds.total > 0 {
            return invalid("histogram with an exponential schema has custom bounds");
        }
        // A NaN is no width either.
        if self.zero_threshold.is_nan() || self.zero_threshold < 0.0 {
            return invalid(format!("histogram zero threshold is {}", self.zero_threshold));
        }
        Ok(())
    }

    fn check_custom(&self) -> Result<(), Invalid> {
        let bounds = &self.bounds.kept;
        let ascending = bounds.array_windows().all(|[a, b]| a < b);
        if !ascending || bounds.iter().any(|b| b.is_nan() || *b == f64::INFINITY) {
            return invalid("histogram bounds must be ascending numbers, without +Inf");
        }
        let zero = match self.zero {
            None | Some(Number::Int(0)) => true,
            Some(Number::Int(_)) => false,
            Some(Number::Float(zero)) => zero == 0.0,
        };
        if !zero || self.zero_threshold != 0.0 || !self.negative.is_empty() {
            return invalid("histogram with custom bounds has a zero bucket or negative buckets");
        }
        let inside = 0..=bounds.len() as i64;
        let indexes = self.positive.indexes(0)?;
        match indexes.iter().find(|index| !inside.contains(&i64::from(**index))) {
            Some(index) => {
                invalid(format!("histogram bucket {index} is beyond {} bounds", bounds.len()))
            }
            None => Ok(()),
        }
    }

    fn fill_int(&self, count: u64, into: &mut Histogram) -> Result<(), Invalid> {
        let zero = match self.zero {
            None => 0,
            Some(Number::Int(zero)) => zero,
            Some(Number::Float(_)) => return invalid("integer histogram has a float zero count"),
        };
        if self.positive.counts.total + self.negative.counts.total > 0 {
            return invalid("integer histogram has float bucket counts");
        }
        let reduce = self.reduce();
        let (positive, mut buckets) =
            merge(&self.positive.indexes(reduce)?, &self.positive.absolute()?, saturating)?;
        let (negative, negative_buckets) =
            merge(&self.negative.indexes(reduce)?, &self.negative.absolute()?, saturating)?;
        buckets.extend(negative_buckets);
        let in_buckets: i128 = buckets.iter().map(|b| i128::from(*b)).sum();
        let (found, told) = (in_buckets + i128::from(zero), i128::from(count));
        // NaN observations are counted and lie in no bucket.
        let adds_up = if self.sum.is_nan() { found <= told } else { found == told };
        if !adds_up {
            return invalid(format!(
                "histogram count is {told}, its buckets hold {found} observations"
            ));
        }
        into.schema -= reduce.cast_signed();
        (into.positive, into.negative) = (positive, negative);
        into.counts = Counts::Int { count, zero, buckets };
        Ok(())
    }

    fn fill_float(&self, count: f64, into: &mut Histogram) -> Result<(), Invalid> {
        let zero = match self.zero {
            None => 0.0,
            Some(Number::Float(zero)) => zero,
            Some(Number::Int(_)) => return invalid("float histogram has an integer zero count"),
        };
        if self.positive.deltas.total + self.negative.deltas.total > 0 {
            return invalid("float histogram has integer bucket counts");
        }
        let reduce = self.reduce();
        let add = |a: f64, b: f64| a + b;
        let (positive, mut buckets) =
            merge(&self.positive.indexes(reduce)?, &self.positive.counts.kept, add)?;
        let (negative, negative_buckets) =
            merge(&self.negative.indexes(reduce)?, &self.negative.counts.kept, add)?;
        buckets.extend(negative_buckets);
        let negative_count = buckets.iter().chain([&zero, &count]).find(|n| **n < 0.0);
        if let Some(n) = negative_count {
            return invalid(format!("histogram has a count of {n}"));
        }
        into.schema -= reduce.cast_signed();
        (into.positive, into.negative) = (positive, negative);
        into.counts = Counts::Float { count, zero, buckets };
        Ok(())
    }

    /// Returns by how many steps the resolution is merged down.
    fn reduce(&self) -> u32 {
        u32::try_from(self.schema - SCHEMA_MAX).unwrap_or(0)
    }
}

fn saturating(a: i64, b: i64) -> i64 {
    a.saturating_add(b)
}

/// Rejects the sample.
fn invalid<T>(message: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid::new(Reason::InvalidHistogram, message))
}
