use super::*;
use crate::file::RealDisk;

#[test]
fn thresholds_are_the_smaller_of_share_and_size() {
    let (gib, mib) = (1u64 << 30, 1u64 << 20);
    assert_eq!(Thresholds::of(1000 * gib), Thresholds { soft: 4 * gib, hard: gib });
    let small = Thresholds::of(100 * mib);
    assert_eq!((small.soft, small.hard), (15 * mib, 5 * mib));
}

/// FUL-1: writes are refused on a full disk and taken again when there is room, without flapping.
#[test]
fn ful_1_levels_have_hysteresis() {
    let total = 1000u64 << 20;
    let mut level = Level::Ample;
    // MiB available → expected level, one after the other.
    for (available, expected) in [
        (500, Level::Ample),
        (149, Level::Soft),
        (151, Level::Soft),
        (169, Level::Soft),
        (171, Level::Ample),
        (49, Level::Hard),
        (60, Level::Hard),
        (71, Level::Soft),
        (49, Level::Hard),
        (900, Level::Ample),
    ] {
        level = next_level(level, Space { total, available: available << 20 });
        assert_eq!(level, expected, "{available} MiB");
    }
}

#[test]
fn reasons_add_up() {
    let read_only = ReadOnly::register(&mut Registry::default());
    assert_eq!(read_only.reason(), None);
    assert!(read_only.set("disk_full", "disk has 1MiB left"));
    assert!(!read_only.set("disk_full", "disk has 2MiB left"));
    assert!(read_only.set("wal", "sync failed"));
    assert_eq!(read_only.reason().unwrap(), "disk has 2MiB left; sync failed");
    assert!(read_only.clear("disk_full") && !read_only.clear("disk_full"));
    assert_eq!(read_only.reason().unwrap(), "sync failed");
}

#[test]
fn ballast_is_filled_and_released() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ballast");
    let ballast = Ballast::new(Arc::new(RealDisk), path.clone(), ByteSize(3 << 20));
    ballast.fill().unwrap();
    ballast.fill().unwrap();
    assert_eq!(RealDisk.list(folder.path()).unwrap()[0].bytes, 3 << 20);
    ballast.release().unwrap();
    ballast.release().unwrap();
    assert!(RealDisk.list(folder.path()).unwrap().is_empty());
}
