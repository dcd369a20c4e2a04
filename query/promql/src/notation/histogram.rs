//! Histogram literals: `{{schema:1 sum:-0.3 buckets:[5 10 7] offset:-3}}`.

use tarn_model::sample::{CUSTOM_SCHEMA, Counts, Histogram, ResetHint};

use super::scan::Scanner;
use crate::parse::ParseError;

/// The buckets of one sign: absolute counts from `offset` on.
#[derive(Default)]
struct Side {
    offset: i32,
    counts: Vec<f64>,
}

/// What the keys of a literal say; what is not written is zero.
#[derive(Default)]
struct Fields {
    schema: i32,
    sum: f64,
    count: f64,
    zero: f64,
    zero_threshold: f64,
    bounds: Vec<f64>,
    positive: Side,
    negative: Side,
    hint: Option<ResetHint>,
}

/// Parses what follows `{{` up to and including `}}`. Returns the histogram and whether it states
/// a counter-reset hint.
pub(super) fn body(scanner: &mut Scanner<'_>) -> Result<(Histogram, bool), ParseError> {
    let mut fields = Fields::default();
    let mut seen = Vec::new();
    scanner.skip_spaces();
    while !scanner.accept("}}") {
        let key = scanner.take_while(|c| c.is_ascii_alphabetic() || c == '_');
        if seen.contains(&key) {
            return scanner.fail(format!("duplicate key {key:?} in histogram"));
        }
        if !scanner.accept(":") {
            return scanner.fail(format!("missing `:` behind {key:?} in histogram"));
        }
        seen.push(key);
        field(scanner, key, &mut fields)?;
        if !scanner.skip_spaces() && !scanner.is_at("}}") {
            return scanner.fail("keys of a histogram must be divided by spaces");
        }
    }
    let hint_given = fields.hint.is_some();
    Ok((build(scanner, fields)?, hint_given))
}

fn field(scanner: &mut Scanner<'_>, key: &str, fields: &mut Fields) -> Result<(), ParseError> {
    match key {
        "schema" => fields.schema = scanner.integer()?,
        "sum" => fields.sum = scanner.signed_number()?,
        "count" => fields.count = scanner.signed_number()?,
        "z_bucket" => fields.zero = scanner.signed_number()?,
        "z_bucket_w" => fields.zero_threshold = scanner.signed_number()?,
        "custom_values" => fields.bounds = list(scanner)?,
        "buckets" => fields.positive.counts = list(scanner)?,
        "offset" => fields.positive.offset = scanner.integer()?,
        "n_buckets" => fields.negative.counts = list(scanner)?,
        "n_offset" => fields.negative.offset = scanner.integer()?,
        "counter_reset_hint" => fields.hint = Some(hint(scanner)?),
        _ => return scanner.fail(format!("{key:?} is no key of a histogram")),
    }
    Ok(())
}

fn hint(scanner: &mut Scanner<'_>) -> Result<ResetHint, ParseError> {
    match scanner.take_while(|c| c.is_ascii_alphabetic() || c == '_') {
        "unknown" => Ok(ResetHint::Unknown),
        "reset" => Ok(ResetHint::Reset),
        "not_reset" => Ok(ResetHint::NotReset),
        "gauge" => Ok(ResetHint::Gauge),
        other => scanner.fail(format!("{other:?} is no counter reset hint")),
    }
}

fn list(scanner: &mut Scanner<'_>) -> Result<Vec<f64>, ParseError> {
    if !scanner.accept("[") {
        return scanner.fail("expected a list of numbers in brackets");
    }
    let mut values = Vec::new();
    loop {
        scanner.skip_spaces();
        if scanner.accept("]") {
            return Ok(values);
        }
        values.push(scanner.signed_number()?);
    }
}

fn build(scanner: &Scanner<'_>, fields: Fields) -> Result<Histogram, ParseError> {
    let Fields { schema, bounds, positive, negative, .. } = fields;
    if schema != CUSTOM_SCHEMA && !(-4..=8).contains(&schema) {
        return scanner.fail(format!("schema {schema} is neither -53 nor between -4 and 8"));
    }
    let (positive_at, mut buckets) = side(scanner, positive)?;
    let (negative_at, negative) = side(scanner, negative)?;
    buckets.extend(negative);
    Ok(Histogram {
        schema,
        bounds,
        zero_threshold: fields.zero_threshold,
        sum: fields.sum,
        positive: positive_at,
        negative: negative_at,
        counts: Counts::Float { count: fields.count, zero: fields.zero, buckets },
        reset_hint: fields.hint.unwrap_or_default(),
    })
}

/// Returns the indexes and the counts of a side.
fn side(scanner: &Scanner<'_>, side: Side) -> Result<(Vec<i32>, Vec<f64>), ParseError> {
    let indexes: Option<Vec<i32>> = (0..side.counts.len())
        .map(|at| i32::try_from(at).ok().and_then(|at| side.offset.checked_add(at)))
        .collect();
    match indexes {
        Some(indexes) => Ok((indexes, side.counts)),
        None => scanner.fail("bucket indexes exceed 32 bits"),
    }
}
