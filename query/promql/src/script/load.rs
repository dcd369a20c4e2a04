//! `load` commands: series written in notation go into the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_model::labels::{LE, LabelSet, METRIC_NAME};
use tarn_model::map::HashMap;
use tarn_model::sample::{CUSTOM_SCHEMA, Counts, Histogram, ResetHint};

use super::command::millis;
use super::store::{MemoryStore, Point};
use crate::notation::{Line, Value, parse_line};

/// A parsed `load`.
pub(super) struct Load {
    series: Vec<(LabelSet, Vec<Stored>)>,
}

/// A sample with its time and its start timestamp.
#[derive(Clone)]
struct Stored {
    time_ms: i64,
    start_ms: i64,
    point: Point,
}

impl Load {
    pub(super) fn parse(line: &str, block: &[&str]) -> Result<Self, String> {
        let mut words = line.splitn(2, char::is_whitespace);
        let with_nhcb = match words.next() {
            Some("load") => false,
            Some("load_with_nhcb") => true,
            other => return Err(format!("invalid load command {other:?}")),
        };
        let interval_ms = millis(words.next().unwrap_or_default())?;
        let mut series: Vec<(LabelSet, Vec<Stored>)> = Vec::new();
        let mut starts = None;
        for line in block {
            match parse_line(line).map_err(|e| format!("{line}: {e}"))? {
                Line::Starts(line) => starts = Some(line),
                Line::Series(line) => {
                    let offsets = starts.take().map(|s| s.offsets_ms).unwrap_or_default();
                    let points = stored(&line.values, &offsets, interval_ms);
                    // The same labels twice in a block: the last line wins.
                    series.retain(|(labels, _)| *labels != line.labels);
                    series.push((line.labels, points));
                }
            }
        }
        if with_nhcb {
            let converted = convert(&series);
            series.extend(converted);
        }
        Ok(Self { series })
    }

    pub(super) fn apply(&self, store: &mut MemoryStore) {
        for (labels, points) in &self.series {
            for stored in points {
                store.insert(labels, stored.time_ms, stored.start_ms, stored.point.clone());
            }
        }
    }
}

fn stored(values: &[Option<Value>], offsets: &[Option<i64>], interval_ms: i64) -> Vec<Stored> {
    let points = values.iter().enumerate().filter_map(|(at, value)| {
        let time_ms = at as i64 * interval_ms;
        let start_ms = offsets.get(at).copied().flatten().map_or(0, |offset| time_ms + offset);
        let point = match value.as_ref()? {
            Value::Float(value) => Point::Float(*value),
            Value::Histogram { histogram, .. } => Point::Histogram(Arc::clone(histogram)),
        };
        Some(Stored { time_ms, start_ms, point })
    });
    points.collect()
}

/// The buckets of one histogram at one time.
#[derive(Default)]
struct Classic {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

/// Converts classic histograms to native ones with custom buckets.
fn convert(series: &[(LabelSet, Vec<Stored>)]) -> Vec<(LabelSet, Vec<Stored>)> {
    let mut found: HashMap<LabelSet, BTreeMap<i64, Classic>> = HashMap::default();
    for (labels, points) in series {
        let metric = labels.metric();
        let part = ["_bucket", "_count", "_sum"].into_iter().find(|s| metric.ends_with(s));
        let Some((part, base)) = part.and_then(|p| Some((p, metric.strip_suffix(p)?))) else {
            continue;
        };
        let bound = labels.value(LE).parse::<f64>();
        if part == "_bucket" && !bound.as_ref().is_ok_and(|b| !b.is_nan()) {
            continue;
        }
        let target = labels.with(LE, "").with(METRIC_NAME, base);
        let times = found.entry(target).or_default();
        for stored in points {
            let Point::Float(value) = stored.point else { continue };
            let classic = times.entry(stored.time_ms).or_default();
            match (part, &bound) {
                ("_bucket", Ok(bound)) => classic.buckets.push((*bound, value)),
                ("_count", _) => classic.count = Some(value),
                _ => classic.sum = value,
            }
        }
    }
    let converted = found.into_iter().map(|(labels, times)| {
        let points = times.into_iter().map(|(time_ms, classic)| Stored {
            time_ms,
            start_ms: 0,
            point: Point::Histogram(Arc::new(classic.native())),
        });
        (labels, points.collect())
    });
    converted.collect()
}

impl Classic {
    fn native(mut self) -> Histogram {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let bounds: Vec<f64> =
            self.buckets.iter().map(|(bound, _)| *bound).filter(|b| b.is_finite()).collect();
        let highest = self.buckets.last().map_or(0.0, |(_, count)| *count);
        let count = self.count.unwrap_or(highest);
        let mut before = 0.0;
        let mut counts = Vec::with_capacity(bounds.len() + 1);
        let cumulative = self.buckets.iter().map(|(_, count)| *count).take(bounds.len());
        for total in cumulative.chain([count]) {
            counts.push(total - before);
            before = total;
        }
        Histogram {
            schema: CUSTOM_SCHEMA,
            zero_threshold: 0.0,
            sum: self.sum,
            positive: (0..counts.len() as i32).collect(),
            negative: Vec::new(),
            bounds,
            counts: Counts::Float { count, zero: 0.0, buckets: counts },
            reset_hint: ResetHint::Unknown,
        }
    }
}
