//! Samples for tests: random ones, what a plain map makes of them, and what a view sees.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tarn_model::labels::LabelSet;
use tarn_model::sample::{Counts, Histogram, ResetHint, stale_nan};
use tarn_model::slice::{Samples, Slice};
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_storage::view::{ScanLimits, Selector, View};
use tarn_testkit::store::Store;

/// Ten minutes before a midnight in the past: samples of one case lie on two days.
pub(crate) const BASE_MS: i64 = 1_763_682_600_000;
pub(crate) const LIMITS: ScanLimits = ScanLimits { series_max: 1000, bytes_max: 1 << 30 };

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) series: usize,
    pub(crate) tick: i64,
    pub(crate) start: Start,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    Unknown,
    Fixed,
    Previous,
    Odd(i64),
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Float(u64),
    Histogram(Arc<Histogram>),
    Stale,
}

pub(crate) fn values() -> impl Strategy<Value = Value> {
    let special = [-0.0, 0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0 / 3.0, 1e300];
    let float = prop_oneof![
        8 => (0_i64..100).prop_map(|m| m as f64),
        4 => (-1000_i64..1000).prop_map(|m| m as f64 / 100.0),
        2 => proptest::sample::select(special.to_vec()),
        1 => Just(f64::from_bits(0x7ff8_dead_beef_0001)),
    ];
    prop_oneof![
        20 => float.prop_map(|v| Value::Float(v.to_bits())),
        2 => Just(Value::Stale),
        3 => histograms().prop_map(|h| Value::Histogram(Arc::new(h))),
    ]
}

pub(crate) fn histograms() -> impl Strategy<Value = Histogram> {
    let buckets = proptest::collection::btree_map(-5_i32..5, 1_i64..9, 0..4);
    let shape = (buckets.clone(), buckets, 0_u64..3, any::<bool>(), any::<bool>(), 0_usize..3);
    shape.prop_map(|(positive, negative, zero, float, gauge, layout)| {
        let counts: Vec<i64> = positive.values().chain(negative.values()).copied().collect();
        let count = zero + counts.iter().sum::<i64>() as u64;
        let (schema, bounds) = match layout {
            2 => (-53, vec![0.5, 1.0, 2.5, 5.0, 10.0]),
            other => (other as i32, Vec::new()),
        };
        let counts = if float {
            let buckets = counts.iter().map(|c| *c as f64 + 0.5).collect();
            Counts::Float { count: count as f64, zero: zero as f64, buckets }
        } else {
            Counts::Int { count, zero, buckets: counts }
        };
        Histogram {
            schema,
            bounds,
            zero_threshold: 0.001,
            sum: count as f64 * 1.5,
            positive: positive.into_keys().collect(),
            negative: negative.into_keys().collect(),
            counts,
            reset_hint: if gauge { ResetHint::Gauge } else { ResetHint::Unknown },
        }
    })
}

pub(crate) fn rows() -> impl Strategy<Value = Vec<Row>> {
    let start = prop_oneof![
        6 => Just(Start::Unknown),
        2 => Just(Start::Fixed),
        2 => Just(Start::Previous),
        1 => (1_i64..5000).prop_map(Start::Odd),
    ];
    let row = (0..SERIES.len(), 0_i64..80, start, values());
    let row = row.prop_map(|(series, tick, start, value)| Row { series, tick, start, value });
    // Scrapes: every series at the same few ticks; beside them rows from anywhere.
    let scrape = (0_i64..60, 1_i64..12, proptest::collection::vec(values(), 4));
    let scrape = scrape.prop_map(|(from, ticks, values)| {
        let each = |series: usize| {
            let values = values.clone();
            (from..from + ticks).map(move |tick| {
                let value = match &values[(series + tick as usize) % values.len()] {
                    Value::Float(bits) => Value::Float(*bits),
                    other => other.clone(),
                };
                Row { series, tick, start: Start::Unknown, value }
            })
        };
        (0..3).flat_map(each).collect()
    });
    prop_oneof![3 => scrape, 2 => proptest::collection::vec(row, 0..30)]
}

pub(crate) const SERIES: &[&[(&str, &str)]] = &[
    &[("__name__", "up"), ("job", "a"), ("instance", "h1")],
    &[("__name__", "up"), ("job", "a"), ("instance", "h2")],
    &[("__name__", "up"), ("job", "b"), ("Job", "clash")],
    &[("__name__", "down"), ("le", "0.5")],
    &[("only", "läuft")],
];

/// What a sample is, comparable: histograms without empty buckets and hints.
pub(crate) type Seen = BTreeMap<i64, (i64, String)>;

pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Float(bits) => format!("{bits:016x}"),
        Value::Histogram(h) => {
            let gauge = h.reset_hint == ResetHint::Gauge;
            let Histogram { schema, bounds, sum, positive, negative, counts, .. } = &**h;
            format!("{schema} {bounds:?} {sum} {positive:?} {negative:?} {counts:?} {gauge}")
        }
        Value::Stale => "stale".to_owned(),
    }
}

pub(crate) fn time(row: &Row) -> i64 {
    BASE_MS + row.tick * 15_000
}

pub(crate) fn start(row: &Row) -> i64 {
    match row.start {
        Start::Unknown => 0,
        Start::Fixed => BASE_MS - 1,
        Start::Previous => time(row) - 15_000,
        Start::Odd(lag) => time(row) - lag,
    }
}

pub(crate) async fn append(store: &Store, model: &mut [Seen], rows: &[Row]) {
    let mut appender = store.storage().writer().appender(&TenantId::default_tenant()).unwrap();
    for row in rows {
        let series = appender.series(&LabelSet::from_pairs(SERIES[row.series])).unwrap();
        let (time_ms, start_ms) = (time(row), start(row));
        let taken = match &row.value {
            Value::Float(bits) => appender.float(series, time_ms, f64::from_bits(*bits), start_ms),
            Value::Stale => appender.float(series, time_ms, stale_nan(), 0),
            Value::Histogram(h) => appender.histogram(series, time_ms, Arc::clone(h), start_ms),
        };
        taken.unwrap();
        // One request is one record: its floats come before its histograms.
    }
    let (floats, histograms): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| !matches!(row.value, Value::Histogram(_)));
    for row in floats.into_iter().chain(histograms) {
        let start = if matches!(row.value, Value::Stale) { 0 } else { start(row) };
        model[row.series].insert(time(row), (start, text(&row.value)));
    }
    appender.commit().await.unwrap();
}

pub(crate) fn add(slice: &Slice, seen: &mut Seen) {
    for (i, time_ms) in slice.times().iter().enumerate() {
        let start = slice.starts.as_ref().map_or(0, |s| s[i]);
        let value = match &slice.samples {
            Samples::Floats(values) => Value::Float(values[i].to_bits()),
            Samples::Histograms(values) => Value::Histogram(Arc::clone(&values[i])),
        };
        let twice = seen.insert(*time_ms, (start, text(&value)));
        assert_eq!(twice, None, "VIS-1: {time_ms} is delivered twice");
    }
    if let Some(time_ms) = slice.stale_at {
        let twice = seen.insert(time_ms, (0, text(&Value::Stale)));
        assert_eq!(twice, None, "VIS-1: {time_ms} is delivered twice");
    }
}

pub(crate) async fn read(view: &Arc<View>, selector: Selector) -> BTreeMap<LabelSet, Seen> {
    let tenant = TenantId::default_tenant();
    let range = selector.range;
    let mut selections = view.select(&tenant, &[selector], LIMITS).await.unwrap();
    let mut selection = selections.remove(0);
    assert!(selection.series.windows(2).all(|w| w[0].labels < w[1].labels), "sorted by labels");
    let mut all = BTreeMap::new();
    let mut slices = Vec::new();
    for series in &selection.series {
        assert!(selection.cursor.next(&mut slices).await.unwrap());
        let mut seen = Seen::new();
        let mut last = i64::MIN;
        for slice in &slices {
            for time_ms in slice.times().iter().chain(&slice.stale_at) {
                assert!(last < *time_ms, "ORD-1: times rise");
                last = *time_ms;
            }
            add(slice, &mut seen);
        }
        seen.retain(|time_ms, _| range.contains(*time_ms));
        if !seen.is_empty() {
            all.insert(series.labels.clone(), seen);
        }
    }
    assert!(!selection.cursor.next(&mut slices).await.unwrap());
    all
}

pub(crate) fn expected(
    model: &[Seen],
    keep: impl Fn(&LabelSet) -> bool,
    range: TimeRange,
) -> BTreeMap<LabelSet, Seen> {
    let series = SERIES.iter().map(|pairs| LabelSet::from_pairs(pairs)).zip(model);
    series
        .filter(|(labels, _)| keep(labels))
        .map(|(labels, seen)| {
            let inside = seen.iter().filter(|(t, _)| range.contains(**t));
            (labels, inside.map(|(t, v)| (*t, v.clone())).collect::<Seen>())
        })
        .filter(|(_, seen)| !seen.is_empty())
        .collect()
}
