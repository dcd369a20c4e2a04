use tarn_model::sample::Counts;

use super::{BOUNDS, Latency};

#[test]
fn what_is_restored_goes_on_as_it_was() {
    let mut before = Latency::default();
    for n in 0..2000_u32 {
        before.observe(f64::from(n) * f64::from(n) * 1e-5, f64::from(1 + n % 3));
    }
    before.observe(0.0, 1.0);
    before.observe(-1.0, 1.0);
    before.observe(1e12, 1.0);
    let mut after = Latency::default();
    after.restore(&before.histogram());
    for (le, cumulative) in before.cumulative() {
        after.restore_bucket(le, cumulative);
    }
    after.restored();
    assert_eq!(after, before);
    let histogram = after.histogram();
    assert_eq!(histogram.count(), before.count);
    assert!(histogram.bucket_count() < 320, "{}", histogram.bucket_count());
    let total: f64 = (0..histogram.bucket_count()).map(|at| histogram.bucket(at)).sum();
    assert_eq!(total + histogram.zero_count(), before.count);
}

#[test]
fn bounds_are_inclusive_and_weights_may_be_fractions() {
    for (at, (bound, text)) in BOUNDS.iter().enumerate() {
        let mut latency = Latency::default();
        latency.observe(*bound, 1.5);
        assert_eq!(latency.classic[at], 1.5);
        assert_eq!(text.parse(), Ok(*bound));
        assert!(matches!(latency.histogram().counts, Counts::Float { count: 1.5, .. }));
    }
    // A power of two closes its bucket.
    let mut latency = Latency::default();
    latency.observe(1.0, 1.0);
    assert_eq!(latency.histogram().positive, [0]);
}
