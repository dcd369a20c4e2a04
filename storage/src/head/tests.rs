use std::time::Duration;

use tarn_model::labels::LabelSet;
use tarn_model::matcher::{MatchOp, Matcher};
use tarn_model::time::{Sleep, TimeRange, UnixNanos};

use super::columns::{FloatRun, SeriesSnapshot};
use super::*;

#[derive(Debug, Default)]
struct Manual(AtomicU64);

impl Clock for Manual {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.0.load(Ordering::Relaxed) as i64 * 1_000_000)
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}

fn rows(index: u32, samples: &[(i64, f64)]) -> Rows {
    Rows {
        runs: vec![FloatRun { index, n: samples.len() as u32 }],
        times: samples.iter().map(|s| s.0).collect(),
        bits: samples.iter().map(|s| s.1.to_bits()).collect(),
        ..Rows::default()
    }
}

fn labels(text: &str) -> LabelSet {
    let pairs: Vec<(&str, &str)> = text.split(' ').filter_map(|p| p.split_once('=')).collect();
    LabelSet::from_pairs(&pairs)
}

#[test]
fn matchers_find_series_by_postings() {
    let head = Head::new(Limits::default(), Arc::new(Manual::default()));
    let tenant = head.tenant(&TenantId::default_tenant());
    let generation = head.generation(Lsn(1));
    let sets = ["a=1 b=x", "a=1 b=y", "a=2 b=x", "a=2", "b=z"];
    for set in sets {
        let series = tenant.table.find_or_create(&labels(set), 0, 10).unwrap();
        generation.insert(&tenant, &rows(series.index, &[(1, 1.0)]));
    }
    let unused = tenant.table.find_or_create(&labels("a=1 b=unused"), 0, 10);
    assert!(unused.is_some());
    let (eq, ne, re, nre) = (MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex);
    let part = generation.tenant(&tenant.id).unwrap();
    for (matchers, expected) in [
        (vec![], vec![0, 1, 2, 3, 4]),
        (vec![("a", eq, "1")], vec![0, 1]),
        (vec![("a", eq, "1"), ("b", eq, "y")], vec![1]),
        (vec![("a", eq, "")], vec![4]),
        (vec![("a", ne, "1")], vec![2, 3, 4]),
        (vec![("a", ne, "")], vec![0, 1, 2, 3]),
        (vec![("b", re, "x|z")], vec![0, 2, 4]),
        (vec![("b", re, "x|")], vec![0, 2, 3]),
        (vec![("b", nre, "[xy]")], vec![3, 4]),
        (vec![("a", re, ".+"), ("b", nre, "x")], vec![1, 3]),
        (vec![("c", eq, "1")], vec![]),
        (vec![("c", re, ".*")], vec![0, 1, 2, 3, 4]),
        (vec![("c", ne, "1"), ("a", eq, "2")], vec![2, 3]),
    ] {
        let matchers: Vec<Matcher> =
            matchers.iter().map(|(n, op, v)| Matcher::new(n, *op, v).unwrap()).collect();
        let found = part.columns.matching(&matchers, part.columns.series());
        assert_eq!(found, expected, "{matchers:?}");
        let cut: Vec<u32> = expected.into_iter().filter(|slot| *slot < 3).collect();
        assert_eq!(part.columns.matching(&matchers, 3), cut, "cut at three series: {matchers:?}");
    }
}

#[test]
fn a_snapshot_does_not_grow() {
    // VIS-2
    let head = Head::new(Limits::default(), Arc::new(Manual::default()));
    let tenant = head.tenant(&TenantId::default_tenant());
    let generation = head.generation(Lsn(1));
    let index = tenant.table.find_or_create(&labels("a=1"), 0, 10).unwrap().index;
    generation.insert(&tenant, &rows(index, &[(10, 1.0), (20, 2.0)]));
    let part = generation.tenant(&tenant.id).unwrap();
    let before = part.columns.snapshot(&[(vec![0], TimeRange::ALL)]);
    generation.insert(&tenant, &rows(index, &[(30, 3.0), (15, 9.0), (20, 9.0)]));
    let times = |lists: &Vec<Vec<SeriesSnapshot>>| {
        let copied = part.columns.copy(&lists[0][0], TimeRange::ALL);
        let mut points = copied.into_points();
        crate::slice::sort_points(&mut points);
        points.iter().map(|p| p.time_ms).collect::<Vec<_>>()
    };
    assert_eq!(times(&before), [10, 20]);
    assert_eq!(times(&part.columns.snapshot(&[(vec![0], TimeRange::ALL)])), [10, 15, 20, 30]);
}

#[test]
fn repeated_samples_cost_nothing() {
    let head = Head::new(Limits::default(), Arc::new(Manual::default()));
    let tenant = head.tenant(&TenantId::default_tenant());
    let generation = head.generation(Lsn(1));
    let index = tenant.table.find_or_create(&labels("a=1"), 0, 10).unwrap().index;
    let batch = [(10, 1.0), (20, 2.0), (30, 3.0)];
    generation.insert(&tenant, &rows(index, &batch));
    let bytes = generation.bytes();
    generation.insert(&tenant, &rows(index, &batch));
    assert_eq!(generation.bytes(), bytes);
    assert!(!generation.tenant(&tenant.id).unwrap().columns.out_of_order());
}

#[test]
fn idle_series_are_forgotten_and_their_references_go_stale() {
    let clock = Arc::new(Manual::default());
    let head = Head::new(Limits::default(), Arc::clone(&clock) as Arc<dyn Clock>);
    let tenant = head.tenant(&TenantId::default_tenant());
    let generation = head.generation(Lsn(1));
    let held = tenant.table.find_or_create(&labels("a=held"), 0, 10).unwrap();
    let idle = tenant.table.find_or_create(&labels("a=idle"), 0, 10).unwrap();
    generation.insert(&tenant, &rows(held.index, &[(1, 1.0)]));
    clock.0.store(3_600_000, Ordering::Relaxed);
    head.sweep(&[Arc::clone(&generation)]);
    assert_eq!(tenant.table.active(), 2, "an hour is not over yet");
    clock.0.store(3_600_001, Ordering::Relaxed);
    head.sweep(&[Arc::clone(&generation)]);
    assert_eq!(tenant.table.active(), 1);
    let places = tenant.table.places();
    let valid = |s: crate::append::SeriesRef| {
        series::place(&places, s.index).unwrap().touch(s.epoch, 3_600_002)
    };
    assert!(valid(held) && !valid(idle));
    let again = tenant.table.find_or_create(&labels("a=new"), 3_600_003, 10).unwrap();
    assert_eq!((again.index, again.epoch), (idle.index, idle.epoch + 1));
    assert!(!valid(idle) && valid(again));
    let mut values = Vec::new();
    tenant.table.pairs.each(Some("a"), |label, _| values.push(label.value.to_string()));
    values.sort_unstable();
    assert_eq!(values, ["held", "new"], "the pairs of forgotten series go with them");
}

/// What hostile labels take is counted, and given back with them.
#[test]
fn the_bytes_of_series_are_those_of_their_labels() {
    let clock = Arc::new(Manual::default());
    let head = Head::new(Limits::default(), Arc::clone(&clock) as Arc<dyn Clock>);
    let (a, b) = (TenantId::default_tenant(), TenantId::parse("b").unwrap());
    let long = "x".repeat(4_000);
    let mut before = head.series_bytes();
    for (tenant, value, least) in [(&a, "1", 280), (&a, "2", 280), (&b, long.as_str(), 4_000)] {
        let set = LabelSet::from_pairs(&[("job", "same"), ("value", value)]);
        head.tenant(tenant).table.find_or_create(&set, 0, 10).unwrap();
        let grown = head.series_bytes() - before;
        assert!((least..least + 600).contains(&grown), "{grown} for {} bytes", value.len());
        before += grown;
    }
    clock.0.store(3_600_001, Ordering::Relaxed);
    head.sweep(&[]);
    assert_eq!(head.series_bytes(), 0);
}

#[test]
fn metadata_is_found_for_the_parts_of_a_family() {
    let types = [
        ("requests", MetricType::Counter),
        ("latency", MetricType::Histogram),
        ("size", MetricType::Summary),
        ("up", MetricType::Gauge),
        ("up_total", MetricType::Gauge),
    ];
    let get = |name: &str| {
        let found = types.iter().find(|(family, _)| *family == name)?;
        Some(Metadata { metric_type: found.1, ..Metadata::default() })
    };
    for (metric, expected) in [
        ("up", Some(MetricType::Gauge)),
        ("up_total", Some(MetricType::Gauge)),
        ("up_sum", None),
        ("requests_total", Some(MetricType::Counter)),
        ("latency_bucket", Some(MetricType::Histogram)),
        ("size_bucket", None),
        ("size_count", Some(MetricType::Summary)),
        ("unknown", None),
    ] {
        assert_eq!(family_of(metric, get).map(|m| m.metric_type), expected, "{metric}");
    }
}
