//! What a query may use, when it stops, and what it asks of its source.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_promql::ast::ParseOptions;
use tarn_promql::eval;
use tarn_promql::parse::{ParseLimits, parse};
use tarn_promql::query::{Hooks, Interrupt, QueryError, QueryParams, QueryResult};
use tarn_promql::script::block_on;
use tarn_promql::script::store::{MemoryStore, MemoryStream, Point};
use tarn_promql::source::{Select, Selected, Source};

fn store(series: usize) -> MemoryStore {
    let mut store = MemoryStore::default();
    for at in 0..series {
        let labels =
            LabelSet::from_pairs(&[("__name__", "m"), ("i", &at.to_string()), ("job", "a")]);
        for tick in 0..60 {
            store.insert(&labels, tick * 10_000, 0, Point::Float(tick as f64));
        }
    }
    store
}

fn run(source: &impl Source<Stream = MemoryStream>, query: &str, params: &QueryParams) -> Outcome {
    let expr = parse(query, &ParseOptions::ALL, ParseLimits::default()).expect("parses");
    block_on(eval(source, &expr, params))
}

type Outcome = std::result::Result<QueryResult, QueryError>;

/// Counts how often it is asked.
struct Counting {
    store: MemoryStore,
    calls: AtomicUsize,
    selectors: AtomicUsize,
}

impl Source for Counting {
    type Stream = MemoryStream;

    async fn select(&self, selectors: &[Select]) -> Result<Vec<Selected<MemoryStream>>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.selectors.fetch_add(selectors.len(), Ordering::Relaxed);
        self.store.select(selectors).await
    }
}

#[test]
fn vis_2_all_selectors_are_resolved_at_once() {
    let query = "sum(rate(m[1m])) / on () group_right () max_over_time(m[1m:10s] @ end()) \
                 + scalar(count(m offset 1m)) unless absent(m)";
    let source =
        Counting { store: store(3), calls: AtomicUsize::new(0), selectors: AtomicUsize::new(0) };
    run(&source, query, &QueryParams::range(0, 100_000, 10_000)).expect("answers");
    assert_eq!(source.calls.load(Ordering::Relaxed), 1);
    assert_eq!(source.selectors.load(Ordering::Relaxed), 4);
}

#[test]
fn selectors_ask_for_exactly_the_time_they_need() {
    #[derive(Debug)]
    struct Ranges;
    impl Source for Ranges {
        type Stream = MemoryStream;
        async fn select(&self, selectors: &[Select]) -> Result<Vec<Selected<MemoryStream>>> {
            let ranges: Vec<(i64, i64)> =
                selectors.iter().map(|s| (s.range.start_ms, s.range.end_ms)).collect();
            Err(tarn_model::error::Error::invalid(format!("{ranges:?}")))
        }
    }
    let params = QueryParams::range(1_000_000, 1_100_000, 10_000);
    for (query, expected) in [
        ("m", "[(700001, 1100000)]"),
        ("m offset 1m", "[(640001, 1040000)]"),
        ("m @ 50", "[(-249999, 50000)]"),
        ("rate(m[1m])", "[(940001, 1100000)]"),
        ("rate(m[1m] offset -1m)", "[(1000001, 1160000)]"),
        ("max_over_time(m[1m:30s])", "[(660001, 1080000)]"),
        ("max_over_time(rate(m[1m])[1m:30s] @ 100)", "[(0, 90000)]"),
        ("a + b", "[(700001, 1100000), (700001, 1100000)]"),
    ] {
        let error = run(&Ranges, query, &params).expect_err("fails");
        let expected = expected.replace("(0, 90000)", "(1, 90000)");
        assert_eq!((error.error_type(), error.to_string()), ("bad_data", expected), "{query}");
    }
}

/// Interrupts after some series, and keeps an account of memory.
#[derive(Debug, Default)]
struct Watch {
    asked: AtomicU64,
    stop_after: u64,
    timeout: bool,
    pool: u64,
    taken: AtomicU64,
}

impl Hooks for Watch {
    fn interrupted(&self) -> Option<Interrupt> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let why = if self.timeout { Interrupt::Timeout } else { Interrupt::Canceled };
        (asked >= self.stop_after).then_some(why)
    }

    fn reserve(&self, bytes: u64) -> bool {
        let taken = self.taken.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if taken > self.pool {
            self.taken.fetch_sub(bytes, Ordering::Relaxed);
        }
        taken <= self.pool
    }

    fn release(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[test]
fn a_query_stops_at_the_next_series() {
    let store = store(100);
    for (timeout, kind, text) in [
        (true, "timeout", "query timed out in expression evaluation"),
        (false, "canceled", "query was canceled in expression evaluation"),
    ] {
        let watch = Arc::new(Watch { stop_after: 10, timeout, pool: u64::MAX, ..Watch::default() });
        let hooks: Arc<dyn Hooks> = Arc::<Watch>::clone(&watch);
        let params = QueryParams { hooks, ..QueryParams::range(0, 500_000, 10_000) };
        let error = run(&store, "sum(rate(m[1m]))", &params).expect_err("is stopped");
        assert_eq!((error.error_type(), error.to_string().as_str()), (kind, text));
        assert_eq!(watch.asked.load(Ordering::Relaxed), 11);
        assert_eq!(watch.taken.load(Ordering::Relaxed), 0, "memory is given back");
    }
}

#[test]
fn a_query_stops_inside_one_series() {
    let store = store(300);
    // How often the hook lets the query go on: each kernel alone would ask far more often.
    for (query, stop_after) in [
        ("sum_over_time((sum_over_time(vector(1)[1d:1s]))[1d:1s])", 20),
        ("max_over_time(quantile_over_time(0.5, vector(time())[1d:1s])[1d:1s])", 20),
        ("max_over_time(mad_over_time(vector(time())[1d:1s])[1d:1s])", 20),
        ("max_over_time(predict_linear(vector(time())[1d:1s], 60)[1d:1s])", 20),
        ("max_over_time(deriv(vector(time())[1d:1s])[1d:1s])", 20),
        ("max_over_time(rate((vector(time() % 2))[1d:1s])[1d:1s])", 20),
        // Reading 300 series asks 301 times; grouping, ranking and joining them must ask too.
        ("topk by (i) (1, m)", 303),
        ("quantile by (job) (0.5, m)", 303),
        ("sum by (i) (m)", 303),
        ("m + m", 603),
    ] {
        let hooks = Arc::new(Watch { stop_after, pool: u64::MAX, ..Watch::default() });
        let watch = Arc::clone(&hooks);
        let params = QueryParams { hooks, ..QueryParams::range(0, 599_000, 500) };
        let error = run(&store, query, &params).expect_err(query);
        assert_eq!(error.error_type(), "canceled", "{query}: {error}");
        assert_eq!(watch.asked.load(Ordering::Relaxed), stop_after + 1, "{query}");
    }
}

#[test]
fn limits_name_the_number_and_the_selector() {
    let store = store(100);
    let base = QueryParams::range(0, 590_000, 10_000);
    let with = |change: &dyn Fn(&mut QueryParams)| {
        let mut params = base.clone();
        change(&mut params);
        params
    };
    for (query, params, expected) in [
        (
            "m",
            with(&|p| p.limits.points_max = 59),
            "exceeded maximum resolution of 59 points per timeseries. Try decreasing the query \
             resolution (?step=XX)",
        ),
        (
            "m + ignoring (i) group_left () vector(1)",
            with(&|p| p.limits.series_max = 99),
            "query touches 100 series, limit is 99; {__name__=\"m\"} matches 100 series",
        ),
        (
            "m",
            with(&|p| p.limits.samples_max = 1000),
            "query processing would load too many samples into memory in query execution",
        ),
        (
            "max_over_time(vector(1)[1d:1s])",
            with(&|p| p.limits.samples_max = 80_000),
            "query processing would load too many samples into memory in query execution",
        ),
        (
            "quantile(0.5, m)",
            with(&|p| p.limits.memory_bytes_max = 20_000),
            "query needs 20520 bytes of memory, limit is 20000; {__name__=\"m\"} matches 100 series",
        ),
    ] {
        let error = run(&store, query, &params).expect_err("is refused");
        assert_eq!(error.to_string(), expected, "{query}");
    }
    let hooks = Arc::new(Watch { stop_after: u64::MAX, pool: 10_000, ..Watch::default() });
    let params = QueryParams { hooks, ..base };
    let error = run(&store, "quantile(0.5, m)", &params).expect_err("is refused");
    assert!(error.to_string().contains("the memory of all queries is used up"), "{error}");
}

#[test]
fn aggregations_do_not_hold_their_input() {
    let peak = |series: usize| {
        let params = QueryParams::range(0, 590_000, 10_000);
        let result = run(&store(series), "sum by (job) (rate(m[5m]))", &params).expect("answers");
        assert_eq!(result.stats.series, series as u64);
        assert_eq!(result.stats.samples, series as u64 * 60);
        result.stats.samples_peak
    };
    assert_eq!(peak(10), peak(300));
}
