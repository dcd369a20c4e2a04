use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const T: i64 = 1_795_262_400_000;

#[test]
fn slots_are_an_interval_apart_and_stand_still_over_a_restart() {
    let mut slots = Slots::new("rules.yml;shop", MINUTE, T);
    let first = slots.next_ms();
    assert!(first > T && first <= T + 60_000, "{first}");
    assert_eq!(slots.due(first - 1), None);
    assert_eq!(slots.due(first), Some(Due { slot_ms: first, missed: 0 }));
    assert_eq!(slots.due(first + 1), None);
    assert_eq!(slots.due(first + 60_007), Some(Due { slot_ms: first + 60_000, missed: 0 }));
    let again = Slots::new("rules.yml;shop", MINUTE, T + 3_600_000);
    assert_eq!((again.next_ms() - first) % 60_000, 0, "the same place in the minute");
}

#[test]
fn groups_spread_over_the_interval() {
    let mut places: Vec<i64> = (0..100)
        .map(|n| Slots::new(&format!("rules.yml;group{n}"), MINUTE, T).next_ms() - T)
        .collect();
    places.sort_unstable();
    let widest = places.windows(2).map(|two| two[1] - two[0]).max().unwrap_or(0);
    assert!(widest < 6_000, "{places:?}");
}

#[test]
fn missed_slots_are_counted_and_skipped() {
    let mut slots = Slots::new("k", MINUTE, T);
    let first = slots.next_ms();
    assert!(slots.due(first).is_some());
    let late = first + 5 * 60_000 + 10;
    assert_eq!(slots.due(late), Some(Due { slot_ms: first + 300_000, missed: 4 }));
    assert_eq!(slots.wait_ms(late), 59_990);
}

#[test]
fn a_clock_that_goes_back_is_followed() {
    let mut slots = Slots::new("k", MINUTE, T);
    let first = slots.next_ms();
    assert!(slots.due(first).is_some());
    let back = first - 3_600_000;
    assert_eq!(slots.wait_ms(back), 0, "asked at once");
    assert_eq!(slots.due(back), None);
    assert_eq!(slots.next_ms(), back + 60_000);
    assert_eq!(slots.due(back + 60_000), Some(Due { slot_ms: back + 60_000, missed: 0 }));
}
