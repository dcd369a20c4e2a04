//! One query, several ways: the answer must not depend on the way.

use std::thread;

use tarn_model::labels::LabelSet;
use tarn_promql::ast::ParseOptions;
use tarn_promql::eval;
use tarn_promql::parse::{ParseLimits, parse};
use tarn_promql::query::{QueryParams, QueryValue, SampleValue};
use tarn_promql::script::block_on;
use tarn_promql::script::store::{MemoryStore, Point};

/// Counters and gauges with gaps, jitter, resets and staleness markers, the same in every run.
fn store(slice_samples: usize) -> MemoryStore {
    let mut store = MemoryStore::with_slices_of(slice_samples);
    let mut state = 7_u64;
    let mut random = move |n: u64| {
        // Knuth's linear congruential generator; the low bits are poor and left out.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for series in 0..12_u64 {
        let job = ["a", "b", "c"][(series % 3) as usize];
        let at = series.to_string();
        let name = if series % 2 == 0 { "hits_total" } else { "load" };
        let labels = LabelSet::from_pairs(&[("__name__", name), ("job", job), ("i", &at)]);
        let mut value = 0.0;
        for tick in 0..120_i64 {
            if random(20) == 0 {
                continue;
            }
            value = match (name, random(30)) {
                (_, 0) => 0.0,
                ("load", n) => n as f64 - 10.0,
                (_, n) => value + n as f64,
            };
            let point = if random(40) == 0 { tarn_model::sample::stale_nan() } else { value };
            let jitter = if series < 6 { 0 } else { random(900) as i64 };
            store.insert(&labels, tick * 10_000 + jitter, 0, Point::Float(point));
        }
    }
    store
}

const QUERIES: [&str; 24] = [
    "load",
    "load offset 35s",
    "rate(hits_total[1m])",
    "increase(hits_total[45s] offset -30s)",
    "irate(hits_total[2m])",
    "sum by (job) (rate(hits_total[1m]))",
    "avg without (i) (load)",
    "stddev by (job) (load)",
    "quantile(0.7, load)",
    "count_values(\"v\", floor(load / 10))",
    "topk by (job) (1, load)",
    "max_over_time(load[5m])",
    "min_over_time(load[7m] offset 1m)",
    "quantile_over_time(0.3, load[3m])",
    "stdvar_over_time(load[1m])",
    "deriv(load[90s])",
    "predict_linear(load[2m], 60)",
    "load > 0 and on (job) hits_total > 100",
    "load unless on (job, i) (load > 5)",
    "sum by (job) (load) / on (job) group_right () hits_total",
    "max_over_time(rate(hits_total[1m])[3m:20s])",
    "avg_over_time((load * 2)[2m:15s] offset 10s)",
    "timestamp(load) - time()",
    "absent(load > 18) or vector(scalar(count(load)))",
];

fn run(store: &MemoryStore, query: &str, params: &QueryParams) -> QueryValue {
    let expr = parse(query, &ParseOptions::ALL, ParseLimits::default()).expect("parses");
    block_on(eval(store, &expr, params)).expect("answers").value
}

/// Returns the points of a range query as bits, so that NaN equals itself.
fn points(value: QueryValue) -> Vec<(LabelSet, i64, u64)> {
    let QueryValue::Matrix(matrix) = value else { return Vec::new() };
    let points = matrix.into_iter().flat_map(|series| {
        let labels = series.labels;
        series.floats.into_iter().map(move |(time, v)| (labels.clone(), time, v.to_bits()))
    });
    points.collect()
}

#[test]
fn an_instant_query_equals_a_step_of_a_range() {
    let store = store(usize::MAX);
    let (start, end, step) = (100_000, 1_300_000, 70_001);
    for query in QUERIES {
        let mut steps = Vec::new();
        for time in (start..=end).step_by(step as usize) {
            let QueryValue::Vector { samples, .. } =
                run(&store, query, &QueryParams::instant(time))
            else {
                continue;
            };
            for sample in samples {
                if let SampleValue::Float(value) = sample.value {
                    steps.push((sample.labels, time, value.to_bits()));
                }
            }
        }
        let mut range = points(run(&store, query, &QueryParams::range(start, end, step)));
        assert!(!range.is_empty(), "{query}");
        range.sort();
        steps.sort();
        assert_eq!(range, steps, "{query}");
    }
}

#[test]
fn borders_of_slices_do_not_show() {
    let params = QueryParams::range(0, 1_400_000, 13_000);
    for query in QUERIES {
        let whole = points(run(&store(usize::MAX), query, &params));
        for slice_samples in [1, 2, 7, 50] {
            let cut = points(run(&store(slice_samples), query, &params));
            assert_eq!(cut, whole, "{query} in slices of {slice_samples}");
        }
    }
}

/// A worker thread has 2 MiB of stack; the deepest query that parses must fit, even unoptimised.
#[test]
fn the_deepest_query_fits_on_the_stack() {
    let depth = ParseLimits::default().depth_max - 2;
    let wrap =
        |open: &str, close: &str| format!("{}load{}", open.repeat(depth), close.repeat(depth));
    let subqueries = {
        let depth = depth / 2;
        format!("{}load{}", "sum_over_time(".repeat(depth), "[1m:30s])".repeat(depth))
    };
    let queries = [
        wrap("abs(", ")"),
        wrap("-", ""),
        wrap("sum(", ")"),
        format!("load{}", " + load".repeat(depth)),
        subqueries,
    ];
    for query in queries {
        let thread = thread::Builder::new().stack_size(2 << 20).spawn(move || {
            let store = store(usize::MAX);
            let Ok(expr) = parse(&query, &ParseOptions::ALL, ParseLimits::default()) else {
                return false;
            };
            let result = block_on(eval(&store, &expr, &QueryParams::range(0, 100_000, 50_000)));
            result.is_ok() || result.is_err_and(|e| e.error_type() == "execution")
        });
        assert!(thread.expect("thread starts").join().expect("does not overflow"));
    }
}
