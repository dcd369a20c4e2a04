//! The ledger of objectives over a real store, with a source of answers that fails: every event
//! counts once, and no position is acknowledged before it does.
#![expect(clippy::unwrap_used, reason = "a test ends where its world breaks")]
#![expect(clippy::disallowed_methods, reason = "real time and real tasks: the parts are real")]
#![expect(clippy::future_not_send, reason = "a test runs on one thread")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use prometheus_client::metrics::counter::Counter;
use tarn_alerting::slo::ledger::Stored;
use tarn_alerting::slo::ledger::run::source::{Counted, Source, Totals};
use tarn_alerting::slo::ledger::run::{FOLLOWER, Handles, run};
use tarn_alerting::slo::{Objective, parse};
use tarn_model::error::{Error, Result};
use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock as _;
use tarn_query::SqlError;
use tarn_storage::append::RequestMark;
use tarn_storage::append::rows::{SpanRow, SpanRows, TableRows};
use tarn_storage::head::follow::{FollowOptions, Followed, Follower, RowBatch, Value};
use tarn_storage::wal::Lsn;
use tarn_testkit::clock::RealClock;
use tarn_testkit::store::Store;
use tokio::sync::watch;

const OBJECTIVES: &str = "
slos:
- name: calls
  service: shop
  objective: 99
  sli: {ratio: {good: 'good_total', valid: 'all_total'}}
- name: spans
  service: shop
  objective: 99
  sli: {events: {table: spans, valid: 'true', good: 'true'}}
";

/// Knows nothing from before, counts every row as good, and fails as often as it is told to.
#[derive(Debug, Default)]
struct Shaky {
    counters_fail: AtomicU32,
    counts_fail: AtomicU32,
}

fn fails(left: &AtomicU32) -> bool {
    let take = |left: u32| left.checked_sub(1);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
}

#[async_trait]
impl Source for Shaky {
    async fn totals(&self, _: &Objective, _: &str, _: i64) -> Result<Totals> {
        Ok(Totals::default())
    }

    async fn counters(
        &self,
        _: &Objective,
        _: i64,
        _: &mut HashMap<LabelSet, Stored>,
    ) -> Result<()> {
        match fails(&self.counters_fail) {
            true => Err(Error::unavailable("busy", Duration::from_secs(1))),
            false => Ok(()),
        }
    }

    async fn count(
        &self,
        objective: &Objective,
        rows: &[Arc<RowBatch>],
    ) -> std::result::Result<Vec<Counted>, SqlError> {
        if &*objective.name != "spans" {
            return Ok(Vec::new());
        }
        if fails(&self.counts_fail) {
            return Err(SqlError::Timeout);
        }
        let number: usize = rows.iter().map(|batch| batch.rows().num_rows()).sum();
        let number = number as f64;
        Ok(vec![Counted { group: LabelSet::default(), good: number, valid: number }])
    }
}

struct World {
    store: Store,
    source: Arc<Shaky>,
    lost: Counter,
    tenant: TenantId,
    /// What the ledger writes.
    follower: Follower,
}

impl World {
    async fn new(seed: u64, source: Shaky) -> Self {
        let store = Store::open(seed).await.unwrap();
        let follower = store.storage().reader().follow(FollowOptions::default());
        let (source, lost) = (Arc::new(source), Counter::default());
        Self { store, source, lost, tenant: TenantId::default_tenant(), follower }
    }

    /// Starts the ledger; it ends with what is returned.
    fn start(&self) -> watch::Sender<()> {
        let (objectives, problems) = parse("slos.yaml", OBJECTIVES);
        assert_eq!(problems, []);
        let handles = Handles {
            clock: Arc::new(RealClock::default()),
            source: Arc::clone(&self.source) as Arc<dyn Source>,
            reader: self.store.storage().reader(),
            writer: self.store.storage().writer(),
            tenant: self.tenant.clone(),
            turn: Arc::default(),
            lost: self.lost.clone(),
        };
        let (stop, stopped) = watch::channel(());
        tokio::spawn(run(objectives.into_iter().map(Arc::new).collect(), handles, stopped));
        stop
    }

    async fn spans(&self, number: u64) -> Lsn {
        let mut rows = SpanRows::default();
        let resource = rows.resource("{}", "shop");
        let scope = rows.scope("{}");
        for id in 1..=number {
            rows.push(&SpanRow {
                resource,
                scope,
                trace_id: u128::from(id).to_be_bytes(),
                span_id: id.to_be_bytes(),
                name: "GET /",
                start_ns: RealClock::default().now().as_millis() * 1_000_000,
                duration_ns: 1_000_000,
                parent_span_id: None,
                kind: 2,
                status: 0,
                status_message: "",
                trace_state: "",
                flags: 1,
                dropped_attributes: 0,
                dropped_events: 0,
                dropped_links: 0,
                weight: None,
                exception_group: None,
                problems: 0,
            });
        }
        let writer = self.store.storage().writer();
        let rows = TableRows::Spans(rows);
        writer.append_rows(&self.tenant, rows, RequestMark::default()).await.unwrap()
    }

    async fn calls(&self, total: f64) -> Lsn {
        let mut appender = self.store.storage().writer().appender(&self.tenant).unwrap();
        let time_ms = RealClock::default().now().as_millis();
        for name in ["good_total", "all_total"] {
            let series = appender.series(&LabelSet::from_pairs(&[("__name__", name)])).unwrap();
            appender.float(series, time_ms, total, 0).unwrap();
        }
        appender.commit().await.unwrap()
    }

    /// Waits until a total of an objective is stored, and returns it with the position that was
    /// acknowledged by then.
    async fn stored(&mut self, slo: &str, wanted: f64) -> Lsn {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            let next = tokio::time::timeout(Duration::from_secs(1), self.follower.next()).await;
            let Ok(Some(Followed::Samples(batch))) = next else { continue };
            for sample in batch.samples() {
                let labels = batch.labels(sample.series).unwrap();
                let Value::Float(value) = sample.value else { continue };
                if labels.metric() == "tarn:slo_valid_total" && labels.value("slo") == slo {
                    assert!(value <= wanted, "{slo}: {value} events of {wanted}");
                    if value == wanted {
                        return self.acknowledged();
                    }
                }
            }
        }
        unreachable!("{slo}: {wanted} events are not stored")
    }

    fn acknowledged(&self) -> Lsn {
        let positions = self.store.storage().reader().acknowledged(FOLLOWER);
        positions.into_iter().map(|(_, lsn)| lsn).max().unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_cannot_be_counted_now_are_counted_later_and_not_acknowledged_before() {
    let mut world = World::new(1, Shaky { counts_fail: 3.into(), ..Shaky::default() }).await;
    let stop = world.start();
    let rows = world.spans(7).await;
    while world.source.counts_fail.load(Ordering::Relaxed) > 0 {
        assert!(world.acknowledged() < rows, "acknowledged before they are counted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.spans(5).await;
    let position = world.stored("spans", 12.0).await;
    assert!(position >= rows);
    assert_eq!(world.lost.get(), 0);
    drop(stop);
    world.store.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_before_a_begin_that_failed_counts() {
    let mut world = World::new(2, Shaky { counters_fail: 2.into(), ..Shaky::default() }).await;
    // Both are told while the ledger begins: in front of the record that its beginning waits for.
    world.spans(4).await;
    world.calls(9.0).await;
    let stop = world.start();
    world.stored("spans", 4.0).await;
    world.calls(10.0).await;
    world.stored("calls", 10.0).await;
    assert_eq!(world.source.counters_fail.load(Ordering::Relaxed), 0);
    drop(stop);
    world.store.end().await;
}
