use std::time::Instant;

use tarn_model::tenant::TenantId;
use tarn_model::time::{Sleep, UnixNanos};
use tarn_promql::query::Hooks;

use super::*;

thread_local! {
    /// How far a test has moved its clock; each runs on one thread of its own.
    static MOVED: std::cell::Cell<Duration> = const { std::cell::Cell::new(Duration::ZERO) };
}

#[derive(Debug)]
struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> UnixNanos {
        UnixNanos(0)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed() + MOVED.get()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

fn governor(limits: &Limits) -> (Arc<Governor>, Registry) {
    let mut registry = Registry::default();
    let clock = Arc::new(RealClock(Instant::now()));
    let governor = Governor::new(
        limits,
        Duration::from_secs(60),
        ProcessMemory::default(),
        clock,
        &mut registry,
    );
    (Arc::new(governor), registry)
}

fn limits() -> Limits {
    Limits {
        query_concurrency: Some(1),
        query_queue_max: 1,
        query_wait: Duration::from_millis(50),
        ..Limits::default()
    }
}

fn metric(registry: &Registry, line: &str) -> bool {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).expect("encodes");
    text.lines().any(|l| l == line)
}

async fn admit(governor: &Arc<Governor>) -> Result<Running> {
    governor.admit(Language::Promql, Duration::from_secs(120), Cancel::default()).await
}

#[tokio::test]
async fn who_waits_too_long_or_finds_the_queue_full_is_told_to_come_again() {
    let (governor, registry) = governor(&limits());
    let first = admit(&governor).await.expect("a slot is free");
    assert!(metric(&registry, "tarn_query_inflight 1"));
    let second = tokio::spawn({
        let governor = Arc::clone(&governor);
        async move { admit(&governor).await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let full = admit(&governor).await.expect_err("one waits already");
    assert_eq!(full.message(), "query queue is full, limit is 1 waiting queries");
    let late = second.await.expect("no panic").expect_err("waits in vain");
    assert_eq!(late.message(), "query timed out in query queue, limit is 0.05 s");
    assert_eq!(late.reply(tarn_model::error::Direction::Read).http, 503);
    drop(first);
    assert!(metric(&registry, "tarn_query_inflight 0"));
    admit(&governor).await.expect("the slot came back");
}

#[tokio::test]
async fn a_query_that_is_dropped_counts_as_canceled() {
    let (governor, registry) = governor(&limits());
    drop(admit(&governor).await.expect("admitted"));
    let tenant = TenantId::default_tenant();
    let report = Report { tenant: &tenant, text: "up", series: 1, samples: 7, bytes_peak: 1 };
    admit(&governor).await.expect("admitted").finish(Outcome::Ok, &report);
    assert!(metric(&registry, "tarn_query_cancelled_total{reason=\"canceled\"} 1"));
    assert!(metric(&registry, "tarn_query_samples_total 7"));
    let ok = "tarn_query_seconds_count{language=\"promql\",outcome=\"ok\"} 1";
    assert!(metric(&registry, ok));
}

#[tokio::test]
async fn memory_is_shared_and_comes_back() {
    let limits = Limits {
        memory_budget: tarn_model::units::ByteSize(1000),
        query_concurrency: Some(2),
        ..limits()
    };
    let (governor, registry) = governor(&limits);
    let (a, b) = (admit(&governor).await.expect("a"), admit(&governor).await.expect("b"));
    assert_eq!(a.memory_bytes_max(), 250);
    let (a, b) = (a.account(), b.account());
    assert!(a.reserve(300) && b.reserve(200), "half of the memory is for queries");
    assert!(!b.reserve(1), "it is used up");
    assert!(!b.reserve(u64::MAX), "nothing overflows");
    a.release(100);
    assert!(b.reserve(100));
    assert!(metric(&registry, "tarn_query_memory_bytes 500"));
    b.release(10_000);
    assert!(metric(&registry, "tarn_query_memory_bytes 200"), "never more than was taken");
    drop((a, b));
    assert!(metric(&registry, "tarn_query_memory_bytes 0"));
}

#[tokio::test]
async fn an_account_knows_why_to_stop() {
    let (governor, _registry) = governor(&limits());
    let cancel = Cancel::default();
    let timeout = Duration::from_millis(20);
    let running =
        governor.admit(Language::Promql, timeout, cancel.clone()).await.expect("admitted");
    let account = running.account();
    assert_eq!(account.interrupted(), None);
    running.expired().await;
    assert_eq!(account.interrupted(), Some(Interrupt::Timeout));
    cancel.interrupt(Interrupt::Canceled);
    cancel.interrupt(Interrupt::Timeout);
    assert_eq!(account.interrupted(), Some(Interrupt::Canceled), "the first reason stays");
}

#[tokio::test]
async fn a_query_that_does_not_look_up_is_counted_as_overdue() {
    let (governor, registry) = governor(&limits());
    let second = Duration::from_secs(1);
    for (moved, overdue) in [(5, 0), (7, 1), (60, 2)] {
        MOVED.set(Duration::ZERO);
        let running = governor.admit(Language::Sql, second, Cancel::default()).await;
        let running = running.expect("admitted");
        MOVED.set(Duration::from_secs(moved));
        assert!(running.is_over());
        drop(running);
        assert!(metric(&registry, &format!("tarn_query_overdue_total {overdue}")), "{moved} s");
    }
}

#[tokio::test]
async fn who_runs_is_listed_and_can_be_ended() {
    let (governor, _registry) = governor(&Limits::default());
    let (own, other) = (TenantId::default_tenant(), TenantId::parse("other").expect("a tenant"));
    let cancel = Cancel::default();
    let hour = Duration::from_secs(3600);
    let running = governor.admit(Language::Sql, hour, cancel.clone()).await.expect("admitted");
    let now = || governor.clock.monotonic();
    let roll = governor.roll();
    assert!(roll.running(&own, now()).is_empty(), "nobody's yet");
    running.describe(&own, "SELECT 1");
    let account = running.account();
    assert!(account.reserve(4096));
    let listed = roll.running(&own, now()).pop().expect("it runs");
    assert_eq!((listed.text.as_str(), listed.bytes), ("SELECT 1", 4096));
    assert!(roll.running(&other, now()).is_empty(), "of another tenant");
    assert!(!roll.cancel(&other, listed.id) && cancel.interrupted().is_none());
    assert!(roll.cancel(&own, listed.id) && cancel.interrupted().is_some());
    assert!(account.interrupted().is_some());

    MOVED.set(MOVED.get() + Duration::from_secs(2));
    let report = Report { tenant: &own, text: "SELECT 1", series: 0, samples: 7, bytes_peak: 9 };
    running.finish(Outcome::Canceled, &report);
    assert!(roll.running(&own, now()).is_empty() && !roll.cancel(&own, listed.id));
    let slow = roll.slow(&own).pop().expect("two seconds are remembered");
    assert_eq!((slow.rows, slow.listed.bytes, slow.outcome), (7, 9, Outcome::Canceled));
    assert!(slow.listed.elapsed >= Duration::from_secs(2) && roll.slow(&other).is_empty());
    let quick = admit(&governor).await.expect("admitted");
    quick.describe(&own, "up");
    quick.finish(Outcome::Ok, &report);
    assert_eq!(roll.slow(&own).len(), 1, "quick ones are not");
}
