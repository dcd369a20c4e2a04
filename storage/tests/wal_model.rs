//! The log against a plain `Vec`: any sequence of appends, failing syncs and writes, full disks,
//! power losses at any operation, kills, restarts and truncations (DUR-1, DUR-2, DUR-3, COR-2).
//!
//! What must hold after every start: each record that was applied (so could be seen, or was
//! acknowledged) is there exactly once, under its LSN, in order; nothing that a client was told is
//! refused comes back once the log has moved on; no record leans on a definition that was dropped.

#[path = "support/wal.rs"]
mod support;
#[path = "wal_model/world.rs"]
mod world;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use world::{Action, World};

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => (1usize..6, prop_oneof![8 => 0usize..900, 2 => 3000usize..9000, 1 => 30_000usize..90_000])
            .prop_map(|(count, bytes)| Action::Append { count, bytes }),
        12 => Just(Action::Step),
        3 => Just(Action::Witness),
        3 => Just(Action::Upkeep),
        2 => (0u8..=100).prop_map(Action::Truncate),
        2 => (1u32..4).prop_map(Action::FailSyncs),
        1 => (1u32..3).prop_map(Action::FailWrites),
        1 => Just(Action::FullDisk),
        2 => Just(Action::FreeDisk),
        2 => Just(Action::Wait),
        2 => (0u64..12).prop_map(Action::CutPowerAfter),
        2 => Just(Action::PowerLoss),
        1 => Just(Action::Kill),
        1 => Just(Action::CloseAndStart),
    ]
}

fn cases() -> u32 {
    let slow = std::env::var_os("TARN_TEST_SLOW").is_some();
    if slow { 20_000 } else { 600 }
}

#[test]
fn dur_1_dur_2_dur_3_any_sequence_equals_the_model() {
    let config = ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        max_shrink_iters: 5_000,
        ..ProptestConfig::default()
    };
    let run = (any::<u64>(), prop::collection::vec(action(), 1..60));
    let outcome = TestRunner::new(config).run(&run, |(seed, actions)| {
        let mut world = World::new(seed);
        for action in actions {
            world.act(&action);
        }
        world.act(&Action::PowerLoss);
        world.act(&Action::Kill);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// DUR-1 at every step: the same short history, with the power cut after each of its operations.
#[test]
fn dur_1_power_loss_after_every_operation() {
    let history = |world: &mut World| {
        for bytes in [100, 700, 12_000, 5_000, 90_000, 10, 9_000, 9_000] {
            world.act(&Action::Append { count: 3, bytes });
            world.act(&Action::Step);
            world.act(&Action::Upkeep);
        }
        world.act(&Action::Witness);
        world.act(&Action::Truncate(50));
        world.act(&Action::Upkeep);
        world.act(&Action::Append { count: 2, bytes: 30 });
        world.act(&Action::Step);
    };
    let mut whole = World::new(0);
    let before = whole.operations();
    history(&mut whole);
    let operations = whole.operations() - before;
    assert!(operations > 60, "{operations}");
    for cut in 0..operations {
        for seed in 0..4 {
            let mut world = World::new(seed);
            world.act(&Action::CutPowerAfter(cut));
            history(&mut world);
            world.act(&Action::PowerLoss);
            world.act(&Action::Append { count: 1, bytes: 10 });
            world.act(&Action::Step);
            world.act(&Action::PowerLoss);
        }
    }
}
