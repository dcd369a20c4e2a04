use super::{BYTES_MAX, Tally, VALUE_BYTES_MAX, VALUES_MAX};

#[test]
fn the_most_frequent_come_first() {
    let mut tally = Tally::default();
    for (value, n) in [("b", 2), ("a", 2), ("c", 7), ("b", 1)] {
        tally.add(value, n);
    }
    assert_eq!(tally.top(2), [("c", 7), ("b", 3)]);
    assert_eq!((tally.rows(), tally.distinct(), tally.is_cut()), (12, 3, false));
}

#[test]
fn a_million_values_stay_within_bounds_and_frequent_ones_are_found() {
    let mut tally = Tally::default();
    for n in 0..1_000_000_u32 {
        tally.add(&format!("unique-{n}"), 1);
        if n % 50 == 0 {
            tally.add("frequent", 1);
        }
    }
    assert!(tally.is_cut());
    assert!(tally.distinct() <= VALUES_MAX, "{}", tally.distinct());
    assert!(tally.bytes() < 2 << 20, "{}", tally.bytes());
    assert_eq!(tally.rows(), 1_020_000);
    assert_eq!(tally.top(1), [("frequent", 20_000)]);
}

#[test]
fn long_values_are_known_by_their_beginning() {
    let mut tally = Tally::default();
    let long = "ä".repeat(VALUE_BYTES_MAX);
    tally.add(&long, 1);
    tally.add(&format!("{long}x"), 1);
    assert_eq!(tally.distinct(), 1);
    assert_eq!(tally.top(1)[0].0.len(), VALUE_BYTES_MAX);
    for n in 0..5000 {
        tally.add(&format!("{n:01024}"), 1);
    }
    assert!(tally.is_cut() && tally.bytes() < 2 * BYTES_MAX as u64, "{}", tally.bytes());
}
