use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::Grid;
use crate::search::scan::Range;

#[test]
fn widths_are_round() {
    let hour = 3600 * 1_000_000;
    // (range in µs, buckets) → (start in ms, step in ms, buckets)
    let rows = [
        ((0, hour - 1), 60, (0, 60_000, 60)),
        ((0, hour), 60, (0, 120_000, 31)),
        ((90_000_000, hour + 89_999_999), 61, (60_000, 60_000, 61)),
        ((5, 5), 1, (0, 1, 1)),
        ((-1, 0), 1, (-(1 << 62), 1 << 62, 2)),
        ((0, 40 * 24 * hour - 1), 40, (0, 86_400_000, 40)),
    ];
    for ((start_us, end_us), buckets, expected) in rows {
        let grid = Grid::new(Range { start_us, end_us }, buckets);
        assert_eq!((grid.start_ms, grid.step_ms, grid.len), expected, "{start_us} {end_us}");
    }
}

proptest! {
    #[test]
    fn every_time_of_the_range_has_one_bucket(
        a in any::<i64>(),
        b in any::<i64>(),
        at in any::<i64>(),
        buckets in 1_usize..2000,
    ) {
        let range = Range { start_us: a.min(b), end_us: a.max(b) };
        let grid = Grid::new(range, buckets);
        prop_assert!(grid.len <= buckets.max(2), "{grid:?}");
        let place = grid.place(at);
        prop_assert_eq!(place.is_some(), at >= range.start_us && at <= range.end_us);
        if let Some(place) = place {
            let (first, last) = grid.bounds_us(place);
            prop_assert!(first <= at && at <= last, "{grid:?} {place} {first} {last}");
        }
        for edge in [range.start_us, range.end_us] {
            prop_assert!(grid.place(edge).is_some(), "{grid:?}");
        }
    }
}
