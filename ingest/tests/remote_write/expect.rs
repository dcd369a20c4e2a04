//! What a request must decode to, worked out slowly from the oracle's objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_ingest::fuzz::Row;
use tarn_model::labels::{Label as ModelLabel, LabelSet};
use tarn_model::limits::Limits;
use tarn_model::sample::{Counts, Exemplar, Histogram as ModelHistogram, ResetHint};

use super::oracle::{Count, Histogram, Label, Request, WriteRequest, ZeroCount};

const OLDEST_MS: i64 = -62_135_596_800_000;

/// Rows with their labels, in order.
pub(crate) type Rows = Vec<(LabelSet, Row)>;

/// Rows, and whether anything makes the request fail.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) rows: Rows,
    pub(crate) fails: bool,
}

pub(crate) fn one(request: &WriteRequest, limits: &Limits) -> Expected {
    let mut expected = Expected::default();
    for series in &request.timeseries {
        let pairs: Vec<_> = series.labels.iter().map(pair).collect();
        if series.samples.len() + series.exemplars.len() + series.histograms.len() == 0 {
            continue;
        }
        let Some(labels) = series_labels(&pairs, limits) else {
            expected.fails = true;
            continue;
        };
        for s in &series.samples {
            expected.float(&labels, s.timestamp, s.value, 0);
        }
        for e in &series.exemplars {
            let pairs: Vec<_> = e.labels.iter().map(pair).collect();
            expected.exemplar(&labels, &pairs, e.value, e.timestamp, limits);
        }
        for h in &series.histograms {
            expected.histogram(&labels, h, limits);
        }
    }
    expected
}

/// `None`: the request as a whole is refused.
pub(crate) fn two(request: &Request, limits: &Limits) -> Option<Expected> {
    let symbols = &request.symbols;
    if !request.timeseries.is_empty() && symbols.first().is_none_or(|s| !s.is_empty()) {
        return None;
    }
    let mut expected = Expected::default();
    for series in &request.timeseries {
        let labels = resolve(&series.labels_refs, symbols)
            .filter(|_| series.samples.len() + series.histograms.len() > 0)
            .and_then(|pairs| series_labels(&pairs, limits));
        let Some(labels) = labels else {
            expected.fails = true;
            continue;
        };
        for s in &series.samples {
            expected.float(&labels, s.timestamp, s.value, s.start_timestamp);
        }
        for h in &series.histograms {
            expected.histogram(&labels, h, limits);
        }
        for e in &series.exemplars {
            if let Some(pairs) = resolve(&e.labels_refs, symbols) {
                expected.exemplar(&labels, &pairs, e.value, e.timestamp, limits);
            }
        }
    }
    Some(expected)
}

type Pair<'a> = (&'a [u8], &'a [u8]);

fn pair(label: &Label) -> Pair<'_> {
    (&label.name, &label.value)
}

fn resolve<'a>(refs: &[u32], symbols: &'a [Vec<u8>]) -> Option<Vec<Pair<'a>>> {
    let get = |r: u32| symbols.get(r as usize).map(Vec::as_slice);
    if !refs.len().is_multiple_of(2) {
        return None;
    }
    refs.chunks(2).map(|pair| Some((get(pair[0])?, get(pair[1])?))).collect()
}

fn series_labels(pairs: &[Pair<'_>], limits: &Limits) -> Option<LabelSet> {
    let labels = labels(pairs, limits)?;
    let fits = labels.len() <= limits.labels_max;
    (fits && !labels.metric().is_empty()).then_some(labels)
}

fn labels(pairs: &[Pair<'_>], limits: &Limits) -> Option<LabelSet> {
    let mut found = BTreeMap::new();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        let long =
            name.len() > limits.label_name_bytes_max || value.len() > limits.label_value_bytes_max;
        let nul = name.contains(&0) || value.contains(&0);
        let (name, value) = (str::from_utf8(name).ok()?, str::from_utf8(value).ok()?);
        if name.is_empty() || long || nul || found.insert(name, value).is_some() {
            return None;
        }
    }
    Some(found.into_iter().map(|(n, v)| ModelLabel::new(n, v)).collect())
}

impl Expected {
    fn float(&mut self, labels: &LabelSet, time_ms: i64, value: f64, start_ms: i64) {
        let start_ms = if start_ms > time_ms { 0 } else { start_ms };
        self.row(labels, time_ms, Row::Float { time_ms, bits: value.to_bits(), start_ms });
    }

    fn histogram(&mut self, labels: &LabelSet, wire: &Histogram, limits: &Limits) {
        let time_ms = wire.timestamp;
        let start_ms = if wire.start_timestamp > time_ms { 0 } else { wire.start_timestamp };
        match histogram(wire, limits) {
            Some(value) => {
                let value = Arc::new(value);
                self.row(labels, time_ms, Row::Histogram { time_ms, value, start_ms });
            }
            None => self.fails = true,
        }
    }

    fn exemplar(
        &mut self,
        series: &LabelSet,
        pairs: &[Pair<'_>],
        value: f64,
        time_ms: i64,
        limits: &Limits,
    ) {
        let kept: Vec<_> = pairs.iter().filter(|(_, value)| !value.is_empty()).collect();
        let bytes: usize = kept.iter().map(|(n, v)| n.len() + v.len()).sum();
        if bytes > limits.exemplar_bytes_max || kept.len() > limits.labels_max {
            return;
        }
        if let Some(labels) = labels(pairs, limits).filter(|_| time_ms >= OLDEST_MS) {
            let exemplar = Exemplar { labels, value, time_ms };
            self.rows.push((series.clone(), Row::Exemplar(exemplar)));
        }
    }

    fn row(&mut self, labels: &LabelSet, time_ms: i64, row: Row) {
        if time_ms < OLDEST_MS {
            self.fails = true;
        } else {
            self.rows.push((labels.clone(), row));
        }
    }
}

/// The stored form, or `None` where the histogram is invalid.
fn histogram(wire: &Histogram, limits: &Limits) -> Option<ModelHistogram> {
    let positive_len = wire.positive_deltas.len().max(wire.positive_counts.len());
    let negative_len = wire.negative_deltas.len().max(wire.negative_counts.len());
    let max = limits.histogram_buckets_max;
    let most = (positive_len + negative_len).max(wire.custom_values.len());
    let spans_len = wire.positive_spans.len().max(wire.negative_spans.len());
    let positive = spans(&wire.positive_spans, positive_len)?;
    let negative = spans(&wire.negative_spans, negative_len)?;
    let known = wire.schema == -53 || (-4..=52).contains(&wire.schema);
    if most > max || spans_len > 2 * max || !known || !bounds_fit(wire, &positive, negative_len) {
        return None;
    }
    let mut indexes = [Vec::new(), Vec::new()];
    let counts = match wire.count {
        Some(Count::Float(count)) => floats(wire, count, &positive, &negative, &mut indexes)?,
        Some(Count::Int(count)) => ints(wire, count, &positive, &negative, &mut indexes)?,
        None => ints(wire, 0, &positive, &negative, &mut indexes)?,
    };
    let [positive, negative] = indexes;
    Some(ModelHistogram {
        schema: wire.schema.min(8),
        bounds: wire.custom_values.clone(),
        zero_threshold: wire.zero_threshold,
        sum: wire.sum,
        positive,
        negative,
        counts,
        reset_hint: match wire.reset_hint {
            1 => ResetHint::Reset,
            2 => ResetHint::NotReset,
            3 => ResetHint::Gauge,
            _ => ResetHint::Unknown,
        },
    })
}

/// Whether bounds, zero bucket and negative buckets are such as the schema has them.
fn bounds_fit(wire: &Histogram, positive: &[i64], negative_len: usize) -> bool {
    let bounds = &wire.custom_values;
    if wire.schema != -53 {
        return bounds.is_empty()
            && wire.zero_threshold.partial_cmp(&0.0).is_some_and(|o| o.is_ge());
    }
    let no_zero = match wire.zero_count {
        None => true,
        Some(ZeroCount::Int(n)) => n == 0,
        Some(ZeroCount::Float(n)) => n == 0.0,
    };
    let negatives = wire.negative_spans.len() + negative_len;
    let ascending = bounds.windows(2).all(|w| w[0] < w[1]);
    let numbers = bounds.iter().all(|b| !b.is_nan() && *b < f64::INFINITY);
    let inside = positive.iter().all(|i| (0..=bounds.len() as i64).contains(i));
    ascending && numbers && inside && no_zero && wire.zero_threshold == 0.0 && negatives == 0
}

fn floats(
    wire: &Histogram,
    count: f64,
    positive: &[i64],
    negative: &[i64],
    into: &mut [Vec<i32>; 2],
) -> Option<Counts> {
    let zero = match wire.zero_count {
        None => 0.0,
        Some(ZeroCount::Float(zero)) => zero,
        Some(ZeroCount::Int(_)) => return None,
    };
    let coarser = wire.schema.saturating_sub(8).max(0);
    let buckets = [
        sum(positive, &wire.positive_counts, coarser, |a, b| a + b, &mut into[0])?,
        sum(negative, &wire.negative_counts, coarser, |a, b| a + b, &mut into[1])?,
    ]
    .concat();
    let deltas = wire.positive_deltas.len() + wire.negative_deltas.len();
    let below_zero = buckets.iter().chain([&zero, &count]).any(|n| *n < 0.0);
    (deltas == 0 && !below_zero).then_some(Counts::Float { count, zero, buckets })
}

fn ints(
    wire: &Histogram,
    count: u64,
    positive: &[i64],
    negative: &[i64],
    into: &mut [Vec<i32>; 2],
) -> Option<Counts> {
    let zero = match wire.zero_count {
        None => 0,
        Some(ZeroCount::Int(zero)) => zero,
        Some(ZeroCount::Float(_)) => return None,
    };
    let coarser = wire.schema.saturating_sub(8).max(0);
    let add = |a: i64, b: i64| a.saturating_add(b);
    let buckets = [
        sum(positive, &absolute(&wire.positive_deltas)?, coarser, add, &mut into[0])?,
        sum(negative, &absolute(&wire.negative_deltas)?, coarser, add, &mut into[1])?,
    ]
    .concat();
    let total = buckets.iter().map(|c| i128::from(*c)).sum::<i128>() + i128::from(zero);
    let fits = if wire.sum.is_nan() { total <= count.into() } else { total == count.into() };
    let counts = wire.positive_counts.len() + wire.negative_counts.len();
    (counts == 0 && fits).then_some(Counts::Int { count, zero, buckets })
}

/// The index of every bucket.
fn spans(spans: &[super::oracle::BucketSpan], buckets: usize) -> Option<Vec<i64>> {
    let total: u64 = spans.iter().map(|s| u64::from(s.length)).sum();
    if total != buckets as u64 || spans.iter().skip(1).any(|s| s.offset < 0) {
        return None;
    }
    let mut next = 0i64;
    let mut indexes = Vec::new();
    for span in spans {
        next += i64::from(span.offset);
        for _ in 0..span.length {
            indexes.push(next);
            next += 1;
        }
    }
    Some(indexes)
}

fn absolute(deltas: &[i64]) -> Option<Vec<i64>> {
    let mut count = 0i64;
    let step = |delta: &i64| {
        count = count.checked_add(*delta).filter(|c| *c >= 0)?;
        Some(count)
    };
    deltas.iter().map(step).collect()
}

/// Adds up buckets that fall together when the resolution gets coarser.
fn sum<T: Copy>(
    indexes: &[i64],
    counts: &[T],
    coarser: i32,
    add: impl Fn(T, T) -> T,
    into: &mut Vec<i32>,
) -> Option<Vec<T>> {
    let mut sums: BTreeMap<i32, T> = BTreeMap::new();
    for (index, count) in indexes.iter().zip(counts) {
        // Bucket i ends at base^i: the coarser bucket that holds it is i / 2^coarser, rounded up.
        let width = 1i64 << coarser;
        let index = i32::try_from(-(-index).div_euclid(width)).ok()?;
        let total = sums.get(&index).map_or(*count, |sum| add(*sum, *count));
        sums.insert(index, total);
    }
    into.extend(sums.keys());
    Some(sums.into_values().collect())
}
