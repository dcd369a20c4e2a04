use tarn_model::limits::Rate;

use super::*;
use crate::fuzz::HandClock;

fn admission(capacity: u64) -> (Arc<Admission>, Arc<HandClock>) {
    let clock = Arc::new(HandClock::default());
    let handle: Arc<dyn Clock> = Arc::<HandClock>::clone(&clock);
    (Admission::new(ByteSize(capacity), handle, Gauge::default()), clock)
}

fn unavailable(error: &Error) -> Duration {
    match error.kind() {
        ErrorKind::Unavailable { retry_after } => retry_after,
        other => panic!("{other:?}: {error}"),
    }
}

#[test]
fn permits_grow_up_to_the_capacity_and_give_back() {
    let (admission, _) = admission(1000);
    let (mut a, mut b) = (admission.permit(), admission.permit());
    a.grow(600).expect("fits");
    b.grow(400).expect("fits");
    let full = b.grow(1).expect_err("full");
    unavailable(&full);
    assert!(full.message().contains("hold 1000 bytes, limit is 1000B, this one needs 1 more"));
    assert_eq!(admission.gauge.get(), 1000);
    a.shrink(100);
    b.grow(100).expect("fits again");
    drop(a);
    assert_eq!((b.bytes(), admission.gauge.get()), (500, 500));
    drop(b);
    assert_eq!(admission.gauge.get(), 0);
}

#[test]
fn a_request_that_never_fits_is_told_so() {
    let (admission, _) = admission(1000);
    let mut permit = admission.permit();
    permit.grow(600).expect("fits");
    for more in [401, 5000, usize::MAX] {
        let error = permit.grow(more).expect_err("too big");
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { retry_after: None });
    }
}

#[test]
fn the_wait_follows_the_drain_rate() {
    let mib = 1 << 20;
    let (admission, clock) = admission(64 << 20);
    let mut full = admission.permit();
    full.grow(64 * mib).expect("fits");
    let mut other = admission.permit();
    assert_eq!(unavailable(&other.grow(1).expect_err("full")), DRAIN_MAX);
    // 32 MiB in 2 s: the other 32 MiB and the newly taken ones take 4 s.
    full.shrink(32 * mib);
    full.grow(32 * mib).expect("fits");
    clock.advance(Duration::from_secs(2));
    assert_eq!(unavailable(&other.grow(1).expect_err("full")), Duration::from_secs(4));
}

#[test]
fn tenants_have_buckets_of_their_own() {
    let clock = Arc::new(HandClock::default());
    let handle: Arc<dyn Clock> = Arc::<HandClock>::clone(&clock);
    let rates = Rates::new(handle);
    let limits = slow();
    let (a, b) = (TenantId::parse("a").expect("valid"), TenantId::parse("b").expect("valid"));
    rates.take(&a, 200, &limits).expect("burst");
    rates.take(&a, 600, &limits).expect("into debt");
    let error = rates.take(&a, 1, &limits).expect_err("in debt");
    let retry_after = Some(Duration::from_secs(5));
    assert_eq!(error.kind(), ErrorKind::LimitExceeded { retry_after });
    assert_eq!(
        error.message(),
        "tenant \"a\" sends more than 100B/s (ingest.rate), this request has 1 bytes"
    );
    rates.take(&b, 1, &limits).expect("not its fault");
    clock.advance(Duration::from_secs(6));
    rates.take(&a, 1, &limits).expect("drained");
}

#[test]
fn idle_tenants_are_forgotten() {
    let clock = Arc::new(HandClock::default());
    let handle: Arc<dyn Clock> = Arc::<HandClock>::clone(&clock);
    let rates = Rates::new(handle);
    let limits = slow();
    for n in 0..3 * BUCKETS_MAX {
        rates.take(&tenant(n), 1, &limits).expect("first");
        if n % 1000 == 0 {
            clock.advance(Duration::from_secs(1));
        }
    }
    assert!(rates.buckets.lock().by_tenant.len() <= BUCKETS_MAX);
}

#[test]
fn busy_tenants_beyond_all_buckets_share_one() {
    let rates = Rates::new(Arc::new(HandClock::default()));
    let limits = slow();
    for n in 0..BUCKETS_MAX {
        rates.take(&tenant(n), 300, &limits).expect("first");
    }
    rates.take(&tenant(BUCKETS_MAX), 300, &limits).expect("the common one is full");
    let other = TenantId::parse("other").expect("valid");
    rates.take(&other, 1, &limits).expect_err("the common one is empty");
    assert_eq!(rates.buckets.lock().by_tenant.len(), BUCKETS_MAX);
    assert_eq!(limits.hits.of(Limit::IngestRate), 1);
}

fn tenant(n: usize) -> TenantId {
    TenantId::parse(&format!("t{n}")).expect("valid")
}

/// 100 bytes a second, 300 at once.
fn slow() -> Limits {
    let ingest_rate = Rate::PerSecond(ByteSize(100));
    Limits { ingest_rate, ingest_burst: ByteSize(300), ..Limits::default() }
}
