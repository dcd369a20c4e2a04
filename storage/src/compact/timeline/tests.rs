use std::sync::Arc;

use super::{Laid, Vectors, lay};

fn laid(vectors: &[(&[i64], u32)]) -> Laid {
    let mut all = Vectors::default();
    for (ticks, series) in vectors {
        for _ in 0..*series {
            all.add(ticks);
        }
    }
    lay(all)
}

/// Every vector is what its runs give back.
fn check(laid: &Laid) {
    for vector in &laid.vectors {
        let mut ticks = Vec::new();
        for run in &vector.runs {
            assert_eq!(run.range.start, ticks.len());
            let timeline = &laid.timelines[run.timeline as usize];
            ticks.extend_from_slice(&timeline[run.offset..run.offset + run.range.len()]);
        }
        assert_eq!(*ticks, *vector.ticks);
    }
}

fn every(step: i64, range: std::ops::Range<i64>) -> Vec<i64> {
    range.map(|i| i * step).collect()
}

#[test]
fn parts_of_a_vector_need_no_timeline_of_their_own() {
    let whole = every(15, 0..400);
    let laid = laid(&[(&whole[100..200], 5), (&whole, 1), (&whole[..37], 9), (&whole[399..], 1)]);
    check(&laid);
    // A single tick has no neighbour to be found by.
    assert_eq!(laid.timelines.len(), 2);
    assert_eq!(laid.vectors[0].runs[0].offset, 100);
}

#[test]
fn a_missed_scrape_costs_rare_vectors_a_slice_and_frequent_ones_a_timeline() {
    let whole = every(15, 0..400);
    let missed: Vec<i64> = whole.iter().copied().filter(|t| *t != 15 * 250).collect();
    for (series, timelines, runs) in [(1, 1, 2), (1000, 2, 1)] {
        let laid = laid(&[(&whole, 1000), (&missed, series)]);
        check(&laid);
        assert_eq!((laid.timelines.len(), laid.vectors[1].runs.len()), (timelines, runs));
    }
}

#[test]
fn what_leaves_a_timeline_too_often_keeps_its_own() {
    let whole = every(15, 0..400);
    let half: Vec<i64> = whole.iter().copied().step_by(2).collect();
    let laid = laid(&[(&whole, 1), (&half, 1)]);
    check(&laid);
    assert_eq!(laid.timelines.len(), 2);
}

#[test]
fn what_goes_on_after_a_timeline_is_added_to_none_twice() {
    let a = every(15, 0..400);
    let b = every(15, 300..600);
    let laid = laid(&[(&a, 1), (&b, 1), (&b[50..], 1)]);
    check(&laid);
    let ticks: usize = laid.timelines.iter().map(|t| t.len()).sum();
    assert!(ticks <= 601, "{ticks}");
}

#[test]
fn the_longest_of_several_places_is_taken() {
    let long = every(15, 0..400);
    let mut short = every(15, 0..20);
    short.extend((0..300).map(|i| 15 * 20 + 7 + i * 15));
    let part = &short[5..200];
    let laid = laid(&[(&long, 1), (&short, 50), (part, 50)]);
    check(&laid);
    assert_eq!(laid.vectors[2].runs.len(), 1);
}

/// Any vectors come back, whatever the search made of them.
#[test]
fn random_vectors_come_back() {
    let mut state = 7_u64;
    let mut below = |n: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let grid = every(10, 0..500);
    for _ in 0..50 {
        let mut all = Vectors::default();
        for _ in 0..30 {
            let from = below(500) as usize;
            let to = from + below(500 - from as u64 + 1) as usize;
            let skipped = below(40);
            let kept = grid[from..to].iter().copied().filter(|_| below(40) >= skipped / 8);
            all.add(&kept.collect::<Vec<i64>>());
        }
        check(&lay(all));
    }
}

#[test]
fn equal_vectors_are_one() {
    let mut all = Vectors::default();
    assert_eq!([all.add(&[1, 2]), all.add(&[1, 3]), all.add(&[1, 2])], [0, 1, 0]);
    assert_eq!(all.ticks(), 4);
    let laid = lay(all);
    assert_eq!(laid.timelines, [Arc::from([1, 2]), Arc::from([1, 3])]);
}
