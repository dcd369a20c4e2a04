use super::*;
use crate::file::{Disk, OpenHow, RealDisk};
use crate::paths::DataDir;

fn keys(usage: &Usage) -> Vec<String> {
    usage.keys(&TenantId::default_tenant(), Signal::Logs, 3)
}

fn ask(usage: &Usage, key: &str, times: usize) {
    (0..times).for_each(|_| usage.asked(&TenantId::default_tenant(), Signal::Logs, key));
}

#[test]
fn what_is_asked_most_comes_first() {
    let usage = Usage::default();
    for (key, times) in [("a", 2), ("b", 7), ("c", 2), ("d", 1)] {
        ask(&usage, key, times);
    }
    assert_eq!(keys(&usage), ["b", "a", "c"]);
    assert!(usage.keys(&TenantId::default_tenant(), Signal::Traces, 3).is_empty());
    ask(&usage, &"x".repeat(KEY_BYTES_MAX + 1), 100);
    assert_eq!(keys(&usage)[0], "b");
}

#[test]
fn what_nobody_asks_for_any_more_is_forgotten() {
    let usage = Usage::default();
    usage.age(100);
    ask(&usage, "daily", 4);
    ask(&usage, "once", 1);
    usage.age(100);
    assert_eq!(keys(&usage), ["daily", "once"]);
    usage.age(101);
    assert_eq!(keys(&usage), ["daily"]);
    usage.age(100);
    assert_eq!(keys(&usage), ["daily"], "the clock went back");
    usage.age(5000);
    assert!(keys(&usage).is_empty());
}

#[test]
fn many_keys_do_not_keep_new_ones_out() {
    let usage = Usage::default();
    ask(&usage, "often", 10);
    for i in 0..10 * KEYS_MAX {
        ask(&usage, &format!("k{i}"), 1);
        assert!(usage.counts.lock().keys.values().all(|keys| keys.len() <= KEYS_MAX));
    }
    ask(&usage, "new", 3);
    assert_eq!(keys(&usage)[0], "new");
}

#[test]
fn scans_note_attributes_and_their_columns() {
    let usage = Usage::default();
    let columns = [
        RowColumn::Attribute("a".into()),
        RowColumn::Attribute("a".into()),
        RowColumn::Stored("ai_b".into()),
        RowColumn::Stored("body".into()),
        RowColumn::Attributes,
    ];
    let scan = RowScan::new(Table::Logs, columns.to_vec());
    usage.scanned(&TenantId::default_tenant(), &scan);
    assert_eq!(keys(&usage), ["a", "b"]);
    assert_eq!(usage.counts.lock().keys.values().flat_map(Keys::values).sum::<u64>(), 2);
}

#[test]
fn counts_live_through_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::new(folder.path());
    let usage = Usage::default();
    usage.age(100);
    ask(&usage, "a", 5);
    ask(&usage, "b", 2);
    for _ in 0..2 {
        file::save(&usage, &dir, &RealDisk).unwrap();
        let later = Usage::default();
        file::load(&later, &dir, &RealDisk);
        assert_eq!(keys(&later), ["a", "b"]);
        later.age(102);
        assert_eq!(keys(&later), ["a"], "days without a process count");
        ask(&usage, "a", 1);
    }
    // Damage: nobody has asked for anything.
    RealDisk.remove(&dir.usage()).unwrap();
    let damaged = RealDisk.open(&dir.usage(), OpenHow::CreateNew).unwrap();
    damaged.write_at(b"{\"day\":", 0).unwrap();
    let later = Usage::default();
    file::load(&later, &dir, &RealDisk);
    assert!(keys(&later).is_empty());
}
