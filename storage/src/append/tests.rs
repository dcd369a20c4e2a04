//! An appender over a log that is only the head: rows are visible when `commit` returns.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tarn_model::limits::Limits;
use tarn_model::sample::{Counts, MetricType, ResetHint};
use tarn_model::time::{Clock, Sleep, UnixNanos};

use super::*;
use crate::head::HeadGeneration;
use crate::head::replay::{Replayer, decode};

/// 2026-11-21T12:00:00Z.
const NOW_MS: i64 = 1_795_262_400_000;

#[derive(Debug)]
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UnixNanos {
        UnixNanos(NOW_MS * 1_000_000)
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}

#[derive(Debug)]
struct OnlyHead {
    generation: Arc<HeadGeneration>,
    lsn: AtomicU64,
    payloads: Mutex<Vec<Vec<Payload>>>,
}

impl Log for OnlyHead {
    fn ready(&self) -> Result<()> {
        Ok(())
    }
    fn append(&self, batch: Batch) -> BoxFuture<'static, Result<Lsn>> {
        self.generation.insert(&batch.tenant, &batch.rows);
        let entries: Vec<_> = {
            let mut entries = Vec::new();
            batch.rows.each_series(|i| entries.extend(batch.tenant.table.entry(i)));
            entries
        };
        let definitions = encode::definitions(&entries);
        self.payloads.lock().push(definitions.into_iter().chain(batch.payloads).collect());
        let lsn = Lsn(self.lsn.fetch_add(1, Ordering::Relaxed) + 1);
        Box::pin(std::future::ready(Ok(lsn)))
    }
}

struct Fixture {
    head: Arc<Head>,
    log: Arc<OnlyHead>,
    writer: Writer,
    tenant: TenantId,
}

impl Fixture {
    fn new(limits: Limits) -> Self {
        let head = Head::new(limits, Arc::new(Fixed));
        let generation = head.generation(Lsn(1));
        let log =
            Arc::new(OnlyHead { generation, lsn: AtomicU64::new(0), payloads: Mutex::default() });
        let writer = Writer::new(Arc::clone(&head), Arc::clone(&log) as Arc<dyn Log>);
        Self { head, log, writer, tenant: TenantId::default_tenant() }
    }
}

fn job(name: &str) -> LabelSet {
    LabelSet::from_pairs(&[("__name__", "up"), ("job", name)])
}

fn histogram() -> Arc<Histogram> {
    Arc::new(Histogram {
        schema: 3,
        bounds: Vec::new(),
        zero_threshold: 1e-128,
        sum: f64::from_bits(0x7ff8_0000_dead_beef),
        positive: vec![-2, 5],
        negative: vec![1],
        counts: Counts::Int { count: u64::MAX, zero: 3, buckets: vec![1, 2, 3] },
        reset_hint: ResetHint::NotReset,
    })
}

#[test]
fn times_outside_the_windows_are_rejected_with_the_exact_bound() {
    let fixture = Fixture::new(Limits::default());
    let mut appender = fixture.writer.appender(&fixture.tenant).unwrap();
    let a = appender.series(&job("a")).unwrap();
    let b = appender.series(&job("b")).unwrap();
    let hour = 3_600_000;
    let newest_ms = NOW_MS + 600_000;
    let oldest_ms = newest_ms - 2 * hour;
    let too_far = |time_ms| Err(Rejection::TooFarAhead { time_ms, newest_ms });
    let too_old = |time_ms| Err(Rejection::OutOfOrder { time_ms, oldest_ms });
    for (series, time_ms, expected) in [
        (a, newest_ms + 1, too_far(newest_ms + 1)),
        (a, newest_ms, Ok(())),
        (a, oldest_ms, Ok(())),
        (a, oldest_ms - 1, too_old(oldest_ms - 1)),
        (b, i64::MIN, Err(Rejection::OutOfOrder { time_ms: i64::MIN, oldest_ms: TIME_MIN_MS })),
        (b, TIME_MIN_MS, Ok(())),
        (b, NOW_MS - 1000 * hour, Ok(())),
        (SeriesRef { index: a.index, epoch: 7 }, NOW_MS, Err(Rejection::StaleReference)),
        (SeriesRef { index: 1 << 30, epoch: 0 }, NOW_MS, Err(Rejection::StaleReference)),
    ] {
        assert_eq!(appender.float(series, time_ms, 1.0, 0), expected, "{time_ms}");
    }
}

#[test]
fn new_series_over_the_limit_are_rejected() {
    let limits = Limits { series_max: Some(1), ..Limits::default() };
    let fixture = Fixture::new(limits);
    let mut appender = fixture.writer.appender(&fixture.tenant).unwrap();
    let a = appender.series(&job("a")).unwrap();
    let told = appender.series(&job("b")).unwrap_err().to_string();
    assert_eq!(
        told,
        "tenant \"default\" has 1 active series, limit is 1 (metrics.series_max); \
         new series differ most in \"job\" (about 2 values)"
    );
    assert_eq!(appender.series(&job("a")), Ok(a));
}

#[tokio::test]
async fn what_was_appended_is_decoded_from_the_log_bit_for_bit() {
    let fixture = Fixture::new(Limits::default());
    let mut appender = fixture.writer.appender(&fixture.tenant).unwrap();
    let (a, b) = (appender.series(&job("a")).unwrap(), appender.series(&job("b")).unwrap());
    let payload_nan = f64::from_bits(0x7ff8_0000_0000_1234);
    let samples = [
        (a, NOW_MS, 1.5, 0),
        (a, NOW_MS + 1, -0.0, NOW_MS - 5),
        (b, NOW_MS, payload_nan, 0),
        (b, NOW_MS + 2, tarn_model::sample::stale_nan(), 0),
    ];
    for (series, time_ms, value, start_ms) in samples {
        appender.float(series, time_ms, value, start_ms).unwrap();
    }
    appender.histogram(a, NOW_MS + 3, histogram(), NOW_MS).unwrap();
    let exemplar = Exemplar { labels: job("x"), value: 0.25, time_ms: NOW_MS };
    appender.exemplar(a, exemplar.clone()).unwrap();
    let metadata =
        Metadata { metric_type: MetricType::Gauge, unit: "s".into(), help: "läuft".into() };
    appender.metadata("up", &metadata);
    appender.metadata("up", &metadata);
    appender.commit().await.unwrap();
    let mut again = fixture.writer.appender(&fixture.tenant).unwrap();
    again.metadata("up", &metadata);
    assert_eq!(again.commit().await.unwrap(), Lsn(0), "known metadata is not stored again");

    let restarted = Head::new(Limits::default(), Arc::new(Fixed));
    let generation = restarted.generation(Lsn(1));
    let mut replayer = Replayer::new(restarted, Arc::clone(&generation));
    for payloads in fixture.log.payloads.lock().iter() {
        replayer.insert(Lsn(1), &fixture.tenant, decode(payloads).unwrap()).unwrap();
    }
    let (before, after) =
        (points(&fixture.log.generation, &fixture.tenant), points(&generation, &fixture.tenant));
    assert_eq!(before.len(), 2);
    assert_eq!(format!("{before:?}"), format!("{after:?}"), "sums hold NaN, so texts are compared");
    let part = generation.tenant(&fixture.tenant).unwrap();
    assert_eq!(part.columns.exemplars()[0].1, exemplar);
    assert_eq!(part.columns.families(), vec![("up".into(), metadata)]);
    drop(fixture.head);
}

fn points(
    generation: &HeadGeneration,
    tenant: &TenantId,
) -> Vec<(LabelSet, Vec<crate::slice::Point>)> {
    let all = tarn_model::time::TimeRange::ALL;
    let part = generation.tenant(tenant).unwrap();
    let slots = part.columns.matching(&[], part.columns.series());
    let series = part.columns.snapshot(&[(slots, all)]).remove(0);
    let copy = |s: &crate::head::columns::SeriesSnapshot| {
        (s.entry.labels(), part.columns.copy(s, all).into_points())
    };
    series.iter().map(copy).collect()
}

#[test]
fn damaged_payloads_are_corrupt() {
    for schema in 0..8 {
        let payload = Payload {
            signal: tarn_model::signal::Signal::Metrics,
            schema,
            bytes: bytes::Bytes::from_static(b"\x04\0\0\0nonsense"),
        };
        let error = decode(&[payload]).unwrap_err();
        assert_eq!(error.kind(), tarn_model::error::ErrorKind::Corrupt, "{schema}");
    }
}
