use super::{ENDED_MAX, LATE_MS, LATEST_MS, Late};

const NOW: i64 = 1_800_000_000_000;

#[test]
fn what_ended_before_is_late_and_counts_at_the_end_of_its_interval() {
    let at = |ago_ms| Late::interval(NOW - ago_ms, NOW, 15_000);
    assert_eq!(at(0), None);
    assert_eq!(at(LATE_MS), None);
    assert_eq!(at(LATE_MS + 1), Some(NOW - LATE_MS));
    assert_eq!(at(60_000), Some(NOW - 45_000));
    assert_eq!(at(60_001), Some(NOW - 60_000));
    assert_eq!(at(LATEST_MS), None);
}

#[test]
fn short_pauses_are_filled_and_long_ones_are_not() {
    let mut late = Late::default();
    assert!(late.over(NOW, 15_000).is_empty());
    late.advance(NOW, NOW - 1);
    assert!(late.over(NOW, 15_000).is_empty() && late.over(NOW - 15_000, 15_000).is_empty());
    assert_eq!(late.over(NOW + 30_000, 15_000), [NOW, NOW + 15_000]);
    assert_eq!(late.over(NOW + 3_600_000, 15_000), [NOW]);
    late.advance(NOW - 15_000, NOW - 20_000);
    assert_eq!(late.clock_ms(), NOW);
}

#[test]
fn times_only_go_forward() {
    let mut late = Late::default();
    late.advance(NOW, NOW - 9_000);
    assert_eq!(late.stamp_of_now(), NOW - 9_000);
    assert_eq!(late.stamp_of_now(), NOW - 8_999);
    assert_eq!(late.stamp(NOW), NOW);
    assert_eq!(late.stamp(NOW), NOW + 1);
    assert!(!late.has_arrived(NOW + 600_000, 15_000) && late.has_arrived(NOW + 60_000, 15_000));
}

#[test]
fn nothing_begins_before_its_service_ended() {
    let mut late = Late::default();
    late.end(&"cart".into(), NOW);
    assert!(!late.may_begin("cart", NOW) && late.may_begin("cart", NOW + 1));
    assert!(late.may_begin("web", NOW - 1));
    for n in 0..ENDED_MAX {
        late.end(&format!("s{n}").into(), NOW - 1);
    }
    assert!(!late.may_begin("cart", NOW) && late.may_begin("cart", NOW + 1));
}
