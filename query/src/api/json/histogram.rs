//! A native histogram as Prometheus shows it: count, sum, and the buckets that are not empty.
//!
//! A bucket is `[rule, "lo", "hi", "count"]`, from the most negative to the most positive one. The
//! rule says which bounds belong to it: 0 = (lo, hi], 1 = [lo, hi), 2 = neither, 3 = both.

use tarn_model::sample::{CUSTOM_SCHEMA, Histogram};

use super::number;

const UPPER_CLOSED: u8 = b'0';
const LOWER_CLOSED: u8 = b'1';
const BOTH_CLOSED: u8 = b'3';

/// Appends a histogram.
pub(crate) fn histogram(out: &mut Vec<u8>, h: &Histogram) {
    out.extend_from_slice(b"{\"count\":\"");
    number::float(out, h.count());
    out.extend_from_slice(b"\",\"sum\":\"");
    number::float(out, h.sum);
    out.push(b'"');
    let mut list = Buckets { out, empty: true };
    for (i, index) in h.negative.iter().enumerate().rev() {
        let (lower, upper) = (-bound(h, *index), -bound(h, index.saturating_sub(1)));
        list.push(LOWER_CLOSED, lower, upper, h.bucket(h.positive.len() + i));
    }
    list.push(BOTH_CLOSED, -h.zero_threshold, h.zero_threshold, h.zero_count());
    for (i, index) in h.positive.iter().enumerate() {
        let (lower, upper) = (bound(h, index.saturating_sub(1)), bound(h, *index));
        // The first custom bucket begins at -Inf, which belongs to it.
        let first = h.schema == CUSTOM_SCHEMA && *index == 0;
        let rule = if first { BOTH_CLOSED } else { UPPER_CLOSED };
        list.push(rule, lower, upper, h.bucket(i));
    }
    list.end();
    out.push(b'}');
}

struct Buckets<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl Buckets<'_> {
    fn push(&mut self, rule: u8, lower: f64, upper: f64, count: f64) {
        if count == 0.0 {
            return;
        }
        self.out.extend_from_slice(if self.empty { b",\"buckets\":[" } else { b"," });
        self.empty = false;
        self.out.extend_from_slice(&[b'[', rule]);
        for number in [lower, upper, count] {
            self.out.extend_from_slice(b",\"");
            number::float(self.out, number);
            self.out.push(b'"');
        }
        self.out.push(b']');
    }

    fn end(self) {
        if !self.empty {
            self.out.push(b']');
        }
    }
}

/// Returns the upper bound of a bucket; that of the bucket before it is its lower bound.
fn bound(h: &Histogram, index: i32) -> f64 {
    if h.schema != CUSTOM_SCHEMA {
        return exponential_bound(h.schema, index);
    }
    match usize::try_from(index) {
        Ok(at) => h.bounds.get(at).copied().unwrap_or(f64::INFINITY),
        Err(_) => f64::NEG_INFINITY,
    }
}

/// Returns 2^(index · 2^-schema).
///
/// The whole part of the exponent is applied exactly, so that bounds of whole powers of two have no
/// error whatever the schema. The bound that stands for everything up to the largest float is that
/// float; +Inf would make it an overflow bucket, which has an index of its own.
fn exponential_bound(schema: i32, index: i32) -> f64 {
    let exponent = if schema <= 0 {
        i64::from(index) << schema.unsigned_abs().min(31)
    } else {
        i64::from(index) >> schema.min(31)
    };
    let fraction = if schema <= 0 { 0 } else { i64::from(index) - (exponent << schema.min(31)) };
    if exponent == 1024 && fraction == 0 {
        return f64::MAX;
    }
    let steps = f64::powi(2.0, schema.clamp(0, 31));
    let mantissa = (fraction as f64 / steps).exp2();
    // Two factors, because 2^1024 overflows and 2^-1074 underflows before the product does.
    let exponent = exponent.clamp(-1200, 1100) as i32;
    let half = exponent / 2;
    mantissa * f64::powi(2.0, half) * f64::powi(2.0, exponent - half)
}

#[cfg(test)]
mod tests;
