//! The commit protocol under stalls, lost replies, late effects, crashes, long suspensions, deleted
//! history and a copied folder (VIS-1, FEN-1), while merges take blocks away and sweeps delete
//! whatever nothing names.
//!
//! Two or three writers flush their logs into one bucket until every row is committed. The rows are
//! only positions; a block is a few bytes that name the positions it holds. Whatever happened on
//! the way, each position must have entered exactly once, all processes must have seen the same
//! manifest under the same number, every block that a state names must be there, and in the end
//! nothing else.

#[path = "commit_model/world.rs"]
mod world;

use proptest::prelude::{ProptestConfig, any, proptest};
use world::{Weather, World};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("TARN_TEST_SLOW").is_some() { 10_000 } else { 150 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn vis_1_fen_1_each_cut_enters_once_whatever_happens(seed in any::<u64>()) {
        World::new(seed, Weather::drawn(seed)).run();
    }
}

#[test]
fn two_writers_in_calm_weather_share_the_numbers() {
    let end = World::new(1, Weather::calm()).run();
    assert_eq!(end.fenced, 0);
    assert!(end.manifests >= 8, "{end:?}");
}

#[test]
fn fen_1_of_two_copies_of_a_folder_one_goes_on() {
    let mut fenced = 0;
    for seed in 0..30 {
        let weather = Weather { copy: true, writers: 1, ..Weather::drawn(seed) };
        let end = World::new(seed, weather).run();
        // None, where the first had committed everything before the copy began.
        assert!(end.fenced <= 1, "seed {seed}: {end:?}");
        fenced += end.fenced;
    }
    assert!(fenced > 0, "the two never met");
}

#[test]
fn vis_1_a_suspension_beyond_the_history_reloads() {
    let mut reloads = 0;
    for seed in 0..60 {
        let weather = Weather { suspend: 60, copy: false, ..Weather::drawn(seed) };
        reloads += World::new(seed, weather).run().dead_branches;
    }
    // The case must be met, or the test shows nothing.
    assert!(reloads > 0, "no dead branch in 60 runs");
}

#[test]
fn sweep_against_late_commit_the_block_is_written_again_under_another_name() {
    let mut taken = 0;
    for seed in 0..60 {
        let stall = 300;
        let drawn = Weather::drawn(seed);
        let faults = tarn_testkit::fault_store::FaultPlan { stall, ..drawn.faults };
        let weather = Weather { faults, copy: false, crash: 0, suspend: 0, ..drawn };
        taken += World::new(seed, weather).run().taken;
    }
    // The case must be met, or the test shows nothing.
    assert!(taken > 0, "no sweep was faster than a commit in 60 runs");
}

#[test]
fn old_manifests_go_oldest_first() {
    let end = World::new(5, Weather::calm()).run();
    assert!(end.oldest > 1 && end.oldest < end.manifests, "{end:?}");
}

#[test]
fn vis_1_a_sleeper_before_the_first_manifest_is_told_that_there_have_been_some() {
    // It wakes when the first manifests are deleted, and the listing shows none of the others.
    let seed = 537_636_398_677_088_689;
    World::new(seed, Weather::drawn(seed)).run();
}
