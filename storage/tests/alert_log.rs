//! The alert log against a plain list: any sequence of appends, snapshots, failing syncs and writes,
//! full disks, power losses at any operation, kills and restarts (DUR-1, DUR-2, DUR-3, COR-1, COR-2).
//!
//! What must hold after every start: image and entries together are every acknowledged entry, once,
//! in order; a call is there whole or not at all; nothing that was refused comes back once the log
//! has moved on; a snapshot that succeeded is found, and one that did not is absent.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]
#![expect(clippy::disallowed_methods, reason = "real threads and real time are what is tested")]

#[path = "alert_log/world.rs"]
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tarn_model::error::ErrorKind;
use tarn_storage::alert_log::{AlertLog, Entry};
use tarn_storage::file::{Disk, OpenHow, RealDisk};
use tarn_storage::operate::quarantine::quarantine;
use tarn_storage::paths::DataDir;
use tarn_storage::wal::Lsn;
use tarn_testkit::clock::RealClock;
use tarn_testkit::sim_disk::SimDisk;
use tarn_testkit::tasks::RealTasks;

use world::{Action, DIR, World, entries, handles, ids_of, options};

fn action() -> impl Strategy<Value = Action> {
    let bytes = prop_oneof![8 => 0_usize..400, 2 => 1000_usize..3000, 1 => 9000_usize..20_000];
    prop_oneof![
        12 => (1_usize..4, 1_usize..5, bytes)
            .prop_map(|(calls, entries, bytes)| Action::Append { calls, entries, bytes }),
        12 => Just(Action::Step),
        3 => Just(Action::Witness),
        3 => Just(Action::Upkeep),
        4 => Just(Action::Snapshot),
        2 => (1_u32..4).prop_map(Action::FailSyncs),
        1 => (1_u32..3).prop_map(Action::FailWrites),
        1 => Just(Action::FullDisk),
        2 => Just(Action::FreeDisk),
        2 => Just(Action::Wait),
        2 => (0_u64..12).prop_map(Action::CutPowerAfter),
        2 => Just(Action::PowerLoss),
        1 => Just(Action::Kill),
        1 => Just(Action::CloseAndStart),
    ]
}

#[test]
fn dur_1_dur_2_dur_3_any_sequence_equals_the_model() {
    let slow = std::env::var_os("TARN_TEST_SLOW").is_some();
    let config = ProptestConfig {
        cases: if slow { 20_000 } else { 500 },
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

/// DUR-1 at every step: the same history, with the power cut after each of its operations.
#[test]
fn dur_1_power_loss_after_every_operation() {
    let history = |world: &mut World| {
        for bytes in [100, 700, 3_000, 20, 9_000, 10, 2_000, 2_000] {
            world.act(&Action::Append { calls: 2, entries: 3, bytes });
            world.act(&Action::Step);
            world.act(&Action::Snapshot);
            world.act(&Action::Upkeep);
        }
        world.act(&Action::Witness);
        world.act(&Action::Append { calls: 1, entries: 2, bytes: 30 });
        world.act(&Action::Step);
    };
    let mut whole = World::new(0);
    let before = whole.operations();
    history(&mut whole);
    let operations = whole.operations() - before;
    assert!(operations > 80, "{operations}");
    for cut in 0..operations {
        for seed in 0..4 {
            let mut world = World::new(seed);
            world.act(&Action::CutPowerAfter(cut));
            history(&mut world);
            world.act(&Action::PowerLoss);
            world.act(&Action::Append { calls: 1, entries: 1, bytes: 10 });
            world.act(&Action::Step);
            world.act(&Action::PowerLoss);
        }
    }
}

/// COR-1, COR-2: a flipped bit anywhere changes nothing or stops the start, and a damaged snapshot
/// is made up for by the one before it and the log.
#[test]
fn cor_1_cor_2_a_flipped_bit_anywhere_is_found() {
    let mut world = World::new(1);
    for bytes in [100, 900, 3_000, 50, 700] {
        world.act(&Action::Append { calls: 2, entries: 3, bytes });
        world.act(&Action::Step);
        if bytes > 80 {
            world.act(&Action::Snapshot);
        }
    }
    world.act(&Action::Witness);
    let (disk, expected) = world.end();
    let (mut same, mut refused, mut snapshots) = (0, 0, 0);
    for entry in disk.list(Path::new(DIR)).unwrap() {
        let name = entry.path.to_string_lossy().into_owned();
        let step = if name.ends_with(".snapshot") { 1 } else { 37 };
        for bit in (0..entry.bytes * 8).step_by(step) {
            let disk = disk.fork();
            disk.flip_bit(&entry.path, bit).unwrap();
            match AlertLog::open_stepped(&options(1000), &handles(&disk)) {
                Ok((log, _, _)) => {
                    let replayed = futures::executor::block_on(log.replay()).unwrap();
                    assert_eq!(ids_of(&replayed), expected, "bit {bit} of {name}");
                    same += 1;
                    snapshots += usize::from(name.ends_with(".snapshot"));
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit} of {name}: {error}");
                    refused += 1;
                }
            }
        }
    }
    println!("{same} flips changed nothing, {refused} stopped the start, {snapshots} in snapshots");
    assert!(refused > 300 && snapshots > 1000, "{same} {refused} {snapshots}");
}

/// COR-2: entries that are damaged and in no snapshot stop the start until somebody sets them aside;
/// what is in front of them stays.
#[test]
fn cor_2_damage_is_set_aside_by_hand() {
    let mut world = World::new(5);
    for _ in 0..3 {
        world.act(&Action::Append { calls: 1, entries: 2, bytes: 100 });
        world.act(&Action::Step);
    }
    world.act(&Action::Witness);
    let (disk, expected) = world.end();
    let folder = DataDir::new("/data");
    assert_eq!(quarantine(&disk, &folder).unwrap(), None);
    let segment = Path::new(DIR).join("00000000000000000001.segment");
    // The second group begins in the third sector.
    disk.flip_bit(&segment, (2 * 512 + 100) * 8).unwrap();
    let refused = AlertLog::open_stepped(&options(1000), &handles(&disk)).unwrap_err();
    assert!(refused.message().contains("`tarn wal quarantine`"), "{refused}");
    let done = quarantine(&disk, &folder).unwrap().unwrap();
    assert_eq!((done.first_lost, done.last_lost), (Lsn(2), Lsn(3)));
    assert!(done.moved_to[0].starts_with("/data/quarantine/alerts"), "{done:?}");
    let (log, _, _) = AlertLog::open_stepped(&options(1000), &handles(&disk)).unwrap();
    let replayed = futures::executor::block_on(log.replay()).unwrap();
    assert_eq!((ids_of(&replayed), replayed.last), (expected[..2].to_vec(), Lsn(3)));
}

/// A log that nobody snapshots refuses at its bound, and takes appends again after a snapshot.
#[test]
fn a_full_log_refuses_until_a_snapshot() {
    let disk = SimDisk::new(1);
    let small = tarn_storage::alert_log::Options {
        bytes_max: tarn_model::units::ByteSize(20_000),
        ..options(1)
    };
    let (log, mut commits, _) = AlertLog::open_stepped(&small, &handles(&disk)).unwrap();
    let mut append = |id: u64| {
        let append = log.append(entries(id, 1, 3000));
        let step = async {
            commits.step();
        };
        futures::executor::block_on(futures::future::join(append, step)).0
    };
    let mut last = Lsn(0);
    let refused = (0..20).find_map(|id| match append(id) {
        Ok(lsn) => {
            last = lsn;
            None
        }
        Err(error) => Some((id, error)),
    });
    let (id, error) = refused.unwrap();
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
    assert_eq!(log.unsaved().0, id * 3024);
    // The image before the last keeps its log: two make room.
    let snapshot = |through, bytes: &'static [u8]| {
        futures::executor::block_on(log.snapshot(through, Bytes::from_static(bytes)))
    };
    snapshot(last.prev(), b"nearly all").unwrap();
    snapshot(last, b"all").unwrap();
    assert_eq!(log.unsaved().0, 0);
    append(id).unwrap();
    let ahead = snapshot(Lsn(1000), b"of the future").unwrap_err();
    assert_eq!(ahead.kind(), ErrorKind::Internal, "{ahead}");
}

/// With real threads and a real disk: many at once, a process that just stops, one that closes.
#[tokio::test(flavor = "multi_thread")]
async fn dur_1_many_callers_and_a_process_that_just_stops() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = RealTasks::current();
    let start = |epoch| {
        let options = tarn_storage::alert_log::Options {
            dir: folder.path().join("alerts"),
            segment_bytes: tarn_model::units::ByteSize::mib(1),
            ..options(epoch)
        };
        let handles = tarn_storage::Handles {
            clock: Arc::new(RealClock::default()),
            tasks: Arc::new(tasks.clone()),
            disk: Arc::new(RealDisk),
            ..handles(&SimDisk::new(1))
        };
        AlertLog::open(options, &handles)
    };
    let log = start(1);
    assert_eq!(log.replay().await.unwrap().last, Lsn(0));
    let callers: Vec<_> = (0..16)
        .map(|caller| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0..20 {
                    let id = caller * 100 + n;
                    let lsn = log.append(entries(id, 2, 1000)).await.unwrap();
                    acknowledged.push((lsn, id));
                }
                acknowledged
            })
        })
        .collect();
    let mut all = Vec::new();
    for caller in callers {
        all.extend(caller.await.unwrap());
    }
    all.sort_unstable();
    let mut took = Vec::new();
    for id in 10_000..10_200 {
        let before = std::time::Instant::now();
        all.push((log.append(entries(id, 2, 512)).await.unwrap(), id));
        took.push(before.elapsed());
    }
    took.sort_unstable();
    println!("append of 1 KiB: p50 {:?}, p99 {:?}", took[100], took[198]);
    drop(log);
    let log = start(2);
    let replayed = log.replay().await.unwrap();
    let expected: Vec<u64> = all.iter().flat_map(|(_, id)| [*id, *id]).collect();
    assert_eq!(ids_of(&replayed), expected);
    log.snapshot(replayed.last, world::image(&expected)).await.unwrap();
    log.append(entries(9999, 1, 10)).await.unwrap();
    log.close().await.unwrap();
    assert!(log.append(entries(1, 1, 10)).await.is_err());
    let log = start(3);
    let replayed = log.replay().await.unwrap();
    assert_eq!(replayed.entries.len(), 1);
    assert_eq!(ids_of(&replayed).len(), 1041);
    assert!(log.replay().await.unwrap().entries.is_empty(), "it is handed out once");
    drop(log);
    tokio::task::spawn_blocking(move || tasks.stop()).await.unwrap();
}

/// A log that cannot be opened goes on trying, and says so meanwhile.
#[test]
fn a_disk_that_is_full_at_the_start_is_asked_again() {
    let disk = SimDisk::new(3);
    disk.set_capacity(0);
    let (log, mut commits, _) = AlertLog::open_stepped(&options(1), &handles(&disk)).unwrap();
    let error = log.writable().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
    disk.set_capacity(u64::MAX);
    // A commit thread looks once a second.
    world::clock().advance_to(Duration::from_secs(2));
    commits.step();
    log.writable().unwrap();
}

fn golden() -> std::path::PathBuf {
    tarn_testkit::tree::own_folder().join("../tests/compat/v1/alerts")
}

/// A log and a snapshot of format version 1 open, today and for ever. `TARN_UPDATE=1` writes them
/// where they are absent.
#[test]
fn an_alert_log_of_version_1_opens() {
    const FILES: [&str; 2] = ["00000000000000000001.segment", "00000000000000000002.snapshot"];
    if std::env::var_os("TARN_UPDATE").is_some() && !golden().exists() {
        write_golden(&FILES);
    }
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new(DIR)).unwrap();
    for name in FILES {
        let from = RealDisk.open(&golden().join(name), OpenHow::Read).expect("a golden file");
        let mut bytes = vec![0; from.len().unwrap() as usize];
        from.read_at(&mut bytes, 0).unwrap();
        let to = disk.open(&Path::new(DIR).join(name), OpenHow::CreateNew).unwrap();
        to.write_at(&bytes, 0).unwrap();
    }
    let (log, _, _) = AlertLog::open_stepped(&options(2), &handles(&disk)).unwrap();
    let replayed = futures::executor::block_on(log.replay()).unwrap();
    assert_eq!(replayed.last, Lsn(3));
    assert_eq!(replayed.image.as_ref().unwrap(), &world::image(&[1, 1, 2]));
    let kinds: Vec<_> = replayed.entries.iter().map(|e| (e.tenant.as_str(), e.kind)).collect();
    assert_eq!(kinds, [("team-0", 3), ("team-1", 3)]);
    assert_eq!(ids_of(&replayed), [1, 1, 2, 3, 3]);
}

fn write_golden(files: &[&str]) {
    let disk = SimDisk::new(1);
    let (log, mut commits, _) = AlertLog::open_stepped(&options(1), &handles(&disk)).unwrap();
    let mut append = |entries: Vec<Entry>| {
        let append = log.append(entries);
        let step = async {
            commits.step();
        };
        futures::executor::block_on(futures::future::join(append, step)).0.unwrap()
    };
    append(entries(1, 2, 100));
    append(entries(2, 1, 0));
    append(entries(3, 2, 10));
    let image = world::image(&[1, 1, 2]);
    futures::executor::block_on(log.snapshot(Lsn(2), image)).unwrap();
    commits.witness();
    RealDisk.create_dir_all(&golden()).unwrap();
    for name in files {
        let bytes = disk.read(&Path::new(DIR).join(name)).unwrap();
        let to = RealDisk.open(&golden().join(name), OpenHow::CreateNew).unwrap();
        to.write_at(&bytes, 0).unwrap();
    }
}
